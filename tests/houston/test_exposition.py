"""`/metrics`: who may read it, and that every number is the one in the database."""

import datetime as dt
import json
import re
import tomllib
from types import SimpleNamespace

import httpx
import pytest
import yaml
from django.conf import settings as conf
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from houston import __version__, exposition
from houston.manual import codes as manual_codes
from invoker import telemetry
from invoker.models import InvocationState
from tests import factories
from tests.stack import services

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.runtime]


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_numbers_of_the_database_are_those_of_the_moment(client):
    now = timezone.now()
    factories.HeartbeatFactory(seen_at=now - dt.timedelta(seconds=7))
    waiting = factories.ConversationFactory(due_at=now - dt.timedelta(seconds=40))
    factories.ConversationFactory(
        due_at=now - dt.timedelta(hours=1), lease_until=now + dt.timedelta(seconds=9)
    )
    factories.ConversationFactory(due_at=now + dt.timedelta(seconds=90))
    factories.NotificationFactory.create_batch(2, conversation=waiting)
    factories.DeadLetterFactory()

    answer = client.get("/metrics")

    found = values(answer.content.decode())
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert found[("houston_build_info", __version__)] == 1
    assert 40 <= found[("houston_queue_oldest_age_seconds",)] < 600
    assert 7 <= found[("houston_worker_heartbeat_age_seconds",)] < 600
    assert found[("houston_dead_letters_open",)] == 1
    assert found[("houston_notifications_pending",)] >= 2
    assert ("houston_sandboxes", "running") in found


def test_nothing_is_told_of_an_account(client, account):
    factories.DeadLetterFactory()

    assert account.id not in client.get("/metrics").content.decode()


def test_query_count_does_not_grow(client, django_assert_num_queries):
    factories.DeadLetterFactory.create_batch(3)

    with django_assert_num_queries(5):
        client.get("/metrics")


@pytest.mark.parametrize(
    ("asks", "code"),
    [
        ({"REMOTE_ADDR": "10.0.0.5"}, "metrics-local"),
        ({"REMOTE_ADDR": ""}, "metrics-local"),
        ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, "metrics-local"),
        ({"HTTP_X_FORWARDED_PROTO": "https"}, "metrics-local"),
        ({"HTTP_FORWARDED": "for=127.0.0.1"}, "metrics-local"),
        ({"HTTP_X_REAL_IP": "127.0.0.1"}, "metrics-local"),
        ({"HTTP_VIA": "1.1 proxy"}, "metrics-local"),
    ],
)
def test_nobody_reads_from_outside_without_a_token(asks, code):
    answer = Client(**asks).get("/metrics")

    assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer other", "Basic s3cret", "s3cret", "é"])
def test_wrong_token_is_refused_on_this_machine_too(client, settings, given):
    settings.METRICS_TOKEN = "s3cret"

    answer = client.get("/metrics", headers={"Authorization": given} if given else {})

    assert (answer.status_code, answer.json()["code"]) == (401, "metrics-token")
    assert answer["WWW-Authenticate"] == 'Bearer realm="metrics"'


def test_token_lets_in_from_anywhere(settings):
    settings.METRICS_TOKEN = "s3cret"
    far = Client(REMOTE_ADDR="10.0.0.5", HTTP_X_FORWARDED_FOR="10.0.0.9")

    assert far.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_worker_answers_on_a_port_of_its_own(settings):
    settings.METRICS_PORT = services.free_port()
    settings.METRICS_TOKEN = "s3cret"
    telemetry.refused("bad-signature")
    url = f"http://127.0.0.1:{exposition.serve()}/metrics"

    refused = httpx.get(url)
    found = values(httpx.get(url, headers={"Authorization": "Bearer s3cret"}).text)

    assert refused.status_code == 401
    assert found[("houston_notifications_refused_total", "bad-signature")] >= 1
    # A web server tells it, and one of them is enough.
    assert ("houston_dead_letters_open",) not in found


def test_second_worker_of_a_host_leaves_the_port_to_the_first(settings, caplog):
    settings.METRICS_PORT = services.free_port()
    caplog.set_level("INFO", "houston.exposition")

    first, second = exposition.serve(), exposition.serve()

    assert (first, second) == (settings.METRICS_PORT, None)
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("INFO", "another worker of this host answers /metrics")
    ]


def test_version_is_that_of_the_project():
    project = tomllib.loads((conf.BASE_DIR / "pyproject.toml").read_text())["project"]

    assert project["version"] == __version__


def every_metric(client: Client) -> set[str]:
    """The names of all that there is to read, once everything has happened."""
    factories.HeartbeatFactory()
    factories.HeartbeatFactory(name="beat")
    telemetry.accepted(1)
    telemetry.refused("bad-signature")
    telemetry.derived([SimpleNamespace(type="t")])
    telemetry.invoked("SUCCEEDED", 1.0)
    telemetry.removed("events", 1)
    command = SimpleNamespace(
        type="transfer",
        redelivered_at=None,
        event=SimpleNamespace(retried_at=None, received_at=timezone.now()),
    )
    telemetry.settled(command, "sent")
    found = {name for name, *_ in values(client.get("/metrics").content.decode())}
    return {name for name in found if name.startswith("houston_")}


def test_dashboard_asks_for_metrics_that_exist(client):
    exposed = every_metric(client)

    dashboard = json.loads((conf.BASE_DIR / "deploy/grafana/houston.json").read_text())
    exprs = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for expr in exprs for name in re.findall(r"houston_\w+", expr)}

    assert asked - exposed == set()
    # And what is there is shown.
    assert exposed - asked == {
        f"{name}_{part}"
        for name in ("houston_invocation_seconds", "houston_event_to_command_seconds")
        for part in ("sum", "count")
    }


def test_alert_rules_ask_for_metrics_that_exist(client):
    exposed = every_metric(client)

    text = (conf.BASE_DIR / "deploy/prometheus/houston.rules.yaml").read_text()
    [group] = yaml.safe_load(text)["groups"]
    rules = group["rules"]
    asked = {name for rule in rules for name in re.findall(r"houston_\w+", rule["expr"])}
    outcomes = {word for rule in rules for word in re.findall(r"[A-Z]+_?[A-Z]+", rule["expr"])}
    [codes] = re.findall(r'code=~"([^"]+)"', text)

    assert asked - exposed == set()
    assert outcomes - set(InvocationState.values) == set()
    assert set(codes.split("|")) - manual_codes.KNOWN == set()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_readme_of_deployments_names_every_metric(client):
    text = (conf.BASE_DIR / "deploy/README.md").read_text()
    listed = set(re.findall(r"^\| `(houston_\w+)", text, re.MULTILINE))

    assert listed == {re.sub(r"_(bucket|sum|count)$", "", name) for name in every_metric(client)}
