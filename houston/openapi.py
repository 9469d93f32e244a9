"""The OpenAPI document of the whole API: what the views do not say, and the doors of platforms."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from houston import auth, vendor
from houston.models import PRIVILEGES, Scope
from invoker import api
from invoker.api.schema import without_source
from invoker.permissions import Permission, permits
from invoker.platforms import chatwoot
from invoker.platforms.liveperson import webhooks

JSON = "application/json"
YAMLS = ("application/yaml", "application/vnd.oai.openapi")
TOKEN_PATH = "/sentinel/api/account/ACCOUNT/app/token"  # noqa: S105 -- an address
BEARER, CLIENT = "bearer", "clientCredentials"
WEBHOOKS = "Webhooks"
DESCRIPTION = """\
Everything that programs do with one account of Houston, whose id is `account_id` in the
address. The requests are those of LivePerson Functions, so that its clients work unchanged.

**Dialects.** The vendor's clients come in two generations, V1 and V2. Each operation says which
of them know it. Where both do, the query parameter `v=1` asks for the older one.

**Tokens.** `Authorization: Bearer` and a token for the account in the address. A machine gets
its token for a client id and secret that were made under Settings, API clients, and may do what
the client's scopes allow; a person gets one by signing in, and may do what their roles allow. A
token lives {hours} hours, and ends at once when the client is revoked or the person loses the
account.

**Bodies** are JSON in UTF-8, whatever their content type says, at most {body:,} bytes, with a
Content-Length. A query parameter that is empty counts as not given; one that takes several
values is repeated. What is not described is ignored, but for fields of a body that has
`additionalProperties: false`, which are refused.

**Errors** have the fields of both dialects, `code` and `message` for V2, `errorCode` and
`errorMsg` for V1. Codes are stable, messages are for people and may get better.

**Methods** that an address does not have get 405, with those that it has in Allow.

**Limits.** A client or person may send {requests:,} requests a minute, an account (V1) or a
function (V2) be invoked {invocations:,} times, an address ask for {tokens:,} tokens. What comes
too often gets 429 and Retry-After, in seconds.

**Request ids.** Send `X-Request-ID` with 8 to 64 letters, digits and hyphens and it is the one
in the answer and in Houston's log; without it Houston makes one.
"""
TAGS = {
    "Coming in": "Where the services are, and tokens. Needs none.",
    "Invocation": "Run deployed functions, by their id or by the event that they listen to.",
    "Functions": "Make, read, change, test and delete functions.",
    "Deployments": "Put a function to work, and take it back.",
    "Scenarios": "Conversations that are played again, to see what a change of functions changes.",
    "Schedules": "Run deployed functions by the clock.",
    "Secrets": "Values that functions read by their keys; nobody reads them here.",
    "Allow-list": "Hosts that functions may reach.",
    "Dead letters": "What was given up: have it tried again, or discard it.",
    "Logs and reports": "What functions logged, and how they fared.",
    WEBHOOKS: "Where messaging platforms tell what happens. Signed, without a token.",
}
_SIGNED = {
    "webhook-id": "Names the request. Of Standard Webhooks, as the next two",
    "webhook-timestamp": "When it was signed, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 of the HMAC-SHA256 of id.timestamp.body",
    webhooks.SIGNATURE: "Of LivePerson",
    chatwoot.SIGNATURE: "Of Chatwoot",
}
_ANYTHING = [{}, {"type": "null"}]
_REFUSALS = {
    400: "The notification cannot be read",
    401: "The signature or the token is missing or wrong",
    403: "The connection is switched off, or the account is not set up",
    404: "No connection has this address",
    408: "The body did not arrive in time",
    409: "The id was given to another notification before",
    411: "The body came in chunks, without a length",
    413: "The body is too large",
    415: "The content type is none of CloudEvents",
    500: "Houston failed; its log has the request's id",
    503: "The notification cannot be stored now: send it again later",
}
_SCHEMAS: dict[str, Any] = {
    "Taken": {
        "type": "object",
        "properties": {
            "accepted": {"type": "integer", "description": "How many were new"},
            "duplicates": {"type": "integer", "description": "How many were taken before"},
        },
        "required": ["accepted", "duplicates"],
    },
    "Refusal": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "Stable"},
            "message": {"type": "string", "description": "What was wrong and what to do"},
        },
        "required": ["code", "message"],
    },
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Both kinds of token are sent the same way; what a machine's may do is in its scopes."""

    target_class = auth.BearerAuthentication
    name = [BEARER, CLIENT]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        view = cast("Any", auto_schema.view)
        permission = view.permissions[auto_schema.method]
        in_v1 = view.only is None or view.only.value == "v1"
        return [{BEARER: []}, *({CLIENT: [each]} for each in scopes(permission, in_v1=in_v1))]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A token of a person, who may do what their roles allow",
            },
            {
                "type": "oauth2",
                "description": "A token of an API client, which may do what its scopes allow. The "
                "address has the id of the account where it says ACCOUNT.",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": settings.HOUSTON_URL + TOKEN_PATH,
                        "scopes": {each.value: each.label for each in Scope},
                    }
                },
            },
        ]


