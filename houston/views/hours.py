"""Office hours: the profiles, the week of each, occasions, the switch, import and export."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import hours_forms
from houston.hours_forms import DAYS
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, status_of
from invoker import digesting, hours
from invoker.hours import changes
from invoker.models import OfficeHours

EXPORTED_AS: Final = {"workdays": "working-hours", "occasions": "special-occasions"}
SPARE_ROWS: Final = 3
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One window of the week as a row of the form."""

    day: int
    start: str
    end: str

    @property
    def day_name(self) -> str:
        return DAYS[self.day] if 0 <= self.day < len(DAYS) else ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of one day in the picture of a week, in minutes since midnight."""

    day: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occasion for reading, with its place in the profile's list."""

    number: int
    name: str
    working: bool
    start: dt.datetime
    end: dt.datetime
    over: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with what it says right now."""

    row: OfficeHours
    open: bool
    until: dt.datetime | None
    bars: list[Bar]
    skills: list[str]

    @property
    def off(self) -> bool:
        return self.row.off_until is not None and self.row.off_until > timezone.now()


@require_GET
def hours_list(request: AccountRequest, account_id: str) -> HttpResponse:
    rows = _own(account_id).prefetch_related("skills").order_by("-is_default", "name")
    context = {
        "profiles": [_profile(row) for row in rows],
        "days": DAYS,
        "form": hours_forms.NewHoursForm(initial={"time_zone": "UTC"}),
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/hours.html", context)


@for_admins
@require_http_methods(["GET", "POST"])
def hours_new(request: AccountRequest, account_id: str) -> HttpResponse:
    form = hours_forms.NewHoursForm(request.POST or None, initial={"time_zone": "UTC"})
    if request.method == "POST" and form.is_valid():
        try:
            row = changes.create(account_id, **form.cleaned_data, by=request.user.username)
        except hours.HoursError as error:
            form.explain_hours(error)
        else:
            messages.success(request, f"Added {row.name}, open day and night until you change it")
            digesting.look_again(account_id)
            return redirect("hours-profile", account_id=account_id, hours_id=row.pk)
    return render(request, "accounts/hours_new.html", {"form": form}, status=status_of(form))


@require_http_methods(["GET", "POST"])
def hours_profile(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponseBase:
    if request.method == "POST":
        return cast("HttpResponseBase", _save_profile(request, account_id, hours_id))
    return _page(request, _get(account_id, hours_id))


@for_admins
def _save_profile(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    form = hours_forms.ProfileForm(request.POST)
    if form.is_valid():
        try:
            changes.edit(row, **form.cleaned_data, by=request.user.username)
        except hours.HoursError as error:
            form.explain_hours(error)
        else:
            return _done(request, row, f"Saved {row.name}")
    return _page(request, _get(account_id, hours_id), form=form)


@for_admins
@require_POST
def hours_week(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    form = hours_forms.WeekForm(request.POST)
    if form.is_valid():
        try:
            changes.set_week(row, form.cleaned_data["windows"], by=request.user.username)
        except hours.HoursError as error:
            form.add_error(None, str(error))
        else:
            return _done(request, row, f"Saved the week of {row.name}")
    typed = [
        Row(int(day[:9]) if day.isdecimal() else 0, start, end) for day, start, end in form.rows
    ]
    return _page(request, row, week_form=form, rows=typed)


@for_admins
@require_POST
def occasion_add(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    form = hours_forms.OccasionForm(request.POST)
    if form.is_valid():
        try:
            changes.add_occasion(row, **form.cleaned_data, by=request.user.username)
        except hours.HoursError as error:
            form.explain_hours(error)
        else:
            return _done(request, row, f"Added {form.cleaned_data['name']}")
    return _page(request, row, occasion_form=form)


@for_admins
@require_http_methods(["GET", "POST"])
def occasion_delete(
    request: AccountRequest, account_id: str, hours_id: int, number: int
) -> HttpResponse:
    row = _get(account_id, hours_id)
    if number >= len(row.occasions):
        raise Http404
    event = row.occasions[number]
    name = event["meta"].get("name") or "the occasion"
    if request.method == "GET":
        return confirm(
            request,
            title=f"Delete {name}",
            effect=f"{name}: the week alone decides then",
            button=f"Delete {name}",
            back=reverse("hours-profile", args=[account_id, row.pk]),
        )
    changes.delete_occasion(row, event, by=request.user.username)
    return _done(request, row, f"Deleted {name}")


@for_admins
@require_POST
def hours_off(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    form = hours_forms.OffForm(request.POST)
    if form.is_valid():
        until = form.cleaned_data["until"].replace(tzinfo=ZoneInfo(row.time_zone))
        try:
            changes.switch_off(row, until, by=request.user.username)
        except hours.HoursError as error:
            form.explain_hours(error)
        else:
            return _done(request, row, f"{row.name} is closed until {until:%a %d %b %Y, %H:%M}")
    return _page(request, row, off_form=form)


@for_admins
@require_POST
def hours_on(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    changes.switch_on(row, by=request.user.username)
    return _done(request, row, f"{row.name} follows its week again")


@for_admins
@require_http_methods(["GET", "POST"])
def hours_delete(request: AccountRequest, account_id: str, hours_id: int) -> HttpResponse:
    row = _get(account_id, hours_id)
    if request.method == "GET":
        rest = "every skill is always open" if row.is_default else "its skills have the account's"
        return confirm(
            request,
            title=f"Delete {row.name}",
            effect=f"{row.name}: without it {rest}",
            button=f"Delete {row.name}",
            back=reverse("hours-profile", args=[account_id, row.pk]),
        )
    changes.delete(row, by=request.user.username)
    digesting.look_again(account_id)
    messages.success(request, f"Deleted {row.name}")
    return redirect("hours", account_id=account_id)


@require_GET
def hours_export(request: AccountRequest, account_id: str, kind: str) -> HttpResponse:  # noqa: ARG001
    """Either of the vendor's two lists as a file."""
    document = changes.to_vendor(account_id, cast("changes.Kind", kind))
    response = HttpResponse(json.dumps(document, indent=2), content_type="application/json")
    response["Content-Disposition"] = (
        f'attachment; filename="{account_id}-{EXPORTED_AS[kind]}.json"'
    )
    return response


