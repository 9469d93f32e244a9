"""Having letters tried again, and discarding them. Errors: see the package."""

import uuid
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from invoker import audit, ingest, metrics
from invoker.dead_letters.errors import NoteError, NotWaitingError
from invoker.dead_letters.finding import redeliverable, title, what
from invoker.models import (
    LONGEST_NOTE,
    Command,
    CommandState,
    Conversation,
    DeadLetter,
    Event,
    EventState,
    LetterKind,
    LetterState,
    Notification,
    NotificationState,
    Verdict,
)


def retry(letter: DeadLetter, *, by: str, insists: bool = False) -> None:
    """Have one tried again; the letter says by itself what comes of it.

    A notification is read again. An event goes on where it stopped: its function runs, unless it
    has already. A command is sent with the id that it always had. With `insists` a message goes
    out although somebody has written since.

    Raises:
        NotWaitingError: somebody else was quicker, or has discarded it.
    """
    with transaction.atomic():
        if not try_again([letter], by=by, insists=insists):
            raise NotWaitingError(
                "Cannot retry it: it is not open any more, somebody was quicker, see how it stands"
            )
        _record("dead-letter.retried", letter, by=by)


def redeliver(
    event: Event, *, by: str, command_id: uuid.UUID | None = None, insists: bool = False
) -> int:
    """Send again what an event's commands did not achieve, one of them or all; as `retry` does.

    Returns:
        How many are sent again.

    Raises:
        NotWaitingError: none of them failed or is uncertain, or somebody else was quicker.
    """
    with transaction.atomic():
        Conversation.mark_arrivals([event.conversation_id])
        failed = redeliverable(event)
        if command_id:
            failed = failed.filter(pk=command_id)
        letters = [_open_letter_of(command, event) for command in failed]
        done = try_again(letters, by=by, insists=insists)
        if not done:
            raise NotWaitingError(
                "Cannot redeliver it: nothing failed or is uncertain, or somebody was quicker"
            )
        sent = what(letters[0].command) if done == 1 and letters[0].command else ""
        audit.record(
            event.account_id,
            "dead-letter.redelivered",
            f"{sent or f'{done} commands'} in {event.conversation.conv_id}",
            by=by,
            subject_id=event.pk,
        )
    return done


def _open_letter_of(command: Command, event: Event) -> DeadLetter:
    """The letter of a command, open; what is older than dead letters had none."""
    said = {"reason": command.reason[:60], "detail": command.detail}
    letter, made = DeadLetter.objects.get_or_create(
        command=command,
        defaults={
            "account_id": command.account_id,
            "connection_id": event.conversation.connection_id,
            "conversation": event.conversation,
            "kind": LetterKind.COMMAND,
            **said,
        },
    )
    if not made and letter.closed_at:
        DeadLetter.objects.filter(pk=letter.pk, closed_at__isnull=False).update(
            state=LetterState.OPEN, closed_at=None, closed_by="", note=""
        )
    return letter


def try_again(candidates: Iterable[DeadLetter], *, by: str, insists: bool = False) -> int:
    """Put back to work what the letters tell of, as far as they are still open. Their number."""
    now, wanted = timezone.now(), list(candidates)
    with transaction.atomic():
        # The row of a conversation comes first, as with who works in it: of two who press at once
        # the second waits here, and then finds nothing open.
        Conversation.mark_arrivals(sorted({each.conversation_id for each in wanted}))
        same = DeadLetter.objects.filter(pk__in=[each.pk for each in wanted])
        # Taken before anything is read: whoever discards takes no row of a conversation.
        taken = same.filter(state=LetterState.OPEN).update(
            state=LetterState.RETRYING,
            tries=F("tries") + 1,
            retried_at=now,
            retried_by=by,
            insists=insists,
        )
        if not taken:
            return 0
        letters = list(
            same.filter(state=LetterState.RETRYING, retried_at=now)
            .select_related("command__event", "event")
            .defer("command__event__payload", "event__payload")
        )
        again = [each.command for each in letters if each.command]
        events = [each.event for each in letters if each.event]
        events += [each.event for each in again]
        Command.objects.filter(pk__in=[each.pk for each in again]).update(
            state=CommandState.PENDING,
            reason="",
            detail="",
            attempts=0,
            due_at=now,
            sent_at=None,
            late_ms=None,
            redelivered_at=now,
        )
        begun = Q(function_id__isnull=False) | Exists(Command.objects.filter(event=OuterRef("pk")))
        Event.objects.filter(pk__in={each.pk for each in events}).update(
            state=Case(
                When(~Q(state=EventState.DONE), then=F("state")),
                When(begun, then=Value(EventState.DELIVERING.value)),
                default=Value(EventState.WAITING.value),
            ),
            verdict=Verdict.NONE,
            errors=0,
            finished_at=None,
            # Whoever works on it sees by this that it is not done yet.
            retried_at=now,
        )
        # Its `digested_at` stays, and tells that it is read once more.
        unread = [each.notification_id for each in letters if each.notification_id]
        Notification.objects.filter(pk__in=unread).update(
            state=NotificationState.PENDING, error="", note=""
        )
        metrics.count_again(letters[0].account_id, {each.created_at for each in events})
        touched = sorted({each.conversation_id for each in letters})
        transaction.on_commit(lambda: ingest.knock(letters[0].account_id, touched), robust=True)
    return len(letters)


def discard(letter: DeadLetter, note: str, *, by: str) -> None:
    """Decide that nothing is to be done about it; `put_back` takes that back.

    Raises:
        NotWaitingError: it is being retried, or somebody else was quicker.
        NoteError: the note does not fit.
    """
    check(note)
    with transaction.atomic():
        if not discard_all([letter], note, by=by):
            raise NotWaitingError(
                "Cannot discard it: it is not open any more, somebody was quicker, see how it "
                "stands"
            )
        _record("dead-letter.discarded", letter, by=by, detail=note)


def put_back(letter: DeadLetter, *, by: str) -> None:
    """Let a discarded one wait again.

    Raises:
        NotWaitingError: it is not discarded any more.
    """
    with transaction.atomic():
        same = DeadLetter.objects.filter(pk=letter.pk, state=LetterState.DISCARDED)
        if not same.update(state=LetterState.OPEN, closed_at=None, closed_by="", note=""):
            raise NotWaitingError("Cannot put it back: it is not discarded, see how it stands")
        _record("dead-letter.put-back", letter, by=by)


def discard_all(letters: Iterable[DeadLetter], note: str, *, by: str) -> int:
    same = DeadLetter.objects.filter(pk__in=[each.pk for each in letters], state=LetterState.OPEN)
    return same.update(
        state=LetterState.DISCARDED, closed_at=timezone.now(), closed_by=by, note=note
    )


def check(note: str) -> None:
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise NoteError(
            f"Cannot discard with this note: it may have {LONGEST_NOTE} characters and no NUL"
        )


def _record(action: str, letter: DeadLetter, *, by: str, detail: str = "") -> None:
    audit.record(
        letter.account_id, action, title(letter), by=by, detail=detail, subject_id=letter.pk,
        after={"Reason": letter.reason},
    )  # fmt: skip
