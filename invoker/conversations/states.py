"""What is remembered of a conversation, and how a change alters it.

The state is a function of the set of changes, whatever the order they arrive in: what a snapshot
says counts by the snapshot's time, lines count by their own, and what happened between snapshots
is read off their sorted trail. Two snapshots of one and the same millisecond are the exception:
there the later arrival counts, since nothing else tells which is newer.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from functools import reduce
from typing import Any, Final

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

TRAIL: Final = 16
"""Snapshots kept in order, so that one that was overtaken can still be put in its place."""

TRANSFER_WINDOW_MS: Final = 2_000
"""An agent who leaves this soon after a skill change left because of the transfer."""

_RANGES: Final = 16
_UNANSWERED: Final = 16
_HELD: Final = 20
_KEY_LENGTH: Final = 12
_HUMANS: Final = frozenset({"CONSUMER", "ASSIGNED_AGENT", "AGENT", "MANAGER"})

# What a snapshot may be silent about. State has a field of the same name for each; one that
# nobody has said anything about counts as said at 0.
_SAID: Final = (
    "stage",
    "skill_id",
    "consumer_id",
    "participants",
    "suggested",
    "ttr",
    "manual_ettr",
    "effective_ttr",
    "start_ts",
    "end_ts",
    "close_reason",
    "first_conversation",
    "campaign",
    "context",
    "nicknames",
)


class DialogState(msgspec.Struct, frozen=True):
    type: str
    state: str


class Step(msgspec.Struct, frozen=True, array_like=True):
    """What one snapshot says on where the conversation is. None: it does not say."""

    ts_ms: int
    keys: tuple[str, ...]
    """Of the change, and of others at the same time that say the same: two feeds word it apart."""
    skill_id: str | None = None
    assigned: tuple[str, ...] | None = None
    suggested: tuple[str, ...] = ()


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the conversation is and since when, after some steps of its trail."""

    known: bool = False
    skill_id: str = NO_SKILL
    first_skill_id: str = NO_SKILL
    skill_changed_ts: int | None = None
    assigned: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    assigned_since: int | None = None
    queue_since: int | None = None
    back_to_queue_ts: int | None = None


class Fired(msgspec.Struct, frozen=True, array_like=True):
    """How often an idle event happened since the silence began, and when last."""

    start_ms: int
    count: int
    last_ms: int


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A consumer's line that came before its conversation, and when it came."""

    line: Line
    arrived_ms: int


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was brought to attention already. Unlike the rest it depends on what was known when."""

    ended: bool = False
    """The end was handled, as an event or as something before our time."""
    off_hours_since: int = -1
    """Beginning of the latest off-hours window in which a line was noted."""
    idle: dict[str, Fired] = {}
    caught_up_ms: int = 0
    """When a change last came in long after it had happened."""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a conversation; times in epoch milliseconds, None: never.

    JSON round trip: `msgspec.to_builtins(state)` and `msgspec.convert(data, State)`.
    """

    conv_id: str
    version: int = 0
    """Grows by one with every change taken into account."""
    ts_ms: int = 0
    """Time of the newest snapshot."""
    since_ms: int = 0
    """Snapshots older than this belong to an earlier conversation of the same id."""
    earlier_ms: int = -1
    """Lines up to this moment belong to that one too."""
    said: dict[str, int] = {}
    """When a field was last said, for those that the newest snapshot is silent about."""
    trail: tuple[Step, ...] = ()
    folded: Whereabouts | None = None
    """What the steps led to that were dropped from the trail."""
    state: str = ""
    """Empty while only lines are known of the conversation."""
    stage: str = ""
    skill_id: str = NO_SKILL
    at: Whereabouts = Whereabouts()
    consumer_id: str = ""
    participants: tuple[Participant, ...] = ()
    suggested: tuple[Participant, ...] = ()
    nicknames: dict[str, str] = {}
    dialogs: dict[str, DialogState] = {}
    ttr: Ttr = Ttr()
    manual_ettr: int = 0
    effective_ttr: int = -1
    start_ts: int | None = None
    end_ts: int | None = None
    close_reason: str = ""
    closed_ts: int | None = None
    """Time of the first snapshot that shows it closed."""
    first_conversation: bool = False
    campaign: CampaignInfo = CampaignInfo()
    context: Context = Context()
    language: str = ""
    """The first one that was said: it stays while the conversation lasts. Source: §5.2."""
    language_ts: int = 0
    opened_in_off_hours: bool = False
    heard: dict[str, tuple[int, ...]] = {}
    """Sequences of the lines that came, by dialog: first and last of each unbroken run."""
    held: tuple[Held, ...] = ()
    last_line: Line | None = None
    last_msg_ts: int | None = None
    last_msg_role: str | None = None
    last_agent_ts: int | None = None
    last_consumer_ts: int | None = None
    unanswered: tuple[int, ...] = ()
    """Times of the consumer's lines since the last one of an agent, the earliest ones."""
    told: Told = Told()

    @property
    def last_seq(self) -> dict[str, int]:
        """The highest sequence that came, by dialog."""
        return {dialog_id: runs[-1] for dialog_id, runs in self.heard.items()}

    @property
    def first_unanswered_consumer_ts(self) -> int | None:
        return self.unanswered[0] if self.unanswered else None


