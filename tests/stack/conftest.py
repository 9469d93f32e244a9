"""`manage.py run` as a fixture, as people start it."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.stack import services

ROOT = Path(__file__).parents[2]
PASSWORD = "orbit-4-two"
NOBODY = "http://127.0.0.1:9/nobody"
DATABASE = "houston.sqlite3"
READY_WITHIN_S = 30
# Each process takes seconds of CPU to start, which the tests beside this one need.
ONE_OF_EACH = {"HOUSTON_WEB_WORKERS": "1", "HOUSTON_WORKER_PROCESSES": "1"}


class Houston:
    """One running product: web server, worker, beat, broker and sandboxes."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self._kept = data_dir / "kept.sqlite3"
        self._demo: dict[str, Any] = {}
        self._kept_demo = self._demo
        self._commands: subprocess.Popen[str] | None = None
        port = services.free_port()
        self.url = f"http://127.0.0.1:{port}"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
        }
        self.environment = {
            **kept,
            "HOUSTON_DATA_DIR": str(data_dir),
            "HOUSTON_PORT": str(port),
            "HOUSTON_DEMO_PASSWORD": PASSWORD,
            "HOUSTON_PRIVATE_NETWORKS": "127.0.0.0/8",
            **environment,
        }
        self.log = data_dir.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, timeout_s: float = 90) -> None:
        """Until everything is up, as `make run` does before it says so."""
        ends = time.monotonic() + timeout_s
        while "Ctrl-C ends everything" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < ends, self.output()
            time.sleep(0.1)
        assert self.get("/readyz").status_code == 200, self.get("/readyz").text

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def manage(self, *arguments: str) -> str:
        """What a command of `manage.py` printed. Only the first one waits until all is loaded."""
        if self._commands is None:
            self._commands = subprocess.Popen(
                [sys.executable, "-m", "tests.stack.commands"],
                cwd=ROOT,
                env={**self.environment, "DJANGO_SETTINGS_MODULE": "houston.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._commands.stdin
        assert self._commands.stdout
        said, complained = (self.data_dir / f"command.{name}" for name in ("out", "err"))
        line = {"arguments": arguments, "stdout": str(said), "stderr": str(complained)}
        self._commands.stdin.write(json.dumps(line) + "\n")
        self._commands.stdin.flush()
        assert self._commands.stdout.readline() == "0\n", complained.read_text()
        return said.read_text()

    def demo(self, callback_url: str = NOBODY) -> dict[str, Any]:
        """The demo account, whose commands go to this address; a process only for a new one."""
        if callback_url != self._demo.get("callback_url"):
            printed = self.manage("demo", "--json", "--callback-url", callback_url)
            self._demo = {**json.loads(printed), "callback_url": callback_url}
        return self._demo

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)

    def pids(self) -> set[int]:
        """The process and all that came of it, also what has another parent by now."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents[int(entry.name)] = int(stat[1])
        found = {self.process.pid} | {
            pid for pid in parents if str(self.data_dir).encode() in _command_line(pid)
        }
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def keep(self) -> None:
        """Keep the database as it is with a demo account that nobody listens to."""
        self.demo()
        copy_database(self.data_dir / DATABASE, self._kept)
        self._kept_demo = self._demo

    def go_back(self) -> None:
        """Let the running product have the database again that was kept, and nothing counted."""
        copy_database(self._kept, self.data_dir / DATABASE)
        self._demo = self._kept_demo
        for folder in ("cache", "findings"):
            for path in (self.data_dir / folder).glob("*.djcache"):
                path.unlink(missing_ok=True)
        ends = time.monotonic() + READY_WITHIN_S
        while (answer := self.get("/readyz")).status_code != 200:
            assert time.monotonic() < ends, answer.text
            time.sleep(0.1)

    def interrupt(self) -> int:
        """Press Ctrl-C and wait for the end."""
        if self._commands is not None:
            self._commands.communicate()
            self._commands = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def copy_database(source: Path, target: Path) -> None:
    """In one transaction, so that processes that have the target open go on with it."""
    with (
        contextlib.closing(sqlite3.connect(source)) as opened,
        contextlib.closing(sqlite3.connect(target, timeout=READY_WITHIN_S)) as written,
    ):
        opened.backup(written)


def started() -> Path:
    """Where what a start takes long to make is, once any process of the test run had a start."""
    return Path(os.environ["HOUSTON_TESTS_DIR"]) / "started"


def begin(data_dir: Path) -> None:
    """Let a start in this folder find what the first one made, if there was one."""
    if started().exists():
        _copy_folder(started(), data_dir)


@contextlib.contextmanager
def running(**environment: str) -> Iterator[Houston]:
    """The first one with a database of its own starts from an empty folder, others as from it."""
    data_dir = Path(tempfile.mkdtemp(prefix="houston-stack-"))
    embedded = "DATABASE_URL" not in environment
    if embedded:
        begin(data_dir)
    houston = Houston(data_dir, **(ONE_OF_EACH | environment))
    try:
        houston.wait()
        if embedded and not started().exists():
            _keep_for_others(data_dir)
        yield houston
    finally:
        houston.interrupt()
        shutil.rmtree(data_dir, ignore_errors=True)
        houston.log.unlink(missing_ok=True)


def _keep_for_others(data_dir: Path) -> None:
    copy = Path(tempfile.mkdtemp(dir=started().parent))
    _copy_folder(data_dir, copy)
    # Another process may have been first meanwhile, and somebody copies from its folder.
    with contextlib.suppress(OSError):
        copy.rename(started())


def _copy_folder(source: Path, target: Path) -> None:
    """Database, static files, and the secrets of both."""
    shutil.copytree(source / "static", target / "static")
    for name in ("secret.key", "encryption.key", "demo-api-client-secret"):
        shutil.copy(source / name, target / name)
    copy_database(source / DATABASE, target / DATABASE)
