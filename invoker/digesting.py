"""Notifications to state and events: what is stored of a conversation is brought up to date."""

import datetime as dt
import logging

import msgspec
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from invoker import conversations
from invoker.fields import storable
from invoker.models import (
    Conversation,
    Event,
    Lease,
    LeaseLostError,
    Notification,
    NotificationState,
)
from invoker.platforms import PLATFORMS, Derived, RejectedError

logger = logging.getLogger(__name__)

# A webhook is retried for three days at most (`controller-bot.md` §2.3). A time further away is
# not lateness but a clock that cannot be compared with ours.
COMPARABLE_MS = 3 * 24 * 3600 * 1000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The database is away, locked or full: nothing is wrong with what is being handled.
PASSING_FAULTS = (OperationalError, InterfaceError)


def digest(lease: Lease, conversation: Conversation) -> None:
    """Bring the stored state up to date with every notification that waits."""
    waiting = conversation.notifications.filter(state=NotificationState.PENDING).order_by("pk")
    for notification in waiting:
        try:
            with lease.transaction():
                note = _digest_one(conversation, notification)
                _set_digested(notification, NotificationState.DONE, note=note)
        except (LeaseLostError, *PASSING_FAULTS):
            raise
        except Exception as error:
            # The door reads what it takes, so this is a fault of ours, or a notification that an
            # older version took. It is kept and shown, and those behind it go on.
            logger.exception(
                "cannot digest a notification", extra={"notification_id": notification.pk}
            )
            conversation.refresh_from_db(fields=["state", "state_version"])
            with lease.transaction():
                message = error.message if isinstance(error, RejectedError) else repr(error)
                _set_digested(notification, NotificationState.FAILED, error=storable(message))


def _set_digested(
    notification: Notification, state: NotificationState, *, note: str = "", error: str = ""
) -> None:
    Notification.objects.filter(pk=notification.pk).update(
        state=state, note=note, error=error, digested_at=timezone.now()
    )


def _digest_one(conversation: Conversation, notification: Notification) -> str:
    connection = conversation.connection
    change = PLATFORMS[connection.platform].digest(bytes(notification.body))
    if isinstance(change, Derived):
        _add_events(
            conversation,
            notification,
            [
                conversations.DerivedEvent(
                    type=change.event_type,
                    subtype=change.payload["general"]["cbotEventType"],
                    occurred_ms=change.occurred_ms,
                    payload=change.payload,
                )
            ],
        )
        return ""
    now_ms = int(notification.received_at.timestamp() * 1000)
    if abs(now_ms - change.ts_ms) > COMPARABLE_MS:
        now_ms = change.ts_ms
    derivation = conversations.derive(
        stored_state(conversation),
        change,
        conversations.Circumstances(
            now_ms=now_ms,
            account_id=conversation.account_id,
            own_ids=frozenset(connection.own_ids),
        ),
    )
    conversation.state = msgspec.to_builtins(derivation.state)
    conversation.state_version = derivation.state.version
    Conversation.objects.filter(pk=conversation.pk).update(
        state=conversation.state, state_version=conversation.state_version
    )
    _add_events(conversation, notification, derivation.events)
    return derivation.note


def stored_state(conversation: Conversation) -> conversations.State | None:
    """The conversation's state as the derivation left it, None before the first notification."""
    if conversation.state is None:
        return None
    return msgspec.convert(conversation.state, conversations.State)


def _add_events(
    conversation: Conversation,
    notification: Notification,
    derived: "tuple[conversations.DerivedEvent, ...] | list[conversations.DerivedEvent]",
) -> None:
    if not derived:
        return
    last = conversation.events.order_by("-position").values_list("position", flat=True).first()
    Event.objects.bulk_create(
        [
            Event(
                account_id=conversation.account_id,
                conversation=conversation,
                notification=notification,
                type=one.type,
                subtype=one.subtype,
                payload=one.payload,
                position=position,
                occurred_at=EPOCH + dt.timedelta(milliseconds=one.occurred_ms),
                received_at=notification.received_at,
            )
            for position, one in enumerate(derived, start=(last or 0) + 1)
        ]
    )
