"""What happened: one row per event, and the trace of one event from receipt to delivery."""

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions import lateness
from functions.access import ConsoleRequest
from functions.forms import IN_PROGRESS, ActivityFilterForm
from functions.models import Function
from functions.views import drawing, finding, paging, windows
from functions.views.dead_letters import may_act
from functions.views.drawing import Drawn
from functions.views.windows import Window
from invoker import dead_letters, events, simulator
from invoker.models import (
    Command,
    Connection,
    Conversation,
    Event,
    EventState,
    Invocation,
    LogLine,
    Platform,
    Verdict,
)

PAGE_SIZE = 50
WINDOWS = ("1h", "24h", "7d", "30d")
NOT_SHOWN = 204


@dataclass(frozen=True, slots=True)
class Row:
    """One event. `invocation` is its last one, None when no function ran."""

    event: Event
    type: events.EventType | None
    invocation: Invocation | None
    summary: str
    dropped: int
    late: str = ""
    """By how much a command was too late."""

    @property
    def verdict(self) -> str:
        return self.event.verdict or "pending"

    @property
    def shown(self) -> tuple[object, ...]:
        """What can change while somebody looks at the row."""
        outcome = self.invocation.outcome if self.invocation else ""
        return (self.event.pk, self.verdict, self.summary, self.dropped, self.late, outcome)


@dataclass(frozen=True, slots=True)
class Door:
    """Where a platform sends its notifications."""

    connection: Connection
    url: str

    @property
    def element_id(self) -> str:
        return f"door-{self.connection.pk}"


