"""The bot's own socket: what comes in by it, and how it is kept."""

import json
from typing import Any

import pytest
from django.utils import timezone

from invoker.models import AgentSession, AgentSessionState, Connection, Notification
from tests.liveperson.conftest import Start, eventually
from tests.liveperson.ums import Ums

pytestmark = pytest.mark.django_db(transaction=True)


def session() -> AgentSession:
    return AgentSession.objects.get()


def is_connected() -> bool:
    return AgentSession.objects.filter(state=AgentSessionState.CONNECTED).exists()


def lines() -> list[str]:
    """The texts of all messages that were stored, in the order of their arrival."""
    found = Notification.objects.filter(kind=".ams.ms.OnlineEventDistribution").order_by("pk")
    bodies = [json.loads(bytes(one.body))["body"] for one in found]
    return [body["event"]["message"] for body in bodies]


def sent(ums: Ums, kind: str) -> list[dict[str, Any]]:
    return [frame["body"] for frame in ums.sent_by(ums.bot, kind)]


def test_first_connection_knows_what_is_open_and_joins_it(
    ums: Ums, agent: Connection, start: Start
) -> None:
    conversation = ums.open(text="hello", age_s=3600)
    ums.open(text="bye").close()
    before = timezone.now()

    start()

    assert eventually(lambda: lines() == ["hello"])
    assert eventually(lambda: conversation.member(ums.bot, "MANAGER"))
    agent.refresh_from_db()
    assert set(agent.own_ids) == {ums.bot.old_id, ums.bot.pid}
    assert agent.listening_since >= before
    assert session().state == AgentSessionState.CONNECTED
    assert session().connected_at >= before
    assert sent(ums, ".ams.aam.SubscribeExConversations") == [{"convState": ["OPEN"]}]
    assert agent.conversations.count() == 1


def test_conversation_is_joined_once_whatever_happens_in_it(
    ums: Ums, agent: Connection, start: Start
) -> None:
    start()
    assert eventually(is_connected)

    conversation = ums.open(text="hello")
    assert eventually(lambda: conversation.member(ums.bot))
    conversation.assign(ums.anna)
    conversation.reply(ums.anna, "hi")
    conversation.says("thanks")

    assert eventually(lambda: lines() == ["hello", "hi", "thanks"])
    assert len(sent(ums, ".ams.cm.UpdateConversationField")) == 1
