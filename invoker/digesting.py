"""Notifications and time to state and events: what is stored of a conversation, kept up to date."""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Collate
from django.utils import timezone

from invoker import (
    automatic_messages,
    conversations,
    events,
    giving_up,
    hours,
    resuming,
    simulator,
    statements,
    telemetry,
)
from invoker.epoch import millis, moment
from invoker.fields import storable
from invoker.models import (
    Command,
    CommandState,
    CommandType,
    ControllerBot,
    Conversation,
    Event,
    EventState,
    Lease,
    LeaseLostError,
    Notification,
    NotificationState,
    Office,
    Verdict,
)
from invoker.platforms import PLATFORMS, Derived, RejectedError

logger = logging.getLogger(__name__)

# Timers count by the platform's clock, so one that is far away is looked at again before: ours
# may have been wrong when it was set.
LOOK_AGAIN = dt.timedelta(hours=1)
# Databases take some ten thousand values with one statement.
LOOKED_AT_ONCE = 1000
# A function that answers its own transfer with a transfer would never end. Source: §3.4.9.
LOOP_WINDOW = dt.timedelta(seconds=10)
LOOP_EVENTS = 5
LONGEST_CHAIN = 20
ANSWERS_ITSELF = (
    f"This silence came {LONGEST_CHAIN} times without a word of the consumer, so it is not handled "
    "any more: look for a function that moves the conversation on whenever it is silent. If the "
    "platform tells the bot's own messages as those of an agent, name the bot's user in the "
    "connection's settings, or send its messages with the role CONTROLLER"
)
# How long after a command the platform may take to tell what came of it.
ECHO = dt.timedelta(seconds=30)
# The database is away, locked or full: nothing is wrong with what is being handled. The last one is
# a transaction that PostgreSQL ended, or a node that only reads since another one leads.
PASSING_FAULTS = (OperationalError, InterfaceError, InternalError)

