"""The rules: which events a change of a conversation means."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from invoker import events
from invoker.conversations.changes import (
    REMEMBERED,
    Change,
    Line,
    Snapshot,
    main_dialog,
)
from invoker.conversations.circumstances import Circumstances
from invoker.conversations.payloads import messaging_payload, survey_payload
from invoker.conversations.states import (
    State,
    apply,
    assigned_agents,
    hear,
    role_of,
)
from invoker.events import Participant

TRANSFER_WINDOW_MS: Final = 2_000
"""An agent who leaves this soon after a skill change left because of the transfer."""

_EVENT_TYPE_BY_SUBTYPE: Final = {
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
    """First seen, and not as a conversation that has just been opened."""
    CLOSED = "closed"
    """The conversation is over; platforms open a new one instead of opening it again."""
    DELETED = "deleted"
    """It left our subscription without being closed."""
    DUPLICATE = "duplicate"
    RECORDED = "recorded"
    """A line that only moved the times of the last messages."""
    STALE = "stale"
    """Older than what is stored."""
    TOO_OLD = "too-old"
    """Something happened, too long ago to react; the state is up to date."""
    UNCHANGED = "unchanged"
    UNKNOWN_CLOSE = "unknown-close"
    """Closed, and nobody says by whom."""
    UNKNOWN_CONVERSATION = "unknown-conversation"
    """A line that came before its conversation's first notification."""


class DerivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    """Id of the event type, a key of `events.EVENT_TYPES`."""
    subtype: str
    """`cbotEventType`; empty for surveys."""
    occurred_ms: int
    payload: dict[str, Any]
    """The function's `input.payload`, complete."""
    suppressed: str = ""
    """A stable word for why the event is shown and not handled; empty: it is handled.

    `auto-closed`: the consumer's conversation before was closed by the system a short while ago.
    """


class Derivation(msgspec.Struct, frozen=True):
    state: State
    events: tuple[DerivedEvent, ...] = ()
    note: Note = Note.EVENT


def derive(old: State | None, change: Change, circumstances: Circumstances) -> Derivation:
    """Bring a conversation's state up to date and say which events that means.

    Args:
        old: the stored state of `change.conv_id`; None when there is none.
        change: must be handled in the order of arrival, one at a time per conversation.
        circumstances: as they are now.

    Returns:
        The state to store and the events, in the order to handle them. Any number of
        deliveries of one change gives its events once.
    """
    state = old or State(conv_id=change.conv_id)
    if isinstance(change.body, Line):
        return _derive_line(state, change, change.body, circumstances)
    return _derive_snapshot(state, change, change.body, circumstances)


def _derive_snapshot(
    old: State, change: Change, snapshot: Snapshot, now: Circumstances
) -> Derivation:
    if change.key in old.seen:
        return Derivation(old, (), Note.DUPLICATE)
    if change.ts_ms < old.ts_ms:
        return Derivation(old, (), Note.STALE)
    old = _accept(old, change)
    if snapshot.state != "CLOSE" and (change.type == "DELETE" or old.state == "CLOSE"):
        return Derivation(old, (), Note.DELETED if change.type == "DELETE" else Note.CLOSED)
    new = apply(old, change, snapshot, now)
    if old.state:
        return _derive_known(old, new, change, snapshot, now=now)
    return _derive_first(old, new, change, snapshot, now=now)


def _accept(old: State, change: Change) -> State:
    seen = (*old.seen, change.key) if change.ts_ms == old.ts_ms else (change.key,)
    return replace(old, ts_ms=change.ts_ms, version=old.version + 1, seen=seen[-REMEMBERED:])


def _derive_first(
    old: State, new: State, change: Change, snapshot: Snapshot, *, now: Circumstances
) -> Derivation:
    """Tell a conversation that was just opened from one that was there before us."""
    main = main_dialog(snapshot.dialogs or (), change.conv_id)
    opened = (
        change.type == "UPSERT"
        and new.state == "OPEN"
        and (main is None or main.state in (None, "OPEN"))
        and new.start_ts is not None
        and new.start_ts >= now.high_water_ms
    )
    in_off_hours = new.start_ts is not None and not now.hours.shift(new.skill_id, new.start_ts).open
    new = replace(
        new,
        ended=new.state == "CLOSE",
        first_conversation=snapshot.first_conversation
        if snapshot.first_conversation is not None
        else now.history_known and now.previous is None and bool(new.consumer_id),
        opened_in_off_hours=in_off_hours,
        off_hours_noted_ts=new.start_ts if in_off_hours else None,
    )
    if not opened:
        return Derivation(new, (), Note.BASELINE)
    assert new.start_ts is not None
    if now.now_ms - new.start_ts > now.max_event_age_ms:
        return Derivation(new, (), Note.TOO_OLD)
    subtype = "CONSUMER_OPEN_NEW_CONVERSATION"
    subtype += "_FIRST_TIME" if new.first_conversation else ""
    subtype += "_OFF_HOURS" if in_off_hours else ""
    before = replace(old, state="CLOSE", ttr=new.ttr)
    line = snapshot.last_line or new.last_line
    return Derivation(new, (_event(subtype, change, before, new, line=line, now=now),))


