"""Runs of scenarios for somebody who waits for them: who plays, what came, a slice at a time.

A request runs whole scenarios until the time of its slice is over: who closes the page has ended
it, and no task is left behind. Nothing but the result is kept, see `functions.scenarios`.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from django.conf import settings
from django.utils import timezone

from functions import kept_scenarios, scenarios
from functions.models import Function, Scenario
from functions.scenarios import Came, Cast, Document, Outcome, ScenarioError, StepOutcome
from invoker import calls, waiting
from invoker.runtime import LogEntry
from invoker.simulator import acts

SLICE_S: Final = 2.0
"""No run is begun after this; one that is under way may end."""
LOOK_S: Final = 0.3
"""So long a run goes on at most, between two functions, after it was stopped."""
MOST_AT_ONCE: Final = 2
"""Runs of one account; of all accounts together no more than a quarter of the web's threads."""
LONGEST_LOG: Final = 500
MOST_NAMED: Final = 3


class BusyError(Exception):
    """The account runs as many scenarios as it may."""

    code = "scenario-busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who plays: what is deployed, but for functions that play with their draft or a version.

    `network` lets requests leave, to the hosts of the account's allow-list.
    """

    drafts: frozenset[uuid.UUID] = frozenset()
    versions: Mapping[uuid.UUID, int] = field(default_factory=dict)
    network: bool = False

    def words(self, functions: Iterable[Function]) -> str:
        """Against what a scenario runs, to be read after "against"; `functions` are the chosen."""
        said = [
            f"version {self.versions[each.pk]} of {each.name}"
            if each.pk in self.versions
            else f"the draft of {each.name} (version {each.version})"
            for each in functions
        ]
        if len(said) > MOST_NAMED:
            said[MOST_NAMED - 1 :] = [f"{len(said) - MOST_NAMED + 1} more drafts"]
        against = " and ".join(said) or "what is deployed"
        return f"{against}, with the network" if self.network else against


@dataclass(frozen=True, slots=True)
class Stage:
    """Everybody who plays in some runs, and how that is called."""

    account_id: str
    cast: Cast
    against: str
    network: bool

    @classmethod
    def of(cls, account_id: str, wish: Wish) -> "Stage":
        """Set it up once for all of them.

        Raises:
            ScenarioError: a function has no such version.
        """
        chosen = Function.objects.filter(
            account_id=account_id, pk__in={*wish.drafts, *wish.versions}
        )
        against = wish.words(chosen.order_by("name"))
        cast = scenarios.cast(account_id, drafts=wish.drafts, versions=wish.versions)
        return cls(account_id, cast, against, wish.network)


def play(stage: Stage, document: Document) -> Outcome:
    """Play a scenario that nobody keeps.

    Raises:
        BusyError: the account runs as many as it may.
    """
    return _play(stage, document, stops=lambda: False)


def _play(stage: Stage, document: Document, *, stops: Callable[[], bool]) -> Outcome:
    with _place(stage.account_id):
        return scenarios.run(
            stage.account_id, document, stage.cast, network=stage.network, stops=stops
        )


def run(stage: Stage, scenario: Scenario, *, by: str) -> dict[str, Any]:
    """Run a scenario of the account and keep what came as its last result.

    One that somebody stops leaves the result as it was.

    Returns:
        The outcome as `tell` puts it.

    Raises:
        BusyError: the account runs as many as it may.
    """
    document = scenarios.read(scenario.text, scenario.name)
    outcome = _play(stage, document, stops=_asked_to_stop(scenario))
    told = tell(outcome)
    if was_stopped(told):
        return told
    words = {each.told.event for step in outcome.steps for each in step.came}
    expected = {each.event for step in document.steps for each in step.expect or ()}
    kept_scenarios.keep_result(
        scenario,
        {
            "event_types": kept_scenarios.in_order(words | expected),
            "last_run_at": timezone.now(),
            "last_run_by": by,
            "last_against": "the functions that it brings along"
            if document.functions
            else stage.against,
            "last_passed": outcome.passed,
            "last_differing": told["differing"],
            "last_outcome": told,
            "last_text": _with_what_came(outcome),
        },
    )
    return told


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario that was run, with its outcome as `tell` puts it.

    `differs_beside` is about the stage beside, where it was asked for and can be told.
    """

    scenario: Scenario
    told: dict[str, Any]
    differs_beside: bool = False


def run_slice(
    stage: Stage,
    waiting: Sequence[Scenario],
    *,
    by: str,
    beside: Stage | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Run]:
    """Run scenarios in their order until the time of a slice is over, one at least.

    What does not pass is played on the stage `beside` as well, of which nothing is kept.

    Raises:
        BusyError: the account runs as many as it may, and none was run.
    """
    until = clock() + SLICE_S
    done: list[Run] = []
    for scenario in waiting:
        if done and clock() > until:
            break
        try:
            told = run(stage, scenario, by=by)
        except BusyError:
            if not done:
                raise
            break
        ended = was_stopped(told)
        differs_too = bool(
            beside and not told["passed"] and not ended and _differs(beside, scenario)
        )
        done.append(Run(scenario, told, differs_too))
        if ended:
            break
    return done


