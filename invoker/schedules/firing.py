"""Running what is due: each due time once, whoever knocks and however often.

A schedule is taken by moving its `next_at` on, in the transaction that writes the run down; the
function runs after that. So nobody else can have the run, and a worker that dies with it leaves a
row that others find and mark as interrupted. It is never run again: nobody can tell how far it
came.

What must not run now, because the account has all its lanes taken or this process all its places,
stays due. Whatever comes late, for that reason or because nothing ran at all, is run if it is not
older than `GRACE`, and of several due times of a schedule only the latest; the others are written
down as missed.
"""

import datetime as dt
import logging
import threading
import time
import uuid
from itertools import islice
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from invoker import calls, invocations, runtime, telemetry
from invoker.fields import storable
from invoker.models import (
    Deployment,
    Invocation,
    InvocationState,
    RunState,
    Schedule,
    ScheduleRun,
)
from invoker.places import places
from invoker.schedules import cron
from invoker.schedules.changes import is_deployed

logger = logging.getLogger(__name__)

GRACE: Final = dt.timedelta(minutes=5)
LANES: Final = 2
"""Runs that one account may have at once, in all workers together."""
MOST_COUNTED: Final = 1000
MOST_EXPLAINED: Final = 1000
# A worker that is to end waits for its tasks, so none goes on for long; the next knock comes soon.
NO_MORE_AFTER_S: Final = 3.0
SLACK: Final = dt.timedelta(seconds=15)
INTERRUPTED: Final = (
    "The worker ended while the function ran: what it had done until then stays done, and it is "
    "not run again"
)
BROKEN: Final = "Houston failed while the function ran, its log says why; it is not run again"


def fire() -> int:
    """Run what is due now, one after the other; those who waited longest for a turn come first.

    Call it as often as you like, from any number of processes and threads.

    Returns:
        How many functions ran.
    """
    if not _places.take():
        return 0
    try:
        stop_at = time.monotonic() + NO_MORE_AFTER_S
        _end_interrupted()
        ran = 0
        while time.monotonic() < stop_at and (run := _begin_next()):
            _run(run)
            ran += 1
        return ran
    finally:
        _places.give_back()


