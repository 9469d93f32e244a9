"""What happened in a filled account: events with every outcome, and a month of invocations."""

import datetime as dt
import importlib
import json
import math
import random
import uuid
from typing import Any

from django.apps import apps
from django.utils import timezone

from functions.models import Function
from invoker import events
from invoker.models import (
    CommandState,
    CommandType,
    Connection,
    Conversation,
    DeadLetter,
    Event,
    EventState,
    Invocation,
    InvocationState,
    LetterState,
    LogLine,
    NotificationState,
    Verdict,
)
from tests import factories
from tests.browser import played

NOW = timezone.now()
OF_ONE = range(7)
"""Which events of the first round are those of one conversation."""
RUNS = 4_000
"""Invocations of the month beside those of the events below."""
DAYS = 30
GREETING = (
    "Ahoy, and welcome aboard. The 14:30 to Rønne is on time; somebody of the crew answers within "
    "two minutes.\nWrite your booking number, and we have it ready."
)
FAILURE = {
    "name": "TypeError", "code": "coding-failure", "line": 23, "column": 41,
    "message": "Cannot read properties of undefined (reading 'sailings')",
}  # fmt: skip
LOGS = (
    ("Info", "Booking HL-2291-883 found", [{"sailing": "Rønne 14:30", "passengers": 4}]),
    ("Debug", "GET https://api.harbourlines.example/v2/bookings/HL-2291-883 200 in 84 ms", []),
    ("Warn", "No language of the visitor is known, taking en-US", []),
    ("Error", "Cannot read the loyalty number: " + "no JSON, it begins with " * 5, []),
)
# Verdict, the event, the function that ran, the outcome of its run, commands with their states.
WHAT: tuple[tuple[str, str, str, str, tuple[tuple[str, Any, str], ...]], ...] = (
    (Verdict.DELIVERED, "new_conversation", "greet", "SUCCEEDED",
     (("systemMessage", {"text": GREETING}, "sent"), ("transfer", {"skillId": "2041"}, "sent"))),
    (Verdict.DEFAULT, "conversation_routing", "route_by_language", "SUCCEEDED",
     (("", {"text": "You are being connected with the crew"}, "sent"),)),
    (Verdict.NOTHING, "participants_change", "introduce_agent", "SUCCEEDED", ()),
    (Verdict.FAILED, "new_conversation", "greet", "SUCCEEDED",
     (("systemMessage", {"text": "Ahoy"}, "failed"),)),
    (Verdict.STALE, "conversation_idle", "remind_and_close_idle_conversations_after_a_while",
     "SUCCEEDED", (("closeConversation", {}, "stale"), ("systemMessage", {"text": "Are you still "
     "there?"}, "stale"))),
    (Verdict.UNCERTAIN, "conversation_idle", "remind_and_close_idle_conversations_after_a_while",
     "SUCCEEDED", (("systemMessage", {"text": "Are you still there?"}, "uncertain"),)),
    (Verdict.DEFAULT, "new_conversation", "greet", "CODING_FAILURE",
     (("", {"text": "Welcome to Harbour Lines"}, "sent"),)),
    (Verdict.NOWHERE, "new_conversation", "greet", "SUCCEEDED",
     (("systemMessage", {"text": GREETING}, "failed"),)),
    (Verdict.LOOP, "conversation_routing", "", "", ()),
    (Verdict.SUPPRESSED, "new_conversation", "", "", ()),
    (Verdict.BROKEN, "conversation_end", "", "", ()),
    (Verdict.DEFAULT, "ttr", "faster_please", "TIMEOUT",
     (("", {"text": "We try to be quicker"}, "sent"),)),
    (Verdict.DELIVERED, "new_conversation", "greet", "SUCCEEDED",
     (("systemMessage", {"text": GREETING}, "sent"), ("systemMessage", {"text": "And again"},
     "dropped"), ("callTaxi", {}, "dropped"))),
    (Verdict.STALE, "participants_change", "introduce_agent", "SUCCEEDED",
     (("systemMessage", {"text": "You are talking to Mette now"}, "stale"),)),
)  # fmt: skip
WHY = {
    "failed": "The callback URL answered 503 eight times, the last time: upstream connect error",
    "stale": "An agent has written since the event",
    "uncertain": "It may have arrived, so it is not sent again: the connection ended while reading",
    "dropped": "Only the first command of each type is carried out",
}
REASONS = {
    "failed": "gave-up", "stale": "agent-spoke", "uncertain": "no-answer", "dropped": "not-first",
}  # fmt: skip
SLOW_MS = 1_840.0
DETAILS = {
    Verdict.LOOP: "Its own transfers led to 6 more within 10 s, so the conversation is left alone",
    Verdict.SUPPRESSED: "The event is too old: it waited 41 s and may be 30 s old at most",
    Verdict.NOWHERE: "The connection has no callback URL",
}