def _differs(stage: Stage, scenario: Scenario) -> bool:
    """Whether it does not pass there. False also where it is stopped, or cannot be run now."""
    document = scenarios.read(scenario.text, scenario.name)
    try:
        outcome = _play(stage, document, stops=_asked_to_stop(scenario))
    except BusyError:
        return False
    return not outcome.passed and not was_stopped(tell(outcome))


def was_stopped(told: Mapping[str, Any]) -> bool:
    """Whether somebody ended the run that is told of."""
    return told["stopped"] is not None and told["stopped"]["code"] == scenarios.STOPPED


def _asked_to_stop(scenario: Scenario) -> Callable[[], bool]:
    """Says whether somebody has asked since now, with a look at the row now and then."""
    asked = Scenario.objects.filter(pk=scenario.pk, stop_asked_at__gt=timezone.now())
    look_at = time.monotonic() + LOOK_S

    def stops() -> bool:
        nonlocal look_at
        if time.monotonic() < look_at:
            return False
        look_at = time.monotonic() + LOOK_S
        return asked.exists()

    return stops


def record(stage: Stage, document: Document) -> str:
    """The text of a file in which what comes of the steps now is what is expected of them.

    Raises:
        BusyError: the account runs as many as it may.
        ScenarioError: `scenario-not-played`, the run did not come to its end.
    """
    return scenarios.write(scenarios.accept(document, play(stage, document)))


def without_its_own(document: Document) -> Document:
    """A scenario for the functions and settings of whoever runs it, and without expectations."""
    steps = tuple(msgspec.structs.replace(step, expect=None) for step in document.steps)
    return msgspec.structs.replace(document, functions={}, settings=None, steps=steps)


def _with_what_came(outcome: Outcome) -> str:
    """The file with what came as what is expected; "" where it is so, or did not come to an end."""
    if outcome.passed:
        return ""
    try:
        return scenarios.write(scenarios.accept(outcome.document, outcome))
    except ScenarioError:
        return ""


# Limits -------------------------------------------------------------------------------------------

_at_once = calls.AtOnce(
    MOST_AT_ONCE, together=max(1, settings.WEB_THREADS // 4), within=waiting.at_once
)


@contextmanager
def _place(account_id: str) -> Iterator[None]:
    if not _at_once.begin(account_id):
        raise BusyError(
            "Cannot run the scenario now: others of this account, or of others, run already, try "
            "again in a moment"
        )
    try:
        yield
    finally:
        _at_once.end(account_id)


# As plain values ----------------------------------------------------------------------------------


def tell(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON values, as it is kept, shown and answered by the API.

    Acts, expectations and what came are in the words of a file.
    """
    told = {
        "passed": outcome.passed,
        # Of a run that came to no end, nobody knows.
        "differing": 0 if outcome.stopped else sum(step.differs for step in outcome.steps),
        "durationMs": round(outcome.duration_ms, 1),
        "stopped": msgspec.to_builtins(outcome.stopped),
        "steps": [_tell_step(step) for step in outcome.steps],
    }
    # PostgreSQL keeps no NUL, which a function may have said.
    text = msgspec.json.encode(told).replace(rb"\u0000", rb"\ufffd")
    plain: dict[str, Any] = msgspec.json.decode(text)
    return plain


def _tell_step(outcome: StepOutcome) -> dict[str, Any]:
    step = outcome.step
    return {
        "number": outcome.number,
        "atMs": step.at_ms,
        "act": acts.write(step.act),
        "played": outcome.played,
        "checked": outcome.checked,
        "differs": outcome.differs,
        "expected": msgspec.to_builtins(step.expect),
        "came": [_tell_event(each) for each in outcome.came],
        "difference": [str(line) for line in outcome.difference],
        "stopped": msgspec.to_builtins(outcome.stopped),
    }


def _tell_event(came: Came) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(came.told),
        "atMs": came.at_ms,
        "version": came.version,
        "durationMs": None if came.duration_ms is None else round(came.duration_ms, 1),
        "reason": came.reason,
        "dropped": msgspec.to_builtins(came.dropped),
        "marks": [str(mark) for mark in came.marks],
        "logs": [
            {"level": entry.level, "message": _line(entry)[:LONGEST_LOG]} for entry in came.logs
        ],
    }


def _line(entry: LogEntry) -> str:
    """What one call of console wrote, on one line."""
    extras = (msgspec.json.encode(each).decode() for each in entry.extras)
    return " ".join([entry.message, *extras])
