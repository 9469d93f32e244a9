"""How the API says what went wrong: exceptions become an `ApiError`, or are a fault of ours."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from functions import checking, deploying, kept_scenarios, replays, scenario_runs, services
from functions.api import problems
from functions.scenarios import ScenarioError
from invoker import allow_list, api, dead_letters, schedules, vault
from invoker.answers import LAMBDA_ERROR
from invoker.api import PREFIX

logger = logging.getLogger(__name__)

VALIDATION = f"{PREFIX}fm.validation."
GENERAL = f"{VALIDATION}general"
# What is wrong with code that may not even be saved.
_REJECTED = {
    "too-long": f"{VALIDATION}to-long",
    "invalid-syntax": f"{VALIDATION}invalid-syntax",
    "no-lambda": f"{VALIDATION}contract-error",
    "callback-unused": f"{VALIDATION}contract-error",
    "forbidden-code": f"{VALIDATION}unallowed-code",
    "unknown-dependency": f"{VALIDATION}unallowed-dependency",
}
# Status and code, and the code of V2 where that has another one. The vendor publishes no statuses
# for these. Source of the codes: `liveperson-contract.md` §2.3.
_KNOWN: dict[type[Exception], tuple[int, str] | tuple[int, str, str]] = {
    services.InvalidError: (400, GENERAL),
    services.CodeTooLongError: (400, f"{VALIDATION}to-long"),
    services.NameTakenError: (409, f"{PREFIX}db.conflict"),
    services.EventTakenError: (409, f"{PREFIX}db.conflict"),
    services.LimitError: (409, "limit-reached"),
    services.UnchangedError: (409, f"{PREFIX}function.unchanged"),
    services.ConflictError: (409, f"{PREFIX}db.error.revision"),
    services.NotAllowedError: (409, f"{PREFIX}dm.action.not-allowed"),
    replays.InvalidChoiceError: (400, replays.InvalidChoiceError.code),
    replays.ChangedError: (409, replays.ChangedError.code),
    deploying.BuildError: (400, f"{PREFIX}dm.build.rejected"),
    deploying.DeployError: (503, f"{PREFIX}dm.deploy.general"),
    allow_list.InvalidError: (400, f"{VALIDATION}invalid-domain"),
    allow_list.TakenError: (409, f"{PREFIX}db.conflict"),
    allow_list.LimitError: (409, "limit-reached"),
    vault.InvalidError: (400, f"{PREFIX}secret.invalid-format"),
    vault.KeyTakenError: (409, f"{PREFIX}db.conflict"),
    vault.NotFoundError: (404, f"{PREFIX}secret.not-found"),
    vault.ForbiddenError: (403, f"{PREFIX}secret.forbidden"),
    schedules.InvalidError: (400, GENERAL),
    schedules.CronError: (400, schedules.CronError.code),
    schedules.ZoneError: (400, schedules.ZoneError.code),
    schedules.PayloadTooLongError: (400, schedules.PayloadTooLongError.code),
    schedules.NotDeployedError: (404, f"{PREFIX}es.notdeployed", f"{PREFIX}function.not-found"),
    schedules.LimitError: (409, "limit-reached"),
    schedules.UnchangedError: (409, "unchanged"),
    schedules.ConflictError: (409, f"{PREFIX}db.error.revision"),
    schedules.NotFoundError: (404, f"{PREFIX}db.not-found"),
    kept_scenarios.NameTakenError: (409, kept_scenarios.NameTakenError.code),
    kept_scenarios.LimitError: (409, kept_scenarios.LimitError.code),
    kept_scenarios.ConflictError: (409, f"{PREFIX}db.error.revision"),
    kept_scenarios.NotFoundError: (404, f"{PREFIX}db.not-found"),
    dead_letters.NotWaitingError: (409, dead_letters.NotWaitingError.code),
    dead_letters.NoteError: (400, GENERAL),
    dead_letters.PlaceError: (400, GENERAL),
}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:  # noqa: ARG001
    """Answer an exception of a view; None lets Django answer 500, which it logs."""
    found = _read(error)
    if found is None:
        return None
    set_rollback()
    response = Response(api.body(found), headers=found.headers)
    # Set afterwards: Django makes no answer with the vendor's 901, but sends it.
    response.status_code = found.status
    if found.status == LAMBDA_ERROR:
        response.reason_phrase = "Lambda Error"
    return response


def _read(error: Exception) -> api.ApiError | None:  # noqa: PLR0911 -- a table of cases
    if isinstance(error, api.ApiError):
        return error
    if (known := _KNOWN.get(type(error))) is not None:
        logs = problems.entries(error.problems) if isinstance(error, deploying.BuildError) else None
        return api.ApiError(known[0], str(error), v1_code=known[1], v2_code=known[-1], logs=logs)
    match error:
        case checking.RejectedError():
            return api.ApiError(
                400,
                str(error),
                v1_code=_REJECTED.get(error.problems[0].code, GENERAL),
                logs=problems.entries(error.problems),
            )
        case ScenarioError():
            return api.ApiError(400, str(error), v1_code=error.code)
        case scenario_runs.BusyError():
            return api.ApiError(429, str(error), v1_code=error.code, headers={"Retry-After": "2"})
        case exceptions.ValidationError():
            return api.ApiError(400, _first(error.detail), v1_code=GENERAL)
        case exceptions.APIException():
            return _of_rest_framework(error)
        case Http404():
            return api.not_found("Cannot find it: it was removed, or the address is wrong")
        case PermissionDenied():
            return api.ApiError(403, str(error), v1_code=f"{PREFIX}db.error.authorization")
        case RequestDataTooBig():
            message = "Cannot take the request: it is too large, send less at once"
            return api.ApiError(413, message, v1_code=f"{PREFIX}ui.payload-too-large")
        case UnreadablePostError():
            message = "Cannot read the body: it did not arrive in time, send it again"
            return api.ApiError(408, message, v1_code="body-too-slow")
        case OperationalError() | InterfaceError() | InternalError():
            # Away, locked or full.
            logger.error("a request could not be answered", exc_info=error)
            return api.ApiError(
                503,
                "Cannot carry it out: nothing can be read or written now, try again in a moment",
                v1_code=f"{PREFIX}db.general",
                headers={"Retry-After": "5"},
            )
    return None


def _of_rest_framework(error: exceptions.APIException) -> api.ApiError:
    headers: dict[str, str] = {}
    message = str(error.detail)
    code = f"{PREFIX}ui.api.bad-request"
    match error:
        case exceptions.NotAuthenticated():
            message = 'Cannot tell who asks: send "Authorization: Bearer" and a token'
            code = f"{PREFIX}ui.api.unauthorized"
        case exceptions.AuthenticationFailed():
            code = f"{PREFIX}ui.api.unauthorized"
        case exceptions.MethodNotAllowed():
            message = "Cannot use this method here: take one of those that Allow names"
            code = "method-not-allowed"
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    return api.ApiError(error.status_code, message, v1_code=code, headers=headers)


def _first(detail: Any, at: str = "") -> str:
    """The first thing that a serializer found, with the field that it is about."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        path = f"{at}.{name}" if at else str(name)
        return _first(inner, at if name == "non_field_errors" else path)
    if isinstance(detail, list):
        for position, inner in enumerate(detail):
            if inner:
                is_nested = isinstance(inner, dict | list)
                return _first(inner, f"{at}[{position}]" if is_nested else at)
    what = f'use the field "{at}"' if at else "read the body"
    reason = str(detail)
    if reason.endswith("."):
        # A sentence of Django REST framework's.
        reason = reason[0].lower() + reason[1:-1]
    return f"Cannot {what}: {reason}"
