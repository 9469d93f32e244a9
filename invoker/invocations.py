"""What is kept of a run: how it ended, what it gave, what it logged."""

import datetime as dt

import msgspec
from django.utils import timezone

from invoker import runtime
from invoker.fields import storable
from invoker.models import Invocation, LogLine


def record(invocation: Invocation, result: runtime.Result) -> None:
    """Write down how a run ended. Call it in a transaction."""
    Invocation.objects.filter(pk=invocation.pk).update(
        outcome=result.outcome.value,
        result=result.value,
        failure=msgspec.to_builtins(result.failure) if result.failure else None,
        cold=result.cold,
        dropped_logs=result.dropped_logs,
        duration_ms=result.duration_ms,
        finished_at=timezone.now(),
    )
    LogLine.objects.bulk_create(
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
        ]
    )
