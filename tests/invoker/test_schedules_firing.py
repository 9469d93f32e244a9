"""Due times are run once each, whoever knocks, dies or was away; by real sandboxes."""

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import connections
from django.utils import timezone

from functions import deploying
from houston.models import Account
from invoker import runtime, schedules
from invoker.models import (
    Deployment,
    Invocation,
    InvocationState,
    LogLine,
    RunState,
    Schedule,
    ScheduleRun,
)
from invoker.schedules import firing
from tests import factories

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ECHO = "function lambda(input, callback) { console.info('hello'); callback(null, input); }"


@pytest.fixture(autouse=True)
def noon(time_machine: object) -> None:
    time_machine.move_to(NOON + dt.timedelta(milliseconds=10))


def due(at: dt.datetime = NOON, *, code: str = ECHO, **fields: object) -> Schedule:
    """A schedule of a deployed function, due every 5 minutes and first at a given moment."""
    account_id = fields.pop("account_id", factories.ACCOUNT_ID)
    deployment = factories.DeploymentFactory(code=code, account_id=account_id)
    return factories.ScheduleFactory(
        account_id=account_id,
        function_id=deployment.function_id,
        function_name=deployment.function_name,
        next_at=at,
        **fields,
    )


def states(schedule: Schedule) -> list[tuple[dt.datetime, str]]:
    return list(schedule.runs.order_by("due_at").values_list("due_at", "state"))


def test_due_function_runs_with_the_payload_and_is_written_down(account: Account) -> None:
    schedule = due(headers=[{"key": "x", "value": "y"}], payload={"a": [1, "b"]})

    assert schedules.fire() == 1

    run = ScheduleRun.objects.get()
    invocation = Invocation.objects.get()
    assert invocation.result == {
        "timestamp": int(NOON.timestamp() * 1000),
        "headers": [{"key": "x", "value": "y"}],
        "payload": {"a": [1, "b"]},
    }
    assert (invocation.outcome, invocation.event) == (InvocationState.SUCCEEDED, None)
    assert (invocation.account_id, invocation.function_id) == (account.id, schedule.function_id)
    assert [line.message for line in LogLine.objects.filter(invocation=invocation)] == ["hello"]
    assert (run.due_at, run.state, run.invocation) == (NOON, RunState.SUCCEEDED, invocation)
    assert (run.lane, run.lease_until, run.failure) == (None, None, "")
    assert run.finished_at is not None
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + 5 * MINUTE
    assert (schedule.last_at, schedule.last_state) == (run.started_at, RunState.SUCCEEDED)
    assert not schedule.last_failed


def test_nothing_runs_before_it_is_due_nor_while_it_is_paused(account: Account) -> None:
    due(NOON + 5 * MINUTE)
    paused = due()
    schedules.switch(paused, active=False, by="ada")

    assert schedules.fire() == 0

    assert not ScheduleRun.objects.exists()


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (
            "function lambda(input, callback) {\n  throw new Error('no stock'); }",
            "Function failed: no stock in line 2",
        ),
        ("this is no JavaScript", "Function failed: "),
    ],
)
def test_function_that_fails_is_shown_and_runs_again_at_its_next_time(
    account: Account, time_machine: object, code: str, failure: str
) -> None:
    schedule = due(code=code)

    schedules.fire()

    run = ScheduleRun.objects.get()
    assert run.state == RunState.FAILED
    assert run.failure.startswith(failure)
    schedule.refresh_from_db()
    assert (schedule.last_failed, schedule.last_failure) == (True, run.failure)
    assert Invocation.objects.get().outcome == InvocationState.CODING_FAILURE
    assert schedules.fire() == 0

    Deployment.objects.update(code=ECHO)
    time_machine.move_to(NOON + 5 * MINUTE)
    runtime.retire(str(Deployment.objects.get().pk))
    assert schedules.fire() == 1
    schedule.refresh_from_db()
    assert (schedule.last_failed, schedule.last_failure) == (False, "")


# Once ---------------------------------------------------------------------------------------------


@pytest.fixture
def roomy(settings: object) -> Iterator[None]:
    """As many places in this process as threads that knock."""
    settings.WORKER_THREADS = 32
    yield
    assert firing._places._taken == 0


@pytest.mark.usefixtures("roomy")
def test_many_that_knock_at_once_run_each_due_time_once(account: Account) -> None:
    for number in range(8):
        due(account_id=f"account{number}")
    knocks = 12
    barrier, ran = threading.Barrier(knocks), []

    def knock() -> None:
        barrier.wait()
        try:
            ran.append(schedules.fire())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=knock) for _ in range(knocks)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert (len(ran), sum(ran)) == (knocks, 8)
    assert Counter(Invocation.objects.values_list("function_id", flat=True)) == {
        schedule.function_id: 1 for schedule in Schedule.objects.all()
    }
    assert set(ScheduleRun.objects.values_list("due_at", "state")) == {(NOON, RunState.SUCCEEDED)}


