"""Conversations of the simulator, from an act to what the bot did about it, with a real sandbox."""

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone

from houston.models import Account
from invoker import dispatch, simulator
from invoker.models import (
    AutomaticMessage,
    Connection,
    Conversation,
    Event,
    Notification,
    Platform,
    Simulation,
)
from invoker.simulator import acts
from tests import factories

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR)


def deploy(event: str, value: Any) -> None:
    source = f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"
    factories.DeploymentFactory(
        code=source, event_type=f"controllerbot_messaging_{event}", function_name=event
    )


def message(text: str) -> dict[str, str]:
    return {"type": "systemMessage", "text": text}


def begin(**fields: Any) -> Conversation:
    act = acts.read({"act": "start", **fields})
    assert isinstance(act, acts.Start)
    conversation = simulator.start(factories.ACCOUNT_ID, act, by="kim", starts_at=NOON)
    dispatch.drain(conversation.pk)
    return conversation


def play(conversation: Conversation, **act: Any) -> None:
    simulator.perform(conversation, acts.read(act), by="kim")
    dispatch.drain(conversation.pk)


def said(conversation: Conversation) -> list[str]:
    """What the bot said, in order."""
    return [line.text for line in conversation.simulation.lines.filter(role="CONTROLLER")]


def subtypes(conversation: Conversation) -> list[str]:
    return list(conversation.events.order_by("position").values_list("subtype", flat=True))


def test_conversation_goes_through_all_seven_events_by_signed_notifications(
    connection: Connection,
) -> None:
    for event in ("new_conversation", "ttr", "participants_change", "conversation_idle",
                  "conversation_routing", "mid_conversation_msg", "conversation_end"):  # fmt: skip
        deploy(event, message(f"about {event}"))

    conversation = begin(first_time=True, skill="100")
    play(conversation, act="wait", seconds=5)
    play(conversation, act="urgent")
    play(conversation, act="assign")
    play(conversation, act="agent_says", text="Hi, I am Kim")
    play(conversation, act="wait", seconds=1800)
    play(conversation, act="transfer", skill="200")
    play(conversation, act="office", state="closed")
    play(conversation, act="consumer_says", text="Anybody there?")
    play(conversation, act="close", by="consumer")

    assert subtypes(conversation) == [
        "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
        "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
        "YOU_ARE_CONNECTED_TO",
        "CONSUMER_NON_RESPONSIVE",
        "ENGAGEMENT_TRANSFERED",
        "CONSUMER_SEND_MESSAGE_ON_OFFHOURS",
        "CONSUMER_END_CONVERSATION",
    ]
    assert said(conversation) == [
        "about new_conversation", "about ttr", "about participants_change",
        "about conversation_idle", "about conversation_routing", "about mid_conversation_msg",
        "about conversation_end",
    ]  # fmt: skip
    assert set(Event.objects.values_list("verdict", flat=True)) == {"delivered"}
    assert not Notification.objects.exclude(state="done").exists()


def test_bot_transfers_and_closes_what_it_was_asked_to(connection: Connection) -> None:
    deploy("new_conversation", [{"type": "transfer", "skillId": "300"}, message("moving you")])
    deploy("conversation_routing", {"type": "closeConversation"})

    conversation = begin()

    assert subtypes(conversation) == [
        "CONSUMER_OPEN_NEW_CONVERSATION", "ENGAGEMENT_TRANSFERED", "SYSTEM_END_CONVERSATION",
    ]  # fmt: skip
    simulation = Simulation.objects.get()
    assert (simulation.scene["skill_id"], simulation.scene["state"]) == ("300", "CLOSE")
    assert said(conversation)[0] == "moving you"
    assert [event.caused_by is not None for event in Event.objects.order_by("position")] == [
        False, True, True,
    ]  # fmt: skip


def test_time_that_is_let_pass_stops_at_everything_that_runs_out_on_the_way(
    connection: Connection,
) -> None:
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=60, repeats=3)
    deploy("conversation_idle", message("still here"))

    conversation = begin()
    play(conversation, act="wait", seconds=600)

    events = Event.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").order_by("position")
    late = [round((event.occurred_at - NOON).total_seconds()) for event in events]
    assert late == [60, 120, 180]
    assert said(conversation)[-3:] == ["still here"] * 3
    simulation = Simulation.objects.get()
    assert simulation.goes_to_ms is None
    conversation.refresh_from_db()
    assert abs(conversation.now() - NOON - dt.timedelta(seconds=600)).total_seconds() < 30
    # The rows themselves are of today, whatever the conversation's clock says.
    assert all(timezone.now() - event.received_at < dt.timedelta(minutes=1) for event in events)
