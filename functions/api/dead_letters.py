"""What was given up, for programs that look after it. Ours alone: the vendor has none of this."""

import datetime as dt
import uuid
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from functions.api import asking
from functions.api.shapes import CLIENTS_ADD, TextField
from invoker import api, dead_letters
from invoker.api import ApiRequest, Dialect, ErrorSerializer, MomentField, Permission
from invoker.dead_letters import Batch, Wanted
from invoker.models import LONGEST_NOTE, DeadLetter, LetterKind, LetterState

TAG = "Dead letters"
PAGE_SIZE = 100
WAITING = "waiting"
NOT_OPEN = {409: ErrorSerializer}


# What is asked ------------------------------------------------------------------------------------


class WantedSerializer(serializers.Serializer[Any]):
    """Which ones; what is left out does not matter."""

    kind = serializers.ChoiceField(LetterKind.choices, required=False)
    reason = TextField(required=False, max_length=60)
    connectionId = serializers.UUIDField(required=False)
    startTimestamp = asking.MillisecondsField(
        required=False, help_text="Given up then or later, in milliseconds since 1970"
    )
    endTimestamp = asking.MillisecondsField(
        required=False, help_text="Given up before then, in milliseconds since 1970"
    )


class ListQuerySerializer(WantedSerializer):
    state = serializers.ChoiceField(
        [WAITING, *LetterState.values],
        required=False,
        help_text="Else waiting, which is those that are open or being retried",
    )
    before = serializers.UUIDField(
        required=False, help_text="The last one of the page before: those behind it"
    )


class StepSerializer(WantedSerializer):
    """`begunAt` and `after` are what the step before has answered; none for the first."""

    begunAt = asking.MillisecondsField(required=False)
    after = TextField(required=False, max_length=100)


class DiscardStepSerializer(StepSerializer):
    note = TextField(required=False, max_length=LONGEST_NOTE)


class RetrySerializer(serializers.Serializer[Any]):
    insists = serializers.BooleanField(
        required=False, help_text="Send a message although somebody has written since"
    )


class NoteSerializer(serializers.Serializer[Any]):
    note = TextField(required=False, max_length=LONGEST_NOTE)


# What is answered ---------------------------------------------------------------------------------


class DeadLetterSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(LetterKind.choices)
    state = serializers.ChoiceField(LetterState.choices)
    reason = serializers.CharField(help_text="A stable word")
    detail = serializers.CharField(allow_blank=True)
    connectionId = serializers.UUIDField(source="connection_id")
    conversationId = serializers.CharField(source="conversation.conv_id")
    eventId = serializers.SerializerMethodField(help_text="Null for a notification")
    command = serializers.SerializerMethodField(help_text="What was asked for, null for the others")
    createdAt = MomentField(source="created_at", help_text="When it was given up first")
    failedAt = MomentField(source="failed_at", help_text="When it was given up last")
    tries = serializers.IntegerField(help_text="How often somebody had it retried")
    retriedAt = MomentField(source="retried_at", allow_null=True)
    retriedBy = serializers.CharField(source="retried_by", allow_blank=True)
    closedAt = MomentField(source="closed_at", allow_null=True)
    closedBy = serializers.CharField(
        source="closed_by", allow_blank=True, help_text="Empty where it went through"
    )
    note = serializers.CharField(allow_blank=True)

    def get_eventId(self, letter: DeadLetter) -> uuid.UUID | None:  # noqa: N802
        return letter.command.event_id if letter.command else letter.event_id

    def get_command(self, letter: DeadLetter) -> dict[str, Any] | None:
        return letter.command.shown if letter.command else None


class CountSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(LetterKind.choices)
    reason = serializers.CharField()
    count = serializers.IntegerField(help_text="How many wait")
    open = serializers.IntegerField(help_text="How many of them are not being retried")


class StepAnswerSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(help_text="How many were changed by this step")
    more = serializers.BooleanField(
        help_text="Whether another step is wanted. With none done, in a moment: so many are under "
        "way already"
    )
    begunAt = serializers.IntegerField(help_text="Send it with the next step")
    after = serializers.CharField(help_text="Send it with the next step")


# Addresses ----------------------------------------------------------------------------------------


class DeadLetters(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.DEAD_LETTER_READ}

    @extend_schema(
        operation_id="dead_letter_list",
        summary=f"What was given up, the newest first, {PAGE_SIZE} at a time",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, ListQuerySerializer],
        responses=DeadLetterSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        asked = asking.query(request, ListQuerySerializer)
        rows = _wanted(account_id, asked).rows()
        if before := asked.get("before"):
            last = _find(account_id, before)
            same = Q(failed_at=last.failed_at, pk__lt=last.pk)
            rows = rows.filter(Q(failed_at__lt=last.failed_at) | same)
        found = rows.select_related("conversation", "command").defer("conversation__state")
        page = found.order_by("-failed_at", "-pk")[:PAGE_SIZE]
        return Response(DeadLetterSerializer(page, many=True).data)


class DeadLetterCounts(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.DEAD_LETTER_READ}

    @extend_schema(
        operation_id="dead_letter_counts",
        summary="How many wait, by kind and reason, the most first",
        tags=[TAG],
        parameters=[*CLIENTS_ADD, WantedSerializer],
        responses=CountSerializer(many=True),
    )
    def get(self, request: ApiRequest, account_id: str) -> Response:
        wanted = _wanted(account_id, asking.query(request, WantedSerializer))
        return Response(CountSerializer(dead_letters.counts(wanted), many=True).data)


