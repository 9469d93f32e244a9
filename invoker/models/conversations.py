"""The queue: conversations with work, their lease, and what platforms sent."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from invoker import statements
from invoker.fields import JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH, Connection, Platform
from invoker.telemetry import TRACEPARENT_LENGTH

LONGEST_LEASE = dt.timedelta(minutes=2)
# Databases take some ten thousand values with one statement.
MARKED_AT_ONCE = 1000


class LeaseLostError(Exception):
    """Another worker has taken the conversation over: stop, and write nothing more."""


def nobody_holds(now: dt.datetime) -> Q:
    """Rows whose lease is free: given back, run out, or made by a clock that was wrong.

    A clock that was ahead and has been put right would hold what it leased for as long as that.
    """
    ended = Q(lease_until__lt=now) | Q(lease_until__gt=now + LONGEST_LEASE)
    return Q(lease_until=None) | ended


class Conversation(models.Model):
    """The stored state of one conversation, and the lease that keeps its events in order.

    `active_at` is when something last arrived, or time itself was the event; `closed` is read off
    the state. Lists go by both.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="conversations"
    )
    conv_id = models.CharField(max_length=200)
    consumer_id = models.CharField(max_length=200, blank=True, default="")
    state = JsonTextField(null=True)
    state_version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    active_at = models.DateTimeField(default=timezone.now)
    closed = models.BooleanField(default=False)

    due_at = models.DateTimeField(null=True)
    arrived = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "conv_id"], name="conversation_once")
        ]
        indexes = [
            models.Index(
                fields=["account_id", "due_at"],
                condition=Q(due_at__isnull=False),
                name="conversation_due_of_account",
            ),
            models.Index(fields=["account_id", "conv_id"], name="conversation_of_account"),
            # With the key, so that PostgreSQL never walks all conversations backwards to find the
            # consumer's last one: most consumers have none.
            models.Index(
                fields=["connection", "consumer_id", "-id"], name="conversation_last_of_consumer"
            ),
            models.Index(fields=["account_id", "-active_at", "-id"], name="conversation_by_time"),
            models.Index(
                fields=["connection", "-active_at", "-id"], name="conversation_on_platform"
            ),
            models.Index(
                fields=["account_id", "-active_at", "-id"],
                condition=Q(closed=False),
                name="conversation_open",
            ),
        ]

    def __str__(self) -> str:
        return self.conv_id

    @property
    def simulated(self) -> Any:
        """Its `Simulation`, which holds its clock. None for any other platform's.

        Whoever asks many conversations loads `connection` and `simulation` along.
        """
        simulation = getattr(self, "simulation", None)
        mine = simulation is not None and self.connection.platform == Platform.SIMULATOR
        return simulation if mine else None

    @property
    def ahead(self) -> dt.timedelta:
        """How far its clock is before ours: nothing, but for what the simulator plays."""
        simulation = self.simulated
        return dt.timedelta(milliseconds=simulation.ahead_ms if simulation else 0)

    def now(self) -> dt.datetime:
        """What its clock says. Whatever happens in the conversation is told by this one."""
        return timezone.now() + self.ahead

    @staticmethod
    def mark_arrivals(pks: list[int]) -> None:
        """Say that something new waits for each of these, whoever holds the lease now."""
        now = statements.value(Conversation, "due_at", timezone.now())
        for first in range(0, len(pks), MARKED_AT_ONCE):
            some = pks[first : first + MARKED_AT_ONCE]
            statements.change(
                "UPDATE invoker_conversation SET arrived = arrived + 1, active_at = %s,"  # noqa: S608  # nosec B608 -- our own names
                " due_at = CASE WHEN due_at < %s THEN due_at ELSE %s END"
                f" WHERE id IN ({statements.marks(some)})",
                [now, now, now, *some],
            )


