"""What is remembered of the lines of a conversation, and lines in off-hours."""

import itertools
import json

import msgspec
import pytest

from tests.invoker.notifications import (
    AGENT,
    ALWAYS_CLOSED,
    BOT,
    CONSUMER,
    NEW,
    OFF_HOURS_LINE,
    T0,
    Closed,
    closed,
    event,
    line,
    play,
    snapshot,
    subtypes,
)


def test_line_moves_the_times_of_the_last_messages():
    state, derived, notes = play(snapshot(), line(0, 1), line(1, 2), line(2, 3, AGENT))
    assert (state.last_msg_ts, state.last_msg_role) == (T0 + 3_000, "ASSIGNED_AGENT")
    assert (state.last_consumer_ts, state.last_agent_ts) == (T0 + 2_000, T0 + 3_000)
    assert state.first_unanswered_consumer_ts is None

    state, _, _ = play(line(3, 4), line(4, 5), state=state)
    assert state.first_unanswered_consumer_ts == T0 + 4_000
    assert state.heard == {"c-1": (0, 4)}
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
    assert state.heard == {"c-1": (0, 1)}


def test_line_finds_its_role_among_the_participants_when_it_names_none():
    state, _, _ = play(snapshot(participants=[CONSUMER, AGENT]), line(0, 1, {"id": "agent-1"}))

    assert state.last_msg_role == "ASSIGNED_AGENT"


def test_line_is_ignored_when_heard_before():
    state, _, _ = play(snapshot(), line(4, 1))

    after, derived, notes = play(line(4, 9), state=state, hours=ALWAYS_CLOSED)

    assert (after, derived, notes) == (state, [], ["duplicate"])


def test_line_that_was_overtaken_counts_by_its_own_time():
    state, _, notes = play(snapshot(), line(4, 4, AGENT), line(3, 3), line(5, 5), line(2, 2, AGENT))

    assert notes == ["", "recorded", "recorded", "recorded", "recorded"]
    assert (state.last_agent_ts, state.last_consumer_ts) == (T0 + 4_000, T0 + 5_000)
    assert state.first_unanswered_consumer_ts == T0 + 5_000
    assert state.heard == {"c-1": (2, 5)}


def test_first_unanswered_line_is_right_whichever_comes_first():
    lines = [line(0, 1), line(1, 2, AGENT), line(2, 3), line(3, 4), line(4, 5)]

    for order in itertools.permutations(lines):
        state, _, _ = play(snapshot(), *order)
        assert state.first_unanswered_consumer_ts == T0 + 3_000


def test_flood_of_lines_keeps_the_state_small():
    flood = [line(2 * number, 1 + number) for number in range(200)]

    state, _, _ = play(snapshot(), *flood, line(1_000, 150, AGENT))

    assert state.first_unanswered_consumer_ts == T0 + 200_000
    assert len(json.dumps(msgspec.to_builtins(state))) < 3_000


def test_copy_of_the_last_line_fills_a_gap_and_does_not_shadow_the_line_itself():
    state, _, _ = play(snapshot(), snapshot(2, last=event(0, 1)))
    assert (state.last_consumer_ts, state.heard) == (T0 + 1_000, {})

    _, derived, _ = play(line(0, 1), state=state, hours=Closed((0.5, 900)))

    assert subtypes(derived) == [OFF_HOURS_LINE]


def test_copy_of_a_line_that_lies_far_ahead_counts_as_of_now():
    state, _, _ = play(snapshot(), snapshot(2, last=event(0, 10_000_000)), now_ms=T0 + 2_000)

    assert (state.last_consumer_ts, state.ts_ms) == (T0 + 2_000, T0 + 2_000)


def test_copy_of_an_older_line_changes_nothing():
    state, _, _ = play(snapshot(), line(3, 3, AGENT), snapshot(4, last=event(2, 2)))

    assert (state.last_msg_role, state.first_unanswered_consumer_ts) == ("ASSIGNED_AGENT", None)


