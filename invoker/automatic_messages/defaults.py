"""What an account starts with: a text in English for every sub-type."""

from typing import Final

from invoker import conversations, events
from invoker.models import AutomaticMessage, AutomaticText

DEFAULT_LANGUAGE = "en-US"

DEFAULT_TEXTS = {
    "CONSUMER_OPEN_NEW_CONVERSATION": "Welcome back. How can we help you today?",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME": "Welcome. How can we help you today?",
    "CONSUMER_OPEN_NEW_CONVERSATION_OFF_HOURS": (
        "Welcome back. We are away right now and will answer when we are open again."
    ),
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME_OFF_HOURS": (
        "Welcome. We are away right now and will answer when we are open again."
    ),
    "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE": (
        "Welcome back. Your last conversation was closed after a long silence. How can we help you "
        "now?"
    ),
    "CONSUMER_ASKED_URGENT_RESPONSE_TIME": (
        "Your conversation is marked as urgent. We will answer as soon as we can."
    ),
    "CONSUMER_CANCELED_URGENT_RESPONSE_TIME": "Your conversation is no longer marked as urgent.",
    "AGENT_UPDATED_RESPONSE_TIME": "You can expect an answer within {expectedResponseTime}.",
    "YOU_ARE_CONNECTED_TO": "You are connected to {agentNickname} now.",
    "BACK_TO_QUEUE": "Your conversation is back in the queue. The next free agent takes it.",
    "ANOTHER_AGENT_JOINED_CONVERSATION": "Another agent has joined the conversation.",
    "JOINED_AGENT_LEFT_CONVERSATION": "An agent has left the conversation.",
    "CONSUMER_JOINED_CONVERSATION": "Somebody has joined the conversation.",
    "CONSUMER_LEFT_CONVERSATION": "Somebody has left the conversation.",
    "AGENT_NON_RESPONSIVE": "Sorry for the wait. Your agent will be with you shortly.",
    "CONSUMER_NON_RESPONSIVE": "Are you still there? Write to us whenever you are ready.",
    "CONV_AWAITING_IN_QUEUE": "Thank you for waiting. The next free agent takes your conversation.",
    "ENGAGEMENT_TRANSFERED": "We are handing you over to a colleague who can help you with this.",
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS": (
        "Thank you for your message. We are away right now and will answer when we are open again."
    ),
    "AGENT_END_CONVERSATION": "Thank you for writing to us. Your agent has ended the conversation.",
    "CONSUMER_END_CONVERSATION": "Thank you for writing to us. Write again whenever you need us.",
    "SYSTEM_END_CONVERSATION": (
        "This conversation was closed because nothing more was written. Write again whenever you "
        "need us."
    ),
    "CONSUMER_STEP_UP": "You are signed in now. We go on where you were.",
}

SWITCHED_OFF_AT_FIRST: Final = frozenset(
    {
        # Platforms take no message of a bot once a conversation is closed.
        "AGENT_END_CONVERSATION",
        "CONSUMER_END_CONVERSATION",
        "SYSTEM_END_CONVERSATION",
        # Needs its own decision of the account: most greet as always, or not at all.
        "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE",
        # People notice these by themselves.
        "CONSUMER_STEP_UP",
        "CONSUMER_JOINED_CONVERSATION",
        "CONSUMER_LEFT_CONVERSATION",
    }
)

SUBTYPES: Final = tuple(
    subtype
    for event_type in events.EVENT_TYPES.values()
    if event_type.runs_commands
    for subtype in event_type.subtypes
)
"""Every sub-type that can have a text, in the order of the catalogue."""

IDLE_TIMES: Final = conversations.IdleTimes()
IDLE_DEFAULTS: Final = {
    "AGENT_NON_RESPONSIVE": IDLE_TIMES.agent_non_responsive,
    "CONSUMER_NON_RESPONSIVE": IDLE_TIMES.consumer_non_responsive,
    "CONV_AWAITING_IN_QUEUE": IDLE_TIMES.conv_awaiting_in_queue,
}
"""The timers of the idle sub-types where an account has set none."""


def create_defaults(account_id: str) -> int:
    """Give an account a text for every sub-type it has none for, and say how many were new."""
    own = AutomaticMessage.objects.filter(account_id=account_id, skill_id="")
    there = set(own.values_list("subtype", flat=True))
    new = [subtype for subtype in SUBTYPES if subtype not in there]
    AutomaticMessage.objects.bulk_create(
        [
            AutomaticMessage(
                account_id=account_id,
                subtype=subtype,
                enabled=subtype not in SWITCHED_OFF_AT_FIRST,
            )
            for subtype in new
        ],
        ignore_conflicts=True,
    )
    AutomaticText.objects.bulk_create(
        [
            AutomaticText(
                message=message,
                language=DEFAULT_LANGUAGE,
                text=DEFAULT_TEXTS.get(message.subtype, ""),
                is_default=True,
            )
            for message in own.filter(texts=None)
        ],
        ignore_conflicts=True,
    )
    return len(new)
