"""Group commit: what several threads want to store at the same time goes into one transaction.

A transaction costs much the same however much is in it, and of SQLite's only one is open at a time.
So while one thread writes, the others wait together, and the next of them writes for all.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import OperationalError

One = TypeVar("One")
Result = TypeVar("Result")


class WriterEndedError(OperationalError):
    """Nobody knows whether it was written: the thread that did so for all was ended meanwhile.

    It passes as a lost connection does, so whoever sent it is asked to send it again.
    """


@dataclass(eq=False, slots=True)
class _Waiting(Generic[One, Result]):
    """One thread's wish. `heard` is set when it is fulfilled, or when it is to write for all."""

    one: One
    heard: threading.Event = field(default_factory=threading.Event)
    results: list[Result] = field(default_factory=list)
    error: Exception | None = None
    leads: bool = False


class GroupCommit(Generic[One, Result]):
    """Calls `write` with what came together, for results in the same order."""

    def __init__(
        self,
        write: Callable[[Sequence[One]], Sequence[Result]],
        *,
        passing: tuple[type[Exception], ...],
    ) -> None:
        """What `write` raises goes to all who came together where it is one of `passing`.

        Anything else may be the fault of one of them: then each is written for itself.
        """
        self._write = write
        self._passing = passing
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[One, Result]] = []
        self._led = False

    def together(self, one: One) -> Result:
        """Have it written, alone or with what others bring meanwhile.

        Raises:
            Exception: what `write` raised.
            WriterEndedError: the thread that wrote for this one was ended while it did.
        """
        mine: _Waiting[One, Result] = _Waiting(one)
        with self._lock:
            self._waiting.append(mine)
            mine.leads = not self._led
            self._led = True
        if not mine.leads:
            mine.heard.wait()
        if mine.leads:
            self._lead()
        if mine.error:
            raise mine.error
        if not mine.results:
            raise WriterEndedError
        return mine.results[0]

    def _lead(self) -> None:
        with self._lock:
            # The one who leads is among them.
            group, self._waiting = self._waiting, []
        try:
            self._fulfil(group)
        finally:
            with self._lock:
                following = next(iter(self._waiting), None)
                self._led = following is not None
                if following:
                    following.leads = True
            for each in (following, *group):
                if each:
                    each.heard.set()

    def _fulfil(self, group: list[_Waiting[One, Result]]) -> None:
        try:
            results = self._write([each.one for each in group])
            for each, result in zip(group, results, strict=True):
                each.results.append(result)
        except Exception as error:  # noqa: BLE001 -- it is raised where the result is waited for
            if len(group) == 1 or isinstance(error, self._passing):
                for each in group:
                    each.error = error
                return
            for each in group:
                self._fulfil([each])
