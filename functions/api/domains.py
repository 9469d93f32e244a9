"""The allow-list: which hosts functions of an account may connect to."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions.api.shapes import CLIENTS_ADD
from invoker import allow_list, api
from invoker.api import ApiRequest, ErrorSerializer, Permission
from invoker.models import AllowedDomain

TAG = "Allow-list"


class DomainInputSerializer(serializers.Serializer[Any]):
    # More than a domain may have: `allow_list` says what is wrong with a longer one.
    domain = serializers.CharField(
        max_length=2 * allow_list.LONGEST, help_text='A host, or "*." and a domain'
    )


class DomainSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    domain = serializers.CharField()
    name = serializers.CharField(source="domain", help_text="The same")


class Domains(api.ApiView):
    permissions = {"GET": Permission.DOMAIN_READ, "POST": Permission.DOMAIN_CHANGE}

    @extend_schema(
        operation_id="domain_list",
        summary="Hosts that functions may connect to",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=DomainSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        found = AllowedDomain.objects.filter(account_id=account_id).order_by("domain")
        return Response(DomainSerializer(found, many=True).data)

    @extend_schema(
        operation_id="domain_add",
        summary="Let functions connect to a host",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=DomainInputSerializer,
        responses={201: DomainSerializer, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = DomainInputSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        allowed = allow_list.add(account_id, asked.validated_data["domain"], by=request.auth.name)
        return Response(DomainSerializer(allowed).data, status=201)


class OneDomain(api.ApiView):
    permissions = {"DELETE": Permission.DOMAIN_CHANGE}

    @extend_schema(
        operation_id="domain_delete",
        summary="Keep functions away from a host",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None},
    )
    def delete(self, request: ApiRequest, account_id: str, domain_id: int) -> Response:
        mine = AllowedDomain.objects.filter(account_id=account_id)
        allow_list.delete(get_object_or_404(mine, pk=domain_id), by=request.auth.name)
        return Response(status=204)
