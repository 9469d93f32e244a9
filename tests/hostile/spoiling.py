"""Documents that something is wrong with: one value in the wrong place, or bytes that are none."""

import copy
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

Path = tuple[str | int, ...]

MARKUP: Final = "</script><img src=x onerror=alert(1)>\"'{{7*7}}"
"""What must never stand in a page as it is."""


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON, or what looks like it, that `json.dumps` would not write."""

    text: str


@dataclass(frozen=True, slots=True)
class Twice:
    """A member that is written twice: first with this value, then with the right one."""

    first: Any
    second: Any


WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    "",
    " ",
    "text",
    [],
    {},
    [None],
    {"a": None},
    [[["deep"]]],
    2**53,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    2**64,
    1e308,
    253_402_300_799_001,
    Raw("-0"),
    Raw("-0.0"),
    Raw("1E400"),
    Raw("-1e400"),
    Raw("1e-400"),
    Raw("NaN"),
    Raw("Infinity"),
    Raw("-Infinity"),
    Raw("0x10"),
    Raw("01"),
    Raw("'single'"),
    Raw("undefined"),
    Raw("9" * 5000),
    Raw("-" + "9" * 5000),
    Raw("0." + "1" * 5000),
    Raw('"\\u0000"'),
    Raw('"a\\u0000b"'),
    Raw('"\\ud800"'),
    Raw('"\\udc00 half"'),
    Raw('"cut \\ud83d"'),
    Raw('"\\ud83d\\ude00"'),
    Raw('"\\x41"'),
    Raw('"line\nbreak"'),
    Raw("[" * 40 + "]" * 40),
    Raw("[" * 2_000 + "]" * 2_000),
    Raw("[" * 100_000),
    Raw('{"a":' * 40 + "1" + "}" * 40),
    Raw('{"a":' * 5_000 + "1" + "}" * 5_000),
    "x" * 201,
    "x" * 1025,
    "x" * 100_000,
    "\ufeff",
    "\u202eabc\u2066",
    "\x7f\x1b[31m",
    "\r\nX-Injected: yes",
    "\ufffe\uffff",
    "\U0001f600" * 50,
    "e\u0301" * 30,
    MARKUP,
    "' OR 1=1 --",
    "../../../etc/passwd",
    "%00%0d%0a",
    "__proto__",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+23:59",
    "0001-01-01T00:00:00-23:59",
    "-1",
    "NaN",
    "true",
    list(range(1_000)),
    {f"key{number}": number for number in range(1_000)},
    {"__proto__": {"polluted": True}, "constructor": None, "": 1, "\x00": 2},
)


def write(value: Any) -> str:
    """A document as JSON, with `Raw` and `Twice` as they stand."""
    match value:
        case Raw():
            return value.text
        case dict():
            return "{" + ",".join(_members(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(write(each) for each in value) + "]"
    return json.dumps(value)


def _members(members: dict[str, Any]) -> Iterator[str]:
    for name, value in members.items():
        if isinstance(value, Twice):
            yield f"{json.dumps(name)}:{write(value.first)}"
            value = value.second  # noqa: PLW2901
        yield f"{json.dumps(name)}:{write(value)}"


def places(document: Any, here: Path = ()) -> Iterator[Path]:
    """Every place of a document, the whole first."""
    yield here
    inner: Any = ()
    if isinstance(document, dict):
        inner = document.items()
    elif isinstance(document, list):
        inner = enumerate(document)
    for key, value in inner:
        yield from places(value, (*here, key))


def at(document: Any, place: Path) -> Any:
    for key in place:
        document = document[key]
    return document


def put(document: Any, place: Path, value: Any) -> Any:
    """A copy with another value in one place."""
    if not place:
        return value
    changed = copy.deepcopy(document)
    at(changed, place[:-1])[place[-1]] = value
    return changed


def leave_out(document: Any, place: Path) -> Any:
    """A copy without what is in one place."""
    changed = copy.deepcopy(document)
    if place:
        del at(changed, place[:-1])[place[-1]]
    return changed


def _twice(document: Any, place: Path, value: Any) -> Any:
    right = at(document, place)
    return put(
        document, place, Twice(value, right) if place and isinstance(place[-1], str) else value
    )


def _more(document: Any, place: Path, value: Any) -> Any:
    """A copy with one member or item more than there should be."""
    found = at(document, place)
    if isinstance(found, dict):
        return put(document, place, {**found, "unheardOf": value})
    if isinstance(found, list):
        return put(document, place, [*found, value])
    return put(document, place, [found, value])


@st.composite
def documents(draw: st.DrawFn, samples: dict[str, Any], *, faults: int = 2) -> tuple[str, str]:
    """The name of a sample, and the sample with one fault or more, written as JSON."""
    name = draw(st.sampled_from(sorted(samples)))
    document = samples[name]
    for _ in range(draw(st.integers(1, faults))):
        # What was spoilt before is not looked into.
        found = [each for each in places(document) if _is_whole(document, each)]
        place = draw(st.sampled_from(found))
        how = draw(st.sampled_from((put, put, put, leave_out, _twice, _more)))
        if how is leave_out:
            document = leave_out(document, place)
        else:
            document = how(document, place, draw(st.sampled_from(WRONG) | _json))
        if not isinstance(document, dict | list):
            break
    return name, write(document)


def _is_whole(document: Any, place: Path) -> bool:
    """Whether everything on the way to a place is plain JSON."""
    for key in place:
        if not isinstance(document, dict | list):
            return False
        document = document[key]
    return not isinstance(document, Raw | Twice)


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)

_BYTES: Final = {
    "nothing": lambda _: b"",
    "blank": lambda _: b" \r\n\t",
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "UTF-32": lambda body: body.decode().encode("utf-32"),
    "Latin-1": lambda body: body[:-1] + '"é"'.encode("latin-1"),
    "half": lambda body: body[: len(body) // 2],
    "without its end": lambda body: body[:-1],
    "twice": lambda body: body + body,
    "with more behind": lambda body: body + b"x",
    "compressed": gzip.compress,
    "overlong UTF-8": lambda body: body.replace(b"c-1", b"\xc0\xaf"),
    "broken UTF-8": lambda body: body.replace(b"c-1", b"\xff\xfe"),
    "surrogates in UTF-8": lambda body: body.replace(b"c-1", b"\xed\xa0\x80"),
    "NUL bytes": lambda body: body.replace(b"c-1", b"c\x001"),
    "a form": lambda _: b"a=1&b=2",
    "XML": lambda _: b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "null": lambda _: b"null",
    "a number": lambda _: b"1",
    "text": lambda _: b'"text"',
    "an empty object": lambda _: b"{}",
    "an empty array": lambda _: b"[]",
    "an array of nothing": lambda _: b"[null]",
    "101 items": lambda body: b"[" + b",".join([body] * 101) + b"]" if len(body) < 5000 else b"[]",
    "one MiB of blanks": lambda body: b" " * 1024 * 1024 + body,
    "10 MiB": lambda body: body + b" " * 10 * 1024 * 1024,
    "1 MiB of brackets": lambda _: b"[" * 1024 * 1024,
}


@st.composite
def bodies(draw: st.DrawFn, samples: dict[str, Any]) -> tuple[str, bytes]:
    """The name of a sample, and what is left of its bytes."""
    name = draw(st.sampled_from(sorted(samples)))
    body = write(samples[name]).encode()
    how = draw(st.sampled_from(sorted(_BYTES)) | st.none())
    if how:
        return name, _BYTES[how](body)
    cut = draw(st.integers(0, len(body)))
    junk = draw(st.binary(max_size=20))
    return name, body[:cut] + junk + body[cut + draw(st.integers(0, 20)) :]
