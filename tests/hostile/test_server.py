"""What only the real server meets: lengths that lie, bodies that drip, headers without an end."""

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from houston.middleware import READ_TIMEOUT_S
from tests.stack import services
from tests.stack.conftest import ROOT, Houston

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

EVENT = b'{"specversion": "1.0", "id": "1", "source": "//x", "type": "x", "data": {}}'
KIND = b"Content-Type: application/cloudevents+json\r\n"


def talk(houston: Houston, *said: bytes, wait_s: float = READ_TIMEOUT_S + 10) -> bytes:
    """Say something to the server, a part after the other, and hear it out."""
    where = urlsplit(houston.url)
    with socket.create_connection((where.hostname, where.port), timeout=wait_s) as wire:
        heard = b""
        try:
            for each in said:
                wire.sendall(each)
            wire.shutdown(socket.SHUT_WR)
            while more := wire.recv(65536):
                heard += more
        except (ConnectionResetError, BrokenPipeError):
            pass
    return heard


def door(houston: Houston) -> bytes:
    [generic] = [one for one in houston.demo()["connections"] if one["platform"] == "generic"]
    return urlsplit(generic["webhook_url"]).path.encode()


def head(houston: Houston, *headers: bytes, method: bytes = b"POST") -> bytes:
    lines = b"".join(each + b"\r\n" for each in headers)
    return (
        method + b" " + door(houston) + b" HTTP/1.1\r\nHost: localhost\r\n" + KIND + lines + b"\r\n"
    )


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1."), answer[:200]
    return int(answer.split(b" ", 2)[1])


LENGTH = b"Content-Length: " + str(len(EVENT)).encode()
CASES: dict[str, tuple[tuple[bytes, ...], bytes, set[int]]] = {
    "as it should be, unsigned": ((LENGTH,), EVENT, {401}),
    "no length": ((), b"", {401, 411}),
    "a length of words": ((b"Content-Length: many",), EVENT, {400}),
    "a negative length": ((b"Content-Length: -1",), EVENT, {400}),
    "two lengths": ((LENGTH, b"Content-Length: 3"), EVENT, {400}),
    "a length of 5,000 digits": ((b"Content-Length: " + b"9" * 5000,), EVENT, {400, 413}),
    "10 MiB": ((b"Content-Length: 10485760",), b"x" * 10_485_760, {413}),
    "10 MiB announced, nothing sent": ((b"Content-Length: 10485760",), b"", {413}),
    "chunked": ((b"Transfer-Encoding: chunked",), b"5\r\nhello\r\n0\r\n\r\n", {411}),
    "chunked and a length": ((LENGTH, b"Transfer-Encoding: chunked"), EVENT, {400, 411}),
    "chunks that are none": ((b"Transfer-Encoding: chunked",), b"zz\r\nhello", {400, 411}),
    "an encoding of words": ((LENGTH, b"Transfer-Encoding: gzip"), EVENT, {400, 501}),
    "a header of 100 kB": ((LENGTH, b"X-Long: " + b"x" * 100_000), EVENT, {400, 431}),
    "1,000 headers": ((LENGTH, *(b"X-%d: 1" % n for n in range(1000))), EVENT, {400, 431}),
    "a header without a name": ((LENGTH, b": x"), EVENT, {400}),
    "a folded header": ((LENGTH, b"X-A: 1\r\n 2"), EVENT, {400, 401}),
    "a header with NUL": ((LENGTH, b"X-A: a\0b"), EVENT, {400, 401}),
    "a signature twice": ((LENGTH, b"webhook-id: a", b"webhook-id: b"), EVENT, {401}),
    "bytes that are no text": ((LENGTH, b"webhook-signature: \xff\xfe"), EVENT, {401}),
    "an id with markup": ((LENGTH, b"X-Request-ID: <script>"), EVENT, {401}),
    "less than announced": ((b"Content-Length: 5000",), EVENT, {400, 401, 408}),
}


@pytest.mark.parametrize("what", CASES)
def test_server_refuses(houston: Houston, what: str) -> None:
    headers, body, wanted = CASES[what]

    answer = talk(houston, head(houston, *headers, b"Connection: close"), body)

    # A sender that is told to stop while it still sends may hear nothing but that.
    assert answer or len(body) > 1_000_000
    if answer:
        assert status(answer) in wanted, answer[:300]
        assert b"Traceback" not in answer
        assert b"<script>" not in answer
        if b"application/json" in answer:
            told = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert told["code"]
            assert told["message"].startswith("Cannot ")


@pytest.mark.parametrize("method", [b"TRACE", b"BREW", b"CONNECT", b"get", b"POST\tX"])
def test_server_knows_no_other_method(houston: Houston, method: bytes) -> None:
    answer = talk(houston, head(houston, LENGTH, b"Connection: close", method=method), EVENT)

    assert status(answer) in {400, 405}, answer[:300]


