"""From a signed notification to the commands at a callback URL, with a real sandbox."""

import datetime as dt
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from standardwebhooks import Webhook

from houston.models import Account
from invoker import dispatch
from invoker.models import (
    AutomaticMessage,
    Command,
    CommandState,
    CommandType,
    Connection,
    ControllerBot,
    Conversation,
    Deployment,
    Event,
    EventState,
    Invocation,
    LogLine,
    MessageDelivery,
    Notification,
    NotificationState,
    OfficeHours,
    Verdict,
)
from tests import factories
from tests.conftest import Answer, CallbackServer, Received
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

WELCOME = "Welcome. How can we help you today?"


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    return factories.ConnectionFactory(callback_url=callback_server.url)


def deploy(source: str, event: str = "new_conversation") -> None:
    factories.DeploymentFactory(
        code=source, event_type=f"controllerbot_messaging_{event}", function_name="f"
    )


def returns(value: Any) -> str:
    return f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"


def drain(conv_id: str = "c-1") -> int:
    return dispatch.drain(Conversation.objects.get(conv_id=conv_id).pk)


def said(received: list[Received]) -> list[dict[str, Any]]:
    return [json.loads(one.body)["data"]["command"] for one in received]


def message(text: str) -> dict[str, str]:
    return {"type": "systemMessage", "text": text}


def test_notification_leads_to_the_commands_of_the_function_signed_and_in_order(
    connection: Connection, callback_server: CallbackServer
) -> None:
    wanted = [{"type": "closeConversation"}, {"type": "transfer", "skillId": "7"}, message("hi")]
    deploy(returns(wanted))

    assert senders.post(connection, senders.updated()).status_code == 202
    drain()

    assert said(callback_server.requests) == [wanted[2], wanted[1], wanted[0]]
    for received in callback_server.requests:
        command = Webhook(connection.callback_secret).verify(received.body, received.headers)
        assert command["data"]["conversationId"] == "c-1"
        assert command["id"] == received.headers["webhook-id"]
    event = Event.objects.get()
    assert event.verdict == Verdict.DELIVERED
    assert event.function_id == event.invocations.get().function_id


def test_function_receives_the_payload_of_the_event(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(
        "function lambda(input, callback) { const {general, routing} = input.payload;"
        " callback(null, {type: 'systemMessage', text: JSON.stringify([input.headers,"
        " general.convId, general.cbotEventType, routing.newSkillId, process.env.BRAND_ID])}); }"
    )

    senders.post(connection, senders.updated())
    drain()

    [command] = said(callback_server.requests)
    assert json.loads(command["text"]) == [
        [], "c-1", "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME", "42", factories.ACCOUNT_ID,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        returns(None),
        returns([]),
        returns({"type": "transfer", "skillId": "7"}),
        returns("text"),
        returns({"type": 5}),
        returns([[1, [2]], 5, None, True]),
        returns({"type": "systemMessage", "text": {"deep": "object"}}),
        "function lambda(input, callback) { throw new Error('no'); }",
        "function lambda(input, callback) { }",
        "this is no JavaScript",
    ],
)
def test_automatic_message_goes_out_when_the_function_gave_none(
    connection: Connection, callback_server: CallbackServer, source: str
) -> None:
    deploy(source)

    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server.requests)[0] == message(WELCOME)
    assert json.loads(callback_server.requests[0].body)["data"]["automatic"] is True
    assert Event.objects.get().state == EventState.DONE


def test_failure_is_kept_in_characters_that_pages_can_show(connection: Connection) -> None:
    deploy("function lambda(input, callback) { throw new Error('a\\0b\\ud83d'); }")

    senders.post(connection, senders.updated())
    drain()

    assert Invocation.objects.get().failure["message"] == "a\N{SYMBOL FOR NULL}b\ufffd"


@pytest.mark.parametrize("text", ["", []])
def test_function_can_ask_for_silence(
    connection: Connection, callback_server: CallbackServer, text: object
) -> None:
    deploy(returns({"type": "systemMessage", "text": text}))

    senders.post(connection, senders.updated())
    drain()

    assert callback_server.requests == []
    assert Event.objects.get().verdict == Verdict.NOTHING


def test_automatic_message_goes_out_when_nobody_listens(
    connection: Connection, callback_server: CallbackServer
) -> None:
    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server.requests) == [message(WELCOME)]
    assert Event.objects.get().verdict == Verdict.DEFAULT


def test_automatic_message_that_is_switched_off_stops_only_the_text(
    connection: Connection, callback_server: CallbackServer
) -> None:
    AutomaticMessage.objects.update(enabled=False)
    deploy(returns({"type": "transfer", "skillId": "7"}))

    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server.requests) == [{"type": "transfer", "skillId": "7"}]


