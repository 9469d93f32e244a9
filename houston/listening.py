"""Whether this worker hears its broker: it tells itself something all the time.

A worker can be deaf though it is connected, and nothing in Celery notices. So each has a queue of
its own that the very consumer reads which takes its tasks. One that hears nothing of what it sends
there, while the broker takes it, ends, and whoever looks after processes starts it again.
Source: celery#8030, #8091, #9054, #10205.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.worker import state
from django.conf import settings
from kombu import Exchange, Queue

from houston import signs_of_life
from invoker import resuming, tasks

logger = logging.getLogger(__name__)

EVERY_S = 5.0
CONNECT_S = 2.0
# What service managers take for a fault that another start may mend. Source: sysexits.h.
DEAF = 75


class Listening:
    """One worker's ear. `end` is called, with an exit code, when it is deaf."""

    def __init__(self, app: Any, name: str, concurrency: int, end: Callable[[int], None]) -> None:
        self._app = app
        self._concurrency = concurrency
        self._end = end
        own = f"own.{name}.{os.getpid()}"
        # Nobody else ever reads it, so it goes when its worker does.
        self.queue = Queue(
            own,
            Exchange(own, type="direct", auto_delete=True),
            routing_key=own,
            auto_delete=True,
            expires=600,
        )
        transport = app.connection_for_write().transport
        self._away: tuple[type[Exception], ...] = (
            *tasks.AWAY,
            *transport.connection_errors,
            *transport.channel_errors,
        )
        self._heard_at = time.monotonic()
        # Since when it should have heard something; None while nobody can tell.
        self._since: float | None = None
        self._stopped = threading.Event()

    def heard(self, **_: Any) -> None:
        """A task came; whichever, it came through the consumer."""
        self._heard_at = time.monotonic()

    def start(self) -> None:
        threading.Thread(target=self._run, name="listening", daemon=True).start()

    def stop(self, **_: Any) -> None:
        """A worker that ends takes nothing more, which is no deafness."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._hears():
                    signs_of_life.give(resuming.sign_of_life)
            except Exception:
                # No other thread gives a sign of life or notices that the worker is deaf.
                logger.exception("cannot tell whether the broker is heard")
            self._stopped.wait(min(EVERY_S, settings.WORKER_DEAF_S / 4))

    def _hears(self) -> bool:
        """Whether all is well, as far as can be told; does not return when it is deaf."""
        now = time.monotonic()
        if not self._tell():
            # Nothing is to be heard of a broker that is away.
            self._since = None
            return False
        if len(state.reserved_requests) >= self._concurrency:
            # With its hands full it takes nothing more, and that is as it should be.
            self._since = None
            return True
        if self._since is None:
            self._since = now
        silent_s = now - max(self._heard_at, self._since)
        if silent_s > settings.WORKER_DEAF_S:
            logger.critical(
                "deaf to the broker: ends, to be started again", extra={"silent_s": round(silent_s)}
            )
            self._end(DEAF)
        return silent_s < settings.WORKER_DEAF_S / 2

    def _tell(self) -> bool:
        """Send itself something over a connection of its own; False when the broker is away."""
        try:
            with self._app.connection_for_write() as fresh:
                fresh.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_S)
                self._app.send_task(
                    tasks.hear.name,
                    queue=self.queue,
                    connection=fresh,
                    retry=False,
                    expires=settings.WORKER_DEAF_S,
                )
        except self._away as error:
            logger.info("the broker is away", extra={"reason": type(error).__name__})
            return False
        return True
