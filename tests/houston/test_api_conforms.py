"""The API answers as its OpenAPI document says, whatever it is asked.

`make fuzz` asks longer.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import UndefinedStatusCode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

from houston import openapi
from tests import api
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


@pytest.mark.runtime
@pytest.mark.usefixtures("_connected", "_unlimited")
@pytest.mark.timeout(3600 if IS_LONG else 120)
@described.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_operation_answers_as_described(case: schemathesis.Case, account, things):
    is_sensible = case.meta is None or case.meta.generation.mode.is_positive
    for name in case.path_parameters:
        if name == "account_id" or (is_sensible and name in VALUES):
            case.path_parameters[name] = str({**VALUES, "account_id": account.pk}[name])
    headers = {"Authorization": f"Bearer {api.of_client(account).token}"}

    with undone():
        response = case.call(headers=headers)

    case.validate_response(response, checks=CHECKS)
