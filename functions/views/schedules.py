"""Schedules: the list, a new one, and each with its runs."""

import datetime as dt
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from functions.access import ADMIN, DEVELOPER, ConsoleRequest, requires
from functions.models import Function
from functions.schedule_forms import (
    EMPTY_BODY,
    NewScheduleForm,
    ScheduleForm,
    TimesForm,
    as_text,
)
from functions.views import paging
from invoker import schedules
from invoker.models import Deployment, RunState, Schedule, ScheduleRun
from invoker.schedules import Plan

PAGE_SIZE = 25
SHOWN_AHEAD = 5
# The button of a form that wants the next times and saves nothing.
SHOW = "show"
PRESETS = (
    ("*/5 * * * *", "Every 5 minutes"),
    ("0 * * * *", "Every hour"),
    ("0 9 * * *", "Every day at 09:00"),
    ("0 9 * * 1-5", "Weekdays at 09:00"),
    ("0 8 * * 1", "Mondays at 08:00"),
    ("0 6 1 * *", "First of the month"),
)
BADGES = {
    RunState.RUNNING: ("RUNNING", "Running"),
    RunState.SUCCEEDED: ("ok", "OK"),
    RunState.FAILED: ("bad", "Failed"),
    RunState.INTERRUPTED: ("bad", "Interrupted"),
    RunState.MISSED: ("warn", "Missed"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule as it is shown. `next_at` is None where nothing runs as things stand."""

    schedule: Schedule
    words: str
    badge: tuple[str, str]
    next_at: dt.datetime | None
    wall: str

    @classmethod
    def of(cls, schedule: Schedule) -> "Row":
        next_at = schedule.next_at if schedule.deployed else None
        zone = schedules.read_zone(schedule.time_zone)
        return cls(
            schedule,
            schedules.in_words(schedule.cron_expression),
            _badge(schedule),
            next_at,
            _wall(next_at.astimezone(zone)) if next_at else "",
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What was typed, in words, with the next times in the zone and in UTC; or what is wrong."""

    words: str = ""
    zone: str = ""
    times: tuple[tuple[dt.datetime, str, str], ...] = ()
    error: str = ""

    @classmethod
    def of(cls, cron_expression: str, time_zone: str) -> "Preview":
        if not cron_expression.strip():
            return cls()
        try:
            found = schedules.preview(cron_expression, time_zone, timezone.now(), SHOWN_AHEAD)
        except schedules.InvalidError as error:
            return cls(error=str(error))
        words = schedules.in_words(" ".join(cron_expression.split()))
        # The day beside is never further away than the next one.
        times = [(each, _wall(each), f"{each.astimezone(dt.UTC):%a %H:%M}") for each in found]
        return cls(words, time_zone, tuple(times))


@require_GET
def schedule_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """All schedules, or those of one function."""
    wish = request.GET.get("function", "")
    found = schedules.of_account(account_id).defer("headers", "payload")
    every = [Row.of(each) for each in found.order_by("function_name", "created_at", "pk")]
    rows = [each for each in every if wish in ("", each.schedule.function_name)]
    template = "functions/schedules.html"
    return render(
        request,
        f"{template}#rows" if request.htmx else template,
        {
            "rows": rows,
            "total": len(every),
            "limit": schedules.MAX_SCHEDULES,
            "wish": wish,
            "query": urlencode({"function": wish} if wish else {}),
            "any_deployed": bool(rows) or bool(_deployed(account_id)),
            "may_change": _may_change(request),
            "presets": PRESETS,
        },
    )


@require_http_methods(["GET", "POST"])
@requires(ADMIN, DEVELOPER)
def schedule_new(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """A new schedule. What the address says is filled in."""
    functions = _deployed(account_id)
    if request.method == "POST" and SHOW not in request.POST:
        form = NewScheduleForm(functions, request.POST)
        if form.is_valid():
            try:
                made = schedules.create(
                    account_id,
                    uuid.UUID(form.cleaned_data["function"]),
                    form.read(active=True),
                    by=request.user.get_username(),
                )
            except schedules.ScheduleError as error:
                form.explain(error)
            else:
                messages.success(request, "The schedule is created")
                return redirect("functions:schedule", account_id, made.pk)
    else:
        named = {name: str(pk) for pk, name in functions.items()}
        typed = _typed(request, form=NewScheduleForm)
        wish = typed.get("function", "")
        initial = {"body": as_text(EMPTY_BODY), **typed, "function": named.get(wish, wish)}
        form = NewScheduleForm(functions, initial=initial)
    full = Schedule.objects.filter(account_id=account_id).count() >= schedules.MAX_SCHEDULES
    context = {"functions": functions, "full": full, "limit": schedules.MAX_SCHEDULES}
    return _form_page(request, form, context)


@require_http_methods(["GET", "POST"])
@requires(ADMIN, DEVELOPER)
def schedule_edit(request: ConsoleRequest, account_id: str, schedule_id: uuid.UUID) -> HttpResponse:
    schedule = _find(account_id, schedule_id)
    here = redirect("functions:schedule", account_id, schedule.pk)
    context: dict[str, object] = {"schedule": schedule}
    if request.method == "GET" or SHOW in request.POST:
        # The version that was read stays: who looks at times has not seen what others changed.
        version = request.POST.get("version", schedule.version)
        initial = ScheduleForm.initial_of(Plan.of(schedule)) | {"version": version}
        form = ScheduleForm(initial=initial | _typed(request, form=ScheduleForm))
        return _form_page(request, form, context)
    form = ScheduleForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, context)
    plan = form.read(active=schedule.active)
    by = request.user.get_username()
    try:
        schedules.change(schedule, plan, version=form.cleaned_data["version"], by=by)
    except schedules.UnchangedError as error:
        messages.info(request, str(error))
    except schedules.NotFoundError as error:
        messages.error(request, str(error))
        return redirect("functions:schedules", account_id)
    except schedules.ConflictError as error:
        # What was typed stays; who saves it once more has seen what the others did.
        sent = request.POST.copy()
        sent["version"] = str(error.newest.version)
        context |= {"newest": error.newest, "theirs": _differing(error.newest, plan)}
        return _form_page(request, ScheduleForm(sent), context, status=HTTPStatus.CONFLICT)
    except schedules.ScheduleError as error:
        form.explain(error)
        return _form_page(request, form, context)
    else:
        messages.success(request, "The schedule is saved")
    return here


@require_GET
@requires(ADMIN, DEVELOPER)
def schedule_check(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """What was typed so far, in words. Without htmx the page itself shows it."""
    form = TimesForm(request.GET)
    form.is_valid()
    if not request.htmx:
        new = reverse("functions:schedule-new", args=[account_id])
        return redirect(f"{new}?{request.GET.urlencode()}")
    return render(request, "functions/schedule_form.html#preview", {"preview": _preview(form)})


@require_GET
def schedule(request: ConsoleRequest, account_id: str, schedule_id: uuid.UUID) -> HttpResponse:
    """One schedule: how it stands, when it runs next, and its runs."""
    found = _find(account_id, schedule_id)
    before = request.GET.get("before", "")
    runs = ScheduleRun.objects.filter(schedule=found).select_related("invocation")
    page = paging.newest_first(
        runs.defer("invocation__result"), before, size=PAGE_SIZE, moment="due_at"
    )
    zone = schedules.read_zone(found.time_zone)
    here = reverse("functions:schedule", args=[account_id, found.pk])
    template = "functions/schedule.html"
    return render(
        request,
        f"{template}#runs" if request.htmx else template,
        {
            "row": Row.of(found),
            "schedule": found,
            "preview": Preview.of(found.cron_expression, found.time_zone),
            "body": as_text({"headers": found.headers, "payload": found.payload}),
            "function": Function.objects.filter(
                account_id=account_id, pk=found.function_id
            ).first(),
            "runs": [
                (each, BADGES[RunState(each.state)], _wall(each.due_at.astimezone(zone)))
                for each in page.rows
            ],
            "before": before,
            "older": f"{here}?before={page.older}" if page.older else "",
            "newest": here if before else "",
            "may_change": _may_change(request),
        },
    )


@require_POST
@requires(ADMIN, DEVELOPER)
def schedule_switch(
    request: ConsoleRequest, account_id: str, schedule_id: uuid.UUID
) -> HttpResponse:
    """Pause it, or let it go on."""
    found = _find(account_id, schedule_id)
    active = request.POST.get("active") == "yes"
    try:
        schedules.switch(found, active=active, by=request.user.get_username())
    except schedules.ScheduleError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The schedule is {'resumed' if active else 'paused'}")
    return redirect("functions:schedule", account_id, schedule_id)


@require_http_methods(["GET", "POST"])
@requires(ADMIN, DEVELOPER)
def schedule_delete(
    request: ConsoleRequest, account_id: str, schedule_id: uuid.UUID
) -> HttpResponse:
    found = _find(account_id, schedule_id)
    if request.method == "POST":
        schedules.delete(found, by=request.user.get_username())
        messages.success(request, "The schedule is deleted")
        return redirect("functions:schedules", account_id)
    words = schedules.in_words(found.cron_expression)
    context = {
        "title": "Delete the schedule",
        "effect": f'{found.function_name} does not run by itself any more ("{words}"). The list of '
        "its runs goes too, what they logged stays in Logs.",
        "action": request.path,
        "back": reverse("functions:schedule", args=[account_id, found.pk]),
        "button": "Delete the schedule",
    }
    return render(request, "ui/dialog.html" if request.htmx else "ui/confirm.html", context)


def _find(account_id: str, schedule_id: uuid.UUID) -> Schedule:
    return get_object_or_404(schedules.of_account(account_id), pk=schedule_id)


def _may_change(request: ConsoleRequest) -> bool:
    return bool(request.roles & {ADMIN, DEVELOPER})


def _deployed(account_id: str) -> dict[uuid.UUID, str]:
    """The functions that may get a schedule, by name."""
    serving = Deployment.objects.filter(account_id=account_id, active=True)
    return dict(serving.order_by("function_name").values_list("function_id", "function_name"))


def _typed(request: HttpRequest, *, form: type[ScheduleForm]) -> dict[str, str]:
    """What the address says, or a form that without scripts asks for the next times."""
    sent = request.POST if request.method == "POST" else request.GET
    return {name: sent[name] for name in {*form.base_fields} - {"version"} if name in sent}


def _form_page(
    request: ConsoleRequest,
    form: ScheduleForm,
    context: dict[str, object],
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    if form.is_bound and form.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    context |= {
        "form": form,
        "preview": _preview(form),
        "presets": PRESETS,
        "zones": sorted(schedules.zones()),
        "fields": schedules.FIELDS,
    }
    return render(request, "functions/schedule_form.html", context, status=status)


def _preview(form: TimesForm) -> Preview:
    expression, zone = (
        str(form[name].value() or "").strip() for name in ("cron_expression", "time_zone")
    )
    return Preview.of(expression, zone)


def _differing(newest: Schedule, mine: Plan) -> list[tuple[str, str]]:
    """What somebody else has made of it, where that is not what was typed."""
    form, theirs = ScheduleForm(), ScheduleForm.initial_of(Plan.of(newest))
    typed = ScheduleForm.initial_of(mine)
    return [
        (str(form.fields[name].label or name.capitalize()), theirs[name] or "empty")
        for name in theirs
        if theirs[name] != typed[name]
    ]


def _badge(schedule: Schedule) -> tuple[str, str]:
    """The colour and the word for how a schedule stands."""
    if not schedule.active:
        return "Draft", "Paused"
    if not schedule.deployed:
        return "warn", "Not deployed"
    if not schedule.last_state:
        return "pending", "Not run yet"
    return BADGES[RunState(schedule.last_state)]


def _wall(moment: dt.datetime) -> str:
    """A time as the clocks of its zone show it; twice a year that is not enough to tell it."""
    return f"{moment:%a %Y-%m-%d %H:%M}"
