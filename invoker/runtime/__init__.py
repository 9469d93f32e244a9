"""Run JavaScript of strangers: each program in a process of its own, one event at a time.

`run` and `check` are the way in, whichever process calls them. A user's broken function is a
`Result`, never an exception.
"""

import hashlib
import os
import threading
from functools import cache
from typing import Any

from invoker.runtime import supervisor
from invoker.runtime.channel import encode, encoded_event
from invoker.runtime.client import Pool, UnavailableError
from invoker.runtime.confine import hide
from invoker.runtime.results import (
    LAYERS,
    About,
    CallError,
    Config,
    Failure,
    LogEntry,
    Outcome,
    Platform,
    Problem,
    Program,
    Report,
    Result,
)

__all__ = [
    "LAYERS",
    "PLATFORM_PROBLEMS",
    "About",
    "CallError",
    "Config",
    "Failure",
    "LogEntry",
    "Outcome",
    "Platform",
    "Problem",
    "Program",
    "Report",
    "Result",
    "UnavailableError",
    "await_end",
    "check",
    "checker",
    "close",
    "configure",
    "encode",
    "hide",
    "prewarm",
    "report",
    "retire",
    "run",
]

MAX_SOURCE = 100_000
# Codes of `check` that say nothing about the source.
PLATFORM_PROBLEMS = frozenset({"busy", "unavailable", "cannot-check"})

_config: Config | None = None
_pool: Pool | None = None
_lock = threading.Lock()


def configure(config: Config) -> None:
    """Say how sandboxes are kept. Call it once, before the first run."""
    global _config  # noqa: PLW0603
    close()
    _config = config


def run(
    program: Program,
    event: Any,
    *,
    timeout_s: float = 30.0,
    trace_id: str = "",
    wait_s: float | None = None,
) -> Result:
    """Run a program on one event, in a warm sandbox of its key if there is one.

    Args:
        program: what to run.
        event: any JSON value; bytes are taken for JSON that is encoded already.
        timeout_s: after this the sandbox is killed; waiting for a free one does not count.
        trace_id: what `console.getTraceId()` gives the function.
        wait_s: how long to wait for a free sandbox; None for as long as it was configured.

    Raises:
        msgspec.DecodeError: the event was given as bytes, and they are not JSON.
    """
    return _ready().run(program, encoded_event(event), timeout_s, trace_id, wait_s)


def check(source: str, about: About | None = None) -> list[Problem]:
    """Find what is wrong with a source without running it, in the engine that would run it.

    Codes: `too-long`, `invalid-syntax`, `no-lambda`, `forbidden-code`, `unknown-dependency`, and
    the warnings `callback-unused` and `not-checked`; with what it is told `about`, also the
    warnings `unknown-command`, `second-command`, `unknown-field`, `missing-field` and
    `host-not-allowed`; of the platform, see `PLATFORM_PROBLEMS`.
    """
    if len(source) > MAX_SOURCE:
        message = f"The code has {len(source)} characters, at most {MAX_SOURCE} are taken"
        return [Problem("too-long", message)]
    return _ready().check(source, about)


@cache
def checker() -> str:
    """A word that is another one when `check` may find something else in the same source."""
    digest = hashlib.sha256()
    bundles = supervisor.BUNDLES
    for part in (supervisor.HOST, bundles / "checker.js", bundles / "dependencies.json"):
        # What is not built finds nothing out, and is asked again.
        digest.update(part.read_bytes() if part.exists() else b"")
    return digest.hexdigest()


def prewarm(program: Program, *, timeout_s: float = 30.0) -> Result | None:
    """Start a program's sandbox and load its code, so that its first event finds it warm.

    None when it is warm, else the failure of loading it.
    """
    return _ready().prewarm(program, timeout_s)


def retire(group: str) -> None:
    """End the warm sandboxes of a group of keys, those that run after their event."""
    _ready().retire(group)


def report() -> Report:
    """What holds and what runs on this host.

    Raises:
        UnavailableError: there is no supervisor and none can be started.
    """
    return _ready().report()


def close(*, last: bool = False) -> None:
    """End every sandbox of this process. The next run starts afresh.

    `last` is said by who knows that nobody on this host comes after: then the supervisor ends as
    soon as nobody is connected.
    """
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is not None:
            _pool.close(last=last)
        _pool = None


def await_end(timeout_s: float) -> bool:
    """After `close`: wait until the supervisor has ended too. False when others still need it."""
    assert _config is not None, "runtime.configure was not called"
    return Pool(_config).await_end(timeout_s)


def _ready() -> Pool:
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            assert _config is not None, "runtime.configure was not called"
            _pool = Pool(_config)
        return _pool


def _after_fork() -> None:
    """A child must not talk on its parent's sockets."""
    global _pool, _lock  # noqa: PLW0603
    if _pool is not None:
        _pool.leave_to_parent()
    _pool = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
