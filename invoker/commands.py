"""What a function may ask for: read it, check that it still makes sense, carry it out."""

import datetime as dt
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from invoker import (
    automatic_messages,
    conversations,
    events,
    giving_up,
    guards,
    statements,
    telemetry,
)
from invoker.fields import storable
from invoker.models import (
    OPEN_COMMAND_STATES,
    Command,
    CommandState,
    CommandType,
    Connection,
    Event,
    Invocation,
    Lease,
    MessageDelivery,
)
from invoker.places import places
from invoker.platforms import PLATFORMS, DeliveryError

logger = logging.getLogger(__name__)

ORDER = (CommandType.MESSAGE, CommandType.TRANSFER, CommandType.CLOSE)
# A message is worth most at once: 0.5 s, 1 s, 2 s, … up to a minute between attempts.
FIRST_RETRY_S = 0.5
MOST_READ = 20
LONGEST_RETRY_S = 60.0
# A delivery that takes so long keeps what waits behind it from being in time.
SLOW = dt.timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Asked:
    """One item of a function's result. `reason` is empty when it is to be carried out."""

    type: str
    fields: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""


def parse(result: Any) -> list[Asked]:
    """Read a function's result: nothing, one command object, or an array of them.

    Never raises. What cannot be carried out comes back too, with the reason why.
    """
    if result is None:
        return []
    items = result if isinstance(result, list) else [result]
    asked = list(_first_of_each_type(items[:MOST_READ]))
    if len(items) > MOST_READ:
        detail = f"{len(items) - MOST_READ} more: of a result, {MOST_READ} commands are read"
        asked.append(Asked("", reason="too-many", detail=detail))
    return asked


def _first_of_each_type(items: list[Any]) -> Iterator[Asked]:
    seen: set[str] = set()
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            shown = storable(str(item)[:200])
            yield Asked("", reason="not-a-command", detail=f'No object with a "type": {shown}')
            continue
        name = item["type"]
        if name not in CommandType.values:
            known = ", ".join(CommandType.values)
            yield Asked(
                storable(name[:40]), reason="unknown-type", detail=f"Known types are {known}"
            )
        elif name in seen:
            detail = "Only the first command of each type is carried out"
            yield Asked(name, _shown(item), reason="not-first", detail=detail)
        else:
            seen.add(name)
            yield _check(name, item)


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    return _kept({name: item[name] for name in ("text", "skillId", "agentId") if name in item})


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields without what no page can show and no platform read: NUL, halves of characters.

    What is no text, number or the like is kept as its first words, however deep it goes.
    """
    return {name: _readable(value) for name, value in fields.items()}


def _readable(value: Any) -> Any:
    if isinstance(value, dict | list):
        return storable(str(value)[:200])
    return storable(value) if isinstance(value, str) else value


def _check(name: str, item: dict[str, Any]) -> Asked:
    match name:
        case CommandType.MESSAGE:
            return _check_message(item)
        case CommandType.TRANSFER:
            return _check_transfer(item)
    return Asked(name)


def _check_message(item: dict[str, Any]) -> Asked:
    name, text = CommandType.MESSAGE.value, item.get("text")
    if text in ("", []):
        detail = "The function asked for no message, so the automatic message stays away too"
        return Asked(name, reason="empty", detail=detail)
    if not isinstance(text, str):
        detail = f'"text" must be text, not {text!r:.200}'
        return Asked(name, _shown(item), reason="malformed", detail=detail)
    return Asked(name, _kept({"text": text}))


def _check_transfer(item: dict[str, Any]) -> Asked:
    name, fields = CommandType.TRANSFER.value, {}
    for key in ("skillId", "agentId"):
        value = item.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            detail = f'"{key}" must be text, not {value!r:.200}'
            return Asked(name, _shown(item), reason="malformed", detail=detail)
        fields[key] = value
    if not fields:
        detail = 'A transfer needs "skillId", "agentId", or both'
        return Asked(name, reason="malformed", detail=detail)
    return Asked(name, _kept(fields))


def record(
    event: Event,
    asked: list[Asked],
    invocation: Invocation | None,
    state: conversations.State | None,
    hours: conversations.Hours,
) -> list[Command]:
    """Write down what an event leads to, before anything leaves the house.

    Call it inside the lease's transaction. The first command, where nothing speaks against it now,
    is written down as being sent at once, so that no second transaction has to say so.

    Returns:
        What is to be delivered, for `deliver`.
    """
    texts = automatic_messages.AccountTexts(event.account_id)
    now_ms = int(event.conversation.now().timestamp() * 1000)
    rows = led_to(event, asked, invocation, state, texts=texts, now_ms=now_ms)
    opened = [row for row in rows if row.state == CommandState.PENDING]
    if opened and _may_begin(opened[0], state, hours):
        opened[0].state, opened[0].attempts = CommandState.SENDING, 1
    statements.insert(Command, rows)
    telemetry.commands_recorded(rows)
    return opened


def _may_begin(
    command: Command, state: conversations.State | None, hours: conversations.Hours
) -> bool:
    connection = command.event.conversation.connection
    try:
        return not is_done(command, state) and not stopped_by(connection, command, state, hours)
    except Exception:
        # Who delivers meets it again, and then what the function gave is written down.
        logger.debug("cannot tell whether a command may be sent", exc_info=True)
        return False


def led_to(
    event: Event,
    asked: list[Asked],
    invocation: Invocation | None,
    state: conversations.State | None,
    *,
    texts: automatic_messages.Texts,
    now_ms: int,
) -> list[Command]:
    """What an event leads to, in the order of delivery, at `now_ms` by the conversation's clock.

    Adds the automatic message when the function asked for no message and did not ask for silence
    either. Nothing is written down.
    """
    rows = [_row(event, one, invocation) for one in asked]
    automatic = automatic_message(_occasion(event, state, now_ms), asked, texts)
    if automatic:
        rows.append(_row(event, automatic, None))
    # Kept in the order of delivery: message, transfer, close, then what was dropped.
    rows.sort(key=lambda row: (row.state == CommandState.DROPPED, _rank(row.type)))
    for position, row in enumerate(rows):
        row.position = position
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What an automatic message is chosen by, at `now_ms` by the conversation's clock.

    `effective_ttr` is -1 where nobody set a time.
    """

    account_id: str
    event_type: str
    subtype: str
    now_ms: int
    skill_id: str = conversations.NO_SKILL
    language: str | None = None
    effective_ttr: int = -1
    agent_nickname: str = ""


