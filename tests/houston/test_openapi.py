"""The OpenAPI document: valid, whole, and of what the views really do."""

import re

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver, reverse

from houston import openapi
from invoker.permissions import Permission
from tests.houston.test_api_addresses import OPEN
from tests.houston.test_isolation import API

OPERATIONS = list(openapi.operations(openapi.document()))


def walk(patterns, before=""):
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns, here)
        elif here.startswith(API):
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", here), pattern


def routes():
    """Name, path, method and view of everything below the API, with no slash at their ends."""
    for path, pattern in walk(get_resolver().url_patterns):
        view = pattern.callback.cls
        for method in view.http_method_names:
            if method != "head" and hasattr(view, method) and view is not openapi.OpenApi:
                yield pattern.name, path.rstrip("/"), method.upper(), view


def test_document_is_valid_and_nothing_in_it_was_guessed(tmp_path):
    call_command(
        "spectacular", file=str(tmp_path / "openapi.yaml"), validate=True, fail_on_warn=True
    )

    assert (tmp_path / "openapi.yaml").read_text().startswith("openapi: 3.1.0\n")


def test_every_address_is_in_it_once():
    described = {(path, method) for path, method, _ in OPERATIONS}
    told = [(path.rstrip("/"), method) for path, method in described]

    assert len(told) == len(set(told))
    assert {(path, method) for _, path, method, _ in routes()} == {
        each for each in told if not each[0].startswith("/events/")
    }


def test_every_operation_is_named_and_explained():
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    texts = [operation["summary"] for _, _, operation in OPERATIONS]
    tags = {tag for _, _, operation in OPERATIONS for tag in operation["tags"]}
    answers = [a for *_, operation in OPERATIONS for a in operation["responses"].values()]

    assert len(ids) == len(set(ids))
    assert [each for each in ids if not re.fullmatch(r"[a-z0-9_]+", each)] == []
    assert [each for each in texts if each != each.strip(" .") or not each[0].isupper()] == []
    assert tags <= set(openapi.TAGS)
    assert [each for each in answers if "$ref" not in each and not each["description"]] == []


def test_nothing_meant_for_developers_of_houston_is_told():
    text = openapi._as_json().decode()

    assert re.findall(r"§|liveperson-contract|Source:|\\\\n {4}", text) == []


def test_every_operation_says_what_it_needs():
    said = {(p.rstrip("/"), m): operation for p, m, operation in OPERATIONS}

    for name, path, method, view in routes():
        operation = said[path, method]
        if name in OPEN:
            assert "security" not in operation, name
            assert "x-permission" not in operation, name
        else:
            assert operation["x-permission"] == view.permissions[method], name
            assert operation["security"][0] == {"bearer": []}, name
            assert {"401", "403", "404"} <= set(operation["responses"]), name


@pytest.mark.parametrize(
    ("permission", "in_v1", "scopes"),
    [
        (Permission.FUNCTION_READ, False, ["faas.lambda.invoke", "faas.developer", "faas.admin"]),
        (Permission.FUNCTION_INVOKE, False, ["faas.lambda.invoke", "faas.developer"]),
        (Permission.SECRET_CHANGE, False, ["faas.admin"]),
        (Permission.LOG_READ, False, ["faas.developer", "faas.admin"]),
        (Permission.LOG_READ, True, ["faas.lambda.invoke", "faas.developer", "faas.admin"]),
    ],
)
def test_scopes_are_those_that_permit_it(permission, in_v1, scopes):
    assert openapi.scopes(permission, in_v1=in_v1) == scopes


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "text/html,*/*;q=0.8", "application/json"),
        ("", "application/yaml", "application/yaml"),
        ("", "application/vnd.oai.openapi", "application/yaml"),
        ("?format=yaml", "application/json", "application/yaml"),
        ("?format=json", "application/yaml", "application/json"),
    ],
)
def test_document_is_served_to_everybody_as_they_ask(query, accept, kind):
    response = Client().get(f"/api/schema/{query}", headers={"Accept": accept})

    assert response.status_code == 200
    assert response["Content-Type"] == kind
    read = (
        response.json()
        if kind == "application/json"
        else yaml.load(response.content, yaml.CSafeLoader)
    )
    assert read == openapi.document()


def test_document_in_another_form_is_refused():
    response = Client().get(reverse("openapi"), {"format": "raml"})

    assert response.status_code == 400
    assert response.json()["message"] == (
        'Cannot write the document as "raml": ask for json or yaml'
    )


def test_bodies_that_take_no_other_fields_are_described_so():
    closed = {
        name
        for name, schema in openapi.document()["components"]["schemas"].items()
        if schema.get("additionalProperties") is False
    }

    assert closed == {
        "EveryFunctionsReplay", "NewScenario", "Replay", "ScenarioChange", "ScenarioRun",
        "ScenarioVersion",
    }  # fmt: skip
