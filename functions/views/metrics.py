"""How functions fare: charts and numbers of an account or one function, an hour to a month."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions.access import ConsoleRequest
from functions.models import Function
from functions.views import pace
from functions.views.windows import HOUR, PRESETS
from invoker import metrics
from invoker.metrics import Point, Summary
from invoker.models import WHOLE_ACCOUNT, CommandState, CommandType, InvocationState

DEFAULT = "24h"
STEPS = {
    "1h": dt.timedelta(minutes=1),
    "6h": dt.timedelta(minutes=5),
    "24h": dt.timedelta(minutes=15),
    "7d": 2 * HOUR,
    "30d": 6 * HOUR,
}
"""How long one point of a chart is, by window."""
OUTCOMES = (
    (InvocationState.SUCCEEDED, "ok"),
    (InvocationState.CODING_FAILURE, "bad"),
    (InvocationState.TIMEOUT, "warn"),
    (InvocationState.PLATFORM_FAILURE, "accent"),
    (InvocationState.UNKNOWN, "soft"),
)
SENT = (
    (CommandType.MESSAGE.value, "accent"),
    (metrics.AUTOMATIC, "accent-wash"),
    (CommandType.TRANSFER.value, "ok"),
    (CommandType.CLOSE.value, "soft"),
)
NOT_SENT = (
    (CommandState.STALE, "warn"),
    (CommandState.DROPPED, "line"),
    (CommandState.FAILED, "bad"),
    (CommandState.UNCERTAIN, "warn-wash"),
)
PERCENTILES = (("p50", "soft"), ("p95", "accent"), ("p99", "warn"))
MINUTE = dt.timedelta(minutes=1)
# From where on a difference is worth a word, and where a share of what was before says nothing.
LEAST_CHANGE = 0.005
MOST_CHANGE = 10


@dataclass(frozen=True, slots=True)
class Series:
    """One column. `tone` is what the legend is coloured by."""

    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of a chart's table; `values` are numbers or None."""

    starts_at: dt.datetime
    label: str
    url: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure; where `moments` are empty, `summary` says all there is."""

    id: str
    title: str
    kind: str
    unit: str
    summary: str
    series: Sequence[Series]
    moments: Sequence[Moment]


@dataclass(frozen=True, slots=True)
class Total:
    """One number above the charts, with how it was in the window before."""

    label: str
    value: str
    before: str
    worse: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One function of the table. `exists` is False for one that is deleted."""

    name: str
    exists: bool
    summary: Summary
    error_share: str
    over_budget: str


@require_GET
def metrics_page(request: ConsoleRequest, account_id: str) -> HttpResponse:
    window = request.GET.get("window", DEFAULT)
    if window not in STEPS:
        window = DEFAULT
    functions = list(
        Function.objects.filter(account_id=account_id)
        .select_related("deployment")
        .defer("code", "environment", "deployment__code", "deployment__environment")
        .order_by("name")
    )
    names = {each.pk: each.name for each in functions}
    name = request.GET.get("function", "")
    chosen = next((key for key, each in names.items() if each == name), None)
    length, label = PRESETS[window]
    now = timezone.now()
    step = STEPS[window]
    since = _floor(now, step) + step - length
    of = chosen or WHOLE_ACCOUNT
    points = metrics.series(account_id, since=since, until=now, step=step, function_id=of)
    total = metrics.total(points)
    before = metrics.of_function(account_id, of, since=since - length, until=since)
    rows = [] if chosen else _rows(metrics.by_function(account_id, since=since), names)
    kept = {"function": name} if chosen else {}
    return render(
        request,
        "functions/metrics.html",
        {
            "windows": [
                {
                    "label": key.replace("h", " h").replace("d", " d"),
                    "title": PRESETS[key][1],
                    "query": urlencode({**kept, "window": key}),
                    "current": key == window,
                }
                for key in STEPS
            ],
            "window": window,
            "window_label": label,
            "functions": names.values(),
            "chosen": name if chosen else "",
            "missing": name if name and not chosen else "",
            "total": total,
            "totals": _totals(total, before),
            "charts": _charts(account_id, points, total, step, kept) if total.count else (),
            "rows": rows,
            "late": pace.section([each for each in functions if chosen in (None, each.pk)]),
            "budget_ms": metrics.BUDGET_MS,
            "wider": next(iter(list(STEPS)[list(STEPS).index(window) + 1 :]), ""),
            "kept": urlencode(kept),
            "since": f"{since:%Y-%m-%dT%H:%M}",
        },
    )


