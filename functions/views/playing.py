"""A simulated conversation as two panes show it: its lines, and what everybody can do now."""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from functions.views.standing import moment, span
from invoker import conversations, simulator
from invoker.models import Command, Conversation, Office, Simulation
from invoker.simulator import acts, scene

CONSUMER, AGENT, PLATFORM = "consumer", "agent", "platform"
TIME_PASSES = "Time is passing: this waits until it has"
SOMEBODY = "somebody else"
"""A name that nobody has: what can be done with it can be done with any that is free."""
USUAL_RESPONSE_MINUTES = 30
AHEAD_SHOWN_S = 2
GAP_S = 180
JUMPS = ((60, "+1 min"), (600, "+10 min"), (3600, "+1 h"), (8 * 3600, "+8 h"), (86_400, "+1 day"))
OFFICES = (
    (Office.ACCOUNT.value, "As the account's office hours say"),
    (Office.OPEN.value, "Open, here alone"),
    (Office.CLOSED.value, "Closed, here alone"),
)
IS_SO = "It is so already"
KINDS = {"CONSUMER": "consumer", scene.CONTROLLER: "bot", "": "remark"}


@dataclass(frozen=True, slots=True)
class Line:
    """`kind` is consumer, agent, bot or remark; `trace` is the event that the bot's line is of."""

    number: int
    at: dt.datetime
    kind: str
    author: str
    text: str
    private: bool = False
    automatic: bool = False
    trace: uuid.UUID | None = None
    new_day: bool = False
    gap: str = ""
    """How long nothing happened before it, where that was long."""


@dataclass(frozen=True, slots=True)
class Button:
    """An act that needs no word more. `refusal` says why it cannot be done now."""

    label: str
    fields: Mapping[str, str]
    refusal: str = ""
    pressed: bool | None = None
    main: bool = False

    @property
    def id(self) -> str:
        """The same while the act is: a browser keeps its place by it."""
        told = [value for name, value in self.fields.items() if name != "on"]
        return "-".join(re.sub(r"[^0-9a-z]+", "_", each.lower()) for each in told)


@dataclass(frozen=True, slots=True)
class Ask:
    """An act that needs a word or a number: `name` is the field's, `fields` the others."""

    id: str
    label: str
    name: str
    fields: Mapping[str, str]
    button: str
    value: str = ""
    kind: str = "text"
    known: str = ""
    """The id of a list of suggestions."""
    choices: Sequence[tuple[str, str]] = ()
    """Of a second field, `choice`."""
    choice: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """Acts that are rarer, or need a word."""

    id: str
    label: str
    asks: Sequence[Ask] = ()
    buttons: Sequence[Button] = ()

    @property
    def refusal(self) -> str:
        """Why none of it can be done now, empty where something can."""
        refusals = [each.refusal for each in self.asks] + [each.refusal for each in self.buttons]
        return "" if "" in refusals else refusals[0]


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    role: str
    buttons: Sequence[Button] = ()


@dataclass(frozen=True, slots=True)
class Pane:
    """What one side sees and can do. `silent` says why nobody can write there now."""

    side: str
    people: Sequence[Person]
    buttons: Sequence[Button]
    menus: Sequence[Menu]
    silent: str
    authors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """The conversation's own. `ahead` is empty while it goes as ours does."""

    now: dt.datetime
    ahead: str
    goes_to: dt.datetime | None
    jumps: Sequence[Button]
    other: Menu
    offices: Sequence[Button]
    refusal: str
    """Why time cannot be let pass now."""


@dataclass(frozen=True, slots=True)
class Play:
    """A simulated conversation on its page."""

    lines: Sequence[Line]
    consumer: Pane
    agent: Pane
    clock: Clock
    name: str
    """Of the consumer."""
    over: bool

    @property
    def public(self) -> Sequence[Line]:
        """What the consumer gets to read."""
        return [each for each in self.lines if not each.private]


def draw(conversation: Conversation) -> Play | None:
    """None for a conversation that some other platform has. Two queries."""
    simulation: Simulation | None = conversation.simulated
    if simulation is None:
        return None
    known = msgspec.convert(simulation.scene, scene.Scene)
    now = conversation.now()
    return Play(
        lines=_lines(simulation),
        consumer=_consumer(known, _judge(simulation, known, now)),
        agent=_agent(known, _judge(simulation, known, now)),
        clock=_clock(simulation, now),
        name=known.consumer.name,
        over=known.state != "OPEN" and known.survey != "OPEN",
    )


