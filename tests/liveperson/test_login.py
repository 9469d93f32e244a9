"""Logging in at hosts that somebody else names, with answers that may be anything."""

import json
from typing import Any

import pytest

from invoker.platforms.liveperson.login import (
    Directory,
    LoginExpiredError,
    LoginRefusedError,
    LoginUnavailableError,
    Session,
)
from tests.conftest import Answer, CallbackServer
from tests.liveperson.ums import ACCOUNT, KEYS

LOGIN = json.dumps({"username": "houston-bot", **KEYS})

NO_SERVICE = f'Cannot connect: account "{ACCOUNT}" has no service "agentVep"'


@pytest.fixture
def host(callback_server: CallbackServer, settings: Any) -> str:
    """A directory and login host without TLS."""
    address = callback_server.url.removeprefix("http://").removesuffix("/commands")
    settings.LIVEPERSON_CSDS = f"http://{address}"
    return address


def directory() -> Directory:
    return Directory(ACCOUNT, fresh_s=60)


def services(**hosts: Any) -> Answer:
    entries = [{"service": name, "account": ACCOUNT, "baseURI": uri} for name, uri in hosts.items()]
    return Answer(body=json.dumps({"baseURIs": entries}).encode())


def user(**more: Any) -> Answer:
    answer = {"bearer": "b", "csrf": "c", "config": {"userId": "9001", "userPid": "pid"}, **more}
    return Answer(headers={"set-cookie": "session=1; Path=/"}, body=json.dumps(answer).encode())


def test_services_are_asked_for_once_in_a_while(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(services(agentVep="a.example", asyncMessagingEnt="b.example:8443"))
    known = directory()

    assert known.find("agentVep") == ["a.example"]
    assert known.find("asyncMessagingEnt", "agentVep") == ["b.example:8443", "a.example"]

    [asked] = callback_server.requests
    assert asked.path == f"/api/account/{ACCOUNT}/service/baseURI.json?version=1.0"


@pytest.mark.parametrize(
    "uri",
    ["", "a.example/../b", "a b", "user@a.example", "a.example:port", "a.example#", "a.example\n",
     "a..example", "x" * 64, "x." * 126 + "xx", "a.example:65536", 7,
     None, ["a.example"]],
)  # fmt: skip
def test_service_at_something_that_is_no_host_is_not_there(
    host: str, callback_server: CallbackServer, uri: Any
) -> None:
    callback_server.will_answer(services(agentVep=uri))

    with pytest.raises(LoginUnavailableError) as caught:
        directory().find("agentVep")

    assert str(caught.value) == NO_SERVICE


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "Cannot find the services: the answer is not JSON"),
        (b"[]", "Cannot find the services: the answer is not a JSON object"),
        (b"[" * 100_000, "Cannot find the services: the answer is not JSON"),
        (b'"\xff"', "Cannot find the services: the answer is not JSON"),
        (b'{"baseURIs": 7}', f'Cannot connect: account "{ACCOUNT}" has no service "agentVep"'),
        (
            b'{"baseURIs": [7, {}]}',
            f'Cannot connect: account "{ACCOUNT}" has no service "agentVep"',
        ),
    ],
)
def test_directory_that_answers_anything_else_is_not_available(
    host: str, callback_server: CallbackServer, body: bytes, said: str
) -> None:
    callback_server.will_answer(Answer(body=body))

    with pytest.raises(LoginUnavailableError) as caught:
        directory().find("agentVep")

    assert str(caught.value) == said


def test_answer_that_does_not_end_is_not_read(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(Answer(body=b" " * (5 * 1024 * 1024)))

    with pytest.raises(LoginUnavailableError) as caught:
        directory().find("agentVep")

    assert str(caught.value) == (
        f'Cannot find the services: "{host}" cannot be reached (ReadError)'
    )


def test_login_gives_the_keys_and_nothing_else(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(services(agentVep=host, asyncMessagingEnt="b.example"), user())
    login = json.dumps({**json.loads(LOGIN), "note": "of no business there"})

    session = Session(ACCOUNT, login, directory())
    session.close()

    _, asked = callback_server.requests
    assert asked.path == f"/api/account/{ACCOUNT}/login?v=1.3"
    assert json.loads(asked.body) == {"username": "houston-bot", **KEYS}
    assert session.own_ids == {f"{ACCOUNT}.9001", "pid"}


def test_token_cannot_lead_elsewhere(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(
        services(agentVep=host, asyncMessagingEnt="b.example"), user(bearer="../../x?y=ä#")
    )

    session = Session(ACCOUNT, LOGIN, directory())
    session.close()

    assert session.socket_url == (
        f"ws://b.example/ws_api/account/{ACCOUNT}/messaging/brand/..%2F..%2Fx%3Fy%3D%C3%A4%23?v=2.1"
    )


def test_renewal_takes_the_cookies_along(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(
        services(agentVep=host, asyncMessagingEnt="b.example"), user(), Answer(body=b""), 401
    )
    session = Session(ACCOUNT, LOGIN, directory())

    session.refresh()
    with pytest.raises(LoginExpiredError):
        session.refresh()
    session.close()

    asked = callback_server.requests[2]
    assert asked.path == f"/api/account/{ACCOUNT}/refresh?v=1.3"
    assert json.loads(asked.body) == {"csrf": "c"}
    assert asked.headers["cookie"] == "session=1"


def test_login_that_is_redirected_goes_nowhere(host: str, callback_server: CallbackServer) -> None:
    elsewhere = Answer(status=307, headers={"location": "http://127.0.0.1:1/"})
    callback_server.will_answer(services(agentVep=host, asyncMessagingEnt="b.example"), elsewhere)

    with pytest.raises(LoginUnavailableError):
        Session(ACCOUNT, LOGIN, directory())

    assert len(callback_server.requests) == 2


def test_secrets_are_in_no_message(host: str, callback_server: CallbackServer) -> None:
    callback_server.will_answer(
        services(agentVep=host, asyncMessagingEnt="b.example"), Answer(status=400, body=b"no")
    )

    with pytest.raises(LoginRefusedError) as caught:
        Session(ACCOUNT, LOGIN, directory())

    assert str(caught.value) == "Cannot log in: the answer was 400: no"
