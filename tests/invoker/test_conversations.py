"""What notifications mean: reading them, and the rules that derive events."""

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoker import conversations, events
from invoker.conversations import Circumstances, NotificationError, Shift, derive, read_notification

T0 = 1_700_000_000_000
PAYLOADS = Path(__file__).parents[1] / "payloads"

CONSUMER = {"id": "con-1", "role": "CONSUMER"}
AGENT = {"id": "agent-1", "role": "ASSIGNED_AGENT"}
OTHER_AGENT = {"id": "agent-2", "role": "ASSIGNED_AGENT"}
COLLEAGUE = {"id": "agent-3", "role": "AGENT"}
MANAGER = {"id": "agent-4", "role": "MANAGER"}
BOT = {"id": "bot", "role": "MANAGER"}
SUGGESTED = {"id": "agent-2", "role": "ASSIGNED_AGENT", "state": "SUGGESTED"}

NEW = "CONSUMER_OPEN_NEW_CONVERSATION"
URGENT = "CONSUMER_ASKED_URGENT_RESPONSE_TIME"
NOT_URGENT = "CONSUMER_CANCELED_URGENT_RESPONSE_TIME"
TIME_SET = "AGENT_UPDATED_RESPONSE_TIME"
CONNECTED = "YOU_ARE_CONNECTED_TO"
QUEUED = "BACK_TO_QUEUE"
JOINED = "ANOTHER_AGENT_JOINED_CONVERSATION"
LEFT = "JOINED_AGENT_LEFT_CONVERSATION"
TRANSFERRED = "ENGAGEMENT_TRANSFERED"
OFF_HOURS_LINE = "CONSUMER_SEND_MESSAGE_ON_OFFHOURS"


def dialog(kind="MAIN", state="OPEN", **more):
    dialog_id = "c-1" if kind == "MAIN" else f"c-1-{kind}"
    return {"dialogId": dialog_id, "dialogType": kind, "state": state} | more


def snapshot(at_s=0, *, change="UPSERT", **details):
    """A conversation change as the platform sends it; None leaves a field out."""
    last = details.pop("last", None)
    conversation = {
        "state": "OPEN",
        "stage": "OPEN",
        "skillId": "100",
        "participants": [CONSUMER],
        "dialogs": [dialog()],
        "startTs": T0,
        "metaDataLastUpdateTs": T0 + at_s * 1000,
        "ttr": {"ttrType": "NORMAL", "value": 600},
    } | details
    result = {
        "convId": "c-1",
        "effectiveTTR": T0 + 600_000,
        "conversationDetails": {k: v for k, v in conversation.items() if v is not None},
    }
    if last:
        result["lastContentEventNotification"] = last
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {"changes": [{"type": change, "result": result}]},
    }


def closed(at_s=0, **details):
    return snapshot(
        at_s,
        **{"state": "CLOSE", "closeReason": "AGENT", "dialogs": [dialog(state="CLOSE")]} | details,
    )


def event(sequence=0, at_s=0, author=CONSUMER, **more):
    return {
        "sequence": sequence,
        "dialogId": "c-1",
        "serverTimestamp": T0 + at_s * 1000,
        "originatorId": author["id"],
        "originatorMetadata": author,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "hi"},
    } | more


def line(sequence=0, at_s=0, author=CONSUMER, **more):
    return {
        "kind": "notification",
        "type": "ms.MessagingEventNotification",
        "body": {"changes": [event(sequence, at_s, author, **more)]},
    }


class Closed:
    """Office hours of an account that went home."""

    def __init__(self, since_ms):
        self.since_ms = since_ms

    def shift(self, _skill_id, at_ms):
        return Shift(at_ms < self.since_ms, self.since_ms)


def play(*notifications, state=None, **circumstances):
    """Handle notifications as they come; the clock stands at each one's own time.

    Returns the state, what was derived and every note, in order.
    """
    derived, notes = [], []
    if circumstances.pop("off_hours", False):
        circumstances["hours"] = Closed(circumstances.pop("off_hours_since_ms", 0))
    for notification in notifications:
        for change in read_notification(notification):
            now = Circumstances(**{"now_ms": change.ts_ms} | circumstances)
            derivation = derive(state, change, now)
            state = derivation.state
            derived += derivation.events
            notes.append(str(derivation.note))
    return state, derived, notes


def subtypes(derived):
    return [each.subtype or each.type for each in derived]


def captured(name):
    return json.loads((PAYLOADS / f"{name}.json").read_text())["notification"]


