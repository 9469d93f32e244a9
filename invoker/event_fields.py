"""What every field of every event's payload means: declarations, schema and help are made from it.

Kept by hand beside the structs and samples of `events`; tests hold them against each other.
Sources: `controller-bot.md` §3.5 and `liveperson-contract.md` §5.3 and §5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STRING, NUMBER, BOOLEAN = "string", "number", "boolean"
OBJECT, OBJECTS, STRINGS = "object", "object[]", "string[]"
TEXT_OR_NULL, NUMBER_OR_NULL = "string | null", "number | null"
OPEN_OBJECT = "object of any shape"
"""An object of which only what is documented is certain: somebody else's product decides it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a payload.

    `path` starts below `input.payload`; `[]` after a name goes into the items of a list:
    "general.convId", "participantChange.newParticipants[].role".
    """

    path: str
    type: str
    """In the words of TypeScript; an object's own fields follow it."""
    doc: str
    """One sentence without its full stop."""
    values: tuple[str, ...] = ()
    """All that it can be; empty when there is no such list."""
    optional: bool = False
    """Whether it may be missing altogether."""
    example: Any = None
    """What the event's sample has there."""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]")

    @property
    def nullable(self) -> bool:
        return self.type.endswith("| null")


ROLES = ("CONSUMER", "ASSIGNED_AGENT", "AGENT", "MANAGER", "READER", "CONTROLLER")
STATES = ("OPEN", "CLOSE")
CLOSERS = ("AGENT", "CONSUMER", "SYSTEM")
TTR_TYPES = ("NORMAL", "PRIORITIZED", "URGENT", "CUSTOM")
UNITS = ("seconds", "minutes", "hours")


def _people(path: str, doc: str) -> tuple[Field, ...]:
    return (
        Field(path, OBJECTS, doc),
        Field(f"{path}[].id", STRING, "Id of the participant"),
        Field(f"{path}[].role", STRING, "What the participant does in the conversation", ROLES),
    )


def _ttr(path: str, doc: str) -> tuple[Field, ...]:
    return (
        Field(path, OBJECT, doc),
        Field(f"{path}.ttrType", STRING, "Kind of the time to respond", TTR_TYPES),
        Field(f"{path}.value", NUMBER_OR_NULL, "Length of the time to respond, in seconds"),
    )


def _idle_time(path: str, doc: str) -> tuple[Field, ...]:
    return (
        Field(path, OBJECT, doc),
        Field(f"{path}.time", NUMBER, "How many units"),
        Field(f"{path}.timeUnits", STRING, "The unit of `time`", UNITS),
    )


