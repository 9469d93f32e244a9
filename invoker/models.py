"""What matters while an event is handled, as rows.

The tables are the queue: `Conversation.due_at` says there is work, its lease says who does it.
Celery only knocks.
"""

import datetime as dt
import secrets
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone

from invoker import events
from invoker.fields import EncryptedTextField, JsonTextField

ACCOUNT_ID_LENGTH = 32


def make_webhook_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


class ControllerBot(models.Model):
    """The controller bot of one account: that it was set up, and whether functions are enabled."""

    account_id = models.CharField(primary_key=True, max_length=ACCOUNT_ID_LENGTH)
    set_up_at = models.DateTimeField(auto_now_add=True)
    set_up_by = models.CharField(max_length=150)
    functions_enabled_at = models.DateTimeField(null=True)
    functions_enabled_by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return f"Controller bot of {self.account_id}"


class Platform(models.TextChoices):
    """A messaging system that Houston reads from and writes to."""

    GENERIC = "generic", "Generic (CloudEvents)"
    LIVEPERSON = "liveperson", "LivePerson"


class MessageDelivery(models.TextChoices):
    """What to do with a message when a crash left open whether it was sent."""

    AT_MOST_ONCE = "at_most_once", "Do not send it again"
    AT_LEAST_ONCE = "at_least_once", "Send it again"


class Connection(models.Model):
    """One configured account on a messaging platform: its door, its secrets, its way back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH, db_index=True)
    platform = models.CharField(max_length=20, choices=Platform.choices)
    name = models.CharField(max_length=60)
    active = models.BooleanField(default=True)
    signing_secret = EncryptedTextField()
    client_id = models.CharField(max_length=100, blank=True)
    own_ids = models.JSONField(default=list, blank=True)
    callback_url = models.URLField(max_length=500, blank=True)
    callback_secret = EncryptedTextField(default=make_webhook_secret)
    message_delivery = models.CharField(
        max_length=15, choices=MessageDelivery.choices, default=MessageDelivery.AT_MOST_ONCE
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="connection_name_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_platform_display()})"


class AutomaticMessage(models.Model):
    """The text that goes out when a function returned no message of its own."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    subtype = models.CharField(max_length=60)
    language = models.CharField(max_length=20, default="en-US")
    text = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "subtype", "language"], name="automatic_message_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subtype} of {self.account_id}"


class LeaseLostError(Exception):
    """Another worker has taken the conversation over: stop, and write nothing more."""


class Conversation(models.Model):
    """The stored state of one conversation, and the lease that keeps its events in order."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="conversations"
    )
    conv_id = models.CharField(max_length=200)
    state = JsonTextField(null=True)
    state_version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

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
                fields=["due_at"], condition=Q(due_at__isnull=False), name="conversation_due"
            ),
            models.Index(fields=["account_id", "conv_id"], name="conversation_of_account"),
        ]

    def __str__(self) -> str:
        return self.conv_id

    @staticmethod
    def mark_arrivals(pks: list[int]) -> None:
        """Say that something new waits for each of these, whoever holds the lease now."""
        now = timezone.now()
        Conversation.objects.filter(pk__in=pks).update(
            arrived=F("arrived") + 1,
            due_at=Case(When(due_at__lt=now, then=F("due_at")), default=now),
        )


class Lease:
    """Exclusive right to work on one conversation, until a moment that is moved on.

    The fence counter goes up with every claim. A worker that was thought dead and comes back
    finds another number there, so it can write nothing: see `transaction`.
    """

    def __init__(self, conversation_pk: int, fence: int, duration: dt.timedelta) -> None:
        self.conversation_pk = conversation_pk
        self.fence = fence
        self.duration = duration

    @classmethod
    def claim(cls, conversation_pk: int, duration: dt.timedelta) -> "Lease | None":
        """Take the conversation if it is due and nobody holds it. None when there is no need."""
        now = timezone.now()
        free = Conversation.objects.filter(pk=conversation_pk, due_at__lte=now).filter(
            Q(lease_until=None) | Q(lease_until__lt=now)
        )
        with transaction.atomic():
            if not free.update(fence=F("fence") + 1, lease_until=now + duration):
                return None
            # Ours alone until `lease_until`, so this reads the number we have just written.
            fence = Conversation.objects.values_list("fence", flat=True).get(pk=conversation_pk)
        return cls(conversation_pk, fence, duration)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A database transaction that commits only while the lease is ours, and renews it.

        Raises:
            LeaseLostError: nothing was written.
        """
        with transaction.atomic():
            held = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
            if not held.update(lease_until=timezone.now() + self.duration):
                raise LeaseLostError
            yield

    def renew(self) -> None:
        """Move the end of the lease on, if it is still ours."""
        held = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
        held.filter(lease_until__isnull=False).update(lease_until=timezone.now() + self.duration)

    def arrived(self) -> int:
        """How often something arrived, to be read before looking for work: see `release`."""
        found = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
        value = found.values_list("arrived", flat=True).first()
        if value is None:
            raise LeaseLostError
        return value

    def release(self, *, seen: int, due_at: dt.datetime | None) -> bool:
        """Give the conversation back, due again at `due_at` (None: nothing is left to do).

        False when something arrived after `seen` was read: the lease is kept, look again.
        The comparison is on the row itself, so an arrival that commits meanwhile is never missed.
        """
        held = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
        return bool(held.filter(arrived=seen).update(due_at=due_at, lease_until=None))

    def postpone(self, wait: dt.timedelta) -> None:
        """Give the conversation back after an error, due again after a while."""
        held = Conversation.objects.filter(pk=self.conversation_pk, fence=self.fence)
        held.update(due_at=timezone.now() + wait, lease_until=None)


