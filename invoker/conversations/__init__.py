"""What happened in a conversation: notifications in, new state and events out.

Pure: no database, no clock, no network. `read_notification` turns what a platform sent into
changes; `derive` takes the stored state and one change and says what that means.
"""

from invoker.conversations.changes import (
    NO_SKILL,
    Change,
    ClientProperties,
    Context,
    Dialog,
    DialogParticipant,
    Line,
    Snapshot,
)
from invoker.conversations.deriving import (
    Derivation,
    DerivedEvent,
    Note,
    derive,
    skill_after,
)
from invoker.conversations.reading import NotificationError, read_notification
from invoker.conversations.states import Circumstances, DialogState, IdleTimes, State

__all__ = [
    "NO_SKILL",
    "Change",
    "Circumstances",
    "ClientProperties",
    "Context",
    "Derivation",
    "DerivedEvent",
    "Dialog",
    "DialogParticipant",
    "DialogState",
    "IdleTimes",
    "Line",
    "Note",
    "NotificationError",
    "Snapshot",
    "State",
    "derive",
    "read_notification",
    "skill_after",
]
