"""Scenarios out of what happened: in a conversation that was played, or in a run."""

from functions.scenarios.documents import Document
from functions.scenarios.outcomes import Outcome
from invoker.models import Conversation


def from_conversation(conversation: Conversation) -> Document:
    """A simulated conversation as a scenario: what was done in it, and what really came of it.

    Raises:
        ScenarioError: `scenario-not-simulated`, nobody knows what was done in it.
    """
    raise NotImplementedError


def accept(document: Document, outcome: Outcome) -> Document:
    """The scenario with what came as what is expected, in every step.

    Raises:
        ScenarioError: `scenario-not-played`, the run did not come to its end.
    """
    raise NotImplementedError