# Snapshots ----------------------------------------------------------------------------------------


def is_known(state: State, change: Change) -> bool:
    """Whether this very snapshot has been taken into account."""
    if not state.trail or change.ts_ms > state.trail[-1].ts_ms:
        return False
    key = short(change)
    return any(step.ts_ms == change.ts_ms and key in step.keys for step in state.trail)


def is_too_old(state: State, change: Change) -> bool:
    """Whether a snapshot is older than all that could still be put in order."""
    if change.ts_ms < state.since_ms:
        return True
    return state.folded is not None and change.ts_ms < state.trail[0].ts_ms


def has_said(state: State, name: str) -> bool:
    """Whether any snapshot has said anything about a field."""
    return state.said.get(name, state.ts_ms) > 0


def begin_again(old: State, change: Change) -> State:
    """The state of a conversation that is opened again: another one, with what came since."""
    closed_ts = old.closed_ts or 0

    def since(time: int | None) -> int | None:
        return time if time is not None and time > closed_ts else None

    return State(
        conv_id=f"{change.conv_id}@{change.ts_ms // 1000}",
        version=old.version,
        since_ms=change.ts_ms,
        earlier_ms=closed_ts,
        heard=old.heard,
        last_line=old.last_line if since(old.last_msg_ts) else None,
        last_msg_ts=since(old.last_msg_ts),
        last_msg_role=old.last_msg_role if since(old.last_msg_ts) else None,
        last_agent_ts=since(old.last_agent_ts),
        last_consumer_ts=since(old.last_consumer_ts),
        unanswered=tuple(ts_ms for ts_ms in old.unanswered if ts_ms > closed_ts),
    )


def short(change: Change) -> str:
    return change.key.rpartition(":")[2][:_KEY_LENGTH]


def apply(old: State, change: Change, snapshot: Snapshot, now: Circumstances) -> State:
    """Take a snapshot into account, wherever in the order it belongs."""
    fields = _newest(old, change, snapshot)
    fields |= _place(old, change, snapshot)
    language = snapshot.context.lang if snapshot.context else None
    if language and (not old.language or change.ts_ms < old.language_ts):
        fields |= {"language": language, "language_ts": change.ts_ms}
    newest = not old.state or change.ts_ms >= old.ts_ms
    fields["state"] = snapshot.state if newest else old.state
    # Closed stays closed, also where an older snapshot is the only one to say so.
    if "CLOSE" in (old.state, snapshot.state):
        fields["state"] = "CLOSE"
    if snapshot.state == "CLOSE":
        known_ts = change.ts_ms if old.closed_ts is None else old.closed_ts
        fields["closed_ts"] = min(change.ts_ms, known_ts)
    if "CLOSE" in (old.stage, snapshot.stage):
        fields["stage"] = "CLOSE"
    new = replace(
        old,
        **fields,
        version=old.version + 1,
        ts_ms=max(old.ts_ms, change.ts_ms),
        dialogs=_dialogs(old, snapshot, fields["stage"]),
    )
    if not old.state or _opening(new) != _opening(old):
        new = replace(new, opened_in_off_hours=_opened_in_off_hours(new, now))
    # The copy only fills a gap: the message itself may still come and must count then.
    return hear(new, snapshot.last_line, now.own_ids) if snapshot.last_line else new


