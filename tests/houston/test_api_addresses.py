"""Every address of the API: nothing for strangers, errors of one shape.

That other accounts find nothing is in test_two_tenants.
"""

import uuid

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from invoker import bounds
from invoker.api import ApiView
from tests import api, factories
from tests.houston.test_isolation import API

FUNCTION_ID = uuid.UUID(int=10)
DEPLOYMENT_ID = uuid.UUID(int=9)
VALUES = {
    "function_id": FUNCTION_ID,
    "deployment_id": DEPLOYMENT_ID,
    "event_id": "controllerbot_messaging_new_conversation",
    "domain_id": 471_147,
    "number": 1,
    "key": "token-of-acme",
    "schedule_id": uuid.UUID(int=14),
    "scenario_id": uuid.UUID(int=16),
    "letter_id": uuid.UUID(int=16),
}
# Open to whoever has no token yet.
OPEN = {"api-services", "api-login", "api-refresh", "api-token", "api-token-v2", "openapi"}
SHAPE = {"code", "message", "errorCode", "errorMsg"}


def found_below(patterns, prefix="", arguments=frozenset()):
    for pattern in patterns:
        here = arguments | set(pattern.pattern.converters)
        if hasattr(pattern, "url_patterns"):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from found_below(pattern.url_patterns, inner, here)
        else:
            yield prefix + (pattern.name or ""), here, pattern.callback


def addresses():
    """Name, arguments and view of every address of the API."""
    for pattern in get_resolver().url_patterns:
        if str(pattern.pattern).startswith(API):
            yield from found_below([pattern])


def calls(account_id):
    """Every method of every address that needs a token: name, method, URL."""
    for name, arguments, view in addresses():
        if name in OPEN:
            continue
        values = {key: VALUES[key] for key in arguments - {"account_id"}}
        url = reverse(name, kwargs={**values, "account_id": account_id})
        for method in view.cls.http_method_names:
            if method != "head" and hasattr(view.cls, method):
                yield name, method.upper(), url


def send(method, url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client().generic(method, url, b"{}", content_type="application/json", headers=headers)


def test_every_address_has_a_name_and_says_what_each_method_needs():
    for name, _, view in addresses():
        assert name, view
        assert issubclass(view.cls, ApiView), name
        if name not in OPEN:
            methods = {m.upper() for m in view.cls.http_method_names if hasattr(view.cls, m)}
            assert set(view.cls.permissions) == methods - {"HEAD"}, name


@pytest.fixture
def things(account):
    """What the addresses name exists in the account."""
    factories.deployed(
        pk=FUNCTION_ID, name="greet", event_type="controllerbot_messaging_new_conversation"
    )
    factories.AllowedDomainFactory(pk=VALUES["domain_id"])
    factories.DeploymentFactory(pk=DEPLOYMENT_ID, function_id=FUNCTION_ID, active=False)
    factories.SecretFactory(key=VALUES["key"])
    factories.ScheduleFactory(pk=VALUES["schedule_id"])
    factories.ScenarioFactory(pk=VALUES["scenario_id"])
    factories.DeadLetterFactory(pk=VALUES["letter_id"])


def test_every_address_refuses_who_has_no_token(things, account):
    answers = {(n, m): send(m, url, "") for n, m, url in calls(account.pk)}

    assert {key: answer.status_code for key, answer in answers.items()} == dict.fromkeys(
        answers, 401
    )
    assert {frozenset(answer.json()) for answer in answers.values()} <= {frozenset(SHAPE)}
    assert {answer["WWW-Authenticate"] for answer in answers.values()} <= {'Bearer realm="Houston"'}


def test_address_that_does_not_exist_has_the_shape_too(db):
    response = Client().get("/api/account/acme1/nothing")

    assert response.status_code == 404
    assert set(response.json()) == SHAPE


def test_method_that_an_address_does_not_know_is_answered_with_those_that_it_does(account):
    response = api.of_client(account).send("DELETE", "/functions/count")

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"
    assert response.json()["message"] == (
        "Cannot use this method here: take one of those that Allow names"
    )


def test_body_with_more_names_than_anybody_needs_is_refused(account):
    body = "{" + ",".join(f'"{number}":0' for number in range(bounds.MAX_NAMES + 1)) + "}"

    response = api.of_client(account).post("/secrets", body)

    assert (response.status_code, response.json()["code"]) == (400, "json-too-many-names")
