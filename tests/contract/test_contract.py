"""LivePerson's own clients against the product as people start it: what they return and print."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract import calling
from tests.contract.calling import BY_OPTIONS, UNCHANGED
from tests.contract.conftest import Account, Way
from tests.contract.prepared import ACCOUNT_ID

pytestmark = [pytest.mark.contract, pytest.mark.stack, pytest.mark.timeout(600)]

FLOWS = [(version, way) for version in ("v1", "v2") for way in (UNCHANGED, BY_OPTIONS)]
# What the vendor calls the same thing in its two generations. Source: liveperson-contract.md §2.3.
THREW = ("com.liveperson.faas.handler.custom-failure", "com.customer.faas.function.threw-error")
BUG = (
    "com.liveperson.faas.handler.runtime-exception",
    "com.customer.faas.function.js-runtime-error",
)
NOT_FOUND = "com.liveperson.faas.function.not-found"
MISSING = ("com.liveperson.faas.es.missinglambda", NOT_FOUND)
NOT_DEPLOYED = ("com.liveperson.faas.es.notdeployed", NOT_FOUND)
# Where the two generations keep a function's code.
CODE = {"implementation", "manifest", "versions", "code"}

Came = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def calls_v1(v1: Way, account: Account) -> dict[tuple[str, str], dict[str, Any]]:
    return calling.call(v1, account, v2=False)


@pytest.fixture(scope="session")
def calls_v2(v2: Way, account: Account) -> dict[tuple[str, str], dict[str, Any]]:
    return calling.call(v2, account, v2=True)


@pytest.fixture(params=FLOWS, ids="-".join)
def flow(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def came(request: pytest.FixtureRequest, flow: tuple[str, str]) -> Came:
    """What came of a call, for each generation of the API and each way of reaching the product."""
    version, way = flow
    calls = request.getfixturevalue(f"calls_{version}")
    return lambda name: calls[way, name]


def returned(came: Came, name: str) -> Any:
    assert came(name).get("returned") is not None, came(name)
    return came(name)["returned"]


def refusal(came: Came, name: str) -> tuple[str, int, str, str]:
    """What people match: the error's name, the status, and the code in both dialects."""
    thrown = came(name)["thrown"]
    body = thrown["response"]["body"]
    assert body["message"] == body["errorMsg"] != ""
    return thrown["name"], thrown["response"]["status"], body["errorCode"], body["code"]


# liveperson-functions-client ----------------------------------------------------------------------


def test_invoke_returns_what_the_function_answered(came: Came) -> None:
    answers = {name: returned(came, name) for name in ("text", "input", "nothing")}

    assert {(one["ok"], one["status"]) for one in answers.values()} == {(True, 200)}
    assert answers["text"]["body"] == 'said "so"'
    assert answers["nothing"]["body"] is None
    body = answers["input"]["body"]
    assert isinstance(body.pop("timestamp"), int)
    assert body == {"headers": [{"key": "h", "value": "v"}], "payload": calling.PAYLOAD}


def test_invoke_returns_the_request_id_it_was_given(came: Came) -> None:
    assert returned(came, "input")["headers"]["x-request-id"] == calling.REQUEST_ID


def test_function_that_fails_is_an_answer_of_its_own_kind_and_runs_once(came: Came) -> None:
    answer = returned(came, "error")

    assert (answer["ok"], answer["status"], answer["retryCount"]) == (False, 901, 0)
    assert (answer["body"]["errorCode"], answer["body"]["code"]) == THREW
    assert "out of stock" in answer["body"]["errorMsg"]


def test_function_that_fails_is_the_error_that_callers_match(
    came: Came, flow: tuple[str, str]
) -> None:
    assert refusal(came, "error thrown") == ("FaaSLambdaError", 901, *THREW)
    # The client takes a bug for a platform's fault in V2, whoever answers.
    bug = "FaaSLambdaError" if flow[0] == "v1" else "FaaSInvokeError"
    assert refusal(came, "bug thrown") == (bug, 901, *BUG)


def test_errors_of_v2_are_those_of_v1_for_who_asks(came: Came, flow: tuple[str, str]) -> None:
    thrown = came("error thrown as V1")["thrown"]
    bodies = [returned(came, "error as V1")["body"], thrown["response"]["body"]]

    assert thrown["name"] == "FaaSLambdaError"
    for body in bodies:
        assert body["errorCode"] == THREW[0]
        assert "out of stock" in body["errorMsg"]
        assert ("code" in body) == (flow[0] == "v1")


@pytest.mark.parametrize(("name", "codes"), [("missing", MISSING), ("not deployed", NOT_DEPLOYED)])
def test_function_that_nobody_deployed_is_not_there(
    came: Came, name: str, codes: tuple[str, str]
) -> None:
    assert refusal(came, name) == ("FaaSInvokeError", 404, *codes)


