"""The simulator's rows: what is refused leaves nothing, two at once, and a crash.

Nothing is deployed here, so no function runs; the automatic messages are the bot's words.
"""

import datetime as dt
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection as database
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from houston.models import Account
from invoker import commands, dispatch, simulator
from invoker.models import (
    AutomaticText,
    Command,
    CommandState,
    Connection,
    ControllerBot,
    Conversation,
    Event,
    Notification,
    Platform,
    SimulatedAct,
    SimulatedLine,
    Simulation,
    Verdict,
)
from invoker.simulator import ActError, acts, playing
from tests import factories
from tests.invoker.simulated import WELCOME, begin, counts, play, refused, said, subtypes

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory(
        platform=Platform.SIMULATOR, message_delivery="at_least_once"
    )


# What the door refuses ----------------------------------------------------------------------------


def test_nothing_is_made_while_the_account_cannot_take_notifications(
    connection: Connection,
) -> None:
    codes = []
    for break_it in (
        lambda: Connection.objects.update(active=False),
        lambda: ControllerBot.objects.update(functions_enabled_at=None),
        lambda: ControllerBot.objects.all().delete(),
    ):
        break_it()
        with pytest.raises(ActError) as caught:
            begin()
        codes.append(caught.value.code)
        Connection.objects.update(active=True)

    assert codes == ["no-simulator", "functions-not-enabled", "controller-bot-not-set-up"]
    assert counts() == [0, 0, 0, 0, 0]


def test_nothing_changes_while_the_simulator_is_switched_off(connection: Connection) -> None:
    conversation = begin()
    before, scene = counts(), Simulation.objects.get().scene
    Connection.objects.update(active=False)

    codes = {
        refused(conversation, **act)
        for act in (
            {"act": "assign"}, {"act": "consumer_says", "text": "Hi"}, {"act": "close"},
            {"act": "wait", "seconds": 60}, {"act": "office", "state": "closed"},
        )
    }  # fmt: skip

    after = Simulation.objects.get()
    assert codes == {"connection-disabled"}
    assert counts() == before
    assert (after.scene, after.goes_to_ms, after.office) == (scene, None, "")


def test_account_without_a_simulator_is_told_how_to_get_one(account: Account) -> None:
    factories.ConnectionFactory()

    with pytest.raises(ActError, match="the account team or an admin can add one") as caught:
        begin()

    assert caught.value.code == "no-simulator"


def test_conversation_of_another_platform_has_no_clock_and_is_not_played(
    account: Account,
) -> None:
    real = factories.ConversationFactory(connection__platform=Platform.GENERIC)
    # Nothing makes such a row; whoever makes one all the same moves no real clock.
    Simulation.objects.create(
        conversation=real,
        account_id=real.account_id,
        scene={},
        ahead_ms=10**9,
        goes_to_ms=2 * 10**9,
    )
    conversation = Conversation.objects.select_related("connection", "simulation").get()

    assert conversation.simulated is None
    assert conversation.ahead == dt.timedelta(0)
    assert refused(conversation, act="wait", seconds=60) == "not-simulated"
    assert refused(factories.ConversationFactory(), act="assign") == "not-simulated"
    Conversation.mark_arrivals([conversation.pk])
    dispatch.drain(conversation.pk)
    assert Simulation.objects.values_list("ahead_ms", "goes_to_ms").get() == (10**9, 2 * 10**9)


def test_handling_of_a_real_conversation_asks_nothing_of_the_simulator(
    account: Account,
) -> None:
    event = factories.EventFactory(state="waiting", conversation__due_at=timezone.now())

    with CaptureQueriesContext(database) as asked:
        assert dispatch.drain(event.conversation_id) == 1

    assert [each for each in asked.captured_queries if 'FROM "invoker_simul' in each["sql"]] == []


# Two at once, and a crash -------------------------------------------------------------------------


