"""How long an idle time may be, and how people write and read it."""

from typing import Final

from invoker.automatic_messages.errors import InvalidError
from invoker.conversations.circumstances import SHORTEST_IDLE_S

LONGEST_IDLE_S: Final = 30 * 86_400
MOST_REPEATS: Final = 20
UNITS: Final = {"hours": 3600, "minutes": 60, "seconds": 1}
"""Seconds in each unit, the longest first."""


def split(seconds: int) -> tuple[int, str]:
    """A duration as a number of the largest unit that fits without a rest: 600 is 10 minutes."""
    unit, length_s = next(
        each
        for each in UNITS.items()
        if each[1] == 1 or (seconds >= each[1] and seconds % each[1] == 0)
    )
    return seconds // length_s, unit


def spell(seconds: int) -> str:
    """A timer in words, such as "10 minutes"; "never" for 0."""
    if not seconds:
        return "never"
    count, unit = split(seconds)
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def check(timer_s: int | None, repeats: int | None) -> None:
    """Refuse what is no idle time. None is "as the level above", 0 seconds is "never".

    Raises:
        InvalidError: it is too short or too long, or repeats too often.
    """
    if timer_s is not None and timer_s and not SHORTEST_IDLE_S <= timer_s <= LONGEST_IDLE_S:
        raise InvalidError(
            f"Cannot set {timer_s} seconds: an idle time is between {SHORTEST_IDLE_S} seconds and "
            f"{LONGEST_IDLE_S // 86_400} days",
            field="timer",
        )
    if repeats is not None and not 1 <= repeats <= MOST_REPEATS:
        raise InvalidError(
            f"Cannot repeat {repeats} times: enter a number from 1 to {MOST_REPEATS}",
            field="repeats",
        )