def fill(account_id: str, made: dict[str, Function], connection: Connection) -> dict[str, Any]:
    """Write all of it; returns the things of addresses by their names."""
    arguments: dict[str, Any] = {}
    one: Conversation | None = None
    for round_ in range(4):
        for number, what in enumerate(WHAT):
            happened = NOW - dt.timedelta(minutes=3 + number * 11 + round_ * 7 * 60)
            told = round_ == 0 and number in OF_ONE
            event = _event(
                account_id, made, connection, what, happened, events_of=one if told else None
            )
            if told:
                one = event.conversation
            if round_ == 0:
                arguments[f"event_{number}"] = str(event.pk)
    assert one
    arguments |= {"event_id": arguments["event_0"], "conversation": event.conversation.conv_id,
                  "real": one.pk}  # fmt: skip
    _notifications(connection)
    _runs(account_id, made)
    return arguments | _dead_letters()


def _conversation(account_id: str, connection: Connection, at: dt.datetime) -> Conversation:
    conversation = factories.ConversationFactory(connection=connection, account_id=account_id)
    conversation.conv_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"conversation {conversation.pk}"))
    conversation.state = played.stored(conversation.pk, at)
    conversation.consumer_id = conversation.state["consumer_id"]
    conversation.closed = conversation.state["state"] == "CLOSE"
    conversation.active_at = at
    conversation.save()
    return conversation


def _event(
    account_id: str,
    made: dict[str, Function],
    connection: Connection,
    what: Any,
    at: dt.datetime,
    *,
    events_of: Conversation | None,
) -> Event:
    """One event, of a conversation of its own or of one that is there."""
    verdict, kind, name, outcome, asked = what
    type_ = f"controllerbot_messaging_{kind}"
    conversation = events_of or _conversation(account_id, connection, at)
    body = {"specversion": "1.0", "type": "com.houston.messaging.conversation.updated",
            "data": {"conversationId": conversation.conv_id, "state": "OPEN"}}  # fmt: skip
    notification = None
    if kind != "conversation_idle":
        notification = factories.NotificationFactory(
            conversation=conversation, body=json.dumps(body).encode(), received_at=at,
            state=NotificationState.DONE, digested_at=at,
        )  # fmt: skip
    function = made.get(name)
    event = factories.EventFactory(
        conversation=conversation, type=type_, notification=notification,
        # What is told first happened last.
        position=100 - conversation.events.count(),
        subtype=next(iter(events.EVENT_TYPES[type_].subtypes)), occurred_at=at, received_at=at,
        created_at=at + dt.timedelta(milliseconds=21), state=EventState.DONE, verdict=verdict,
        detail=DETAILS.get(verdict, ""), finished_at=at + dt.timedelta(milliseconds=412),
        function_id=function.pk if function else None,
    )  # fmt: skip
    run = None
    if function:
        deployment = function.deployment or factories.DeploymentFactory(
            account_id=account_id, active=False, function_name=name
        )
        failed = outcome == InvocationState.CODING_FAILURE
        slow = verdict == Verdict.STALE and name == "introduce_agent"
        took_ms = SLOW_MS if slow else 1_240.0 if failed else 84.4
        run = factories.InvocationFactory(
            event=event, deployment=deployment, function_id=function.pk, outcome=outcome,
            started_at=at + dt.timedelta(milliseconds=34), duration_ms=took_ms,
            failure=FAILURE if failed else None, cold=failed,
            result=None if failed else [fields | {"type": type_} for type_, fields, _ in asked],
            finished_at=at + dt.timedelta(milliseconds=36 + took_ms),
        )  # fmt: skip
        for line, (level, message, extras) in enumerate(LOGS[: 4 if failed else 2]):
            factories.LogLineFactory(
                invocation=run, number=line + 1, level=level, message=message, extras=extras,
                logged_at=at + dt.timedelta(milliseconds=40 + line),
            )  # fmt: skip
    for position, (command, fields, state) in enumerate(asked):
        sent = state == CommandState.SENT
        factories.CommandFactory(
            event=event, invocation=run if command else None, fields=fields, position=position,
            type=command or CommandType.MESSAGE, state=state,
            attempts={"failed": 8, "stale": 0}.get(state, 1), detail=WHY.get(state, ""),
            reason="no-callback-url" if verdict == Verdict.NOWHERE else REASONS.get(state, ""),
            late_ms=812 if state == "stale" else None,
            created_at=run.finished_at if run else at,
            sent_at=at + dt.timedelta(milliseconds=300 + position * 60) if sent else None,
        )  # fmt: skip
    return event


