"""What is left of many invocations when they are counted: one row per function and stretch."""

import datetime as dt
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH

WHOLE_ACCOUNT = uuid.UUID(int=0)
"""Stands where a bucket has its function: this one counts all functions of the account."""


class MetricLevel(models.Model):
    """How far the buckets of one length reach: they are complete from one moment to the other.

    Whoever holds the lease of the shortest level adds buckets, of all lengths.
    """

    seconds = models.PositiveIntegerField(primary_key=True)
    rolled_from = models.DateTimeField()
    rolled_to = models.DateTimeField()
    lease_until = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.seconds} s to {self.rolled_to:%Y-%m-%d %H:%M}"

    @classmethod
    def claim(cls, seconds: int, duration: dt.timedelta) -> bool:
        """Take the lease for this long, if nobody has it.

        A clock that was ahead and has been put right does not hold it for as long as that.
        """
        now = timezone.now()
        ended = Q(lease_until__lte=now) | Q(lease_until__gt=now + 2 * duration)
        return bool(cls.objects.filter(ended, pk=seconds).update(lease_until=now + duration))

    @classmethod
    def release(cls, seconds: int) -> None:
        cls.objects.filter(pk=seconds).update(lease_until=timezone.now())


class MetricBucket(models.Model):
    """The invocations that started, and the commands of events that came in, in one stretch.

    `outcomes` counts by outcome, `commands` by "kind:state", `durations` by the number of a bin of
    `invoker.metrics.histogram`. `open` counts what can still change them: runs that go on and
    events that are not done.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    function_id = models.UUIDField(default=WHOLE_ACCOUNT)
    seconds = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    outcomes = JsonTextField(default=dict)
    commands = JsonTextField(default=dict)
    durations = JsonTextField(default=dict)
    over_budget = models.PositiveIntegerField(default=0)
    open = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(null=True)
    last_outcome = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "function_id", "seconds", "starts_at"],
                name="metric_bucket_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["account_id", "seconds", "starts_at"], name="metric_bucket_of_account"
            ),
            models.Index(fields=["seconds", "starts_at"], name="metric_bucket_by_age"),
            models.Index(fields=["starts_at"], condition=Q(open__gt=0), name="metric_bucket_open"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.starts_at:%Y-%m-%d %H:%M} {self.seconds} s"
