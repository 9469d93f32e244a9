"""What matters while an event is handled, as rows.

The tables are the queue: `Conversation.due_at` says there is work, its lease says who does it.
Celery only knocks.
"""

from invoker.models.accounts import (
    ACCOUNT_ID_LENGTH,
    MOST_RETRIES,
    SKILL_ID_LENGTH,
    AgentSession,
    AgentSessionState,
    AutomaticMessage,
    AutomaticText,
    CloseMode,
    Connection,
    ControllerBot,
    MessageDelivery,
    OfficeHours,
    Platform,
    SkillHours,
    make_webhook_secret,
)
from invoker.models.audit import AuditEntry
from invoker.models.conversations import (
    Conversation,
    Lease,
    LeaseLostError,
    Notification,
    NotificationState,
    nobody_holds,
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
from invoker.models.metrics import WHOLE_ACCOUNT, MetricBucket, MetricLevel
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
    "MOST_RETRIES",
    "OPEN_COMMAND_STATES",
    "SKILL_ID_LENGTH",
    "WHOLE_ACCOUNT",
    "AgentSession",
    "AgentSessionState",
    "AllowedDomain",
    "AuditEntry",
    "AutomaticMessage",
    "AutomaticText",
    "CloseMode",
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
    "MetricBucket",
    "MetricLevel",
    "Notification",
    "NotificationState",
    "OfficeHours",
    "Platform",
    "Secret",
    "SecretType",
    "SkillHours",
    "Verdict",
    "make_webhook_secret",
    "nobody_holds",
]
