"""What the buckets say is what the rows say, whenever and however often they were counted."""

import datetime as dt
import itertools
import math
import random
import uuid

import pytest
from django.utils import timezone

from invoker import metrics
from invoker.metrics import histogram, rolling
from invoker.models import (
    Command,
    CommandState,
    Event,
    EventState,
    Invocation,
    InvocationState,
    MetricBucket,
    MetricLevel,
)
from tests import factories

NOW = dt.datetime(2026, 3, 10, 14, 33, 20, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
ENDED = [each for each in InvocationState if each != InvocationState.RUNNING]


@pytest.fixture
def now(time_machine):
    time_machine.move_to(NOW, tick=False)
    return NOW


@pytest.fixture
def ran(account, now):
    """Makes invocations of a deployment that started so long ago."""
    deployments: dict[str, object] = {}
    conversation = factories.ConversationFactory()
    positions = itertools.count(1)

    def run(ago, *, name="greet", outcome=InvocationState.SUCCEEDED, duration_ms=20.0, **event):
        if name not in deployments:
            deployments[name] = factories.DeploymentFactory(function_name=name, active=False)
        started_at = timezone.now() - ago
        running = outcome == InvocationState.RUNNING
        event.setdefault("state", EventState.DONE)
        return factories.InvocationFactory(
            event=factories.EventFactory(
                conversation=conversation,
                payload={},
                position=next(positions),
                occurred_at=started_at,
                created_at=started_at,
                **event,
            ),
            deployment=deployments[name],
            outcome=outcome,
            duration_ms=None if running else duration_ms,
            started_at=started_at,
            finished_at=None if running else started_at + dt.timedelta(milliseconds=duration_ms),
        )

    return run


def asked(invocation, type_="systemMessage", state=CommandState.SENT, *, automatic=False):
    return factories.CommandFactory(
        event=invocation.event,
        invocation=None if automatic else invocation,
        type=type_,
        state=state,
        created_at=invocation.started_at,
    )


def all_time(seconds):
    """Every bucket of one length as it is stored, but for its key in the table."""
    fields = [each.name for each in MetricBucket._meta.fields if each.name != "id"]
    rows = MetricBucket.objects.filter(seconds=seconds)
    return sorted(rows.values_list(*fields), key=str)


def near(value, exact):
    return value == pytest.approx(exact, rel=histogram.ERROR + 1e-9)


# Histogram ----------------------------------------------------------------------------------------


def test_quantiles_are_right_within_five_percent():
    chance = random.Random(7)  # noqa: S311 -- not a secret
    durations = [math.exp(chance.uniform(math.log(0.2), math.log(30_000))) for _ in range(5_000)]
    bins: dict[str, int] = {}
    for each in durations:
        key = str(histogram.bin_of(each))
        bins[key] = bins.get(key, 0) + 1
    durations.sort()

    assert histogram.ERROR < 0.05
    for share in (0.01, 0.5, 0.9, 0.95, 0.99, 1.0):
        exact = durations[math.ceil(share * len(durations)) - 1]
        assert near(histogram.quantile(bins, share), exact)


def test_nothing_has_no_quantile():
    assert histogram.quantile({}, 0.95) is None


# Rolled up, and as it is --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbers_are_those_of_the_rows_however_much_is_rolled_up(ran, account, time_machine, seed):
    chance = random.Random(seed)  # noqa: S311 -- not a secret
    spans = (5 * MINUTE, HOUR, 8 * HOUR, 4 * DAY, 50 * DAY)
    for _ in range(80):
        run = ran(
            chance.random() * chance.choice(spans),
            name=chance.choice(["greet", "route", "end"]),
            outcome=chance.choice(ENDED),
            duration_ms=math.exp(chance.uniform(0, 8)),
        )
        if chance.random() < 0.5:
            asked(
                run,
                chance.choice(["systemMessage", "transfer", "closeConversation", "dance"]),
                chance.choice(list(CommandState)[2:]),
                automatic=chance.random() < 0.3,
            )
    counted_at = chance.choice([None, -3 * DAY, -7 * HOUR, -10 * MINUTE, dt.timedelta(0)])
    if counted_at is not None:
        time_machine.move_to(NOW + counted_at, tick=False)
        metrics.roll_up()
        time_machine.move_to(NOW, tick=False)
        if chance.random() < 0.5:
            metrics.roll_up()

    for since in (NOW - HOUR, NOW - 6 * HOUR, NOW - DAY, NOW - 7 * DAY, NOW - 60 * DAY):
        begin = metrics._begin(since, NOW)
        rows = list(Invocation.objects.filter(started_at__gte=begin).order_by("started_at"))
        commands = Command.objects.filter(event__created_at__gte=begin)
        summary = metrics.of_account(account.pk, since=since)
        assert_same(summary, rows)
        assert summary.stale == commands.filter(state=CommandState.STALE).count()
        assert summary.dropped == commands.filter(state=CommandState.DROPPED).count()
        assert sum(summary.commands.values()) == commands.count()
        found = metrics.by_function(account.pk, since=since)
        assert set(found) == {row.function_id for row in rows}
        for function_id, each in found.items():
            assert_same(each, [row for row in rows if row.function_id == function_id])


def assert_same(summary, rows):
    assert summary.count == len(rows)
    assert summary.failed == sum(row.outcome != InvocationState.SUCCEEDED for row in rows)
    assert summary.over_budget == sum(row.duration_ms > 1000 for row in rows)
    assert summary.last_at == (rows[-1].started_at if rows else None)
    assert summary.last_outcome == (rows[-1].outcome if rows else "")
    durations = sorted(row.duration_ms for row in rows)
    for share, value in (0.5, summary.p50_ms), (0.95, summary.p95_ms), (0.99, summary.p99_ms):
        if durations:
            assert near(value, durations[math.ceil(share * len(durations)) - 1])
        else:
            assert value is None


def test_series_has_every_step_and_adds_up(ran, account):
    greet = ran(30 * MINUTE)
    ran(30 * MINUTE, outcome=InvocationState.TIMEOUT, duration_ms=30_000)
    ran(3 * HOUR, name="route")
    metrics.roll_up()
    ran(MINUTE / 2)

    points = metrics.series(account.pk, since=NOW - 6 * HOUR, until=NOW, step=5 * MINUTE)
    greets = metrics.series(
        account.pk,
        since=NOW - 6 * HOUR,
        until=NOW,
        step=5 * MINUTE,
        function_id=greet.function_id,
    )

    assert [point.starts_at for point in points] == [
        dt.datetime(2026, 3, 10, 8, 30, tzinfo=dt.UTC) + n * 5 * MINUTE for n in range(73)
    ]
    assert [(n, point.tally.outcomes) for n, point in enumerate(points) if point.tally.count] == [
        (36, {"SUCCEEDED": 1}),
        (66, {"SUCCEEDED": 1, "TIMEOUT": 1}),
        (72, {"SUCCEEDED": 1}),
    ]
    assert sum(point.tally.count for point in greets) == 3


# Keeping them -------------------------------------------------------------------------------------


def test_counting_again_changes_nothing(ran):
    for minutes in (2, 30, 500, 5_000):
        asked(ran(minutes * MINUTE))
    metrics.roll_up()
    once = {seconds: all_time(seconds) for seconds in rolling.KEPT}

    metrics.roll_up()
    MetricLevel.objects.all().delete()
    metrics.roll_up()

    assert {seconds: all_time(seconds) for seconds in rolling.KEPT} == once
    assert [len(rows) for rows in once.values()] == [4, 4, 4, 4, 2]


def test_run_that_ends_late_is_counted_when_it_has_ended(ran, account, time_machine):
    slow = ran(2 * HOUR, outcome=InvocationState.RUNNING)
    metrics.roll_up()
    before = metrics.of_account(account.pk, since=NOW - DAY)
    Invocation.objects.filter(pk=slow.pk).update(
        outcome=InvocationState.UNKNOWN, finished_at=NOW, duration_ms=5_000
    )

    metrics.roll_up()

    after = metrics.of_account(account.pk, since=NOW - DAY)
    assert (before.count, before.last_outcome) == (0, "RUNNING")
    assert (after.count, after.failed, after.over_budget) == (1, 1, 1)
    assert not MetricBucket.objects.filter(open__gt=0).exists()


@pytest.mark.parametrize("hours", [3, 30])
def test_command_of_an_event_that_waited_is_counted(ran, account, time_machine, hours):
    """Also where the shorter buckets of that time are gone by then."""
    run = ran(MINUTE, state=EventState.WAITING)
    time_machine.move_to(NOW + 2 * HOUR, tick=False)
    metrics.roll_up()
    time_machine.move_to(NOW + hours * HOUR, tick=False)
    metrics.roll_up()
    asked(run, state=CommandState.STALE)
    Event.objects.filter(pk=run.event_id).update(state=EventState.DONE)

    metrics.roll_up()

    found = metrics.of_account(account.pk, since=NOW - DAY)
    assert (found.count, found.stale) == (1, 1)


def test_time_in_which_nobody_counted_is_made_up_for(ran, account, time_machine):
    ran(HOUR)
    metrics.roll_up()
    time_machine.move_to(NOW + 10 * DAY, tick=False)
    for hours in (3, 50, 200):
        ran(hours * HOUR)
    unrolled = metrics.of_account(account.pk, since=NOW - DAY)

    metrics.roll_up()

    assert unrolled.count == 4
    assert metrics.of_account(account.pk, since=NOW - DAY).count == 4
    assert MetricLevel.objects.get(pk=60).rolled_to == NOW.replace(second=0) - MINUTE + 10 * DAY


def test_counting_stops_in_time_and_goes_on(ran, account):
    for hours in (1, 30, 300):
        ran(hours * HOUR)
    for _ in range(3):
        metrics.roll_up(busy_s=0)
        assert metrics.of_account(account.pk, since=NOW - 20 * DAY).count == 3

    assert not MetricBucket.objects.exists()
    metrics.roll_up()
    assert metrics.of_account(account.pk, since=NOW - 20 * DAY).count == 3
    assert MetricBucket.objects.exists()


def test_only_one_counts_at_a_time(ran, time_machine):
    ran(HOUR)
    metrics.roll_up(busy_s=0)
    assert MetricLevel.claim(60, rolling.LEASE)
    assert metrics.roll_up() == 0

    time_machine.move_to(NOW + rolling.LEASE, tick=False)
    assert metrics.roll_up() > 0
    assert MetricLevel.claim(60, rolling.LEASE)


def test_old_buckets_go_and_what_they_counted_stays(ran, account, time_machine):
    ran(HOUR)
    metrics.roll_up()
    Invocation.objects.all().delete()
    time_machine.move_to(NOW + 20 * DAY, tick=False)

    metrics.roll_up()

    assert [len(all_time(seconds)) for seconds in rolling.KEPT] == [0, 0, 2, 2, 2]
    assert metrics.of_account(account.pk, since=NOW - DAY).count == 1


def test_accounts_are_counted_apart(ran, account):
    ran(HOUR)
    factories.ControllerBotFactory(account_id="other1")
    theirs = factories.InvocationFactory(
        event__conversation__connection__account_id="other1",
        started_at=NOW - HOUR,
        outcome=InvocationState.TIMEOUT,
    )
    metrics.roll_up()

    assert metrics.of_account(account.pk, since=NOW - DAY).failed == 0
    assert metrics.of_account("other1", since=NOW - DAY).failed == 1
    assert set(metrics.by_function("other1", since=NOW - DAY)) == {theirs.function_id}
    other = metrics.of_function("other1", uuid.uuid4(), since=NOW - DAY)
    assert (other.count, other.error_share, other.p95_ms) == (0, 0.0, None)


def test_numbers_cost_few_queries_however_many_rows(ran, account, django_assert_num_queries):
    for minutes in range(1, 3000, 100):
        ran(minutes * MINUTE, name=f"greet{minutes % 3}")
    with django_assert_num_queries(3):
        metrics.by_function(account.pk, since=NOW - 30 * DAY)
    metrics.roll_up()

    with django_assert_num_queries(4):
        metrics.by_function(account.pk, since=NOW - 30 * DAY)
    with django_assert_num_queries(4):
        metrics.series(account.pk, since=NOW - DAY, until=NOW, step=15 * MINUTE)
