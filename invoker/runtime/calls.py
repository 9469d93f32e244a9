"""What a function asks of the platform while it runs, and what it is answered."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from invoker.runtime.results import CallError, Platform

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 8
REFUSED_AFTER = 1000
# The host stays below both; who does not forges frames.
MOST_CALLS = 2 * REFUSED_AFTER
MOST_OPEN = 64
FAILED = {"code": "failed", "message": "The platform could not answer"}
ENDED = {"code": "ended", "message": "The function ended before it was answered"}

Send = Callable[[dict[str, Any]], None]


class FloodError(Exception):
    """There are more calls than the host would let through."""


class Calls:
    """The calls of one run. Everything that came is answered before the run is over.

    Short answers are given by the thread that runs the function, long ones beside it.
    """

    def __init__(self, platform: Platform, send: Send) -> None:
        self._platform = platform
        self._send = send
        self._lock = threading.Lock()
        self._open: set[int] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._count = 0

    def take(self, number: int, op: str, arguments: Any) -> None:
        """Answer one call now, or start to.

        Raises:
            FloodError: there were too many, or too many are open.
        """
        self._count += 1
        with self._lock:
            self._open.add(number)
            too_many = self._count > MOST_CALLS or len(self._open) > MOST_OPEN
        if too_many:
            raise FloodError
        found = self._ask(lambda: self._platform.answer(op, arguments))
        if not callable(found.get("value")):
            self._answer(number, found)
            return
        later: Callable[[], Any] = found["value"]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="calls")
        self._threads.submit(lambda: self._answer(number, self._ask(later)))

    def end(self) -> None:
        """Nobody waits any more: what is still open is answered so, and late answers are not."""
        for number in list(self._open):
            self._answer(number, {"error": ENDED})
        self.abandon()

    def abandon(self) -> None:
        """The sandbox is gone: nothing is answered."""
        with self._lock:
            self._open.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, ask: Callable[[], Any]) -> dict[str, Any]:
        try:
            return {"value": ask()}
        except CallError as error:
            return {"error": {"code": error.code, "message": str(error)}}
        except Exception:
            logger.exception("a call of a function was not answered")
            return {"error": FAILED}

    def _answer(self, number: int, found: dict[str, Any]) -> None:
        with self._lock:
            if number not in self._open:
                return
            self._open.discard(number)
            try:
                self._send({"answer": number, **found})
            except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
                logger.exception("an answer to a function is not JSON")
                self._send({"answer": number, "error": FAILED})
            except TimeoutError:
                raise  # whoever writes and never reads has no more time either
            except OSError:
                pass  # the thread that reads finds out