RULES = {
    # name: (details before, details after, derived)
    "consumer marks as urgent": ({}, {"ttr": {"ttrType": "URGENT"}}, [URGENT]),
    "consumer takes urgency back": (
        {"ttr": {"ttrType": "URGENT"}},
        {"ttr": {"ttrType": "NORMAL"}},
        [NOT_URGENT],
    ),
    "urgency goes back to prioritized": (
        {"ttr": {"ttrType": "URGENT"}},
        {"ttr": {"ttrType": "PRIORITIZED"}},
        [NOT_URGENT],
    ),
    "agent sets a custom time on an urgent one": (
        {"ttr": {"ttrType": "URGENT"}},
        {"ttr": {"ttrType": "CUSTOM", "value": 60}},
        [TIME_SET],
    ),
    "agent sets a custom time": ({}, {"ttr": {"ttrType": "CUSTOM", "value": 60}}, [TIME_SET]),
    "agent sets a date to respond": ({}, {"manualETTR": T0 + 999_000}, [TIME_SET]),
    "agent moves the date to respond": (
        {"manualETTR": T0 + 999_000},
        {"manualETTR": T0 + 1_999_000},
        [TIME_SET],
    ),
    "date to respond is cleared": ({"manualETTR": T0 + 999_000}, {"manualETTR": 0}, []),
    "date to respond lies in the past": ({}, {"manualETTR": T0 - 1}, []),
    "date to respond is no longer sent": ({"manualETTR": T0 + 999_000}, {}, []),
    "same kind of time, other value": ({}, {"ttr": {"ttrType": "NORMAL", "value": 90}}, []),
    "empty kind of time says nothing": (
        {"ttr": {"ttrType": "URGENT"}},
        {"ttr": {"ttrType": ""}},
        [],
    ),
    "no time sent says nothing": ({"ttr": {"ttrType": "URGENT"}}, {"ttr": None}, []),
    "agent takes it": ({}, {"participants": [CONSUMER, AGENT]}, [CONNECTED]),
    "another agent takes over": (
        {"participants": [CONSUMER, AGENT]},
        {"participants": [CONSUMER, OTHER_AGENT]},
        [CONNECTED],
    ),
    "agent is only suggested": (
        {},
        {
            "participants": [CONSUMER, SUGGESTED],
            "dialogs": [dialog(participantsDetails=[SUGGESTED])],
        },
        [],
    ),
    "suggested agent accepts": (
        {"dialogs": [dialog(participantsDetails=[SUGGESTED])]},
        {"participants": [CONSUMER, OTHER_AGENT], "dialogs": [dialog()]},
        [CONNECTED],
    ),
    "participants only in the dialog": (
        {"participants": None, "dialogs": [dialog(participantsDetails=[CONSUMER])]},
        {"participants": None, "dialogs": [dialog(participantsDetails=[CONSUMER, AGENT])]},
        [CONNECTED],
    ),
    "agent returns it to the queue": ({"participants": [CONSUMER, AGENT]}, {}, [QUEUED]),
    "agent hands it to a suggested agent": (
        {"participants": [CONSUMER, AGENT]},
        {"dialogs": [dialog(participantsDetails=[SUGGESTED])]},
        [],
    ),
    "participants not sent": ({"participants": [CONSUMER, AGENT]}, {"participants": None}, []),
    "colleague joins": ({}, {"participants": [CONSUMER, COLLEAGUE]}, [JOINED]),
    "manager joins": ({}, {"participants": [CONSUMER, MANAGER]}, [JOINED]),
    "colleague leaves": ({"participants": [CONSUMER, COLLEAGUE]}, {}, [LEFT]),
    "one colleague for another": (
        {"participants": [CONSUMER, COLLEAGUE]},
        {"participants": [CONSUMER, MANAGER]},
        [JOINED, LEFT],
    ),
    "colleague takes it over": (
        {"participants": [CONSUMER, COLLEAGUE]},
        {"participants": [CONSUMER, COLLEAGUE | {"role": "ASSIGNED_AGENT"}]},
        [CONNECTED],
    ),
    "bot itself joins": ({}, {"participants": [CONSUMER, BOT]}, []),
    "bot itself leaves": ({"participants": [CONSUMER, BOT]}, {}, []),
    "reader and controller join": (
        {},
        {
            "participants": [
                CONSUMER,
                {"id": "r", "role": "READER"},
                {"id": "x", "role": "CONTROLLER"},
            ]
        },
        [],
    ),
    "routed to another skill": ({}, {"skillId": "200"}, [TRANSFERRED]),
    "skill sent as a number": ({}, {"skillId": 100}, []),
    "skill empty and skill none are the same": ({"skillId": ""}, {"skillId": "-1"}, []),
    "skill not sent": ({}, {"skillId": None}, []),
    "transfer takes the agent away": (
        {"participants": [CONSUMER, AGENT]},
        {"skillId": "200"},
        [TRANSFERRED],
    ),
    "transfer straight to an agent of the skill": (
        {"participants": [CONSUMER, AGENT]},
        {"skillId": "200", "participants": [CONSUMER, OTHER_AGENT]},
        [TRANSFERRED, CONNECTED],
    ),
    "consumer signs in": (
        {},
        {"participants": [CONSUMER | {"id": "con-known"}]},
        ["CONSUMER_STEP_UP"],
    ),
    "everything at once, in order": (
        {},
        {
            "participants": [CONSUMER | {"id": "con-known"}, AGENT],
            "skillId": "200",
            "ttr": {"ttrType": "URGENT"},
        },
        ["CONSUMER_STEP_UP", TRANSFERRED, CONNECTED, URGENT],
    ),
    "cobrowsing ends": (
        {"dialogs": [dialog(), dialog("COBROWSE")]},
        {"dialogs": [dialog(), dialog("COBROWSE", "CLOSE")]},
        [],
    ),
    "nothing that matters changes": ({}, {"endTs": 0, "context": {"lang": "de-DE"}}, []),
    "agent closes": ({}, {"state": "CLOSE", "closeReason": "AGENT"}, ["AGENT_END_CONVERSATION"]),
    "consumer closes": (
        {},
        {"state": "CLOSE", "closeReason": "CONSUMER"},
        ["CONSUMER_END_CONVERSATION"],
    ),
    "system closes": (
        {},
        {"state": "CLOSE", "closeReason": "SYSTEM"},
        ["SYSTEM_END_CONVERSATION"],
    ),
    "time closes": ({}, {"state": "CLOSE", "closeReason": "TIMEOUT"}, ["SYSTEM_END_CONVERSATION"]),
    "closed, only the dialog says by whom": (
        {},
        {"state": "CLOSE", "dialogs": [dialog(state="CLOSE", closedBy="CONSUMER")]},
        ["CONSUMER_END_CONVERSATION"],
    ),
    "closing takes everybody along": (
        {"participants": [CONSUMER, AGENT, COLLEAGUE], "ttr": {"ttrType": "URGENT"}},
        {"state": "CLOSE", "closeReason": "AGENT", "skillId": "200"},
        ["AGENT_END_CONVERSATION"],
    ),
    "closing starts the survey": (
        {},
        {
            "state": "CLOSE",
            "closeReason": "AGENT",
            "dialogs": [dialog(state="CLOSE"), dialog("POST_SURVEY")],
        },
        ["AGENT_END_CONVERSATION", "surveybot_messaging_survey_started"],
    ),
    "survey is answered": (
        {"dialogs": [dialog(), dialog("POST_SURVEY")]},
        {"dialogs": [dialog(), dialog("POST_SURVEY", "CLOSE")]},
        ["surveybot_messaging_survey_ended"],
    ),
    "survey never ran": ({}, {"dialogs": [dialog(), dialog("POST_SURVEY", "CLOSE")]}, []),
}


