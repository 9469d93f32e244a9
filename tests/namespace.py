"""A network of its own for tests, in which sandboxes meet real servers and touch nothing else.

`world()` makes network and mount namespaces with a few addresses on the loopback interface, and
its own hosts file and name server. Only the supervisor and its sandboxes live inside; the pool
that tests call and the servers that record what reaches them run in the process of the test.
"""

import contextlib
import fcntl
import itertools
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from invoker.runtime import LAYERS, Config, Program, Result
from invoker.runtime.channel import encoded_event
from invoker.runtime.client import Pool

# Of the ranges that are reserved for documentation, so no list of private networks has them.
PUBLIC, OTHER_PUBLIC = "203.0.113.10", "198.51.100.20"
METADATA, PRIVATE, PRIVATE6 = "169.254.169.254", "10.0.0.5", "fd00::5"
ADDRESSES = ("127.0.0.1", PRIVATE, METADATA, PUBLIC, OTHER_PUBLIC, "::1", PRIVATE6)
PORTS = (80, 443, 8080)
TLS_PORT = 443
NAME_SERVER = "127.0.0.1"
ROOT = Path(__file__).parents[1]
ALL_LAYERS = frozenset(LAYERS)
_SIOCSIFADDR, _SIOCSIFFLAGS, _UP = 0x8916, 0x8914, 0x1


@dataclass(frozen=True, slots=True)
class Request:
    """What came to a server. Header names are lower case; `host` is the name that was asked."""

    address: str
    port: int
    method: str
    path: str
    host: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Table = Mapping[str, Answer] | Callable[[Request], Answer]


