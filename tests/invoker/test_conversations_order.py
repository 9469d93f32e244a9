"""Snapshots that say little, come late, twice or in the same millisecond."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from invoker.conversations import State, Told
from tests.invoker.notifications import (
    AGENT,
    COLLEAGUE,
    CONSUMER,
    FRIEND,
    OTHER_AGENT,
    SUGGESTED,
    T0,
    Closed,
    closed,
    dialog,
    event,
    line,
    play,
    snapshot,
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


def test_state_is_open_again_after_it_was_locked():
    state, _, _ = play(snapshot(0, state="LOCKED"), snapshot(1))

    assert state.state == "OPEN"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_stage_stays_closed_when_only_an_older_snapshot_says_so(order):
    notifications = [closed(4, stage="CLOSE"), closed(5, stage="OPEN")]

    state, _, _ = play(snapshot(), *(notifications[each] for each in order))

    assert state.stage == "CLOSE"
