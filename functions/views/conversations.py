"""All conversations of an account, of every platform: how each stands, and what came last."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions.access import ConsoleRequest
from functions.conversation_forms import ConversationFilterForm
from functions.views import standing
from functions.views.finding import may_change
from functions.views.standing import Standing
from invoker import simulator, trying
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import Connection, Conversation, Event, Platform

PAGE_SIZE = 50
SIMULATED = "simulated"
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation; `last` is its latest event, None where none happened yet."""

    conversation: Conversation
    standing: Standing
    platform: str
    last: Event | None

    @property
    def title(self) -> str:
        return SUBTYPE_NAMES.get(self.last.subtype, self.last.subtype) if self.last else ""

    @property
    def verdict(self) -> str:
        return (self.last.verdict or "pending") if self.last else ""

    @property
    def count(self) -> int:
        """How many events there were: they are numbered from 1."""
        return self.last.position if self.last else 0


@require_GET
def conversation_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = ConversationFilterForm(request.GET)
    form.is_valid()
    wishes = {name: value for name, value in form.cleaned_data.items() if value}
    connections = list(
        Connection.objects.filter(account_id=account_id).order_by("name", "created_at")
    )
    before = request.GET.get("before", "")
    found = _found(account_id, wishes, connections)
    if before.isdecimal():
        found = found.filter(pk__lt=int(before))
    rows = list(found.order_by("-pk")[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    here = reverse("functions:conversations", args=[account_id])
    older = urlencode({**wishes, "before": shown[-1].pk}) if len(rows) > PAGE_SIZE else ""
    context = {
        "rows": _rows(shown),
        "form": form,
        "connections": connections,
        "simulated": SIMULATED,
        "filtered": bool(wishes),
        "before": before,
        "older": f"{here}?{older}" if older else "",
        "newest": f"{here}?{urlencode(wishes)}" if before else "",
        "may_play": may_change(request),
        "ready": simulator.is_ready(account_id),
    }
    return render(request, "functions/conversations.html", context)


def _found(
    account_id: str, wishes: dict[str, str], connections: Sequence[Connection]
) -> QuerySet[Conversation]:
    # A test of a connection is no conversation of anybody.
    found = Conversation.objects.filter(account_id=account_id).exclude(
        conv_id__in=trying.CONVERSATION_IDS
    )
    if wish := wishes.get("connection"):
        found = found.filter(
            connection__in=[
                each.pk
                for each in connections
                if str(each.pk) == wish
                or (wish == SIMULATED and each.platform == Platform.SIMULATOR)
            ]
        )
    if state := wishes.get("state"):
        closed = Q(state__contains='"state":"CLOSE"')
        found = found.filter(closed if state == "closed" else ~closed)
    if text := wishes.get("q"):
        until = text + LAST_CHARACTER
        found = found.filter(
            Q(conv_id__gte=text, conv_id__lt=until)
            | Q(consumer_id__gte=text, consumer_id__lt=until)
        )
    return found.select_related("connection", "simulation")


def _rows(shown: Sequence[Conversation]) -> list[Row]:
    """The rows with the latest event of each. One query."""
    latest: dict[int, Event] = {}
    found = Event.objects.filter(conversation__in=[each.pk for each in shown]).defer("payload")
    for event in found.order_by("conversation_id", "position"):
        latest[event.conversation_id] = event
    return [
        Row(
            each,
            standing.brief(each),
            Platform(each.connection.platform).label,
            latest.get(each.pk),
        )
        for each in shown
    ]