def messaging(subtypes: tuple[str, ...]) -> tuple[Field, ...]:
    """Fields of a controller-bot event, whose `cbotEventType` is one of `subtypes`."""
    return (
        Field("general", OBJECT, "What every messaging event tells about its conversation"),
        Field(
            "general.cbotEventType", STRING, "What happened, more exactly than the event", subtypes
        ),
        Field(
            "general.type",
            STRING,
            "How the conversation changed in the platform's list",
            ("UPSERT", "DELETE"),
        ),
        Field("general.convId", STRING, "Id of the conversation"),
        Field(
            "general.dialogId",
            STRING,
            "Id of the dialog concerned; the main dialog has the id of the conversation",
        ),
        Field("general.sessionId", TEXT_OR_NULL, "Id of the consumer's web session"),
        Field(
            "general.startTs",
            NUMBER_OR_NULL,
            "When the conversation started, in epoch milliseconds",
        ),
        Field(
            "general.effectiveTTR",
            STRING,
            'When the next answer is due, in epoch milliseconds as text; "-1" when none is',
        ),
        Field("general.oldConvState", STRING, "State of the conversation before the event", STATES),
        Field("general.newConvState", STRING, "State of the conversation since the event", STATES),
        Field(
            "general.contextType",
            TEXT_OR_NULL,
            "Where the consumer writes: SharkContext is a web page, MobileAppContext an app, "
            "CustomContext a connector",
        ),
        Field("general.campaignInfo", OBJECT, "The campaign that the conversation came from"),
        Field("general.campaignInfo.id", TEXT_OR_NULL, "Id of the campaign"),
        Field(
            "general.campaignInfo.engagementId",
            TEXT_OR_NULL,
            "Id of the engagement within the campaign",
        ),
        Field("general.clientLanguage", TEXT_OR_NULL, "Language of the consumer's device"),
        Field("general.clientFeatures", STRINGS, "What the consumer's client can show"),
        Field(
            "general.inOffHours",
            BOOLEAN,
            "Whether the skill is off-shift at the moment of the event",
        ),
        Field("general.visitorId", TEXT_OR_NULL, "Id of the consumer's browser or device"),
        Field(
            "general.originatorId",
            TEXT_OR_NULL,
            "Id of who wrote the line or made the change, when it is known",
        ),
        Field("general.originatorPid", TEXT_OR_NULL, "The same person's id across the platform"),
        Field("general.originatorMetadata", "object | null", "The originator with their role"),
        Field("general.originatorMetadata.id", STRING, "Id of the originator"),
        Field("general.originatorMetadata.role", STRING, "Role of the originator", ROLES),
        Field(
            "general.serverTimestamp",
            NUMBER_OR_NULL,
            "When the platform took the line in, in epoch milliseconds",
        ),
        Field(
            "general.clientIpAdress",
            TEXT_OR_NULL,
            "The consumer's IP address; the platform spells it with one d",
        ),
        Field(
            "general.manualETTR",
            TEXT_OR_NULL,
            "When the agent has promised an answer, in epoch milliseconds as text; null when "
            "nothing is promised",
        ),
        Field(
            "general.lastMessageComposer",
            TEXT_OR_NULL,
            "Role of who wrote the last line; null before the first",
            ROLES,
        ),
        Field(
            "general.lastMessageTs",
            NUMBER_OR_NULL,
            "When the last line was written, in epoch milliseconds",
        ),
        Field(
            "general.lastAgentMsgTs",
            NUMBER_OR_NULL,
            "When an agent last wrote, in epoch milliseconds; null before their first line",
        ),
        Field(
            "general.backToQueueTs",
            NUMBER_OR_NULL,
            "When the conversation was last returned to the queue, in epoch milliseconds",
        ),
        Field("start", OBJECT, "How the conversation began"),
        Field(
            "start.firstConversation",
            BOOLEAN,
            "Whether it is the consumer's first conversation with the brand",
        ),
        Field("end", OBJECT, "How the conversation ended"),
        Field(
            "end.closeReason",
            TEXT_OR_NULL,
            "Who closed the conversation; null while it is open",
            CLOSERS,
        ),
        Field("ttr", OBJECT, "The time to respond; equal before and after unless it changed"),
        *_ttr("ttr.oldTtr", "The time to respond before the event"),
        *_ttr("ttr.newTtr", "The time to respond since the event"),
        Field(
            "routing",
            OBJECT,
            "The skill; equal before and after unless the conversation was routed",
        ),
        Field(
            "routing.oldSkillId",
            STRING,
            'Id of the skill before the event; "-1" when there was none',
        ),
        Field("routing.newSkillId", STRING, 'Id of the current skill; "-1" when there is none'),
        Field(
            "participantChange", OBJECT, "Everybody in the conversation, not only who came or went"
        ),
        *_people(
            "participantChange.oldParticipants", "Who was in the conversation before the event"
        ),
        *_people("participantChange.newParticipants", "Who is in the conversation since the event"),
        Field("mid", OBJECT, "What matters in the middle of a conversation"),
        Field(
            "mid.openedInOffHours", BOOLEAN, "Whether the conversation was opened during off-hours"
        ),
        Field("idle", OBJECT, "Who waits for whom, and the account's idle times for the skill"),
        Field(
            "idle.lastConsumerMsgTs",
            "number | false",
            "When the consumer wrote the line that waits for an answer, in epoch "
            "milliseconds; false when none waits",
        ),
        *_idle_time("idle.agentNonResponsive", "Idle time after which the agent counts as silent"),
        *_idle_time(
            "idle.consumerNonResponsive", "Idle time after which the consumer counts as silent"
        ),
        *_idle_time(
            "idle.convNotTakenTime",
            "Idle time after which nobody has taken the conversation from the queue",
        ),
    )


