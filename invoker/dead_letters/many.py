"""Many letters at once, in steps: whoever asks goes on until there are no more."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from invoker import audit
from invoker.dead_letters.changing import check, discard_all, try_again
from invoker.dead_letters.errors import PlaceError
from invoker.dead_letters.finding import Wanted
from invoker.models import DeadLetter, LetterState

MOST_AT_ONCE: Final = 50
"""How many letters of an account are tried again at a time: they share the workers with what
happens now."""
DISCARDED_AT_ONCE: Final = 500
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND: Final = dt.timedelta(microseconds=1)
BEGINNING: Final = f"0_{uuid.UUID(int=0).hex}"
"""A place before all letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step through many letters.

    `done` were changed now. Where there is `more`, the next step begins behind `after`; nothing
    done, and more, means that the workers are busy with those before.
    """

    done: int
    more: bool
    after: str


def retry_some(wanted: Wanted, *, by: str, begun_at: dt.datetime, after: str = "") -> Batch:
    """Have the next of many tried again; call it until there are no more.

    No more than `MOST_AT_ONCE` are under way at a time. What fails again meanwhile is not tried a
    second time. The audit log has one entry, from the first step.

    Args:
        wanted: which ones; only those that are open count.
        by: who asks.
        begun_at: when the first step was.
        after: the place where the step before ended, "" for the first.
    """
    busy = DeadLetter.objects.filter(account_id=wanted.account_id, state=LetterState.RETRYING)
    room = MOST_AT_ONCE - busy[:MOST_AT_ONCE].count()

    def step(letters: list[DeadLetter]) -> int:
        return try_again(letters, by=by)

    return _step(
        wanted, step, begun_at=begun_at, after=after, room=room, by=by,
        action="dead-letter.retried",
    )  # fmt: skip


def discard_some(
    wanted: Wanted, note: str, *, by: str, begun_at: dt.datetime, after: str = ""
) -> Batch:
    """Discard the next of many, with the same note; as `retry_some` does.

    Raises:
        NoteError: nothing was discarded.
    """
    check(note)

    def step(letters: list[DeadLetter]) -> int:
        return discard_all(letters, note, by=by)

    return _step(
        wanted, step, begun_at=begun_at, after=after, room=DISCARDED_AT_ONCE, by=by,
        action="dead-letter.discarded", detail=note,
    )  # fmt: skip


def _step(
    wanted: Wanted,
    step: Callable[[list[DeadLetter]], int],
    *,
    begun_at: dt.datetime,
    after: str,
    room: int,
    by: str,
    action: str,
    detail: str = "",
) -> Batch:
    # The oldest first: of one conversation, what came first is said first.
    open_ones = wanted.rows().filter(state=LetterState.OPEN, failed_at__lte=begun_at)
    if after:
        at, key = _read(after)
        behind = Q(failed_at__gt=at) | Q(failed_at=at, pk__gt=key)
        open_ones = open_ones.filter(behind, failed_at__gte=at)
    room = max(room, 0)
    found = list(open_ones.order_by("failed_at", "pk")[: room + 1])
    now = found[:room]
    with transaction.atomic():
        if not after and found:
            count = open_ones.count()
            subject = "1 dead letter" if count == 1 else f"{count:,} dead letters"
            audit.record(
                wanted.account_id, action, subject, by=by, detail=detail, after=_facts(wanted)
            )
        done = step(now) if now else 0
    place = _place(now[-1].failed_at, now[-1].pk) if now else after or BEGINNING
    return Batch(done=done, more=len(found) > room, after=place)


def _place(at: dt.datetime, key: uuid.UUID) -> str:
    return f"{(at - EPOCH) // MICROSECOND}_{key.hex}"


def _read(place: str) -> tuple[dt.datetime, uuid.UUID]:
    at, _, key = place.partition("_")
    try:
        return EPOCH + int(at) * MICROSECOND, uuid.UUID(key)
    except (ValueError, OverflowError) as error:
        raise PlaceError(f'Cannot go on after "{place[:60]}": give what was answered') from error


def _facts(wanted: Wanted) -> dict[str, Any]:
    said = {
        "Kind": wanted.kind,
        "Reason": wanted.reason,
        "Connection": str(wanted.connection_id or ""),
        "Since": f"{wanted.since:%Y-%m-%d %H:%M:%S} UTC" if wanted.since else "",
        "Until": f"{wanted.until:%Y-%m-%d %H:%M:%S} UTC" if wanted.until else "",
    }
    return {name: value for name, value in said.items() if value}
