"""Which letters there are, how many, and what stands in the way of one."""

import copy
import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from invoker import commands, digesting, giving_up, guards
from invoker.models import (
    Command,
    CommandState,
    CommandType,
    DeadLetter,
    Event,
    LetterKind,
    LetterState,
)

MOST_COUNTED: Final = 100
"""Where only "some" counts, no more than so many are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters of an account; what is empty does not matter.

    `states` empty means those that wait. `since` and `until` are about when it was given up last.
    """

    account_id: str
    states: Collection[str] = ()
    kind: str = ""
    reason: str = ""
    connection_id: uuid.UUID | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def rows(self) -> QuerySet[DeadLetter]:
        found = DeadLetter.objects.filter(account_id=self.account_id)
        found = found.filter(state__in=self.states) if self.states else found.filter(closed_at=None)
        exact = {
            "kind": self.kind, "reason": self.reason, "connection_id": self.connection_id,
            "failed_at__gte": self.since, "failed_at__lt": self.until,
        }  # fmt: skip
        return found.filter(**{name: value for name, value in exact.items() if value})


@dataclass(frozen=True, slots=True)
class Counted:
    """So many letters of a kind, for the same reason; `open` of them can be retried."""

    kind: str
    reason: str
    count: int
    open: int


def count_waiting(account_id: str) -> int:
    """How many wait, `MOST_COUNTED` at most."""
    return Wanted(account_id=account_id).rows()[:MOST_COUNTED].count()


def counts(wanted: Wanted) -> list[Counted]:
    """How many there are of each kind and reason, the most first."""
    open_ones = Count("pk", filter=Q(state=LetterState.OPEN))
    kinds = wanted.rows().values_list("kind", "reason")
    found = kinds.annotate(count=Count("pk"), open=open_ones)
    return [Counted(*row) for row in found.order_by("-count", "kind", "reason")]


def by_account() -> list[Mapping[str, Any]]:
    """`account_id`, `count` and `oldest` of every account where some wait, the most first."""
    waiting = DeadLetter.objects.filter(closed_at=None).values("account_id")
    found = waiting.annotate(count=Count("pk"), oldest=Min("failed_at"))
    return list(found.order_by("-count", "account_id"))


def progress(account_id: str, *, since: dt.datetime) -> dict[str, int]:
    """What became of the letters that were tried again since then: numbers by state."""
    tried = DeadLetter.objects.filter(account_id=account_id, retried_at__gte=since)
    return dict(tried.values_list("state").annotate(Count("pk")).order_by())


def title(letter: DeadLetter) -> str:
    """What it is about, in a few words; no text that somebody wrote."""
    conv_id = letter.conversation.conv_id
    match letter.kind:
        case LetterKind.COMMAND if letter.command:
            return f"{what(letter.command)} in {conv_id}"
        case LetterKind.EVENT if letter.event:
            return f"event {letter.event.subtype or letter.event.type} of {conv_id}"
    return f"notification of {conv_id}"


def what(command: Command) -> str:
    found = CommandType.values
    return CommandType(command.type).label.lower() if command.type in found else command.type


def redeliverable(event: Event) -> QuerySet[Command]:
    """The commands of an event that can be sent again, in the order of delivery."""
    stopped_again = Q(state=CommandState.STALE, redelivered_at__isnull=False)
    failed = event.commands.filter(Q(state__in=giving_up.GIVEN_UP) | stopped_again)
    return failed.order_by("position")


def is_redeliverable(command: Command) -> bool:
    """The same of one command. One that a guard stopped is, where a person had it sent again."""
    stopped_again = command.state == CommandState.STALE and command.redelivered_at is not None
    return command.state in giving_up.GIVEN_UP or stopped_again


def obstacle(command: Command) -> guards.Stale | None:
    """What would stop a command if somebody had it sent again now, as far as that can be told.

    None also where what it asks for has been done by somebody else.
    """
    tried = copy.copy(command)
    tried.redelivered_at = timezone.now()
    conversation = command.event.conversation
    state = digesting.stored_state(conversation)
    if commands.is_done(tried, state):
        return None
    rules = digesting.Rules.load(conversation)
    return commands.stopped_by(conversation.connection, tried, state, rules.hours)


def is_begun(event: Event) -> bool:
    """Whether an event's function has run and is not to run again; as `retry` decides it."""
    return event.function_id is not None or event.commands.exists()
