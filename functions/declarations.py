"""What the editor knows of an event: TypeScript declarations and the JSON schema of its input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as with_default
from functools import cache
from typing import Any

from invoker import events
from invoker.event_fields import OPEN_OBJECT, Field

LONGEST_LINE = 96
PAYLOAD = Field("payload", "object", "What happened, and in which conversation")
ANYTHING = Field("payload", "any", "What the function was invoked with: any JSON value")


@dataclass(frozen=True, slots=True)
class Node:
    """A field with its own fields."""

    field: Field
    children: dict[str, Node] = with_default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    text: str

    @property
    def tag(self) -> str:
        """Another one for another text, for addresses that may be kept for good."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@cache
def declarations(event_type_id: str) -> Document:
    """What `lambda` takes and gives for an event, for the editor's TypeScript.

    Raises:
        KeyError: there is no such event type.
    """
    kind = events.EVENT_TYPES[event_type_id]
    result = "Command | Command[]" if kind.runs_commands else "any"
    gives = (
        "the commands for the conversation" if kind.runs_commands else "what the function returns"
    )
    root = _tree(event_type_id)
    lines = [
        f"// What a function of the event {kind.name} takes and gives.",
        *_comment(kind.summary + ".", None, ""),
        "interface LambdaInput {",
        *_comment("When the function was invoked, in epoch milliseconds.", None, "  "),
        "  timestamp?: number;",
        *_comment("Headers that the caller gave; events have none.", None, "  "),
        "  headers: { key: string; value: string }[];",
        *_comment(f"{root.field.doc}.", None, "  "),
        f"  payload: {'Payload' if root.children else 'any'};",
        "}",
        *(_declare(root) if root.children else []),
        "/**",
        " * Ends the function.",
        " *",
        " * @param error what went wrong, an `Error`; `null` when nothing did",
        f" * @param result {gives}",
        " */",
        f"type LambdaCallback = (error?: Error | null, result?: {result}) => void;",
        f"type LambdaResult = {result} | void;",
        "type HoustonLambda = (input: LambdaInput, callback: LambdaCallback)",
        "  => LambdaResult | Promise<LambdaResult>;",
    ]
    return Document("\n".join(lines) + "\n")


@cache
def schema(event_type_id: str) -> Document:
    """JSON Schema (draft 7) of the whole input of a function of this event.

    Raises:
        KeyError: there is no such event type.
    """
    headers = {
        "type": "array",
        "description": "Headers that the caller gave; events have none",
        "items": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
        },
        "default": [],
    }
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Input of {events.EVENT_TYPES[event_type_id].name}",
        "type": "object",
        "required": ["payload"],
        "properties": {
            "timestamp": {
                "type": "number",
                "description": "When the function was invoked, in epoch milliseconds",
            },
            "headers": headers,
            "payload": _describe(_tree(event_type_id)),
        },
    }
    return Document(json.dumps(document, ensure_ascii=False))


def _tree(event_type_id: str) -> Node:
    root = Node(PAYLOAD if event_type_id != events.NO_EVENT else ANYTHING)
    for one in events.fields(event_type_id):
        node = root
        *parents, name = one.path.replace("[]", "").split(".")
        for parent in parents:
            node = node.children[parent]
        node.children[name] = Node(one)
    return root


def _declare(node: Node) -> list[str]:
    """The interfaces of an object and of those in it, each with a name that messages can say."""
    names: set[str] = set()
    lines: list[str] = []

    def declare(node: Node, name: str) -> str:
        own = name
        while own in names:
            own += "_"
        names.add(own)
        inner = [line for child in node.children.values() for line in _member(child, declare)]
        lines.extend(
            [*_comment(f"{node.field.doc}.", None, ""), f"interface {own} {{", *inner, "}"]
        )
        return own

    declare(node, "Payload")
    return lines


def _member(node: Node, declare: Callable[[Node, str], str]) -> list[str]:
    one = node.field
    example = None if node.children else one.example
    kind = _type(one)
    if node.children:
        name = declare(node, f"Payload{one.name[0].upper()}{one.name[1:]}")
        kind = one.type.replace("object", name)
    return [
        *_comment(f"{one.doc}.", example, "  "),
        f"  {one.name}{'?' if one.optional else ''}: {kind};",
    ]


def _type(one: Field) -> str:
    if one.values:
        options = " | ".join(json.dumps(value) for value in one.values)
        return f"{options} | null" if one.nullable else options
    return {OPEN_OBJECT: "any", "object": "{ [name: string]: any }"}.get(one.type, one.type)


def _comment(doc: str, example: Any, indent: str) -> list[str]:
    lines = [doc] if example is None else [doc, "", f"For example {_shown(example)}"]
    # Nothing that ends a comment may get into it.
    safe = [line.replace("*/", "*\\/") for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in safe), f"{indent} */"]


def _shown(example: Any) -> str:
    text = json.dumps(example, ensure_ascii=False)
    short = text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"
    # Read as Markdown, where a backtick would end the code.
    return short if "`" in short else f"`{short}`"


def _describe(node: Node) -> dict[str, Any]:
    one = node.field
    described: dict[str, Any] = {"description": one.doc}
    if one.type not in ("any", OPEN_OBJECT):
        described["type"] = _json_types(one)
    elif one.type == OPEN_OBJECT:
        described["type"] = "object"
    if one.values:
        described["enum"] = [*one.values, *([None] if one.nullable else [])]
    if one.example is not None and not node.children:
        described["default"] = one.example
        described["examples"] = [one.example]
    properties = {name: _describe(child) for name, child in node.children.items()}
    if one.type == "object[]":
        described["items"] = {"type": "object", "properties": properties}
    elif one.type == "string[]":
        described["items"] = {"type": "string"}
    elif properties:
        described["properties"] = properties
    return described


def _json_types(one: Field) -> str | list[str]:
    """`false` among the types stands for the one value that a boolean can have there."""
    known = {"object[]": "array", "string[]": "array", "false": "boolean"}
    types = [known.get(part, part) for part in one.type.split(" | ")]
    return types[0] if len(types) == 1 else types
