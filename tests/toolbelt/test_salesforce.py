"""Salesforce, and packages beside the toolbelt that send requests of their own."""

from typing import Any

import pytest

from tests.namespace import Answer, Request
from tests.toolbelt.account import V1, V2, Account, as_json

pytestmark = pytest.mark.runtime

HOST = "sales.example"
QUERY = "SELECT Id FROM Account"
FOUND = {"totalSize": 1, "done": True, "records": [{"Id": "001"}]}
OPTIONS = f'{{ instanceUrl: "http://{HOST}", accessToken: "token" }}'


@pytest.fixture
def sales(account: Account) -> Account:
    def answer(request: Request) -> Answer:
        return as_json(FOUND if "/query" in request.path else [])

    account.serve(HOST, answer)
    return account


@pytest.mark.parametrize("toolbelt", [V1, V2])
def test_salesforce_is_asked(sales: Account, toolbelt: str) -> None:
    found = sales.run(
        f"""
        const connection = Toolbelt.SFClient().connectToSalesforce({OPTIONS});
        return await new Promise((resolve, reject) =>
          connection.query("{QUERY}", (error, found) =>
            error ? reject(error) : resolve(found)));
        """,
        toolbelt=toolbelt,
    )

    (request,) = sales.requests(HOST)
    assert found == FOUND
    assert request.path.endswith("/query?q=SELECT%20Id%20FROM%20Account")
    assert request.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            f'new (require("jsforce").Connection)({OPTIONS}).query("{QUERY}")',
            FOUND,
        ),
        (
            f'new (require("@jsforce/jsforce-node").Connection)({OPTIONS}).query("{QUERY}")',
            FOUND,
        ),
        (f'require("request-promise-native")("http://{HOST}/query?", {{ json: true }})', FOUND),
        (
            "new Promise((resolve, reject) =>"
            f'require("request")("http://{HOST}/query?", {{ json: true }},'
            "(error, response, body) => error ? reject(error) : resolve(body)))",
            FOUND,
        ),
        (
            f'require("undici").request("http://{HOST}/query?").then(({{ body }}) => body.json())',
            FOUND,
        ),
    ],
)
def test_a_package_sends_requests_to_hosts_in_the_allow_list(
    sales: Account, expression: str, expected: Any
) -> None:
    assert sales.run(f"return await {expression};") == expected


@pytest.mark.parametrize(
    "expression",
    [
        'require("request-promise-native")("http://unlisted.example/")',
        'require("undici").request("http://unlisted.example/")',
        'new (require("jsforce").Connection)({ instanceUrl: "http://unlisted.example" })'
        f'.query("{QUERY}")',
    ],
)
def test_a_package_reaches_no_other_host(sales: Account, expression: str) -> None:
    sales.world.serve("unlisted.example", lambda _: as_json("in"))

    found = sales.run(f"return await {expression};")

    assert "thrown" in found
    assert sales.requests("unlisted.example") == []
