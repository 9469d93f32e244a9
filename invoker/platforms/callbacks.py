"""The way back by HTTP: commands as CloudEvents, signed as Standard Webhooks.

The `webhook-id` is the command's own id and stays the same for every attempt, so that a receiver
can tell a repetition. Source: the Standard Webhooks specification, and CloudEvents 1.0 §3.
"""

import datetime as dt
import time
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from django.conf import settings
from django.utils import timezone
from standardwebhooks import Webhook

from invoker.platforms.contract import NO_CALLBACK_URL, DeliveryError

if TYPE_CHECKING:
    from invoker.models import Command, Connection

WORDS_BYTES = 200
COMMAND_TYPES = {
    "systemMessage": "com.houston.messaging.command.system_message",
    "transfer": "com.houston.messaging.command.transfer",
    "closeConversation": "com.houston.messaging.command.close_conversation",
}
# Answers that say "not this request", as opposed to "not now".
_RETRIED_CLIENT_ERRORS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@cache
def _client() -> httpx.Client:
    """One client for all threads of a process: it keeps connections open between commands."""
    return httpx.Client(
        timeout=httpx.Timeout(settings.CALLBACK_TIMEOUT_S, connect=5.0),
        follow_redirects=False,
        headers={"user-agent": "Houston", "accept-encoding": "identity"},
        trust_env=False,
    )


def post(connection: "Connection", command: "Command") -> str:
    """Send one command to the connection's callback URL and say what came back.

    Raises:
        DeliveryError: there is no URL, nobody answered, or the answer was not 2xx.
    """
    if not connection.callback_url:
        raise DeliveryError(
            f'Cannot deliver to "{connection.name}": it has no callback URL, set one under '
            "Settings, Connections",
            permanent=True,
            reason=NO_CALLBACK_URL,
        )
    event = command.event
    conv_id = event.conversation.conv_id
    message = to_structured_event(
        CloudEvent(
            attributes={
                "id": str(command.pk),
                "source": f"//houston/accounts/{command.account_id}",
                "type": COMMAND_TYPES[command.type],
                "subject": quote(conv_id, safe=""),
                "time": command.created_at,
                "datacontenttype": "application/json",
            },
            data={
                "accountId": command.account_id,
                "conversationId": conv_id,
                "dialogId": event.payload.get("general", {}).get("dialogId") or conv_id,
                "eventId": str(event.pk),
                "eventType": event.type,
                "cbotEventType": event.subtype,
                "automatic": command.is_default,
                "command": command.shown,
            },
        )
    )
    now = timezone.now()
    signature = Webhook(connection.callback_secret).sign(
        str(command.pk), now.replace(tzinfo=dt.UTC), message.body.decode()
    )
    headers = {
        **message.headers,
        "webhook-id": str(command.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        status, said, retry_after = _post(connection.callback_url, message.body, headers)
    except httpx.TimeoutException as error:
        raise DeliveryError(
            f"No answer within {settings.CALLBACK_TIMEOUT_S:g} s ({type(error).__name__})"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DeliveryError(f"Cannot reach the callback URL: {error}") from error
    if httpx.codes.is_success(status):
        return said
    temporary = httpx.codes.is_server_error(status) or status in _RETRIED_CLIENT_ERRORS
    raise DeliveryError(
        f"The callback URL answered {said}",
        permanent=not temporary,
        retry_after_s=_seconds(retry_after),
    )


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, str]:
    """The status, what to show of the answer, and its Retry-After.

    Success is settled by the status line. Of a refusal the first words are read, and no longer
    than a callback may take: a body that drips must not hold a worker.
    """
    ends_at = time.monotonic() + settings.CALLBACK_TIMEOUT_S
    with _client().stream("POST", url, content=body, headers=headers) as response:
        said = f"{response.status_code} {response.reason_phrase}".strip()
        words = b""
        if not response.is_success:
            for part in response.iter_raw():
                words += part
                if len(words) >= WORDS_BYTES or time.monotonic() > ends_at:
                    break
    text = words[:WORDS_BYTES].decode("utf-8", "replace").replace("\0", "").strip()
    return (
        response.status_code,
        f"{said}: {text}" if text else said,
        response.headers.get("retry-after", ""),
    )


def _seconds(retry_after: str) -> float | None:
    try:
        return min(3600.0, max(0.0, float(retry_after)))
    except ValueError:
        return None
