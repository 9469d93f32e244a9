"""What a version would do on what really happened, beside what was done: a slice per request."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url

from functions import replays
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import ActivityFilterForm
from functions.models import Function
from functions.replay_forms import COUNTS, ReplayForm
from functions.replays import Progress, Row, Side
from functions.replays.comparing import Segment, segments
from functions.views import activity, downloads, drawing, windows
from invoker import events
from invoker.api import ApiError
from invoker.automatic_messages.names import name_event
from invoker.gateway import running
from invoker.models import Event, Verdict

PAGE = "functions/replays.html"
PANEL = "functions/replay_panel.html"
ROWS = "functions/replay_rows.html"
MOST_DRAWN = 50
"""Rows of one replay that a page shows. The others are counted, and in the file."""


@dataclass(frozen=True, slots=True)
class DrawnSide:
    """One side as the page shows it. `marked` is its message with what the other side has not."""

    side: Side
    drawn: list[drawing.Drawn]
    shows_commands: bool
    outcome_label: str
    marked: Sequence[Segment] = ()

    @property
    def in_budget(self) -> bool:
        return self.side.duration_ms <= drawing.BUDGET_MS


@dataclass(frozen=True, slots=True)
class DrawnRow:
    row: Row
    then: DrawnSide | None
    now: DrawnSide | None

    @property
    def title(self) -> str:
        event = self.row.event
        return name_event(event.type, event.subtype) if event else ""

    @property
    def is_draft(self) -> bool:
        """Whether what ran is what the editor shows."""
        return bool(self.now and self.row.function and self.now.side.label.startswith("Draft"))


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def replay_page(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The choice, which an address may hold; with POST the next slice of what comes of it."""
    if request.method == "POST":
        return _slice(request, account_id, ReplayForm(request.POST), request.POST)
    form = ReplayForm(request.GET)
    asked = any(request.GET.get(name) for name in ("event_id", "conversation", "function"))
    complete = form.is_valid()
    problem = "" if complete or not asked else form.problem
    if complete:
        try:
            _choice(account_id, form, request.GET)
        except replays.InvalidChoiceError as error:
            problem, complete = str(error), False
    context = _page(account_id, form, request.GET)
    if not asked:
        # Nothing is wrong with what was not asked for yet.
        context["form"] = ReplayForm(initial={"of": context["of"]})
    context |= {"complete": complete, "problem": problem}
    if form.is_valid():
        context["said"] = _said(form, request.GET)
    if request.htmx and request.htmx.target == "replay-against":
        # What was chosen of another function may be no version of this one.
        menu = {"offered": _offered(context["function"]), "chosen": context["chosen"]}
        return render(request, f"{PANEL}#against", menu)
    if request.htmx and request.htmx.target == "replay-here":
        return render(request, PANEL, context | {"in_place": True})
    return render(request, PAGE, context)


def _slice(
    request: ConsoleRequest, account_id: str, form: ReplayForm, query: QueryDict
) -> HttpResponse:
    if not form.is_valid():
        return _refuse(request, account_id, form, form.problem)
    before: Progress = form.cleaned_data["cursor"]
    state: dict[str, Any] = {"progress": before, "more": True, "rows": [], "file": None}
    try:
        choice = _choice(account_id, form, query)
        if form.cleaned_data["stop"]:
            return _answer(request, account_id, form, state | {"halted": True})
        with running.place(account_id):
            found = replays.next_slice(choice, before)
    except (replays.BusyError, ApiError) as error:
        return _answer(request, account_id, form, state | {"busy": str(error)})
    except replays.ReplayError as error:
        return _refuse(request, account_id, form, str(error))
    told = [row for row in found.rows if row.verdict != "same"]
    left = MOST_DRAWN - before.differ - before.not_run
    # A single one is shown whatever came of it.
    shown = found.rows if found.progress.total <= 1 else told[: max(left, 0)]
    state |= {
        "progress": found.progress,
        "more": found.more,
        "stopped": found.stopped,
        "run_s": f"{replays.RUN_S:g}",
        "sampled": found.sampled,
        "alone": form.cleaned_data["of"] == "event",
        "rows": [_draw(row) for row in shown],
        "not_drawn": max(found.progress.differ + found.progress.not_run - MOST_DRAWN, 0),
        "file": _file(told),
        "several": choice.function is None or choice.others,
        "live": choice.function and choice.function.deployment,
    }
    return _answer(request, account_id, form, state)


