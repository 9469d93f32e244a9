"""Functions as V1 has them: lambdas. Source: `liveperson-contract.md` §3.1 and §4.1."""

import uuid
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from functions import checking, deploying, services
from functions.api import problems
from functions.api.finding import Filters, find_function, last_deployments, of_account
from functions.api.shapes import (
    CLIENTS_ADD,
    MAX_VERSION,
    NODE,
    CodeField,
    DescriptionField,
    EventIdField,
    NameField,
    PayloadSerializer,
    SkillsField,
    VariablesField,
    filter_parameters,
)
from functions.models import Function, State
from invoker import api, events
from invoker.api import ApiRequest, Dialect, Permission
from invoker.models import Deployment

TAG = "Functions"
# There is one, so every function has it.
RUNTIME = {
    "uuid": "6c1b7d0e-5a52-4f0e-9b57-0e6f1c2d4a22",
    "name": f"Node.js {NODE}",
    "baseImageName": f"houston-node:{NODE}",
}
_FAILED = {
    deploying.BuildError.code: ("Build Error", f"{api.PREFIX}dm.build.rejected"),
    deploying.DeployError.code: ("Deploy Error", f"{api.PREFIX}dm.deploy.general"),
}


@dataclass(frozen=True, slots=True)
class LastDeployment:
    row: Deployment
    image: str = RUNTIME["baseImageName"]

    @property
    def state(self) -> str:
        """How far it came, in the words of §4.3."""
        return _FAILED[self.row.failure][0] if self.row.failure else "Deploy Finish"

    @property
    def error(self) -> dict[str, Any] | None:
        if not self.row.failure:
            return None
        logs = problems.entries(self.row.problems, self.row.created_at)
        return {
            "errorCode": _FAILED[self.row.failure][1],
            "errorMsg": logs[0]["message"],
            "errorLogs": logs,
        }


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function with what it serves with, else with what became of its last deployment."""

    function: Function
    last: LastDeployment | None

    @property
    def runtime(self) -> dict[str, str]:
        return RUNTIME

    @property
    def sample(self) -> Any:
        return events.sample(self.function.event_type)


# Answers ------------------------------------------------------------------------------------------


class RuntimeSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    baseImageName = serializers.CharField()


class DependencySerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    value = serializers.CharField()


class ImplementationSerializer(serializers.Serializer[Any]):
    code = CodeField()
    dependencies = serializers.SerializerMethodField()
    environmentVariables = VariablesField(source="environment")

    @extend_schema_field(DependencySerializer(many=True))
    def get_dependencies(self, function: Function) -> list[Any]:  # noqa: ARG002
        """None: functions may require all that there is."""
        return []


class DeploymentErrorSerializer(serializers.Serializer[Any]):
    errorCode = serializers.CharField()
    errorMsg = serializers.CharField()
    errorLogs = api.LogEntrySerializer(many=True)


class LastDeploymentSerializer(serializers.Serializer[Any]):
    """Empty where there was none; what failed has an error, and no `deployedAt`."""

    uuid = serializers.UUIDField(source="row.id", required=False)
    name = serializers.CharField(source="row.function_name", required=False)
    lambdaUUID = serializers.UUIDField(source="row.function_id", required=False)
    lambdaVersion = serializers.IntegerField(source="row.version", required=False)
    imageName = serializers.CharField(source="image", required=False)
    deploymentState = serializers.CharField(source="state", required=False)
    deploymentError = DeploymentErrorSerializer(source="error", required=False)
    createdAt = api.MomentField(source="row.created_at", required=False)
    updatedAt = api.MomentField(source="row.changed_at", required=False)
    deployedAt = api.MomentField(source="row.deployed_at", required=False)
    createdBy = serializers.CharField(source="row.created_by", required=False)
    updatedBy = serializers.CharField(source="row.created_by", required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            name: one
            for name, one in super().to_representation(instance).items()
            if one is not None
        }


class LambdaSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(source="function.id")
    version = serializers.IntegerField(
        source="function.version", help_text="What the next save has to name"
    )
    name = serializers.CharField(source="function.name")
    description = serializers.CharField(source="function.description")
    eventId = serializers.CharField(
        source="function.event_type", allow_blank=True, help_text="Empty for none"
    )
    skills = SkillsField(source="function.skills")
    state = serializers.ChoiceField(State.choices, source="function.state")
    runtime = RuntimeSerializer()
    samplePayload = PayloadSerializer(source="sample")
    createdAt = api.MomentField(source="function.created_at")
    updatedAt = api.MomentField(source="function.updated_at")
    createdBy = serializers.CharField(source="function.created_by")
    updatedBy = serializers.CharField(source="function.updated_by")
    implementation = ImplementationSerializer(source="function")
    lastDeployment = serializers.SerializerMethodField()

    @extend_schema_field(LastDeploymentSerializer)
    def get_lastDeployment(self, shown: Lambda) -> dict[str, Any]:  # noqa: N802
        return LastDeploymentSerializer(shown.last).data if shown.last else {}


def _show(functions: list[Function]) -> list[Any]:
    last = last_deployments(functions)
    rows = (
        Lambda(each, LastDeployment(last[each.pk]) if each.pk in last else None)
        for each in functions
    )
    return [LambdaSerializer(row).data for row in rows]


# Requests -----------------------------------------------------------------------------------------


class NewImplementationSerializer(serializers.Serializer[Any]):
    """Dependencies are not looked at: functions may require all that there is."""

    code = CodeField()
    environmentVariables = VariablesField(required=False, source="environment")


class NewLambdaSerializer(serializers.Serializer[Any]):
    """Clients send all that a lambda has; what is not named here is not looked at."""

    name = NameField()
    description = DescriptionField()
    eventId = EventIdField(required=False, source="event_type")
    skills = SkillsField(required=False)
    implementation = NewImplementationSerializer()


class ChangedLambdaSerializer(NewLambdaSerializer):
    """Without a name, an event or skills those stay; the first two cannot change."""

    version = serializers.IntegerField(
        min_value=-1, max_value=MAX_VERSION, help_text="The one that was read before"
    )
    name = NameField(required=False)


# Views --------------------------------------------------------------------------------------------


class Lambdas(api.ApiView):
    only = Dialect.V1
    permissions = {"GET": Permission.FUNCTION_READ, "POST": Permission.FUNCTION_CHANGE}

    @extend_schema(
        operation_id="lambda_list",
        summary="All functions, or those that match",
        tags=[TAG],
        parameters=filter_parameters("name"),
        responses=LambdaSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        wanted = Filters.read(request.query_params, name="name")
        return Response(_show([each for each in of_account(account_id) if wanted.match(each)]))

    @extend_schema(
        operation_id="lambda_create",
        summary="Create a function",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NewLambdaSerializer,
        responses={201: LambdaSerializer, 409: api.ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = NewLambdaSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        written = given["implementation"]
        checking.require_savable(
            Function(account_id=account_id, name=given["name"]), written["code"]
        )
        function = services.create(
            account_id,
            name=given["name"],
            description=given["description"],
            event_type=given.get("event_type") or events.NO_EVENT,
            skills=given.get("skills", ()),
            by=request.auth.name,
            **written,
        )
        return Response(_show([function])[0], status=201)


class OneLambda(api.ApiView):
    only = Dialect.V1
    permissions = {
        "GET": Permission.FUNCTION_READ,
        "PUT": Permission.FUNCTION_CHANGE,
        "DELETE": Permission.FUNCTION_CHANGE,
    }

    @extend_schema(
        operation_id="lambda_get",
        summary="One function, as a list of one",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=LambdaSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:  # noqa: ARG002
        return Response(_show([find_function(account_id, function_id)]))

    @extend_schema(
        operation_id="lambda_save",
        summary="Save a function",
        description="304 when nothing has changed, 409 when somebody saved since `version`. The "
        "code is checked here already, so that no draft holds what could never be deployed.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ChangedLambdaSerializer,
        responses={
            200: LambdaSerializer,
            304: OpenApiResponse(description="Nothing has changed"),
            409: api.ErrorSerializer,
        },
    )
    def put(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        asked = ChangedLambdaSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        written = given["implementation"]
        checking.require_savable(function, written["code"], instead_of=function.code)
        try:
            services.save_parts(
                function,
                version=given["version"],
                name=given.get("name"),
                event_type=given.get("event_type") or None,
                description=given["description"],
                skills=given.get("skills"),
                by=request.auth.name,
                **written,
            )
        except services.UnchangedError:
            return Response(status=304)
        return Response(_show([function])[0])

    @extend_schema(
        operation_id="lambda_delete",
        summary="Delete a function that is not deployed, with its versions",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None, 409: api.ErrorSerializer},
    )
    def delete(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        services.delete(find_function(account_id, function_id), by=request.auth.name)
        return Response(status=204)


class Runtimes(api.ApiView):
    only = Dialect.V1
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="runtimes",
        summary="What functions run in",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=RuntimeSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        return Response([RUNTIME])