def test_body_that_drips_keeps_nobody_else_waiting(houston: Houston) -> None:
    """Nobody waits longer for the next byte than `READ_TIMEOUT_S`; others are served meanwhile."""
    where = urlsplit(houston.url)
    silent = [socket.create_connection((where.hostname, where.port), timeout=60) for _ in range(8)]
    try:
        for wire in silent:
            wire.sendall(head(houston, b"Content-Length: 1000", b"Connection: close") + b"{")
        assert houston.get("/healthz").status_code == 200
        answers = [b"".join(iter(lambda: wire.recv(65536), b"")) for wire in silent]  # noqa: B023
    finally:
        for wire in silent:
            wire.close()

    assert {status(answer) for answer in answers} == {408}
    assert all(b'"body-too-slow"' in answer for answer in answers)
    assert houston.get("/healthz").status_code == 200


# Who never comes to an end -----------------------------------------------------------------------

# More than there are threads, of which the product here has 16.
MANY = 40
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def wires(houston: Houston, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """So many connections on which this was said and nothing more."""
    where = urlsplit(houston.url)
    with ExitStack() as opened:
        found = []
        for _ in range(count):
            wire = socket.create_connection((where.hostname, where.port), timeout=60)
            found.append(opened.enter_context(wire))
            wire.sendall(said)
        yield found


def hear_out(wire: socket.socket) -> bytes:
    heard = b""
    try:
        while more := wire.recv(65536):
            heard += more
    except ConnectionResetError:
        pass
    return heard


def test_half_a_head_keeps_no_thread(houston: Houston) -> None:
    with wires(houston, MANY, b"POST /events/x HTTP/1.1\r\nHost: localhost\r\nX-A: ") as halves:
        meanwhile = [houston.get("/healthz").status_code for _ in range(5)]
        answers = [hear_out(wire) for wire in halves]

    assert meanwhile == [200] * 5
    assert [status(answer) for answer in answers] == [408] * MANY


def test_head_that_drips_is_ended_as_if_nothing_came(houston: Houston) -> None:
    with wires(houston, 1, b"GET /healthz HTTP/1.1\r\nX-A: ") as [wire]:
        while not select.select([wire], [], [], 0.2)[0]:
            wire.sendall(b"a")
        answer = hear_out(wire)

    assert status(answer) == 408


def test_half_a_head_behind_a_whole_one_keeps_no_thread(houston: Houston) -> None:
    with wires(houston, MANY, ASK + b"\r\n" + ASK) as halves:
        meanwhile = [houston.get("/healthz").status_code for _ in range(5)]
        answers = [hear_out(wire) for wire in halves]

    assert meanwhile == [200] * 5
    assert [status(answer) for answer in answers] == [200] * MANY
    assert [answer.count(b"HTTP/1.1 408 ") for answer in answers] == [1] * MANY


def test_client_that_does_not_close_keeps_nobody_waiting(houston: Houston) -> None:
    with wires(houston, MANY, ASK + b"Connection: close\r\n\r\n"):
        meanwhile = [houston.get("/healthz").status_code for _ in range(5)]

    assert meanwhile == [200] * 5


def test_requests_in_one_piece_and_in_many_are_answered_in_turn(houston: Houston) -> None:
    two = ASK + b"\r\n" + ASK + b"Connection: close\r\n\r\n"

    together = talk(houston, two)
    where = urlsplit(houston.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in two:
            wire.sendall(bytes([byte]))
        apart = hear_out(wire)

    assert together.count(b"HTTP/1.1 200 OK") == 2
    assert apart.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nX: a\nY"])
def test_line_that_ends_otherwise_is_refused_before_the_head_is_whole(
    houston: Houston, said: bytes
) -> None:
    with wires(houston, 1, said) as [wire]:
        assert status(hear_out(wire)) == 400


def test_head_without_an_end_is_refused_when_it_is_too_long(houston: Houston) -> None:
    with wires(houston, 1, ASK + b"X-A: " + b"x" * 64 * 1024) as [wire]:
        assert status(hear_out(wire)) == 431


def test_heads_without_an_end_leave_room_for_a_whole_one(houston: Houston) -> None:
    port = services.free_port()
    options = f"--bind 127.0.0.1:{port} --threads 4 --worker-connections 20 --log-level warning"
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "houston.wsgi", *options.split(),
         "--worker-class", "houston.server.Worker"],
        cwd=ROOT, env=houston.environment,
    ) as web:  # fmt: skip
        try:
            until_it_listens(port)
            with ExitStack() as opened:
                for _ in range(60):
                    wire = socket.create_connection(("127.0.0.1", port), timeout=60)
                    opened.enter_context(wire).sendall(ASK)
                honest = socket.create_connection(("127.0.0.1", port), timeout=60)
                opened.enter_context(honest).sendall(ASK + b"Connection: close\r\n\r\n")
                answer = hear_out(honest)
        finally:
            web.terminate()

    assert status(answer) == 200


def until_it_listens(port: int) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
