"""Too many requests are told to wait, whoever sends them and whichever process counts."""

import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import time_machine
from django.db import connection as database
from django.db import transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from functions import scenario_runs
from houston.models import Scope
from invoker import ingest, waiting
from invoker.api import ApiError
from invoker.backlog import backlog
from invoker.calls import AtOnce
from invoker.gateway import running
from invoker.models import Notification, NotificationState
from invoker.rates import Rates
from tests import api, factories
from tests.invoker import senders

ROOT = Path(__file__).parents[2]
WAITING = waiting.at_once
EVENT = "/events/conversational_command"
TOKEN_URL = f"/sentinel/api/account/{factories.ACCOUNT_ID}/app/token?v=2.0"
LOGIN_URL = f"/api/account/{factories.ACCOUNT_ID}/login?v=1.3"
ASKS = """
import os
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "houston.settings"
django.setup()
from pathlib import Path
from invoker.rates import Rates
rates = Rates(Path({path!r}))
print(sum(not rates.take("key", 100, within_s=3600).wait_s for _ in range(60)))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rates"


@pytest.fixture
def rates(path):
    return Rates(path)


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-30 10:00", tick=False) as traveller:
        yield traveller


def passing(rates, key, most, tries=1000, within_s=60):
    return sum(not rates.take(key, most, within_s=within_s).wait_s for _ in range(tries))


def test_minute_may_be_used_at_once_and_comes_back_little_by_little(rates, clock):
    assert passing(rates, "key", 60) == 60
    assert rates.take("key", 60).wait_s == 1.0
    clock.shift(0.6)
    assert rates.take("key", 60).wait_s == pytest.approx(0.4)
    clock.shift(2.5)
    assert passing(rates, "key", 60) == 3
    clock.shift(3600)
    assert passing(rates, "key", 60) == 60


def test_several_are_counted_together_and_all_or_none_are_taken(rates, clock):
    assert rates.take("key", 10, within_s=5, count=8).wait_s == 0.0
    assert rates.take("key", 10, within_s=5, count=3).wait_s == pytest.approx(0.5)
    assert rates.take("key", 10, within_s=5, count=2).wait_s == 0.0
    assert rates.take("key", 10, within_s=5).wait_s == pytest.approx(0.5)
    clock.shift(5)
    assert rates.take("key", 10, within_s=5, count=10).wait_s == 0.0


def test_nobody_uses_up_what_another_one_may(rates, clock):
    assert passing(rates, "key", 5) == 5
    assert passing(rates, "another", 5) == 5


def test_count_survives_the_process_and_is_shared_by_several(rates, path):
    assert passing(rates, "key", 100, tries=30, within_s=3600) == 30
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKS.format(path=str(path))],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip

    passed = sum(int(process.communicate()[0]) for process in processes)

    # A little comes back while they start.
    assert 70 <= passed < 75


def test_threads_share_a_count(rates, clock):
    with ThreadPoolExecutor(8) as threads:
        passed = sum(threads.map(lambda _: passing(rates, "key", 100, tries=50), range(8)))

    assert passed == 100


def test_more_keys_than_have_room_take_nothing_from_those_that_ask_much(rates, path, clock):
    assert passing(rates, "much", 100) == 100
    for number in range(20_000):
        rates.take(f"key {number}", 100)

    assert rates.take("much", 100).wait_s > 0
    assert path.stat().st_size <= 1024 * 1024


def test_clock_that_is_put_back_locks_nobody_out(rates, clock):
    assert passing(rates, "key", 10) == 10
    clock.shift(-3600)

    assert passing(rates, "key", 10) == 10


def test_file_that_cannot_be_written_refuses_nobody(tmp_path, caplog):
    rates = Rates(tmp_path / "missing" / "rates")

    assert passing(rates, "key", 1, tries=3) == 3
    assert "cannot count requests" in caplog.text


# Over HTTP ----------------------------------------------------------------------------------------


INVOCATIONS = "invocations of one account (V1) or one function (V2)"


def refused(response, counted="requests of one client or person"):
    said = response.json()
    assert response.status_code == 429
    assert said["code"] == said["errorCode"] == "rate-limited"
    told = f" {counted} are taken in a minute, wait {response['Retry-After']} s"
    assert said["message"].endswith(told)
    return int(response["Retry-After"])


def test_who_asks_too_often_is_told_when_to_come_back(account, settings, clock):
    settings.API_REQUESTS_PER_MIN = 2
    machine, other = api.of_client(account), api.of_client(account)

    statuses = [machine.get(f"{EVENT}/isImplemented").status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert refused(machine.get(f"{EVENT}/isImplemented")) == 30
    assert other.get(f"{EVENT}/isImplemented").status_code == 200
    clock.shift(30)
    assert machine.get(f"{EVENT}/isImplemented").status_code == 200


def test_invocations_are_counted_by_account_in_v1_and_by_function_in_v2(account, settings, clock):
    settings.API_INVOCATIONS_PER_MIN = 3
    machines = [api.of_client(account, Scope.INVOCATION) for _ in range(2)]
    paths = [f"{EVENT}/invoke", "/events/bot_connectors_pre_hook/invoke"]
    body = {"payload": None}

    in_v1 = Counter(m.post(p, body, v="1").status_code for m in machines for p in paths)
    in_v2 = Counter(m.post(p, body).status_code for m in machines for p in paths * 2)

    assert in_v1 == {200: 3, 429: 1}
    assert in_v2 == {200: 6, 429: 2}
    assert refused(machines[0].post(paths[0], body), INVOCATIONS) == 20


def test_function_is_counted_once_however_its_id_is_written(account, settings, clock):
    settings.API_INVOCATIONS_PER_MIN = 2
    machine = api.of_client(account, Scope.INVOCATION)
    function_id = "0f8fad5b-d9cb-469f-a165-70867728950e"

    statuses = [
        machine.post(f"/lambdas/{each}/invoke", {"payload": None}).status_code
        for each in (function_id, function_id.upper(), function_id.replace("-", ""))
    ]

    assert statuses == [404, 404, 429]


@pytest.mark.parametrize(
    ("url", "status"), [(TOKEN_URL, 400), (LOGIN_URL, 400)], ids=["token", "login"]
)
def test_tokens_are_counted_by_address(account, settings, clock, url, status):
    settings.API_TOKENS_PER_MIN = 2

    def ask(address):
        return Client(REMOTE_ADDR=address).post(url, "", content_type="application/json")

    answers = [ask(each) for each in ("2001:db8::1", "2001:db8::2", "2001:db8::3")]

    assert [each.status_code for each in answers] == [status, status, 429]
    assert refused(answers[-1], "requests for tokens of one address") == 30
    assert ask("2001:db8:1::1").status_code == status
    assert ask("192.0.2.1").status_code == status


def test_debt_is_what_was_taken_less_what_has_gone_by(rates, clock):
    taken = [rates.take("key", 10, within_s=5).debt_s for _ in range(3)]
    clock.shift(1.2)

    assert taken == [pytest.approx(0.5), pytest.approx(1.0), pytest.approx(1.5)]
    assert rates.take("key", 10, within_s=5, count=2).debt_s == pytest.approx(1.3)
    # What is refused adds nothing.
    assert rates.take("key", 10, within_s=5, count=9).debt_s == pytest.approx(1.3)


def test_more_than_the_most_at_once_is_paid_for_by_a_longer_rest(rates, clock):
    assert rates.take("key", 10, within_s=5, count=100, largest=100) == (0.0, pytest.approx(50.0))
    assert rates.take("key", 10, within_s=5, largest=100).wait_s == pytest.approx(45.5)
    clock.shift(45.0)
    assert rates.take("key", 10, within_s=5, largest=100).wait_s == pytest.approx(0.5)
    # As much again wants a whole rest.
    assert rates.take("key", 10, within_s=5, count=100, largest=100).wait_s == pytest.approx(5.0)
    clock.shift(5.1)
    assert rates.take("key", 10, within_s=5, count=100, largest=100).wait_s == 0.0


def test_clock_that_was_ahead_for_a_few_minutes_holds_up_nobody(rates, clock):
    for _ in range(10):
        rates.take("key", 10, within_s=5)
    assert rates.take("key", 10, within_s=5).wait_s > 0

    clock.shift(-300)

    assert rates.take("key", 10, within_s=5).wait_s == 0.0


# At the doors -------------------------------------------------------------------------------------


@pytest.fixture
def connection(account):
    return factories.ConnectionFactory(name="Shop")


def batch(connection, count):
    return senders.post(connection, [senders.updated(f"c-{n}") for n in range(count)])


def test_connection_that_sends_too_fast_is_told_when_to_go_on(connection, settings, clock):
    settings.EVENTS_PER_SECOND = 2
    other = factories.ConnectionFactory()

    assert [batch(connection, 4).status_code, batch(connection, 6).status_code] == [202, 202]
    answer = batch(connection, 2)

    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert answer.json() == {
        "code": "too-many-events",
        "message": 'Cannot take the notification: connection "Shop" may send 2 a second, and 10 at '
        "once after a rest, wait 1 s",
    }
    assert Notification.objects.count() == 10
    assert batch(other, 1).status_code == 202
    clock.shift(1)
    assert batch(connection, 2).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_who_sends_faster_than_it_may_waits_for_its_answers(
    connection, settings, clock, monkeypatch
):
    settings.EVENTS_PER_SECOND = 10
    slowed: list[float] = []
    monkeypatch.setattr(ingest, "_slow_down", lambda _, seconds: slowed.append(seconds))

    answers = [batch(connection, 1).status_code for _ in range(4)]
    with transaction.atomic():
        # Who is in a transaction keeps others waiting.
        answers.append(batch(connection, 1).status_code)

    assert answers == [202] * 5
    assert slowed == pytest.approx([n / 10 - ingest.AT_ONCE_S for n in (1, 2, 3, 4)], abs=1e-5)


@pytest.fixture
def room(monkeypatch):
    """Nobody else waits in this process, and an account may keep two of its four threads."""
    found = AtOnce(2, together=3)
    monkeypatch.setattr(waiting, "at_once", found)
    monkeypatch.setattr(waiting, "MOST_WITH_SLOWED", 2)
    monkeypatch.setattr(running, "_at_once", found)
    return found


@pytest.fixture
def slowed(monkeypatch):
    """What doors wait for, which takes no time."""
    found = []
    sleeper = SimpleNamespace(sleep=found.append, monotonic=time.monotonic)
    monkeypatch.setattr(ingest, "time", sleeper)
    return found


def test_sender_that_is_slowed_down_keeps_a_thread_of_its_account(room, monkeypatch):
    monkeypatch.setattr(ingest, "SLOWED_S", 0.3)
    begun = time.monotonic()
    slow = [threading.Thread(target=ingest._slow_down, args=("acme1", 60.0)) for _ in range(2)]
    for each in slow:
        each.start()
    while room._running["acme1"] < 2:
        time.sleep(0.001)

    with pytest.raises(ApiError, match="too many are being run"), running.place("acme1"):
        pass
    with running.place("other1"):
        taken = dict(room._running)
    for each in slow:
        each.join()

    assert taken == {"acme1": 2, "other1": 1}
    assert time.monotonic() - begun >= 0.3
    assert not room._running


def test_slowed_senders_and_functions_never_keep_all_threads(room, slowed):
    with running.place("acme1"), running.place("acme1"):
        ingest._slow_down("acme1", 1.0)
        ingest._slow_down("other1", 1.0)
        with running.place("other1"), pytest.raises(ApiError), running.place("third1"):
            pass

    assert slowed == []
    ingest._slow_down("other1", -0.1)
    ingest._slow_down("other1", 0.2)
    assert slowed == [0.2]


@pytest.mark.django_db(transaction=True)
def test_door_answers_without_waiting_while_functions_keep_the_threads(
    room, slowed, connection, settings, clock
):
    settings.EVENTS_PER_SECOND = 2
    account_id = connection.account_id

    with running.place(account_id), running.place(account_id):
        answers = [batch(connection, 1).status_code for _ in range(3)]
    first, answers = list(slowed), [*answers, batch(connection, 1).status_code]

    assert answers == [202] * 4
    assert (first, slowed) == ([], [ingest.SLOWED_S])


def test_scenarios_that_run_count_too(room):
    scenarios = AtOnce(9, within=room)
    with running.place("acme1"), running.place("acme1"):
        assert not scenarios.begin("acme1")
        assert scenarios.begin("other1")
        with pytest.raises(ApiError), running.place("third1"):
            pass
        scenarios.end("other1")

    assert not room._running
    assert scenario_runs._at_once._within is WAITING


def test_request_with_more_events_than_a_connection_may_send_at_once_is_taken_after_a_rest(
    connection, settings, clock
):
    settings.EVENTS_PER_SECOND = 1

    assert batch(connection, 7).status_code == 202
    assert batch(connection, 1).status_code == 429
    clock.shift(3)
    assert batch(connection, 1).status_code == 202


def test_stranger_uses_up_nothing_of_a_connection(connection, settings, clock):
    settings.EVENTS_PER_SECOND = 1
    forged = factories.ConnectionFactory.build(pk=connection.pk)

    assert [batch(forged, 1).status_code for _ in range(9)] == [401] * 9

    assert batch(connection, 5).status_code == 202


@pytest.mark.parametrize("setting", ["INBOX_OF_ACCOUNT", "INBOX"])
def test_inbox_that_is_full_takes_nothing_more(connection, settings, setting):
    setattr(settings, setting, 3)
    other = factories.ConnectionFactory(account_id="other")
    factories.ControllerBotFactory(account_id="other")
    assert batch(connection, 3).status_code == 202
    backlog.forget()

    answer = batch(connection, 1)

    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert answer.json()["code"] == "inbox-full"
    assert Notification.objects.count() == 3
    assert batch(other, 1).status_code == (503 if setting == "INBOX" else 202)
    Notification.objects.update(state=NotificationState.DONE)
    backlog.forget()
    assert batch(connection, 1).status_code == 202


def test_what_waits_is_counted_without_reading_it(connection):
    batch(connection, 3)
    Notification.objects.filter(conversation__conv_id="c-0").update(state=NotificationState.DONE)
    backlog.forget()
    with CaptureQueriesContext(database) as captured:
        assert not backlog.is_full(connection.account_id)

    explain = "EXPLAIN QUERY PLAN" if database.vendor == "sqlite" else "EXPLAIN (COSTS OFF)"
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} {captured[0]['sql']}")
        plan = str(cursor.fetchall())
    assert "notification_waiting" in plan