def _derive_known(
    old: State, new: State, change: Change, snapshot: Snapshot, *, now: Circumstances
) -> Derivation:
    subtypes: list[str] = []
    note = Note.UNCHANGED
    if change.type == "UPSERT" and new.state == "OPEN":
        moved = _participants_change(old, new, change.ts_ms, now.own_ids)
        if "BACK_TO_QUEUE" in moved:
            new = replace(new, back_to_queue_ts=change.ts_ms)
        subtypes = [*_step_up(old, new), *_routing(old, new), *moved, *_ttr(old, new, now.now_ms)]
    elif new.state == "CLOSE" and not old.ended:
        if new.close_reason in _END_SUBTYPES:
            new = replace(new, ended=True)
            subtypes = [_END_SUBTYPES[new.close_reason]]
        else:
            note = Note.UNKNOWN_CLOSE
    surveys = _surveys(old, new)

    if not subtypes and not surveys:
        return Derivation(new, (), note)
    if now.now_ms - change.ts_ms > now.max_event_age_ms:
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
    stepped = old.consumer_id and new.consumer_id and old.consumer_id != new.consumer_id
    return ["CONSUMER_STEP_UP"] if stepped else []


def _routing(old: State, new: State) -> list[str]:
    return ["ENGAGEMENT_TRANSFERED"] if old.skill_id != new.skill_id else []


def _participants_change(old: State, new: State, ts_ms: int, own_ids: frozenset[str]) -> list[str]:
    subtypes = []
    assigned, was_assigned = assigned_agents(new.participants), assigned_agents(old.participants)
    if assigned - was_assigned:
        subtypes.append("YOU_ARE_CONNECTED_TO")
    # An agent whom the conversation was offered to takes the place of the one who left.
    offered = assigned_agents(new.suggested) - assigned_agents(old.suggested)
    transferred = (
        new.skill_changed_ts is not None and ts_ms - new.skill_changed_ts <= TRANSFER_WINDOW_MS
    )
    if was_assigned and not assigned and not offered and not transferred:
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
    newest = old.last_seq.get(line.dialog_id, -1)
    if line.sequence <= newest:
        return Derivation(old, (), Note.DUPLICATE if line.sequence == newest else Note.STALE)
    others = {each: last for each, last in old.last_seq.items() if each != line.dialog_id}
    numbers = [*others.items(), (line.dialog_id, line.sequence)]
    new = replace(
        hear(old, line, now.own_ids),
        version=old.version + 1,
        last_seq=dict(numbers[-REMEMBERED:]),
    )
    if not old.state:
        return Derivation(new, (), Note.UNKNOWN_CONVERSATION)
    noted = new.off_hours_noted_ts
    shift = now.hours.shift(new.skill_id, line.ts_ms)
    surprising = (
        not shift.open
        and old.state == "OPEN"
        and role_of(old, line) == "CONSUMER"
        and not line.private
        and (noted is None or noted < shift.since_ms)
    )
    if not surprising:
        return Derivation(new, (), Note.RECORDED)
    if now.now_ms - line.ts_ms > now.max_event_age_ms:
        return Derivation(new, (), Note.TOO_OLD)
    new = replace(new, off_hours_noted_ts=line.ts_ms)
    subtype = "CONSUMER_SEND_MESSAGE_ON_OFFHOURS"
    return Derivation(new, (_event(subtype, change, old, new, line=line, now=now),))


def _event(
    subtype: str,
    change: Change,
    old: State,
    new: State,
    *,
    line: Line | None,
    now: Circumstances,
) -> DerivedEvent:
    return DerivedEvent(
        type=_EVENT_TYPE_BY_SUBTYPE[subtype],
        subtype=subtype,
        occurred_ms=change.ts_ms,
        payload=messaging_payload(subtype, change, old, new, line=line, now=now),
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
