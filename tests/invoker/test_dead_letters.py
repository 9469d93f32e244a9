"""What is given up, what people do about it, and what comes of that: through the real pipeline."""

import datetime as dt
import importlib
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.apps import apps
from django.db import connection as database
from django.utils import timezone

from houston.models import Account
from invoker import alerts, commands, dead_letters, dispatch, metrics
from invoker.dead_letters import NotWaitingError, Wanted
from invoker.models import (
    AuditEntry,
    Command,
    CommandState,
    CommandType,
    Connection,
    ControllerBot,
    Conversation,
    DeadLetter,
    Event,
    EventState,
    Invocation,
    LetterKind,
    LetterState,
    MessageDelivery,
    MetricBucket,
    Notification,
    NotificationState,
    Verdict,
)
from tests import factories
from tests.conftest import Answer, CallbackServer
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

REFUSED = Answer(status=400, body=b"not today")
HOURS = dt.timedelta(hours=3)


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    return factories.ConnectionFactory(callback_url=callback_server.url)


def deploy(value: Any, event: str = "new_conversation") -> None:
    factories.DeploymentFactory(
        code=f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}",
        event_type=f"controllerbot_messaging_{event}",
        function_name="f",
    )


def message(text: str) -> dict[str, str]:
    return {"type": "systemMessage", "text": text}


def drain(conv_id: str = "c-1") -> int:
    Conversation.objects.filter(conv_id=conv_id).update(due_at=timezone.now())
    return dispatch.drain(Conversation.objects.get(conv_id=conv_id).pk)


def said(server: CallbackServer) -> list[str]:
    return [json.loads(one.body)["data"]["command"].get("text", "") for one in server.requests]


def ids(server: CallbackServer) -> list[str]:
    return [one.headers["webhook-id"] for one in server.requests]


def given_up(
    connection: Connection, server: CallbackServer, answer: Answer = REFUSED
) -> DeadLetter:
    """A message that the callback URL refused."""
    server.will_answer(answer)
    deploy(message("hi"))
    senders.post(connection, senders.updated())
    drain()
    return DeadLetter.objects.get()


def later(by: dt.timedelta = HOURS) -> None:
    """Let everything that happened so far be as long ago as this."""
    for model, names in (
        (Event, ("occurred_at", "received_at", "created_at", "finished_at")),
        (Notification, ("received_at", "digested_at")),
        (Command, ("created_at", "redelivered_at")),
    ):
        for row in model.objects.all():
            moved = {name: getattr(row, name) - by for name in names if getattr(row, name)}
            model.objects.filter(pk=row.pk).update(**moved)


# What becomes one, and what does not --------------------------------------------------------------


def test_command_that_is_refused_is_a_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)

    command = Command.objects.get()
    assert (letter.kind, letter.state, letter.reason) == ("command", "open", "refused")
    assert (letter.command, letter.detail) == (command, command.detail)
    assert letter.connection == connection
    assert letter.conversation == Conversation.objects.get()
    assert dead_letters.title(letter) == "message in c-1"


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda _: Connection.objects.update(callback_url=""), "no-callback-url"),
        (lambda server: server.will_answer(500), "gave-up"),
    ],
)
def test_command_with_nowhere_to_go_or_no_attempt_left_is_a_letter(
    connection: Connection,
    callback_server: CallbackServer,
    settings: Any,
    break_it: Any,
    reason: str,
) -> None:
    settings.CALLBACK_ATTEMPTS = 1
    deploy(message("hi"))
    senders.post(connection, senders.updated())
    break_it(callback_server)

    drain()

    assert DeadLetter.objects.get().reason == reason


ALL_THREE = [message("hi"), {"type": "transfer", "skillId": "7"}, {"type": "closeConversation"}]


def fail_until_too_old(connection: Connection, server: CallbackServer) -> None:
    """Deliver what an event leads to while the callback URL fails, until nobody waits for it."""
    deploy(ALL_THREE)
    server.will_answer(500)
    senders.post(connection, senders.updated())
    drain()
    later(dt.timedelta(minutes=1))
    Command.objects.update(due_at=timezone.now())
    drain()


