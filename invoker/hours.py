"""Office hours: when which skill is open.

A profile has weekly windows, special occasions that override them, and a switch "off until". It
is kept in the vendor's own shape and read into UTC intervals. Source: `controller-bot.md` §5.4.

HoursError     a profile breaks a rule; stable `code`, and where it is
"""

import datetime as dt
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import WEEKLY, rrule

from invoker.conversations import ALWAYS_OPEN, Hours, Shift
from invoker.models import OfficeHours, SkillHours

RECURRENCE: Final = re.compile(r"RRULE:FREQ=WEEKLY;BYDAY=(SU|MO|TU|WE|TH|FR|SA)")
MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", re.ASCII)
LONGEST_WINDOW: Final = dt.timedelta(hours=24)
MAX_NAME: Final = 50
MOST_EVENTS: Final = 200
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SHOWN: Final = 80
_DAY_MS: Final = 24 * 3600 * 1000
_SPAN_MS: Final = 200 * _DAY_MS
_REACH_MS: Final = 400 * _DAY_MS
_LATEST_MS: Final = 4_102_444_800_000  # the year 2100
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class HoursError(Exception):
    """Office hours that cannot be used; `place` is where in the document."""

    def __init__(self, code: str, place: str, message: str) -> None:
        super().__init__(f"Cannot use the office hours: {place} {message}")
        self.code = code
        self.place = place


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly time of work, by the wall clock of its zone; `start` is its first occurrence."""

    start: dt.datetime
    end: dt.datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Occasion:
    """A span that overrides the week, by the wall clock of its zone."""

    name: str
    working: bool
    start: dt.datetime
    end: dt.datetime
    zone: ZoneInfo


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


def all_week(time_zone: str) -> list[dict[str, Any]]:
    """The vendor's events for being open day and night. The week they name is any."""
    return [
        {
            "start": {"dateTime": f"2024-01-{day:02}", "timeZone": time_zone},
            "end": {"dateTime": f"2024-01-{day:02}", "timeZone": time_zone},
            "recurrence": [f"RRULE:FREQ=WEEKLY;BYDAY={name}"],
        }
        for day, name in enumerate(WEEKDAYS, start=1)
    ]


# Reading ------------------------------------------------------------------------------------------


def read_workdays(events: Any, place: str = "events") -> tuple[Window, ...]:
    """Read the weekly windows of a working-hours document.

    Raises:
        HoursError: one of them breaks a rule; none is taken.
    """
    return tuple(
        _read_window(event, f"{place}[{index}]") for index, event in enumerate(_list(events, place))
    )


def read_occasions(events: Any, place: str = "events") -> tuple[Occasion, ...]:
    """Read the events of a special-occasions document.

    Raises:
        HoursError: one of them breaks a rule; none is taken.
    """
    return tuple(
        _read_occasion(event, f"{place}[{index}]")
        for index, event in enumerate(_list(events, place))
    )


def _read_window(event: Any, place: str) -> Window:
    start, end, zone = _read_span(event, place)
    recurrence = event.get("recurrence")
    one = len(recurrence) == 1 if isinstance(recurrence, list) else False
    if not one or not isinstance(recurrence[0], str) or not RECURRENCE.fullmatch(recurrence[0]):
        raise HoursError(
            "bad-recurrence",
            f"{place}.recurrence",
            f'must be one rule such as "RRULE:FREQ=WEEKLY;BYDAY=MO", not {_shown(recurrence)}',
        )
    # Where the rule names another day than the start's date, the date counts.
    if end - start > LONGEST_WINDOW:
        raise HoursError("too-long", place, "may last 24 hours at most, split it")
    return Window(start, end, zone)


def _read_occasion(event: Any, place: str) -> Occasion:
    start, end, zone = _read_span(event, place)
    if event.get("recurrence") not in (None, []):
        raise HoursError(
            "bad-recurrence", f"{place}.recurrence", "must be empty: an occasion happens once"
        )
    meta = event.get("meta")
    working = meta.get("working") if isinstance(meta, dict) else None
    if not isinstance(working, bool):
        raise HoursError(
            "bad-meta", f"{place}.meta.working", f"must be true or false, not {_shown(working)}"
        )
    name = meta.get("name") or ""
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
        raise HoursError(
            "bad-meta", f"{place}.meta.name", f"must be text of {MAX_NAME} characters at most"
        )
    return Occasion(name, working, start, end, zone)


def _read_span(event: Any, place: str) -> tuple[dt.datetime, dt.datetime, ZoneInfo]:
    if not isinstance(event, dict):
        raise HoursError("not-an-object", place, f"must be an object, not {_shown(event)}")
    start, zone, whole = _read_moment(event.get("start"), f"{place}.start")
    end, other, whole_end = _read_moment(event.get("end"), f"{place}.end")
    if zone.key != other.key:
        raise HoursError(
            "two-time-zones",
            f"{place}.end.timeZone",
            f'must be that of the start, "{zone.key}", not "{other.key}"',
        )
    if whole and whole_end:
        end += dt.timedelta(days=1)
    if end <= start and not whole_end:
        # Past midnight, as people write it: from ten to two.
        end = dt.datetime.combine(start.date(), end.time())
        end += dt.timedelta(days=1) if end <= start else dt.timedelta(0)
    if end <= start:
        raise HoursError("ends-before-it-starts", f"{place}.end", "must be later than the start")
    return start, end, zone


def _read_moment(moment: Any, place: str) -> tuple[dt.datetime, ZoneInfo, bool]:
    if not isinstance(moment, dict):
        raise HoursError("not-an-object", place, f"must be an object, not {_shown(moment)}")
    text = moment.get("dateTime")
    if isinstance(text, str) and MOMENT.fullmatch(text):
        try:
            local = dt.datetime.fromisoformat(text)
        except ValueError:
            pass  # such as the 31st of February
        else:
            return local, _zone(moment.get("timeZone"), place), "T" not in text
    raise HoursError(
        "bad-time",
        f"{place}.dateTime",
        f'must look like "2026-01-31T09:00:00" or "2026-01-31", not {_shown(text)}',
    )


@lru_cache(maxsize=256)
def _known_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _zone(name: Any, place: str) -> ZoneInfo:
    try:
        return _known_zone(name)
    except (TypeError, ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise HoursError(
            "unknown-time-zone",
            f"{place}.timeZone",
            f'must be a name such as "Europe/Berlin", not {_shown(name)}',
        ) from error


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise HoursError("not-a-list", place, f"must be a list, not {_shown(value)}")
    if len(value) > MOST_EVENTS:
        raise HoursError("too-many", place, f"has {len(value)} entries, at most {MOST_EVENTS} fit")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr, ensure_ascii=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


# An account's hours -------------------------------------------------------------------------------


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
    profiles = {
        profile.pk: profile for profile in OfficeHours.objects.filter(account_id=account_id)
    }
    if not profiles:
        return ALWAYS_OPEN
    skills = SkillHours.objects.filter(account_id=account_id).values_list("skill_id", "hours_id")
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
