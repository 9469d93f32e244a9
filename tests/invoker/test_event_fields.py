"""The documented fields of payloads are those of the structs and the samples, no more, no fewer."""

import types
import typing
from typing import Any

import msgspec
import pytest

from invoker import events
from invoker.event_fields import OPEN_OBJECT

MESSAGING = [each for each in events.EVENT_TYPES.values() if each.runs_commands]
OF_JSON = {
    "string": str, "number": int | float, "boolean": bool, "object": dict, "string[]": list,
    "object[]": list, OPEN_OBJECT: dict, "null": types.NoneType, "false": bool,
}  # fmt: skip


def walk_struct(kind: Any, path: str = "") -> dict[str, bool]:
    """Paths of a struct, and whether each may be null."""
    found: dict[str, bool] = {}
    for field in msgspec.structs.fields(kind):
        here = f"{path}{field.encode_name}"
        parts = typing.get_args(field.type) if _is_union(field.type) else (field.type,)
        found[here] = types.NoneType in parts
        for each in parts:
            is_list = typing.get_origin(each) is tuple
            part = typing.get_args(each)[0] if is_list else each
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                found |= walk_struct(part, f"{here}[]." if is_list else f"{here}.")
    return found


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def walk_sample(value: Any, open_at: set[str], path: str = "") -> set[str]:
    if path.rstrip(".") in open_at:
        return set()
    found: set[str] = set()
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict):
                found |= walk_sample(each, open_at, f"{path.removesuffix('.')}[].")
    elif isinstance(value, dict):
        for name, inner in value.items():
            found |= {f"{path}{name}"} | walk_sample(inner, open_at, f"{path}{name}.")
    return found


def test_messaging_fields_are_those_of_the_struct_and_null_where_it_is():
    fields = events.fields(events.TTR.id)

    assert {each.path: each.nullable for each in fields} == walk_struct(events.Payload)


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_fields_are_those_of_the_sample(event_type_id):
    fields = events.fields(event_type_id)
    open_at = {each.path for each in fields if each.type == OPEN_OBJECT}
    sampled = walk_sample(events.sample(event_type_id)["payload"], open_at)
    may_be_absent = {
        each.path
        for each in fields
        if any(list_ in each.path for list_ in ("Participants[].", "originatorMetadata."))
    }

    documented = {each.path for each in fields}

    assert sampled <= documented
    assert documented - sampled <= may_be_absent


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_examples_have_the_type_and_are_among_the_values(event_type_id):
    for each in events.fields(event_type_id):
        if each.example is None:
            assert each.nullable or "Participants[]" in each.path, each.path
            continue
        allowed = tuple(OF_JSON[part] for part in each.type.split(" | "))
        assert isinstance(each.example, typing.cast("Any", allowed)), each.path
        if each.type == "number":
            assert not isinstance(each.example, bool), each.path
        if each.values:
            assert each.example in each.values, each.path


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_every_field_is_documented_once_in_a_sentence_without_its_full_stop(event_type_id):
    fields = events.fields(event_type_id)

    assert len({each.path for each in fields}) == len(fields)
    for each in fields:
        assert each.doc[0].isupper() or each.doc.startswith("MAIN"), each.path
        assert not each.doc.endswith("."), each.path


@pytest.mark.parametrize("kind", MESSAGING, ids=lambda kind: kind.id)
def test_subtypes_of_the_event_are_the_values_of_its_field(kind):
    [field] = [each for each in events.fields(kind.id) if each.path == "general.cbotEventType"]

    assert field.values == kind.subtypes
    assert field.example in kind.subtypes


def test_fields_of_an_unknown_event_type_are_refused():
    with pytest.raises(KeyError):
        events.fields("controllerbot_messaging_party")
