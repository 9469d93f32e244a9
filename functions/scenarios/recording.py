"""Scenarios out of what happened: in a conversation that was played, or in a run."""

import bisect
import datetime as dt
import math
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from functions.scenarios import comparing, errors, telling
from functions.scenarios.documents import LONGEST_MS, MOST_STEPS, Document, Expected, Step
from functions.scenarios.durations import spell
from functions.scenarios.errors import ScenarioError
from functions.scenarios.outcomes import Outcome
from invoker.epoch import EPOCH, millis
from invoker.models import (
    Command,
    Conversation,
    Event,
    EventState,
    InvocationState,
    NotificationState,
    SimulatedAct,
)
from invoker.simulator import acts, command_of, request_id

NAME: Final = "Played conversation"
SECOND_MS: Final = 1000
_SUCCEEDED: Final = (InvocationState.SUCCEEDED, InvocationState.UNKNOWN, InvocationState.RUNNING)


def from_conversation(conversation: Conversation) -> Document:
    """A simulated conversation as a scenario: what was done in it, and what really came of it.

    An event belongs to the act whose notification told of it; what the bot's own command led to
    belongs to where the command does, and silence to the latest act before it.

    Raises:
        ScenarioError: `scenario-not-simulated`, nobody knows what was done in it;
            `scenario-under-way`, something is still being handled; `scenario-too-long`.
    """
    simulation = conversation.simulated
    if simulation is None:
        raise ScenarioError(
            errors.NOT_SIMULATED,
            f'Cannot save "{conversation.conv_id}" as a scenario: it was not played in the '
            "simulator, so nobody knows what was done in it",
        )
    simulation.refresh_from_db()
    waiting = conversation.notifications.filter(state=NotificationState.PENDING)
    handled = conversation.events.filter(state=EventState.DONE)
    if simulation.goes_to_ms or waiting.exists() or handled.count() < conversation.events.count():
        raise ScenarioError(
            errors.UNDER_WAY,
            f'Cannot save "{conversation.conv_id}" as a scenario yet: something is still being '
            "handled in it, try again in a moment",
        )
    rows = list(simulation.acts.order_by("number")[: MOST_STEPS + 1])
    if len(rows) >= MOST_STEPS:
        raise ScenarioError(
            errors.TOO_LONG,
            f'Cannot save "{conversation.conv_id}" as a scenario: it has {MOST_STEPS} acts or '
            "more, play a shorter one",
        )
    start_ms = rows[0].at_ms
    now_ms = millis(conversation.now())
    happened = _happened(conversation, rows)
    steps = _steps(rows, now_ms, SECOND_MS if _leaves_room(rows, happened) else 1)
    silent_ms = max((one.at_ms for one in happened if one.number == len(rows)), default=0)
    rest_s = math.ceil((silent_ms - start_ms - steps[-1].ends_ms) / 1000)
    if silent_ms:
        # Nobody did anything any more, and yet time passed.
        steps.append(Step(at_ms=steps[-1].ends_ms, act=acts.Wait(seconds=max(1, rest_s))))
    if steps[-1].at_ms > LONGEST_MS:
        raise ScenarioError(
            errors.TOO_LONG,
            f'Cannot save "{conversation.conv_id}" as a scenario: its last step comes '
            f"{spell(steps[-1].at_ms)} after the first, and {spell(LONGEST_MS)} is the most, play "
            "one in which less time passes",
        )
    told: dict[int, list[Expected]] = defaultdict(list)
    for one in happened:
        told[one.number].append(_told(one.event))
    return Document(
        name=NAME,
        # All of it by a part of a second earlier or later.
        starts_at=EPOCH + dt.timedelta(seconds=round(start_ms / 1000)),
        steps=tuple(replace(step, expect=tuple(told[n])) for n, step in enumerate(steps)),
    )


@dataclass(frozen=True, slots=True)
class _Happened:
    """An event, at a moment of the conversation's clock, and the number of the act it came of."""

    event: Event
    at_ms: int
    number: int


