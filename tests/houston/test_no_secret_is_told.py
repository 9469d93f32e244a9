"""Secrets are in no database file, no log at any level and no page of an error."""

import json
import logging
import sqlite3
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from houston.logs import FORMATTERS
from houston.models import Account
from invoker import alerts, dispatch, ingest
from invoker.models import AgentSession, Command, Connection
from invoker.platforms import PLATFORMS, DeliveryError
from invoker.platforms.liveperson import login
from tests import api, factories
from tests.conftest import CallbackServer
from tests.invoker import senders

MARK = "Xylophone4711"
pytestmark = pytest.mark.usefixtures("account")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Any:
    """What came into the log until now, at every level and in every form, as one text."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).disabled = False

    def read() -> str:
        forms = [make() for make in FORMATTERS.values()]
        return "\n".join(form.format(each) for each in caplog.records for form in forms)

    return read


def marked(platform: str = "generic", **fields: Any) -> Connection:
    secrets = dict.fromkeys(
        ["signing_secret", "previous_signing_secret", "callback_secret",
         "previous_callback_secret", "api_token"], f"whsec_{MARK}aaa",
    )  # fmt: skip
    keys = dict.fromkeys(login.KEYS, MARK)
    values = {**secrets, "agent_login": json.dumps(keys), **fields}
    return factories.ConnectionFactory(platform=platform, **values)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the file of SQLite")
def test_no_secret_is_readable_in_the_database_file(tmp_path: Any) -> None:
    row = marked()
    AgentSession.objects.create(connection=row, key=MARK)
    factories.AlertFactory(secret=f"whsec_{MARK}")
    factories.SecretFactory(value=MARK)
    factories.ConnectionFactory(name="Readable51")
    file = tmp_path / "copy.sqlite3"
    # Not through Django: the bytes as they would lie on the disk.
    with sqlite3.connect(file) as copy:
        copy.executescript("\n".join(connection.connection.iterdump()))
    copy.close()

    written = file.read_bytes()

    assert b"Readable51" in written
    assert MARK.encode() not in written


def test_deliveries_that_fail_tell_no_secret(log: Any, callback_server: CallbackServer) -> None:
    callback_server.will_answer(500, 400, 401)
    said = []
    for platform in ("generic", "chatwoot"):
        for url in (callback_server.url, "http://127.0.0.1:9/"):
            row = marked(platform, callback_url=url, api_url=url, api_account="1", agent_login="")
            made = factories.CommandFactory(
                event__conversation__connection=row, fields={"text": "hi"}
            )
            with pytest.raises(DeliveryError) as caught:
                PLATFORMS[platform].deliver(row, Command.objects.get(pk=made.pk))
            said.append(str(caught.value))
    with login._client() as client, pytest.raises(login.LoginRefusedError) as refused:
        login._ask(client, "POST", callback_server.url, {"secret": MARK}, "log in")

    assert len(said) == 4
    assert MARK not in "\n".join([*said, str(refused.value), log()])


def test_doors_that_refuse_or_fail_tell_no_secret(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing = marked(signing_secret=senders_secret(), previous_signing_secret="")
    by_address = marked("chatwoot", signs=False, signing_secret=MARK, api_account="")
    door = reverse("events-token", args=[by_address.pk, MARK])
    answers = [
        senders.post(signing, {"secret": MARK}),
        Client().post(door, b"no json", content_type="application/json"),
        Client().get(door),
    ]

    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(ingest, "store", full)
    told = {"event": "message_typing_on"}
    answers.append(Client().post(door, told, content_type="application/json"))
    monkeypatch.setattr(ingest, "store", lambda *_, **__: 1 / 0)
    failing = Client(raise_request_exception=False)
    answers.append(failing.post(door, told, content_type="application/json"))

    assert [each.status_code for each in answers] == [400, 400, 405, 503, 500]
    assert MARK not in "\n".join(each.content.decode() for each in answers)
    assert f"/events/{by_address.pk}/…" in log()
    assert MARK not in log()


@pytest.mark.parametrize("as_htmx", [False, True])
def test_forms_that_are_refused_or_fail_repeat_no_secret(
    log: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch, as_htmx: bool
) -> None:
    admin_client.raise_request_exception = False
    headers = {"HX-Request": "true"} if as_htmx else {}
    account = factories.ACCOUNT_ID
    row = marked("liveperson", client_id="c")
    new = reverse("connection-new", args=[account])
    secret = {"platform": "liveperson", "client_secret": MARK, "app_key": MARK, "name": ""}
    tried = [
        (new, secret),
        (new, {"platform": "chatwoot", "api_token": MARK, "webhook_secret": MARK}),
        (reverse("connection", args=[account, row.pk]), {**secret, "client_id": " "}),
        (reverse("secret-add", args=[account]), {"key": " ", "type": "json", "value": MARK}),
        ("/sign-in/", {"username": "ada", "password": MARK}),
    ]
    answers = [admin_client.post(url, data, headers=headers) for url, data in tried]
    monkeypatch.setattr("houston.connecting.check_name", lambda *_: 1 / 0)
    answers.append(admin_client.post(new, {**secret, "name": "x", "client_id": "c"}))

    assert answers[-1].status_code == 500
    assert {each.status_code for each in answers[:4]} <= {200, 422}
    assert MARK not in "\n".join(each.content.decode() for each in answers)
    assert MARK not in log()


def test_api_that_refuses_repeats_no_secret(log: Any, account: Account) -> None:
    caller = api.of_client(account)
    refused = caller.post("/secrets", {"key": " ", "type": "nothing", "value": MARK})

    assert refused.status_code == 400
    assert MARK not in refused.content.decode() + log()
    assert caller.token not in log()


def test_alert_that_cannot_be_sent_tells_no_secret(
    log: Any, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(500)
    alert = factories.AlertFactory(target=callback_server.url, secret=f"whsec_{MARK}aaa")

    told = alerts.test(alert)

    assert "500" in told.error
    assert MARK not in told.error + log()


def test_conversation_whose_command_fails_shows_no_secret(
    log: Any, developer_client: Client, callback_server: CallbackServer
) -> None:
    row = marked(callback_url=f"{callback_server.url}?k=1")
    event = factories.EventFactory(conversation__connection=row)
    dispatch.drain(event.conversation_id)

    page = developer_client.get(reverse("functions:trace", args=[row.account_id, event.pk]))

    assert page.status_code == 200
    assert MARK not in page.content.decode() + log()


def senders_secret() -> str:
    return "whsec_" + "QUFB" * 8
