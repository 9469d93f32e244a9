"""What functions logged: search, live tail, and as a file."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions.access import ConsoleRequest
from functions.models import Function
from functions.views import finding, windows
from functions.views.downloads import csv_lines
from functions.views.windows import Window
from invoker import log_lines
from invoker.log_lines import LONGEST_WINDOW, OLDEST, Told, Wanted
from invoker.models import Invocation, LogLine

PAGE_SIZE = 100
MOST_EXPORTED = 10_000
"""Lines in one file. LivePerson's is 500, `liveperson-contract.md` §4.4."""
WINDOWS = ("1h", "6h", "24h", "7d")
LONGEST_TEXT = 200
MOST_FUNCTIONS = 50
PLACE_TIME = "%Y%m%dT%H%M%S.%f"
LARGEST_SKIP = 100_000


class LogFilterForm(forms.Form):
    q = forms.CharField(required=False, max_length=LONGEST_TEXT)
    level = forms.MultipleChoiceField(
        choices=[(each, each) for each in log_lines.LEVELS], required=False
    )
    flat = forms.BooleanField(required=False)


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of one invocation that were found, in the order in which it wrote them."""

    invocation: Invocation
    lines: list[LogLine]

    @property
    def at(self) -> dt.datetime:
        return self.lines[0].logged_at


@dataclass(frozen=True, slots=True)
class Search:
    """What an address asks for, and how to ask for it again."""

    form: LogFilterForm
    window: Window
    wanted: Wanted
    functions: list[str]
    flat: bool

    @property
    def levels(self) -> list[str]:
        return list(self.wanted.levels)

    def query(self, *, flat: bool | None = None, **more: str) -> str:
        named = [("function", each) for each in self.functions]
        levels = [("level", each) for each in self.wanted.levels]
        said = [("q", self.wanted.text)] if self.wanted.text else []
        shape = [("flat", "on")] if (self.flat if flat is None else flat) else []
        window = self.window.wishes.items()
        return urlencode([*named, *levels, *said, *shape, *window, *more.items()])

    @property
    def grouped_query(self) -> str:
        return self.query(flat=False)

    @property
    def flat_query(self) -> str:
        return self.query(flat=True)

    @property
    def filtered(self) -> bool:
        return bool(self.functions or self.wanted.levels or self.wanted.text)


@require_GET
def log_page(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The lines; asked again by itself with `after`, only those of runs that ended since."""
    search = _read(request, account_id)
    here = reverse("functions:logs", args=[account_id])
    now = timezone.now()
    context = {"search": search, "wanted": search.wanted, "window": search.window, "here": here}
    template = "functions/logs.html"
    if request.htmx and (after := request.GET.get("after")):
        than = max(_moment(after), now - OLDEST)
        lines = log_lines.newer(search.wanted, than=than, most=PAGE_SIZE)
        if not lines:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return render(
            request,
            f"{template}#fresh",
            {**context, "runs": _runs(search, lines), "after": _name(now)},
        )
    before, skip = _place(request.GET.get("before", ""))
    error = search.window.error
    found = log_lines.Found([], more=False)
    if not error:
        found = log_lines.find(search.wanted, most=PAGE_SIZE, before=before, skip=skip)
    older = ""
    if found.more:
        older = _next(found.lines, before, skip)
    elif found.read_to:
        older = f"{_name(found.read_to)}_0"
    live = not (before or search.window.until or error)
    return render(
        request,
        template,
        {
            **context,
            "runs": _runs(search, found.lines),
            "after": _name(now) if live else "",
            "live": live,
            "read_to": None if found.more else found.read_to,
            "older": f"{here}?{search.query(before=older)}" if older else "",
            "newest": f"{here}?{search.query()}" if before else "",
            "export": f"{reverse('functions:logs-export', args=[account_id])}?{search.query()}",
            "most_exported": MOST_EXPORTED,
            "read_at_once": log_lines.READ_AT_ONCE,
            "levels": log_lines.LEVELS,
            "names": list(
                Function.objects.filter(account_id=account_id)
                .order_by("name")
                .values_list("name", flat=True)
            ),
        },
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
    )


@require_GET
def log_export(request: ConsoleRequest, account_id: str) -> HttpResponseBase:
    """The newest lines of a search as CSV, at most `MOST_EXPORTED` of them."""
    search = _read(request, account_id)
    if search.window.error:
        return HttpResponse(
            search.window.error, status=HTTPStatus.UNPROCESSABLE_ENTITY, content_type="text/plain"
        )
    header = ("time", "function", "version", "level", "message", "extras", "invocation", "event",
              "invoked by", "request")  # fmt: skip
    rows = _exported(log_lines.every(search.wanted, most=MOST_EXPORTED))
    response = StreamingHttpResponse(csv_lines(header, rows), content_type="text/csv")
    name = f"logs-{account_id}-{timezone.now():%Y%m%dT%H%M%S}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _exported(lines: Iterator[Told]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        yield (
            line.logged_at.isoformat(timespec="milliseconds"),
            line.function_name,
            line.version,
            line.level,
            line.message,
            log_lines.extras_text(line.extras),
            line.invocation_id,
            line.event_id or "",
            line.invoked_by,
            line.request_id,
        )


def _read(request: ConsoleRequest, account_id: str) -> Search:
    form = LogFilterForm(request.GET)
    form.is_valid()
    window = windows.read(
        request.GET, presets=WINDOWS, default="24h", longest=LONGEST_WINDOW, oldest=OLDEST
    )
    names = [each for each in request.GET.getlist("function")[:MOST_FUNCTIONS] if each]
    names = [each for each in names if "\0" not in each]
    ids = [one for each in names for one in finding.function_ids(account_id, each) or ()]
    wanted = Wanted(
        account_id,
        since=window.since,
        until=window.until,
        function_ids=ids if names else None,
        levels=form.cleaned_data.get("level", ()),
        text=form.cleaned_data.get("q", ""),
    )
    return Search(form, window, wanted, names, flat=form.cleaned_data.get("flat", False))


def _runs(search: Search, lines: list[LogLine]) -> list[Run]:
    """Lines by invocation, or each for itself; the newest first."""
    if search.flat:
        return [Run(line.invocation, [line]) for line in lines]
    grouped: dict[object, Run] = {}
    for line in lines:
        grouped.setdefault(line.invocation_id, Run(line.invocation, [])).lines.append(line)
    for run in grouped.values():
        run.lines.sort(key=lambda line: line.number)
    return list(grouped.values())


# Places: a moment, and how many lines of that very moment are shown already. They hold no number
# of a row, which would count the lines of all accounts.


def _name(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime(PLACE_TIME)


def _next(lines: list[LogLine], before: dt.datetime | None, skip: int) -> str:
    last = lines[-1].logged_at
    same = sum(line.logged_at == last for line in lines)
    return f"{_name(last)}_{same + (skip if last == before else 0)}"


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, PLACE_TIME).replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise Http404(f'No line is from "{text[:60]}"') from error


def _place(text: str) -> tuple[dt.datetime | None, int]:
    if not text:
        return None, 0
    moment, _, skip = text.partition("_")
    if not (skip.isascii() and skip.isdecimal()) or int(skip[:9]) > LARGEST_SKIP:
        raise Http404(f'No page begins at "{text[:60]}"')
    return _moment(moment), int(skip[:9])
