"""Who may work in this process, so that no account keeps the others waiting. Needs no database.

A worker has so many places, one for each conversation that it has in hand. An account may take
another one only while it holds fewer than are free: alone it comes to half of them, two that
want all come to a third each, and so on, and whoever holds none finds one. That is the dynamic
threshold of shared-memory switches. Source: Choudhury and Hahne, "Dynamic Queue Length Thresholds
for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6(2), 1998.

A place is mostly held while a function or another server is waited for, which costs nobody
anything. The rest is work of this process, where one thread at a time runs Python: of an account
with more than `FEW` places `MOST_AT_WORK` are at work at once, and one only while another account
works or has just done so.

Every worker process counts for itself, and so the shares hold for any number of them.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings

FEW = 2
MOST_AT_WORK = 4
# So that an account with a conversation now and then always comes to a process with room.
JUST_NOW_S = 2.0


@dataclass(slots=True)
class _Standing:
    """What an account has in this process. `refused`: how often it was, since it had its fill."""

    turn: threading.Condition
    held: int = 0
    at_work: int = 0
    queueing: int = 0
    refused: int = 0
    worked_at: float = -math.inf

    def works(self) -> bool:
        """Whether it has something to do in this process, now or in a moment."""
        busy = self.at_work or self.queueing
        return bool(busy) or time.monotonic() - self.worked_at < JUST_NOW_S


@dataclass(slots=True)
class Place:
    """One place, held by the thread that took it."""

    account_id: str
    standing: _Standing
    given_back: bool = False

    @property
    def refused(self) -> int:
        """How often the account was refused a place: to be read before looking for its work."""
        return self.standing.refused


class Places:
    """The places of one worker process. Safe for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _Standing] = {}
        self._held = 0
        self._mine = threading.local()

    def take(self, account_id: str) -> Place | None:
        """A place for this thread, once it is its turn to work. None: the account has enough."""
        with self._lock:
            one = self._of(account_id)
            if not self._has_room(one):
                one.refused += 1
                return None
            return self._give(account_id, one)

    def take_refused(self) -> Place | None:
        """A place for who was refused one and may have it by now; who holds fewest comes first."""
        with self._lock:
            refused = [
                (one.held, account_id)
                for account_id, one in self._accounts.items()
                if one.refused and self._has_room(one)
            ]
            if not refused:
                return None
            account_id = min(refused)[1]
            return self._give(account_id, self._accounts[account_id])

    def may_stay(self, place: Place) -> bool:
        """Whether the account would get this place if it were free."""
        with self._lock:
            return self._has_room(place.standing, own=1)

    def leave(self, place: Place, *, seen: int) -> bool:
        """Give the place back as nothing of the account waits.

        False when a place was refused after `seen` was read: it is kept, look again.
        """
        with self._lock:
            if place.refused != seen:
                return False
            place.standing.refused = 0
            self._take_back(place)
            return True

    def give_back(self, place: Place) -> None:
        """Give the place back, whatever waits. To do it again does nothing."""
        with self._lock:
            self._take_back(place)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While this thread waits for something outside, others of its account work."""
        place: Place | None = getattr(self._mine, "place", None)
        if place is None:
            yield
            return
        one = place.standing
        with self._lock:
            self._end_work(one)
        try:
            yield
        finally:
            with self._lock:
                self._begin_work(one)

    def taken(self) -> dict[str, int]:
        """How many places each account holds."""
        with self._lock:
            return {key: one.held for key, one in self._accounts.items() if one.held}

    # --- with the lock ---------------------------------------------------------------------------

    def _of(self, account_id: str) -> _Standing:
        if account_id not in self._accounts:
            self._accounts[account_id] = _Standing(threading.Condition(self._lock))
        return self._accounts[account_id]

    def _has_room(self, one: _Standing, own: int = 0) -> bool:
        """Whether the account may take a place, had it `own` fewer than it has."""
        return one.held - own < settings.WORKER_THREADS - self._held + own

    def _give(self, account_id: str, one: _Standing) -> Place:
        one.held += 1
        self._held += 1
        self._begin_work(one)
        place = self._mine.place = Place(account_id, one)
        return place

    def _take_back(self, place: Place) -> None:
        if place.given_back:
            return
        place.given_back = True
        self._mine.place = None
        one = place.standing
        one.held -= 1
        self._held -= 1
        self._end_work(one)
        if not (one.held or one.refused):
            self._accounts.pop(place.account_id, None)

    def _begin_work(self, one: _Standing) -> None:
        one.queueing += 1
        while one.at_work >= self._most_at_work(one):
            one.turn.wait()
        one.queueing -= 1
        one.at_work += 1

    def _end_work(self, one: _Standing) -> None:
        one.at_work -= 1
        one.worked_at = time.monotonic()
        for each in self._accounts.values():
            if each.queueing and each.at_work < self._most_at_work(each):
                each.turn.notify(self._most_at_work(each) - each.at_work)

    def _most_at_work(self, one: _Standing) -> int:
        if one.held <= FEW:
            return FEW
        # Who queues needs no waking later: one of its account is at work then, and wakes it.
        others = any(each.works() for each in self._accounts.values() if each is not one)
        return 1 if others else MOST_AT_WORK


places = Places()
