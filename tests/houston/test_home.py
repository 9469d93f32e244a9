"""The first page of an account: what needs attention, its numbers, and what people did."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from functions.models import Stage
from houston.models import Account
from houston.views import home
from invoker import audit
from invoker.metrics import Point, Tally
from invoker.models import AlertState, ControllerBot, Heartbeat, InvocationState, Verdict
from invoker.tasks import WORKER
from tests import factories

HERE = f"/a/{factories.ACCOUNT_ID}/"


def ran(function, count, **fields):
    for _ in range(count):
        factories.InvocationFactory(
            deployment=function.deployment,
            **{
                "function_id": function.pk,
                "outcome": InvocationState.SUCCEEDED,
                "duration_ms": 20,
                "finished_at": timezone.now(),
                **fields,
            },
        )


def attention(client):
    return [one.text for one in client.get(HERE).context["attention"]]


def test_quiet_account_says_that_nothing_needs_attention(developer_client, account):
    factories.deployed(name="greet")

    page = developer_client.get(HERE)

    assert page.context["attention"] == []
    assert "Nothing needs attention" in page.content.decode()


def test_empty_account_says_how_to_begin(developer_client, admin_client, account):
    for client, offered in ((developer_client, True), (admin_client, False)):
        page = client.get(HERE).content.decode()
        assert "Three steps to a first answer" in page
        assert ("Create the first function" in page) == offered
        assert (f'href="{reverse("members", args=[account.pk])}">Members</a>' in page) != offered


def test_account_that_is_not_set_up_says_who_can_do_it(team_client):
    account = Account.objects.create(pk="new1", name="New")

    found = [one.text for one in team_client.get(f"/a/{account.pk}/").context["attention"]]

    assert found == [
        "The controller bot is not set up: the account team can do it",
        "Functions are not enabled: the account team can do it",
    ]


def test_failed_deployment_says_why_and_what_serves(developer_client, account):
    factories.FunctionFactory(
        name="draft", stage=Stage.BUILD_ERROR, problems=[{"message": "Unexpected token", "line": 3}]
    )
    live = factories.deployed(name="greet")
    type(live).objects.filter(pk=live.pk).update(stage=Stage.DEPLOY_ERROR)

    assert attention(developer_client) == [
        "draft could not be deployed: Unexpected token; nothing serves yet",
        "greet could not be deployed: the sandbox was away; version 1 goes on serving",
    ]


def test_dead_letters_are_counted_by_what_they_are(developer_client, account):
    factories.DeadLetterFactory.create_batch(3)
    event = factories.EventFactory(verdict=Verdict.BROKEN)
    factories.DeadLetterFactory(kind="event", command=None, event=event)
    factories.DeadLetterFactory(state="discarded", closed_at=timezone.now())

    assert attention(developer_client) == [
        "3 messages, transfers and closes could not be delivered",
        "1 event failed inside Houston",
    ]


@pytest.mark.parametrize(("failed", "slow", "worrying"), [(1, 0, 1), (0, 1, 1), (0, 0, 0)])
def test_function_that_fails_or_is_slow_needs_attention(
    developer_client, account, failed, slow, worrying
):
    function = factories.deployed(name="greet")
    ran(function, 10)
    ran(function, 3 * failed, outcome=InvocationState.CODING_FAILURE)
    ran(function, 3 * slow, duration_ms=1500)

    assert len(attention(developer_client)) == worrying


def test_of_few_runs_it_counts_whether_the_last_one_failed(developer_client, account):
    greet = factories.deployed(name="greet")
    ran(greet, 1, outcome=InvocationState.CODING_FAILURE)
    each_time = attention(developer_client)
    ran(greet, 2)
    mended = attention(developer_client)
    ran(greet, 1, outcome=InvocationState.TIMEOUT)

    assert each_time == ["greet failed 1 of 1 times in 24 hours"]
    assert mended == []
    assert attention(developer_client) == [
        "greet failed 2 of 4 times in 24 hours, the last time too"
    ]


def test_worker_that_is_silent_is_told_of_and_one_that_never_was_is_not(
    developer_client, team_client, account
):
    before = attention(developer_client)
    Heartbeat.objects.create(name=WORKER, seen_at=timezone.now() - dt.timedelta(minutes=2))

    assert before == []
    assert attention(developer_client) == [
        "No worker is running, so events wait: tell the account team"
    ]
    [said] = team_client.get(HERE).context["attention"]
    assert said.url == reverse("health")


def test_alert_that_fires_and_socket_that_is_away_are_told_of(admin_client, account):
    factories.AlertFactory(state=AlertState.FIRING, finding="12 % of 40 runs failed")
    factories.ConnectionFactory(platform="liveperson", name="Bot", agent_login="{}")

    found = attention(admin_client)

    assert found[0] == "Bot: the agent socket is not connected, nobody holds it"
    assert found[1].endswith(": 12 % of 40 runs failed")


def test_stream_shows_developers_functions_and_admins_everything(
    developer_client, admin_client, account
):
    audit.record(account.pk, "function.created", "greet", by="kim")
    audit.record(account.pk, "secret.added", "crm", by="ada")
    audit.record("other1", "function.created", "theirs", by="otto")

    seen = {
        client: [
            (entry.by, entry.words)
            for day in client.get(HERE).context["days"]
            for entry in day.entries
        ]
        for client in (developer_client, admin_client)
    }

    assert seen[developer_client] == [("kim", "created greet")]
    assert seen[admin_client] == [("ada", "added the secret crm"), ("kim", "created greet")]


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(developer_client, account, django_assert_num_queries, count):
    for number in range(count):
        function = factories.deployed(name=f"f{number}")
        ran(function, 12, duration_ms=1500)
        factories.ConnectionFactory(name=f"c{number}")
        factories.DeadLetterFactory()
        audit.record(account.pk, "function.created", "greet", by="kim")

    with django_assert_num_queries(23):
        page = developer_client.get(HERE)

    assert page.content.decode().count("took longer than 1 s") == 2 * count


def test_spark_rises_to_its_top_with_the_most_invocations():
    at = timezone.now()
    points = [Point(at, Tally(outcomes={"SUCCEEDED": count})) for count in (0, 4, 2)]

    assert home.spark(points) == "0.0,31.0 120.0,1.0 240.0,16.0"
    assert home.spark(points[:1]) == ""


def test_home_of_somebody_with_one_account_is_that_account(developer_client, account):
    assert ControllerBot.objects.filter(pk=account.pk).exists()
    assert developer_client.get("/")["Location"] == HERE