def _client(path: str, doc: str) -> tuple[Field, ...]:
    return (
        Field(path, OBJECT, doc),
        Field(f"{path}.type", STRING, "Kind of this description"),
        Field(f"{path}.appId", STRING, "Id of the consumer's app"),
        Field(f"{path}.ipAddress", STRING, "The consumer's IP address"),
        Field(f"{path}.deviceFamily", STRING, "Kind of device, such as DESKTOP or MOBILE"),
        Field(f"{path}.os", STRING, "Operating system"),
        Field(f"{path}.osVersion", STRING, "Version of the operating system"),
        Field(f"{path}.integration", STRING, "How the consumer's client is connected"),
        Field(f"{path}.integrationVersion", STRING, "Version of that connection"),
        Field(f"{path}.browser", STRING, "Browser"),
        Field(f"{path}.browserVersion", STRING, "Version of the browser"),
        Field(f"{path}.features", STRINGS, "What the consumer's client can show"),
    )


SURVEY: tuple[Field, ...] = (
    Field("conversationId", STRING, "Id of the conversation that the survey belongs to"),
    Field("accountId", STRING, "Id of the account"),
    Field("surveyId", NUMBER, "Id of the survey"),
    Field("surveyRevision", NUMBER, "Revision of the survey that the consumer sees"),
    Field("skillId", STRING, "Id of the conversation's skill"),
    Field(
        "effectiveTTR",
        NUMBER,
        "When the next answer is due, in epoch milliseconds; -1 when none is",
    ),
    Field("lastContentEventNotification", OBJECT, "The last line of the conversation"),
    Field("lastContentEventNotification.originatorId", STRING, "Id of who wrote it"),
    Field(
        "lastContentEventNotification.originatorPId",
        STRING,
        "The same person's id across the platform",
    ),
    Field("lastContentEventNotification.sequence", NUMBER, "Number of the line within its dialog"),
    Field(
        "lastContentEventNotification.serverTimestamp",
        NUMBER,
        "When the platform took it in, in epoch milliseconds",
    ),
    Field("lastContentEventNotification.event", OBJECT, "What was written"),
    Field(
        "lastContentEventNotification.event.type",
        STRING,
        "Kind of the line",
        ("ContentEvent", "RichContentEvent"),
    ),
    Field("lastContentEventNotification.event.contentType", STRING, "Media type of the line"),
    Field("lastContentEventNotification.event.message", STRING, "The text"),
    *_client(
        "lastContentEventNotification.originatorClientProperties",
        "The client in which it was written",
    ),
    Field("campaignInfo", OBJECT, "The campaign that the conversation came from"),
    Field("campaignInfo.campaignId", STRING, "Id of the campaign"),
    Field("campaignInfo.engagementId", STRING, "Id of the engagement within the campaign"),
    Field("closeReason", STRING, "Who closed the conversation", CLOSERS),
    Field("context", OBJECT, "Where the consumer writes"),
    Field(
        "context.type",
        STRING,
        "SharkContext is a web page, MobileAppContext an app, CustomContext a connector",
    ),
    Field("context.lang", STRING, "Language of the consumer's device"),
    Field("context.visitorId", STRING, "Id of the consumer's browser or device"),
    Field("context.sessionId", STRING, "Id of the consumer's web session"),
    Field(
        "context.interactionContextId",
        STRING,
        "Id of the page view in which the conversation began",
    ),
    *_client("context.clientProperties", "The client in which the conversation began"),
    Field("dialogs", OBJECTS, "The conversation's dialogs: the main one and the survey"),
    Field(
        "dialogs[].dialogId",
        STRING,
        "Id of the dialog; the main dialog has the id of the conversation",
    ),
    Field("dialogs[].participantsDetails", OBJECTS, "Who takes part in the dialog"),
    Field("dialogs[].participantsDetails[].id", STRING, "Id of the participant"),
    Field(
        "dialogs[].participantsDetails[].role",
        STRING,
        "What the participant does in the dialog",
        ROLES,
    ),
    Field(
        "dialogs[].participantsDetails[].state",
        STRING,
        "SUGGESTED while an agent has not accepted yet",
        ("ACTIVE", "SUGGESTED"),
    ),
    Field("dialogs[].dialogType", STRING, "MAIN, POST_SURVEY or another kind"),
    Field("dialogs[].channelType", STRING, "MESSAGING or COBROWSE"),
    Field("dialogs[].metaData", OBJECT, "Who runs the dialog"),
    Field(
        "dialogs[].metaData.appInstallId",
        STRING,
        "Id of the survey bot; only a survey has one",
        optional=True,
    ),
    Field("dialogs[].state", STRING, "State of the dialog", STATES),
    Field("dialogs[].creationTs", NUMBER, "When the dialog began, in epoch milliseconds"),
    Field(
        "dialogs[].endTs",
        NUMBER_OR_NULL,
        "When the dialog ended, in epoch milliseconds; null while it is open",
    ),
    Field(
        "dialogs[].metaDataLastUpdateTs",
        NUMBER,
        "When the dialog last changed, in epoch milliseconds",
    ),
    Field(
        "dialogs[].closedBy", TEXT_OR_NULL, "Who closed the dialog; null while it is open", CLOSERS
    ),
    Field(
        "dialogs[].closedCause",
        TEXT_OR_NULL,
        "Why the dialog was closed, in words; null while it is open",
    ),
    Field(
        "firstConversation",
        BOOLEAN,
        "Whether it was the consumer's first conversation with the brand",
    ),
    *_people("participants", "Who is in the conversation"),
    Field("state", STRING, "State of the conversation", STATES),
    Field("startTs", NUMBER, "When the conversation started, in epoch milliseconds"),
    *_ttr("ttr", "The time to respond"),
    Field(
        "lastQuestionId",
        TEXT_OR_NULL,
        "Id of the last question that the consumer was asked; null before the first",
    ),
)

