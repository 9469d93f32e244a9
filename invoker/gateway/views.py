"""The addresses of the gateway. Source: `liveperson-contract.md` §2."""

import time
import uuid
from contextlib import suppress
from typing import Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from msgspec import Struct
from rest_framework import serializers
from rest_framework.response import Response

from invoker import runtime
from invoker.answers import LAMBDA_ERROR, PREFIX
from invoker.api import (
    ApiError,
    ApiRequest,
    ApiView,
    CallerThrottle,
    Dialect,
    ErrorSerializer,
    Permission,
    Throttle,
)
from invoker.api.schema import LogEntrySerializer
from invoker.fields import storable
from invoker.gateway import running
from invoker.models import Deployment, Invocation

LONGEST_SOURCE = 100


class _Header(Struct):
    key: str
    value: Any = None


class _Body(Struct):
    payload: Any
    timestamp: int | float | None = None
    headers: list[_Header] | None = None


class HeaderSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(allow_blank=True)
    value = serializers.JSONField(required=False)


class InvocationSerializer(serializers.Serializer[Any]):
    """What the function gets as `input`."""

    payload = serializers.JSONField(allow_null=True)
    headers = HeaderSerializer(many=True, required=False, allow_null=True)
    timestamp = serializers.FloatField(
        required=False, allow_null=True, help_text="Milliseconds since 1970, now when left out"
    )


class ResultWithLogsSerializer(serializers.Serializer[Any]):
    result = serializers.JSONField(allow_null=True)
    logs = LogEntrySerializer(many=True)


class EventResultSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(help_text="Of the function")
    timestamp = serializers.IntegerField(help_text="When it began, milliseconds since 1970")
    result = serializers.JSONField(allow_null=True)


class ImplementedSerializer(serializers.Serializer[Any]):
    implemented = serializers.BooleanField()


SKILL = OpenApiParameter(
    "skillId", str, description="Asks for the functions of this skill and those of all skills"
)
SOURCE = [
    OpenApiParameter("externalSystem", str, description="V1: the name of the system that asks"),
    OpenApiParameter("LP-EventSource", str, OpenApiParameter.HEADER, description="V2: the same"),
]
USER = OpenApiParameter("userId", str, description="V1: command lines send it")
FAILURES = {LAMBDA_ERROR: ErrorSerializer}


class InvocationThrottle(Throttle):
    """Invocations: in V1 those of an account, in V2 those of a function. Source: §2.3."""

    per_minute = "API_INVOCATIONS_PER_MIN"
    counted = "invocations of one account (V1) or one function (V2)"

    def key(self, request: Any, view: Any) -> str:
        account_id: str = view.kwargs["account_id"]
        if request.dialect == Dialect.V1:
            return account_id
        invoked = str(view.kwargs.get("function_id") or view.kwargs["event_id"])
        # One id can be written in many ways, and counts once.
        with suppress(ValueError):
            invoked = str(uuid.UUID(invoked))
        return f"{account_id} {invoked}"


class InvokeView(ApiView):
    """Runs a deployed function and answers with its result."""

    permissions = {"POST": Permission.FUNCTION_INVOKE}
    two_dialects = True
    throttle_classes = [CallerThrottle, InvocationThrottle]

    @extend_schema(
        operation_id="invoke",
        summary="Invoke a function",
        description="Answers with the bare result. In V1 with a `userId` and without an "
        "`externalSystem` it answers with `result` and `logs`, as to the command line.",
        tags=["Invocation"],
        parameters=[SKILL, *SOURCE, USER],
        request=InvocationSerializer,
        responses={
            200: OpenApiResponse(OpenApiTypes.ANY, description="The function's result"),
            **FAILURES,
        },
    )
    def post(self, request: ApiRequest, account_id: str, function_id: str) -> HttpResponse:
        deployment = running.deployment_of(account_id, function_id)
        event = read_event(request)
        # The vendor's command line and console want to see what was logged. Source: §2.2.
        with_logs = (
            request.dialect == Dialect.V1
            and bool(request.query_params.get("userId"))
            and not request.query_params.get("externalSystem")
        )
        ran = _invocation(request, deployment)
        result = running.run(ran, event, with_logs=with_logs)
        if with_logs:
            return answer({"result": result.value, "logs": running.logs(result)})
        return answer(result.value)


class InvokeEventView(ApiView):
    """Runs every deployed function of an event and answers with all their results."""

    permissions = {"POST": Permission.FUNCTION_INVOKE}
    two_dialects = True
    throttle_classes = [CallerThrottle, InvocationThrottle]

    @extend_schema(
        operation_id="invoke_event",
        summary="Invoke the functions of an event",
        description="Without a skill only functions for all skills run. When one of several "
        "functions fails, that is the answer, and nothing of the others.",
        tags=["Invocation"],
        parameters=[SKILL, *SOURCE],
        request=InvocationSerializer,
        responses={200: EventResultSerializer(many=True), **FAILURES},
    )
    def post(self, request: ApiRequest, account_id: str, event_id: str) -> HttpResponse:
        found = running.listening(account_id, event_id, _skill(request))
        event = read_event(request)
        ran = [_invocation(request, deployment) for deployment in found]
        results = running.run_all(ran, event)
        return answer(
            [
                {
                    "uuid": str(one.function_id),
                    "timestamp": int(one.started_at.timestamp() * 1000),
                    "result": result.value,
                }
                for one, result in zip(ran, results, strict=True)
            ]
        )


class ImplementedView(ApiView):
    permissions = {"GET": Permission.FUNCTION_READ}
    two_dialects = True

    @extend_schema(
        operation_id="is_implemented",
        summary="Whether a deployed function listens to an event",
        description="Without a skill: whether there is one for any skill.",
        tags=["Invocation"],
        parameters=[SKILL, *SOURCE],
        responses=ImplementedSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, event_id: str) -> Response:
        found = running.is_implemented(account_id, event_id, _skill(request))
        return Response({"implemented": found})


def read_event(request: ApiRequest) -> dict[str, Any]:
    """What the function gets as `input`.

    Raises:
        ApiError: 400, the body is no invocation.
    """
    try:
        body = msgspec.convert(request.data, _Body)
    except msgspec.ValidationError as error:
        raise ApiError(
            400,
            f"Cannot invoke: {error}; send a payload, and headers as a list of key and value",
            v1_code=f"{PREFIX}es.badinput",
            v2_code=f"{PREFIX}evg.invalid",
        ) from error
    return {
        "timestamp": int(time.time() * 1000) if body.timestamp is None else body.timestamp,
        "headers": msgspec.to_builtins(body.headers or []),
        "payload": body.payload,
    }


def _skill(request: ApiRequest) -> str:
    """The skill that is asked for; clients send an empty one where they mean none."""
    skill_id: str = request.query_params.get("skillId", "")
    return skill_id


def _invocation(request: ApiRequest, deployment: Deployment) -> Invocation:
    source = request.query_params.get("externalSystem") or request.headers.get("LP-EventSource", "")
    return Invocation(
        account_id=deployment.account_id,
        deployment=deployment,
        function_id=deployment.function_id,
        invoked_by=request.auth.name,
        source=storable(source)[:LONGEST_SOURCE],
        request_id=request.id,
    )


def answer(value: Any) -> HttpResponse:
    """Any JSON value as it is: `Response` would send an empty body for null."""
    return HttpResponse(runtime.encode(value), content_type="application/json")
