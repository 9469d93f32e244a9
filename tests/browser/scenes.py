"""Scenarios as an account has them: one that passed, one that differs, one that nobody has run."""

import datetime as dt
from typing import Any

from django.utils import timezone
from msgspec.structs import replace

from functions import kept_scenarios, scenario_runs, scenarios
from functions.models import Scenario
from functions.scenarios import (
    Came,
    Document,
    Expected,
    Outcome,
    StepOutcome,
    Stopped,
    comparing,
)
from functions.scenarios.documents import Failed, Message, Transfer
from invoker.rehearsal import Mark
from invoker.runtime import LogEntry

LONG = "A family with a dog, two bicycles and a pram, who want to take an earlier sailing home"
NEVER = """scenario: 1
name: {name}
description: {description}
steps:
  - at: 0s
    act: start
    consumer: Ingeborg
    text: Kan vi komme med en tidligere færge i dag? Vi er fire, og vi har en hund og to cykler med
  - at: 40s
    act: agent_says
    agent: Kim
    text: Somebody with a dog again
    private: true
"""


def fill(account_id: str) -> dict[str, Any]:
    """Keep them, and give the names by which addresses call them."""
    passed = _keep(account_id, "urgent", _as_expected)
    differs = _keep(account_id, "whole-conversation", _otherwise)
    stopped = _keep(account_id, "off-hours", _not_to_its_end)
    never = kept_scenarios.create(
        account_id, NEVER.format(name=LONG, description=f"{LONG}. See the minutes of Monday"),
        by="external.agency.developer.mueller",
    )  # fmt: skip
    return {
        "scenario_id": str(differs.pk),
        "scenario_passed": str(passed.pk),
        "scenario_stopped": str(stopped.pk),
        "scenario_never": str(never.pk),
        "slug": "whole-conversation",
    }


def _keep(account_id: str, slug: str, ran: Any) -> Scenario:
    shipped = next(each for each in scenarios.shipped() if each.slug == slug)
    document = replace(shipped.document, functions={})
    scenario = kept_scenarios.create(account_id, scenarios.write(document), by="kim.larsen")
    outcome: Outcome = ran(document)
    told = scenario_runs.tell(outcome)
    result = {
        "last_run_at": timezone.now() - dt.timedelta(hours=3),
        "last_run_by": "dana.okonkwo-fitzgerald",
        "last_against": "the draft of greet (version 8)",
        "last_passed": outcome.passed,
        "last_differing": told["differing"],
        "last_outcome": told,
    }
    if not outcome.passed and not outcome.stopped:
        result["last_text"] = scenarios.write(scenarios.accept(document, outcome))
    kept_scenarios.keep_result(scenario, result)
    return scenario


def _as_expected(document: Document) -> Outcome:
    return _outcome(document, [[*(step.expect or ())] for step in document.steps])


def _otherwise(document: Document) -> Outcome:
    """Another message, an event that was not expected, one that did not come, and a failure."""
    came = [[*(step.expect or ())] for step in document.steps]
    came[0] = [
        replace(came[0][0], commands=(
            Message(text="Ahoy, and welcome aboard! The next sailing to Rønne is at 14:30."),
            Transfer(skill_id="2041"),
        )),
    ]  # fmt: skip
    came[1].append(Expected(event="ENGAGEMENT_TRANSFERED", function="route_by_language"))
    came[2] = came[2][:1]
    failed = Failed(code="runtime-exception", message="sailings is not iterable")
    came[3] = [replace(came[3][0], commands=(), failed=failed), *came[3][1:]]
    return _outcome(document, came)


def _not_to_its_end(document: Document) -> Outcome:
    outcome = _outcome(document, [[*(step.expect or ())] for step in document.steps])
    last = StepOutcome(number=len(outcome.steps), step=outcome.steps[-1].step, played=False)
    stopped = Stopped(
        code="scenario-timeouts",
        message='Cannot play on: 3 runs took more than 5 s, the last one of "greet"',
    )
    return Outcome(
        document=document, steps=(*outcome.steps[:-1], last), duration_ms=15_120, stopped=stopped
    )


def _outcome(document: Document, came: list[list[Expected]]) -> Outcome:
    steps = [
        StepOutcome(
            number=number,
            step=step,
            came=tuple(_came(step.at_ms, each) for each in here),
            difference=comparing.difference(step.expect or (), here),
        )
        for number, (step, here) in enumerate(zip(document.steps, came, strict=True), 1)
    ]
    return Outcome(document=document, steps=tuple(steps), duration_ms=184.0)


def _came(at_ms: int, told: Expected) -> Came:
    if told.function is None:
        reason = "No deployed function has the event"
        return Came(told=told, at_ms=at_ms, reason=reason)
    is_greeting = told.event.startswith("CONSUMER_OPEN")
    logs = (
        LogEntry(level="Info", message="sailing", extras=[{"to": "Rønne"}], timestamp=0),
        LogEntry(level="Warn", message="The timetable is a day old", extras=[], timestamp=0),
    )
    return Came(
        told=told,
        at_ms=at_ms,
        version="draft" if is_greeting else "deployed",
        duration_ms=1240.0 if is_greeting else 6.4,
        logs=logs if is_greeting else (),
        marks=(Mark.SECRET,) if is_greeting else (),
    )
