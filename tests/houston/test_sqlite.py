"""How a transaction waits for SQLite's one writer. On a file of its own, whatever else is used."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from houston.sqlite.base import DatabaseWrapper

# Holds the writer until it is told to let go.
HOLD = """
import sqlite3, sys
found = sqlite3.connect(sys.argv[1], isolation_level=None)
found.execute("BEGIN IMMEDIATE")
print("holding", flush=True)
sys.stdin.read(1)
found.execute("COMMIT")
print("gone", flush=True)
"""


class Holder:
    """Another process that writes."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "holding\n"

    def let_go(self) -> None:
        self._process.communicate(".")


@pytest.fixture(autouse=True)
def allowed(django_db_blocker: Any) -> Iterator[None]:
    """It is no use of the database that the other tests have."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "words.sqlite3"
    with sqlite3.connect(found) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE words (word TEXT)")
    made.close()
    return found


def opened(path: Path, waits_s: float = 20) -> DatabaseWrapper:
    found = ConnectionHandler({
        "default": {
            "ENGINE": "houston.sqlite",
            "NAME": str(path),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": waits_s},
        }
    })["default"]  # fmt: skip
    assert isinstance(found, DatabaseWrapper)
    # Threads of a test take it in turns.
    found.inc_thread_sharing()
    return found


@pytest.fixture
def database(path: Path) -> Iterator[DatabaseWrapper]:
    found = opened(path)
    yield found
    found.close()


def write(database: DatabaseWrapper, word: str) -> None:
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO words VALUES (%s)", [word])


def words(database: DatabaseWrapper) -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT word FROM words ORDER BY rowid")
        return [word for (word,) in cursor.fetchall()]


def in_transaction(database: DatabaseWrapper, word: str) -> None:
    database.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    write(database, word)
    database.commit()
    database.set_autocommit(True)


@pytest.mark.parametrize("write", [write, in_transaction])
def test_who_writes_waits_for_another_process(
    path: Path, database: DatabaseWrapper, write: object
) -> None:
    holder = Holder(path)
    writer = threading.Thread(target=write, args=(database, "one"))  # type: ignore[arg-type]

    writer.start()
    writer.join(0.3)
    waited = writer.is_alive()
    holder.let_go()
    writer.join(20)

    assert waited
    assert words(database) == ["one"]


@pytest.mark.parametrize("write", [write, in_transaction])
def test_who_waits_too_long_is_told_and_the_next_one_can_write(path: Path, write: object) -> None:
    holder, hurried = Holder(path), opened(path, waits_s=0.2)

    with pytest.raises(OperationalError, match="locked"):
        write(hurried, "one")  # type: ignore[operator]
    holder.let_go()
    hurried.set_autocommit(True)
    write(hurried, "two")  # type: ignore[operator]

    assert words(hurried) == ["two"]
    hurried.close()


def test_of_one_process_one_writes_at_a_time_and_readers_do_not_wait(path: Path) -> None:
    first, second, reader = opened(path), opened(path, waits_s=0.2), opened(path)
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    write(first, "one")

    with pytest.raises(OperationalError, match="locked"):
        write(second, "two")
    assert words(reader) == []
    first.commit()
    first.set_autocommit(True)
    write(second, "two")

    assert words(reader) == ["one", "two"]
    for each in (first, second, reader):
        each.close()


@pytest.mark.parametrize("ends", ["rollback", "close"])
def test_turn_is_given_back_however_a_transaction_ends(path: Path, ends: str) -> None:
    first, second = opened(path), opened(path, waits_s=0.2)
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    write(first, "one")

    getattr(first, ends)()
    write(second, "two")

    assert words(second) == ["two"]
    for each in (first, second):
        each.close()


def test_statement_that_is_wrong_gives_the_turn_back(database: DatabaseWrapper) -> None:
    with pytest.raises(OperationalError, match="no such table"), database.cursor() as cursor:
        cursor.execute("INSERT INTO nowhere VALUES (1)")
    write(database, "one")

    assert words(database) == ["one"]


def test_many_threads_lose_no_write(path: Path) -> None:
    def add(number: int) -> None:
        mine = opened(path)
        for _ in range(20):
            in_transaction(mine, str(number))
            write(mine, str(number))
        mine.close()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    found = opened(path)
    assert sorted(words(found)) == sorted(str(number) for number in range(6) for _ in range(40))
    found.close()
