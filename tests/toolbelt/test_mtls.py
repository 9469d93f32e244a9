"""Requests whose sender shows a certificate, its own or one that LivePerson keeps."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.namespace import Answer, Request
from tests.toolbelt.account import ACCOUNT_ID, V1, V2, Account, as_json
from tests.toolbelt.certificates import Authority
from tests.toolbelt.test_services import CLIENT, TOKEN, V2_SECRET

pytestmark = pytest.mark.runtime

HOST = "bank.example"
MTLS = "com.liveperson.faas.mtls"
SEND = "const client = Toolbelt.MTLSClient(input);\nreturn await client."


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def bank(account: Account, authority: Authority, tmp_path: Path) -> Account:
    """A server that takes nobody without a certificate of the authority."""

    def answer(request: Request) -> Answer:
        return as_json({"method": request.method, "body": request.body.decode()})

    account.serve(HOST, answer)
    account.world.secure(authority.server(HOST, tmp_path))
    return account


@pytest.fixture(scope="module")
def shown(authority: Authority) -> dict[str, str]:
    identity = authority.identity("me.example")
    return {"cert": identity.certificate, "key": identity.key, "ca": authority.certificate}


# --- a certificate of the function's own ----------------------------------------------------------


@pytest.mark.parametrize("toolbelt", [V1, V2])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_certificate_opens_the_door(
    bank: Account, shown: dict[str, str], toolbelt: str, method: str
) -> None:
    call = f'{method}("https://{HOST}/a?b=c", {{ "X-Own": "1" }}, {{ d: 1 }}, {{ json: true }});'

    found = bank.run(SEND + call, shown, toolbelt=toolbelt)

    (request,) = bank.requests(HOST)
    assert found["statusCode"] == 200
    assert found["headers"]["content-type"] == "application/json"
    assert found["body"]["method"] == method.upper()
    assert request.path == "/a?b=c"
    assert request.headers["x-own"] == "1"
    assert found["body"]["body"] == '{"d":1}'
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["head", "options"])
def test_a_question_about_an_address_has_no_body(
    bank: Account, shown: dict[str, str], method: str
) -> None:
    found = bank.run(
        f'{SEND}{method}("https://{HOST}/", {{ "X-Own": "1" }}, {{}});', shown, toolbelt=V2
    )

    (request,) = bank.requests(HOST)
    assert found["statusCode"] == 200
    assert (request.method, request.body) == (method.upper(), b"")
    assert request.headers["x-own"] == "1"


def test_a_body_is_a_text_when_json_is_not_asked_for(bank: Account, shown: dict[str, str]) -> None:
    found = bank.run(f'{SEND}post("https://{HOST}/", {{}}, "plain");', shown)

    assert json.loads(found["body"]) == {"method": "POST", "body": "plain"}


def test_a_server_that_nobody_has_signed_is_not_trusted(
    bank: Account, shown: dict[str, str]
) -> None:
    identity = {name: shown[name] for name in ("cert", "key")}

    refused = bank.run(f'{SEND}get("https://{HOST}/");', identity)
    taken = bank.run(
        f'{SEND}get("https://{HOST}/", {{}}, null, {{ allowSelfSigned: true }});', identity
    )

    assert refused["thrown"]["code"] == f"{MTLS}.general-issue"
    assert taken["statusCode"] == 200


def test_a_host_outside_of_the_allow_list_answers_403(bank: Account, shown: dict[str, str]) -> None:
    bank.hosts.clear()

    found = bank.run(f'{SEND}get("https://{HOST}/");', shown)

    assert found["statusCode"] == 403
    assert bank.requests(HOST) == []


def test_who_sends_too_much_gets_429(bank: Account, shown: dict[str, str]) -> None:
    bank.may_send = False

    found = bank.run(f'{SEND}get("https://{HOST}/");', shown)

    assert found["statusCode"] == 429
    assert bank.requests(HOST) == []


def test_a_server_that_takes_too_long_times_out(bank: Account, shown: dict[str, str]) -> None:
    def hang(_: Request) -> Answer:
        time.sleep(1)
        return Answer()

    bank.world.serve(HOST, hang)

    found = bank.run(f'{SEND}get("https://{HOST}/", {{}}, null, {{ timeout: 30 }});', shown)

    assert found["thrown"]["code"] == f"{MTLS}.request-timeout"


@pytest.mark.parametrize(
    "call",
    ['get("nowhere")', f'get("http://{HOST}/")', f'post("https://{HOST}/", {{}}, {{ a: 1 }})'],
)
def test_what_makes_no_request_is_refused(bank: Account, shown: dict[str, str], call: str) -> None:
    found = bank.run(f"{SEND}{call};", shown)

    assert found["thrown"]["code"] == f"{MTLS}.invalid-request"
    assert bank.requests(HOST) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (None, "missing-conf"),
        ({"cert": "text"}, "invalid-cert"),
        ({"cert": None}, "invalid-cert"),
        ({"cert": "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"}, "invalid-cert"),
        ({"cert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END OTHER-----"}, "invalid-cert"),
        ({"key": "text"}, "invalid-key"),
        ({"key": "-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----"}, "invalid-key"),
        ({"ca": "text"}, "invalid-cert"),
        ("swapped", "invalid-cert"),
    ],
)
def test_what_is_no_certificate_throws_before_anything_is_sent(
    bank: Account, shown: dict[str, str], changed: Any, code: str
) -> None:
    if changed is None:
        identity = None
    elif changed == "swapped":
        identity = {"cert": shown["key"], "key": shown["cert"]}
    else:
        identity = {**shown, **changed}

    found = bank.run("Toolbelt.MTLSClient(input);", identity)

    assert found["thrown"]["code"] == f"{MTLS}.{code}"
    assert found["thrown"]["component"] == "MTLS"


# --- a certificate that LivePerson keeps ----------------------------------------------------------

GATEWAY = f"/mtls/account/{ACCOUNT_ID}"
FORWARD = "return await Toolbelt.LPMtlsClient()."


@pytest.fixture
def lp(account: Account) -> Account:
    account.secrets = {V2_SECRET: json.dumps(CLIENT)}
    account.serve_services(
        mtlsGateway=lambda request: as_json({"body": request.body.decode()}, 201),
        sentinel=lambda _: TOKEN,
    )
    return account


def test_a_request_is_forwarded_by_the_gateway(lp: Account) -> None:
    found = lp.run(
        f"""{FORWARD}post("https://{HOST}/a", {{ authorization: "mine", "X-Own": "1" }},
          {{ b: 1 }}, {{ json: true }});""",
        toolbelt=V2,
    )

    (request,) = lp.requests("mtlsGateway")
    assert (found["statusCode"], found["body"]) == (201, {"body": '{"b":1}'})
    assert (request.method, request.path) == ("POST", GATEWAY)
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["lp-authorization-override"] == "mine"
    assert request.headers["lp-forward-url"] == f"https://{HOST}/a"
    assert request.headers["lp-service-name"] == "FAAS"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-own"] == "1"


def test_a_get_is_forwarded_without_a_body(lp: Account) -> None:
    found = lp.run(f'{FORWARD}get("https://{HOST}/a");', toolbelt=V2)

    (request,) = lp.requests("mtlsGateway")
    assert request.method == "GET"
    assert json.loads(found["body"]) == {"body": ""}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(502, {"lp-message-from-transport": "reset"}, b"why"), "mtls.remote-threw"),
        (Answer(401, {"www-authenticate": "Bearer"}), "mtls.invalid-request"),
        (Answer(400), "mtls.missing-conf"),
    ],
)
def test_a_failure_of_the_gateway_has_its_code(lp: Account, answer: Answer, code: str) -> None:
    lp.world.serve("mtlsgateway.liveperson.example", lambda _: answer)

    found = lp.run(f'{FORWARD}get("https://{HOST}/a");', toolbelt=V2)

    assert found["thrown"]["code"] == f"com.liveperson.faas.{code}"
    assert found["thrown"]["component"] == "LP-MTLS"
    assert found["thrown"]["statusCode"] == answer.status
    assert found["thrown"]["originalBody"] == answer.body.decode()


def test_a_gateway_that_cannot_be_reached_is_a_general_issue(lp: Account) -> None:
    lp.hosts.remove("mtlsgateway.liveperson.example")

    found = lp.run(f'{FORWARD}get("https://{HOST}/a");', toolbelt=V2)

    assert found["thrown"]["code"] == f"{MTLS}.general-issue"


def test_a_gateway_that_takes_too_long_times_out(lp: Account) -> None:
    def hang(_: Request) -> Answer:
        time.sleep(1)
        return Answer()

    lp.world.serve("mtlsgateway.liveperson.example", hang)

    found = lp.run(
        f'{FORWARD}get("https://{HOST}/a", {{}}, undefined, {{ timeout: 50 }});', toolbelt=V2
    )

    assert found["thrown"]["code"] == f"{MTLS}.request-timeout"


@pytest.mark.parametrize(
    ("secrets", "code"),
    [
        ({}, "get-credentials-failure"),
        ({V2_SECRET: "{}"}, "credentials-wrong-format"),
    ],
)
def test_credentials_that_are_none_are_refused(
    lp: Account, secrets: dict[str, str], code: str
) -> None:
    lp.secrets = secrets

    found = lp.run(f'{FORWARD}get("https://{HOST}/a");', toolbelt=V2)

    assert found["thrown"]["code"] == f"com.liveperson.faas.lp-mtls.{code}"


@pytest.mark.parametrize("call", ['get("nowhere")', f'post("https://{HOST}/", {{}}, {{ a: 1 }})'])
def test_what_cannot_be_forwarded_is_refused(lp: Account, call: str) -> None:
    found = lp.run(f"{FORWARD}{call};", toolbelt=V2)

    assert found["thrown"]["code"] == f"{MTLS}.invalid-request"


def test_the_first_generation_has_no_gateway(account: Account) -> None:
    assert account.run("return typeof Toolbelt.LPMtlsClient;") == "undefined"
