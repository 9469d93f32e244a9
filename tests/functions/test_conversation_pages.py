"""The pages of conversations: the list, one of them, and playing one."""

import pytest
from django.test import Client
from django.urls import reverse

from houston.models import Account
from invoker import simulator
from invoker.models import Connection, Conversation, Platform, SimulatedLine
from invoker.simulator import acts
from tests import factories

ACCOUNT = factories.ACCOUNT_ID


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


@pytest.fixture
def simulated(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR)


def test_list_shows_every_conversation_of_the_account(
    developer_client: Client, account: Account
) -> None:
    factories.ConversationFactory(conv_id="c-4711")

    assert b"c-4711" in developer_client.get(url("conversations")).content


def test_conversation_is_started_and_played_by_forms_alone(
    developer_client: Client, simulated: Connection
) -> None:
    started = developer_client.post(
        url("conversation-start"),
        {"consumer": "Sam", "first_time": "yes", "text": "Hello", "language": "en-US"},
    )
    conversation = Conversation.objects.get()
    acted = developer_client.post(
        url("conversation-act", conversation.pk),
        {"side": "consumer", "act": "consumer_says", "text": "Anybody?"},
    )

    assert started.headers["Location"] == url("conversation", conversation.pk)
    assert acted.headers["Location"] == f"{url('conversation', conversation.pk)}#consumer"
    lines = SimulatedLine.objects.order_by("number")
    assert [line.text for line in lines] == ["Hello", "Anybody?"]


def test_act_that_cannot_be_done_keeps_the_text_and_says_why(
    developer_client: Client, simulated: Connection
) -> None:
    conversation = simulator.start(ACCOUNT, acts.Start(), by="kim")

    answer = developer_client.post(
        url("conversation-act", conversation.pk),
        {"side": "agent", "act": "agent_says", "text": "I am nobody"},
    )

    assert answer.status_code == 422
    assert "no agent is assigned, assign one first" in answer.content.decode()
    assert "I am nobody</textarea>" in answer.content.decode()
