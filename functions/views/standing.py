"""How a conversation stands, in words: what is stored of it, and what time will bring."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from invoker import conversations, digesting, outlook
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import Conversation

ROLES: Mapping[str, str] = {
    "CONSUMER": "Consumer",
    "ASSIGNED_AGENT": "Agent, assigned",
    "AGENT": "Agent, joined",
    "MANAGER": "Manager",
    "READER": "Reader",
    "CONTROLLER": "Controller bot",
}
CLOSERS: Mapping[str, str] = {
    "AGENT": "the agent",
    "CONSUMER": "the consumer",
    "SYSTEM": "the system",
}
WRITERS: Mapping[str, str] = {
    "CONSUMER": "The consumer",
    "ASSIGNED_AGENT": "The agent",
    "AGENT": "An agent",
    "MANAGER": "A manager",
}
SHORT: Mapping[str, str] = {
    "AGENT_NON_RESPONSIVE": "Agent silent",
    "CONSUMER_NON_RESPONSIVE": "Consumer silent",
    "CONV_AWAITING_IN_QUEUE": "Waiting in the queue",
}
MOST_COMING = 2
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody in the conversation. `name` is the id where the platform tells no name."""

    id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Due:
    """Something that time alone will bring, at `at`; None: not any more, or not for now."""

    word: str
    """By which it is asked for: the sub-type of an event, or `office`."""
    title: str
    short: str
    """The same where there is little room."""
    at: dt.datetime | None
    left: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Times are by the conversation's clock. `known` is False before its first notification."""

    known: bool
    open: bool
    now: dt.datetime
    consumer: str
    skill: str
    holder: str
    """Who has it, in a few words; empty once it is closed."""
    people: tuple[Who, ...] = ()
    language: str = ""
    urgent: bool = False
    started_at: dt.datetime | None = None
    answer_due_at: dt.datetime | None = None
    answer_left: str = ""
    last_writer: str = ""
    last_wrote_at: dt.datetime | None = None
    survey: bool = False
    closed_by: str = ""
    ended_at: dt.datetime | None = None
    opened_in_off_hours: bool = False
    first_conversation: bool = False
    campaign: str = ""
    office: str = ""
    office_open: bool = True
    due: tuple[Due, ...] = ()

    @property
    def word(self) -> str:
        """Open, closed, or that nothing is known."""
        if not self.known:
            return "Unknown yet"
        return "Open" if self.open else "Closed"

    @property
    def coming(self) -> list[Due]:
        """What comes if nobody does anything, the first first."""
        coming = [each for each in self.due if each.at is not None]
        return sorted(coming, key=lambda each: each.at or self.now)[:MOST_COMING]


def brief(conversation: Conversation) -> Standing:
    """What a row of a list shows: without a look at the clock, so without a query."""
    return _stands(conversation, digesting.stored_state(conversation), None)


def stand(conversation: Conversation) -> Standing:
    """All that is known, with what comes next by the account's settings."""
    state = digesting.stored_state(conversation)
    return _stands(conversation, state, outlook.look_ahead(conversation))


