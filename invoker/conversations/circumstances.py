"""What decides about events beside the conversation itself: the clock, office hours, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

SHORTEST_IDLE_S: Final = 15
"""Shorter idle times count as this one. Source: `controller-bot.md` §5.3."""
MAX_EVENT_AGE_MS: Final = 60_000
"""What is told later than this, but for an end, is no event. Source: `controller-bot.md` §3.4.1."""


class Shift(msgspec.Struct, frozen=True):
    """Whether a skill works at a moment, and how long that has been and will be so."""

    open: bool
    since_ms: int = 0
    """When this shift, or these off-hours, began; 0: not known, or always."""
    until_ms: int | None = None
    """When it ends; None: never."""


class Hours(Protocol):
    """The office hours of an account."""

    def shift(self, skill_id: str, at_ms: int, /) -> Shift:
        """Tell the shift, or the off-hours, of a skill at a moment, also a past one."""


class _AlwaysOpen:
    _SHIFT: Final = Shift(open=True)

    def shift(self, _skill_id: str, _at_ms: int, /) -> Shift:
        return self._SHIFT


ALWAYS_OPEN: Final[Hours] = _AlwaysOpen()


class FixedHours(msgspec.Struct, frozen=True):
    """The same for every skill and, from a moment on, without an end."""

    open: bool
    since_ms: int

    def shift(self, _skill_id: str, _at_ms: int, /) -> Shift:
        return Shift(open=self.open, since_ms=self.since_ms)


class IdleTimer(msgspec.Struct, frozen=True):
    """How long may pass before a conversation counts as idle; 0: it never does."""

    seconds: int
    repeats: int = 1
    """How many times this is told while nothing happens."""

    @property
    def length_ms(self) -> int:
        """The time that counts; 0: never."""
        return max(self.seconds, SHORTEST_IDLE_S) * 1000 if self.seconds > 0 else 0


class IdleTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The effective idle times of one skill."""

    agent_non_responsive: IdleTimer = IdleTimer(600)
    consumer_non_responsive: IdleTimer = IdleTimer(1800)
    conv_awaiting_in_queue: IdleTimer = IdleTimer(300)


_USUAL: Final = IdleTimes()


def usual_idle_times(_skill_id: str) -> IdleTimes:
    """Every skill's, where the account has set none."""
    return _USUAL


class Previous(msgspec.Struct, frozen=True):
    """The same consumer's conversation before this one."""

    close_reason: str
    end_ms: int


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about events beside the conversation itself."""

    now_ms: int
    account_id: str = ""
    hours: Hours = ALWAYS_OPEN
    idle_times: Callable[[str], IdleTimes] = usual_idle_times
    """Gives the idle times of a skill by its id."""
    previous: Previous | None = None
    """The consumer's conversation before this one, on the same connection."""
    history_known: bool = False
    """Whether `previous` is None because there is none, not because nobody looked."""
    high_water_ms: int = 0
    """When we began to listen: what happened before leads to no event."""
    resumed_ms: int = 0
    """When we began to listen again after we could not, as while Houston was down; 0: no such."""
    own_ids: frozenset[str] = frozenset()
    """Every id the controller bot goes by."""
    max_event_age_ms: int = MAX_EVENT_AGE_MS
