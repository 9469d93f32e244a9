"""How platforms speak to the doors in tests: real signers, today's timestamps."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from django.test import Client
from standardwebhooks import Webhook

from invoker.models import Connection

CONSUMER = {"id": "consumer-1", "role": "CONSUMER"}
AGENT = {"id": "agent-1", "role": "ASSIGNED_AGENT"}


def now_ms() -> int:
    return int(time.time() * 1000)


def updated(conv_id: str = "c-1", **facts: Any) -> dict[str, Any]:
    """A snapshot of a conversation as one CloudEvent; by default one that has just been opened."""
    at = facts.pop("at", now_ms())
    data = {
        "conversationId": conv_id,
        "state": "OPEN",
        "skillId": "42",
        "participants": [CONSUMER],
        "ttr": {"ttrType": "NORMAL", "value": 600},
        "startTs": at,
        "updatedTs": at,
        "firstConversation": True,
    } | facts
    return cloud_event("com.houston.messaging.conversation.updated", data)


def line(conv_id: str = "c-1", *, sequence: int = 0, role: str = "CONSUMER", **facts: Any):
    """A line of text as one CloudEvent."""
    data = {
        "conversationId": conv_id,
        "dialogId": conv_id,
        "sequence": sequence,
        "ts": facts.pop("at", now_ms()),
        "role": role,
        "participantId": "consumer-1" if role == "CONSUMER" else "agent-1",
        "contentType": "text/plain",
        "text": "hello",
    } | facts
    return cloud_event("com.houston.messaging.message.created", data)


def cloud_event(kind: str, data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//tests/platform",
        "type": kind,
        "datacontenttype": "application/json",
        "data": data,
    }


def signed(connection: Connection, body: bytes, *, secret: str = "", at: dt.datetime | None = None):
    """The Standard Webhooks headers of a body, as the published library makes them."""
    at = at or dt.datetime.now(dt.UTC)
    webhook = Webhook(secret or connection.signing_secret)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": webhook.sign("msg_1", at, body.decode()),
    }


def post(connection: Connection, event: Any, *, content_type: str = "", **headers: str):
    """Send one event, or a list as a batch, the way a careful sender does."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    kind = "application/cloudevents-batch+json" if isinstance(event, list) else ""
    return Client().post(
        f"/events/{connection.pk}",
        data=body,
        content_type=content_type or kind or "application/cloudevents+json",
        headers=signed(connection, body) | headers,
    )


def liveperson_headers(connection: Connection, body: bytes, algorithm: str = "sha1"):
    digest = hmac.new(connection.signing_secret.encode(), body, getattr(hashlib, algorithm))
    return {
        "X-Liveperson-Account-Id": connection.account_id,
        "X-Liveperson-Client-Id": connection.client_id,
        "X-Liveperson-Signature": f"{algorithm}={base64.b64encode(digest.digest()).decode()}",
    }
