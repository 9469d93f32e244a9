"""What an account has set, and what counts where it has set nothing."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction

from invoker import audit
from invoker.models import Retention

logger = logging.getLogger(__name__)

MOST_DAYS: Final = 3650
FIELDS: Final[Mapping[str, str]] = {
    "events_days": "Days that events are kept",
    "logs_days": "Days that log lines are kept",
    "bodies_days": "Days that bodies of notifications are kept",
}
"""What each is called, as the audit log has it."""
LEAST_DAYS: Final[Mapping[str, int]] = {"events_days": 7, "logs_days": 1, "bodies_days": 1}
"""Platforms send a notification again for up to 3 days, and metrics are counted again for as long:
until then nothing may be forgotten. Source: `controller-bot.md`, retention_time 259,200 s."""


class RetentionError(Exception):
    """Everything is as it was."""

    code = "retention-error"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Periods:
    """In days; 0 is for ever."""

    events_days: int
    logs_days: int
    bodies_days: int


def defaults() -> Periods:
    """What the installation has."""
    return Periods(settings.KEEP_EVENTS_DAYS, settings.KEEP_LOGS_DAYS, settings.KEEP_BODIES_DAYS)


def of_account(account_id: str) -> Periods:
    row = Retention.objects.filter(pk=account_id).first()
    return periods(row)


def periods(row: Retention | None) -> Periods:
    """What counts for an account with this row, or without any."""
    usual = defaults()
    if row is None:
        return usual
    return Periods(
        usual.events_days if row.events_days is None else row.events_days,
        usual.logs_days if row.logs_days is None else row.logs_days,
        usual.bodies_days if row.bodies_days is None else row.bodies_days,
    )


def save(account_id: str, days: Mapping[str, int | None], *, by: str) -> None:
    """Change how long things are kept; None takes what the installation has, 0 is for ever.

    Raises:
        RetentionError: a number is out of its range.
    """
    for field, value in days.items():
        if value and not LEAST_DAYS[field] <= value <= MOST_DAYS:
            raise RetentionError(
                f"Cannot keep it for {value} days: enter {LEAST_DAYS[field]} to {MOST_DAYS:,}, "
                "0 for ever, or nothing for what the installation has",
                field=field,
            )
    with transaction.atomic():
        row, _ = Retention.objects.get_or_create(pk=account_id)
        before = {field: getattr(row, field) for field in FIELDS}
        Retention.objects.filter(pk=account_id).update(**{field: days[field] for field in FIELDS})
        audit.record(
            account_id,
            "retention.saved",
            "how long things are kept",
            by=by,
            before={FIELDS[field]: _spell(value) for field, value in before.items()},
            after={FIELDS[field]: _spell(days[field]) for field in FIELDS},
        )
    logger.info("retention saved", extra={"account_id": account_id})


def _spell(value: int | None) -> int | str:
    if value is None:
        return "as the installation"
    return value or "for ever"
