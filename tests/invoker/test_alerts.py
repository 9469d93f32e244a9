"""When an alert begins and ends to be true, and what becomes of the messages that tell of it."""

import datetime as dt
import json

import pytest
from django.core import mail
from django.utils import timezone
from standardwebhooks import Webhook

from invoker import alerts
from invoker.models import (
    AlertKind,
    AlertState,
    AuditEntry,
    CommandState,
    InvocationState,
    NotificationState,
    Telling,
    Verdict,
)
from invoker.platforms import reach
from tests import factories
from tests.conftest import Answer

FAILED = InvocationState.CODING_FAILURE
RULE = {
    "kind": "errors",
    "threshold": 5,
    "window_min": 15,
    "channel": "webhook",
    "target": "https://hooks.example/in",
}


@pytest.fixture(autouse=True)
def nothing_opened(settings):
    settings.PRIVATE_NETWORKS = []


def ran(count=1, *, outcome=InvocationState.SUCCEEDED, minutes_ago=2, **fields):
    at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    event = factories.EventFactory(created_at=at, received_at=at)
    for _ in range(count):
        factories.InvocationFactory(
            event=event, outcome=outcome, started_at=at, finished_at=at, **fields
        )
    return event


def looked(alert):
    alerts.watch()
    alert.refresh_from_db()
    return alert.state, alert.finding


def told(alert):
    return list(alert.tellings.order_by("created_at").values_list("kind", flat=True))


# When one is true ---------------------------------------------------------------------------------


def test_errors_fire_from_their_share_on_and_end_when_it_falls(db):
    alert = factories.AlertFactory(threshold=50, min_count=2)
    ran(1, outcome=FAILED)
    few = looked(alert)
    ran(1)
    many = looked(alert)
    firing = alert.firings.get()
    ran(1)
    fewer = looked(alert)

    assert few == (AlertState.OK, "1 run, fewer than 2")
    assert many == (AlertState.FIRING, "50.0 % of 2 runs failed")
    assert firing.ended_at is None
    assert fewer == (AlertState.OK, "33.3 % of 3 runs failed")
    assert alert.firings.get().ended_at is not None
    assert told(alert) == ["firing", "resolved"]


def test_errors_of_one_function_are_its_own(db):
    deployment = factories.DeploymentFactory(function_name="greet")
    alert = factories.AlertFactory(function_id=deployment.function_id, min_count=1)
    ran(5, outcome=FAILED)
    others = looked(alert)
    ran(1, outcome=FAILED, deployment=deployment)

    assert others == (AlertState.OK, "0 runs, fewer than 1")
    assert looked(alert) == (AlertState.FIRING, "100.0 % of 1 run failed")


def test_what_happened_before_the_window_or_elsewhere_does_not_count(db):
    alert = factories.AlertFactory(min_count=1)
    ran(3, outcome=FAILED, minutes_ago=20)
    theirs = factories.EventFactory(account_id="other1")
    factories.InvocationFactory(event=theirs, outcome=FAILED)

    assert looked(alert) == (AlertState.OK, "0 runs, fewer than 1")


def test_latency_fires_above_its_threshold(db):
    alert = factories.AlertFactory(kind=AlertKind.LATENCY, threshold=1000, min_count=1)
    ran(1, duration_ms=300)
    fast = looked(alert)[0]
    ran(20, duration_ms=5_000)

    state, finding = looked(alert)

    assert (fast, state) == (AlertState.OK, AlertState.FIRING)
    assert finding.startswith("p95 is ")
    assert finding.endswith(" ms of 21 runs")


def test_silence_of_the_account_fires_without_any_event(db):
    alert = factories.AlertFactory(kind=AlertKind.SILENCE, window_min=15)
    event = ran(1, minutes_ago=10)
    heard = looked(alert)
    type(event).objects.update(created_at=timezone.now() - dt.timedelta(minutes=16))

    assert heard == (AlertState.OK, "Something happened")
    assert looked(alert) == (AlertState.FIRING, "Nothing happened")


def test_silence_waits_for_its_whole_time_after_it_was_set(db, time_machine):
    alert = factories.AlertFactory(
        kind=AlertKind.SILENCE, window_min=15, watched_since=timezone.now()
    )
    early = looked(alert)
    time_machine.move_to(timezone.now() + dt.timedelta(minutes=16))

    assert early == (AlertState.OK, "Nothing yet since it is watched")
    assert looked(alert)[0] == AlertState.FIRING


def test_silence_of_a_function_is_its_own(db):
    deployment = factories.DeploymentFactory()
    alert = factories.AlertFactory(
        kind=AlertKind.SILENCE, function_id=deployment.function_id, function_name="greet"
    )
    ran(1)
    silent = looked(alert)[0]
    ran(1, deployment=deployment)

    assert (silent, looked(alert)[0]) == (AlertState.FIRING, AlertState.OK)


