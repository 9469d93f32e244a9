"""Sending what an alert has to tell: by e-mail, or as a signed webhook to a public address."""

import datetime as dt
import json
import logging
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from invoker.models import Alert, AlertChannel, Telling, TellingKind
from invoker.places import places
from invoker.platforms import posting
from invoker.platforms.contract import DeliveryError

logger = logging.getLogger(__name__)

WAITS: Final = tuple(dt.timedelta(minutes=each) for each in (1, 5, 15, 60))
"""How long to wait after each attempt that failed; after the one behind the last, no more."""
LEASE: Final = dt.timedelta(minutes=1)
TEST_PAUSE: Final = dt.timedelta(seconds=5)
SUBJECTS: Final = {
    TellingKind.FIRING: "Firing",
    TellingKind.AGAIN: "Still firing",
    TellingKind.RESOLVED: "Resolved",
    TellingKind.TEST: "Test",
}


class TooSoonError(Exception):
    """A test was sent a moment ago."""

    code = "too-soon"


def due(count: int = 100) -> list[str]:
    """Keys of messages to send now, the oldest first."""
    found = Telling.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    return [str(pk) for pk in found.values_list("pk", flat=True)[:count]]


def tell(pk: str) -> Telling | None:
    """Send one message, unless somebody does already.

    A process that dies with it gives it back after `LEASE`; then it may go out twice, with the
    same id.

    Returns:
        The message with what became of it, None where there was nothing to send.
    """
    now = timezone.now()
    mine = Telling.objects.filter(pk=pk, due_at__lte=now)
    if not mine.update(due_at=now + LEASE):
        return None
    telling = Telling.objects.select_related("alert").get(pk=pk)
    telling.attempts += 1
    try:
        with places.aside():
            _send(telling)
    except DeliveryError as error:
        telling.error = str(error)[:300]
        tries_left = telling.attempts <= len(WAITS) and telling.kind != TellingKind.TEST
        again = tries_left and not error.permanent
        telling.due_at = now + WAITS[telling.attempts - 1] if again else None
        logger.warning(
            "alert could not be sent",
            extra={"account_id": telling.alert.account_id, "alert_id": telling.alert_id},
        )
    else:
        telling.sent_at, telling.due_at, telling.error = timezone.now(), None, ""
    telling.save(update_fields=["attempts", "sent_at", "due_at", "error"])
    return telling


def test(alert: Alert) -> Telling:
    """Send a message that says it is a test, now and once.

    Raises:
        TooSoonError: the last one was sent a moment ago.
    """
    recently = timezone.now() - TEST_PAUSE
    if alert.tellings.filter(kind=TellingKind.TEST, created_at__gt=recently).exists():
        raise TooSoonError("Cannot send a test: one was sent a moment ago, wait a few seconds")
    made = Telling.objects.create(alert=alert, kind=TellingKind.TEST, finding="This is a test")
    return tell(str(made.pk)) or made


def _send(telling: Telling) -> None:
    if telling.alert.channel == AlertChannel.EMAIL:
        _mail(telling)
    else:
        _post(telling)


def _mail(telling: Telling) -> None:
    if not settings.EMAIL_CONFIGURED:
        raise DeliveryError(
            "This installation sends no e-mail: whoever runs it can set HOUSTON_EMAIL_HOST",
            permanent=True,
        )
    alert = telling.alert
    word = SUBJECTS[TellingKind(telling.kind)]
    message = EmailMessage(
        subject=f"[Houston {alert.account_id}] {word}: {alert.title}",
        body=f"{word}: {alert.title}\n\n{telling.finding}\n"
        f"{telling.created_at:%Y-%m-%d %H:%M} UTC\n\n{_address(alert)}\n",
        to=[each.strip() for each in alert.target.split(",")],
        headers={"X-Houston-Alert": str(telling.pk)},
    )
    try:
        message.send()
    except (SMTPException, OSError) as error:
        raise DeliveryError(f"The mail server did not take it: {error}") from error


def _post(telling: Telling) -> None:
    alert = telling.alert
    body = json.dumps(
        {
            "type": f"alert.{telling.kind}",
            "timestamp": telling.created_at.isoformat(),
            "data": {
                "accountId": alert.account_id,
                "alertId": str(alert.pk),
                "title": alert.title,
                "kind": alert.kind,
                "functionId": str(alert.function_id) if alert.function_id else None,
                "functionName": alert.function_name or None,
                "finding": telling.finding,
                "since": alert.state_since.isoformat() if alert.state_since else None,
                "url": _address(alert),
            },
        }
    )
    now = timezone.now()
    signature = Webhook(alert.secret).sign(str(telling.pk), now.replace(tzinfo=dt.UTC), body)
    headers = {
        "content-type": "application/json",
        "webhook-id": str(telling.pk),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    posting.post(
        alert.target,
        body.encode(),
        headers,
        who="The webhook of the alert",
        account_id=alert.account_id,
    )


def _address(alert: Alert) -> str:
    return f"{settings.HOUSTON_URL}{reverse('alert', args=[alert.account_id, alert.pk])}"
