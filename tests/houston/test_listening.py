"""What a worker notices of its broker. Deaf workers are in `tests/stack/test_ending.py`."""

import threading
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from celery import signals

from houston import celery, listening


@pytest.fixture
def listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Begin to listen as a worker does, and end as one."""
    for signal in (signals.task_received, signals.worker_ready, signals.worker_shutting_down):
        monkeypatch.setattr(signal, "receivers", [])
    monkeypatch.setattr(listening, "EVERY_S", 0.01)
    told = threading.Event()
    monkeypatch.setattr(listening.Listening, "_tell", lambda _: told.set() or True)
    celery.listen(sender="one", instance=Mock(concurrency=4))
    yield told
    signals.worker_shutting_down.send(sender="one")


def test_worker_gives_signs_of_life_again_whatever_has_failed(
    monkeypatch: pytest.MonkeyPatch, listens: threading.Event
) -> None:
    alive = threading.Event()
    failures = [RuntimeError("nobody has thought of it")]

    def live() -> None:
        if failures:
            raise failures.pop()
        alive.set()

    monkeypatch.setattr(listening.resuming, "sign_of_life", live)

    signals.worker_ready.send(sender="one")

    assert alive.wait(10)


def test_worker_that_ends_does_not_listen_for_what_it_no_longer_takes(
    monkeypatch: pytest.MonkeyPatch, listens: threading.Event
) -> None:
    monkeypatch.setattr(listening.resuming, "sign_of_life", lambda: None)
    before = set(threading.enumerate())
    signals.worker_ready.send(sender="one")
    [ear] = set(threading.enumerate()) - before
    assert listens.wait(10)

    signals.worker_shutting_down.send(sender="one")

    ear.join(10)
    assert not ear.is_alive()
