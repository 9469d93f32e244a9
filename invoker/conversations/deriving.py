"""The rules: which events a change of a conversation means."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from invoker import events
from invoker.conversations import states
from invoker.conversations.changes import Change, Line, Snapshot, main_dialog
from invoker.conversations.circumstances import Circumstances, Previous
from invoker.conversations.payloads import Cause, messaging_payload, survey_payload
from invoker.conversations.states import State, assigned_agents
from invoker.events import Participant

AUTO_CLOSED: Final = "auto-closed"
AUTO_CLOSE_MS: Final = 48 * 3600 * 1000
"""Who comes back this soon after an automatic close is not welcomed. Source: §3.3."""

CLOCKS_DIFFER_MS: Final = 300_000
"""As much as a signature's time may be wrong."""

HOLD_MS: Final = 2_000
"""How long a line may wait for its conversation. Source: `controller-bot.md` §3.4.10."""

SUBTYPE_TYPES: Final = {
    subtype: event_type.id
    for event_type in events.EVENT_TYPES.values()
    for subtype in event_type.subtypes
}

_JOINING: Final = frozenset({"AGENT", "MANAGER"})
_STAFF: Final = frozenset({"ASSIGNED_AGENT", "AGENT", "MANAGER"})

_END_SUBTYPES: Final = {
    "AGENT": "AGENT_END_CONVERSATION",
    "CONSUMER": "CONSUMER_END_CONVERSATION",
    "SYSTEM": "SYSTEM_END_CONVERSATION",
}


class Note(StrEnum):
    """Why a change led to no event."""

    EVENT = ""
    BASELINE = "baseline"
    """It happened before we listened, or is first seen and has not just been opened."""
    CLOSED = "closed"
    """The conversation is over; most platforms open a new one instead of opening it again."""
    DELETED = "deleted"
    """It left our subscription without being closed."""
    DUPLICATE = "duplicate"
    OVERTAKEN = "overtaken"
    """Older than what is known, and put in its place."""
    RECORDED = "recorded"
    """A line that only moved the times of the last messages."""
    STALE = "stale"
    """Too old to be put in its place."""
    TOO_OLD = "too-old"
    """Something happened, too long ago to react; the state is up to date."""
    UNCHANGED = "unchanged"
    UNKNOWN_CLOSE = "unknown-close"
    """Closed, and nobody says by whom."""
    HELD = "held"
    """A line that came before its conversation's first notification, and waits for it."""


class DerivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    """Id of the event type, a key of `events.EVENT_TYPES`."""
    subtype: str
    """`cbotEventType`; empty for surveys."""
    occurred_ms: int
    payload: dict[str, Any]
    """The function's `input.payload`, complete."""
    suppressed: str = ""
    """Why it is only shown and not handled, as a stable word; empty when it is handled."""


class Derivation(msgspec.Struct, frozen=True):
    state: State
    events: tuple[DerivedEvent, ...] = ()
    note: Note = Note.EVENT


def derive(old: State | None, change: Change, circumstances: Circumstances) -> Derivation:
    """Bring a conversation's state up to date and say which events that means.

    Args:
        old: the stored state of `change.conv_id`; None when there is none.
        change: may come in any order and any number of times, one at a time per conversation.
        circumstances: as they were when the change came in.

    Returns:
        The state to store and the events, in the order to handle them. The state is the same
        whatever the order of the changes, but for `State.told`; no event is derived twice.
    """
    state = old or State(conv_id=change.conv_id)
    change = _not_ahead(change, circumstances.now_ms)
    if isinstance(change.body, Line):
        derivation = _derive_line(state, change, change.body, circumstances)
    else:
        derivation = _derive_snapshot(state, change, change.body, circumstances)
    late = circumstances.now_ms - change.ts_ms > circumstances.max_event_age_ms
    if not late or derivation.state is old:
        return derivation
    told = replace(derivation.state.told, caught_up_ms=circumstances.now_ms)
    return replace(derivation, state=replace(derivation.state, told=told))


def _not_ahead(change: Change, now_ms: int) -> Change:
    """The change as of now where its time lies ahead by more than clocks differ.

    As it says, it would be the newest for so long, and all that happens till then overtaken.
    """
    latest_ms = now_ms + CLOCKS_DIFFER_MS
    if change.ts_ms > latest_ms:
        change = replace(change, ts_ms=now_ms)
    body = change.body
    line = body if isinstance(body, Line) else body.last_line
    if line is None or line.ts_ms <= latest_ms:
        return change
    line = replace(line, ts_ms=now_ms)
    body = line if isinstance(body, Line) else replace(body, last_line=line)
    return replace(change, body=body)