SUPPRESSED = {
    "auto-closed": "The consumer's last conversation was closed by the system within the last 48 "
    "hours, so this one counts as its continuation and nobody is welcomed again",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an account has set that decides about the events of a conversation."""

    bot: ControllerBot | None
    hours: conversations.Hours
    idle_times: Callable[[str], conversations.IdleTimes]

    @property
    def runs_functions(self) -> bool:
        """Whether the account has its functions enabled."""
        return self.bot is not None and self.bot.functions_enabled_at is not None

    @classmethod
    def load(cls, conversation: Conversation) -> "Rules":
        found = statements.select(ControllerBot, "WHERE account_id = %s", [conversation.account_id])
        return cls.beside(conversation, next(iter(found), None))

    @classmethod
    def beside(cls, conversation: Conversation, bot: ControllerBot | None) -> "Rules":
        """For who has read the account's bot already."""
        account_id = conversation.account_id
        simulation = conversation.simulated
        return cls(
            bot,
            conversations.FixedHours(simulation.office == Office.OPEN, simulation.office_since_ms)
            if simulation and simulation.office
            else hours.load(account_id),
            automatic_messages.idle_times(account_id),
        )


def digest(
    lease: Lease,
    conversation: Conversation,
    rules: Rules,
    *,
    begin: Callable[[Event], None] | None = None,
) -> list[Event]:
    """Bring the stored state up to date with every notification that waits.

    Where only one waits, `begin` is called with the first event that comes of it, in the
    transaction that adds it.

    Returns:
        The events that came of it and are to be handled, in order.
    """
    # The state is spelled out, as the index has it.
    waiting = statements.select(
        Notification,
        "WHERE conversation_id = %s AND state = 'pending' ORDER BY id",
        [conversation.pk],
    )
    if len(waiting) > 1:
        begin = None
    added: list[Event] = []
    for notification in waiting:
        came = {"notification_id": notification.pk, "request_id": notification.request_id}
        try:
            with telemetry.step("derive", parent=notification.traceparent, **came):
                added += _digest_one(lease, conversation, notification, rules, begin)
        except (LeaseLostError, *PASSING_FAULTS):
            raise
        except Exception as error:
            # The door reads what it takes, so this is a fault of ours, or a notification that an
            # older version took. It is kept and shown, and those behind it go on.
            logger.exception(
                "cannot digest a notification", extra={"notification_id": notification.pk}
            )
            conversation.refresh_from_db(fields=["state", "state_version", "consumer_id"])
            reason, message = giving_up.HOUSTON_FAILED, repr(error)
            if isinstance(error, RejectedError):
                reason, message = error.code, error.message
            with lease.transaction():
                _set_digested(notification, NotificationState.FAILED, error=storable(message))
                notification.conversation = conversation
                giving_up.notification_failed(notification, reason, message)
    return added


def add_idle_events(
    lease: Lease, conversation: Conversation, rules: Rules
) -> tuple[bool, int | None]:
    """Look at the clock: add the idle events that are due by now.

    Everything is computed anew from the state and the settings, so a restart, a timer that was
    changed, or a clock that was put right needs no care.

    Returns:
        Whether there are new events, and if there are none when the next may be due, in epoch
        milliseconds by the conversation's clock (None: never).
    """
    state = stored_state(conversation)
    if state is None or not conversation.connection.active:
        return False, None
    now = timezone.now()
    found = conversations.idle(state, circumstances(conversation, rules, now))
    if found.events:
        with telemetry.step("derive", parent=""):
            rows = _next_events(conversation, found.events, received_at=now, state=found.state)
            with lease.transaction(**_keep(conversation, found.state), active_at=now):
                _add(rows)
        return True, None
    return False, found.due_ms


def look_again_at(conversation: Conversation, due_ms: int | None) -> dt.datetime | None:
    """When to look at a conversation again, by our clock; `due_ms` as `add_idle_events` has it."""
    if due_ms is None:
        return None
    latest_ms = millis(conversation.now() + LOOK_AGAIN)
    return moment(min(due_ms, latest_ms)) - conversation.ahead


def pass_time(lease: Lease, conversation: Conversation, due_ms: int | None) -> bool:
    """Move the clock of a simulated conversation on, as far as to what is due next.

    Called when nothing waits, so that whatever happened before is handled by the time it was.

    Returns:
        False where no time is to pass.
    """
    simulation = conversation.simulated
    if simulation is None or simulation.goes_to_ms is None:
        return False
    with lease.transaction():
        simulator.pass_time(conversation, due_ms)
    return True


def look_again(account_id: str) -> None:
    """Have the account's open conversations looked at: its office hours or idle times changed."""
    open_ones = Conversation.objects.filter(account_id=account_id, closed=False).exclude(
        due_at__lte=timezone.now()
    )
    with transaction.atomic():
        # In the order of the doors, so that neither waits for the other for ever.
        collation = "C" if connection.vendor == "postgresql" else "BINARY"
        rows = open_ones.select_for_update().order_by(
            "connection_id", Collate("conv_id", collation)
        )
        pks = list(rows.values_list("pk", flat=True))
        for first in range(0, len(pks), LOOKED_AT_ONCE):
            some = Conversation.objects.filter(pk__in=pks[first : first + LOOKED_AT_ONCE])
            some.update(due_at=timezone.now())


def stored_state(conversation: Conversation) -> conversations.State | None:
    """The conversation's state as the derivation left it, None before the first notification."""
    if conversation.state is None:
        return None
    return msgspec.convert(conversation.state, conversations.State)


def _set_digested(
    notification: Notification, state: NotificationState, *, note: str = "", error: str = ""
) -> None:
    statements.update(
        Notification,
        {"state": state, "note": note, "error": error, "digested_at": timezone.now()},
        {"id": notification.pk},
    )


def _digest_one(
    lease: Lease,
    conversation: Conversation,
    notification: Notification,
    rules: Rules,
    begin: Callable[[Event], None] | None,
) -> list[Event]:
    change = PLATFORMS[conversation.connection.platform].digest(bytes(notification.body))
    received_at = notification.received_at
    kept: dict[str, Any] = {}
    note = ""
    derived: Sequence[conversations.DerivedEvent]
    if isinstance(change, Derived):
        derived = [
            conversations.DerivedEvent(
                type=change.event_type,
                subtype=change.payload["general"]["cbotEventType"],
                occurred_ms=change.occurred_ms,
                payload=change.payload,
            )
        ]
    else:
        old = stored_state(conversation)
        previous = None if old and old.state else _previous(conversation, change)
        now = circumstances(conversation, rules, received_at, previous)
        derivation = conversations.derive(old, change, now)
        kept = _keep(conversation, derivation.state)
        derived, note = derivation.events, derivation.note
        if rules.bot and rules.bot.welcomes_after_auto_close:
            derived = tuple(msgspec.structs.replace(one, suppressed="") for one in derived)
    rows = _next_events(conversation, derived, notification=notification, received_at=received_at)
    handled = [row for row in rows if row.state != EventState.DONE]
    with lease.transaction(**kept):
        _add(rows)
        _set_digested(notification, NotificationState.DONE, note=note)
        giving_up.notification_read(notification)
        if begin and handled:
            begin(handled[0])
    return handled


def circumstances(
    conversation: Conversation,
    rules: Rules,
    now: dt.datetime,
    previous: conversations.Previous | None = None,
) -> conversations.Circumstances:
    """What decides about the events of a conversation at `now`, which is by our clock."""
    return conversations.Circumstances(
        now_ms=millis(now + conversation.ahead),
        account_id=conversation.account_id,
        own_ids=frozenset(conversation.connection.own_ids),
        hours=rules.hours,
        idle_times=rules.idle_times,
        # What the simulator plays began when somebody listened.
        high_water_ms=0
        if conversation.simulated
        else millis(conversation.connection.listening_since),
        # Nor does anybody try to reach it again.
        resumed_ms=0 if conversation.simulated else resuming.since_ms(),
        previous=previous,
        history_known=True,
    )


def _previous(
    conversation: Conversation, change: conversations.Change
) -> conversations.Previous | None:
    """The conversation that this one's consumer had before on the same connection."""
    if not isinstance(change.body, conversations.Snapshot):
        return None
    consumers = [each.id for each in change.body.participants or () if each.role == "CONSUMER"]
    if len(consumers) != 1:
        return None
    found = statements.select(
        Conversation,
        "WHERE connection_id = %s AND consumer_id = %s AND id <> %s ORDER BY id DESC LIMIT 1",
        [
            statements.value(Conversation, "connection_id", conversation.connection_id),
            consumers[0],
            conversation.pk,
        ],
    )
    earlier = found[0] if found else None
    state = stored_state(earlier) if earlier else None
    if state is None:
        return None
    return conversations.Previous(state.close_reason, state.end_ts or state.ts_ms)


def _keep(conversation: Conversation, state: conversations.State) -> dict[str, Any]:
    """Take the state over; returns the columns that are to be written with it."""
    changed = {
        "state": msgspec.to_builtins(state),
        "state_version": state.version,
        "consumer_id": state.consumer_id[:200],
        "closed": state.state == "CLOSE",
    }
    for name, value in changed.items():
        setattr(conversation, name, value)
    return changed


def _next_events(
    conversation: Conversation,
    derived: Sequence[conversations.DerivedEvent],
    *,
    received_at: dt.datetime,
    notification: Notification | None = None,
    state: conversations.State | None = None,
) -> list[Event]:
    """What is to be handled, and what is only to be shown; nothing is written down."""
    if not derived:
        return []
    found = statements.values(
        "SELECT max(position) FROM invoker_event WHERE conversation_id = %s", [conversation.pk]
    )
    last: int = found[0][0] or 0
    # Commands are those of events.
    own = _own_commands(conversation, notification, received_at) if last else []
    before = Before(
        position=last,
        own=own,
        caused=_caused_lately(conversation, received_at) if own else 0,
        silences=(lambda subtype: _silences(conversation, subtype, state)) if state else None,
    )
    return new_events(
        conversation, derived, before, received_at=received_at, notification=notification
    )


def _add(rows: Sequence[Event]) -> None:
    statements.insert(Event, rows)
    telemetry.derived(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What happened in a conversation until now, as far as it decides about new events.

    `own` are transfers and closes of the bot that may have led to this, the newest first,
    `caused` how many events they led to within `LOOP_WINDOW`. `silences` counts the events of an
    idle sub-type since the consumer's last word; None where the new events are no silences.
    """

    position: int
    own: Sequence[Command]
    caused: int
    silences: Callable[[str], int] | None = None


def new_events(
    conversation: Conversation,
    derived: Sequence[conversations.DerivedEvent],
    before: Before,
    *,
    received_at: dt.datetime,
    notification: Notification | None = None,
) -> list[Event]:
    """Events that were derived, to be handled or, where they are done already, to be shown.

    What the bot's own commands led to is handled like anything else, somebody may rely on it,
    until it comes too often or without an end. Nothing is written down.
    """
    caused = before.caused
    rows = []
    for position, one in enumerate(derived, start=before.position + 1):
        cause = next((command for command in before.own if _leads_to(command, one)), None)
        row = Event(
            account_id=conversation.account_id,
            conversation=conversation,
            notification=notification,
            type=one.type,
            subtype=one.subtype,
            payload=one.payload,
            position=position,
            occurred_at=moment(one.occurred_ms),
            received_at=received_at,
            caused_by=cause,
            chain=cause.event.chain + 1 if cause else 0,
            traceparent=telemetry.traceparent(),
        )
        if one.suppressed:
            _close(row, Verdict.SUPPRESSED, one.suppressed, SUPPRESSED[one.suppressed])
        elif cause:
            caused += 1
            loop = _loop(row, caused)
            if loop:
                _close(row, Verdict.LOOP, "loop", loop)
        elif before.silences and before.silences(one.subtype) >= LONGEST_CHAIN:
            _close(row, Verdict.LOOP, "loop", ANSWERS_ITSELF)
        rows.append(row)
    return rows


def _close(event: Event, verdict: Verdict, reason: str, detail: str) -> None:
    event.state = EventState.DONE
    event.verdict = verdict
    event.reason = reason
    event.detail = detail
    event.finished_at = timezone.now()


def _own_commands(
    conversation: Conversation, notification: Notification | None, received_at: dt.datetime
) -> list[Command]:
    """Transfers and closes of the bot that may have led to this, the newest first.

    The simulator says which one it was; with any other platform, those just carried out here.
    """
    done = Command.objects.filter(
        event__conversation=conversation,
        type__in=(CommandType.TRANSFER, CommandType.CLOSE),
        state__in=(CommandState.SENDING, CommandState.SENT, CommandState.UNCERTAIN),
    )
    if conversation.simulated:
        cause = simulator.command_of(notification.request_id) if notification else None
        if cause is None:
            return []
        done = done.filter(pk=cause)
    else:
        just_now = received_at - ECHO
        done = done.filter(Q(created_at__gt=just_now) | Q(redelivered_at__gt=just_now))
    return list(done.select_related("event").order_by("-created_at"))


def _caused_lately(conversation: Conversation, received_at: dt.datetime) -> int:
    """How many events the bot led to within the window, by the conversation's clock."""
    caused = conversation.events.filter(caused_by__isnull=False)
    if conversation.simulated:
        began = received_at + conversation.ahead - LOOP_WINDOW
        return caused.filter(occurred_at__gt=began).count()
    return caused.filter(received_at__gt=received_at - LOOP_WINDOW).count()


def _leads_to(command: Command, one: conversations.DerivedEvent) -> bool:
    if command.type == CommandType.CLOSE:
        return one.type == events.CONVERSATION_END.id
    if one.type == events.CONVERSATION_ROUTING.id:
        asked: str | None = command.fields.get("skillId")
        return asked in (None, one.payload["routing"]["newSkillId"])
    return one.type == events.PARTICIPANTS_CHANGE.id


def _loop(event: Event, caused: int) -> str:
    """Why an event that the bot caused itself is not handled. Empty when it is."""
    if caused > LOOP_EVENTS:
        return (
            f"The bot's own commands caused more than {LOOP_EVENTS} events of this conversation "
            f"within {LOOP_WINDOW.total_seconds():.0f} s, so this one is not handled: look for "
            "functions that answer each other's transfers"
        )
    if event.chain > LONGEST_CHAIN:
        return (
            f"The bot's own commands led from one event to the next {LONGEST_CHAIN} times in this "
            "conversation, so this one is not handled: look for functions that answer each "
            "other's transfers"
        )
    return ""


def _silences(conversation: Conversation, subtype: str, state: conversations.State) -> int:
    """How often a silence came, with no word of the consumer in between."""
    earlier = conversation.events.filter(subtype=subtype)
    if state.last_consumer_ts is not None:
        earlier = earlier.filter(occurred_at__gt=moment(state.last_consumer_ts))
    return earlier.count()
