"""What is counted and timed while events are handled, for whoever watches over the installation.

Each function here is one line at the place where something happens, and nearly free. What happens
inside a transaction is counted when it commits, so that what was rolled back never happened here
either. Nothing is labelled by account or conversation: the number of series stays the same.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from invoker.telemetry import instruments

__all__ = ["accepted", "commands_recorded", "derived", "invoked", "lost", "refused", "settled"]


def accepted(count: int) -> None:
    """Notifications were stored that were new."""
    if count:
        instruments.here().accepted.inc(count)


def refused(code: str) -> None:
    """A request of a platform was turned away, with one of the codes of the door."""
    instruments.here().refused.labels(code).inc()


def derived(events: Sequence[Any]) -> None:
    """Rows of `Event` were added."""
    kinds = [event.type for event in events]

    def count() -> None:
        for kind in kinds:
            instruments.here().derived.labels(kind).inc()

    transaction.on_commit(count, robust=True)


def invoked(outcome: str, duration_ms: float) -> None:
    """A run of a deployed function ended, whoever asked for it."""

    def count() -> None:
        instruments.here().invocations.labels(outcome).inc()
        instruments.here().invocation_seconds.observe(duration_ms / 1000)

    transaction.on_commit(count, robust=True)


def lost(count: int) -> None:
    """Runs were found that nobody lived to record."""
    if count:
        instruments.here().invocations.labels("UNKNOWN").inc(count)


def commands_recorded(rows: Sequence[Any]) -> None:
    """Rows of `Command` were added; those that nobody will carry out have their last state."""
    for row in rows:
        if row.state == "dropped":
            settled(row, row.state)


def settled(command: Any, state: str) -> None:
    """A command got its last state. Timed is what nobody had tried again by hand."""
    kind = command.type
    took_s = None
    if state == "sent" and command.redelivered_at is None and command.event.retried_at is None:
        took_s = (timezone.now() - command.event.received_at).total_seconds()

    def count() -> None:
        instruments.here().command(kind, state).inc()
        if took_s is not None:
            instruments.here().event_to_command_seconds.observe(took_s)

    transaction.on_commit(count, robust=True)
