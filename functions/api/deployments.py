"""What serves: deploy and undeploy, in both dialects. Source: `liveperson-contract.md` §3."""

import uuid
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.response import Response

from functions import deploying
from functions.api import asking
from functions.api.finding import find_function, last_deployments, of_account
from functions.api.functions import SIZE, manifest_id
from functions.api.shapes import (
    CLIENTS_ADD,
    MAX_VERSION,
    PAGE_SIZE,
    MessageSerializer,
    TextField,
)
from functions.models import Function
from invoker import api
from invoker.api import ApiRequest, Dialect, Permission
from invoker.gateway import running
from invoker.models import Deployment

TAG = "Deployments"
# Of every sandbox. Source: `liveperson-contract.md` §4.4.
CPU = 0.083
MEMORY_MB = 256


class DeploymentSerializer(serializers.Serializer[Any]):
    """A deployment as V2 has it. One that failed has no `deployedAt`."""

    id = serializers.UUIDField()
    functionUuid = serializers.UUIDField(source="function_id")
    manifestUUID = serializers.SerializerMethodField()
    manifestVersion = serializers.IntegerField(source="version")
    deploymentState = serializers.SerializerMethodField()
    functionSize = serializers.CharField(default=SIZE)
    cpu = serializers.FloatField(default=CPU)
    memory = serializers.IntegerField(default=MEMORY_MB, help_text="MB")
    note = serializers.CharField(
        allow_blank=True, help_text="What somebody wrote when deploying it"
    )
    createdAt = api.MomentField(source="created_at")
    updatedAt = api.MomentField(source="changed_at")
    deployedAt = api.MomentField(source="deployed_at", allow_null=True)
    undeployedAt = api.MomentField(source="retired_at", allow_null=True)
    createdBy = serializers.CharField(source="created_by")
    updatedBy = serializers.CharField(source="created_by")

    @extend_schema_field(OpenApiTypes.UUID)
    def get_manifestUUID(self, row: Deployment) -> str:  # noqa: N802
        return str(manifest_id(row.function_id, row.version))

    @extend_schema_field(serializers.ChoiceField(["successful", "failed"]))
    def get_deploymentState(self, row: Deployment) -> str:  # noqa: N802
        return "failed" if row.failure else "successful"


ANSWERS = {
    202: OpenApiResponse(MessageSerializer, description="Done"),
    409: api.ErrorSerializer,
}


class DeploySerializer(serializers.Serializer[Any]):
    """Clients send nothing. With a version only that is deployed, and nothing newer."""

    version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
        required=False,
        help_text="The draft's as it was read: 409 when there is a newer one. Without it the "
        "newest is deployed",
    )
    note = TextField(
        required=False, default="", max_length=200, help_text="Stands with the deployment"
    )


class OneDeployment(api.ApiView):
    """The deployment of one function.

    A build takes less than a second, unless code is slow to start, so the answer waits for it: the
    command line of V1 asks for the state of a function for ever when it does not hear that the
    build has failed.
    """

    two_dialects = True
    permissions = dict.fromkeys(("POST", "PATCH", "DELETE"), Permission.FUNCTION_DEPLOY)

    @extend_schema(
        operation_id="deploy",
        summary="Deploy the draft of a function",
        description="What was wrong with the code is in `errorLogs`; what served before goes on.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=DeploySerializer,
        responses=ANSWERS,
    )
    def post(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        return _deploy(request, account_id, function_id)

    @extend_schema(
        operation_id="redeploy",
        summary="Deploy the draft of a function that is deployed already",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=DeploySerializer,
        responses=ANSWERS,
    )
    def patch(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        return _deploy(request, account_id, function_id)

    @extend_schema(
        operation_id="undeploy",
        summary="Take a function out of service",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ANSWERS,
    )
    def delete(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        deploying.undeploy(function, by=request.auth.name)
        return Response({"message": f'"{function.name}" is undeployed'}, status=202)


def _deploy(request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
    function = find_function(account_id, function_id)
    asked = DeploySerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    given = asked.validated_data
    with running.turn(account_id):
        deployment = deploying.deploy(
            function,
            version=given.get("version", function.version),
            by=request.auth.name,
            note=given["note"],
        )
    message = f'"{function.name}" is productive with version {deployment.version}'
    return Response({"message": message}, status=202)


class Deployments(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="deployment_list",
        summary="Of each function what serves, or what failed to",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=DeploymentSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        rows = last_deployments(of_account(account_id)).values()
        shown = [row for row in rows if row.active or row.failure]
        shown.sort(key=lambda row: row.created_at, reverse=True)
        return Response(DeploymentSerializer(shown, many=True).data)


class DeploymentCount(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="deployment_count",
        summary="How many functions are deployed",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=OpenApiTypes.INT,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        return Response(of_account(account_id).exclude(deployment=None).count())


class PageSerializer(serializers.Serializer[Any]):
    before = serializers.UUIDField(required=False, help_text="Only those before this one")


class FunctionDeployments(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="function_deployment_list",
        summary=f"All deployments of a function, the newest first, {PAGE_SIZE} at a time",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, PageSerializer],
        responses=DeploymentSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        before = asking.query(request, PageSerializer).get("before")
        rows = _deployments(function)
        if before:
            last = _find(function, before)
            rows = rows.filter(
                Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk)
            )
        page = rows.order_by("-created_at", "-pk")[:PAGE_SIZE]
        return Response(DeploymentSerializer(page, many=True).data)


class RollBack(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.FUNCTION_DEPLOY}

    @extend_schema(
        operation_id="roll_back",
        summary="Let an earlier deployment serve again at once; the draft stays",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=None,
        responses={200: DeploymentSerializer, 409: api.ErrorSerializer},
    )
    def post(
        self,
        request: ApiRequest,
        account_id: str,
        function_id: uuid.UUID,
        deployment_id: uuid.UUID,
    ) -> Response:
        function = find_function(account_id, function_id)
        earlier = _find(function, deployment_id)
        with running.turn(account_id):
            again = deploying.roll_back(function, earlier, by=request.auth.name)
        return Response(DeploymentSerializer(again).data)


def _deployments(function: Function) -> QuerySet[Deployment]:
    rows = Deployment.objects.filter(account_id=function.account_id, function_id=function.pk)
    return rows.defer("code", "environment")


def _find(function: Function, deployment_id: uuid.UUID) -> Deployment:
    found = _deployments(function).filter(pk=deployment_id).first()
    if found is None:
        raise api.not_found(
            f'Cannot find the deployment "{deployment_id}": it is none of "{function.name}"'
        )
    return found
