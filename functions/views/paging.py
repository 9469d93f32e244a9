"""Pages by key: an address names a place, so rows that come meanwhile do not shift the page."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet, UUIDField
from django.http import Http404

LONGEST_NUMBER = 19
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`older` names the place where the next page begins, empty on the last page."""

    rows: list[M]
    older: str


def newest_first(
    rows: QuerySet[M], before: str, *, size: int, moment: str = "created_at"
) -> Page[M]:
    """Rows by a moment, the newest first, from the place `before` on (empty: from the top).

    Raises:
        Http404: `before` was not made here.
    """
    if before:
        at, key = _read(before, by_uuid=_has_uuids(rows))
        earlier, same = Q(**{f"{moment}__lt": at}), Q(**{moment: at, "pk__lt": key})
        # The first half alone is what an index answers.
        rows = rows.filter(**{f"{moment}__lte": at}).filter(earlier | same)
    found = list(rows.order_by(f"-{moment}", "-pk")[: size + 1])
    shown = found[:size]
    return Page(shown, _name(shown[-1], moment) if len(found) > size else "")


def _has_uuids(rows: QuerySet[M]) -> bool:
    return isinstance(rows.model._meta.pk, UUIDField)  # noqa: SLF001 -- Django documents it


def _name(row: Any, moment: str) -> str:
    key = row.pk.hex if isinstance(row.pk, uuid.UUID) else row.pk
    return f"{getattr(row, moment).astimezone(dt.UTC):%Y%m%dT%H%M%S.%f}_{key}"


def _read(place: str, *, by_uuid: bool) -> tuple[dt.datetime, uuid.UUID | int]:
    moment, _, key = place.partition("_")
    try:
        at = dt.datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=dt.UTC)
        if by_uuid:
            return at, uuid.UUID(key)
        # A number that fits a column has fewer digits than this.
        if key.isdecimal() and len(key) < LONGEST_NUMBER:
            return at, int(key)
    except ValueError:
        pass
    raise Http404(f'No page begins at "{place[:60]}"')
