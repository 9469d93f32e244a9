"""The scenarios that come with the product, to read and to start from."""

import functools
from dataclasses import dataclass
from pathlib import Path

from functions.scenarios.documents import Document
from functions.scenarios.reading import read
from invoker import events


@dataclass(frozen=True, slots=True)
class Shipped:
    """A scenario that brings its functions and settings along; `slug` is its file's name."""

    slug: str
    path: Path
    text: str
    document: Document


@functools.cache
def shipped() -> tuple[Shipped, ...]:
    """Every shipped scenario, in the order of the events that it is about; the longest is last."""
    found = [
        Shipped(path.stem, path, text := path.read_text(encoding="utf-8"), read(text, path.name))
        for path in Path(__file__).parent.glob("*.yaml")
    ]
    return tuple(sorted(found, key=_rank))


def _rank(one: Shipped) -> tuple[int, int]:
    functions = one.document.functions
    return len(functions), list(events.EVENT_TYPES).index(next(iter(functions)))
