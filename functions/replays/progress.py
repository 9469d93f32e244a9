"""How far a replay is. It travels with whoever asks for the next slice: nothing of it is kept."""

import datetime as dt
import re
import uuid
from dataclasses import astuple, dataclass, replace
from typing import Any

from django.db.models import Q

from functions.replays.errors import InvalidChoiceError
from functions.replays.rows import Row
from invoker.models import Event

_TIME = "%Y%m%dT%H%M%S.%f"
_WRITTEN = re.compile(r"(\w[\w.]*_[0-9a-f]{32})?~([0-9a-f]{16})?((~[0-9]{1,6}){9})")


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of all slices so far.

    `older` names the event that the slice before ended with, `versions` what ran: a slice of other
    versions is no part of it. `total` is how many events there are at most, `looked` how many were
    looked at, of which some are for no function that is asked for.
    """

    older: str = ""
    versions: str = ""
    total: int = 0
    looked: int = 0
    done: int = 0
    differ: int = 0
    failing: int = 0
    unfair: int = 0
    slower: int = 0
    not_run: int = 0
    timeouts: int = 0

    @property
    def same(self) -> int:
        return self.done - self.differ - self.not_run

    def write(self) -> str:
        older, versions, *counts = astuple(self)
        return "~".join([older, versions, *map(str, counts)])

    @classmethod
    def read(cls, text: str) -> "Progress":
        """What `write` wrote; "" is the beginning.

        Raises:
            InvalidChoiceError: it was written by somebody else.
        """
        if not text:
            return cls()
        found = _WRITTEN.fullmatch(text) if text.isascii() else None
        if found is None:
            raise InvalidChoiceError(f'Cannot go on from "{text[:60]}": begin again without it')
        older, versions = found[1] or "", found[2] or ""
        if older:
            _place(older)
        return cls(older, versions, *map(int, found[3].split("~")[1:]))

    def with_rows(self, rows: list[Row]) -> "Progress":
        """The same with what came of further events."""
        more: dict[str, Any] = {
            "done": len(rows),
            "differ": sum(row.verdict == "different" for row in rows),
            "failing": sum(row.fails_now for row in rows),
            "unfair": sum(row.verdict == "different" and not row.fair for row in rows),
            "slower": sum(any(d.code == "over-budget" for d in row.differences) for row in rows),
            "not_run": sum(row.verdict == "not-run" for row in rows),
        }
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})

    def behind(self) -> Q:
        """What comes after the event that the slice before ended with, the newest first."""
        if not self.older:
            return Q()
        at, key = _place(self.older)
        # The first half alone is what an index answers.
        earlier = Q(created_at__lt=at) | Q(created_at=at, pk__lt=key)
        return Q(created_at__lte=at) & earlier


def name(event: Event) -> str:
    return f"{event.created_at.astimezone(dt.UTC):{_TIME}}_{event.pk.hex}"


def _place(older: str) -> tuple[dt.datetime, uuid.UUID]:
    moment, _, key = older.rpartition("_")
    try:
        return dt.datetime.strptime(moment, _TIME).replace(tzinfo=dt.UTC), uuid.UUID(key)
    except ValueError as error:
        raise InvalidChoiceError(f'Cannot go on from "{older[:60]}": begin again') from error
