"""The first page of an account: what needs attention, its numbers, and what people did."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions import services as function_services
from functions.models import Function, Stage
from functions.views import pace
from houston import services
from houston.middleware import AccountRequest
from houston.views.access import may_administrate
from houston.views.sockets import agent_socket
from invoker import audit, dead_letters, metrics, schedules
from invoker.metrics import Point, Summary
from invoker.models import (
    Alert,
    AlertState,
    AuditEntry,
    Connection,
    ControllerBot,
    Event,
    Heartbeat,
    InvocationState,
    LetterKind,
)
from invoker.tasks import LONGEST_SILENCE_S, WORKER

DAY: Final = dt.timedelta(hours=24)
HOUR: Final = dt.timedelta(hours=1)
# Fewer runs than that say little about a share, yet something about a new function.
LEAST_RUNS: Final = 10
WORRYING_SHARE: Final = 0.05
STREAM_LENGTH: Final = 20
FAILED: Final = frozenset(
    {InvocationState.CODING_FAILURE, InvocationState.TIMEOUT, InvocationState.PLATFORM_FAILURE}
)
SPARK_WIDTH: Final = 240
SPARK_HEIGHT: Final = 32
GIVEN_UP: Final = {
    LetterKind.COMMAND: ("message, transfer or close", "messages, transfers and closes",
                         "could not be delivered"),
    LetterKind.EVENT: ("event", "events", "failed inside Houston"),
    LetterKind.NOTIFICATION: ("notification", "notifications", "could not be read"),
}  # fmt: skip
"""One and many of each kind of dead letter, and what happened to them."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that somebody should look at, and where. `url` is empty for who cannot go there."""

    kind: str
    text: str
    url: str
    action: str


@dataclass(frozen=True, slots=True)
class Day:
    date: dt.date
    label: str
    entries: list[AuditEntry]


