"""What a function can listen to and start from. Source: `liveperson-contract.md` §3.1 and §5.1."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions import gallery
from functions.api.shapes import CLIENTS_ADD, PayloadSerializer
from invoker import api, events
from invoker.api import ApiRequest, Dialect, Permission

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


class EventPayload(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="event_payload",
        summary="A sample of what a function of an event gets",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=PayloadSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, event_id: str) -> Response:  # noqa: ARG002
        if event_id not in events.EVENT_TYPES:
            raise api.not_found(f'Cannot find the event "{event_id[:60]}": see the list of events')
        return Response(events.sample(event_id))


class TemplateSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="slug")
    name = serializers.CharField()
    description = serializers.CharField(source="summary")
    eventId = serializers.CharField(
        source="event_type", allow_blank=True, help_text="Empty for none"
    )
    code = serializers.CharField(source="source")
    samplePayload = PayloadSerializer(source="payload")
    packages = serializers.ListField(child=serializers.CharField())
    secrets = serializers.ListField(child=serializers.CharField(), help_text="Keys that it reads")
    hosts = serializers.ListField(
        child=serializers.CharField(), help_text="What it connects to, for the allow-list"
    )


class Templates(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="template_list",
        summary="Functions to start from, of all events or of one",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, OpenApiParameter("eventId", str, description="The id, whole")],
        responses=TemplateSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        wanted = request.query_params.get("eventId", "")
        found = [each for each in gallery.load() if not wanted or each.event_type == wanted]
        return Response(TemplateSerializer(found, many=True).data)
