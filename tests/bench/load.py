"""Sends requests and takes what comes back, both in one loop: the load of `tests.bench.throughput`.

Sockets and `selectors` and nothing else, because the load shares the two CPUs with what it
measures: a request costs it some 50 µs, where an HTTP library would take half a millisecond. Time
is the monotonic clock of one process on both ways, so no clocks have to agree.
"""

import base64
import hashlib
import hmac
import json
import selectors
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

READ_BYTES = 65_536
END_OF_HEAD = b"\r\n\r\n"
NOTHING_COMES_S = 10.0
"""Whoever has not answered by then is counted as missing."""


@dataclass(slots=True)
class Door:
    """Where notifications go: the connection's webhook and how it is signed."""

    port: int
    path: str
    secret: str

    def request(self, body: bytes, content_type: str = "application/cloudevents+json") -> bytes:
        """A signed request. Source: the Standard Webhooks specification."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        message_id, now = str(uuid.uuid4()), int(time.time())
        signed = hmac.digest(key, b"%s.%d.%s" % (message_id.encode(), now, body), hashlib.sha256)
        return post(
            self.path,
            body,
            f"content-type: {content_type}\r\nwebhook-id: {message_id}\r\n"
            f"webhook-timestamp: {now}\r\n"
            f"webhook-signature: v1,{base64.b64encode(signed).decode()}\r\n",
        )


def post(path: str, body: bytes, headers: str = "content-type: application/json\r\n") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def notification(conv_id: str) -> bytes:
    """A new conversation, as a CloudEvent: it becomes one event."""
    now = int(time.time() * 1000)
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "//example/bench",
            "type": "com.houston.messaging.conversation.updated",
            "datacontenttype": "application/json",
            "data": {
                "conversationId": conv_id,
                "state": "OPEN",
                "skillId": "42",
                "participants": [{"id": f"consumer-{conv_id}", "role": "CONSUMER"}],
                "startTs": now,
                "updatedTs": now,
                "firstConversation": True,
                "context": {"type": "SHARK", "clientProperties": {"appId": "bench"}},
            },
        }
    ).encode()


@dataclass(slots=True)
class Taken:
    """What one measurement saw. Seconds; `lost` was sent and nothing came of it."""

    seconds: float = 0.0
    took_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.took_s) / self.seconds if self.seconds else 0.0

    def ms(self, share: float) -> float:
        ordered = sorted(self.took_s)
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    @property
    def refused(self) -> int:
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)


class _Channel:
    """One kept connection to the server, with at most one request on its way."""

    __slots__ = ("began", "incoming", "request", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.incoming = b""
        self.request = b""
        self.began = 0.0


class Load:
    """The loop. `address` is where commands are to be sent, `datagrams` where finished hops are."""

    def __init__(self, directory: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/commands"
        self.datagrams = f"{directory}/hops.sock"
        self._hops = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hops.setblocking(False)
        self._hops.bind(self.datagrams)
        self._selector.register(self._hops, selectors.EVENT_READ, self._take_hops)
        self._port = 0
        self._free: deque[_Channel] = deque()
        self._waiting: deque[bytes] = deque()
        self._busy = 0
        self._answered: Callable[[int, float], None] = lambda *_: None
        self._came: Callable[[str], None] = lambda _: None

    def _turn(self, wait_s: float) -> None:
        for key, _ in self._selector.select(max(0.0, wait_s)):
            key.data(key.fileobj)

    # --- requests -----------------------------------------------------------------------------

    def connect(self, port: int, channels: int) -> None:
        """Send requests there from now on, by so many connections."""
        for channel in self._free:
            self._drop(channel)
        self._port = port
        self._free = deque(_Channel() for _ in range(channels))

    def send(self, request: bytes) -> None:
        """Send now, or when a connection is free."""
        if self._free:
            self._start(self._free.popleft(), request)
        else:
            self._waiting.append(request)

    def _start(self, channel: _Channel, request: bytes) -> None:
        channel.request, channel.began = request, time.perf_counter()
        self._busy += 1
        self._write(channel)

    def _write(self, channel: _Channel) -> None:
        if channel.socket is None:
            channel.socket = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            channel.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(
                channel.socket, selectors.EVENT_READ, lambda _: self._read(channel)
            )
        try:
            channel.socket.sendall(channel.request)
        except OSError:
            self._drop(channel)
            self._write(channel)

    def _drop(self, channel: _Channel) -> None:
        if channel.socket is not None:
            self._selector.unregister(channel.socket)
            channel.socket.close()
        channel.socket, channel.incoming = None, b""

    def _read(self, channel: _Channel) -> None:
        assert channel.socket
        try:
            some = channel.socket.recv(READ_BYTES)
        except OSError:
            some = b""
        if not some:
            # An idle connection ended, perhaps just as the next request was written into it: the
            # door knows a repetition by its id.
            self._drop(channel)
            if channel.request:
                self._write(channel)
            return
        channel.incoming += some
        length = _message_length(channel.incoming)
        if length is None or len(channel.incoming) < length:
            return
        status = int(channel.incoming[9:12])
        if b"\r\nConnection: close" in channel.incoming:
            self._drop(channel)
        channel.incoming, channel.request = b"", b""
        self._busy -= 1
        began = channel.began
        if self._waiting:
            self._start(channel, self._waiting.popleft())
        else:
            self._free.append(channel)
        self._answered(status, time.perf_counter() - began)

    # --- commands and hops --------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        channel, _ = listener.accept()
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kept = bytearray()
        self._selector.register(
            channel, selectors.EVENT_READ, lambda one: self._take_command(one, kept)
        )

    def _take_command(self, channel: socket.socket, kept: bytearray) -> None:
        try:
            some = channel.recv(READ_BYTES)
        except OSError:
            some = b""
        if not some:
            self._selector.unregister(channel)
            channel.close()
            return
        kept += some
        while (length := _message_length(kept)) is not None and len(kept) >= length:
            head, _, body = bytes(kept[:length]).partition(END_OF_HEAD)
            del kept[:length]
            assert head
            channel.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            self._came(json.loads(body)["data"]["conversationId"])

    def _take_hops(self, hops: socket.socket) -> None:
        while True:
            try:
                self._came(hops.recv(200).decode())
            except BlockingIOError:
                return

    # --- measurements -------------------------------------------------------------------------

    def requests(self, make: Callable[[], bytes], seconds: float) -> Taken:
        """As many requests as are answered, a new one on each connection as soon as it is free."""
        taken = Taken()
        began, cpu = time.perf_counter(), time.process_time()
        ends_at = began + seconds

        def answered(status: int, took_s: float) -> None:
            taken.statuses[status] = taken.statuses.get(status, 0) + 1
            taken.took_s.append(took_s)
            if time.perf_counter() < ends_at:
                self.send(make())

        self._answered = answered
        for _ in range(len(self._free)):
            self.send(make())
        while self._busy and time.perf_counter() < ends_at + NOTHING_COMES_S:
            self._turn(0.5)
        taken.seconds = time.perf_counter() - began
        taken.cpu_s, taken.lost = time.process_time() - cpu, self._busy
        return taken

    def at_once(self, start: Callable[[str], None], window: int, seconds: float) -> Taken:
        """Things that are started and come back, so many of them on their way at any time."""
        return self._things(start, seconds, window=window)

    def paced(self, start: Callable[[str], None], rate: float, seconds: float) -> Taken:
        """The same, started evenly spaced, come what may; time counts from when each was due."""
        return self._things(start, seconds, rate=rate)

    def _things(
        self, start: Callable[[str], None], seconds: float, *, window: int = 0, rate: float = 0.0
    ) -> Taken:
        taken, started, run = Taken(), dict[str, float](), uuid.uuid4().hex[:8]
        began, cpu = time.perf_counter(), time.process_time()
        ends_at, number, last = began + seconds, 0, began

        def one(due: float) -> None:
            nonlocal number
            name = f"{run}-{number}"
            number += 1
            started[name] = due
            start(name)

        def came(name: str) -> None:
            nonlocal last
            due = started.pop(name, None)
            if due is not None:
                last = time.perf_counter()
                taken.took_s.append(last - due)
                if window and last < ends_at:
                    one(last)

        def answered(status: int, _: float) -> None:
            taken.statuses[status] = taken.statuses.get(status, 0) + 1

        self._came, self._answered = came, answered
        for _ in range(window):
            one(time.perf_counter())
        while True:
            now = time.perf_counter()
            if rate and now < ends_at:
                due = began + number / rate
                if due <= now:
                    one(due)
                self._turn(0.0 if due <= now else due - now)
                continue
            if now > ends_at and (not started or now > max(last, ends_at) + NOTHING_COMES_S):
                break
            self._turn(0.1)
        taken.seconds = (last if window else ends_at) - began
        taken.lost, taken.cpu_s = len(started), time.process_time() - cpu
        return taken

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def _message_length(read: bytes | bytearray) -> int | None:
    """How long the first HTTP message is; None while its head is not whole."""
    end = read.find(END_OF_HEAD)
    if end < 0:
        return None
    head = bytes(read[:end]).lower()
    place = head.find(b"content-length:")
    length = 0 if place < 0 else int(head[place + 15 :].split(b"\r\n", 1)[0])
    return end + len(END_OF_HEAD) + length
