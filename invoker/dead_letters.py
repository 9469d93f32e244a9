"""What people do about dead letters: find them, have them tried again, discard them.

DeadLetterError      has a stable `code`; the message says what to do
├── NotWaitingError  somebody else was quicker, or there is nothing to try again
├── NoteError        the note does not fit
└── PlaceError       the place to go on after was not given out here
"""

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from invoker import audit, giving_up, ingest, metrics
from invoker.models import (
    LONGEST_NOTE,
    Command,
    CommandState,
    CommandType,
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

MOST_COUNTED: Final = 100
"""Where only "some" counts, no more than so many are counted."""
MOST_AT_ONCE: Final = 50
"""How many letters of an account are tried again at a time: they share the workers with what
happens now."""
DISCARDED_AT_ONCE: Final = 500
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND: Final = dt.timedelta(microseconds=1)
BEGINNING: Final = f"0_{uuid.UUID(int=0).hex}"
"""A place before all letters."""


class DeadLetterError(Exception):
    code = "dead-letter-error"


class NotWaitingError(DeadLetterError):
    code = "not-waiting"


class NoteError(DeadLetterError):
    code = "invalid-note"


class PlaceError(DeadLetterError):
    code = "invalid-place"


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
    """So many letters of a kind wait, for the same reason."""

    kind: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step through many letters.

    `done` were changed now. Where there is `more`, the next step begins behind `after`; nothing
    done, and more, means that the workers are busy with those before.
    """

    done: int
    more: bool
    after: str


def count_waiting(account_id: str) -> int:
    """How many wait, `MOST_COUNTED` at most."""
    return Wanted(account_id=account_id).rows()[:MOST_COUNTED].count()


def counts(wanted: Wanted) -> list[Counted]:
    """How many there are of each kind and reason, the most first."""
    found = wanted.rows().values_list("kind", "reason").annotate(count=Count("pk"))
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
            return f"{_what(letter.command)} in {conv_id}"
        case LetterKind.EVENT if letter.event:
            return f"event {letter.event.subtype or letter.event.type} of {conv_id}"
    return f"notification of {conv_id}"


def _what(command: Command) -> str:
    found = CommandType.values
    return CommandType(command.type).label.lower() if command.type in found else command.type


# Trying again -------------------------------------------------------------------------------------


def retry(letter: DeadLetter, *, by: str, insists: bool = False) -> None:
    """Have one tried again; the letter says by itself what comes of it.

    A notification is read again. An event goes on where it stopped: its function runs, unless it
    has already. A command is sent with the id that it always had. With `insists` a message goes
    out although somebody has written since.

    Raises:
        NotWaitingError: somebody else was quicker, or has discarded it.
    """
    with transaction.atomic():
        if not _try_again([letter], by=by, insists=insists):
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
        done = _try_again(letters, by=by, insists=insists)
        if not done:
            raise NotWaitingError(
                "Cannot redeliver it: nothing failed or is uncertain, or somebody was quicker"
            )
        what = _what(letters[0].command) if len(letters) == 1 and letters[0].command else ""
        audit.record(
            event.account_id,
            "dead-letter.redelivered",
            f"{what or f'{done} commands'} in {event.conversation.conv_id}",
            by=by,
            subject_id=event.pk,
        )
    return done


def redeliverable(event: Event) -> QuerySet[Command]:
    """The commands of an event that can be sent again, in the order of delivery."""
    stopped_again = Q(state=CommandState.STALE, redelivered_at__isnull=False)
    failed = event.commands.filter(Q(state__in=giving_up.GIVEN_UP) | stopped_again)
    return failed.order_by("position")


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
            state=LetterState.OPEN, closed_at=None, closed_by=""
        )
    return letter


def retry_some(wanted: Wanted, *, by: str, begun_at: dt.datetime, after: str = "") -> Batch:
    """Have the next of many tried again; call it until there are no more.

    No more than `MOST_AT_ONCE` are under way at a time. What fails again meanwhile is not tried a
    second time. The audit log has one entry, from the first step.

    Args:
        wanted: which ones; only those that are open count.
        by: who asks.
        begun_at: when the first step was.
        after: the place where the step before ended, "" for the first.
    """
    busy = DeadLetter.objects.filter(account_id=wanted.account_id, state=LetterState.RETRYING)
    room = MOST_AT_ONCE - busy[:MOST_AT_ONCE].count()

    def step(letters: list[DeadLetter]) -> int:
        return _try_again(letters, by=by)

    return _step(
        wanted, step, begun_at=begun_at, after=after, room=room, by=by,
        action="dead-letter.retried",
    )  # fmt: skip


def discard_some(
    wanted: Wanted, note: str, *, by: str, begun_at: dt.datetime, after: str = ""
) -> Batch:
    """Discard the next of many, with the same note; as `retry_some` does.

    Raises:
        NoteError: nothing was discarded.
    """
    _check(note)

    def step(letters: list[DeadLetter]) -> int:
        return _discard(letters, note, by=by)

    return _step(
        wanted, step, begun_at=begun_at, after=after, room=DISCARDED_AT_ONCE, by=by,
        action="dead-letter.discarded", detail=note,
    )  # fmt: skip


def _step(
    wanted: Wanted,
    step: Callable[[list[DeadLetter]], int],
    *,
    begun_at: dt.datetime,
    after: str,
    room: int,
    by: str,
    action: str,
    detail: str = "",
) -> Batch:
    # The oldest first: of one conversation, what came first is said first.
    open_ones = wanted.rows().filter(state=LetterState.OPEN, failed_at__lte=begun_at)
    if after:
        at, key = _read(after)
        behind = Q(failed_at__gt=at) | Q(failed_at=at, pk__gt=key)
        open_ones = open_ones.filter(behind, failed_at__gte=at)
    room = max(room, 0)
    found = list(open_ones.order_by("failed_at", "pk")[: room + 1])
    now = found[:room]
    with transaction.atomic():
        if not after and found:
            count = open_ones.count()
            subject = "1 dead letter" if count == 1 else f"{count:,} dead letters"
            audit.record(
                wanted.account_id, action, subject, by=by, detail=detail, after=_facts(wanted)
            )
        done = step(now) if now else 0
    place = _place(now[-1].failed_at, now[-1].pk) if now else after or BEGINNING
    return Batch(done=done, more=len(found) > room, after=place)


def _try_again(candidates: Iterable[DeadLetter], *, by: str, insists: bool = False) -> int:
    """Put back to work what the letters tell of, as far as they are still open. Their number."""
    now, wanted = timezone.now(), list(candidates)
    with transaction.atomic():
        # The row of a conversation comes first, as with who works in it: of two who press at once
        # the second waits here, and then finds nothing open.
        Conversation.mark_arrivals(sorted({each.conversation_id for each in wanted}))
        same = DeadLetter.objects.filter(pk__in=[each.pk for each in wanted])
        letters = list(
            same.filter(state=LetterState.OPEN)
            .select_related("command__event", "event")
            .defer("command__event__payload", "event__payload")
        )
        if not letters:
            return 0
        commands = [each.command for each in letters if each.command]
        events = [each.event for each in letters if each.event]
        events += [each.event for each in commands]
        Command.objects.filter(pk__in=[each.pk for each in commands]).update(
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
        DeadLetter.objects.filter(pk__in=[each.pk for each in letters]).update(
            state=LetterState.RETRYING,
            tries=F("tries") + 1,
            retried_at=now,
            retried_by=by,
            insists=insists,
        )
        metrics.count_again(letters[0].account_id, {each.created_at for each in events})
        touched = sorted({each.conversation_id for each in letters})
        transaction.on_commit(lambda: ingest.knock(touched), robust=True)
    return len(letters)


# Discarding ---------------------------------------------------------------------------------------


def discard(letter: DeadLetter, note: str, *, by: str) -> None:
    """Decide that nothing is to be done about it; `put_back` takes that back.

    Raises:
        NotWaitingError: it is being retried, or somebody else was quicker.
        NoteError: the note does not fit.
    """
    _check(note)
    with transaction.atomic():
        if not _discard([letter], note, by=by):
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


def _discard(letters: Iterable[DeadLetter], note: str, *, by: str) -> int:
    same = DeadLetter.objects.filter(pk__in=[each.pk for each in letters], state=LetterState.OPEN)
    return same.update(
        state=LetterState.DISCARDED, closed_at=timezone.now(), closed_by=by, note=note
    )


def _check(note: str) -> None:
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise NoteError(
            f"Cannot discard with this note: it may have {LONGEST_NOTE} characters and no NUL"
        )


# Places in a list, and the audit log --------------------------------------------------------------


def _place(at: dt.datetime, key: uuid.UUID) -> str:
    return f"{(at - EPOCH) // MICROSECOND}_{key.hex}"


def _read(place: str) -> tuple[dt.datetime, uuid.UUID]:
    at, _, key = place.partition("_")
    try:
        return EPOCH + int(at) * MICROSECOND, uuid.UUID(key)
    except (ValueError, OverflowError) as error:
        raise PlaceError(f'Cannot go on after "{place[:60]}": give what was answered') from error


def _facts(wanted: Wanted) -> dict[str, Any]:
    said = {
        "Kind": wanted.kind,
        "Reason": wanted.reason,
        "Connection": str(wanted.connection_id or ""),
        "Since": f"{wanted.since:%Y-%m-%d %H:%M:%S} UTC" if wanted.since else "",
        "Until": f"{wanted.until:%Y-%m-%d %H:%M:%S} UTC" if wanted.until else "",
    }
    return {name: value for name, value in said.items() if value}


def _record(action: str, letter: DeadLetter, *, by: str, detail: str = "") -> None:
    audit.record(
        letter.account_id, action, title(letter), by=by, detail=detail, subject_id=letter.pk,
        after={"Reason": letter.reason},
    )  # fmt: skip
