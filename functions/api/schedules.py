"""Functions that run by the clock, as both dialects have them.

Source: `liveperson-contract.md` §3.1 and §3.2. Only creating one is published; the rest is ours.
"""

import dataclasses
import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions.api import asking
from functions.api.shapes import CLIENTS_ADD, MAX_VERSION, TextField
from invoker import api, schedules
from invoker.api import ApiRequest, Dialect, ErrorSerializer, MomentField, Permission
from invoker.models import Schedule
from invoker.schedules import Plan

TAG = "Schedules"


# What is sent -------------------------------------------------------------------------------------


class ScheduleHeaderSerializer(serializers.Serializer[Any]):
    key = TextField()
    value = TextField()


class InvocationBodySerializer(serializers.Serializer[Any]):
    """What the function gets; the due time is added as timestamp."""

    headers = ScheduleHeaderSerializer(many=True, required=False)
    payload = serializers.JSONField(required=False, allow_null=True)


class ScheduleChangeSerializer(serializers.Serializer[Any]):
    """What a schedule consists of. Whether the values are possible is for `schedules` to say."""

    cronExpression = TextField(source="cron_expression", help_text="Five fields, as of cron")
    isActive = serializers.BooleanField(source="active", required=False, help_text="Else true")
    description = TextField(required=False)
    timeZone = TextField(
        source="time_zone", required=False, help_text=f"Of the IANA; else {schedules.UTC_ZONE}"
    )
    invocationBody = InvocationBodySerializer(source="body", required=False)
    lambdaUUID = serializers.UUIDField(
        source="function_id", required=False, help_text="It stays; another one is refused"
    )
    version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
        required=False,
        help_text="The one that was read before: refused when it is not the newest any more",
    )


class NewScheduleSerializer(ScheduleChangeSerializer):
    version = None  # type: ignore[assignment]  # how a serializer leaves out what it inherits
    lambdaUUID = serializers.UUIDField(source="function_id", help_text="A deployed function")


class PreviewQuerySerializer(serializers.Serializer[Any]):
    cronExpression = TextField()
    timeZone = TextField(required=False, default=schedules.UTC_ZONE)


# What is answered ---------------------------------------------------------------------------------


class ScheduleV1Serializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(source="id")
    lambdaUUID = serializers.UUIDField(source="function_id")
    cronExpression = serializers.CharField(source="cron_expression")
    isActive = serializers.BooleanField(source="active")
    nextExecution = MomentField(source="next_at", allow_null=True)
    lastExecution = MomentField(source="last_at", allow_null=True)
    didLastExecutionFail = serializers.BooleanField(source="last_failed")
    createdBy = serializers.CharField(source="created_by")


class ScheduleSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    functionUuid = serializers.UUIDField(source="function_id")
    cronExpression = serializers.CharField(source="cron_expression")
    isActive = serializers.BooleanField(source="active")
    description = serializers.CharField()
    timeZone = serializers.CharField(source="time_zone")
    nextExecution = MomentField(source="next_at", allow_null=True)
    lastExecution = MomentField(source="last_at", allow_null=True)
    didLastExecutionFail = serializers.BooleanField(source="last_failed")
    invocationBody = InvocationBodySerializer(source="*")
    version = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer[Any]):
    inWords = serializers.CharField()
    nextExecutions = serializers.ListField(child=MomentField())


ONE = PolymorphicProxySerializer(
    "AnySchedule",
    [ScheduleV1Serializer, ScheduleSerializer],
    resource_type_field_name=None,
)
ALL = PolymorphicProxySerializer(
    "AnySchedule",
    [ScheduleV1Serializer, ScheduleSerializer],
    resource_type_field_name=None,
    many=True,
)


# Addresses ----------------------------------------------------------------------------------------


