"""One side of a comparison: what a run gave, and what the controller bot made or makes of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invoker import runtime
from invoker.commands import Asked
from invoker.models import Command, CommandState, CommandType, Invocation
from invoker.rehearsal import Mark

SHOWN = ("text", "skillId", "agentId")


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `reason` is empty for what is carried out, or was to be.

    `state` is a `CommandState` of what was really on its way, "" for what never was.
    """

    type: str
    fields: Mapping[str, Any]
    reason: str = ""
    detail: str = ""
    automatic: bool = False
    state: str = ""

    @property
    def silence(self) -> bool:
        """No message, and no automatic one either."""
        return self.type == CommandType.MESSAGE and self.reason == "empty"

    @property
    def text(self) -> str:
        text = self.fields.get("text", "")
        return text if isinstance(text, str) else str(text)


@dataclass(frozen=True, slots=True)
class Side:
    """`label` says what ran, "" where nothing did; then `outcome` is empty and `why` says why.

    `recorded`: it is what really happened, not run again. `version` is None where nothing ran.
    """

    label: str
    outcome: str
    steps: tuple[Step, ...]
    value: Any = None
    failure: runtime.Failure | None = None
    duration_ms: float = 0.0
    recorded: bool = False
    version: int | None = None
    marks: frozenset[Mark] = frozenset()
    why: str = ""

    @property
    def ran(self) -> bool:
        return bool(self.outcome)

    @property
    def failed(self) -> bool:
        return self.ran and self.outcome != runtime.Outcome.SUCCEEDED


def recorded(
    run: Invocation | None, commands: Sequence[Command], *, label: str, why: str = ""
) -> Side:
    """What really happened: the last run that counted, None where no function ran."""
    steps = tuple(_of_row(each) for each in commands)
    if run is None:
        return Side("", "", steps, recorded=True, why=why)
    return Side(
        label,
        run.outcome,
        steps,
        value=run.result,
        failure=_failure(run.failure),
        duration_ms=run.duration_ms or 0.0,
        recorded=True,
        version=run.deployment.version,
    )


def run_now(
    result: runtime.Result,
    asked: Iterable[Asked],
    automatic: Asked | None,
    *,
    label: str,
    version: int,
    marks: frozenset[Mark],
) -> Side:
    """What a run just now gave, and what would come of it."""
    steps = [_of_asked(one) for one in asked]
    if automatic:
        steps.append(_of_asked(automatic, automatic=True))
    return Side(
        label,
        result.outcome.value,
        tuple(sorted(steps, key=_rank)),
        value=result.value,
        failure=result.failure,
        duration_ms=result.duration_ms,
        version=version,
        marks=marks,
    )


def _of_row(command: Command) -> Step:
    dropped = command.state == CommandState.DROPPED
    return Step(
        command.type,
        _shown(command.fields),
        reason=command.reason if dropped else "",
        detail=command.detail,
        automatic=command.is_default,
        state="" if dropped else command.state,
    )


def _of_asked(one: Asked, *, automatic: bool = False) -> Step:
    return Step(one.type, _shown(one.fields), one.reason, one.detail, automatic=automatic)


def _shown(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        return {}
    return {key: fields[key] for key in SHOWN if key in fields}


def _rank(step: Step) -> tuple[bool, int]:
    """In the order of delivery, what is dropped behind."""
    kinds = list(CommandType)
    known = kinds.index(CommandType(step.type)) if step.type in kinds else len(kinds)
    return bool(step.reason), known


def _failure(kept: Any) -> runtime.Failure | None:
    if not isinstance(kept, dict):
        return None
    return runtime.Failure(
        code=str(kept.get("code", "")),
        name=str(kept.get("name", "Error")),
        message=str(kept.get("message", "")),
        line=kept.get("line"),
        column=kept.get("column"),
    )
