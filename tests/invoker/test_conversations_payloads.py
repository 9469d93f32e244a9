"""What functions receive."""

import copy
from typing import Any

import pytest

from invoker import events
from tests.invoker.notifications import (
    AGENT,
    COLLEAGUE,
    CONSUMER,
    T0,
    captured,
    closed,
    event,
    line,
    play,
    snapshot,
    subtypes,
)


def test_payload_of_a_new_conversation_is_complete():
    context = {
        "type": "SharkContext",
        "lang": "de-DE",
        "visitorId": 1528463744580,
        "sessionId": "s-1",
        "clientProperties": {"ipAddress": "203.0.113.7", "features": ["AUTO_MESSAGES"]},
    }
    notification = snapshot(
        context=context,
        firstConversation=True,
        campaignInfo={"campaignId": "11", "engagementId": 12},
        last=event(0, 0),
    )

    _, [derived], _ = play(notification)

    assert derived.type == "controllerbot_messaging_new_conversation"
    assert derived.occurred_ms == T0
    assert derived.payload == {
        "general": {
            "cbotEventType": "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
            "type": "UPSERT",
            "convId": "c-1",
            "dialogId": "c-1",
            "sessionId": "s-1",
            "startTs": T0,
            "effectiveTTR": "1700000600000",
            "oldConvState": "CLOSE",
            "newConvState": "OPEN",
            "contextType": "SharkContext",
            "campaignInfo": {"id": "11", "engagementId": "12"},
            "clientLanguage": "de-DE",
            "clientFeatures": ["AUTO_MESSAGES"],
            "inOffHours": False,
            "visitorId": "1528463744580",
            "originatorId": "con-1",
            "originatorPid": "con-1",
            "originatorMetadata": {"id": "con-1", "role": "CONSUMER"},
            "serverTimestamp": T0,
            "clientIpAdress": "203.0.113.7",
            "manualETTR": None,
            "lastMessageComposer": "CONSUMER",
            "lastMessageTs": T0,
            "lastAgentMsgTs": None,
            "backToQueueTs": None,
        },
        "start": {"firstConversation": True},
        "end": {"closeReason": None},
        "ttr": {
            "oldTtr": {"ttrType": "NORMAL", "value": 600},
            "newTtr": {"ttrType": "NORMAL", "value": 600},
        },
        "routing": {"oldSkillId": "-1", "newSkillId": "100"},
        "participantChange": {"oldParticipants": [], "newParticipants": [CONSUMER]},
        "mid": {"openedInOffHours": False},
        "idle": {
            "lastConsumerMsgTs": T0,
            "agentNonResponsive": {"time": 10, "timeUnits": "minutes"},
            "consumerNonResponsive": {"time": 30, "timeUnits": "minutes"},
            "convNotTakenTime": {"time": 5, "timeUnits": "minutes"},
        },
    }


def test_payload_shows_before_and_after_of_a_change():
    state, _, _ = play(snapshot(participants=[CONSUMER, COLLEAGUE]), line(0, 1, AGENT))

    _, derived, _ = play(
        snapshot(
            5,
            skillId="200",
            participants=[CONSUMER, AGENT],
            ttr={"ttrType": "CUSTOM", "value": 60},
            manualETTR=T0 + 60_000,
        ),
        state=state,
    )

    payload = derived[0].payload
    assert payload["routing"] == {"oldSkillId": "100", "newSkillId": "200"}
    assert payload["participantChange"] == {
        "oldParticipants": [CONSUMER, COLLEAGUE],
        "newParticipants": [CONSUMER, AGENT],
    }
    assert payload["ttr"] == {
        "oldTtr": {"ttrType": "NORMAL", "value": 600},
        "newTtr": {"ttrType": "CUSTOM", "value": 60},
    }
    assert payload["general"]["manualETTR"] == str(T0 + 60_000)
    assert payload["idle"]["lastConsumerMsgTs"] is False
    assert [each.payload["general"]["cbotEventType"] for each in derived] == subtypes(derived)


def test_payload_shows_when_the_consumer_wrote_only_while_nobody_has_answered():
    state, _, _ = play(snapshot(participants=[CONSUMER, AGENT]), line(0, 1))

    _, [waiting], _ = play(snapshot(5, skillId="200"), state=state)
    state, _, _ = play(line(1, 2, AGENT), state=state)
    _, [answered, *_], _ = play(snapshot(5, skillId="200"), state=state)

    assert waiting.payload["idle"]["lastConsumerMsgTs"] == T0 + 1000
    assert answered.payload["idle"]["lastConsumerMsgTs"] is False


@pytest.mark.parametrize(("said", "reason"), [("TIMEOUT", "SYSTEM"), ("CONSUMER", "CONSUMER")])
def test_payload_of_an_end_names_who_closed(said, reason):
    _, derived, _ = play(snapshot(), closed(5, closeReason=said))

    assert derived[1].payload["end"] == {"closeReason": reason}
    assert derived[1].payload["general"]["oldConvState"] == "OPEN"
    assert derived[1].payload["general"]["newConvState"] == "CLOSE"


def test_payload_has_the_shape_of_the_sample():
    _, derived, _ = play(snapshot(last=event(0, 0)), snapshot(5, participants=[CONSUMER, AGENT]))

    for each in derived:
        assert shape(each.payload) == shape(events.sample(each.type)["payload"])


def test_payload_of_a_survey_is_the_flat_document():
    survey = captured("liveperson_raw_survey_running")
    before = copy.deepcopy(survey)
    details = before["body"]["changes"][0]["result"]["conversationDetails"]
    details["dialogs"] = [details["dialogs"][1] | {"state": "OPEN"}]
    details |= {"state": "OPEN", "closeReason": None, "metaDataLastUpdateTs": 1568004067509}

    _, derived, _ = play(before, survey, account_id="7149717")

    end, started = derived[1:]
    assert end.payload["end"] == {"closeReason": "CONSUMER"}
    assert started.type == "surveybot_messaging_survey_started"
    assert shape(started.payload).keys() == shape(events.sample(started.type)["payload"]).keys()
    assert started.payload["accountId"] == "7149717"
    assert started.payload["skillId"] == "792479851"
    assert started.payload["dialogs"][0]["metaData"] == {
        "appInstallId": "31f55e51-35fc-4187-9742-8c5fcc218048"
    }
    assert started.payload["lastContentEventNotification"]["event"]["message"] == "こちらをクリック"


def shape(value: Any) -> Any:
    """The keys of a document, at every depth; lists and values are leaves."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return None
