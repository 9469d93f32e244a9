"""What is kept of a run: how it ended, what it gave, what it logged."""

import datetime as dt
from typing import Any

import msgspec
from django.utils import timezone

from invoker import runtime, statements, telemetry
from invoker.fields import storable
from invoker.models import Invocation, LogLine


def record(invocation: Invocation, result: runtime.Result) -> None:
    """Write down how a run ended. Call it in a transaction."""
    statements.update(Invocation, _ending(result), {"id": invocation.pk})
    telemetry.invoked(result.outcome.value, result.duration_ms)
    _keep_lines(invocation, result)


def write_down(invocation: Invocation, result: runtime.Result) -> None:
    """Write down a run of which there is no row yet. Call it in a transaction."""
    for name, value in _ending(result).items():
        setattr(invocation, name, value)
    invocation.save(force_insert=True)
    telemetry.invoked(result.outcome.value, result.duration_ms)
    _keep_lines(invocation, result)


def _ending(result: runtime.Result) -> dict[str, Any]:
    return {
        "outcome": result.outcome.value,
        "result": result.value,
        "failure": _told(result.failure) if result.failure else None,
        "cold": result.cold,
        "dropped_logs": result.dropped_logs,
        "duration_ms": result.duration_ms,
        "finished_at": timezone.now(),
    }


def _told(failure: runtime.Failure) -> dict[str, Any]:
    """A failure with texts that any database keeps and any page shows: functions word them."""
    return {
        name: storable(value) if isinstance(value, str) else value
        for name, value in msgspec.to_builtins(failure).items()
    }


def _keep_lines(invocation: Invocation, result: runtime.Result) -> None:
    statements.insert(
        LogLine,
        [
            LogLine(
                account_id=invocation.account_id,
                invocation=invocation,
                function_id=invocation.function_id,
                number=number,
                level=entry.level,
                message=storable(entry.message),
                extras=entry.extras,
                logged_at=dt.datetime.fromtimestamp(entry.timestamp / 1000, dt.UTC),
            )
            for number, entry in enumerate(result.logs, start=1)
        ],
    )