class Schedules(api.ApiView):
    two_dialects = True
    permissions = {"GET": Permission.SCHEDULE_READ, "POST": Permission.SCHEDULE_CHANGE}

    @extend_schema(
        operation_id="schedule_list",
        summary="The schedules of an account",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ALL,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        found = Schedule.objects.filter(account_id=account_id).order_by("function_name", "id")
        return Response([_shown(request, each) for each in found])

    @extend_schema(
        operation_id="schedule_create",
        summary="Let a deployed function run by the clock",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NewScheduleSerializer,
        responses={201: ONE, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = NewScheduleSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        function_id = given.pop("function_id")
        schedule = schedules.create(
            account_id, function_id, Plan(**_flat(given)), by=request.auth.name
        )
        return Response(_shown(request, schedule), status=201)


class OneSchedule(api.ApiView):
    two_dialects = True
    permissions = {
        "GET": Permission.SCHEDULE_READ,
        "PUT": Permission.SCHEDULE_CHANGE,
        "PATCH": Permission.SCHEDULE_CHANGE,
        "DELETE": Permission.SCHEDULE_CHANGE,
    }

    @extend_schema(
        operation_id="schedule_get",
        summary="One schedule",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ONE,
    )
    def get(self, request: ApiRequest, account_id: str, schedule_id: uuid.UUID) -> Response:
        return Response(_shown(request, _find(account_id, schedule_id)))

    @extend_schema(
        operation_id="schedule_replace",
        summary="Set all of a schedule",
        description="What is left out is as for a new one.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ScheduleChangeSerializer,
        responses={200: ONE, 409: ErrorSerializer},
    )
    def put(self, request: ApiRequest, account_id: str, schedule_id: uuid.UUID) -> Response:
        schedule = _find(account_id, schedule_id)
        given, version = _changes(request, schedule, partial=False)
        schedules.change(schedule, Plan(**given), version=version, by=request.auth.name)
        return Response(_shown(request, schedule))

    @extend_schema(
        operation_id="schedule_change",
        summary="Set some of a schedule",
        description="What is left out stays. isActive alone pauses or resumes it, also when it is "
        "so already.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ScheduleChangeSerializer(partial=True),
        responses={200: ONE, 409: ErrorSerializer},
    )
    def patch(self, request: ApiRequest, account_id: str, schedule_id: uuid.UUID) -> Response:
        schedule = _find(account_id, schedule_id)
        given, version = _changes(request, schedule, partial=True)
        if given.keys() == {"active"} and version == schedule.version:
            schedules.switch(schedule, active=given["active"], by=request.auth.name)
        else:
            plan = dataclasses.replace(Plan.of(schedule), **given)
            schedules.change(schedule, plan, version=version, by=request.auth.name)
        return Response(_shown(request, schedule))

    @extend_schema(
        operation_id="schedule_delete",
        summary="Forget a schedule",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None},
    )
    def delete(self, request: ApiRequest, account_id: str, schedule_id: uuid.UUID) -> Response:
        schedules.delete(_find(account_id, schedule_id), by=request.auth.name)
        return Response(status=204)


class Preview(api.ApiView):
    two_dialects = True
    permissions = {"GET": Permission.SCHEDULE_READ}

    @extend_schema(
        operation_id="schedule_preview",
        summary="When a schedule would be due next",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, PreviewQuerySerializer],
        responses=PreviewSerializer,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        asked = asking.query(request, PreviewQuerySerializer)
        expression = asked["cronExpression"]
        times = schedules.preview(expression, asked["timeZone"], timezone.now())
        answer = {"inWords": schedules.in_words(expression), "nextExecutions": times}
        return Response(PreviewSerializer(answer).data)


def _find(account_id: str, schedule_id: uuid.UUID) -> Schedule:
    found = Schedule.objects.filter(account_id=account_id, pk=schedule_id).first()
    if found is None:
        raise api.not_found(
            f'Cannot find the schedule "{schedule_id}": it was deleted, or never was in this '
            "account"
        )
    return found


def _changes(
    request: ApiRequest, schedule: Schedule, *, partial: bool
) -> tuple[dict[str, Any], int]:
    """What a plan is to have, and the version that it was made from."""
    asked = ScheduleChangeSerializer(data=request.data, partial=partial)
    asked.is_valid(raise_exception=True)
    given = dict(asked.validated_data)
    if given.pop("function_id", schedule.function_id) != schedule.function_id:
        raise serializers.ValidationError(
            {"lambdaUUID": "a schedule keeps its function, create another one"}
        )
    version = given.pop("version", schedule.version)
    return _flat(given), version


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as the fields of a plan."""
    plan = dict(given)
    body: dict[str, Any] = plan.pop("body", {})
    return plan | body


def _shown(request: ApiRequest, schedule: Schedule) -> Any:
    shape = ScheduleV1Serializer if request.dialect == Dialect.V1 else ScheduleSerializer
    return shape(schedule).data
