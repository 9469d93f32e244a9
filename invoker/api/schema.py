"""How the OpenAPI document describes what all views have in common."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers


class LogEntrySerializer(serializers.Serializer[Any]):
    """One call of `console`. Source: `liveperson-contract.md` §2.2."""

    level = serializers.CharField()
    message = serializers.CharField()
    extras = serializers.ListField(child=serializers.JSONField())
    timestamp = serializers.IntegerField(help_text="Milliseconds since 1970")


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error, with the fields of both dialects."""

    code = serializers.CharField(help_text="Stable, in the words of V2")
    message = serializers.CharField(help_text="What was wrong and what to do")
    errorCode = serializers.CharField(help_text="Stable, in the words of V1")  # noqa: N815
    errorMsg = serializers.CharField(help_text="The same as message")  # noqa: N815
    errorLogs = LogEntrySerializer(  # noqa: N815
        many=True, required=False, help_text="What a function logged before it failed"
    )


# What any request may be answered, whatever it is for.
COMMON = (400, 401, 403, 404, 405, 408, 411, 413, 429, 500, 503)


class ApiSchema(AutoSchema):
    """Adds the errors that every request may meet, and the mark of the older dialect."""

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        if getattr(self.view, "two_dialects", False):
            found.append(
                OpenApiParameter(
                    "v", str, enum=["1"], description="1 for the dialect of V1, else that of V2"
                )
            )
        return found

    def get_response_serializers(self) -> Any:
        found: Any = super().get_response_serializers()
        errors = {str(status): ErrorSerializer for status in COMMON}
        own = found if isinstance(found, dict) else {200: found}
        return errors | {str(status): answer for status, answer in own.items()}
