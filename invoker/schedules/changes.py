"""Every change to the schedules of an account. Errors: see the package."""

import datetime as dt
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from invoker import audit
from invoker.models import ControllerBot, Deployment, Schedule
from invoker.models.schedules import MAX_DESCRIPTION
from invoker.schedules import cron
from invoker.schedules.errors import (
    ConflictError,
    InvalidError,
    LimitError,
    NotDeployedError,
    NotFoundError,
    PayloadTooLongError,
    UnchangedError,
)

logger = logging.getLogger(__name__)

# Source: `liveperson-contract.md` §4.4.
MAX_SCHEDULES: Final = 50
MAX_PAYLOAD: Final = 15_000
"""Characters of the payload as JSON without spaces; the headers may have as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What people decide about a schedule: when the function runs, and with what.

    The function gets `headers`, each with a key and a value, and `payload`, any JSON value, as it
    does from whoever invokes it.
    """

    cron_expression: str
    time_zone: str = cron.UTC_ZONE
    active: bool = True
    description: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    payload: Any = field(default_factory=dict)

    @classmethod
    def of(cls, schedule: Schedule) -> "Plan":
        return cls(
            cron_expression=schedule.cron_expression,
            time_zone=schedule.time_zone,
            active=schedule.active,
            description=schedule.description,
            headers=schedule.headers,
            payload=schedule.payload,
        )


def of_account(account_id: str) -> QuerySet[Schedule]:
    """The schedules of an account, each with `deployed`: whether its function serves now."""
    # Named by a variable: to the type checker it is an attribute of every schedule.
    deployed: dict[str, Any] = {"deployed": is_deployed()}
    return Schedule.objects.filter(account_id=account_id).annotate(**deployed)


def is_deployed() -> Exists:
    """The condition that the function of a schedule serves now."""
    return Exists(
        Deployment.objects.filter(
            account_id=OuterRef("account_id"), function_id=OuterRef("function_id"), active=True
        )
    )


def preview(
    cron_expression: str, time_zone: str, after: dt.datetime, count: int = 5
) -> list[dt.datetime]:
    """When it would be due next, in its time zone. Fewer where it is not due again in 50 years.

    Raises:
        CronError, ZoneError: it cannot be a schedule.
    """
    expression, zone = cron.read(cron_expression), cron.zone(time_zone)
    return [each.astimezone(zone) for each in islice(cron.times(expression, zone, after), count)]


def create(account_id: str, function_id: uuid.UUID, plan: Plan, *, by: str) -> Schedule:
    """Let a deployed function of the account run by the clock.

    Raises:
        NotDeployedError: the account has no such function, or it does not serve.
        InvalidError, LimitError: a rule is broken, nothing was created.
    """
    values = _checked(plan)
    with transaction.atomic():
        # These rows are written first, so that whoever undeploys the function waits for this or
        # this finds it gone, and two that create the last schedule take turns.
        serving = Deployment.objects.filter(
            account_id=account_id, function_id=function_id, active=True
        )
        if not serving.update(active=True):
            raise NotDeployedError(
                "Cannot create the schedule: the account has no deployed function "
                f'"{function_id}", deploy it first'
            )
        ControllerBot.objects.filter(account_id=account_id).update(account_id=F("account_id"))
        if Schedule.objects.filter(account_id=account_id).count() >= MAX_SCHEDULES:
            raise LimitError(
                f"Cannot create the schedule: the account has {MAX_SCHEDULES}, delete one first"
            )
        schedule = Schedule.objects.create(
            account_id=account_id,
            function_id=function_id,
            function_name=serving.values_list("function_name", flat=True).get(),
            next_at=_next(plan) if plan.active else None,
            created_by=by,
            updated_by=by,
            **values,
        )
        _record("schedule.created", schedule, by=by, after=_facts(values))
    logger.info("schedule created", extra={"account_id": account_id, "schedule_id": schedule.pk})
    return schedule


def change(schedule: Schedule, plan: Plan, *, version: int, by: str) -> None:
    """Do as the plan says from now on, if nobody has changed the schedule since `version`.

    A run that goes on ends as it began. What would have been due while it was paused is not made
    up for. The function stays the same.

    Raises:
        InvalidError: a rule is broken, nothing was changed.
        UnchangedError: it is like this already.
        ConflictError: somebody has changed it since; `newest` is how it is now.
        NotFoundError: it was deleted meanwhile.
    """
    refusal = "Cannot save the schedule"
    values = _checked(plan)
    with transaction.atomic():
        same = Schedule.objects.filter(pk=schedule.pk, version=version)
        old = same.first()
        if old is None:
            raise _outdated(schedule, refusal)
        before = {name: getattr(old, name) for name in values}
        # As text: in Python, 1 is the same as true.
        if _text(before) == _text(values):
            raise UnchangedError("Nothing to save: the schedule has not changed")
        times = ("cron_expression", "time_zone", "active")
        if any(before[name] != values[name] for name in times):
            values["next_at"] = _next(plan) if plan.active else None
        changed = same.update(
            **values, version=F("version") + 1, updated_at=timezone.now(), updated_by=by
        )
        if not changed:
            raise _outdated(schedule, refusal)
        told, was = _facts(values), _facts(before)
        if any(_text(before[name]) != _text(values[name]) for name in ("headers", "payload")):
            told["Payload"], was["Payload"] = "replaced", "kept"
        _record("schedule.changed", old, by=by, before=was, after=told)
    schedule.refresh_from_db()


