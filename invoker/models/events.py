"""What happened, the function that ran for it, and the commands that came of it."""

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH
from invoker.models.conversations import Conversation, Notification
from invoker.telemetry import TRACEPARENT_LENGTH


class Deployment(models.Model):
    """A frozen copy of a function that serves events. The invoker runs nothing else.

    What could not be built or started is kept as well, with its `failure`; it never served.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    function_id = models.UUIDField(db_index=True)
    function_name = models.CharField(max_length=50)
    event_type = models.CharField(max_length=60, blank=True)
    version = models.PositiveIntegerField()
    code = models.TextField()
    environment = models.JSONField(default=dict)
    skills = models.JSONField(default=list)
    active = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)
    # From the first check until events ran it, or until it was given up.
    took_ms = models.FloatField(null=True)
    # What kept it from ever serving: the code of the error, and what was wrong with which line.
    failure = models.CharField(max_length=20, blank=True)
    problems = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["function_id"], condition=Q(active=True), name="deployment_active_once"
            ),
            models.CheckConstraint(
                condition=Q(active=False) | Q(failure=""), name="deployment_active_did_not_fail"
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "event_type"],
                condition=Q(active=True),
                name="deployment_listening",
            ),
            models.Index(fields=["account_id", "created_at", "id"], name="deployment_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.function_name} version {self.version}"

    @property
    def deployed_at(self) -> dt.datetime | None:
        """When it began to serve, None for what never did."""
        return None if self.failure else self.created_at

    @property
    def changed_at(self) -> dt.datetime:
        return self.retired_at or self.created_at


class EventState(models.TextChoices):
    """Where an event is on its way. `DONE` is final, whatever came of it: see `Event.verdict`."""

    WAITING = "waiting", "Waiting"
    DELIVERING = "delivering", "Delivering"
    DONE = "done", "Done"


class Verdict(models.TextChoices):
    """What became of an event, in the words that Activity shows."""

    NONE = "", "In progress"
    DELIVERED = "delivered", "Commands delivered"
    DEFAULT = "default", "Default message delivered"
    NOTHING = "nothing", "Nothing to send"
    FAILED = "failed", "Delivery failed"
    BROKEN = "broken", "Houston failed"
    NOWHERE = "nowhere", "Nowhere to deliver to"
    UNCERTAIN = "uncertain", "Delivery uncertain"
    STALE = "stale", "Too late"
    DISABLED = "disabled", "Functions are off"
    SUPPRESSED = "suppressed", "Suppressed"
    LOOP = "loop", "Stopped, the bot was going in circles"


class Event(models.Model):
    """One thing that happened in a conversation, waiting to be handled in its turn.

    `reason` and `detail` say in a stable word and a sentence why no function ran, or why the event
    ended as it did. `function_id` is the function that ran for it. `caused_by` is the bot's own
    command that led to it, `chain` how many times in a row one of them led to the next.
    `retried_at` is when a person last had it, or a command of it, tried again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="events", null=True
    )
    type = models.CharField(max_length=60)
    subtype = models.CharField(max_length=60, blank=True)
    payload = JsonTextField()
    position = models.PositiveBigIntegerField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=EventState.choices, default=EventState.WAITING)
    verdict = models.CharField(
        max_length=10, choices=Verdict.choices, default=Verdict.NONE, blank=True
    )
    reason = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    function_id = models.UUIDField(null=True)
    caused_by = models.ForeignKey(
        "Command", on_delete=models.SET_NULL, related_name="caused", null=True
    )
    chain = models.PositiveSmallIntegerField(default=0)
    traceparent = models.CharField(
        max_length=TRACEPARENT_LENGTH, blank=True, default="", db_default=""
    )
    errors = models.PositiveIntegerField(default=0)
    retried_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "position"], name="event_position_once")
        ]
        indexes = [
            models.Index(
                fields=["conversation", "position"],
                condition=~Q(state="done"),
                name="event_open",
            ),
            models.Index(fields=["account_id", "-created_at", "-id"], name="event_of_account"),
            models.Index(
                fields=["account_id", "verdict", "-created_at", "-id"], name="event_by_verdict"
            ),
            models.Index(fields=["account_id", "type", "-created_at", "-id"], name="event_by_type"),
            models.Index(
                fields=["function_id", "-created_at", "-id"],
                condition=Q(function_id__isnull=False),
                name="event_of_function",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subtype or self.type} {self.pk}"


class InvocationState(models.TextChoices):
    """The outcomes of `runtime.Outcome`, and running."""

    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    CODING_FAILURE = "CODING_FAILURE", "Function failed"
    TIMEOUT = "TIMEOUT", "Timed out"
    PLATFORM_FAILURE = "PLATFORM_FAILURE", "Platform failure"
    UNKNOWN = "UNKNOWN", "Unknown"


class Invocation(models.Model):
    """One run of one deployment.

    `invoked_by` is the API client, person or function that asked for it, "" for an event and a
    schedule; `source` what a client calls its own system, `request_id` what it calls its request.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="invocations", null=True
    )
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="invocations")
    function_id = models.UUIDField()
    attempt = models.PositiveSmallIntegerField(default=1)
    outcome = models.CharField(
        max_length=20, choices=InvocationState.choices, default=InvocationState.RUNNING
    )
    result = JsonTextField(null=True)
    failure = JsonTextField(null=True)
    cold = models.BooleanField(null=True)
    dropped_logs = models.PositiveIntegerField(default=0)
    duration_ms = models.FloatField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    invoked_by = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["function_id", "-started_at"], name="invocation_of_function"),
            models.Index(fields=["account_id", "-started_at"], name="invocation_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.pk}"


class LogLine(models.Model):
    """One call of `console` by a function."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    invocation = models.ForeignKey(Invocation, on_delete=models.CASCADE, related_name="log_lines")
    function_id = models.UUIDField()
    number = models.PositiveIntegerField()
    level = models.CharField(max_length=10)
    message = models.TextField()
    extras = JsonTextField(default=list)
    logged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invocation", "number"], name="log_line_once")
        ]
        indexes = [
            # What lines are filtered by stands behind their order, so that those which do not
            # match are passed over without being read.
            models.Index(
                fields=["account_id", "-logged_at", "-id", "level", "function_id"],
                name="log_line_of_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.level}: {self.message[:60]}"


class CommandType(models.TextChoices):
    """What a function may ask for, in the order in which it is carried out."""

    MESSAGE = "systemMessage", "Message"
    TRANSFER = "transfer", "Transfer"
    CLOSE = "closeConversation", "Close"


class CommandState(models.TextChoices):
    PENDING = "pending", "Waiting"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DROPPED = "dropped", "Dropped"
    STALE = "stale", "Too late"
    FAILED = "failed", "Failed"
    UNCERTAIN = "uncertain", "Uncertain"


OPEN_COMMAND_STATES = (CommandState.PENDING, CommandState.SENDING)


class Command(models.Model):
    """One thing to do in the conversation, or the record of why it was not done.

    Its id travels with every attempt, so a receiver can tell a repetition. `late_ms` is how long
    after what made it stale it would have been sent. `redelivered_at` is when a person had it sent
    again, from which its age counts then.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="commands")
    invocation = models.ForeignKey(
        Invocation, on_delete=models.CASCADE, related_name="commands", null=True
    )
    type = models.CharField(max_length=40, blank=True)
    fields = JsonTextField(default=dict)
    position = models.PositiveIntegerField()
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001
    state = models.CharField(
        max_length=10, choices=CommandState.choices, default=CommandState.PENDING
    )
    reason = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    late_ms = models.PositiveIntegerField(null=True)
    redelivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "position"], name="command_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"

    @property
    def shown(self) -> dict[str, Any]:
        """The command as platforms get to see it."""
        known = ("text", "skillId", "agentId")
        return {"type": self.type} | {key: self.fields[key] for key in known if key in self.fields}

    @property
    def is_default(self) -> bool:
        """True for the account's automatic message, which no function asked for."""
        return self.invocation_id is None
