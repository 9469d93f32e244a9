"""What serves: deploy and undeploy, in both dialects. Source: `liveperson-contract.md` §3."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions import deploying
from functions.api.finding import find_function
from functions.api.shapes import CLIENTS_ADD, MAX_VERSION, MessageSerializer, text_field
from invoker import api
from invoker.api import ApiRequest, Permission

TAG = "Deployments"


class DeploySerializer(serializers.Serializer[Any]):
    """Clients send nothing. With a version only that is deployed, and nothing newer."""

    version = serializers.IntegerField(min_value=1, max_value=MAX_VERSION, required=False)
    note = text_field(required=False, default="", max_length=200)


class OneDeployment(api.ApiView):
    """The deployment of one function.

    A build takes less than a second, so the answer waits for it: the command line of V1 asks for
    the state of a function for ever when it does not hear that the build has failed.
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
        responses={202: MessageSerializer, 409: api.ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        return _deploy(request, account_id, function_id)

    @extend_schema(
        operation_id="redeploy",
        summary="Deploy the draft of a function that is deployed already",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=DeploySerializer,
        responses={202: MessageSerializer, 409: api.ErrorSerializer},
    )
    def patch(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> Response:
        return _deploy(request, account_id, function_id)

    @extend_schema(
        operation_id="undeploy",
        summary="Take a function out of service",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={202: MessageSerializer, 409: api.ErrorSerializer},
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
    deployment = deploying.deploy(
        function,
        version=given.get("version", function.version),
        by=request.auth.name,
        note=given["note"],
    )
    message = f'"{function.name}" is productive with version {deployment.version}'
    return Response({"message": message}, status=202)