def _derive_snapshot(
    old: State, change: Change, snapshot: Snapshot, now: Circumstances
) -> Derivation:
    if _reopened(old, change, snapshot):
        end_ms = old.end_ts or old.closed_ts or old.ts_ms
        now = replace(now, previous=Previous(old.close_reason, end_ms))
        old = states.begin_again(old, change)
    ignored = _why_ignored(old, change, snapshot)
    if ignored:
        return Derivation(old, (), ignored)
    new = states.apply(old, change, snapshot, now)
    if not old.state:
        return _derive_first(old, new, change, snapshot, now=now)
    note = _why_nothing(old, change, snapshot)
    if snapshot.state == "CLOSE":
        return _derive_end(old, new, change, snapshot, now=now, note=note)
    # In one that is locked, on its way to being closed or opened again, nobody moves.
    if note != Note.UNCHANGED or snapshot.state != "OPEN":
        return Derivation(new, (), note)
    return _derive_move(old, new, change, snapshot, now=now)


def _why_ignored(old: State, change: Change, snapshot: Snapshot) -> Note:
    """Why a snapshot has no effect at all; empty when it has."""
    if states.is_known(old, change):
        return Note.DUPLICATE
    ends = snapshot.state == "CLOSE" and old.state != "CLOSE" and change.ts_ms >= old.since_ms
    if states.is_too_old(old, change) and not ends:
        return Note.STALE
    if ends and snapshot.reopens and change.ts_ms < old.ts_ms:
        # It was opened again before we heard that it had been closed.
        return Note.OVERTAKEN
    return Note.EVENT


def _why_nothing(old: State, change: Change, snapshot: Snapshot) -> Note:
    if snapshot.state == "CLOSE" or old.state != "CLOSE":
        if change.ts_ms < old.ts_ms:
            return Note.OVERTAKEN
        if snapshot.state != "CLOSE" and change.type == "DELETE":
            return Note.DELETED
        return Note.UNCHANGED
    return Note.CLOSED


def _reopened(old: State, change: Change, snapshot: Snapshot) -> bool:
    return (
        snapshot.reopens
        and snapshot.state == "OPEN"
        and old.state == "CLOSE"
        and change.ts_ms > old.ts_ms
    )


def _derive_first(
    old: State, new: State, change: Change, snapshot: Snapshot, *, now: Circumstances
) -> Derivation:
    """Tell a conversation that was just opened from one that was there before us."""
    main = main_dialog(snapshot.dialogs or (), change.conv_id)
    start_ts = new.start_ts
    opened = (
        change.type == "UPSERT"
        and new.state == "OPEN"
        and (main is None or main.state in (None, "OPEN"))
        and start_ts is not None
        and start_ts >= now.high_water_ms
    )
    told = replace(old.told, ended=new.state == "CLOSE")
    if new.opened_in_off_hours and start_ts is not None:
        since_ms = now.hours.shift(new.at.first_skill_id, start_ts).since_ms
        told = replace(told, off_hours_since=since_ms)
    new = replace(new, told=told, held=())
    if snapshot.first_conversation is None and now.previous is None:
        new = replace(new, first_conversation=now.history_known and bool(new.consumer_id))
    for held in old.held:
        # Only now can be told who wrote a line that names no role.
        new = states.hear(new, held.line, now.own_ids)
    derived: list[DerivedEvent] = []
    note = Note.BASELINE
    if opened and start_ts is not None:
        note = Note.EVENT
        if now.now_ms - start_ts > now.max_event_age_ms:
            note = Note.TOO_OLD
        else:
            derived.append(_opening(old, new, change, snapshot, now))
    for held in old.held:
        new, event = _surprise(new, held.line, change, now)
        if event and now.now_ms - held.arrived_ms <= HOLD_MS:
            derived.append(event)
    return Derivation(new, tuple(derived), Note.EVENT if derived else note)


