"""When which skill is open: weeks, both changes of the clock, occasions, the switch, the JSON."""

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from invoker import hours
from invoker.hours import changes
from invoker.hours.reading import occasion_event, weekly_event
from invoker.models import OfficeHours
from tests import factories

ACCOUNT_ID = factories.ACCOUNT_ID
MONDAY, SATURDAY, SUNDAY = 0, 5, 6
BY = {"by": "ada"}


def ms(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> int:
    local = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp() * 1000)


def time(text: str) -> dt.time:
    return dt.time.fromisoformat(text)


def week(*windows: tuple[int, str, str], zone: str = "Europe/Berlin") -> list[dict[str, Any]]:
    return [weekly_event(day, time(start), time(end), zone) for day, start, end in windows]


def calendar(
    windows: list[dict[str, Any]], occasions: list[dict[str, Any]] | None = None, **facts: Any
) -> hours.Calendar:
    return hours.Calendar(
        hours.read_workdays(windows), hours.read_occasions(occasions or []), **facts
    )


def span(found: Any, zone: str = "Europe/Berlin") -> tuple[bool, str, str]:
    """A shift with its edges by the clock on the wall, with their offset from UTC."""

    def wall(at_ms: int | None) -> str:
        if not at_ms:
            return ""
        at = dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
        return at.isoformat(timespec="minutes")

    return found.open, wall(found.since_ms), wall(found.until_ms)


SPLIT = week((MONDAY, "09:00", "12:00"), (MONDAY, "13:00", "17:00"))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-23T08:59", (False, "2026-11-16T17:00+01:00", "2026-11-23T09:00+01:00")),
        ("2026-11-23T09:00", (True, "2026-11-23T09:00+01:00", "2026-11-23T12:00+01:00")),
        ("2026-11-23T11:59", (True, "2026-11-23T09:00+01:00", "2026-11-23T12:00+01:00")),
        ("2026-11-23T12:00", (False, "2026-11-23T12:00+01:00", "2026-11-23T13:00+01:00")),
        ("2026-11-23T16:59", (True, "2026-11-23T13:00+01:00", "2026-11-23T17:00+01:00")),
        ("2026-11-24T10:00", (False, "2026-11-23T17:00+01:00", "2026-11-30T09:00+01:00")),
    ],
)
def test_split_shift_is_open_twice_a_day(at: str, expected: tuple[bool, str, str]) -> None:
    assert span(calendar(SPLIT).shift(ms(at))) == expected


# A night shift on either change of the clock, in zones that change by an hour, by half an hour,
# and not at all. (zone, window, at, since, until, hours)
CHANGES = [
    ("Europe/Berlin", (SATURDAY, "22:00", "06:00"), "2026-03-29T01:30",
     "2026-03-28T22:00+01:00", "2026-03-29T06:00+02:00", 7),
    ("Europe/Berlin", (SATURDAY, "22:00", "06:00"), "2026-10-25T01:30",
     "2026-10-24T22:00+02:00", "2026-10-25T06:00+01:00", 9),
    ("America/New_York", (SATURDAY, "22:00", "06:00"), "2026-03-08T01:30",
     "2026-03-07T22:00-05:00", "2026-03-08T06:00-04:00", 7),
    ("America/New_York", (SATURDAY, "22:00", "06:00"), "2026-11-01T01:30",
     "2026-10-31T22:00-04:00", "2026-11-01T06:00-05:00", 9),
    ("Australia/Lord_Howe", (SATURDAY, "22:00", "06:00"), "2026-04-05T01:00",
     "2026-04-04T22:00+11:00", "2026-04-05T06:00+10:30", 8.5),
    ("Australia/Lord_Howe", (SATURDAY, "22:00", "06:00"), "2026-10-04T01:00",
     "2026-10-03T22:00+10:30", "2026-10-04T06:00+11:00", 7.5),
    ("Asia/Kathmandu", (SATURDAY, "22:00", "06:00"), "2026-10-25T01:30",
     "2026-10-24T22:00+05:45", "2026-10-25T06:00+05:45", 8),
    # What begins in the hour that is skipped begins after it; what ends in it ends after it.
    ("Europe/Berlin", (SUNDAY, "02:30", "06:00"), "2026-03-29T04:00",
     "2026-03-29T03:30+02:00", "2026-03-29T06:00+02:00", 2.5),
    ("Europe/Berlin", (SUNDAY, "00:00", "02:30"), "2026-03-29T01:00",
     "2026-03-29T00:00+01:00", "2026-03-29T03:30+02:00", 2.5),
    # What begins or ends in the hour that there is twice does so the first time.
    ("Europe/Berlin", (SUNDAY, "02:30", "06:00"), "2026-10-25T04:00",
     "2026-10-25T02:30+02:00", "2026-10-25T06:00+01:00", 4.5),
    ("Europe/Berlin", (SUNDAY, "00:00", "02:30"), "2026-10-25T01:00",
     "2026-10-25T00:00+02:00", "2026-10-25T02:30+02:00", 2.5),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "window", "at", "since", "until", "length"), CHANGES)
