"""Where two sides cannot be compared fairly, in words."""

from collections.abc import Iterator, Set
from functools import cache
from typing import Any

from functions.replays import comparing
from functions.replays.rows import Note
from functions.replays.sides import Side
from invoker import events
from invoker.models import Event, EventState
from invoker.rehearsal import MARKS, Mark

MOST_NAMED = 5


def notes(event: Event | None, then: Side | None, now: Side, marks: Set[Mark]) -> Iterator[Note]:
    """What one should know before one believes a comparison."""
    for mark in sorted(marks):
        yield Note(mark.value, MARKS[mark])
    if event is None:
        return
    if lacks := _missing(event):
        shown = ", ".join(lacks[:MOST_NAMED]) + (" …" if len(lacks) > MOST_NAMED else "")
        yield Note("older-payload", f"Its payload lacks what events have today: {shown}")
    if event.state != EventState.DONE and then and then.recorded and not then.ran:
        yield Note("in-progress", "The event is still being handled")
    elif then and then.recorded:
        before, after = comparing.automatic_text(then), comparing.automatic_text(now)
        if _left_to_the_account(then) and _left_to_the_account(now) and before != after:
            yield Note("automatic-today", "The automatic message is chosen as it would be today")


def _left_to_the_account(side: Side) -> bool:
    """Whether an automatic message goes out where there is one."""
    return not any(step.silence or _is_own_message(step) for step in side.steps)


def _is_own_message(step: Any) -> bool:
    return step.type == "systemMessage" and not step.automatic and not step.reason


def _missing(event: Event) -> list[str]:
    """Groups and fields that the payload of such an event has today, and this one has not."""
    lacks: list[str] = []
    for path in _paths(event.type):
        if any(path[: len(each)] == each for each in map(_split, lacks)):
            continue
        value: Any = event.payload
        for name in path:
            if not isinstance(value, dict) or name not in value:
                lacks.append(".".join(path))
                break
            value = value[name]
    return lacks


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


@cache
def _paths(event_type: str) -> tuple[tuple[str, ...], ...]:
    """What is always there, objects before their own fields."""
    known = events.fields(event_type)
    optional = tuple(f"{one.path}." for one in known if one.optional or one.nullable)
    return tuple(
        _split(one.path)
        for one in known
        if not one.optional and "[]" not in one.path and not one.path.startswith(optional)
    )
