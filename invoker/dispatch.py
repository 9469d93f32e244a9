"""The controller bot: notifications to events, events to functions, functions to commands.

One worker at a time works on a conversation, under its lease, in the order of arrival. Whatever
it does is written down before it has an effect outside, so whoever takes over resumes and does
not repeat. A lost knock, a doubled one and a dead worker change nothing: rows decide.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.models import Q
from django.utils import timezone

from invoker import calls, commands, conversations, events, invocations, runtime
from invoker.fields import storable
from invoker.models import (
    CommandState,
    ControllerBot,
    Conversation,
    Deployment,
    Event,
    EventState,
    Invocation,
    InvocationState,
    Lease,
    LeaseLostError,
    Notification,
    NotificationState,
    Verdict,
)
from invoker.platforms import NO_CALLBACK_URL, PLATFORMS, Derived, RejectedError

logger = logging.getLogger(__name__)

# Short, so that a dead worker's conversations go on while their events are worth an answer. A
# living worker renews its leases, however long a step takes.
LEASE = dt.timedelta(seconds=10)
RENEW_EVERY_S = 3.0
# A webhook is retried for three days at most (`controller-bot.md` §2.3). A time further away is
# not lateness but a clock that cannot be compared with ours.
COMPARABLE_MS = 3 * 24 * 3600 * 1000
# Give the knock that came with an arrival time to be heard before the sweep repeats it.
SWEEP_AFTER = dt.timedelta(seconds=1)
SWEEP_LIMIT = 500
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
AFTER_ERROR = dt.timedelta(seconds=5)
GIVE_UP_AFTER = 5
# The database is away, locked or full: nothing is wrong with what is being handled.
PASSING_FAULTS = (OperationalError, InterfaceError)


def due_conversations() -> list[int]:
    """Conversations with work that nobody does, the longest waiting first."""
    now = timezone.now()
    due = Conversation.objects.filter(due_at__lt=now - SWEEP_AFTER)
    free = due.filter(Q(lease_until=None) | Q(lease_until__lt=now))
    return list(free.order_by("due_at").values_list("pk", flat=True)[:SWEEP_LIMIT])


def drain(conversation_pk: int) -> int:
    """Handle everything that waits in one conversation.

    Returns:
        How many events were finished. 0 when another worker holds the conversation or nothing
        was due.
    """
    lease = Lease.claim(conversation_pk, LEASE)
    if lease is None:
        return 0
    try:
        with _renewer.keep(lease):
            return _drain(lease)
    except LeaseLostError:
        logger.warning("lease lost", extra={"conversation_pk": conversation_pk})
        return 0
    except BaseException:
        # Not at once again: what failed here would most likely fail again.
        lease.postpone(AFTER_ERROR)
        raise


class _Renewer:
    """Renews the leases of this process while they are worked under, from a thread of its own."""

    def __init__(self) -> None:
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[None]:
        with self._lock:
            self._leases.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._leases.discard(lease)

    def _renew(self) -> None:
        while True:
            time.sleep(RENEW_EVERY_S)
            with self._lock:
                kept = list(self._leases)
            try:
                for lease in kept:
                    lease.renew()
            except DatabaseError:
                # The lease ends by itself, and whoever takes over resumes.
                logger.warning("cannot renew leases", extra={"leases": len(kept)})
            finally:
                connections.close_all()


_renewer = _Renewer()


def _drain(lease: Lease) -> int:
    conversation = Conversation.objects.select_related("connection").get(pk=lease.conversation_pk)
    finished = 0
    while True:
        seen = lease.arrived()
        _digest(lease, conversation)
        event = conversation.events.exclude(state=EventState.DONE).order_by("position").first()
        due_at = None
        if event is not None:
            event.conversation = conversation
            due_at = _handle_or_give_up(lease, conversation, event)
            if due_at is None:
                finished += 1
                continue
        # Not released when something arrived meanwhile: take note of it first.
        if lease.release(seen=seen, due_at=due_at):
            return finished


def _handle_or_give_up(
    lease: Lease, conversation: Conversation, event: Event
) -> dt.datetime | None:
    """Handle an event; one that fails us again and again must not hold up those behind it."""
    try:
        return _handle(lease, conversation, event)
    except (LeaseLostError, *PASSING_FAULTS):
        raise
    except Exception:
        logger.exception("cannot handle an event", extra={"event_id": event.pk})
        errors = event.errors + 1
        if errors >= GIVE_UP_AFTER:
            _finish(lease, event, Verdict.BROKEN)
            return None
        with lease.transaction():
            Event.objects.filter(pk=event.pk).update(errors=errors)
        return timezone.now() + AFTER_ERROR


def _digest(lease: Lease, conversation: Conversation) -> None:
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


def _handle(lease: Lease, conversation: Conversation, event: Event) -> dt.datetime | None:
    """Run the function of an event and carry out what it asked for.

    Returns:
        None when the event is done, else when to come back to it.
    """
    if event.state == EventState.WAITING:
        if not _functions_enabled(event.account_id):
            _finish(lease, event, Verdict.DISABLED)
            return None
        invocation = _begin_invocation(lease, event)
        result = _run(event, invocation) if invocation else None
        # What arrived while the function ran decides whether its commands still make sense.
        _digest(lease, conversation)
        with lease.transaction():
            if invocation and result:
                invocations.record(invocation, result)
            commands.record(event, _asked(event, result), invocation)
            Event.objects.filter(pk=event.pk).update(state=EventState.DELIVERING)
        event.state = EventState.DELIVERING
    due_at = commands.deliver(lease, conversation.connection, event, stored_state(conversation))
    if due_at is None:
        _finish(lease, event, _verdict(event))
    return due_at


def _functions_enabled(account_id: str) -> bool:
    bots = ControllerBot.objects.filter(pk=account_id, functions_enabled_at__isnull=False)
    return bots.exists()


def _begin_invocation(lease: Lease, event: Event) -> Invocation | None:
    """Write down that the event's function runs now. None when nobody listens."""
    deployment = Deployment.objects.filter(
        account_id=event.account_id, event_type=event.type, active=True
    ).first()
    if deployment is None:
        return None
    with lease.transaction():
        # A run that another worker began and did not live to record is started again: its
        # commands were not recorded, so nothing of it has left the house.
        event.invocations.filter(outcome=InvocationState.RUNNING).update(
            outcome=InvocationState.UNKNOWN, finished_at=timezone.now()
        )
        return Invocation.objects.create(
            account_id=event.account_id,
            event=event,
            deployment=deployment,
            function_id=deployment.function_id,
        )


