"""What was expected beside what came: which commands fit, and a difference that people can read."""

import difflib
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from functions.scenarios import telling, writing
from functions.scenarios.documents import Command, Expected, Message
from functions.scenarios.outcomes import Line
from invoker.simulator.acts import LONGEST_TEXT

MOST_ALIGNED: Final = 200
"""Of what differs between equal beginnings and ends; more is told as replaced, for aligning it
would take as long as the cube of it."""
LONGEST_SHOWN: Final = LONGEST_TEXT + 1_000
"""Characters of a text; no file can expect a longer one."""

Thing = TypeVar("Thing", bound=Hashable)


def difference(expected: Sequence[Expected], came: Sequence[Expected]) -> tuple[Line, ...]:
    """Line by line how what came differs from what was expected; empty where it does not."""
    pairs = list(_paired(expected, came))
    if all(wanted == one for wanted, one in pairs):
        return ()
    return tuple(line for pair in pairs for line in _differing(*pair))


def kept(expected: Sequence[Expected] | None, came: Sequence[Expected]) -> tuple[Expected, ...]:
    """What came as what is expected from now on; what fits stays as somebody has written it."""
    return tuple(
        replace(each, commands=tuple(telling.keep(one) for one in each.commands))
        for _, each in _paired(expected or (), came)
        if each
    )


def fits(wanted: Command, came: Command) -> bool:
    """Whether a command is one that was expected."""
    if not isinstance(wanted, Message) or not isinstance(came, Message):
        return wanted == came
    if wanted.automatic != came.automatic:
        return False
    text = came.text or ""
    if wanted.text is not None:
        return wanted.text == text
    return wanted.contains is None or wanted.contains in text


def _paired(
    expected: Sequence[Expected], came: Sequence[Expected]
) -> Iterator[tuple[Expected | None, Expected | None]]:
    """Events beside each other, by their names and in order, None where there is no other.

    What came is, where it fits, in the words of what was expected.
    """
    names = [each.event for each in expected], [each.event for each in came]
    for wanted, one in _aligned(*names):
        if wanted is not None and one is not None:
            yield expected[wanted], _in_words_of(expected[wanted], came[one])
        else:
            yield (
                None if wanted is None else expected[wanted],
                None if one is None else came[one],
            )


def _in_words_of(expected: Expected, came: Expected) -> Expected:
    commands = list(came.commands)
    for number, (wanted, one) in enumerate(zip(expected.commands, commands, strict=False)):
        if fits(wanted, one):
            commands[number] = wanted
    failed = came.failed
    if expected.failed and failed and expected.failed == replace(failed, message=None):
        failed = expected.failed
    return replace(came, commands=tuple(commands), failed=failed)


def _aligned(old: Sequence[Thing], new: Sequence[Thing]) -> Iterator[tuple[int | None, int | None]]:
    """Places in both, side by side where they are equal; what is old stands before what is new."""
    shorter = min(len(old), len(new))
    start = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    yield from ((n, n) for n in range(start))
    middle = old[start : len(old) - end], new[start : len(new) - end]
    for a, b in _aligned_middle(*middle):
        yield None if a is None else a + start, None if b is None else b + start
    yield from ((len(old) - n, len(new) - n) for n in range(end, 0, -1))


def _aligned_middle(
    old: Sequence[Thing], new: Sequence[Thing]
) -> Iterator[tuple[int | None, int | None]]:
    blocks = [difflib.Match(len(old), len(new), 0)]
    if max(len(old), len(new)) <= MOST_ALIGNED:
        blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    a = b = 0
    for block in blocks:
        yield from ((place, None) for place in range(a, block.a))
        yield from ((None, place) for place in range(b, block.b))
        yield from ((block.a + n, block.b + n) for n in range(block.size))
        a, b = block.a + block.size, block.b + block.size


# Lines --------------------------------------------------------------------------------------------


def _differing(wanted: Expected | None, came: Expected | None) -> Iterator[Line]:
    old, new = _text(wanted), _text(came)
    for a, b in _aligned(old, new):
        if a is None and b is not None:
            yield Line("+", new[b])
        elif a is not None:
            yield Line("-" if b is None else " ", old[a])


def _text(one: Expected | None) -> list[str]:
    if one is None:
        return []
    shown = replace(one, commands=tuple(_cut(each) for each in one.commands))
    return writing.dump([writing.expectation(shown)]).splitlines()


def _cut(command: Command) -> Command:
    if not isinstance(command, Message) or len(command.text or "") <= LONGEST_SHOWN:
        return command
    text = command.text or ""
    return replace(command, text=f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)")