def test_only_the_first_command_of_each_type_is_carried_out(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns([message("one"), message("two"), {"type": "fly"}]))

    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server.requests) == [message("one")]
    rows = Command.objects.order_by("position").values_list("type", "state", "reason")
    assert list(rows) == [
        ("systemMessage", "sent", ""),
        ("systemMessage", "dropped", "not-first"),
        ("fly", "dropped", "unknown-type"),
    ]


def test_run_is_recorded_with_its_logs_and_its_failure(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(
        "function lambda(input, callback) {\n"
        "  console.warn('careful\\u0000', {a: 1});\n"
        "  null.x;\n"
        "}"
    )

    senders.post(connection, senders.updated())
    drain()

    invocation = Invocation.objects.get()
    assert invocation.outcome == "CODING_FAILURE"
    assert (invocation.failure["code"], invocation.failure["line"]) == ("runtime-exception", 3)
    entry = LogLine.objects.get()
    assert (entry.level, entry.message, entry.extras) == ("Warn", "careful\u2400", [{"a": 1}])


def test_function_that_takes_too_long_is_stopped_and_the_automatic_message_goes_out(
    connection: Connection, callback_server: CallbackServer, settings: Any
) -> None:
    settings.INVOCATION_TIMEOUT_S = 0.3
    deploy("function lambda(input, callback) { while (true) {} }")

    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server.requests) == [message(WELCOME)]
    assert Invocation.objects.get().outcome == "TIMEOUT"


def test_events_of_a_conversation_are_handled_in_order(
    connection: Connection, callback_server: CallbackServer
) -> None:
    text = "{type: 'systemMessage', text: input.payload.general.cbotEventType}"
    for event in ("new_conversation", "conversation_routing", "conversation_end"):
        deploy(f"function lambda(input, callback) {{ callback(null, {text}); }}", event)
    at = senders.now_ms()

    senders.post(connection, senders.updated(at=at, firstConversation=False))
    drain()
    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="7"))
    senders.post(
        connection,
        senders.updated(startTs=at, at=at + 2, skillId="7", state="CLOSE", closeReason="CONSUMER"),
    )
    drain()

    # The transfer was overtaken by the end: nobody reads a message in a closed conversation.
    assert [one["text"] for one in said(callback_server.requests)] == [
        "CONSUMER_OPEN_NEW_CONVERSATION",
        "CONSUMER_END_CONVERSATION",
    ]
    verdicts = Event.objects.order_by("position").values_list("subtype", "verdict")
    assert list(verdicts) == [
        ("CONSUMER_OPEN_NEW_CONVERSATION", "delivered"),
        ("ENGAGEMENT_TRANSFERED", "stale"),
        ("CONSUMER_END_CONVERSATION", "delivered"),
    ]


def test_message_is_not_sent_when_the_agent_spoke_while_the_function_ran(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("welcome")))
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    senders.post(connection, senders.line(role="ASSIGNED_AGENT", at=at + 5))

    drain()

    assert callback_server.requests == []
    command = Command.objects.get()
    assert (command.state, command.reason) == (CommandState.STALE, "agent-spoke")
    assert Event.objects.get().verdict == Verdict.STALE