def test_failed_deliveries_and_what_never_got_so_far_count_together(db):
    alert = factories.AlertFactory(kind=AlertKind.DELIVERIES, threshold=3)
    event = ran(1)
    factories.CommandFactory(event=event, state=CommandState.FAILED)
    factories.CommandFactory(event=event, state=CommandState.SENT)
    one = looked(alert)
    # Counts once, by its command.
    type(event).objects.update(verdict=Verdict.BROKEN)
    factories.EventFactory(verdict=Verdict.BROKEN)
    factories.NotificationFactory(state=NotificationState.FAILED)

    assert one == (AlertState.OK, "1 failed")
    assert looked(alert) == (
        AlertState.FIRING,
        "3 failed, 2 of them before anything could be sent",
    )


def test_alert_that_is_switched_off_is_not_looked_at(db):
    alert = factories.AlertFactory(enabled=False, min_count=1)
    ran(1, outcome=FAILED)

    assert looked(alert) == (AlertState.OK, "")


def test_alert_tells_again_only_after_so_many_hours(db, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    alert = factories.AlertFactory(kind=AlertKind.SILENCE, repeat_h=4)
    looked(alert)
    time_machine.shift(dt.timedelta(hours=3, minutes=59))
    looked(alert)
    before = told(alert)
    time_machine.shift(dt.timedelta(minutes=1))
    looked(alert)
    looked(alert)

    assert before == ["firing"]
    assert told(alert) == ["firing", "again"]


def test_two_that_look_at_once_tell_once(db):
    """The second read the alert before the first had written."""
    alert = factories.AlertFactory(min_count=1)
    ran(1, outcome=FAILED)
    stale = type(alert).objects.get()
    alerts.watch()
    finding = alerts.watching.Finding(true=True, words="late")

    assert not alerts.watching._settle(stale, finding, timezone.now())
    assert told(alert) == ["firing"]


@pytest.mark.parametrize("count", [1, 3])
def test_looking_costs_the_same_however_many_alerts_and_runs(db, count, django_assert_num_queries):
    for kind in AlertKind:
        factories.AlertFactory.create_batch(count, kind=kind, threshold=100, min_count=1)
    ran(count)

    # Alerts; by function and of the account: levels, runs and commands; what was never sent of two
    # kinds, dead letters, any event; what was found.
    with django_assert_num_queries(12):
        alerts.watch()


# Changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "weather"}, "kind"),
        ({"window_min": 7}, "window_min"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 101}, "threshold"),
        ({"min_count": 0}, "min_count"),
        ({"repeat_h": 169}, "repeat_h"),
        ({"channel": "pigeon"}, "channel"),
        ({"target": "ftp://hooks.example/"}, "target"),
        ({"target": "https://"}, "target"),
        ({"target": "https://user:secret@hooks.example/"}, "target"),
        ({"target": "https://hooks.example/\0"}, "target"),
        ({"target": "https://hooks.example:99999/"}, "target"),
        ({"target": "http://127.0.0.1:9/in"}, "target"),
        ({"target": "http://[fe80::1%25eth0]/in"}, "target"),
        ({"target": "https://hooks.example/" + "x" * 500}, "target"),
        ({"channel": "email", "target": "nobody"}, "target"),
        ({"channel": "email", "target": "a@example.com,,b@example.com"}, "target"),
        ({"channel": "email", "target": "a@example.com\nBcc: x@example.com"}, "target"),
        ({"channel": "email", "target": ",".join(["a@example.com"] * 11)}, "target"),
    ],
)
def test_alert_that_breaks_a_rule_is_not_made(db, wrong, field):
    with pytest.raises(alerts.InvalidError) as caught:
        alerts.create("acme1", alerts.Rule(**{**RULE, **wrong}), by="ada")

    assert caught.value.field == field
    assert not AuditEntry.objects.exists()


def test_networks_that_were_opened_may_be_told(db, settings):
    settings.PRIVATE_NETWORKS = ["10.1.0.0/16"]

    rule = alerts.Rule(**{**RULE, "target": "http://10.1.2.3/in"})

    alert = alerts.create("acme1", rule, by="ada")

    assert alert.target == "http://10.1.2.3/in"


def test_there_are_only_so_many_alerts(db):
    factories.AlertFactory.create_batch(alerts.MAX_ALERTS)

    with pytest.raises(alerts.LimitError, match="delete one first"):
        alerts.create("acme1", alerts.Rule(**RULE), by="ada")


