"""How two sides differ, in words. Pure. Times differ always, so they count only beyond a second."""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from functions.replays.sides import Side, Step
from invoker import metrics
from invoker.models import CommandType

SLOWER_MS = 100.0
"""What a machine may need longer for the same."""
LONGEST_SAID = 300
LONGEST_TEXT = 5000
ALIKE = 0.5
"""Of two texts: which part at least has to be the same before their words are marked."""
MOST_WORDS = 300
"""Words and gaps of each text that are compared; what that costs grows with their product."""

Said = Literal["message", "silence", "automatic", "nothing"]
_MESSAGES: dict[tuple[Said, Said], tuple[str, str]] = {
    ("automatic", "message"): ("message-new", "A message in place of the automatic one"),
    ("silence", "message"): ("message-new", "A message where there was none"),
    ("nothing", "message"): ("message-new", "A message where there was none"),
    ("message", "automatic"): ("message-gone", "The automatic message in place of its own"),
    ("message", "silence"): ("message-gone", "No message any more"),
    ("message", "nothing"): ("message-gone", "No message any more"),
    ("automatic", "silence"): ("silence-new", "Keeps the automatic message away now"),
    ("silence", "automatic"): ("silence-gone", "No longer keeps the automatic message away"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A stable code and a sentence; `before` and `after` where texts or values differ."""

    code: str
    message: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of two texts: in both, or in one of them only."""

    kind: Literal["same", "removed", "added"]
    text: str


def compare(then: Side, now: Side, *, commands: bool) -> tuple[Difference, ...]:
    """What is different now.

    Args:
        then: what really happened, or what another version does.
        now: what the version in question does.
        commands: whether they ask for commands; else their bare results count.
    """
    found = list(_failures(then, now))
    if commands:
        found += [*_messages(then, now), *_transfers(then, now), *_closes(then, now)]
        found += _dropped(then, now)
    elif not then.failed and not now.failed and then.ran and then.value != now.value:
        found.append(
            Difference(
                "result-changed", "Another result", _as_text(then.value), _as_text(now.value)
            )
        )
    return (*found, *_slower(then, now))


def _failures(then: Side, now: Side) -> Iterator[Difference]:
    before, after = _failure(then), _failure(now)
    if before == after:
        return
    if not before:
        yield Difference("fails-now", f"Fails now: {after}")
    elif not after:
        yield Difference("fails-no-more", "No longer fails", before)
    else:
        yield Difference("fails-otherwise", "Fails in another way", before, after)


def _failure(side: Side) -> str:
    if not side.failed:
        return ""
    if side.failure is None:
        return side.outcome
    return f"{side.failure.name}: {side.failure.message}"[:LONGEST_SAID]


def _messages(then: Side, now: Side) -> Iterator[Difference]:
    said_then, before = _said(then)
    said_now, after = _said(now)
    if said_then == said_now == "message":
        if before != after:
            yield Difference("message-changed", "Another message", before, after)
        return
    # With neither a message nor silence asked for, the automatic one is a matter of settings.
    words = _MESSAGES.get((said_then, said_now))
    if words:
        yield Difference(*words, before, after)


def _said(side: Side) -> tuple[Said, str]:
    """What the consumer reads, and whose it is."""
    for step in side.steps:
        if step.type != CommandType.MESSAGE:
            continue
        if step.silence:
            return "silence", ""
        if not step.reason:
            return ("automatic" if step.automatic else "message"), step.text[:LONGEST_TEXT]
    return "nothing", ""


def automatic_text(side: Side) -> str:
    """The automatic message, "" where none goes out."""
    said, text = _said(side)
    return text if said == "automatic" else ""


def _transfers(then: Side, now: Side) -> Iterator[Difference]:
    before, after = (_goal(_step(side, CommandType.TRANSFER)) for side in (then, now))
    if before == after:
        return
    if not before:
        yield Difference("transfer-new", f"Transfers to {after} now", before, after)
    elif not after:
        yield Difference("transfer-gone", f"No longer transfers to {before}", before, after)
    else:
        message = f"Transfers to {after}, before to {before}"
        yield Difference("transfer-changed", message, before, after)


def _goal(step: Step | None) -> str:
    if step is None:
        return ""
    names = {"skillId": "skill", "agentId": "agent"}
    goals = [f"{names[key]} {step.fields[key]}" for key in names if key in step.fields]
    return " and ".join(goals)


def _closes(then: Side, now: Side) -> Iterator[Difference]:
    before, after = (_step(side, CommandType.CLOSE) is not None for side in (then, now))
    if after and not before:
        yield Difference("close-new", "Closes the conversation now")
    elif before and not after:
        yield Difference("close-gone", "No longer closes the conversation")


def _step(side: Side, kind: CommandType) -> Step | None:
    return next((one for one in side.steps if one.type == kind and not one.reason), None)


def _dropped(then: Side, now: Side) -> Iterator[Difference]:
    before, after = (
        "\n".join(
            f"{one.type or 'Not a command'}: {one.reason}"
            for one in side.steps
            if one.reason and not one.silence and not one.automatic
        )
        for side in (then, now)
    )
    if before == after:
        return
    if not before:
        message = "Asks for something now that is dropped"
    elif not after:
        message = "No longer asks for something that is dropped"
    else:
        message = "Asks for something else that is dropped"
    yield Difference("dropped-changed", message, before, after)


def _slower(then: Side, now: Side) -> Iterator[Difference]:
    over = now.duration_ms > metrics.BUDGET_MS >= then.duration_ms
    if then.ran and over and now.duration_ms - then.duration_ms > SLOWER_MS:
        yield Difference(
            "over-budget",
            f"Takes {now.duration_ms / 1000:.1f} s now, over the second that it may take",
            f"{then.duration_ms:.0f} ms",
            f"{now.duration_ms:.0f} ms",
        )


def _as_text(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Functions may give half of a character, which no page can show.
    return text.encode(errors="replace").decode()[:LONGEST_TEXT]


def segments(before: str, after: str) -> list[Segment]:
    """Two texts as one, word by word, with what came and what went.

    Empty where they have so little in common that marks would only hide it.
    """
    old, new = (re.findall(r"\s+|[^\s]+", text) for text in (before, after))
    if max(len(old), len(new)) > MOST_WORDS:
        return []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < ALIKE:
        return []
    found: list[Segment] = []
    removed, added = "", ""
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        here, there = "".join(old[i1:i2]), "".join(new[j1:j2])
        if kind == "equal" and (not found or not (removed or added) or here.strip()):
            found += [Segment("removed", removed)] if removed else []
            found += [Segment("added", added)] if added else []
            removed = added = ""
            found.append(Segment("same", here))
        else:
            # A space between two words that changed belongs to both.
            removed, added = removed + here, added + there
    found += [Segment("removed", removed)] if removed else []
    found += [Segment("added", added)] if added else []
    return found
