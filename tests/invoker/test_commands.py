"""What a function's result means, and when it no longer makes sense."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from invoker import commands, conversations, events, guards
from invoker.commands import Asked
from invoker.conversations.states import Whereabouts
from invoker.models import Command, Conversation, Event

MESSAGE = {"type": "systemMessage", "text": "hi"}
TRANSFER = {"type": "transfer", "skillId": "7"}
CLOSE = {"type": "closeConversation"}


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (None, []),
        ([], []),
        (MESSAGE, [("systemMessage", {"text": "hi"}, "")]),
        ([MESSAGE], [("systemMessage", {"text": "hi"}, "")]),
        ({"type": "systemMessage", "text": " "}, [("systemMessage", {"text": " "}, "")]),
        ({"type": "systemMessage", "text": ""}, [("systemMessage", {}, "empty")]),
        ({"type": "systemMessage", "text": []}, [("systemMessage", {}, "empty")]),
        ({"type": "systemMessage"}, [("systemMessage", {}, "malformed")]),
        (
            {"type": "systemMessage", "text": 5},
            [("systemMessage", {"text": 5}, "malformed")],
        ),
        (
            {"type": "systemMessage", "text": {"a\0": ["\ud800"]}},
            [("systemMessage", {"text": "{'a\\x00': ['\\ud800']}"}, "malformed")],
        ),
        (TRANSFER, [("transfer", {"skillId": "7"}, "")]),
        ({"type": "transfer", "skillId": 7}, [("transfer", {"skillId": "7"}, "")]),
        (
            {"type": "transfer", "skillId": "7", "agentId": "a"},
            [("transfer", {"skillId": "7", "agentId": "a"}, "")],
        ),
        ({"type": "transfer", "agentId": "a"}, [("transfer", {"agentId": "a"}, "")]),
        ({"type": "transfer"}, [("transfer", {}, "malformed")]),
        ({"type": "transfer", "skillId": True}, [("transfer", {"skillId": True}, "malformed")]),
        ({"type": "transfer", "skillId": ""}, [("transfer", {"skillId": ""}, "malformed")]),
        (CLOSE | {"extra": 1}, [("closeConversation", {}, "")]),
        ({"type": "fly"}, [("fly", {}, "unknown-type")]),
        ({"type": "f" * 100}, [("f" * 40, {}, "unknown-type")]),
        ({"type": 5}, [("", {}, "not-a-command")]),
        ("text", [("", {}, "not-a-command")]),
        (5, [("", {}, "not-a-command")]),
        ([[MESSAGE], None], [("", {}, "not-a-command"), ("", {}, "not-a-command")]),
        (
            [CLOSE, MESSAGE, TRANSFER, MESSAGE],
            [
                ("closeConversation", {}, ""),
                ("systemMessage", {"text": "hi"}, ""),
                ("transfer", {"skillId": "7"}, ""),
                ("systemMessage", {"text": "hi"}, "not-first"),
            ],
        ),
    ],
)
def test_result_is_read_as_commands(result: Any, wanted: list[tuple[str, Any, str]]) -> None:
    asked = commands.parse(result)

    assert [(one.type, one.fields, one.reason) for one in asked] == wanted


def test_fields_hold_nothing_that_no_page_can_show() -> None:
    asked = commands.parse([MESSAGE | {"text": "a\0b"}, {"type": "transfer", "skillId": "\ud83d"}])

    assert [one.fields for one in asked] == [
        {"text": "a\N{SYMBOL FOR NULL}b"},
        {"skillId": "?"},
    ]


def test_reason_is_told_in_words() -> None:
    [asked] = commands.parse({"type": "systemMessage", "text": 5})

    assert asked == Asked(
        "systemMessage", {"text": 5}, reason="malformed", detail='"text" must be text, not 5'
    )


# Guards -------------------------------------------------------------------------------------------

HAPPENED_MS = 1_700_000_000_000
NOW = dt.datetime.fromtimestamp(HAPPENED_MS / 1000 + 1, dt.UTC)
CONSUMER = events.Participant("consumer-1", "CONSUMER")
AGENT = events.Participant("agent-1", "ASSIGNED_AGENT")
OTHER = events.Participant("agent-2", "ASSIGNED_AGENT")
LATER_MS = HAPPENED_MS + 1


def now(**facts: Any) -> conversations.State:
    """The conversation as the samples have it, except for what is given."""
    usual: dict[str, Any] = {
        "conv_id": "c-1",
        "state": "OPEN",
        "skill_id": "42",
        "participants": (CONSUMER,),
        "ttr": events.Ttr("NORMAL", 600),
    }
    return conversations.State(**usual | facts)


def event(subtype: str, **facts: Any) -> Event:
    kind = next(one for one in events.EVENT_TYPES.values() if subtype in one.subtypes)
    payload = events.sample(kind.id)["payload"]
    payload["routing"] = {"oldSkillId": "42", "newSkillId": "42"}
    payload["participantChange"] = {
        "oldParticipants": [],
        "newParticipants": msgspec.to_builtins(facts.get("participants", (CONSUMER,))),
    }
    payload["ttr"]["newTtr"] = {"ttrType": "NORMAL", "value": 600}
    payload["general"]["manualETTR"] = None
    occurred_at = dt.datetime.fromtimestamp(HAPPENED_MS / 1000, dt.UTC)
    return Event(
        conversation=Conversation(),
        type=kind.id,
        subtype=subtype,
        payload=payload,
        occurred_at=occurred_at,
        received_at=facts.get("received_at", NOW),
    )


class Hours:
    """Open or closed, since a moment and for every skill."""

    def __init__(self, *, open_now: bool, since_ms: int = 0) -> None:
        self.open_now = open_now
        self.since_ms = since_ms

    def shift(self, skill_id: str, at_ms: int) -> conversations.Shift:  # noqa: ARG002
        return conversations.Shift(open=self.open_now, since_ms=self.since_ms)


CLOSED_NOW = Hours(open_now=False)


def stale(
    command: str,
    happened: Event,
    state: conversations.State | None,
    hours: conversations.Hours = CLOSED_NOW,
    **fields: Any,
) -> str:
    found = guards.check(
        Command(type=command, event=happened, fields=fields),
        state,
        now=NOW,
        hours=hours,
    )
    return found.reason if found else ""


MANUAL = {"manual_ettr": HAPPENED_MS}


@pytest.mark.parametrize(
    ("subtype", "then", "state", "reason"),
    [
        ("CONSUMER_OPEN_NEW_CONVERSATION", {}, {}, ""),
        ("CONSUMER_OPEN_NEW_CONVERSATION", {}, {"last_consumer_ts": LATER_MS}, ""),
        ("CONSUMER_OPEN_NEW_CONVERSATION", {}, {"last_agent_ts": HAPPENED_MS}, ""),
        ("CONSUMER_OPEN_NEW_CONVERSATION", {}, {"last_agent_ts": LATER_MS}, "agent-spoke"),
        ("CONSUMER_OPEN_NEW_CONVERSATION", {}, {"state": "CLOSE"}, "closed"),
        ("CONSUMER_END_CONVERSATION", {}, {"state": "CLOSE"}, ""),
        ("YOU_ARE_CONNECTED_TO", {"participants": (AGENT,)}, {"participants": (AGENT,)}, ""),
        ("YOU_ARE_CONNECTED_TO", {"participants": (AGENT,)}, {}, "assignment-changed"),
        (
            "YOU_ARE_CONNECTED_TO",
            {"participants": (AGENT,)},
            {"participants": (OTHER,)},
            "assignment-changed",
        ),
        (
            "YOU_ARE_CONNECTED_TO",
            {"participants": (AGENT,)},
            {"participants": (AGENT,), "last_agent_ts": LATER_MS},
            "agent-spoke",
        ),
        ("BACK_TO_QUEUE", {}, {}, ""),
        ("BACK_TO_QUEUE", {}, {"participants": (AGENT,)}, "assignment-changed"),
        ("CONV_AWAITING_IN_QUEUE", {}, {}, ""),
        ("CONV_AWAITING_IN_QUEUE", {}, {"participants": (AGENT,)}, "assignment-changed"),
        ("ENGAGEMENT_TRANSFERED", {}, {}, ""),
        ("ENGAGEMENT_TRANSFERED", {}, {"skill_id": "7"}, "skill-changed"),
        ("CONSUMER_ASKED_URGENT_RESPONSE_TIME", {}, {}, ""),
        (
            "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
            {},
            {"ttr": events.Ttr("URGENT", 600)},
            "response-time-changed",
        ),
        (
            "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
            {},
            {"ttr": events.Ttr("NORMAL", 300)},
            "response-time-changed",
        ),
        ("AGENT_UPDATED_RESPONSE_TIME", {}, MANUAL, "response-time-changed"),
        ("AGENT_NON_RESPONSIVE", {}, {}, ""),
        ("AGENT_NON_RESPONSIVE", {}, {"last_agent_ts": LATER_MS}, "agent-spoke"),
        ("AGENT_NON_RESPONSIVE", {}, {"participants": (AGENT,)}, "assignment-changed"),
        ("CONSUMER_NON_RESPONSIVE", {}, {}, ""),
        ("CONSUMER_NON_RESPONSIVE", {}, {"last_consumer_ts": LATER_MS}, "consumer-wrote"),
        ("CONSUMER_SEND_MESSAGE_ON_OFFHOURS", {}, {}, ""),
        ("CONSUMER_SEND_MESSAGE_ON_OFFHOURS", {}, {"last_agent_ts": LATER_MS}, "agent-spoke"),
    ],
)
def test_message_is_held_back_when_the_conversation_has_moved_on(
    subtype: str, then: dict[str, Any], state: dict[str, Any], reason: str
) -> None:
    assert stale("systemMessage", event(subtype, **then), now(**state)) == reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, ""),
        ({"last_agent_ts": LATER_MS, "last_consumer_ts": LATER_MS}, ""),
        ({"skill_id": "7"}, "skill-changed"),
        ({"participants": (CONSUMER, AGENT)}, "assignment-changed"),
        ({"state": "CLOSE"}, "closed"),
    ],
)
def test_transfer_is_held_back_when_somebody_else_moved_first(
    state: dict[str, Any], reason: str
) -> None:
    assert stale("transfer", event("BACK_TO_QUEUE"), now(**state)) == reason


MOVED = {"skill_id": "7", "participants": (CONSUMER, OTHER)}


@pytest.mark.parametrize(
    ("subtype", "state", "reason"),
    [
        ("AGENT_NON_RESPONSIVE", {"skill_id": "7"}, ""),
        ("AGENT_NON_RESPONSIVE", MOVED, "assignment-changed"),
        ("AGENT_NON_RESPONSIVE", {"last_agent_ts": LATER_MS}, "agent-spoke"),
        ("CONSUMER_NON_RESPONSIVE", MOVED, ""),
        ("CONSUMER_NON_RESPONSIVE", MOVED | {"last_consumer_ts": LATER_MS}, "consumer-wrote"),
        ("CONV_AWAITING_IN_QUEUE", {"skill_id": "7"}, ""),
        ("CONV_AWAITING_IN_QUEUE", MOVED, "assignment-changed"),
        ("CONSUMER_SEND_MESSAGE_ON_OFFHOURS", MOVED, ""),
        ("CONSUMER_SEND_MESSAGE_ON_OFFHOURS", MOVED | {"last_agent_ts": LATER_MS}, "agent-spoke"),
    ],
)
def test_transfer_out_of_a_silence_only_minds_whether_the_silence_lasts(
    subtype: str, state: dict[str, Any], reason: str
) -> None:
    assert stale("transfer", event(subtype), now(**state)) == reason


@pytest.mark.parametrize("command", ["systemMessage", "transfer"])
def test_nobody_is_told_of_off_hours_that_are_over(command: str) -> None:
    happened = event("CONSUMER_SEND_MESSAGE_ON_OFFHOURS")

    assert stale(command, happened, now(), CLOSED_NOW) == ""
    assert stale(command, happened, now(), Hours(open_now=True)) == "open-again"


def test_text_that_names_a_response_time_is_held_back_once_that_has_passed() -> None:
    happened = event("CONSUMER_ASKED_URGENT_RESPONSE_TIME")
    soon = int(NOW.timestamp() * 1000) + 60_000

    assert stale("systemMessage", happened, now(), until=soon) == ""
    assert stale("systemMessage", happened, now(), until=HAPPENED_MS + 1) == "response-time-overdue"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, ""),
        ({"last_agent_ts": LATER_MS}, ""),
        ({"last_consumer_ts": LATER_MS}, "consumer-wrote"),
        ({"state": "CLOSE"}, "closed"),
    ],
)
def test_conversation_is_not_closed_on_somebody_who_has_just_written(
    state: dict[str, Any], reason: str
) -> None:
    happened = event("CONSUMER_NON_RESPONSIVE")

    assert stale("closeConversation", happened, now(**state)) == reason


@pytest.mark.parametrize("command", ["systemMessage", "transfer", "closeConversation"])
@pytest.mark.parametrize("clock", ["received_at", "occurred_at"])
def test_nothing_is_sent_for_an_event_that_waited_too_long(command: str, clock: str) -> None:
    happened = event("BACK_TO_QUEUE")
    setattr(happened, clock, NOW - dt.timedelta(seconds=31))

    assert stale(command, happened, now()) == "too-old"
    assert stale(command, happened, None) == "too-old"


@pytest.mark.parametrize(
    ("subtype", "group", "timer", "longest_s"),
    [
        ("AGENT_NON_RESPONSIVE", "agentNonResponsive", {"time": 20, "timeUnits": "seconds"}, 10),
        ("CONSUMER_NON_RESPONSIVE", "consumerNonResponsive", {"time": 1, "timeUnits": "minutes"},
         30),
        ("CONV_AWAITING_IN_QUEUE", "convNotTakenTime", {"time": 1, "timeUnits": "hours"}, 60),
        ("CONV_AWAITING_IN_QUEUE", "convNotTakenTime", {"time": 1}, 30),
        ("CONV_AWAITING_IN_QUEUE", "convNotTakenTime", {"time": 0, "timeUnits": "hours"}, 30),
        ("CONV_AWAITING_IN_QUEUE", "convNotTakenTime", {"time": -5, "timeUnits": "hours"}, 30),
    ],
)  # fmt: skip
def test_idle_event_is_worth_an_answer_for_half_its_timer_and_a_minute_at_most(
    subtype: str, group: str, timer: dict[str, Any], longest_s: int
) -> None:
    happened = event(subtype)
    happened.payload["idle"][group] = timer
    happened.received_at = NOW - dt.timedelta(seconds=longest_s - 1)
    assert stale("systemMessage", happened, now()) == ""

    happened.received_at = NOW - dt.timedelta(seconds=longest_s + 1)
    assert stale("systemMessage", happened, now()) == "too-old"


# How late -----------------------------------------------------------------------------------------

# A fact 300 ms after the event is 700 ms before NOW, when the message would be sent.
FACT_MS = HAPPENED_MS + 300
QUEUED = {"participants": (CONSUMER,), "at": Whereabouts(queue_since=FACT_MS)}
TAKEN = {
    "participants": (CONSUMER, OTHER),
    "at": Whereabouts(assigned=(OTHER.id,), assigned_since=FACT_MS),
}
STILL_THERE = {
    "participants": (CONSUMER, AGENT),
    "at": Whereabouts(assigned=(AGENT.id,), assigned_since=HAPPENED_MS - 5_000),
}
MOVED_ON = {"skill_id": "7", "at": Whereabouts(skill_changed_ts=FACT_MS)}


def late(
    command: str,
    happened: Event,
    state: conversations.State | None,
    *,
    hours: conversations.Hours = CLOSED_NOW,
    at: dt.datetime = NOW,
    **fields: Any,
) -> tuple[str, int | None]:
    found = guards.check(
        Command(type=command, event=happened, fields=fields), state, now=at, hours=hours
    )
    assert found
    return found.reason, found.late_ms


@pytest.mark.parametrize(
    ("command", "subtype", "then", "state", "wanted"),
    [
        ("systemMessage", "CONSUMER_OPEN_NEW_CONVERSATION", {}, {"last_agent_ts": FACT_MS},
         ("agent-spoke", 700)),
        ("systemMessage", "CONSUMER_NON_RESPONSIVE", {}, {"last_consumer_ts": FACT_MS},
         ("consumer-wrote", 700)),
        ("closeConversation", "CONSUMER_NON_RESPONSIVE", {},
         {"last_consumer_ts": FACT_MS + 400, "unanswered": (HAPPENED_MS, FACT_MS, FACT_MS + 400)},
         ("consumer-wrote", 700)),
        ("transfer", "BACK_TO_QUEUE", {}, {"state": "CLOSE", "closed_ts": FACT_MS},
         ("closed", 700)),
        ("systemMessage", "BACK_TO_QUEUE", {}, TAKEN, ("assignment-changed", 700)),
        ("transfer", "BACK_TO_QUEUE", {}, TAKEN, ("assignment-changed", 700)),
        ("systemMessage", "YOU_ARE_CONNECTED_TO", {"participants": (AGENT,)}, QUEUED,
         ("assignment-changed", 700)),
        ("systemMessage", "YOU_ARE_CONNECTED_TO", {"participants": (AGENT,)}, TAKEN,
         ("assignment-changed", 700)),
        ("systemMessage", "YOU_ARE_CONNECTED_TO", {"participants": (AGENT,)},
         STILL_THERE | {"last_agent_ts": FACT_MS}, ("agent-spoke", 700)),
        ("systemMessage", "AGENT_NON_RESPONSIVE", {"participants": (AGENT,)}, TAKEN,
         ("assignment-changed", 700)),
        # One of two agents left, and nobody knows when: the other one has been there all along.
        ("systemMessage", "AGENT_NON_RESPONSIVE", {"participants": (AGENT, OTHER)}, STILL_THERE,
         ("assignment-changed", None)),
        ("systemMessage", "ENGAGEMENT_TRANSFERED", {}, MOVED_ON, ("skill-changed", 700)),
        ("transfer", "BACK_TO_QUEUE", {}, MOVED_ON, ("skill-changed", 700)),
        ("systemMessage", "CONSUMER_ASKED_URGENT_RESPONSE_TIME", {},
         {"ttr": events.Ttr("NORMAL", 300)}, ("response-time-changed", None)),
    ],
)  # fmt: skip
def test_lateness_counts_from_what_made_it_too_late(
    command: str,
    subtype: str,
    then: dict[str, Any],
    state: dict[str, Any],
    wanted: tuple[str, int | None],
) -> None:
    assert late(command, event(subtype, **then), now(**state)) == wanted


def test_lateness_counts_from_the_moment_that_a_text_names() -> None:
    happened = event("CONSUMER_ASKED_URGENT_RESPONSE_TIME")

    found = late("systemMessage", happened, now(), until=FACT_MS)

    assert found == ("response-time-overdue", 700)


@pytest.mark.parametrize(("since_ms", "late_ms"), [(FACT_MS, 700), (0, None)])
def test_lateness_counts_from_the_end_of_the_off_hours(since_ms: int, late_ms: int | None) -> None:
    hours = Hours(open_now=True, since_ms=since_ms)
    happened = event("CONSUMER_SEND_MESSAGE_ON_OFFHOURS")

    assert late("systemMessage", happened, now(), hours=hours) == ("open-again", late_ms)


def test_lateness_of_an_old_event_counts_from_when_nobody_expected_an_answer_any_more() -> None:
    happened = event("BACK_TO_QUEUE", received_at=NOW - dt.timedelta(seconds=32.5))

    assert late("systemMessage", happened, None) == ("too-old", 2_500)


def test_lateness_is_never_below_nothing_nor_more_than_a_column_holds() -> None:
    happened = event("BACK_TO_QUEUE")

    ahead = late("systemMessage", happened, now(state="CLOSE", closed_ts=HAPPENED_MS + 60_000))
    months = late("systemMessage", happened, now(), at=NOW + dt.timedelta(days=90))

    assert ahead == ("closed", 0)
    assert months == ("too-old", 2**31 - 1)


def test_event_that_the_platform_derived_itself_is_only_judged_by_its_age() -> None:
    assert stale("systemMessage", event("YOU_ARE_CONNECTED_TO"), None) == ""


def test_every_reason_for_which_a_command_is_too_late_has_its_sentence():
    known = {one.reason for one in vars(guards).values() if isinstance(one, guards.Stale)}

    assert set(guards.DETAILS) == known | {guards.TOO_OLD}
