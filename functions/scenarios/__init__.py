"""Scenarios: a conversation as a file, acts with times and what is expected to come of them.

A run happens in memory, with the parts that the controller bot is made of: nothing is written
down, nothing is delivered, and no request leaves but where that is asked for.
"""

from functions.scenarios.casting import Cast, CastError, Player, cast
from functions.scenarios.documents import (
    LONGEST_FILE,
    LONGEST_MS,
    MOST_STEPS,
    Document,
    Expected,
    Settings,
    Step,
)
from functions.scenarios.errors import ScenarioError
from functions.scenarios.outcomes import Came, Line, Outcome, StepOutcome, Stopped
from functions.scenarios.playing import run
from functions.scenarios.reading import read, read_file
from functions.scenarios.recording import accept, from_conversation
from functions.scenarios.running import LONGEST_S, MOST_TIMEOUTS, RUN_S, STOPPED
from functions.scenarios.shipped import Shipped, shipped
from functions.scenarios.stage import MOST_EVENTS
from functions.scenarios.writing import write, write_json

__all__ = [
    "LONGEST_FILE",
    "LONGEST_MS",
    "LONGEST_S",
    "MOST_EVENTS",
    "MOST_STEPS",
    "MOST_TIMEOUTS",
    "RUN_S",
    "STOPPED",
    "Came",
    "Cast",
    "CastError",
    "Document",
    "Expected",
    "Line",
    "Outcome",
    "Player",
    "ScenarioError",
    "Settings",
    "Shipped",
    "Step",
    "StepOutcome",
    "Stopped",
    "accept",
    "cast",
    "from_conversation",
    "read",
    "read_file",
    "run",
    "shipped",
    "write",
    "write_json",
]
