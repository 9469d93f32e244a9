"""Whatever arrives, in whatever order and however often: one state, and no event twice."""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from invoker import conversations
from invoker.conversations import (
    Circumstances,
    DerivedEvent,
    IdleDerivation,
    IdleTimer,
    IdleTimes,
    NotificationError,
    State,
    Told,
    derive,
    idle,
    read_notification,
)
from tests.invoker.notifications import (
    AGENT,
    CONSUMER,
    NEW,
    OFF_HOURS_LINE,
    PAYLOADS,
    QUEUED,
    T0,
    Closed,
    captured,
    dialog,
    line,
    play,
    snapshot,
    subtypes,
)

BOT = "bot"
HOURS = Closed((3, 8), (12, 15))


# A conversation's history -------------------------------------------------------------------------


@dataclass
class History:
    """A conversation while it is lived: what its platform sends, and what each step means."""

    at: int = 0
    lines: int = 0
    details: dict[str, Any] = field(default_factory=lambda: {"skillId": "100"})
    people: dict[str, str] = field(default_factory=lambda: {CONSUMER["id"]: "CONSUMER"})
    suggested: str = ""
    sent: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, **details: Any) -> None:
        """Another second, another snapshot: times of one conversation are all different."""
        self.at += 1
        self.details |= details
        offered = {"id": self.suggested, "role": "ASSIGNED_AGENT", "state": "SUGGESTED"}
        main = dialog(
            state=self.details.get("state", "OPEN"),
            participantsDetails=[*self._present(), *([offered] if self.suggested else [])],
        )
        survey = [dialog("POST_SURVEY")] if self.details.get("closeReason") == "CONSUMER" else []
        self.sent.append(
            snapshot(self.at, participants=self._present(), dialogs=[main, *survey], **self.details)
        )

    def _present(self) -> list[dict[str, str]]:
        return [{"id": each, "role": role} for each, role in self.people.items()]

    def write(self, author: str, role: str) -> None:
        self.at += 1
        self.sent.append(line(self.lines, self.at, {"id": author, "role": role}))
        self.lines += 1

    # What people do -------------------------------------------------------------------------------

    def consumer_writes(self) -> None:
        consumer = next(each for each, role in self.people.items() if role == "CONSUMER")
        self.write(consumer, "CONSUMER")

    def agent_writes(self) -> None:
        self.write("agent-1", "ASSIGNED_AGENT")

    def bot_writes(self) -> None:
        self.write(BOT, "MANAGER")

    def agent_takes(self) -> None:
        self.suggested = ""
        self.people["agent-1"] = "ASSIGNED_AGENT"
        self.tell()

    def agent_is_offered(self) -> None:
        self.people.pop("agent-1", None)
        self.suggested = "agent-1"
        self.tell()

    def agent_returns_it(self) -> None:
        self.people.pop("agent-1", None)
        self.tell()

    def colleague_comes_or_goes(self) -> None:
        if self.people.pop("agent-3", None) is None:
            self.people["agent-3"] = "AGENT"
        self.tell()

    def bot_joins(self) -> None:
        self.people[BOT] = "MANAGER"
        self.tell()

    def transferred(self) -> None:
        self.people.pop("agent-1", None)
        self.tell(skillId="200" if self.details["skillId"] == "100" else "100")

    def urgency_changes(self) -> None:
        kind = self.details.get("ttr", {}).get("ttrType")
        self.tell(ttr={"ttrType": "NORMAL" if kind == "URGENT" else "URGENT", "value": 60})

    def agent_sets_time(self) -> None:
        self.tell(manualETTR=T0 + 10**6 + self.at)

    def consumer_steps_up(self) -> None:
        self.people.pop(CONSUMER["id"], None)
        self.people["con-known"] = "CONSUMER"
        self.tell()

    def nothing_happens(self) -> None:
        self.tell()

    def agent_closes(self) -> None:
        self.tell(state="CLOSE", closeReason="AGENT")

    def consumer_closes(self) -> None:
        self.tell(state="CLOSE", closeReason="CONSUMER")


