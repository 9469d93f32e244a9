"""The counters and histograms of this host: every process writes files of its own, one reads all.

Source: prometheus_client's multiprocess mode. Its files are named after process ids there, which
containers with one data folder share; here after host and process id. They are mapped into memory,
and a page that a full disk has no room for would end the process, so their room is taken first.
"""

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings
from prometheus_client import Counter, Histogram, Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

# More than all series that there can be, so that a file never grows.
FILE_BYTES = 256 * 1024
KINDS = ("counter", "histogram")
# Files of processes that have ended are added up in these.
ENDED = "ended"
RUN_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAY_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
COMMANDS = ("systemMessage", "transfer", "closeConversation")


# Process id and name of this process in the names of its files; a fork changes both.
_mine = (0, "")


class Instruments:
    """What there is to count with, in this process."""

    def __init__(self) -> None:
        self.accepted = Counter(
            "houston_notifications_accepted",
            "Notifications that were stored, without repetitions",
            registry=None,
        )
        self.refused = Counter(
            "houston_notifications_refused",
            "Requests of platforms that were turned away, by code",
            ["code"],
            registry=None,
        )
        self.derived = Counter(
            "houston_events_derived",
            "Events that were derived from notifications and from time, by type",
            ["type"],
            registry=None,
        )
        self.invocations = Counter(
            "houston_invocations",
            "Runs of deployed functions, by outcome",
            ["outcome"],
            registry=None,
        )
        self.invocation_seconds = Histogram(
            "houston_invocation_seconds",
            "How long runs of deployed functions took",
            buckets=RUN_BUCKETS_S,
            registry=None,
        )
        self.event_to_command_seconds = Histogram(
            "houston_event_to_command_seconds",
            "From the arrival of what led to an event until a command of it was sent",
            buckets=WAY_BUCKETS_S,
            registry=None,
        )
        self.removed = Counter(
            "houston_rows_removed",
            "Rows that were removed because their time was over, by kind",
            ["kind"],
            registry=None,
        )
        self._commands = Counter(
            "houston_commands",
            "Commands that got their last state, by type and state",
            ["type", "state"],
            registry=None,
        )

    def command(self, kind: str, state: str) -> Counter:
        """The counter of one state; whatever else functions ask for is one kind together."""
        return self._commands.labels(kind if kind in COMMANDS else "unknown", state)


_making = threading.Lock()


def here() -> Instruments:
    """Made at the first use, since many processes count nothing."""
    # Two threads that came first at once would make two, and the second one cannot count.
    with _making:
        return made()


@cache
def made() -> Instruments:
    """What `here` gives, made by the first who asks; others have to wait meanwhile."""
    global _mine  # noqa: PLW0603
    _mine = (0, "")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_DIR)
    try:
        settings.METRICS_DIR.mkdir(mode=0o700, exist_ok=True)
        values.ValueClass = values.MultiProcessValue(_identity)
        return Instruments()
    except OSError as error:
        logger.warning("nothing is counted", extra={"reason": error.strerror})
        values.ValueClass = values.MutexValue
        return Instruments()


# Held while this process lives, which is how others know that it does.
_held: dict[str, int] = {}


def _identity() -> str:
    """The name of this process in the names of its files. Asked with every count."""
    global _mine  # noqa: PLW0603
    pid = os.getpid()
    if _mine[0] != pid:
        name = f"{socket.gethostname()}-{pid}"
        _take_room(name)
        _mine = (pid, name)
    return _mine[1]


def _take_room(name: str) -> None:
    with _alone():
        held = os.open(settings.METRICS_DIR / f"{name}.alive", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[name] = held
        for kind in KINDS:
            _reserve(settings.METRICS_DIR / f"{kind}_{name}.db")


def _reserve(path: Path) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(file, 0, FILE_BYTES)
    finally:
        os.close(file)


def counted() -> list[Metric]:
    """What all processes that share the data folder have counted, those that ended included."""
    settings.METRICS_DIR.mkdir(mode=0o700, exist_ok=True)
    with _alone():
        _add_up_ended()
        return list(MultiProcessCollector(None, str(settings.METRICS_DIR)).collect())


@contextmanager
def _alone() -> Iterator[None]:
    with (settings.METRICS_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add_up_ended() -> None:
    """Keep what processes counted that have ended, in one file of each kind.

    Without them a total would fall whenever a process ends, which readers take for a restart from
    zero.
    """
    for alive in settings.METRICS_DIR.glob("*.alive"):
        if not _has_ended(alive):
            continue
        for kind in KINDS:
            _add_up(alive.parent / f"{kind}_{alive.stem}.db", alive.parent / f"{kind}_{ENDED}.db")
        alive.unlink()


def _has_ended(alive: Path) -> bool:
    with alive.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _add_up(file: Path, into: Path) -> None:
    if not file.exists():
        return
    _reserve(into)
    total = MmapedDict(str(into))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
    file.unlink()