@pytest.mark.parametrize(("before", "after", "expected"), RULES.values(), ids=RULES)
def test_derive_follows_the_rule_when(before, after, expected):
    state, _, _ = play(snapshot(0, **before), own_ids=frozenset({"bot"}))

    _, derived, notes = play(snapshot(5, **after), state=state, own_ids=frozenset({"bot"}))

    assert subtypes(derived) == expected
    assert notes == ["" if expected else "unchanged"]


FIRST = {
    "returning consumer": ({"firstConversation": False}, {}, [NEW], ""),
    "first conversation": ({"firstConversation": True}, {}, [f"{NEW}_FIRST_TIME"], ""),
    "returning consumer in off-hours": (
        {"firstConversation": False},
        {"off_hours": True},
        [f"{NEW}_OFF_HOURS"],
        "",
    ),
    "first conversation in off-hours": (
        {"firstConversation": True},
        {"off_hours": True},
        [f"{NEW}_FIRST_TIME_OFF_HOURS"],
        "",
    ),
    "platform does not say whether first": ({}, {}, [NEW], ""),
    "own history says first": ({}, {"history_known": True}, [f"{NEW}_FIRST_TIME"], ""),
    "dialogs not sent": ({"dialogs": None}, {}, [NEW], ""),
    "agent is there already": ({"participants": [CONSUMER, AGENT]}, {}, [NEW], ""),
    "started at the high-water mark": ({}, {"high_water_ms": T0}, [NEW], ""),
    "started before we listened": ({}, {"high_water_ms": T0 + 1}, [], "baseline"),
    "start not sent": ({"startTs": None}, {}, [], "baseline"),
    "closed already": ({"state": "CLOSE", "closeReason": "AGENT"}, {}, [], "baseline"),
    "main dialog closed": ({"dialogs": [dialog(state="CLOSE")]}, {}, [], "baseline"),
    "started too long ago": ({}, {"now_ms": T0 + 60_001}, [], "too-old"),
    "started just in time": ({}, {"now_ms": T0 + 60_000}, [NEW], ""),
}


@pytest.mark.parametrize(
    ("details", "circumstances", "expected", "note"), FIRST.values(), ids=FIRST
)
def test_derive_takes_an_unknown_conversation_as_new_when(details, circumstances, expected, note):
    state, derived, notes = play(snapshot(**details), **circumstances)

    assert subtypes(derived) == expected
    assert notes == [note]
    assert state.state == details.get("state", "OPEN")


