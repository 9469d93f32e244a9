"""Dead letters: the list, and each of them with what a person needs to decide."""

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions.access import ADMIN, DEVELOPER, ConsoleRequest
from functions.dead_letter_forms import LetterFilterForm
from functions.views import drawing, paging, windows
from functions.views.windows import Window
from invoker import dead_letters
from invoker.automatic_messages.names import name_event
from invoker.dead_letters import Counted, Wanted
from invoker.models import Connection, DeadLetter, Event, LetterKind, LetterState

PAGE_SIZE = 50
NOT_SHOWN = 204
WINDOWS = ("1h", "24h", "7d", "30d")
ROLES = frozenset({ADMIN, DEVELOPER})
"""Who may act on them. It changes neither code nor settings: whoever is responsible for what the
account says may decide, as with schedules; the account team reads."""
BADGES = {
    LetterState.OPEN: "bad",
    LetterState.RETRYING: "pending",
    LetterState.DONE: "ok",
    LetterState.DISCARDED: "Draft",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A letter as it is shown. `trace_of` is the event whose trace tells more, None without one."""

    letter: DeadLetter
    what: str
    sub: str
    trace_of: Event | None

    @property
    def badge(self) -> str:
        return BADGES[LetterState(self.letter.state)]

    @property
    def shown(self) -> tuple[object, ...]:
        """What can change while somebody looks at the row."""
        return self.letter.pk, self.letter.state, self.letter.reason, self.letter.tries


@dataclass(frozen=True, slots=True)
class Search:
    """What an address asks for, and how to ask for it again."""

    form: LetterFilterForm
    window: Window
    wanted: Wanted
    wishes: dict[str, str]

    @property
    def query(self) -> str:
        return urlencode(self.wishes)

    def chooses(self, counted: Counted) -> bool:
        return (self.wanted.kind, self.wanted.reason) == (counted.kind, counted.reason)

    def toggled(self, counted: Counted) -> str:
        """The query for the letters of one kind and reason among these; without, if chosen."""
        same = {"kind": counted.kind, "reason": counted.reason}
        if self.chooses(counted):
            return urlencode({name: one for name, one in self.wishes.items() if name not in same})
        return urlencode({**self.wishes, **same})


@require_GET
def letter_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The list; asked again by itself, it answers only when something has changed."""
    search = read(request.GET, account_id)
    before = request.GET.get("before", "")
    page = paging.newest_first(
        with_subjects(search.wanted.rows()), before, size=PAGE_SIZE, moment="failed_at"
    )
    rows = [row_of(each) for each in page.rows]
    seen = hashlib.sha256(repr([row.shown for row in rows]).encode()).hexdigest()[:16]
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=NOT_SHOWN)
    here = reverse("functions:dead-letters", args=[account_id])
    wider = Wanted(
        account_id=account_id,
        states=search.wanted.states,
        connection_id=search.wanted.connection_id,
        since=search.wanted.since,
        until=search.wanted.until,
    )
    counts = dead_letters.counts(wider)
    matching = [
        each
        for each in counts
        if search.wanted.kind in ("", each.kind) and search.wanted.reason in ("", each.reason)
    ]
    older = urlencode({**search.wishes, "before": page.older}) if page.older else ""
    template = "functions/dead_letters.html"
    context = {
        "rows": rows,
        "search": search,
        "form": search.form,
        "window": search.window,
        "counts": [(each, search.toggled(each), search.chooses(each)) for each in counts],
        "matching": sum(each.count for each in matching),
        "open": sum(each.open for each in matching),
        "waiting": not search.wanted.states,
        "filtered": bool(search.wishes),
        "before": before,
        "older": f"{here}?{older}" if older else "",
        "newest": f"{here}?{search.query}" if before else "",
        "back": urlencode({"back": search.query}) if search.query else "",
        "seen": seen,
        "may_act": may_act(request),
    }
    return render(request, f"{template}#rows" if request.htmx else template, context)


@require_GET
def letter(request: ConsoleRequest, account_id: str, letter_id: uuid.UUID) -> HttpResponse:
    """One of them: what it is, why it was given up, and what was done about it."""
    found = find(account_id, letter_id)
    row = row_of(found)
    notification = found.notification
    context: dict[str, Any] = {
        "row": row,
        "letter": found,
        # Why it failed is said above.
        "drawn": replace(drawing.draw_command(found.command), why="") if found.command else None,
        "event": row.trace_of,
        "payload": found.event.payload if found.event else None,
        "notification": notification,
        "body": drawing.body_text(bytes(notification.body)) if notification else "",
        "may_act": may_act(request),
    }
    return render(request, "functions/dead_letter.html", context)


def read(query: QueryDict, account_id: str) -> Search:
    """What an address, or the fields of a form, ask for."""
    connections = Connection.objects.filter(account_id=account_id).order_by("name")
    form = LetterFilterForm(connections, query)
    form.is_valid()
    window = windows.read(query, presets=WINDOWS)
    asked = {name: value for name, value in form.cleaned_data.items() if value}
    wanted = Wanted(
        account_id=account_id,
        states=[asked["state"]] if "state" in asked else (),
        kind=asked.get("kind", ""),
        reason=asked.get("reason", ""),
        connection_id=uuid.UUID(asked["connection"]) if "connection" in asked else None,
        since=window.since,
        until=window.until,
    )
    return Search(form, window, wanted, asked | dict(window.wishes))


def find(account_id: str, letter_id: uuid.UUID) -> DeadLetter:
    rows = DeadLetter.objects.filter(account_id=account_id)
    subjects = ("notification", "event__conversation", "command__event__conversation")
    found = rows.select_related("conversation__connection", "connection", *subjects)
    return get_object_or_404(found, pk=letter_id)


def with_subjects(rows: Any) -> Any:
    """With as much of what they are about as a row of the list shows."""
    return rows.select_related(
        "connection", "conversation", "notification", "event", "command__event"
    ).defer(
        "conversation__state", "notification__body", "event__payload", "command__event__payload"
    )


def row_of(letter: DeadLetter) -> Row:
    match letter.kind:
        case LetterKind.COMMAND if letter.command:
            drawn = drawing.draw_command(letter.command)
            event = letter.command.event
            what = f"“{drawn.text}”" if drawn.text else drawn.label
            return Row(letter, what, name_event(event.type, event.subtype), event)
        case LetterKind.EVENT if letter.event:
            return Row(
                letter, name_event(letter.event.type, letter.event.subtype), "Event", letter.event
            )
    kind = letter.notification.kind if letter.notification else ""
    return Row(letter, kind, "Notification", None)


def may_act(request: ConsoleRequest) -> bool:
    return bool(request.roles & ROLES)
