"""Office hours in the vendor's own shape. Source: `controller-bot.md` §5.4."""

import datetime as dt
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

RECURRENCE: Final = re.compile(r"RRULE:FREQ=WEEKLY;BYDAY=(SU|MO|TU|WE|TH|FR|SA)")
MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", re.ASCII)
LONGEST_WINDOW: Final = dt.timedelta(hours=24)
MAX_NAME: Final = 50
YEARS: Final = (1970, 2999)
"""Clear of the ends of what a calendar can count, whatever the time zone."""
MOST_EVENTS: Final = 200
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAY_NAMES: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_SHOWN: Final = 80


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
    if end <= start:
        # Past midnight, as people write it: from ten to two.
        end = dt.datetime.combine(start.date(), end.time())
        end += dt.timedelta(days=1) if end <= start else dt.timedelta(0)
    # Where the rule names another day than the start's date, the date counts.
    if end - start > LONGEST_WINDOW:
        raise HoursError("too-long", place, "may last 24 hours at most, split it")
    return Window(start, end, zone)


def _read_occasion(event: Any, place: str) -> Occasion:
    start, end, zone = _read_span(event, place)
    if end <= start:
        raise HoursError("ends-before-it-starts", f"{place}.end", "must be later than the start")
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
            check_year(local, f"{place}.dateTime")
            return local, read_zone(moment.get("timeZone"), f"{place}.timeZone"), "T" not in text
    raise HoursError(
        "bad-time",
        f"{place}.dateTime",
        f'must look like "2026-01-31T09:00:00" or "2026-01-31", not {_shown(text)}',
    )


@lru_cache(maxsize=256)
def _known_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def read_zone(name: Any, place: str) -> ZoneInfo:
    """An IANA time zone by its name.

    Raises:
        HoursError: there is none.
    """
    try:
        return _known_zone(name)
    except (TypeError, ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise HoursError(
            "unknown-time-zone",
            place,
            f'must be a name such as "Europe/Berlin", not {_shown(name)}',
        ) from error


def check_year(moment: dt.datetime, place: str) -> None:
    """Refuse a moment that nobody can mean.

    Raises:
        HoursError: it lies too far away.
    """
    first, last = YEARS
    if not first <= moment.year <= last:
        raise HoursError(
            "bad-time", place, f"must lie between the years {first} and {last}, not {moment.year}"
        )


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise HoursError("not-a-list", place, f"must be a list, not {_shown(value)}")
    if len(value) > MOST_EVENTS:
        raise HoursError("too-many", place, f"has {len(value)} entries, at most {MOST_EVENTS} fit")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr, ensure_ascii=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


# Writing ------------------------------------------------------------------------------------------


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


def weekly_event(weekday: int, start: dt.time, end: dt.time, time_zone: str) -> dict[str, Any]:
    """The vendor's event for one window; Monday is 0, and an end that is not later is next day's.

    From midnight to midnight is the whole day.
    """
    day = dt.date(2024, 1, 1 + weekday)
    last = day if end > start else day + dt.timedelta(days=1)
    event = {
        "start": _moment(dt.datetime.combine(day, start), time_zone),
        "end": _moment(dt.datetime.combine(last, end), time_zone),
    }
    return event | {"recurrence": [f"RRULE:FREQ=WEEKLY;BYDAY={WEEKDAYS[weekday]}"]}


def occasion_event(
    name: str, start: dt.datetime, end: dt.datetime, time_zone: str, *, working: bool
) -> dict[str, Any]:
    """The vendor's event for one occasion, by the wall clock of its zone."""
    event = {"start": _moment(start, time_zone), "end": _moment(end, time_zone)}
    return event | {"recurrence": [], "meta": {"working": working, "name": name}}


def _moment(local: dt.datetime, time_zone: str) -> dict[str, str]:
    return {"dateTime": local.isoformat(timespec="seconds"), "timeZone": time_zone}
