"""How two texts differ line by line, for pages that show many differences without the editor."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

AROUND = 3
MOST_LINES = 200
"""Lines of one difference that a page shows."""
# What comparing costs grows with the product of both sides.
MOST_PAIRS = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """`sign` is "+", "-", or a space for what is the same on both sides."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that belong together; `number` is that of the first in the newer text."""

    number: int
    lines: Sequence[Line]
    left_out: int = 0
    """Lines behind these that are not shown."""


def difference(before: str, after: str) -> list[Hunk]:
    """What differs, with the lines around it. Empty where nothing does."""
    old, new = _split(before), _split(after)
    hunks: list[Hunk] = []
    left = MOST_LINES
    for group in _groups(old, new):
        lines = [line for code in group for line in _lines(code, old, new)]
        shown = lines[:left]
        left -= len(shown)
        if shown:
            hunks.append(Hunk(group[0][3] + 1, shown, len(lines) - len(shown)))
        elif hunks:
            last = hunks[-1]
            hunks[-1] = Hunk(last.number, last.lines, last.left_out + len(lines))
    return hunks


def summary(before: str, after: str) -> str:
    """How many lines came and went, in a few words. Empty where nothing differs."""
    codes = _codes(_split(before), _split(after))
    added = sum(j2 - j1 for kind, _, _, j1, j2 in codes if kind != "equal")
    removed = sum(i2 - i1 for kind, i1, i2, _, _ in codes if kind != "equal")
    parts = [f"+{added}" if added else "", f"−{removed}" if removed else ""]  # noqa: RUF001
    told = " ".join(each for each in parts if each)
    return f"{told} line{'' if added + removed == 1 else 's'}" if told else ""


def _split(text: str) -> list[str]:
    # A line break at the end makes an empty last line, so that one more or less is seen.
    return text.split("\n") if text else []


Code = tuple[str, int, int, int, int]


def _groups(old: Sequence[str], new: Sequence[str]) -> Iterator[list[Code]]:
    matcher = difflib.SequenceMatcher(None, "", "")
    # Only how codes are grouped is taken from there.
    matcher.opcodes = _codes(old, new)  # type: ignore[attr-defined]
    if any(kind != "equal" for kind, *_ in matcher.opcodes):  # type: ignore[attr-defined]
        yield from matcher.get_grouped_opcodes(AROUND)


def _codes(old: Sequence[str], new: Sequence[str]) -> list[Code]:
    """Like difflib's. What is the same at both ends is not compared, nor what would take long."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    first, second = old[head : len(old) - tail], new[head : len(new) - tail]
    codes: list[Code] = [("equal", 0, head, 0, head)] if head else []
    if len(first) * len(second) > MOST_PAIRS:
        codes.append(("replace", head, head + len(first), head, head + len(second)))
    else:
        matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
        codes += [
            (kind, i1 + head, i2 + head, j1 + head, j2 + head)
            for kind, i1, i2, j1, j2 in matcher.get_opcodes()
        ]
    if tail:
        codes.append(("equal", len(old) - tail, len(old), len(new) - tail, len(new)))
    return codes


def _lines(code: Code, old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    kind, i1, i2, j1, j2 = code
    if kind == "equal":
        yield from (Line(" ", each) for each in old[i1:i2])
        return
    yield from (Line("-", each) for each in old[i1:i2])
    yield from (Line("+", each) for each in new[j1:j2])
