"""A test notification: sent to the installation's own door as the platform would, signed by it.

It is a line of a conversation that never begins: it is checked, stored and handled like any other,
and no event can come of it, so no function runs and no command goes out.
"""

import datetime as dt
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from standardwebhooks import Webhook

from invoker import ingest
from invoker.models import Connection, Notification, Platform
from invoker.platforms import chatwoot, generic
from invoker.platforms.liveperson import webhooks

CONVERSATION_ID: Final = "houston-test"
# Chatwoot numbers its conversations from 1 on.
CHATWOOT_ID: Final = 0
CONVERSATION_IDS: Final = frozenset({CONVERSATION_ID, str(CHATWOOT_ID)})


class NoWebhookError(Exception):
    """The connection gets its notifications by another way."""

    code = "no-webhook"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door said. `notification` is what it stored, None when it turned that away."""

    status: int
    code: str
    message: str
    notification: Notification | None


def send(connection: Connection) -> Answer:
    """Send a test notification through the real door, with its real check of the signature.

    Raises:
        NoWebhookError: nothing was sent.
    """
    if connection.platform == Platform.LIVEPERSON and not connection.client_id:
        raise NoWebhookError(
            f'Cannot send a test to "{connection.name}": its notifications come by the agent '
            "socket, see there whether it is connected"
        )
    body, headers = _signed(connection)
    token = "" if connection.signs else connection.signing_secret
    request_id = f"test:{uuid.uuid4().hex}"
    response = ingest.hand_over(connection, body, headers, request_id, token)
    said: dict[str, Any] = json.loads(response.content)
    return Answer(
        status=response.status_code,
        code=said.get("code", ""),
        message=said.get("message", ""),
        notification=Notification.objects.filter(
            connection=connection, request_id=request_id
        ).first(),
    )


def is_test(notification: Notification) -> bool:
    """Whether we sent it ourselves. Ids from outside hold no colon."""
    return (
        notification.request_id.startswith("test:")
        and notification.conversation.conv_id in CONVERSATION_IDS
    )


def _signed(connection: Connection) -> tuple[bytes, dict[str, str]]:
    """The body of a notification and the headers that a platform proves itself with."""
    now = timezone.now()
    now_ms = int(now.timestamp() * 1000)
    match connection.platform:
        case Platform.LIVEPERSON:
            body = json.dumps(_liveperson(now_ms)).encode()
            return body, {
                "content-type": "application/json",
                webhooks.ACCOUNT: connection.account_id,
                webhooks.CLIENT: connection.client_id,
                webhooks.SIGNATURE: webhooks.sign(connection.signing_secret, body, "sha256"),
            }
        case Platform.CHATWOOT:
            body = json.dumps(_chatwoot(connection, now, now_ms)).encode()
            headers = {"content-type": "application/json", chatwoot.DELIVERY: str(uuid.uuid4())}
            if connection.signs:
                stamp = str(int(time.time()))
                headers[chatwoot.TIMESTAMP] = stamp
                headers[chatwoot.SIGNATURE] = chatwoot.sign(connection.signing_secret, stamp, body)
            return body, headers
    body = json.dumps(_generic(now_ms)).encode()
    key = f"test_{uuid.uuid4().hex}"
    signature = Webhook(connection.signing_secret).sign(key, now.astimezone(dt.UTC), body.decode())
    return body, {
        "content-type": "application/cloudevents+json",
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def _generic(now_ms: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//houston/test",
        "type": generic.MESSAGE_CREATED,
        "datacontenttype": "application/json",
        "data": {
            "conversationId": CONVERSATION_ID,
            "sequence": now_ms,
            "ts": now_ms,
            "role": "CONSUMER",
            "participantId": CONVERSATION_ID,
            "text": "This is a test",
        },
    }


def _liveperson(now_ms: int) -> dict[str, Any]:
    change = {
        "sequence": now_ms,
        "dialogId": CONVERSATION_ID,
        "conversationId": CONVERSATION_ID,
        "serverTimestamp": now_ms,
        "originatorId": CONVERSATION_ID,
        "originatorMetadata": {"id": CONVERSATION_ID, "role": "CONSUMER"},
        "event": {
            "type": "ContentEvent", "contentType": "text/plain", "message": "This is a test",
        },
    }  # fmt: skip
    return {
        "kind": "notification",
        "type": "ms.MessagingEventNotification",
        "body": {"dialogId": CONVERSATION_ID, "changes": [change]},
    }


def _chatwoot(connection: Connection, now: dt.datetime, now_ms: int) -> dict[str, Any]:
    number = int(connection.api_account) if connection.api_account.isdecimal() else None
    return {
        "event": chatwoot.MESSAGE_CREATED,
        **({"account": {"id": number}} if number is not None else {}),
        "id": now_ms,
        "message_type": "incoming",
        "content": "This is a test",
        "created_at": now.isoformat(),
        "conversation": {"id": CHATWOOT_ID, "status": "open"},
    }
