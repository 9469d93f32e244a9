"""What follows the "?" of an address: among other things, a stretch of time."""

import datetime as dt
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from rest_framework import serializers

from invoker.api import ApiRequest

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MS = dt.timedelta(milliseconds=1)
# 9998: further on, a calendar ends before the sum of a moment and a bucket.
LAST_MS = 253_370_764_800_000


def query(request: ApiRequest, reader: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """What is asked for, checked; a value that is empty counts as not given.

    Raises:
        ValidationError: 400.
    """
    given = QueryDict(mutable=True)
    for name, values in request.query_params.lists():
        if filled := [value for value in values if value]:
            given.setlist(name, filled)
    asked = reader(data=given)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def milliseconds(moment: dt.datetime) -> int:
    return (moment - EPOCH) // MS


class MillisecondsField(serializers.IntegerField):
    """A moment as the vendor's clients write it, read as a `datetime`."""

    default_error_messages = {"invalid": "write the milliseconds since 1970 as a whole number"}

    def __init__(self, **more: Any) -> None:
        more.setdefault("help_text", "Milliseconds since 1970")
        super().__init__(min_value=0, max_value=LAST_MS, **more)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Its validators compare numbers, so they go before."""
        number = super().run_validation(data)
        return EPOCH + number * MS if isinstance(number, int) else number


class PeriodSerializer(serializers.Serializer[Any]):
    """From one moment to before another, at most to now."""

    startTimestamp = MillisecondsField()
    endTimestamp = MillisecondsField(required=False, help_text="Milliseconds since 1970, else now")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        end = min(attrs.get("endTimestamp", now), now)
        if attrs["startTimestamp"] >= end:
            raise serializers.ValidationError(
                {"startTimestamp": "it must lie before endTimestamp, and in the past"}
            )
        return {**attrs, "endTimestamp": end}
