"""A signed notification goes in, the function's commands come out, by the real processes."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import socket
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

from tests.conftest import CallbackServer, Received
from tests.stack import services
from tests.stack.conftest import ONE_OF_EACH, Houston, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
SENDER = Path(__file__).parent / "sender.mjs"


def notification(conv_id: str, account_id: str) -> dict[str, Any]:
    """A conversation that has just been opened, with the field names of controller-bot.md §1.4."""
    now = int(time.time() * 1000)
    consumer = {"id": "con-1", "role": "CONSUMER"}
    dialog = {
        "dialogId": conv_id,
        "dialogType": "MAIN",
        "channelType": "MESSAGING",
        "state": "OPEN",
        "creationTs": now,
        "metaDataLastUpdateTs": now,
        "metaData": {},
        "participantsDetails": [{**consumer, "state": "ACTIVE"}],
    }
    details = {
        "skillId": "-1",
        "brandId": account_id,
        "state": "OPEN",
        "stage": "OPEN",
        "participants": [consumer],
        "dialogs": [dialog],
        "startTs": now,
        "metaDataLastUpdateTs": now,
        "firstConversation": True,
        "ttr": {"ttrType": "NORMAL", "value": 600},
        "manualETTR": 0,
        "context": {"type": "SharkContext", "lang": "en-US", "visitorId": "v", "sessionId": "s"},
    }
    result = {"convId": conv_id, "effectiveTTR": now + 600_000, "conversationDetails": details}
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {"sentTs": now, "changes": [{"type": "UPSERT", "result": result}]},
    }


def cloud_event(conv_id: str, account_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//example/platform",
        "type": "com.liveperson.cqm.ExConversationChangeNotification",
        "datacontenttype": "application/json",
        "data": notification(conv_id, account_id)["body"],
    }


def send_with_npm(door: dict[str, Any], event: dict[str, Any], mode: str) -> dict[str, Any]:
    command = ["node", SENDER, door["webhook_url"], door["signing_secret"], mode]
    answer: dict[str, Any] = json.loads(
        subprocess.run(
            [*command, json.dumps(event)], check=True, capture_output=True, text=True
        ).stdout
    )
    return answer


def send_with_python(
    door: dict[str, Any], event: dict[str, Any], secret: str = ""
) -> httpx.Response:
    attributes = {name: value for name, value in event.items() if name != "data"}
    message = to_structured_event(CloudEvent(attributes, event["data"]))
    now = dt.datetime.now(dt.UTC)
    message_id = f"msg_{event['id']}"
    webhook = Webhook(secret or door["signing_secret"])
    return httpx.post(
        door["webhook_url"],
        content=message.body,
        headers={
            **message.headers,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign(message_id, now, message.body.decode()),
        },
    )


def send_as_liveperson(
    door: dict[str, Any], account_id: str, body: bytes, algorithm: str = "sha1"
) -> httpx.Response:
    digest = hmac.new(door["signing_secret"].encode(), body, getattr(hashlib, algorithm)).digest()
    return httpx.post(
        door["webhook_url"],
        content=body,
        headers={
            "content-type": "application/json",
            "X-Liveperson-Account-Id": account_id,
            "X-Liveperson-Client-Id": door["client_id"],
            "X-Liveperson-Signature": f"{algorithm}={base64.b64encode(digest).decode()}",
        },
    )


def door_of(demo: dict[str, Any], platform: str) -> dict[str, Any]:
    return next(one for one in demo["connections"] if one["platform"] == platform)


def verified(received: Received, door: dict[str, Any]) -> dict[str, Any]:
    """The CloudEvent of a command, after the published library has checked its signature."""
    event: dict[str, Any] = Webhook(door["callback_secret"]).verify(received.body, received.headers)
    return event


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_event_signed_by_the_npm_libraries_leads_to_a_signed_command(
    houston: Houston, callback_server: CallbackServer, mode: str
) -> None:
    demo = houston.demo(callback_server.url)
    door, conv_id = door_of(demo, "generic"), f"npm-{mode}-{uuid.uuid4()}"

    answer = send_with_npm(door, cloud_event(conv_id, demo["account_id"]), mode)

    assert answer == {"status": 202, "body": {"accepted": 1, "duplicates": 0}}
    [received] = callback_server.wait_for(1, timeout_s=20)
    event = verified(received, door)
    assert event["type"] == "com.houston.messaging.command.system_message"
    assert event["data"]["conversationId"] == conv_id
    assert event["data"]["cbotEventType"] == "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME"
    assert event["data"]["command"]["type"] == "systemMessage"
    assert event["data"]["command"]["text"]
    assert not event["data"]["automatic"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_liveperson_notification_leads_to_a_signed_command(
    houston: Houston, callback_server: CallbackServer, algorithm: str
) -> None:
    demo = houston.demo(callback_server.url)
    door, conv_id = door_of(demo, "liveperson"), f"lp-{algorithm}-{uuid.uuid4()}"
    body = json.dumps(notification(conv_id, demo["account_id"])).encode()

    answer = send_as_liveperson(door, demo["account_id"], body, algorithm)

    assert answer.status_code == 200
    [received] = callback_server.wait_for(1, timeout_s=20)
    event = verified(received, door)
    assert event["data"]["conversationId"] == conv_id
    assert not event["data"]["automatic"]


def test_keys_are_rotated_while_everything_runs(
    houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    door = door_of(demo, "generic")

    houston.manage("rotate-keys", "--new-key")
    said = houston.manage("rotate-keys")
    answer = send_with_python(door, cloud_event(f"rotated-{uuid.uuid4()}", demo["account_id"]))

    assert "invoker.Connection.signing_secret: 0 re-encrypted" not in said
    assert answer.status_code == 202, answer.text
    [received] = callback_server.wait_for(1, timeout_s=20)
    assert verified(received, door)["data"]["command"]["text"]
    assert houston.get("/readyz").status_code == 200


def test_same_notification_twice_leads_to_one_delivery(
    houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    generic, liveperson = door_of(demo, "generic"), door_of(demo, "liveperson")
    event = cloud_event(f"twice-{uuid.uuid4()}", demo["account_id"])
    body = json.dumps(notification(f"twice-{uuid.uuid4()}", demo["account_id"])).encode()

    answers = [send_with_python(generic, event).json() for _ in range(2)]
    answers += [send_as_liveperson(liveperson, demo["account_id"], body).json() for _ in range(2)]

    fresh, repeated = {"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}
    assert answers == [fresh, repeated, fresh, repeated]
    callback_server.wait_for(2, timeout_s=20)
    time.sleep(3)  # a second delivery would have been knocked for by now
    assert len(callback_server.requests) == 2


def test_wrong_signature_is_refused_and_leaves_no_row(
    houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    generic, liveperson = door_of(demo, "generic"), door_of(demo, "liveperson")
    event = cloud_event(f"forged-{uuid.uuid4()}", demo["account_id"])
    body = json.dumps(notification(f"forged-{uuid.uuid4()}", demo["account_id"])).encode()
    before = rows(houston)

    first = send_with_python(generic, event, secret=generic["callback_secret"])
    second = send_as_liveperson({**liveperson, "signing_secret": "x"}, demo["account_id"], body)

    assert (first.status_code, first.json()["code"]) == (401, "bad-signature")
    assert (second.status_code, second.json()["code"]) == (401, "bad-signature")
    assert rows(houston) == before


def rows(houston: Houston) -> int:
    with sqlite3.connect(houston.data_dir / "houston.sqlite3") as database:
        count: int = database.execute("SELECT count(*) FROM invoker_notification").fetchone()[0]
    return count


def test_sender_that_falls_silent_is_answered_and_keeps_no_thread(houston: Houston) -> None:
    address = houston.url.removeprefix("http://").split(":")
    door = f"POST /events/{uuid.uuid4()} HTTP/1.1\r\nhost: localhost\r\n"
    with socket.create_connection((address[0], int(address[1])), timeout=30) as silent:
        silent.sendall(f"{door}content-length: 100\r\n\r\n{{".encode())

        answer = HTTPResponse(silent)
        answer.begin()
        said = json.loads(answer.read())

    assert (answer.status, said["code"]) == (408, "body-too-slow")


# Invoked over the API -----------------------------------------------------------------------------

TAKES_MS = 6000
# Half of the threads of both processes.
MOST_OF_AN_ACCOUNT = 16
MANY = 40
DEPLOY = """
import json, uuid
from houston import auth
from houston.models import Account, ApiClient, Scope
from invoker.models import Deployment

