"""One open socket to the messaging service: requests with answers, and notifications.

NotSentError    the socket is closed, nothing was asked
NoAnswerError   it was asked and nobody answered: it may have been carried out
AnswerError     the platform said no, with a code as in HTTP

Source: `controller-bot.md` §1.2, §1.3.
"""

import asyncio
import contextlib
import logging
import queue
import ssl
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from invoker.platforms import reach
from invoker.platforms.contract import read_retry_after, repair
from invoker.platforms.liveperson.requests import Request
from invoker.platforms.liveperson.timing import Timing

logger = logging.getLogger(__name__)

# A subscription is answered with up to a thousand conversations at once.
MAX_FRAME_BYTES = 32 * 1024 * 1024
MOST_WAITING = 2_000
ERROR_CODES_FROM = 400
CLOSE_WITHIN_S = 2.0
_ROOM_AGAIN_S = 0.05
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
    sent: bool = False
    response: dict[str, Any] | None = None


@contextmanager
def opened(url: str, timing: Timing) -> Iterator["Ums"]:
    """A socket that is read until the end of the block.

    Raises:
        OpenError: there is none. Never repeats the address, which holds the token.
    """
    ums = Ums(url, timing)
    ums.open()
    try:
        yield ums
    finally:
        ums.close()


class Ums:
    """Requests may come from any thread; notifications are for one to read.

    The socket lives in an event loop and thread of its own, not in the library's threads: those
    read and write one TLS connection at once, which OpenSSL does not allow, and was seen to hang.
    """

    def __init__(self, url: str, timing: Timing) -> None:
        self._url = url
        self._timing = timing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._websocket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: OpenError | None = None
        self._waiters: dict[str, _Waiter] = {}
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._closing = threading.Event()
        self._closed = threading.Event()
        self._frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ums", daemon=True)
        self.why_closed = ""

    @property
    def close_code(self) -> int | None:
        return self._websocket.close_code if self._websocket else None

    def open(self) -> None:
        self._thread.start()
        self._tried.wait()
        if self._websocket is None:
            raise self._failure or OpenError("the socket does not open")

    def request(self, asked: Request, *, within_s: float | None = None) -> Any:
        """The body of the answer.

        Raises:
            NotSentError, NoAnswerError, AnswerError: see the module.
        """
        waiter, request_id = _Waiter(), str(uuid.uuid4())
        frame = {"kind": "req", "id": request_id, "type": asked.type, "body": asked.body}
        text = msgspec.json.encode(frame).decode()
        with self._lock:
            if self._closing.is_set() or self._closed.is_set():
                raise NotSentError("The agent socket is closed")
            self._waiters[request_id] = waiter
            # Under the lock, so that the loop has not ended yet.
            self._in_loop(self._send, request_id, text)
        limit = self._timing.request if within_s is None else within_s
        answered = waiter.done.wait(limit)
        with self._lock:
            self._waiters.pop(request_id, None)
        if not waiter.sent:
            raise NotSentError("The agent socket is closed")
        if not answered:
            raise NoAnswerError(f"LivePerson did not answer within {limit:g} s")
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
        """At once: what waits for an answer gets none, what is asked from now on is not sent."""
        with self._lock:
            if not self._closing.is_set():
                self.why_closed = why
                self._closing.set()
                if not self._closed.is_set():
                    self._in_loop(self._begin_to_close)
        self._thread.join(2 * CLOSE_WITHIN_S)

    def _in_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call, *arguments)

    # In the loop's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._converse())
        finally:
            self._tried.set()
            self._frames.put(None)

    async def _converse(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            websocket = await self._connect()
        except InvalidStatus as error:
            answer = error.response
            self._failure = OpenError(
                f"the socket was refused with {answer.status_code}",
                status=answer.status_code,
                retry_after_s=read_retry_after(answer.headers.get("Retry-After")),
            )
            return
        except (OSError, ValueError, WebSocketException) as error:
            self._failure = OpenError(f"the socket does not open ({type(error).__name__})")
            return
        try:
            async with websocket:
                self._websocket = websocket
                self._tried.set()
                await websocket.ping()
                while True:
                    self._take(await websocket.recv(decode=False))
                    while self._frames.qsize() > MOST_WAITING and not self._closing.is_set():
                        # A flood waits on the wire and not in memory.
                        await asyncio.sleep(_ROOM_AGAIN_S)
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._closed.set()
                waiters = list(self._waiters.values())
            for waiter in waiters:
                waiter.done.set()

    async def _connect(self) -> ClientConnection:
        asked = urlsplit(self._url)
        port = asked.port or (443 if asked.scheme == "wss" else 80)
        async with asyncio.timeout(self._timing.opening):
            addresses = await reach.find(asked.hostname or "", port)
        failure = OSError("the name leads nowhere")
        for address in addresses:
            try:
                return await self._connect_to(address, port)
            except TimeoutError:
                raise
            except OSError as error:
                failure = error
        raise failure

    async def _connect_to(self, address: str, port: int) -> ClientConnection:
        """To the very address that was checked; TLS and the Host header keep the name."""
        return await connect(
            self._url,
            host=address,
            port=port,
            ssl=ssl.create_default_context() if self._url.startswith("wss:") else None,
            proxy=None,
            user_agent_header="Houston",
            open_timeout=self._timing.opening,
            ping_interval=self._timing.ping,
            ping_timeout=self._timing.pong,
            close_timeout=CLOSE_WITHIN_S,
            max_size=MAX_FRAME_BYTES,
        )

    def _send(self, request_id: str, text: str) -> None:
        """Write now or never, so that whoever asked knows whether it was."""
        websocket = self._websocket
        with self._lock:
            waiter = self._waiters.get(request_id)
            if waiter is None:
                return
            if self._closing.is_set() or websocket is None or websocket.state is not State.OPEN:
                waiter.done.set()
                return
            waiter.sent = True
        self._do(self._write(websocket, text))

    async def _write(self, websocket: ClientConnection, text: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(text)

    def _begin_to_close(self) -> None:
        if self._websocket is not None:
            self._do(self._websocket.close())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self, frame: bytes) -> None:
        try:
            message = msgspec.json.decode(repair(frame))
        except (ValueError, RecursionError):
            logger.warning("frame dropped: it is not JSON", extra={"bytes": len(frame)})
            return
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "notification":
            self._frames.put(message)
        elif kind == "resp":
            with self._lock:
                waiter = self._waiters.get(str(message.get("reqId")))
            if waiter is not None:
                waiter.response = message
                waiter.done.set()


def _words(body: Any) -> str:
    """What an error's body says: text, or an object with title, details and errorCode."""
    if isinstance(body, dict):
        parts = [body.get("title"), body.get("details"), body.get("errorCode")]
        body = ", ".join(str(part) for part in parts if part)
    return str(body or "")[:_SAID]
