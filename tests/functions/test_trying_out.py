"""*Try it*: one press to a conversation that a function answers, or to what is missing for that."""

import html
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from functions import offering, trial
from functions.models import Function, Stage
from houston.models import Account, User
from invoker import dispatch, runtime
from invoker.models import (
    AuditEntry,
    Connection,
    ControllerBot,
    Conversation,
    Deployment,
    Platform,
    SimulatedLine,
)
from tests import factories

NEW_CONVERSATION = "controllerbot_messaging_new_conversation"
TRY_IT = f"/a/{factories.ACCOUNT_ID}/functions/try-it/"


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR, name="Simulator")


def main(response: Any) -> str:
    """What the page says beside the navigation."""
    text = html.unescape(response.content.decode())
    return text.split("<main", 1)[1].split("</main>", 1)[0]


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_one_press_deploys_a_function_and_starts_a_conversation_that_it_answers(
    developer_client: Client, connection: Connection
) -> None:
    response = developer_client.post(TRY_IT)

    conversation = Conversation.objects.get()
    page = reverse("functions:conversation", args=[factories.ACCOUNT_ID, conversation.pk])
    assert (response.status_code, response["Location"]) == (302, page)
    function = Function.objects.get()
    assert (function.name, function.state) == ("new_conversation", "Productive")
    assert [each.action for each in AuditEntry.objects.order_by("at")] == [
        "function.created", "function.deployed",
    ]  # fmt: skip
    dispatch.drain(conversation.pk)
    assert [(line.author, line.text) for line in SimulatedLine.objects.order_by("number")] == [
        ("Sam", "Hello"),
        ("Controller bot", "Hello and welcome! An agent will be with you shortly."),
    ]
    assert conversation.simulation.started_by == "dana"

    again = developer_client.post(TRY_IT)

    assert again.status_code == 302
    assert (Function.objects.count(), Conversation.objects.count()) == (1, 2)


def test_function_that_serves_is_tried_in_a_skill_of_its_own(
    developer_client: Client, connection: Connection
) -> None:
    factories.deployed(name="sales", event_type=NEW_CONVERSATION, skills=["7", "8"])

    response = developer_client.post(TRY_IT)

    assert response.status_code == 302
    assert Conversation.objects.get().simulation.scene["skill_id"] == "7"
    assert Function.objects.count() == 1
    assert not AuditEntry.objects.exists()


