"""Errors as people and programs see them: a page, or `{"code", "message"}`."""

import logging
import sys
from http import HTTPStatus
from typing import NamedTuple

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from invoker import api
from invoker.digesting import PASSING_FAULTS
from invoker.encryption import UnreadableSecretError

logger = logging.getLogger(__name__)

# Programs knock here; they get JSON whatever they say they accept.
API = ("/api/", "/sentinel/")
DOORS = (*API, "/events/", "/healthz", "/readyz", "/metrics")
BARE_PAGE = (
    '<!doctype html><html lang="en"><title>Houston</title><p>Houston failed to answer this'
    " request. It is logged as {}.</p>"
)


class _Failure(NamedTuple):
    """Why a request could not be answered, as far as it helps who asked."""

    status: HTTPStatus
    code: str
    title: str
    message: str


BROKEN = _Failure(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal-error",
    "Houston failed",
    "Something broke while answering this, try again in a moment",
)
DATABASE_AWAY = _Failure(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "storage-unavailable",
    "The database does not answer",
    "Nothing can be read or written now: try again in a moment",
)
KEYS_MISSING = _Failure(
    HTTPStatus.SERVICE_UNAVAILABLE,
    UnreadableSecretError.code,
    "Stored secrets cannot be read",
    "None of the encryption keys fits what this page needs: whoever runs Houston has to put the "
    "key back that it was written with, see Operations in Help",
)


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _answer(
            request,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            "Cannot take the request: it is too large, send less at once",
        )
    return _answer(
        request,
        HTTPStatus.BAD_REQUEST,
        "bad-request",
        "Cannot read the request: check the address and what was sent",
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(
        request,
        HTTPStatus.FORBIDDEN,
        "forbidden",
        str(exception) or "You are not allowed to do this: ask an admin of the account",
    )


@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _answer(
        request,
        HTTPStatus.NOT_FOUND,
        "not-found",
        "There is nothing here that you can see: it was removed, or the address is wrong",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither the database nor the session: they may be what failed."""
    request_id = getattr(request, "id", "")
    failure = _failure(sys.exc_info()[1])
    if wants_json(request):
        message = f"Houston failed, see its log for {request_id}"
        if failure is not BROKEN:
            message = f"Cannot answer: {failure.message[0].lower()}{failure.message[1:]}"
        response = _program(request, failure.status, failure.code, message)
    else:
        response = HttpResponse(_page(failure, request_id), status=failure.status)
    if failure is not BROKEN:
        response["Retry-After"] = "5"
    return response


def _failure(error: BaseException | None) -> _Failure:
    if isinstance(error, UnreadableSecretError):
        return KEYS_MISSING
    return DATABASE_AWAY if isinstance(error, PASSING_FAULTS) else BROKEN


def _page(failure: _Failure, request_id: str) -> str:
    try:
        return render_to_string("500.html", {"failure": failure, "request_id": request_id})
    except Exception:
        # The page is what failed; its own handler has nobody else to turn to.
        logger.exception("cannot render the error page")
        return BARE_PAGE.format(request_id)


def wants_json(request: HttpRequest) -> bool:
    if request.path.startswith(DOORS):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _answer(request: HttpRequest, status: HTTPStatus, code: str, message: str) -> HttpResponse:
    if wants_json(request):
        return _program(request, status, code, message)
    return render(request, f"{status:d}.html", {"message": message, "code": code}, status=status)


def _program(request: HttpRequest, status: HTTPStatus, code: str, message: str) -> HttpResponse:
    """The error as programs read it; those of the API in both of its dialects."""
    if request.path.startswith(API):
        return JsonResponse(api.body(api.ApiError(status, message, v1_code=code)), status=status)
    return JsonResponse({"code": code, "message": message}, status=status)
