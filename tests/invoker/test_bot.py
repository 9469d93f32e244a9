"""What the controller bot does beside running a function: skills, retries, loops, idle times."""

import datetime as dt
import json
import threading
import time
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from houston import connecting
from houston.models import Account
from invoker import digesting, dispatch, ingest, runtime
from invoker.models import (
    AutomaticMessage,
    AutomaticText,
    Command,
    Connection,
    ControllerBot,
    Conversation,
    Event,
    EventState,
    Invocation,
    Verdict,
)
from invoker.platforms import PLATFORMS
from tests import factories
from tests.conftest import Answer, CallbackServer
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

FAILS = "function lambda(input, callback) { callback(new Error('no')); }"
DIES = "function lambda(input, callback) { process.kill(process.pid, 'SIGKILL'); }"
TRANSFERS = (
    "function lambda(input, callback) { const from = input.payload.routing.newSkillId;"
    " callback(null, {type: 'transfer', skillId: String(Number(from) + 1)}); }"
)


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    return factories.ConnectionFactory(callback_url=callback_server.url)


def deploy(source: str, event: str = "new_conversation", **facts: Any) -> None:
    factories.DeploymentFactory(
        code=source,
        event_type=f"controllerbot_messaging_{event}",
        **{"function_name": "f"} | facts,
    )


def returns(value: Any) -> str:
    return f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"


def message(text: str) -> dict[str, str]:
    return {"type": "systemMessage", "text": text}


def drain() -> None:
    """Work as a worker would that is knocked at whenever something is due."""
    conversation = Conversation.objects.get()
    dispatch.drain(conversation.pk)


def said(server: CallbackServer) -> list[dict[str, Any]]:
    return [json.loads(one.body)["data"]["command"] for one in server.requests]


# Skills -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skills", "text"),
    [(["7", "42"], "mine"), (["42"], "mine"), ([], "mine"), (["7"], None)],
)
def test_function_runs_only_for_conversations_of_its_skills(
    connection: Connection, callback_server: CallbackServer, skills: list[str], text: str | None
) -> None:
    deploy(returns(message("mine")), skills=skills)

    senders.post(connection, senders.updated(skillId="42"))
    drain()

    assert (message("mine") in said(callback_server)) == (text is not None)
    event = Event.objects.get()
    if text is None:
        assert event.reason == "skill-not-in-set"
        assert event.detail == (
            'The conversation is in skill "42", and the deployed functions of the event '
            '"Messaging New Conversation" are for 7 only'
        )


def test_two_functions_of_one_event_share_it_by_skill(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns(message("seven")), skills=["7"])
    deploy(returns(message("forty-two")), skills=["42"])

    senders.post(connection, senders.updated(skillId="42"))
    drain()

    assert said(callback_server) == [message("forty-two")]


def test_trace_says_that_nobody_listens(connection: Connection) -> None:
    senders.post(connection, senders.updated())
    drain()

    event = Event.objects.get()
    assert event.reason == "nobody-listens"
    assert event.detail == 'No deployed function has the event "Messaging New Conversation"'


# Retries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_function_that_fails_runs_again_as_often_as_the_account_says(
    connection: Connection, callback_server: CallbackServer, retries: int
) -> None:
    ControllerBot.objects.update(function_retries=retries)
    deploy(FAILS)

    senders.post(connection, senders.updated())
    drain()

    runs = Invocation.objects.order_by("attempt").values_list("attempt", "outcome")
    assert list(runs) == [(n, "CODING_FAILURE") for n in range(1, retries + 2)]
    assert [one["text"][:7] for one in said(callback_server)] == ["Welcome"]
    assert Event.objects.get().verdict == Verdict.DEFAULT


def test_second_attempt_that_works_is_the_one_that_counts(
    connection: Connection, callback_server: CallbackServer
) -> None:
    ControllerBot.objects.update(function_retries=1)
    deploy(
        "let runs = 0;\nfunction lambda(input, callback) {\n"
        "  runs += 1;\n  if (runs < 2) return callback(new Error('not yet'));\n"
        "  callback(null, {type: 'systemMessage', text: 'run ' + runs});\n}"
    )

    senders.post(connection, senders.updated())
    drain()

    assert said(callback_server) == [message("run 2")]
    runs = Invocation.objects.order_by("attempt").values_list("attempt", "outcome")
    assert list(runs) == [(1, "CODING_FAILURE"), (2, "SUCCEEDED")]