def _stands(
    conversation: Conversation,
    state: conversations.State | None,
    ahead: outlook.Outlook | None,
) -> Standing:
    now = ahead.now if ahead else conversation.now()
    if state is None or not state.state:
        name = _played_by(conversation) or conversation.consumer_id
        return Standing(known=False, open=True, now=now, consumer=name, skill="", holder="")
    people = tuple(_who(state, each.id, each.role) for each in state.participants)
    people += tuple(
        Who(each.id, _name(state, each.id), "Agent, offered to") for each in state.suggested
    )
    is_open = state.state == "OPEN"
    answer_due_at = moment(max(state.effective_ttr, 0))
    return Standing(
        known=True,
        open=is_open,
        now=now,
        consumer=_played_by(conversation) or _name(state, state.consumer_id),
        skill="" if state.skill_id == conversations.NO_SKILL else state.skill_id,
        holder=_holder(state) if is_open else "",
        people=people,
        language=state.language,
        urgent=state.ttr.ttr_type == "URGENT",
        started_at=moment(state.start_ts),
        answer_due_at=answer_due_at,
        answer_left=_left(answer_due_at, now) if answer_due_at else "",
        last_writer=WRITERS.get(state.last_msg_role or "", ""),
        last_wrote_at=moment(state.last_msg_ts),
        survey=any(each.type == "POST_SURVEY" and each.state == "OPEN"
                   for each in state.dialogs.values()),
        closed_by=CLOSERS.get(state.close_reason, state.close_reason) if not is_open else "",
        ended_at=moment(state.end_ts or state.closed_ts) if not is_open else None,
        opened_in_off_hours=state.opened_in_off_hours,
        first_conversation=state.first_conversation,
        campaign=", ".join(
            f"{what} {value}"
            for what, value in (
                ("campaign", state.campaign.id), ("engagement", state.campaign.engagement_id)
            )
            if value
        ),
        office=_office(ahead) if ahead else "",
        office_open=ahead.shift.open if ahead else True,
        due=tuple(_due(ahead)) if ahead else (),
    )  # fmt: skip


def _played_by(conversation: Conversation) -> str:
    """The name of the consumer whom somebody plays, empty on every other platform."""
    simulation = conversation.simulated
    people = simulation.scene["people"] if simulation else []
    return next((each["name"] for each in people if each["role"] == "CONSUMER"), "")


def _who(state: conversations.State, id_: str, role: str) -> Who:
    return Who(id_, _name(state, id_), ROLES.get(role, role))


def _name(state: conversations.State, id_: str) -> str:
    return state.nicknames.get(id_, id_)


def _holder(state: conversations.State) -> str:
    if state.at.assigned:
        return ", ".join(_name(state, each) for each in state.at.assigned)
    offered = [_name(state, each.id) for each in state.suggested]
    return f"Queue, offered to {', '.join(offered)}" if offered else "Queue"


def _office(ahead: outlook.Outlook) -> str:
    word = "Open" if ahead.shift.open else "Closed"
    until = moment(ahead.shift.until_ms)
    return f"{word} until {until:%a %d %b, %H:%M} UTC" if until else word


def _due(ahead: outlook.Outlook) -> list[Due]:
    found = []
    for each in ahead.silences:
        at = moment(each.due_ms)
        note = f"{each.count} times so far" if each.count > 1 else "once so far"
        found.append(
            Due(
                each.subtype,
                SUBTYPE_NAMES.get(each.subtype, each.subtype),
                SHORT.get(each.subtype, each.subtype),
                at,
                left=_left(at, ahead.now) if at else "",
                note=note if each.count else "",
            )
        )
    until = moment(ahead.shift.until_ms)
    if until:
        title = "The office closes" if ahead.shift.open else "The office opens"
        found.append(Due("office", title, title, until, left=_left(until, ahead.now)))
    return found


def _left(at: dt.datetime, now: dt.datetime) -> str:
    """How long it is until then: `in 9 min`, `in 2 h 5 min`, `4 min ago`."""
    seconds = round((at - now).total_seconds())
    if abs(seconds) < 1:
        return "now"
    words = span(abs(seconds))
    return f"in {words}" if seconds > 0 else f"{words} ago"


def span(seconds: int) -> str:
    """A stretch of time in its two largest units: `45 s`, `9 min`, `2 h 5 min`, `3 d 4 h`."""
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for place, (unit, length) in enumerate(units):
        if seconds < length:
            continue
        count, rest = divmod(seconds, length)
        words = f"{count} {unit}"
        # Seconds beside minutes only while there are few of these.
        if place + 1 < len(units) and (unit != "min" or count == 1):
            lower, lower_s = units[place + 1]
            words += f" {rest // lower_s} {lower}" if rest // lower_s else ""
        return words
    return "0 s"


def moment(ms: int | None) -> dt.datetime | None:
    """Epoch milliseconds as a moment; None for what is none, however a platform says that."""
    try:
        return _EPOCH + dt.timedelta(milliseconds=ms) if ms else None
    except OverflowError:
        return None