@require_GET
def account_home(request: AccountRequest, account_id: str) -> HttpResponse:
    now = timezone.now()
    found = Function.objects.filter(account_id=account_id).select_related("deployment")
    functions = list(found.defer("code", "deployment__code").order_by("name"))
    connections = list(
        Connection.objects.filter(account_id=account_id)
        .select_related("agent_session")
        .order_by("name")
    )
    points = metrics.series(account_id, since=now - DAY, until=now, step=HOUR)
    began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month = metrics.of_account(account_id, since=began)
    attention = [
        *_missing_steps(request),
        *_processes(request),
        *_connections(request, connections),
        *_firing(account_id),
        *_not_deployed(account_id, functions),
        *_schedules(account_id),
        *_dead_letters(account_id),
        *_struggling(account_id, functions, now - DAY),
    ]
    stream = audit.stream(
        account_id, functions_only=not may_administrate(request), count=STREAM_LENGTH
    )
    context = {
        "attention": attention,
        "functions": functions,
        "deployed": sum(each.deployment is not None for each in functions),
        "most_functions": function_services.MAX_FUNCTIONS,
        "day": metrics.total(points),
        "month": month,
        "month_name": f"{now:%B}",
        "month_share": f"{month.error_share:.1%}".replace("%", " %"),
        "budget_ms": metrics.BUDGET_MS,
        "spark": spark(points),
        "spark_size": (SPARK_WIDTH, SPARK_HEIGHT),
        "nothing_yet": not Event.objects.filter(account_id=account_id).exists(),
        "days": list(_by_day(stream, now.date())),
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/home.html", context)


def _missing_steps(request: AccountRequest) -> Iterator[Attention]:
    bot = ControllerBot.objects.filter(pk=request.account_id).first()
    for text in services.how_far(bot).missing:
        yield Attention("warn", text, reverse("account-setup", args=[request.account_id]), "Set-up")


def _processes(request: AccountRequest) -> Iterator[Attention]:
    age_s = Heartbeat.age_s(WORKER)
    if age_s is not None and age_s > LONGEST_SILENCE_S:
        is_team = request.user.is_staff
        yield Attention(
            "bad",
            "No worker is running, so events wait" + ("" if is_team else ": tell the account team"),
            reverse("health") if is_team else "",
            "Health",
        )


def _connections(request: AccountRequest, connections: list[Connection]) -> Iterator[Attention]:
    may_look = may_administrate(request)
    for each in connections:
        socket = agent_socket(each)
        if socket is not None and socket.state in {"bad", "warn"}:
            yield Attention(
                socket.state,
                f"{each.name}: the agent socket is not connected, {socket.word.lower()}",
                reverse("connection", args=[request.account_id, each.pk]) if may_look else "",
                "Connection",
            )


def _firing(account_id: str) -> Iterator[Attention]:
    for alert in Alert.objects.filter(
        account_id=account_id, enabled=True, state=AlertState.FIRING
    ).order_by("state_since"):
        yield Attention(
            "bad", f"{alert.title}: {alert.finding}", reverse("alerts", args=[account_id]), "Alerts"
        )


def _not_deployed(account_id: str, functions: list[Function]) -> Iterator[Attention]:
    for function in functions:
        if function.stage not in {Stage.BUILD_ERROR, Stage.DEPLOY_ERROR}:
            continue
        why = function.problems[0]["message"] if function.problems else "the sandbox was away"
        serving = (
            f"version {function.deployment.version} goes on serving"
            if function.deployment
            else "nothing serves yet"
        )
        yield Attention(
            "bad",
            f"{function} could not be deployed: {why}; {serving}",
            reverse("functions:edit", args=[account_id, function.name]),
            "Open",
        )


def _schedules(account_id: str) -> Iterator[Attention]:
    found = schedules.of_account(account_id).filter(active=True)
    for each in found.order_by(F("last_at").desc(nulls_last=True), "pk"):
        if each.deployed and not each.last_failed:
            continue
        words = schedules.in_words(each.cron_expression)
        why = (
            f"its last run failed, {each.last_failure}"
            if each.deployed
            else "it is not deployed, so nothing runs"
        )
        yield Attention(
            "bad" if each.deployed else "warn",
            f"{each.function_name} on schedule ({words}): {why}",
            reverse("functions:schedule", args=[account_id, each.pk]),
            "Schedule",
        )


def _dead_letters(account_id: str) -> Iterator[Attention]:
    counts: Counter[str] = Counter()
    for each in dead_letters.counts(dead_letters.Wanted(account_id=account_id)):
        counts[each.kind] += each.count
    page = reverse("functions:dead-letters", args=[account_id])
    for kind, (one, many, what) in GIVEN_UP.items():
        if count := counts[kind]:
            words = f"{count:,} {one if count == 1 else many} {what}"
            yield Attention("bad", words, f"{page}?kind={kind}", "Dead letters")


def _struggling(
    account_id: str, functions: list[Function], since: dt.datetime
) -> Iterator[Attention]:
    summaries = metrics.by_function(account_id, since=since)
    late = pace.of_late(functions, summaries)
    page = reverse("functions:metrics", args=[account_id])
    for function in functions:
        found = late.get(function.pk)
        often_late = found is not None and found.often_late
        if found and often_late:
            yield Attention("bad", f"{function}: {found.words}", found.url, found.action)
        summary = summaries.get(function.pk)
        if summary is None:
            continue
        there = f"{page}?window=24h&function={function.name}"
        if summary.count < LEAST_RUNS:
            if summary.failed and summary.last_outcome in FAILED:
                yield Attention("warn", _failed_last(function, summary), there, "Metrics")
            continue
        if summary.error_share >= WORRYING_SHARE:
            yield Attention(
                "bad",
                f"{function} failed {summary.failed:,} of {summary.count:,} times in 24 hours",
                there,
                "Metrics",
            )
        # What is said above of the same function says this too.
        if summary.p95_ms is not None and summary.p95_ms > metrics.BUDGET_MS and not often_late:
            yield Attention("warn", _slow(function, summary), there, "Metrics")


def _failed_last(function: Function, summary: Summary) -> str:
    too = ", the last time too" if summary.failed < summary.count else ""
    return f"{function} failed {summary.failed} of {summary.count} times in 24 hours{too}"


def _slow(function: Function, summary: Summary) -> str:
    return (
        f"{function} took longer than 1 s {summary.over_budget:,} of {summary.count:,} times in "
        "24 hours: what it says may come too late to be sent"
    )


def spark(points: list[Point]) -> str:
    """Invocations per point as the points of a polyline. Empty when nothing ran."""
    counts = [point.summary.count for point in points]
    most = max(counts, default=0)
    if not most:
        return ""
    step = SPARK_WIDTH / max(len(counts) - 1, 1)
    height = SPARK_HEIGHT - 2
    return " ".join(
        f"{at * step:.1f},{SPARK_HEIGHT - 1 - count / most * height:.1f}"
        for at, count in enumerate(counts)
    )


def _by_day(stream: list[AuditEntry], today: dt.date) -> Iterator[Day]:
    names = {today: "Today", today - dt.timedelta(days=1): "Yesterday"}
    for date, entries in groupby(stream, key=lambda each: each.at.date()):
        yield Day(date, names.get(date, f"{date:%A, %d %B %Y}"), list(entries))