def test_failure_of_the_platform_is_tried_again_after_a_pause(
    connection: Connection, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "LOOK_AGAIN", dt.timedelta(hours=1))
    deploy(returns(message("hi")))
    run, broken = runtime.run, [True]

    def fail_once(*given: Any, **named: Any) -> runtime.Result:
        result = run(*given, **named)
        if broken:
            broken.clear()
            failure = runtime.Failure(name="Error", message="no sandbox", code="platform-failure")
            return runtime.Result(
                outcome=runtime.Outcome.PLATFORM_FAILURE, failure=failure, duration_ms=1.0
            )
        return result

    monkeypatch.setattr(runtime, "run", fail_once)
    senders.post(connection, senders.updated())

    drain()

    assert callback_server.requests == []
    due_at = Conversation.objects.get().due_at
    assert due_at is not None
    assert dt.timedelta(0) < due_at - timezone.now() <= dispatch.PLATFORM_PAUSE
    Conversation.objects.update(due_at=timezone.now())
    drain()
    assert said(callback_server) == [message("hi")]
    runs = Invocation.objects.order_by("attempt").values_list("attempt", "outcome")
    assert list(runs) == [(1, "PLATFORM_FAILURE"), (2, "SUCCEEDED")]


def test_function_does_not_run_again_once_nobody_expects_an_answer(
    connection: Connection, callback_server: CallbackServer, settings: Any
) -> None:
    ControllerBot.objects.update(function_retries=3)
    settings.EVENT_MAX_AGE_S = 2.0
    deploy("function lambda(input, callback) { setTimeout(() => callback(Error('no')), 1100); }")

    senders.post(connection, senders.updated())
    drain()

    assert Invocation.objects.count() == 2
    assert Event.objects.get().state == EventState.DONE


# Loops --------------------------------------------------------------------------------------------


def test_transfers_that_answer_each_other_are_stopped_with_a_reason(
    connection: Connection, callback_server: CallbackServer
) -> None:
    AutomaticMessage.objects.update(enabled=False)
    deploy(TRANSFERS, "new_conversation")
    deploy(TRANSFERS, "conversation_routing")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at, skillId="1"))
    drain()

    for step in range(1, 9):
        done = [one for one in said(callback_server) if one["type"] == "transfer"]
        if len(done) < step:
            break
        skill = done[-1]["skillId"]
        senders.post(connection, senders.updated(startTs=at, at=at + step, skillId=skill))
        drain()

    transfers = [one["skillId"] for one in said(callback_server) if one["type"] == "transfer"]
    assert transfers == ["2", "3", "4", "5", "6", "7"]
    caused = Event.objects.order_by("position").values_list("chain", "verdict")
    assert list(caused) == [
        (0, "delivered"), (1, "delivered"), (2, "delivered"), (3, "delivered"), (4, "delivered"),
        (5, "delivered"), (6, "loop"),
    ]  # fmt: skip
    stopped = Event.objects.get(verdict=Verdict.LOOP)
    assert stopped.reason == "loop"
    assert "caused more than 5 events of this conversation within 10 s" in stopped.detail
    assert stopped.caused_by is not None
    assert not stopped.invocations.exists()


def test_transfers_by_people_are_not_taken_for_a_loop(
    connection: Connection, callback_server: CallbackServer
) -> None:
    AutomaticMessage.objects.update(enabled=False)
    deploy(returns(message("moved")), "conversation_routing")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at, skillId="1"))

    for step in range(1, 9):
        facts = {"startTs": at, "at": at + step, "skillId": str(step + 1)}
        senders.post(connection, senders.updated(**facts))
        drain()

    assert said(callback_server) == [message("moved")] * 8
    assert not Event.objects.exclude(caused_by=None).exists()


def test_chain_that_goes_round_slowly_is_stopped_as_well(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(TRANSFERS, "conversation_routing")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at, skillId="1"))
    drain()
    conversation = Conversation.objects.get()
    before = factories.EventFactory(
        conversation=conversation, state=EventState.DONE, chain=digesting.LONGEST_CHAIN
    )
    factories.CommandFactory(
        event=before, type="transfer", fields={"skillId": "2"}, state="sent",
        created_at=timezone.now() - dt.timedelta(seconds=15),
    )  # fmt: skip

    senders.post(connection, senders.updated(startTs=at, at=at + 1, skillId="2"))
    drain()

    stopped = Event.objects.get(type="controllerbot_messaging_conversation_routing")
    assert stopped.verdict == Verdict.LOOP
    assert "led from one event to the next 20 times" in stopped.detail