def test_window_keeps_the_clock_on_the_wall_when_that_changes(  # noqa: PLR0917
    zone: str, window: tuple[int, str, str], at: str, since: str, until: str, length: float
) -> None:
    shift = calendar(week(window, zone=zone)).shift(ms(at, zone))

    assert span(shift, zone) == (True, since, until)
    assert shift.until_ms is not None
    assert (shift.until_ms - shift.since_ms) / 3_600_000 == length


def test_second_time_of_an_hour_that_there_is_twice_is_closed_where_the_first_ended_it() -> None:
    night = calendar(week((SUNDAY, "00:00", "02:30")))

    assert night.shift(ms("2026-10-25T02:15")).open
    assert not night.shift(ms("2026-10-25T02:15", fold=1)).open


def test_windows_that_touch_or_overlap_are_one_shift() -> None:
    touching = week(
        (MONDAY, "09:00", "12:00"), (MONDAY, "12:00", "15:00"), (MONDAY, "14:00", "17:00")
    )

    shift = calendar(touching).shift(ms("2026-11-23T10:00"))

    assert span(shift) == (True, "2026-11-23T09:00+01:00", "2026-11-23T17:00+01:00")


def test_week_without_a_gap_is_always_open() -> None:
    shift = calendar(hours.all_week("Europe/Berlin")).shift(ms("2026-03-29T02:30"))

    assert (shift.open, shift.since_ms, shift.until_ms) == (True, 0, None)


def test_week_without_windows_is_never_open() -> None:
    shift = calendar([]).shift(ms("2026-11-23T10:00"))

    assert (shift.open, shift.since_ms, shift.until_ms) == (False, 0, None)


def occasion(name: str, start: str, end: str, *, working: bool) -> dict[str, Any]:
    moments = (dt.datetime.fromisoformat(each) for each in (start, end))
    return occasion_event(name, *moments, "Europe/Berlin", working=working)


HOLIDAYS = [
    occasion("Holidays", "2026-12-24T14:00", "2026-12-29T00:00", working=False),
    occasion("Hotline", "2026-12-26T10:00", "2026-12-26T12:00", working=True),
    occasion("Sunday sale", "2026-12-20T13:00", "2026-12-20T18:00", working=True),
]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-20T14:00", (True, "2026-12-20T13:00+01:00", "2026-12-20T18:00+01:00")),
        ("2026-12-25T10:00", (False, "2026-12-21T17:00+01:00", "2026-12-26T10:00+01:00")),
        ("2026-12-26T11:00", (True, "2026-12-26T10:00+01:00", "2026-12-26T12:00+01:00")),
        ("2026-12-28T10:00", (False, "2026-12-26T12:00+01:00", "2027-01-04T09:00+01:00")),
    ],
)
def test_occasion_overrides_the_week_and_the_later_one_the_earlier(
    at: str, expected: tuple[bool, str, str]
) -> None:
    assert span(calendar(SPLIT, HOLIDAYS).shift(ms(at))) == expected


def test_switch_closes_whatever_the_week_says_and_no_longer_than_it_says() -> None:
    off = tuple(dt.datetime.fromtimestamp(ms(f"2026-11-23T{at}") / 1000, dt.UTC)
                for at in ("10:00", "14:00"))  # fmt: skip
    switched = calendar(SPLIT, off=off)

    assert span(switched.shift(ms("2026-11-23T11:00"))) == (
        False, "2026-11-23T10:00+01:00", "2026-11-23T14:00+01:00",
    )  # fmt: skip
    assert switched.shift(ms("2026-11-23T09:30")).open
    assert switched.shift(ms("2026-11-23T14:00")).open


@pytest.mark.parametrize("at_ms", [-1, 0, 253_402_300_799_000])
def test_any_time_that_a_platform_sends_has_an_answer(at_ms: int) -> None:
    assert isinstance(calendar(SPLIT, HOLIDAYS).shift(at_ms).open, bool)


