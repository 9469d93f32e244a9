"""Every notification of a connection, and what it led to: the way back from "nothing happened"."""

import re
import uuid
from typing import Final
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from houston.middleware import AccountRequest
from houston.views.access import for_admins
from houston.views.way_in import connections_of
from invoker import trying
from invoker.conversations import Note
from invoker.models import Connection, Event, Notification, NotificationState

PAGE_SIZE = 50
NO_EVENT: dict[str, str] = {
    Note.BASELINE: "Tells of something from before the connection listened",
    Note.CLOSED: "The conversation is over",
    Note.DELETED: "The conversation left the subscription without being closed",
    Note.DUPLICATE: "Was known already",
    Note.OVERTAKEN: "Older than what is known, and put in its place",
    Note.RECORDED: "A line, noted for idle times and for who answered last",
    Note.STALE: "Older than what can still be put in its place",
    Note.TOO_OLD: "Happened too long ago to react",
    Note.UNCHANGED: "Changes nothing that is an event",
    Note.UNKNOWN_CLOSE: "Closed, and it does not say by whom",
    Note.HELD: "A line that came before its conversation, and waits for it",
}
WHICH: Final = {
    "": "Everything",
    "events": "Led to an event",
    "none": "Led to no event",
    "failed": "Could not be handled",
}


@for_admins
@require_GET
def notification_list(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID
) -> HttpResponse:
    connection = get_object_or_404(connections_of(request), pk=connection_id)
    which = request.GET.get("which", "")
    if which not in WHICH:
        which = ""
    before = request.GET.get("before", "")
    rows = _narrow(received(connection), which)
    if before:
        if not re.fullmatch(r"[0-9]{1,18}", before):
            raise Http404(f'No page begins at "{before[:60]}"')
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    here = reverse("connection-notifications", args=[account_id, connection.pk])
    wishes = {"which": which} if which else {}
    more = len(found) > PAGE_SIZE
    context = {
        "connection": connection,
        "rows": [(each, outcome(each)) for each in shown],
        "choices": WHICH.items(),
        "which": which,
        "before": before,
        "older": f"{here}?{urlencode({**wishes, 'before': shown[-1].pk})}" if more else "",
        "newest": f"{here}?{urlencode(wishes)}" if before else "",
    }
    return render(request, "accounts/notifications.html", context)


def received(connection: Connection) -> QuerySet[Notification]:
    """What a connection got, the newest first, with what it led to."""
    events = Event.objects.defer("payload").order_by("position")
    return (
        Notification.objects.filter(account_id=connection.account_id, connection=connection)
        .defer("body")
        .select_related("conversation")
        .prefetch_related(Prefetch("events", events))
        .order_by("-id")
    )


def _narrow(rows: QuerySet[Notification], which: str) -> QuerySet[Notification]:
    led = Exists(Event.objects.filter(notification=OuterRef("pk")))
    match which:
        case "events":
            return rows.filter(led)
        case "none":
            return rows.filter(~led).exclude(state=NotificationState.FAILED)
        case "failed":
            return rows.filter(state=NotificationState.FAILED)
    return rows


def outcome(notification: Notification) -> str:
    """Why a notification led to no event, in a sentence. Empty where it did."""
    if notification.state == NotificationState.DONE and trying.is_test(notification):
        return "Test, sent by Houston itself"
    match notification.state:
        case NotificationState.PENDING:
            return "Waits for its turn in the conversation"
        case NotificationState.FAILED:
            return notification.error
    if notification.events.all():
        return ""
    return NO_EVENT.get(notification.note, "Nothing to react to")