def test_due_time_that_a_slow_clock_reckons_again_is_not_run_again(account: Account) -> None:
    schedule = due()
    schedules.fire()
    Schedule.objects.update(next_at=NOON)

    assert schedules.fire() == 0

    assert states(schedule) == [(NOON, RunState.SUCCEEDED)]
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + 5 * MINUTE


def test_schedule_that_is_changed_while_it_is_taken_is_left_to_the_next_look(
    account: Account,
) -> None:
    schedule = due()
    plan = schedules.Plan(cron_expression="0 12 * * *")
    now = timezone.now()
    seen = Schedule.objects.get()
    schedules.change(schedule, plan, version=1, by="ada")

    assert firing._begin(seen, 1, now) is None

    schedule.refresh_from_db()
    assert schedule.next_at == NOON + dt.timedelta(days=1)
    assert not ScheduleRun.objects.exists()


# A worker that dies -------------------------------------------------------------------------------


def test_run_whose_worker_died_is_shown_as_interrupted_and_not_repeated(
    account: Account, time_machine: object
) -> None:
    schedule = due()
    dead = firing._begin_next()
    assert dead is not None

    time_machine.move_to(NOON + 30 * dt.timedelta(seconds=1))
    assert schedules.fire() == 0
    schedule.refresh_from_db()
    assert (schedule.last_state, schedule.last_failed) == (RunState.RUNNING, False)

    time_machine.move_to(NOON + 2 * MINUTE)
    assert schedules.fire() == 0

    assert states(schedule) == [(NOON, RunState.INTERRUPTED)]
    run = ScheduleRun.objects.get()
    assert run.failure == firing.INTERRUPTED
    assert (run.lane, run.lease_until) == (None, None)
    assert Invocation.objects.get().outcome == InvocationState.UNKNOWN
    schedule.refresh_from_db()
    assert (schedule.last_failed, schedule.last_failure) == (True, firing.INTERRUPTED)

    time_machine.move_to(NOON + 5 * MINUTE)
    assert schedules.fire() == 1
    schedule.refresh_from_db()
    assert schedule.last_state == RunState.SUCCEEDED


def test_result_of_a_worker_that_was_thought_dead_stands(
    account: Account, time_machine: object
) -> None:
    schedule = due()
    slow = firing._begin_next()
    assert slow is not None
    time_machine.move_to(NOON + 2 * MINUTE)
    schedules.fire()

    firing._run(slow)

    assert states(schedule) == [(NOON, RunState.SUCCEEDED)]
    assert Invocation.objects.get().outcome == InvocationState.SUCCEEDED
    schedule.refresh_from_db()
    assert schedule.last_state == RunState.SUCCEEDED


def test_late_result_leaves_alone_what_the_next_run_said(
    account: Account, time_machine: object
) -> None:
    schedule = due()
    slow = firing._begin_next()
    assert slow is not None
    time_machine.move_to(NOON + 5 * MINUTE)
    Deployment.objects.update(active=False)
    factories.DeploymentFactory(
        function_id=schedule.function_id, code="function lambda() { throw new Error('second'); }"
    )
    assert schedules.fire() == 1

    firing._run(slow)

    assert states(schedule) == [
        (NOON, RunState.SUCCEEDED),
        (NOON + 5 * MINUTE, RunState.FAILED),
    ]
    schedule.refresh_from_db()
    assert schedule.last_state == RunState.FAILED


def test_fault_of_our_own_ends_the_run_at_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = due()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(runtime, "run", fail)
    with pytest.raises(RuntimeError):
        schedules.fire()

    assert states(schedule) == [(NOON, RunState.INTERRUPTED)]
    assert ScheduleRun.objects.get().failure == firing.BROKEN
    assert schedules.fire() == 0


def test_lease_of_a_clock_that_has_been_put_right_is_over(account: Account) -> None:
    schedule = due()
    assert firing._begin_next()
    ScheduleRun.objects.update(lease_until=NOON + dt.timedelta(days=1))

    schedules.fire()

    assert states(schedule) == [(NOON, RunState.INTERRUPTED)]


# Late ---------------------------------------------------------------------------------------------


def test_after_a_short_downtime_the_latest_due_time_is_run_and_the_others_are_missed(
    account: Account, time_machine: object
) -> None:
    schedule = due(cron_expression="* * * * *")
    time_machine.move_to(NOON + 3 * MINUTE + dt.timedelta(seconds=20))

    assert schedules.fire() == 1

    assert states(schedule) == [
        (NOON, RunState.MISSED),
        (NOON + 3 * MINUTE, RunState.SUCCEEDED),
    ]
    missed = ScheduleRun.objects.get(state=RunState.MISSED)
    assert missed.failure.startswith("3 due times until 2026-06-01 12:02 UTC were not run: ")
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + 4 * MINUTE
    assert schedule.last_state == RunState.SUCCEEDED


@pytest.mark.parametrize(("late_s", "runs"), [(299, 1), (301, 0)])
def test_due_time_is_made_up_for_within_five_minutes(
    account: Account, time_machine: object, late_s: int, runs: int
) -> None:
    schedule = due(cron_expression="0 12 * * *")
    time_machine.move_to(NOON + dt.timedelta(seconds=late_s))

    assert schedules.fire() == runs

    state = RunState.SUCCEEDED if runs else RunState.MISSED
    assert states(schedule) == [(NOON, state)]
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + dt.timedelta(days=1)
    assert schedule.last_state == (state if runs else "")


