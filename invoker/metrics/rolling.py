"""Keeping the buckets: counted once, counted again while something in them can still change.

Nothing of this happens while an event is handled. Every minute `roll_up` counts the minutes that
have passed since, and adds them up to longer stretches. A minute is counted whole and replaced
whole, so it does not matter how often that is done or where it was interrupted; after a time in
which nobody did it, it goes on where it stopped.
"""

import datetime as dt
import logging
import time
from collections.abc import Collection, Iterator

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from invoker.metrics import counting
from invoker.metrics.counting import Tallies, floor
from invoker.models import (
    WHOLE_ACCOUNT,
    ControllerBot,
    Event,
    Invocation,
    MetricBucket,
    MetricLevel,
)

logger = logging.getLogger(__name__)

MINUTE_S, FIVE_MINUTES_S, HOUR_S, SIX_HOURS_S, DAY_S = 60, 300, 3600, 21_600, 86_400
KEPT = {
    MINUTE_S: dt.timedelta(hours=6),
    FIVE_MINUTES_S: dt.timedelta(days=3),
    HOUR_S: dt.timedelta(days=400),
    SIX_HOURS_S: dt.timedelta(days=400),
    DAY_S: dt.timedelta(days=400),
}
"""How long buckets of so many seconds are kept."""
FINER = {
    FIVE_MINUTES_S: MINUTE_S,
    HOUR_S: FIVE_MINUTES_S,
    SIX_HOURS_S: HOUR_S,
    DAY_S: SIX_HOURS_S,
}
AT_ONCE = {
    MINUTE_S: dt.timedelta(hours=1),
    FIVE_MINUTES_S: dt.timedelta(hours=6),
    HOUR_S: dt.timedelta(days=1),
    SIX_HOURS_S: dt.timedelta(days=7),
    DAY_S: dt.timedelta(days=30),
}
"""How much is counted in one go, where much is to be made up for."""
# Rows whose moment lies before this are all there: a transaction takes no longer to commit.
SETTLED_AFTER = dt.timedelta(minutes=1)
# What still runs after so long will not end.
GIVEN_UP_AFTER = KEPT[FIVE_MINUTES_S]
LEASE = dt.timedelta(minutes=5)
BUSY_S = 40.0
ACCOUNTS_AT_ONCE = 100
ROWS_AT_ONCE = 500
REOPENED_AT_ONCE = 200


def roll_up(*, busy_s: float = BUSY_S) -> int:
    """Count what has settled since the last time, and what was open then.

    Stops after `busy_s` seconds; the next call goes on.

    Returns:
        How many buckets were written. 0 when another worker is at it.
    """
    account_ids = list(ControllerBot.objects.order_by("pk").values_list("pk", flat=True))
    levels = _levels(account_ids)
    if not levels or not MetricLevel.claim(MINUTE_S, LEASE):
        return 0
    try:
        return _Roller(account_ids, levels, time.monotonic() + busy_s).roll()
    finally:
        MetricLevel.release(MINUTE_S)


def count_again(account_id: str, moments: Collection[dt.datetime]) -> None:
    """Have the stretches of these moments counted again: what is in them changes once more.

    Only as far back as single events are counted, see `GIVEN_UP_AFTER`; what is older stays.
    """
    for seconds in (MINUTE_S, FIVE_MINUTES_S):
        starts = {floor(each, seconds) for each in moments}
        same = MetricBucket.objects.filter(
            account_id=account_id, function_id=WHOLE_ACCOUNT, seconds=seconds, starts_at__in=starts
        )
        same.update(open=F("open") + 1)


def _levels(account_ids: list[str]) -> dict[int, MetricLevel]:
    """How far each level is, from the first thing that ever happened. Empty where nothing has."""
    levels = MetricLevel.objects.in_bulk()
    if len(levels) == len(KEPT):
        return levels
    firsts = [moment for each in account_ids for moment in _first(each)]
    firsts += [level.rolled_from for level in levels.values()]
    if not firsts:
        return {}
    for seconds in KEPT:
        begin = floor(min(firsts), DAY_S)
        MetricLevel.objects.get_or_create(
            pk=seconds, defaults={"rolled_from": begin, "rolled_to": begin}
        )
    return MetricLevel.objects.in_bulk()


def _first(account_id: str) -> Iterator[dt.datetime]:
    ran = Invocation.objects.filter(account_id=account_id).order_by("started_at")
    came = Event.objects.filter(account_id=account_id).order_by("created_at")
    yield from ran.values_list("started_at", flat=True)[:1]
    yield from came.values_list("created_at", flat=True)[:1]


