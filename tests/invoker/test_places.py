"""Places of a worker are shared by accounts, and whoever has one goes on with what waits."""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from houston.celery import app
from houston.models import Account
from invoker import dispatch, ingest, tasks
from invoker.models import Conversation, Lease
from invoker.places import MOST_AT_WORK, Place, Places, places
from tests import factories


@pytest.fixture
def room(settings: object) -> Places:
    """A worker with 12 places."""
    settings.WORKER_THREADS = 12
    return Places()


class Thread:
    """A thread that takes a place and holds it: aside as it comes, or at work."""

    def __init__(self, room: Places, account_id: str, *, aside: bool = True) -> None:
        self.has_it, self._over, self._aside = threading.Event(), threading.Event(), aside
        self.at_work = threading.Event()
        self.place: Place | None = None
        self._thread = threading.Thread(target=self._hold, args=(room, account_id), daemon=True)
        self._thread.start()

    def _hold(self, room: Places, account_id: str) -> None:
        self.place = room.take(account_id)
        self.has_it.set()
        if self.place is None:
            return
        if self._aside:
            with room.aside():
                self._over.wait(20)
        else:
            self.at_work.set()
            self._over.wait(20)
        room.give_back(self.place)

    def end(self) -> None:
        self._over.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def hold(room: Places) -> Iterator[Callable[..., bool]]:
    threads: list[Thread] = []

    def take(account_id: str) -> bool:
        threads.append(Thread(room, account_id))
        assert threads[-1].has_it.wait(20)
        return threads[-1].place is not None

    yield take
    for each in threads:
        each.end()
    assert room.taken() == {}


def test_account_that_is_alone_has_half_of_the_places(room: Places, hold: Callable) -> None:
    taken = [hold("flood") for _ in range(20)]

    assert taken == [True] * 6 + [False] * 14
    assert hold("quiet")


def test_whoever_has_none_finds_a_place_among_several_that_want_all(
    room: Places, hold: Callable
) -> None:
    for _ in range(20):
        hold("one")
    for _ in range(20):
        hold("two")

    assert room.taken() == {"one": 6, "two": 3}
    assert hold("quiet")


def test_who_has_more_than_its_share_gives_it_back_with_what_it_finishes(room: Places) -> None:
    first = [Thread(room, "one") for _ in range(6)]
    for each in first:
        each.has_it.wait(20)
    place = first[0].place
    assert place is not None
    assert room.may_stay(place)

    second = []
    for _ in range(4):
        second.append(Thread(room, "two"))
        second[-1].has_it.wait(20)

    assert room.taken() == {"one": 6, "two": 3}
    # It would be given five of what is left, not six.
    assert not room.may_stay(place)
    for each in first + second:
        each.end()


def test_refused_account_gets_the_place_that_becomes_free(room: Places, hold: Callable) -> None:
    leaving = Thread(room, "one")
    leaving.has_it.wait(20)
    for account_id in ("one", "two", "three", "four"):
        for _ in range(20):
            hold(account_id)
    assert sum(room.taken().values()) == 12
    assert not hold("late")
    assert room.take_refused() is None

    leaving.end()

    place = room.take_refused()
    assert place is not None
    assert place.account_id == "late"
    room.give_back(place)


def test_place_is_kept_when_somebody_was_refused_meanwhile(room: Places, hold: Callable) -> None:
    place = room.take("flood")
    assert place is not None
    seen = place.refused
    while hold("flood"):
        pass

    assert not room.leave(place, seen=seen)
    assert room.leave(place, seen=place.refused)
    assert room.taken() == {"flood": 5}


def test_one_of_an_account_with_many_works_at_a_time_while_another_has_work(
    room: Places, hold: Callable
) -> None:
    assert [hold("flood") for _ in range(3)] == [True] * 3
    working = [Thread(room, "flood", aside=False) for _ in range(2)]
    for each in working:
        assert each.at_work.wait(20)

    # Whoever has few never waits for those of another account.
    place = room.take("quiet")
    assert place is not None
    third = Thread(room, "flood", aside=False)
    working[0].end()
    assert not third.at_work.wait(0.1)
    working[1].end()

    assert third.at_work.wait(20)
    room.give_back(place)
    third.end()


def test_account_that_is_alone_works_at_several_at_once(room: Places) -> None:
    threads = [Thread(room, "flood", aside=False) for _ in range(MOST_AT_WORK + 1)]

    ends = time.monotonic() + 20
    while sum(each.at_work.is_set() for each in threads) < MOST_AT_WORK:
        assert time.monotonic() < ends
        time.sleep(0.01)

    [waiting] = [each for each in threads if not each.at_work.is_set()]
    assert not waiting.at_work.wait(0.1)
    for each in threads:
        if each is not waiting:
            each.end()
    assert waiting.at_work.wait(20)
    waiting.end()
    assert room.taken() == {}


def test_who_waits_for_a_function_lets_others_of_its_account_work(
    room: Places, hold: Callable
) -> None:
    quiet = room.take("quiet")
    assert quiet is not None

    assert [hold("slow") for _ in range(4)] == [True] * 4

    assert room.taken() == {"quiet": 1, "slow": 4}
    room.give_back(quiet)


# What waits --------------------------------------------------------------------------------------


def due(account_id: str, count: int, ago_s: float = 60) -> list[int]:
    """Conversations with work, the first one waiting longest."""
    connection = factories.ConnectionFactory(account_id=account_id)
    now = timezone.now()
    return [
        factories.ConversationFactory(
            connection=connection, due_at=now - dt.timedelta(seconds=ago_s - number)
        ).pk
        for number in range(count)
    ]