def test_callback_that_fails_is_tried_again_with_the_same_id(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(500, Answer(status=429, headers={"retry-after": "0"}))
    deploy(returns(message("hi")))
    senders.post(connection, senders.updated())

    drain()
    waiting = Conversation.objects.get()
    assert waiting.due_at is not None
    assert waiting.due_at > timezone.now()
    for _ in range(2):
        Conversation.objects.update(due_at=timezone.now())
        Command.objects.update(due_at=timezone.now())
        drain()

    ids = {received.headers["webhook-id"] for received in callback_server.requests}
    assert (len(callback_server.requests), len(ids)) == (3, 1)
    command = Command.objects.get()
    assert (command.state, command.attempts) == (CommandState.SENT, 3)


def test_callback_that_refuses_is_not_tried_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(Answer(status=400, body=b"no such conversation"))
    deploy(returns(message("hi")))

    senders.post(connection, senders.updated())
    drain()

    command = Command.objects.get()
    assert (command.state, command.reason) == (CommandState.FAILED, "refused")
    assert "400" in command.detail
    assert "no such conversation" in command.detail
    assert Event.objects.get().verdict == Verdict.FAILED


def test_delivery_is_given_up_after_the_last_attempt(
    connection: Connection, callback_server: CallbackServer, settings: Any
) -> None:
    settings.CALLBACK_ATTEMPTS = 2
    callback_server.will_answer(500, 500, 500)
    deploy(returns(message("hi")))
    senders.post(connection, senders.updated())

    drain()
    Conversation.objects.update(due_at=timezone.now())
    Command.objects.update(due_at=timezone.now())
    drain()

    assert len(callback_server.requests) == 2
    command = Command.objects.get()
    assert (command.state, command.reason) == (CommandState.FAILED, "gave-up")


def test_connection_without_a_way_back_says_so(connection: Connection) -> None:
    Connection.objects.update(callback_url="")
    deploy(returns(message("hi")))

    senders.post(connection, senders.updated())
    drain()

    command = Command.objects.get()
    assert (command.state, command.reason) == (CommandState.FAILED, "no-callback-url")
    assert "callback URL" in command.detail
    assert Event.objects.get().verdict == Verdict.NOWHERE


@pytest.mark.parametrize(
    ("kind", "delivery", "state"),
    [
        (CommandType.MESSAGE, MessageDelivery.AT_MOST_ONCE, CommandState.UNCERTAIN),
        (CommandType.MESSAGE, MessageDelivery.AT_LEAST_ONCE, CommandState.SENT),
        (CommandType.TRANSFER, MessageDelivery.AT_MOST_ONCE, CommandState.SENT),
        (CommandType.CLOSE, MessageDelivery.AT_MOST_ONCE, CommandState.SENT),
    ],
)
def test_command_whose_sender_died_is_repeated_only_where_that_does_no_harm(
    connection: Connection,
    callback_server: CallbackServer,
    kind: CommandType,
    delivery: MessageDelivery,
    state: CommandState,
) -> None:
    Connection.objects.update(message_delivery=delivery)
    conversation = factories.ConversationFactory(connection=connection, due_at=timezone.now())
    event = factories.EventFactory(conversation=conversation, state=EventState.DELIVERING)
    fields = {"text": "hi"} if kind == CommandType.MESSAGE else {"skillId": "7"}
    factories.CommandFactory(
        event=event, type=kind, fields=fields, state=CommandState.SENDING, attempts=1
    )

    dispatch.drain(conversation.pk)

    assert Command.objects.get().state == state
    assert len(callback_server.requests) == (state == CommandState.SENT)


def test_run_that_its_worker_did_not_live_to_record_is_started_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("hi")))
    senders.post(connection, senders.updated())
    conversation = Conversation.objects.get()
    Notification.objects.update(state=NotificationState.DONE)
    event = factories.EventFactory(conversation=conversation)
    factories.InvocationFactory(
        event=event, deployment=Deployment.objects.get(), outcome="RUNNING", finished_at=None
    )

    drain()

    assert said(callback_server.requests) == [message("hi")]
    assert sorted(Invocation.objects.values_list("outcome", flat=True)) == ["SUCCEEDED", "UNKNOWN"]


def test_notification_is_kept_when_the_broker_is_away_and_the_sweep_finds_it(
    connection: Connection, callback_server: CallbackServer, capsys: Any
) -> None:
    deploy(returns(message("hi")))

    assert senders.post(connection, senders.updated()).status_code == 202
    Conversation.objects.update(due_at=timezone.now() - 2 * dispatch.SWEEP_AFTER)
    call_command("sweep")

    assert said(callback_server.requests) == [message("hi")]
    assert capsys.readouterr().out == "1 events handled, 0 schedules run\n"


def test_nothing_runs_once_functions_are_switched_off(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("hi")))
    senders.post(connection, senders.updated())
    ControllerBot.objects.update(functions_enabled_at=None)

    drain()

    assert callback_server.requests == []
    assert Event.objects.get().verdict == Verdict.DISABLED


def test_commands_of_an_event_that_waited_too_long_are_not_sent(
    connection: Connection, callback_server: CallbackServer, settings: Any
) -> None:
    deploy(returns(message("hi")))
    senders.post(connection, senders.updated())
    late = timezone.now() - dt.timedelta(seconds=settings.EVENT_MAX_AGE_S + 1)
    Notification.objects.update(received_at=late)

    drain()

    assert callback_server.requests == []
    assert Command.objects.get().reason == "too-old"


def test_older_notification_changes_nothing(
    connection: Connection, callback_server: CallbackServer
) -> None:
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    drain()
    senders.post(connection, senders.updated(startTs=at, at=at - 1000, skillId="7"))

    drain()

    assert Event.objects.count() == 1
    assert Notification.objects.order_by("pk").last().note == "overtaken"


def test_event_that_the_sender_derived_itself_runs_the_function(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("bye")), "conversation_end")
    payload = factories.events.sample("controllerbot_messaging_conversation_end")["payload"]
    event = senders.cloud_event("com.houston.messaging.event.conversation_end", payload)

    assert senders.post(connection, event).status_code == 202
    drain(payload["general"]["convId"])

    assert said(callback_server.requests) == [message("bye")]