_HOOKED = Field("convId", STRING, "Id of the conversation that the bot talks in")

OTHERS: dict[str, tuple[Field, ...]] = {
    "conversational_command": (
        Field(
            "conversationId", STRING, "Id of the conversation in which the agent typed the command"
        ),
        Field("arguments", STRINGS, "The words after the function's name"),
    ),
    "bot_connectors_custom_integration": (
        Field("message", STRING, "What the consumer wrote; empty on the bot's first turn"),
        Field("event", OPEN_OBJECT, "What happened instead of a line, such as the welcome event"),
    ),
    "bot_connectors_pre_hook": (
        _HOOKED,
        Field("payload", OPEN_OBJECT, "The request to the bot, in the shape of its vendor"),
    ),
    "bot_connectors_post_hook": (
        _HOOKED,
        Field("payload", OPEN_OBJECT, "The bot's answer, in the shape of its vendor"),
    ),
    "bot_connectors_error_hook": (
        _HOOKED,
        Field("payload", OPEN_OBJECT, "What failed, in the shape of the bot's vendor"),
    ),
    "denver_post_survey_email_transcript": (
        Field("csatRank", NUMBER, "How satisfied the consumer was, from 1 to 5"),
        Field("skillName", STRING, "Name of the chat's skill"),
        Field("agentName", STRING, "Name of the agent"),
        Field("questionWithAnswers", OBJECTS, "What was asked and answered"),
        Field("questionWithAnswers[].question", STRING, "The question"),
        Field(
            "questionWithAnswers[].answer",
            STRING,
            "The answer; several are separated by semicolons",
        ),
    ),
    "": (),
}
"""By event type. A function without an event gets whatever it is invoked with."""


def example_at(value: Any, path: str) -> Any:
    """What a sample has at a path: of a list the first item that has it, else None."""
    found = [value]
    for step in path.replace("[]", "").split("."):
        items = [one for each in found for one in (each if isinstance(each, list) else [each])]
        found = [one[step] for one in items if isinstance(one, dict) and step in one]
    return next(iter(found), None)
