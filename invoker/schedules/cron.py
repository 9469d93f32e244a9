"""Cron expressions: read, put into words, and followed through a time zone.

Five fields with lists, ranges, steps, names, `L`, `LW` and `#`, as Debian's cron and cronsim read
them. Where clocks change, it is Debian's cron again: a time of the clock that is left out is
caught up with when the clocks have gone forward, one that comes twice is due the first time. What
has a star in the minutes or hours goes by real time instead.
"""

import datetime as dt
import difflib
import re
from collections.abc import Iterator
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cron_descriptor import ExpressionDescriptor, FormatException, Options
from cronsim import CronSim, CronSimError

from invoker.models.schedules import MAX_CRON
from invoker.schedules.errors import CronError, ZoneError

UTC_ZONE = "Etc/UTC"
FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L for the last day or LW for the last weekday"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT, 0 and 7 are Sunday, or MON#1 or 5L"),
)
"""What each field of an expression is called, and what may stand there."""
EXAMPLE = '"*/5 * * * *" is every 5 minutes'
# Any moment will do: whether an expression is right does not depend on when it is asked.
_SOME_DAY = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_SHOWN = 60


def read(expression: str) -> str:
    """An expression as it is kept, one space between its fields.

    Raises:
        CronError: it is none, it is due more often than once a minute, or never.
    """
    refusal = f'Cannot use the cron expression "{expression[:_SHOWN]}"'
    fields = expression.split()
    if not fields:
        raise CronError(f"Cannot use an empty cron expression: {EXAMPLE}")
    if len(expression) > MAX_CRON:
        raise CronError(f"{refusal}: it has {len(expression)} characters, at most {MAX_CRON} fit")
    if fields[0].startswith("@"):
        raise CronError(f"{refusal}: nicknames are not known, write five fields, {EXAMPLE}")
    if len(fields) == len(FIELDS) + 1:
        raise CronError(
            f"{refusal}: it has six fields, and a schedule is due at most once a minute, leave "
            "out the seconds"
        )
    if len(fields) != len(FIELDS):
        names = ", ".join(name for name, _ in FIELDS)
        count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise CronError(f"{refusal}: it has {count}, write five: {names}")
    for place, (name, allowed) in enumerate(FIELDS):
        alone = ["*"] * len(FIELDS)
        alone[place] = fields[place]
        if not _readable(" ".join(alone)):
            raise CronError(
                f'{refusal}: the {name} cannot be "{fields[place]}", use * or {allowed}, also as '
                "1,5 or 1-5 or */5"
            )
    kept = " ".join(fields)
    if not _readable(kept) or next(CronSim(kept, _SOME_DAY), None) is None:
        raise CronError(f"{refusal}: it is never due, no day is like that")
    return kept


def in_words(expression: str) -> str:
    """What an expression that was read says, such as "Every 5 minutes"."""
    _, _, day, _, weekday = expression.upper().split()
    # cron-descriptor says "or" where both days must be right, and misreads lists of L and #.
    if (day == "*" or weekday == "*") and not re.search(r"[L#].*[,/]|[,/].*[L#]", day + weekday):
        try:
            return str(ExpressionDescriptor(expression, _options()).get_description())
        except FormatException:
            pass
    return CronSim(expression, _SOME_DAY).explain()


def zone(name: str) -> ZoneInfo:
    """An IANA time zone.

    Raises:
        ZoneError: there is none of this name.
    """
    if name in zones():
        return ZoneInfo(name)
    alike = {known.lower(): known for known in zones()}
    near = difflib.get_close_matches(name[:_SHOWN].lower(), alike, n=1)
    way_out = f'did you mean "{alike[near[0]]}"' if near else 'use a name such as "Europe/Berlin"'
    raise ZoneError(f'Cannot use the time zone "{name[:_SHOWN]}": there is none, {way_out}')


@cache
def zones() -> frozenset[str]:
    """The names of all time zones, without those that only say how a computer is set."""
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")


def times(expression: str, zone: ZoneInfo, after: dt.datetime) -> Iterator[dt.datetime]:
    """The due times after a moment, in UTC: each later than the one before.

    The expression must have been read. It ends where that is not due again within 50 years.
    """
    last = after.astimezone(dt.UTC)
    for moment in CronSim(expression, after.astimezone(zone)):
        # While the clocks show an hour for the second time, cronsim goes back into the first.
        if moment.astimezone(dt.UTC) > last:
            last = moment.astimezone(dt.UTC)
            yield last


def following(expression: str, zone: ZoneInfo, after: dt.datetime) -> dt.datetime:
    """The first due time after a moment, in UTC."""
    return next(times(expression, zone, after))


def _readable(expression: str) -> bool:
    try:
        CronSim(expression, _SOME_DAY)
    except CronSimError:
        return False
    return expression.isascii()


@cache
def _options() -> Options:
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"  # else the language of whoever started the process
    return options
