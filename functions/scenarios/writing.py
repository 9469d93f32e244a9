"""A scenario as the text of a file: one order, one form, so that a difference reads well."""

import datetime as dt
import json
from typing import Any, Final

import msgspec
import yaml

from functions.scenarios import durations
from functions.scenarios.documents import VERSION, Document, Expected, Settings, Step
from invoker.simulator import acts

_WIDTH: Final = 80


def write(document: Document) -> str:
    """The text of a scenario's file, in YAML. `reading.read` gives the same document back."""
    return dump(_plain(document))


def write_json(document: Document) -> str:
    """The same in JSON."""
    plain = _plain(document)
    plain["starts_at"] = document.starts_at.isoformat()
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _plain(document: Document) -> dict[str, Any]:
    fields: dict[str, Any] = {"scenario": VERSION, "name": document.name}
    if document.description:
        fields["description"] = document.description
    fields["starts_at"] = document.starts_at
    if document.functions:
        fields["functions"] = document.functions
    if document.settings is not None:
        fields["settings"] = _settings(document.settings)
    fields["steps"] = [_step(step) for step in document.steps]
    return fields


def expectation(expected: Expected) -> dict[str, Any]:
    """What is expected of one event as plain values, in the order of a file."""
    plain: dict[str, Any] = msgspec.to_builtins(expected)
    return plain


def dump(value: object) -> str:
    """Plain values as YAML in this form."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=_WIDTH,
    )
    return text


def _settings(settings: Settings) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    if settings.idle_times is not None:
        plain["idle_times"] = {
            name: durations.spell(ms) for name, ms in plain["idle_times"].items()
        }
    return plain


def _step(step: Step) -> dict[str, Any]:
    plain = {"at": durations.spell(step.at_ms), **acts.write(step.act)}
    if step.expect is not None:
        plain["expect"] = [expectation(each) for each in step.expect]
    return plain


class _Dumper(yaml.SafeDumper):
    """Indents lists, writes text of several lines as it is, and never uses an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


_TEXT: Final = "tag:yaml.org,2002:str"
# Some readers of YAML take these for the end of a line and some do not.
_ODD_BREAKS: Final = frozenset("\r\x85\u2028\u2029\ufeff")


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # What would be read as a number or a truth value needs quotes, like all that cannot stand bare.
    bare = dumper.resolve(yaml.ScalarNode, text, (True, False)) == _TEXT  # type: ignore[no-untyped-call]
    if not bare or _ODD_BREAKS & set(text):
        style: str | None = '"'
    else:
        style = "|" if "\n" in text else None
    return dumper.represent_scalar(_TEXT, text, style=style)


def _write_time(dumper: _Dumper, at: dt.datetime) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", at.isoformat())


_Dumper.add_representer(str, _write_text)
_Dumper.add_representer(dt.datetime, _write_time)
