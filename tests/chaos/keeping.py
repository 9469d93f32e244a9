"""Programs that are started again whenever they end, as a service manager does."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.stack.conftest import ROOT

AGAIN_AFTER_S = 0.5
ENDS_WITHIN_S = 20.0
LAST_LINES = 40


class End(NamedTuple):
    """The exit code of a program, and the last lines of its log."""

    code: int
    said: str


class Kept:
    """One program, kept running until `stop`.

    `ended` lists those ends that nobody caused with `kill`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path] | str,
        environment: Mapping[str, str] | None,
        log: Path,
    ) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.log = log
        self.starts = 0
        self.ended: list[End] = []
        self._killed: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._may_run = threading.Event()
        self._may_run.set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keep {name}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the program that runs now; it leads a process group of its own."""
        with self._lock:
            process = self._process
            return process.pid if process and process.poll() is None else None

    def kill(self, number: int = signal.SIGKILL) -> bool:
        """Send a signal to the program and its children. False when it does not run just now."""
        with self._lock:
            pid = self.pid
            if pid is None:
                return False
            if number not in (signal.SIGSTOP, signal.SIGCONT):
                self._killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
            return True

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Kill it, and start it again only at the end of the block."""
        self._may_run.clear()
        try:
            with self._lock:
                process = self._process
                self.kill()
            if process:
                process.wait(ENDS_WITHIN_S)
            yield
        finally:
            self._may_run.set()

    def stop(self) -> None:
        self._stopping.set()
        self._may_run.set()
        self.kill(signal.SIGCONT)
        self.kill(signal.SIGTERM)
        self._thread.join(ENDS_WITHIN_S)
        self.kill()
        self._thread.join(ENDS_WITHIN_S)

    def _keep(self) -> None:
        while True:
            self._may_run.wait()
            with self._lock:
                if self._stopping.is_set():
                    return
                if not self._may_run.is_set():
                    continue
                with self.log.open("ab") as log:
                    process = self._process = subprocess.Popen(
                        self.command,
                        shell=isinstance(self.command, str),
                        cwd=ROOT,
                        env=self.environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                self.starts += 1
            code = process.wait()
            with self._lock:
                if process.pid not in self._killed and not self._stopping.is_set():
                    said = self.log.read_text(errors="replace").splitlines()
                    self.ended.append(End(code, "\n".join(said[-LAST_LINES:])))
            # What its death leaves behind of its group goes too, as with a service manager.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            self._stopping.wait(AGAIN_AFTER_S)


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to one process. False when it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
