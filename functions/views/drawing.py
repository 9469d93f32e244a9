"""Commands as the conversation would show them, asked for in a test or carried out for an event."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from functions import occasions
from functions.models import Function
from functions.replays import Step
from invoker import commands, events, metrics, runtime
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import Command, CommandState, CommandType

BUDGET_MS = metrics.BUDGET_MS
OUTCOMES = {
    runtime.Outcome.SUCCEEDED.value: "Succeeded",
    runtime.Outcome.CODING_FAILURE.value: "The function failed",
    runtime.Outcome.TIMEOUT.value: "Timed out",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One command. `text` is a message, `label` what anything without a text does."""

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
    late_ms: int | None = None


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
    def outcome_label(self) -> str:
        return OUTCOMES.get(self.outcome, "Could not run")

    @property
    def words(self) -> str:
        """What came of it in one line, for lists and for who listens."""
        count = sum(not one.dropped and not one.automatic for one in self.drawn)
        asked = f", {count} command{'' if count == 1 else 's'}" if self.shows_commands else ""
        return f"{self.outcome_label} in {self.result.duration_ms:.0f} ms{asked}"

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
    occasion = occasions.of_input(function.account_id, function.event_type, event)
    automatic = commands.automatic_message(occasion, asked)
    if automatic:
        shown = _draw(
            automatic.type, automatic.fields, reason=automatic.reason, detail=automatic.detail
        )
        drawn.append(replace(shown, automatic=True))
    drawn.sort(key=lambda one: (one.dropped, one.kind != "message"))
    return Run(result, drawn, shows_commands=True)


def say_instead(function: Function) -> list[tuple[str, str]]:
    """What conversations get when no function answers: the occasions, and the text of each."""
    said: list[tuple[str, str]] = []
    sample = events.sample(function.event_type)
    usual = occasions.of_input(function.account_id, function.event_type, sample)
    for subtype in function.event.subtypes:
        found = commands.automatic_message(replace(usual, subtype=subtype), [])
        if found:
            text = found.fields.get("text", found.detail)
            said.append((SUBTYPE_NAMES.get(subtype, subtype), text))
    return said


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
        late_ms=command.late_ms,
    )


def draw_step(step: Step) -> Drawn:
    """A command of a replay: what would be done, or what became of it then."""
    drawn = _draw(step.type, step.fields, reason=step.reason, detail=step.detail)
    if step.state in ("", CommandState.SENT):
        return replace(drawn, automatic=step.automatic, state=step.state)
    label = CommandState(step.state).label
    why = f"{label}. {step.detail}" if step.detail else label
    return replace(drawn, automatic=step.automatic, state=step.state, why=why)


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


def body_text(body: bytes) -> str:
    """A raw notification for reading: indented when it is JSON, as it came otherwise."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _draw(kind: str, fields: Mapping[str, Any], *, reason: str, detail: str) -> Drawn:
    if kind == CommandType.MESSAGE and reason == "empty":
        return Drawn("silence", label="No message", why=detail)
    dropped = bool(reason)
    match kind:
        case CommandType.MESSAGE:
            text = fields.get("text", "")
            shown = text if isinstance(text, str) else str(text)
            return Drawn("message", text=shown, label="Message", dropped=dropped, why=detail)
        case CommandType.TRANSFER:
            names = {"skillId": "skill", "agentId": "agent"}
            places = [f"{names[key]} {fields[key]}" for key in names if key in fields]
            label = f"Transfer to {', '.join(places)}" if places else "Transfer"
            return Drawn("transfer", label=label, dropped=dropped, why=detail)
        case CommandType.CLOSE:
            return Drawn("close", label="Close the conversation", dropped=dropped, why=detail)
    return Drawn("unknown", label=kind or "Not a command", dropped=True, why=detail)