def _run(event: Event, invocation: Invocation) -> runtime.Result:
    result = runtime.run(
        calls.program(invocation.deployment),
        {
            "timestamp": int(event.occurred_at.timestamp() * 1000),
            "headers": [],
            "payload": event.payload,
        },
        timeout_s=settings.INVOCATION_TIMEOUT_S,
        trace_id=str(invocation.pk),
    )
    logger.info(
        "function ran",
        extra={
            "account_id": event.account_id,
            "event_id": event.pk,
            "invocation_id": invocation.pk,
            "outcome": result.outcome.value,
            "ms": round(result.duration_ms, 1),
        },
    )
    return result


def _asked(event: Event, result: runtime.Result | None) -> list[commands.Asked]:
    if result is None or result.outcome != runtime.Outcome.SUCCEEDED:
        return []
    if not events.EVENT_TYPES[event.type].runs_commands:
        return []
    return commands.parse(result.value)


def _verdict(event: Event) -> Verdict:
    """The worst that happened to a command of the event, else the best."""
    rows: list[Mapping[str, Any]] = list(event.commands.values("state", "reason", "invocation_id"))
    states = {row["state"] for row in rows}
    if any(row["reason"] == NO_CALLBACK_URL for row in rows):
        return Verdict.NOWHERE
    for state, verdict in (
        (CommandState.FAILED, Verdict.FAILED),
        (CommandState.UNCERTAIN, Verdict.UNCERTAIN),
        (CommandState.STALE, Verdict.STALE),
    ):
        if state in states:
            return verdict
    sent = [row for row in rows if row["state"] == CommandState.SENT]
    if not sent:
        return Verdict.NOTHING
    return Verdict.DELIVERED if any(row["invocation_id"] for row in sent) else Verdict.DEFAULT


def _finish(lease: Lease, event: Event, verdict: Verdict) -> None:
    with lease.transaction():
        Event.objects.filter(pk=event.pk).update(
            state=EventState.DONE, verdict=verdict, finished_at=timezone.now()
        )
    logger.info(
        "event done",
        extra={"account_id": event.account_id, "event_id": event.pk, "verdict": verdict.value},
    )