ON_THE_WAY = {
    "stale notification": ([snapshot(5), snapshot(4, skillId="200")], [NEW], "stale"),
    "same notification twice": ([snapshot(5), snapshot(5)], [NEW], "duplicate"),
    "two changes at the same moment": (
        [snapshot(5), snapshot(5, skillId="200")],
        [NEW, TRANSFERRED],
        "",
    ),
    "repetition after another change at the same moment": (
        [snapshot(5), snapshot(5, skillId="200"), snapshot(5)],
        [NEW, TRANSFERRED],
        "duplicate",
    ),
    "deleted without being closed": (
        [snapshot(), snapshot(5, change="DELETE", skillId="200", participants=[CONSUMER, AGENT])],
        [NEW],
        "deleted",
    ),
    "back after being deleted": (
        [snapshot(), snapshot(5, change="DELETE"), snapshot(6, skillId="200")],
        [NEW, TRANSFERRED],
        "",
    ),
    "deleted and closed": (
        [snapshot(), closed(5, change="DELETE", skillId="200")],
        [NEW, "AGENT_END_CONVERSATION"],
        "",
    ),
    "deleted after being closed": (
        [snapshot(), closed(5), closed(6, change="DELETE")],
        [NEW, "AGENT_END_CONVERSATION"],
        "unchanged",
    ),
    "deleted and never known": ([closed(5, change="DELETE")], [], "baseline"),
    "closed twice": (
        [snapshot(), closed(5), closed(6, stage="CLOSE")],
        [NEW, "AGENT_END_CONVERSATION"],
        "unchanged",
    ),
    "opened after being closed": (
        [snapshot(), closed(5), snapshot(6, participants=[CONSUMER, AGENT])],
        [NEW, "AGENT_END_CONVERSATION"],
        "closed",
    ),
    "closed by nobody known": ([snapshot(), closed(5, closeReason="X")], [NEW], "unknown-close"),
    "who closed becomes known later": (
        [snapshot(), closed(5, closeReason=None), closed(6)],
        [NEW, "AGENT_END_CONVERSATION"],
        "",
    ),
    "locked on the way to closed": (
        [snapshot(), snapshot(4, state="LOCKED"), closed(5)],
        [NEW, "AGENT_END_CONVERSATION"],
        "",
    ),
    "agent leaves within the transfer": (
        [
            snapshot(participants=[CONSUMER, AGENT]),
            snapshot(5, participants=[CONSUMER, AGENT], skillId="200"),
            snapshot(7, skillId="200"),
        ],
        [NEW, TRANSFERRED],
        "unchanged",
    ),
    "agent leaves after the transfer": (
        [
            snapshot(participants=[CONSUMER, AGENT]),
            snapshot(5, participants=[CONSUMER, AGENT], skillId="200"),
            snapshot(8, skillId="200"),
        ],
        [NEW, TRANSFERRED, QUEUED],
        "",
    ),
    "survey ends with the stage": (
        [
            snapshot(),
            closed(5, dialogs=[dialog(state="CLOSE"), dialog("POST_SURVEY")]),
            closed(6, stage="CLOSE", dialogs=None),
        ],
        [
            NEW,
            "AGENT_END_CONVERSATION",
            "surveybot_messaging_survey_started",
            "surveybot_messaging_survey_ended",
        ],
        "",
    ),
    "survey ends once": (
        [
            snapshot(),
            closed(5, dialogs=[dialog("POST_SURVEY")]),
            closed(6, dialogs=[dialog("POST_SURVEY", "CLOSE")]),
            closed(7, stage="CLOSE", dialogs=[dialog("POST_SURVEY", "CLOSE")]),
        ],
        [
            NEW,
            "AGENT_END_CONVERSATION",
            "surveybot_messaging_survey_started",
            "surveybot_messaging_survey_ended",
        ],
        "unchanged",
    ),
    "line before its conversation": ([line(0, 0), snapshot(0)], [NEW], ""),
}


@pytest.mark.parametrize(("notifications", "expected", "note"), ON_THE_WAY.values(), ids=ON_THE_WAY)
def test_derive_copes_with(notifications, expected, note):
    _, derived, notes = play(*notifications)

    assert subtypes(derived) == expected
    assert notes[-1] == note


def test_derive_updates_the_state_when_the_event_is_too_old():
    state, _, _ = play(snapshot())

    state, derived, notes = play(snapshot(5, skillId="200"), state=state, now_ms=T0 + 65_001)

    assert subtypes(derived) == []
    assert notes == ["too-old"]
    assert state.skill_id == "200"


def test_derive_remembers_assignment_and_queue():
    state, _, _ = play(snapshot(1))
    assert (state.assigned_since, state.queue_since) == (None, T0 + 1_000)

    state, _, _ = play(snapshot(2, participants=[CONSUMER, AGENT]), state=state)
    assert (state.assigned_since, state.queue_since) == (T0 + 2_000, None)

    state, _, _ = play(snapshot(3, participants=[CONSUMER, AGENT]), state=state)
    assert (state.assigned_since, state.queue_since) == (T0 + 2_000, None)

    state, derived, _ = play(snapshot(4), state=state)
    assert (state.assigned_since, state.queue_since) == (None, T0 + 4_000)
    assert derived[0].payload["general"]["backToQueueTs"] == T0 + 4_000

    state, _, _ = play(snapshot(5, skillId="200"), state=state)
    assert (state.assigned_since, state.queue_since) == (None, T0 + 5_000)


def test_derive_counts_versions_of_accepted_changes_only():
    state, _, _ = play(snapshot(5), snapshot(5), snapshot(4), line(0, 5), line(0, 5))

    assert state.version == 2


# --- Lines -------------------------------------------------------------------------------------


def test_line_moves_the_times_of_the_last_messages():
    state, derived, notes = play(snapshot(), line(0, 1), line(1, 2), line(2, 3, AGENT))
    assert (state.last_msg_ts, state.last_msg_role) == (T0 + 3_000, "ASSIGNED_AGENT")
    assert (state.last_consumer_ts, state.last_agent_ts) == (T0 + 2_000, T0 + 3_000)
    assert state.first_unanswered_consumer_ts is None

    state, _, _ = play(line(3, 4), line(4, 5), state=state)
    assert state.first_unanswered_consumer_ts == T0 + 4_000
    assert state.last_seq == {"c-1": 4}
    assert subtypes(derived) == [NEW]
    assert notes == ["", "recorded", "recorded", "recorded"]


NOT_HEARD = {
    "the bot itself": line(1, 9, BOT),
    "the platform's controller": line(1, 9, {"id": "ctl", "role": "CONTROLLER"}),
    "a private note": line(1, 9, AGENT, messageAudience="AGENTS_AND_MANAGERS"),
    "a private note, said in the event": line(
        1,
        9,
        AGENT,
        event={"type": "ContentEvent", "messageAudience": "AGENTS_AND_MANAGERS"},
    ),
    "somebody unknown": line(1, 9, {"id": "nobody"}),
}


