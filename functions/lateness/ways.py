"""The way from an event to one of its commands: how long each part of it took."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils import timezone

from invoker.models import Command, Event, Invocation, Platform


class Part(StrEnum):
    """What took most of the time until a command was ready."""

    BEFORE = "before"
    FUNCTION = "function"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Way:
    """The time from an event to a command of it, in milliseconds by our clock.

    `arriving` until the platform had told of it, `waiting` for its turn and between attempts,
    `starting` until a sandbox was there, `running` in the function, all attempts together,
    `delivering` in attempts to carry out this command, or one before it.
    """

    arriving: float = 0.0
    waiting: float = 0.0
    starting: float = 0.0
    running: float = 0.0
    delivering: float = 0.0
    ran: bool = True

    @property
    def before(self) -> float:
        return self.arriving + self.waiting + self.starting

    @property
    def total(self) -> float:
        return self.before + self.running + self.delivering

    @property
    def longest(self) -> Part:
        if self.before > max(self.running, self.delivering):
            return Part.BEFORE
        return Part.FUNCTION if self.running >= self.delivering else Part.DELIVERY


def way_to(
    command: Command, event: Event, runs: Sequence[Invocation], commands: Sequence[Command]
) -> Way:
    """Measure it, from all runs and commands of the event, whose connection is loaded along.

    That a command became stale is not written down with its time, so what happened around it tells.
    """
    waiting = starting = running = arriving = 0.0
    at = event.received_at
    if event.conversation.connection.platform != Platform.SIMULATOR:
        # A simulated event happened by another clock, and came at once.
        since = min(event.occurred_at, at)
        if event.notification_id:
            arriving = _ms(at - since)
        else:
            at = since
    done = [each for each in runs if each.finished_at and each.duration_ms is not None]
    for run in sorted(done, key=lambda each: each.started_at):
        waiting += _ms(run.started_at - at)
        assert run.finished_at
        assert run.duration_ms is not None
        starting += max(_ms(run.finished_at - run.started_at) - run.duration_ms, 0.0)
        running += run.duration_ms
        at = run.finished_at
    if not done:
        waiting, at = _ms(command.created_at - at), command.created_at
    delivering = _ms(_given_up_at(command, event, commands) - at)
    return Way(arriving, waiting, starting, running, delivering, ran=bool(done))


def _given_up_at(command: Command, event: Event, commands: Sequence[Command]) -> dt.datetime:
    before = [each for each in commands if each.position < command.position and each.attempts]
    sent = [each.sent_at for each in before if each.sent_at]
    if command.attempts or len(sent) < len(before):
        return event.finished_at or timezone.now()
    return max(sent, default=command.created_at)


def _ms(length: dt.timedelta) -> float:
    return max(length.total_seconds() * 1000, 0.0)
