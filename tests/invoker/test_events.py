"""The catalogue of events and its samples."""

import json

import msgspec
import pytest

from invoker import events

CORE = [
    "controllerbot_messaging_new_conversation",
    "controllerbot_messaging_ttr",
    "controllerbot_messaging_participants_change",
    "controllerbot_messaging_conversation_idle",
    "controllerbot_messaging_conversation_routing",
    "controllerbot_messaging_mid_conversation_msg",
    "controllerbot_messaging_conversation_end",
]


def test_core_events_are_the_seven_conversation_state_changes():
    assert [each.id for each in events.EVENT_TYPES.values() if each.core] == CORE


def test_only_controller_bot_events_run_commands():
    running = [each.id for each in events.EVENT_TYPES.values() if each.runs_commands]

    assert running == [*CORE, "controllerbot_messaging_consumer_step_up"]


def test_single_event_types_are_those_one_function_may_have():
    single = set(events.SINGLE_EVENT_TYPES)

    assert single == {
        *CORE,
        "controllerbot_messaging_consumer_step_up",
        "surveybot_messaging_survey_started",
        "surveybot_messaging_survey_ended",
    }


def test_subtypes_are_the_platforms_and_two_of_ours_and_belong_to_one_event_each():
    subtypes = [subtype for each in events.EVENT_TYPES.values() for subtype in each.subtypes]
    ours = {"CONSUMER_JOINED_CONVERSATION", "CONSUMER_LEFT_CONVERSATION"}

    assert len(subtypes) == len(set(subtypes))
    assert ours < set(subtypes)
    assert len(set(subtypes) - ours) == 21


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_sample_is_a_plain_json_document(event_type_id):
    document = events.sample(event_type_id)

    assert document == json.loads(json.dumps(document))
    assert list(document) == ["headers", "payload"]
    assert document["headers"] == []


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_sample_is_a_new_object_at_every_call(event_type_id):
    events.sample(event_type_id)["payload"]["spoilt"] = True

    assert "spoilt" not in events.sample(event_type_id)["payload"]


@pytest.mark.parametrize(
    "event_type", [each for each in events.EVENT_TYPES.values() if each.runs_commands]
)
def test_sample_has_all_groups_and_a_subtype_of_its_event(event_type):
    payload = events.sample(event_type.id)["payload"]

    assert msgspec.json.decode(msgspec.json.encode(msgspec.convert(payload, events.Payload))) == (
        payload
    )
    assert payload["general"]["cbotEventType"] in event_type.subtypes


def test_sample_keeps_the_platforms_spelling():
    payload = events.sample(events.NEW_CONVERSATION.id)["payload"]

    assert payload["general"]["clientIpAdress"] == "203.0.113.7"
    assert payload["general"]["contextType"] == "SharkContext"
    assert payload["general"]["campaignInfo"]["engagementId"] == "2327699912"
    assert payload["general"]["effectiveTTR"] == "1700000600000"
    assert payload["idle"]["consumerNonResponsive"] == {"time": 30, "timeUnits": "minutes"}


def test_sample_of_an_unknown_event_type_is_refused():
    with pytest.raises(KeyError):
        events.sample("controllerbot_messaging_party")
