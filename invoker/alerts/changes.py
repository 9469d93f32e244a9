"""Every change to the alerts of an account. Errors: see the package."""

import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from invoker import audit
from invoker.models import (
    Alert,
    AlertChannel,
    AlertFiring,
    AlertKind,
    AlertState,
    make_webhook_secret,
)
from invoker.platforms import reach

MAX_ALERTS: Final = 50
MAX_TARGET: Final = 500
MOST_ADDRESSES: Final = 10
WINDOWS_MIN: Final = (5, 15, 30, 60, 6 * 60, 24 * 60)
SILENCES_MIN: Final = (15, 30, 60, 6 * 60, 24 * 60, 7 * 24 * 60)
MOST: Final = {
    AlertKind.ERRORS: 100,
    AlertKind.LATENCY: 300_000,
    AlertKind.DELIVERIES: 1_000_000,
    AlertKind.LETTERS: 10_000,
}
"""The largest threshold of each kind."""
MAX_COUNT: Final = 1_000_000
MAX_REPEAT_H: Final = 168


class AlertError(Exception):
    """Nothing was changed."""

    code = "alert-error"
    field = ""


class InvalidError(AlertError):
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class LimitError(AlertError):
    code = "limit-reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What somebody asks for, see `Alert`."""

    kind: str
    function_id: uuid.UUID | None = None
    function_name: str = ""
    threshold: int = 0
    window_min: int = WINDOWS_MIN[0]
    min_count: int = 1
    repeat_h: int = 0
    channel: str
    target: str


def create(account_id: str, rule: Rule, *, by: str) -> Alert:
    """Watch something from now on.

    Raises:
        InvalidError, LimitError: nothing is watched.
    """
    _check(rule)
    if Alert.objects.filter(account_id=account_id).count() >= MAX_ALERTS:
        raise LimitError(f"Cannot add the alert: there are {MAX_ALERTS}, delete one first")
    alert = Alert(account_id=account_id, created_by=by)
    _take(alert, rule)
    with transaction.atomic():
        alert.save()
        _record("alert.created", alert, by=by, after=_facts(alert))
    return alert


def edit(alert: Alert, rule: Rule, *, by: str) -> None:
    """Change what is watched; it is looked at as if it were new.

    A webhook that goes to another host gets another secret: what it was signed with is known to
    the old one.

    Raises:
        InvalidError: nothing was changed.
    """
    _check(rule)
    before = _facts(alert)
    elsewhere = _host(alert.target) != _host(rule.target)
    _take(alert, rule)
    if elsewhere and rule.channel == AlertChannel.WEBHOOK:
        alert.secret = make_webhook_secret()
    with transaction.atomic():
        alert.save()
        _begin_anew(alert)
        _record("alert.edited", alert, by=by, before=before, after=_facts(alert))


def switch(alert: Alert, *, enabled: bool, by: str) -> None:
    """Look at it, or leave it. What was firing is over without a message."""
    with transaction.atomic():
        changed = Alert.objects.filter(pk=alert.pk, enabled=not enabled).update(enabled=enabled)
        alert.enabled = enabled
        if changed:
            _begin_anew(alert)
            _record(f"alert.switched-{'on' if enabled else 'off'}", alert, by=by)


def rotate_secret(alert: Alert, *, by: str) -> None:
    """Make a new secret; messages are signed with it from now on."""
    alert.secret = make_webhook_secret()
    with transaction.atomic():
        alert.save(update_fields=["secret"])
        _record("alert.secret-rotated", alert, by=by)


def delete(alert: Alert, *, by: str) -> None:
    with transaction.atomic():
        _record("alert.deleted", alert, by=by, before=_facts(alert))
        alert.delete()


