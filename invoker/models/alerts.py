"""What an account wants to be told of by itself, when it was, and whether the telling arrived."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import EncryptedTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH, make_webhook_secret


class AlertKind(models.TextChoices):
    """What an alert watches."""

    ERRORS = "errors", "Error rate"
    LATENCY = "latency", "Latency"
    SILENCE = "silence", "Silence"
    DELIVERIES = "deliveries", "Failed deliveries"
    LETTERS = "letters", "Dead letters"


class AlertChannel(models.TextChoices):
    """The way an alert takes."""

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Signed webhook"


class AlertState(models.TextChoices):
    OK = "ok", "OK"
    FIRING = "firing", "Firing"


class Alert(models.Model):
    """A rule that is looked at every minute, and where to tell of it.

    `threshold` is percent of runs for errors, milliseconds for latency, a number for deliveries and
    dead letters. Silence has its window alone, dead letters have none: they wait or do not.
    `function_id` is None for all functions of the account.
    `repeat_h` of 0 tells once when it begins and once when it ends. `watched_since` is when its
    rule was last changed: what was before it is nothing to be told of.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH, db_index=True)
    kind = models.CharField(max_length=10, choices=AlertKind.choices)
    function_id = models.UUIDField(null=True)
    function_name = models.CharField(max_length=50, blank=True)
    threshold = models.PositiveIntegerField(default=0)
    window_min = models.PositiveIntegerField(default=15)
    min_count = models.PositiveIntegerField(default=1)
    repeat_h = models.PositiveSmallIntegerField(default=0)
    channel = models.CharField(max_length=7, choices=AlertChannel.choices)
    target = models.CharField(max_length=500)
    secret = EncryptedTextField(default=make_webhook_secret)
    enabled = models.BooleanField(default=True)
    state = models.CharField(max_length=6, choices=AlertState.choices, default=AlertState.OK)
    state_since = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    finding = models.CharField(max_length=200, blank=True)
    watched_since = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.title

    @property
    def about(self) -> str:
        return self.function_name or "all functions"

    @property
    def title(self) -> str:
        """The rule in words."""
        window = spell_minutes(self.window_min)
        match self.kind:
            case AlertKind.ERRORS:
                return f"{self.threshold} % of runs of {self.about} fail within {window}"
            case AlertKind.LATENCY:
                return f"p95 of {self.about} above {self.threshold:,} ms within {window}"
            case AlertKind.SILENCE:
                silent = f"{self.function_name} does not run" if self.function_id else "No event"
                return f"{silent} for {window}"
            case AlertKind.LETTERS:
                most = f"{self.threshold:,} dead letters wait"
                return most if self.threshold > 1 else "Dead letters wait"
        what = "delivery fails" if self.threshold == 1 else "deliveries fail"
        return f"{self.threshold:,} {what} for {self.about} within {window}"


class AlertFiring(models.Model):
    """One time that an alert was true, from its beginning to its end."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="firings")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    finding = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert"], condition=Q(ended_at=None), name="alert_firing_one_open"
            )
        ]
        indexes = [models.Index(fields=["alert", "-began_at"], name="alert_firing_newest")]

    def __str__(self) -> str:
        return f"{self.alert_id} from {self.began_at:%Y-%m-%d %H:%M}"


class TellingKind(models.TextChoices):
    FIRING = "firing", "Firing"
    AGAIN = "again", "Still firing"
    RESOLVED = "resolved", "Resolved"
    TEST = "test", "Test"


class Telling(models.Model):
    """One message of an alert. `due_at` is when to try next, None once it is settled.

    Its id travels with every attempt, so a receiver can tell a repetition.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="tellings")
    kind = models.CharField(max_length=8, choices=TellingKind.choices)
    finding = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="telling_due"),
            models.Index(fields=["alert", "-created_at"], name="telling_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.alert_id}"


def spell_minutes(minutes: int) -> str:
    """`15 minutes`, `1 hour`, `2 days`."""
    for unit, length in (("day", 1440), ("hour", 60)):
        if minutes >= length and minutes % length == 0:
            count = minutes // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{minutes} minute" if minutes == 1 else f"{minutes} minutes"
