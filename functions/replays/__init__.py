"""What a version would do on what really happened, beside what was done then.

Events are chosen (`happening.py`) and run in slices, each as long as a request may take: whoever
does not ask for the next one has ended the replay, and no task is left behind. Nothing is written
down and nothing is sent, see `invoker.rehearsal`.

ReplayError                      has a stable `code`; the message says what to do
├── InvalidChoiceError           what is asked for makes no sense, or is not there
├── ChangedError                 a version was saved or deployed since the slice before
└── BusyError                    the account replays already
"""

from functions.replays.choosing import MOST, Against, Beside, Choice, Version, version, versions_of
from functions.replays.comparing import Difference
from functions.replays.errors import BusyError, ChangedError, InvalidChoiceError, ReplayError
from functions.replays.happening import by_id, functions_in, of_conversation, of_type
from functions.replays.listening import function_of
from functions.replays.playing import Slice, next_slice
from functions.replays.progress import Progress
from functions.replays.rows import Note, Row, Side, Step
from functions.replays.running import MOST_TIMEOUTS, RUN_S
from functions.replays.telling import CELLS, as_cells, as_json, summary

__all__ = [
    "CELLS",
    "MOST",
    "MOST_TIMEOUTS",
    "RUN_S",
    "Against",
    "Beside",
    "BusyError",
    "ChangedError",
    "Choice",
    "Difference",
    "InvalidChoiceError",
    "Note",
    "Progress",
    "ReplayError",
    "Row",
    "Side",
    "Slice",
    "Step",
    "Version",
    "as_cells",
    "as_json",
    "by_id",
    "function_of",
    "functions_in",
    "next_slice",
    "of_conversation",
    "of_type",
    "summary",
    "version",
    "versions_of",
]
