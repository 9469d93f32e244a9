"""The one process of a host that owns sandboxes: starts them, keeps idle ones, ends them.

It has a single thread, because the signal that ends a sandbox with its parent is bound to the
thread that forked, and because code between fork and exec is safe only then. It is not on the
way of the data: a client gets the socket of the sandbox it asked for and talks to it alone. It
never sees code, variables or payloads, and never waits for anything that user code does.

Clients connect to a SEQPACKET socket, one JSON object a packet:

    {"op": "take", "key", "account", "hosts"}  ->  {"id", "pid", "runs", "loaded"} and the
                                                   sandbox's socket, or {"busy"} or {"failed"}
    {"op": "park", "id", "key", "runs", "idle_since"}  ->  {"kept"}
    {"op": "retire", "group"}                  ->  {}
    {"op": "end", "id"}                        ->  {"why": "memory" | "exit" | "killed" | "lost"}
    {"op": "report"}                           ->  the fields of `Report`

A sandbox belongs to the client that took it and ends with its connection. A parked one is idle,
belongs to the host, and goes to whoever next asks for its key, or ends when it is old or its
place is needed. When a group of keys (what stands before the last dash) is retired, its idle
sandboxes end, and those that run end after their event. The supervisor ends a while after its
last client.
"""

import argparse
import contextlib
import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deno import find_deno_bin

from invoker.runtime import confine
from invoker.runtime.results import LAYERS

HOST = Path(__file__).parent / "host" / "built" / "host.js"
BUNDLES = HOST.parents[1] / "bundles"
LINGER_S = 3.0
PACKET_BYTES = 65_536
STDERR_BYTES = 65_536
# Deno has no way to write IPv6 ranges here; IPv6 sockets are refused by seccomp.
PRIVATE_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "[::]",
    "[::1]",
)  # fmt: skip

# Booting a stem takes 20 ms of CPU, which the cold start that took the last one needs itself.
REFILL_AFTER_S = 0.1
# As many stems as were needed lately.
STEMS_FOR_S = 60.0
STEM_BOOTS_WITHIN_S = 10.0
SWEEP_EVERY_S = 1.0
# A heap that has grown this far would soon be at its end, in the middle of an event.
FULL_AT = 0.75
RECYCLE_AFTER = 100_000
# A sandbox that still runs when so many others were retired after it just ends when it is old.
MOST_RETIRED = 1000
# Who has computed for so long, without a rest, has the CPU only when nobody else wants it.
BUSY_CPU_S = 0.1
LOOK_EVERY_S = 0.1
BUSY_SHARE = 0.25
LEAST_NICE, MOST_NICE = 0, 19
# Far over every limit of time: whoever should have ended it is stopped or hangs.
LONGEST_BUSY_S = 600.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# What strangers of several accounts must not do without.
NEEDED_FOR_SEVERAL = ("no_new_privs", "rlimits")


@dataclass(frozen=True, slots=True)
class Settings:
    """What clients of one supervisor must agree on; part of its address."""

    memory_mb: int
    max_instances: int
    max_instances_per_account: int
    idle_s: float
    stems: int
    layers: list[str]


@dataclass(slots=True, eq=False)
class Process:
    """A Deno process, our end of its channel, and what it writes to stderr."""

    popen: "subprocess.Popen[bytes]"
    channel: socket.socket
    errors: int

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.channel.close()


@dataclass(slots=True, eq=False)
class Stem:
    """A Deno process that has booted and waits to be told its permissions and its script."""

    process: Process
    directory: Path
    started_at: float = field(default_factory=time.monotonic)

    @property
    def address(self) -> str:
        return str(self.directory / "control")

    def end(self) -> None:
        self.process.kill()
        os.close(self.process.errors)
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(slots=True, eq=False)
class Sandbox:
    id: int
    account: str
    process: Process
    key: str | None = None
    runs: int = 0
    idle_since: float = 0.0
    cpu_s: float = 0.0
    busy_since: float | None = None
    busy_cpu_s: float = 0.0
    nice: int = LEAST_NICE


