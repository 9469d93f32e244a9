"""The doors as platforms knock on them, and what is held against whatever they answer."""

import base64
import hashlib
import hmac
import time
import zlib
from dataclasses import dataclass

from django.http import HttpResponse
from django.test import Client

from houston.manual import codes
from houston.models import Account, Role
from invoker import dispatch, events
from invoker.epoch import EPOCH
from invoker.models import (
    OPEN_COMMAND_STATES,
    Command,
    Connection,
    Conversation,
    Event,
    EventState,
    Notification,
    NotificationState,
    Platform,
    Verdict,
)
from tests import api, factories
from tests.hostile import cases, showing
from tests.invoker import senders, test_chatwoot

REFUSED = {400, 401, 403, 404, 405, 408, 409, 411, 413, 415}
LONGEST_MESSAGE = 1_000
# Says, logs and asks for what it was given, so that all of it comes by everywhere.
ECHO = """function lambda(input, callback) {
  const {routing, general, ...rest} = input.payload;
  console.info("got", input.payload);
  console.warn(JSON.stringify(rest));
  const text = JSON.stringify(input.payload).slice(0, 3000);
  const skill = (routing || {}).newSkillId;
  callback(null, [
    {type: "systemMessage", text},
    {type: "transfer", skillId: skill, agentId: (general || {}).convId},
    {type: "closeConversation"},
    {type: skill, text: skill},
  ]);
}
"""


@dataclass
class Doors:
    """One connection of each platform, and somebody who sees all that came by them."""

    account: Account
    console: Client
    api: api.Api
    generic: Connection
    liveperson: Connection
    chatwoot: Connection
    token: Connection

    def structured(self, body: bytes) -> HttpResponse:
        return self._generic(body, "application/cloudevents+json")

    def batch(self, body: bytes) -> HttpResponse:
        return self._generic(body, "application/cloudevents-batch+json; charset=utf-8")

    def binary(self, body: bytes, **attributes: str) -> HttpResponse:
        told = {
            "ce-specversion": "1.0",
            "ce-id": "event-1",
            "ce-source": "//tests/platform",
            "ce-type": "com.houston.messaging.conversation.updated",
        }
        return self._generic(body, "application/json", **told | attributes)

    def _generic(self, body: bytes, kind: str, **headers: str) -> HttpResponse:
        return send(self.generic, body, kind, **signed(self.generic, body), **headers)

    def webhook(self, body: bytes) -> HttpResponse:
        headers = senders.liveperson_headers(self.liveperson, body)
        return send(self.liveperson, body, "application/json", **headers)

    def chat(self, body: bytes) -> HttpResponse:
        headers = test_chatwoot.headers(body, secret=self.chatwoot.signing_secret)
        return send(self.chatwoot, body, "application/json", **headers)

    def by_token(self, body: bytes) -> HttpResponse:
        path = f"/{self.token.signing_secret}"
        return send(self.token, body, "application/json", path=path)


def signed(connection: Connection, body: bytes) -> dict[str, str]:
    """As the published library signs, which takes no bytes that are not text."""
    at = str(int(time.time()))
    key = base64.b64decode(connection.signing_secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"msg_1.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def send(
    connection: Connection, body: bytes, kind: str, *, path: str = "", method: str = "POST",
    **headers: str,
) -> HttpResponse:  # fmt: skip
    return Client().generic(
        method, f"/events/{connection.pk}{path}", body, content_type=kind, headers=headers
    )


def made(account: Account, callback_url: str) -> Doors:
    """Connections that are ready, and a function of each event that says all it was given."""
    user = factories.UserFactory(is_staff=True)
    for role in Role:
        factories.MembershipFactory(user=user, account=account, role=role)
    console = Client()
    console.force_login(user)
    for each in events.EVENT_TYPES:
        if each.startswith("controllerbot"):
            factories.deployed(event_type=each, code=ECHO)
    there = {
        "api_url": callback_url.removesuffix("/commands"),
        "api_account": "1",
        "api_token": "token",
    }
    # Long ago, so that what was captured years ago is news.
    since = {"listening_since": EPOCH}
    return Doors(
        account,
        console,
        api.of_client(account),
        factories.ConnectionFactory(callback_url=callback_url, **since),
        factories.ConnectionFactory(
            platform=Platform.LIVEPERSON, client_id="client-1", signing_secret="topsecret",
            callback_url=callback_url, **since,
        ),
        factories.ConnectionFactory(
            platform=Platform.CHATWOOT, signing_secret="topsecret", **there, **since
        ),
        factories.ConnectionFactory(
            platform=Platform.CHATWOOT, signing_secret="tokentoken", signs=False, **there, **since
        ),
    )  # fmt: skip


def hold(doors: Doors, where: str, response: HttpResponse, body: bytes) -> None:
    """Hold what a door answered against what it did."""
    cases.count(where, "tried")
    if response.status_code >= 400:
        hold_refusal(response)
        cases.count(where, "refused")
        return
    assert response.status_code in {200, 202}, response.content[:500]
    told = response.json()
    assert Notification.objects.count() == told["accepted"]
    for pk in Conversation.objects.values_list("pk", flat=True):
        dispatch.drain(pk)
    hold_handled()
    chance = zlib.crc32(body)
    if cases.IS_LONG or chance % 3 == 0:
        often = 8 if cases.IS_LONG else 24
        showing.everything(doors.console, doors.api, lists=chance % often == 0)
    cases.count(where, "accepted")


def hold_refusal(response: HttpResponse) -> None:
    """A code that is in the manual, a message for people, and no row."""
    assert response.status_code in REFUSED, (response.status_code, response.content[:500])
    told = response.json()
    assert told["code"] in codes.KNOWN, told
    message = told["message"]
    assert message.startswith("Cannot "), told
    assert message.isprintable(), told
    assert 20 < len(message) < LONGEST_MESSAGE, told
    assert not Notification.objects.exists()
    assert not Conversation.objects.exists()


def hold_handled() -> None:
    """Everything has its final state, and Houston failed on nothing of it."""
    for one in Notification.objects.all():
        assert one.state == NotificationState.DONE, (one.state, one.error)
    for event in Event.objects.all():
        assert event.state == EventState.DONE, (event.type, event.errors)
        assert event.verdict != Verdict.BROKEN, event.detail
    assert not Command.objects.filter(state__in=OPEN_COMMAND_STATES).exists()
