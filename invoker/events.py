"""The catalogue: which events exist, what a function receives for each, and a sample of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import field

from invoker import event_fields
from invoker.event_fields import Field

NO_EVENT = ""
"""Id of functions that no event starts: they are invoked by id or run on a schedule."""


class Group(StrEnum):
    """Heading under which an event type is offered; the value is the heading itself."""

    MESSAGING = "Messaging"
    SURVEY = "Surveys"
    AGENT = "Agent workspace"
    BOTS = "Third-party bots"
    CHAT = "Chat"
    NONE = "No event"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One kind of thing that can happen and start a function."""

    id: str
    name: str
    summary: str
    group: Group
    limit: int | None
    """Functions per account; with skills, per set of skills that do not overlap. None: any."""
    subtypes: tuple[str, ...] = ()
    """The values `payload.general.cbotEventType` can take."""
    takes_skills: bool = False
    runs_commands: bool = False
    """Whether the controller bot carries out what the function returns."""
    core: bool = False
    """One of the seven conversation state changes every account has."""

    @property
    def short_name(self) -> str:
        """The name as it reads below the heading of its group."""
        return self.name.removeprefix("Messaging ").removeprefix("Third-Party Bots ")


class Ttr(msgspec.Struct, frozen=True, rename="camel"):
    """A time to respond; `value` in seconds."""

    ttr_type: str = "NORMAL"
    value: int | None = None


class Participant(msgspec.Struct, frozen=True):
    id: str
    role: str


class IdleTime(msgspec.Struct, frozen=True, rename="camel"):
    """How long may pass before a conversation counts as idle, as the account set it."""

    time: int
    time_units: str = "minutes"


class CampaignInfo(msgspec.Struct, frozen=True):
    id: str | None = None
    engagement_id: str | None = field(default=None, name="engagementId")