@pytest.mark.parametrize("notification", NOT_HEARD.values(), ids=NOT_HEARD)
def test_line_is_no_answer_when_written_by(notification):
    state, _, _ = play(snapshot(), line(0, 1), notification, own_ids=frozenset({"bot"}))

    assert (state.last_msg_ts, state.last_msg_role) == (T0 + 1_000, "CONSUMER")
    assert (state.last_agent_ts, state.first_unanswered_consumer_ts) == (None, T0 + 1_000)
    assert state.last_seq == {"c-1": 1}


def test_line_finds_its_role_among_the_participants_when_it_names_none():
    state, _, _ = play(snapshot(participants=[CONSUMER, AGENT]), line(0, 1, {"id": "agent-1"}))

    assert state.last_msg_role == "ASSIGNED_AGENT"


@pytest.mark.parametrize(("sequence", "note"), [(4, "duplicate"), (3, "stale")])
def test_line_is_ignored_when_heard_before(sequence, note):
    state, _, _ = play(snapshot(), line(4, 1))

    after, derived, notes = play(line(sequence, 9), state=state, off_hours=True)

    assert (after, derived, notes) == (state, [], [note])


def test_copy_of_the_last_line_fills_a_gap_and_does_not_shadow_the_line_itself():
    state, _, _ = play(snapshot(), snapshot(2, last=event(0, 1)))
    assert (state.last_consumer_ts, state.last_seq) == (T0 + 1_000, {})

    _, derived, _ = play(line(0, 1), state=state, off_hours=True)

    assert subtypes(derived) == [OFF_HOURS_LINE]


def test_copy_of_an_older_line_changes_nothing():
    state, _, _ = play(snapshot(), line(3, 3, AGENT), snapshot(4, last=event(2, 2)))

    assert (state.last_msg_role, state.first_unanswered_consumer_ts) == ("ASSIGNED_AGENT", None)


def test_line_in_off_hours_is_an_event_once_per_window():
    state, _, _ = play(snapshot())
    night = {"off_hours": True, "off_hours_since_ms": T0 + 100_000}
    next_night = {"off_hours": True, "off_hours_since_ms": T0 + 900_000}

    state, first, _ = play(line(0, 200), line(1, 300), state=state, **night)
    state, second, _ = play(line(2, 950), line(3, 960), state=state, **next_night)

    assert [each.occurred_ms for each in first] == [T0 + 200_000]
    assert [each.occurred_ms for each in second] == [T0 + 950_000]
    assert first[0].type == "controllerbot_messaging_mid_conversation_msg"
    assert first[0].payload["mid"] == {"openedInOffHours": False}


NO_OFF_HOURS_EVENT = {
    "in office hours": (line(0, 9), {"off_hours": False}, "recorded"),
    "by the agent": (line(0, 9, AGENT), {}, "recorded"),
    "written before off-hours began": (
        line(0, 9),
        {"off_hours_since_ms": T0 + 10_000},
        "recorded",
    ),
    "too long ago": (line(0, 9), {"now_ms": T0 + 70_000}, "too-old"),
}


@pytest.mark.parametrize(
    ("notification", "circumstances", "note"), NO_OFF_HOURS_EVENT.values(), ids=NO_OFF_HOURS_EVENT
)
def test_line_is_no_off_hours_event_when(notification, circumstances, note):
    state, _, _ = play(snapshot())

    _, derived, notes = play(notification, state=state, **{"off_hours": True} | circumstances)

    assert (derived, notes) == ([], [note])


def test_line_is_no_off_hours_event_when_the_conversation_opened_in_this_window():
    _, derived, _ = play(snapshot(), line(0, 1), line(1, 2), off_hours=True)

    assert subtypes(derived) == [f"{NEW}_OFF_HOURS"]


def test_line_is_an_off_hours_event_when_the_conversation_opened_in_an_earlier_window():
    state, _, _ = play(snapshot(), off_hours=True, off_hours_since_ms=T0)

    _, derived, _ = play(line(0, 900), state=state, off_hours=True, off_hours_since_ms=T0 + 800_000)

    assert derived[0].payload["mid"] == {"openedInOffHours": True}


def test_line_is_no_off_hours_event_when_a_known_window_also_holds_the_start():
    state, _, notes = play(
        snapshot(), off_hours=True, off_hours_since_ms=T0 - 1, high_water_ms=T0 + 1
    )

    _, derived, _ = play(line(0, 1), state=state, off_hours=True, off_hours_since_ms=T0 - 1)

    assert (notes, derived) == (["baseline"], [])


def test_line_is_no_off_hours_event_when_the_conversation_is_closed():
    _, derived, _ = play(snapshot(), closed(5), line(0, 6), off_hours=True)

    assert subtypes(derived) == [f"{NEW}_OFF_HOURS", "AGENT_END_CONVERSATION"]


# --- Payloads ----------------------------------------------------------------------------------