def test_command_that_grew_too_old_while_its_attempts_failed_is_a_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    fail_until_too_old(connection, callback_server)

    letter = DeadLetter.objects.get(command__type=CommandType.MESSAGE)
    assert (letter.command.state, letter.reason) == (CommandState.FAILED, "gave-up")
    assert "500" in letter.detail
    assert len(callback_server.requests) == 1


def test_commands_that_grew_too_old_behind_one_that_failed_are_letters_and_go_out_with_it(
    connection: Connection, callback_server: CallbackServer
) -> None:
    fail_until_too_old(connection, callback_server)
    found = Command.objects.exclude(type=CommandType.MESSAGE)
    behind = "It was not tried: the message before it could not be delivered in time"
    assert (
        list(found.values_list("state", "reason", "detail"))
        == [(CommandState.FAILED, "held-up", behind)] * 2
    )

    wanted = Wanted(account_id=connection.account_id)
    dead_letters.retry_some(wanted, by="kim", begun_at=timezone.now())
    drain()

    types = [json.loads(one.body)["data"]["command"]["type"] for one in callback_server.requests]
    assert types == ["systemMessage", "systemMessage", "transfer", "closeConversation"]
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {LetterState.DONE}


def test_command_of_an_event_that_grew_too_old_behind_another_that_failed_is_a_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(message("hi"))
    deploy(message("moved"), "conversation_routing")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="7"))
    callback_server.will_answer(500)
    drain()
    later(dt.timedelta(minutes=1))
    Command.objects.update(due_at=timezone.now())

    drain()

    reasons = DeadLetter.objects.order_by("command__event__position").values_list("reason")
    assert [reason for (reason,) in reasons] == ["gave-up", "held-up"]
    wanted = Wanted(account_id=connection.account_id)
    dead_letters.retry_some(wanted, by="kim", begun_at=timezone.now())
    drain()
    assert said(callback_server) == ["hi", "hi", "moved"]


def test_command_behind_one_that_failed_before_its_event_came_is_too_late(
    connection: Connection, callback_server: CallbackServer
) -> None:
    fail_until_too_old(connection, callback_server)
    conversation = Conversation.objects.get()
    event = factories.EventFactory(
        conversation=conversation, position=9, state=EventState.DELIVERING
    )
    DeadLetter.objects.update(failed_at=timezone.now() - dt.timedelta(minutes=2))
    command = factories.CommandFactory(event=event)
    Event.objects.filter(pk=event.pk).update(
        occurred_at=timezone.now() - dt.timedelta(minutes=1),
        received_at=timezone.now() - dt.timedelta(minutes=1),
    )

    drain()

    command.refresh_from_db()
    assert (command.state, command.reason) == (CommandState.STALE, "too-old")


@pytest.mark.parametrize(("took_s", "reason"), [(9, "held-up"), (1, "too-old")])
def test_command_behind_a_delivery_that_took_long_is_a_letter(
    connection: Connection, callback_server: CallbackServer, took_s: float, reason: str
) -> None:
    now = timezone.now()
    before = now - dt.timedelta(minutes=1)
    conversation = factories.ConversationFactory(connection=connection, conv_id="c-1")
    earlier, event = (
        factories.EventFactory(
            conversation=conversation, position=position, state=state,
            occurred_at=before, received_at=before,
        )
        for position, state in ((1, EventState.DONE), (2, EventState.DELIVERING))
    )  # fmt: skip
    factories.CommandFactory(
        event=earlier, state=CommandState.SENT, attempts=1,
        created_at=now - dt.timedelta(seconds=took_s + 2), sent_at=now - dt.timedelta(seconds=2),
    )  # fmt: skip
    command = factories.CommandFactory(event=event)

    drain()

    command.refresh_from_db()
    assert command.reason == reason
    assert DeadLetter.objects.exists() == (reason == "held-up")


