"""Office hours: when which skill is open.

A profile has weekly windows, special occasions that override them, and a switch "off until". It
is kept in the vendor's own shape and read into changes between open and closed in UTC.

HoursError     a profile breaks a rule; stable `code`, and where it is
"""

from invoker.hours.calendars import Calendar, calendar_of, load
from invoker.hours.reading import WEEKDAYS, HoursError, all_week, read_occasions, read_workdays

__all__ = [
    "WEEKDAYS",
    "Calendar",
    "HoursError",
    "all_week",
    "calendar_of",
    "load",
    "read_occasions",
    "read_workdays",
]