def test_after_a_month_the_latest_due_time_is_run_and_so_many_are_not_counted(
    account: Account, time_machine: object
) -> None:
    schedule = due(cron_expression="* * * * *")
    later = NOON + dt.timedelta(days=30)
    time_machine.move_to(later)

    assert schedules.fire() == 1

    assert states(schedule) == [(NOON, RunState.MISSED), (later, RunState.SUCCEEDED)]
    missed = ScheduleRun.objects.get(state=RunState.MISSED)
    assert missed.failure.startswith(
        "more than 1,000 due times until 2026-07-01 11:59 UTC were not run: "
    )


# Not deployed -------------------------------------------------------------------------------------


def test_schedule_of_an_undeployed_function_waits_for_it_and_makes_up_for_nothing(
    account: Account, time_machine: object
) -> None:
    function = factories.deployed(code=ECHO)
    schedule = factories.ScheduleFactory(function_id=function.pk, next_at=NOON)
    deploying.undeploy(function, by="dana")

    assert schedules.fire() == 0
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + 5 * MINUTE
    assert not ScheduleRun.objects.exists()

    function.refresh_from_db()
    deploying.deploy(function, version=function.version, by="dana")
    assert schedules.fire() == 0
    time_machine.move_to(NOON + 5 * MINUTE)
    assert schedules.fire() == 1
    assert states(schedule) == [(NOON + 5 * MINUTE, RunState.SUCCEEDED)]


def test_deployment_of_another_account_is_never_run(account: Account) -> None:
    foreign = factories.DeploymentFactory(account_id="other1", code=ECHO)
    factories.ScheduleFactory(function_id=foreign.function_id, next_at=NOON)

    assert schedules.fire() == 0

    assert not Invocation.objects.exists()


def test_schedule_that_is_deleted_while_it_runs_leaves_what_it_did(account: Account) -> None:
    schedule = due()
    run = firing._begin_next()
    assert run is not None
    schedules.delete(schedule, by="ada")

    firing._run(run)

    assert not ScheduleRun.objects.exists()
    assert Invocation.objects.get().outcome == InvocationState.SUCCEEDED


# One account and the others -----------------------------------------------------------------------


def test_account_has_two_runs_at_once_and_the_rest_stays_due(account: Account) -> None:
    mine = [due(NOON - number * MINUTE, cron_expression="0 12 * * *") for number in range(4)]
    other = due(account_id="other1")

    begun = [firing._begin_next() for _ in range(4)]

    assert [run.schedule_id for run in begun if run] == [mine[3].pk, other.pk, mine[2].pk]
    assert [run.lane for run in begun if run] == [1, 1, 2]
    assert set(Schedule.objects.filter(next_at__lte=timezone.now())) == {mine[0], mine[1]}
    firing._run(begun[0])
    again = firing._begin_next()
    assert again is not None
    assert (again.schedule_id, again.lane) == (mine[1].pk, 1)


def test_lane_that_another_worker_took_meanwhile_leaves_the_schedule_due(
    account: Account,
) -> None:
    first, second = due(), due()
    assert firing._begin(first, 1, timezone.now())

    assert firing._begin(second, 1, timezone.now()) is None

    second.refresh_from_db()
    assert (second.next_at, second.last_at) == (NOON, None)
    assert Invocation.objects.count() == 1


def test_schedule_never_runs_twice_at_once(
    account: Account, time_machine: object, settings: object
) -> None:
    settings.INVOCATION_TIMEOUT_S = 120.0
    schedule = due(cron_expression="* * * * *")
    going_on = firing._begin_next()
    assert going_on is not None
    time_machine.move_to(NOON + MINUTE)

    assert schedules.fire() == 0
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + MINUTE

    firing._run(going_on)
    assert schedules.fire() == 1


def test_account_that_floods_does_not_keep_another_one_from_its_turn(account: Account) -> None:
    for _ in range(10):
        due(NOON - MINUTE)
    late = due(account_id="other1")
    first = firing._begin_next()
    assert first is not None
    assert first.account_id == account.id

    turns = []
    for _ in range(3):
        run = firing._begin_next()
        assert run is not None
        turns.append(run.account_id)
        firing._run(run)

    assert turns == [late.account_id, account.id, account.id]


def test_half_of_the_threads_of_a_worker_stay_free_for_events(
    account: Account, settings: object
) -> None:
    settings.WORKER_THREADS = 3
    schedule = due()
    assert firing._places.take()
    try:
        assert schedules.fire() == 0
    finally:
        firing._places.give_back()
    assert states(schedule) == []

    assert schedules.fire() == 1


def test_looking_for_what_is_due_costs_the_same_with_many_that_are_not(
    account: Account, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(2):
        schedules.fire()

    for _ in range(3):
        due(NOON + MINUTE)
    with django_assert_num_queries(2):
        schedules.fire()
