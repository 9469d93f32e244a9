"""What was given up: a notification, an event or a command that a person has to decide about."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.models.accounts import ACCOUNT_ID_LENGTH, Connection
from invoker.models.conversations import Conversation, Notification
from invoker.models.events import Command, Event

LONGEST_NOTE = 300


class LetterKind(models.TextChoices):
    """What was given up."""

    NOTIFICATION = "notification", "Notification"
    EVENT = "event", "Event"
    COMMAND = "command", "Command"


class LetterState(models.TextChoices):
    """Open and being retried are waiting; the other two are closed."""

    OPEN = "open", "Open"
    RETRYING = "retrying", "Being retried"
    DONE = "done", "Went through"
    DISCARDED = "discarded", "Discarded"


class DeadLetter(models.Model):
    """One thing that Houston gave up, written in the very transaction that did.

    Each subject has one at most. What is retried and fails again is the same letter, open again
    with the new `reason` and `detail`; `tries` counts how often somebody had it retried.
    `insists` says that they want it sent although the conversation has moved on meanwhile.
    `closed_at` is empty while it waits. It goes with its event or conversation.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="dead_letters"
    )
    kind = models.CharField(max_length=12, choices=LetterKind.choices)
    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, related_name="dead_letter", null=True
    )
    event = models.OneToOneField(
        Event, on_delete=models.CASCADE, related_name="dead_letter", null=True
    )
    command = models.OneToOneField(
        Command, on_delete=models.CASCADE, related_name="dead_letter", null=True
    )
    state = models.CharField(max_length=9, choices=LetterState.choices, default=LetterState.OPEN)
    reason = models.CharField(max_length=60)
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    failed_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveIntegerField(default=0)
    retried_at = models.DateTimeField(null=True)
    retried_by = models.CharField(max_length=200, blank=True)
    insists = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=LONGEST_NOTE, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="notification", notification__isnull=False)
                | Q(kind="event", event__isnull=False)
                | Q(kind="command", command__isnull=False),
                name="dead_letter_has_subject",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "retrying"], closed_at=None)
                | Q(state__in=["done", "discarded"], closed_at__isnull=False),
                name="dead_letter_waits_or_is_closed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "-failed_at", "-id"],
                condition=Q(closed_at=None),
                name="dead_letter_waiting",
            ),
            models.Index(
                fields=["account_id", "kind", "reason", "state"],
                condition=Q(closed_at=None),
                name="dead_letter_by_reason",
            ),
            models.Index(
                fields=["account_id", "state", "-failed_at", "-id"], name="dead_letter_by_state"
            ),
            models.Index(
                fields=["account_id", "retried_at"],
                condition=Q(retried_at__isnull=False),
                name="dead_letter_retried",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reason} {self.pk}"

    @property
    def waits(self) -> bool:
        return self.closed_at is None
