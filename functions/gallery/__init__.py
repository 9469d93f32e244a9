"""The function templates that come with the product: sources people start from."""

import functools
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoker import events

_FILES = ("template.toml", "function.js", "payload.json", "expected.json")
_FIELDS = ("name", "summary", "event")
_LISTS = ("secrets", "hosts")
_REQUIRED = re.compile(r"""require\("([^"]+)"\)""")


class GalleryError(Exception):
    """A template that ships with the product is broken; the message names folder and field."""

    code = "invalid-template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A function to start from, with an input and what it returns for that input."""

    slug: str
    name: str
    summary: str
    event_type: str
    """Id of the event type, a key of `events.EVENT_TYPES`."""
    source: str
    payload: dict[str, Any]
    """The complete input, `{"headers": [], "payload": {...}}`; not to be changed."""
    expected: Any
    """What the unedited function gives back for `payload`; None for nothing."""
    secrets: tuple[str, ...] = ()
    """Keys of the secrets that it reads."""
    hosts: tuple[str, ...] = ()
    """Hosts that it connects to, as the allow-list has them."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What its source requires; all of it comes with the product."""
        return tuple(dict.fromkeys(_REQUIRED.findall(self.source)))


@functools.cache
def load() -> tuple[Template, ...]:
    """Read every template, in the order of their event types; each event's own is its first.

    Raises:
        GalleryError: a template is broken.
    """
    return read(Path(__file__).parent)


def read(directory: Path) -> tuple[Template, ...]:
    """Read the templates in a directory, one folder each.

    Raises:
        GalleryError: a folder lacks a file, or a file a field, or a value is wrong.
    """
    order = list(events.EVENT_TYPES)
    templates = [
        _read_folder(folder)
        for folder in directory.iterdir()
        if folder.is_dir() and folder.name != "__pycache__"
    ]
    return tuple(sorted(templates, key=lambda each: (order.index(each.event_type), *_rank(each))))


def _rank(template: Template) -> tuple[bool, str]:
    """Among the templates of an event, the one with its name shows what the event is for."""
    return template.name != events.EVENT_TYPES[template.event_type].name, template.name


def _read_folder(folder: Path) -> Template:
    slug = folder.name
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise _broken(slug, "folder", "use small letters, digits and hyphens for its name")
    texts = {}
    for name in _FILES:
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _broken(slug, name, str(error)) from error
    fields = _read_fields(slug, texts["template.toml"])
    if fields["event"] not in events.EVENT_TYPES:
        raise _broken(slug, "event", f'no event type has the id "{fields["event"]}"')
    if not re.search(r"^(async )?function lambda\(input, callback\)", texts["function.js"], re.M):
        raise _broken(slug, "function.js", 'it needs a "function lambda(input, callback)"')
    payload = _parse(slug, "payload.json", texts["payload.json"])
    if not isinstance(payload, dict) or payload.keys() != {"headers", "payload"}:
        raise _broken(slug, "payload.json", 'it needs "headers" and "payload", nothing else')
    return Template(
        slug=slug,
        name=fields["name"],
        summary=fields["summary"],
        event_type=fields["event"],
        source=texts["function.js"],
        payload=payload,
        expected=_parse(slug, "expected.json", texts["expected.json"]),
        secrets=tuple(fields.get("secrets", ())),
        hosts=tuple(fields.get("hosts", ())),
    )


def _read_fields(slug: str, text: str) -> dict[str, Any]:
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(slug, "template.toml", str(error)) from error
    for name in (*_FIELDS, *fields):
        if name in _LISTS:
            if not isinstance(fields[name], list) or not all(
                isinstance(each, str) for each in fields[name]
            ):
                raise _broken(slug, name, "it needs a list of texts")
        elif name not in _FIELDS:
            raise _broken(slug, name, f"known fields are {', '.join((*_FIELDS, *_LISTS))}")
        elif not isinstance(fields.get(name), str):
            raise _broken(slug, name, "it needs a text")
    for name in ("name", "summary"):
        if not fields[name].strip():
            raise _broken(slug, name, "it is empty")
    return fields


def _parse(slug: str, name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _broken(slug, name, str(error)) from error


def _broken(slug: str, field: str, reason: str) -> GalleryError:
    return GalleryError(f'Cannot load function template "{slug}", {field}: {reason}')
