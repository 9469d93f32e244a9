"""What a version would do on what really happened, for programs: a part of the events per request.

The vendor has nothing like it.
"""

import uuid
from typing import Any, ClassVar, get_args

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from functions import replays
from functions.api.finding import find_function
from functions.api.functions import TAG
from functions.api.shapes import CLIENTS_ADD, ClosedSerializer, TextField
from functions.models import Function
from functions.replays import Against, Beside
from functions.replays.playing import Stopped
from functions.replays.rows import Verdict
from invoker import api
from invoker.api import ApiError, ApiRequest, Dialect, ErrorSerializer, Permission
from invoker.gateway import running, views
from invoker.models import CommandState
from invoker.runtime import Outcome

MOST_NAMED = 100
MOST_ANSWERED = 100
"""Events of one answer."""
RETRY_AFTER_S = 1
LONGEST_ID = 200


# What is sent -------------------------------------------------------------------------------------


class ReplaySerializer(ClosedSerializer):
    """One of `events`, `conversationId` and `last` says which events."""

    which: ClassVar[tuple[str, ...]] = ("events", "conversationId", "last")

    events = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MOST_NAMED,
        required=False,
        help_text="Ids of events",
    )
    conversationId = TextField(
        required=False,
        allow_blank=False,
        max_length=LONGEST_ID,
        help_text="All events of a conversation, by the id that its platform gave it",
    )
    last = serializers.IntegerField(
        min_value=1,
        max_value=replays.MOST,
        required=False,
        help_text="So many of the function's last events",
    )
    against = TextField(
        required=False,
        default="draft",
        max_length=36,
        help_text='"draft", "deployed", the number of a version or the id of a deployment',
    )
    comparedWith = serializers.ChoiceField(
        [each.value for each in Beside],
        required=False,
        default=Beside.HAPPENED.value,
        help_text="What really happened, where no function ran the deployed version; or always the "
        "deployed version",
    )
    allowNetwork = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Requests to the hosts of the allow-list really leave, and what they change "
        "there is changed once more",
    )
    cursor = TextField(
        required=False, default="", max_length=300, help_text="`next` of the answer before"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in self.which) != 1:
            raise serializers.ValidationError(f"send one of {', '.join(self.which)}")
        if "\0" in attrs.get("conversationId", ""):
            raise serializers.ValidationError({"conversationId": "it contains a NUL character"})
        return attrs


class EveryFunctionsReplaySerializer(ReplaySerializer):
    """One of `events` and `conversationId` says which events; each is for its own function."""

    which = ("events", "conversationId")

    last = None  # type: ignore[assignment]
    against = serializers.ChoiceField(  # type: ignore[assignment]
        ["draft", "deployed"],
        required=False,
        default="draft",
        help_text="Of each function; for a version of one see that function's replays",
    )


# What is answered ---------------------------------------------------------------------------------


class ReplayNoteSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class ReplayDifferenceSerializer(ReplayNoteSerializer):
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class ReplayedFailureSerializer(ReplayNoteSerializer):
    name = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    column = serializers.IntegerField(allow_null=True)


class ReplayedCommandSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_null=True, allow_blank=True)
    skillId = serializers.JSONField(allow_null=True)
    agentId = serializers.JSONField(allow_null=True)
    automatic = serializers.BooleanField(help_text="It is the account's own message")
    state = serializers.CharField(
        allow_null=True,
        help_text=f"What became of it: {', '.join(CommandState.values)}; null for what never was",
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why it is dropped")
    detail = serializers.CharField(allow_blank=True)


class ReplaySideSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # not what DRF calls a field
    version = serializers.IntegerField(allow_null=True)
    recorded = serializers.BooleanField(help_text="It is what really happened, not run again")
    outcome = serializers.ChoiceField(
        [each.value for each in Outcome], allow_null=True, help_text="Null where no function ran"
    )
    durationMs = serializers.FloatField(allow_null=True)
    failure = ReplayedFailureSerializer(allow_null=True)
    commands = ReplayedCommandSerializer(many=True)
    result = serializers.JSONField(allow_null=True, help_text="Text that is cut where it is long")
    why = serializers.CharField(allow_blank=True, help_text="Why no function ran")


class ReplayedSerializer(serializers.Serializer[Any]):
    eventId = serializers.UUIDField(allow_null=True, help_text="Null for the sample")
    eventType = serializers.CharField(allow_blank=True)
    subtype = serializers.CharField(allow_blank=True)
    conversationId = serializers.CharField(allow_null=True)
    occurredAt = api.MomentField(allow_null=True)
    functionId = serializers.UUIDField(allow_null=True)
    functionName = serializers.CharField(allow_null=True)
    verdict = serializers.ChoiceField(get_args(Verdict))
    fair = serializers.BooleanField(
        help_text="Whether neither side asked for what a replay refuses"
    )
    notRun = ReplayNoteSerializer(allow_null=True)
    differences = ReplayDifferenceSerializer(many=True)
    notes = ReplayNoteSerializer(many=True)
    then = ReplaySideSerializer(allow_null=True)
    now = ReplaySideSerializer(allow_null=True)


class ReplayCountsSerializer(serializers.Serializer[Any]):
    """Of all answers so far."""

    events = serializers.IntegerField(help_text="How many there are at most")
    done = serializers.IntegerField()
    same = serializers.IntegerField()
    different = serializers.IntegerField()
    failing = serializers.IntegerField(help_text="Fail now and did not then")
    overBudget = serializers.IntegerField(help_text="Take more than a second now")
    unfair = serializers.IntegerField(help_text="Differ after asking for what a replay refuses")
    notRun = serializers.IntegerField()


class ReplaysSerializer(serializers.Serializer[Any]):
    results = ReplayedSerializer(many=True)
    counts = ReplayCountsSerializer()
    next = serializers.CharField(allow_null=True, help_text="The `cursor` of the next request")
    stopped = serializers.ChoiceField(
        [each for each in get_args(Stopped) if each],
        allow_null=True,
        help_text=f"{replays.MOST_TIMEOUTS} runs took longer than {replays.RUN_S:g} s each, or "
        "found no sandbox",
    )


_SLICES = (
    "Nothing of it is kept, no command is carried out, and no request leaves unless "
    f"`allowNetwork` is set. The newest come first, at most {MOST_ANSWERED} in an answer, which "
    "takes a second or two. Send the same again with `next` as `cursor` until that is null; 409 "
    "when a version was saved or deployed meanwhile."
)


class Replays(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.FUNCTION_TEST}
    throttle_classes = views.InvokeView.throttle_classes

    @extend_schema(
        operation_id="function_replay",
        summary="Run a version on events that happened, and compare",
        description=f"{_SLICES} Of a conversation, what other functions did runs as deployed.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=ReplaySerializer,
        responses={200: ReplaysSerializer, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> HttpResponse:
        function = find_function(account_id, function_id)
        asked = ReplaySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return _answer(account_id, asked.validated_data, function)


class EveryFunctionsReplays(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.FUNCTION_TEST}

    @extend_schema(
        operation_id="replay",
        summary="Run each function on its own of some events or a conversation, and compare",
        description=_SLICES,
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=EveryFunctionsReplaySerializer,
        responses={200: ReplaysSerializer, 409: ErrorSerializer},
    )
    def post(self, request: ApiRequest, account_id: str) -> HttpResponse:
        asked = EveryFunctionsReplaySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return _answer(account_id, asked.validated_data)


def _answer(
    account_id: str, given: dict[str, Any], function: Function | None = None
) -> HttpResponse:
    """A part of what is asked for.

    Raises:
        ApiError: 429, the account replays something or runs too many functions already.
    """
    if "events" in given:
        found = replays.by_id(account_id, given["events"])
    elif "conversationId" in given:
        found = replays.of_conversation(account_id, given["conversationId"], function)
    else:
        assert function
        found = replays.of_type(function)
    choice = replays.Choice(
        account_id=account_id,
        events=found,
        most=given.get("last", replays.MOST),
        function=function,
        against=Against.read(given["against"]),
        beside=Beside(given["comparedWith"]),
        network=given["allowNetwork"],
        others="conversationId" in given,
        listening="last" in given,
    )
    progress = replays.Progress.read(given["cursor"])
    try:
        with running.place(account_id):
            part = replays.next_slice(choice, progress, most=MOST_ANSWERED)
    except replays.BusyError as error:
        raise ApiError(
            429, str(error), v1_code=error.code, headers={"Retry-After": str(RETRY_AFTER_S)}
        ) from error
    return views.answer(
        {
            "results": [replays.as_json(row) for row in part.rows],
            "counts": replays.summary(part.progress),
            "next": part.progress.write() if part.more else None,
            "stopped": part.stopped or None,
        }
    )
