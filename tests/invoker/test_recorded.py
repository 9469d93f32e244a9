"""One recorded conversation on every platform: what arrives on the wire, exactly and in order."""

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone

from houston.models import Account
from invoker import dispatch, hours
from invoker.models import (
    Conversation,
    Event,
    Invocation,
    OfficeHours,
    Platform,
)
from tests import factories
from tests.conftest import CallbackServer
from tests.invoker import recorded

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

SUBTYPES = [
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
    "YOU_ARE_CONNECTED_TO",
    "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
    "ENGAGEMENT_TRANSFERED",
    "CONV_AWAITING_IN_QUEUE",
    "ENGAGEMENT_TRANSFERED",
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS",
    "AGENT_END_CONVERSATION",
]
COMMANDS: list[dict[str, Any]] = [
    {"type": "systemMessage", "text": "welcome"},
    {"type": "systemMessage", "text": "connected"},
    {"type": "systemMessage", "text": "urgent"},
    {"type": "systemMessage", "text": "moved"},
    {"type": "systemMessage", "text": "sorry"},
    {"type": "transfer", "skillId": "9"},
    {"type": "systemMessage", "text": "moved"},
    {"type": "systemMessage", "text": "closed now"},
    {"type": "closeConversation"},
    {"type": "systemMessage", "text": "bye"},
]


@pytest.fixture(autouse=True)
def functions(account: Account) -> None:
    """One deployed function per event, and one skill whose queue may not last longer than 15 s."""
    for event, result in recorded.FUNCTIONS.items():
        factories.DeploymentFactory(
            code=f"function lambda(input, callback) {{ callback(null, {json.dumps(result)}); }}",
            event_type=f"controllerbot_messaging_{event}",
            function_name=event,
        )
    factories.AutomaticMessageFactory(subtype="CONV_AWAITING_IN_QUEUE", skill_id="7", timer_s=15)


def work() -> None:
    Conversation.objects.update(due_at=timezone.now())
    dispatch.drain(Conversation.objects.get().pk)


def go_off_hours() -> None:
    now = timezone.now()
    OfficeHours.objects.create(
        account_id=factories.ACCOUNT_ID,
        name="Main",
        is_default=True,
        workdays=hours.all_week("UTC"),
        off_since=now - dt.timedelta(seconds=1),
        off_until=now + dt.timedelta(hours=1),
    )


def happened() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("position").values_list("subtype", "verdict"))


def test_recorded_conversation_on_generic(callback_server: CallbackServer) -> None:
    connection = factories.ConnectionFactory(callback_url=callback_server.url)

    recorded.generic(connection, work).play(go_off_hours=go_off_hours)

    assert recorded.called_back(callback_server) == COMMANDS
    assert happened() == [(subtype, "delivered") for subtype in SUBTYPES]
    assert Invocation.objects.filter(outcome="SUCCEEDED").count() == len(SUBTYPES)


def test_recorded_conversation_on_liveperson_webhooks(callback_server: CallbackServer) -> None:
    connection = factories.ConnectionFactory(
        platform=Platform.LIVEPERSON, client_id="client-1", callback_url=callback_server.url
    )

    recorded.liveperson(connection, work).play(go_off_hours=go_off_hours)

    assert recorded.called_back(callback_server) == COMMANDS
    assert happened() == [(subtype, "delivered") for subtype in SUBTYPES]


def test_recorded_conversation_on_chatwoot(callback_server: CallbackServer) -> None:
    connection = factories.ConnectionFactory(
        platform=Platform.CHATWOOT,
        api_url=callback_server.url.removesuffix("/commands"),
        api_account="1",
        api_token="bot-token",
    )

    recorded.chatwoot(connection, work).play(go_off_hours=go_off_hours)

    base = "/api/v1/accounts/1/conversations/10"

    def says(text: str) -> tuple[str, Any]:
        body = {"content": text, "message_type": "outgoing", "private": False}
        return f"{base}/messages", body

    assert recorded.called(callback_server) == [
        says("welcome"),
        says("connected"),
        says("urgent"),
        says("moved"),
        says("sorry"),
        (f"{base}/assignments", {"team_id": 9}),
        says("moved"),
        says("closed now"),
        (f"{base}/toggle_status", {"status": "resolved"}),
        says("bye"),
    ]
    assert happened() == [(subtype, "delivered") for subtype in SUBTYPES]
