"""The product as it is under a service manager: every process by itself, two workers."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.keeping import Kept
from tests.chaos.load import Door
from tests.chaos.parts import Broker, Database
from tests.stack.conftest import ROOT
from tests.stack.services import free_port

READY_WITHIN_S = 90.0
WORKERS = ("first", "second")
# Whoever comes back after a death must not find everything too late, and a callback that hangs is
# given up while the run goes on.
PATIENT = {
    "HOUSTON_EVENT_MAX_AGE_S": "600",
    "HOUSTON_CALLBACK_TIMEOUT_S": "2",
    "HOUSTON_CALLBACK_ATTEMPTS": "30",
    "HOUSTON_WORKER_THREADS": "6",
    "HOUSTON_PRIVATE_NETWORKS": "127.0.0.0/8",
    "HOUSTON_WEB_THREADS": "8",
}
PREPARE = "from tests.chaos import prepare; prepare.main()"


@dataclass(frozen=True, slots=True)
class Host:
    """Where processes run: words before each command, and settings of its own."""

    data_dir: Path
    before: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Product:
    """What is running. `hosts` have the folders by which its processes are told from others."""

    url: str
    database: Database
    broker: Broker
    web: Kept
    beat: Kept
    workers: list[Kept]
    doors: list[Door]
    secrets: dict[str, str]
    hosts: list[Host]
    logs: Path
    partition: Callable[[str], contextlib.AbstractContextManager[None]] | None = None
    processes: list[Kept] = field(default_factory=list)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def supervisors(self) -> list[int]:
        """Of the sandboxes, one for each host."""
        found = []
        for pid, line in command_lines().items():
            if "invoker.runtime" in line and any(
                str(host.data_dir) in " ".join(line) for host in self.hosts
            ):
                found.append(pid)
        return found

    def sandboxes(self) -> list[int]:
        supervisors = set(self.supervisors())
        return [
            pid
            for pid, line in command_lines().items()
            if "deno" in line[0] and parent_of(pid) in supervisors
        ]


def command_lines() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if line[0]:
                    found[int(entry.name)] = line
    return found


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def settings_of(data_dir: Path, host: str = "127.0.0.1", **more: str) -> dict[str, str]:
    """The environment of the product's processes, with nothing of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }
    return {
        **kept,
        **PATIENT,
        "HOUSTON_DATA_DIR": str(data_dir),
        "HOUSTON_HOST": host,
        "HOUSTON_PORT": str(free_port()),
        "HOUSTON_DEMO_PASSWORD": "orbit-4-two",
        **more,
    }


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `tests.chaos.prepare` printed."""

    doors: list[Door]
    secrets: dict[str, str]
    commands: dict[str, str]


def prepare(environment: dict[str, str], callback_url: str) -> Prepared:
    """Make tables, accounts and functions."""
    _manage(environment, "migrate", "--verbosity=0")
    said = _manage(
        environment, "shell", "--verbosity=0", "-c", PREPARE,
        told=json.dumps({"callback_url": callback_url}),
    )  # fmt: skip
    made: dict[str, Any] = json.loads(said.splitlines()[-1])
    return Prepared(
        [
            Door(each["account_id"], each["webhook_url"], each["signing_secret"])
            for each in made["doors"]
        ],
        {each["account_id"]: each["callback_secret"] for each in made["doors"]},
        made["processes"],
    )


def _manage(environment: dict[str, str], *arguments: str, told: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment, input=told, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def started(
    environment: dict[str, str],
    prepared: Prepared,
    *,
    database: Database,
    broker: Callable[[Kept | None], Broker],
    logs: Path,
    hosts: list[Host],
) -> Iterator[Product]:
    """Every process of the product, until the end of the block.

    The first host has the web server, beat and the embedded broker; the workers take turns from
    the last host on.
    """
    commands = dict(prepared.commands)
    kept: dict[str, Kept] = {}

    def keep(name: str, command: str, host: Host) -> Kept:
        inside = f"{host.before} sh -c {shlex.quote(command)}" if host.before else command
        kept[name] = Kept(
            name, f"exec {inside}" if host.before else inside,
            {**environment, **host.environment}, logs / f"{name}.log",
        )  # fmt: skip
        return kept[name]

    try:
        embedded = keep("broker", commands["broker"], hosts[0]) if "broker" in commands else None
        product = Product(
            url=f"http://{environment['HOUSTON_HOST']}:{environment['HOUSTON_PORT']}",
            database=database,
            broker=broker(embedded),
            web=keep("web", commands["web"], hosts[0]),
            beat=keep("beat", commands["beat"], hosts[0]),
            workers=[
                keep(
                    f"worker {name}",
                    f"{commands['worker']} --hostname {name}@%h",
                    hosts[-1 - number % len(hosts)],
                )
                for number, name in enumerate(WORKERS)
            ],
            doors=prepared.doors,
            secrets=prepared.secrets,
            hosts=hosts,
            logs=logs,
        )
        product.processes = list(kept.values())
        wait(product.is_ready, READY_WITHIN_S, f"not ready, see {logs}")
        yield product
    finally:
        for each in reversed(kept.values()):
            each.stop()
        end_of(hosts)


def end_of(hosts: list[Host]) -> None:
    """End what has another parent by now: supervisors and sandboxes."""
    for pid, line in command_lines().items():
        words = " ".join(line)
        if "invoker.runtime" in line and any(str(host.data_dir) in words for host in hosts):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait(condition: Callable[[], bool], timeout_s: float, otherwise: str) -> float:
    """Wait until something holds, and say how long that took, in seconds.

    Raises:
        TimeoutError: it did not.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise TimeoutError(otherwise)
        time.sleep(0.2)
    return time.monotonic() - began


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"houston-chaos-{name}-") as path:
        yield Path(path)
