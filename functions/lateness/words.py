"""What came too late, in sentences: for the editor, the lists and the trace."""

from collections.abc import Mapping, Sequence

from functions.lateness.recent import Lateness
from functions.lateness.ways import Part, Way
from invoker.models import Command, CommandType

NOUNS = {
    CommandType.MESSAGE.value: "message",
    CommandType.TRANSFER.value: "transfer",
    CommandType.CLOSE.value: "close",
}
FACTS = {
    "agent-spoke": "The agent wrote",
    "consumer-wrote": "The consumer wrote",
    "assignment-changed": "The assigned agent changed",
    "skill-changed": "The conversation moved to another skill",
    "response-time-overdue": "The time that the text names had passed",
    "open-again": "The off-hours ended",
    "closed": "The conversation was closed",
}
WHY = {
    "agent-spoke": "an agent had written",
    "consumer-wrote": "the consumer had written",
    "assignment-changed": "the assigned agent had changed",
    "skill-changed": "the conversation had moved on",
    "response-time-changed": "the response time had changed again",
    "response-time-overdue": "the time in the text had passed",
    "open-again": "the off-hours were over",
    "closed": "the conversation was closed",
    "too-old": "the event was too old",
}
PLACES = {
    Part.BEFORE: "before it ran",
    Part.FUNCTION: "the function",
    Part.DELIVERY: "delivery",
}
ELSEWHERE = {
    Part.BEFORE: "before the function ran",
    Part.DELIVERY: "in attempts to deliver",
}
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
_MOST_WITH_TENTHS_MS = 9_950
_SHORTEST_IN_S_MS = 100


def length(ms: float) -> str:
    """A time as people say it: `40 ms`, `0.8 s`, `12 s`, `3 min`."""
    if ms < _SHORTEST_IN_S_MS:
        return f"{ms:.0f} ms"
    if ms < _MOST_WITH_TENTHS_MS:
        return f"{ms / 1000:.1f} s"
    size, unit = next((each for each in _UNITS if ms >= 1.5 * each[0]), _UNITS[-1])
    return f"{ms / size:.0f} {unit}"


# A function ---------------------------------------------------------------------------------------


def describe(found: Lateness) -> str:
    """How the deployed version fared lately, in one sentence without a full stop."""
    if not found.count:
        return f"Version {found.version} has handled no event yet"
    events = "event" if found.count == 1 else f"{found.count} events"
    slow = len(found.slow)
    if found.slow_ms is None:
        all_of = "its last" if found.count == 1 else "all of its last"
        pace = f"took at most 1 s on {all_of} {events}, p95 {length(found.p95_ms or 0)}"
    elif found.count == 1:
        pace = f"took {length(found.slow_ms)} on its last {events}"
    else:
        share = "all" if slow == found.count else f"{slow}"
        pace = f"took {length(found.slow_ms)} on {share} of its last {events}"
    return f"Version {found.version} {pace}" + (f"; {_late(found)}" if found.late else "")


def in_short(found: Lateness) -> str:
    """The same where there is room for a few words only."""
    if found.late:
        return f"{len(found.late)} too late"
    if found.slow_ms is not None:
        return f"{length(found.slow_ms)} on {len(found.slow)} of {found.count} events"
    return f"p95 {length(found.p95_ms)}" if found.p95_ms is not None else ""


def say_why(reasons: Sequence[tuple[str, int]]) -> str:
    """Why how many were too late: `3 because an agent had written, 1 because …`."""
    return ", ".join(f"{count} because {WHY.get(reason, reason)}" for reason, count in reasons)


def say_where(parts: Mapping[Part, int]) -> str:
    """What took most of the time, of how many: `the function 3, waiting 1`."""
    ordered = sorted(parts.items(), key=lambda each: -each[1])
    if len(ordered) == 1:
        return PLACES[ordered[0][0]]
    return ", ".join(f"{PLACES[part]} {count}" for part, count in ordered)


def _late(found: Lateness) -> str:
    count = len(found.late)
    types = {each.type for each in found.late}
    noun = NOUNS.get(types.pop(), "command") if len(types) == 1 else "command"
    said = f"{count} {noun}{'' if count == 1 else 's'} came too late"
    if found.late_ms is not None:
        said += f", {'' if count == 1 else 'usually '}by {length(found.late_ms)}"
    parts = found.parts
    if parts[Part.FUNCTION] < count:
        part = max(ELSEWHERE, key=lambda each: parts[each])
        of = "" if parts[part] == count else f" of {parts[part]} of them"
        said += f"; most of the time{of} passed {ELSEWHERE[part]}"
    return said


# A command ----------------------------------------------------------------------------------------


def explain(command: Command, way: Way) -> str:
    """Why a command was not sent, by how much it was too late, and what took the time."""
    fact = FACTS.get(command.reason)
    if fact and command.late_ms is not None:
        noun = NOUNS.get(command.type, "command")
        why = f"{fact} {length(command.late_ms)} before this {noun} was ready"
    else:
        why = command.detail
    return f"{why}. {_spent(way)}"


def _spent(way: Way) -> str:
    beginning = f"Of the {length(way.total)} since the event, "
    function = f"the function took {length(way.running)}" if way.ran else "no function ran"
    match way.longest:
        case Part.FUNCTION:
            return beginning + function
        case Part.DELIVERY:
            return f"{beginning}attempts to deliver took {length(way.delivering)}; {function}"
    longest = max(way.arriving, way.waiting, way.starting)
    took = length(longest)
    if longest == way.arriving:
        return f"{beginning}{took} passed until the platform told of it; {function}"
    if longest == way.waiting:
        return f"{beginning}it waited {took} for its turn; {function}"
    return f"{beginning}{took} passed until a sandbox was ready; {function}"
