"""What happened: the events that can be replayed, always of one account."""

import uuid
from collections.abc import Collection

from django.db.models import QuerySet

from functions.models import Function
from functions.replays.errors import InvalidChoiceError
from invoker.models import Conversation, Event


def by_id(account_id: str, ids: Collection[uuid.UUID]) -> QuerySet[Event]:
    """These events.

    Raises:
        InvalidChoiceError: the account has not all of them.
    """
    found = Event.objects.filter(account_id=account_id, pk__in=ids)
    there = set(found.values_list("pk", flat=True))
    for each in ids:
        if each not in there:
            raise InvalidChoiceError(f'Cannot replay the event "{each}": the account has none such')
    return found


def of_conversation(
    account_id: str, conv_id: str, function: Function | None = None
) -> QuerySet[Event]:
    """All of a conversation, by the id that the platform gave it.

    Raises:
        InvalidChoiceError: the account has no such conversation, or `function` no part in it.
    """
    events = _events_in(account_id, conv_id)
    if events is None:
        raise InvalidChoiceError(
            f'Cannot replay the conversation "{conv_id[:60]}": the account has none such'
        )
    if function and not events.filter(type=function.event_type).exists():
        raise InvalidChoiceError(
            f'Cannot replay the conversation "{conv_id[:60]}" with "{function.name}": nothing '
            "happened in it that this function is for, choose another one"
        )
    return events


def functions_in(account_id: str, conv_id: str) -> QuerySet[Function]:
    """Those that something in a conversation is for, whatever their skills."""
    events = _events_in(account_id, conv_id)
    types = [] if events is None else list(events.values_list("type", flat=True).distinct())
    return Function.objects.filter(account_id=account_id, event_type__in=types)


def _events_in(account_id: str, conv_id: str) -> QuerySet[Event] | None:
    """None where there is no such conversation."""
    rows = Conversation.objects.filter(account_id=account_id, conv_id=conv_id)
    found = list(rows.values_list("pk", flat=True))
    return Event.objects.filter(account_id=account_id, conversation__in=found) if found else None


def of_type(function: Function) -> QuerySet[Event]:
    """All of a function's event, whatever their skill."""
    return Event.objects.filter(account_id=function.account_id, type=function.event_type)
