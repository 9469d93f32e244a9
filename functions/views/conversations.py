"""All conversations of an account, of every platform: how each stands, and what came last."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions.access import ConsoleRequest
from functions.conversation_forms import ConversationFilterForm
from functions.views import paging, standing
from functions.views.finding import may_change
from functions.views.standing import Standing
from invoker import simulator, trying
from invoker.automatic_messages.names import name_event
from invoker.models import Connection, Conversation, Event, Platform, Simulation

PAGE_SIZE = 50
SIMULATED = "simulated"
LAST_CHARACTER = "\U0010ffff"
MOST_FOUND = 1_000
"""Of each kind that a text finds: what begins like that is looked up before it is put in order."""


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation; `last` is its latest event, None where none happened yet."""

    conversation: Conversation
    standing: Standing
    last: Event | None

    @property
    def title(self) -> str:
        return name_event(self.last.type, self.last.subtype) if self.last else ""

    @property
    def verdict(self) -> str:
        return (self.last.verdict or "pending") if self.last else ""

    @property
    def count(self) -> int:
        """How many events there were: they are numbered from 1."""
        return self.last.position if self.last else 0

    @property
    def shown(self) -> tuple[object, ...]:
        """What can change while somebody looks at the row."""
        one = self.conversation
        return one.pk, one.state_version, one.active_at, self.count, self.verdict


@require_GET
def conversation_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The list; asked again by itself, it answers only when something has changed."""
    connections = list(
        Connection.objects.filter(account_id=account_id).order_by("name", "created_at")
    )
    form = ConversationFilterForm(request.GET)
    form.is_valid()
    wishes = {name: value for name, value in form.cleaned_data.items() if value}
    before = request.GET.get("before", "")
    found = _found(account_id, wishes, connections)
    page = paging.newest_first(found, before, size=PAGE_SIZE, moment="active_at")
    rows = _rows(page.rows)
    # Relative times change by the minute.
    minute = f"{timezone.now():%H%M}" if rows else ""
    seen = hashlib.sha256(repr((minute, [row.shown for row in rows])).encode()).hexdigest()[:16]
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    here = reverse("functions:conversations", args=[account_id])
    query = urlencode(wishes)
    context = {
        "rows": rows,
        "form": form,
        "connections": connections,
        "simulated": SIMULATED,
        "query": query,
        "filtered": bool(wishes),
        "empty": not (rows or wishes or before),
        "before": before,
        "older": f"{here}?{urlencode({**wishes, 'before': page.older})}" if page.older else "",
        "newest": f"{here}?{query}" if before else "",
        "seen": seen,
        "may_play": may_change(request),
        "ready": simulator.is_ready(account_id),
    }
    template = "functions/conversations.html"
    return render(request, f"{template}#rows" if request.htmx else template, context)


def _found(
    account_id: str, wishes: dict[str, str], connections: Sequence[Connection]
) -> QuerySet[Conversation]:
    # A test of a connection is no conversation of anybody.
    found = Conversation.objects.filter(account_id=account_id).exclude(
        conv_id__in=trying.CONVERSATION_IDS
    )
    if wish := wishes.get("connection"):
        chosen = [each for each in connections if str(each.pk) == wish]
        if wish == SIMULATED:
            chosen = [each for each in connections if each.platform == Platform.SIMULATOR]
        # What finds few of them says so alone: beside it, the account would lead astray.
        found = Conversation.objects.filter(connection__in=[each.pk for each in chosen])
    if state := wishes.get("state"):
        found = found.filter(closed=state == "closed")
    if text := wishes.get("q"):
        found = found.filter(pk__in=_named(account_id, text, connections))
    return found.select_related("connection", "simulation")


def _named(account_id: str, text: str, connections: Sequence[Connection]) -> set[int]:
    """Those whose id or consumer begins so, and those that are played by somebody of this name."""
    until = text + LAST_CHARACTER
    own = Conversation.objects.filter(account_id=account_id)
    of_consumers = Conversation.objects.filter(connection__in=[each.pk for each in connections])
    name = json.dumps(text, ensure_ascii=False)[1:-1]
    played = Simulation.objects.filter(
        account_id=account_id, scene__icontains=f'"name":"{name}'
    ).order_by("-started_at")
    return {
        *own.filter(conv_id__gte=text, conv_id__lt=until).values_list("pk", flat=True)[:MOST_FOUND],
        *of_consumers.filter(consumer_id__gte=text, consumer_id__lt=until).values_list(
            "pk", flat=True
        )[:MOST_FOUND],
        *played.values_list("pk", flat=True)[:MOST_FOUND],
    }


def _rows(shown: Sequence[Conversation]) -> list[Row]:
    """The rows with the latest event of each. One query."""
    latest = (
        Event.objects.filter(conversation=OuterRef("pk")).order_by("-position").values("pk")[:1]
    )
    pks = Conversation.objects.filter(pk__in=[each.pk for each in shown]).values(
        latest=Subquery(latest)
    )
    events = Event.objects.filter(pk__in=pks).defer("payload")
    last = {event.conversation_id: event for event in events}
    return [Row(each, standing.brief(each), last.get(each.pk)) for each in shown]
