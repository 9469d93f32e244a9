"""Finding what functions logged, in an account and a stretch of time."""

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from invoker.models import LogLine

LEVELS = ("Debug", "Info", "Warn", "Error")
# A search for a text reads no more than so many lines at once: whoever wants more goes on.
READ_AT_ONCE = 20_000
# Source: `liveperson-contract.md` §4.4.
LONGEST_WINDOW, OLDEST = dt.timedelta(days=7), dt.timedelta(days=30)
ROWS_AT_ONCE = 500
# A transaction that ends a run takes no longer to commit.
SETTLED_AFTER = dt.timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines to find. `function_ids` None and no `levels` mean all of them."""

    account_id: str
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    function_ids: Collection[uuid.UUID] | None = None
    levels: Collection[str] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Lines, the newest first. `more`: there are further ones behind the last.

    `read_to` is the moment up to which a search for a text has read everything; None when that was
    all there is.
    """

    lines: list[LogLine]
    more: bool
    read_to: dt.datetime | None = None


class Told(NamedTuple):
    """One line with what a file says of its run."""

    logged_at: dt.datetime
    function_name: str
    version: int
    level: str
    message: str
    extras: list[Any]
    invocation_id: uuid.UUID
    event_id: uuid.UUID | None
    invoked_by: str
    request_id: str


def find(wanted: Wanted, *, most: int, before: dt.datetime | None = None, skip: int = 0) -> Found:
    """The newest lines, from the moment `before` on but for the first `skip` of those."""
    rows = _matching(wanted)
    if before:
        rows = rows.filter(logged_at__lte=before)
    read_to = None
    if wanted.text:
        # Found in the index alone, however many lines the window holds.
        ends = list(rows.values_list("logged_at", flat=True)[READ_AT_ONCE : READ_AT_ONCE + 1])
        if ends:
            read_to = ends[0]
            rows = rows.filter(logged_at__gt=read_to)
        rows = _saying(rows, wanted.text)
    lines = list(_whole(rows)[skip : skip + most + 1])
    return Found(lines[:most], len(lines) > most, read_to)


def newer(wanted: Wanted, *, than: dt.datetime, most: int) -> list[LogLine]:
    """Lines of runs that ended since then, the newest first, a few seconds of before among them.

    A run's lines are written when it ends, so their own times may lie well before that.
    """
    oldest = than - SETTLED_AFTER - dt.timedelta(seconds=settings.INVOCATION_TIMEOUT_S)
    rows = _matching(wanted).filter(
        logged_at__gte=oldest, invocation__finished_at__gte=than - SETTLED_AFTER
    )
    if wanted.text:
        rows = _saying(rows, wanted.text)
    return list(_whole(rows)[:most])


def every(wanted: Wanted, *, most: int, oldest_first: bool = False) -> Iterator[Told]:
    """The newest lines one by one, or the oldest, however many there are to search."""
    rows = _matching(wanted)
    if oldest_first:
        rows = rows.reverse()
    if wanted.text:
        rows = _saying(rows, wanted.text)
    found = rows.values_list(
        "logged_at",
        "invocation__deployment__function_name",
        "invocation__deployment__version",
        "level",
        "message",
        "extras",
        "invocation_id",
        "invocation__event_id",
        "invocation__invoked_by",
        "invocation__request_id",
    )
    return (Told(*row) for row in found[:most].iterator(chunk_size=ROWS_AT_ONCE))


def extras_text(extras: list[Any]) -> str:
    """What was logged behind the message, each as JSON."""
    return " ".join(json.dumps(each, ensure_ascii=False) for each in extras)


def _matching(wanted: Wanted) -> QuerySet[LogLine]:
    rows = LogLine.objects.filter(account_id=wanted.account_id)
    if wanted.since:
        rows = rows.filter(logged_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(logged_at__lt=wanted.until)
    if wanted.function_ids is not None:
        rows = rows.filter(function_id__in=list(wanted.function_ids))
    if wanted.levels:
        rows = rows.filter(level__in=list(wanted.levels))
    return rows.order_by("-logged_at", "-id")


def _saying(rows: QuerySet[LogLine], text: str) -> QuerySet[LogLine]:
    """Lines with the text in the message or the extras, or of the invocation with that id.

    What asked for it may have an id of its own for the request, which finds it too.
    """
    said = rows.alias(extras_text=Cast("extras", TextField()))
    matches = Q(message__icontains=text) | Q(extras_text__icontains=text)
    matches |= Q(invocation__request_id=text)
    with contextlib.suppress(ValueError):
        matches |= Q(invocation_id=uuid.UUID(text))
    return said.filter(matches)


def _whole(rows: QuerySet[LogLine]) -> QuerySet[LogLine]:
    """With what pages say of the run: its event, its outcome, its function."""
    return rows.select_related("invocation__deployment").only(
        "number",
        "level",
        "message",
        "extras",
        "logged_at",
        "invocation__event_id",
        "invocation__outcome",
        "invocation__duration_ms",
        "invocation__started_at",
        "invocation__invoked_by",
        "invocation__source",
        "invocation__deployment__function_name",
        "invocation__deployment__version",
    )
