"""The API answers as its OpenAPI document says, whatever it is asked.

`make fuzz` asks longer.
"""

import datetime as dt
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import UndefinedStatusCode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

from functions.models import Function
from houston import openapi
from houston.models import Scope
from tests import api, factories
from tests.houston import test_api_addresses
from tests.houston.test_api_addresses import VALUES

EXAMPLES = int(os.environ.get("HOUSTON_FUZZ_EXAMPLES", "8"))
IS_LONG = "HOUSTON_FUZZ_EXAMPLES" in os.environ
things = test_api_addresses.things

described = schemathesis.openapi.from_dict(openapi.document())
described.app = WSGIHandler()
described.config.generation.update(with_security_parameters=False)
described.config.phases.coverage.enabled = IS_LONG


def status_is_described(_: CheckContext, response: Response, case: schemathesis.Case) -> None:
    """As `status_code_conformance`, but `default` stands for the one status that it names."""
    answers = case.operation.definition.raw["responses"]
    statuses = {int(answer.get("x-status", status)) for status, answer in answers.items()}
    if case.method != case.operation.method.upper():
        # A method that the address does not have, which is said once for all.
        statuses = {405}
    if response.status_code not in statuses:
        raise UndefinedStatusCode(
            operation=case.operation.label,
            status_code=response.status_code,
            defined_status_codes=list(answers),
            allowed_status_codes=sorted(statuses),
            message=f"Received: {response.status_code}",
        )


CHECKS: Any = [
    not_a_server_error,
    status_is_described,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@contextmanager
def undone() -> Iterator[None]:
    """What happens in here did not happen: every example finds the same account."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def _unlimited(settings: Any) -> None:
    """No example is refused because of those before it."""
    for name in ("API_REQUESTS_PER_MIN", "API_INVOCATIONS_PER_MIN", "API_TOKENS_PER_MIN"):
        setattr(settings, name, 1_000_000)


@pytest.fixture
def _connected() -> Iterator[None]:
    """Requests leave the connection to the database open, which holds what is there to ask for."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def known(account, developer, things):
    """What fields and parameters of these names hold in an example that is likely to succeed."""
    connection = factories.ConnectionFactory()
    machine = factories.ApiClientFactory(account=account, scopes=list(Scope))
    secret = machine.issue_secret()
    machine.save()
    developer.set_password("orbit-4-two")
    developer.save()
    function = Function.objects.get(pk=VALUES["function_id"])
    now = timezone.now()
    return {
        **{name: str(value) for name, value in VALUES.items()},
        "connection_id": str(connection.pk),
        "name": "made_here",
        "code": function.code,
        "version": function.version,
        "environment": {},
        "environmentVariables": [],
        "eventId": VALUES["event_id"],
        "lambdaUUID": str(function.pk),
        "cronExpression": "*/5 * * * *",
        "timeZone": "Europe/Berlin",
        "domain": "api.example.net",
        "text": factories.SCENARIO.format(name="Made here"),
        "startTimestamp": int((now - dt.timedelta(hours=1)).timestamp() * 1000),
        "endTimestamp": int(now.timestamp() * 1000),
        "client_id": str(machine.pk),
        "client_secret": secret,
        "scope": "faas.developer",
        "username": developer.username,
        "password": "orbit-4-two",
    }


def make_likely(value: Any, known: dict[str, Any]) -> Any:
    """The same with what is known, wherever there is a field of that name."""
    match value:
        case dict():
            return {
                name: known.get(name, make_likely(inner, known)) for name, inner in value.items()
            }
        case list():
            return [make_likely(each, known) for each in value]
    return value


def prepare(case: schemathesis.Case, known: dict[str, Any]) -> None:
    """Half of the examples that are allowed are made likely to succeed.

    Those that are not keep what is wrong with them, but for addresses: few of them may be at fault,
    as each other fault would hide behind the 404.
    """
    assert case.meta is not None
    wrong = {place for place, part in case.meta.components.items() if part.mode.is_negative}
    if wrong != {ParameterLocation.PATH}:
        case.path_parameters = make_likely(case.path_parameters, known)
    if not wrong and zlib.crc32(repr((case.query, case.body)).encode()) % 2:
        case.query = make_likely(case.query, known)
        case.body = make_likely(case.body, known)


@pytest.mark.runtime
@pytest.mark.timeout(3600 if IS_LONG else 120)
@pytest.mark.usefixtures("_connected", "_unlimited")
@described.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_operation_answers_as_described(case: schemathesis.Case, account, known):
    if case.method == "PUT":
        # Names are chosen once.
        known["name"] = "greet"
    prepare(case, {**known, "account_id": account.pk})
    headers = {"Authorization": f"Bearer {api.of_client(account).token}"}

    with undone():
        response = case.call(headers=headers)

    case.validate_response(response, checks=CHECKS)