def test_payload_of_a_new_conversation_is_complete():
    context = {
        "type": "SharkContext",
        "lang": "de-DE",
        "visitorId": 1528463744580,
        "sessionId": "s-1",
        "clientProperties": {"ipAddress": "203.0.113.7", "features": ["AUTO_MESSAGES"]},
    }
    notification = snapshot(
        context=context,
        firstConversation=True,
        campaignInfo={"campaignId": "11", "engagementId": 12},
        last=event(0, 0),
    )

    _, [derived], _ = play(notification)

    assert derived.type == "controllerbot_messaging_new_conversation"
    assert derived.occurred_ms == T0
    assert derived.payload == {
        "general": {
            "cbotEventType": "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
            "type": "UPSERT",
            "convId": "c-1",
            "dialogId": "c-1",
            "sessionId": "s-1",
            "startTs": T0,
            "effectiveTTR": "1700000600000",
            "oldConvState": "CLOSE",
            "newConvState": "OPEN",
            "contextType": "SharkContext",
            "campaignInfo": {"id": "11", "engagementId": "12"},
            "clientLanguage": "de-DE",
            "clientFeatures": ["AUTO_MESSAGES"],
            "inOffHours": False,
            "visitorId": "1528463744580",
            "originatorId": "con-1",
            "originatorPid": "con-1",
            "originatorMetadata": {"id": "con-1", "role": "CONSUMER"},
            "serverTimestamp": T0,
            "clientIpAdress": "203.0.113.7",
            "manualETTR": None,
            "lastMessageComposer": "CONSUMER",
            "lastMessageTs": T0,
            "lastAgentMsgTs": None,
            "backToQueueTs": None,
        },
        "start": {"firstConversation": True},
        "end": {"closeReason": None},
        "ttr": {
            "oldTtr": {"ttrType": "NORMAL", "value": 600},
            "newTtr": {"ttrType": "NORMAL", "value": 600},
        },
        "routing": {"oldSkillId": "-1", "newSkillId": "100"},
        "participantChange": {"oldParticipants": [], "newParticipants": [CONSUMER]},
        "mid": {"openedInOffHours": False},
        "idle": {
            "lastConsumerMsgTs": T0,
            "agentNonResponsive": {"time": 10, "timeUnits": "minutes"},
            "consumerNonResponsive": {"time": 30, "timeUnits": "minutes"},
            "convNotTakenTime": {"time": 5, "timeUnits": "minutes"},
        },
    }


def test_payload_shows_before_and_after_of_a_change():
    state, _, _ = play(snapshot(participants=[CONSUMER, COLLEAGUE]), line(0, 1, AGENT))

    _, derived, _ = play(
        snapshot(
            5,
            skillId="200",
            participants=[CONSUMER, AGENT],
            ttr={"ttrType": "CUSTOM", "value": 60},
            manualETTR=T0 + 60_000,
        ),
        state=state,
    )

    payload = derived[0].payload
    assert payload["routing"] == {"oldSkillId": "100", "newSkillId": "200"}
    assert payload["participantChange"] == {
        "oldParticipants": [CONSUMER, COLLEAGUE],
        "newParticipants": [CONSUMER, AGENT],
    }
    assert payload["ttr"] == {
        "oldTtr": {"ttrType": "NORMAL", "value": 600},
        "newTtr": {"ttrType": "CUSTOM", "value": 60},
    }
    assert payload["general"]["manualETTR"] == str(T0 + 60_000)
    assert payload["idle"]["lastConsumerMsgTs"] is False
    assert [each.payload["general"]["cbotEventType"] for each in derived] == subtypes(derived)


@pytest.mark.parametrize(("said", "reason"), [("TIMEOUT", "SYSTEM"), ("CONSUMER", "CONSUMER")])
def test_payload_of_an_end_names_who_closed(said, reason):
    _, derived, _ = play(snapshot(), closed(5, closeReason=said))

    assert derived[1].payload["end"] == {"closeReason": reason}
    assert derived[1].payload["general"]["oldConvState"] == "OPEN"
    assert derived[1].payload["general"]["newConvState"] == "CLOSE"


def test_payload_has_the_shape_of_the_sample():
    _, derived, _ = play(snapshot(last=event(0, 0)), snapshot(5, participants=[CONSUMER, AGENT]))

    for each in derived:
        assert shape(each.payload) == shape(events.sample(each.type)["payload"])


def test_payload_of_a_survey_is_the_flat_document():
    survey = captured("liveperson_raw_survey_running")
    before = copy.deepcopy(survey)
    details = before["body"]["changes"][0]["result"]["conversationDetails"]
    details["dialogs"] = [details["dialogs"][1] | {"state": "OPEN"}]
    details |= {"state": "OPEN", "closeReason": None, "metaDataLastUpdateTs": 1568004067509}

    _, derived, _ = play(before, survey, account_id="7149717")

    end, started = derived[1:]
    assert end.payload["end"] == {"closeReason": "CONSUMER"}
    assert started.type == "surveybot_messaging_survey_started"
    assert shape(started.payload).keys() == shape(events.sample(started.type)["payload"]).keys()
    assert started.payload["accountId"] == "7149717"
    assert started.payload["skillId"] == "792479851"
    assert started.payload["dialogs"][0]["metaData"] == {
        "appInstallId": "31f55e51-35fc-4187-9742-8c5fcc218048"
    }
    assert started.payload["lastContentEventNotification"]["event"]["message"] == "こちらをクリック"


