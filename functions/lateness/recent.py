"""The latest events of each function: how long it took, and what came too late of them.

Counted are those that the deployed version handled: what another one did says nothing about it.
Simulated conversations count like any other.
"""

import datetime as dt
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from statistics import median

from django.db.models import (
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    TextField,
    prefetch_related_objects,
)
from django.db.models.functions import Cast

from functions.lateness.ways import Part, Way, way_to
from functions.models import Function
from invoker.metrics import BUDGET_MS
from invoker.models import Command, CommandState, Deployment, Event, Invocation, Verdict

LOOKED_AT = 100
"""Events of each function, more only where several came at the very same time."""
OFTEN = 0.05
"""Share of them from which on something is no chance any more."""
NOT_FOR_TIME = ("connection-off", "over")
"""Reasons that a quicker function would not have changed."""
# The worst of an event's commands makes its verdict, so one that was too late is behind these.
MAY_BE_LATE = frozenset(
    {Verdict.STALE, Verdict.FAILED, Verdict.NOWHERE, Verdict.UNCERTAIN, Verdict.NONE}
)


@dataclass(frozen=True, slots=True)
class Late:
    """A command that was not sent. `late_ms` is None where nobody knows since when it was late."""

    type: str
    reason: str
    late_ms: int | None
    way: Way


@dataclass(frozen=True, slots=True)
class Handled:
    """One event. `took_ms` is what the function had for it, all attempts together."""

    event_id: uuid.UUID
    at: dt.datetime
    took_ms: float
    late: tuple[Late, ...] = ()

    @property
    def slow(self) -> bool:
        return self.took_ms > BUDGET_MS

    @property
    def late_ms(self) -> int | None:
        return max((each.late_ms for each in self.late if each.late_ms is not None), default=None)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How one function, in its deployed version, fared with `count` events.

    `notable` are those that were slow or of which something came too late, the latest first.
    Durations are in milliseconds, and None where there is nothing that has one.
    """

    version: int
    count: int
    p95_ms: float | None
    worst_ms: float | None
    notable: tuple[Handled, ...]

    @property
    def slow(self) -> list[float]:
        """How long it took where it was slow."""
        return [each.took_ms for each in self.notable if each.slow]

    @property
    def slow_ms(self) -> float | None:
        """What is usual of the slow ones."""
        return median(self.slow) if self.slow else None

    @property
    def late(self) -> list[Late]:
        return [late for each in self.notable for late in each.late]

    @property
    def late_ms(self) -> float | None:
        """What is usual of what came too late."""
        known = self._known_ms
        return median(known) if known else None

    @property
    def worst_late_ms(self) -> int | None:
        return max(self._known_ms, default=None)

    @property
    def _known_ms(self) -> list[int]:
        return [each.late_ms for each in self.late if each.late_ms is not None]

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why something was too late, the most frequent first."""
        return Counter(each.reason for each in self.late).most_common()

    @property
    def parts(self) -> Counter[Part]:
        """What took most of the time of what came too late, and how often."""
        return Counter(each.way.longest for each in self.late)

    @property
    def often_late(self) -> bool:
        events = sum(bool(each.late) for each in self.notable)
        return events > 1 and events >= OFTEN * self.count

    @property
    def level(self) -> str:
        """How serious it is: bad, warn or ok, "" where nothing is measured yet."""
        if not self.count:
            return ""
        if self.often_late:
            return "bad"
        return "warn" if self.late or len(self.slow) > OFTEN * self.count else "ok"


def of_function(function: Function) -> Lateness | None:
    """None for what `of_functions` leaves out."""
    return of_functions([function]).get(function.pk)


def of_functions(functions: Iterable[Function]) -> dict[uuid.UUID, Lateness]:
    """Those that are deployed for events with commands, by as many queries as for one alone.

    Reads the deployments, so load them along.
    """
    deployed = {
        each.pk: each.deployment
        for each in functions
        if each.deployment and each.event.runs_commands
    }
    if not deployed:
        return {}
    took, suspects = _runs(deployed)
    wanted = {
        uuid.UUID(event_id): event_id
        for events in took.values()
        for event_id, ms in events.items()
        if ms > BUDGET_MS or event_id in suspects
    }
    seen = {wanted[event.pk]: event for event in _look_at(wanted)}
    return {
        function_id: _lateness(deployment.version, took.get(function_id, {}), seen)
        for function_id, deployment in deployed.items()
    }


