"""One open socket to the messaging service: requests with answers, and notifications.

NotSentError    the socket is closed, nothing was asked
NoAnswerError   it was asked and nobody answered: it may have been carried out
AnswerError     the platform said no, with a code as in HTTP

Source: `controller-bot.md` §1.2, §1.3.
"""

import contextlib
import logging
import queue
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from invoker.platforms.liveperson.requests import Request
from invoker.platforms.liveperson.timing import Timing

logger = logging.getLogger(__name__)

# A subscription is answered with up to a thousand conversations at once.
MAX_FRAME_BYTES = 32 * 1024 * 1024
MOST_WAITING = 2_000
ERROR_CODES_FROM = 400
UNANSWERED_MS = 30_000
CLOSE_WITHIN_S = 2.0
_SAID = 300


class NotSentError(Exception):
    pass


class NoAnswerError(Exception):
    pass


class AnswerError(Exception):
    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"LivePerson answered {code}: {said}" if said else
                         f"LivePerson answered {code}")  # fmt: skip
        self.code = code


class OpenError(Exception):
    """The socket could not be opened. `status` is that of HTTP, None when nobody answered."""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Waiter:
    done: threading.Event = field(default_factory=threading.Event)
    response: dict[str, Any] | None = None


@contextmanager
def opened(url: str, timing: Timing) -> Iterator["Ums"]:
    """A socket that is read until the end of the block.

    Raises:
        OpenError: there is none. Never repeats the address, which holds the token.
    """
    with contextlib.ExitStack() as stack:
        try:
            websocket = stack.enter_context(
                connect(
                    url,
                    ssl=ssl.create_default_context() if url.startswith("wss:") else None,
                    proxy=None,
                    user_agent_header="Houston",
                    open_timeout=timing.opening,
                    ping_interval=timing.ping,
                    ping_timeout=timing.pong,
                    close_timeout=CLOSE_WITHIN_S,
                    max_size=MAX_FRAME_BYTES,
                )
            )
        except InvalidStatus as error:
            answer = error.response
            raise OpenError(
                f"the socket was refused with {answer.status_code}",
                status=answer.status_code,
                retry_after_s=_seconds(answer.headers.get("Retry-After", "")),
            ) from error
        except (OSError, WebSocketException) as error:
            raise OpenError(f"the socket does not open ({type(error).__name__})") from error
        # A peer that reads no more would hold every sender for good.
        websocket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
        ums = Ums(websocket, timing)
        stack.callback(ums.close)
        yield ums


class Ums:
    """Requests may come from any thread; notifications are for one to read."""

    def __init__(self, websocket: ClientConnection, timing: Timing) -> None:
        self._websocket = websocket
        self._timing = timing
        self._waiters: dict[str, _Waiter] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._closed = threading.Event()
        self._frames: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self.why_closed = ""
        with contextlib.suppress(ConnectionClosed):
            websocket.ping()
        threading.Thread(target=self._read, name="ums", daemon=True).start()

    @property
    def close_code(self) -> int | None:
        return self._websocket.close_code

    def request(self, asked: Request, *, within_s: float | None = None) -> Any:
        """The body of the answer.

        Raises:
            NotSentError, NoAnswerError, AnswerError: see the module.
        """
        waiter, request_id = _Waiter(), str(uuid.uuid4())
        frame = {"kind": "req", "id": request_id, "type": asked.type, "body": asked.body}
        with self._lock:
            if self._closed.is_set():
                raise NotSentError("The agent socket is closed")
            self._waiters[request_id] = waiter
        try:
            try:
                self._websocket.send(msgspec.json.encode(frame).decode())
            except ConnectionClosed as error:
                raise NotSentError("The agent socket is closed") from error
            limit = self._timing.request if within_s is None else within_s
            if not waiter.done.wait(limit):
                raise NoAnswerError(f"LivePerson did not answer within {limit:g} s")
        finally:
            with self._lock:
                self._waiters.pop(request_id, None)
        if waiter.response is None:
            raise NoAnswerError("The agent socket closed before LivePerson answered")
        code, body = waiter.response.get("code"), waiter.response.get("body")
        if isinstance(code, int) and code >= ERROR_CODES_FROM:
            raise AnswerError(code, _words(body))
        return body

    def notifications(self) -> Iterator[dict[str, Any]]:
        """What comes until the socket is closed.

        What came before the platform closed it comes out too, what came before `close` does not.
        """
        while (found := self._frames.get()) is not None and not self._closing.is_set():
            yield found

    def wait_closed(self, within_s: float) -> bool:
        return self._closed.wait(within_s)

    def close(self, why: str = "") -> None:
        """At once: what waits for an answer gets none, what is sent now is not sent."""
        self.why_closed = self.why_closed or why
        self._closing.set()
        with contextlib.suppress(ConnectionClosed):
            self._websocket.close()
        self._closed.wait(CLOSE_WITHIN_S)

    def _read(self) -> None:
        try:
            while True:
                self._take(self._websocket.recv(decode=False))
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._closed.set()
                waiters = list(self._waiters.values())
            for waiter in waiters:
                waiter.done.set()
            self._hand_out(None)

    def _take(self, frame: bytes) -> None:
        try:
            message = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            logger.warning("frame dropped: it is not JSON", extra={"bytes": len(frame)})
            return
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "notification":
            self._hand_out(message)
        elif kind == "resp":
            with self._lock:
                waiter = self._waiters.get(str(message.get("reqId")))
            if waiter is not None:
                waiter.response = message
                waiter.done.set()

    def _hand_out(self, found: dict[str, Any] | None) -> None:
        """Wait until there is room, so that a flood waits on the wire and not in memory."""
        while True:
            try:
                self._frames.put(found, timeout=0.2)
            except queue.Full:
                if self._closing.is_set():
                    return
            else:
                return


def _words(body: Any) -> str:
    """What an error's body says: text, or an object with title, details and errorCode."""
    if isinstance(body, dict):
        parts = [body.get("title"), body.get("details"), body.get("errorCode")]
        body = ", ".join(str(part) for part in parts if part)
    return str(body or "")[:_SAID]


def _seconds(retry_after: str) -> float | None:
    try:
        return min(3600.0, max(0.0, float(retry_after)))
    except ValueError:
        return None
