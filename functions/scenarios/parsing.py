"""The text of a scenario's file to plain values, each with the line it stands in.

What YAML can do beyond JSON is read by nobody with the same eyes: anchors, aliases, tags and keys
that come twice are refused. Times stay text. A file that begins with a brace is JSON.
"""

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from functions.scenarios import errors
from functions.scenarios.documents import LONGEST_FILE
from functions.scenarios.errors import ScenarioError

Path = tuple[str | int, ...]
MOST_NODES: Final = 50_000
DEEPEST: Final = 20
_UNUSABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(slots=True)
class Plain:
    """What a file says. `lines` has those that are known, by the path to the value."""

    name: str
    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """Where a value stands, or what it would stand in."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def error(self, code: str, path: Path, what: str) -> ScenarioError:
        return fault(code, self.name, self.line(path), what)


def fault(code: str, name: str, line: int | None, what: str) -> ScenarioError:
    where = name or "the scenario"
    place = f", line {line}" if line else ""
    return ScenarioError(code, f"Cannot read {where}{place}: {what}", line)


def parse(text: str, name: str) -> Plain:
    """Take a file apart.

    Raises:
        ScenarioError: it is too long, no YAML or JSON, or uses more of YAML than a file may.
    """
    if len(text) > LONGEST_FILE:
        raise fault(
            errors.TOO_LONG,
            name,
            None,
            f"it has {len(text):,} characters, at most {LONGEST_FILE:,} are read",
        )
    text = text.removeprefix("\ufeff")
    plain = _json(text, name) if text.lstrip()[:1] == "{" else _yaml(text, name)
    if not isinstance(plain.value, dict):
        raise plain.error(errors.NOT_READABLE, (), 'it must begin with "scenario: 1"')
    return plain


# YAML ---------------------------------------------------------------------------------------------


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars as safe_load does, but for times, which stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_MERGE: Final = "tag:yaml.org,2002:merge"
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{each}" for each in ("str", "int", "float", "bool", "null")
)


def _yaml(text: str, name: str) -> Plain:
    _check_events(text, name)
    loader = _Loader(text)
    plain = Plain(name, None)
    try:
        node = loader.get_single_node()
        if node is not None:
            plain.value = _take(loader, node, (), plain)
    except yaml.YAMLError as error:
        raise _unreadable(error, name) from error
    finally:
        loader.dispose()
    return plain


def _check_events(text: str, name: str) -> None:
    """Refuse what is not for these files before anything of it is built."""
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
            line = _line(event)
            if number > MOST_NODES:
                raise fault(errors.TOO_LONG, name, line, f"at most {MOST_NODES:,} values are read")
            if getattr(event, "anchor", None) is not None:
                what = "anchors and aliases (& and *) are not read, write it out"
                raise fault(errors.ALIAS, name, line, what)
            if tag := getattr(event, "tag", None):
                what = f"tags such as {tag[:40]} are not read, leave it out"
                raise fault(errors.ALIAS, name, line, what)
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                raise fault(errors.NOT_READABLE, name, line, f"it is nested over {DEEPEST} deep")
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _unreadable(error, name) from error


def _line(event: yaml.Event) -> int | None:
    return event.start_mark.line + 1 if event.start_mark else None


def _unreadable(error: Exception, name: str) -> ScenarioError:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    line = mark.line + 1 if mark else None
    return fault(errors.NOT_READABLE, name, line, f"it is no YAML, {said}")


def _take(loader: _Loader, node: yaml.Node, path: Path, plain: Plain) -> Any:
    line = node.start_mark.line + 1
    plain.lines.setdefault(path, line)
    if isinstance(node, yaml.SequenceNode):
        return [_take(loader, each, (*path, n), plain) for n, each in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        taken: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _key(key_node, plain)
            if key in taken:
                line = key_node.start_mark.line + 1
                raise fault(errors.KEY_TWICE, plain.name, line, f'"{key}" is there twice')
            plain.lines[(*path, key)] = key_node.start_mark.line + 1
            taken[key] = _take(loader, value_node, (*path, key), plain)
        return taken
    return _scalar(loader, node, plain)


def _key(node: yaml.Node, plain: Plain) -> str:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode) or node.tag == _MERGE:
        what = "a key must be a word, and << is not read"
        raise fault(errors.NOT_READABLE, plain.name, line, what)
    _check_text(node.value, plain.name, line)
    # YAML takes "on" for true and 12 for a number; as a key all are words.
    return str(node.value)


def _scalar(loader: _Loader, node: yaml.Node, plain: Plain) -> Any:
    line = node.start_mark.line + 1
    if node.tag not in _TAGS:
        return str(node.value)
    try:
        value: Hashable = loader.construct_object(node)
    except ValueError as error:
        what = f"{node.value[:40]} is no number that can be read"
        raise fault(errors.BAD_VALUE, plain.name, line, what) from error
    if isinstance(value, str):
        _check_text(value, plain.name, line)
    return value


def _check_text(text: str, name: str, line: int | None) -> None:
    if found := _UNUSABLE.search(text):
        what = f"the character U+{ord(found[0]):04X} can be neither stored nor sent, leave it out"
        raise fault(errors.NO_TEXT, name, line, what)


# JSON ---------------------------------------------------------------------------------------------


def _json(text: str, name: str) -> Plain:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        taken = dict(pairs)
        if len(taken) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise fault(errors.KEY_TWICE, name, None, f'"{twice}" is there twice')
        check([*taken, *taken.values()])
        return taken

    def check(values: list[Any]) -> None:
        for each in values:
            if isinstance(each, str):
                _check_text(each, name, None)
            elif isinstance(each, list):
                check(each)

    try:
        return Plain(name, json.loads(text, object_pairs_hook=once))
    except json.JSONDecodeError as error:
        what = f"it begins like JSON and is none, {error.msg}"
        raise fault(errors.NOT_READABLE, name, error.lineno, what) from error
    except (RecursionError, ValueError) as error:
        raise fault(errors.NOT_READABLE, name, None, f"it is no JSON, {error}") from error
