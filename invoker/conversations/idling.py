"""Silence: which idle events are due, computed from the state and the clock alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from invoker import events
from invoker.conversations.circumstances import (
    Circumstances,
    IdleTimer,
    Shift,
)
from invoker.conversations.deriving import DerivedEvent
from invoker.conversations.payloads import Cause, messaging_payload
from invoker.conversations.states import Fired, State

AGENT: Final = "AGENT_NON_RESPONSIVE"
CONSUMER: Final = "CONSUMER_NON_RESPONSIVE"
QUEUE: Final = "CONV_AWAITING_IN_QUEUE"
RETRIED_WITHIN_MS: Final = 300_000
"""The longest pause of a platform that tries again. Source: `controller-bot.md` §2.3."""


class IdleDerivation(msgspec.Struct, frozen=True):
    state: State
    events: tuple[DerivedEvent, ...] = ()
    due_ms: int | None = None
    """When something can become due without a notification; None: never."""


class Silence(msgspec.Struct, frozen=True):
    """Somebody who keeps silent: which idle event that leads to, since when, and when next."""

    subtype: str
    since_ms: int
    due_ms: int | None
    """None: not any more, or not while the office is closed."""
    count: int = 0
    """How often it happened since the silence began."""


class _Watched(NamedTuple):
    subtype: str
    timer: IdleTimer
    fired: Fired
    shift: Shift | None
    """None where office hours do not matter."""


def idle(state: State, now: Circumstances) -> IdleDerivation:
    """Say which silences have lasted too long by `now.now_ms`. Source: §5.3.

    A silence fires once per look however long nobody looked, and after that in the rhythm of its
    timer. What ran out before `now.high_water_ms` was before our time. Where we heard of something
    late, time counts from then: whatever ended the silence may be on its way too. So it may be
    after `now.resumed_ms`, until senders have tried again.
    """
    if state.state != "OPEN":
        return IdleDerivation(state)
    derived, due = [], []
    fired = {}
    for subtype, timer, before, shift in _watched(state, now):
        caught_up_ms = state.told.caught_up_ms
        after, next_ms = _next(timer, before, shift, caught_up_ms, now)
        if next_ms is not None and next_ms <= now.now_ms:
            after = Fired(after.start_ms, after.count + 1, now.now_ms)
            derived.append(_event(subtype, state, now))
            after, next_ms = _next(timer, after, shift, caught_up_ms, now)
        if after.count:
            fired[subtype] = after
        if next_ms is not None:
            due.append(next_ms)
    state = replace(state, told=replace(state.told, idle=fired))
    return IdleDerivation(state, tuple(derived), min(due, default=None))


def silences(state: State, now: Circumstances) -> tuple[Silence, ...]:
    """The silences that count at this moment, for people to read."""
    if state.state != "OPEN":
        return ()
    found = []
    for subtype, timer, fired, shift in _watched(state, now):
        after, due_ms = _next(timer, fired, shift, state.told.caught_up_ms, now)
        found.append(Silence(subtype, fired.start_ms, due_ms, after.count))
    return tuple(found)


def _watched(state: State, now: Circumstances) -> Iterator[_Watched]:
    """Every silence that a timer of the skill counts, as far as it was told of."""
    times = now.idle_times(state.skill_id)
    shift = now.hours.shift(state.skill_id, now.now_ms)
    for subtype, timer, start_ms in (
        (AGENT, times.agent_non_responsive, _agent_silent_since(state)),
        (CONSUMER, times.consumer_non_responsive, _consumer_silent_since(state)),
        (QUEUE, times.conv_awaiting_in_queue, _waiting_since(state)),
    ):
        if start_ms is None or not timer.length_ms:
            continue
        fired = state.told.idle.get(subtype)
        if fired is None or fired.start_ms != start_ms:
            fired = Fired(start_ms, 0, 0)
        # Nobody expects an answer while the office is closed, except from the consumer.
        yield _Watched(subtype, timer, fired, None if subtype == CONSUMER else shift)


def _agent_silent_since(state: State) -> int | None:
    """The later of the agent's assignment and the first unanswered line, if there is either."""
    assigned_since = state.at.assigned_since
    if assigned_since is None:
        return None
    silent = (state.last_agent_ts or 0) < assigned_since
    starts = [state.first_unanswered_consumer_ts, assigned_since if silent else None]
    return max((start for start in starts if start is not None), default=None)


def _consumer_silent_since(state: State) -> int | None:
    last = state.last_agent_ts
    return last if last is not None and last > (state.last_consumer_ts or 0) else None


def _waiting_since(state: State) -> int | None:
    return state.at.queue_since


def _next(
    timer: IdleTimer, fired: Fired, shift: Shift | None, caught_up_ms: int, now: Circumstances
) -> tuple[Fired, int | None]:
    """When a silence is due next, and how often it was before that, our time or not."""
    wait_ms = timer.length_ms
    # One that lies ahead was noted by a clock that has been put back since.
    last_ms = fired.last_ms if fired.last_ms <= now.now_ms else 0
    counted_ms = fired.start_ms + fired.count * wait_ms
    if shift is not None:
        if not shift.open:
            opens = fired.count < timer.repeats and shift.until_ms is not None
            return fired, (shift.until_ms or 0) + wait_ms if opens else None
        if shift.since_ms > fired.start_ms:
            counted_ms = max(shift.since_ms, last_ms)
    while fired.count < timer.repeats:
        counted_ms += wait_ms
        if counted_ms >= now.high_water_ms:
            if caught_up_ms > fired.start_ms:
                counted_ms = max(counted_ms, caught_up_ms + wait_ms)
            if now.resumed_ms > fired.start_ms:
                counted_ms = max(counted_ms, now.resumed_ms + min(wait_ms, RETRIED_WITHIN_MS))
            return fired, max(counted_ms, last_ms + wait_ms if last_ms else 0)
        fired = Fired(fired.start_ms, fired.count + 1, fired.last_ms)
    return fired, None


def _event(subtype: str, state: State, now: Circumstances) -> DerivedEvent:
    cause = Cause("UPSERT", state.conv_id, now.now_ms, state.last_line)
    return DerivedEvent(
        type=events.CONVERSATION_IDLE.id,
        subtype=subtype,
        occurred_ms=now.now_ms,
        payload=messaging_payload(subtype, cause, state, state, now),
    )
