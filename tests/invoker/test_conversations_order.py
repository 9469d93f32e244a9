"""Snapshots that say little, come late, twice or in the same millisecond."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from invoker.conversations import Circumstances, Shift, State, Told, derive, read_notification
from tests.invoker.notifications import (
    AGENT,
    COLLEAGUE,
    CONSUMER,
    FRIEND,
    NEW,
    NOT_URGENT,
    OFF_HOURS_LINE,
    OTHER_AGENT,
    SUGGESTED,
    T0,
    TRANSFERRED,
    URGENT,
    Closed,
    closed,
    dialog,
    event,
    line,
    play,
    snapshot,
    subtypes,
)

HOURS = Closed((3, 8), (12, 15))


def facts(state: State | None) -> State:
    assert state is not None
    return replace(state, told=Told(), held=())


# Whatever is left out -----------------------------------------------------------------------------


@st.composite
def sparse_histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Notifications that each say something else and leave out the rest, in any order."""
    maybe = {
        "state": st.sampled_from(["OPEN", "OPEN", "OPEN", "OPEN", "LOCKED", "CLOSE"]),
        "stage": st.sampled_from(["OPEN", "OPEN", "CLOSE", None]),
        "skillId": st.sampled_from(["100", "200", None]),
        "participants": st.sampled_from(
            [[CONSUMER], [CONSUMER, AGENT], [OTHER_AGENT, COLLEAGUE], [CONSUMER, FRIEND], None]
        ),
        "dialogs": st.sampled_from(
            [
                [dialog()],
                [dialog(), dialog("POST_SURVEY")],
                [dialog(participantsDetails=[SUGGESTED])],
                [dialog("COBROWSE", "CLOSE")],
                None,
            ]
        ),
        "ttr": st.sampled_from([{"ttrType": "URGENT"}, {"ttrType": "NORMAL", "value": 3}, None]),
        "startTs": st.sampled_from([T0, None]),
        "firstConversation": st.sampled_from([True, False, None]),
        "closeReason": st.sampled_from(["AGENT", "SYSTEM", None]),
        "context": st.sampled_from([{"lang": "de-DE"}, {"lang": "en-US"}, None]),
        "last": st.sampled_from([event(3, 6), event(4, 7, AGENT), None]),
        "change": st.sampled_from(["UPSERT", "UPSERT", "UPSERT", "DELETE"]),
    }
    moments = draw(st.lists(st.integers(0, 20), unique=True, min_size=2, max_size=8))
    return [
        snapshot(at_s, **{name: draw(choice) for name, choice in maybe.items()})
        if draw(st.integers(0, 3))
        else line(at_s, at_s, draw(st.sampled_from([CONSUMER, AGENT])))
        for at_s in moments
    ]


