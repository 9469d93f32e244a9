"""The OpenAPI document as people read it: groups of operations, their fields, an example each.

What is shown is in the document; nothing about an operation is written here.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.utils.text import slugify

from houston import openapi

LONGEST_QUERY = 200
MOST_WORDS = 8
MOST_VALUES = 12
ACCOUNT = "{account_id}"
JSON = "application/json"
Schema = Mapping[str, Any]

_FORMATS = {"uuid": "UUID", "date-time": "time", "uri": "address", "email": "e-mail address"}
_EXAMPLES: dict[str, Any] = {
    "uuid": "9db52a6a-fd2d-47cf-926d-f7c958391ba1",
    "date-time": "2026-01-31T12:00:00Z",
    "uri": "https://example.com/",
    "email": "kim@example.com",
    "string": "…",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "null": None,
}
_BOUNDS = (
    ("maxLength", "at most {:,} characters"),
    ("minimum", "at least {:,}"),
    ("maximum", "at most {:,}"),
    ("maxItems", "at most {:,} of them"),
    ("minItems", "at least {:,} of them"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or what one field of a body holds; `around` are the fields that it is in."""

    name: str
    type: str
    meaning: str
    bounds: str
    required: bool
    place: str = ""
    around: str = ""

    @property
    def depth(self) -> int:
        return self.around.count(".")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a body may hold; with a name where there are several such choices."""

    name: str
    type: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """A body: of which kind, its fields, and what one looks like.

    `shape` is what the document calls it, or each of them in a list; empty where it has no name.
    """

    kind: str
    sent: bool
    type: str
    shape: str
    choices: tuple[Choice, ...]
    example: str

    @property
    def fields(self) -> list[Field]:
        return [field for choice in self.choices for field in choice.fields]


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    meaning: str
    contents: tuple[Content, ...]
    # Described once for all operations, see `common_errors`.
    common: bool

    @property
    def failed(self) -> bool:
        return int(self.status) >= HTTPStatus.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    text: str
    dialects: tuple[str, ...]
    permission: str
    scopes: tuple[str, ...]
    parameters: tuple[Field, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Answer, ...]

    @property
    def only(self) -> str:
        """The one generation of clients that knows it, or nothing."""
        return self.dialects[0] if len(self.dialects) == 1 else ""

    @property
    def good(self) -> list[Answer]:
        return [each for each in self.answers if not each.failed]

    @property
    def errors(self) -> list[Answer]:
        return [each for each in self.answers if each.failed and not each.common]

    @property
    def common(self) -> list[Answer]:
        return [each for each in self.answers if each.common]

    def curl(self, account_id: str) -> str:
        """A line for a shell whose TOKEN is one for the account."""
        path = self.path.replace(ACCOUNT, account_id or "ACCOUNT")
        path = re.sub(r"{(\w+)}", lambda found: found[1].upper(), path)
        query = "&".join(
            f"{each.name}={each.name.upper()}"
            for each in self.parameters
            if each.place == "query" and each.required
        )
        words = ["curl"] if self.method == "GET" else ["curl", "-X", self.method]
        words.append(shlex.quote(f"{settings.HOUSTON_URL}{path}?{query}".rstrip("?")))
        lines = [" ".join(words)]
        if self.permission:
            lines.append('-H "Authorization: Bearer $TOKEN"')
        if self.bodies:
            body = self.bodies[0]
            lines.append(f"-H 'Content-Type: {body.kind}'")
            lines.append(f"--data {shlex.quote(body.example)}")
        return " \\\n  ".join(lines)

    @property
    def contents(self) -> list[Content]:
        return [*self.bodies, *(content for each in self.good for content in each.contents)]

    @property
    def haystack(self) -> str:
        """All that a search looks at."""
        named = [each.name for each in self.parameters]
        named += [each.name for content in self.contents for each in content.fields]
        return " ".join([self.method, self.path, self.summary, self.text, self.id, *named]).lower()


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    text: str
    operations: tuple[Operation, ...]

    @property
    def slug(self) -> str:
        return slugify(self.name)

    @property
    def shapes(self) -> dict[str, Content]:
        """What several of the operations take or answer, so that it is shown once."""
        found: dict[str, list[Content]] = {}
        for operation in self.operations:
            for content in operation.contents:
                found.setdefault(content.shape, []).append(content)
        return {name: contents[0] for name, contents in found.items() if name and len(contents) > 1}


@cache
def groups() -> tuple[Group, ...]:
    """Everything that can be asked, by what it is about."""
    by_tag: dict[str, list[Operation]] = {}
    for path, method, operation in openapi.operations(openapi.document()):
        by_tag.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    return tuple(
        Group(tag["name"], tag.get("description", ""), tuple(by_tag[tag["name"]]))
        for tag in openapi.document()["tags"]
    )


@cache
def common_errors() -> tuple[Answer, ...]:
    """What any operation may be answered."""
    found = {
        answer.status: answer
        for group in groups()
        for operation in group.operations
        for answer in operation.common
    }
    return tuple(found[status] for status in sorted(found))


def introduction() -> str:
    return str(openapi.document()["info"]["description"])


def search(query: str) -> list[tuple[Group, Operation]]:
    """Operations with every word of the query."""
    words = query[:LONGEST_QUERY].lower().split()[:MOST_WORDS]
    return [
        (group, operation)
        for group in groups()
        for operation in group.operations
        if all(word in operation.haystack for word in words)
    ]


# Reading the document -----------------------------------------------------------------------------


def _operation(path: str, method: str, found: Schema) -> Operation:
    wanted = [each.get(openapi.CLIENT, []) for each in found.get("security", [])]
    bodies = found.get("requestBody", {}).get("content", {})
    return Operation(
        id=found["operationId"],
        method=method,
        path=path,
        summary=found.get("summary", path),
        text=found.get("description", ""),
        dialects=tuple(found.get("x-dialects", ())),
        permission=found.get("x-permission", ""),
        scopes=tuple(scope for each in wanted for scope in each),
        parameters=tuple(
            _parameter(each)
            for each in found.get("parameters", [])
            # Which is said once, for all.
            if each["name"] != "account_id"
        ),
        bodies=tuple(_content(kind, each, sent=True) for kind, each in bodies.items()),
        answers=tuple(_answer(*each) for each in found["responses"].items()),
    )


def _parameter(found: Schema) -> Field:
    schema = _resolved(found["schema"])
    return Field(
        name=found["name"],
        type=_type(schema),
        meaning=found.get("description", ""),
        bounds=_bounds(schema),
        required=found.get("required", False),
        place=found["in"],
    )


def _answer(status: str, found: Schema) -> Answer:
    answer = _resolved(found)
    contents = answer.get("content", {})
    status = str(answer.get("x-status", status))
    return Answer(
        status=status,
        meaning=answer["description"].removeprefix(f"Status {status}. "),
        contents=tuple(_content(kind, each) for kind, each in contents.items()),
        common="$ref" in found,
    )


def _content(kind: str, found: Schema, *, sent: bool = False) -> Content:
    """`sent` ones have no more in their example than is needed."""
    raw = found.get("schema", {})
    schema = _resolved(raw)
    example = found.get("example", _first_example(found))
    if example is None:
        example = _example(schema, only_needed=sent)
    return Content(
        # A view that reads JSON under any name says so by "any".
        kind=JSON if kind == "*/*" else kind,
        sent=sent,
        type=_type(schema),
        shape=_shape(raw),
        choices=tuple(_alternatives(schema)),
        example=_written(kind, example),
    )


def _alternatives(schema: Schema) -> Iterator[Choice]:
    several = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    for each in several or [schema]:
        found = _resolved(each)
        name = _shape(each) if several else ""
        if fields := tuple(_fields(found)):
            yield Choice(name, _type(found), fields)


def _shape(schema: Schema) -> str:
    """What the document calls it, or what it is a list of."""
    reference: str = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def _first_example(found: Schema) -> Any:
    given = list(found.get("examples", {}).values())
    return given[0].get("value") if given else None


def _written(kind: str, example: Any) -> str:
    if isinstance(example, str) and "json" not in kind and kind != "*/*":
        return example
    if kind == "application/x-www-form-urlencoded" and isinstance(example, dict):
        return "&".join(f"{name}={value}" for name, value in example.items())
    return json.dumps(example, indent=2, ensure_ascii=False)


def _resolved(schema: Schema) -> Schema:
    """What stands behind references; one description beside them wins."""
    while "$ref" in schema:
        found: Any = openapi.document()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    if len(schema.get("allOf", ())) == 1:
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        return {**_resolved(schema["allOf"][0]), **rest}
    return schema


def _choices(schema: Schema) -> list[Schema]:
    return [_resolved(each) for each in (*schema.get("oneOf", ()), *schema.get("anyOf", ()))]


def _type(schema: Schema) -> str:
    if choices := _choices(schema):
        return " or ".join(dict.fromkeys(_type(each) for each in choices))
    if "const" in schema:
        return json.dumps(schema["const"])
    if values := schema.get("enum"):
        # An empty one counts as not given, and null is told by the types beside.
        shown = [str(each) for each in values if each not in ("", None)]
        return ", ".join(shown[:MOST_VALUES]) + (", …" if len(shown) > MOST_VALUES else "")
    kinds = schema.get("type", "any")
    names = [_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(names)


def _kind(kind: str, schema: Schema) -> str:
    if kind == "array":
        return f"list of {_type(_resolved(schema.get('items', {})))}"
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    return {"boolean": "true or false", "integer": "whole number"}.get(kind, kind)


def _bounds(schema: Schema) -> str:
    items = _resolved(schema.get("items", {}))
    said = [text.format(schema[name]) for name, text in _BOUNDS if name in schema]
    said += [f"each {text.format(items[name])}" for name, text in _BOUNDS if name in items]
    if schema.get("default") not in (None, "", [], {}):
        said.append(f"{json.dumps(schema['default'], ensure_ascii=False)} when not given")
    return ", ".join(said)


def _fields(schema: Schema, around: str = "", seen: tuple[int, ...] = ()) -> Iterator[Field]:
    """Fields of an object, with those of objects in it; what holds itself is not followed."""
    for each in _choices(schema):
        yield from _fields(each, around, seen)
    if "items" in schema:
        yield from _fields(_resolved(schema["items"]), around, seen)
    properties = schema.get("properties", {})
    if id(properties) in seen:
        return
    for name, found in properties.items():
        inner = _resolved(found)
        yield Field(
            name=name,
            type=_type(inner),
            meaning=inner.get("description", ""),
            bounds=_bounds(inner),
            required=name in schema.get("required", ()),
            around=around,
        )
        way = f"{around}{name}{'[]' if 'items' in inner else ''}."
        yield from _fields(inner, way, (*seen, id(properties)))


def _example(schema: Schema, seen: tuple[int, ...] = (), *, only_needed: bool = False) -> Any:
    for given in ("example", "default", "const"):
        if schema.get(given) is not None:
            return schema[given]
    if choices := [*_choices(schema), *({"const": each} for each in schema.get("enum", ()))]:
        return _example(choices[0], seen, only_needed=only_needed)
    if properties := schema.get("properties", {}):
        if id(properties) in seen:
            return {}
        needed = schema.get("required") if only_needed else None
        return {
            name: _example(_resolved(each), (*seen, id(properties)), only_needed=only_needed)
            for name, each in properties.items()
            if not needed or name in needed
        }
    kind = schema.get("type", "object")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "array":
        return [_example(_resolved(schema.get("items", {})), seen, only_needed=only_needed)]
    return _EXAMPLES.get(schema.get("format", ""), _EXAMPLES.get(kind, {}))