def start_again(conversation: Conversation) -> tuple[acts.Start, dt.datetime | None]:
    """How a simulated conversation began; the moment only where its clock was not ours."""
    simulation = conversation.simulation
    first = simulation.acts.get(number=1)
    begun = acts.read(first.act)
    assert isinstance(begun, acts.Start)
    # Somebody chose a minute, and a few milliseconds were lost on the way.
    at = moment(round(first.at_ms, -3))
    assert at
    was_ahead = abs((at - simulation.started_at).total_seconds()) > AHEAD_SHOWN_S
    return begun, at if was_ahead else None


# What everybody reads -----------------------------------------------------------------------------


def _lines(simulation: Simulation) -> list[Line]:
    rows = list(simulation.lines.order_by("number"))
    by = {
        pk: (event_id, invocation_id is None)
        for pk, event_id, invocation_id in Command.objects.filter(
            pk__in=[each.command_id for each in rows if each.command_id]
        ).values_list("pk", "event_id", "invocation_id")
    }
    found: list[Line] = []
    before = None
    for each in rows:
        at = moment(each.at_ms)
        assert at
        waited_s = round((at - before).total_seconds()) if before else 0
        trace, automatic = None, False
        if each.command_id in by:
            trace, automatic = by[each.command_id]
        found.append(
            Line(
                each.number, at, KINDS.get(each.role, "agent"), each.author, each.text,
                private=each.private, automatic=automatic, trace=trace,
                new_day=before is None or at.date() != before.date(),
                gap=span(waited_s) if waited_s >= GAP_S else "",
            )
        )  # fmt: skip
        before = at
    return found


# What everybody can do ----------------------------------------------------------------------------

Judge = Callable[[acts.Act], str]
"""Says why an act cannot be done now, empty where it can."""


def _judge(simulation: Simulation, known: scene.Scene, now: dt.datetime) -> Judge:
    def refusal(act: acts.Act) -> str:
        if simulation.goes_to_ms is not None:
            return TIME_PASSES
        try:
            scene.apply(known, act, int(now.timestamp() * 1000))
        except simulator.ActError as error:
            return str(error)
        return ""

    return refusal


def _button(judge: Judge, label: str, act: acts.Act, **look: Any) -> Button:
    return Button(label, _fields(act), judge(act), **look)


def _fields(act: acts.Act) -> dict[str, str]:
    """An act as a form sends it."""
    return {
        name: ("on" if value else "") if isinstance(value, bool) else str(value)
        for name, value in msgspec.structs.asdict(act).items()
        if value is not None
    } | {"act": str(act.__struct_config__.tag)}


def _consumer(known: scene.Scene, judge: Judge) -> Pane:
    urgent = known.ttr_type == "URGENT"
    people = [Person(known.consumer.name, "signed in" if known.authenticated else "not signed in")]
    people += [
        Person(each.name, "joined", (_button(judge, "Leaves", acts.Leave(who=each.name)),))
        for each in known.people
        if each.role == "CONSUMER" and each != known.consumer
    ]
    buttons = [_button(judge, "Urgent", acts.Urgent(on=not urgent), pressed=urgent)]
    if not known.authenticated:
        buttons.append(_button(judge, "Sign in", acts.SignIn()))
    if known.survey == "OPEN":
        buttons.append(_button(judge, "Finish the survey", acts.EndSurvey(), main=True))
    buttons.append(_button(judge, "Close", acts.Close(by="consumer")))
    joins = acts.Join(who=SOMEBODY, role="consumer")
    alex = Ask(
        "consumer-joins", "A second consumer joins", "who", {"act": "join", "role": "consumer"},
        "Join", "Alex", refusal=judge(joins),
    )  # fmt: skip
    silent = judge(acts.ConsumerSays(text="?"))
    return Pane(CONSUMER, people, buttons, (Menu("consumer-more", "More", (alex,)),), silent)