def automatic_message(
    occasion: Occasion, asked: list[Asked], texts: automatic_messages.Texts | None = None
) -> Asked | None:
    """The automatic message, where what a function asked for leaves room for it.

    Args:
        occasion: what it is chosen by.
        asked: what the function asked for.
        texts: where texts come from; None for the account's own.

    Returns:
        None where there is nothing to say; with a reason where a text exists and does not go out.
    """
    if not events.EVENT_TYPES[occasion.event_type].runs_commands:
        return None
    if any(one.type == CommandType.MESSAGE and one.reason in ("", "empty") for one in asked):
        return None
    chosen = automatic_messages.choose(
        texts or automatic_messages.AccountTexts(occasion.account_id),
        occasion.subtype,
        skill_id=occasion.skill_id,
        language=occasion.language,
        facts=automatic_messages.Facts(
            now_ms=occasion.now_ms,
            effective_ttr=occasion.effective_ttr,
            agent_nickname=occasion.agent_nickname,
        ),
    )
    if not chosen.text:
        if chosen.reason == automatic_messages.NO_TEXT:
            return None
        return Asked(CommandType.MESSAGE, reason=chosen.reason, detail=chosen.detail)
    fields: dict[str, Any] = {"text": chosen.text}
    if chosen.names_response_time:
        fields[guards.UNTIL] = occasion.effective_ttr
    return Asked(CommandType.MESSAGE, fields)


def _occasion(event: Event, state: conversations.State | None, now_ms: int) -> Occasion:
    # Surveys have another payload, and no automatic message.
    general: dict[str, Any] = event.payload.get("general") or {}
    routing: dict[str, Any] = event.payload.get("routing") or {}
    said_ttr = general.get("effectiveTTR")
    return Occasion(
        account_id=event.account_id,
        event_type=event.type,
        subtype=event.subtype,
        now_ms=now_ms,
        skill_id=routing.get("newSkillId", conversations.NO_SKILL),
        language=(state and state.language) or general.get("clientLanguage"),
        effective_ttr=state.effective_ttr if state else read_ttr(said_ttr),
        agent_nickname=_nickname(state),
    )


def read_ttr(said: Any) -> int:
    """`general.effectiveTTR` as a number, -1 for what is none."""
    try:
        return int(said)
    except (TypeError, ValueError):
        return -1


def _nickname(state: conversations.State | None) -> str:
    """What the platform calls the assigned agent, empty where it does not say."""
    if state is None:
        return ""
    agents = [one.id for one in state.participants if one.role == "ASSIGNED_AGENT"]
    return next((state.nicknames[each] for each in agents if each in state.nicknames), "")


def _row(event: Event, one: Asked, invocation: Invocation | None) -> Command:
    live = not one.reason
    return Command(
        account_id=event.account_id,
        event=event,
        invocation=invocation,
        type=one.type,
        fields=one.fields,
        state=CommandState.PENDING if live else CommandState.DROPPED,
        reason=one.reason,
        detail=storable(one.detail),
        due_at=timezone.now() if live else None,
        # One event can lead to one command of a type, whatever dies and starts again.
        idempotency_key=f"{event.pk}:{one.type}" if live else None,
    )


