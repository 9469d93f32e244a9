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
from invoker.conversations.circumstances import (
    ALWAYS_OPEN,
    Circumstances,
    FixedHours,
    Hours,
    IdleTimer,
    IdleTimes,
    Previous,
    Shift,
)
from invoker.conversations.deriving import Derivation, DerivedEvent, Note, derive
from invoker.conversations.idling import IdleDerivation, Silence, idle, silences
from invoker.conversations.reading import (
    NotificationError,
    clean,
    convert,
    read_notification,
)
from invoker.conversations.states import DialogState, State, Told

__all__ = [
    "ALWAYS_OPEN",
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
    "FixedHours",
    "Hours",
    "IdleDerivation",
    "IdleTimer",
    "IdleTimes",
    "Line",
    "Note",
    "NotificationError",
    "Previous",
    "Shift",
    "Silence",
    "Snapshot",
    "State",
    "Told",
    "clean",
    "convert",
    "derive",
    "idle",
    "read_notification",
    "silences",
]
