"""How functions and accounts fare, in numbers for programs."""

import datetime as dt
import uuid
from typing import Any

from django.db.models import Count
from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.response import Response

from functions import services
from functions.api import asking
from functions.api.finding import find_function
from functions.api.shapes import CLIENTS_ADD
from functions.models import Function
from invoker import api, metrics
from invoker.api import ApiRequest, Dialect, Permission
from invoker.models import InvocationState

TAG = "Logs and reports"
# Source: `liveperson-contract.md` §3.1 and §7.4.
BUCKET_SIZES = (300, 3600, 86_400)
STATES = (
    InvocationState.UNKNOWN,
    InvocationState.SUCCEEDED,
    InvocationState.CODING_FAILURE,
    InvocationState.PLATFORM_FAILURE,
    InvocationState.TIMEOUT,
)
V1_UNKNOWN = "UNKOWN"
"""How V1 spells it."""
# A month of hours.
MOST_BUCKETS = 750
# Houston has no quota. The vendor's command line reckons with a number, and this is the largest
# one that JavaScript counts up to.
NO_LIMIT = 2**53 - 1


# Of one function ----------------------------------------------------------------------------------


class ReportQuerySerializer(asking.PeriodSerializer):
    bucketSize = serializers.ChoiceField(
        BUCKET_SIZES,
        error_messages={"invalid_choice": "use 300, 3600 or 86400"},
        help_text="Seconds",
    )
    invocationStates = serializers.ListField(
        child=serializers.ChoiceField(
            [*STATES, V1_UNKNOWN],
            error_messages={"invalid_choice": f"use some of {', '.join(STATES)}"},
        ),
        required=False,
        help_text="What to count; all of it when there is none",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        found = super().validate(attrs)
        start, size = found["startTimestamp"], dt.timedelta(seconds=found["bucketSize"])
        reason = ""
        if timezone.now() - start > metrics.REACH:
            reason = f"it may be {metrics.REACH.days} days ago at most"
        elif (found["endTimestamp"] - start) / size > MOST_BUCKETS:
            reason = (
                f"at most {MOST_BUCKETS} buckets lie between it and endTimestamp, take larger ones "
                "or ask in parts"
            )
        if reason:
            raise serializers.ValidationError({"startTimestamp": reason})
        return found


BucketSerializer = inline_serializer(
    "Bucket",
    {
        "from": serializers.IntegerField(help_text="Milliseconds since 1970"),
        "to": serializers.IntegerField(help_text="Milliseconds since 1970, not in it any more"),
        **{each.value: serializers.IntegerField(required=False) for each in STATES},
        V1_UNKNOWN: serializers.IntegerField(required=False, help_text="UNKNOWN, as V1 spells it"),
    },
    many=True,
)


class InvocationReportSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()
    invocationStatistics = BucketSerializer


class InvocationReport(api.ApiView):
    two_dialects = True
    permissions = {"GET": Permission.REPORT_READ}

    @extend_schema(
        operation_id="report_invocations",
        summary="How a function's invocations ended",
        description="Counts what started from `from` to before `to` and has ended. Buckets begin "
        "at full multiples of their size, so the first one may begin before startTimestamp; the "
        "last one ends at endTimestamp or now.",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, ReportQuerySerializer],
        responses=InvocationReportSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        asked = asking.query(request, ReportQuerySerializer)
        wanted = [
            InvocationState.UNKNOWN if each == V1_UNKNOWN else each
            for each in asked.get("invocationStates", STATES)
        ]
        names = {state: state.value for state in STATES if state in wanted}
        if request.dialect == Dialect.V1 and InvocationState.UNKNOWN in names:
            names[InvocationState.UNKNOWN] = V1_UNKNOWN
        step = dt.timedelta(seconds=asked["bucketSize"])
        points = metrics.series(
            account_id,
            since=asked["startTimestamp"],
            until=asked["endTimestamp"],
            step=step,
            function_id=function.pk,
        )
        return Response(
            {
                "uuid": str(function.pk),
                "invocationStatistics": [
                    {
                        "from": asking.milliseconds(point.starts_at),
                        "to": asking.milliseconds(
                            min(point.starts_at + step, asked["endTimestamp"])
                        ),
                        **{
                            name: point.tally.outcomes.get(state, 0)
                            for state, name in names.items()
                        },
                    }
                    for point in points
                ],
            }
        )


# Of the account -----------------------------------------------------------------------------------


class LimitCountsSerializer(serializers.Serializer[Any]):
    limitTotalLambdas = serializers.IntegerField()
    limitDeployedLambdas = serializers.IntegerField()
    invocationLimitPerMonth = serializers.IntegerField(
        help_text="There is none: the largest number that JavaScript counts up to"
    )


class LimitCounts(api.ApiView):
    only = Dialect.V1
    permissions = {"GET": Permission.REPORT_READ}

    @extend_schema(
        operation_id="report_limits",
        summary="How much an account may have",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=LimitCountsSerializer,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        return Response(
            {
                "limitTotalLambdas": services.MAX_FUNCTIONS,
                "limitDeployedLambdas": services.MAX_FUNCTIONS,
                "invocationLimitPerMonth": NO_LIMIT,
            }
        )


class LambdaCountsSerializer(serializers.Serializer[Any]):
    accountId = serializers.CharField()
    total = serializers.IntegerField()
    deployed = serializers.IntegerField()


class LambdaCounts(api.ApiView):
    only = Dialect.V1
    permissions = {"GET": Permission.REPORT_READ}

    @extend_schema(
        operation_id="report_functions",
        summary="How many functions an account has",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=LambdaCountsSerializer,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        counts = Function.objects.filter(account_id=account_id).aggregate(
            total=Count("pk"), deployed=Count("deployment")
        )
        return Response({"accountId": account_id, **counts})


class CountQuerySerializer(asking.PeriodSerializer):
    startTimestamp = asking.MillisecondsField(
        required=False, help_text="Milliseconds since 1970, else the beginning of the month in UTC"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        found = super().validate({"startTimestamp": month, **attrs})
        if timezone.now() - found["startTimestamp"] > metrics.REACH:
            reason = f"it may be {metrics.REACH.days} days ago at most"
            raise serializers.ValidationError({"startTimestamp": reason})
        return found


class InvocationCountsV1Serializer(serializers.Serializer[Any]):
    accountId = serializers.CharField()
    successfulInvocations = serializers.IntegerField()
    unsuccessfulInvocations = serializers.IntegerField()


class InvocationCountsSerializer(serializers.Serializer[Any]):
    successfulInvocations = serializers.IntegerField()
    failedInvocations = serializers.IntegerField()


class InvocationCounts(api.ApiView):
    two_dialects = True
    permissions = {"GET": Permission.REPORT_READ}

    @extend_schema(
        operation_id="report_account",
        summary="How many invocations an account had",
        description="The beginning is moved back to a full minute, to five of them when it is more "
        "than six hours ago, to a full hour when it is more than three days ago. V1 gets an "
        "object, V2 an array with one.",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, CountQuerySerializer],
        responses=PolymorphicProxySerializer(
            "InvocationCountsAnswer",
            [InvocationCountsV1Serializer(), InvocationCountsSerializer(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        asked = asking.query(request, CountQuerySerializer)
        found = metrics.of_account(
            account_id, since=asked["startTimestamp"], until=asked["endTimestamp"]
        )
        succeeded = found.count - found.failed
        if request.dialect == Dialect.V1:
            return Response(
                {
                    "accountId": account_id,
                    "successfulInvocations": succeeded,
                    "unsuccessfulInvocations": found.failed,
                }
            )
        return Response([{"successfulInvocations": succeeded, "failedInvocations": found.failed}])