def switch(schedule: Schedule, *, active: bool, by: str) -> None:
    """Pause it, or let it go on with the next due time. Does nothing where it is so already.

    Raises:
        NotFoundError: it was deleted meanwhile.
    """
    with transaction.atomic():
        others = Schedule.objects.filter(pk=schedule.pk).exclude(active=active)
        now = others.first()
        if now is not None:
            # With its version: its times must be those that the next one is reckoned from.
            switched = others.filter(version=now.version).update(
                active=active,
                next_at=_next(Plan.of(now)) if active else None,
                version=F("version") + 1,
                updated_at=timezone.now(),
                updated_by=by,
            )
            if not switched:
                raise _outdated(schedule, "Cannot switch the schedule")
            _record(f"schedule.{'resumed' if active else 'paused'}", now, by=by)
    try:
        schedule.refresh_from_db()
    except Schedule.DoesNotExist as error:
        raise NotFoundError("Cannot switch the schedule: it was deleted meanwhile") from error


def delete(schedule: Schedule, *, by: str) -> None:
    """Forget a schedule with its runs; what they logged stays. Doing it twice does no more."""
    with transaction.atomic():
        gone = Schedule.objects.filter(pk=schedule.pk).first()
        if gone is None or not Schedule.objects.filter(pk=gone.pk).delete()[0]:
            return
        _record("schedule.deleted", gone, by=by, before=_facts(vars(gone)))
    logger.info("schedule deleted", extra={"account_id": gone.account_id, "schedule_id": gone.pk})


def delete_of(function_id: uuid.UUID, *, by: str) -> None:
    """Forget the schedules of a function that goes too. Call it in the transaction of that."""
    for schedule in Schedule.objects.filter(function_id=function_id).order_by("created_at"):
        delete(schedule, by=by)


def _next(plan: Plan) -> dt.datetime:
    expression = cron.read(plan.cron_expression)
    return cron.following(expression, cron.zone(plan.time_zone), timezone.now())


def _outdated(schedule: Schedule, refusal: str) -> ConflictError | NotFoundError:
    newest = Schedule.objects.filter(pk=schedule.pk).first()
    if newest is None:
        return NotFoundError(f"{refusal}: it was deleted meanwhile")
    return ConflictError(
        f"{refusal}: {newest.updated_by} has changed it meanwhile, look at it again", newest
    )


# Rules --------------------------------------------------------------------------------------------


def _checked(plan: Plan) -> dict[str, Any]:
    """The columns that a plan fills."""
    expression = cron.read(plan.cron_expression)
    cron.zone(plan.time_zone)
    description = plan.description.strip()
    if len(description) > MAX_DESCRIPTION:
        raise InvalidError(
            "description",
            f"Cannot save the schedule: the description has {len(description)} characters, at "
            f"most {MAX_DESCRIPTION} fit",
        )
    if "\0" in description:
        raise InvalidError(
            "description", "Cannot save the schedule: the description contains a NUL character"
        )
    _check_headers(plan.headers)
    _check_length("headers", plan.headers)
    _check_length("payload", plan.payload)
    return {
        "cron_expression": expression,
        "time_zone": plan.time_zone,
        "active": plan.active,
        "description": description,
        "headers": plan.headers,
        "payload": plan.payload,
    }


def _check_headers(headers: Any) -> None:
    pairs = headers if isinstance(headers, list) else [None]
    for pair in pairs:
        if (
            not isinstance(pair, dict)
            or pair.keys() != {"key", "value"}
            or not all(isinstance(each, str) for each in pair.values())
        ):
            raise InvalidError(
                "headers",
                "Cannot save the schedule: headers must be a list such as "
                '[{"key": "x-source", "value": "schedule"}]',
            )


def _check_length(name: str, value: Any) -> None:
    try:
        text = _text(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(name, f"Cannot save the schedule: the {name} must be JSON") from error
    if len(text) > MAX_PAYLOAD:
        raise PayloadTooLongError(
            name,
            f"Cannot save the schedule: as JSON the {name} has {len(text):,} characters, at most "
            f"{MAX_PAYLOAD:,} fit",
        )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# For the audit log --------------------------------------------------------------------------------


def _record(action: str, schedule: Schedule, **values: Any) -> None:
    audit.record(
        schedule.account_id, action, schedule.function_name, subject_id=schedule.pk, **values
    )


def _facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is set. The payload is not told: it may hold what proves who calls."""
    return {
        "Cron expression": values["cron_expression"],
        "Time zone": values["time_zone"],
        "State": "active" if values["active"] else "paused",
        "Description": values["description"],
    }