def test_draft_of_somebody_is_offered_for_deployment_and_left_as_it_is(
    developer_client: Client, connection: Connection
) -> None:
    factories.FunctionFactory(name="mine", event_type=NEW_CONVERSATION)
    before = Function.objects.values().get()

    response = developer_client.post(TRY_IT)

    assert response.status_code == 409
    assert "has a function already, and none is deployed" in main(response)
    assert reverse("functions:deploy", args=[factories.ACCOUNT_ID, "mine"]) in main(response)
    assert Function.objects.values().get() == before
    assert not Conversation.objects.exists()
    assert not Deployment.objects.exists()


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_who_is_slower_by_a_moment_goes_on_with_the_function_of_the_other(
    developer_client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_name = offering.free_name

    def be_overtaken(wish: str, taken: set[str]) -> str:
        monkeypatch.setattr(offering, "free_name", free_name)
        trial.begin(factories.ACCOUNT_ID, by="kim")
        return free_name(wish, taken)

    monkeypatch.setattr(offering, "free_name", be_overtaken)

    response = developer_client.post(TRY_IT)

    assert response.status_code == 302
    assert Function.objects.get().created_by == "kim"
    assert Conversation.objects.count() == 2
    shown = main(developer_client.get(response["Location"]))
    assert "was made from the gallery" not in shown


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_several_that_press_at_once_all_come_to_a_conversation(
    developer: User, connection: Connection
) -> None:
    start = threading.Barrier(3, timeout=20)
    statuses: Counter[int] = Counter()

    def press() -> None:
        client = Client()
        client.force_login(developer)
        try:
            start.wait()
            statuses[client.post(TRY_IT).status_code] += 1
        finally:
            database.close()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert statuses == {302: 3}
    assert Function.objects.get().state == "Productive"
    assert Conversation.objects.count() == 3


def test_function_that_is_being_deployed_is_waited_for(
    developer_client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = factories.FunctionFactory(
        event_type=NEW_CONVERSATION, stage=Stage.DEPLOYING, stage_at=timezone.now()
    )

    def come_to_serve(_: float) -> None:
        factories.DeploymentFactory(
            function_id=function.pk, event_type=NEW_CONVERSATION, active=True
        )
        Function.objects.update(stage=Stage.NONE)

    monkeypatch.setattr("time.sleep", come_to_serve)

    assert developer_client.post(TRY_IT).status_code == 302
    assert Conversation.objects.exists()


def test_function_that_takes_too_long_to_deploy_is_not_waited_for(
    developer_client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PATIENCE_S", 0.0)
    factories.FunctionFactory(
        event_type=NEW_CONVERSATION, stage=Stage.DEPLOYING, stage_at=timezone.now()
    )

    response = developer_client.post(TRY_IT)

    assert response.status_code == 409
    assert "has a function already, and none is deployed" in main(response)


def test_account_without_the_simulator_is_told_who_adds_it(
    developer_client: Client, admin_client: Client, account: Account
) -> None:
    connection = factories.ConnectionFactory(platform=Platform.SIMULATOR, active=False)

    response = developer_client.post(TRY_IT)

    assert response.status_code == 409
    assert "The account has no simulator that is switched on" in main(response)
    assert "adds it, or switches it on, with one press: ada" in main(response)
    assert "?platform=simulator" not in main(response)
    assert not Function.objects.exists()
    assert connection.conversations.count() == 0


@pytest.mark.parametrize(
    ("enabled", "message"),
    [(False, "The controller bot is not set up"), (None, "Functions are not enabled")],
)
def test_account_that_is_not_set_up_is_told_who_does_what(
    developer_client: Client, connection: Connection, enabled: bool | None, message: str
) -> None:
    if enabled is None:
        ControllerBot.objects.update(functions_enabled_at=None)
    else:
        ControllerBot.objects.all().delete()

    response = developer_client.post(TRY_IT)
    pages = [
        developer_client.get(f"/a/{factories.ACCOUNT_ID}/{path}") for path in ("", "functions/")
    ]

    assert response.status_code == 409
    assert message in main(response)
    assert "The account team sets an account up once" in main(response)
    assert all("Before a conversation can begin, the account team" in main(each) for each in pages)
    assert not Function.objects.exists()


def test_sandbox_that_is_away_leaves_a_draft_and_says_so(
    developer_client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [runtime.Problem("busy", "Every sandbox of this host is in use")]
    monkeypatch.setattr(runtime, "check", lambda _: busy)

    response = developer_client.post(TRY_IT)

    assert response.status_code == 503
    assert "Every sandbox of this host is in use" in main(response)
    assert Function.objects.get().deployment is None
    assert not Conversation.objects.exists()


def test_others_are_told_who_can_press_it(
    admin_client: Client, team_client: Client, connection: Connection
) -> None:
    for client in (admin_client, team_client):
        refused = client.post(TRY_IT)
        shown = client.get(f"/a/{factories.ACCOUNT_ID}/functions/")

        assert refused.status_code == 403
        assert "You need the role developer" in main(refused)
        assert "A developer of this account can start a conversation here" in main(shown)
        assert TRY_IT not in main(shown)
    assert not Function.objects.exists()


@pytest.mark.parametrize("path", ["", "functions/", "activity/"])
def test_button_stands_where_nothing_has_happened_yet(
    developer_client: Client, connection: Connection, path: str
) -> None:
    before = main(developer_client.get(f"/a/{factories.ACCOUNT_ID}/{path}"))
    factories.EventFactory()
    factories.FunctionFactory()
    after = main(developer_client.get(f"/a/{factories.ACCOUNT_ID}/{path}"))

    assert f'action="{TRY_IT}"' in before
    assert TRY_IT not in after


def test_activity_of_an_account_with_the_simulator_alone_shows_no_curl(
    developer_client: Client, connection: Connection
) -> None:
    alone = main(developer_client.get(f"/a/{factories.ACCOUNT_ID}/activity/"))
    factories.ConnectionFactory(platform=Platform.GENERIC, name="CRM")
    beside = main(developer_client.get(f"/a/{factories.ACCOUNT_ID}/activity/"))

    assert "curl" not in alone
    assert str(connection.pk) not in alone + beside
    assert "Or let the platform send its notifications here" in beside
    assert "curl" in beside
