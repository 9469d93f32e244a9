"""A scenario as a conversation: what people do, and what is expected of it beside what came."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from functions.scenarios import Document
from functions.scenarios.durations import spell
from functions.views.drawing import BUDGET_MS, Drawn
from invoker import events, guards
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.conversations import NO_SKILL
from invoker.rehearsal import MARKS, Mark
from invoker.simulator import acts

STATES: Final = {
    "passed": ("ok", "As expected"),
    "differs": ("bad", "Differs"),
    "not checked": ("pending", "Not checked"),
    "not played": ("bad", "Not played"),
    "": ("", ""),
}
OFFICE: Final = {
    "open": "The office opens",
    "closed": "The office closes",
    "account": "The office hours of the account count",
}
REMARKS: Final[Mapping[str, Callable[[Any], str]]] = {
    "assign": lambda act: f"{act.agent} takes the conversation",
    "suggest": lambda act: f"The conversation is offered to {act.agent}",
    "join": lambda act: f"{act.who} joins as {act.role}",
    "leave": lambda act: f"{act.who} leaves",
    "back_to_queue": lambda _: "The agent gives the conversation back to the queue",
    "urgent": lambda act: f"The consumer marks it as {'urgent' if act.on else 'no longer urgent'}",
    "response_time": lambda act: f"The agent sets the response time to {act.minutes} min",
    "transfer": lambda act: f"The agent transfers it to skill {act.skill}",
    "sign_in": lambda _: "The consumer signs in",
    "office": lambda act: OFFICE[act.state],
    "close": lambda act: f"The {act.by} closes it{', a survey begins' if act.survey else ''}",
    "end_survey": lambda _: "The consumer has answered the survey",
    "wait": lambda act: f"{spell(act.seconds * 1000)} pass",
}
"""What the acts are that nobody writes anything with, by their words."""
Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event, expected or come, with what it leads to."""

    name: str
    word: str
    function: str = ""
    version: str = ""
    duration_ms: float | None = None
    drawn: Sequence[Drawn] = ()
    failed: str = ""
    stopped: str = ""
    reason: str = ""
    marks: Sequence[str] = ()
    logs: Sequence[Plain] = ()

    @property
    def by(self) -> str:
        """Which function ran, and which code of it."""
        return ", ".join(filter(None, [self.function or "no function", self.version]))

    @property
    def in_budget(self) -> bool:
        return self.duration_ms is None or self.duration_ms <= BUDGET_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One step. `expected` is None where nothing is checked, `came` where nothing was run."""

    number: int
    at: str
    who: str
    text: str
    remark: str
    private: bool
    state: tuple[str, str]
    expected: Sequence[Happened] | None
    came: Sequence[Happened] | None
    difference: Sequence[tuple[str, str]]
    stopped: str

    @property
    def differs(self) -> bool:
        return self.state == STATES["differs"]


def draw(document: Document, outcome: Plain | None) -> list[Shown]:
    """The steps of a scenario, with what the last run gave where there is one.

    `outcome` is what `scenario_runs.tell` made of a run of these very steps.
    """
    if outcome is not None:
        return draw_told(outcome)
    return [
        _draw_step(
            {
                "number": number,
                "atMs": step.at_ms,
                "act": acts.write(step.act),
                "expected": msgspec.to_builtins(step.expect),
            }
        )
        for number, step in enumerate(document.steps, 1)
    ]


def draw_told(outcome: Plain) -> list[Shown]:
    """The steps of a run, as `scenario_runs.tell` tells of it."""
    return [_draw_step(step) for step in outcome["steps"]]


def name_of(word: str) -> str:
    """What people call an event, by its word in a file."""
    kind = events.EVENT_TYPES.get(word)
    return kind.name if kind else SUBTYPE_NAMES.get(word, word)


def short_names(event_types: Sequence[str]) -> list[str]:
    return [events.EVENT_TYPES[each].short_name for each in event_types]


def _draw_step(step: Plain) -> Shown:
    who, text, remark, private = _act(step["act"])
    expected, stopped = step["expected"], step.get("stopped")
    return Shown(
        number=step["number"],
        at=spell(step["atMs"]),
        who=who,
        text=text,
        remark=remark,
        private=private,
        state=STATES[_state(step)],
        expected=None if expected is None else [_happened(each) for each in expected],
        came=[_happened(each) for each in step["came"]] if "came" in step else None,
        difference=[(line[:1], line[2:]) for line in step.get("difference", ())],
        stopped=stopped["message"] if stopped else "",
    )


def _state(step: Plain) -> str:
    if "came" not in step:
        return ""
    if not step["played"]:
        return "not played"
    if step["differs"]:
        return "differs"
    return "passed" if step["checked"] else "not checked"


def _act(told: Plain) -> tuple[str, str, str, bool]:
    """Who does something, what they write, what else they do, and whether agents alone see it."""
    # With what a file leaves out because it is as usual.
    act = acts.read(dict(told))
    match act:
        case acts.Start():
            return act.consumer, act.text, _start(act), False
        case acts.ConsumerSays():
            return "The consumer", act.text, "writes", False
        case acts.AgentSays(private=private):
            remark = "writes for agents alone" if private else "writes"
            return act.agent or "The agent", act.text, remark, private
    return "", "", REMARKS[told["act"]](act), False


def _start(act: acts.Start) -> str:
    about = [
        "for the first time" if act.first_time else "",
        "signed in" if act.authenticated else "",
        "" if act.language == acts.Start().language else f"in {act.language}",
        "" if act.skill == NO_SKILL else f"in skill {act.skill}",
        f"in campaign {act.campaign}" if act.campaign else "",
    ]
    return ", ".join(["opens the conversation", *filter(None, about)])


def _happened(told: Plain) -> Happened:
    failed = told.get("failed")
    why = f"{failed['code']}: {failed.get('message') or 'any message'}" if failed else ""
    marks = [MARKS[Mark(each)] for each in told.get("marks", ())]
    return Happened(
        name=name_of(told["event"]),
        word=told["event"],
        function=told.get("function") or "",
        version=told.get("version", ""),
        duration_ms=told.get("durationMs"),
        drawn=[
            *(_command(each) for each in told.get("commands", ())),
            *(_late(each) for each in told.get("stale", ())),
            *(_dropped(each) for each in told.get("dropped", ())),
        ],
        failed=why,
        stopped=told.get("stopped") or "",
        reason=told.get("reason", ""),
        marks=marks,
        logs=told.get("logs", ()),
    )


def _command(told: Plain) -> Drawn:
    match told["type"]:
        case "systemMessage":
            automatic = bool(told.get("automatic"))
            if "text" in told:
                return Drawn("message", text=told["text"], automatic=automatic, state="expected")
            if "contains" in told:
                why = "A message with this in it"
                return Drawn("message", text=told["contains"], automatic=automatic, why=why,
                             state="expected")  # fmt: skip
            return Drawn("message", label="Any message", automatic=automatic, state="expected")
        case "transfer":
            places = [("skillId", "skill"), ("agentId", "agent")]
            said = ", ".join(f"{word} {told[key]}" for key, word in places if key in told)
            return Drawn("transfer", label=f"Transfer to {said}")
        case _:
            return Drawn("close", label="Close the conversation")


NAMES: Final = {
    "systemMessage": "Message",
    "transfer": "Transfer",
    "closeConversation": "Close the conversation",
}


def _late(told: Plain) -> Drawn:
    label: str = NAMES[told["type"]]
    reason = told["reason"]
    why = guards.DETAILS.get(reason, f"It came too late: {reason}")
    return Drawn("late", label=label, dropped=True, why=why)


def _dropped(told: Plain) -> Drawn:
    label: str = NAMES.get(told["type"], "") or told["type"] or "Not a command"
    return Drawn("unknown", label=label, dropped=True, why=told["detail"] or told["reason"])
