"""A file's plain values to a scenario, with every fault named where it stands."""

import datetime as dt
import difflib
import itertools
import json
import pathlib as files
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from functions import gallery
from functions.scenarios import durations, errors
from functions.scenarios.documents import (
    DEFAULT_START,
    LONGEST_FILE,
    Document,
    Expected,
    File,
    Message,
    Settings,
    Step,
    Transfer,
)
from functions.scenarios.errors import ScenarioError
from functions.scenarios.parsing import Path, Plain, fault, parse
from invoker import automatic_messages, events, simulator
from invoker.automatic_messages import timers
from invoker.automatic_messages.errors import InvalidError
from invoker.simulator import acts

_EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_LATEST: Final = dt.datetime.fromtimestamp(simulator.LATEST_MS / 1000, tz=dt.UTC)
_EVENTS: Final = (
    *(subtype for each in events.EVENT_TYPES.values() for subtype in each.subtypes),
    *(each.id for each in events.EVENT_TYPES.values() if not each.subtypes),
)
_FAULT: Final = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?(?P<path>[^`]*)`)?", re.DOTALL)
_PART: Final = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_RULE: Final = re.compile(r"(?P<field>\w+) (?P<must>must be .*), not .*", re.DOTALL)
_NAMED: Final = re.compile(r"field `([^`]*)`")
_LONGEST_SHOWN: Final = 60

Read = TypeVar("Read")


def read(text: str, name: str = "") -> Document:
    """Read a scenario from the text of its file, YAML or JSON; `name` is what errors call it.

    Raises:
        ScenarioError: the first fault, with its line.
    """
    plain = parse(text, name)
    head = _convert(plain, _with_idle_times(plain), File, ())
    if not _EARLIEST <= head.starts_at < _LATEST:
        what = f'"starts_at" is {head.starts_at}: it must be from 2000 to 2099'
        raise plain.error(errors.BAD_VALUE, ("starts_at",), what)
    functions = {
        event: _template(plain, event, template) for event, template in head.functions.items()
    }
    _check_settings(plain, head.settings)
    steps = tuple(_step(plain, number, fields) for number, fields in enumerate(head.steps))
    _check_order(plain, steps)
    ends_ms = steps[-1].ends_ms
    if head.starts_at + dt.timedelta(milliseconds=ends_ms) >= _LATEST:
        what = f"the last step ends {durations.spell(ends_ms)} after the start: no clock goes there"
        raise plain.error(errors.BAD_VALUE, ("steps", len(steps) - 1), what)
    return Document(
        name=head.name,
        description=head.description,
        starts_at=head.starts_at.astimezone(dt.UTC),
        functions=functions,
        settings=head.settings,
        steps=steps,
    )


def read_file(path: files.Path) -> Document:
    """Read a scenario from its file.

    Raises:
        ScenarioError: it cannot be read, see `read`.
    """
    try:
        with path.open("rb") as file:
            # A character has four bytes at most, so that one more is too long in any case.
            content = file.read(4 * LONGEST_FILE + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise fault(errors.NOT_READABLE, str(path), None, str(error.strerror)) from error
    except UnicodeDecodeError as error:
        raise fault(errors.NO_TEXT, str(path), None, "it is no UTF-8, save it as that") from error
    return read(text, str(path))


# Parts --------------------------------------------------------------------------------------------


def _with_idle_times(plain: Plain) -> dict[str, Any]:
    """The file's values with idle times as numbers."""
    fields = dict(plain.value)
    settings = fields.get("settings")
    times = settings.get("idle_times") if isinstance(settings, dict) else None
    if isinstance(settings, dict) and isinstance(times, dict):
        path: Path = ("settings", "idle_times")
        read = {name: _duration(plain, (*path, name), value) for name, value in times.items()}
        fields["settings"] = settings | {"idle_times": read}
    return fields


def _check_settings(plain: Plain, settings: Settings | None) -> None:
    if settings is None:
        return
    path: Path = ("settings", "idle_times")
    if settings.idle_times:
        for name, ms in msgspec.structs.asdict(settings.idle_times).items():
            try:
                timers.check(None if ms is None else ms // 1000, None)
            except InvalidError as error:
                rule = str(error).partition(": ")[2]
                what = f'"{name}" is {durations.spell(ms)}: {rule}'
                raise plain.error(errors.BAD_VALUE, (*path, name), what) from error
            if ms is not None and ms % 1000:
                what = f'"{name}" is {durations.spell(ms)}: idle times are whole seconds'
                raise plain.error(errors.BAD_VALUE, (*path, name), what)
    for subtype in settings.automatic_messages or {}:
        if subtype not in automatic_messages.SUBTYPES:
            what = _not_among(
                "an event with automatic messages", subtype, automatic_messages.SUBTYPES
            )
            raise plain.error(errors.BAD_VALUE, ("settings", "automatic_messages", subtype), what)


def _template(plain: Plain, event_type: str, name: str) -> str:
    """The slug of a template, which may also be given by its name."""
    path = ("functions", event_type)
    if event_type not in events.EVENT_TYPES or event_type == events.NO_EVENT:
        what = _not_among("an event type", event_type, tuple(filter(None, events.EVENT_TYPES)))
        raise plain.error(errors.BAD_VALUE, path, what)
    known = [each for each in gallery.load() if each.event_type == event_type]
    for each in known:
        if name in (each.slug, each.name):
            return each.slug
    slugs = tuple(each.slug for each in known)
    what = _not_among(f"a template of the gallery for {event_type}", name, slugs)
    raise plain.error(errors.UNKNOWN_TEMPLATE, path, what)


def _step(plain: Plain, number: int, fields: dict[str, Any]) -> Step:
    path: Path = ("steps", number)
    rest = {name: value for name, value in fields.items() if name not in ("at", "expect")}
    for name in ("at", "act"):
        if name not in fields:
            what = f'step {number + 1} has no "{name}"'
            raise plain.error(errors.MISSING_FIELD, path, what)
    word = rest["act"]
    if not isinstance(word, str) or word not in acts.ACTS:
        what = _not_among("an act", word, tuple(acts.ACTS))
        raise plain.error(errors.BAD_VALUE, (*path, "act"), what)
    at_ms = _duration(plain, (*path, "at"), fields["at"])
    act = _convert(plain, rest, acts.ACTS[word], path, beside=("at", "expect"))
    if "expect" not in fields or fields["expect"] is None:
        if "expect" in fields:
            what = '"expect" is empty: write [] where nothing may come, or leave it out'
            raise plain.error(errors.BAD_VALUE, (*path, "expect"), what)
        return Step(at_ms=at_ms, act=act)
    expect = _convert(plain, fields["expect"], tuple[Expected, ...], (*path, "expect"))
    for place, each in enumerate(expect):
        _check_expected(plain, each, (*path, "expect", place))
    return Step(at_ms=at_ms, act=act, expect=expect)


def _check_expected(plain: Plain, expected: Expected, path: Path) -> None:
    if expected.event not in _EVENTS:
        what = _not_among("an event", expected.event, _EVENTS)
        raise plain.error(errors.BAD_VALUE, (*path, "event"), what)
    for place, command in enumerate(expected.commands):
        at = (*path, "commands", place)
        match command:
            case Message(text=str(), contains=str()):
                what = 'a message has "text" or "contains", not both'
                raise plain.error(errors.BAD_VALUE, at, what)
            case Transfer(skill_id=None, agent_id=None):
                what = 'a transfer needs "skillId", "agentId", or both'
                raise plain.error(errors.MISSING_FIELD, at, what)


def _check_order(plain: Plain, steps: tuple[Step, ...]) -> None:
    """The first step starts the conversation, and none begins before the one before it is over."""
    first = steps[0]
    if not isinstance(first.act, acts.Start) or first.at_ms:
        what = 'the first step must be "act: start" at "0s"'
        raise plain.error(errors.BAD_ORDER, ("steps", 0), what)
    for number, (before, step) in enumerate(itertools.pairwise(steps), start=1):
        path: Path = ("steps", number)
        if isinstance(step.act, acts.Start):
            what = 'the conversation has begun, "act: start" stands in the first step alone'
            raise plain.error(errors.BAD_ORDER, path, what)
        if step.at_ms < before.ends_ms:
            what = (
                f'"at" is {durations.spell(step.at_ms)}: the step before lasts until '
                f"{durations.spell(before.ends_ms)}, so it must be that or later"
            )
            raise plain.error(errors.BAD_ORDER, (*path, "at"), what)


# Values -------------------------------------------------------------------------------------------


def _duration(plain: Plain, path: Path, value: object) -> int:
    ms = durations.parse(value) if isinstance(value, str) else None
    if ms is None or ms > acts.LONGEST_WAIT_S * 1000:
        what = (
            f'"{path[-1]}" is {_shown(value)}: it must be a time such as "12s", "10m 12s" or "1h", '
            f"of at most {acts.LONGEST_WAIT_S // 86_400}d"
        )
        raise plain.error(errors.BAD_VALUE, path, what)
    return ms


def _convert(
    plain: Plain, value: object, kind: type[Read], path: Path, beside: tuple[str, ...] = ()
) -> Read:
    """Take a value as what it must be; `beside` are fields that stand there too."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise _fault(plain, value, str(error), path, kind=kind, beside=beside) from error


def _fault(
    plain: Plain, value: object, said: str, path: Path, *, kind: object, beside: tuple[str, ...]
) -> ScenarioError:
    found = _FAULT.fullmatch(said)
    what = found["what"] if found else said
    inside: list[str | int] = []
    for name, index in _PART.findall((found and found["path"]) or ""):
        part: str | int = name or (int(index) if index.isdecimal() else index)
        inner = _at(value, part)
        if inner is None:
            break
        value = inner[0]
        inside.append(part)
    path = (*path, *inside)
    named = _NAMED.search(what)
    if what.startswith("Object contains unknown field") and named:
        known = (*beside, *_known_fields(kind, inside, value))
        said = f'there is no field "{named[1][:_LONGEST_SHOWN]}" here, known are {", ".join(known)}'
        return plain.error(errors.UNKNOWN_FIELD, (*path, named[1]), said)
    if what.startswith("Object missing required field") and named:
        return plain.error(errors.MISSING_FIELD, path, f'"{named[1]}" is missing')
    if (rule := _RULE.fullmatch(what)) and isinstance(value, dict) and rule["field"] in value:
        # What an act itself checks names its field in words.
        path, value, what = (*path, rule["field"]), value[rule["field"]], rule["must"]
    if choices := _choices(kind, inside):
        what = f"it must be {_one_of(choices)}"
    field = next((f'"{part}"' for part in reversed(path) if isinstance(part, str)), "it")
    said = f"{field} is {_shown(value)}: {what[:1].lower()}{what[1:]}"
    if "`str" in what and isinstance(value, bool | int | float):
        # YAML took a word for something else.
        said += ", put it in quotes"
    elif "datetime" in what:
        said += f", write it as {DEFAULT_START.isoformat()}"
    return plain.error(errors.BAD_VALUE, path, said)


def _one_of(choices: Sequence[object]) -> str:
    return f"one of {', '.join(map(str, choices))}" if len(choices) > 1 else str(choices[0])


def _at(value: object, part: str | int) -> tuple[Any] | None:
    if isinstance(value, dict) and part in value:
        return (value[part],)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return (value[part],)
    return None


def _known_fields(kind: object, inside: list[str | int], value: object) -> list[str]:
    """The fields of the struct that an inner path leads to; of several kinds the tagged one."""
    for part in inside:
        kind = _inside(kind, part)
    structs = [each for each in _alternatives(kind) if hasattr(each, "__struct_fields__")]
    word = value.get("type") if isinstance(value, dict) else None
    tagged = [each for each in structs if each.__struct_config__.tag == word and word]
    chosen = (tagged or structs or [None])[0]
    if chosen is None:
        return []
    tag = chosen.__struct_config__.tag_field
    return [*([tag] if tag else []), *chosen.__struct_encode_fields__]


def _choices(kind: object, inside: list[str | int]) -> list[object]:
    """The words that may stand where an inner path leads to; empty where any may."""
    parent: object = None
    for part in inside:
        parent, kind = kind, _inside(kind, part)
    if kind is None:
        # What tells one kind of struct from another.
        structs = [each for each in _alternatives(parent) if hasattr(each, "__struct_fields__")]
        return [each.__struct_config__.tag for each in structs]
    literals = (
        get_args(each) if get_origin(each) is Literal else [each] for each in _alternatives(kind)
    )
    return [word for words in literals for word in words if isinstance(word, str | int)]


def _inside(kind: object, part: str | int) -> object:
    for each in _alternatives(kind):
        if isinstance(part, int):
            for argument in getattr(each, "__args__", ()):
                return argument
        elif hasattr(each, "__struct_encode_fields__") and part in each.__struct_encode_fields__:
            name = each.__struct_fields__[each.__struct_encode_fields__.index(part)]
            return next(field.type for field in msgspec.structs.fields(each) if field.name == name)
    return None


def _alternatives(kind: object) -> tuple[Any, ...]:
    if hasattr(kind, "__struct_fields__") or getattr(kind, "__origin__", None) in (tuple, list):
        return (kind,)
    return tuple(getattr(kind, "__args__", ())) or (kind,)


def _not_among(what: str, value: object, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(value)[:100], known, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"' if near else f"known are {', '.join(known)}"
    return f"{_shown(value)} is not {what}: {hint}"


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