def test_start_date_counts_where_the_rule_names_another_day() -> None:
    [event] = week((MONDAY, "09:00", "12:00"))
    event["recurrence"] = ["RRULE:FREQ=WEEKLY;BYDAY=SU"]

    assert calendar([event]).shift(ms("2026-11-23T10:00")).open


def test_date_alone_is_the_whole_day() -> None:
    day = {"dateTime": "2024-01-01", "timeZone": "Europe/Berlin"}
    event = {"start": day, "end": day, "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"]}

    shift = calendar([event]).shift(ms("2026-11-23T10:00"))

    assert span(shift) == (True, "2026-11-23T00:00+01:00", "2026-11-24T00:00+01:00")


# An account's hours -------------------------------------------------------------------------------


def profile(name: str = "Main", **facts: Any) -> OfficeHours:
    usual = {"time_zone": "Europe/Berlin", "workdays": SPLIT, "is_default": True}
    return OfficeHours.objects.create(account_id=ACCOUNT_ID, name=name, **usual | facts)


def test_skill_has_its_own_hours_else_the_accounts_else_it_is_always_open(db: None) -> None:
    at = ms("2026-11-23T12:30")
    assert hours.load(ACCOUNT_ID).shift("1", at).open

    profile()
    own = profile("Night", is_default=False, workdays=hours.all_week("UTC"))
    changes.edit(own, name="Night", description="", time_zone="UTC", is_default=False,
                 skills=["7"], **BY)  # fmt: skip

    loaded = hours.load(ACCOUNT_ID)
    assert not loaded.shift("1", at).open
    assert loaded.shift("7", at).open
    assert hours.load("other1").shift("1", at).open


def test_hours_without_a_default_leave_other_skills_open(db: None) -> None:
    own = profile(is_default=False, workdays=[])
    changes.edit(own, name="Main", description="", time_zone="UTC", is_default=False,
                 skills=["7"], **BY)  # fmt: skip

    loaded = hours.load(ACCOUNT_ID)

    assert not loaded.shift("7", 0).open
    assert loaded.shift("1", 0).open


def test_changed_week_counts_at_once(db: None) -> None:
    row = profile()
    at = ms("2026-11-24T10:00")
    assert not hours.load(ACCOUNT_ID).shift("1", at).open

    changes.set_week(row, [(1, time("09:00"), time("12:00"))], **BY)

    assert hours.load(ACCOUNT_ID).shift("1", at).open


# Changes ------------------------------------------------------------------------------------------


def test_first_hours_are_the_accounts_and_always_open(db: None) -> None:
    first = changes.create(ACCOUNT_ID, name="One", time_zone="Europe/Berlin", **BY)
    second = changes.create(ACCOUNT_ID, name="Two", time_zone="UTC", **BY)

    assert (first.is_default, second.is_default) == (True, False)
    assert hours.load(ACCOUNT_ID).shift("1", 0).open


def test_another_time_zone_leaves_what_the_clock_shows(db: None) -> None:
    row = profile(occasions=[HOLIDAYS[0]])

    changes.edit(row, name="Main", description="", time_zone="America/New_York", is_default=True,
                 skills=[], **BY)  # fmt: skip

    shift = hours.load(ACCOUNT_ID).shift("1", ms("2026-11-23T10:00", "America/New_York"))
    assert span(shift, "America/New_York") == (
        True, "2026-11-23T09:00-05:00", "2026-11-23T12:00-05:00",
    )  # fmt: skip


def test_new_default_takes_the_place_of_the_old_one(db: None) -> None:
    old, new = profile("Old"), profile("New", is_default=False)

    changes.edit(new, name="New", description="", time_zone="UTC", is_default=True, skills=[], **BY)

    old.refresh_from_db()
    assert not old.is_default


def edited(**facts: Any) -> None:
    usual = {
        "name": "Main",
        "description": "",
        "time_zone": "UTC",
        "is_default": True,
        "skills": [],
    }
    changes.edit(OfficeHours.objects.get(name="Main"), **usual | facts, **BY)


def add_backwards() -> None:
    start, end = (dt.datetime.fromisoformat(each) for each in ("2026-01-02", "2026-01-01"))
    row = OfficeHours.objects.get(name="Main")
    changes.add_occasion(row, name="x", working=True, start=start, end=end, **BY)


