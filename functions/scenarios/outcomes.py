"""What came of playing a scenario, beside what was expected."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from functions.scenarios.documents import Document, Expected, Step
from invoker.rehearsal import Mark
from invoker.runtime import LogEntry


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a function returned and the bot does not carry out: `reason` and `detail` say why."""

    type: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """One event that came, `at_ms` after the start, and what came of it.

    `told` is that in a file's words, with the texts of the account's messages too. `duration_ms`
    is the time its function had, None where none ran; `version` says which code that was, such as
    "draft".
    """

    told: Expected
    at_ms: int
    version: str = ""
    duration_ms: float | None = None
    logs: tuple[LogEntry, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    marks: tuple[Mark, ...] = ()
    reason: str = ""
    """Why no function ran, in a sentence."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference: "-" was expected and did not come, "+" came, " " did both."""

    mark: Literal["-", "+", " "]
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Why a scenario could not be played to its end. `code` is stable."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """What came of one step; `difference` is empty where that was expected or is not checked."""

    number: int
    """Counts from 1."""
    step: Step
    came: tuple[Came, ...] = ()
    difference: tuple[Line, ...] = ()
    played: bool = True
    stopped: Stopped | None = None

    @property
    def logs(self) -> list[str]:
        """What the functions logged, a line for each call, as people read it."""
        return [
            " ".join((f"{entry.level.lower()}: {entry.message}", *map(_shown, entry.extras)))
            for each in self.came
            for entry in each.logs
        ]

    @property
    def checked(self) -> bool:
        return self.step.expect is not None

    @property
    def differs(self) -> bool:
        return bool(self.difference) or not self.played or self.stopped is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a scenario. `duration_ms` is how long it took by the clock on the wall."""

    document: Document
    steps: tuple[StepOutcome, ...]
    duration_ms: float
    stopped: Stopped | None = None

    @property
    def passed(self) -> bool:
        return self.stopped is None and not any(step.differs for step in self.steps)


def _shown(extra: Any) -> str:
    return extra if isinstance(extra, str) else msgspec.json.encode(extra).decode()
