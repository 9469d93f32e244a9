"""How functions fare: counts, outcomes, durations and commands, of any time up to now.

Read from buckets that `roll_up` keeps, and the last minutes, which it has not counted yet, from
the rows themselves. So the numbers are those of this moment, and cost the same with a thousand
invocations as with a million.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils import timezone

from invoker.metrics import counting, histogram
from invoker.metrics.counting import AUTOMATIC, BUDGET_MS, COMMAND_KINDS, OTHER, Tally, floor
from invoker.metrics.rolling import (
    DAY_S,
    FIVE_MINUTES_S,
    HOUR_S,
    KEPT,
    MINUTE_S,
    count_again,
    roll_up,
)
from invoker.models import WHOLE_ACCOUNT, CommandState, MetricBucket, MetricLevel

__all__ = [
    "AUTOMATIC",
    "BUDGET_MS",
    "COMMAND_KINDS",
    "OTHER",
    "REACH",
    "Point",
    "Summary",
    "Tally",
    "by_function",
    "count_again",
    "of_account",
    "of_function",
    "roll_up",
    "series",
    "total",
]

REACH = KEPT[DAY_S]
"""How far back counts can be read without counting rows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How one function, or all of an account, fared for a while.

    `count` and what is derived from it are of invocations that have ended; the last one may still
    run. A duration is None where nothing has ended, and right within 5 % elsewhere.
    """

    count: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    over_budget: int
    last_at: dt.datetime | None
    last_outcome: str
    outcomes: Mapping[str, int]
    commands: Mapping[str, int]
    dropped: int
    stale: int

    @property
    def error_share(self) -> float:
        """Between 0 and 1."""
        return self.failed / self.count if self.count else 0.0

    @property
    def over_budget_share(self) -> float:
        """Between 0 and 1."""
        return self.over_budget / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """One stretch of a series."""

    starts_at: dt.datetime
    tally: Tally

    @property
    def summary(self) -> Summary:
        return _summary(self.tally)


def by_function(
    account_id: str, *, since: dt.datetime, until: dt.datetime | None = None
) -> dict[uuid.UUID, Summary]:
    """Every function of the account that ran since then.

    The beginning is moved back to the finest bucket that is kept of its time: to a full minute,
    to five of them when it is more than six hours ago, to a full hour when it is more than three
    days ago.
    """
    found: dict[uuid.UUID, Tally] = {}
    for function_id, tally in _read(account_id, since, until, DAY_S, key="function_id"):
        if function_id != WHOLE_ACCOUNT:
            found.setdefault(function_id, Tally()).add(tally)
    return {function_id: _summary(tally) for function_id, tally in found.items()}


def of_account(account_id: str, *, since: dt.datetime, until: dt.datetime | None = None) -> Summary:
    """All functions of the account since then; see `by_function` about the beginning."""
    return of_function(account_id, WHOLE_ACCOUNT, since=since, until=until)


def of_function(
    account_id: str,
    function_id: uuid.UUID,
    *,
    since: dt.datetime,
    until: dt.datetime | None = None,
) -> Summary:
    """One function since then; see `by_function` about the beginning."""
    total = Tally()
    for _, tally in _read(account_id, since, until, DAY_S, function_id, key="function_id"):
        total.add(tally)
    return _summary(total)


def series(
    account_id: str,
    *,
    since: dt.datetime,
    until: dt.datetime,
    step: dt.timedelta,
    function_id: uuid.UUID = WHOLE_ACCOUNT,
) -> list[Point]:
    """One point per step, also where nothing happened; the first one holds `since`."""
    seconds = int(step.total_seconds())
    begin = floor(since, seconds)
    tallies: dict[dt.datetime, Tally] = {}
    while begin < until:
        tallies[begin] = Tally()
        begin += step
    for starts_at, tally in _read(
        account_id, floor(since, seconds), until, seconds, function_id, key="starts_at"
    ):
        point = tallies.get(floor(starts_at, seconds))
        if point is not None:
            point.add(tally)
    return [Point(starts_at, tally) for starts_at, tally in tallies.items()]


def total(points: Iterable[Point]) -> Summary:
    """All of a series together."""
    whole = Tally()
    for point in points:
        whole.add(point.tally)
    return _summary(whole)


def _summary(tally: Tally) -> Summary:
    p50_ms, p95_ms, p99_ms = histogram.quantiles(tally.durations, 0.5, 0.95, 0.99)
    return Summary(
        count=tally.count,
        failed=tally.failed,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        over_budget=tally.over_budget,
        last_at=tally.last_at,
        last_outcome=tally.last_outcome,
        outcomes=tally.outcomes,
        commands=tally.commands,
        dropped=tally.commands_in(CommandState.DROPPED),
        stale=tally.commands_in(CommandState.STALE),
    )


# Reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Where to read a part of the time: buckets of so many seconds, 0 for the rows themselves."""

    seconds: int
    start: dt.datetime
    end: dt.datetime