class World:
    """What is inside, from outside. Made by `world`."""

    def __init__(self, directory: Path, pid: int, enter: list[str], **settings: Any) -> None:
        self.directory = directory
        self._pid = pid
        self._enter = enter
        self._settings = settings
        self._pools: dict[frozenset[str], Pool] = {}
        self._answers: dict[str, Table] = {}
        self._names: dict[str, str] = {"localhost": "127.0.0.1"}
        self._records: dict[str, Iterator[str]] = {}
        self._requests: list[Request] = []
        self._connections: list[tuple[str, int]] = []
        self._queries: list[str] = []
        self._tls: ssl.SSLContext | None = None

    def pool(self, layers: frozenset[str] = ALL_LAYERS) -> Pool:
        """The sandboxes that have those layers, started inside."""
        if layers not in self._pools:
            directory = self.directory / f"pool{len(self._pools)}"
            config = Config(directory=directory, layers=layers, **self._settings)
            self._pools[layers] = _PoolInside(config, self._enter)
        return self._pools[layers]

    def run(
        self,
        source: str,
        event: Any = None,
        *,
        timeout_s: float = 10.0,
        layers: frozenset[str] = ALL_LAYERS,
        **program: Any,
    ) -> Result:
        """Run a source inside. `program` are the other fields of `runtime.Program`."""
        event = encoded_event(event)
        return self.pool(layers).run(Program(source, **program), event, timeout_s)

    def serve(self, host: str, answers: Table, *, address: str = PUBLIC) -> None:
        """Stand in for a host: an answer per path, or a function of the request.

        A path is looked up with its query first, then without. Other paths are not found.
        """
        self._answers[host] = answers
        self.name(**{host: address})

    def name(self, **addresses: str) -> None:
        """Give names to addresses in the hosts file, from now on."""
        self._names |= addresses
        lines = [f"{address} {name}\n" for name, address in self._names.items()]
        # In place, because it is mounted.
        (self.directory / "hosts").write_text("".join(lines))

    def secure(self, tls: ssl.SSLContext | None) -> None:
        """Speak TLS on port 443 of every address from now on, or plain HTTP again."""
        self._tls = tls

    def rebind(self, name: str, *addresses: str) -> None:
        """Let the name server answer with one IPv4 address after the other, over and over."""
        self._records[name] = itertools.cycle(addresses)

    def requests(self) -> list[Request]:
        return list(self._requests)

    def connections(self) -> list[tuple[str, int]]:
        """Address and port of everything that was connected to, on any server."""
        return list(self._connections)

    def dns_queries(self) -> list[str]:
        """Names that the name server was asked for."""
        return list(self._queries)

    def processes(self) -> set[int]:
        """Every process inside: supervisors, sandboxes, and what may have got away from them."""
        inside = os.stat(f"/proc/{self._pid}/ns/net").st_ino  # noqa: PTH116
        found = set()
        for one in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):  # it has ended, or is no process
                if (one / "ns/net").stat().st_ino == inside:
                    found.add(int(one.name))
        return found - {self._pid}

    def forget(self) -> None:
        """Start records and answers afresh."""
        for seen in (self._requests, self._connections, self._queries):
            seen.clear()
        self._answers.clear()
        self._records.clear()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        for pool in self._pools.values():
            pool.await_end(10)

    # --- servers -----------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        table = self._answers.get(request.host, {})
        if callable(table):
            return table(request)
        found = table.get(request.path) or table.get(request.path.partition("?")[0])
        return found or Answer(404)

    def _listen(self, listener: socket.socket) -> ThreadingHTTPServer:
        world = self
        address, port = listener.getsockname()[:2]

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def verify_request(self, *_whose: Any) -> bool:
                world._connections.append((address, port))
                return True

            def finish_request(self, request: Any, client_address: Any) -> None:
                if world._tls and port == TLS_PORT:
                    # Here and not while accepting, because clients shake hands when they like.
                    with world._tls.wrap_socket(request, server_side=True) as secured:
                        super().finish_request(secured, client_address)
                else:
                    super().finish_request(request, client_address)

            def handle_error(self, *_whose: Any) -> None:
                pass  # whoever hangs up in the middle is what some tests are about

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
                request = Request(address, port, self.command, self.path, host, headers, body)
                world._requests.append(request)
                answer = world._answer(request)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.send_header("connection", "close")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815
            do_HEAD = do_OPTIONS = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        server = Server((address, port), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def _name_server(self, channel: socket.socket) -> None:
        """Answer questions with the records of `rebind`, and with "no such name" else."""
        with contextlib.suppress(OSError):
            while True:
                question, sender = channel.recvfrom(4096)
                if not question:
                    return  # shut down
                labels, at = [], 12
                while length := question[at]:
                    labels.append(question[at + 1 : at + 1 + length].decode(errors="replace"))
                    at += 1 + length
                asked, name = question[12 : at + 5], ".".join(labels)
                self._queries.append(name)
                is_a = asked[-4:-2] == b"\0\1"
                found = next(self._records[name]) if name in self._records and is_a else None
                flags = b"\x81\x80" if name in self._records else b"\x81\x83"
                counts = struct.pack(">4H", 1, int(found is not None), 0, 0)
                record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(found) if found else b""
                channel.sendto(question[:2] + flags + counts + asked + record, sender)


class _PoolInside(Pool):
    """A pool of this process whose supervisor, and so every sandbox, is inside a world."""

    def __init__(self, config: Config, enter: list[str]) -> None:
        super().__init__(config)
        self._enter = enter

    def _spawn(self, path: Path) -> "subprocess.Popen[bytes]":
        settings = json.dumps(asdict(self._settings))
        # Whoever enters stands in the root directory.
        command = [*self._enter, "env", "-C", str(ROOT), sys.executable, "-m", "invoker.runtime"]
        process = subprocess.Popen(
            [*command, "--socket", str(path), "--settings", settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=process.wait, daemon=True).start()
        return process


@contextlib.contextmanager
def world(names: Mapping[str, str] | None = None, **settings: Any) -> Iterator[World]:
    """A world until the end of the block. `settings` are fields of `runtime.Config`.

    Raises:
        RuntimeError: this machine allows no namespaces.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    as_root = os.geteuid() == 0
    unshare = ["unshare", "--net", "--mount"] + ([] if as_root else ["--user", "--map-root-user"])
    with tempfile.TemporaryDirectory(prefix="houston-world-") as path, ours:
        directory = Path(path)
        (directory / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\noptions attempts:1\n")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        (directory / "hosts").write_text("127.0.0.1 localhost\n")
        inside = subprocess.Popen(
            [*unshare, sys.executable, "-m", "tests.namespace", path, str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        try:
            said, handles, _, _ = socket.recv_fds(ours, 64, 64)
            if not said:
                raise RuntimeError("Cannot make a world: no namespaces may be made here")
            enter = ["nsenter", "--target", str(inside.pid), "--net", "--mount"]
            enter += [] if as_root else ["--user", "--preserve-credentials"]
            here = World(directory, inside.pid, enter, **settings)
            here.name(**(names or {}))
            with _servers(here, [socket.socket(fileno=handle) for handle in handles]):
                yield here
        finally:
            ours.close()
            inside.wait(10)


@contextlib.contextmanager
def _servers(here: World, sockets: list[socket.socket]) -> Iterator[None]:
    question, *listeners = sockets
    name_server = threading.Thread(target=here._name_server, args=(question,), daemon=True)
    name_server.start()
    servers = [here._listen(listener) for listener in listeners]
    try:
        yield
    finally:
        here.close()
        for server in servers:
            server.shutdown()
            server.server_close()
        with contextlib.suppress(OSError):  # it is connected to nobody, but wakes who reads
            question.shutdown(socket.SHUT_RD)
        name_server.join(5)
        question.close()


# --- Inside: make the network, hand its sockets out, keep the namespaces until they are not needed


def _inside(directory: Path, channel: socket.socket) -> None:
    for name in ("hosts", "resolv.conf", "nsswitch.conf"):
        command = ["mount", "--bind", str(directory / name), f"/etc/{name}"]
        subprocess.run(command, check=True)
    _add_addresses()
    question = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    question.bind((NAME_SERVER, 53))
    sockets = [question]
    for address, port in itertools.product(ADDRESSES, (*PORTS, 53)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sockets.append(socket.create_server((address, port), family=family))
    socket.send_fds(channel, [b"ready"], [one.fileno() for one in sockets])
    channel.recv(1)


def _add_addresses() -> None:
    """Bring the loopback interface up with every address. Source: netdevice(7), ipv6(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))
        for number, address in enumerate(one for one in ADDRESSES[1:] if ":" not in one):
            name = f"lo:{number}".encode()
            where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s", name, where))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        bytes_of = socket.inet_pton(socket.AF_INET6, PRIVATE6)
        index = socket.if_nametoindex("lo")
        fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16sIi", bytes_of, 128, index))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        for _ in range(500):  # the kernel checks a little later that nobody else has it
            with contextlib.suppress(OSError):
                probe.bind((PRIVATE6, 0))
                return
            time.sleep(0.01)


if __name__ == "__main__":
    _inside(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
