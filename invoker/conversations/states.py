"""What is remembered of a conversation, and how a change alters it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from invoker.conversations.changes import (
    NO_SKILL,
    REMEMBERED,
    Change,
    Context,
    Line,
    Snapshot,
    main_dialog,
)
from invoker.conversations.circumstances import Circumstances
from invoker.events import CampaignInfo, Participant, Ttr

_HUMANS: Final = frozenset({"CONSUMER", "ASSIGNED_AGENT", "AGENT", "MANAGER"})


class DialogState(msgspec.Struct, frozen=True):
    type: str
    state: str


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a conversation; times in epoch milliseconds, None: never.

    JSON round trip: `msgspec.to_builtins(state)` and `msgspec.convert(data, State)`.
    """

    conv_id: str
    version: int = 0
    """Grows by one with every accepted change."""
    ts_ms: int = 0
    seen: tuple[str, ...] = ()
    """Keys of the changes accepted at `ts_ms`."""
    state: str = ""
    """Empty while only lines are known of the conversation."""
    stage: str = ""
    skill_id: str = NO_SKILL
    skill_changed_ts: int | None = None
    consumer_id: str = ""
    participants: tuple[Participant, ...] = ()
    suggested: tuple[Participant, ...] = ()
    dialogs: dict[str, DialogState] = {}
    ttr: Ttr = Ttr()
    manual_ettr: int = 0
    effective_ttr: int = -1
    start_ts: int | None = None
    end_ts: int | None = None
    close_reason: str = ""
    ended: bool = False
    """The end was handled: its event was derived, or it happened before our time."""
    first_conversation: bool = False
    campaign: CampaignInfo = CampaignInfo()
    context: Context = Context()
    nicknames: dict[str, str] = {}
    """By participant id, where the platform says."""
    opened_in_off_hours: bool = False
    assigned_since: int | None = None
    queue_since: int | None = None
    back_to_queue_ts: int | None = None
    last_seq: dict[str, int] = {}
    """Sequence of the newest line by dialog."""
    last_line: Line | None = None
    last_msg_ts: int | None = None
    last_msg_role: str | None = None
    last_agent_ts: int | None = None
    last_consumer_ts: int | None = None
    first_unanswered_consumer_ts: int | None = None
    off_hours_noted_ts: int | None = None
    """When this off-hours window was last brought to attention in this conversation."""
    idle_fired: dict[str, int] = {}


def apply(old: State, change: Change, snapshot: Snapshot, now: Circumstances) -> State:
    """Take over what the snapshot says and keep what it is silent about."""
    ts_ms = change.ts_ms
    skill_id = old.skill_id if snapshot.skill_id is None else snapshot.skill_id
    rerouted = bool(old.state) and skill_id != old.skill_id
    participants = old.participants if snapshot.participants is None else snapshot.participants
    consumers = [each.id for each in participants if each.role == "CONSUMER"]
    assigned, was_assigned = assigned_agents(participants), assigned_agents(old.participants)
    queued = not assigned and (bool(was_assigned) or rerouted or not old.state)
    stage = snapshot.stage or old.stage
    new = replace(
        old,
        state=snapshot.state,
        stage=stage,
        skill_id=skill_id,
        skill_changed_ts=ts_ms if rerouted else old.skill_changed_ts,
        consumer_id=consumers[0] if len(consumers) == 1 else old.consumer_id,
        participants=participants,
        suggested=old.suggested if snapshot.suggested is None else snapshot.suggested,
        dialogs=_dialogs(old, snapshot, stage),
        ttr=snapshot.ttr or old.ttr,
        manual_ettr=snapshot.manual_ettr,
        effective_ttr=old.effective_ttr
        if snapshot.effective_ttr is None
        else snapshot.effective_ttr,
        start_ts=old.start_ts if snapshot.start_ts is None else snapshot.start_ts,
        end_ts=old.end_ts if snapshot.end_ts is None else snapshot.end_ts,
        close_reason=_close_reason(snapshot, change.conv_id) or old.close_reason,
        campaign=snapshot.campaign or old.campaign,
        context=snapshot.context or old.context,
        assigned_since=(old.assigned_since if assigned <= was_assigned else ts_ms)
        if assigned
        else None,
        queue_since=None if assigned else ts_ms if queued else old.queue_since,
        nicknames=old.nicknames if snapshot.nicknames is None else snapshot.nicknames,
    )
    copy = snapshot.last_line
    if copy and copy.sequence > old.last_seq.get(copy.dialog_id, -1):
        # The copy only fills a gap: the message itself may still come and must count then.
        new = hear(new, copy, now.own_ids)
    return new


def assigned_agents(participants: tuple[Participant, ...]) -> frozenset[str]:
    return frozenset(each.id for each in participants if each.role == "ASSIGNED_AGENT")


def _dialogs(old: State, snapshot: Snapshot, stage: str) -> dict[str, DialogState]:
    dialogs = dict(old.dialogs)
    for dialog in snapshot.dialogs or ():
        dialogs[dialog.dialog_id] = DialogState(
            dialog.dialog_type or "", dialog.state or snapshot.state
        )
    if stage == "CLOSE":
        dialogs = {each: DialogState(dialog.type, "CLOSE") for each, dialog in dialogs.items()}
    return dict(list(dialogs.items())[-REMEMBERED:])


def _close_reason(snapshot: Snapshot, conv_id: str) -> str | None:
    """AGENT, CONSUMER or SYSTEM; what else a platform says is kept as it is."""
    if snapshot.state != "CLOSE":
        return None
    main = main_dialog(snapshot.dialogs or (), conv_id)
    reason = snapshot.close_reason or (main.closed_by if main else None)
    return "SYSTEM" if reason == "TIMEOUT" else reason


def role_of(state: State, line: Line) -> str:
    if line.role:
        return line.role
    author = {line.originator_id, line.originator_pid}
    return next((each.role for each in state.participants if each.id in author), "")


def hear(state: State, line: Line, own_ids: frozenset[str]) -> State:
    """Take a line into account for who wrote last and who waits for an answer.

    What the bot writes, or staff among themselves, answers nobody and changes nothing.
    """
    role = role_of(state, line)
    if line.private or role not in _HUMANS or own_ids & {line.originator_id, line.originator_pid}:
        return state
    if state.last_msg_ts is None or line.ts_ms >= state.last_msg_ts:
        state = replace(state, last_line=line, last_msg_ts=line.ts_ms, last_msg_role=role)
    if role == "CONSUMER":
        answered = state.last_agent_ts is not None and line.ts_ms <= state.last_agent_ts
        return replace(
            state,
            last_consumer_ts=max(line.ts_ms, state.last_consumer_ts or 0),
            first_unanswered_consumer_ts=state.first_unanswered_consumer_ts
            if answered or state.first_unanswered_consumer_ts is not None
            else line.ts_ms,
        )
    agent_ts = max(line.ts_ms, state.last_agent_ts or 0)
    waiting_since = state.first_unanswered_consumer_ts
    if waiting_since is not None and waiting_since <= agent_ts:
        waiting_since = None
    return replace(state, last_agent_ts=agent_ts, first_unanswered_consumer_ts=waiting_since)