def _read(
    account_id: str,
    since: dt.datetime,
    until: dt.datetime | None,
    longest_s: int,
    function_id: uuid.UUID | None = None,
    *,
    key: Literal["function_id", "starts_at"],
) -> list[tuple[Any, Tally]]:
    """Tallies by function or moment, of one function or of all and the whole account.

    There are thousands for a month, so no more is read of each than is asked for.
    """
    now = timezone.now()
    until = min(until or now, now)
    stretches = _stretches(_begin(since, now), until, now, longest_s)
    wanted = [
        MetricBucket.objects.filter(
            account_id=account_id,
            seconds=each.seconds,
            starts_at__gte=each.start,
            starts_at__lt=each.end,
            **({} if function_id is None else {"function_id": function_id}),
        ).values_list(key, *counting.COUNTS)
        for each in stretches
        if each.seconds
    ]
    found: list[tuple[Any, Tally]] = []
    if wanted:
        first, *others = wanted
        rows = first.union(*others, all=True) if others else first
        found = [(of, Tally(*counts)) for of, *counts in rows]
    for each in stretches:
        if not each.seconds:
            step = HOUR_S if longest_s % HOUR_S == 0 else MINUTE_S
            counted = counting.count([account_id], each.start, each.end, step)
            found += [
                (getattr(of, key), tally)
                for of, tally in counted.items()
                if function_id in (None, of.function_id)
            ]
    return found


def _begin(since: dt.datetime, now: dt.datetime) -> dt.datetime:
    """The beginning of the shortest bucket that is kept of this time."""
    age = now - since
    for seconds in (MINUTE_S, FIVE_MINUTES_S):
        if age < KEPT[seconds]:
            return floor(since, seconds)
    return floor(since, HOUR_S)


def _stretches(
    since: dt.datetime, until: dt.datetime, now: dt.datetime, longest_s: int
) -> list[_Stretch]:
    """Cover the time with buckets as long as possible, and the rest with rows."""
    levels = MetricLevel.objects.in_bulk()
    usable = [
        _Usable(seconds, max(level.rolled_from, now - KEPT[seconds]), level.rolled_to)
        for seconds, level in sorted(levels.items(), reverse=True)
        if seconds <= longest_s
    ]
    if levels:
        # Nothing had ever happened before the first bucket.
        since = max(since, min(level.rolled_from for level in levels.values()))
    found: list[_Stretch] = []
    position = since
    while position < until:
        fitting = (each for each in usable if each.next_at(position, until) == position)
        level = next(fitting, None)
        if level:
            seconds, end = level.seconds, position + level.length
        else:
            later = [each.next_at(position, until) for each in usable]
            seconds, end = 0, min([each for each in later if each], default=until)
        if found and found[-1].seconds == seconds:
            found[-1] = _Stretch(seconds, found[-1].start, end)
        else:
            found.append(_Stretch(seconds, position, end))
        position = end
    return found


@dataclass(frozen=True, slots=True)
class _Usable:
    """Buckets of one length, and from when to when all of them are there."""

    seconds: int
    start: dt.datetime
    end: dt.datetime

    @property
    def length(self) -> dt.timedelta:
        return dt.timedelta(seconds=self.seconds)

    def next_at(self, position: dt.datetime, until: dt.datetime) -> dt.datetime | None:
        """The beginning of the first bucket from here on that ends in time. None: there is none."""
        first = max(position, self.start)
        begin = floor(first, self.seconds)
        if begin < first:
            begin += self.length
        return begin if begin + self.length <= min(self.end, until) else None