@settings(deadline=None, max_examples=100)
@given(history=sparse_histories(), data=st.data())
def test_state_is_the_same_in_any_order_whatever_snapshots_leave_out(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    now = {"now_ms": T0 + 30_000, "hours": HOURS}
    expected, _, _ = play(*history, **now)

    state, derived, _ = play(*data.draw(st.permutations(history)), **now)

    assert facts(state) == facts(expected)
    told = [(each.subtype or each.type, each.occurred_ms) for each in derived]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_language_is_the_one_that_was_said_first(order):
    languages = [{}, {"lang": "de-DE"}, {"lang": "en-US"}]
    notifications = [snapshot(at, context=each) for at, each in enumerate(languages)]

    state, _, _ = play(*(notifications[each] for each in order))

    assert (state.language, state.context.lang) == ("de-DE", "en-US")


def test_state_is_open_again_after_it_was_locked():
    state, _, _ = play(snapshot(0, state="LOCKED"), snapshot(1))

    assert state.state == "OPEN"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_stage_stays_closed_when_only_an_older_snapshot_says_so(order):
    notifications = [closed(4, stage="CLOSE"), closed(5, stage="OPEN")]

    state, _, _ = play(snapshot(), *(notifications[each] for each in order))

    assert state.stage == "CLOSE"


# In the same millisecond --------------------------------------------------------------------------


def test_change_is_known_again_among_others_of_the_same_moment():
    urgent = snapshot(5, ttr={"ttrType": "URGENT"})
    calm = snapshot(5, ttr={"ttrType": "PRIORITIZED"})

    state, derived, notes = play(snapshot(5), urgent, calm, urgent)

    assert subtypes(derived) == [NEW, URGENT, NOT_URGENT]
    assert notes[-1] == "duplicate"
    assert (state.version, state.ttr.ttr_type) == (3, "PRIORITIZED")


# Said for the first time --------------------------------------------------------------------------

FIRST_SAID = {
    "skill": ({"skillId": None}, []),
    "participants": ({"participants": None, "dialogs": None}, []),
    "skill none": ({"skillId": "-1"}, [TRANSFERRED]),
}


@pytest.mark.parametrize(("before", "expected"), FIRST_SAID.values(), ids=FIRST_SAID)
def test_what_nobody_has_said_before_is_no_change(before, expected):
    state, _, _ = play(snapshot(0, **before))

    _, derived, _ = play(snapshot(5), state=state)

    assert subtypes(derived) == expected


def test_line_that_names_no_role_counts_once_its_conversation_says_who_is_who():
    state, _, _ = play(line(0, 0, {"id": "con-1"}), snapshot())

    assert (state.last_consumer_ts, state.first_unanswered_consumer_ts) == (T0, T0)


# Before our time ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(history=sparse_histories(), data=st.data())
def test_conversation_that_existed_when_we_connected_gives_no_event_for_what_was_before(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(history))

    _, derived, _ = play(
        *shuffled, high_water_ms=T0 + 21_000, now_ms=T0 + 21_000, hours=Closed((-9, 60))
    )

    assert derived == []


def test_conversation_that_existed_when_we_connected_gives_the_events_of_what_comes_later():
    _, derived, notes = play(
        snapshot(), snapshot(5, skillId="200"), snapshot(15), high_water_ms=T0 + 10_000
    )

    assert subtypes(derived) == [TRANSFERRED]
    assert notes == ["baseline", "baseline", ""]


# Office hours of another skill --------------------------------------------------------------------


class ClosedSkill:
    """One skill is closed, always or since a moment; the others work day and night."""

    def __init__(self, skill_id: str, since_ms: int) -> None:
        self.skill_id, self.since_ms = skill_id, since_ms

    def shift(self, skill_id: str, at_ms: int) -> Shift:
        closed_now = skill_id == self.skill_id and at_ms >= self.since_ms
        return Shift(open=not closed_now, since_ms=self.since_ms if closed_now else 0)


@pytest.mark.parametrize("since_ms", [0, T0 - 5_000])
def test_line_is_an_off_hours_event_after_a_transfer_to_a_skill_that_was_closed_at_the_start(
    since_ms,
):
    hours = ClosedSkill("200", since_ms)

    _, derived, _ = play(
        snapshot(), snapshot(1, skillId="200"), line(0, 2), line(1, 3), hours=hours
    )

    assert subtypes(derived) == [NEW, TRANSFERRED, OFF_HOURS_LINE]


# Opened again -------------------------------------------------------------------------------------


def reopen(*notifications, **circumstances):
    """Handle notifications of a platform that opens closed conversations again."""
    state, derived, notes = None, [], []
    for notification in notifications:
        [change] = read_notification(notification)
        if change.kind == "conversation":
            change = replace(change, body=replace(change.body, reopens=True))
        now = Circumstances(**{"now_ms": change.ts_ms, "history_known": True} | circumstances)
        derivation = derive(state, change, now)
        state = derivation.state
        derived += derivation.events
        notes.append(str(derivation.note))
    return state, derived, notes


AFTER_AUTOCLOSE = f"{NEW}_AFTER_AUTOCLOSE"


@pytest.mark.parametrize(("closed_by", "expected"), [("AGENT", NEW), ("SYSTEM", AFTER_AUTOCLOSE)])
def test_opened_again_follows_the_conversation_that_was_closed(closed_by, expected):
    state, derived, _ = reopen(snapshot(), closed(5, closeReason=closed_by), snapshot(7))

    assert subtypes(derived)[2:] == [expected]
    assert [each.suppressed for each in derived][2:] == [
        "auto-closed" if closed_by == "SYSTEM" else ""
    ]
    assert state.conv_id == f"c-1@{T0 // 1000 + 7}"
    assert not state.first_conversation
    general = derived[-1].payload["general"]
    assert general["convId"] == general["dialogId"] == state.conv_id


def test_opened_again_keeps_what_was_written_since_the_end():
    state, _, _ = reopen(
        *(snapshot(), line(0, 1), line(1, 2, AGENT), closed(5), line(2, 6), closed(6, endTs=T0)),
        *(snapshot(7), snapshot(8)),
    )

    assert (state.first_unanswered_consumer_ts, state.last_agent_ts) == (T0 + 6_000, None)
    assert state.last_line.sequence == 2
    assert state.start_ts == T0 + 7_000


def test_opened_again_does_not_hear_what_was_written_before_the_end():
    copy = event(1, 2, AGENT)

    state, _, _ = reopen(snapshot(), closed(5), snapshot(7, last=copy), line(1, 2, AGENT))

    assert (state.last_agent_ts, state.last_line) == (None, None)


def test_opened_again_is_not_closed_by_what_comes_late_from_before():
    late = [closed(5), closed(6, endTs=T0), closed(5)]

    state, derived, notes = reopen(snapshot(), closed(5), snapshot(7), *late, snapshot(8))

    assert state.state == "OPEN"
    assert len([each for each in subtypes(derived) if each.endswith("END_CONVERSATION")]) == 1
    assert notes[3:6] == ["stale", "stale", "stale"]


def test_opened_again_stays_open_when_it_was_heard_of_before_the_end():
    state, _, notes = reopen(snapshot(), snapshot(7, skillId="200"), closed(5))

    assert (state.state, notes[-1]) == ("OPEN", "overtaken")