account = Account.objects.get(pk="{account_id}")
client = ApiClient.objects.create(
    account=account, name=str(uuid.uuid4()), scopes=[Scope.INVOCATION], secret_hash="!"
)
def deployed(body):
    code = "function lambda(input, callback) {{ " + body + " }}"
    return str(Deployment.objects.create(
        account_id=account.pk, function_id=uuid.uuid4(), function_name="over_the_api", version=1,
        code=code, active=True, created_by="kim",
    ).function_id)
print(json.dumps({{
    "token": auth.client_token(client, client.scopes),
    "greets": deployed("callback(null, 'hello ' + input.payload);"),
    "fails": deployed("callback(new Error('nothing in stock'));"),
    "takes": deployed("setTimeout(() => callback(null, 1), {takes_ms});"),
}}))
"""


class Api:
    """The gateway of the demo's account, and functions that it has."""

    def __init__(self, houston: Houston, account_id: str) -> None:
        script = DEPLOY.format(account_id=account_id, takes_ms=TAKES_MS)
        self.ids: dict[str, str] = json.loads(houston.manage("shell", "--no-imports", "-c", script))
        self.client = httpx.Client(
            base_url=f"{houston.url}/api/account/{account_id}",
            headers={"Authorization": f"Bearer {self.ids['token']}"},
            timeout=40,
        )

    def invoke(self, function: str, **headers: str) -> httpx.Response:
        return self.client.post(
            f"/lambdas/{self.ids[function]}/invoke",
            params={"v": "1", "externalSystem": "stack"},
            json={"timestamp": 0, "headers": [], "payload": "you"},
            headers=headers,
        )