def _rank(name: str) -> int:
    return ORDER.index(CommandType(name)) if name in ORDER else len(ORDER)


def deliver(
    lease: Lease,
    event: Event,
    look: Callable[[], conversations.State | None],
    hours: conversations.Hours,
    *,
    finish: Callable[[], None],
    recorded: list[Command] | None = None,
) -> dt.datetime | None:
    """Carry out what is open of an event, in order, each at most as often as it may be.

    `look` tells the conversation's state with all that has arrived, and sets whether the connection
    is on. It is asked before each command: while one is on its way, the consumer may write what
    makes the next one wrong. `finish` is called once every command has its final state, in the
    transaction that gave the last one its own. `recorded` is what `record` returned just now; None
    reads what is open.

    Returns:
        None when every command has its final state, else when to come back.

    Raises:
        LeaseLostError: another worker has taken over.
    """
    opened = _opened(event) if recorded is None else recorded
    for command in opened:
        command.event = event
        last = finish if command is opened[-1] else None
        begun = recorded is not None and command.state == CommandState.SENDING
        if not begun:
            if command.due_at and command.due_at > timezone.now():
                return command.due_at
            if not _may_send(lease, command, look(), hours, last):
                continue
        with telemetry.step("deliver", command_id=command.pk):
            due_at = _attempt(lease, command, last)
        if due_at:
            return due_at
    if not opened:
        with lease.transaction():
            finish()
    return None


def _opened(event: Event) -> list[Command]:
    return statements.select(
        Command,
        "WHERE event_id = %s AND state IN (%s, %s) ORDER BY position",
        [statements.value(Command, "event_id", event.pk), *OPEN_COMMAND_STATES],
    )


def _may_send(
    lease: Lease,
    command: Command,
    state: conversations.State | None,
    hours: conversations.Hours,
    last: Callable[[], None] | None,
) -> bool:
    connection = command.event.conversation.connection
    interrupted = command.state == CommandState.SENDING
    if (
        interrupted
        and command.type == CommandType.MESSAGE
        and connection.message_delivery == MessageDelivery.AT_MOST_ONCE
    ):
        _settle(
            lease,
            command,
            CommandState.UNCERTAIN,
            reason="interrupted",
            detail="The process ended between sending and recording, so it is not sent again",
            last=last,
        )
        return False
    if is_done(command, state):
        detail = "It was closed already"
        _settle(lease, command, CommandState.SENT, reason="", detail=detail, last=last)
        return False
    stale = stopped_by(connection, command, state, hours)
    if stale and giving_up.overruled(command, stale.reason):
        stale = None
    if stale and interrupted:
        # It may have been carried out, which is why the conversation looks different now.
        detail = f"The process ended between sending and recording. Not sent again: {stale.detail}"
        reason = "interrupted"
        _settle(lease, command, CommandState.UNCERTAIN, reason=reason, detail=detail, last=last)
        return False
    if stale and stale.reason == guards.TOO_OLD and (cause := _held_up(command)):
        reason, detail = cause
        _settle(lease, command, CommandState.FAILED, reason=reason, detail=detail, last=last)
        return False
    if stale:
        _settle(
            lease,
            command,
            CommandState.STALE,
            reason=stale.reason,
            detail=stale.detail,
            # Of a function that was too slow. People take longer, and may.
            late_ms=None if command.redelivered_at else stale.late_ms,
            last=last,
        )
        return False
    command.attempts += 1
    with lease.transaction():
        said = {"state": CommandState.SENDING, "attempts": command.attempts}
        statements.update(Command, said, {"id": command.pk})
    return True


def _held_up(command: Command) -> tuple[str, str] | None:
    """Why a command could not be delivered before it was too old, as a reason and its detail.

    None where nothing stood in its way but functions' own time: then it came too late.
    """
    if command.attempts:
        return "gave-up", command.detail
    if command.redelivered_at:
        return None
    event = command.event
    ended_since = Q(sent_at__gt=event.received_at) | Q(dead_letter__failed_at__gt=event.received_at)
    before = Command.objects.filter(
        Q(event=event, position__lt=command.position)
        | Q(ended_since, event__position__lt=event.position),
        event__conversation=event.conversation_id,
        attempts__gt=0,
    )
    at_once = Q(state=CommandState.SENT, attempts=1, sent_at__lt=F("created_at") + SLOW)
    behind = before.exclude(at_once).order_by("event__position", "position").last()
    if behind is None:
        return None
    name = CommandType(behind.type).label.lower()
    return "held-up", f"It was not tried: the {name} before it could not be delivered in time"