class Client:
    """One connection, and the sandboxes that live and die with it."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.sandboxes: dict[int, Sandbox] = {}


class Supervisor:
    def __init__(self, listener: socket.socket, settings: Settings, directory: Path) -> None:
        self.listener = listener
        self.settings = settings
        self.directory = directory
        self.deno = find_deno_bin()
        self.clients: set[Client] = set()
        self.accounts: Counter[str] = Counter()
        self.retired: dict[str, None] = {}  # the oldest first
        self.only_account = ""  # when layers are missing
        self.parked: dict[int, Sandbox] = {}
        self.stems: deque[Stem] = deque()
        self.stems_work = settings.stems > 0
        self.starts: deque[float] = deque()
        # Numbers of another supervisor, dead by now, mean nothing to this one.
        self.started = int.from_bytes(os.urandom(6))
        self.empty_since = time.monotonic()
        self.lingers = True
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> None:
        """Work until nobody has been connected for a while."""
        chores: dict[Callable[[], None], float] = {self._sweep: SWEEP_EVERY_S}
        if confine.set_share(os.getpid(), LEAST_NICE):
            chores[self._look_at_shares] = LOOK_EVERY_S
        due = dict.fromkeys(chores, time.monotonic())
        while self.clients or (self.lingers and time.monotonic() - self.empty_since < LINGER_S):
            wait_s = min(due.values()) - time.monotonic()
            refill_s = self._until_refill()
            for key, _ in self.selector.select(max(0.0, min(wait_s, refill_s))):
                if key.data is None:
                    channel, _address = self.listener.accept()
                    client = Client(channel)
                    self.clients.add(client)
                    self.lingers = True
                    self.selector.register(channel, selectors.EVENT_READ, client)
                else:
                    self._hear(key.data)
            if self._until_refill() <= 0:
                self._add_stem()
            for chore, every_s in chores.items():
                if due[chore] <= time.monotonic():
                    chore()
                    due[chore] = time.monotonic() + every_s

    def close(self) -> None:
        for stem in self.stems:
            stem.end()
        for sandbox in self.parked.values():
            self._end(sandbox)

    def _hear(self, client: Client) -> None:
        try:
            packet = client.channel.recv(PACKET_BYTES)
        except OSError:
            packet = b""
        if not packet:
            self._forget(client)
            return
        answer, channel = self._answer(client, json.loads(packet))
        try:
            handles = [channel.fileno()] if channel else []
            socket.send_fds(client.channel, [json.dumps(answer).encode()], handles)
        except OSError:
            self._forget(client)

    def _answer(
        self, client: Client, request: dict[str, Any]
    ) -> tuple[dict[str, Any], socket.socket | None]:
        match request["op"]:
            case "take":
                return self._take(client, request["key"], request["account"], request["hosts"])
            case "park":
                sandbox = client.sandboxes.pop(request["id"], None)
                return {"kept": sandbox is not None and self._park(sandbox, request)}, None
            case "retire":
                self._retire(request["group"])
                return {}, None
            case "last":
                self.lingers = False
                return {}, None
            case "end":
                sandbox = client.sandboxes.pop(request["id"], None)
                return {"why": self._end(sandbox) if sandbox else "lost"}, None
        return {
            "deno": self.version,
            "layers": self.layers,
            "instances": self.accounts.total(),
            "idle": len(self.parked),
            "most": self.settings.max_instances,
            "stems": len(self.stems),
            "supervisor_pid": os.getpid(),
        }, None

    # --- sandboxes: take, park, end ----------------------------------------------------------

    def _take(
        self, client: Client, key: str | None, account: str, hosts: list[str]
    ) -> tuple[dict[str, Any], socket.socket | None]:
        sandbox = self._unpark(key) if key is not None else None
        loaded = sandbox is not None
        if sandbox is None:
            busy = self._make_room(account)
            if busy:
                return {"busy": busy}, None
            try:
                sandbox = self._start(account, hosts)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                return {"failed": str(error)}, None
        client.sandboxes[sandbox.id] = sandbox
        answer = {
            "id": sandbox.id,
            "pid": sandbox.process.pid,
            "runs": sandbox.runs,
            "loaded": loaded,
        }
        return answer, sandbox.process.channel

    def _make_room(self, account: str) -> str:
        """Which limit stands against one more sandbox of an account, or "" when none does."""
        if self.accounts[account] >= self.settings.max_instances_per_account and not self._evict(
            account
        ):
            return "account"
        if self.accounts.total() >= self.settings.max_instances and not self._evict(None):
            return "host"
        return ""

    def _evict(self, account: str | None) -> bool:
        """End the sandbox that has been idle longest, of one account or of any."""
        idle = [one for one in self.parked.values() if account in (None, one.account)]
        if not idle:
            return False
        oldest = min(idle, key=lambda sandbox: sandbox.idle_since)
        del self.parked[oldest.id]
        self._end(oldest)
        return True

    def _unpark(self, key: str) -> Sandbox | None:
        """The sandbox of a key that was parked last."""
        for sandbox in reversed(list(self.parked.values())):
            if sandbox.key == key:
                del self.parked[sandbox.id]
                if sandbox.process.popen.poll() is None:
                    return sandbox
                self._end(sandbox)
        return None

    def _park(self, sandbox: Sandbox, request: dict[str, Any]) -> bool:
        full = _resident_bytes(sandbox.process.pid) > FULL_AT * (self.settings.memory_mb << 20)
        retired = _group(request["key"]) in self.retired
        if full or retired or request["runs"] >= RECYCLE_AFTER:
            self._end(sandbox)
            return False
        sandbox.key, sandbox.runs = request["key"], request["runs"]
        sandbox.idle_since = request["idle_since"]
        self._set_share(sandbox, LEAST_NICE)
        self.parked[sandbox.id] = sandbox
        return True

    def _retire(self, group: str) -> None:
        self.retired[group] = None
        if len(self.retired) > MOST_RETIRED:
            del self.retired[next(iter(self.retired))]
        for sandbox in list(self.parked.values()):
            if _group(sandbox.key) == group:
                del self.parked[sandbox.id]
                self._end(sandbox)

    def _end(self, sandbox: Sandbox) -> str:
        """Kill a sandbox if it still lives and say what it died of."""
        process = sandbox.process
        lived = process.popen.poll() is None
        self._set_share(sandbox, LEAST_NICE)  # ending takes some CPU, too
        process.kill()
        self.accounts[sandbox.account] -= 1
        if not self.accounts[sandbox.account]:
            del self.accounts[sandbox.account]
        try:
            said = os.read(process.errors, STDERR_BYTES).lower()
        except BlockingIOError:
            said = b""
        os.close(process.errors)
        if b"out of memory" in said or b"memory allocation" in said:
            return "memory"
        if lived:
            return "killed"
        # It cannot send itself this signal, so somebody else did: the kernel or an operator.
        return "lost" if process.popen.returncode == -signal.SIGKILL else "exit"

    def _forget(self, client: Client) -> None:
        self.selector.unregister(client.channel)
        client.channel.close()
        for sandbox in client.sandboxes.values():
            self._end(sandbox)
        self.clients.discard(client)
        self.empty_since = time.monotonic()

    # --- processes ---------------------------------------------------------------------------

    def _start(self, account: str, hosts: list[str]) -> Sandbox:
        lacks = [layer for layer in NEEDED_FOR_SEVERAL if not self.layers[layer]]
        if lacks and account:
            self.only_account = self.only_account or account
            if account != self.only_account:
                raise ValueError(f"functions of several accounts need {' and '.join(lacks)}")
        self.starts.append(time.monotonic())
        process = self._grow_stem(hosts) or self._spawn(
            [self.deno, *self._arguments(hosts)], self._environment(), self.rules
        )
        self.started += 1
        self.accounts[account] += 1
        return Sandbox(self.started, account, process)

    def _spawn(
        self, command: list[str], environment: dict[str, str], rules: confine.Rules
    ) -> Process:
        ours, theirs = socket.socketpair()
        errors, their_errors = os.pipe()
        os.set_blocking(errors, False)
        os.set_blocking(their_errors, False)
        layers, parent = self.settings.layers, os.getpid()
        try:
            popen = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=their_errors,
                env=environment,
                cwd="/",
                start_new_session=True,
                # Safe because there is one thread.
                preexec_fn=lambda: confine.apply(rules, layers, parent=parent),  # noqa: PLW1509
            )
        except BaseException:
            ours.close()
            os.close(errors)
            raise
        finally:
            theirs.close()
            os.close(their_errors)
        return Process(popen, ours, errors)

    def _arguments(self, hosts: list[str]) -> list[str]:
        network = []
        if hosts:
            allowed = ",".join(f"{host}:{port}" for host in hosts for port in (443, 80))
            denied = ",".join(PRIVATE_NETWORKS)
            network = [f"--allow-net={allowed}", f"--deny-net={denied}"]
        return [
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
            str(HOST),
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
                str(HOST.parent),
                str(BUNDLES),
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

    # --- stems: Deno reads its flags from a socket when it has booted, not from its command line --

    def _until_refill(self) -> float:
        """Seconds until there should be one more stem."""
        now = time.monotonic()
        while self.starts and self.starts[0] < now - STEMS_FOR_S:
            self.starts.popleft()
        wanted = min(self.settings.stems, max(1, len(self.starts)))
        if not self.stems_work or not self.clients or len(self.stems) >= wanted:
            return SWEEP_EVERY_S
        return self.starts[-1] + REFILL_AFTER_S - now if self.starts else 0.0

    def _add_stem(self) -> None:
        directory = self.directory / f"stem-{os.urandom(8).hex()}"
        environment = self._environment() | {
            "DENO_UNSTABLE_CONTROL_SOCK": f"unix:{directory / 'control'}"
        }
        try:
            directory.mkdir()
            rules = self.rules.with_sockets_in(str(directory))
            process = self._spawn([self.deno], environment, rules)
        except (OSError, subprocess.SubprocessError):
            shutil.rmtree(directory, ignore_errors=True)
            self.stems_work = False
            return
        self.stems.append(Stem(process, directory))

    def _grow_stem(self, hosts: list[str]) -> Process | None:
        """Make a sandbox of a stem that has booted, or nothing when there is none."""
        for stem in list(self.stems):
            with socket.socket(socket.AF_UNIX) as control:
                try:
                    control.connect(stem.address)
                    start = {"cwd": "/", "env": [], "args": self._arguments(hosts)}
                    control.sendall(json.dumps(start).encode() + b"\n")
                except OSError:
                    continue  # still boots, or the sweep finds out
            self.stems.remove(stem)
            shutil.rmtree(stem.directory, ignore_errors=True)
            return stem.process
        return None

    # --- chores ------------------------------------------------------------------------------

    def _sweep(self) -> None:
        old = time.monotonic() - self.settings.idle_s
        for sandbox in list(self.parked.values()):
            if sandbox.idle_since < old or sandbox.process.popen.poll() is not None:
                del self.parked[sandbox.id]
                self._end(sandbox)
        late = time.monotonic() - STEM_BOOTS_WITHIN_S
        for stem in list(self.stems):
            code = stem.process.popen.poll()
            unheard = not Path(stem.address).exists()
            if unheard and (code not in (None, -signal.SIGKILL) or stem.started_at < late):
                self.stems_work = False  # this Deno does not know stems
            elif code is None:
                continue
            self.stems.remove(stem)
            stem.end()

    def _look_at_shares(self) -> None:
        now = time.monotonic()
        for client in self.clients:
            for sandbox in client.sandboxes.values():
                used_s = _cpu_seconds(sandbox.process.pid) - sandbox.cpu_s
                sandbox.cpu_s += used_s
                if used_s < BUSY_SHARE * LOOK_EVERY_S:
                    sandbox.busy_since, sandbox.busy_cpu_s = None, 0.0
                    self._set_share(sandbox, LEAST_NICE)
                    continue
                sandbox.busy_since = sandbox.busy_since or now
                sandbox.busy_cpu_s += used_s
                if sandbox.busy_cpu_s > BUSY_CPU_S:
                    self._set_share(sandbox, MOST_NICE)
                if now - sandbox.busy_since > LONGEST_BUSY_S:
                    sandbox.process.popen.kill()

    def _set_share(self, sandbox: Sandbox, nice: int) -> None:
        if sandbox.nice != nice and confine.set_share(sandbox.process.pid, nice):
            sandbox.nice = nice

    @cached_property
    def version(self) -> str:
        said = subprocess.run(
            [self.deno, "--version"], capture_output=True, text=True, check=True, timeout=10
        )
        return said.stdout.split()[1]

    @cached_property
    def layers(self) -> dict[str, bool]:
        """Which layers take on this machine, tried once in a process that then ends.

        Raises:
            OSError: it was killed, as when memory runs out, which says nothing of the layers. Who
                asks again has them tried again, by the next supervisor if this one ends of it.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                took = confine.apply(self.rules, self.settings.layers)
                os.write(writer, json.dumps(took).encode())
            os._exit(0)
        os.close(writer)
        said = os.read(reader, PACKET_BYTES)
        os.close(reader)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            raise OSError("The process that tries the layers was killed")
        took = json.loads(said) if said else {}
        return {"permissions": True, **{name: took.get(name, False) for name in LAYERS}}


def _group(key: str | None) -> str:
    return (key or "").rpartition("-")[0]


def _cpu_seconds(pid: int) -> float:
    """CPU time that a process has used. 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * TICK_S


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--settings", required=True, help="the fields of Settings as JSON")
    arguments = parser.parse_args()
    confine.hide()
    path: Path = arguments.socket
    # Whoever comes second leaves the place to the first.
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)
    path.unlink(missing_ok=True)
    os.umask(0o077)
    stems = path.with_suffix(".stems")
    shutil.rmtree(stems, ignore_errors=True)  # of one that was killed
    stems.mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen(64)
    supervisor = Supervisor(listener, Settings(**json.loads(arguments.settings)), stems)
    try:
        supervisor.serve()
    finally:
        path.unlink(missing_ok=True)
        supervisor.close()
        shutil.rmtree(stems, ignore_errors=True)
