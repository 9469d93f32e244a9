"""Every change to the office hours of an account, and their way in and out as JSON.

The vendor keeps working hours and special occasions as two lists of documents. A profile of ours
is one of each under one name.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any, Final, Literal

from django.db import IntegrityError, transaction
from django.utils import timezone

from invoker import audit
from invoker.hours import history
from invoker.hours.reading import (
    MAX_NAME,
    MOST_EVENTS,
    HoursError,
    all_week,
    check_year,
    occasion_event,
    read_occasions,
    read_workdays,
    read_zone,
    weekly_event,
)
from invoker.models import SKILL_ID_LENGTH, OfficeHours, SkillHours

logger = logging.getLogger(__name__)

MAX_DESCRIPTION: Final = 200
MOST_PROFILES: Final = 100
MOST_SKILLS: Final = 500
DEFAULT_NAME: Final = "Office hours"

Kind = Literal["workdays", "occasions"]


def create_defaults(account_id: str) -> None:
    """Give an account hours that are always open, if it has none."""
    if not OfficeHours.objects.filter(account_id=account_id).exists():
        OfficeHours.objects.bulk_create(
            [
                OfficeHours(
                    account_id=account_id,
                    name=DEFAULT_NAME,
                    is_default=True,
                    workdays=all_week("UTC"),
                )
            ],
            ignore_conflicts=True,
        )


def create(account_id: str, *, name: str, time_zone: str, by: str) -> OfficeHours:
    """Make a profile that is open day and night, and the account's default if it is the first.

    Raises:
        HoursError: nothing was made.
    """
    _check_name(name)
    read_zone(time_zone, "time_zone")
    own = OfficeHours.objects.filter(account_id=account_id)
    if own.count() >= MOST_PROFILES:
        raise HoursError("too-many", "name", f"the account has {MOST_PROFILES}, delete one first")
    try:
        with transaction.atomic():
            profile = OfficeHours.objects.create(
                account_id=account_id,
                name=name,
                time_zone=time_zone,
                is_default=not own.filter(is_default=True).exists(),
                workdays=all_week(time_zone),
            )
            history.record("hours.created", profile, by=by, before={})
    except IntegrityError as error:
        raise _taken(name) from error
    _log("office hours created", profile, by)
    return profile


def edit(
    profile: OfficeHours,
    *,
    name: str,
    description: str,
    time_zone: str,
    is_default: bool,
    skills: Iterable[str],
    by: str,
) -> None:
    """Change what a profile is called, where its clock hangs, and whose hours it holds.

    In another time zone the wall clock's times stay what they are.

    Raises:
        HoursError: nothing was changed.
    """
    _check_name(name)
    if len(description) > MAX_DESCRIPTION:
        raise HoursError(
            "too-long", "description", f"may have {MAX_DESCRIPTION} characters at most"
        )
    read_zone(time_zone, "time_zone")
    wanted = _checked_skills(skills)
    try:
        with transaction.atomic():
            others = SkillHours.objects.filter(account_id=profile.account_id, skill_id__in=wanted)
            taken = others.exclude(hours=profile).select_related("hours").first()
            if taken:
                raise HoursError(
                    "skill-taken", "skills",
                    f'"{taken.skill_id}" has the hours of "{taken.hours.name}", take it out there '
                    "first",
                )  # fmt: skip
            before = history.facts(profile)
            if is_default:
                same = OfficeHours.objects.filter(account_id=profile.account_id, is_default=True)
                same.exclude(pk=profile.pk).update(is_default=False)
            profile.name = name
            profile.description = description
            profile.is_default = is_default
            _move(profile, time_zone)
            profile.save()
            profile.skills.exclude(skill_id__in=wanted).delete()
            SkillHours.objects.bulk_create(
                [
                    SkillHours(account_id=profile.account_id, skill_id=each, hours=profile)
                    for each in wanted
                ],
                ignore_conflicts=True,
            )
            history.record("hours.edited", profile, by=by, before=before)
    except IntegrityError as error:
        raise _taken(name) from error
    _log("office hours edited", profile, by)


def set_week(
    profile: OfficeHours, windows: Iterable[tuple[int, dt.time, dt.time]], *, by: str
) -> None:
    """Replace the week: day (Monday is 0), from and to by the wall clock of the profile's zone.

    Raises:
        HoursError: nothing was changed.
    """
    events = [weekly_event(day, start, end, profile.time_zone) for day, start, end in windows]
    read_workdays(events, "week")
    with transaction.atomic():
        before = history.facts(profile)
        profile.workdays = events
        profile.save(update_fields=["workdays", "changed_at"])
        history.record("hours.week-changed", profile, by=by, before=before)
    _log("week of office hours changed", profile, by)


def add_occasion(
    profile: OfficeHours,
    *,
    name: str,
    start: dt.datetime,
    end: dt.datetime,
    working: bool,
    by: str,
) -> None:
    """Add an occasion by the wall clock of the profile's zone.

    Raises:
        HoursError: nothing was changed.
    """
    if len(profile.occasions) >= MOST_EVENTS:
        raise HoursError("too-many", "occasions", f"are {MOST_EVENTS} already, delete some first")
    if end <= start:
        raise HoursError("ends-before-it-starts", "end", "must be later than the start")
    event = occasion_event(name, start, end, profile.time_zone, working=working)
    read_occasions([event], "occasions")
    with transaction.atomic():
        before = history.facts(profile)
        profile.occasions = sorted([*profile.occasions, event], key=_start)
        profile.save(update_fields=["occasions", "changed_at"])
        history.record("hours.occasion-added", profile, by=by, before=before)
    _log("occasion added", profile, by)


def delete_occasion(profile: OfficeHours, event: dict[str, Any], *, by: str) -> None:
    with transaction.atomic():
        before = history.facts(profile)
        profile.occasions = [each for each in profile.occasions if each != event]
        profile.save(update_fields=["occasions", "changed_at"])
        history.record("hours.occasion-deleted", profile, by=by, before=before)
    _log("occasion deleted", profile, by)


def switch_off(profile: OfficeHours, until: dt.datetime, *, by: str) -> None:
    """Close from now on, whatever the week says, until a moment.

    Raises:
        HoursError: the moment has passed, or is too far away.
    """
    now = timezone.now()
    check_year(until, "until")
    if until <= now:
        raise HoursError("in-the-past", "until", "must lie ahead")
    with transaction.atomic():
        before = history.facts(profile)
        profile.off_since, profile.off_until = now, until
        profile.save(update_fields=["off_since", "off_until", "changed_at"])
        history.record("hours.switched-off", profile, by=by, before=before)
    _log("switched off", profile, by)


def switch_on(profile: OfficeHours, *, by: str) -> None:
    """Let the week decide again."""
    with transaction.atomic():
        before = history.facts(profile)
        profile.off_since = profile.off_until = None
        profile.save(update_fields=["off_since", "off_until", "changed_at"])
        history.record("hours.switched-on", profile, by=by, before=before)
    _log("switched on", profile, by)


def delete(profile: OfficeHours, *, by: str) -> None:
    """Remove a profile; its skills have the account's default hours from now on."""
    with transaction.atomic():
        audit.record(
            profile.account_id, "hours.deleted", profile.name, by=by, before=history.facts(profile)
        )
        _log("office hours deleted", profile, by)
        profile.delete()