def _choice(account_id: str, form: ReplayForm, query: QueryDict) -> replays.Choice:
    """What a valid form asks for.

    Raises:
        InvalidChoiceError: there is no such thing.
    """
    asked = form.cleaned_data
    of, name = asked["of"], asked["function"]
    function = _function(account_id, name) if of != "activity" or name else None
    if name and function is None and of != "activity":
        raise replays.InvalidChoiceError(
            f'Cannot replay: the account has no function "{name[:60]}", it may have been deleted'
        )
    most = replays.MOST
    match of:
        case "event":
            found = replays.by_id(account_id, [asked["event_id"]])
            most = 1
            if asked["against"].needs_function and function is None:
                function = replays.function_of(found.get())
        case "conversation":
            found = replays.of_conversation(account_id, asked["conversation"], function)
        case "activity":
            found = _of_activity(account_id, query)
        case _:
            assert function
            found, most = replays.of_type(function), asked["last"]
    against = asked["against"]
    # What is found by a function's name may have run for one that is there no more.
    narrowed = of != "activity" or against.needs_function
    return replays.Choice(
        account_id=account_id,
        events=found,
        most=most,
        function=function if narrowed else None,
        against=against,
        beside=asked["beside"],
        network=asked["network"],
        others=of == "conversation",
        listening=of == "last",
    )


def _of_activity(account_id: str, query: QueryDict) -> Any:
    wishes, window = _filter(query)
    return activity.found(account_id, wishes, window)


def _filter(query: QueryDict) -> tuple[dict[str, str], windows.Window]:
    filters = ActivityFilterForm(query)
    filters.is_valid()
    window = windows.read(query, presets=activity.WINDOWS)
    return {name: value for name, value in filters.cleaned_data.items() if value}, window


def _function(account_id: str, name: str) -> Function | None:
    found = Function.objects.select_related("deployment")
    return found.filter(account_id=account_id, name=name).first() if name else None


# What the pages show ------------------------------------------------------------------------------


def _page(account_id: str, form: ReplayForm, query: QueryDict) -> dict[str, Any]:
    """The choice with what can be chosen. `form` need not be valid."""
    asked = form.cleaned_data if form.is_bound and hasattr(form, "cleaned_data") else {}
    of = asked.get("of") or "last"
    function = _function(account_id, asked.get("function", ""))
    event = None
    if of == "event" and asked.get("event_id"):
        rows = Event.objects.filter(account_id=account_id, pk=asked["event_id"])
        event = rows.select_related("conversation").defer("payload", "conversation__state").first()
    if event and function is None:
        function = replays.function_of(event)
    found = Function.objects.filter(account_id=account_id).order_by("name")
    names = list(found.values_list("name", flat=True))
    taking_part = names
    if of == "conversation" and asked.get("conversation"):
        there = replays.functions_in(account_id, asked["conversation"])
        taking_part = list(there.order_by("name").values_list("name", flat=True))
        if function and function.name not in taking_part:
            taking_part.append(function.name)
    offered = _offered(function)
    chosen = str(asked.get("against") or "draft")
    if chosen not in dict(offered):
        offered.append((chosen, _label(function, asked.get("against"))))
    wishes, window = _filter(query) if of == "activity" else ({}, None)
    return {
        "form": form,
        "of": of,
        "function": function,
        "event": event,
        "type": events.EVENT_TYPES.get(event.type) if event else None,
        "functions": names,
        "taking_part": taking_part,
        "offered": offered,
        "chosen": chosen,
        "counts": COUNTS,
        "wishes": _words(wishes, window),
        "filter": [*wishes.items(), *(window.wishes.items() if window else ())],
        "filter_query": urlencode([*wishes.items(), *(window.wishes.items() if window else ())]),
    }


