"""What a worker notices of its broker. Deaf workers are in `tests/stack/test_ending.py`."""

import threading

import pytest

from houston import listening
from houston.celery import app
from houston.listening import Listening


def test_worker_gives_signs_of_life_again_whatever_has_failed(monkeypatch: pytest.MonkeyPatch):
    alive = threading.Event()
    failures = [RuntimeError("nobody has thought of it")]

    def beat(_: str) -> None:
        if failures:
            raise failures.pop()
        alive.set()

    def tell(_: Listening) -> bool:
        if alive.is_set():
            threading.Event().wait()  # the thread knows no end
        return True

    monkeypatch.setattr(listening, "EVERY_S", 0.01)
    monkeypatch.setattr(listening.Heartbeat, "beat", beat)
    monkeypatch.setattr(Listening, "_tell", tell)

    Listening(app, "one", 4, pytest.fail).start()

    assert alive.wait(10)
