"""The format of scenario files as the manual shows it, out of the structs that read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Any, Final

import msgspec
from msgspec import inspect

from functions.scenarios.documents import (
    Close,
    Expected,
    Failed,
    File,
    IdleTimes,
    Late,
    Message,
    Settings,
    Transfer,
)
from invoker.simulator import acts

_PARTS: Final[dict[str, Any]] = {
    "The file": File,
    "Settings": Settings,
    "Idle times": IdleTimes,
    "Expected events": Expected,
    "A message": Message,
    "A transfer": Transfer,
    "A close": Close,
    "Late commands": Late,
    "A failure": Failed,
}


@dataclass(frozen=True, slots=True)
class Field:
    """`usual` is the value where the field is left out; None where it must be there."""

    name: str
    kind: str
    usual: str | None

    @property
    def holds(self) -> str:
        """What may stand there and what does so usually, with code in backticks."""
        if self.usual is None:
            return f"{self.kind}; must be there"
        return f"{self.kind}; usually `{self.usual}`" if self.usual else self.kind

    @property
    def line(self) -> str:
        """The same after its name."""
        return f"`{self.name}`: {self.holds}"


@dataclass(frozen=True, slots=True)
class Part:
    """`about` is plain text with code in backticks."""

    title: str
    about: str
    fields: tuple[Field, ...]


@cache
def parts() -> tuple[Part, ...]:
    """Everything that a file may hold beside acts."""
    return tuple(_part(title, kind) for title, kind in _PARTS.items())


@cache
def all_acts() -> tuple[Part, ...]:
    """Every act by its word, with the fields beside `at`, `act` and `expect`."""
    return tuple(_part(word, kind) for word, kind in acts.ACTS.items())


def _part(title: str, kind: Any) -> Part:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    fields = [*_tag(info, title), *map(_field, info.fields)]
    return Part(title, cleandoc(kind.__doc__ or ""), tuple(fields))


def _tag(info: inspect.StructType, title: str) -> Iterator[Field]:
    # Of an act the tag is its word, which is the title already.
    if info.tag_field and info.tag != title:
        yield Field(info.tag_field, f"`{info.tag}`", None)


def _field(field: inspect.Field) -> Field:
    default = field.default
    if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    usual = None if field.required else _value(default)
    return Field(field.encode_name, _words(field.type), usual)


def _value(value: Any) -> str:
    if value in (None, "", (), {}):
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _words(kind: inspect.Type) -> str:  # noqa: PLR0911 -- a case for each kind
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=told):
            return (told or {}).get("description") or _words(inner)
        case inspect.UnionType(types=types):
            tags = [each.tag for each in types if isinstance(each, inspect.StructType) and each.tag]
            if tags:
                return "one of " + ", ".join(f"`{tag}`" for tag in tags)
            rest = [each for each in types if not isinstance(each, inspect.NoneType)]
            return " or ".join(_words(each) for each in rest)
        case inspect.LiteralType(values=values):
            return " or ".join(f"`{each}`" for each in values)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list of {_words(item).removeprefix('one of ')}"
        case inspect.DictType():
            return "texts by their name"
        case inspect.StructType(cls=cls):
            return next(title.lower() for title, part in _PARTS.items() if part is cls)
        case inspect.DateTimeType():
            return "a time with its zone"
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.StrType(max_length=most):
            return f"text, {most} characters at most" if most else "text"
    raise TypeError(f"No words for {kind}")