def _floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    seconds = step.total_seconds()
    return dt.datetime.fromtimestamp(moment.timestamp() // seconds * seconds, dt.UTC)


# Totals -------------------------------------------------------------------------------------------


def _totals(now: Summary, before: Summary) -> list[Total]:
    lost, lost_before = now.stale + now.dropped, before.stale + before.dropped
    shares = now.error_share - before.error_share
    over = now.over_budget_share - before.over_budget_share
    return [
        Total("Invocations", f"{now.count:,}", _change(now.count, before.count)),
        Total(
            "Failed",
            _share(now.error_share),
            f"{_share(before.error_share)} before" if before.count else "",
            worse=bool(before.count) and shares > LEAST_CHANGE,
        ),
        Total(
            "p95",
            _ms(now.p95_ms),
            f"{_ms(before.p95_ms)} before" if before.count else "",
            worse=(now.p95_ms or 0) > metrics.BUDGET_MS,
        ),
        Total(
            "Over 1 s",
            _share(now.over_budget_share),
            f"{_share(before.over_budget_share)} before" if before.count else "",
            worse=bool(before.count) and over > LEAST_CHANGE,
        ),
        Total(
            "Too late or dropped",
            f"{lost:,}",
            f"{lost_before:,} before" if before.count else "",
            worse=bool(before.count)
            and lost / max(now.count, 1) > 2 * lost_before / before.count + LEAST_CHANGE,
        ),
    ]


def _change(now: int, before: int) -> str:
    if not before:
        return ""
    share = now / before - 1
    if abs(share) < LEAST_CHANGE:
        return "as many before"
    if share > MOST_CHANGE:
        return f"{before:,} before"
    return f"{abs(share):.0%} {'more' if share > 0 else 'fewer'} than before".replace("%", " %")


def _share(share: float) -> str:
    """A share as people read it: what is there is never shown as nothing."""
    if not share:
        return "0 %"
    return f"{max(100 * share, 0.1):.1f} %"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _ms(duration_ms: float | None) -> str:
    if duration_ms is None:
        return "none"
    if duration_ms >= 1000:  # noqa: PLR2004 -- a second
        return f"{duration_ms / 1000:.2f} s"
    # Below 10 ms a whole number says little, and 0 of them nothing; as everywhere in the console.
    return f"{duration_ms:.{1 if 0 < duration_ms < 10 else 0}f} ms"  # noqa: PLR2004


# Charts -------------------------------------------------------------------------------------------


def _charts(
    account_id: str,
    points: Sequence[Point],
    total: Summary,
    step: dt.timedelta,
    kept: dict[str, str],
) -> tuple[Chart, ...]:
    here = reverse("functions:activity", args=[account_id])

    shape = "%d %b %H:%M" if step > 15 * MINUTE else "%H:%M"
    rows = [
        (
            point.starts_at,
            f"{point.starts_at:{shape}}",
            f"{here}?{urlencode(_stretch(point, step) | kept)}",
        )
        for point in points
    ]

    def moments(values: Iterable[Sequence[float | None]]) -> list[Moment]:
        return [Moment(*row, values=each) for row, each in zip(rows, values, strict=True)]

    summaries = [point.summary for point in points]
    busiest = max(points, key=lambda point: point.tally.count)
    slowest = max(
        (each for each in zip(points, summaries, strict=True) if each[1].p95_ms is not None),
        key=lambda each: each[1].p95_ms or 0,
    )
    sent = [
        *[(f"{kind}:{CommandState.SENT}",) for kind, _ in SENT],
        *[tuple(f"{kind}:{state}" for kind in metrics.COMMAND_KINDS) for state, _ in NOT_SENT],
    ]
    commands = sum(total.commands.values())
    return (
        Chart(
            "invocations",
            "Invocations by outcome",
            "stack",
            "",
            f"{_counted(total.count, 'invocation')}, {total.failed:,} failed "
            f"({_share(total.error_share)}). The busiest {_length(step)} began "
            f"{busiest.starts_at:%Y-%m-%d %H:%M} UTC with {busiest.tally.count:,}.",
            [Series(outcome.label, tone) for outcome, tone in OUTCOMES],
            moments([[each.outcomes.get(key, 0) for key, _ in OUTCOMES] for each in summaries]),
        ),
        Chart(
            "durations",
            "Durations",
            "lines",
            "ms",
            f"Half ended within {_ms(total.p50_ms)}, 95 % within {_ms(total.p95_ms)}, 99 % within "
            f"{_ms(total.p99_ms)}; {total.over_budget:,} took longer than 1 s. The slowest "
            f"{_length(step)} began {slowest[0].starts_at:%Y-%m-%d %H:%M} UTC with a p95 of "
            f"{_ms(slowest[1].p95_ms)}.",
            [Series(label, tone) for label, tone in PERCENTILES],
            moments([[each.p50_ms, each.p95_ms, each.p99_ms] for each in summaries]),
        ),
        Chart(
            "commands",
            "Commands",
            "stack",
            "",
            f"{_counted(commands, 'command')}, {total.stale:,} too late, {total.dropped:,} dropped."
            if commands
            else "No command was asked for, and no automatic message went out.",
            [
                *(Series(metrics.COMMAND_KINDS[kind], tone) for kind, tone in SENT),
                *(Series(state.label, tone) for state, tone in NOT_SENT),
            ],
            moments(
                [
                    [sum(each.commands.get(key, 0) for key in keys) for keys in sent]
                    for each in summaries
                ]
            )
            if commands
            else (),
        ),
    )


def _stretch(point: Point, step: dt.timedelta) -> dict[str, str]:
    end = point.starts_at + step
    return {"since": f"{point.starts_at:%Y-%m-%dT%H:%M}", "until": f"{end:%Y-%m-%dT%H:%M}"}


def _length(step: dt.timedelta) -> str:
    minutes = int(step.total_seconds() // 60)
    if minutes == 1:
        return "minute"
    return f"{minutes} minutes" if minutes < 60 else f"{minutes // 60} hours"  # noqa: PLR2004


# Functions ----------------------------------------------------------------------------------------


def _rows(found: dict[uuid.UUID, Summary], names: dict[uuid.UUID, str]) -> list[Row]:
    """What needs attention first: failures, then slowness, then how much there is."""
    ranked = sorted(
        found.items(),
        key=lambda one: (-one[1].error_share, -one[1].over_budget_share, -one[1].count),
    )
    return [
        Row(
            names.get(function_id, ""),
            exists=function_id in names,
            summary=summary,
            error_share=_share(summary.error_share),
            over_budget=_share(summary.over_budget_share),
        )
        for function_id, summary in ranked
    ]