@for_admins
@require_http_methods(["GET", "POST"])
def hours_import(request: AccountRequest, account_id: str) -> HttpResponse:
    form = hours_forms.ImportForm(request.POST or None, request.FILES or None)
    found: list[str] | None = None
    if request.method == "POST" and form.is_valid():
        decided = request.POST.get("decided") == "yes"
        try:
            found = changes.from_vendor(
                account_id,
                form.cleaned_data["documents"],
                kind=form.cleaned_data["kind"],
                by=request.user.username,
                dry=not decided,
            )
        except hours.HoursError as error:
            form.explain_hours(error)
        else:
            if decided:
                messages.success(request, f"Imported: {'; '.join(found) or 'nothing changed'}")
                digesting.look_again(account_id)
                return redirect("hours", account_id=account_id)
    context = {"form": form, "found": found}
    return render(request, "accounts/hours_import.html", context, status=status_of(form))


# What pages show ----------------------------------------------------------------------------------


def _own(account_id: str) -> Any:
    return OfficeHours.objects.filter(account_id=account_id)


def _get(account_id: str, hours_id: int) -> OfficeHours:
    found: OfficeHours = get_object_or_404(_own(account_id), pk=hours_id)
    return found


def _done(request: AccountRequest, row: OfficeHours, sentence: str) -> HttpResponse:
    # Timers of open conversations count in office hours.
    digesting.look_again(row.account_id)
    messages.success(request, sentence)
    return redirect("hours-profile", account_id=row.account_id, hours_id=row.pk)


