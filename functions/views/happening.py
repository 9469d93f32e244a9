"""What happened in one conversation: its events, the newest first, with what came of each."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch
from django.utils import timezone

from functions.views import drawing
from functions.views.drawing import Drawn
from invoker import events
from invoker.automatic_messages.names import name_event
from invoker.models import (
    Command,
    Conversation,
    Event,
    EventState,
    Invocation,
    NotificationState,
)

MOST_SHOWN = 50
LONG_WAIT_S = 10


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. `run` is its last invocation, None when no function ran."""

    event: Event
    title: str
    type: events.EventType | None
    run: Invocation | None
    drawn: Sequence[Drawn]

    @property
    def verdict(self) -> str:
        return self.event.verdict or "pending"

    @property
    def why(self) -> str:
        """Why nothing was said, where no command tells."""
        if self.event.state != EventState.DONE:
            return ""
        return "" if self.drawn else self.event.detail

    @property
    def over_budget(self) -> bool:
        ran_ms = self.run.duration_ms if self.run else None
        return ran_ms is not None and ran_ms > drawing.BUDGET_MS


@dataclass(frozen=True, slots=True)
class Story:
    """`older`: there are more than are shown. `waiting` notifications led to no event yet."""

    events: Sequence[Happened]
    total: int
    waiting: int
    waits_since: dt.datetime | None
    unread: int

    @property
    def waits(self) -> bool:
        """Whether they wait for so long that something may be wrong."""
        since = self.waits_since
        return since is not None and (timezone.now() - since).total_seconds() > LONG_WAIT_S

    @property
    def older(self) -> bool:
        return self.total > len(self.events)


def of(conversation: Conversation) -> Story:
    """Six queries, however many events there are."""
    runs = Invocation.objects.select_related("deployment").defer(
        "deployment__code", "deployment__environment", "result"
    )
    rows = (
        Event.objects.filter(conversation=conversation)
        .defer("payload")
        .select_related("caused_by")
        .prefetch_related(
            Prefetch("invocations", runs.order_by("started_at")),
            Prefetch("commands", Command.objects.order_by("position")),
        )
        .order_by("-position")[:MOST_SHOWN]
    )
    shown = [_happened(each) for each in rows]
    total = len(shown)
    if total == MOST_SHOWN:
        total = Event.objects.filter(conversation=conversation).count()
    notes = conversation.notifications
    waiting = list(
        notes.filter(state=NotificationState.PENDING).values_list("received_at", flat=True)
    )
    return Story(
        shown,
        total,
        waiting=len(waiting),
        waits_since=min(waiting, default=None),
        unread=notes.filter(state=NotificationState.FAILED).count(),
    )


def _happened(event: Event) -> Happened:
    runs = list(event.invocations.all())
    return Happened(
        event,
        name_event(event.type, event.subtype),
        events.EVENT_TYPES.get(event.type),
        runs[-1] if runs else None,
        [drawing.draw_command(command) for command in event.commands.all()],
    )
