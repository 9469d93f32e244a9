"""Conversations of the simulator, from an act to what the bot did about it, with a real sandbox."""

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone

from houston.models import Account
from invoker.models import (
    AutomaticMessage,
    Connection,
    Conversation,
    Event,
    Invocation,
    Notification,
    Platform,
    Simulation,
    Verdict,
)
from invoker.simulator import scene
from tests import factories
from tests.invoker.simulated import NOON, begin, play, said, subtypes

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def connection(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR)


def deploy(event: str, value: Any) -> None:
    run(event, f"callback(null, {json.dumps(value)});")


def run(event: str, body: str) -> None:
    factories.DeploymentFactory(
        code=f"function lambda(input, callback) {{ {body} }}",
        event_type=f"controllerbot_messaging_{event}",
        function_name=event,
    )


def message(text: str) -> dict[str, str]:
    return {"type": "systemMessage", "text": text}


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


def test_what_a_person_does_right_after_the_bot_is_not_the_bots_doing(
    connection: Connection,
) -> None:
    deploy("new_conversation", {"type": "transfer", "skillId": "300"})

    conversation = begin()
    play(conversation, act="assign")
    play(conversation, act="close", by="agent")

    caused = {event.subtype: event.caused_by is not None for event in Event.objects.all()}
    assert caused == {
        "CONSUMER_OPEN_NEW_CONVERSATION": False,
        "ENGAGEMENT_TRANSFERED": True,
        "YOU_ARE_CONNECTED_TO": False,
        "AGENT_END_CONVERSATION": False,
    }


MOVES_ON = """
  const there = input.payload.routing.newSkillId;
  callback(null, {type: "transfer", skillId: there === "1" ? "2" : "1"});
"""


def test_functions_that_answer_each_others_transfers_are_stopped(connection: Connection) -> None:
    run("conversation_routing", MOVES_ON)

    conversation = begin(skill="1")
    play(conversation, act="transfer", skill="2")

    verdicts = list(Event.objects.order_by("position").values_list("verdict", flat=True))
    assert verdicts.count(Verdict.LOOP) == 1
    assert verdicts[-1] == Verdict.LOOP
    assert Invocation.objects.count() == 6
    assert conversation.events.latest("position").reason == "loop"


def test_time_stands_still_where_a_function_moves_the_conversation_at_every_silence(
    connection: Connection,
) -> None:
    """30 days would be 43,200 silences of a minute, and as many transfers."""
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=60, repeats=1)
    run("conversation_idle", MOVES_ON)

    conversation = begin(skill="1")
    play(conversation, act="wait", seconds=30 * 86_400)

    silences = conversation.events.filter(subtype="CONV_AWAITING_IN_QUEUE").order_by("position")
    assert [each.verdict for each in silences] == [Verdict.DELIVERED] * 20 + [Verdict.LOOP]
    assert Invocation.objects.count() == 20
    simulation = Simulation.objects.get()
    assert simulation.goes_to_ms is None
    conversation = Conversation.objects.get()
    assert dt.timedelta(minutes=20) < conversation.now() - NOON < dt.timedelta(minutes=25)
    assert said(conversation, "")[-1] == (
        "Time stopped here: the bot was going in circles, see the latest event"
    )
    assert "look for a function that moves the conversation" in silences[20].detail

    # A word of the consumer begins anew, and time can be let pass again.
    play(conversation, act="consumer_says", text="Hello?")
    play(conversation, act="transfer", skill="3")
    play(conversation, act="wait", seconds=90)
    assert silences.filter(verdict=Verdict.DELIVERED).count() == 21


def test_time_stands_still_where_what_comes_of_it_takes_long(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "LONGEST_PASSING_S", 0.0)
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=60, repeats=9)

    conversation = begin()
    play(conversation, act="wait", seconds=6000)

    assert subtypes(conversation)[1:] == ["CONV_AWAITING_IN_QUEUE"]
    assert said(conversation, "")[-1].startswith("Time stopped here: what came of it took over")
    assert Simulation.objects.get().goes_to_ms is None


def test_time_stands_still_after_as_many_events_as_one_wait_may_lead_to(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "MOST_WHILE_WAITING", 5)
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=60, repeats=99)

    conversation = begin()
    play(conversation, act="wait", seconds=6000)
    stopped = subtypes(conversation)
    play(conversation, act="wait", seconds=60)

    assert stopped[1:] == ["CONV_AWAITING_IN_QUEUE"] * 5
    assert said(conversation, "")[-1].startswith("Time stopped here: 5 events came of it so far")
    assert subtypes(conversation)[1:] == ["CONV_AWAITING_IN_QUEUE"] * 6
    assert Simulation.objects.get().goes_to_ms is None