def test_edited_alert_begins_anew_and_another_host_gets_another_secret(db):
    alert = factories.AlertFactory(kind=AlertKind.SILENCE)
    looked(alert)
    secret = alert.secret

    alerts.edit(alert, alerts.Rule(**{**RULE, "target": "https://hooks.example/b"}), by="ada")
    same = alert.secret
    alerts.edit(alert, alerts.Rule(**{**RULE, "target": "https://other.example/"}), by="ada")

    alert.refresh_from_db()
    assert (alert.state, alert.kind, alert.looked_at) == (AlertState.OK, "errors", None)
    assert alert.firings.get().ended_at is not None
    assert same == secret != alert.secret


# Messages -----------------------------------------------------------------------------------------


@pytest.fixture
def local(settings):
    settings.PRIVATE_NETWORKS = ["127.0.0.0/8"]


def test_webhook_is_signed_and_says_what_was_found(local, db, callback_server):
    alert = factories.AlertFactory(target=callback_server.url, min_count=1)
    ran(1, outcome=FAILED)
    alerts.watch()

    sent = alerts.tell(alerts.due()[0])

    request = callback_server.requests[0]
    message = Webhook(alert.secret).verify(request.body.decode(), request.headers)
    assert (sent.attempts, sent.error, alerts.due()) == (1, "", [])
    assert message["type"] == "alert.firing"
    assert message["data"]["finding"] == "100.0 % of 1 run failed"
    assert message["data"]["url"].endswith(f"/a/acme1/settings/alerts/{alert.pk}/")
    assert request.headers["webhook-id"] == str(sent.pk)
    assert request.headers["host"] == callback_server.url.split("/")[2]


def test_message_that_was_not_taken_is_sent_again_with_the_same_id(
    local, db, callback_server, time_machine
):
    alert = factories.AlertFactory(target=callback_server.url, kind=AlertKind.SILENCE)
    alerts.watch()
    callback_server.will_answer(*[503] * 5)

    waits = []
    while keys := [str(pk) for pk in Telling.objects.values_list("pk", flat=True)]:
        telling = alerts.tell(keys[0])
        if telling.due_at is None:
            break
        waits.append(round((telling.due_at - timezone.now()).total_seconds() / 60))
        assert alerts.due() == []
        time_machine.move_to(telling.due_at + dt.timedelta(seconds=1))

    assert waits == [1, 5, 15, 60]
    assert telling.sent_at is None
    assert telling.error.startswith("The webhook of the alert answered 503")
    assert len({request.headers["webhook-id"] for request in callback_server.requests}) == 1
    assert len(callback_server.requests) == 5
    assert told(alert) == ["firing"]


def test_message_that_can_never_be_taken_is_not_tried_again(local, db, callback_server):
    alert = factories.AlertFactory(target=callback_server.url)
    callback_server.will_answer(Answer(status=410))

    telling = alerts.test(alert)

    assert (telling.sent_at, telling.due_at) == (None, None)
    assert "410" in telling.error


def test_message_is_sent_by_one_of_two(local, db, callback_server):
    alert = factories.AlertFactory(target=callback_server.url, kind=AlertKind.SILENCE)
    alerts.watch()
    key = alerts.due()[0]

    assert [alerts.tell(key) is not None, alerts.tell(key) is not None] == [True, False]
    assert len(callback_server.requests) == 1
    assert alert.tellings.get().sent_at is not None


def test_tests_of_an_alert_are_some_seconds_apart(local, db, callback_server):
    alert = factories.AlertFactory(target=callback_server.url)
    alerts.test(alert)

    with pytest.raises(alerts.TooSoonError):
        alerts.test(alert)

    assert json.loads(callback_server.requests[0].body)["type"] == "alert.test"
    assert len(callback_server.requests) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 -- not bound, refused
        "224.0.0.1",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a00:1::]",
        "localhost",
        "2130706433",
        "0x7f.1",
    ],
)
def test_webhook_goes_to_no_address_inside_a_network(db, address):
    alert = factories.AlertFactory(target=f"http://{address}:9/in")

    telling = alerts.test(alert)

    assert "this is no public address" in telling.error
    assert telling.sent_at is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_told_from_others(address):
    assert reach.is_allowed(address)


def test_email_goes_to_everybody_named(db, settings):
    settings.EMAIL_CONFIGURED = True
    alert = factories.AlertFactory(
        channel="email", target="ops@example.com, dana@example.com", function_name="greet"
    )

    telling = alerts.test(alert)

    assert telling.sent_at is not None
    sent = mail.outbox[0]
    assert sent.to == ["ops@example.com", "dana@example.com"]
    assert sent.subject == ("[Houston acme1] Test: 50 % of runs of greet fail within 15 minutes")
    assert f"/a/acme1/settings/alerts/{alert.pk}/" in sent.body


def test_email_says_when_the_installation_sends_none(db, settings):
    settings.EMAIL_CONFIGURED = False

    telling = alerts.test(factories.AlertFactory(channel="email", target="ops@example.com"))

    assert telling.error.startswith("This installation sends no e-mail")
    assert mail.outbox == []
