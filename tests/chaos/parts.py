"""The databases and brokers that the product is run on, and the harm that each can come to."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, Protocol

import kombu
import psycopg
import valkey

from tests.chaos.keeping import Kept, kill

FULL_FOR_S = 2.0
CUT_TIMES, CUT_EVERY_S = 5, 0.2
# Just longer than the product waits for the lock.
LOCKED_FOR_S = 21.0
LOCK = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
database.execute("ROLLBACK")
"""


class Database(Protocol):
    """`disk` is the folder with its data where that has a small disk of its own."""

    disk: Path | None
    kept: Kept | None

    def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """What it holds. Raises what the driver raises while it is away."""

    def cut(self) -> None:
        """Interrupt everybody who works with it."""


@dataclass(frozen=True, slots=True)
class Sqlite:
    path: Path
    disk: Path | None = None
    kept: Kept | None = None

    def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as database:
            return database.execute(query).fetchall()

    def cut(self) -> None:
        """Hold the write lock, from another process."""
        command = [sys.executable, "-c", LOCK, str(self.path), str(LOCKED_FOR_S)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Postgres:
    url: str
    kept: Kept
    disk: Path | None = None

    def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, connect_timeout=5) as database:
            return database.execute(query).fetchall()

    def cut(self) -> None:
        """End every connection, and those that come instead."""
        for _ in range(CUT_TIMES):
            with contextlib.suppress(psycopg.OperationalError):
                self.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = 'houston' AND pid <> pg_backend_pid()"
                )
            time.sleep(CUT_EVERY_S)

    def kill_one(self) -> None:
        """Kill the process of one connection: PostgreSQL then ends all, and recovers."""
        for (pid,) in self.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = 'houston'"
            " AND pid <> pg_backend_pid() LIMIT 1"
        ):
            kill(pid)


class Broker(Protocol):
    kept: Kept

    def wipe(self) -> None:
        """Take away what it holds while it runs."""

    def lose(self) -> None:
        """Kill it, and start it with nothing of what it had."""


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis, or the embedded broker, which speaks the same; `url` in the driver's words."""

    url: str
    kept: Kept
    folder: Path

    def wipe(self) -> None:
        with valkey.from_url(self.url) as client:
            client.flushall()

    def lose(self) -> None:
        with self.kept.down():
            empty(self.folder)


@dataclass(frozen=True, slots=True)
class RabbitMq:
    url: str
    kept: Kept
    folder: Path
    queue: str

    def wipe(self) -> None:
        """Take the queue away below those who listen to it."""
        with kombu.Connection(self.url, connect_timeout=5) as connection:
            connection.default_channel.queue_delete(self.queue)

    def is_quorum(self) -> bool:
        """Whether the product's queue is of the kind that survives the loss of a node."""
        with kombu.Connection(self.url, connect_timeout=5) as connection:
            queue = kombu.Queue(
                self.queue, channel=connection, queue_arguments={"x-queue-type": "quorum"}
            )
            with contextlib.suppress(connection.channel_errors):
                # Declared as another kind, the node refuses.
                queue.queue_declare()
                return True
        return False

    def lose(self) -> None:
        with self.kept.down():
            empty(self.folder / "mnesia")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill a disk to the last byte, until the end of the block."""
    ballast = disk / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2
        yield
    finally:
        ballast.unlink(missing_ok=True)