def _newest(old: State, change: Change, snapshot: Snapshot) -> dict[str, Any]:
    """For every field the value that was said last, by the time of who said it."""
    ts_ms = max(old.ts_ms, change.ts_ms)
    values: dict[str, Any] = {}
    said: dict[str, int] = {}
    read_off = {
        "close_reason": _close_reason(snapshot, change),
        "consumer_id": _only_consumer(snapshot),
    }
    for name in _SAID:
        value, at = getattr(old, name), old.said.get(name, old.ts_ms)
        new = read_off[name] if name in read_off else getattr(snapshot, name)
        if new is not None and change.ts_ms >= at:
            value, at = new, change.ts_ms
        if name == "start_ts" and value is not None:
            # Who opens a conversation again may go on telling when it began the first time.
            value = max(value, old.since_ms)
        values[name] = value
        if at != ts_ms:
            said[name] = at
    values["said"] = said
    return values


def _only_consumer(snapshot: Snapshot) -> str | None:
    consumers = [each.id for each in snapshot.participants or () if each.role == "CONSUMER"]
    return consumers[0] if len(consumers) == 1 else None


def _close_reason(snapshot: Snapshot, change: Change) -> str | None:
    """AGENT, CONSUMER or SYSTEM; what else a platform says is kept as it is."""
    if snapshot.state != "CLOSE":
        return None
    main = main_dialog(snapshot.dialogs or (), change.conv_id)
    reason = snapshot.close_reason or (main.closed_by if main else None)
    return "SYSTEM" if reason == "TIMEOUT" else reason


def _place(old: State, change: Change, snapshot: Snapshot) -> dict[str, Any]:
    """Put the snapshot's step in its place and read off where the conversation is since when."""
    # What a conversation looks like once it is over, or left our subscription, is no move in it.
    moves = change.type == "UPSERT" and snapshot.state != "CLOSE"
    present = snapshot.participants if moves else None
    step = Step(
        change.ts_ms,
        (short(change),),
        snapshot.skill_id if moves else None,
        None if present is None else tuple(sorted(assigned_agents(present))),
        tuple(sorted(assigned_agents(snapshot.suggested or ()))) if moves else (),
    )
    place = bisect_right(old.trail, step.ts_ms, key=_time)
    for index in range(place - 1, -1, -1):
        known = old.trail[index]
        if known.ts_ms != step.ts_ms:
            break
        if replace(step, keys=known.keys) == known:
            same = replace(known, keys=(*known.keys, *step.keys)[-REMEMBERED:])
            return {"trail": (*old.trail[:index], same, *old.trail[index + 1 :])}
    trail = (*old.trail[:place], step, *old.trail[place:])
    if place == len(old.trail):
        at = _advance(old.at, step)
    else:
        at = reduce(_advance, trail, old.folded or Whereabouts())
    folded = old.folded
    if len(trail) > TRAIL:
        folded, trail = _advance(folded or Whereabouts(), trail[0]), trail[1:]
    return {"trail": trail, "folded": folded, "at": at}


def _time(step: Step) -> int:
    return step.ts_ms


def _advance(at: Whereabouts, step: Step) -> Whereabouts:
    if step.skill_id is None and step.assigned is None:
        return at
    ts_ms = step.ts_ms
    skill_id = at.skill_id if step.skill_id is None else step.skill_id
    assigned = at.assigned if step.assigned is None else step.assigned
    rerouted = at.known and skill_id != at.skill_id
    skill_changed_ts = ts_ms if rerouted else at.skill_changed_ts
    left = bool(at.assigned) and not assigned
    # An agent whom the conversation was offered to takes the place of the one who left.
    offered = set(step.suggested) - set(at.suggested)
    transferred = skill_changed_ts is not None and ts_ms - skill_changed_ts <= TRANSFER_WINDOW_MS
    queued = left or rerouted or not at.known
    replaced = not set(assigned) <= set(at.assigned)
    return Whereabouts(
        known=True,
        skill_id=skill_id,
        first_skill_id=at.first_skill_id if at.known else skill_id,
        skill_changed_ts=skill_changed_ts,
        assigned=assigned,
        suggested=step.suggested,
        assigned_since=(ts_ms if replaced else at.assigned_since) if assigned else None,
        queue_since=None if assigned else ts_ms if queued else at.queue_since,
        back_to_queue_ts=ts_ms if left and not offered and not transferred else at.back_to_queue_ts,
    )


def assigned_agents(participants: tuple[Participant, ...]) -> frozenset[str]:
    return frozenset(each.id for each in participants if each.role == "ASSIGNED_AGENT")