@pytest.fixture(scope="module")
def api(houston: Houston) -> Iterator[Api]:
    found = Api(houston, houston.demo("http://127.0.0.1:9/commands")["account_id"])
    with found.client:
        yield found


def test_status_of_a_function_that_failed_comes_through_the_web_server(api: Api) -> None:
    request_id = str(uuid.uuid4())

    good = api.invoke("greets")
    bad = api.invoke("fails", **{"X-Request-ID": request_id})

    assert (good.status_code, good.text) == (200, '"hello you"')
    assert (bad.status_code, bad.reason_phrase) == (901, "Lambda Error")
    assert bad.headers["X-Request-ID"] == request_id
    assert bad.json() == {
        "errorCode": "com.liveperson.faas.handler.custom-failure",
        "errorMsg": "nothing in stock",
        "code": "com.customer.faas.function.threw-error",
        "message": "nothing in stock",
    }


def test_slow_functions_leave_the_console_and_the_doors_their_threads(
    houston: Houston, api: Api, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    event = cloud_event(f"beside-{uuid.uuid4()}", demo["account_id"])
    with ThreadPoolExecutor(MANY) as threads:
        asked = [threads.submit(api.invoke, "takes") for _ in range(MANY)]
        # Those that cannot run are answered at once, so by then the others run.
        while sum(one.done() for one in asked) < MANY - MOST_OF_AN_ACCOUNT:
            time.sleep(0.02)
        page = houston.get("/sign-in/")
        accepted = send_with_python(door_of(demo, "generic"), event)
        still_running = sum(not one.done() for one in asked)
        answers = [one.result() for one in asked]

    assert (page.status_code, accepted.status_code) == (200, 202)
    refused = [one for one in answers if one.status_code != 200]
    assert still_running > 0
    assert len(refused) >= MANY - MOST_OF_AN_ACCOUNT
    assert {
        (one.status_code, one.json()["code"], one.headers["Retry-After"]) for one in refused
    } == {(429, "too-many-at-once", "1")}


def test_ready_names_every_part(houston: Houston) -> None:
    health, ready = houston.get("/healthz"), houston.get("/readyz")

    assert health.json() == {"status": "ok"}
    assert ready.status_code == 200
    assert {name: check["ok"] for name, check in ready.json()["checks"].items()} == {
        "database": True,
        "broker": True,
        "worker": True,
        "beat": True,
        "migrations": True,
        "keys": True,
        "disk": True,
        "sandbox": True,
        "layers": True,
        "sockets": True,
    }


def test_ctrl_c_ends_everything_and_a_second_run_is_ready_in_seconds(
    callback_server: CallbackServer,
) -> None:
    with running() as product:
        demo = product.demo(callback_server.url)
        pids = product.pids()

        returncode = product.interrupt()

        assert returncode == 0
        assert len(pids) >= 5
        assert [pid for pid in pids if alive(pid)] == []
        assert "still at work" not in product.output()
        again = Houston(product.data_dir, **ONE_OF_EACH)
        try:
            again.wait(timeout_s=30)
            assert again.demo(callback_server.url)["account_id"] == demo["account_id"]
            assert f"{demo['sign_in']['username']} / {demo['sign_in']['password']}" in (
                again.output()
            )
        finally:
            again.interrupt()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_postgresql_and_a_broker_of_ones_own_are_an_environment_variable_away(
    callback_server: CallbackServer, broker: str
) -> None:
    start = {"redis": services.redis, "rabbitmq": services.rabbitmq}[broker]
    with (
        services.postgres() as database_url,
        start() as broker_url,
        running(
            DATABASE_URL=database_url,
            HOUSTON_BROKER_URL=broker_url,
            HOUSTON_WEB_WORKERS="2",
            HOUSTON_WORKER_PROCESSES="2",
        ) as product,
    ):
        demo = product.demo(callback_server.url)
        door = door_of(demo, "generic")
        event = cloud_event(f"{broker}-{uuid.uuid4()}", demo["account_id"])

        answers = [send_with_python(door, event).json() for _ in range(2)]

        assert answers == [{"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}]
        [received] = callback_server.wait_for(1, timeout_s=20)
        assert (
            verified(received, door)["data"]["conversationId"]
            == (event["data"]["changes"][0]["result"]["convId"])
        )
        time.sleep(2)
        assert len(callback_server.requests) == 1
        assert not (product.data_dir / "houston.sqlite3").exists()