# In and out ---------------------------------------------------------------------------------------


def to_vendor(account_id: str, kind: Kind) -> list[dict[str, Any]]:
    """All profiles as the vendor's documents of working hours or special occasions."""
    return [
        {
            "id": profile.pk,
            "name": profile.name,
            "description": profile.description,
            "deleted": False,
            "isDefault": profile.is_default,
            "events": getattr(profile, kind),
        }
        for profile in OfficeHours.objects.filter(account_id=account_id).order_by("name")
    ]


def from_vendor(
    account_id: str, documents: Any, *, kind: Kind, by: str, dry: bool = False
) -> list[str]:
    """Take in the vendor's documents, all or nothing; profiles are found by their name.

    Ids are the vendor's own and mean nothing here. With `dry` nothing is changed.

    Returns:
        What changes, a sentence each.

    Raises:
        HoursError: one of them breaks a rule; nothing was changed.
    """
    if isinstance(documents, dict):
        documents = [documents]
    if not isinstance(documents, list):
        raise HoursError("not-a-list", "the document", "must be a list of working hours")
    own = {each.name: each for each in OfficeHours.objects.filter(account_id=account_id)}
    wanted = [
        _read_document(account_id, document, f"[{index}]", kind, own)
        for index, document in enumerate(documents)
    ]
    names = [profile.name for profile, _ in wanted]
    if len(set(names)) < len(names):
        raise HoursError("named-twice", "the document", "has two profiles of one name")
    if len(own.keys() | set(names)) > MOST_PROFILES:
        raise HoursError("too-many", "the document", f"leads to more than {MOST_PROFILES} profiles")
    if not dry:
        with transaction.atomic():
            default = next((profile for profile, _ in wanted if profile.is_default), None)
            if default:
                same = OfficeHours.objects.filter(account_id=account_id, is_default=True)
                same.exclude(pk=default.pk).update(is_default=False)
            for profile, _ in wanted:
                profile.save()
            told = {profile.name: sentence for profile, sentence in wanted if sentence}
            if told:
                words = "working hours" if kind == "workdays" else "special occasions"
                audit.record(account_id, "hours.imported", words, by=by, after=told)
        logger.info("office hours imported", extra={"account_id": account_id, "by": by})
    return [sentence for _, sentence in wanted if sentence]