def test_command_that_nothing_but_its_function_kept_waiting_is_too_late_and_no_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    event = factories.EventFactory(conversation__connection=connection, state=EventState.DELIVERING)
    for position, type_ in enumerate((CommandType.MESSAGE, CommandType.CLOSE)):
        factories.CommandFactory(event=event, type=type_, position=position)
    later(dt.timedelta(minutes=1))

    drain(event.conversation.conv_id)

    assert set(Command.objects.values_list("state", "reason")) == {(CommandState.STALE, "too-old")}
    assert not DeadLetter.objects.exists()


def test_message_that_was_interrupted_is_a_letter(connection: Connection) -> None:
    conversation = factories.ConversationFactory(connection=connection, conv_id="c-1")
    event = factories.EventFactory(conversation=conversation, state=EventState.DELIVERING)
    factories.CommandFactory(event=event, state=CommandState.SENDING, attempts=1)

    drain()

    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.command.state) == ("interrupted", CommandState.UNCERTAIN)


def test_notification_that_cannot_be_read_is_a_letter(connection: Connection) -> None:
    senders.post(connection, senders.line())
    Notification.objects.update(body=b"not what the door took")

    drain()

    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.reason) == ("notification", "malformed-json")
    assert letter.detail == Notification.objects.get().error


def break_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(dispatch.commands, "record", fail)


