"""Which events a change of a conversation means, rule by rule."""

import pytest
from msgspec.structs import replace

from invoker.conversations import Circumstances, Previous, derive, read_notification
from tests.invoker.notifications import (
    AGENT,
    ALWAYS_CLOSED,
    BOT,
    COLLEAGUE,
    CONNECTED,
    CONSUMER,
    FRIEND,
    JOINED,
    LEFT,
    MANAGER,
    NEW,
    NOT_URGENT,
    OTHER_AGENT,
    QUEUED,
    SUGGESTED,
    T0,
    TIME_SET,
    TRANSFERRED,
    URGENT,
    closed,
    dialog,
    line,
    play,
    snapshot,
    subtypes,
)

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
    "agent hands it to one who is suggested in the list": (
        {"participants": [CONSUMER, AGENT]},
        {"participants": [CONSUMER, SUGGESTED]},
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
        {"hours": ALWAYS_CLOSED},
        [f"{NEW}_OFF_HOURS"],
        "",
    ),
    "first conversation in off-hours": (
        {"firstConversation": True},
        {"hours": ALWAYS_CLOSED},
        [f"{NEW}_FIRST_TIME_OFF_HOURS"],
        "",
    ),
    "platform does not say whether first": ({}, {}, [NEW], ""),
    "own history has no earlier one": (
        {},
        {"history_known": True},
        [f"{NEW}_FIRST_TIME"],
        "",
    ),
    "own history has an earlier one": (
        {},
        {"history_known": True, "previous": Previous("AGENT", T0 - 1)},
        [NEW],
        "",
    ),
    "own history without a consumer to look for": (
        {"participants": []},
        {"history_known": True},
        [NEW],
        "",
    ),
    "last one was closed by the system 48 hours ago": (
        {},
        {"previous": Previous("SYSTEM", T0 - 48 * 3_600_000)},
        [f"{NEW}_AFTER_AUTOCLOSE"],
        "",
    ),
    "last one was closed by the system longer ago": (
        {},
        {"previous": Previous("SYSTEM", T0 - 48 * 3_600_000 - 1)},
        [NEW],
        "",
    ),
    "last one was closed by the agent a minute ago": (
        {},
        {"previous": Previous("AGENT", T0 - 60_000)},
        [NEW],
        "",
    ),
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
    "overtaken notification": ([snapshot(5), snapshot(4, skillId="200")], [NEW], "overtaken"),
    "overtaken close": (
        [snapshot(5), closed(4)],
        [NEW, "AGENT_END_CONVERSATION"],
        "",
    ),
    "one that was overtaken by too many": (
        [*(snapshot(at) for at in range(1, 20)), snapshot(0)],
        [NEW],
        "stale",
    ),
    "close that was overtaken by too many": (
        [*(snapshot(at) for at in range(1, 20)), closed(0)],
        [NEW, "AGENT_END_CONVERSATION"],
        "",
    ),
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
    "closed by nobody known": (
        [snapshot(), closed(5, closeReason="ROBOT")],
        [NEW, "SYSTEM_END_CONVERSATION"],
        "",
    ),
    "nobody says who closed": (
        [snapshot(), closed(5, closeReason=None)],
        [NEW],
        "unknown-close",
    ),
    "routed while it is locked": (
        [snapshot(), snapshot(4, state="LOCKED", skillId="200")],
        [NEW],
        "unchanged",
    ),
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
    "further consumer joins and leaves": (
        [snapshot(), snapshot(1, participants=[CONSUMER, FRIEND]), snapshot(2)],
        [NEW, "CONSUMER_JOINED_CONVERSATION", "CONSUMER_LEFT_CONVERSATION"],
        "",
    ),
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


def test_derive_tells_an_end_however_late():
    state, _, _ = play(snapshot())

    _, derived, notes = play(closed(5), state=state, now_ms=T0 + 3_600_000)

    assert subtypes(derived) == ["AGENT_END_CONVERSATION"]
    assert notes == [""]


TEN_YEARS_S = 10 * 365 * 86_400


def test_derive_takes_what_lies_far_ahead_as_of_now():
    state, _, _ = play(snapshot())
    state, _, _ = play(snapshot(TEN_YEARS_S), state=state, now_ms=T0 + 1_000)

    state, derived, _ = play(snapshot(5, skillId="200"), state=state, now_ms=T0 + 5_000)

    assert subtypes(derived) == ["ENGAGEMENT_TRANSFERED"]
    assert (state.skill_id, state.ts_ms) == ("200", T0 + 5_000)


def test_derive_takes_a_line_that_lies_far_ahead_as_of_now():
    state, _, _ = play(snapshot())
    state, _, _ = play(line(0, TEN_YEARS_S), state=state, now_ms=T0 + 1_000)

    assert state.last_consumer_ts == T0 + 1_000


def test_derive_believes_a_clock_that_is_a_little_ahead():
    state, _, _ = play(snapshot(240), now_ms=T0)

    assert state.ts_ms == T0 + 240_000


def test_derive_remembers_assignment_and_queue():
    state, _, _ = play(snapshot(1))
    assert (state.at.assigned_since, state.at.queue_since) == (None, T0 + 1_000)

    state, _, _ = play(snapshot(2, participants=[CONSUMER, AGENT]), state=state)
    assert (state.at.assigned_since, state.at.queue_since) == (T0 + 2_000, None)

    state, _, _ = play(snapshot(3, participants=[CONSUMER, AGENT]), state=state)
    assert (state.at.assigned_since, state.at.queue_since) == (T0 + 2_000, None)

    state, derived, _ = play(snapshot(4), state=state)
    assert (state.at.assigned_since, state.at.queue_since) == (None, T0 + 4_000)
    assert derived[0].payload["general"]["backToQueueTs"] == T0 + 4_000

    state, _, _ = play(snapshot(5, skillId="200"), state=state)
    assert (state.at.assigned_since, state.at.queue_since) == (None, T0 + 5_000)


def test_derive_counts_every_change_once():
    state, _, _ = play(snapshot(5), snapshot(5), snapshot(4), line(0, 5), line(0, 5))

    assert state.version == 3


def test_new_conversation_after_an_automatic_close_is_only_shown():
    _, [derived], _ = play(snapshot(), previous=Previous("SYSTEM", T0 - 1))

    assert derived.suppressed == "auto-closed"


def reopening(notification):
    """The same change from a platform that opens closed conversations again."""
    [change] = read_notification(notification)
    return replace(change, body=replace(change.body, reopens=True))


def test_closed_conversation_that_its_platform_opens_again_is_a_new_one():
    state, _, _ = play(snapshot(), line(0, 1), closed(5))
    now = Circumstances(now_ms=T0 + 9_000)

    again = derive(state, reopening(snapshot(9, skillId="200")), now)
    older = derive(again.state, reopening(snapshot(4)), now)
    moved = derive(again.state, reopening(snapshot(10, skillId="300")), now)
    repeated = derive(again.state, read_notification(line(0, 1))[0], now)

    assert subtypes(again.events) == [NEW]
    payload = again.events[0].payload
    assert payload["general"]["convId"] == f"c-1@{T0 // 1000 + 9}"
    assert payload["general"]["startTs"] == T0 + 9_000
    assert payload["routing"]["newSkillId"] == "200"
    assert (older.events, older.note) == ((), "stale")
    assert subtypes(moved.events) == [TRANSFERRED]
    assert moved.events[0].payload["general"]["startTs"] == T0 + 9_000
    assert repeated.note == "duplicate"