def _agent(known: scene.Scene, judge: Judge) -> Pane:
    assigned = known.assigned
    if assigned is None:
        kim = acts.Assign()
        buttons = [_button(judge, f"{kim.agent} takes it", kim, main=True)]
    else:
        buttons = [_button(judge, "To queue", acts.BackToQueue())]
    assign = Ask(
        "assign", "An agent takes it", "agent", {"act": "assign"}, "Assign",
        "Lee" if assigned else "Kim", refusal=judge(acts.Assign(agent=SOMEBODY)),
    )  # fmt: skip
    transfer = Ask(
        "transfer", "To the skill", "skill", {"act": "transfer"}, "Transfer", known="skills",
        refusal=judge(acts.Transfer(skill=f"{known.skill_id}-other")),
    )  # fmt: skip
    minutes = acts.ResponseTime(minutes=USUAL_RESPONSE_MINUTES)
    rarer = (
        Ask("response-time", "Minutes until there is an answer", "minutes",
            {"act": "response_time"}, "Set", str(minutes.minutes), "number",
            refusal=judge(minutes)),
        Ask("suggest", "It is offered to an agent", "agent", {"act": "suggest"}, "Offer", "Lee",
            refusal=judge(acts.Suggest(agent=SOMEBODY))),
        Ask("join", "Somebody joins", "who", {"act": "join"}, "Join", "Pat", choice="role",
            choices=(("agent", "as an agent"), ("manager", "as a manager")),
            refusal=judge(acts.Join(who=SOMEBODY))),
    )  # fmt: skip
    closes = (
        _button(judge, "Close", acts.Close()),
        _button(judge, "Close with a survey", acts.Close(survey=True)),
        _button(judge, "The system closes it", acts.Close(by="system")),
    )
    menus = (
        Menu("assigning", "Assign", (assign,)),
        Menu("transferring", "Transfer", (transfer,)),
        Menu("closing", "Close", buttons=closes),
        Menu("agent-more", "More", rarer),
    )
    staff = [each for each in known.people if each.role != "CONSUMER"]
    people = [Person(each.name, _part(each), _of(each, judge)) for each in staff]
    if assigned is None and known.state == "OPEN":
        people.insert(0, Person("Queue", _skill(known)))
    authors = [each.name for each in staff if not each.suggested]
    silent = judge(acts.ConsumerSays(text="?"))
    if not silent and not authors:
        silent = "Cannot write: nobody is there, assign an agent or let one join"
    return Pane(AGENT, people, buttons, menus, silent, authors)


def _skill(known: scene.Scene) -> str:
    has_none = known.skill_id == conversations.NO_SKILL
    return "no skill" if has_none else f"skill {known.skill_id}"


def _part(person: scene.Person) -> str:
    if person.suggested:
        return "offered to"
    return {"ASSIGNED_AGENT": "assigned", "MANAGER": "manager"}.get(person.role, "joined")


def _of(person: scene.Person, judge: Judge) -> tuple[Button, ...]:
    leaves = acts.Leave(who=person.name)
    if person.suggested:
        accepts = acts.Assign(agent=person.name)
        return _button(judge, "Accepts", accepts), _button(judge, "Declines", leaves)
    return () if person.role == "ASSIGNED_AGENT" else (_button(judge, "Leaves", leaves),)


def _clock(simulation: Simulation, now: dt.datetime) -> Clock:
    passing = TIME_PASSES if simulation.goes_to_ms is not None else ""
    ahead_s = round(simulation.ahead_ms / 1000)
    ahead = span(abs(ahead_s)) if abs(ahead_s) >= AHEAD_SHOWN_S else ""
    if ahead:
        ahead = f"{ahead} {'ahead' if ahead_s > 0 else 'behind'}"
    jumps = [
        Button(label, {"act": "wait", "seconds": str(seconds)}, passing) for seconds, label in JUMPS
    ]
    other = Ask(
        "wait", "Minutes to let pass", "minutes", {"act": "wait"}, "Let pass", "30", "number",
        refusal=passing,
    )  # fmt: skip
    offices = [
        Button(
            label,
            {"act": "office", "state": state or "account"},
            passing or (IS_SO if simulation.office == state else ""),
            pressed=simulation.office == state,
        )
        for state, label in OFFICES
    ]
    goes_to = moment(simulation.goes_to_ms)
    return Clock(now, ahead, goes_to, jumps, Menu("waiting", "Other", (other,)), offices, passing)
