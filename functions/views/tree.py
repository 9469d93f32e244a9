"""A payload as a tree whose every value tells the path by which a function reads it."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from invoker.event_fields import Field

ROOT = "input"
MOST_NODES = 2_000
LONGEST_VALUE = 80
# Deeper than any payload that is known, and far from what rendering can take.
DEEPEST = 20
ITEM = re.compile(r"\[\d+\]")
PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@dataclass(slots=True)
class Node:
    """One value: `value` is how JSON writes it; objects and lists have `children` instead."""

    key: str
    path: str
    kind: str
    value: str = ""
    children: list["Node"] = field(default_factory=list)
    is_open: bool = False
    about: Field | None = None
    """What the catalogue of events says of it; nothing where people or platforms added it."""

    @property
    def summary(self) -> str:
        """What a closed branch holds."""
        count = len(self.children)
        things = "value" if self.kind == "list" else "field"
        return f"{count} {things}{'' if count == 1 else 's'}" if count else "empty"


@dataclass(frozen=True, slots=True)
class Tree:
    """`nodes` are the fields of `input`; `is_whole` is False when there were too many to show."""

    nodes: list[Node]
    is_whole: bool


def grow(text: str, fields: Iterable[Field] = ()) -> Tree | None:
    """The tree of a JSON document, None when the text is none or no object.

    `fields` are what is known of `input.payload`.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    left = _Left()
    nodes = list(_children(document, ROOT, 0, left))
    known = {f"{ROOT}.payload.{one.path}": one for one in fields}
    for node in nodes:
        _explain(node, known)
        _open(node)
    return Tree(nodes, is_whole=left.is_whole)


class _Left:
    """How many nodes may still be made."""

    def __init__(self) -> None:
        self.count = MOST_NODES
        self.is_whole = True

    def take(self) -> bool:
        self.count -= 1
        self.is_whole = self.is_whole and self.count >= 0
        return self.count >= 0


def _children(value: Any, path: str, depth: int, left: _Left) -> Iterator[Node]:
    if isinstance(value, dict):
        pairs = [(str(key), f"{path}{_member(str(key))}", each) for key, each in value.items()]
    else:
        pairs = [(str(at), f"{path}[{at}]", each) for at, each in enumerate(value)]
    for key, where, each in pairs:
        if depth > DEEPEST:
            left.is_whole = False
            return
        if not left.take():
            return
        yield _node(key, where, each, depth, left)


def _node(key: str, path: str, value: Any, depth: int, left: _Left) -> Node:
    match value:
        case dict():
            return Node(key, path, "object", children=list(_children(value, path, depth + 1, left)))
        case list():
            return Node(key, path, "list", children=list(_children(value, path, depth + 1, left)))
        case str():
            return Node(key, path, "text", _written(value))
        case bool():
            return Node(key, path, "boolean", "true" if value else "false")
        case None:
            return Node(key, path, "null", "null")
    return Node(key, path, "number", _written(value))


def _member(key: str) -> str:
    if PLAIN_NAME.fullmatch(key):
        return f".{key}"
    return f"[{json.dumps(key)}]"


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _explain(node: Node, known: dict[str, Field]) -> None:
    """Each item of a list means what the list says of its items."""
    node.about = known.get(ITEM.sub("[]", node.path).removesuffix("[]"))
    for child in node.children:
        _explain(child, known)


def _open(node: Node) -> None:
    """Open what leads to the first fields: the payload itself, and what all events tell."""
    if node.path == f"{ROOT}.payload":
        node.is_open = True
        for child in node.children:
            child.is_open = child.key == "general" or len(node.children) <= 3  # noqa: PLR2004
