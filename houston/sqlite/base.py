"""Who waits for SQLite's one writer looks again every half millisecond.

SQLite's own wait grows to 100 ms between two looks, so that under load a transaction of one
millisecond waited for tenths of a second while the database was free. Of each process one thread
looks at a time, and holds the process's turn until its transaction ends.
Source: `sqliteDefaultBusyCallback` in SQLite's main.c.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

LOOK_EVERY_S = 0.0005
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE")
_turn = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Like Django's, but for how it waits. OPTIONS' `timeout` says how long."""

    has_turn = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        self.waits_s = float(conn_params.get("timeout", 5))
        # From here on it is waited below.
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def create_cursor(self, name: str | None = None) -> Any:  # noqa: ARG002 -- only others have named ones
        return self.connection.cursor(factory=lambda connection: Cursor(connection, self))

    def take_turn(self, ends_at: float) -> None:
        """Wait until no other thread of this process is writing."""
        if not _turn.acquire(timeout=max(0.0, ends_at - time.monotonic())):
            raise sqlite3.OperationalError("database is locked")
        self.has_turn = True

    def give_turn(self) -> None:
        """Let the next thread write. Does nothing for who does not."""
        if self.has_turn:
            self.has_turn = False
            _turn.release()

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc] # the stubs leave it out
        finally:
            self.give_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc] # the stubs leave it out
        finally:
            self.give_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc] # the stubs leave it out
        finally:
            self.give_turn()


class Cursor(base.SQLiteCursorWrapper):
    """Waits before a transaction and before a statement that is one, and never in between."""

    def __init__(self, connection: Any, wrapper: DatabaseWrapper) -> None:
        super().__init__(connection)
        self._wrapper = wrapper

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        """In SQLite's own style; what is asked again and again is converted once."""
        if param_names is None:
            return _converted(query)
        return str(super().convert_query(query, param_names=param_names))

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction:
            return super().execute(query, params)
        execute = super().execute
        return self._wait(query, lambda: execute(query, params))

    def executemany(self, query: str, param_list: Any) -> Any:
        if self.connection.in_transaction:
            return super().executemany(query, param_list)
        execute, given = super().executemany, list(param_list)
        return self._wait(query, lambda: execute(query, given))

    def _wait(self, query: str, execute: Callable[[], Any]) -> Any:
        ends_at = time.monotonic() + self._wrapper.waits_s
        if query.startswith(WRITES):
            self._wrapper.take_turn(ends_at)
        try:
            while True:
                try:
                    return execute()
                except sqlite3.OperationalError as error:
                    if not _is_busy(error) or time.monotonic() > ends_at:
                        raise
                    time.sleep(LOOK_EVERY_S)
        finally:
            # A transaction has it until its end.
            if not self.connection.in_transaction:
                self._wrapper.give_turn()


@lru_cache(maxsize=4096)
def _converted(query: str) -> str:
    return str(base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%"))


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
