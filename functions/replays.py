"""What a draft would have returned on what really happened, beside what the live version did.

Runs happen in slices, one per request of the page that shows them: who closes the page has ended
them, and no task is left behind. Nothing is recorded and nothing is sent, see `invoker.rehearsal`.
"""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils import timezone

from functions import payloads
from functions.models import Function
from invoker import calls, dispatch, events, rehearsal, runtime
from invoker.models import Deployment, Event, Invocation, InvocationState

COUNTS = (5, 20, 50)
RUN_S = 5.0
"""A function has one second; whoever needs more than five is not waited for."""
SLICE_S = 2.0
"""No run is begun after this; one that is under way may end."""
MOST_TIMEOUTS = 3
MOST_LOOKED_AT = 500
"""Events of other skills that are passed over on the way to those of the function."""
_CHUNK = 50


class BusyError(Exception):
    """Somebody of the account compares already."""

    code = "replay-busy"


@dataclass(frozen=True, slots=True)
class Ran:
    """One side. `recorded`: it is what really happened, not run again."""

    result: runtime.Result
    marks: tuple[rehearsal.Mark, ...] = ()
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """One event. `event` is None for the sample, `old` where nothing is live."""

    event: Event | None
    document: object
    old: Ran | None
    new: Ran

    @property
    def timeouts(self) -> int:
        sides = [side for side in (self.old, self.new) if side and not side.recorded]
        return sum(side.result.outcome == runtime.Outcome.TIMEOUT for side in sides)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the events, the newest first; `older` is the last of them, None at the end."""

    replays: list[Replay] = field(default_factory=list)
    older: Event | None = None
    stopped: bool = False


_at_once = calls.AtOnce(1)


def next_slice(function: Function, *, left: int, older_than: str, timeouts: int) -> Slice:
    """Replay the next events until the time of a slice is over, `left` at most.

    Args:
        function: whose draft and live version run.
        left: how many events are still wanted.
        older_than: the event that the slice before ended with, "" for the first.
        timeouts: how many runs have timed out so far; too many end it.

    Raises:
        BusyError: one at a time for each account.
    """
    if not _at_once.begin(function.account_id):
        raise BusyError("Somebody of this account compares versions already")
    try:
        return _slice(function, left=left, older_than=older_than, timeouts=timeouts)
    finally:
        _at_once.end(function.account_id)


def _slice(function: Function, *, left: int, older_than: str, timeouts: int) -> Slice:
    until = time.monotonic() + SLICE_S
    live = function.deployment
    found: list[Replay] = []
    for event in _events(function, older_than):
        found.append(_replay(function, live, event))
        timeouts += found[-1].timeouts
        if timeouts >= MOST_TIMEOUTS:
            return Slice(found, stopped=True)
        if len(found) >= left:
            return Slice(found)
        if time.monotonic() > until:
            return Slice(found, older=event)
    if not found and not older_than:
        return Slice([_replay(function, live, None)])
    return Slice(found)


def _events(function: Function, older_than: str) -> Iterator[Event]:
    """The events that would reach the function, the newest first."""
    if not function.event.runs_commands:
        return
    rows = (
        Event.objects.filter(
            account_id=function.account_id,
            type=function.event_type,
            created_at__gte=timezone.now() - dt.timedelta(days=payloads.RECENT_DAYS),
        )
        .select_related("conversation")
        .defer("conversation__state")
    )
    last = rows.filter(pk=older_than).first() if older_than else None
    if older_than and last is None:
        return
    for _ in range(MOST_LOOKED_AT // _CHUNK):
        page = rows
        if last:
            same = Q(created_at=last.created_at, pk__lt=last.pk)
            page = rows.filter(Q(created_at__lt=last.created_at) | same)
        chunk = list(page.order_by("-created_at", "-pk")[:_CHUNK])
        for event in chunk:
            if not function.skills or dispatch.skill_of(event) in function.skills:
                yield event
        if len(chunk) < _CHUNK:
            return
        last = chunk[-1]


def _replay(function: Function, live: Deployment | None, event: Event | None) -> Replay:
    document = dispatch.input_of(event) if event else events.sample(function.event_type)
    old = None
    if live:
        old = _recorded(live, event) or _run(
            function, document, code=live.code, environment=live.environment
        )
    new = _run(function, document, code=function.code, environment=function.environment)
    return Replay(event, document, old, new)


def _recorded(live: Deployment, event: Event | None) -> Ran | None:
    """What the live version really gave, if it was the one that ran."""
    if event is None:
        return None
    run = (
        Invocation.objects.filter(event=event, deployment=live)
        .exclude(outcome__in=[InvocationState.RUNNING, InvocationState.UNKNOWN])
        .exclude(outcome=InvocationState.PLATFORM_FAILURE)
        .order_by("-attempt")
        .first()
    )
    if run is None:
        return None
    kept = run.failure
    failure = None
    if isinstance(kept, dict):
        failure = runtime.Failure(
            code=str(kept.get("code", "")),
            name=str(kept.get("name", "Error")),
            message=str(kept.get("message", "")),
            line=kept.get("line"),
            column=kept.get("column"),
        )
    result = runtime.Result(
        outcome=runtime.Outcome(run.outcome),
        value=run.result,
        failure=failure,
        duration_ms=run.duration_ms or 0.0,
    )
    return Ran(result, recorded=True)


def _run(function: Function, document: object, *, code: str, environment: dict[str, str]) -> Ran:
    platform = rehearsal.Platform(function.account_id, function.pk)
    program = rehearsal.program(
        function.account_id,
        function.pk,
        function.name,
        code=code,
        environment=environment,
        platform=platform,
    )
    result = runtime.run(program, document, timeout_s=RUN_S)
    # What goes round the toolbelt is refused by the sandbox itself.
    if result.failure and result.failure.name == "NotCapable":
        platform.marks.add(rehearsal.Mark.NETWORK)
    return Ran(result, tuple(sorted(platform.marks)))