def _begin_anew(alert: Alert) -> None:
    now = timezone.now()
    AlertFiring.objects.filter(alert=alert, ended_at=None).update(ended_at=now)
    alert.state, alert.state_since, alert.told_at = AlertState.OK, None, None
    alert.looked_at, alert.finding, alert.watched_since = None, "", now
    alert.save(
        update_fields=[
            "state", "state_since", "told_at", "looked_at", "finding", "watched_since",
        ]
    )  # fmt: skip


def _take(alert: Alert, rule: Rule) -> None:
    alert.kind = rule.kind
    alert.function_id, alert.function_name = rule.function_id, rule.function_name
    alert.threshold, alert.window_min = rule.threshold, rule.window_min
    alert.min_count, alert.repeat_h = rule.min_count, rule.repeat_h
    alert.channel = rule.channel
    alert.target = rule.target.strip()


def _check(rule: Rule) -> None:
    if rule.kind not in AlertKind.values:
        raise InvalidError("kind", "Cannot add the alert: choose what it watches")
    windows = SILENCES_MIN if rule.kind == AlertKind.SILENCE else WINDOWS_MIN
    if rule.window_min not in windows:
        raise InvalidError("window_min", "Cannot save the alert: choose a time from the list")
    most = MOST.get(AlertKind(rule.kind))
    if most is not None and not 1 <= rule.threshold <= most:
        raise InvalidError("threshold", f"Cannot save the alert: enter a number from 1 to {most:,}")
    if not 1 <= rule.min_count <= MAX_COUNT:
        raise InvalidError(
            "min_count", f"Cannot save the alert: enter a number from 1 to {MAX_COUNT:,}"
        )
    if not 0 <= rule.repeat_h <= MAX_REPEAT_H:
        raise InvalidError(
            "repeat_h", f"Cannot save the alert: enter hours from 0 to {MAX_REPEAT_H}"
        )
    if rule.channel == AlertChannel.EMAIL:
        _check_addresses(rule.target)
    elif rule.channel == AlertChannel.WEBHOOK:
        _check_url(rule.target.strip())
    else:
        raise InvalidError("channel", "Cannot save the alert: choose where it goes")


def _check_addresses(target: str) -> None:
    addresses = [each.strip() for each in target.split(",")]
    if len(addresses) > MOST_ADDRESSES or len(target) > MAX_TARGET:
        raise InvalidError(
            "target", f"Cannot save the alert: at most {MOST_ADDRESSES} addresses fit"
        )
    for each in addresses:
        try:
            validate_email(each)
        except ValidationError as error:
            raise InvalidError(
                "target",
                f'Cannot send to "{each[:60]}": enter e-mail addresses, with commas between them',
            ) from error


def _check_url(url: str) -> None:
    refusal = "Cannot send to this address: "
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidError("target", f"{refusal}it must look like https://host/path")
    if len(url) > MAX_TARGET:
        raise InvalidError("target", f"{refusal}it is longer than {MAX_TARGET} characters")
    if "@" in parts.netloc:
        raise InvalidError(
            "target", f"{refusal}it may hold no password, messages are signed with a secret"
        )
    try:
        reach.check_url(url)
    except reach.NotPublicError as error:
        raise InvalidError("target", f"Cannot send to this address: it {error}") from error


def _host(target: str) -> str:
    return urlsplit(target).netloc


# For the audit log --------------------------------------------------------------------------------


def _record(action: str, alert: Alert, **values: Any) -> None:
    audit.record(alert.account_id, action, alert.title, subject_id=alert.pk, **values)


def _facts(alert: Alert) -> dict[str, Any]:
    """What is set. A webhook's address without what may prove who calls it."""
    webhook = alert.channel == AlertChannel.WEBHOOK
    counts = alert.kind in {AlertKind.ERRORS, AlertKind.LATENCY}
    return {
        "Rule": alert.title,
        **({"Runs at least": alert.min_count} if counts else {}),
        "Told again": f"after {alert.repeat_h} h" if alert.repeat_h else "no",
        "Goes by": alert.get_channel_display(),
        "Goes to": alert.target.partition("?")[0] if webhook else alert.target,
    }
