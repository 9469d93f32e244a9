"""Functions as V2 has them. Source: `liveperson-contract.md` §3.2 and §4.2."""

import uuid
from dataclasses import dataclass
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from functions import offering, services
from functions.api.finding import Filters, find_function, of_account
from functions.api.shapes import (
    CLIENTS_ADD,
    MAX_VERSION,
    NODE,
    CodeField,
    DescriptionField,
    EventIdField,
    NameField,
    SkillsField,
    TextField,
    filter_parameters,
)
from functions.models import Function, State, Version
from invoker import api, events
from invoker.api import ApiRequest, Dialect, Permission

TAG = "Functions"
SIZE = "S"
"""The vendor's word for 256 MB, which every function has."""
SPEC = "v1.0.0"
NEWEST = 10
"""Versions that come with a function; the rest is in the list of them. Source: §4.4."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version as V2 knows it."""

    row: Version
    runtime: str = f"nodejs{NODE}.x"
    spec: str = SPEC

    @property
    def id(self) -> uuid.UUID:
        return manifest_id(self.row.function_id, self.row.number)


def manifest_id(function_id: uuid.UUID, number: int) -> uuid.UUID:
    """What V2 calls a version of a function: always the same, and kept nowhere."""
    return uuid.uuid5(function_id, str(number))


# Answers ------------------------------------------------------------------------------------------


class MetaSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(source="id")
    name = serializers.CharField()
    description = serializers.CharField()
    state = serializers.ChoiceField(State.choices)
    skills = SkillsField()
    eventId = serializers.CharField(
        source="event_type", allow_blank=True, help_text="Empty for none"
    )
    size = serializers.CharField(default=SIZE)
    # What is written for V1 runs here as it is.
    isCompV1 = serializers.BooleanField(default=False)
    createdAt = api.MomentField(source="created_at")
    createdBy = serializers.CharField(source="created_by")
    updatedAt = api.MomentField(source="updated_at")
    updatedBy = serializers.CharField(source="updated_by")


class ManifestSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField(source="row.number")
    runtime = serializers.CharField()
    spec = serializers.CharField()
    code = CodeField(source="row.code")
    customDependencies = serializers.DictField(default={}, help_text="Always empty")
    environment = serializers.DictField(child=TextField(), source="row.environment")
    createdAt = api.MomentField(source="row.saved_at")
    createdBy = serializers.CharField(source="row.saved_by")
    updatedAt = api.MomentField(source="row.saved_at")
    updatedBy = serializers.CharField(source="row.saved_by")


class FunctionSerializer(MetaSerializer):
    manifest = serializers.SerializerMethodField()

    @extend_schema_field(ManifestSerializer)
    def get_manifest(self, function: Function) -> Any:
        """The newest: what the draft is."""
        newest = function.versions.get(number=function.version)
        return ManifestSerializer(Manifest(newest)).data


class FunctionWithVersionsSerializer(MetaSerializer):
    versions = serializers.SerializerMethodField()

    @extend_schema_field(ManifestSerializer(many=True))
    def get_versions(self, function: Function) -> list[Any]:
        newest = function.versions.order_by("-number")[:NEWEST]
        return [ManifestSerializer(Manifest(row)).data for row in newest]


# Requests -----------------------------------------------------------------------------------------


class NewManifestSerializer(serializers.Serializer[Any]):
    """What is not named here is not looked at."""

    code = CodeField(required=False)
    environment = serializers.DictField(child=TextField(), required=False)


class NewFunctionSerializer(serializers.Serializer[Any]):
    """Without code it begins with one that gives back nothing."""

    name = NameField()
    description = DescriptionField()
    eventId = EventIdField(required=False, source="event_type")
    skills = SkillsField(required=False)
    manifest = NewManifestSerializer(required=False)


class ChangedManifestSerializer(NewManifestSerializer):
    version = serializers.IntegerField(
        min_value=-1, max_value=MAX_VERSION, help_text="The one that was read before"
    )


class ChangedMetaSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is. Other skills count from the next event on."""

    description = DescriptionField(required=False)
    skills = SkillsField(required=False)


# Views --------------------------------------------------------------------------------------------


class Functions(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ, "POST": Permission.FUNCTION_CHANGE}

    @extend_schema(
        operation_id="function_list",
        summary="All functions, or those that match, without their code",
        tags=[TAG],
        parameters=filter_parameters("functionName"),
        responses=MetaSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        wanted = Filters.read(request.query_params, name="functionName")
        rows = of_account(account_id).defer("code", "environment")
        found = [each for each in rows if wanted.match(each)]
        return Response(MetaSerializer(found, many=True).data)

    @extend_schema(
        operation_id="function_create",
        summary="Create a function",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NewFunctionSerializer,
        responses={201: FunctionSerializer, 409: api.ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = NewFunctionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        written = given.get("manifest", {})
        function = services.create(
            account_id,
            name=given["name"],
            description=given["description"],
            event_type=given.get("event_type") or events.NO_EVENT,
            skills=given.get("skills", ()),
            code=written.get("code", offering.EMPTY_SOURCE),
            environment=written.get("environment"),
            by=request.auth.name,
        )
        return Response(FunctionSerializer(function).data, status=201)


class OneFunction(api.ApiView):
    only = Dialect.V2
    permissions = {
        "GET": Permission.FUNCTION_READ,
        "PUT": Permission.FUNCTION_CHANGE,
        "DELETE": Permission.FUNCTION_CHANGE,
    }

    @extend_schema(
        operation_id="function_get",
        summary=f"One function with its {NEWEST} newest versions, the newest first",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=FunctionWithVersionsSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:  # noqa: ARG002
        function = find_function(account_id, function_id)
        return Response(FunctionWithVersionsSerializer(function).data)

    @extend_schema(
        operation_id="function_save",
        summary="Save what is about a function",
        description="A description makes a version of its own; who saves the manifest of the one "
        "before after that is no conflict. 409 when nothing has changed.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ChangedMetaSerializer,
        responses={200: FunctionSerializer, 409: api.ErrorSerializer},
    )
    def put(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        asked = ChangedMetaSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        services.save_parts(function, by=request.auth.name, **asked.validated_data)
        return Response(FunctionSerializer(function).data)

    @extend_schema(
        operation_id="function_delete",
        summary="Delete a function that is not deployed, with its versions",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None, 409: api.ErrorSerializer},
    )
    def delete(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        services.delete(find_function(account_id, function_id), by=request.auth.name)
        return Response(status=204)


class FunctionManifest(api.ApiView):
    only = Dialect.V2
    permissions = {"PUT": Permission.FUNCTION_CHANGE}

    @extend_schema(
        operation_id="function_save_manifest",
        summary="Save code and variables, or one of them",
        description="409 when nothing has changed, or when somebody changed it since `version`.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ChangedManifestSerializer,
        responses={200: FunctionSerializer, 409: api.ErrorSerializer},
    )
    def put(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        asked = ChangedManifestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        services.save_parts(function, by=request.auth.name, **asked.validated_data)
        return Response(FunctionSerializer(function).data)


class FunctionCount(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="function_count",
        summary="How many functions there are",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=OpenApiTypes.INT,
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        return Response(of_account(account_id).count())