ACTS = (
    History.consumer_writes, History.consumer_writes, History.agent_writes, History.bot_writes,
    History.agent_takes, History.agent_is_offered, History.agent_returns_it,
    History.colleague_comes_or_goes, History.bot_joins, History.transferred,
    History.urgency_changes, History.agent_sets_time, History.consumer_steps_up,
    History.nothing_happens,
)  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What a platform sends of one conversation, in the order it happens."""
    history = History()
    history.tell()
    # No longer than what can still be put in order, see `states.TRAIL`.
    for act in draw(st.lists(st.sampled_from(ACTS), max_size=12)):
        act(history)
    if draw(st.booleans()):
        draw(st.sampled_from([History.agent_closes, History.consumer_closes]))(history)
        history.tell(stage="CLOSE")
    return history.sent


def raw(notification: dict[str, Any]) -> dict[str, Any]:
    """The same notification as the agent socket brings it."""
    if notification["type"] == "ms.MessagingEventNotification":
        [change] = notification["body"]["changes"]
        author = change["originatorId"]
        return {
            "kind": "notification",
            "type": ".ams.ms.OnlineEventDistribution",
            "body": change | {"originatorId": f"12345678.{author}", "originatorPId": author},
        }
    body = copy.deepcopy(notification["body"])
    for change in body["changes"]:
        result = change["result"]
        details = result["conversationDetails"]
        roles: dict[str, list[str]] = {}
        for each in details["participants"]:
            roles.setdefault(each["role"], []).append(each["id"])
        details["participantsPId"] = roles
        details["participants"] = {
            role: ids if role == "CONSUMER" else [f"12345678.{each}" for each in ids]
            for role, ids in roles.items()
        }
        details |= {"convId": result["convId"], "note": "", "csatRate": 0}
        result |= {"numberOfunreadMessages": {}, "lastUpdateTime": details["metaDataLastUpdateTs"]}
    return {"kind": "notification", "type": ".ams.aam.ExConversationChangeNotification",
            "body": body | {"subscriptionId": "sub-1", "sentTs": T0}}  # fmt: skip


def live(*notifications: Any, **circumstances: Any) -> tuple[State, list[DerivedEvent]]:
    """Take notifications as they come, at a moment when none of them is old."""
    now = {"now_ms": T0 + 20_000, "hours": HOURS, "own_ids": frozenset({BOT})} | circumstances
    state, derived, _ = play(*notifications, **now)
    assert state is not None
    return state, derived


def facts(state: State) -> State:
    """The state without what depends on what was known when: see `states.Told`."""
    return replace(state, told=Told(), held=())


def causes(derived: list[DerivedEvent]) -> list[tuple[str, int]]:
    return [(each.subtype or each.type, each.occurred_ms) for each in derived]


# Reordering, repetition, two feeds ----------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(history=histories(), data=st.data())
def test_state_is_the_same_whatever_the_order_and_however_often(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    expected, _ = live(*history)
    shuffled = data.draw(st.permutations(history))
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=8))

    state, derived = live(*data.draw(st.permutations(shuffled + repeated)))

    assert facts(state) == facts(expected)
    assert len(set(causes(derived))) == len(derived)


@settings(deadline=None, max_examples=150)
@given(history=histories(), data=st.data())
def test_state_is_the_same_in_either_dialect_and_from_both_feeds_at_once(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    expected, events_of_one = live(*history)

    by_socket, events_by_socket = live(*(raw(each) for each in history))
    both = [copied for each in history for copied in (each, raw(each))]
    by_both, events_by_both = live(*data.draw(st.permutations(both)))
    in_turn, events_in_turn = live(*both)

    for state in (by_socket, by_both, in_turn):
        assert facts(plain(state)) == facts(plain(expected))
    assert causes(events_by_socket) == causes(events_of_one)
    assert causes(events_in_turn) == causes(events_of_one)
    assert len(set(causes(events_by_both))) == len(events_by_both)


def plain(state: State) -> State:
    """Without what the two feeds word differently: keys of changes, old ids, counts."""
    last = state.last_line
    return replace(
        state,
        version=0,
        trail=tuple(replace(step, keys=()) for step in state.trail),
        last_line=last and replace(last, originator_id=None),
    )


@settings(deadline=None)
@given(history=histories())
def test_events_in_order_are_those_of_the_steps(history: list[dict[str, Any]]) -> None:
    """Each event belongs to the one notification that made it; nothing but that decides."""
    state: State | None = None
    for position, notification in enumerate(history):
        [change] = read_notification(notification)
        now = Circumstances(now_ms=change.ts_ms, hours=HOURS, own_ids=frozenset({BOT}))
        derivation = derive(state, change, now)
        state = derivation.state
        for each in derivation.events:
            assert each.occurred_ms == change.ts_ms
            assert (position == 0) == each.subtype.startswith(NEW)
            assert (change.kind == "message") == (each.subtype == OFF_HOURS_LINE)
            if each.subtype == QUEUED:
                assert state.at.queue_since == change.ts_ms


@settings(deadline=None, max_examples=150)
@given(history=histories(), data=st.data())
def test_end_is_told_once_whenever_its_notification_comes(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    first, *rest = history

    _, derived = live(first, *data.draw(st.permutations(rest)))

    ends = [each for each in derived if each.subtype.endswith("_END_CONVERSATION")]
    last = history[-1]["body"]["changes"][0].get("result", {}).get("conversationDetails", {})
    assert len(ends) == (last.get("state") == "CLOSE")


@settings(deadline=None, max_examples=150)
@given(history=histories(), data=st.data())
def test_conversation_that_was_there_before_us_is_never_a_new_one(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(history))

    state, first = live(shuffled[0], high_water_ms=T0 + 1)
    _, derived, _ = play(
        *shuffled[1:], state=state, high_water_ms=T0 + 1, now_ms=T0 + 20_000, hours=HOURS
    )

    assert first == []
    assert not [each for each in subtypes(derived) if each.startswith(NEW)]


@settings(deadline=None)
@given(history=histories())
def test_state_survives_being_stored_after_every_change(history: list[dict[str, Any]]) -> None:
    expected, _ = live(*history)
    state: State | None = None

    for notification in history:
        state, _ = live(notification, state=state)
        stored = json.dumps(msgspec.to_builtins(state), allow_nan=False)
        state = msgspec.convert(json.loads(stored), State)

    assert state == expected


# Silence ------------------------------------------------------------------------------------------


@st.composite
def timers(draw: st.DrawFn) -> IdleTimes:
    seconds, repeats = st.sampled_from([0, 5, 20, 40]), st.integers(1, 3)
    agent, consumer, queue = (IdleTimer(draw(seconds), draw(repeats)) for _ in range(3))
    return IdleTimes(
        agent_non_responsive=agent, consumer_non_responsive=consumer, conv_awaiting_in_queue=queue
    )


@settings(deadline=None, max_examples=60)
@given(
    history=histories(),
    times=timers(),
    edges=st.lists(st.integers(0, 200), unique=True, min_size=4, max_size=4).map(sorted),
)
def test_idle_looks_when_it_said_it_would_and_misses_nothing(
    history: list[dict[str, Any]], times: IdleTimes, edges: list[int]
) -> None:
    """Who only looks when something is due finds what is found by looking every second."""
    state, _ = live(*history)
    hours = Closed((edges[0], edges[1]), (edges[2], edges[3]))

    def look(state: State, at_s: int) -> IdleDerivation:
        now_ms = T0 + at_s * 1000
        now = Circumstances(now_ms=now_ms, hours=hours, idle_times=lambda _skill_id: times)
        return idle(state, now)

    every_second: list[DerivedEvent] = []
    watched = state
    for at_s in range(20, 260):
        looked = look(watched, at_s)
        watched = looked.state
        every_second += looked.events

    when_due: list[DerivedEvent] = []
    at_s = 20
    while at_s < 260:
        looked = look(state, at_s)
        state = msgspec.convert(msgspec.to_builtins(looked.state), State)
        when_due += looked.events
        if looked.due_ms is None:
            break
        assert looked.due_ms > T0 + at_s * 1000
        at_s = -(-(looked.due_ms - T0) // 1000)

    assert when_due == every_second
    for each in every_second:
        assert (
            each.subtype == "CONSUMER_NON_RESPONSIVE" or not each.payload["general"]["inOffHours"]
        )


# Garbage ------------------------------------------------------------------------------------------

GARBAGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["OPEN", "CLOSE", "UPSERT", "ASSIGNED_AGENT", "c-1", 2**53, -1, 10**30]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    for key, each in [*pairs, *(enumerate(value) if isinstance(value, list) else ())]:
        yield from places(each, (*path, key))


@settings(deadline=None)
@given(
    notification=st.sampled_from([captured(each.stem) for each in PAYLOADS.glob("live*.json")]),
    garbage=GARBAGE,
    known=st.booleans(),
    data=st.data(),
)
def test_read_and_derive_survive_garbage_in_place_of_any_field(notification, garbage, known, data):
    path = data.draw(st.sampled_from(list(places(notification))))
    broken = copy.deepcopy({"root": notification})
    target: Any = broken
    for key in ("root", *path)[:-1]:
        target = target[key]
    target[("root", *path)[-1]] = garbage
    state = play(snapshot(participants=[CONSUMER, AGENT]))[0] if known else None

    try:
        state, derived, _ = play(broken["root"], state=state, hours=HOURS)
    except NotificationError as error:
        str(error).encode()
    else:
        for each in derived:
            json.dumps(each.payload, allow_nan=False, ensure_ascii=False).encode()
        if state is not None:
            stored = json.dumps(msgspec.to_builtins(state), allow_nan=False)
            assert msgspec.convert(json.loads(stored), conversations.State) == state
