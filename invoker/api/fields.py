"""Fields of answers that many of them have."""

import datetime as dt
from typing import Any

from rest_framework import serializers


class MomentField(serializers.DateTimeField):
    """A moment as the vendor writes it, to the millisecond: "2020-01-27T09:59:43.000Z".

    Source: LivePersonInc/faas-cli, test/__mocks__/lambdas.json.
    """

    def to_representation(self, value: Any) -> Any:
        moment: dt.datetime = value
        return (
            f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
        )