def _opening(state: State) -> tuple[str, int | None]:
    return state.at.first_skill_id, state.start_ts


def _opened_in_off_hours(state: State, now: Circumstances) -> bool:
    skill_id, start_ts = _opening(state)
    return start_ts is not None and not now.hours.shift(skill_id, start_ts).open


def _dialogs(old: State, snapshot: Snapshot, stage: str) -> dict[str, DialogState]:
    """What is known of each dialog; like the conversation, one that is closed stays closed."""
    dialogs = dict(old.dialogs)
    for dialog in snapshot.dialogs or ():
        known = dialogs.get(dialog.dialog_id, DialogState("", ""))
        closed = "CLOSE" in (known.state, dialog.state)
        dialogs[dialog.dialog_id] = DialogState(
            dialog.dialog_type or known.type,
            "CLOSE" if closed else dialog.state or known.state or snapshot.state,
        )
    if stage == "CLOSE":
        dialogs = {each: DialogState(dialog.type, "CLOSE") for each, dialog in dialogs.items()}
    return dict(list(dialogs.items())[-REMEMBERED:])


# Lines --------------------------------------------------------------------------------------------


def has_heard(state: State, line: Line) -> bool:
    runs = state.heard.get(line.dialog_id, ())
    # First and last of each run in turn: a number inside one, or equal to its first, is known.
    place = bisect_right(runs, line.sequence)
    return place % 2 == 1 or (place > 0 and runs[place - 1] == line.sequence)


def mark_heard(state: State, line: Line) -> State:
    """Remember that a line came. Of many gaps the oldest count as filled."""
    runs = list(state.heard.get(line.dialog_id, ()))
    place = bisect_right(runs, line.sequence)
    runs[place:place] = [line.sequence, line.sequence]
    for joint in (place + 1, place - 1):
        if 0 < joint < len(runs) - 1 and runs[joint + 1] == runs[joint] + 1:
            del runs[joint : joint + 2]
    if len(runs) > 2 * _RANGES:
        del runs[1:3]
    others = {each: known for each, known in state.heard.items() if each != line.dialog_id}
    heard = [*others.items(), (line.dialog_id, tuple(runs))]
    return replace(state, heard=dict(heard[-REMEMBERED:]), version=state.version + 1)


def role_of(state: State, line: Line) -> str:
    if line.role:
        return line.role
    author = {line.originator_id, line.originator_pid}
    return next((each.role for each in state.participants if each.id in author), "")


def hear(state: State, line: Line, own_ids: frozenset[str]) -> State:
    """Take a line into account for who wrote last and who waits for an answer; twice does no harm.

    What the bot writes, or staff among themselves, answers nobody and changes nothing.
    """
    role = role_of(state, line)
    if line.private or role not in _HUMANS or own_ids & {line.originator_id, line.originator_pid}:
        return state
    if line.ts_ms <= state.earlier_ms:
        return state
    if state.last_line is None or _order(line) > _order(state.last_line):
        state = replace(state, last_line=line, last_msg_ts=line.ts_ms, last_msg_role=role)
    if role == "CONSUMER":
        return replace(
            state,
            last_consumer_ts=max(line.ts_ms, state.last_consumer_ts or 0),
            unanswered=_waiting(state, line.ts_ms),
        )
    agent_ts = max(line.ts_ms, state.last_agent_ts or 0)
    unanswered = tuple(ts for ts in state.unanswered if ts > agent_ts)
    if not unanswered and (state.last_consumer_ts or 0) > agent_ts:
        # More lines came than are kept: the last one at least waits.
        unanswered = (state.last_consumer_ts or 0,)
    return replace(state, last_agent_ts=agent_ts, unanswered=unanswered)


def _order(line: Line) -> tuple[int, str, int]:
    return line.ts_ms, line.dialog_id, line.sequence


def _waiting(state: State, ts_ms: int) -> tuple[int, ...]:
    """The consumer's unanswered lines with one more; it may have been answered meanwhile."""
    if ts_ms in state.unanswered or ts_ms <= (state.last_agent_ts or -1):
        return state.unanswered
    unanswered = list(state.unanswered)
    insort(unanswered, ts_ms)
    return tuple(unanswered[:_UNANSWERED])


def hold(state: State, line: Line, now_ms: int) -> State:
    """Keep a line that came before its conversation until that comes, or for ever too late."""
    return replace(state, held=(*state.held, Held(line, now_ms))[-_HELD:])