class OneDeadLetter(api.ApiView):
    only = Dialect.V2
    permissions = {"GET": Permission.DEAD_LETTER_READ}

    @extend_schema(
        operation_id="dead_letter_get",
        summary="One of them",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        responses=DeadLetterSerializer,
    )
    def get(self, request: ApiRequest, account_id: str, letter_id: uuid.UUID) -> Response:  # noqa: ARG002
        return _shown(account_id, letter_id)


class RetryDeadLetter(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.DEAD_LETTER_CHANGE}

    @extend_schema(
        operation_id="dead_letter_retry",
        summary="Have one tried again",
        description="A command is sent with the id that it always had, an event goes on where it "
        "stopped, a notification is read again. What comes of it is read from the dead letter: it "
        "is done, or open again.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=RetrySerializer,
        responses={200: DeadLetterSerializer, **NOT_OPEN},
    )
    def post(self, request: ApiRequest, account_id: str, letter_id: uuid.UUID) -> Response:
        asked = RetrySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        insists = asked.validated_data.get("insists", False)
        dead_letters.retry(_find(account_id, letter_id), by=request.auth.name, insists=insists)
        return _shown(account_id, letter_id)


class DiscardDeadLetter(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.DEAD_LETTER_CHANGE}

    @extend_schema(
        operation_id="dead_letter_discard",
        summary="Decide that nothing is to be done about one",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=NoteSerializer,
        responses={200: DeadLetterSerializer, **NOT_OPEN},
    )
    def post(self, request: ApiRequest, account_id: str, letter_id: uuid.UUID) -> Response:
        asked = NoteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        note = asked.validated_data.get("note", "")
        dead_letters.discard(_find(account_id, letter_id), note, by=request.auth.name)
        return _shown(account_id, letter_id)


class PutBackDeadLetter(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.DEAD_LETTER_CHANGE}

    @extend_schema(
        operation_id="dead_letter_put_back",
        summary="Let a discarded one wait again",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=None,
        responses={200: DeadLetterSerializer, **NOT_OPEN},
    )
    def post(self, request: ApiRequest, account_id: str, letter_id: uuid.UUID) -> Response:
        dead_letters.put_back(_find(account_id, letter_id), by=request.auth.name)
        return _shown(account_id, letter_id)


class RetryDeadLetters(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.DEAD_LETTER_CHANGE}

    @extend_schema(
        operation_id="dead_letters_retry",
        summary="Have all that match tried again, step by step",
        description=f"At most {dead_letters.MOST_AT_ONCE} of an account are under way at a time: "
        "send the same again with begunAt and after until there are no more. What fails again "
        "meanwhile is not tried a second time.",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=StepSerializer,
        responses=StepAnswerSerializer,
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = StepSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        begun_at = _begun_at(given)
        batch = dead_letters.retry_some(
            _wanted(account_id, given),
            by=request.auth.name,
            begun_at=begun_at,
            after=given.get("after", ""),
        )
        return _step(batch, begun_at)


class DiscardDeadLetters(api.ApiView):
    only = Dialect.V2
    permissions = {"POST": Permission.DEAD_LETTER_CHANGE}

    @extend_schema(
        operation_id="dead_letters_discard",
        summary="Discard all that match with the same note, step by step",
        tags=[TAG],
        parameters=CLIENTS_ADD,
        request=DiscardStepSerializer,
        responses=StepAnswerSerializer,
    )
    def post(self, request: ApiRequest, account_id: str) -> Response:
        asked = DiscardStepSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        begun_at = _begun_at(given)
        batch = dead_letters.discard_some(
            _wanted(account_id, given),
            given.get("note", ""),
            by=request.auth.name,
            begun_at=begun_at,
            after=given.get("after", ""),
        )
        return _step(batch, begun_at)


def _wanted(account_id: str, asked: dict[str, Any]) -> Wanted:
    state = asked.get("state", WAITING)
    return Wanted(
        account_id=account_id,
        states=() if state == WAITING else [state],
        kind=asked.get("kind", ""),
        reason=asked.get("reason", ""),
        connection_id=asked.get("connectionId"),
        since=asked.get("startTimestamp"),
        until=asked.get("endTimestamp"),
    )


def _begun_at(given: dict[str, Any]) -> dt.datetime:
    """When the first step was, which this one is where it does not say."""
    # Up to a full millisecond, as the next step brings it back.
    now = asking.EPOCH + (asking.milliseconds(timezone.now()) + 1) * asking.MS
    asked: dt.datetime = given.get("begunAt", now)
    return min(asked, now)


def _find(account_id: str, letter_id: uuid.UUID) -> DeadLetter:
    rows = DeadLetter.objects.filter(account_id=account_id)
    found = rows.select_related("conversation", "command", "event").filter(pk=letter_id).first()
    if found is None:
        raise api.not_found(
            f'Cannot find the dead letter "{letter_id}": it went with its conversation, or never '
            "was in this account"
        )
    return found


def _shown(account_id: str, letter_id: uuid.UUID) -> Response:
    return Response(DeadLetterSerializer(_find(account_id, letter_id)).data)


def _step(batch: Batch, begun_at: dt.datetime) -> Response:
    return Response(
        {
            "done": batch.done,
            "more": batch.more,
            "begunAt": asking.milliseconds(begun_at),
            "after": batch.after,
        }
    )
