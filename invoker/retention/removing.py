"""Removing what is older than its account keeps it: a few hundred rows in each transaction.

Nothing that is unfinished goes, nor what an open dead letter is about. The state of conversations,
versions of functions, rolled-up metrics and the audit log stay.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet, Sum
from django.utils import timezone

from invoker import telemetry
from invoker.models import (
    ControllerBot,
    DeadLetter,
    Event,
    EventState,
    Invocation,
    InvocationState,
    LogLine,
    Notification,
    NotificationState,
    Removal,
    Retention,
    RunState,
    Schedule,
    ScheduleRun,
)
from invoker.retention.periods import periods

logger = logging.getLogger(__name__)

AT_ONCE = 300
# So many notifications that somebody has to decide about may stand before those that may go.
LOOKED_THROUGH = 5000
BUSY_S = 10.0
# Between two batches, so that with one writer at a time others get their turn.
PAUSE_S = 0.05
SHOWN = dt.timedelta(days=7)


def remove(*, busy_s: float = BUSY_S) -> int:
    """Remove what is over its time in all accounts. Stops after a while; the next call goes on.

    Returns:
        How many rows went, those not counted that went along with them.
    """
    ends_at = time.monotonic() + busy_s
    kept = {row.pk: row for row in Retention.objects.all()}
    removed = 0
    for account_id in ControllerBot.objects.order_by("?").values_list("pk", flat=True):
        row = kept.get(account_id) or Retention(account_id=account_id)
        for kind, batch in batches(account_id, row, timezone.now()):
            while count := batch():
                removed += count
                _count(kind, count)
                if time.monotonic() > ends_at:
                    return removed
                time.sleep(PAUSE_S)
    return removed


def batches(
    account_id: str, row: Retention, now: dt.datetime
) -> Iterator[tuple[str, Callable[[], int]]]:
    """What there is to remove in an account: its kind, and what removes one batch of it."""
    days = periods(row)
    if days.logs_days:
        lines = old_lines(account_id, now - dt.timedelta(days=days.logs_days))
        yield "log_lines", lambda: _delete(lines)
    if days.bodies_days:
        before = now - dt.timedelta(days=days.bodies_days)
        yield "bodies", lambda: _empty_bodies(account_id, before)
    if days.events_days:
        before = now - dt.timedelta(days=days.events_days)
        for kind, rows in (
            ("events", old_events(account_id, before)),
            ("schedule_runs", old_schedule_runs(account_id, before)),
            ("invocations", old_invocations(account_id, before)),
        ):
            yield kind, partial(_delete, rows)
        yield "notifications", lambda: _delete(old_notifications(account_id, before))


def old_lines(account_id: str, before: dt.datetime) -> QuerySet[LogLine]:
    return LogLine.objects.filter(account_id=account_id, logged_at__lt=before).order_by(
        "logged_at", "pk"
    )


def old_events(account_id: str, before: dt.datetime) -> QuerySet[Event]:
    """With them go their invocations, commands, log lines and closed dead letters."""
    open_ones = DeadLetter.objects.filter(closed_at=None)
    found = Event.objects.filter(
        ~Exists(open_ones.filter(event=OuterRef("pk"))),
        ~Exists(open_ones.filter(command__event=OuterRef("pk"))),
        account_id=account_id,
        created_at__lt=before,
        state=EventState.DONE,
    )
    return found.order_by("created_at", "pk")


def old_schedule_runs(account_id: str, before: dt.datetime) -> QuerySet[ScheduleRun]:
    mine = Schedule.objects.filter(account_id=account_id).values_list("pk", flat=True)
    found = ScheduleRun.objects.filter(schedule__in=list(mine), due_at__lt=before)
    return found.exclude(state=RunState.RUNNING).order_by("due_at", "pk")


def old_invocations(account_id: str, before: dt.datetime) -> QuerySet[Invocation]:
    """Those that no event led to."""
    found = Invocation.objects.filter(account_id=account_id, started_at__lt=before, event=None)
    return found.exclude(outcome=InvocationState.RUNNING).order_by("started_at", "pk")


def old_notifications(account_id: str, before: dt.datetime) -> QuerySet[Notification]:
    """Those whose events are gone. A platform has stopped sending them again long ago."""
    open_ones = DeadLetter.objects.filter(closed_at=None)
    old = _first(account_id, 0, before, LOOKED_THROUGH)
    found = Notification.objects.filter(
        ~Exists(Event.objects.filter(notification=OuterRef("pk"))),
        ~Exists(open_ones.filter(notification=OuterRef("pk"))),
        account_id=account_id,
        pk__lte=old[-1] if old else 0,
    )
    return found.exclude(state=NotificationState.PENDING).order_by("pk")


def _first(account_id: str, after: int, before: dt.datetime, most: int) -> list[int]:
    """The next notifications by their order that came before then.

    They come in that order, and no index knows their time: whoever asked for the time alone would
    look through all of them for nothing.
    """
    rows = Notification.objects.filter(account_id=account_id, pk__gt=after).order_by("pk")
    found = rows.values_list("pk", "received_at")[:most]
    return [pk for pk, _ in takewhile(lambda row: row[1] < before, found)]


def _delete(rows: QuerySet[Any]) -> int:
    pks = list(rows.values_list("pk", flat=True)[:AT_ONCE])
    if pks:
        with transaction.atomic():
            # With its conditions again: a person may have had one tried again meanwhile.
            rows.filter(pk__in=pks).only("pk").delete()
    return len(pks)


def _empty_bodies(account_id: str, before: dt.datetime) -> int:
    """Empty bodies of what was read; those that failed keep theirs, to be tried again with.

    Goes on behind the last one it saw, as nothing else tells where bodies begin.
    """
    seen = Retention.objects.filter(pk=account_id).values_list("bodies_until", flat=True).first()
    pks = _first(account_id, seen or 0, before, AT_ONCE)
    if not pks:
        return 0
    with transaction.atomic():
        Notification.objects.filter(pk__in=pks, state=NotificationState.DONE).update(body=b"")
        Retention.objects.update_or_create(pk=account_id, defaults={"bodies_until": pks[-1]})
    return len(pks)


def _count(kind: str, rows: int) -> None:
    telemetry.removed(kind, rows)
    row, _ = Removal.objects.get_or_create(day=timezone.now().date(), kind=kind)
    Removal.objects.filter(pk=row.pk).update(rows=F("rows") + rows)


def recently() -> list[tuple[str, int, dt.date]]:
    """Kind, rows and last day of what was removed lately, the most first."""
    since = timezone.now().date() - SHOWN
    found = Removal.objects.filter(day__gt=since).values("kind")
    told = found.annotate(total=Sum("rows"), last=Max("day")).order_by("-total")
    return [(row["kind"].replace("_", " "), row["total"], row["last"]) for row in told]