class _Roller:
    """One call of `roll_up`."""

    def __init__(self, account_ids: list[str], levels: dict[int, MetricLevel], ends: float) -> None:
        self.account_ids = account_ids
        self.levels = levels
        self.ends = ends
        self.now = timezone.now()
        self.written = 0

    def roll(self) -> int:
        for seconds in KEPT:
            self._roll_level(seconds)
        self._count_again()
        for seconds, kept in KEPT.items():
            old = MetricBucket.objects.filter(seconds=seconds, starts_at__lt=self.now - kept)
            old.delete()
        return self.written

    def _roll_level(self, seconds: int) -> None:
        level = self.levels[seconds]
        oldest = floor(self.now - KEPT[seconds], seconds)
        finer = FINER.get(seconds)
        settled = self.levels[finer].rolled_to if finer else self.now - SETTLED_AFTER
        until = floor(settled, seconds)
        if level.rolled_to < oldest:
            level.rolled_from = level.rolled_to = oldest
        while level.rolled_to < until and time.monotonic() < self.ends:
            start, end = level.rolled_to, min(until, level.rolled_to + AT_ONCE[seconds])
            tallies = self._tallies(self.account_ids, seconds, start, end)
            level.rolled_to = end
            with transaction.atomic():
                self._replace(tallies, self.account_ids, seconds, start, end)
                MetricLevel.objects.filter(pk=seconds).update(
                    rolled_from=level.rolled_from, rolled_to=end
                )
                MetricLevel.objects.filter(pk=MINUTE_S).update(lease_until=timezone.now() + LEASE)

    def _count_again(self) -> None:
        """Count the stretches again in which something was open."""
        opened = MetricBucket.objects.filter(
            open__gt=0, function_id=WHOLE_ACCOUNT, starts_at__gte=self.now - GIVEN_UP_AFTER
        )
        # In no order, so that those which stay open do not keep others from their turn.
        rows = opened.order_by("?").values_list("account_id", "seconds", "starts_at")
        for account_id, seconds, start in rows[:REOPENED_AT_ONCE]:
            if time.monotonic() > self.ends:
                return
            end = start + dt.timedelta(seconds=seconds)
            finer = FINER.get(seconds)
            if finer is None or not self._covers(finer, start, end):
                self._recount(account_id, start, end)

    def _recount(self, account_id: str, start: dt.datetime, end: dt.datetime) -> None:
        """Count from `start` to before `end` again, and what lies around it in longer stretches."""
        for seconds in KEPT:
            begin = floor(start, seconds)
            close = max(end, begin + dt.timedelta(seconds=seconds))
            if self._covers(seconds, begin, close):
                tallies = self._tallies([account_id], seconds, begin, close)
                with transaction.atomic():
                    self._replace(tallies, [account_id], seconds, begin, close)

    def _covers(self, seconds: int, start: dt.datetime, end: dt.datetime) -> bool:
        level = self.levels[seconds]
        begin = max(level.rolled_from, self.now - KEPT[seconds])
        return begin <= start and end <= level.rolled_to

    def _tallies(
        self, account_ids: list[str], seconds: int, start: dt.datetime, end: dt.datetime
    ) -> Tallies:
        """Counts of buckets of this length: from shorter ones where there are, else from rows."""
        finer = FINER.get(seconds)
        tallies = counting.merge((), seconds)
        for begin in range(0, len(account_ids), ACCOUNTS_AT_ONCE):
            some = account_ids[begin : begin + ACCOUNTS_AT_ONCE]
            if finer is not None and self._covers(finer, start, end):
                rows = MetricBucket.objects.filter(
                    account_id__in=some, seconds=finer, starts_at__gte=start, starts_at__lt=end
                ).values_list(*counting.COLUMNS)
                tallies.update(counting.merge(rows.iterator(), seconds))
            else:
                counted = counting.count(some, start, end, seconds)
                counting.count_open_events(counted, some, start, end, seconds)
                tallies.update(counted)
        return tallies

    def _replace(
        self,
        tallies: Tallies,
        account_ids: list[str],
        seconds: int,
        start: dt.datetime,
        end: dt.datetime,
    ) -> None:
        old = MetricBucket.objects.filter(seconds=seconds, starts_at__gte=start, starts_at__lt=end)
        if len(account_ids) == 1:
            old = old.filter(account_id=account_ids[0])
        old.delete()
        rows = counting.buckets(tallies, seconds)
        MetricBucket.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
        self.written += len(rows)
