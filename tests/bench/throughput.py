"""How much Houston takes and handles, side by side with what it is made of, in one run.

    make bench ARGS="--parts door flow --only sqlite --seconds 2"

Starts the real processes as `make run` does, sends signed notifications of new conversations, and
takes the commands that come back. This process is the load: it shares the CPUs with what it
measures, and its share is printed. Every figure is the median of the rounds; all rows of a table
come from the same run, so read the ratios. CPU is what the processes of a kind worked for one
event, which other work on the machine hardly changes.

  door    notifications accepted a second, beside an empty view and one INSERT
  flow    events handled a second, and how long from the notification to the command at half of
          that, beside a hop through the broker, a call of the sandbox, and the same function in
          npm's @google-cloud/functions-framework asked by a plain Celery task
  memory  of each process, after all that
  flat    the same flow with 1,000 and with a million stored events

Ends with 1 when a bar does not hold.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import load, runtime
from tests.stack import services
from tests.stack.conftest import Houston

PARTS = ("door", "flow", "memory", "flat")
DATABASES = ("sqlite", "postgresql")
CHANNELS, BATCH = 16, 100
WINDOW = 32
"""Conversations on their way at once where the capacity is looked for."""
FEW, MANY = 1_000, 1_000_000
GUNICORN = "--workers 2 --worker-class houston.server.Worker --threads 16 --log-level warning"
TICKS = os.sysconf("SC_CLK_TCK")
# Which process a command line belongs to; the first that fits.
KINDS = (
    ("gunicorn", "web"),
    ("celery -A houston --quiet worker", "worker"),
    ("celery -A houston --quiet beat", "beat"),
    ("valkey", "broker"),
    ("invoker.runtime", "supervisor"),
    ("deno", "sandboxes"),
    ("postgres", "database"),
    ("manage.py", "run"),
)
PRINTED = ("web", "worker", "broker", "sandboxes", "database")


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


@dataclass(slots=True)
class Row:
    """One line of a table. `cpu_ms` of each kind of process for one thing, median of the rounds."""

    name: str
    rounds: list[load.Taken] = field(default_factory=list)
    cpu: list[Counter[str]] = field(default_factory=list)
    each: int = 1
    """How many things one request holds."""
    told: dict[str, float] = field(default_factory=dict)
    """Instead of rounds, where another process measured."""

    def measure(self, system: "System", measured: Callable[[], load.Taken]) -> load.Taken:
        before = system.cpu_s()
        taken = measured()
        self.cpu.append(_less(system.cpu_s(), before))
        self.rounds.append(taken)
        return taken

    @property
    def rate(self) -> float:
        return self.told.get("rate") or self.each * statistics.median(
            each.rate for each in self.rounds
        )

    def ms(self, share: float) -> float:
        if self.told:
            return self.told[f"p{share * 100:.0f}"]
        return statistics.median(each.ms(share) for each in self.rounds)

    def cpu_ms(self, kind: str) -> float | None:
        found = [
            1000 * cpu[kind] / (self.each * len(taken.took_s))
            for cpu, taken in zip(self.cpu, self.rounds, strict=True)
            if taken.took_s
        ]
        return statistics.median(found) if found else None

    @property
    def missing(self) -> int:
        return sum(each.lost + each.refused for each in self.rounds)

    @property
    def load_share(self) -> float:
        """How much of one CPU the load itself took."""
        return statistics.median(each.cpu_s / max(each.seconds, 0.1) for each in self.rounds)


class System:
    """One running Houston with a filled database."""

    def __init__(
        self, houston: Houston, door: load.Door, pids: Callable[[], set[int]], filled_s: float
    ) -> None:
        self.houston = houston
        self.door = door
        self.pids = pids
        self.filled_s = filled_s

    @property
    def environment(self) -> dict[str, str]:
        return self.houston.environment

    def cpu_s(self) -> Counter[str]:
        """What the processes worked until now, by kind."""
        found: Counter[str] = Counter()
        for pid in self.pids():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                # Of its own, and of children that ended.
                found[kind_of(pid)] += sum(int(each) for each in stat[11:15]) / TICKS
        return found


def kind_of(pid: int) -> str:
    line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((kind for words, kind in KINDS if words in line), "other")


def _less(after: Counter[str], before: Counter[str]) -> Counter[str]:
    return Counter({kind: max(0.0, after[kind] - before[kind]) for kind in after})


@contextlib.contextmanager
def running(database: str, commands: str, events: int) -> Iterator[System]:
    """Houston with so many stored events."""
    folder = Path(tempfile.mkdtemp(prefix="houston-bench-"))
    houston: Houston | None = None
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # How much is taken of a connection and kept waiting is not what is looked for.
        limits = ("EVENTS_PER_SECOND", "INBOX_OF_ACCOUNT", "INBOX")
        more = {f"HOUSTON_{name}": "1000000" for name in limits} | {"HOUSTON_LOG_LEVEL": "WARNING"}
        server: set[int] = set()
        if database == "postgresql":
            more["DATABASE_URL"] = stack.enter_context(services.postgres())
            server = {_listening_on(int(more["DATABASE_URL"].rpartition(":")[2].split("/")[0]))}
        data_dir = folder / "data"
        data_dir.mkdir()
        environment = _clean() | more | {"HOUSTON_DATA_DIR": str(data_dir)}
        began = time.monotonic()
        filled = child(environment, "fill", "--events", str(events), "--callback-url", commands)
        filled_s = time.monotonic() - began
        houston = Houston(data_dir, **more)
        stack.callback(houston.interrupt)
        houston.wait()
        door = load.Door(
            int(houston.url.rpartition(":")[2]),
            f"/events/{filled['connection']}",
            filled["secret"],
        )

        def pids() -> set[int]:
            return houston.pids() | {each for one in server for each in _family(one)}

        yield System(houston, door, pids, filled_s)


def _clean() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }


def _listening_on(port: int) -> int:
    words = f" -p {port} "
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "postgres" in line and words in line:
                    return int(entry.name)
    raise RuntimeError(f"Nobody listens on {port}")


def _family(pid: int) -> set[int]:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {pid}.union(*(_family(int(each)) for each in children))
    return set()


def child(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """What `tests.bench.floors` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.floors", *arguments],
        env=environment | {"DJANGO_SETTINGS_MODULE": "houston.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- door -----------------------------------------------------------------------------------------


def measure_door(system: System, generator: load.Load, how: argparse.Namespace) -> list[Row]:
    """Notifications accepted, beside an empty view of the same server and one INSERT."""
    numbers = iter(range(10**9))
    single = Row("one notification a request")
    batch = Row(f"{BATCH} notifications a request", each=BATCH)
    empty = Row("floor: an empty view")
    floor = Row("floor: one INSERT", told=child(
        system.environment, "insert", "--seconds", str(how.seconds)
    ))  # fmt: skip

    def anything() -> bytes:
        return load.post("/", load.notification("door"))

    def one() -> bytes:
        return system.door.request(load.notification(f"door-{next(numbers)}"))

    def many() -> bytes:
        body = b",".join(load.notification(f"door-{next(numbers)}") for _ in range(BATCH))
        return system.door.request(b"[%s]" % body, "application/cloudevents-batch+json")

    with stopped(system), _empty_view() as port:
        for _ in range(how.rounds):
            generator.connect(port, CHANNELS)
            empty.measure(system, lambda: generator.requests(anything, how.seconds))
            generator.connect(system.door.port, CHANNELS)
            single.measure(system, lambda: generator.requests(one, how.seconds))
            generator.connect(system.door.port, 2)
            batch.measure(system, lambda: generator.requests(many, how.seconds))
    return [empty, floor, single, batch]


@contextlib.contextmanager
def stopped(system: System) -> Iterator[None]:
    """The worker stands still, so that what is taken is not handled at the same time.

    What it finds when it goes on is too old to be answered, which costs little.
    """
    workers = [pid for pid in system.pids() if kind_of(pid) == "worker"]
    for pid in workers:
        os.kill(pid, 19)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, 18)