def _notifications(connection: Connection) -> None:
    """Some that led to nothing, for a reason each."""
    notes = ("baseline", "closed", "duplicate", "unchanged", "stale")
    for number, note in enumerate(notes):
        factories.NotificationFactory(
            conversation=factories.ConversationFactory(
                connection=connection, conv_id=str(uuid.uuid5(uuid.NAMESPACE_URL, note))
            ),
            state=NotificationState.DONE, note=note,
            received_at=NOW - dt.timedelta(minutes=number),
        )  # fmt: skip
    factories.NotificationFactory(
        conversation=factories.ConversationFactory(connection=connection),
        state=NotificationState.FAILED,
        error='Cannot read "data.updatedTs": it must be a number of milliseconds, not "yesterday"',
    )


def _dead_letters() -> dict[str, Any]:
    """What was given up of all that, in every state, and one of each kind by its name."""
    importlib.import_module("invoker.migrations.0022_fill_dead_letters").fill(apps, None)
    letters = DeadLetter.objects.order_by("-failed_at", "pk")
    newest = {each.kind: each for each in reversed(letters)}
    discarded, done, retrying, again = letters.filter(kind="command").reverse()[:4]
    tried = {"tries": 1, "retried_at": NOW - dt.timedelta(minutes=4), "retried_by": "kim.larsen"}
    for letter, fields in (
        (discarded, {"state": LetterState.DISCARDED, "closed_at": NOW - dt.timedelta(minutes=50),
                     "closed_by": "dana.okonkwo-fitzgerald", "note": "The ferry has left by now"}),
        (done, tried | {"state": LetterState.DONE, "closed_at": NOW - dt.timedelta(minutes=3)}),
        (retrying, tried | {"state": LetterState.RETRYING}),
        (again, tried | {"tries": 3, "reason": "agent-spoke",
                         "detail": "An agent has written since the event"}),
    ):  # fmt: skip
        DeadLetter.objects.filter(pk=letter.pk).update(**fields)
    return {
        "letter_id": str(newest["command"].pk),
        "letter_event": str(newest["event"].pk),
        "letter_notification": str(newest["notification"].pk),
        "letter_discarded": str(discarded.pk),
    }


def _runs(account_id: str, made: dict[str, Function]) -> None:
    """A month of work, busier by day, with one function that is slow and one that fails."""
    chance = random.Random(5)  # noqa: S311 the same account every time
    running = [each for each in made.values() if each.deployment]
    runs, lines = [], []
    for number in range(RUNS):
        share = (number / RUNS) ** 0.8
        at = NOW - dt.timedelta(days=DAYS * (1 - share), minutes=chance.random() * 90)
        if at.hour < 6 and chance.random() < 0.7:
            at += dt.timedelta(hours=9)
        at = min(at, NOW - dt.timedelta(seconds=90))
        function = chance.choice(running)
        ms = math.exp(chance.gauss(5.8 if function.name == "look_up_booking" else 3.4, 0.9))
        failing = 0.12 if function.name == "look_up_booking" else 0.01
        outcome = "CODING_FAILURE" if chance.random() < failing else "SUCCEEDED"
        run = Invocation(
            account_id=account_id, deployment=function.deployment, function_id=function.pk,
            outcome=outcome, duration_ms=ms, started_at=at, cold=False,
            finished_at=at + dt.timedelta(milliseconds=ms),
        )  # fmt: skip
        runs.append(run)
        if number % 5 == 0:
            level, message, extras = chance.choice(LOGS)
            lines.append(
                LogLine(account_id=account_id, invocation=run, function_id=function.pk, number=1,
                        level=level, message=message, extras=extras, logged_at=at)
            )  # fmt: skip
    Invocation.objects.bulk_create(runs, batch_size=500)
    LogLine.objects.bulk_create(lines, batch_size=500)