def _lateness(version: int, took: dict[str, float], seen: dict[str, Event]) -> Lateness:
    notable = [
        Handled(event.pk, event.created_at, ms, tuple(_late_of(event)))
        for event_id, ms in took.items()
        if (event := seen.get(event_id))
    ]
    notable.sort(key=lambda each: (each.at, each.event_id), reverse=True)
    all_ms = sorted(took.values())
    return Lateness(
        version,
        count=len(all_ms),
        p95_ms=all_ms[math.ceil(0.95 * len(all_ms)) - 1] if all_ms else None,
        worst_ms=all_ms[-1] if all_ms else None,
        notable=tuple(each for each in notable if each.slow or each.late),
    )


def _runs(
    deployed: dict[uuid.UUID, Deployment],
) -> tuple[dict[uuid.UUID, dict[str, float]], set[str]]:
    """How long each function had for each of its latest events, and what to look at closer."""
    # One look into one index for each event. A join, or a condition on the deployment, a database
    # may take for a reason to read all runs there are.
    runs = Invocation.objects.filter(event_id=OuterRef("pk")).order_by().values("event_id")
    its_own = Q(deployment_id__in=[each.pk for each in deployed.values()])
    # Ids as text: to make UUIDs of thousands of them takes longer than to find them.
    rows = Event.objects.filter(_latest(list(deployed))).values_list(
        Cast("function_id", TextField()),
        Cast("pk", TextField()),
        "verdict",
        Subquery(runs.values(ms=Sum("duration_ms", filter=its_own))),
    )
    took: dict[str, dict[str, float]] = defaultdict(dict)
    suspects = set()
    for function_id, event_id, verdict, duration_ms in rows:
        if duration_ms is not None:
            took[function_id][event_id] = duration_ms
            if verdict in MAY_BE_LATE:
                suspects.add(event_id)
    return {uuid.UUID(each): events for each, events in took.items()}, suspects


def _latest(function_ids: list[uuid.UUID]) -> Q:
    """The latest events of each, so that a database goes through no more of its index."""
    events = Event.objects.filter(function_id=OuterRef("pk")).order_by("-created_at", "-pk")
    begins = Function.objects.filter(pk__in=function_ids).values_list(
        "pk", Subquery(events.values("created_at")[LOOKED_AT - 1 : LOOKED_AT])
    )
    ranges = [
        Q(function_id=function_id, created_at__gte=begin) if begin else Q(function_id=function_id)
        for function_id, begin in begins
    ]
    return reduce(or_, ranges, Q(pk__in=[]))


def _look_at(event_ids: Collection[uuid.UUID]) -> list[Event]:
    """The events, with the commands and runs of those of which something may have come too late."""
    if not event_ids:
        return []
    events = list(
        Event.objects.filter(pk__in=list(event_ids))
        .select_related("conversation__connection")
        .only(
            "created_at",
            "occurred_at",
            "received_at",
            "finished_at",
            "retried_at",
            "notification_id",
            "verdict",
            "conversation__connection__platform",
        )
    )
    prefetch_related_objects(
        [each for each in events if each.verdict in MAY_BE_LATE],
        Prefetch("commands", Command.objects.defer("fields", "detail")),
        Prefetch("invocations", Invocation.objects.defer("result", "failure")),
    )
    return events


def _late_of(event: Event) -> Iterator[Late]:
    if event.verdict not in MAY_BE_LATE:
        return
    runs, commands = list(event.invocations.all()), list(event.commands.all())
    for each in commands:
        if counts(each, event):
            yield Late(each.type, each.reason, each.late_ms, way_to(each, event, runs, commands))


def counts(command: Command, event: Event) -> bool:
    """Whether it came too late by itself, and not because a person had it tried again later."""
    return (
        command.state == CommandState.STALE
        and command.reason not in NOT_FOR_TIME
        and command.redelivered_at is None
        and event.retried_at is None
    )
