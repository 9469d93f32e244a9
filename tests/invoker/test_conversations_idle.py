"""Silences: when they begin, what ends them, and how often they are an event."""

from typing import Any

import pytest

from invoker.conversations import Circumstances, IdleTimer, IdleTimes, State, idle
from tests.invoker.notifications import (
    AGENT,
    BOT,
    COLLEAGUE,
    CONSUMER,
    MANAGER,
    OTHER_AGENT,
    T0,
    Closed,
    closed,
    line,
    play,
    snapshot,
)

AGENT_SILENT = "AGENT_NON_RESPONSIVE"
CONSUMER_SILENT = "CONSUMER_NON_RESPONSIVE"
IN_QUEUE = "CONV_AWAITING_IN_QUEUE"
ASSIGNED = {"participants": [CONSUMER, AGENT]}


def times(skill_id: str = "", *, seconds: int = 100, repeats: int = 1) -> IdleTimes:
    timer = IdleTimer(seconds, repeats)
    return IdleTimes(
        agent_non_responsive=timer, consumer_non_responsive=timer, conv_awaiting_in_queue=timer
    )


def look(state: State, at_s: float, **facts: Any) -> tuple[State, list[str], float | None]:
    """Look at the clock: the state, the sub-types of the events, and when to look again."""
    now = Circumstances(**{"now_ms": int(T0 + at_s * 1000), "idle_times": times} | facts)
    found = idle(state, now)
    due_s = None if found.due_ms is None else (found.due_ms - T0) / 1000
    return found.state, [each.subtype for each in found.events], due_s


def told(*notifications: Any, **circumstances: Any) -> State:
    return play(*notifications, own_ids=frozenset({"bot"}), **circumstances)[0]


# name: (notifications, the silence there is, when it began in seconds; None: there is none)
SILENCES: dict[str, tuple[list[Any], str, float | None]] = {
    "agent: from the assignment, even if the consumer is silent": (
        [snapshot(), snapshot(5, **ASSIGNED)], AGENT_SILENT, 5),
    "agent: from the first unanswered line after the last answer": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6, AGENT), line(1, 7), line(2, 8)],
        AGENT_SILENT, 7),
    "agent: from the later of the two": (
        [snapshot(), line(0, 1), snapshot(5, **ASSIGNED)], AGENT_SILENT, 5),
    "agent: from the line when that is later": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6)], AGENT_SILENT, 6),
    "agent: the assigned one has answered": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6), line(1, 7, AGENT)], AGENT_SILENT, None),
    "agent: a colleague has answered": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6), line(1, 7, COLLEAGUE)],
        AGENT_SILENT, None),
    "agent: a manager has answered": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6), line(1, 7, MANAGER)],
        AGENT_SILENT, None),
    "agent: the bot's message is no answer": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6), line(1, 7, BOT)], AGENT_SILENT, 6),
    "agent: a private note is no answer": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6),
         line(1, 7, AGENT, messageAudience="AGENTS_AND_MANAGERS")], AGENT_SILENT, 6),
    "agent: gave it back": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6), snapshot(7)], AGENT_SILENT, None),
    "agent: transferred to another one": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6),
         snapshot(9, participants=[CONSUMER, OTHER_AGENT], skillId="200")], AGENT_SILENT, 9),
    "agent: nobody is assigned": ([snapshot(), line(0, 1)], AGENT_SILENT, None),
    "consumer: from the agent's last line": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6, AGENT), line(1, 8, AGENT)],
        CONSUMER_SILENT, 8),
    "consumer: from a colleague's line": (
        [snapshot(), line(0, 6, COLLEAGUE)], CONSUMER_SILENT, 6),
    "consumer: has answered": (
        [snapshot(), line(0, 6, AGENT), line(1, 7)], CONSUMER_SILENT, None),
    "consumer: nobody has asked": ([snapshot(), line(0, 6)], CONSUMER_SILENT, None),
    "consumer: a transfer does not reset it": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6, AGENT), snapshot(9, skillId="200")],
        CONSUMER_SILENT, 6),
    "consumer: back in the queue does not reset it": (
        [snapshot(), snapshot(5, **ASSIGNED), line(0, 6, AGENT), snapshot(9)],
        CONSUMER_SILENT, 6),
    "queue: from the start": ([snapshot()], IN_QUEUE, 0),
    "queue: from the transfer": ([snapshot(), snapshot(9, skillId="200")], IN_QUEUE, 9),
    "queue: from the return": (
        [snapshot(), snapshot(5, **ASSIGNED), snapshot(9)], IN_QUEUE, 9),
    "queue: nothing that happens there restarts it": (
        [snapshot(), line(0, 5), snapshot(9, ttr={"ttrType": "URGENT"})], IN_QUEUE, 0),
    "queue: somebody has taken it": ([snapshot(), snapshot(5, **ASSIGNED)], IN_QUEUE, None),
}  # fmt: skip