class General(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every messaging event tells about its conversation.

    Times are epoch milliseconds, as text in `effectiveTTR` ("-1": none) and `manualETTR`
    (None: not set). `clientIpAdress` is spelt as existing functions read it.
    """

    cbot_event_type: str
    type: str
    conv_id: str
    dialog_id: str
    session_id: str | None
    start_ts: int | None
    effective_ttr: str = field(name="effectiveTTR")
    old_conv_state: str
    new_conv_state: str
    context_type: str | None
    campaign_info: CampaignInfo
    client_language: str | None
    client_features: tuple[str, ...]
    in_off_hours: bool
    visitor_id: str | None
    originator_id: str | None
    originator_pid: str | None
    originator_metadata: Participant | None
    server_timestamp: int | None
    client_ip_adress: str | None
    manual_ettr: str | None = field(name="manualETTR")
    last_message_composer: str | None
    last_message_ts: int | None
    last_agent_msg_ts: int | None
    back_to_queue_ts: int | None


class Start(msgspec.Struct, frozen=True, rename="camel"):
    first_conversation: bool


class End(msgspec.Struct, frozen=True, rename="camel"):
    close_reason: str | None
    """AGENT, CONSUMER or SYSTEM; None while the conversation is open."""


class TtrChange(msgspec.Struct, frozen=True, rename="camel"):
    old_ttr: Ttr
    new_ttr: Ttr


class Routing(msgspec.Struct, frozen=True, rename="camel"):
    old_skill_id: str
    new_skill_id: str


class ParticipantChange(msgspec.Struct, frozen=True, rename="camel"):
    """Everybody in the conversation before and after, not only who came or went."""

    old_participants: tuple[Participant, ...]
    new_participants: tuple[Participant, ...]


class Mid(msgspec.Struct, frozen=True, rename="camel"):
    opened_in_off_hours: bool


class Idle(msgspec.Struct, frozen=True, rename="camel"):
    last_consumer_msg_ts: int | bool
    """False when no line of the consumer waits for an answer; published functions test for it."""
    agent_non_responsive: IdleTime
    consumer_non_responsive: IdleTime
    conv_not_taken_time: IdleTime


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`input.payload` of every controller-bot event: all groups, whatever the event.

    Published functions read `routing.newSkillId` of an idle event, so no group is left out.
    """

    general: General
    start: Start
    end: End
    ttr: TtrChange
    routing: Routing
    participant_change: ParticipantChange
    mid: Mid
    idle: Idle


def _messaging(event_id: str, name: str, summary: str, *subtypes: str) -> EventType:
    return EventType(
        id=f"controllerbot_messaging_{event_id}",
        name=f"Messaging {name}",
        summary=summary,
        group=Group.MESSAGING,
        limit=1,
        subtypes=subtypes,
        takes_skills=True,
        runs_commands=True,
        core=event_id != "consumer_step_up",
    )


NEW_CONVERSATION = _messaging(
    "new_conversation",
    "New Conversation",
    "A consumer starts a new conversation",
    "CONSUMER_OPEN_NEW_CONVERSATION",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
    "CONSUMER_OPEN_NEW_CONVERSATION_OFF_HOURS",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME_OFF_HOURS",
    "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE",
)
TTR = _messaging(
    "ttr",
    "TTR",
    "The consumer marks the conversation urgent or takes that back, or the agent sets the time "
    "to respond",
    "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
    "CONSUMER_CANCELED_URGENT_RESPONSE_TIME",
    "AGENT_UPDATED_RESPONSE_TIME",
)
PARTICIPANTS_CHANGE = _messaging(
    "participants_change",
    "Participants Change",
    "An agent takes the conversation, joins it, leaves it or returns it to the queue, or a further "
    "consumer joins or leaves",
    "YOU_ARE_CONNECTED_TO",
    "BACK_TO_QUEUE",
    "ANOTHER_AGENT_JOINED_CONVERSATION",
    "JOINED_AGENT_LEFT_CONVERSATION",
    # Ours: the source document names consumers too, the platform has no sub-type for them.
    "CONSUMER_JOINED_CONVERSATION",
    "CONSUMER_LEFT_CONVERSATION",
)
CONVERSATION_IDLE = _messaging(
    "conversation_idle",
    "Conversation Idle",
    "The agent or the consumer has not answered, or nobody has taken the conversation from the "
    "queue, for the account's idle time",
    "AGENT_NON_RESPONSIVE",
    "CONSUMER_NON_RESPONSIVE",
    "CONV_AWAITING_IN_QUEUE",
)
CONVERSATION_ROUTING = _messaging(
    "conversation_routing",
    "Conversation Routing",
    "The conversation is routed to a different skill",
    "ENGAGEMENT_TRANSFERED",  # one R: the platform's spelling
)
LINE_IN_OFF_HOURS = _messaging(
    "mid_conversation_msg",
    "Line in Off-Hours",
    "The consumer writes during off-hours in a conversation that was opened earlier",
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS",
)
CONVERSATION_END = _messaging(
    "conversation_end",
    "Conversation End",
    "The conversation is closed by the agent, the consumer or the system",
    "AGENT_END_CONVERSATION",
    "CONSUMER_END_CONVERSATION",
    "SYSTEM_END_CONVERSATION",
)
CONSUMER_STEP_UP = _messaging(
    "consumer_step_up",
    "Consumer Step Up",
    "An anonymous consumer signs in during the conversation and gets another identity",
    "CONSUMER_STEP_UP",
)
SURVEY_STARTED = EventType(
    id="surveybot_messaging_survey_started",
    name="Messaging Survey Started",
    summary="The survey after a conversation starts",
    group=Group.SURVEY,
    limit=1,
    takes_skills=True,
)
SURVEY_ENDED = EventType(
    id="surveybot_messaging_survey_ended",
    name="Messaging Survey Ended",
    summary="The survey after a conversation is answered, or ends without an answer",
    group=Group.SURVEY,
    limit=1,
    takes_skills=True,
)

_ALL = (
    NEW_CONVERSATION,
    TTR,
    PARTICIPANTS_CHANGE,
    CONVERSATION_IDLE,
    CONVERSATION_ROUTING,
    LINE_IN_OFF_HOURS,
    CONVERSATION_END,
    CONSUMER_STEP_UP,
    SURVEY_STARTED,
    SURVEY_ENDED,
    EventType(
        id="conversational_command",
        name="Conversational Command",
        summary="An agent types a slash and the function's name in the workspace",
        group=Group.AGENT,
        limit=30,
    ),
    EventType(
        id="bot_connectors_custom_integration",
        name="Third-Party Bots Custom Integration",
        summary="A conversation of a custom bot waits for the bot's next turn",
        group=Group.BOTS,
        limit=15,
    ),
    EventType(
        id="bot_connectors_pre_hook",
        name="Third-Party Bots Pre-Hook",
        summary="A request is about to be sent to a third-party bot and may still be changed",
        group=Group.BOTS,
        limit=15,
    ),
    EventType(
        id="bot_connectors_post_hook",
        name="Third-Party Bots Post-Hook",
        summary="A third-party bot has answered and its response may still be changed",
        group=Group.BOTS,
        limit=15,
    ),
    EventType(
        id="bot_connectors_error_hook",
        name="Third-Party Bots Error-Hook",
        summary="Talking to a third-party bot has failed",
        group=Group.BOTS,
        limit=15,
    ),
    EventType(
        id="denver_post_survey_email_transcript",
        name="Chat Post Survey E-Mail Transcript",
        summary="A chat's survey is answered and its transcript can be mailed",
        group=Group.CHAT,
        limit=10,
    ),
    EventType(
        id=NO_EVENT,
        name="No Event",
        summary="Nothing starts the function by itself: invoke it by id or on a schedule",
        group=Group.NONE,
        limit=None,
    ),
)

EVENT_TYPES: Mapping[str, EventType] = MappingProxyType({each.id: each for each in _ALL})
"""Every event type by id, in the order to show them in.

Source: `GET /events` of the vendor's functions API as recorded in LivePersonInc/faas-cli,
test/__mocks__/faasEvents.json (ids, names, limits); the id of Consumer Step Up is not published
and follows its siblings' pattern.
"""

SINGLE_EVENT_TYPES: frozenset[str] = frozenset(each.id for each in _ALL if each.limit == 1)

_START_TS = 1_700_000_000_000
_CONVERSATION = "c840e51e-5f65-4ad4-8d34-5c82b99a2200"
_CONSUMER = Participant("f39fbc5f-da77-5417-8bc7-7584efdd1a5e", "CONSUMER")
_STRANGER = Participant("anon-71d6c2c0b9aa4f6c", "CONSUMER")
_AGENT = Participant("52e05c00-d5e4-4823-8cf7-62570b939a63", "ASSIGNED_AGENT")
_CONTROLLER = Participant("4a7d1ed4-1474-5e8d-9d3f-0b4c1b0e5a11", "CONTROLLER")
_NORMAL = Ttr("NORMAL", 600)


def sample(event_type_id: str) -> dict[str, Any]:
    """Build a complete, realistic input for a function of this event type.

    Returns:
        `{"headers": [], "payload": {...}}`, a new object at every call.

    Raises:
        KeyError: there is no such event type.
    """
    document = msgspec.json.encode({"headers": [], "payload": _SAMPLES[event_type_id]})
    return msgspec.json.decode(document, type=dict[str, Any])


@cache
def fields(event_type_id: str) -> tuple[Field, ...]:
    """Every field of `input.payload` for this event type, objects before their own fields.

    Empty for `NO_EVENT`: such a function gets whatever it is invoked with.

    Raises:
        KeyError: there is no such event type.
    """
    kind = EVENT_TYPES[event_type_id]
    match kind.group:
        case Group.MESSAGING:
            documented = event_fields.messaging(kind.subtypes)
        case Group.SURVEY:
            documented = event_fields.SURVEY
        case _:
            documented = event_fields.OTHERS[kind.id]
    payload = sample(event_type_id)["payload"]
    return tuple(
        replace(one, example=event_fields.example_at(payload, one.path)) for one in documented
    )


def _payload(
    subtype: str,
    *,
    old_state: str = "OPEN",
    new_state: str = "OPEN",
    in_off_hours: bool = False,
    first_conversation: bool = False,
    close_reason: str | None = None,
    ttr: tuple[Ttr, Ttr] = (_NORMAL, _NORMAL),
    effective_ttr: int = _START_TS + 600_000,
    skills: tuple[str, str] = ("563267", "563267"),
    before: tuple[Participant, ...] = (_CONSUMER, _CONTROLLER),
    after: tuple[Participant, ...] = (_CONSUMER, _CONTROLLER),
    last_line: tuple[Participant, int] = (_CONSUMER, 0),
    last_agent_s: int | None = None,
) -> Payload:
    """Fill in a sample; `last_line` and `last_agent_s` in seconds after the start."""
    composer, line_s = last_line
    line_ts = _START_TS + line_s * 1000
    actor = _CONSUMER if composer.role == "CONSUMER" else _AGENT
    return Payload(
        general=General(
            cbot_event_type=subtype,
            type="UPSERT",
            conv_id=_CONVERSATION,
            dialog_id=_CONVERSATION,
            session_id="LtoNsJl2TZ2kZ0fXgYqA3w",
            start_ts=_START_TS,
            effective_ttr=str(effective_ttr),
            old_conv_state=old_state,
            new_conv_state=new_state,
            context_type="SharkContext",
            campaign_info=CampaignInfo("2327699812", "2327699912"),
            client_language="en-US",
            client_features=("AUTO_MESSAGES", "MULTI_DIALOG", "QUICK_REPLIES", "RICH_CONTENT"),
            in_off_hours=in_off_hours,
            visitor_id="FjMWFkNzU0ZWEzYWE4NTUy",
            originator_id=actor.id,
            originator_pid=actor.id,
            originator_metadata=actor,
            server_timestamp=line_ts,
            client_ip_adress="203.0.113.7",
            manual_ettr=str(effective_ttr) if ttr[1].ttr_type == "CUSTOM" else None,
            last_message_composer=composer.role,
            last_message_ts=line_ts,
            last_agent_msg_ts=None if last_agent_s is None else _START_TS + last_agent_s * 1000,
            back_to_queue_ts=None,
        ),
        start=Start(first_conversation),
        end=End(close_reason),
        ttr=TtrChange(*ttr),
        routing=Routing(*skills),
        participant_change=ParticipantChange(before, after),
        mid=Mid(opened_in_off_hours=False),
        idle=Idle(
            line_ts if composer.role == "CONSUMER" else False,
            IdleTime(10),
            IdleTime(30),
            IdleTime(5),
        ),
    )


_SERVED = (_CONSUMER, _CONTROLLER, _AGENT)


def _survey(last_question_id: str | None, survey_state: str) -> dict[str, Any]:
    closed_at = _START_TS + 1_200_000
    client = {
        "type": ".ClientProperties",
        "appId": "webAsync",
        "ipAddress": "203.0.113.7",
        "deviceFamily": "DESKTOP",
        "os": "LINUX",
        "osVersion": "6",
        "integration": "WEB_SDK",
        "integrationVersion": "3.0",
        "browser": "FIREFOX",
        "browserVersion": "128",
        "features": ["AUTO_MESSAGES", "MULTI_DIALOG", "QUICK_REPLIES", "RICH_CONTENT"],
    }
    consumer = {"id": _CONSUMER.id, "role": "CONSUMER", "state": "ACTIVE"}
    survey_dialog: dict[str, Any] = {
        "dialogId": "9d3b1b76-6b0c-4f3f-8a55-0f6f5f3f6d21",
        "participantsDetails": [consumer],
        "dialogType": "POST_SURVEY",
        "channelType": "MESSAGING",
        "metaData": {"appInstallId": "0b6d0d3e-5b0c-4f05-9a3a-3b1f3f7f5f6e"},
        "state": survey_state,
        "creationTs": closed_at,
        "endTs": None,
        "metaDataLastUpdateTs": closed_at,
        "closedBy": None,
        "closedCause": None,
    }
    if survey_state == "CLOSE":
        survey_dialog |= {
            "endTs": closed_at + 45_000,
            "metaDataLastUpdateTs": closed_at + 45_000,
            "closedBy": "AGENT",
            "closedCause": "Dialog closed by survey bot",
        }
    return {
        "conversationId": _CONVERSATION,
        "accountId": "12345678",
        "surveyId": 4711,
        "surveyRevision": 3,
        "skillId": "563267",
        "effectiveTTR": -1,
        "lastContentEventNotification": {
            "originatorId": _CONSUMER.id,
            "originatorPId": _CONSUMER.id,
            "sequence": 14,
            "serverTimestamp": closed_at - 20_000,
            "event": {
                "type": "ContentEvent",
                "contentType": "text/plain",
                "message": "Thank you, that solved it",
            },
            "originatorClientProperties": client,
        },
        "campaignInfo": {"campaignId": "2327699812", "engagementId": "2327699912"},
        "closeReason": "AGENT",
        "context": {
            "type": "SharkContext",
            "lang": "en-US",
            "visitorId": "FjMWFkNzU0ZWEzYWE4NTUy",
            "sessionId": "LtoNsJl2TZ2kZ0fXgYqA3w",
            "interactionContextId": "2",
            "clientProperties": client,
        },
        "dialogs": [
            {
                "dialogId": _CONVERSATION,
                "participantsDetails": [
                    consumer,
                    {"id": _AGENT.id, "role": "ASSIGNED_AGENT", "state": "ACTIVE"},
                ],
                "dialogType": "MAIN",
                "channelType": "MESSAGING",
                "metaData": {},
                "state": "CLOSE",
                "creationTs": _START_TS,
                "endTs": closed_at,
                "metaDataLastUpdateTs": closed_at,
                "closedBy": "AGENT",
                "closedCause": "Conversation resolved",
            },
            survey_dialog,
        ],
        "firstConversation": False,
        "participants": [{"id": _CONSUMER.id, "role": "CONSUMER"}],
        "state": "CLOSE",
        "startTs": _START_TS,
        "ttr": {"ttrType": "NORMAL", "value": 600},
        "lastQuestionId": last_question_id,
    }


_SAMPLES: dict[str, object] = {
    NEW_CONVERSATION.id: _payload(
        "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME",
        old_state="CLOSE",
        first_conversation=True,
        skills=("-1", "563267"),
        before=(),
    ),
    TTR.id: _payload(
        "CONSUMER_ASKED_URGENT_RESPONSE_TIME",
        ttr=(_NORMAL, Ttr("URGENT", 300)),
        effective_ttr=_START_TS + 300_000,
        last_line=(_CONSUMER, 85),
    ),
    PARTICIPANTS_CHANGE.id: _payload("YOU_ARE_CONNECTED_TO", after=_SERVED),
    CONVERSATION_IDLE.id: _payload(
        "CONSUMER_NON_RESPONSIVE",
        effective_ttr=-1,
        before=_SERVED,
        after=_SERVED,
        last_line=(_AGENT, 120),
        last_agent_s=120,
    ),
    CONVERSATION_ROUTING.id: _payload(
        "ENGAGEMENT_TRANSFERED",
        skills=("563267", "987301"),
        before=_SERVED,
        last_line=(_AGENT, 170),
        last_agent_s=170,
    ),
    LINE_IN_OFF_HOURS.id: _payload(
        "CONSUMER_SEND_MESSAGE_ON_OFFHOURS",
        in_off_hours=True,
        effective_ttr=_START_TS + 61_200_000,
        last_line=(_CONSUMER, 36_000),
        last_agent_s=600,
    ),
    CONVERSATION_END.id: _payload(
        "AGENT_END_CONVERSATION",
        new_state="CLOSE",
        close_reason="AGENT",
        effective_ttr=-1,
        before=_SERVED,
        last_line=(_CONSUMER, 1_180),
        last_agent_s=1_150,
    ),
    CONSUMER_STEP_UP.id: _payload(
        "CONSUMER_STEP_UP",
        before=(_STRANGER, _CONTROLLER),
        after=(_CONSUMER, _CONTROLLER),
    ),
    SURVEY_STARTED.id: _survey(None, "OPEN"),
    SURVEY_ENDED.id: _survey("question-2", "CLOSE"),
    "conversational_command": {
        "conversationId": "4711",
        "arguments": ["echo", "this"],
    },
    "bot_connectors_custom_integration": {
        "message": "Where is my parcel?",
        "event": {},
    },
    "bot_connectors_pre_hook": {
        "convId": _CONVERSATION,
        "payload": {
            "queryInput": {"text": {"text": "Where is my parcel?", "languageCode": "en"}},
            "queryParams": {"payload": {}},
        },
    },
    "bot_connectors_post_hook": {
        "convId": _CONVERSATION,
        "payload": {
            "queryResult": {
                "queryText": "Where is my parcel?",
                "fulfillmentText": "It arrives tomorrow",
                "intent": {"displayName": "parcel-status"},
                "intentDetectionConfidence": 0.93,
            }
        },
    },
    "bot_connectors_error_hook": {
        "convId": _CONVERSATION,
        "payload": {"error": {"code": 504, "message": "The bot did not answer in time"}},
    },
    "denver_post_survey_email_transcript": {
        "csatRank": 3,
        "skillName": "CustomerCare",
        "agentName": "Alex Rivera",
        "questionWithAnswers": [
            {"question": "How did we do?", "answer": "Quick;Friendly"},
            {"question": "May we call you back?", "answer": "No"},
        ],
    },
    NO_EVENT: {},
}