@require_GET
def activity(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The list; asked again by itself, it answers only when something has changed."""
    form = ActivityFilterForm(request.GET)
    form.is_valid()
    window = windows.read(request.GET, presets=WINDOWS)
    wishes = {name: value for name, value in form.cleaned_data.items() if value}
    before = request.GET.get("before", "")
    page = paging.newest_first(
        _with_runs(found(account_id, wishes, window)), before, size=PAGE_SIZE
    )
    wishes |= window.wishes
    rows = [_row(event) for event in page.rows]
    # Relative times change by the minute.
    minute = f"{timezone.now():%H%M}" if rows else ""
    seen = _fingerprint(minute, [row.shown for row in rows])
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=NOT_SHOWN)
    template = "functions/activity.html"
    query = urlencode(wishes)
    here = reverse("functions:activity", args=[account_id])
    context = {
        "rows": rows,
        "form": form,
        "window": window,
        "query": query,
        "filtered": bool(wishes),
        "before": before,
        "older": f"{here}?{urlencode({**wishes, 'before': page.older})}" if page.older else "",
        "newest": f"{here}?{query}" if before else "",
        "seen": seen,
        "replay": urlencode({"of": "activity", **wishes}),
        "functions": [],
        "doors": [],
        "simulator": False,
    }
    if not rows and not wishes:
        context["doors"] = _doors(account_id)
        context["simulator"] = simulator.is_ready(account_id)
    if request.htmx:
        return render(request, f"{template}#rows", context)
    names = Function.objects.filter(account_id=account_id).order_by("name")
    context["functions"] = list(names.values_list("name", flat=True))
    return render(request, template, context)


def found(account_id: str, wishes: dict[str, str], window: Window) -> QuerySet[Event]:
    """The events of the account that somebody asks for.

    What finds few of them says so alone: beside it, the account would only lead a database astray.
    """
    function_ids = finding.function_ids(account_id, wishes.get("function", ""))
    if conv_id := wishes.get("conversation"):
        conversations = Conversation.objects.filter(account_id=account_id, conv_id=conv_id)
        rows = Event.objects.filter(
            conversation__in=list(conversations.values_list("pk", flat=True))
        )
        if function_ids is not None:
            rows = rows.filter(function_id__in=function_ids)
    elif function_ids is not None:
        rows = Event.objects.filter(function_id__in=function_ids)
    else:
        rows = Event.objects.filter(account_id=account_id)
    if type_ := wishes.get("event"):
        rows = rows.filter(type=type_)
    if verdict := wishes.get("verdict"):
        rows = rows.filter(verdict=Verdict.NONE if verdict == IN_PROGRESS else verdict)
    if window.since:
        rows = rows.filter(created_at__gte=window.since)
    if window.until:
        rows = rows.filter(created_at__lt=window.until)
    return rows


def _with_runs(rows: QuerySet[Event]) -> QuerySet[Event]:
    """The same with all that their rows show."""
    runs = Invocation.objects.select_related("deployment").defer(
        "deployment__code", "deployment__environment", "result"
    )
    return (
        rows.select_related("conversation")
        .defer("payload", "conversation__state")
        .prefetch_related(
            Prefetch("invocations", runs.order_by("started_at")),
            Prefetch("commands", Command.objects.order_by("position")),
        )
    )


def _row(event: Event) -> Row:
    runs = list(event.invocations.all())
    drawn = [drawing.draw_command(command) for command in event.commands.all()]
    return Row(
        event,
        type=events.EVENT_TYPES.get(event.type),
        invocation=runs[-1] if runs else None,
        summary=drawing.summary(drawn),
        dropped=sum(one.dropped for one in drawn),
        late=_latest(drawn) if event.verdict == Verdict.STALE else "",
    )


def _latest(drawn: list[Drawn]) -> str:
    known = [one.late_ms for one in drawn if one.late_ms is not None]
    return lateness.length(max(known)) if known else ""


def _fingerprint(*shown: object) -> str:
    """Something short that changes with what is shown."""
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


def _doors(account_id: str) -> list[Door]:
    found = Connection.objects.filter(account_id=account_id, active=True)
    # Nobody outside sends anything to the simulator.
    connections = found.exclude(platform=Platform.SIMULATOR).order_by("name")
    return [
        Door(each, f"{settings.HOUSTON_URL}{reverse('events', args=[each.pk])}")
        for each in connections
    ]


@dataclass(frozen=True, slots=True)
class Ran:
    """One invocation with its logs and what it asked for."""

    invocation: Invocation
    logs: list[LogLine]
    offset_ms: float

    @property
    def shown(self) -> tuple[object, ...]:
        return (self.invocation.pk, self.invocation.outcome)


@dataclass(frozen=True, slots=True)
class Sent:
    """One command and when it left, counted from the receipt; None when it has not.

    `again` says by whom and when it was sent again, `pk` is there where it may be.
    """

    drawn: Drawn
    offset_ms: float | None
    again: tuple[str, dt.datetime] | None = None
    pk: uuid.UUID | None = None


@require_GET
def trace(request: ConsoleRequest, account_id: str, event_id: uuid.UUID) -> HttpResponse:
    """One event as a time axis; looks again by itself until the event is done."""
    found = Event.objects.select_related(
        "conversation__connection", "notification", "caused_by__event", "dead_letter"
    )
    event = get_object_or_404(found, account_id=account_id, pk=event_id)
    logs = Prefetch("log_lines", LogLine.objects.order_by("number"))
    runs = (
        event.invocations.select_related("deployment")
        .defer("deployment__code", "deployment__environment")
        .prefetch_related(logs)
        .order_by("started_at")
    )
    ran = [Ran(each, list(each.log_lines.all()), _offset(event, each.started_at)) for each in runs]
    sent = _sent(event, ran)
    drafts = dict(
        Function.objects.filter(
            account_id=account_id, pk__in=[each.invocation.function_id for each in ran]
        ).values_list("pk", "version")
    )
    notification = event.notification
    template = "functions/trace.html"
    seen = _fingerprint(event.state, [each.shown for each in ran], sent)
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=NOT_SHOWN)
    return render(
        request,
        f"{template}#trace" if request.htmx else template,
        {
            "event": event,
            "seen": seen,
            "type": events.EVENT_TYPES.get(event.type),
            "notification": notification,
            "body": drawing.body_text(bytes(notification.body)) if notification else "",
            "waited_ms": _offset(event, event.created_at),
            "ran": ran,
            "sent": sent,
            "finished_ms": _offset(event, event.finished_at) if event.finished_at else None,
            "explanation": _explain(event, ran=bool(ran), sent=bool(sent)),
            "budget_ms": drawing.BUDGET_MS,
            "done": event.state == EventState.DONE,
            "existing": drafts,
            # Where the draft still is what ran, so that a line is the same line there.
            "unchanged": {
                each.invocation.pk
                for each in ran
                if drafts.get(each.invocation.function_id) == each.invocation.deployment.version
            },
            "verdict": event.verdict or "pending",
            "connection": event.conversation.connection,
            "platform": Platform(event.conversation.connection.platform).label,
            "cause": event.caused_by,
            "replay_about": urlencode({"of": "event", "event_id": event.pk}),
            "letter": getattr(event, "dead_letter", None),
            "redeliverable": sum(step.pk is not None for step in sent),
            "may_act": may_act(request),
        },
    )


def _draw(command: Command, event: Event, ran: list[Ran], commands: list[Command]) -> Drawn:
    """A command; of one that came too late, with what took the time."""
    drawn = drawing.draw_command(command)
    if not lateness.counts(command, event):
        return drawn
    way = lateness.way_to(command, event, [each.invocation for each in ran], commands)
    return replace(drawn, why=lateness.explain(command, way))


def _sent(event: Event, ran: list[Ran]) -> list[Sent]:
    commands = list(event.commands.select_related("dead_letter").order_by("position"))
    done = event.state == EventState.DONE
    return [
        Sent(
            _draw(each, event, ran, commands),
            _offset(event, each.sent_at) if each.sent_at else None,
            again=(each.dead_letter.retried_by, each.redelivered_at)
            if each.redelivered_at and hasattr(each, "dead_letter")
            else None,
            pk=each.pk if done and dead_letters.is_redeliverable(each) else None,
        )
        for each in commands
    ]


def _offset(event: Event, moment: dt.datetime) -> float:
    return (moment - event.received_at).total_seconds() * 1000


def _explain(event: Event, *, ran: bool, sent: bool) -> str:
    """Why nothing happened, in a sentence. Empty where the steps speak for themselves."""
    if event.state == EventState.WAITING:
        return (
            "The function failed and runs once more"
            if ran
            else "Waits for its turn in the conversation"
        )
    if event.state != EventState.DONE:
        return ""
    said = {
        Verdict.DISABLED: "Functions are not enabled for this account, so nothing ran",
        Verdict.BROKEN: f"Houston failed {event.errors + 1} times and went on: the log has the "
        "reason",
    }
    if event.verdict in said:
        return said[Verdict(event.verdict)]
    if ran and not sent:
        return "The function asked for nothing, and there is no automatic message"
    return event.detail
