"""What the audit log says about office hours."""

import datetime as dt
from typing import Any

from invoker import audit
from invoker.hours.reading import WEEKDAY_NAMES, Window, read_occasions, read_workdays
from invoker.models import OfficeHours


def record(action: str, profile: OfficeHours, *, by: str, before: dict[str, Any]) -> None:
    """Keep what a profile was and is, in the transaction of the change."""
    audit.record(
        profile.account_id,
        action,
        profile.name,
        by=by,
        before=before,
        after=facts(profile),
        subject_id=profile.pk,
    )


def facts(profile: OfficeHours) -> dict[str, Any]:
    """What is set, in the words of the page."""
    until = profile.off_until
    told: dict[str, Any] = {
        "Name": profile.name,
        "Description": profile.description,
        "Time zone": profile.time_zone,
        "Default hours": profile.is_default,
        "Skills": ", ".join(sorted(profile.skills.values_list("skill_id", flat=True))),
        "Closed until": until.isoformat(" ", timespec="minutes") if until else None,
    }
    week: dict[str, list[str]] = {day: [] for day in WEEKDAY_NAMES}
    for window in read_workdays(profile.workdays):
        week[WEEKDAY_NAMES[window.start.weekday()]].append(_window(window))
    told |= {day: ", ".join(windows) or "closed" for day, windows in week.items()}
    for one in read_occasions(profile.occasions):
        span = f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}"
        told[f"Occasion {span}"] = f"{one.name}: {'open' if one.working else 'closed'}"
    return told


def _window(window: Window) -> str:
    if window.end - window.start == dt.timedelta(days=1):
        return "all day"
    return f"{window.start:%H:%M} to {window.end:%H:%M}"
