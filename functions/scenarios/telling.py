"""What the controller bot did about an event, in the words of a scenario's file.

Both what a run in memory gave and what really happened are told here, so that they are told alike.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from functions.scenarios.documents import (
    Close,
    Command,
    Expected,
    Failed,
    Late,
    Message,
    Transfer,
)
from functions.scenarios.outcomes import Dropped
from invoker import models
from invoker.models import CommandState, CommandType, Event, Verdict
from invoker.simulator.acts import LONGEST_TEXT

LONGEST_FAILURE: Final = 500
LONGEST_PART: Final = 1_000
_CLEAN: Final = re.compile("[^\0\ud800-\udfff]+")
_UNPLAYED: Final = frozenset({Verdict.LOOP, Verdict.SUPPRESSED})


def tell(
    event: Event,
    commands: Iterable[models.Command],
    *,
    function: str | None = None,
    failure: Any = None,
) -> Expected:
    """One event and what came of it, complete.

    Args:
        event: what happened.
        commands: what it led to, in the order of delivery, each in its final state.
        function: the name of the one that ran.
        failure: its `code` and `message` where it failed, as a mapping.
    """
    commands = list(commands)
    return Expected(
        event=event.subtype or event.type,
        function=function,
        commands=tuple(_command(one) for one in commands if one.state == CommandState.SENT),
        stale=tuple(
            Late(type=one.type, reason=one.reason)  # type: ignore[arg-type]
            for one in commands
            if one.state == CommandState.STALE
        ),
        failed=None if failure is None else _failed(failure),
        stopped=event.reason if event.verdict in _UNPLAYED else None,
    )


def dropped(commands: Iterable[models.Command]) -> tuple[Dropped, ...]:
    """What was asked for and is not carried out, whatever time it is."""
    undone = (CommandState.DROPPED, CommandState.FAILED)
    return tuple(
        Dropped(one.type, one.reason, one.detail) for one in commands if one.state in undone
    )


def _command(row: models.Command) -> Command:
    match row.type:
        case CommandType.MESSAGE:
            return Message(text=row.fields["text"], automatic=row.is_default)
        case CommandType.TRANSFER:
            return Transfer(skill_id=row.fields.get("skillId"), agent_id=row.fields.get("agentId"))
    return Close()


def _failed(failure: Any) -> Failed:
    return Failed(
        code=str(failure.get("code") or "unknown"),
        message=_clean(str(failure.get("message") or ""))[:LONGEST_FAILURE] or None,
    )


# As it can stand in a file ------------------------------------------------------------------------


def keep(command: Command) -> Command:
    """A command as it is kept as expected: the account's own messages without their words."""
    if not isinstance(command, Message) or command.text is None:
        return command
    if command.automatic:
        return Message(automatic=True)
    if len(command.text) <= LONGEST_TEXT and _clean(command.text) == command.text:
        return command
    # Of a text that no file can hold the longest part that one can.
    parts = _CLEAN.findall(command.text)
    return Message(contains=max(parts, key=len)[:LONGEST_PART]) if parts else Message()


def _clean(text: str) -> str:
    return "".join(_CLEAN.findall(text))
