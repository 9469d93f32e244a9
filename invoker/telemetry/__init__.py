"""What is counted, timed, traced and logged along, for whoever watches over the installation.

Each function here is one line at the place where something happens, and nearly free. What happens
inside a transaction is counted when it commits, so that what was rolled back never happened here
either. Nothing is labelled by account or conversation: the number of series stays the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone
from structlog.contextvars import bind_contextvars, bound_contextvars

from invoker.telemetry import instruments
from invoker.telemetry.traces import TRACEPARENT_LENGTH, note, traceparent
from invoker.telemetry.traces import span as _span

__all__ = [
    "TRACEPARENT_LENGTH",
    "accepted",
    "bind",
    "bound",
    "commands_recorded",
    "derived",
    "invoked",
    "lost",
    "note",
    "refused",
    "removed",
    "settled",
    "step",
    "traceparent",
]

bound = bound_contextvars
"""A context in which every log line has these ids, those of libraries too."""
bind = bind_contextvars
"""Give an id that `bound` left open, until its end."""


@contextmanager
def step(name: str, *, parent: str | None = None, **ids: Any) -> Iterator[None]:
    """One step on the way from a request to a command: a span, and ids on every log line in it.

    `parent` is the traceparent of what led to it, "" where a trace begins; without one it is a part
    of the current step.
    """
    with bound_contextvars(**ids), _span(name, parent, ids):
        yield


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


def removed(kind: str, count: int) -> None:
    """Rows went because their time was over."""
    instruments.here().removed.labels(kind).inc(count)


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