def _offered(function: Function | None) -> list[tuple[str, str]]:
    if function:
        return list(replays.versions_of(function))
    return [("draft", "The draft"), ("deployed", "The deployed version")]


def _label(function: Function | None, against: Any) -> str:
    """What an address names that the menu does not offer."""
    if function and isinstance(against, replays.Against):
        try:
            found = replays.version(function, against)
        except replays.InvalidChoiceError:
            found = None
        if found:
            return found.label
    return f"Version {against}" if str(against).isdigit() else str(against)


def _words(wishes: dict[str, str], window: windows.Window | None) -> list[tuple[str, str]]:
    """The filter of Activity as facts."""
    names = {
        "function": "Function",
        "event": "Event",
        "verdict": "Result",
        "conversation": "Conversation",
    }
    words = [(names[key], _value(key, value)) for key, value in wishes.items()]
    if window and window.wishes:
        words.append(("Time", window.label))
    return words


def _value(key: str, value: str) -> str:
    match key:
        case "event":
            return events.EVENT_TYPES[value].name
        case "verdict":
            return Verdict(value).label if value in Verdict else Verdict.NONE.label
    return value


def _said(form: ReplayForm, query: QueryDict) -> list[tuple[str, str]]:
    """A valid choice by the names in the address."""
    said = form.said
    if said["of"] == "activity":
        wishes, window = _filter(query)
        said |= wishes | dict(window.wishes)
    return list(said.items())


def _answer(
    request: ConsoleRequest, account_id: str, form: ReplayForm, state: dict[str, Any]
) -> HttpResponse:
    """A slice: the whole of the result for the first, what is added to it for those behind."""
    said = _said(form, request.POST)
    continues = bool(form.cleaned_data["cursor"].versions)
    context = state | {"said": said, "continues": continues}
    if not request.htmx:
        return render(request, PAGE, _page(account_id, form, request.POST) | context)
    answer = render(request, f"{ROWS}#{'following' if continues else 'first'}", context)
    here = reverse("functions:replays", args=[account_id])
    if not continues and (request.htmx.current_url_abs_path or "").partition("?")[0] == here:
        return push_url(answer, f"{here}?{urlencode(said)}")
    return answer


def _refuse(
    request: ConsoleRequest, account_id: str, form: ReplayForm, problem: str
) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if request.htmx:
        return render(request, f"{ROWS}#first", {"problem": problem}, status=status)
    context = _page(account_id, form, request.POST) | {"problem": problem}
    return render(request, PAGE, context, status=status)


def _draw(row: Row) -> DrawnRow:
    changed = next((one for one in row.differences if one.code == "message-changed"), None)
    parts = segments(changed.before, changed.after) if changed else []
    commands = not row.function or events.EVENT_TYPES[row.function.event_type].runs_commands

    def side(one: Side | None, left_out: str) -> DrawnSide | None:
        if one is None:
            return None
        return DrawnSide(
            one,
            [drawing.draw_step(step) for step in one.steps],
            shows_commands=commands,
            outcome_label=drawing.OUTCOMES.get(one.outcome, "Could not run"),
            marked=[each for each in parts if each.kind != left_out],
        )

    return DrawnRow(row, side(row.then, "added"), side(row.now, "removed"))


def _file(rows: list[Row]) -> dict[str, Any] | None:
    """What a download gets of a slice: JSON values, and lines of CSV below their header."""
    header, *lines = downloads.csv_lines(replays.CELLS, map(replays.as_cells, rows))
    return {
        "rows": [replays.as_json(row) for row in rows],
        "header": header,
        "csv": "".join(lines),
    }
