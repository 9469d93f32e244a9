"""The way back by HTTP: commands as CloudEvents, signed as Standard Webhooks.

The `webhook-id` is the command's own id and stays the same for every attempt, so that a receiver
can tell a repetition. Source: the Standard Webhooks specification, and CloudEvents 1.0 §3.
"""

import datetime as dt
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from django.utils import timezone
from standardwebhooks import Webhook

from invoker import telemetry
from invoker.platforms import posting
from invoker.platforms.contract import NO_CALLBACK_URL, DeliveryError

if TYPE_CHECKING:
    from invoker.models import Command, Connection

COMMAND_TYPES = {
    "systemMessage": "com.houston.messaging.command.system_message",
    "transfer": "com.houston.messaging.command.transfer",
    "closeConversation": "com.houston.messaging.command.close_conversation",
}


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
    # A list: while a secret is being changed, a receiver finds the one that it knows in it.
    signatures = [
        Webhook(secret).sign(str(command.pk), now.replace(tzinfo=dt.UTC), message.body.decode())
        for secret in connection.callback_secrets
    ]
    headers = {
        **message.headers,
        "webhook-id": str(command.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    parent = telemetry.traceparent()
    if parent:
        headers["traceparent"] = parent
    return posting.post(
        connection.callback_url,
        message.body,
        headers,
        who="The callback URL",
        account_id=connection.account_id,
    )
