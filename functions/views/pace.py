"""How quick the deployed versions of functions are, and what came too late of them."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions import lateness
from functions.access import ConsoleRequest
from functions.lateness import Handled, Lateness
from functions.models import Function
from functions.views.finding import find_function
from invoker.metrics import Summary
from invoker.models import Verdict

NOT_SHOWN = 204
MOST_TRACES = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """In words, for what stands beside a name.

    `level` is bad, warn, ok, or "" where nothing was measured; `url` leads to the traces.
    """

    level: str
    often_late: bool
    words: str
    short: str
    url: str
    action: str

    @classmethod
    def of(cls, function: Function, found: Lateness) -> Self:
        if found.late:
            wishes = {"function": function.name, "verdict": Verdict.STALE.value}
            url, action = reverse("functions:activity", args=[function.account_id]), "Traces"
        else:
            wishes = {"function": function.name}
            url, action = reverse("functions:metrics", args=[function.account_id]), "Metrics"
        return cls(
            level=found.level,
            often_late=found.often_late,
            words=lateness.describe(found),
            short=lateness.in_short(found),
            url=f"{url}?{urlencode(wishes)}" + ("" if found.late else "#too-late"),
            action=action if found.count else "",
        )

    @property
    def stands_out(self) -> bool:
        return self.level in ("warn", "bad")

    @property
    def seen(self) -> str:
        """Something short that changes with what is shown."""
        return hashlib.sha256(f"{self.level} {self.words}".encode()).hexdigest()[:16]


def read(function: Function) -> Pace | None:
    """None where there is nothing to measure. Load the function's deployment along."""
    found = lateness.of_function(function)
    return Pace.of(function, found) if found else None


@dataclass(frozen=True, slots=True)
class Row:
    """One function of the section about what came too late."""

    function: Function
    found: Lateness
    pace: Pace

    @property
    def why(self) -> str:
        return lateness.say_why(self.found.reasons)

    @property
    def where(self) -> str:
        """What took most of the time of what came too late."""
        return lateness.say_where(self.found.parts)


@dataclass(frozen=True, slots=True)
class Trace:
    """One event that was slow, or of which something came too late."""

    handled: Handled

    @property
    def why(self) -> str:
        reasons = dict.fromkeys(each.reason for each in self.handled.late)
        return ", ".join(lateness.WHY.get(each, each) for each in reasons)

    @property
    def where(self) -> str:
        return lateness.say_where(Counter(each.way.longest for each in self.handled.late))


@dataclass(frozen=True, slots=True)
class Section:
    """What the metrics show of it: every function, or one and its latest traces."""

    rows: list[Row]
    traces: list[Trace]
    looked_at: int = lateness.LOOKED_AT


def section(functions: Sequence[Function]) -> Section:
    """Those that handled events in their deployed version, what needs attention first.

    With one function alone, its traces too.
    """
    found = lateness.of_functions(functions)
    rows = [
        Row(each, late, Pace.of(each, late))
        for each in functions
        if (late := found.get(each.pk)) and late.count
    ]
    rows.sort(key=lambda row: (-len(row.found.late), -len(row.found.slow), row.function.name))
    notable = rows[0].found.notable[:MOST_TRACES] if len(functions) == 1 and rows else []
    return Section(rows, [Trace(each) for each in notable])


def of_late(
    functions: Sequence[Function], days: Mapping[uuid.UUID, Summary]
) -> dict[uuid.UUID, Pace]:
    """Those of which something came too late within the day, by their ids.

    `days` are the summaries of that time; where they say nothing, nobody looks any closer.
    """
    late = [each for each in functions if (day := days.get(each.pk)) and day.stale]
    found = lateness.of_functions(late)
    return {
        each.pk: Pace.of(each, found[each.pk])
        for each in late
        if each.pk in found and found[each.pk].late
    }


@require_GET
def pace(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """The editor asks again and again; answered only when something has changed."""
    function = find_function(account_id, name)
    if not request.htmx:
        return redirect("functions:edit", account_id, name)
    shown = read(function)
    if shown is None or shown.seen == request.GET.get("seen"):
        return HttpResponse(status=NOT_SHOWN)
    return render(request, "functions/edit.html#pace", {"function": function, "pace": shown})
