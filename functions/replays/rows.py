"""What a replay shows of one event: what was done then, what would be done now, how they differ."""

from dataclasses import dataclass, field
from typing import Any, Literal

from functions.models import Function
from functions.replays.comparing import Difference
from functions.replays.sides import Side, Step
from invoker.models import Event
from invoker.rehearsal import Mark

__all__ = ["Note", "Row", "Side", "Step"]

Verdict = Literal["same", "different", "not-run"]
# What a replay refuses, so that both sides were not in the same position.
REFUSED = frozenset({Mark.NETWORK, Mark.INVOKE})


@dataclass(frozen=True, slots=True)
class Note:
    """A stable code and a sentence: why an event was not run, or what a comparison lacks."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One event. `event` is None for the sample.

    `then` is None where there is nothing to compare with, `now` where nothing was run, for which
    `not_run` has the reason. `notes` say where the sides cannot be compared fairly.
    """

    event: Event | None
    function: Function | None = None
    document: Any = None
    then: Side | None = None
    now: Side | None = None
    not_run: Note | None = None
    differences: tuple[Difference, ...] = ()
    notes: tuple[Note, ...] = ()
    marks: frozenset[Mark] = field(default_factory=frozenset)

    @property
    def verdict(self) -> Verdict:
        if self.not_run:
            return "not-run"
        return "different" if self.differences or self.then is None else "same"

    @property
    def fair(self) -> bool:
        """Whether neither side asked for what a replay refuses."""
        return not self.marks & REFUSED

    @property
    def fails_now(self) -> bool:
        return self.fair and any(one.code == "fails-now" for one in self.differences)

    @property
    def slower_ms(self) -> float:
        """How much longer it takes than then; 0 where one side did not run."""
        if not (self.then and self.now and self.then.ran):
            return 0.0
        return self.now.duration_ms - self.then.duration_ms