def _page(
    request: AccountRequest,
    row: OfficeHours,
    *,
    form: hours_forms.ProfileForm | None = None,
    week_form: hours_forms.WeekForm | None = None,
    rows: list[Row] | None = None,
    occasion_form: hours_forms.OccasionForm | None = None,
    off_form: hours_forms.OffForm | None = None,
) -> HttpResponse:
    profile = _profile(row)
    zone = ZoneInfo(row.time_zone)
    initial = {
        "name": row.name,
        "description": row.description,
        "time_zone": row.time_zone,
        "skills": ", ".join(profile.skills),
        "is_default": row.is_default,
    }
    shown = _rows(row) if rows is None else rows
    context = {
        "profile": profile,
        "hours": row,
        "now": _on_the_wall(timezone.now(), zone),
        "off_until": row.off_until and _on_the_wall(row.off_until, zone),
        "form": form or hours_forms.ProfileForm(initial=initial),
        "week_form": week_form,
        "rows": shown,
        "spare": range(SPARE_ROWS),
        "days": DAYS,
        "occasions": _occasions(row),
        "occasion_form": occasion_form or hours_forms.OccasionForm(),
        "off_form": off_form or hours_forms.OffForm(initial={"until": _next_opening(row, zone)}),
        "may_administrate": may_administrate(request),
    }
    failed = next((each for each in (form, week_form, occasion_form, off_form) if each), None)
    return render(request, "accounts/hours_profile.html", context, status=422 if failed else 200)


def _profile(row: OfficeHours) -> Profile:
    shift = hours.calendar_of(row).shift(_ms(timezone.now()))
    until = None
    if shift.until_ms is not None:
        moment = _EPOCH + dt.timedelta(milliseconds=shift.until_ms)
        until = _on_the_wall(moment, ZoneInfo(row.time_zone))
    skills = sorted(each.skill_id for each in row.skills.all())
    return Profile(row, shift.open, until, _bars(row), skills)


def _ms(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


def _rows(row: OfficeHours) -> list[Row]:
    windows = sorted(
        hours.read_workdays(row.workdays),
        key=lambda each: (each.start.weekday(), each.start.time()),
    )
    return [
        Row(each.start.weekday(), f"{each.start:%H:%M}", f"{each.end:%H:%M}") for each in windows
    ]


def _bars(row: OfficeHours) -> list[Bar]:
    """The week as pieces of days: a window past midnight is one piece on either day."""
    day_minutes = 24 * 60
    bars = []
    for window in hours.read_workdays(row.workdays):
        start = window.start.hour * 60 + window.start.minute
        length = int((window.end - window.start).total_seconds()) // 60
        first = min(length, day_minutes - start)
        bars.append(Bar(window.start.weekday(), start, first))
        if length > first:
            bars.append(Bar((window.start.weekday() + 1) % 7, 0, length - first))
    return bars


def _occasions(row: OfficeHours) -> list[Occasion]:
    now = timezone.now()
    return [
        Occasion(
            number,
            each.name or "Without a name",
            each.working,
            each.start,
            each.end,
            each.end.replace(tzinfo=each.zone) < now,
        )
        for number, each in enumerate(hours.read_occasions(row.occasions))
    ]


def _next_opening(row: OfficeHours, zone: ZoneInfo) -> dt.datetime:
    """When the office would open next by itself, which is until when people switch it off."""
    now = timezone.now()
    calendar = hours.calendar_of(row)
    shift = calendar.shift(_ms(now))
    opening = shift.until_ms
    if shift.open and opening is not None:
        opening = calendar.shift(opening).until_ms
    moment = _EPOCH + dt.timedelta(milliseconds=opening) if opening else now + dt.timedelta(hours=1)
    return _on_the_wall(moment, zone).replace(second=0, microsecond=0)


def _on_the_wall(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """What the profile's clock shows: pages would turn an aware time into their own zone."""
    return moment.astimezone(zone).replace(tzinfo=None)
