"""gunicorn's threads, of which a connection gets one when the whole head of a request is there.

By itself gunicorn lets a thread wait for the rest of a head, and its loop for a client that was
answered and does not close. Whoever can connect would stop everything with either. A body is
waited for by its thread, see `houston.middleware.ReadTimeoutMiddleware`.
"""

import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import takewhile
from selectors import EVENT_READ
from socket import SHUT_WR
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

# From the first to the last byte, however they come.
HEAD_WITHIN_S: Final = 10
LONGEST_HEAD: Final = 64 * 1024
# Who is answered for good is heard for so long, or it may lose the answer. Source: RFC 9112 §9.6.
CLOSED_WITHIN_S: Final = 2
MOST_UNHEARD: Final = 64 * 1024
READ_AT_ONCE: Final = 16 * 1024
# Or of all that gunicorn reads of one: it refuses a line that ends in another way.
END_OF_HEAD: Final = re.compile(rb"\r\n\r\n|(?<!\r)\n")


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """For `--worker-class houston.server.Worker`. All but `handle` is for the loop, and quick."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            # A connection that there is no file for ends the process.
            self.worker_connections: int = min(self.cfg.worker_connections, files // 2)
            self.max_keepalived = self.worker_connections - self.cfg.threads
        # In the order in which their time ends; with how much came of those that are to close.
        self._unfinished: dict[TConn, None] = {}
        self._closing: dict[TConn, int] = {}

    def run(self) -> None:
        from houston import signs_of_life  # noqa: PLC0415 -- apps are loaded only now

        signs_of_life.begin()
        super().run()

    def enqueue_req(self, conn: TConn) -> None:
        """Take a connection that is new or heard of again; a thread gets it with a whole head."""
        # A request may have brought some of the next one.
        conn.head = bytearray(conn.parser.unreader.take_buffered() if conn.parser else b"")
        conn.sock.setblocking(False)
        # What comes encrypted is read by nobody but a thread.
        if self.cfg.is_ssl or END_OF_HEAD.search(conn.head) or self._read(conn):
            super().enqueue_req(conn)
        else:
            self._unfinished[conn] = None
            self._wait(conn, HEAD_WITHIN_S, self._go_on)

    def _go_on(self, conn: TConn, _: Any) -> None:
        if self._read(conn):
            del self._unfinished[conn]
            self.poller.unregister(conn.sock)
            super().enqueue_req(conn)
        elif len(conn.head) > LONGEST_HEAD:
            self._refuse(conn, "431 Request Header Fields Too Large")

    def _read(self, conn: TConn) -> bool:
        """Read what has come of a head. Whether nothing is left that a thread would wait for."""
        try:
            come = conn.sock.recv(READ_AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            come = b""
        conn.head += come
        # A client that is gone is gunicorn's to notice.
        before = len(conn.head) - len(come)
        return not come or END_OF_HEAD.search(conn.head, max(0, before - 3)) is not None

    def handle(self, conn: TConn) -> Any:
        if conn.head:
            conn.init()
            conn.parser.unreader.unread(bytes(conn.head))
        return super().handle(conn)

    def _refuse(self, conn: TConn, status: str) -> None:
        if conn.head:
            answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            with suppress(OSError):
                conn.sock.send(answer.encode())
        del self._unfinished[conn]
        self.poller.unregister(conn.sock)
        self._see_off(conn)

    def finish_request(self, conn: TConn, done: Future[Any]) -> None:
        """As gunicorn does, but without waiting for who is to close."""
        if done.cancelled() or (done.exception() is None and not done.result()):
            self._see_off(conn)
        else:
            super().finish_request(conn, done)

    def _see_off(self, conn: TConn) -> None:
        self._closing[conn] = 0
        try:
            conn.sock.shutdown(SHUT_WR)
            conn.sock.setblocking(False)
            self._wait(conn, CLOSED_WITHIN_S, self._hear_out)
        except OSError:
            self._close(conn)

    def _hear_out(self, conn: TConn, _: Any) -> None:
        try:
            come = conn.sock.recv(READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            come = b""
        self._closing[conn] += len(come)
        if not come or self._closing[conn] > MOST_UNHEARD:
            self._close(conn)

    def _close(self, conn: TConn) -> None:
        del self._closing[conn]
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _wait(self, conn: TConn, within_s: float, heard: Callable[[TConn, Any], None]) -> None:
        conn.timeout = time.monotonic() + within_s
        self.poller.register(conn.sock, EVENT_READ, partial(heard, conn))

    def murder_pending(self) -> None:
        """End those whose time is over; gunicorn asks for it all the time."""
        super().murder_pending()
        for conn in _overdue(self._unfinished):
            self._refuse(conn, "408 Request Timeout")
        for conn in _overdue(self._closing):
            self._close(conn)
        if self.nr_conns >= self.worker_connections:
            self._make_room()

    def _make_room(self) -> None:
        """For one more connection, by ending the one that was waited for longest."""
        if not self._closing and self._unfinished:
            self._refuse(next(iter(self._unfinished)), "408 Request Timeout")
        if self._closing:
            self._close(next(iter(self._closing)))

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for new requests either, as the process is to end."""
        super()._cap_keepalive(deadline)
        for conn in self._unfinished:
            conn.timeout = min(conn.timeout, deadline)


def _overdue(waiting: dict[TConn, Any]) -> list[TConn]:
    now = time.monotonic()
    return list(takewhile(lambda conn: conn.timeout <= now, waiting))