def stopped_by(
    connection: Connection,
    command: Command,
    state: conversations.State | None,
    hours: conversations.Hours,
) -> guards.Stale | None:
    """Why a command is not to be sent now. None when it is."""
    if not connection.active:
        return guards.SWITCHED_OFF
    stale = guards.check(command, state, now=command.event.conversation.now(), hours=hours)
    message = command.type == CommandType.MESSAGE
    if stale is None and connection.agent_login and message and is_over(state):
        # With the survey's end the platform takes no more: expected, so no failure.
        return guards.OVER
    return stale


def is_done(command: Command, state: conversations.State | None) -> bool:
    """Whether somebody else has done already what the command asks for."""
    closes = command.type == CommandType.CLOSE
    return closes and state is not None and state.state == "CLOSE"


def abandon(event: Event, detail: str) -> int:
    """Give up what is open of an event that Houston itself fails on, in the lease's transaction.

    Returns:
        How many commands were open.
    """
    left = list(event.commands.filter(state__in=OPEN_COMMAND_STATES))
    for command in left:
        command.event = event
        sending = command.state == CommandState.SENDING
        state = CommandState.UNCERTAIN if sending else CommandState.FAILED
        reason = giving_up.HOUSTON_FAILED
        Command.objects.filter(pk=command.pk).update(
            state=state, reason=reason, detail=storable(detail), due_at=None
        )
        giving_up.settled(command, state, reason=reason, detail=detail)
        telemetry.settled(command, state)
    return len(left)


def is_over(state: conversations.State | None) -> bool:
    return state is not None and state.stage == "CLOSE"


def _attempt(lease: Lease, command: Command, last: Callable[[], None] | None) -> dt.datetime | None:
    """Send one command. Returns when to try again, None when it is settled."""
    connection = command.event.conversation.connection
    try:
        with places.aside():
            answer = PLATFORMS[connection.platform].deliver(connection, command)
    except DeliveryError as error:
        if (
            error.unknown
            and command.type == CommandType.MESSAGE
            and connection.message_delivery == MessageDelivery.AT_MOST_ONCE
        ):
            detail = f"It may have arrived, so it is not sent again: {error}"
            reason = "no-answer"
            _settle(lease, command, CommandState.UNCERTAIN, reason=reason, detail=detail, last=last)
            return None
        if error.permanent or command.attempts >= settings.CALLBACK_ATTEMPTS:
            reason = error.reason if error.permanent else "gave-up"
            detail = str(error)
            _settle(lease, command, CommandState.FAILED, reason=reason, detail=detail, last=last)
            return None
        # Coming back later than its age allows would only keep others waiting.
        due_at = timezone.now() + dt.timedelta(seconds=_wait_s(command.attempts, error))
        expires_at = guards.expires_at(command.event, command.redelivered_at)
        if due_at + command.event.conversation.ahead > expires_at:
            reason, detail = "gave-up", str(error)
            if error.retry_after_s:
                detail += f". It asked to be left alone for {error.retry_after_s:g} s"
            _settle(lease, command, CommandState.FAILED, reason=reason, detail=detail, last=last)
            return None
        with lease.transaction():
            Command.objects.filter(pk=command.pk).update(
                state=CommandState.PENDING,
                due_at=due_at,
                reason="retrying",
                detail=storable(str(error)),
            )
        return due_at
    _settle(lease, command, CommandState.SENT, reason="", detail=answer, last=last)
    return None


def _wait_s(attempts: int, error: DeliveryError) -> float:
    longest: float = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (attempts - 1))
    # Spread out, so that conversations that failed together do not come back together.
    spread = random.uniform(0.75, 1.25)  # noqa: S311
    # Whoever asks for next to no pause would have used up all attempts at once.
    return max(longest * spread, error.retry_after_s or 0.0)


def _settle(
    lease: Lease,
    command: Command,
    state: CommandState,
    *,
    reason: str,
    detail: str,
    late_ms: int | None = None,
    last: Callable[[], None] | None = None,
) -> None:
    """Give a command its final state; `last` is called with it, in the same transaction."""
    sent_at = timezone.now() if state == CommandState.SENT else None
    with lease.transaction():
        said = {
            "state": state,
            "reason": reason,
            "detail": storable(detail),
            "sent_at": sent_at,
            "late_ms": late_ms,
            "due_at": None,
        }
        statements.update(Command, said, {"id": command.pk})
        giving_up.settled(command, state, reason=reason, detail=detail)
        telemetry.settled(command, state)
        # `last` looks at them.
        command.state, command.reason = state, reason
        if last:
            last()
    logger.log(
        logging.DEBUG if state == CommandState.SENT else logging.INFO,
        "command settled",
        extra={
            "command_id": command.pk,
            "event_id": command.event_id,
            "account_id": command.account_id,
            "state": state,
            "reason": reason,
        },
    )
