"""One slice of a replay: events and what became of them are read in bulk, run, and compared."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from django.db.models import Prefetch

from functions import occasions
from functions.models import Function
from functions.replays import choosing, comparing, sides
from functions.replays import progress as places
from functions.replays.choosing import Beside, Choice, Version
from functions.replays.errors import BusyError, ChangedError
from functions.replays.listening import Listening, reaches
from functions.replays.noting import notes
from functions.replays.progress import Progress
from functions.replays.rows import Note, Row
from functions.replays.running import Job, Ran, Stage
from functions.replays.sides import Side
from invoker import calls, commands, dispatch, events, rehearsal, runtime
from invoker.automatic_messages import AccountTexts
from invoker.models import Command, Deployment, Event, Invocation, InvocationState

SLICE_S = 1.0
"""No run is begun after this; those that are under way may end."""
MOST_LOOKED_AT = 20_000
"""Events of other skills that are passed over on the way to those of the function."""
CHUNK = 100
NO_SANDBOX = "could-not-run"
Stopped = Literal["", "timeouts", "no-sandbox"]
UNFINISHED = (
    InvocationState.RUNNING,
    InvocationState.UNKNOWN,
    InvocationState.PLATFORM_FAILURE,
)

# What is read of each: a thousand rows with all their columns take longer than to run them.
_OF_EVENTS = (
    "account_id", "conversation__conv_id", "type", "subtype", "payload", "occurred_at",
    "created_at", "state", "detail", "function_id",
)  # fmt: skip
_OF_RUNS = ("event_id", "deployment_id", "outcome", "result", "failure", "duration_ms", "attempt")
_OF_COMMANDS = ("event_id", "invocation_id", "type", "fields", "state", "reason", "detail")

_at_once = calls.AtOnce(1)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the events, the newest first. With `more` there are older ones, see `progress`."""

    rows: list[Row]
    progress: Progress
    more: bool = False
    stopped: Stopped = ""

    @property
    def sampled(self) -> bool:
        return any(row.event is None for row in self.rows)


def next_slice(
    choice: Choice, progress: Progress | None = None, *, most: int = choosing.MOST
) -> Slice:
    """Replay the next events until the time of a slice is over.

    Args:
        choice: what is replayed.
        progress: where the slice before ended; None for the first.
        most: how many events a slice may have.

    Raises:
        BusyError: one at a time for each account.
        ChangedError: a version was saved or deployed since the slice before.
        InvalidChoiceError: the function has no such version or deployment.
    """
    if not _at_once.begin(choice.account_id):
        raise BusyError("Cannot replay now: somebody of this account does so already")
    try:
        begun = progress or Progress()
        with rehearsal.warm() as key:
            stage = Stage(
                key,
                network=choice.network,
                ends_at=time.monotonic() + SLICE_S,
                failed=begun.timeouts,
            )
            return _Replaying(choice, stage).slice(begun, most)
    finally:
        _at_once.end(choice.account_id)


class _KeptTexts:
    """An account's automatic messages as they are today. Events that agree share a query."""

    def __init__(self, account_id: str) -> None:
        account = AccountTexts(account_id)
        self.levels = cache(account.levels)
        self.nickname = cache(account.nickname)


