"""The list of functions: how each stands and fared, and what can be done from there."""

import datetime as dt
import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions import gallery, lateness, services
from functions.access import ConsoleRequest
from functions.forms import ListFilterForm
from functions.models import Function
from functions.views import pace
from functions.views.finding import may_change
from functions.views.pace import Pace
from invoker import events, metrics
from invoker.metrics import Summary
from invoker.models import Invocation, InvocationState

DAY = dt.timedelta(hours=24)
SHOWN_TEMPLATES = 3
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """The latest invocation of a function; without an event it has no trace."""

    outcome: str
    label: str
    at: dt.datetime
    event_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Row:
    """One function with how it has fared.

    `day` is None where nothing ran for 24 hours, `pace` where nothing came too late in them.
    """

    function: Function
    last: Run | None
    day: Summary | None
    pace: Pace | None

    @property
    def count(self) -> int:
        return self.day.count if self.day else 0

    @property
    def error_share(self) -> str:
        """In percent; what failed once among thousands is not nothing."""
        if not self.day or not self.day.failed:
            return "0 %"
        return f"{max(100 * self.day.error_share, 0.1):.1f} %"

    @property
    def p95_ms(self) -> float | None:
        return self.day.p95_ms if self.day else None

    @property
    def over_budget(self) -> bool:
        return self.p95_ms is not None and self.p95_ms > metrics.BUDGET_MS


@dataclass(frozen=True, slots=True)
class Order:
    """What rows can be sorted by, and whether the largest comes first when nobody says."""

    label: str
    key: Callable[[Row], tuple[bool, object]]
    largest_first: bool = False
    kind: str = ""


def _number(value: float | None) -> tuple[bool, float]:
    return value is not None, value if value is not None else -math.inf


ORDERS = {
    "name": Order("Name", lambda row: (True, row.function.name.lower())),
    "state": Order("State", lambda row: (True, row.function.state.value)),
    "event": Order("Event", lambda row: (True, row.function.event.name)),
    "last": Order(
        "Last invocation",
        lambda row: (row.last is not None, row.last.at if row.last else NEVER),
        largest_first=True,
    ),
    "runs": Order("24 h", lambda row: _number(row.count), largest_first=True, kind="number"),
    "errors": Order(
        "Errors",
        lambda row: _number(row.day.error_share if row.count and row.day else None),
        largest_first=True,
        kind="number",
    ),
    "p95": Order("p95", lambda row: _number(row.p95_ms), largest_first=True, kind="number"),
    "changed": Order(
        "Last change", lambda row: (True, row.function.updated_at), largest_first=True
    ),
}
DEFAULT_ORDER = "name"


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column: its link sorts by it, or turns the order round."""

    name: str
    label: str
    kind: str
    value: str
    query: str
    sorted: str
    """For `aria-sort`."""


@require_GET
def function_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    functions = _functions(account_id)
    form = ListFilterForm(request.GET, used=sorted({each.event_type for each in functions}))
    wishes = form.wishes
    chosen, turned = _order(wishes.pop("sort", ""))
    shown = _sorted(_rows(account_id, filter_functions(functions, form)), chosen, turned=turned)
    page = "functions/list.html"
    return render(
        request,
        f"{page}#rows" if request.htmx else page,
        {
            "rows": shown,
            "total": len(functions),
            "limit": services.MAX_FUNCTIONS,
            "form": form,
            "filtered": bool(wishes),
            "filter_query": urlencode(wishes),
            "sort": _sort_value(chosen, turned=turned),
            "columns": _columns(wishes, chosen, turned=turned),
            "may_change": may_change(request),
            "budget_ms": metrics.BUDGET_MS,
            "too_late": any(row.pace for row in shown),
            "looked_at": lateness.LOOKED_AT,
            "templates": _starters() if not functions else (),
        },
    )


def filter_functions(functions: Iterable[Function], form: ListFilterForm) -> list[Function]:
    """Those that the filter of the list shows."""
    wishes = form.wishes
    text, state = wishes.get("q", "").casefold(), wishes.get("state")
    event_type = {form.NO_EVENT: events.NO_EVENT}.get(wishes.get("event", ""), wishes.get("event"))
    return [
        each
        for each in functions
        if (not state or each.state == state)
        and (event_type is None or each.event_type == event_type)
        and text
        in f"{each.name} {each.description} {each.event.name} {' '.join(each.skills)}".casefold()
    ]


def _functions(account_id: str) -> list[Function]:
    # An account has fifty functions at most, so they are read whole, without their code.
    latest = Invocation.objects.filter(function_id=OuterRef("pk")).order_by("-started_at")
    return list(
        Function.objects.filter(account_id=account_id)
        .select_related("deployment")
        .defer("code", "environment", "deployment__code", "deployment__environment")
        .annotate(latest=Subquery(latest.values("pk")[:1]))
        .order_by("name")
    )


def _rows(account_id: str, functions: Sequence[Function]) -> list[Row]:
    runs = _last_runs(functions)
    days = metrics.by_function(account_id, since=timezone.now() - DAY) if functions else {}
    paces = pace.of_late(functions, days)
    return [
        Row(each, runs.get(each.pk), days.get(each.pk), paces.get(each.pk)) for each in functions
    ]


def _last_runs(functions: Iterable[Function]) -> dict[uuid.UUID, Run]:
    wanted = [each.latest for each in functions if each.latest]  # type: ignore[attr-defined]
    if not wanted:
        return {}
    found = Invocation.objects.filter(pk__in=wanted)
    return {
        function_id: Run(outcome, InvocationState(outcome).label, at, event_id)
        for function_id, outcome, at, event_id in found.values_list(
            "function_id", "outcome", "started_at", "event_id"
        )
    }


def _order(wish: str) -> tuple[str, bool]:
    """By what, and whether turned round."""
    name = wish.removeprefix("-")
    return (name, wish.startswith("-")) if name in ORDERS else (DEFAULT_ORDER, False)


def _sort_value(name: str, *, turned: bool) -> str:
    if turned:
        return f"-{name}"
    return "" if name == DEFAULT_ORDER else name


def _sorted(rows: list[Row], name: str, *, turned: bool) -> list[Row]:
    """In order; those without a value are last either way."""
    order = ORDERS[name]
    there = [row for row in rows if order.key(row)[0]]
    there.sort(
        key=lambda row: order.key(row)[1],  # type: ignore[arg-type,return-value]
        reverse=order.largest_first != turned,
    )
    return there + [row for row in rows if not order.key(row)[0]]


def _columns(wishes: dict[str, str], chosen: str, *, turned: bool) -> list[Column]:
    columns = []
    for name, order in ORDERS.items():
        is_chosen = name == chosen
        value = _sort_value(name, turned=is_chosen and not turned)
        largest_first = order.largest_first != turned
        columns.append(
            Column(
                name=name,
                label=order.label,
                kind=order.kind,
                value=value,
                query=urlencode({**wishes, **({"sort": value} if value else {})}),
                sorted=("descending" if largest_first else "ascending") if is_chosen else "",
            )
        )
    return columns


def _starters() -> tuple[gallery.Template, ...]:
    """Templates to begin with: the first ones that listen to something in a conversation."""
    useful = [each for each in gallery.load() if each.event_type]
    return tuple(useful[:SHOWN_TEMPLATES])
