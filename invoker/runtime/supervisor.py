"""The one process of a host that owns sandboxes: starts them, counts them, ends them.

It has a single thread, because the signal that ends a sandbox with its parent is bound to the
thread that forked, and because code between fork and exec is safe only then. It is not on the
way of the data: a client gets the socket of the sandbox it asked for and talks to it alone. It
never sees code, variables or payloads, and never waits for anything that user code does.

Clients connect to a SEQPACKET socket, one JSON object a packet:

    {"op": "start", "account", "hosts"}  ->  {"id", "pid"} and the sandbox's socket, or {"busy"}
                                             or {"failed"}
    {"op": "end", "id"}                  ->  {"why": "memory" | "exit" | "killed" | "lost"}
    {"op": "wanted"}                     ->  {"accounts": places that other clients wait for}
    {"op": "report"}                     ->  {"deno", "layers", "instances", "pid"}

A client's sandboxes end with its connection, and the supervisor ends a while after the last one.
"""

import argparse
import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deno import find_deno_bin

from invoker.runtime import confine

HOST = Path(__file__).parent / "host"
BUNDLES = HOST / "bundles"
LINGER_S = 3.0
# A client that waits for a place asks again more often than this.
WANTED_FOR_S = 2.0
PACKET_BYTES = 65_536
STDERR_BYTES = 65_536
# Deno has no way to write IPv6 ranges here; IPv6 sockets are refused by seccomp.
PRIVATE_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "[::]",
    "[::1]",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What clients of one supervisor must agree on; part of its address."""

    memory_mb: int
    max_instances: int
    max_instances_per_account: int


@dataclass(slots=True)
class Sandbox:
    id: int
    account: str
    process: "subprocess.Popen[bytes]"
    errors: int


class Client:
    """One connection, and the sandboxes that live and die with it."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.sandboxes: dict[int, Sandbox] = {}
        self.waits_for: str | None = None  # an account's place, "" for any
        self.waits_since = 0.0