# Idle ---------------------------------------------------------------------------------------------


@pytest.fixture
def quick_timers(account: Account) -> None:
    """15 s for every idle time; tests make time pass by telling of older conversations."""
    idle = AutomaticMessage.objects.filter(
        subtype__in=["AGENT_NON_RESPONSIVE", "CONSUMER_NON_RESPONSIVE", "CONV_AWAITING_IN_QUEUE"]
    )
    idle.update(timer_s=15)


def test_conversation_that_waits_in_the_queue_gets_the_idle_event(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    deploy(returns([message("still here"), {"type": "transfer", "skillId": "9"}]),
           "conversation_idle")  # fmt: skip
    at = senders.now_ms() - 14_000
    senders.post(connection, senders.updated(at=at))
    drain()
    before = len(callback_server.requests)
    due_at = Conversation.objects.get().due_at
    assert due_at is not None
    assert 0 < (due_at - timezone.now()).total_seconds() <= 1.0

    time.sleep(max(0.0, (due_at - timezone.now()).total_seconds()) + 0.05)
    drain()

    assert said(callback_server)[before:] == [
        message("still here"),
        {"type": "transfer", "skillId": "9"},
    ]
    event = Event.objects.get(subtype="CONV_AWAITING_IN_QUEUE")
    assert event.notification is None
    assert event.verdict == Verdict.DELIVERED
    assert event.payload["idle"]["convNotTakenTime"] == {"time": 15, "timeUnits": "seconds"}


def test_idle_event_is_not_repeated_by_a_second_look(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    senders.post(connection, senders.updated(at=senders.now_ms() - 20_000))
    drain()
    Conversation.objects.update(due_at=timezone.now())

    drain()

    assert Event.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").count() == 1


def test_settings_that_changed_are_looked_at_again(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    AutomaticMessage.objects.update(timer_s=0)
    senders.post(connection, senders.updated(at=senders.now_ms() - 20_000))
    drain()
    assert Conversation.objects.get().due_at is None

    AutomaticMessage.objects.update(timer_s=15)
    digesting.look_again(connection.account_id)
    drain()

    assert Event.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").exists()


def test_silence_that_the_bot_breaks_itself_again_and_again_is_stopped(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    at = senders.now_ms() - 20_000
    senders.post(connection, senders.updated(at=at, skillId="1"))
    drain()
    conversation = Conversation.objects.get()
    [first] = conversation.events.filter(subtype="CONV_AWAITING_IN_QUEUE")
    assert first.verdict == Verdict.DEFAULT
    for number in range(digesting.LONGEST_CHAIN - 1):
        factories.EventFactory(
            conversation=conversation, type=first.type, subtype=first.subtype,
            state=EventState.DONE, position=100 + number,
        )  # fmt: skip
    before = len(callback_server.requests)

    # Another queue, so another silence.
    senders.post(connection, senders.updated(startTs=at, at=at + 1000, skillId="2"))
    drain()

    stopped = Event.objects.get(verdict=Verdict.LOOP)
    assert (stopped.subtype, stopped.reason) == ("CONV_AWAITING_IN_QUEUE", "loop")
    assert "20 times without a word of the consumer" in stopped.detail
    said_since = [one["text"] for one in said(callback_server)[before:]]
    assert len(said_since) == 1  # for the transfer


def test_text_stays_in_the_language_the_conversation_began_in(
    connection: Connection, callback_server: CallbackServer
) -> None:
    welcome = AutomaticMessage.objects.get(subtype="ENGAGEMENT_TRANSFERED", skill_id="")
    factories.AutomaticTextFactory(
        message=welcome, language="de-DE", text="Sie sind weitergeleitet", is_default=False
    )
    at = senders.now_ms()
    for step, language in enumerate(["de-DE", "en-US"]):
        facts = {"startTs": at, "at": at + step, "skillId": str(step)}
        senders.post(connection, senders.updated(**facts, context={"lang": language}))
    drain()

    assert said(callback_server)[-1] == message("Sie sind weitergeleitet")


def test_idle_time_may_be_longer_than_days(
    connection: Connection,
    callback_server: CallbackServer,
    quick_timers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=5 * 24 * 3600)
    senders.post(connection, senders.updated())
    drain()
    now = timezone.now
    for days in (4, 6):
        monkeypatch.setattr(timezone, "now", lambda days=days: now() + dt.timedelta(days=days))
        drain()

        fired = Event.objects.filter(subtype="CONV_AWAITING_IN_QUEUE")
        assert fired.count() == (days > 5)


def test_nothing_is_due_in_a_closed_conversation(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    at = senders.now_ms() - 20_000
    senders.post(connection, senders.updated(at=at))
    closed = {"state": "CLOSE", "closeReason": "AGENT", "startTs": at, "at": at + 1}
    senders.post(connection, senders.updated(**closed))

    drain()

    assert not Event.objects.filter(type="controllerbot_messaging_conversation_idle").exists()
    assert Conversation.objects.get().due_at is None


def test_connection_that_is_switched_off_is_left_in_peace(
    connection: Connection, callback_server: CallbackServer, quick_timers: None
) -> None:
    deploy(returns([message("a"), {"type": "transfer", "skillId": "9"}]))
    callback_server.will_answer(Answer(status=503, headers={"retry-after": "0.1"}))
    senders.post(connection, senders.updated(at=senders.now_ms() - 20_000))
    drain()
    assert len(callback_server.requests) == 1

    connecting.switch_connection(connection, active=False, by="ada")
    Command.objects.update(due_at=timezone.now())
    Conversation.objects.update(due_at=timezone.now())
    drain()

    assert len(callback_server.requests) == 1
    commands = Command.objects.values_list("type", "state", "reason")
    assert set(commands) == {
        ("systemMessage", "stale", "connection-off"),
        ("transfer", "stale", "connection-off"),
    }
    assert Event.objects.count() == 1

    connecting.switch_connection(connection, active=True, by="ada")

    assert Conversation.objects.get().due_at is not None


# What does not add up -----------------------------------------------------------------------------


def test_text_that_names_a_time_which_has_passed_stays_away_and_the_trace_says_why(
    connection: Connection, callback_server: CallbackServer
) -> None:
    AutomaticText.objects.update(text="We answer within {expectedResponseTime}")

    senders.post(connection, senders.updated(effectiveTTR=senders.now_ms() - 1000))
    drain()

    assert callback_server.requests == []
    command = Command.objects.get()
    assert (command.state, command.reason) == ("dropped", "response-time-overdue")
    assert command.detail


def test_text_that_names_a_time_is_not_sent_once_that_has_passed(
    connection: Connection, callback_server: CallbackServer
) -> None:
    AutomaticText.objects.update(text="We answer within {expectedResponseTime}")
    callback_server.will_answer(Answer(status=503, headers={"retry-after": "0.1"}))
    senders.post(connection, senders.updated(effectiveTTR=senders.now_ms() + 2000))
    drain()
    assert len(callback_server.requests) == 1
    assert "until" not in said(callback_server)[0]

    Command.objects.update(fields={"text": "We answer within 2 seconds", "until": 1})
    Command.objects.update(due_at=timezone.now())
    Conversation.objects.update(due_at=timezone.now())
    drain()

    assert len(callback_server.requests) == 1
    assert Command.objects.get().reason == "response-time-overdue"


def test_text_names_the_agent_where_the_platform_says_what_they_are_called(
    connection: Connection, callback_server: CallbackServer
) -> None:
    connected = AutomaticText.objects.filter(message__subtype="YOU_ARE_CONNECTED_TO")
    connected.update(text="{agentNickname} is here")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    drain()
    before = len(callback_server.requests)

    for step, names in enumerate([{"agent-1": "Ada"}, {}], start=1):
        people = [senders.CONSUMER, senders.AGENT | {"id": f"agent-{step}"}]
        facts = {"startTs": at, "at": at + step, "participants": people, "nicknames": names}
        senders.post(connection, senders.updated(**facts))
        drain()

    assert said(callback_server)[before:] == [message("Ada is here"), message("an agent is here")]


def come_back_after_an_automatic_close(connection: Connection) -> Event:
    deploy(returns(message("hi")))
    at = senders.now_ms() - 3_600_000
    facts = {"startTs": at, "state": "CLOSE", "closeReason": "SYSTEM", "endTs": at + 1}
    senders.post(connection, senders.updated("c-0", at=at + 1, **facts))
    drain()
    Conversation.objects.update(due_at=None)

    senders.post(connection, senders.updated("c-1"))
    dispatch.drain(Conversation.objects.get(conv_id="c-1").pk)

    event = Event.objects.get()
    assert event.subtype == "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE"
    return event


def test_consumer_who_comes_back_after_an_automatic_close_is_not_welcomed_again(
    connection: Connection, callback_server: CallbackServer
) -> None:
    event = come_back_after_an_automatic_close(connection)

    assert callback_server.requests == []
    assert (event.verdict, event.reason) == (Verdict.SUPPRESSED, "auto-closed")


def test_consumer_who_comes_back_is_welcomed_where_the_account_says_so(
    connection: Connection, callback_server: CallbackServer
) -> None:
    ControllerBot.objects.update(welcomes_after_auto_close=True)

    event = come_back_after_an_automatic_close(connection)

    assert said(callback_server) == [message("hi")]
    assert event.verdict == Verdict.DELIVERED


def test_consumer_of_another_connection_is_another_one(
    connection: Connection, callback_server: CallbackServer
) -> None:
    other = factories.ConnectionFactory(name="other")
    at = senders.now_ms() - 3_600_000
    closed = {"startTs": at, "state": "CLOSE", "closeReason": "SYSTEM", "endTs": at + 1}
    senders.post(other, senders.updated("c-0", at=at + 1, **closed))
    dispatch.drain(Conversation.objects.get().pk)

    facts = {"firstConversation": None}
    senders.post(connection, senders.updated("c-1", **facts))
    dispatch.drain(Conversation.objects.get(conv_id="c-1").pk)

    event = Event.objects.get()
    assert (event.verdict, event.subtype) == (
        Verdict.DEFAULT,
        "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
    )


def test_consumer_who_writes_while_a_message_is_sent_is_not_closed_on(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns([message("Anything else?"), {"type": "closeConversation"}]))
    at = senders.now_ms()

    senders.post(connection, senders.updated(at=at))
    callback_server.will_answer(Answer(delay_s=1.0))

    def work() -> None:
        try:
            drain()
        finally:
            database.close()

    worker = threading.Thread(target=work)
    worker.start()
    callback_server.wait_for(1)
    senders.post(connection, senders.line(at=at + 1))
    worker.join()

    assert said(callback_server) == [message("Anything else?")]
    command = Command.objects.get(type="closeConversation")
    assert (command.state, command.reason) == ("stale", "consumer-wrote")


def test_closing_what_is_closed_already_is_no_failure(
    connection: Connection, callback_server: CallbackServer
) -> None:
    deploy(returns([message("bye"), {"type": "closeConversation"}]), "conversation_end")
    at = senders.now_ms()
    senders.post(connection, senders.updated(at=at))
    closed = {"state": "CLOSE", "closeReason": "AGENT", "startTs": at, "at": at + 1}
    senders.post(connection, senders.updated(**closed))

    drain()

    assert message("bye") in said(callback_server)
    assert {"type": "closeConversation"} not in said(callback_server)
    command = Command.objects.get(type="closeConversation")
    assert (command.state, command.detail) == ("sent", "It was closed already")


def test_last_words_are_not_sent_by_the_agent_socket_once_the_conversation_is_over(
    account: Account,
) -> None:
    factories.ConnectionFactory(
        platform="liveperson", client_id="client-1", agent_login='{"username": "bot"}'
    )
    deploy(returns(message("bye")), "conversation_end")
    connection = Connection.objects.get()
    at = senders.now_ms()

    for step, state in enumerate(("OPEN", "CLOSE")):
        details = {
            "state": state, "stage": state, "skillId": "42", "startTs": at,
            "closeReason": "AGENT" if step else None, "metaDataLastUpdateTs": at + step,
            "participants": [senders.CONSUMER],
        }  # fmt: skip
        change = {"type": "UPSERT", "result": {"convId": "c-1", "conversationDetails": details}}
        body = {"kind": "notification", "type": "cqm.ExConversationChangeNotification",
                "body": {"changes": [change]}}  # fmt: skip
        raw = json.dumps(body).encode()
        ingest.store(connection, PLATFORMS["liveperson"].read({}, raw))
    AutomaticMessage.objects.update(enabled=False)
    drain()

    command = Command.objects.get(event__subtype="AGENT_END_CONVERSATION")
    assert (command.state, command.reason) == ("stale", "over")
    assert Event.objects.get(subtype="AGENT_END_CONVERSATION").verdict == Verdict.STALE
