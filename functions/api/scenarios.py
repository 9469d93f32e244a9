"""Scenarios of an account, and runs of them, so that a build can hold functions to them.

The whole scenario is the text of its file; what a run says is in the words of such files.
"""

import contextlib
import uuid
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from functions import kept_scenarios, scenario_runs
from functions.api.finding import find_function
from functions.api.shapes import CLIENTS_ADD, MAX_VERSION, ClosedSerializer, TextField
from functions.models import Scenario
from functions.scenario_runs import Stage, Wish
from functions.services import MAX_FUNCTIONS
from invoker import api
from invoker.api import ApiRequest, Dialect, ErrorSerializer, MomentField, Permission

TAG = "Scenarios"


# What is sent -------------------------------------------------------------------------------------


class NewScenarioSerializer(ClosedSerializer):
    # What is wrong with it is for `scenarios` to say.
    text = TextField(help_text="The file, YAML or JSON. Its name is the scenario's")


class ScenarioChangeSerializer(NewScenarioSerializer):
    version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
        required=False,
        help_text="The one that was read before: refused when it is not the newest any more",
    )


class ScenarioVersionSerializer(ClosedSerializer):
    functionUuid = serializers.UUIDField(source="function_id")
    version = serializers.IntegerField(min_value=1, max_value=MAX_VERSION)


class ScenarioRunSerializer(ClosedSerializer):
    """Who plays; what is left out is played by what is deployed."""

    drafts = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        max_length=MAX_FUNCTIONS,
        help_text="UUIDs of functions that play with their draft, deployed or not",
    )
    versions = ScenarioVersionSerializer(
        many=True, required=False, help_text="Functions that play with a saved version"
    )
    network = serializers.BooleanField(
        required=False, help_text="Let requests leave, to the hosts of the allow-list. Else false"
    )


# What is answered ---------------------------------------------------------------------------------


class LastScenarioRunSerializer(serializers.Serializer[Any]):
    at = MomentField(source="last_run_at")
    by = serializers.CharField(source="last_run_by")
    against = serializers.CharField(source="last_against", help_text="Who played, in words")
    passed = serializers.BooleanField(source="last_passed")
    differing = serializers.IntegerField(
        source="last_differing", help_text="Steps; 0 also where it did not come to its end"
    )