REFUSED: dict[str, tuple[Any, str, str]] = {
    "name empty": (lambda: edited(name=" "), "bad-name", "name"),
    "name too long": (lambda: edited(name="x" * 51), "bad-name", "name"),
    "name taken": (lambda: edited(name="Other"), "name-taken", "name"),
    "name taken by a new one": (
        lambda: changes.create(ACCOUNT_ID, name="Main", time_zone="UTC", **BY),
        "name-taken", "name"),
    "unknown zone": (lambda: edited(time_zone="Mars/Base"), "unknown-time-zone", "time_zone"),
    "zone that leaves the folder": (
        lambda: edited(time_zone="../../etc/passwd"), "unknown-time-zone", "time_zone"),
    "description too long": (lambda: edited(description="x" * 201), "too-long", "description"),
    "skill with a space": (lambda: edited(skills=["a b"]), "bad-skill", "skills"),
    "skill too long": (lambda: edited(skills=["x" * 41]), "bad-skill", "skills"),
    "skill of another": (lambda: edited(skills=["7"]), "skill-taken", "skills"),
    "off until yesterday": (
        lambda: changes.switch_off(OfficeHours.objects.get(name="Main"),
                                   timezone.now() - dt.timedelta(days=1), **BY),
        "in-the-past", "until"),
    "occasion backwards": (add_backwards, "ends-before-it-starts", "end"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code", "place"), REFUSED.values(), ids=REFUSED)
def test_change_is_refused_with_a_reason_and_changes_nothing(
    db: None, change: Any, code: str, place: str
) -> None:
    profile()
    other = profile("Other", is_default=False)
    changes.edit(other, name="Other", description="", time_zone="UTC", is_default=False,
                 skills=["7"], **BY)  # fmt: skip
    before = list(OfficeHours.objects.order_by("pk").values())

    with pytest.raises(hours.HoursError) as caught:
        change()

    assert (caught.value.code, caught.value.place) == (code, place)
    assert str(caught.value).startswith("Cannot use the office hours: ")
    assert list(OfficeHours.objects.order_by("pk").values()) == before


# The vendor's JSON --------------------------------------------------------------------------------


def test_what_is_exported_can_be_imported_and_changes_nothing(db: None) -> None:
    profile(description="Head office", occasions=HOLIDAYS)
    profile("Night", is_default=False, workdays=week((SATURDAY, "22:00", "06:00")))
    before = list(OfficeHours.objects.order_by("pk").values())

    for kind in ("workdays", "occasions"):
        document = json.loads(json.dumps(changes.to_vendor(ACCOUNT_ID, kind)))
        assert changes.from_vendor(ACCOUNT_ID, document, kind=kind, **BY) == []

    after = list(OfficeHours.objects.order_by("pk").values())
    assert [each | {"changed_at": None} for each in after] == [
        each | {"changed_at": None} for each in before
    ]


def test_export_has_the_vendors_shape(db: None) -> None:
    row = profile(workdays=week((SUNDAY, "22:00", "02:00")), occasions=[HOLIDAYS[1]])

    [days], [occasions] = (
        changes.to_vendor(ACCOUNT_ID, kind) for kind in ("workdays", "occasions")
    )

    assert days == {
        "id": row.pk, "name": "Main", "description": "", "deleted": False, "isDefault": True,
        "events": [{
            "start": {"dateTime": "2024-01-07T22:00:00", "timeZone": "Europe/Berlin"},
            "end": {"dateTime": "2024-01-08T02:00:00", "timeZone": "Europe/Berlin"},
            "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=SU"],
        }],
    }  # fmt: skip
    assert occasions["events"] == [{
        "start": {"dateTime": "2026-12-26T10:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-12-26T12:00:00", "timeZone": "Europe/Berlin"},
        "recurrence": [],
        "meta": {"working": True, "name": "Hotline"},
    }]  # fmt: skip


def document(**facts: Any) -> list[dict[str, Any]]:
    return [{"id": 9, "name": "Main", "description": "d", "deleted": False, "isDefault": True,
             "events": week((MONDAY, "08:00", "10:00"))} | facts]  # fmt: skip


def test_import_finds_hours_by_their_name_and_says_what_changes(db: None) -> None:
    row = profile()
    wanted = [*document(), *document(name="New", isDefault=False)]

    looked = changes.from_vendor(ACCOUNT_ID, wanted, kind="workdays", **BY, dry=True)
    assert OfficeHours.objects.count() == 1
    found = changes.from_vendor(ACCOUNT_ID, wanted, kind="workdays", **BY)

    assert looked == found == ["Main has 1 windows instead of 2", "New is new, with 1 windows"]
    row.refresh_from_db()
    assert row.workdays == document()[0]["events"]
    assert OfficeHours.objects.get(name="New").time_zone == "Europe/Berlin"


def event(**facts: Any) -> list[dict[str, Any]]:
    return document(events=[week((MONDAY, "08:00", "10:00"))[0] | facts])


def moment(at: str, zone: str = "Europe/Berlin") -> dict[str, str]:
    return {"dateTime": at, "timeZone": zone}


BROKEN: dict[str, tuple[Any, str, str]] = {
    "no list": ("text", "not-a-list", "the document"),
    "no object": (["text"], "not-an-object", "[0]"),
    "no name": (document(name=None), "bad-name", "[0].name"),
    "one name twice": (document() * 2, "named-twice", "the document"),
    "deleted": (document(deleted=True), "deleted", "[0].deleted"),
    "events no list": (document(events={}), "not-a-list", "[0].events"),
    "too many events": (document(events=[{}] * 201), "too-many", "[0].events"),
    "event no object": (document(events=[5]), "not-an-object", "[0].events[0]"),
    "no start": (event(start=None), "not-an-object", "[0].events[0].start"),
    "time without seconds": (
        event(start=moment("2024-01-01T08:00")), "bad-time", "[0].events[0].start.dateTime"),
    "day that there is not": (
        event(start=moment("2024-02-31T08:00:00")), "bad-time", "[0].events[0].start.dateTime"),
    "unknown zone": (
        event(start=moment("2024-01-01T08:00:00", "Mars/Base")), "unknown-time-zone",
        "[0].events[0].start.timeZone"),
    "zone no text": (
        event(start={"dateTime": "2024-01-01T08:00:00", "timeZone": 5}), "unknown-time-zone",
        "[0].events[0].start.timeZone"),
    "another zone at the end": (
        event(end=moment("2024-01-01T10:00:00", "UTC")), "two-time-zones",
        "[0].events[0].end.timeZone"),
    "longer than a day": (
        event(end=moment("2024-01-02T08:00:01")), "too-long", "[0].events[0]"),
    "no rule": (event(recurrence=[]), "bad-recurrence", "[0].events[0].recurrence"),
    "two rules": (
        event(recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO"] * 2), "bad-recurrence",
        "[0].events[0].recurrence"),
    "daily": (
        event(recurrence=["RRULE:FREQ=DAILY"]), "bad-recurrence", "[0].events[0].recurrence"),
    "two days": (
        event(recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO,TU"]), "bad-recurrence",
        "[0].events[0].recurrence"),
    "windows in two zones": (
        document(events=[*week((0, "08:00", "10:00")), *week((1, "08:00", "10:00"), zone="UTC")]),
        "two-time-zones", "[0].events"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "code", "place"), BROKEN.values(), ids=BROKEN)
def test_import_names_the_place_and_takes_nothing(
    db: None, wanted: Any, code: str, place: str
) -> None:
    with pytest.raises(hours.HoursError) as caught:
        changes.from_vendor(ACCOUNT_ID, wanted, kind="workdays", **BY)

    assert (caught.value.code, caught.value.place) == (code, place)
    assert not OfficeHours.objects.exists()


@pytest.mark.parametrize(
    ("facts", "code", "place"),
    [
        ({"recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"]}, "bad-recurrence", ".recurrence"),
        ({"meta": None}, "bad-meta", ".meta.working"),
        ({"meta": {"working": "yes"}}, "bad-meta", ".meta.working"),
        ({"meta": {"working": True, "name": "x" * 51}}, "bad-meta", ".meta.name"),
        ({"end": moment("2026-12-01T10:00:00")}, "ends-before-it-starts", ".end"),
    ],
)
def test_import_of_occasions_names_the_place(
    db: None, facts: dict[str, Any], code: str, place: str
) -> None:
    wanted = document(events=[HOLIDAYS[0] | facts])

    with pytest.raises(hours.HoursError) as caught:
        changes.from_vendor(ACCOUNT_ID, wanted, kind="occasions", **BY)

    assert (caught.value.code, caught.value.place) == (code, f"[0].events[0]{place}")


def test_occasion_may_last_longer_than_a_day(db: None) -> None:
    changes.from_vendor(ACCOUNT_ID, document(events=[HOLIDAYS[0]]), kind="occasions", **BY)

    assert not hours.load(ACCOUNT_ID).shift("1", ms("2026-12-26T11:00")).open
    assert hours.load(ACCOUNT_ID).shift("1", ms("2026-12-23T11:00")).open