def _steps(rows: list[SimulatedAct], now_ms: int, unit_ms: int = 1) -> list[Step]:
    """The acts, at times in whole `unit_ms`."""
    start_ms = rows[0].at_ms
    steps: list[Step] = []
    for number, row in enumerate(rows, start=1):
        act = acts.read(row.act)
        if isinstance(act, acts.Wait):
            # Time that was let pass may have stood still before it was over.
            last = number == len(rows)
            passed_ms = (now_ms + SECOND_MS - 1 if last else rows[number].at_ms) - row.at_ms
            act = acts.Wait(seconds=min(act.seconds, max(1, passed_ms // SECOND_MS)))
        before_ms = steps[-1].ends_ms if steps else 0
        at_ms = (row.at_ms - start_ms) // unit_ms * unit_ms
        steps.append(Step(at_ms=max(at_ms, before_ms), act=act))
    return steps


def _happened(conversation: Conversation, rows: list[SimulatedAct]) -> list[_Happened]:
    """What came. A silence after the last act was over has the number after it."""
    ends_ms = Step(at_ms=rows[-1].at_ms, act=acts.read(rows[-1].act)).ends_ms
    number_of_request = {request_id(row): number for number, row in enumerate(rows)}
    times = [row.at_ms for row in rows]
    number_of: dict[uuid.UUID, int] = {}
    happened = []
    events = conversation.events.select_related("notification", "conversation").order_by("position")
    for event in events.prefetch_related("commands", "invocations__deployment"):
        request = event.notification.request_id if event.notification else ""
        at_ms = millis(event.occurred_at)
        if request in number_of_request:
            number = number_of_request[request]
        elif command_id := command_of(request):
            number = number_of[_event_of(conversation, command_id)]
        elif at_ms > ends_ms:
            number = len(rows)
        else:
            number = max(0, bisect.bisect_right(times, at_ms) - 1)
        number_of[event.pk] = number
        happened.append(_Happened(event, at_ms, number))
    return happened


def _leaves_room(rows: list[SimulatedAct], happened: list[_Happened]) -> bool:
    """Whether acts may begin up to a second earlier, so that their times are whole seconds.

    Not where people acted while the bot was busy, just after a silence, or within the second in
    which something came: there it counts.
    """
    start_ms = rows[0].at_ms
    for one in happened:
        if one.number + 1 >= len(rows):
            continue
        following = rows[one.number + 1]
        seconds = {(row.at_ms - start_ms) // SECOND_MS for row in (rows[one.number], following)}
        if len(seconds) == 1:
            return False
        if one.event.finished_at is None or one.event.finished_at > following.made_at:
            return False
        if one.event.notification is None and following.at_ms - one.at_ms < SECOND_MS:
            return False
    return True


def _event_of(conversation: Conversation, command_id: uuid.UUID) -> uuid.UUID:
    found = Command.objects.filter(event__conversation=conversation, pk=command_id)
    return found.values_list("event_id", flat=True).get()


def _told(event: Event) -> Expected:
    rows = sorted(event.commands.all(), key=lambda each: each.position)
    runs = sorted(event.invocations.all(), key=lambda each: each.attempt)
    ran = runs[-1] if runs else None
    told = telling.tell(
        event,
        rows,
        function=ran.deployment.function_name if ran else None,
        failure=(ran.failure or {}) if ran and ran.outcome not in _SUCCEEDED else None,
    )
    return replace(told, commands=tuple(telling.keep(one) for one in told.commands))


def accept(document: Document, outcome: Outcome) -> Document:
    """The scenario with what came as what is expected, in every step.

    What fits what was expected stays in those words.

    Raises:
        ScenarioError: `scenario-not-played`, the run did not come to its end.
    """
    unplayed = outcome.stopped or next((one.stopped for one in outcome.steps if one.stopped), None)
    if unplayed:
        raise ScenarioError(
            errors.NOT_PLAYED,
            f'Cannot record "{document.name}": it was not played to its end. {unplayed.message}',
        )
    steps = (
        replace(one.step, expect=comparing.kept(one.step.expect, [each.told for each in one.came]))
        for one in outcome.steps
    )
    return replace(document, steps=tuple(steps))
