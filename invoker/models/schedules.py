"""Functions that run at times of the clock, and every run that came of it."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH
from invoker.models.events import Invocation

MAX_CRON = 100
MAX_ZONE = 60
MAX_DESCRIPTION = 200


class RunState(models.TextChoices):
    """How a run stands. `MISSED` is one that never began."""

    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    INTERRUPTED = "interrupted", "Interrupted"
    MISSED = "missed", "Missed"


FAILED_RUN_STATES = (RunState.FAILED, RunState.INTERRUPTED)


class Schedule(models.Model):
    """When a function of the account runs by itself, and with what.

    This table is the queue: `next_at` is the next due time, None while the schedule is paused.
    Whoever moves it on has the run. Whether the function is deployed is looked up then.
    `version` goes up with every change that people make, `last_…` tell of the latest run.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    function_id = models.UUIDField(db_index=True)
    function_name = models.CharField(max_length=50)
    cron_expression = models.CharField(max_length=MAX_CRON)
    time_zone = models.CharField(max_length=MAX_ZONE, default="Etc/UTC")
    active = models.BooleanField(default=True)
    description = models.CharField(max_length=MAX_DESCRIPTION, blank=True)
    headers = JsonTextField(default=list)
    payload = JsonTextField(default=dict, null=True)
    version = models.PositiveIntegerField(default=1)
    next_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    last_state = models.CharField(max_length=11, choices=RunState.choices, blank=True)
    last_failure = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=150)

    deployed: bool  # whether its function serves now, where `schedules.of_account` found it

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(active=True, next_at__isnull=False) | Q(active=False, next_at=None),
                name="schedule_due_unless_paused",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(next_at__isnull=False), name="schedule_due"
            ),
            models.Index(fields=["account_id", "function_name", "id"], name="schedule_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.function_name} {self.cron_expression}"

    @property
    def last_failed(self) -> bool:
        """Whether the latest run ended badly. False before the first, and while one goes on."""
        return self.last_state in FAILED_RUN_STATES


class ScheduleRun(models.Model):
    """One due time of a schedule and what became of it: there is never a second run for it.

    While it goes on it holds one of the account's `lane`s, so that no account takes more workers
    than it has lanes. `lease_until` is when its worker must have died.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    state = models.CharField(max_length=11, choices=RunState.choices, default=RunState.RUNNING)
    invocation = models.ForeignKey(
        Invocation, on_delete=models.SET_NULL, related_name="+", null=True
    )
    failure = models.TextField(blank=True)
    lane = models.PositiveSmallIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="schedule_run_once"),
            models.UniqueConstraint(
                fields=["schedule"],
                condition=Q(state="running"),
                name="schedule_run_one_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["account_id", "lane"],
                condition=Q(state="running"),
                name="schedule_run_one_in_a_lane",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"], condition=Q(state="running"), name="schedule_run_held"
            )
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.due_at:%Y-%m-%d %H:%M}"
