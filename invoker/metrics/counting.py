"""Counting what is stored: invocations and commands by function and minute or hour."""

import datetime as dt
import math
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, DateTimeField, F, Max, Q, Value
from django.db.models.functions import Floor, Greatest, Ln, TruncHour, TruncMinute

from invoker.metrics import histogram
from invoker.models import (
    WHOLE_ACCOUNT,
    Command,
    CommandType,
    Event,
    EventState,
    Invocation,
    InvocationState,
    MetricBucket,
)

BUDGET_MS = 1000
"""What the source promises to whoever waits in the conversation: an answer within a second."""
HOUR_S = 3600
AUTOMATIC = "automatic"
OTHER = "other"
COMMAND_KINDS = {
    CommandType.MESSAGE.value: "Message",
    AUTOMATIC: "Automatic message",
    CommandType.TRANSFER.value: "Transfer",
    CommandType.CLOSE.value: "Close",
    OTHER: "Not a command",
}
"""What commands are counted by: their type, automatic messages apart from those of functions."""


@dataclass(slots=True)
class Tally:
    """Counts that can be added up. The keys are those of `MetricBucket`."""

    outcomes: dict[str, int] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)
    durations: dict[str, int] = field(default_factory=dict)
    over_budget: int = 0
    open: int = 0
    last_at: dt.datetime | None = None
    last_outcome: str = ""

    @property
    def count(self) -> int:
        """Invocations that have ended."""
        return sum(self.outcomes.values()) - self.outcomes.get(InvocationState.RUNNING, 0)

    @property
    def failed(self) -> int:
        return self.count - self.outcomes.get(InvocationState.SUCCEEDED, 0)

    def add(self, other: "Tally") -> None:
        _add(self.outcomes, other.outcomes)
        _add(self.commands, other.commands)
        _add(self.durations, other.durations)
        self.over_budget += other.over_budget
        self.open += other.open
        self.ran(other.last_at, other.last_outcome)

    def ran(self, at: dt.datetime | None, outcome: str) -> None:
        """Take note of an invocation, if it is the latest."""
        if at is not None and (self.last_at is None or at >= self.last_at):
            self.last_at, self.last_outcome = at, outcome

    def commands_in(self, *states: str) -> int:
        """How many commands ended in one of these states."""
        return sum(count for key, count in self.commands.items() if key.partition(":")[2] in states)


def _add(into: dict[str, int], counts: dict[str, int]) -> None:
    if not into:
        into.update(counts)
        return
    known = into.get
    for key, count in counts.items():
        into[key] = known(key, 0) + count


@dataclass(frozen=True, slots=True)
class Key:
    """What one tally is of; `function_id` may be `WHOLE_ACCOUNT`."""

    account_id: str
    function_id: uuid.UUID
    starts_at: dt.datetime


Tallies = defaultdict[Key, Tally]