def test_line_in_off_hours_is_an_event_once_per_window():
    state, _, _ = play(snapshot())
    nights = Closed((100, 800), (900, 990))

    state, first, _ = play(line(0, 200), line(1, 300), state=state, hours=nights)
    state, second, _ = play(line(2, 950), line(3, 960), state=state, hours=nights)

    assert [each.occurred_ms for each in first] == [T0 + 200_000]
    assert [each.occurred_ms for each in second] == [T0 + 950_000]
    assert first[0].type == "controllerbot_messaging_mid_conversation_msg"
    assert first[0].payload["mid"] == {"openedInOffHours": False}


def test_line_of_an_earlier_off_hours_that_comes_late_is_no_event_any_more():
    nights = Closed((10, 20), (30, 40))

    _, derived, notes = play(snapshot(), line(1, 35), line(0, 15), hours=nights)

    assert [each.occurred_ms for each in derived] == [T0, T0 + 35_000]
    assert notes[-1] == "recorded"


NO_OFF_HOURS_EVENT = {
    "in office hours": (line(0, 9), {"hours": Closed()}, "recorded"),
    "by the agent": (line(0, 9, AGENT), {}, "recorded"),
    "a private note": (line(0, 9, messageAudience="AGENTS_AND_MANAGERS"), {}, "recorded"),
    "written before off-hours began": (line(0, 9), {"hours": Closed((10, 99))}, "recorded"),
    "too long ago": (line(0, 9), {"now_ms": T0 + 70_000}, "too-old"),
}


@pytest.mark.parametrize(
    ("notification", "circumstances", "note"), NO_OFF_HOURS_EVENT.values(), ids=NO_OFF_HOURS_EVENT
)
def test_line_is_no_off_hours_event_when(notification, circumstances, note):
    state, _, _ = play(snapshot())

    _, derived, notes = play(
        notification, state=state, **{"hours": Closed((1, 99))} | circumstances
    )

    assert (derived, notes) == ([], [note])


def test_line_is_no_off_hours_event_when_the_conversation_opened_in_this_window():
    _, derived, _ = play(snapshot(), line(0, 1), line(1, 2), hours=ALWAYS_CLOSED)

    assert subtypes(derived) == [f"{NEW}_OFF_HOURS"]


def test_line_is_an_off_hours_event_when_the_conversation_opened_in_an_earlier_window():
    nights = Closed((-5, 600), (800, 990))
    state, _, _ = play(snapshot(), hours=nights)

    _, derived, _ = play(line(0, 900), state=state, hours=nights)

    assert derived[0].payload["mid"] == {"openedInOffHours": True}


def test_line_is_no_off_hours_event_when_a_known_window_also_holds_the_start():
    night = Closed((-1, 99))
    state, _, notes = play(snapshot(), hours=night, high_water_ms=T0 + 1)

    _, derived, _ = play(line(0, 1), state=state, hours=night)

    assert (notes, derived) == (["baseline"], [])


def test_line_is_no_off_hours_event_when_the_conversation_is_closed():
    _, derived, _ = play(snapshot(), closed(5), line(0, 6), hours=Closed((1, 99)))

    assert subtypes(derived) == [NEW, "AGENT_END_CONVERSATION"]


@pytest.mark.parametrize(("wait_s", "expected"), [(2, [NEW, OFF_HOURS_LINE]), (3, [NEW])])
def test_line_waits_two_seconds_for_its_conversation(wait_s, expected):
    night = Closed((5, 99))
    state, _, notes = play(line(0, 9), hours=night)
    assert notes == ["held"]

    after, derived, _ = play(
        snapshot(8), state=state, hours=night, now_ms=T0 + 9_000 + wait_s * 1000
    )

    assert subtypes(derived) == expected
    assert after.last_consumer_ts == T0 + 9_000
    assert after.held == ()
