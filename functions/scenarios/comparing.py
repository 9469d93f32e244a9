"""What was expected beside what came: which commands fit, and a difference that people can read."""

import difflib
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from functions.scenarios import telling, writing
from functions.scenarios.documents import Command, Expected, Message
from functions.scenarios.outcomes import Line


def difference(expected: Sequence[Expected], came: Sequence[Expected]) -> tuple[Line, ...]:
    """Line by line how what came differs from what was expected; empty where it does not."""
    seen = [*_seen_as(expected, came)]
    if seen == list(expected):
        return ()
    return tuple(_lines(_text(expected), _text(seen)))


def kept(expected: Sequence[Expected] | None, came: Sequence[Expected]) -> tuple[Expected, ...]:
    """What came as what is expected from now on; what fits stays as somebody has written it."""
    return tuple(
        replace(each, commands=tuple(telling.keep(one) for one in each.commands))
        for each in _seen_as(expected or (), came)
    )


def _seen_as(expected: Sequence[Expected], came: Sequence[Expected]) -> Iterator[Expected]:
    """What came, where it fits in the words of what was expected."""
    names = [each.event for each in expected], [each.event for each in came]
    matcher = difflib.SequenceMatcher(None, *names, autojunk=False)
    fits = {
        block.b + offset: expected[block.a + offset]
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    }
    for number, each in enumerate(came):
        yield _in_words_of(fits[number], each) if number in fits else each


def _in_words_of(expected: Expected, came: Expected) -> Expected:
    commands = list(came.commands)
    for number, (wanted, one) in enumerate(zip(expected.commands, commands, strict=False)):
        if fits(wanted, one):
            commands[number] = wanted
    failed = came.failed
    if expected.failed and failed and expected.failed == replace(failed, message=None):
        failed = expected.failed
    return replace(came, commands=tuple(commands), failed=failed)


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


def _text(expected: Sequence[Expected]) -> list[str]:
    if not expected:
        return []
    return writing.dump([writing.expectation(each) for each in expected]).splitlines()


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for _, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if old[old_from:old_to] == new[new_from:new_to]:
            yield from (Line(" ", text) for text in old[old_from:old_to])
            continue
        yield from (Line("-", text) for text in old[old_from:old_to])
        yield from (Line("+", text) for text in new[new_from:new_to])
