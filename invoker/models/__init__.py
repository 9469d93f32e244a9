"""What matters while an event is handled, as rows.

The tables are the queue: `Conversation.due_at` says there is work, its lease says who does it.
Celery only knocks.
"""

from invoker.models.accounts import (
    ACCOUNT_ID_LENGTH,
    AutomaticMessage,
    Connection,
    ControllerBot,
    MessageDelivery,
    Platform,
    make_webhook_secret,
)
from invoker.models.conversations import (
    Conversation,
    Lease,
    LeaseLostError,
    Notification,
    NotificationState,
)
from invoker.models.events import (
    OPEN_COMMAND_STATES,
    Command,
    CommandState,
    CommandType,
    Deployment,
    Event,
    EventState,
    Invocation,
    InvocationState,
    LogLine,
    Verdict,
)
from invoker.models.stores import (
    AllowedDomain,
    ContextNamespace,
    ContextProperty,
    Heartbeat,
    Secret,
    SecretType,
)

__all__ = [
    "ACCOUNT_ID_LENGTH",
    "OPEN_COMMAND_STATES",
    "AllowedDomain",
    "AutomaticMessage",
    "Command",
    "CommandState",
    "CommandType",
    "Connection",
    "ContextNamespace",
    "ContextProperty",
    "ControllerBot",
    "Conversation",
    "Deployment",
    "Event",
    "EventState",
    "Heartbeat",
    "Invocation",
    "InvocationState",
    "Lease",
    "LeaseLostError",
    "LogLine",
    "MessageDelivery",
    "Notification",
    "NotificationState",
    "Platform",
    "Secret",
    "SecretType",
    "Verdict",
    "make_webhook_secret",
]
