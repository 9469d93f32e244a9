"""How the OpenAPI document describes what all views have in common."""

import inspect
import re
from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from invoker.api.errors import PREFIX


class LogEntrySerializer(serializers.Serializer[Any]):
    """One call of `console`. Source: `liveperson-contract.md` §2.2."""

    level = serializers.CharField()
    message = serializers.CharField()
    extras = serializers.ListField(child=serializers.JSONField())
    timestamp = serializers.IntegerField(help_text="Milliseconds since 1970")


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error, with the fields of both dialects."""

    code = serializers.CharField(help_text="Stable, in the words of V2")
    message = serializers.CharField(help_text="What was wrong and what to do")
    errorCode = serializers.CharField(help_text="Stable, in the words of V1")  # noqa: N815
    errorMsg = serializers.CharField(help_text="The same as message")  # noqa: N815
    errorLogs = LogEntrySerializer(  # noqa: N815
        many=True, required=False, help_text="What a function logged before it failed"
    )


# Errors that do not depend on what is asked for: a code, and what its message may be.
ERRORS: dict[int, tuple[str, str, str]] = {
    400: (
        "The request cannot be read, or a field or parameter has a value that is not possible",
        f"{PREFIX}ui.api.bad-request",
        "Cannot use the query parameter: it contains a NUL character",
    ),
    401: (
        "There is no token, or it is worth nothing any more",
        f"{PREFIX}ui.api.unauthorized",
        'Cannot tell who asks: send "Authorization: Bearer" and a token',
    ),
    403: (
        "The token is good, but not for this",
        f"{PREFIX}db.error.authorization",
        "Cannot deploy functions: API client CI lacks the privilege developer, ask an admin of the "
        "account",
    ),
    404: (
        "The account is not that of the token, or has nothing of this name",
        f"{PREFIX}db.not-found",
        'Cannot find the account "123": this token is for "456", use one of that account',
    ),
    408: (
        "The body did not arrive in time",
        "body-too-slow",
        "Cannot read the body: it did not arrive in time, send it again",
    ),
    411: (
        "The body came in chunks, without a length",
        "length-required",
        "Cannot read the body: send a Content-Length",
    ),
    413: (
        "The body is too large",
        f"{PREFIX}ui.payload-too-large",
        "Cannot take the request: its body is larger than 1048576 bytes",
    ),
    429: (
        "Too many requests: wait as long as Retry-After says",
        "rate-limited",
        "Cannot take the request: at most 3000 requests of one client or person are taken in a "
        "minute, wait 1 s",
    ),
    500: (
        "Houston failed; its log has the request's id",
        "internal-error",
        "Houston failed, see its log for 0f8fad5bd9cb469fa165708677289501",
    ),
    503: (
        "Nothing can be read or written now: try again in a moment",
        f"{PREFIX}db.general",
        "Cannot carry it out: nothing can be read or written now, try again in a moment",
    ),
}
# What the other statuses mean, where a view does not say it better.
MEANINGS = {
    200: "Done",
    201: "Made",
    202: "Begun; it goes on after this answer",
    204: "Done; there is nothing to say",
    304: "Nothing was changed, as it was so already",
    409: "It is at odds with what there is now",
    901: "The function itself failed: it threw, ran too long or logged too much",
}
RETRY_AFTER = (429, 503)
HAVE_BODY = ("POST", "PUT", "PATCH")
LAST_OF_HTTP = 599
PATH = {
    "account_id": "Id of the account",
    "function_id": "UUID of the function",
    "deployment_id": "UUID of the deployment",
    "number": "Number of the version, from 1",
    "event_id": "Id of the event, such as `controllerbot_messaging_new_conversation`",
    "schedule_id": "UUID of the schedule",
    "scenario_id": "UUID of the scenario",
    "letter_id": "UUID of the dead letter",
    "domain_id": "Number of the entry of the allow-list",
    "key": "Key of the secret",
}
# What a docstring says to those who change the code alone.
_SOURCE = re.compile(r"\s*Sources?(?: of [^:]*)?: .*?§[\d.]+(?:(?:,| and) §[\d.]+)*\.?", re.DOTALL)


class ApiSchema(AutoSchema):
    """What a view need not say: who may ask, what may go wrong, and which clients know it."""

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        if getattr(self.view, "two_dialects", False):
            found.append(
                OpenApiParameter(
                    "v", str, enum=["1"], description="1 for the dialect of V1, else that of V2"
                )
            )
        return found

    def get_description(self) -> str:  # type: ignore[override]
        # Not that of a class above, which tells how to write a view.
        method = getattr(self.view, self.method.lower())
        return without_source(inspect.getdoc(method) or vars(type(self.view)).get("__doc__") or "")

    def get_auth(self) -> Any:
        # Nobody needs a token where nothing has to be permitted.
        return super().get_auth() if self._permission else []

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        found = super().get_operation(path, path_regex, path_prefix, method, registry)
        if found is None:
            return None
        for parameter in found.get("parameters", []):
            if parameter["in"] == "path":
                parameter.setdefault("description", PATH.get(parameter["name"], ""))
        found["responses"] = self._answers(found["responses"])
        if permission := self._permission:
            found["x-permission"] = str(permission)
        found["x-dialects"] = self._dialects()
        return found

    @property
    def _permission(self) -> Any:
        return getattr(self.view, "permissions", {}).get(self.method)

    def _dialects(self) -> list[str]:
        only = getattr(self.view, "only", None)
        return [only.value.upper()] if only else ["V1", "V2"]

    def _answers(self, declared: dict[str, Any]) -> dict[str, Any]:
        """What the view declared and what any view may answer, in the order of their statuses."""
        answers = {int(status): answer for status, answer in declared.items()}
        for status, answer in answers.items():
            if str(answer["description"]) in {"", "No response body"}:
                meaning = MEANINGS.get(status) or (ERRORS[status][0] if status in ERRORS else "")
                answer["description"] = meaning or HTTPStatus(status).phrase
        for status in self._common():
            answers.setdefault(status, self._error(status).ref)
        header = self._request_id().ref
        found = {}
        for status, answer in sorted(answers.items()):
            if "$ref" not in answer:
                answer.setdefault("headers", {}).setdefault("X-Request-ID", header)
            if status <= LAST_OF_HTTP:
                found[str(status)] = answer
            else:
                # A status of the vendor's own, which OpenAPI has no name for.
                description = f"Status {status}. {answer['description']}"
                found["default"] = answer | {"description": description, "x-status": status}
        return found

    def _common(self) -> list[int]:
        found = [400, 429, 500, 503]
        if self._permission:
            found += [401, 403, 404]
        if self.method in HAVE_BODY:
            found += [408, 411, 413]
        return found

    def _error(self, status: int) -> ResolvedComponent:
        """An error that many views have in common, described once."""
        meaning, code, message = ERRORS[status]
        headers = {"X-Request-ID": self._request_id().ref}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = _header("How to authenticate", {"type": "string"})
        if status in RETRY_AFTER:
            headers["Retry-After"] = _header("Seconds to wait", {"type": "integer"})
        example = {"errorCode": code, "errorMsg": message, "code": code, "message": message}
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=re.sub(r"\W", "", HTTPStatus(status).phrase),
            type=ResolvedComponent.RESPONSE,
            object=ErrorSerializer,
            schema={
                "description": meaning,
                "headers": headers,
                "content": {
                    "application/json": {
                        "schema": self.resolve_serializer(ErrorSerializer, "response").ref,
                        "example": example,
                    }
                },
            },
        )
        self.registry.register_on_missing(component)
        return component

    def _request_id(self) -> ResolvedComponent:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name="RequestId",
            type=ResolvedComponent.HEADER,
            object="RequestId",
            schema=_header(
                "Names the request in Houston's log; the one that was sent, when it is of 8 to 64 "
                "letters, digits and hyphens",
                {"type": "string"},
            ),
        )
        self.registry.register_on_missing(component)
        return component


def _header(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema}


def without_source(text: str) -> str:
    return _SOURCE.sub("", text).strip()