class ScenarioRowSerializer(serializers.Serializer[Any]):
    """A scenario without its file."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    eventIds = serializers.ListField(
        source="event_types",
        child=serializers.CharField(),
        help_text="Types of event that are expected, or came in the last run",
    )
    version = serializers.IntegerField()
    createdAt = MomentField(source="created_at")
    createdBy = serializers.CharField(source="created_by")
    updatedAt = MomentField(source="updated_at")
    updatedBy = serializers.CharField(source="updated_by")
    lastRun = serializers.SerializerMethodField(
        help_text="null where the steps have not been run as they are"
    )

    @extend_schema_field(LastScenarioRunSerializer(allow_null=True))
    def get_lastRun(self, row: Scenario) -> Any:  # noqa: N802
        return LastScenarioRunSerializer(row).data if row.last_run_at else None


class ScenarioSerializer(ScenarioRowSerializer):
    text = serializers.CharField(help_text="The file, in YAML")


class ScenarioStoppedSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class DroppedCommandSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    reason = serializers.CharField()
    detail = serializers.CharField()


class ScenarioLogSerializer(serializers.Serializer[Any]):
    level = serializers.CharField()
    message = serializers.CharField()


class ScenarioEventSerializer(serializers.Serializer[Any]):
    """An event that came and what came of it; commands and the like as a file has them."""

    event = serializers.CharField()
    function = serializers.CharField(required=False)
    commands = serializers.ListField(child=serializers.JSONField(), required=False)
    stale = serializers.ListField(child=serializers.JSONField(), required=False)
    failed = serializers.JSONField(required=False)
    stopped = serializers.CharField(required=False)
    atMs = serializers.IntegerField(help_text="Since the start, by the clock of the conversation")
    version = serializers.CharField(help_text='Which code ran, such as "deployed" or "draft"')
    durationMs = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(help_text="Why no function ran")
    dropped = DroppedCommandSerializer(many=True)
    marks = serializers.ListField(
        child=serializers.CharField(),
        help_text="Where the run went another way than the real thing",
    )
    logs = ScenarioLogSerializer(many=True)


class ScenarioStepSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    atMs = serializers.IntegerField()
    act = serializers.DictField(help_text="As a file has it")
    played = serializers.BooleanField()
    checked = serializers.BooleanField(
        help_text="false where the file expects nothing in particular"
    )
    differs = serializers.BooleanField()
    expected = serializers.ListField(child=serializers.DictField(), allow_null=True)
    came = ScenarioEventSerializer(many=True)
    difference = serializers.ListField(
        child=serializers.CharField(),
        help_text='Lines that begin with "-" for what was expected and did not come, and "+" for '
        "what came",
    )
    stopped = ScenarioStoppedSerializer(allow_null=True)


class ScenarioOutcomeSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField()
    differing = serializers.IntegerField(help_text="Steps; 0 also where it did not come to its end")
    durationMs = serializers.FloatField()
    stopped = ScenarioStoppedSerializer(allow_null=True, help_text="Why it did not come to its end")
    steps = ScenarioStepSerializer(many=True)


# Addresses ----------------------------------------------------------------------------------------


class Scenarios(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.SCENARIO_READ, "POST": Permission.SCENARIO_CHANGE}

    @extend_schema(
        operation_id="scenario_list",
        summary="The scenarios of an account, without their files",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ScenarioRowSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:  # noqa: ARG002
        found = kept_scenarios.of_account(account_id)
        return Response(ScenarioRowSerializer(found, many=True).data)

    @extend_schema(
        operation_id="scenario_create",
        summary="Keep a new scenario",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NewScenarioSerializer,
        responses={201: ScenarioSerializer, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = NewScenarioSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = kept_scenarios.create(account_id, asked.validated_data["text"], by=request.auth.name)
        return Response(ScenarioSerializer(made).data, status=201)


class OneScenario(api.ApiView):
    only = Dialect.V2
    permissions = {
        "GET": Permission.SCENARIO_READ,
        "PUT": Permission.SCENARIO_CHANGE,
        "DELETE": Permission.SCENARIO_CHANGE,
    }

    @extend_schema(
        operation_id="scenario_get",
        summary="One scenario with its file",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=ScenarioSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, scenario_id: uuid.UUID) -> Response:  # noqa: ARG002
        return Response(ScenarioSerializer(_find(account_id, scenario_id)).data)

    @extend_schema(
        operation_id="scenario_replace",
        summary="Put another file in place of a scenario's",
        description="What the last run gave is forgotten where the steps are others. The same file "
        "again changes nothing, and is no error.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ScenarioChangeSerializer,
        responses={200: ScenarioSerializer, 409: ErrorSerializer},
    )
    def put(self, request: ApiRequest, account_id: str, scenario_id: uuid.UUID) -> Response:
        scenario = _find(account_id, scenario_id)
        asked = ScenarioChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        version = given.get("version", scenario.version)
        # Whoever sends the files of a folder need not know which of them are new.
        with contextlib.suppress(kept_scenarios.UnchangedError):
            kept_scenarios.change(scenario, given["text"], version=version, by=request.auth.name)
        return Response(ScenarioSerializer(scenario).data)

    @extend_schema(
        operation_id="scenario_delete",
        summary="Forget a scenario",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses={204: None},
    )
    def delete(self, request: ApiRequest, account_id: str, scenario_id: uuid.UUID) -> Response:
        kept_scenarios.delete(_find(account_id, scenario_id), by=request.auth.name)
        return Response(status=204)


class ScenarioRun(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.SCENARIO_RUN}

    @extend_schema(
        operation_id="scenario_run",
        summary="Run a scenario, and say what came beside what is expected",
        description="It is played in memory: nothing is sent, and nothing is written but its last "
        "result. It takes as long as its functions do, a minute at most. Two run at once for an "
        "account; more get 429.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ScenarioRunSerializer,
        responses={200: ScenarioOutcomeSerializer},
    )
    def post(self, request: ApiRequest, account_id: str, scenario_id: uuid.UUID) -> Response:
        scenario = _find(account_id, scenario_id)
        asked = ScenarioRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        stage = Stage.of(account_id, _wish(account_id, asked.validated_data))
        return Response(scenario_runs.run(stage, scenario, by=request.auth.name))


def _find(account_id: str, scenario_id: uuid.UUID) -> Scenario:
    found = Scenario.objects.filter(account_id=account_id, pk=scenario_id).first()
    if found is None:
        raise api.not_found(
            f'Cannot find the scenario "{scenario_id}": it was deleted, or never was in this '
            "account"
        )
    return found


def _wish(account_id: str, given: dict[str, Any]) -> Wish:
    wish = Wish(
        drafts=frozenset(given.get("drafts", ())),
        versions={each["function_id"]: each["version"] for each in given.get("versions", ())},
        network=given.get("network", False),
    )
    for function_id in {*wish.drafts, *wish.versions}:
        find_function(account_id, function_id)
    return wish