class _Places:
    """How many schedules run at once in this process: half of its threads stay free for events."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self) -> bool:
        with self._lock:
            if self._taken >= max(1, settings.WORKER_THREADS // 2):
                return False
            self._taken += 1
        return True

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1


_places = _Places()


# Taking -------------------------------------------------------------------------------------------


def _begin_next() -> ScheduleRun | None:
    """Take the next run that may begin. None when there is none.

    The account whose last run began longest ago has the first turn, however much another one has
    due; in an account it is what is due longest.
    """
    now = timezone.now()
    due = Schedule.objects.filter(next_at__lte=now)
    latest = Schedule.objects.filter(account_id=OuterRef("account_id"), last_at__isnull=False)
    accounts = (
        due.values("account_id")
        .annotate(
            first=Min("next_at"),
            served=Subquery(
                latest.order_by().values("account_id").annotate(at=Max("last_at")).values("at")
            ),
        )
        .order_by(F("served").asc(nulls_first=True), "first")
        .values_list("account_id", flat=True)
    )
    for account_id in list(accounts):
        going_on = _going_on(account_id)
        lane = next((one for one in range(1, LANES + 1) if one not in going_on.values()), None)
        waiting = due.filter(account_id=account_id).exclude(pk__in=going_on)
        if lane is None:
            # What is not deployed needs none to be passed over.
            waiting = waiting.filter(~is_deployed())
        for schedule in waiting.order_by("next_at"):
            if run := _begin(schedule, lane, now):
                return run
    return None


def _going_on(account_id: str) -> dict[uuid.UUID, int | None]:
    """The lanes of an account that are taken, by the schedule that has them."""
    running = ScheduleRun.objects.filter(account_id=account_id, state=RunState.RUNNING)
    return dict(running.values_list("schedule_id", "lane"))


def _begin(schedule: Schedule, lane: int | None, now: dt.datetime) -> ScheduleRun | None:
    """Take a due schedule. None when it is not run: it must wait, is missed, or another has it."""
    deployment = (
        Deployment.objects.filter(
            account_id=schedule.account_id, function_id=schedule.function_id, active=True
        )
        .order_by("pk")
        .first()
    )
    if deployment and lane is None:
        return None
    assert schedule.next_at is not None
    zone = cron.zone(schedule.time_zone)
    following = cron.following(schedule.cron_expression, zone, now)
    late = list(_late(schedule, now)) if deployment else []
    due_at = late.pop() if late and late[-1] > now - GRACE else None
    try:
        with transaction.atomic():
            # With its version: `following` comes from the times that were read.
            mine = Schedule.objects.filter(
                pk=schedule.pk, version=schedule.version, next_at=schedule.next_at
            )
            if not mine.update(next_at=following):
                return None
            if late:
                _record_missed(schedule, late)
            # One with a clock that is behind may have reckoned the same due time once more.
            if deployment is None or due_at is None or _has_run(schedule, due_at):
                return None
            return _write_down(schedule, deployment, due_at, lane)
    except IntegrityError:
        # Another worker has just taken the lane, so the schedule is still due.
        return None


def _late(schedule: Schedule, now: dt.datetime) -> list[dt.datetime]:
    """The due times that have come, the latest last. Of very many the first and the latest."""
    assert schedule.next_at is not None
    zone, moment = cron.zone(schedule.time_zone), dt.timedelta(seconds=1)

    def since(start: dt.datetime) -> list[dt.datetime]:
        found = []
        for each in islice(
            cron.times(schedule.cron_expression, zone, start - moment), MOST_COUNTED
        ):
            if each > now:
                break
            found.append(each)
        return found

    all_of_them = since(schedule.next_at)
    if len(all_of_them) < MOST_COUNTED:
        return all_of_them
    return all_of_them + [each for each in since(now - GRACE) if each > all_of_them[-1]]


def _record_missed(schedule: Schedule, due: list[dt.datetime]) -> None:
    """Write down what is not made up for, as one row at the first due time."""
    now = timezone.now()
    count = f"more than {MOST_COUNTED:,}" if len(due) >= MOST_COUNTED else f"{len(due):,}"
    many = (
        f"{count} due times until {due[-1]:%Y-%m-%d %H:%M} UTC were" if len(due) > 1 else "It was"
    )
    missed = ScheduleRun(
        account_id=schedule.account_id,
        schedule=schedule,
        due_at=due[0],
        state=RunState.MISSED,
        failure=f"{many} not run: no worker was free in time, and late runs are not made up for",
        started_at=now,
        finished_at=now,
    )
    ScheduleRun.objects.bulk_create([missed], ignore_conflicts=True)
    logger.warning(
        "schedule missed due times",
        extra={"account_id": schedule.account_id, "schedule_id": schedule.pk, "missed": len(due)},
    )


def _has_run(schedule: Schedule, due_at: dt.datetime) -> bool:
    return ScheduleRun.objects.filter(schedule=schedule, due_at=due_at).exists()


def _write_down(
    schedule: Schedule, deployment: Deployment, due_at: dt.datetime, lane: int | None
) -> ScheduleRun:
    now = timezone.now()
    invocation = Invocation.objects.create(
        account_id=schedule.account_id,
        deployment=deployment,
        function_id=deployment.function_id,
        started_at=now,
    )
    Schedule.objects.filter(pk=schedule.pk).update(
        last_at=now, last_state=RunState.RUNNING, last_failure=""
    )
    return ScheduleRun.objects.create(
        account_id=schedule.account_id,
        schedule=schedule,
        due_at=due_at,
        invocation=invocation,
        lane=lane,
        lease_until=now + _lease(),
        started_at=now,
    )


def _lease() -> dt.timedelta:
    """Longer than any run can take, with the wait for a sandbox."""
    return dt.timedelta(seconds=settings.INVOCATION_TIMEOUT_S + settings.SANDBOX_WAIT_S) + SLACK


# Running ------------------------------------------------------------------------------------------


def _run(run: ScheduleRun) -> None:
    invocation = run.invocation
    assert invocation is not None
    ids = {"account_id": run.account_id, "invocation_id": invocation.pk}
    with telemetry.step("invoke", parent="", schedule_id=run.schedule_id, **ids):
        _run_as(run, invocation)


def _run_as(run: ScheduleRun, invocation: Invocation) -> None:
    try:
        program = calls.program(invocation.deployment)
        with places.aside():
            result = runtime.run(
                program,
                {
                    "timestamp": int(run.due_at.timestamp() * 1000),
                    "headers": run.schedule.headers,
                    "payload": run.schedule.payload,
                },
                timeout_s=settings.INVOCATION_TIMEOUT_S,
                trace_id=str(invocation.pk),
            )
        with transaction.atomic():
            invocations.record(invocation, result)
            failed = result.outcome != runtime.Outcome.SUCCEEDED
            _end(run, RunState.FAILED if failed else RunState.SUCCEEDED, _explain(result))
    except BaseException:
        _interrupt(run, BROKEN)
        raise
    logger.info(
        "schedule ran",
        extra={
            "account_id": run.account_id,
            "schedule_id": run.schedule_id,
            "invocation_id": invocation.pk,
            "outcome": result.outcome.value,
            "ms": round(result.duration_ms, 1),
        },
    )


def _explain(result: runtime.Result) -> str:
    if result.failure is None:
        return ""
    label = InvocationState(result.outcome.value).label
    line = f" in line {result.failure.line}" if result.failure.line else ""
    return storable(f"{label}: {result.failure.message[:MOST_EXPLAINED]}{line}")


def _end_interrupted() -> None:
    """Find the runs whose worker must have died, and say so."""
    now = timezone.now()
    # A clock that was ahead and has been put right would hold them for as long as that.
    over = Q(lease_until__lt=now) | Q(lease_until__gt=now + 2 * _lease())
    held: QuerySet[ScheduleRun] = ScheduleRun.objects.filter(over, state=RunState.RUNNING)
    for run in held:
        logger.warning(
            "schedule interrupted",
            extra={"account_id": run.account_id, "schedule_id": run.schedule_id},
        )
        _interrupt(run, INTERRUPTED)


def _interrupt(run: ScheduleRun, why: str) -> None:
    with transaction.atomic():
        if _end(run, RunState.INTERRUPTED, why) and run.invocation_id:
            Invocation.objects.filter(pk=run.invocation_id, outcome=InvocationState.RUNNING).update(
                outcome=InvocationState.UNKNOWN, finished_at=timezone.now()
            )


def _end(run: ScheduleRun, state: RunState, failure: str) -> bool:
    """Write down how a run ended. A result that comes after all stands, whoever gave it up."""
    over = {RunState.RUNNING}
    if state != RunState.INTERRUPTED:
        over.add(RunState.INTERRUPTED)
    ended = ScheduleRun.objects.filter(pk=run.pk, state__in=over).update(
        state=state, failure=failure, lane=None, lease_until=None, finished_at=timezone.now()
    )
    if ended:
        # Not where another run has begun meanwhile.
        Schedule.objects.filter(pk=run.schedule_id, last_at=run.started_at).update(
            last_state=state, last_failure=failure
        )
    return bool(ended)
