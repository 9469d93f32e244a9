"""Knocks: what doors and workers do when nobody hears them, because the broker is away or hangs."""

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Task, current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from houston.models import Account
from invoker import alerts, dispatch, ingest, tasks
from invoker.models import Connection, Conversation
from tests import factories
from tests.invoker import senders
from tests.stack.services import embedded_broker

UNHEARD = [("invoker.tasks", logging.WARNING, "nobody to knock at")]


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory()


@pytest.fixture
def broker() -> Iterator[subprocess.Popen[bytes]]:
    """A real broker where the settings say it is."""
    if not settings.BROKER_EMBEDDED:
        pytest.skip("the broker is somebody else's")
    with embedded_broker(Path(settings.BROKER_SOCKET)) as process:
        yield process
    current_app.pool.force_close_all()


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The conversations that were knocked for, whether somebody heard it or not."""
    found: list[int] = []
    knock = tasks.knock

    def note(due: dispatch.Due, *, expires_s: float) -> None:
        found.append(due.conversation_pk)
        knock(due, expires_s=expires_s)

    monkeypatch.setattr(tasks, "knock", note)
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(60)
def test_door_waits_once_for_a_broker_that_hangs_and_then_goes_on_without_it(
    connection: Connection,
    broker: subprocess.Popen[bytes],
    tried: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow or fast this machine is.
    monkeypatch.setattr(ingest, "LEFT_ALONE_S", 3600)
    monkeypatch.setattr(ingest, "KNOCK_EVERY_S", 0)
    conv_ids = ["before", "first", "second", "third"]
    senders.post(connection, senders.updated(conv_ids[0]))

    os.kill(broker.pid, signal.SIGSTOP)
    try:
        answers = [senders.post(connection, senders.updated(each)) for each in conv_ids[1:]]
    finally:
        os.kill(broker.pid, signal.SIGCONT)

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    pks = dict(Conversation.objects.values_list("conv_id", "pk"))
    assert set(pks) == set(conv_ids)
    assert tried == [pks["before"], pks["first"]]


def test_broker_that_did_not_hear_is_tried_again_by_one_after_a_while() -> None:
    knocks = ingest.Knocks()
    assert knocks.worth_trying(7)
    later = 8 + ingest.LEFT_ALONE_S

    knocks.note(8, heard=False)
    tried = [knocks.worth_trying(at) for at in (8, later - 0.01, later, later + 0.01)]
    knocks.note(later + 0.02, heard=True)

    assert tried == [False, False, True, False]
    assert [knocks.worth_trying(later + 0.03), knocks.worth_trying(later + 0.03)] == [True, True]


@pytest.fixture
def nobody_hears(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No broker takes a task; the tasks that were to be sent."""
    found: list[str] = []

    def fail(task: Task, *_: object, **__: object) -> None:
        found.append(task.name)
        raise OperationalError("away")

    monkeypatch.setattr(Task, "apply_async", fail)
    return found


def test_worker_whose_broker_has_ended_leaves_the_rest_to_the_sweep(
    nobody_hears: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "serve", dispatch.Due)

    tasks.drain(1, "some")

    assert nobody_hears == ["invoker.drain"]
    assert caplog.record_tuples == UNHEARD


def test_sweep_and_watch_ask_a_broker_that_is_away_once(
    nobody_hears: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "waiting", lambda: [dispatch.Due("some", pk) for pk in (1, 2)])
    monkeypatch.setattr(alerts, "watch", lambda: None)
    monkeypatch.setattr(alerts, "due", lambda: ["first", "second"])

    tasks.sweep()
    tasks.watch()

    assert nobody_hears == ["invoker.drain", "invoker.tell"]
    assert caplog.record_tuples == 2 * UNHEARD
