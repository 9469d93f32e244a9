"""Times as scenario files have them: "12s", "10m 12s", "1h", "0.25s"."""

import re
from typing import Final

_UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
_FORM: Final = re.compile(
    r"(?:(?P<d>\d{1,5})d)? ?(?:(?P<h>\d{1,6})h)? ?(?:(?P<m>\d{1,8})m)?"
    r" ?(?:(?P<s>\d{1,9})(?:\.(?P<part>\d{1,3}))?s)?",
    re.ASCII,
)


def parse(text: str) -> int | None:
    """Milliseconds; None for what is no duration."""
    found = _FORM.fullmatch(text)
    if not found or not any(found.groups()):
        return None
    ms = sum(int(found[unit] or 0) * length for unit, length in _UNITS_MS.items())
    return ms + int(found["s"] or 0) * 1000 + int((found["part"] or "0").ljust(3, "0"))


def spell(ms: int) -> str:
    """The one way in which a duration is written: 612000 is "10m 12s"."""
    parts = []
    for unit, length in _UNITS_MS.items():
        count, ms = divmod(ms, length)
        if count:
            parts.append(f"{count}{unit}")
    if ms or not parts:
        seconds, rest = divmod(ms, 1000)
        parts.append(f"{seconds}.{rest:03}".rstrip("0") + "s" if rest else f"{seconds}s")
    return " ".join(parts)