class Supervisor:
    def __init__(self, listener: socket.socket, settings: Settings) -> None:
        self.listener = listener
        self.settings = settings
        self.deno = find_deno_bin()
        self.clients: set[Client] = set()
        self.accounts: Counter[str] = Counter()
        # Numbers of another supervisor, dead by now, mean nothing to this one.
        self.started = int.from_bytes(os.urandom(6))
        self.empty_since = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> None:
        """Work until nobody has been connected for a while."""
        while self.clients or time.monotonic() - self.empty_since < LINGER_S:
            for key, _ in self.selector.select(timeout=1.0):
                if key.data is None:
                    channel, _address = self.listener.accept()
                    client = Client(channel)
                    self.clients.add(client)
                    self.selector.register(channel, selectors.EVENT_READ, client)
                else:
                    self._hear(key.data)

    def _hear(self, client: Client) -> None:
        try:
            packet = client.channel.recv(PACKET_BYTES)
        except OSError:
            packet = b""
        if not packet:
            self._forget(client)
            return
        request = json.loads(packet)
        answer, handles = self._answer(client, request)
        try:
            socket.send_fds(client.channel, [json.dumps(answer).encode()], handles)
        except OSError:
            self._forget(client)
        finally:
            for handle in handles:
                os.close(handle)

    def _answer(self, client: Client, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        match request["op"]:
            case "start":
                return self._start(client, request["account"], request["hosts"])
            case "end":
                sandbox = client.sandboxes.pop(request["id"], None)
                return {"why": self._end(sandbox) if sandbox else "lost"}, []
            case "wanted":
                return {"accounts": self._wanted(client)}, []
        return {
            "deno": self.version,
            "layers": self.layers,
            "instances": self.accounts.total(),
            "pid": os.getpid(),
        }, []

    def _start(
        self, client: Client, account: str, hosts: list[str]
    ) -> tuple[dict[str, Any], list[int]]:
        if self.accounts.total() >= self.settings.max_instances:
            client.waits_for, client.waits_since = "", time.monotonic()
            return {"busy": "host"}, []
        if self.accounts[account] >= self.settings.max_instances_per_account:
            client.waits_for, client.waits_since = account, time.monotonic()
            return {"busy": "account"}, []
        client.waits_for = None
        try:
            return self._launch(client, account, hosts)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return {"failed": str(error)}, []

    def _wanted(self, client: Client) -> list[str]:
        """Of which accounts other clients need a place: the idle sandboxes may be this one's."""
        since = time.monotonic() - WANTED_FOR_S
        return [
            other.waits_for
            for other in self.clients
            if other is not client and other.waits_for is not None and other.waits_since > since
        ]

    def _launch(
        self, client: Client, account: str, hosts: list[str]
    ) -> tuple[dict[str, Any], list[int]]:
        ours, theirs = socket.socketpair()
        errors, their_errors = os.pipe()
        os.set_blocking(errors, False)
        os.set_blocking(their_errors, False)
        rules = self.rules
        try:
            process = subprocess.Popen(
                self._command(hosts),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=their_errors,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
                # Safe because there is one thread.
                preexec_fn=lambda: confine.apply(rules),  # noqa: PLW1509
            )
        except BaseException:
            ours.close()
            os.close(errors)
            raise
        finally:
            theirs.close()
            os.close(their_errors)
        self.started += 1
        sandbox = Sandbox(self.started, account, process, errors)
        client.sandboxes[sandbox.id] = sandbox
        self.accounts[account] += 1
        return {"id": sandbox.id, "pid": process.pid}, [ours.detach()]

    def _command(self, hosts: list[str]) -> list[str]:
        network = []
        if hosts:
            allowed = ",".join(f"{host}:{port}" for host in hosts for port in (443, 80))
            denied = ",".join(PRIVATE_NETWORKS)
            network = [f"--allow-net={allowed}", f"--deny-net={denied}"]
        return [
            self.deno,
            "run",
            "--no-prompt",
            "--no-remote",
            "--no-npm",
            "--no-config",
            "--no-lock",
            "--no-code-cache",
            "--quiet",
            f"--allow-read={BUNDLES}",
            *network,
            str(HOST / "host.js"),
        ]

    def _environment(self) -> dict[str, str]:
        """Nothing of ours: the function's own variables travel on the channel."""
        heap = f"--max-old-space-size={self.settings.memory_mb}"
        return {
            "PATH": "/nonexistent",
            "HOME": "/nonexistent",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "DENO_DIR": "/dev/null/none",  # caches stay in memory
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_V8_FLAGS": f"{heap},--max-semi-space-size=8,--stack-size=984",
        }

    @cached_property
    def rules(self) -> confine.Rules:
        return confine.Rules(
            memory_mb=self.settings.memory_mb,
            executable=(self.deno, "/lib", "/lib64", "/usr/lib"),
            readable=(
                str(HOST),
                "/etc/resolv.conf",
                "/etc/hosts",
                "/etc/nsswitch.conf",
                "/etc/gai.conf",
                "/etc/ssl",
                "/dev/urandom",
                "/dev/null",
                "/proc/meminfo",
                "/sys/devices/system/cpu",
                "/sys/fs/cgroup",
            ),
        )

    @cached_property
    def version(self) -> str:
        said = subprocess.run(
            [self.deno, "--version"], capture_output=True, text=True, check=True, timeout=10
        )
        return said.stdout.split()[1]

    @cached_property
    def layers(self) -> dict[str, bool]:
        """Which layers take on this machine, tried once in a process that then ends."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.write(writer, json.dumps(confine.apply(self.rules)).encode())
            os._exit(0)
        os.close(writer)
        said = os.read(reader, PACKET_BYTES)
        os.close(reader)
        os.waitpid(child, 0)
        return {"permissions": True, **(json.loads(said) if said else {})}

    def _end(self, sandbox: Sandbox) -> str:
        """Kill a sandbox if it still lives and say what it died of."""
        lived = sandbox.process.poll() is None
        sandbox.process.kill()
        sandbox.process.wait()
        self.accounts[sandbox.account] -= 1
        try:
            said = os.read(sandbox.errors, STDERR_BYTES).lower()
        except BlockingIOError:
            said = b""
        os.close(sandbox.errors)
        if b"out of memory" in said or b"memory allocation" in said:
            return "memory"
        if lived:
            return "killed"
        # It cannot send itself this signal, so somebody else did: the kernel or an operator.
        return "lost" if sandbox.process.returncode == -signal.SIGKILL else "exit"

    def _forget(self, client: Client) -> None:
        self.selector.unregister(client.channel)
        client.channel.close()
        for sandbox in client.sandboxes.values():
            self._end(sandbox)
        self.clients.discard(client)
        self.empty_since = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--settings", required=True, help="the fields of Settings as JSON")
    arguments = parser.parse_args()
    path: Path = arguments.socket
    # Whoever comes second leaves the place to the first.
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o077)
    listener.bind(str(path))
    listener.listen(64)
    try:
        Supervisor(listener, Settings(**json.loads(arguments.settings))).serve()
    finally:
        path.unlink(missing_ok=True)
