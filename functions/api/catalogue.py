"""What a function can listen to. Source: `liveperson-contract.md` §3.1 and §5.1."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions.api.shapes import CLIENTS_ADD
from invoker import api, events
from invoker.api import ApiRequest, Permission

TAG = "Functions"


class EventSerializer(serializers.Serializer[Any]):
    eventId = serializers.CharField(source="id")
    eventName = serializers.CharField(source="name")
    description = serializers.CharField(source="summary")
    lambdaLimit = serializers.IntegerField(
        source="limit", help_text="Functions per account, where it is 1 per set of skills"
    )


class Events(api.ApiView):
    two_dialects = True
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="event_list",
        summary="The events that functions can listen to",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=EventSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        offered = [each for each in events.EVENT_TYPES.values() if each.id != events.NO_EVENT]
        return Response(EventSerializer(offered, many=True).data)
