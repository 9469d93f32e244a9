"""When which skill is open: windows, occasions and the switch as changes in UTC."""

import datetime as dt
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import WEEKLY, rrule

from invoker import statements
from invoker.conversations import ALWAYS_OPEN, Hours, Shift
from invoker.hours.reading import Occasion, Window, read_occasions, read_workdays
from invoker.models import OfficeHours, SkillHours

_DAY_MS: Final = 24 * 3600 * 1000
_SPAN_MS: Final = 200 * _DAY_MS
_REACH_MS: Final = 400 * _DAY_MS
_LATEST_MS: Final = 4_102_444_800_000  # the year 2100
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Calendar:
    """When one profile is open, from all that it says."""

    def __init__(
        self,
        windows: Iterable[Window],
        occasions: Iterable[Occasion],
        off: tuple[dt.datetime, dt.datetime] | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self._occasions = sorted(occasions, key=lambda each: _utc_ms(each.start, each.zone))
        self._off = off and (_ms(off[0]), _ms(off[1]))
        self._edges: dict[int, tuple[list[int], bool]] = {}

    def shift(self, at_ms: int) -> Shift:
        """Whether it is open at a moment, since when and until when."""
        # Further on no clock of ours can tell; what platforms send may lie there.
        edges, first = self._span(min(at_ms, _LATEST_MS) // _SPAN_MS)
        place = bisect_right(edges, at_ms)
        return Shift(
            open=first == (place % 2 == 0),
            since_ms=edges[place - 1] if place else 0,
            until_ms=edges[place] if place < len(edges) else None,
        )

    def _span(self, number: int) -> tuple[list[int], bool]:
        """Every change between open and closed around a span, and how it is before the first."""
        if number not in self._edges:
            start, end = number * _SPAN_MS - _REACH_MS, (number + 1) * _SPAN_MS + _REACH_MS
            intervals = _merged(self._weekly(start, end))
            for occasion in self._occasions:
                span = _utc_ms(occasion.start, occasion.zone), _utc_ms(occasion.end, occasion.zone)
                intervals = _override(intervals, span, working=occasion.working)
            if self._off:
                intervals = _override(intervals, self._off, working=False)
            edges = [edge for interval in intervals for edge in interval]
            before = bisect_right(edges, start)
            self._edges = {number: (
                [edge for edge in edges if start < edge < end], before % 2 == 1,
            )}  # fmt: skip
        return self._edges[number]

    def _weekly(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        # A week more on either side: a window belongs to the day it begins on.
        first, last = (
            _EPOCH.replace(tzinfo=None) + dt.timedelta(milliseconds=edge)
            for edge in (start_ms - 8 * _DAY_MS, end_ms + 8 * _DAY_MS)
        )
        for window in self._windows:
            weeks = (first - window.start) // dt.timedelta(weeks=1)
            begin = window.start + weeks * dt.timedelta(weeks=1)
            for start in rrule(WEEKLY, dtstart=begin, until=last):
                end = start + (window.end - window.start)
                yield _utc_ms(start, window.zone), _utc_ms(end, window.zone)


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _override(
    intervals: list[tuple[int, int]], span: tuple[int, int], *, working: bool
) -> list[tuple[int, int]]:
    start, end = span
    kept = [
        piece
        for low, high in intervals
        for piece in ((low, min(high, start)), (max(low, end), high))
    ]
    return _merged([*kept, span] if working else kept)


def _utc_ms(local: dt.datetime, zone: ZoneInfo) -> int:
    """A wall clock's time in UTC.

    One that occurs twice means the first; for one that is skipped, the offset before the gap
    counts. Both are what `fold=0` does. Source: RFC 5545 §3.3.5.
    """
    return _ms(local.replace(tzinfo=zone, fold=0))


def _ms(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class AccountHours:
    """The hours of every skill: its own, else the account's, else always open."""

    by_skill: dict[str, Calendar]
    default: Calendar | None

    def shift(self, skill_id: str, at_ms: int, /) -> Shift:
        calendar = self.by_skill.get(skill_id, self.default)
        if calendar is None:
            return ALWAYS_OPEN.shift(skill_id, at_ms)
        return calendar.shift(at_ms)


def load(account_id: str) -> Hours:
    """Read an account's office hours, once for any number of questions."""
    mine = "WHERE account_id = %s"
    profiles = {each.pk: each for each in statements.select(OfficeHours, mine, [account_id])}
    if not profiles:
        return ALWAYS_OPEN
    skills = [
        (each.skill_id, each.hours_id) for each in statements.select(SkillHours, mine, [account_id])
    ]
    calendars = {pk: calendar_of(profile) for pk, profile in profiles.items()}
    default = next((pk for pk, profile in profiles.items() if profile.is_default), None)
    return AccountHours(
        {skill_id: calendars[pk] for skill_id, pk in skills},
        None if default is None else calendars[default],
    )


def calendar_of(profile: OfficeHours) -> Calendar:
    """The calendar of a profile; the same one as long as nothing of it changes."""
    off = (profile.off_since, profile.off_until)
    return _calendar(
        json.dumps(profile.workdays),
        json.dumps(profile.occasions),
        off if off[0] and off[1] else None,
    )


@lru_cache(maxsize=256)
def _calendar(
    workdays: str, occasions: str, off: tuple[dt.datetime, dt.datetime] | None
) -> Calendar:
    return Calendar(read_workdays(json.loads(workdays)), read_occasions(json.loads(occasions)), off)