@contextlib.contextmanager
def _empty_view() -> Iterator[int]:
    port = services.free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.bench.empty", *GUNICORN.split()]
    with _process(*command, "--bind", f"127.0.0.1:{port}"):
        runtime.connected(port).close()
        yield port


@contextlib.contextmanager
def _process(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


# --- flow -----------------------------------------------------------------------------------------


def measure_flow(
    system: System, generator: load.Load, how: argparse.Namespace, name: str
) -> tuple[Row, Row]:
    """Events handled a second, and the time to their commands at half of that."""

    def start(conv_id: str) -> None:
        generator.send(system.door.request(load.notification(conv_id)))

    generator.connect(system.door.port, CHANNELS)
    return _capacity_and_half(system, generator, how, name, start)


def _capacity_and_half(
    system: System,
    generator: load.Load,
    how: argparse.Namespace,
    name: str,
    start: Callable[[str], None],
) -> tuple[Row, Row]:
    capacity, half = Row(name), Row(name)
    generator.at_once(start, WINDOW, 1.0)
    for _ in range(how.rounds):
        capacity.measure(system, lambda: generator.at_once(start, WINDOW, how.seconds))
    for _ in range(how.rounds):
        half.measure(system, lambda: generator.paced(start, capacity.rate / 2, how.seconds))
    return capacity, half


def measure_hops(
    system: System, generator: load.Load, how: argparse.Namespace
) -> list[tuple[Row, Row]]:
    """A plain Celery task: empty, and one that asks a functions framework for the command."""
    broker = f"redis+socket://{system.houston.data_dir / 'run' / 'broker.sock'}?virtual_host=0"
    os.environ["BENCH_BROKER_URL"] = broker
    from tests.bench import hops  # noqa: PLC0415 -- it reads where the broker is

    framework = services.free_port()
    commands = int(generator.address.rpartition(":")[2].split("/")[0])
    payload = json.loads(load.notification("hop"))["data"]
    with (
        _process(
            sys.executable, "-W", "ignore", "-m", "celery", "-A", "tests.bench.hops", "--quiet",
            "worker", "--without-gossip", "--without-mingle", "--loglevel", "ERROR",
        ),
        _process(
            str(runtime.NODE_24), str(runtime.FRAMEWORK), "--target=lambda",
            f"--port={framework}", f"--source={runtime.PROGRAMS}",
        ),
    ):  # fmt: skip
        runtime.connected(framework).close()
        return [
            _capacity_and_half(
                system, generator, how, "floor: an empty Celery task",
                lambda name: hops.nothing.delay(name, generator.datagrams),
            ),
            _capacity_and_half(
                system, generator, how, "functions-framework by a Celery task",
                lambda name: hops.serve.delay(name, framework, commands, payload),
            ),
        ]  # fmt: skip


# --- memory ---------------------------------------------------------------------------------------


def memory(system: System) -> list[tuple[str, int, float, float]]:
    """By kind: how many processes, their PSS and their RSS together, in MB."""
    found: dict[str, tuple[int, float, float]] = {}
    for pid in system.pids():
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
            count, pss, rss = found.get(kind_of(pid), (0, 0.0, 0.0))
            found[kind_of(pid)] = count + 1, pss + sizes["Pss:"], rss + sizes["Rss:"]
    return [(kind, *values) for kind, values in sorted(found.items())]


# --- printing -------------------------------------------------------------------------------------


def print_door(database: str, rows: list[Row]) -> None:
    print(f"\n  Accepting, {database}{'':<22}a second  x floor   p50 ms   p99 ms  CPU ms each")
    for row in rows:
        web = row.cpu_ms("web")
        cpu = "" if not web else f"web {web:.2f}" + _also(row, "database")
        print(
            f"  {row.name:<38}{row.rate:>10,.0f}{row.rate / rows[0].rate:>9.2f}{row.ms(0.5):>9.1f}"
            f"{row.ms(0.99):>9.1f}  {cpu}{_missing(row)}"
        )
    print(f"  The load took {rows[2].load_share:.0%} of a CPU for single notifications")


def print_flow(pairs: list[tuple[Row, Row]]) -> None:
    print(
        f"\n  From event to command{'':<20}a second{'':<4}at half load: p50 ms   p95 ms   p99 ms  "
        "CPU ms each at capacity"
    )
    for capacity, half in pairs:
        cpu = ", ".join(
            f"{kind} {spent:.2f}"
            for kind in PRINTED
            if (spent := capacity.cpu_ms(kind) or 0) > 0.005
        )
        print(
            f"  {capacity.name:<41}{capacity.rate:>8,.0f}{half.ms(0.5):>25.1f}{half.ms(0.95):>9.1f}"
            f"{half.ms(0.99):>9.1f}  {cpu}{_missing(capacity)}{_missing(half)}"
        )
    shares = [capacity.load_share for capacity, _ in pairs if capacity.rounds]
    print(f"  The load took {min(shares):.0%} to {max(shares):.0%} of a CPU")


def _also(row: Row, kind: str) -> str:
    spent = row.cpu_ms(kind)
    return f", {kind} {spent:.2f}" if spent else ""


def _missing(row: Row) -> str:
    if not row.missing:
        return ""
    statuses = sum((Counter(each.statuses) for each in row.rounds), Counter[int]())
    return f"  {row.missing} MISSING {dict(statuses)}"


def print_memory(database: str, found: list[tuple[str, int, float, float]]) -> None:
    print(f"\n  Memory, {database:<14}processes   PSS MB   RSS MB")
    for kind, count, pss, rss in found:
        print(f"  {kind:<22}{count:>9}{pss:>9.0f}{rss:>9.0f}")
    print(f"  {'together':<22}{sum(e[1] for e in found):>9}{sum(e[2] for e in found):>9.0f}")


# --- all of it ------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only", choices=DATABASES, help="one database instead of both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round of one row")
    parser.add_argument(
        "--many", type=int, default=MANY, help="stored events of the large database"
    )
    how = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}; medians of {how.rounds} rounds of {how.seconds:g} s",
        flush=True,
    )
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory(prefix="houston-bench-") as folder:
        generator = load.Load(folder)
        for database in [how.only] if how.only else DATABASES:
            bars += _run(database, generator, how)
        generator.close()
    print()
    for bar in bars:
        wanted = f"{'≥' if bar.at_least else '≤'} {bar.bar:g}{'' if bar.holds else '  FAILS'}"
        print(f"  {bar.name:<66}{bar.value:>9,.1f}  {wanted}")
    print(f"  Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    return int(not all(bar.holds for bar in bars))


def _run(database: str, generator: load.Load, how: argparse.Namespace) -> list[Bar]:
    bars: list[Bar] = []
    few: Row | None = None
    if {"door", "flow", "memory", "flat"} & set(how.parts):
        with running(database, generator.address, FEW) as system:
            if {"flow", "flat"} & set(how.parts):
                pairs = []
                if "flow" in how.parts and database == DATABASES[0]:
                    call = Row("floor: a call of the sandbox", told=child(
                        system.environment, "sandbox"
                    ))  # fmt: skip
                    pairs = [*measure_hops(system, generator, how), (call, call)]
                mine = measure_flow(system, generator, how, f"Houston, {database}")
                print_flow([*pairs, mine])
                few = mine[0]
                if "flow" in how.parts:
                    bars += [
                        Bar(f"Events handled a second, {database}", few.rate, 250, at_least=True),
                        Bar(f"Event to command p50 ms, {database}", mine[1].ms(0.5), 20),
                        Bar(f"Event to command p99 ms, {database}", mine[1].ms(0.99), 100),
                        Bar(f"Lost or refused, {database}", sum(each.missing for each in mine), 0),
                    ]
            if "memory" in how.parts:
                print_memory(database, memory(system))
            if "door" in how.parts:
                rows = measure_door(system, generator, how)
                print_door(database, rows)
                bars += [
                    Bar(f"Accepted a second, {database}", rows[2].rate, 600, at_least=True),
                    Bar(f"Accepted p99 ms, {database}", rows[2].ms(0.99), 100),
                ]
    if "flat" in how.parts and few is not None:
        with running(database, generator.address, how.many) as system:
            name = f"Houston, {database}, {how.many:,} events"
            many, half = measure_flow(system, generator, how, name)
            print_flow([(many, half)])
            print(f"  Filled in {system.filled_s:.0f} s")
            bars.append(
                Bar(
                    f"CPU of an event with {how.many:,} stored, by that with {FEW:,}, {database}",
                    _whole_cpu(many) / _whole_cpu(few),
                    1.2,
                )
            )
    return bars


def _whole_cpu(row: Row) -> float:
    return sum(row.cpu_ms(kind) or 0.0 for kind in PRINTED)


if __name__ == "__main__":
    sys.exit(main())
