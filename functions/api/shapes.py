"""What requests and answers of both dialects are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers

from functions import services
from functions.models import State
from invoker import events

NODE = "22"
"""The version of Node whose modules functions find, see `process.version` in the sandbox."""
MAX_VERSION = 2**31 - 1
PAGE_SIZE = 25
CLIENTS_ADD = [OpenApiParameter("userId", str, description="Command lines send it; not looked at")]
LONGEST_SHOWN = 60
"""Characters of a field's name that are quoted."""


# Bodies -------------------------------------------------------------------------------------------


class ClosedSerializer(serializers.Serializer[Any]):
    """A body, or a part of one, that has no fields but these.

    Not for what the vendor's clients send: they add fields of their own.

    Raises:
        ValidationError: 400, and the message names the first field that there is not.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    known = f"there is no such field here, there are {', '.join(self.fields)}"
                    raise serializers.ValidationError({name[:LONGEST_SHOWN]: known})
        return super().to_internal_value(data)


class ClosedExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says so in the document."""

    target_class = ClosedSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        found = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return {**found, "additionalProperties": False}


# Fields -------------------------------------------------------------------------------------------


class TextField(serializers.CharField):
    """A text as it was sent, and no number: nothing of it is cut off or written another way."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_blank": True, "trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


# What the document says of these two is checked by `services`, which says better what is wrong.


@extend_schema_field(
    {"type": "string", "pattern": "^[A-Za-z0-9_]+$", "maxLength": services.MAX_NAME}
)
class NameField(TextField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_blank": False, **options})


@extend_schema_field({"type": "string", "pattern": "\\S", "maxLength": services.MAX_DESCRIPTION})
class DescriptionField(TextField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_blank": False, **options})


class CodeField(TextField):
    """Source code, but for the ends of its lines, which some systems mark with two characters."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).replace("\r\n", "\n")


class EventIdField(TextField):
    """The id of an event; "No Event" is what command lines call none. Source: §3.4."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_null": True, **options})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return events.NO_EVENT if text == events.EVENT_TYPES[events.NO_EVENT].name else text


class SkillsField(serializers.ListField):
    """Ids of skills; none of them means all."""

    child = TextField()


class VariableSerializer(serializers.Serializer[Any]):
    key = TextField(default="")
    value = TextField(default="")


class VariablesField(serializers.ListField):
    """Environment variables as a list of pairs, a mapping for everybody else.

    One with neither a key nor a value is how command lines say that there is none. Source: §3.4.
    """

    child = VariableSerializer()

    def to_internal_value(self, data: Any) -> Any:
        variables: dict[str, str] = {}
        for pair in super().to_internal_value(data):
            key, value = pair["key"], pair["value"]
            if key in variables:
                raise serializers.ValidationError(f'the variable "{key[:60]}" is there twice')
            if key or value:
                variables[key] = value
        return variables

    def to_representation(self, value: Any) -> list[Any]:
        variables: Mapping[str, str] = value
        return [{"key": key, "value": value} for key, value in variables.items()]


# Answers ------------------------------------------------------------------------------------------


class PayloadSerializer(serializers.Serializer[Any]):
    """A complete input of a function."""

    headers = serializers.ListField(child=serializers.JSONField())
    payload = serializers.JSONField()


class MessageSerializer(serializers.Serializer[Any]):
    # Without an id: the published clients take one for a failure. Source: §3.1.
    message = serializers.CharField()


# Queries ------------------------------------------------------------------------------------------


def filter_parameters(name: str) -> Sequence[OpenApiParameter]:
    """What a list of functions can be asked for; `name` is what its dialect calls the name."""
    return [
        *CLIENTS_ADD,
        OpenApiParameter(name, str, description="A part of the name"),
        OpenApiParameter("eventId", str, description="A part of the id of the event"),
        OpenApiParameter(
            "state", str, many=True, enum=[*State.values, ""], description="One of these"
        ),
    ]