class NotificationState(models.TextChoices):
    PENDING = "pending", "Waiting"
    DONE = "done", "Handled"
    FAILED = "failed", "Failed"


class Notification(models.Model):
    """What a platform sent, one change of one conversation, stored before it was answered.

    `body` is what came over the wire. Where one request held several changes, each row holds the
    same envelope with its own change only.
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
    receipt = models.UUIDField()
    request_id = models.CharField(max_length=64, blank=True)
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
            models.Index(
                fields=["conversation", "id"],
                condition=Q(state="pending"),
                name="notification_pending",
            ),
            models.Index(fields=["account_id", "-id"], name="notification_of_account"),
            models.Index(fields=["receipt"], name="notification_receipt"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Deployment(models.Model):
    """A frozen copy of a function that serves events. The invoker runs nothing else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    function_id = models.UUIDField(db_index=True)
    function_name = models.CharField(max_length=50)
    event_type = models.CharField(max_length=60, blank=True)
    version = models.PositiveIntegerField()
    code = models.TextField()
    environment = models.JSONField(default=dict)
    active = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["function_id"], condition=Q(active=True), name="deployment_active_once"
            ),
            models.UniqueConstraint(
                fields=["account_id", "event_type"],
                condition=Q(active=True, event_type__in=sorted(events.SINGLE_EVENT_TYPES)),
                name="deployment_event_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "event_type"],
                condition=Q(active=True),
                name="deployment_listening",
            )
        ]

    def __str__(self) -> str:
        return f"{self.function_name} version {self.version}"


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


class Event(models.Model):
    """One thing that happened in a conversation, waiting to be handled in its turn."""

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
    errors = models.PositiveIntegerField(default=0)
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
    """One run of one deployment."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="invocations", null=True
    )
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="invocations")
    function_id = models.UUIDField()
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
    number = models.PositiveIntegerField()
    level = models.CharField(max_length=10)
    message = models.TextField()
    extras = JsonTextField(default=list)
    logged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invocation", "number"], name="log_line_once")
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

    Its id travels with every attempt, so a receiver can tell a repetition.
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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "position"], name="command_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.state}"

    @property
    def is_default(self) -> bool:
        """True for the account's automatic message, which no function asked for."""
        return self.invocation_id is None


class SecretType(models.TextChoices):
    """What kind of value a secret holds. Source: `liveperson-contract.md` §4.4."""

    STRING = "string", "Text"
    NUMBER = "number", "Number"
    JSON = "json", "JSON"


class Secret(models.Model):
    """A value that functions of one account read by its key, and that no page shows.

    `value` is JSON text whatever the type, so that a function gets back what was put in.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    key = models.CharField(max_length=100)
    type = models.CharField(max_length=6, choices=SecretType.choices, default=SecretType.STRING)
    value = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "key"], name="secret_key_once")
        ]

    def __str__(self) -> str:
        return self.key


class AllowedDomain(models.Model):
    """A host that functions of one account may connect to: a name, or `*.` and a domain."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    domain = models.CharField(max_length=253)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "domain"], name="allowed_domain_once")
        ]

    def __str__(self) -> str:
        return self.domain


class ContextNamespace(models.Model):
    """A named part of what functions of one account remember from one event to the next.

    A property lives for `ttl_s` seconds after it was last written, for ever when that is None.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    name = models.CharField(max_length=100)
    ttl_s = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="context_namespace_once")
        ]

    def __str__(self) -> str:
        return self.name


class ContextProperty(models.Model):
    """One remembered value of a session, which is a conversation's id or any other name."""

    namespace = models.ForeignKey(
        ContextNamespace, on_delete=models.CASCADE, related_name="properties"
    )
    session = models.CharField(max_length=200)
    name = models.CharField(max_length=100)
    value = JsonTextField(null=True)
    written_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "session", "name"], name="context_property_once"
            )
        ]
        # Every write looks for what has expired, of a hundred thousand at most.
        indexes = [
            models.Index(
                fields=["namespace", "expires_at"],
                condition=Q(expires_at__isnull=False),
                name="context_property_expires",
            )
        ]

    def __str__(self) -> str:
        return f"{self.session}: {self.name}"


class Heartbeat(models.Model):
    """When a part of the system was last seen alive."""

    name = models.CharField(primary_key=True, max_length=40)
    seen_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Heartbeat"]]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"seen_at": timezone.now()})

    @classmethod
    def age_s(cls, name: str) -> float | None:
        """Seconds since `name` was last seen, None when it never was."""
        seen_at = cls.objects.filter(name=name).values_list("seen_at", flat=True).first()
        return (timezone.now() - seen_at).total_seconds() if seen_at else None
