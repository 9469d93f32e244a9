"""How tests run programs in real sandboxes, apart from those of other tests."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.apps import apps

from invoker import runtime
from invoker.runtime.client import Pool
from invoker.runtime.results import Config, Program, Result


def sandbox_directory() -> "tempfile.TemporaryDirectory[str]":
    """One that may be removed while a supervisor, which ends a while later, still uses it."""
    return tempfile.TemporaryDirectory(prefix="houston-sandbox-", ignore_cleanup_errors=True)


@contextlib.contextmanager
def own_supervisor() -> Iterator[None]:
    """A supervisor for one test file, because some tests kill it."""
    with sandbox_directory() as directory:
        runtime.configure(Config(directory=Path(directory), wait_s=5))
        yield
        apps.get_app_config("invoker").ready()


@contextlib.contextmanager
def own_pool(**settings: Any) -> Iterator[Pool]:
    with sandbox_directory() as directory:
        pool = Pool(Config(directory=Path(directory), **settings))
        yield pool
        pool.close()


def run(source: str, event: Any = None, *, timeout_s: float = 10.0, **program: Any) -> Result:
    return runtime.run(Program(source, **program), event, timeout_s=timeout_s)


def code_of(result: Result) -> str:
    assert result.failure is not None, result.value
    return result.failure.code


def calls_back(expression: str) -> str:
    """A function whose result is what an expression of `input` gives."""
    return f"function lambda(input, callback) {{ callback(null, {expression}); }}"


def sandboxes_of(supervisor_pid: int) -> list[int]:
    children = Path(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends_at = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.02)
    return True


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