def test_event_returns_an_entry_of_every_function(came: Came, account: Account) -> None:
    entries = returned(came, "event")["body"]

    assert {entry["uuid"] for entry in entries} == {
        account.functions["echo"],
        account.functions["echo_too"],
    }
    assert [entry["result"] for entry in entries] == [calling.EVENT] * 2
    assert [set(entry) for entry in entries] == [{"uuid", "timestamp", "result"}] * 2


def test_event_runs_the_functions_of_its_skill(came: Came, account: Account) -> None:
    [entry] = returned(came, "event of skill")["body"]

    assert (entry["uuid"], entry["result"]) == (account.functions["ttr_42"], calling.EVENT)
    for name in ("event of other skill", "event of no skill", "event without function"):
        assert (returned(came, name)["status"], returned(came, name)["body"]) == (200, [])


def test_event_fails_whole_when_a_function_fails(came: Came) -> None:
    assert refusal(came, "event thrown") == ("FaaSLambdaError", 901, *THREW)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("implemented", True),
        ("implemented for skill", True),
        ("implemented for other skill", False),
        ("implemented for no skill", True),
        ("implemented by nobody", False),
    ],
)
def test_is_implemented_says_whether_a_function_would_run(
    came: Came, name: str, expected: bool
) -> None:
    assert came(name) == {"returned": expected}


def test_get_lambdas_returns_functions_in_the_states_asked_for(
    came: Came, flow: tuple[str, str], account: Account
) -> None:
    everything = {one["name"]: one for one in returned(came, "lambdas")["body"]}
    of_event = returned(came, "lambdas of event")["body"]

    assert {name: everything[name]["uuid"] for name in account.functions} == account.functions
    assert {one["state"] for one in everything.values()} == {"Productive", "Draft"}
    assert everything["draft"]["state"] == "Draft"
    assert {(one["name"], *one["skills"]) for one in of_event} == {
        ("ttr_42", "42"),
        ("ttr_43", "43"),
    }
    assert {one["eventId"] for one in of_event} == {"controllerbot_messaging_ttr"}
    one = everything["ttr_42"]
    if flow[0] == "v1":
        assert "function lambda" in one["implementation"]["code"]
        assert (one["version"], one["lastDeployment"]["lambdaUUID"]) == (1, one["uuid"])
    else:
        assert not CODE.intersection(one)


def test_get_functions_returns_functions_without_their_code(came: Came, account: Account) -> None:
    drafts = returned(came, "functions")["body"]
    [named] = returned(came, "functions by name")["body"]

    assert "draft" in {one["name"] for one in drafts}
    assert {one["state"] for one in drafts} <= {"Draft", "Modified"}
    assert (named["uuid"], named["state"]) == (account.functions["answer"], "Productive")
    assert not CODE.intersection(named)


NAMES = {
    "invoke": "FaaSInvokeError",
    "isImplemented": "FaaSIsImplementedError",
    "getFunctions": "FaaSGetFunctionsError",
}


@pytest.mark.parametrize(
    ("why", "status"),
    [("bad token", 401), ("revoked token", 401), ("token of another account", 404)],
)
def test_whoever_may_not_is_refused_by_every_call(
    came: Came, flow: tuple[str, str], why: str, status: int
) -> None:
    names = {**NAMES, "getLambdas": f"FaaSGet{'Lambdas' if flow[0] == 'v1' else 'Functions'}Error"}

    told = {call: refusal(came, f"{call} with {why}")[:2] for call in names}

    assert told == {call: (name, status) for call, name in names.items()}


def test_client_asks_for_one_token_and_uses_it_until_it_ends(
    v1: Way, calls_v1: dict[tuple[str, str], dict[str, Any]]
) -> None:
    tokens = f"POST /sentinel/api/account/{ACCOUNT_ID}/app/token?v=2.0"

    # Four clients: as it is, one that throws, one without a cache, one with a wrong secret.
    assert v1.front.requests.count(tokens) == 4


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_client_with_a_wrong_secret_gets_no_token(
    request: pytest.FixtureRequest, version: str
) -> None:
    thrown = request.getfixturevalue(f"calls_{version}")[UNCHANGED, "wrong secret"]["thrown"]

    assert thrown["name"] == "FaaSInvokeError"
    assert "FaaSAppJWTAuthenticationError" in thrown["causes"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_payload_that_is_too_large_is_refused_with_a_code(
    request: pytest.FixtureRequest, version: str
) -> None:
    answer = request.getfixturevalue(f"calls_{version}")[UNCHANGED, "too much"]["returned"]

    assert answer["status"] == 413
    assert answer["body"]["errorCode"] == "com.liveperson.faas.ui.payload-too-large"