def _opening(
    old: State, new: State, change: Change, snapshot: Snapshot, now: Circumstances
) -> DerivedEvent:
    before = replace(old, state="CLOSE", ttr=new.ttr)
    subtype = "CONSUMER_OPEN_NEW_CONVERSATION"
    suppressed = ""
    start_ts, previous = new.start_ts or 0, now.previous
    if (
        previous is not None
        and previous.close_reason == "SYSTEM"
        and 0 <= start_ts - previous.end_ms <= AUTO_CLOSE_MS
    ):
        subtype += "_AFTER_AUTOCLOSE"
        suppressed = AUTO_CLOSED
    else:
        subtype += "_FIRST_TIME" if new.first_conversation else ""
        subtype += "_OFF_HOURS" if new.opened_in_off_hours else ""
    line = snapshot.last_line or new.last_line
    event = _event(subtype, change, before, new, line=line, now=now)
    return replace(event, suppressed=suppressed)


def _derive_move(
    old: State, new: State, change: Change, snapshot: Snapshot, *, now: Circumstances
) -> Derivation:
    subtypes = [
        *_step_up(old, new),
        *_routing(old, new),
        *_participants_change(old, new, change.ts_ms, now.own_ids),
        *_ttr(old, new, now.now_ms),
    ]
    return _told(old, new, change, snapshot, now=now, subtypes=subtypes, note=Note.UNCHANGED)


def _derive_end(
    old: State,
    new: State,
    change: Change,
    snapshot: Snapshot,
    *,
    now: Circumstances,
    note: Note,
) -> Derivation:
    """A close counts whenever it comes, and once."""
    subtypes: list[str] = []
    if not old.told.ended:
        if new.close_reason:
            new = replace(new, told=replace(new.told, ended=True))
            # Whoever else closes conversations is no person.
            subtypes = [_END_SUBTYPES.get(new.close_reason, "SYSTEM_END_CONVERSATION")]
        else:
            note = Note.UNKNOWN_CLOSE
    return _told(old, new, change, snapshot, now=now, subtypes=subtypes, note=note)


def _told(
    old: State,
    new: State,
    change: Change,
    snapshot: Snapshot,
    *,
    now: Circumstances,
    subtypes: list[str],
    note: Note,
) -> Derivation:
    surveys = _surveys(old, new)
    if not subtypes and not surveys:
        return Derivation(new, (), note)
    if change.ts_ms < now.high_water_ms:
        return Derivation(new, (), Note.BASELINE)
    late = now.now_ms - change.ts_ms > now.max_event_age_ms
    # What is to be done after an end is to be done whenever it is told.
    if late and snapshot.state != "CLOSE":
        return Derivation(new, (), Note.TOO_OLD)
    line = snapshot.last_line or new.last_line
    return Derivation(
        new,
        (
            *(_event(subtype, change, old, new, line=line, now=now) for subtype in subtypes),
            *(_survey_event(survey, change, new, snapshot, now) for survey in surveys),
        ),
    )


def _step_up(old: State, new: State) -> list[str]:
    was, is_now = _consumers(old.participants), _consumers(new.participants)
    return ["CONSUMER_STEP_UP"] if len(was) == len(is_now) == 1 and was != is_now else []


def _consumers(participants: tuple[Participant, ...]) -> frozenset[str]:
    return frozenset(each.id for each in participants if each.role == "CONSUMER")


def _routing(old: State, new: State) -> list[str]:
    rerouted = states.has_said(old, "skill_id") and old.skill_id != new.skill_id
    return ["ENGAGEMENT_TRANSFERED"] if rerouted else []


def _participants_change(old: State, new: State, ts_ms: int, own_ids: frozenset[str]) -> list[str]:
    subtypes = []
    if assigned_agents(new.participants) - assigned_agents(old.participants):
        subtypes.append("YOU_ARE_CONNECTED_TO")
    if new.at.back_to_queue_ts == ts_ms and new.at != old.at:
        subtypes.append("BACK_TO_QUEUE")
    # Who only changes role, from joined to assigned or back, neither comes nor goes.
    staff, former_staff = (
        {each.id for each in participants if each.role in _STAFF}
        for participants in (new.participants, old.participants)
    )
    if _joined(new.participants) - former_staff - own_ids:
        subtypes.append("ANOTHER_AGENT_JOINED_CONVERSATION")
    if _joined(old.participants) - staff - own_ids:
        subtypes.append("JOINED_AGENT_LEFT_CONVERSATION")
    # One consumer who becomes another has stepped up; whoever comes or goes besides is somebody.
    consumers, former_consumers = _consumers(new.participants), _consumers(old.participants)
    if former_consumers and former_consumers < consumers:
        subtypes.append("CONSUMER_JOINED_CONVERSATION")
    if consumers < former_consumers:
        subtypes.append("CONSUMER_LEFT_CONVERSATION")
    return subtypes


