"""One conversation, from its start to its end, by the socket in and by the socket out."""

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from invoker import dispatch
from invoker.models import AutomaticMessage, Connection, Conversation, OfficeHours
from tests import factories
from tests.liveperson.conftest import Start, eventually, is_connected
from tests.liveperson.ums import ACCOUNT, Ums

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

# What the function of each event asks for beside a message.
MORE: dict[str, list[dict[str, str]]] = {
    "new_conversation": [],
    "participants_change": [],
    "ttr": [{"type": "transfer", "skillId": "200"}],
    "conversation_routing": [],
    "conversation_idle": [{"type": "transfer", "agentId": "502"}],
    "mid_conversation_msg": [{"type": "closeConversation"}],
    "conversation_end": [],
}
SOURCE = """
function lambda(input, callback) {
  const text = "%s: " + input.payload.general.cbotEventType;
  callback(null, [{ type: "systemMessage", text }, ...%s]);
}
"""


@pytest.fixture
def functions(agent: Connection) -> None:
    """A deployed function for each of the seven events."""
    for word, commands in MORE.items():
        factories.DeploymentFactory(
            account_id=ACCOUNT,
            event_type=f"controllerbot_messaging_{word}",
            function_name=word,
            code=SOURCE % (word, commands),
        )
    AutomaticMessage.objects.filter(account_id=ACCOUNT).delete()


@pytest.fixture
def worker(agent: Connection) -> Iterator[None]:
    """What Celery's workers do, in a thread."""
    stopping = threading.Event()

    def work() -> None:
        due = Conversation.objects.filter(due_at__isnull=False)
        try:
            while not stopping.wait(0.02):
                for pk in due.filter(due_at__lte=timezone.now()).values_list("pk", flat=True):
                    dispatch.drain(pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stopping.set()
    thread.join(30)


def acts(ums: Ums) -> list[Any]:
    """What the bot did, oldest first: texts that it wrote, and changes that it asked for."""
    found: list[Any] = []
    for frame in ums.sent_by(ums.bot):
        match frame["type"]:
            case ".ams.ms.PublishEvent":
                found.append((frame["body"]["dialogId"], frame["body"]["event"]["message"]))
            case ".ams.cm.UpdateConversationField":
                found.append(frame["body"]["conversationField"])
    return found


@pytest.mark.usefixtures("functions", "worker")
def test_conversation_is_accompanied_from_start_to_end(
    ums: Ums, agent: Connection, start: Start
) -> None:
    # So that a survey follows, in which the last message can be read.
    agent.close_mode = "dialog"
    agent.save()
    ums.has_survey = True
    AutomaticMessage.objects.create(
        account_id=ACCOUNT, subtype="CONV_AWAITING_IN_QUEUE", timer_s=2, repeats=1
    )
    start()
    assert eventually(is_connected)

    conversation = ums.open(text="hello", skill="100", first=True)
    main = conversation.id
    steps: list[Any] = []

    def expect(*more: Any) -> None:
        steps.extend(more)
        assert eventually(lambda: len(acts(ums)) >= len(steps), timeout_s=30), (steps, acts(ums))
        assert acts(ums) == steps

    def member(kind: str, role: str, user_id: str) -> dict[str, str]:
        return {"field": "ParticipantsChange", "type": kind, "role": role, "userId": user_id}

    expect(
        [member("ADD", "MANAGER", ums.bot.old_id)],
        (main, "new_conversation: CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME"),
    )
    conversation.assign(ums.anna)
    expect((main, "participants_change: YOU_ARE_CONNECTED_TO"))
    conversation.urgent()
    expect(
        (main, "ttr: CONSUMER_ASKED_URGENT_RESPONSE_TIME"),
        [
            member("REMOVE", "ASSIGNED_AGENT", ums.anna.old_id),
            {"field": "Skill", "type": "UPDATE", "skill": "200"},
        ],
        (main, "conversation_routing: ENGAGEMENT_TRANSFERED"),
    )
    expect(
        (main, "conversation_idle: CONV_AWAITING_IN_QUEUE"),
        [
            member("SUGGEST", "ASSIGNED_AGENT", ums.ben.old_id),
            {"field": "Skill", "type": "UPDATE", "skill": "200"},
        ],
    )
    conversation.assign(ums.ben)
    expect((main, "participants_change: YOU_ARE_CONNECTED_TO"))
    now = timezone.now()
    OfficeHours.objects.create(
        account_id=ACCOUNT,
        name="Always",
        is_default=True,
        off_since=now,
        off_until=now + dt.timedelta(hours=1),
    )
    # Whoever works on the conversation now may go by the hours of before.
    assert eventually(Conversation.objects.filter(lease_until=None).exists)
    conversation.says("anybody there?")
    expect(
        (main, "mid_conversation_msg: CONSUMER_SEND_MESSAGE_ON_OFFHOURS"),
        [
            {
                "field": "DialogChange",
                "type": "UPDATE",
                "dialog": {"dialogId": main, "state": "CLOSE"},
            }
        ],
    )
    survey = conversation.dialogs[-1].id
    expect((survey, "conversation_end: AGENT_END_CONVERSATION"))