class _Replaying:
    """A slice under way."""

    def __init__(self, choice: Choice, stage: Stage) -> None:
        self._choice = choice
        self._listening = Listening(choice)
        self._texts = _KeptTexts(choice.account_id)
        self._stage = stage

    def slice(self, progress: Progress, most: int) -> Slice:
        choice = self._choice
        if choice.function:
            # What is not there is said before anything runs.
            self._listening.version(choice.function)
        progress = self._begin(progress)
        rows: list[Row] = []
        more, begun = True, False
        while more and len(rows) < most and not (self._stage.tired or (begun and self._stage.late)):
            begun = True
            left = min(choice.most - progress.done, most - len(rows))
            progress, found, more = self._chunk(progress, left)
            rows += found
        if not more and not progress.done and choice.listening and choice.function:
            rows = self._run_all([self._sample(choice.function)])
            progress = progress.with_rows(rows)
        progress = replace(progress, timeouts=self._stage.failed)
        stopped: Stopped = ""
        if self._stage.tired:
            lost = any(row.not_run and row.not_run.code == NO_SANDBOX for row in rows)
            stopped = "no-sandbox" if lost else "timeouts"
        return Slice(rows, progress, more and not stopped, stopped)

    def _begin(self, progress: Progress) -> Progress:
        versions = self._listening.digest()
        if not progress.versions:
            total = self._choice.events.order_by()[: self._choice.most].count()
            return replace(progress, versions=versions, total=total)
        if progress.versions != versions:
            raise ChangedError(
                "Cannot go on: something else is asked for, or a version was saved or deployed "
                "meanwhile; begin again"
            )
        return progress

    def _chunk(self, progress: Progress, left: int) -> tuple[Progress, list[Row], bool]:
        """The next events, at most so many: how far that went, the rows, whether there are more."""
        choice = self._choice
        size = CHUNK if choice.listening else min(CHUNK, left)
        page = choice.events.filter(progress.behind()).order_by("-created_at", "-pk")
        read = list(page.select_related("conversation").only(*_OF_EVENTS)[:size])
        function = choice.function
        wanted = read
        if choice.listening and function:
            wanted = [each for each in read if reaches(each, function)][:left]
        rows = self._run_all(self._prepare(wanted))
        whole = len(rows) == len(wanted)
        # How far one got: through all that was read, but for what is over the number or the time.
        seen = len(read)
        if not whole or len(wanted) == left:
            seen = read.index(wanted[len(rows) - 1]) + 1 if rows else 0
        after = progress.with_rows(rows)
        if seen:
            after = replace(after, older=places.name(read[seen - 1]), looked=after.looked + seen)
        ended = seen == len(read) < size
        more = not ended and after.done < after.total and after.looked < MOST_LOOKED_AT
        return after, rows, more

    # --- one event ---------------------------------------------------------------------------

    def _prepare(self, found: Sequence[Event]) -> list[Job | Row]:
        """What to run for each, with what really happened to it. Three queries for all."""
        ids = [each.pk for each in found]
        kept = Invocation.objects.filter(event__in=ids).exclude(outcome__in=UNFINISHED)
        # A few deployments served them all.
        served = Prefetch("deployment", Deployment.objects.only("function_name", "version"))
        ended = kept.only(*_OF_RUNS).prefetch_related(served).order_by("attempt")
        runs = {run.event_id: run for run in ended}
        carried_out: dict[object, list[Command]] = {}
        asked = Command.objects.filter(event__in=ids).only(*_OF_COMMANDS)
        for command in asked.order_by("position"):
            carried_out.setdefault(command.event_id, []).append(command)
        return [self._job(each, runs.get(each.pk), carried_out.get(each.pk, [])) for each in found]

    def _job(self, event: Event, run: Invocation | None, kept: list[Command]) -> Job | Row:
        function = self._listening.function_of(event)
        if isinstance(function, Note):
            return Row(event, not_run=function)
        version = self._listening.version(function)
        if version is None:
            return _not_deployed(event, function)
        live = self._listening.live(function)
        if run and live and self._choice.beside == Beside.DEPLOYED:
            # Where it is not what ran then, it runs now.
            run = run if run.deployment_id == live.deployment_id else None
        other = live if run is None and _differ(live, version) else None
        label = ""
        if run:
            name = run.deployment.function_name
            called = "Version" if name == function.name else f"{name}, version"
            label = f"{called} {run.deployment.version}"
        side = sides.recorded(run, kept, label=label, why=event.detail)
        return Job(event, dispatch.input_of(event), function, version, side, other)

    def _sample(self, function: Function) -> Job | Row:
        version = self._listening.version(function)
        if version is None:
            return _not_deployed(None, function)
        live = self._listening.live(function)
        other = live if _differ(live, version) else None
        return Job(None, events.sample(function.event_type), function, version, None, other)

    def _row(self, job: Job, now: Ran) -> Row:
        failure = now.result.failure
        if now.result.outcome == runtime.Outcome.PLATFORM_FAILURE:
            message = failure.message if failure else "The sandbox failed"
            return Row(job.event, job.function, not_run=Note(NO_SANDBOX, message))
        here = self._side(job, now)
        then = self._side(job, job.then) if job.then else job.recorded
        commands_count = events.EVENT_TYPES[job.function.event_type].runs_commands
        marks = here.marks | (then.marks if then else frozenset())
        return Row(
            job.event,
            job.function,
            job.document,
            then,
            here,
            differences=comparing.compare(then, here, commands=commands_count) if then else (),
            notes=tuple(notes(job.event, then, here, marks)),
            marks=marks,
        )

    def _side(self, job: Job, ran: Ran) -> Side:
        function = job.function
        event = job.event or Event(type=function.event_type)
        asked = dispatch.asked_of(event, ran.result)
        occasion = occasions.of_input(
            function.account_id,
            function.event_type,
            job.document,
            now_ms=int(event.occurred_at.timestamp() * 1000) if job.event else None,
        )
        return sides.run_now(
            ran.result,
            asked,
            commands.automatic_message(occasion, asked, self._texts),
            label=ran.version.label,
            version=ran.version.number,
            marks=ran.marks,
        )

    def _run_all(self, found: Sequence[Job | Row]) -> list[Row]:
        """The rows, up to the first event that was not begun in time."""
        self._stage.run([one for one in found if isinstance(one, Job)])
        rows: list[Row] = []
        for one in found:
            if isinstance(one, Row):
                rows.append(one)
            elif one.now is not None:
                rows.append(self._row(one, one.now))
            else:
                break
        return rows


def _differ(live: Version | None, version: Version) -> bool:
    """Whether there is something else that serves."""
    return live is not None and live.deployment_id != version.deployment_id


def _not_deployed(event: Event | None, function: Function) -> Row:
    message = f'"{function.name}" is not deployed'
    return Row(event, function, not_run=Note("function-not-deployed", message))
