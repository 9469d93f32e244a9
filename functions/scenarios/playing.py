"""Plays a scenario in memory."""

from functions.scenarios.casting import Cast
from functions.scenarios.documents import Document
from functions.scenarios.outcomes import Outcome


def run(account_id: str, document: Document, cast: Cast, *, network: bool = False) -> Outcome:
    """Play a scenario and say what came, beside what was expected.

    A scenario that cannot be played to its end, or a function that fails, is an outcome and no
    exception.

    Args:
        account_id: whose settings, secrets and stored context count; "" for none.
        document: what is played.
        cast: who plays, where the scenario brings no functions of its own.
        network: whether requests may leave, to the hosts of the account's allow-list.
    """
    raise NotImplementedError
