"""The stretch of time that a page shows: so much until now, or from one moment to another."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils import timezone

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
PRESETS = {
    "1h": (HOUR, "Last hour"),
    "6h": (6 * HOUR, "Last 6 hours"),
    "24h": (DAY, "Last 24 hours"),
    "7d": (7 * DAY, "Last 7 days"),
    "30d": (30 * DAY, "Last 30 days"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of the menu."""

    label: str
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked for. `since` and `until` are None where it has no such end."""

    label: str
    preset: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    error: str = ""
    choices: Sequence[Choice] = ()
    wishes: Mapping[str, str] = field(default_factory=dict)

    @property
    def from_value(self) -> str:
        """For an input of the browser."""
        return f"{self.since:%Y-%m-%dT%H:%M}" if self.since and not self.preset else ""

    @property
    def to_value(self) -> str:
        return f"{self.until:%Y-%m-%dT%H:%M}" if self.until else ""


class _MomentField(forms.DateTimeField):
    """A moment in UTC. Some that can be written with an offset lie before the first year."""

    def to_python(self, value: Any) -> dt.datetime | None:
        moment = super().to_python(value)
        try:
            return moment and moment.astimezone(dt.UTC)
        except OverflowError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class WindowForm(forms.Form):
    """`window` is a preset; `since` and `until` are moments in UTC and go before it."""

    window = forms.ChoiceField(
        choices=[(key, label) for key, (_, label) in PRESETS.items()], required=False
    )
    since = _MomentField(required=False)
    until = _MomentField(required=False)


def read(
    query: QueryDict,
    *,
    presets: Sequence[str],
    default: str = "",
    longest: dt.timedelta | None = None,
    oldest: dt.timedelta | None = None,
) -> Window:
    """The window that an address asks for.

    Args:
        query: the address behind its "?".
        presets: what the menu offers.
        default: the one of them that is shown when nothing is said; empty for all time.
        longest: how long a window may be.
        oldest: how far back it may begin.
    """
    form = WindowForm(query)
    form.is_valid()
    given = {key: query.get(key, "").strip() for key in ("since", "until")}
    since, until = (form.cleaned_data.get(key) for key in given)
    preset = form.cleaned_data.get("window") or default
    if preset not in presets:
        preset = default
    custom = any(given.values())
    choices = _choices(query, presets, "" if custom else preset, default)
    wrong = [name for name, key in (("From", "since"), ("To", "until")) if key in form.errors]
    if wrong:
        error = f'Cannot read "{wrong[0]}": write a date and a time, as in 2026-03-10 14:30'
        return Window("Another window", error=error, choices=choices)
    if not custom:
        length, label = PRESETS.get(preset, (None, "Any time"))
        since = timezone.now() - length if length else None
        wishes = {"window": preset} if preset and preset != default else {}
        return Window(label, preset, since=since, choices=choices, wishes=wishes)
    since, error = _within(since, until, longest, oldest)
    wishes = {key: value for key, value in given.items() if value}
    return Window(
        _label(since, until),
        since=since,
        until=until,
        error=error,
        choices=choices,
        wishes=wishes,
    )


def _within(
    since: dt.datetime | None,
    until: dt.datetime | None,
    longest: dt.timedelta | None,
    oldest: dt.timedelta | None,
) -> tuple[dt.datetime | None, str]:
    """The beginning, and what is wrong with the window."""
    now = timezone.now()
    end = min(until or now, now)
    if since is None and longest:
        since = _before(end, longest)
    if since is None:
        return None, ""
    if since >= end:
        return since, 'Cannot search: "From" must lie before "To", and in the past'
    if longest and end - since > longest:
        return since, f"Cannot search so long: a window holds {longest.days} days at most"
    if oldest and now - since > oldest:
        return since, f"Cannot search so far back: lines are kept {oldest.days} days"
    return since, ""


def _before(moment: dt.datetime, length: dt.timedelta) -> dt.datetime:
    try:
        return moment - length
    except OverflowError:
        return moment


def _label(since: dt.datetime | None, until: dt.datetime | None) -> str:
    if since is None:
        return f"Until {until:%Y-%m-%d %H:%M}"
    if until is None:
        return f"Since {since:%Y-%m-%d %H:%M}"
    same = since.date() == until.date()
    return f"{since:%Y-%m-%d %H:%M} to {until:{'%H:%M' if same else '%Y-%m-%d %H:%M'}}"


def _choices(
    query: QueryDict, presets: Sequence[str], chosen: str, default: str
) -> tuple[Choice, ...]:
    kept = [
        (key, value)
        for key, values in query.lists()
        if key not in {"window", "since", "until", "before", "seen"}
        for value in values
        if value
    ]
    offered = presets if default else ("", *presets)
    return tuple(
        Choice(
            PRESETS[key][1] if key else "Any time",
            urlencode([*kept, ("window", key)] if key != default else kept),
            key == chosen,
        )
        for key in offered
    )