def _read_document(
    account_id: str, document: Any, place: str, kind: Kind, own: dict[str, OfficeHours]
) -> tuple[OfficeHours, str]:
    if not isinstance(document, dict):
        raise HoursError("not-an-object", place, "must be an object")
    name = _check_name(document.get("name"), f"{place}.name")
    description = document.get("description") or ""
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION:
        raise HoursError(
            "too-long", f"{place}.description", f"may have {MAX_DESCRIPTION} characters at most"
        )
    if document.get("deleted") not in (None, False):
        raise HoursError("deleted", f"{place}.deleted", "must be false, leave deleted ones out")
    events = document.get("events")
    spans = (read_workdays if kind == "workdays" else read_occasions)(events, f"{place}.events")
    zones = {span.zone.key for span in spans}
    known = own.get(name)
    zone = next(iter(zones), known.time_zone if known else "UTC")
    if len(zones) > 1 or (known and zone != known.time_zone):
        names = ", ".join(sorted(zones | ({known.time_zone} if known else set())))
        if len(zones) > 1 or kind == "occasions":
            raise HoursError("two-time-zones", f"{place}.events", f"must have one, not {names}")
    profile = known or OfficeHours(
        account_id=account_id, name=name, workdays=all_week(zone), time_zone=zone
    )
    before = (getattr(profile, kind), profile.description, profile.is_default)
    if kind == "workdays":
        _move(profile, zone)
    setattr(profile, kind, events)
    profile.description = description
    profile.is_default = document.get("isDefault") is True or profile.is_default
    words = "windows" if kind == "workdays" else "occasions"
    if known is None:
        return profile, f"{name} is new, with {len(spans)} {words}"
    if before == (events, description, profile.is_default):
        return profile, ""
    return profile, f"{name} has {len(spans)} {words} instead of {len(before[0])}"


# Rules --------------------------------------------------------------------------------------------


def _check_name(name: Any, place: str = "name") -> str:
    if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= MAX_NAME:
        return name
    raise HoursError("bad-name", place, f"must be 1 to {MAX_NAME} printable characters")


def _checked_skills(skills: Iterable[str]) -> list[str]:
    wanted = sorted(set(skills))
    if len(wanted) > MOST_SKILLS:
        raise HoursError("too-many", "skills", f"may be {MOST_SKILLS} at most")
    for each in wanted:
        if not each.isprintable() or " " in each or not 0 < len(each) <= SKILL_ID_LENGTH:
            raise HoursError(
                "bad-skill", "skills",
                f'must be ids of 1 to {SKILL_ID_LENGTH} characters, "{each[:SKILL_ID_LENGTH]}" is '
                "none",
            )  # fmt: skip
    return wanted


def _move(profile: OfficeHours, time_zone: str) -> None:
    """Hang the clock in another zone: what it shows stays."""
    profile.time_zone = time_zone
    profile.workdays = [_elsewhere(event, time_zone) for event in profile.workdays]
    profile.occasions = [_elsewhere(event, time_zone) for event in profile.occasions]


def _elsewhere(event: dict[str, Any], time_zone: str) -> dict[str, Any]:
    ends = {end: event[end] | {"timeZone": time_zone} for end in ("start", "end")}
    return event | ends


def _start(event: dict[str, Any]) -> str:
    start: str = event["start"]["dateTime"]
    return start


def _taken(name: str) -> HoursError:
    return HoursError("name-taken", "name", f'"{name}" is that of other office hours here')


def _log(what: str, profile: OfficeHours, by: str) -> None:
    logger.info(what, extra={"account_id": profile.account_id, "hours": profile.name, "by": by})
