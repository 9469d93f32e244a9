"""Secrets of an account: their keys. What they hold goes in, and never comes out."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions.api.shapes import CLIENTS_ADD, TextField
from invoker import api, vault
from invoker.api import ApiRequest, ErrorSerializer, MomentField, Permission
from invoker.models import Secret, SecretType
from invoker.permissions import Privilege

TAG = "Secrets"
WITH_TYPE = (
    "The type is that of the value, a string or a number, and json for all others; json can be "
    "asked for, so that a string is shown as JSON."
)


class SecretValueSerializer(serializers.Serializer[Any]):
    value = serializers.JSONField(
        allow_null=True,
        help_text=f"What functions read; at most {vault.MAX_VALUE:,} characters as JSON",
    )
    type = serializers.ChoiceField(
        SecretType.choices,
        required=False,
        error_messages={"invalid_choice": f"use {', '.join(SecretType.values)}, or leave it out"},
    )


class NewSecretSerializer(SecretValueSerializer):
    # What is wrong with a key is for `vault` to say.
    key = TextField(help_text="Letters, digits, underscores and hyphens")


class SecretKeySerializer(serializers.Serializer[Any]):
    key = serializers.CharField()


class SecretSerializer(SecretKeySerializer):
    """Admins see all of it, developers the key alone, as in the console."""

    type = serializers.CharField(required=False, help_text="string, number or json")
    createdAt = MomentField(source="created_at", required=False)
    createdBy = serializers.CharField(source="created_by", required=False)
    updatedAt = MomentField(source="updated_at", required=False)
    updatedBy = serializers.CharField(
        source="updated_by", required=False, help_text="A person, an API client or a function"
    )


class Secrets(api.ApiView):
    permissions = {"GET": Permission.SECRET_READ, "POST": Permission.SECRET_CHANGE}

    @extend_schema(
        operation_id="secret_list",
        summary="The secrets that there are, without their values",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=SecretSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        is_admin = Privilege.ADMIN in request.auth.privileges
        shape = SecretSerializer if is_admin else SecretKeySerializer
        return Response(shape(_secrets(account_id).order_by("key"), many=True).data)

    @extend_schema(
        operation_id="secret_create",
        summary="Keep a new secret",
        description=WITH_TYPE,
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NewSecretSerializer,
        responses={201: SecretSerializer, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = NewSecretSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        secret = vault.add(
            account_id,
            key=given["key"],
            value=given["value"],
            kind=given.get("type", ""),
            by=request.auth.name,
        )
        return Response(SecretSerializer(secret).data, status=201)


class OneSecret(api.ApiView):
    permissions = {"PUT": Permission.SECRET_CHANGE, "DELETE": Permission.SECRET_CHANGE}

    @extend_schema(
        operation_id="secret_replace",
        summary="Put another value under a key",
        description=f"Functions read it from their next call on. {WITH_TYPE}",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=SecretValueSerializer,
        responses=SecretSerializer,
    )
    def put(self, request: ApiRequest, account_id: str, key: str) -> Response:
        secret = _find(account_id, key)
        asked = SecretValueSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        vault.replace(
            secret, value=given["value"], kind=given.get("type", ""), by=request.auth.name
        )
        return Response(SecretSerializer(_find(account_id, key)).data)

    @extend_schema(
        operation_id="secret_delete",
        summary="Forget a secret",
        description="Functions that ask for it fail from then on.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None},
    )
    def delete(self, request: ApiRequest, account_id: str, key: str) -> Response:
        vault.delete(_find(account_id, key), by=request.auth.name)
        return Response(status=204)


def _secrets(account_id: str) -> QuerySet[Secret]:
    # What nobody gets to see is not even read.
    return Secret.objects.filter(account_id=account_id).defer("value")


def _find(account_id: str, key: str) -> Secret:
    secret = _secrets(account_id).filter(key=key).first()
    if secret is None:
        raise vault.NotFoundError(f'Cannot find the secret "{key[: vault.MAX_KEY]}": add it first')
    return secret
