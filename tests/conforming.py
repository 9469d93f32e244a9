"""Whether an answer of the API is what its OpenAPI document promises for it."""

import re
from functools import cache
from typing import Any

import jsonschema
from django.http import HttpResponse
from django.urls import Resolver404, resolve

from houston import openapi

# A token of JSON Pointer, RFC 6901.
ESCAPED = str.maketrans({"~": "~0", "/": "~1"})
ANY = 405
"""An address answers this to methods that it does not have, which have no description."""


def check(method: str, path: str, response: HttpResponse) -> None:
    """Fail when the status, the kind or the fields of an answer are not described.

    Addresses and methods that do not exist have no description.
    """
    described = _operation(method, path)
    if described is None or response.status_code == ANY:
        return
    pointer, operation = described
    answers = {int(a.get("x-status", key)): key for key, a in operation["responses"].items()}
    assert response.status_code in answers, f"{method} {path}: {response.status_code}"
    answer, pointer = _follow(f"{pointer}/responses/{answers[response.status_code]}")
    kinds = answer.get("content", {})
    if not kinds:
        assert response.content == b"", f"{method} {path}: {response.content[:200]!r}"
        return
    kind = response["Content-Type"].partition(";")[0]
    assert kind in kinds, f"{method} {path}: {kind}"
    if kind == "application/json":
        _validator(f"{pointer}/content/{kind.translate(ESCAPED)}/schema").validate(response.json())


@cache
def _templates() -> dict[str, str]:
    """What the document calls each address, by its route."""
    return {re.sub(r"{\w+}", "{}", path.rstrip("/")): path for path in openapi.document()["paths"]}


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    try:
        route = resolve(path).route
    except Resolver404:
        return None
    template = _templates().get("/" + re.sub(r"<[^>]+>", "{}", route).rstrip("/"))
    found = openapi.document()["paths"].get(template, {}).get(method.lower())
    return found and (f"#/paths/{str(template).translate(ESCAPED)}/{method.lower()}", found)


def _follow(pointer: str) -> tuple[dict[str, Any], str]:
    found: Any = openapi.document()
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return _follow(found["$ref"]) if "$ref" in found else (found, pointer)


@cache
def _validator(pointer: str) -> jsonschema.Draft202012Validator:
    whole = {"components": openapi.document()["components"], "paths": openapi.document()["paths"]}
    return jsonschema.Draft202012Validator({**whole, "$ref": pointer})