@pytest.mark.parametrize(("notifications", "subtype", "since_s"), SILENCES.values(), ids=SILENCES)
def test_silence_lasts(notifications: list[Any], subtype: str, since_s: float | None) -> None:
    state = told(*notifications)

    _, derived, _ = look(state, 1_000_000)
    assert (subtype in derived) == (since_s is not None)

    if since_s is not None:
        assert subtype not in look(state, since_s + 99.9)[1]
        assert subtype in look(state, since_s + 100)[1]


def test_closed_conversation_is_never_idle() -> None:
    state = told(snapshot(), line(0, 1), closed(5))

    assert look(state, 1_000_000) == (state, [], None)


def test_lines_without_a_conversation_are_never_idle() -> None:
    state = told(line(0, 1, AGENT))

    assert look(state, 1_000_000) == (state, [], None)


def test_look_says_when_to_look_again() -> None:
    state = told(snapshot(), snapshot(5, **ASSIGNED))

    state, derived, due_s = look(state, 50)
    assert (derived, due_s) == ([], 105)

    state, derived, due_s = look(state, 105)
    assert (derived, due_s) == ([AGENT_SILENT], None)
    assert look(state, 1_000)[1:] == ([], None)


def test_silence_is_an_event_as_often_as_the_settings_say() -> None:
    state = told(snapshot())
    fired = []

    for at_s in range(0, 2_000, 10):
        state, derived, _ = look(state, at_s, idle_times=lambda _: times(repeats=3))
        fired += [at_s for _ in derived]

    assert fired == [100, 200, 300]


def test_new_silence_starts_counting_anew() -> None:
    state = told(snapshot())
    state, first, _ = look(state, 100)
    state = told(snapshot(150, skillId="200"), state=state)

    state, early, due_s = look(state, 249)
    _, second, _ = look(state, 250)

    assert (first, early, due_s, second) == ([IN_QUEUE], [], 250, [IN_QUEUE])


def test_after_a_long_stop_a_silence_is_one_event_not_one_for_each_that_was_missed() -> None:
    state = told(snapshot())
    thrice = {"idle_times": lambda _: times(repeats=3)}

    state, derived, due_s = look(state, 5_000, **thrice)
    assert (derived, due_s) == ([IN_QUEUE], 5_100)

    state, derived, due_s = look(state, 5_050, **thrice)
    assert (derived, due_s) == ([], 5_100)


def test_clock_that_was_put_back_does_not_hold_up_the_next_event() -> None:
    state = told(snapshot())
    thrice = {"idle_times": lambda _: times(repeats=3)}
    state, ahead, _ = look(state, 100_000, **thrice)

    state, derived, due_s = look(state, 150, **thrice)

    assert (ahead, derived, due_s) == ([IN_QUEUE], [], 200)
    assert look(state, 200, **thrice)[1] == [IN_QUEUE]


def test_timer_is_that_of_the_skill_and_of_now() -> None:
    state = told(snapshot(skillId="200"))
    by_skill = {"100": times(seconds=100), "200": times(seconds=300)}

    assert look(state, 150, idle_times=by_skill.__getitem__)[1:] == ([], 300)
    by_skill["200"] = times(seconds=120)
    assert look(state, 150, idle_times=by_skill.__getitem__)[1] == [IN_QUEUE]


@pytest.mark.parametrize(("seconds", "due_s"), [(0, None), (1, 15), (15, 15), (16, 16)])
def test_shortest_timer_is_fifteen_seconds_and_none_at_all_is_none(
    seconds: int, due_s: float | None
) -> None:
    assert look(told(snapshot()), 1, idle_times=lambda _: times(seconds=seconds))[2] == due_s


def test_agent_and_queue_are_not_idle_in_off_hours_and_count_from_the_opening() -> None:
    night = {"hours": Closed((50, 1_000))}
    queued = told(snapshot(), **night)
    assigned = told(snapshot(), snapshot(5, **ASSIGNED), **night)

    for state, subtype in ((queued, IN_QUEUE), (assigned, AGENT_SILENT)):
        assert look(state, 500, **night)[1:] == ([], 1_100)
        assert look(state, 1_099, **night)[1:] == ([], 1_100)
        assert look(state, 1_100, **night)[1] == [subtype]