@pytest.mark.django_db
def test_sweep_takes_what_waits_longest_of_each_account_in_turn() -> None:
    flood, quiet = due("flood", 30), due("quiet", 2, ago_s=5)
    future = due("later", 1, ago_s=-60)
    held = due("held", 1)
    Conversation.objects.filter(pk__in=held).update(
        lease_until=timezone.now() + dt.timedelta(seconds=9)
    )

    found = dispatch.waiting()

    assert [each.conversation_pk for each in found[:5]] == [
        flood[0], quiet[0], flood[1], quiet[1], flood[2],
    ]  # fmt: skip
    assert [each.conversation_pk for each in found[4:]] == flood[2 : dispatch.SWEEP_EACH]
    assert not {each.conversation_pk for each in found} & {*future, *held}


@pytest.mark.django_db
def test_sweep_asks_once_for_each_account_that_has_something(
    django_assert_num_queries: object,
) -> None:
    due("flood", 30)
    due("later", 3, ago_s=-60)
    with django_assert_num_queries(2):
        dispatch.waiting()
    due("quiet", 1)
    with django_assert_num_queries(3):
        dispatch.waiting()


@pytest.mark.django_db
def test_what_waits_is_found_by_its_account_and_time(django_assert_num_queries: object) -> None:
    due("flood", 3)
    with django_assert_num_queries(2) as captured:
        dispatch.waiting()

    explain = "EXPLAIN QUERY PLAN" if database.vendor == "sqlite" else "EXPLAIN (COSTS OFF)"
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        for query in captured.captured_queries:
            cursor.execute(f"{explain} {query['sql']}")
            plan = json.dumps([row[-1] for row in cursor.fetchall()])
            assert "conversation_due_of_account" in plan


@pytest.mark.django_db(transaction=True)
def test_who_has_a_place_goes_on_with_what_others_were_refused_one_for(
    account: Account, settings: object
) -> None:
    settings.WORKER_THREADS = 2
    factories.ControllerBotFactory(account_id="flood")
    flood = due("flood", 12)
    place = places.take("flood")
    assert place is not None
    # Nobody else may have one, so these knocks are heard and forgotten.
    for pk in flood[:5]:
        thread = threading.Thread(target=dispatch.serve, args=("flood", pk))
        thread.start()
        thread.join()
    places.give_back(place)
    assert Conversation.objects.filter(due_at__isnull=False).count() == 12

    assert dispatch.serve("flood", flood[-1]) is None

    assert Conversation.objects.filter(due_at__isnull=False).count() == 0
    assert places.taken() == {}


@pytest.mark.django_db
def test_who_has_a_place_goes_on_with_what_nobody_knocked_for() -> None:
    factories.ControllerBotFactory(account_id="quiet")
    first, second, *_ = due("quiet", 4)
    with CaptureQueriesContext(database) as drained:
        dispatch.drain(first)
    with CaptureQueriesContext(database) as served:
        dispatch.serve("quiet", second)

    assert Conversation.objects.filter(due_at__isnull=False).count() == 0
    # Three conversations, and a look for more after each.
    assert len(served) == 3 * (len(drained) + 1)


@pytest.fixture
def knocked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The conversations that were knocked for, by a process that has just begun."""
    found: list[int] = []
    monkeypatch.setattr(tasks, "knock", lambda due, **_: found.append(due.conversation_pk))
    monkeypatch.setattr(ingest, "_knocks", ingest.Knocks())
    return found


@pytest.mark.django_db
def test_flood_is_knocked_for_now_and_then_only_and_hides_nobody(knocked: list[int]) -> None:
    flood, quiet = due("flood", 30), due("quiet", 1)

    for pk in flood:
        ingest.knock("flood", [pk])
    ingest.knock("quiet", quiet)

    assert knocked[0] == flood[0]
    assert knocked[-1] == quiet[0]
    # Whoever comes for the first one goes on with the others; a slow machine knocks again.
    assert len(knocked) < len(flood) / 2


@pytest.mark.django_db
def test_arrival_is_knocked_for_where_nothing_else_of_its_account_waits(
    knocked: list[int],
) -> None:
    _, held, waiting = due("some", 1, ago_s=-60), due("some", 1), due("some", 2)
    lease = Lease.claim(held[0], dt.timedelta(seconds=10))
    assert lease is not None

    ingest.knock("some", waiting[:1])
    Conversation.objects.filter(pk=waiting[0]).update(due_at=None)
    ingest.knock("some", waiting[1:])

    assert knocked == waiting


@pytest.mark.django_db
def test_request_with_many_calls_a_few_workers(knocked: list[int]) -> None:
    flood = due("flood", 30)

    ingest.knock("flood", flood)

    assert knocked == flood[: ingest.MOST_KNOCKS]


def test_account_rests_for_a_moment_after_each_knock() -> None:
    knocks = ingest.Knocks()
    later = 7.01 + ingest.KNOCK_EVERY_S
    moments = (7.0, 7.01, later, later + 0.01)

    assert [knocks.rested("flood", at) for at in moments] == [True, False, True, False]
    assert knocks.rested("quiet", later + 0.01)


def test_what_may_take_long_stands_in_a_queue_of_its_own() -> None:
    queues = {
        name: app.amqp.router.route({}, name)["queue"].name
        for name in app.tasks
        if name.startswith("invoker.")
    }

    assert queues == {
        "invoker.drain": "live",
        "invoker.sweep": "live",
        "invoker.heartbeat": "live",
        # Each worker sends it to a queue of its own.
        "invoker.hear": "live",
        "invoker.roll_up": "bulk",
        "invoker.retain": "bulk",
        "invoker.watch": "bulk",
        "invoker.tell": "bulk",
        "invoker.fire_schedules": "bulk",
    }
    assert set(app.amqp.queues) == {"live", "bulk"}
