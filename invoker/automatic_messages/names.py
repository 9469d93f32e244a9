"""What people call events and their sub-types."""

from typing import Final

from invoker.events import EVENT_TYPES

SUBTYPE_NAMES: Final = {
    "CONSUMER_OPEN_NEW_CONVERSATION": "A consumer writes again",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME": "A consumer writes for the first time",
    "CONSUMER_OPEN_NEW_CONVERSATION_OFF_HOURS": "A consumer writes again, in off-hours",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME_OFF_HOURS": (
        "A consumer writes for the first time, in off-hours"
    ),
    "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE": "A consumer writes after an automatic close",
    "CONSUMER_ASKED_URGENT_RESPONSE_TIME": "The consumer marks the conversation urgent",
    "CONSUMER_CANCELED_URGENT_RESPONSE_TIME": "The consumer takes the urgency back",
    "AGENT_UPDATED_RESPONSE_TIME": "The agent sets the response time",
    "YOU_ARE_CONNECTED_TO": "An agent takes the conversation",
    "BACK_TO_QUEUE": "The conversation returns to the queue",
    "ANOTHER_AGENT_JOINED_CONVERSATION": "Another agent joins",
    "JOINED_AGENT_LEFT_CONVERSATION": "An agent who had joined leaves",
    "CONSUMER_JOINED_CONVERSATION": "A further consumer joins",
    "CONSUMER_LEFT_CONVERSATION": "A further consumer leaves",
    "AGENT_NON_RESPONSIVE": "The agent does not answer",
    "CONSUMER_NON_RESPONSIVE": "The consumer does not answer",
    "CONV_AWAITING_IN_QUEUE": "Nobody takes the conversation from the queue",
    "ENGAGEMENT_TRANSFERED": "The conversation is routed to another skill",
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS": "The consumer goes on writing in off-hours",
    "AGENT_END_CONVERSATION": "The agent ends the conversation",
    "CONSUMER_END_CONVERSATION": "The consumer ends the conversation",
    "SYSTEM_END_CONVERSATION": "The system ends the conversation",
    "CONSUMER_STEP_UP": "The consumer signs in",
}


def name_event(event_type: str, subtype: str) -> str:
    """What people call an event: by its sub-type, and by its type where it has none."""
    if subtype:
        return SUBTYPE_NAMES.get(subtype, subtype)
    known = EVENT_TYPES.get(event_type)
    return known.name if known else event_type
