"""Plays a scenario: the acts go in, the controller bot's own parts say what comes of them."""

import time
from collections.abc import Callable

from functions.scenarios import casting, comparing, rules
from functions.scenarios.casting import Cast
from functions.scenarios.documents import Document
from functions.scenarios.outcomes import Came, Outcome, StepOutcome, Stopped
from functions.scenarios.running import Runner, StoppedError
from functions.scenarios.stage import ImpossibleError, Stage
from invoker import rehearsal


def run(
    account_id: str,
    document: Document,
    cast: Cast,
    *,
    network: bool = False,
    stops: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Play a scenario and say what came, beside what was expected.

    A scenario that cannot be played to its end, and a function that fails, are outcomes and no
    exceptions. Nothing is written down.

    Args:
        account_id: whose settings, secrets and stored context count; "" for none.
        document: what is played.
        cast: who plays, where the scenario brings no functions of its own.
        network: whether requests may leave, to the hosts of the account's allow-list.
        stops: asked again and again; True ends it there, as `STOPPED`.
    """
    began = time.monotonic()
    if document.functions:
        cast = casting.of_templates(account_id, document.functions)
    with rehearsal.warm() as key:
        runner = Runner(account_id, key, network=network, began=began, stops=stops)
        stage = Stage(account_id, document, rules.load(account_id, document), cast, runner)
        stopped, impossible = _play(stage)
    steps = _steps(document, stage.came, stage.performed, impossible)
    duration_ms = (time.monotonic() - began) * 1000
    return Outcome(document=document, steps=steps, duration_ms=duration_ms, stopped=stopped)


def _play(stage: Stage) -> tuple[Stopped | None, Stopped | None]:
    """Play to the end. Returns why all of it, or the last step, could not be played."""
    try:
        while stage.go_on():
            pass
    except StoppedError as error:
        return Stopped(code=error.code, message=str(error)), None
    except ImpossibleError as error:
        return None, Stopped(code=error.code, message=str(error))
    return None, None


def _steps(
    document: Document, came: dict[int, list[Came]], performed: int, impossible: Stopped | None
) -> tuple[StepOutcome, ...]:
    outcomes = []
    for number, step in enumerate(document.steps):
        here = tuple(came[number])
        told = [each.told for each in here]
        checked = step.expect is not None and number < performed
        outcomes.append(
            StepOutcome(
                number=number + 1,
                step=step,
                came=here,
                difference=comparing.difference(step.expect or (), told) if checked else (),
                played=number < performed,
                stopped=impossible if number == performed else None,
            )
        )
    return tuple(outcomes)