def _joined(participants: tuple[Participant, ...]) -> frozenset[str]:
    return frozenset(each.id for each in participants if each.role in _JOINING)


def _ttr(old: State, new: State, now_ms: int) -> list[str]:
    was, is_now = old.ttr.ttr_type, new.ttr.ttr_type
    subtypes = []
    if is_now == "URGENT" and was != "URGENT":
        subtypes.append("CONSUMER_ASKED_URGENT_RESPONSE_TIME")
    if was == "URGENT" and is_now in ("NORMAL", "PRIORITIZED"):
        subtypes.append("CONSUMER_CANCELED_URGENT_RESPONSE_TIME")
    set_by_hand = new.manual_ettr != old.manual_ettr and new.manual_ettr > now_ms
    if set_by_hand or (is_now == "CUSTOM" and was != "CUSTOM"):
        subtypes.append("AGENT_UPDATED_RESPONSE_TIME")
    return subtypes


def _surveys(old: State, new: State) -> list[str]:
    def surveys(state: State, phase: str) -> set[str]:
        return {
            each
            for each, dialog in state.dialogs.items()
            if dialog.type == "POST_SURVEY" and dialog.state == phase
        }

    derived = []
    if surveys(new, "OPEN") - old.dialogs.keys():
        derived.append(events.SURVEY_STARTED.id)
    if surveys(old, "OPEN") & surveys(new, "CLOSE"):
        derived.append(events.SURVEY_ENDED.id)
    return derived


def _derive_line(old: State, change: Change, line: Line, now: Circumstances) -> Derivation:
    if states.has_heard(old, line):
        return Derivation(old, (), Note.DUPLICATE)
    new = states.hear(states.mark_heard(old, line), line, now.own_ids)
    if not old.state:
        return Derivation(states.hold(new, line, now.now_ms), (), Note.HELD)
    new, event = _surprise(new, line, change, now)
    if event is None:
        return Derivation(new, (), Note.RECORDED)
    if now.now_ms - line.ts_ms > now.max_event_age_ms:
        return Derivation(new, (), Note.TOO_OLD)
    return Derivation(new, (event,))


def _surprise(
    state: State, line: Line, change: Change, now: Circumstances
) -> tuple[State, DerivedEvent | None]:
    """Whether a line came in off-hours: the first one of each such time, not the opening one."""
    if (
        state.state != "OPEN"
        or line.private
        or states.role_of(state, line) != "CONSUMER"
        or line.ts_ms < max(state.since_ms, now.high_water_ms)
    ):
        return state, None
    shift = now.hours.shift(state.skill_id, line.ts_ms)
    if shift.open or shift.since_ms <= state.told.off_hours_since:
        return state, None
    if state.opened_in_off_hours and (state.start_ts or 0) >= shift.since_ms:
        return state, None
    state = replace(state, told=replace(state.told, off_hours_since=shift.since_ms))
    cause = replace(change, ts_ms=line.ts_ms, dialog_id=line.dialog_id)
    subtype = "CONSUMER_SEND_MESSAGE_ON_OFFHOURS"
    return state, _event(subtype, cause, state, state, line=line, now=now)


def _event(
    subtype: str,
    change: Change,
    old: State,
    new: State,
    *,
    line: Line | None,
    now: Circumstances,
) -> DerivedEvent:
    opening = subtype.startswith("CONSUMER_OPEN_NEW_CONVERSATION")
    at_ms = new.start_ts if opening and new.start_ts is not None else change.ts_ms
    # The main dialog goes by the conversation's id, also when that opened again under another.
    is_main = change.dialog_id == change.conv_id
    cause = Cause(change.type, new.conv_id if is_main else change.dialog_id, at_ms, line)
    return DerivedEvent(
        type=SUBTYPE_TYPES[subtype],
        subtype=subtype,
        occurred_ms=change.ts_ms,
        payload=messaging_payload(subtype, cause, old, new, now),
    )


def _survey_event(
    event_type_id: str, change: Change, new: State, snapshot: Snapshot, now: Circumstances
) -> DerivedEvent:
    return DerivedEvent(
        type=event_type_id,
        subtype="",
        occurred_ms=change.ts_ms,
        payload=survey_payload(new, snapshot, now),
    )
