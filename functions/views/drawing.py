"""Commands as the conversation would show them, asked for in a test or carried out for an event."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.models import Function
from invoker import automatic_messages, commands, runtime
from invoker.models import Command, CommandState, CommandType

# What the source promises to whoever waits in the conversation: an answer within a second.
BUDGET_MS = 1000


@dataclass(frozen=True, slots=True)
class Drawn:
    """One command. `text` is a message, `label` what any other command does."""

    kind: str
    text: str = ""
    label: str = ""
    dropped: bool = False
    automatic: bool = False
    why: str = ""
    state: str = ""
    state_label: str = ""
    attempts: int = 0
    sent_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A test run with everything that a real event would have led to."""

    result: runtime.Result
    drawn: list[Drawn]
    shows_commands: bool

    @property
    def outcome(self) -> str:
        return self.result.outcome.value

    @property
    def in_budget(self) -> bool:
        return self.result.duration_ms <= BUDGET_MS


def draw_test(function: Function, result: runtime.Result, event: Any) -> Run:
    """Show what the controller bot would do with this result for this event."""
    if not function.event.runs_commands:
        return Run(result, [], shows_commands=False)
    worked = result.outcome == runtime.Outcome.SUCCEEDED
    asked = commands.parse(result.value) if worked else []
    drawn = [_draw(one.type, one.fields, reason=one.reason, detail=one.detail) for one in asked]
    if not any(one.type == CommandType.MESSAGE and one.reason in ("", "empty") for one in asked):
        text = automatic_messages.text_for(function.account_id, _subtype(function, event))
        if text:
            drawn.append(Drawn("message", text=text, automatic=True))
    drawn.sort(key=lambda one: (one.dropped, one.kind != "message"))
    return Run(result, drawn, shows_commands=True)


def draw_command(command: Command) -> Drawn:
    dropped = command.state == CommandState.DROPPED
    drawn = _draw(
        command.type,
        command.fields,
        reason=command.reason if dropped else "",
        detail=command.detail,
    )
    return Drawn(
        drawn.kind,
        text=drawn.text,
        label=drawn.label,
        dropped=drawn.dropped,
        automatic=command.is_default,
        why=command.detail,
        state=command.state,
        state_label=command.get_state_display(),
        attempts=command.attempts,
        sent_at=command.sent_at,
    )


def summary(drawn: list[Drawn]) -> str:
    """One line for a list: what was done, without what was dropped."""
    parts = []
    for one in drawn:
        if one.dropped or one.kind == "silence":
            continue
        if one.kind == "message":
            quoted = f"“{one.text}”"
            parts.append(f"{quoted} (automatic)" if one.automatic else quoted)
        else:
            parts.append(one.label)
    return " · ".join(parts)


def _draw(kind: str, fields: Mapping[str, Any], *, reason: str, detail: str) -> Drawn:
    if kind == CommandType.MESSAGE and reason == "empty":
        return Drawn("silence", label="No message", why=detail)
    dropped = bool(reason)
    match kind:
        case CommandType.MESSAGE:
            text = fields.get("text", "")
            shown = text if isinstance(text, str) else str(text)
            return Drawn("message", text=shown, dropped=dropped, why=detail)
        case CommandType.TRANSFER:
            names = {"skillId": "skill", "agentId": "agent"}
            places = [f"{names[key]} {fields[key]}" for key in names if key in fields]
            label = f"Transfer to {', '.join(places)}" if places else "Transfer"
            return Drawn("transfer", label=label, dropped=dropped, why=detail)
        case CommandType.CLOSE:
            return Drawn("close", label="Close the conversation", dropped=dropped, why=detail)
    return Drawn("unknown", label=kind or "Not a command", dropped=True, why=detail)


def _subtype(function: Function, event: Any) -> str:
    """The sub-type that the event says it has, else the first that its type can have."""
    known = function.event.subtypes
    try:
        said = event["payload"]["general"]["cbotEventType"]
    except (KeyError, TypeError, IndexError):
        said = ""
    if isinstance(said, str) and said in known:
        return said
    return known[0] if known else ""