def test_repetition_counts_from_the_opening_as_well() -> None:
    night = {"hours": Closed((150, 1_000)), "idle_times": lambda _: times(repeats=3)}
    state, derived, _ = look(told(snapshot()), 100, **night)
    assert derived == [IN_QUEUE]

    assert look(state, 500, **night)[1:] == ([], 1_100)
    state, derived, due_s = look(state, 1_100, **night)
    assert (derived, due_s) == ([IN_QUEUE], 1_200)
    assert look(state, 1_200, **night)[1:] == ([IN_QUEUE], None)


def test_consumer_is_idle_in_off_hours_too() -> None:
    night = {"hours": Closed((50, 1_000))}
    state = told(snapshot(), line(0, 6, AGENT), **night)

    assert look(state, 106, **night)[1] == [CONSUMER_SILENT]


def test_office_that_never_opens_is_not_looked_at_again() -> None:
    state = told(snapshot())

    assert look(state, 500, hours=Closed((50, 10**9)))[2] == 10**9 + 100


def test_silence_from_before_our_time_is_no_event() -> None:
    connected = {"high_water_ms": T0 + 500_000}
    state = told(snapshot(), **connected)

    assert look(state, 600, **connected)[1:] == ([], None)
    assert look(state, 600, idle_times=lambda _: times(repeats=9), **connected)[1] == [IN_QUEUE]


def test_what_was_heard_late_counts_from_when_it_was_heard() -> None:
    """After an outage the platform catches up: who took the conversation may be told next."""
    state = told(snapshot(), now_ms=T0 + 3_600_000)

    state, derived, due_s = look(state, 3_600)
    assert (derived, due_s) == ([], 3_700)

    state = told(snapshot(5, **ASSIGNED), state=state, now_ms=T0 + 3_601_000)
    assert look(state, 3_700)[1:] == ([], 3_701)


def test_silence_that_began_before_a_pause_of_ours_is_told_once_senders_had_time_to_try_again() -> (
    None
):
    """Who wrote while we were down is told by the next attempt of the platform."""
    state = told(snapshot())
    resumed = {"resumed_ms": T0 + 500_000}

    state, derived, due_s = look(state, 500, **resumed)
    assert (derived, due_s) == ([], 600)
    assert look(state, 600, **resumed)[1] == [IN_QUEUE]


def test_long_silence_waits_five_minutes_after_a_pause_of_ours_and_no_longer() -> None:
    state = told(snapshot())
    hour = {"idle_times": lambda _: times(seconds=3_600)}

    assert look(state, 3_700, resumed_ms=T0 + 3_500_000, **hour)[1:] == ([], 3_800)
    assert look(state, 3_700, resumed_ms=T0 + 3_000_000, **hour)[1] == [IN_QUEUE]


def test_silence_that_began_after_a_pause_of_ours_is_told_in_time() -> None:
    state = told(snapshot())

    assert look(state, 99, resumed_ms=T0 - 1_000)[1:] == ([], 100)
    assert look(state, 100, resumed_ms=T0 - 1_000)[1] == [IN_QUEUE]


def test_payload_of_an_idle_event_has_every_group() -> None:
    state = told(snapshot(), snapshot(5, **ASSIGNED), line(0, 6))
    found = idle(state, Circumstances(now_ms=T0 + 700_000))

    [event] = found.events

    assert event.type == "controllerbot_messaging_conversation_idle"
    assert event.occurred_ms == T0 + 700_000
    payload = event.payload
    assert payload["general"]["cbotEventType"] == AGENT_SILENT
    assert payload["routing"] == {"oldSkillId": "100", "newSkillId": "100"}
    assert payload["participantChange"]["newParticipants"] == [CONSUMER, AGENT]
    assert payload["idle"] == {
        "lastConsumerMsgTs": T0 + 6_000,
        "agentNonResponsive": {"time": 10, "timeUnits": "minutes"},
        "consumerNonResponsive": {"time": 30, "timeUnits": "minutes"},
        "convNotTakenTime": {"time": 5, "timeUnits": "minutes"},
    }


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (45, {"time": 45, "timeUnits": "seconds"}),
        (90, {"time": 90, "timeUnits": "seconds"}),
        (120, {"time": 2, "timeUnits": "minutes"}),
        (7_200, {"time": 2, "timeUnits": "hours"}),
    ],
)
def test_idle_time_is_shown_in_its_largest_whole_unit(seconds: int, shown: dict[str, Any]) -> None:
    state = told(snapshot())

    found = idle(
        state,
        Circumstances(now_ms=T0 + 10**9, idle_times=lambda _: times(seconds=seconds)),
    )

    assert found.events[0].payload["idle"]["convNotTakenTime"] == shown