def scopes(permission: Permission, *, in_v1: bool) -> list[str]:
    """The scopes that permit it, each of them alone."""
    return [
        scope.value
        for scope, privilege in PRIVILEGES.items()
        if permits(permission, {privilege}, is_team=False, in_v1=in_v1)
    ]


# Hooks of drf-spectacular -------------------------------------------------------------------------


def leave_out_twins(endpoints: Iterable[tuple[str, Any, str, Any]]) -> list[Any]:
    """Describe an address once that is there with and without a slash at its end."""
    found = list(endpoints)
    known = {(path, method) for path, _, method, _ in found}
    return [
        each for each in found if not (each[0].endswith("/") and (each[0][:-1], each[2]) in known)
    ]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say what belongs to no single view."""
    result["info"]["description"] = DESCRIPTION.format(
        hours=round(auth.LIFETIME.total_seconds() / 3600),
        body=api.MAX_BODY_BYTES,
        requests=settings.API_REQUESTS_PER_MIN,
        invocations=settings.API_INVOCATIONS_PER_MIN,
        tokens=settings.API_TOKENS_PER_MIN,
    )
    result["servers"] = [{"url": settings.HOUSTON_URL}]
    result["paths"] |= _webhooks()
    result["components"]["schemas"] |= _SCHEMAS
    used = {tag for _, _, operation in operations(result) for tag in operation["tags"]}
    known = [tag for tag in TAGS if tag in used]
    result["tags"] = [{"name": tag, "description": TAGS[tag]} for tag in known]
    result["tags"] += [{"name": tag} for tag in sorted(used - set(TAGS))]
    for schema in result["components"]["schemas"].values():
        if "description" in schema:
            schema["description"] = without_source(schema["description"])
        for field in schema.get("properties", {}).values():
            if field.get("oneOf") == _ANYTHING:
                # Of which null would be both, and so not one.
                del field["oneOf"]
    return result


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of everything that can be asked."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _webhooks() -> dict[str, Any]:
    """The doors of messaging platforms, which are views of Django's alone."""
    connection = _parameter("connection_id", "path", "Id of the connection", format="uuid")
    token = _parameter("token", "path", "Proves a platform that does not sign")
    signed = [_parameter(name, "header", meaning) for name, meaning in _SIGNED.items()]
    return {
        "/events/{connection_id}": {
            "post": _webhook("webhook", "A signed notification", [connection, *signed])
        },
        "/events/{connection_id}/{token}": {
            "post": _webhook("webhook_by_token", "A notification with a token", [connection, token])
        },
    }


def _webhook(operation_id: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Taken"}}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {
        "operationId": operation_id,
        "summary": summary,
        "description": "What the body is and how it is signed depends on the platform of the "
        "connection, whose page in the console has a whole request to copy. A generic connection "
        "takes CloudEvents 1.0, signed as Standard Webhooks has it, and answers 202; the others "
        "take what the platform sends, and answer 200.",
        "tags": [WEBHOOKS],
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {
                name: {"schema": {}}
                for name in (
                    "application/json",
                    "application/cloudevents+json",
                    "application/cloudevents-batch+json",
                )
            },
        },
        "responses": {
            "200": {"description": "Stored; the rest happens later", "content": content},
            "202": {"description": "Stored; the rest happens later", "content": content},
            **{
                str(status): {"description": meaning, "content": refusal}
                for status, meaning in _REFUSALS.items()
            },
        },
    }


def _parameter(name: str, place: str, description: str, **schema: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": "string", **schema},
    }


# The document -------------------------------------------------------------------------------------


@cache
def document() -> dict[str, Any]:
    """The whole of it; it changes with the version alone."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return cast("dict[str, Any]", generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


class OpenApi(vendor.OpenView):
    """The document, as JSON or as YAML. It holds nothing of any account."""

    schema = None

    def get(self, request: Request) -> HttpResponse:
        """As `format` says, else as Accept does, else JSON."""
        wanted = request.query_params.get("format")
        if not wanted:
            preferred = request._request.get_preferred_type([JSON, *YAMLS])  # noqa: SLF001
            wanted = "yaml" if preferred in YAMLS else "json"
        if wanted not in {"json", "yaml"}:
            raise ParseError(f'Cannot write the document as "{wanted[:40]}": ask for json or yaml')
        if wanted == "yaml":
            return HttpResponse(_as_yaml(), content_type=YAMLS[0])
        return HttpResponse(_as_json(), content_type=JSON)


@cache
def _as_json() -> bytes:
    return OpenApiJsonRenderer().render(document())


@cache
def _as_yaml() -> bytes:
    return cast("bytes", OpenApiYamlRenderer().render(document()))  # type: ignore[no-untyped-call]