def shape(value: Any) -> Any:
    """The keys of a document, at every depth; lists and values are leaves."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return None


# --- Reading -----------------------------------------------------------------------------------


def test_read_takes_both_dialects_to_the_same_change():
    raw = captured("liveperson_raw_opened")
    plain = copy.deepcopy(raw)
    plain["type"] = "cqm.ExConversationChangeNotification"
    details = plain["body"]["changes"][0]["result"]["conversationDetails"]
    del details["participantsPId"], details["convId"]
    details["participants"] = [{"id": "con-1", "role": "CONSUMER"}]

    [from_raw], [from_plain] = read_notification(raw), read_notification(plain)

    assert from_raw.body == from_plain.body
    assert (from_raw.conv_id, from_raw.ts_ms) == ("c-1", T0)


def test_read_takes_a_raw_message():
    [change] = read_notification(captured("liveperson_raw_message"))

    assert (change.kind, change.conv_id, change.key) == ("message", "c-1", "c-1:0")
    assert change.body == conversations.Line(
        dialog_id="c-1",
        sequence=0,
        ts_ms=T0 + 1_000,
        originator_id="12345678.556688",
        originator_pid="52e05c00-d5e4-4823-8cf7-62570b939a63",
        role="CONTROLLER",
        private=False,
    )


def test_read_knows_a_suggested_agent_from_a_participant():
    [change] = read_notification(captured("liveperson_raw_survey_running"))

    assert [each.role for each in change.body.participants] == [
        "CONSUMER",
        "READER",
        "READER",
        "MANAGER",
        "CONTROLLER",
    ]
    assert [each.id for each in change.body.suggested] == ["7149717.880365851"]
    assert change.body.ttr is None


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("liveperson_*.json")), ids=lambda p: p.stem)
def test_read_and_derive_take_every_captured_notification(path):
    state, _, _ = play(captured(path.stem))

    if state is not None:
        plain = json.loads(json.dumps(msgspec.to_builtins(state)))
        assert msgspec.convert(plain, conversations.State) == state


def test_read_leaves_out_what_is_no_line_and_says_where_the_lines_were():
    notification = line(4, 1)
    notification["body"]["changes"] = [
        {"dialogId": "c-1", "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}},
        event(4, 1),
        event(5, 2, event={"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [4]}),
        event(6, 3, event={"type": "RichContentEvent", "content": {"type": "vertical"}}),
    ]

    changes = read_notification(notification)

    assert [(each.index, each.body.sequence) for each in changes] == [(1, 4), (3, 6)]
    assert read_notification(captured("liveperson_webhook_typing")) == []


def test_read_gives_a_change_the_same_key_however_its_fields_are_ordered():
    notification = snapshot(5)
    change = notification["body"]["changes"][0]
    reordered = copy.deepcopy(notification)
    reordered["body"]["changes"] = [dict(reversed(change.items()))]
    reordered["body"]["sentTs"] = T0 + 99_000

    [first], [second] = read_notification(notification), read_notification(reordered)

    assert first.key == second.key
    assert first.key != read_notification(snapshot(5, skillId="2"))[0].key


def test_read_repairs_text_that_no_database_stores():
    _, [derived], _ = play(snapshot(context={"lang": "de\0", "type": "half \ud83d emoji"}))

    assert derived.payload["general"]["clientLanguage"] == "de\ufffd"
    assert derived.payload["general"]["contextType"] == "half \ufffd emoji"


def test_read_keeps_an_emoji_sent_in_two_halves():
    _, [derived], _ = play(snapshot(context={"lang": "\ud83d\ude00"}))

    assert derived.payload["general"]["clientLanguage"] == "😀"


def put(path, value):
    notification = snapshot(5, last=event(1, 5), context={"clientProperties": {"features": []}})
    *parents, name = path
    target = notification
    for key in parents:
        target = target[key]
    target[name] = value
    return notification


RESULT = ("body", "changes", 0, "result")
DETAILS = (*RESULT, "conversationDetails")
deep: list[Any] = []
for _ in range(40):
    deep = [deep]

MALFORMED = {
    "no object": (["notification"], "invalid-field", '"$" with value ["notification"]'),
    "other kind": (put(("kind",), "req"), "invalid-field", '"$.kind" with value "req"'),
    "other type": (put(("type",), "cqm.Party"), "unknown-type", 'type "cqm.Party"'),
    "body no object": (put(("body",), []), "invalid-field", '"$.body" with value []'),
    "changes no list": (
        put(("body", "changes"), 7),
        "invalid-field",
        '"$.body.changes" with value 7',
    ),
    "other change": (
        put(("body", "changes", 0, "type"), "UPDATE"),
        "invalid-field",
        '"$.body.changes[0].type" with value "UPDATE"',
    ),
    "conversation without id": (
        put((*RESULT, "convId"), ""),
        "invalid-field",
        '"$.body.changes[0].result.convId" with value ""',
    ),
    "endless id": (
        put((*RESULT, "convId"), "x" * 201),
        "invalid-field",
        '"$.body.changes[0].result.convId" with value "xxx',
    ),
    "text for a time": (
        put((*DETAILS, "startTs"), "now"),
        "invalid-field",
        'result.conversationDetails.startTs" with value "now"',
    ),
    "truth for a time": (
        put((*DETAILS, "startTs"), True),
        "invalid-field",
        'result.conversationDetails.startTs" with value true',
    ),
    "time beyond JavaScript": (
        put((*DETAILS, "startTs"), 2**53),
        "invalid-field",
        f'result.conversationDetails.startTs" with value {2**53}',
    ),
    "huge number": (
        put((*DETAILS, "startTs"), 10**5000),
        "invalid-json",
        'result.conversationDetails.startTs" with value of 16610 bits',
    ),
    "not a number": (
        put((*DETAILS, "note"), float("nan")),
        "invalid-json",
        'result.conversationDetails.note" with value NaN',
    ),
    "no time at all": (
        put((*DETAILS, "metaDataLastUpdateTs"), None),
        "invalid-field",
        'metaDataLastUpdateTs" with value null',
    ),
    "participants of wrong type": (
        put((*DETAILS, "participants"), [{"id": "a", "role": 5}]),
        "invalid-field",
        'participants[0].role" with value 5',
    ),
    "participants map of wrong type": (
        put((*DETAILS, "participants"), {"CONSUMER": "con-1"}),
        "invalid-field",
        'participants[...]" with value {"CONSUMER": "con-1"}',
    ),
    "feature no text": (
        put((*DETAILS, "context", "clientProperties", "features"), ["A", 3]),
        "invalid-field",
        'context.clientProperties.features[1]" with value 3',
    ),
    "copy of the last line broken": (
        put((*RESULT, "lastContentEventNotification", "sequence"), -1),
        "invalid-field",
        'result.lastContentEventNotification.sequence" with value -1',
    ),
    "nested without end": (put((*DETAILS, "note"), deep), "invalid-json", "32 levels deep"),
    "line without sequence": (
        line(None, 5),
        "invalid-field",
        '"$.body.changes[0].sequence" with value null',
    ),
    "line without dialog": (
        line(1, 5, dialogId=None),
        "invalid-field",
        '"$.body.changes[0].dialogId" with value null',
    ),
    "line without time": (
        line(1, 5, serverTimestamp=None),
        "invalid-field",
        '"$.body.changes[0].serverTimestamp" with value null',
    ),
}


@pytest.mark.parametrize(("body", "code", "part"), MALFORMED.values(), ids=MALFORMED)
def test_read_names_field_and_value_when(body, code, part):
    with pytest.raises(NotificationError) as caught:
        read_notification(body)

    assert caught.value.code == code
    assert part in str(caught.value)
    assert len(str(caught.value)) < 600


# --- Whatever arrives --------------------------------------------------------------------------

PARTICIPANTS = st.lists(
    st.sampled_from([CONSUMER, AGENT, OTHER_AGENT, COLLEAGUE, MANAGER]), unique_by=lambda p: p["id"]
)
SNAPSHOTS = st.builds(
    lambda at_s, state, change, **details: snapshot(at_s, state=state, change=change, **details),
    st.integers(0, 6),
    st.sampled_from(["OPEN", "OPEN", "OPEN", "CLOSE"]),
    st.sampled_from(["UPSERT", "UPSERT", "UPSERT", "DELETE"]),
    skillId=st.sampled_from(["100", "200"]),
    participants=PARTICIPANTS,
    ttr=st.sampled_from([{"ttrType": kind} for kind in ("NORMAL", "URGENT", "CUSTOM")]),
    closeReason=st.sampled_from([None, "AGENT", "CONSUMER"]),
    dialogs=st.sampled_from([[dialog()], [dialog(), dialog("POST_SURVEY")]]),
)
LINES = st.builds(line, st.integers(0, 5), st.integers(0, 6), st.sampled_from([CONSUMER, AGENT]))


@settings(deadline=None)
@given(
    notifications=st.lists(SNAPSHOTS | LINES, max_size=8),
    off_hours=st.booleans(),
    data=st.data(),
)
def test_derive_gives_no_event_twice_however_notifications_are_repeated(
    notifications, off_hours, data
):
    repeated: list[Any] = []
    for notification in notifications:
        repeated.append(notification)
        repeated += data.draw(st.lists(st.sampled_from(repeated), max_size=3))

    _, once, _ = play(*notifications, off_hours=off_hours)
    _, again, _ = play(*repeated, off_hours=off_hours)

    assert again == once


@settings(deadline=None)
@given(newer=st.integers(1, 6), older=SNAPSHOTS)
def test_derive_drops_what_is_older_than_the_state(newer, older):
    [change] = read_notification(older)
    state, _, _ = play(snapshot(), snapshot(change.ts_ms // 1000 - T0 // 1000 + newer))

    after, derived, notes = play(older, state=state)

    assert (after, derived, notes) == (state, [], ["stale"])


GARBAGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["OPEN", "CLOSE", "UPSERT", "ASSIGNED_AGENT", "c-1", 2**53, -1, 10**30]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    for key, each in [*pairs, *(enumerate(value) if isinstance(value, list) else ())]:
        yield from places(each, (*path, key))


@settings(deadline=None)
@given(
    notification=st.sampled_from([captured(each.stem) for each in PAYLOADS.glob("live*.json")]),
    garbage=GARBAGE,
    known=st.booleans(),
    data=st.data(),
)
def test_read_and_derive_survive_garbage_in_place_of_any_field(notification, garbage, known, data):
    path = data.draw(st.sampled_from(list(places(notification))))
    broken = copy.deepcopy({"root": notification})
    target: Any = broken
    for key in ("root", *path)[:-1]:
        target = target[key]
    target[("root", *path)[-1]] = garbage
    state = play(snapshot(participants=[CONSUMER, AGENT]))[0] if known else None

    try:
        state, derived, _ = play(broken["root"], state=state, off_hours=True)
    except NotificationError as error:
        str(error).encode()
    else:
        for each in derived:
            json.dumps(each.payload, allow_nan=False, ensure_ascii=False).encode()
        if state is not None:
            stored = json.dumps(msgspec.to_builtins(state), allow_nan=False)
            assert msgspec.convert(json.loads(stored), conversations.State) == state
