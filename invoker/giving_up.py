"""Keeping what is given up as dead letters, and closing those that went through after all.

All of it is called inside the transaction that gives up or succeeds, under the lease, so that a
letter and what it tells of are there together or not at all. What goes well and was never given up
costs no query.
"""

from typing import Any, Final

from django.utils import timezone

from invoker.fields import storable
from invoker.models import (
    Command,
    CommandState,
    Conversation,
    DeadLetter,
    Event,
    LetterKind,
    LetterState,
    Notification,
    Retention,
    Verdict,
)

HOUSTON_FAILED: Final = "houston-failed"
GIVEN_UP: Final = (CommandState.FAILED, CommandState.UNCERTAIN)
EXPECTED: Final = frozenset({"closed", "over"})
"""Why a platform refuses what comes a moment too late: nobody has to decide about that."""
NEVER_OVERRULED: Final = frozenset({"closed", "over", "connection-off", "too-old"})
"""Guards that hold also for a person who insists: the platform would not take it, or too much time
has passed since they did."""


def settled(command: Command, state: CommandState, *, reason: str, detail: str) -> None:
    """Take note of the final state that a command is given.

    One that a person had redelivered is a letter again whatever stops it, a guard too: they wait
    for what comes of it.
    """
    again = command.redelivered_at is not None
    if state in GIVEN_UP and (again or reason not in EXPECTED):
        _keep(LetterKind.COMMAND, command, command.event.conversation, reason, detail)
    elif again and state == CommandState.SENT:
        _close(command=command)
    elif again:
        _keep(LetterKind.COMMAND, command, command.event.conversation, reason, detail)


def event_broken(event: Event, detail: str) -> None:
    """Houston failed on an event again and again, and none of its commands says so."""
    _keep(LetterKind.EVENT, event, event.conversation, HOUSTON_FAILED, detail)


def event_finished(event: Event, verdict: Verdict) -> None:
    """Take note that an event is done; nothing for one that nobody had retried."""
    if event.retried_at is None:
        return
    if verdict == Verdict.DISABLED:
        waiting = DeadLetter.objects.filter(event=event, state=LetterState.RETRYING)
        waiting.update(
            state=LetterState.OPEN,
            reason="functions-off",
            detail="Functions are not enabled for this account, so nothing ran",
            failed_at=timezone.now(),
        )
        return
    _close(event=event)


def notification_failed(notification: Notification, reason: str, detail: str) -> None:
    _keep(LetterKind.NOTIFICATION, notification, notification.conversation, reason, detail)


def notification_read(notification: Notification) -> None:
    """Take note that a notification was read; nothing for one that is read for the first time."""
    if notification.digested_at is not None:
        _close(notification=notification)
        # Retention passed by its body while it could still be tried again.
        Retention.objects.filter(
            pk=notification.account_id, bodies_until__gte=notification.pk
        ).update(bodies_until=notification.pk - 1)


def overruled(command: Command, reason: str) -> bool:
    """Whether a person wants it sent in spite of the guard that gives this reason."""
    if command.redelivered_at is None or reason in NEVER_OVERRULED:
        return False
    waiting = DeadLetter.objects.filter(command=command, state=LetterState.RETRYING)
    return waiting.filter(insists=True).exists()


def _keep(
    kind: LetterKind,
    subject: Notification | Event | Command,
    conversation: Conversation,
    reason: str,
    detail: str,
) -> None:
    about: dict[str, Any] = {kind.value: subject}
    said = {"reason": reason[:60], "detail": storable(detail), "failed_at": timezone.now()}
    same = DeadLetter.objects.filter(**about)
    if same.update(state=LetterState.OPEN, closed_at=None, closed_by="", note="", **said):
        return
    DeadLetter.objects.create(
        account_id=conversation.account_id,
        connection_id=conversation.connection_id,
        conversation=conversation,
        kind=kind,
        **about,
        **said,
    )


def _close(**about: Any) -> None:
    waiting = DeadLetter.objects.filter(state=LetterState.RETRYING, **about)
    waiting.update(state=LetterState.DONE, closed_at=timezone.now(), closed_by="")