def floor(moment: dt.datetime, seconds: int) -> dt.datetime:
    """The last multiple of so many seconds since 1970 that is not after the moment."""
    return dt.datetime.fromtimestamp(moment.timestamp() // seconds * seconds, dt.UTC)


def count(
    account_ids: Sequence[str], start: dt.datetime, end: dt.datetime, seconds: int
) -> Tallies:
    """Count the stored rows from `start` to before `end`, in stretches of so many seconds.

    Invocations belong to when they started, commands to when their event came in.
    """
    tallies: Tallies = defaultdict(Tally)
    _count_invocations(tallies, account_ids, start, end, seconds)
    _count_commands(tallies, account_ids, start, end, seconds)
    return tallies


def count_open_events(
    tallies: Tallies,
    account_ids: Sequence[str],
    start: dt.datetime,
    end: dt.datetime,
    seconds: int,
) -> None:
    """Take note of events that are not done: commands may still come of them."""
    opened = (
        Event.objects.filter(account_id__in=account_ids, created_at__gte=start, created_at__lt=end)
        .exclude(state=EventState.DONE)
        .annotate(at=_trunc("created_at", seconds))
        .values_list("account_id", "at")
        .annotate(Count("pk"))
        .order_by()
    )
    for account_id, at, events in opened:
        tallies[Key(account_id, WHOLE_ACCOUNT, floor(at, seconds))].open += events


def _count_invocations(
    tallies: Tallies,
    account_ids: Sequence[str],
    start: dt.datetime,
    end: dt.datetime,
    seconds: int,
) -> None:
    shortest = Greatest(F("duration_ms"), Value(histogram.SHORTEST_MS))
    started = Invocation.objects.filter(
        account_id__in=account_ids, started_at__gte=start, started_at__lt=end
    ).annotate(
        at=_trunc("started_at", seconds),
        bin=Floor(Ln(shortest) / Value(math.log(histogram.GROWTH))),
    )
    counted = started.values_list("account_id", "function_id", "at", "outcome", "bin").annotate(
        runs=Count("pk"),
        over=Count("pk", filter=Q(duration_ms__gt=BUDGET_MS)),
        last_at=Max("started_at"),
    )
    for account_id, function_id, at, outcome, number, runs, over, last_at in counted.order_by():
        for each in (function_id, WHOLE_ACCOUNT):
            tally = tallies[Key(account_id, each, floor(at, seconds))]
            _add(tally.outcomes, {outcome: runs})
            if number is not None:
                _add(tally.durations, {str(int(number)): runs})
            tally.over_budget += over
            tally.open += runs if outcome == InvocationState.RUNNING else 0
            tally.ran(last_at, outcome)


def _count_commands(
    tallies: Tallies,
    account_ids: Sequence[str],
    start: dt.datetime,
    end: dt.datetime,
    seconds: int,
) -> None:
    counted = (
        Command.objects.filter(
            event__account_id__in=account_ids,
            event__created_at__gte=start,
            event__created_at__lt=end,
        )
        .annotate(at=_trunc("event__created_at", seconds))
        .values_list("event__account_id", "invocation__function_id", "at", "type", "state")
        .annotate(Count("pk"))
        .order_by()
    )
    for account_id, function_id, at, type_, state, commands in counted:
        asked = type_ if type_ in COMMAND_KINDS else OTHER
        kind = asked if function_id else AUTOMATIC
        for each in {function_id or WHOLE_ACCOUNT, WHOLE_ACCOUNT}:
            tally = tallies[Key(account_id, each, floor(at, seconds))]
            _add(tally.commands, {f"{kind}:{state}": commands})


def _trunc(name: str, seconds: int) -> TruncHour | TruncMinute:
    kind = TruncMinute if seconds % HOUR_S else TruncHour
    return kind(name, tzinfo=dt.UTC, output_field=DateTimeField())


# As rows ------------------------------------------------------------------------------------------

COUNTS = (
    "outcomes",
    "commands",
    "durations",
    "over_budget",
    "open",
    "last_at",
    "last_outcome",
)
"""The columns of a `Tally`, in its order."""
COLUMNS = ("account_id", "function_id", "starts_at", *COUNTS)
Row = tuple[
    str,
    uuid.UUID,
    dt.datetime,
    dict[str, int],
    dict[str, int],
    dict[str, int],
    int,
    int,
    dt.datetime | None,
    str,
]


def merge(rows: Iterable[Row], seconds: int) -> Tallies:
    """Add up rows of `COLUMNS` in longer stretches."""
    tallies: Tallies = defaultdict(Tally)
    for account_id, function_id, starts_at, *counts in rows:
        key = Key(account_id, function_id, floor(starts_at, seconds))
        tallies[key].add(Tally(*counts))  # type: ignore[arg-type]
    return tallies


def buckets(tallies: Tallies, seconds: int) -> list[MetricBucket]:
    return [
        MetricBucket(
            account_id=key.account_id,
            function_id=key.function_id,
            seconds=seconds,
            starts_at=key.starts_at,
            outcomes=tally.outcomes,
            commands=tally.commands,
            durations=tally.durations,
            over_budget=tally.over_budget,
            open=tally.open,
            last_at=tally.last_at,
            last_outcome=tally.last_outcome,
        )
        for key, tally in tallies.items()
    ]