def test_of_two_people_at_once_the_second_is_told(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first one's look at the conversation and their change, somebody else acts."""
    conversation = begin()
    before = counts()
    real, raced = playing._scene, []

    def overtaken(simulation: Simulation) -> Any:
        found = real(simulation)
        if not raced:
            raced.append(True)
            other = Conversation.objects.get(pk=conversation.pk)
            simulator.perform(other, acts.Assign(agent="Lee"), by="lea")
        return found

    monkeypatch.setattr(playing, "_scene", overtaken)

    assert refused(conversation, act="assign", agent="Kim") == "changed"

    people = [each["name"] for each in Simulation.objects.get().scene["people"]]
    assert people == ["Sam", "Lee"]
    assert [after - earlier for after, earlier in zip(counts(), before, strict=True)] == [
        0, 0, 1, 1, 1,
    ]  # fmt: skip


def test_many_people_at_once_lose_nothing(connection: Connection) -> None:
    conversation = begin()
    gate = threading.Barrier(4)

    def play_along(number: int) -> list[str]:
        gate.wait()
        try:
            return [_say(conversation.pk, f"{number} says {word}") for word in ("a", "b", "c")]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as people:
        outcomes = [each for found in people.map(play_along, range(4)) for each in found]
    dispatch.drain(conversation.pk)

    assert set(outcomes) <= {"done", "changed"}
    done = outcomes.count("done")
    # Who was told "changed" was told so because another one of the four was done just then.
    assert done >= 3
    numbers = SimulatedLine.objects.order_by("number").values_list("number", flat=True)
    # Those of the consumer, and the automatic message.
    assert list(numbers) == list(range(1, done + 3))
    assert SimulatedAct.objects.count() == done + 1
    assert Notification.objects.filter(kind__contains="Messaging", state="done").count() == done + 2


def _say(pk: int, text: str) -> str:
    found = Conversation.objects.select_related("connection", "simulation").get(pk=pk)
    try:
        simulator.perform(found, acts.ConsumerSays(text=text), by="kim")
    except ActError as error:
        return error.code
    return "done"


@pytest.mark.parametrize("dies", ["before the door", "behind the door", "after the commit"])
def test_killed_on_the_way_to_the_notification_nothing_or_everything_is_there(
    connection: Connection, dies: str
) -> None:
    """Another process does it, and really dies."""
    conversation = begin()
    before, scene = counts(), Simulation.objects.get().scene

    died = subprocess.run(
        [sys.executable, "-c", ASSIGN_AND_DIE, dies, str(conversation.pk)],
        cwd=ROOT, env=os.environ | _database() | {"DJANGO_SETTINGS_MODULE": "houston.settings"},
        check=False, timeout=60,
    )  # fmt: skip

    assert died.returncode == 9
    if dies != "after the commit":
        assert counts() == before
        assert Simulation.objects.get().scene == scene
        play(conversation, act="assign")
    # Nobody was knocked at; a sweep finds what waits.
    Conversation.objects.filter(due_at__isnull=False).update(
        due_at=timezone.now() - 2 * dispatch.SWEEP_AFTER
    )
    for pk in dispatch.due_conversations():
        dispatch.drain(pk)
    assert subtypes(conversation) == [WELCOME, "YOU_ARE_CONNECTED_TO"]
    assert SimulatedAct.objects.count() == 2


ASSIGN_AND_DIE = """
import os, sys, django
django.setup()
from invoker import ingest, simulator
from invoker.models import Conversation
from invoker.simulator import acts, playing
dies, pk = sys.argv[1:]
outside = playing._outside[0]
door = outside.door
def dying(*request):
    if dies == "behind the door":
        assert door(*request).status_code == 202
    os._exit(9)
if dies == "after the commit":
    ingest.knock = lambda account_id, pks: os._exit(9)
else:
    outside.door = dying
simulator.perform(Conversation.objects.get(pk=pk), acts.Assign(), by="kim")
"""


def _database() -> dict[str, str]:
    """The environment in which another process has this test's database and keys."""
    found = database.settings_dict
    url = f"sqlite:///{quote(str(found['NAME']))}"
    if database.vendor == "postgresql":
        url = f"postgres://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"
    return {"DATABASE_URL": url, "HOUSTON_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS)}


class Crash(BaseException):
    """The process ends here."""


def greeting(text: str) -> None:
    AutomaticText.objects.filter(message__subtype=WELCOME).update(text=text)


def test_message_that_was_shown_when_the_worker_died_is_not_shown_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeting("Welcome")

    def dies(*_: Any, **__: Any) -> None:
        raise Crash

    settle = commands._settle
    monkeypatch.setattr(commands, "_settle", dies)
    with pytest.raises(Crash):
        begin()
    monkeypatch.setattr(commands, "_settle", settle)
    conversation = Conversation.objects.get()
    assert said(conversation) == ["Welcome"]
    assert Command.objects.get().state == CommandState.SENDING

    Conversation.objects.update(due_at=timezone.now())
    dispatch.drain(conversation.pk)

    command = Command.objects.get()
    assert (command.state, command.detail) == (CommandState.SENT, "It was done already")
    assert said(conversation) == ["Welcome"]
    assert Event.objects.get().verdict == Verdict.DEFAULT


def test_message_that_meets_a_persons_act_is_tried_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeting("Welcome")
    real, raced = playing._scene, []

    def overtaken(simulation: Simulation) -> Any:
        found = real(simulation)
        if not raced:
            raced.append(True)
            other = Conversation.objects.get()
            simulator.perform(other, acts.ConsumerSays(text="Hello?"), by="lea")
        return found

    monkeypatch.setattr(playing, "_scene", overtaken)
    conversation = begin()
    command = Command.objects.get()
    assert (command.state, command.reason) == (CommandState.PENDING, "retrying")
    assert "something else happened just now" in command.detail

    Command.objects.update(due_at=timezone.now())
    Conversation.objects.update(due_at=timezone.now())
    dispatch.drain(conversation.pk)

    command.refresh_from_db()
    assert (command.state, command.attempts) == (CommandState.SENT, 2)
    lines = SimulatedLine.objects.order_by("number").values_list("text", flat=True)
    assert list(lines) == ["Hello", "Hello?", "Welcome"]


def test_lines_are_bounded(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "MOST_LINES", 3)
    conversation = begin()
    play(conversation, act="consumer_says", text="one")
    before = counts()

    assert refused(conversation, act="consumer_says", text="two") == "too-many-lines"
    assert counts() == before
    # Its end is not one line too many.
    play(conversation, act="close")
    conversation.refresh_from_db()
    assert conversation.closed