def give_up_on_event(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> DeadLetter:
    with monkeypatch.context() as patch:
        break_records(patch)
        senders.post(connection, senders.updated())
        for _ in range(dispatch.GIVE_UP_AFTER):
            drain()
    return DeadLetter.objects.get()


def test_event_that_houston_fails_on_is_a_letter(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(message("hi"))

    letter = give_up_on_event(connection, monkeypatch)

    assert (letter.kind, letter.reason) == ("event", "houston-failed")
    assert letter.detail == (
        "Houston failed on it 5 times, the last time with KeyError: its log has the reason"
    )
    assert letter.event.verdict == Verdict.BROKEN


def test_commands_of_an_event_that_houston_fails_to_deliver_are_the_letters(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy([message("hi"), {"type": "transfer", "skillId": "7"}])
    senders.post(connection, senders.updated())
    with monkeypatch.context() as patch:
        patch.setattr(commands.guards, "check", lambda *_, **__: 1 / 0)
        for _ in range(dispatch.GIVE_UP_AFTER):
            drain()

    first, second = DeadLetter.objects.order_by("command__position")
    assert {first.reason, second.reason} == {"houston-failed"}
    assert {each.state for each in Command.objects.all()} == {CommandState.FAILED}
    assert Event.objects.get().verdict == Verdict.BROKEN

    dead_letters.redeliver(Event.objects.get(), by="kim")
    drain()

    assert said(callback_server) == ["hi", ""]
    assert Invocation.objects.count() == 1
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {LetterState.DONE}


def test_what_is_expected_is_no_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy([message("one"), message("two"), {"type": "fly"}])
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    senders.post(connection, senders.line(role="ASSIGNED_AGENT", at=at + 5))
    senders.post(connection, senders.updated("c-2"))

    drain()
    drain("c-2")

    assert set(Command.objects.values_list("state", flat=True)) == {"stale", "dropped", "sent"}
    assert DeadLetter.objects.count() == 0


def test_simulated_conversation_that_was_closed_meanwhile_is_no_letter(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = commands.DeliveryError("It is closed", permanent=True, reason="closed")

    def refuse(*_: Any) -> None:
        raise refusal

    monkeypatch.setattr(type(commands.PLATFORMS["generic"]), "deliver", refuse)
    deploy(message("hi"))
    senders.post(connection, senders.updated())

    drain()

    assert Command.objects.get().state == CommandState.FAILED
    assert DeadLetter.objects.count() == 0


def test_letter_and_failure_are_written_together_or_not_at_all(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies between the two: whoever takes over finds neither."""
    callback_server.will_answer(REFUSED)
    deploy(message("hi"))
    senders.post(connection, senders.updated())

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(commands.giving_up, "settled", die)
        with pytest.raises(SystemExit):
            drain()
    assert (Command.objects.get().state, DeadLetter.objects.count()) == (CommandState.SENDING, 0)

    drain()

    assert (Command.objects.get().state, DeadLetter.objects.count()) == (CommandState.UNCERTAIN, 1)


def test_what_goes_well_costs_no_query_for_letters(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(message("hi"))
    senders.post(connection, senders.updated())
    asked: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with database.execute_wrapper(note):
        drain()

    assert said(callback_server) == ["hi"]
    assert [sql for sql in asked if "deadletter" in sql] == []


# Retried ------------------------------------------------------------------------------------------


def test_message_is_sent_again_with_its_id_and_its_age_counts_from_then(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    later()

    dead_letters.retry(letter, by="kim")
    waiting = DeadLetter.objects.get()
    drain()

    letter.refresh_from_db()
    command = Command.objects.get()
    assert (waiting.state, waiting.tries, waiting.retried_by) == (LetterState.RETRYING, 1, "kim")
    assert said(callback_server) == ["hi", "hi"]
    assert len(set(ids(callback_server))) == 1
    assert (command.state, command.attempts, command.reason) == (CommandState.SENT, 1, "")
    assert (letter.state, letter.closed_by) == (LetterState.DONE, "")
    assert letter.closed_at is not None
    assert Event.objects.get().verdict == Verdict.DELIVERED
    assert Invocation.objects.count() == 1
    assert AuditEntry.objects.get().words == "retried message in c-1"


def test_message_that_fails_again_is_open_again_with_the_new_reason(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    Connection.objects.update(callback_url="")

    dead_letters.retry(letter, by="kim")
    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.tries) == (LetterState.OPEN, "no-callback-url", 1)
    assert Event.objects.get().verdict == Verdict.NOWHERE


def test_guard_stops_what_is_sent_again_and_the_letter_says_so(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    senders.post(connection, senders.line(role="ASSIGNED_AGENT", at=senders.now_ms() + 5))

    dead_letters.retry(letter, by="kim")
    drain()
    letter.refresh_from_db()
    stopped = (letter.state, letter.reason)
    dead_letters.retry(letter, by="kim", insists=True)
    drain()
    letter.refresh_from_db()

    assert stopped == (LetterState.OPEN, "agent-spoke")
    assert said(callback_server) == ["hi", "hi"]
    assert (letter.state, letter.tries) == (LetterState.DONE, 2)


def test_nobody_can_insist_on_speaking_in_a_closed_conversation(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at + 2, state="CLOSE", closeReason="CONSUMER"))

    dead_letters.retry(letter, by="kim", insists=True)
    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == (LetterState.OPEN, "closed")
    assert len(callback_server.requests) <= 2


def test_uncertain_message_is_sent_again_when_a_person_wants_it(
    connection: Connection, callback_server: CallbackServer
) -> None:
    conversation = factories.ConversationFactory(connection=connection, conv_id="c-1")
    event = factories.EventFactory(conversation=conversation, state=EventState.DELIVERING)
    factories.CommandFactory(
        event=event, state=CommandState.SENDING, attempts=1, fields={"text": "hi"}
    )
    drain()

    dead_letters.redeliver(event, by="kim")
    drain()

    assert said(callback_server) == ["hi"]
    assert DeadLetter.objects.get().state == LetterState.DONE
    assert AuditEntry.objects.get().words == "redelivered message in c-1"


def test_interrupted_again_while_it_was_sent_again_is_open_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    dead_letters.retry(letter, by="kim")
    Command.objects.update(state=CommandState.SENDING)

    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.tries) == (LetterState.OPEN, "interrupted", 1)
    assert len(callback_server.requests) == 1


def test_event_is_handled_from_the_start_where_nothing_of_it_was_recorded(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(message("hi"))
    letter = give_up_on_event(connection, monkeypatch)
    later()

    dead_letters.retry(letter, by="kim")
    drain()

    letter.refresh_from_db()
    assert said(callback_server) == ["hi"]
    assert letter.state == LetterState.DONE
    assert Event.objects.get().verdict == Verdict.DELIVERED
    assert Invocation.objects.filter(outcome="SUCCEEDED").count() == 1


def test_event_that_houston_fails_on_again_is_open_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(message("hi"))
    letter = give_up_on_event(connection, monkeypatch)
    dead_letters.retry(letter, by="kim")

    with monkeypatch.context() as patch:
        break_records(patch)
        for _ in range(dispatch.GIVE_UP_AFTER):
            drain()

    letter.refresh_from_db()
    assert (letter.state, letter.tries) == (LetterState.OPEN, 1)


def test_event_is_open_again_when_functions_are_off_by_then(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = give_up_on_event(connection, monkeypatch)
    ControllerBot.objects.update(functions_enabled_at=None)

    dead_letters.retry(letter, by="kim")
    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == (LetterState.OPEN, "functions-off")


def test_notification_is_read_again_and_those_that_came_since_stay_right(
    connection: Connection, callback_server: CallbackServer
) -> None:
    senders.post(connection, senders.updated())
    body = bytes(Notification.objects.get().body)
    Notification.objects.update(body=b"not what the door took")
    drain()
    letter = DeadLetter.objects.get()
    Notification.objects.update(body=body)

    dead_letters.retry(letter, by="kim")
    drain()

    letter.refresh_from_db()
    notification = Notification.objects.get()
    assert (notification.state, notification.error) == (NotificationState.DONE, "")
    assert letter.state == LetterState.DONE
    assert Event.objects.get().notification == notification


def test_notification_that_cannot_be_read_again_is_open_again(connection: Connection) -> None:
    senders.post(connection, senders.line())
    Notification.objects.update(body=b"not what the door took")
    drain()
    letter = DeadLetter.objects.get()

    dead_letters.retry(letter, by="kim")
    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.tries) == (LetterState.OPEN, 1)


def test_what_happens_now_goes_before_what_is_sent_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    deploy(message("moved"), "conversation_routing")
    at = senders.now_ms()
    dead_letters.retry(letter, by="kim")
    # It fails in passing, and is due again in a moment.
    callback_server.will_answer(500)
    drain()
    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="7"))

    drain()
    Command.objects.update(due_at=timezone.now())
    drain()

    assert said(callback_server) == ["hi", "hi", "moved", "hi"]


def test_silence_is_noticed_while_something_waits_to_be_sent_again(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = given_up(connection, callback_server)
    dead_letters.retry(letter, by="kim")
    callback_server.will_answer(500)
    looked: list[object] = []
    look = dispatch.digesting.add_idle_events

    def spy(*arguments: Any) -> Any:
        looked.append(arguments)
        return look(*arguments)

    monkeypatch.setattr(dispatch.digesting, "add_idle_events", spy)

    drain()

    assert Command.objects.get().state == CommandState.PENDING
    assert looked
    due_at = Conversation.objects.get().due_at
    assert due_at == Command.objects.get().due_at


def test_second_command_of_an_event_that_is_retried_meanwhile_is_not_forgotten(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes open again while the worker is about to be done with the event."""
    callback_server.will_answer(REFUSED, REFUSED)
    deploy([message("hi"), {"type": "transfer", "skillId": "7"}])
    senders.post(connection, senders.updated())
    drain()
    first, second = DeadLetter.objects.order_by("command__position")
    dead_letters.retry(first, by="kim")
    verdict = dispatch._verdict

    def meanwhile(event: Event, known: Sequence[Command] | None) -> Verdict:
        found = verdict(event, known)
        monkeypatch.undo()
        dead_letters.retry(second, by="dana")
        return found

    monkeypatch.setattr(dispatch, "_verdict", meanwhile)
    drain()

    assert set(Command.objects.values_list("state", flat=True)) == {CommandState.SENT}
    assert Event.objects.get().verdict == Verdict.DELIVERED
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {LetterState.DONE}


def test_transfer_that_is_sent_again_is_known_as_the_cause_of_what_it_leads_to(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(REFUSED)
    deploy([message(""), {"type": "transfer", "skillId": "7"}])
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    drain()
    transfer = Command.objects.filter(type=CommandType.TRANSFER)
    dead_letters.redeliver(Event.objects.get(), by="kim")
    transfer.update(created_at=timezone.now() - HOURS)
    drain()

    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="7"))
    drain()

    assert Event.objects.get(type__endswith="routing").caused_by == transfer.get()


def test_what_was_counted_is_counted_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    later(dt.timedelta(minutes=20))
    metrics.roll_up()
    account_id = connection.account_id
    since = timezone.now() - dt.timedelta(hours=1)
    before = metrics.of_account(account_id, since=since).commands

    dead_letters.retry(letter, by="kim")
    drain()
    metrics.roll_up()

    assert before == {"systemMessage:failed": 1}
    assert metrics.of_account(account_id, since=since).commands == {"systemMessage:sent": 1}
    assert not MetricBucket.objects.filter(open__gt=0).exists()


# Two at once --------------------------------------------------------------------------------------


def test_two_people_who_press_at_once_have_it_sent_once(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    ready, refused = threading.Barrier(2), []

    def press(who: str) -> None:
        mine = DeadLetter.objects.get(pk=letter.pk)
        ready.wait(timeout=10)
        try:
            dead_letters.retry(mine, by=who)
        except NotWaitingError:
            refused.append(who)
        finally:
            database.close()

    threads = [threading.Thread(target=press, args=(who,)) for who in ("kim", "dana")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain()

    letter.refresh_from_db()
    assert len(refused) == 1
    assert (letter.tries, len(callback_server.requests)) == (1, 2)
    assert AuditEntry.objects.count() == 1


def test_who_discards_while_somebody_retries_comes_too_late(connection: Connection) -> None:
    fail_many(connection, 1)
    letter, told = DeadLetter.objects.get(), []

    def discard_first(execute: Any, sql: str, *rest: Any) -> Any:
        """As another connection can, between what the retry reads and what it writes."""
        if not told and sql.startswith("UPDATE") and "invoker_command" in sql:
            told.append("now")
            with pytest.raises(NotWaitingError):
                dead_letters.discard(DeadLetter.objects.get(pk=letter.pk), "", by="dana")
        return execute(sql, *rest)

    with database.execute_wrapper(discard_first):
        dead_letters.retry(letter, by="kim")

    letter.refresh_from_db()
    assert told == ["now"]
    assert (letter.state, letter.closed_at, letter.tries) == (LetterState.RETRYING, None, 1)


def test_redelivering_twice_sends_once(
    connection: Connection, callback_server: CallbackServer
) -> None:
    given_up(connection, callback_server)
    event = Event.objects.get()

    assert dead_letters.redeliver(event, by="kim") == 1
    with pytest.raises(NotWaitingError):
        dead_letters.redeliver(event, by="dana")
    drain()

    assert len(callback_server.requests) == 2


def test_letter_that_was_discarded_and_went_through_after_all_has_no_note_of_that(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    dead_letters.discard(letter, "The bridge was down", by="kim")

    dead_letters.redeliver(Event.objects.get(), by="dana")
    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.note, letter.closed_by) == (LetterState.DONE, "", "")


def test_letter_that_was_discarded_and_is_open_anew_has_no_note_of_that(
    connection: Connection, callback_server: CallbackServer
) -> None:
    letter = given_up(connection, callback_server)
    dead_letters.discard(letter, "The bridge was down", by="kim")
    Event.objects.update(state=EventState.DELIVERING)
    Command.objects.update(state=CommandState.SENDING)

    drain()

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.note) == (LetterState.OPEN, "interrupted", "")


# Many ---------------------------------------------------------------------------------------------


def fail_many(connection: Connection, count: int, *, reason: str = "refused") -> None:
    for number in range(count):
        conversation = factories.ConversationFactory(
            connection=connection, conv_id=f"{reason}-{number}"
        )
        event = factories.EventFactory(
            conversation=conversation, state=EventState.DONE, verdict=Verdict.FAILED
        )
        command = factories.CommandFactory(
            event=event, state=CommandState.FAILED, reason=reason, fields={"text": "hi"}
        )
        factories.DeadLetterFactory(command=command, reason=reason)


def test_all_that_match_are_retried_in_batches_as_the_workers_follow(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters.many, "MOST_AT_ONCE", 3)
    fail_many(connection, 5)
    fail_many(connection, 1, reason="gave-up")
    wanted = Wanted(account_id=connection.account_id, reason="refused")
    begun_at = timezone.now()
    # One of them fails again, and is not tried a second time.
    callback_server.will_answer(REFUSED)
    batches, after = [], ""

    while True:
        batch = dead_letters.retry_some(wanted, by="kim", begun_at=begun_at, after=after)
        batches.append((batch.done, batch.more))
        after = batch.after
        if not batch.more:
            break
        if not batch.done:
            for pk in Conversation.objects.values_list("pk", flat=True):
                dispatch.drain(pk)
    for pk in Conversation.objects.values_list("pk", flat=True):
        dispatch.drain(pk)

    assert batches == [(3, True), (0, True), (2, False)]
    assert len(callback_server.requests) == 5
    assert dead_letters.progress(connection.account_id, since=begun_at) == {"done": 4, "open": 1}
    assert DeadLetter.objects.get(reason="gave-up").tries == 0
    [entry] = AuditEntry.objects.all()
    assert (entry.words, entry.after) == ("retried 5 dead letters", {"Reason": "refused"})


def test_all_that_match_are_discarded_with_a_note_and_can_be_put_back(
    connection: Connection,
) -> None:
    fail_many(connection, 3)
    fail_many(connection, 1, reason="gave-up")
    wanted = Wanted(account_id=connection.account_id, reason="refused")

    batch = dead_letters.discard_some(
        wanted, "The bridge was down", by="kim", begun_at=timezone.now()
    )
    one = DeadLetter.objects.filter(reason="refused").order_by("pk").first()
    dead_letters.put_back(one, by="dana")

    assert (batch.done, batch.more) == (3, False)
    assert dead_letters.count_waiting(connection.account_id) == 2
    discarded = DeadLetter.objects.filter(state=LetterState.DISCARDED)
    assert set(discarded.values_list("note", "closed_by")) == {("The bridge was down", "kim")}
    one.refresh_from_db()
    assert (one.state, one.closed_at, one.note) == (LetterState.OPEN, None, "")
    with pytest.raises(NotWaitingError):
        dead_letters.put_back(one, by="dana")


def test_discarded_one_is_not_retried_and_one_that_is_retried_not_discarded(
    connection: Connection,
) -> None:
    fail_many(connection, 2)
    first, second = DeadLetter.objects.order_by("pk")
    dead_letters.discard(first, "", by="kim")
    dead_letters.retry(second, by="kim")

    with pytest.raises(NotWaitingError):
        dead_letters.retry(first, by="kim")
    with pytest.raises(NotWaitingError):
        dead_letters.discard(second, "", by="kim")
    with pytest.raises(dead_letters.NoteError):
        dead_letters.discard(second, "x" * 301, by="kim")


@pytest.mark.parametrize("place", ["x", "1_x", "1", f"{10**30}_{'0' * 32}"])
def test_place_that_nobody_gave_out_is_refused(connection: Connection, place: str) -> None:
    wanted = Wanted(account_id=connection.account_id)

    with pytest.raises(dead_letters.PlaceError):
        dead_letters.retry_some(wanted, by="kim", begun_at=timezone.now(), after=place)


def test_counts_are_by_kind_and_reason_and_of_one_account(connection: Connection) -> None:
    fail_many(connection, 2)
    fail_many(connection, 1, reason="gave-up")
    other = factories.ConnectionFactory(account_id="other1", name="Theirs")
    fail_many(other, 1, reason="theirs")
    wanted = Wanted(account_id=connection.account_id)

    found = [(each.kind, each.reason, each.count) for each in dead_letters.counts(wanted)]

    assert found == [("command", "refused", 2), ("command", "gave-up", 1)]
    assert [(each["account_id"], each["count"]) for each in dead_letters.by_account()] == [
        (connection.account_id, 3),
        ("other1", 1),
    ]


@pytest.mark.parametrize("count", [1, 30])
def test_retrying_costs_the_same_however_many(
    connection: Connection, django_assert_num_queries: Any, count: int
) -> None:
    fail_many(connection, count)
    wanted = Wanted(account_id=connection.account_id)

    # Busy ones, candidates, transaction, count, entry, savepoint, conversations, letters, commands,
    # events, letters, two of the buckets, release, commit.
    with django_assert_num_queries(15):
        dead_letters.retry_some(wanted, by="kim", begun_at=timezone.now())


# Around it ----------------------------------------------------------------------------------------


def test_letter_goes_with_its_conversation(
    connection: Connection, callback_server: CallbackServer
) -> None:
    given_up(connection, callback_server)

    Conversation.objects.all().delete()

    assert DeadLetter.objects.count() == 0


def test_alert_fires_while_letters_wait_and_ends_when_none_does(
    connection: Connection, callback_server: CallbackServer
) -> None:
    alert = factories.AlertFactory(kind="letters", threshold=1)

    def state() -> tuple[str, str]:
        alerts.watch()
        alert.refresh_from_db()
        return alert.state, alert.finding

    quiet = state()
    letter = given_up(connection, callback_server)
    firing = state()
    dead_letters.retry(letter, by="kim")
    retrying = state()
    drain()

    assert quiet == ("ok", "0 wait")
    assert firing == retrying == ("firing", "1 waits")
    assert state() == ("ok", "0 wait")


def test_what_failed_before_there_were_letters_becomes_some(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up(connection, callback_server)
    DeadLetter.objects.all().delete()
    conversation = factories.ConversationFactory(connection=connection)
    broken = factories.EventFactory(
        conversation=conversation, state=EventState.DONE, verdict=Verdict.BROKEN
    )
    factories.EventFactory(
        conversation=conversation, state=EventState.DONE, verdict=Verdict.BROKEN,
        created_at=timezone.now() - dt.timedelta(days=31),
    )  # fmt: skip
    unread = factories.NotificationFactory(
        conversation=conversation, connection=connection, state=NotificationState.FAILED,
        error="What was that?", digested_at=timezone.now(),
    )  # fmt: skip

    fill = importlib.import_module("invoker.migrations.0022_fill_dead_letters").fill
    fill(apps, None)

    found = {each.kind: each for each in DeadLetter.objects.all()}
    assert set(found) == set(LetterKind.values)
    assert found["command"].command == Command.objects.get()
    assert found["event"].event == broken
    assert (found["notification"].notification, found["notification"].detail) == (
        unread,
        "What was that?",
    )


def test_at_least_once_is_no_reason_for_a_letter(
    connection: Connection, callback_server: CallbackServer
) -> None:
    Connection.objects.update(message_delivery=MessageDelivery.AT_LEAST_ONCE)
    conversation = factories.ConversationFactory(connection=connection, conv_id="c-1")
    event = factories.EventFactory(conversation=conversation, state=EventState.DELIVERING)
    factories.CommandFactory(
        event=event, state=CommandState.SENDING, attempts=1, fields={"text": "hi"}
    )

    drain()

    assert DeadLetter.objects.count() == 0
