"""Whether a command still makes sense: what the function saw against the conversation as it is now.

A slow function must not greet after the agent has spoken. Named facts are compared, never a
version number: that somebody has read a message voids nothing. Source: `controller-bot.md` §6.3.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from django.conf import settings

from invoker import conversations, events
from invoker.models import Command, CommandType, Event

Participants = list[dict[str, Any]]

UNTIL = "until"
"""Field of an automatic message that names a response time: the moment, in epoch milliseconds,
after which it would be untrue. No platform gets to see it."""

LONGEST_IDLE_AGE_S = 60.0
IDLE_TIMERS = {
    "AGENT_NON_RESPONSIVE": "agentNonResponsive",
    "CONSUMER_NON_RESPONSIVE": "consumerNonResponsive",
    "CONV_AWAITING_IN_QUEUE": "convNotTakenTime",
}
UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
MOST_LATE_MS = 2**31 - 1
"""25 days: a lateness that is written down is no larger."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Why a command is not sent: a stable word, and the sentence that Activity shows.

    `late_ms` is how long after what made it stale it would have been sent; None where nobody knows
    when that was. Of an agent who wrote several lines the last one counts, so it may be longer.
    """

    reason: str
    detail: str
    late_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """An event as the function saw it, and its conversation as it is now."""

    payload: dict[str, Any]
    happened_ms: int
    now: conversations.State
    now_ms: int
    hours: conversations.Hours
    until_ms: int | None

    @property
    def agent_spoke(self) -> bool:
        return (self.now.last_agent_ts or 0) > self.happened_ms

    @property
    def consumer_wrote(self) -> bool:
        return (self.now.last_consumer_ts or 0) > self.happened_ms

    @property
    def consumer_wrote_ms(self) -> int | None:
        """When the consumer wrote first, of what came since the event as far as it is kept."""
        later = (ts_ms for ts_ms in self.now.unanswered if ts_ms > self.happened_ms)
        return next(later, self.now.last_consumer_ts)

    @property
    def shift(self) -> conversations.Shift:
        return self.hours.shift(self.now.skill_id, self.now_ms)

    @property
    def assigned_ms(self) -> int | None:
        """When who is assigned now came, or the last one left."""
        return self.now.at.assigned_since if self.now.at.assigned else self.now.at.queue_since

    @property
    def assigned(self) -> set[str]:
        return {one.id for one in self.now.participants if one.role == "ASSIGNED_AGENT"}

    @property
    def assigned_then(self) -> set[str]:
        participants: Participants = self.payload["participantChange"]["newParticipants"]
        return {one["id"] for one in participants if one.get("role") == "ASSIGNED_AGENT"}

    @property
    def skill_then(self) -> str:
        skill: str = self.payload["routing"]["newSkillId"]
        return skill

    def late(self, stale: Stale, since_ms: int | None) -> Stale:
        """`stale` with how late it is. What is no later than the event cannot have made it so."""
        if since_ms is None or since_ms <= self.happened_ms:
            return stale
        return replace(stale, late_ms=_lateness(self.now_ms - since_ms))


AGENT_SPOKE = Stale("agent-spoke", "An agent has written since the event")
CONSUMER_WROTE = Stale("consumer-wrote", "The consumer has written since the event")
ASSIGNED_NOW = Stale("assignment-changed", "An agent is assigned now")
ASSIGNMENT_CHANGED = Stale("assignment-changed", "The assigned agent changed meanwhile")
SKILL_CHANGED = Stale("skill-changed", "The conversation moved to another skill meanwhile")
TTR_CHANGED = Stale("response-time-changed", "The response time changed again meanwhile")
TOO_OLD: Final = "too-old"
OVERDUE = Stale(
    "response-time-overdue", "The text names a time to answer that has passed meanwhile"
)
OPEN_AGAIN = Stale("open-again", "The off-hours are over")
SWITCHED_OFF = Stale("connection-off", "The connection was switched off meanwhile")
OVER = Stale("over", "The conversation is over, and LivePerson takes no more messages in it")
CLOSED = Stale("closed", "The conversation was closed meanwhile")
DETAILS = {
    one.reason: one.detail
    for one in (
        AGENT_SPOKE, CONSUMER_WROTE, ASSIGNMENT_CHANGED, SKILL_CHANGED, TTR_CHANGED, OVERDUE,
        OPEN_AGAIN, SWITCHED_OFF, OVER, CLOSED,
    )
} | {TOO_OLD: "The event is so old that nobody expects an answer to it"}  # fmt: skip
"""What Activity says, by the reason, for who knows nothing but that."""

Guard = Callable[[Scene], Stale | None]


def max_age_s(event: Event) -> float:
    """How long after it happened an event is worth an answer, in seconds.

    For an idle event half its timer, at most a minute: the longer a silence may last, the less a
    moment more or less matters.
    """
    timers: dict[str, Any] = event.payload.get("idle") or {}
    # Who derived the event may have left the length out, or its unit, which then is minutes.
    timer: dict[str, Any] = timers.get(IDLE_TIMERS.get(event.subtype, "")) or {}
    unit_s = UNIT_SECONDS.get(timer.get("timeUnits", "minutes"), 60)
    seconds: float = timer.get("time", 0) * unit_s
    if seconds <= 0:
        return float(settings.EVENT_MAX_AGE_S)
    return min(seconds / 2, LONGEST_IDLE_AGE_S)


def expires_at(event: Event, asked_at: dt.datetime | None = None) -> dt.datetime:
    """Until when an event is worth an answer, by the conversation's clock.

    Both by the platform's and by ours, whichever was the earlier. Where a person had it, or one of
    its commands at `asked_at`, tried again, its time begins anew then.
    """
    longest = dt.timedelta(seconds=max_age_s(event))
    ahead = event.conversation.ahead
    if since := asked_at or event.retried_at:
        return since + ahead + longest
    return min(event.occurred_at, event.received_at + ahead) + longest


def check(
    command: Command,
    state: conversations.State | None,
    *,
    now: dt.datetime,
    hours: conversations.Hours = conversations.ALWAYS_OPEN,
) -> Stale | None:
    """Say why a command no longer makes sense. None when it does.

    `now` is by the conversation's clock. `state` is None where the platform sends events that it
    derived itself: then only age counts.
    """
    event = command.event
    late = _too_late(command, now)
    if late or state is None:
        return late
    scene = Scene(
        event.payload,
        int(event.occurred_at.timestamp() * 1000),
        state,
        now_ms=int(now.timestamp() * 1000),
        hours=hours,
        until_ms=command.fields.get(UNTIL),
    )
    if state.state == "CLOSE" and event.type != events.CONVERSATION_END.id:
        return scene.late(CLOSED, state.closed_ts)
    match command.type:
        case CommandType.TRANSFER:
            return _transfer(event.subtype, scene)
        case CommandType.CLOSE:
            return _consumer_silent(scene)
    if scene.until_ms is not None and scene.now_ms > scene.until_ms:
        return scene.late(OVERDUE, scene.until_ms)
    guard = MESSAGE_GUARDS.get(event.subtype)
    return guard(scene) if guard else None


def _too_late(command: Command, now: dt.datetime) -> Stale | None:
    event = command.event
    over_s = (now - expires_at(event, command.redelivered_at)).total_seconds()
    if over_s <= 0:
        return None
    longest_s = max_age_s(event)
    asked_again = command.redelivered_at or event.retried_at
    age = f"{longest_s + over_s:.0f} s"
    return Stale(
        TOO_OLD,
        f"It was tried again {age} ago, and is given up after {longest_s:g} s"
        if asked_again
        else f"The event is {age} old, and after {longest_s:g} s nobody expects an answer to it",
        _lateness(over_s * 1000),
    )


def _lateness(ms: float) -> int:
    # A platform's clock may be ahead of ours.
    return min(max(round(ms), 0), MOST_LATE_MS)


def _transfer(subtype: str, scene: Scene) -> Stale | None:
    # Rescuing a conversation that stagnates is what these are for, wherever it is by now.
    stagnant = STAGNANT_GUARDS.get(subtype)
    if stagnant:
        return stagnant(scene)
    return _still_there(scene) or _still_assigned(scene)


def _unanswered(scene: Scene) -> Stale | None:
    return scene.late(AGENT_SPOKE, scene.now.last_agent_ts) if scene.agent_spoke else None


def _consumer_silent(scene: Scene) -> Stale | None:
    return scene.late(CONSUMER_WROTE, scene.consumer_wrote_ms) if scene.consumer_wrote else None


def _still_in_queue(scene: Scene) -> Stale | None:
    return scene.late(ASSIGNED_NOW, scene.assigned_ms) if scene.assigned else None


def _still_assigned(scene: Scene) -> Stale | None:
    if scene.assigned_then == scene.assigned:
        return None
    return scene.late(ASSIGNMENT_CHANGED, scene.assigned_ms)


def _still_connected(scene: Scene) -> Stale | None:
    if not scene.assigned_then & scene.assigned:
        return scene.late(ASSIGNMENT_CHANGED, scene.assigned_ms)
    return _unanswered(scene)


def _still_there(scene: Scene) -> Stale | None:
    if scene.skill_then == scene.now.skill_id:
        return None
    return scene.late(SKILL_CHANGED, scene.now.at.skill_changed_ts)


def _agent_still_silent(scene: Scene) -> Stale | None:
    return _still_assigned(scene) or _unanswered(scene)


def _still_off_hours(scene: Scene) -> Stale | None:
    shift = scene.shift
    return scene.late(OPEN_AGAIN, shift.since_ms) if shift.open else _unanswered(scene)


def _same_response_time(scene: Scene) -> Stale | None:
    then, ttr = scene.payload["ttr"]["newTtr"], scene.now.ttr
    manual_then = str(scene.payload["general"]["manualETTR"] or "0")
    same = (then.get("ttrType"), then.get("value"), manual_then) == (
        ttr.ttr_type,
        ttr.value,
        str(scene.now.manual_ettr),
    )
    # When it changed is not kept, only when it was last told.
    return None if same else TTR_CHANGED


MESSAGE_GUARDS: dict[str, Guard] = {
    **dict.fromkeys(events.NEW_CONVERSATION.subtypes, _unanswered),
    **dict.fromkeys(events.TTR.subtypes, _same_response_time),
    "YOU_ARE_CONNECTED_TO": _still_connected,
    "BACK_TO_QUEUE": _still_in_queue,
    "ENGAGEMENT_TRANSFERED": _still_there,
    "CONV_AWAITING_IN_QUEUE": _still_in_queue,
    "AGENT_NON_RESPONSIVE": _agent_still_silent,
    "CONSUMER_NON_RESPONSIVE": _consumer_silent,
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS": _still_off_hours,
}

STAGNANT_GUARDS: dict[str, Guard] = {
    "CONV_AWAITING_IN_QUEUE": _still_in_queue,
    "AGENT_NON_RESPONSIVE": _agent_still_silent,
    "CONSUMER_NON_RESPONSIVE": _consumer_silent,
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS": _still_off_hours,
}
