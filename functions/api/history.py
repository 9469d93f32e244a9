"""The saved versions of a function, which only the console had."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions import services
from functions.api import asking
from functions.api.finding import find_function
from functions.api.functions import (
    TAG,
    FunctionSerializer,
    Manifest,
    ManifestSerializer,
    manifest_id,
)
from functions.api.shapes import CLIENTS_ADD, MAX_VERSION, PAGE_SIZE
from functions.models import Function, Version
from invoker import api
from invoker.api import ApiRequest, Dialect, Permission


class VersionSerializer(serializers.Serializer[Any]):
    """A version without what is in it."""

    id = serializers.SerializerMethodField()
    version = serializers.IntegerField(source="number")
    description = serializers.CharField()
    note = serializers.CharField(allow_blank=True, help_text="How it came to be")
    createdAt = api.MomentField(source="saved_at")
    createdBy = serializers.CharField(source="saved_by")

    def get_id(self, row: Version) -> uuid.UUID:
        return manifest_id(row.function_id, row.number)


class PageSerializer(serializers.Serializer[Any]):
    before = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
        required=False,
        help_text="Only versions before this one",
    )


class RestoreSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        min_value=1, max_value=MAX_VERSION, help_text="The newest, as it was read before"
    )


class Versions(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="version_list",
        summary=f"The versions of a function, the newest first, {PAGE_SIZE} at a time",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, PageSerializer],
        responses=VersionSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        function = find_function(account_id, function_id)
        before = asking.query(request, PageSerializer).get("before", MAX_VERSION)
        rows = function.versions.filter(number__lt=before).order_by("-number")
        page = rows.defer("code", "environment")[:PAGE_SIZE]
        return Response(VersionSerializer(page, many=True).data)


class OneVersion(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.FUNCTION_READ}

    @extend_schema(
        operation_id="version_get",
        summary="One version with its code and variables",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ManifestSerializer,
    )
    def get(
        self,
        request: ApiRequest,  # noqa: ARG002
        account_id: str,
        function_id: uuid.UUID,
        number: int,
    ) -> Response:
        found = _find(find_function(account_id, function_id), number)
        return Response(ManifestSerializer(Manifest(found)).data)


class RestoreVersion(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.FUNCTION_CHANGE}

    @extend_schema(
        operation_id="version_restore",
        summary="Save a version again as the newest",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=RestoreSerializer,
        responses={200: FunctionSerializer, 409: api.ErrorSerializer},
    )
    def post(
        self, request: ApiRequest, account_id: str, function_id: uuid.UUID, number: int
    ) -> Response:
        function = find_function(account_id, function_id)
        _find(function, number)
        asked = RestoreSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        services.restore(
            function, number, version=asked.validated_data["version"], by=request.auth.name
        )
        return Response(FunctionSerializer(function).data)


def _find(function: Function, number: int) -> Version:
    found = function.versions.filter(number=number).first()
    if found is None:
        raise api.not_found(f'Cannot find version {number}: "{function.name}" never had it')
    return found
