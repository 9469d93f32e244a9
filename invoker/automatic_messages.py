"""The account's own texts: what goes out when a function returned no message."""

from invoker import events
from invoker.models import AutomaticMessage, AutomaticText

DEFAULT_LANGUAGE = "en-US"

# A text for every sub-type that the controller bot knows, so that an account starts complete.
DEFAULT_TEXTS = {
    "CONSUMER_OPEN_NEW_CONVERSATION": "Welcome back. How can we help you today?",
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME": "Welcome. How can we help you today?",
    "CONSUMER_OPEN_NEW_CONVERSATION_OFF_HOURS": (
        "Welcome back. We are away right now and will answer when we are open again."
    ),
    "CONSUMER_OPEN_NEW_CONVERSATION_FIRST_TIME_OFF_HOURS": (
        "Welcome. We are away right now and will answer when we are open again."
    ),
    "CONSUMER_OPEN_NEW_CONVERSATION_AFTER_AUTOCLOSE": "",
    "CONSUMER_ASKED_URGENT_RESPONSE_TIME": (
        "Your conversation is marked as urgent. We will answer as soon as we can."
    ),
    "CONSUMER_CANCELED_URGENT_RESPONSE_TIME": "Your conversation is no longer marked as urgent.",
    "AGENT_UPDATED_RESPONSE_TIME": "We have changed the time by which you can expect an answer.",
    "YOU_ARE_CONNECTED_TO": "You are connected to an agent now.",
    "BACK_TO_QUEUE": "Your conversation is back in the queue. The next free agent takes it.",
    "ANOTHER_AGENT_JOINED_CONVERSATION": "Another agent has joined the conversation.",
    "JOINED_AGENT_LEFT_CONVERSATION": "An agent has left the conversation.",
    "AGENT_NON_RESPONSIVE": "Sorry for the wait. Your agent will be with you shortly.",
    "CONSUMER_NON_RESPONSIVE": "Are you still there? Write to us whenever you are ready.",
    "CONV_AWAITING_IN_QUEUE": "Thank you for waiting. The next free agent takes your conversation.",
    "ENGAGEMENT_TRANSFERED": "We are handing you over to a colleague who can help you with this.",
    "CONSUMER_SEND_MESSAGE_ON_OFFHOURS": (
        "Thank you for your message. We are away right now and will answer when we are open again."
    ),
    "AGENT_END_CONVERSATION": "",
    "CONSUMER_END_CONVERSATION": "",
    "SYSTEM_END_CONVERSATION": "",
    "CONSUMER_STEP_UP": "",
}


def create_defaults(account_id: str) -> int:
    """Give an account a text for every sub-type it has none for, and say how many were new."""
    subtypes = [
        subtype
        for event_type in events.EVENT_TYPES.values()
        if event_type.runs_commands
        for subtype in event_type.subtypes
    ]
    own = AutomaticMessage.objects.filter(account_id=account_id, skill_id="")
    there = set(own.values_list("subtype", flat=True))
    new = [subtype for subtype in subtypes if subtype not in there]
    AutomaticMessage.objects.bulk_create(
        [AutomaticMessage(account_id=account_id, subtype=subtype) for subtype in new],
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


def text_for(account_id: str, subtype: str) -> str:
    """The text to send for a sub-type; empty when there is none or it is switched off."""
    found = AutomaticText.objects.filter(
        message__account_id=account_id,
        message__subtype=subtype,
        message__skill_id="",
        message__enabled=True,
        is_default=True,
    )
    return found.values_list("text", flat=True).first() or ""