class Lease:
    """Exclusive right to work on one conversation, until a moment that is moved on.

    The fence counter goes up with every claim. A worker that was thought dead and comes back
    finds another number there, so it can write nothing: see `transaction`.
    """

    def __init__(
        self, conversation_pk: int, fence: int, duration: dt.timedelta, seen: int = 0
    ) -> None:
        self.conversation_pk = conversation_pk
        self.fence = fence
        self.duration = duration
        self.seen = seen
        """How often something had arrived when it was claimed: see `arrived`."""

    @classmethod
    def claim(cls, conversation_pk: int, duration: dt.timedelta) -> "Lease | None":
        """Take the conversation if it is due and nobody holds it. None when there is no need."""
        now = timezone.now()
        moments = (now + duration, now, now, now + LONGEST_LEASE)
        # `nobody_holds`, in one statement that also tells what it has written.
        found = statements.values(
            "UPDATE invoker_conversation SET fence = fence + 1, lease_until = %s"
            " WHERE due_at <= %s AND (lease_until IS NULL OR lease_until < %s OR lease_until > %s)"
            " AND id = %s RETURNING fence, arrived",
            [
                *(statements.value(Conversation, "due_at", each) for each in moments),
                conversation_pk,
            ],
        )
        return cls(conversation_pk, found[0][0], duration, found[0][1]) if found else None

    @contextmanager
    def transaction(self, **changed: Any) -> Iterator[None]:
        """A database transaction that commits only while the lease is ours, and renews it.

        `changed` is what else is written into the conversation.

        Raises:
            LeaseLostError: nothing was written.
        """
        with transaction.atomic():
            if not self._write(lease_until=timezone.now() + self.duration, **changed):
                raise LeaseLostError
            yield

    def _write(self, **changed: Any) -> int:
        held = {"id": self.conversation_pk, "fence": self.fence}
        return statements.update(Conversation, changed, held)

    def renew(self) -> None:
        """Move the end of the lease on, if it is still ours."""
        held = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
        held.filter(lease_until__isnull=False).update(lease_until=timezone.now() + self.duration)

    def arrived(self) -> int:
        """How often something arrived, to be read before looking for work: see `release`."""
        return self.look()[0]

    def look(self) -> tuple[int, bool]:
        """How often something arrived, and whether the connection is switched on.

        Raises:
            LeaseLostError: another worker has taken over.
        """
        found = statements.values(
            "SELECT arrived, active FROM invoker_conversation"
            " JOIN invoker_connection ON invoker_connection.id = connection_id"
            " WHERE invoker_conversation.id = %s AND fence = %s",
            [self.conversation_pk, self.fence],
        )
        if not found:
            raise LeaseLostError
        return found[0][0], bool(found[0][1])

    def release(self, *, seen: int, due_at: dt.datetime | None) -> bool:
        """Give the conversation back, due again at `due_at` (None: nothing is left to do).

        False when something arrived after `seen` was read: the lease is kept, look again.
        The comparison is on the row itself, so an arrival that commits meanwhile is never missed.
        """
        held = {"id": self.conversation_pk, "fence": self.fence, "arrived": seen}
        changed = {"due_at": due_at, "lease_until": None}
        return bool(statements.update(Conversation, changed, held))

    def postpone(self, wait: dt.timedelta) -> None:
        """Give the conversation back after an error, due again after a while."""
        self._write(due_at=timezone.now() + wait, lease_until=None)


class NotificationState(models.TextChoices):
    PENDING = "pending", "Waiting"
    DONE = "done", "Handled"
    FAILED = "failed", "Failed"


class Notification(models.Model):
    """What a platform sent, one change of one conversation, stored before it was answered.

    `body` is what came over the wire. Where one request held several changes, each row holds the
    same envelope with its own change only. `traceparent` is where the trace goes on that came with
    it, or began here.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="notifications"
    )
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=100)
    dedupe_key = models.CharField(max_length=64)
    body = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    # Of no use any more: the version before wrote it.
    receipt = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(
        max_length=TRACEPARENT_LENGTH, blank=True, default="", db_default=""
    )
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(
        max_length=10, choices=NotificationState.choices, default=NotificationState.PENDING
    )
    note = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    digested_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "dedupe_key"], name="notification_once")
        ]
        indexes = [
            # With the account, so that what waits is counted without reading it.
            models.Index(
                fields=["conversation", "id", "account_id"],
                condition=Q(state="pending"),
                name="notification_waiting",
            ),
            models.Index(fields=["account_id", "-id"], name="notification_of_account"),
            models.Index(
                fields=["account_id", "received_at"],
                condition=Q(state="failed"),
                name="notification_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
