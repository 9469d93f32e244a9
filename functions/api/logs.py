"""What functions logged, as a file for programs."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from functions.api import asking
from functions.api.finding import find_function
from functions.api.shapes import CLIENTS_ADD
from functions.models import Function
from invoker import api, log_lines
from invoker.api import ApiRequest, Dialect, Permission

TAG = "Logs and reports"
# Source: `liveperson-contract.md` §4.4. How long the window is does not matter: the command line's
# own example begins years ago, and it could not say why it was refused.
MOST_EXPORTED = 500
# Source: `liveperson-contract.md` §3.1.
COLUMNS = ("lambdaUUID", "requestID", "timestamp", "level", "message", "extras")
CSV = {(200, "text/csv"): OpenApiTypes.STR}
TELLS = (
    f"The oldest {MOST_EXPORTED} lines from startTimestamp to before endTimestamp, as CSV with "
    f"semicolons: {', '.join(COLUMNS)}. The request is the X-Request-ID of an invocation over the "
    "API, else the id of the invocation; the time is in milliseconds since 1970, extras is a JSON "
    "array. Texts are as they were logged: for a spreadsheet, take the console's file, which lets "
    f"no cell be a formula. Lines are given out for {log_lines.OLDEST.days} days."
)


class LogQuerySerializer(asking.PeriodSerializer):
    filterLevels = serializers.ListField(
        child=serializers.ChoiceField(
            log_lines.LEVELS,
            error_messages={"invalid_choice": f"use some of {', '.join(log_lines.LEVELS)}"},
        ),
        required=False,
        help_text="Lines of these levels; all of them when there is none",
    )


class FunctionLogQuerySerializer(LogQuerySerializer):
    lambdaUUID = serializers.UUIDField(help_text="Whose lines")


class Logs(api.ApiView):
    """Lines of a function, as V1 asks for them."""

    only = Dialect.V1
    permissions = {"GET": Permission.LOG_READ}

    @extend_schema(
        operation_id="log_export_v1",
        summary="Lines that a function logged, V1",
        description=TELLS,
        tags=[TAG],
        parameters=[*CLIENTS_ADD, FunctionLogQuerySerializer],
        responses=CSV,
    )
    def get(self, request: ApiRequest, account_id: str) -> HttpResponse:
        asked = asking.query(request, FunctionLogQuerySerializer)
        return _export(find_function(account_id, asked["lambdaUUID"]), asked)


class FunctionLogs(api.ApiView):
    """Lines of a function, as V2 asks for them."""

    only = Dialect.V2
    permissions = {"GET": Permission.LOG_READ}

    @extend_schema(
        operation_id="log_export",
        summary="Lines that a function logged",
        description=TELLS,
        tags=[TAG],
        parameters=[*CLIENTS_ADD, LogQuerySerializer],
        responses=CSV,
    )
    def get(self, request: ApiRequest, account_id: str, function_id: uuid.UUID) -> HttpResponse:
        function = find_function(account_id, function_id)
        return _export(function, asking.query(request, LogQuerySerializer))


def _export(function: Function, asked: dict[str, Any]) -> HttpResponse:
    wanted = log_lines.Wanted(
        function.account_id,
        since=max(asked["startTimestamp"], timezone.now() - log_lines.OLDEST),
        until=asked["endTimestamp"],
        function_ids=[function.pk],
        levels=asked.get("filterLevels", ()),
    )
    lines = [_line(COLUMNS)]
    lines += [
        _line(
            (
                function.pk,
                line.request_id or line.invocation_id,
                asking.milliseconds(line.logged_at),
                line.level,
                line.message,
                json.dumps(line.extras, ensure_ascii=False, separators=(",", ":")),
            )
        )
        for line in log_lines.every(wanted, most=MOST_EXPORTED, oldest_first=True)
    ]
    return HttpResponse("".join(lines), content_type="text/csv; charset=utf-8")


def _line(values: Iterable[object]) -> str:
    file = io.StringIO()
    # With the end that a line has here, a carriage return in a text would not be quoted.
    csv.writer(file, delimiter=";", lineterminator="\r\n").writerow(values)
    return file.getvalue().removesuffix("\r\n") + "\n"