@pytest.mark.parametrize("days", [2, 4, 400])
def test_conversation_that_was_open_before_we_listened_is_not_greeted(
    connection: Connection, callback_server: CallbackServer, days: int
) -> None:
    deploy(returns(message("hi")))
    deploy(returns(message("closed")), "mid_conversation_msg")
    OfficeHours.objects.create(account_id=connection.account_id, name="Never", is_default=True)
    at = senders.now_ms() - days * 24 * 3_600_000

    senders.post(connection, senders.updated(at=at))
    senders.post(connection, senders.line(at=at + 1000))
    drain()

    assert callback_server.requests == []
    assert Event.objects.count() == 0
    assert list(Notification.objects.order_by("pk").values_list("note", flat=True)) == [
        "baseline",
        "recorded",
    ]


def test_notification_that_was_retried_for_an_hour_is_no_reason_to_speak(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("hi")))

    senders.post(connection, senders.updated(at=senders.now_ms() - 3_600_000))
    drain()

    assert callback_server.requests == []
    assert Notification.objects.get().note == "too-old"


def test_event_that_fails_houston_itself_does_not_hold_up_those_behind_it(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(returns(message("hi")))
    deploy(returns(message("moved")), "conversation_routing")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="7"))
    handle = dispatch.commands.record

    def fail_for_the_first(event: Event, *rest: Any) -> Any:
        if event.position == 1:
            raise KeyError("a fault of ours")
        return handle(event, *rest)

    monkeypatch.setattr(dispatch.commands, "record", fail_for_the_first)
    for _ in range(dispatch.GIVE_UP_AFTER):
        Conversation.objects.update(due_at=timezone.now())
        drain()

    assert said(callback_server.requests) == [message("moved")]
    assert list(Event.objects.order_by("position").values_list("verdict", flat=True)) == [
        Verdict.BROKEN,
        Verdict.DELIVERED,
    ]


def test_notification_that_cannot_be_digested_is_kept_and_those_behind_it_go_on(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("hi")))
    senders.post(connection, senders.line())
    Notification.objects.update(body=b"not what the door took")
    senders.post(connection, senders.updated())

    drain()

    assert said(callback_server.requests) == [message("hi")]
    first, second = Notification.objects.order_by("pk")
    assert (first.state, second.state) == ("failed", "done")
    assert first.error


def test_callback_that_wishes_to_be_left_alone_for_an_hour_does_not_hold_up_the_conversation(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(Answer(status=503, headers={"retry-after": "3600"}))
    deploy(returns(message("hi")))

    senders.post(connection, senders.updated())
    drain()

    command = Command.objects.get()
    assert command.reason == "gave-up"
    assert command.detail.endswith("It asked to be left alone for 3600 s")
    assert Event.objects.get().state == EventState.DONE


def test_result_of_thousands_of_commands_leaves_a_few_rows(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(
        "function lambda(input, callback) {"
        " callback(null, Array.from({length: 10000}, () => ({type: 'fly'}))); }"
    )

    senders.post(connection, senders.updated())
    drain()

    dropped = Command.objects.filter(state=CommandState.DROPPED).order_by("position")
    assert dropped.count() == 21
    assert dropped.filter(reason="too-many").get().detail.startswith("9980 more")


def test_interrupted_transfer_that_seems_done_is_uncertain_not_too_late(
    connection: Connection, callback_server: CallbackServer
) -> None:
    senders.post(connection, senders.updated())
    drain()
    conversation = Conversation.objects.get()
    late = timezone.now() - dt.timedelta(minutes=1)
    event = factories.EventFactory(
        conversation=conversation, state=EventState.DELIVERING, received_at=late
    )
    factories.CommandFactory(
        event=event, type=CommandType.TRANSFER, fields={"skillId": "7"},
        state=CommandState.SENDING, attempts=1,
    )  # fmt: skip
    Conversation.objects.update(due_at=timezone.now())
    before = len(callback_server.requests)

    dispatch.drain(conversation.pk)

    command = Command.objects.get(event=event)
    assert (command.state, command.reason) == (CommandState.UNCERTAIN, "interrupted")
    assert len(callback_server.requests) == before


def test_lease_is_kept_while_a_function_runs_longer_than_it_lasts(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LEASE", dt.timedelta(seconds=5))
    deploy(
        "function lambda(input, callback) { setTimeout(() => callback(null,"
        " {type: 'systemMessage', text: 'hi'}), 6500); }"
    )
    senders.post(connection, senders.updated())

    assert drain() == 1

    assert said(callback_server.requests) == [message("hi")]
    assert Conversation.objects.get().fence == 1
