"""What an account team and admins set up: the bot, its connections, its automatic messages."""

import datetime as dt
import secrets
import uuid
from base64 import b64encode

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import EncryptedTextField

ACCOUNT_ID_LENGTH = 32
SKILL_ID_LENGTH = 40
MOST_RETRIES = 3
"""Source: the platform retries a function up to three times, `controller-bot.md` §0 D4."""


def make_webhook_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


class ControllerBot(models.Model):
    """The controller bot of one account: that it was set up, and whether functions are enabled.

    `welcomes_after_auto_close`: whether a consumer who comes back within 48 hours after an
    automatic close begins a new conversation, as an event, or only goes on with the old one.
    """

    account_id = models.CharField(primary_key=True, max_length=ACCOUNT_ID_LENGTH)
    set_up_at = models.DateTimeField(auto_now_add=True)
    set_up_by = models.CharField(max_length=150)
    functions_enabled_at = models.DateTimeField(null=True)
    functions_enabled_by = models.CharField(max_length=150, blank=True)
    platform_retries = models.PositiveSmallIntegerField(default=1)
    function_retries = models.PositiveSmallIntegerField(default=0)
    agent_nickname = models.CharField(max_length=60, default="an agent")
    welcomes_after_auto_close = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(platform_retries__lte=MOST_RETRIES, function_retries__lte=MOST_RETRIES),
                name="controller_bot_retries",
            )
        ]

    def __str__(self) -> str:
        return f"Controller bot of {self.account_id}"


class Platform(models.TextChoices):
    """A messaging system that Houston reads from and writes to."""

    SIMULATOR = "simulator", "Simulator (built in)"
    GENERIC = "generic", "Generic (CloudEvents)"
    LIVEPERSON = "liveperson", "LivePerson"
    CHATWOOT = "chatwoot", "Chatwoot"


class MessageDelivery(models.TextChoices):
    """What to do with a message when a crash left open whether it was sent."""

    AT_MOST_ONCE = "at_most_once", "Do not send it again"
    AT_LEAST_ONCE = "at_least_once", "Send it again"


class CloseMode(models.TextChoices):
    """What a close ends on LivePerson. Source: `controller-bot.md` §4.2."""

    CONVERSATION = "conversation", "The conversation, without a survey"
    DIALOG = "dialog", "The main dialog, so that the survey starts"


class Connection(models.Model):
    """One configured account on a messaging platform: its door, its secrets, its way back.

    `agent_login` is JSON with the API keys of a LivePerson bot user; where it is set, commands go
    by that user's socket. `api_*` say where and as whom to talk to Chatwoot, and `signs` whether
    it signs its webhooks: where it does not, the signing secret is part of the webhook's address.
    A secret that was rotated holds beside the new one until `previous_…_until`.
    Conversations that began before `listening_since` were there before us. An account has one
    simulator, so that whoever starts a conversation need not choose.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH, db_index=True)
    platform = models.CharField(max_length=20, choices=Platform.choices)
    name = models.CharField(max_length=60)
    active = models.BooleanField(default=True)
    signing_secret = EncryptedTextField()
    previous_signing_secret = EncryptedTextField(default="", db_default="", blank=True)
    previous_signing_until = models.DateTimeField(null=True)
    client_id = models.CharField(max_length=100, blank=True)
    own_ids = models.JSONField(default=list, blank=True)
    callback_url = models.URLField(max_length=500, blank=True)
    callback_secret = EncryptedTextField(default=make_webhook_secret)
    previous_callback_secret = EncryptedTextField(default="", db_default="", blank=True)
    previous_callback_until = models.DateTimeField(null=True)
    message_delivery = models.CharField(
        max_length=15, choices=MessageDelivery.choices, default=MessageDelivery.AT_MOST_ONCE
    )
    agent_login = EncryptedTextField(default="", blank=True)
    close_mode = models.CharField(
        max_length=12, choices=CloseMode.choices, default=CloseMode.CONVERSATION
    )
    api_url = models.URLField(max_length=500, blank=True)
    api_account = models.CharField(max_length=40, blank=True)
    api_token = EncryptedTextField(default="", blank=True)
    signs = models.BooleanField(default=True)
    listening_since = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="connection_name_once"),
            models.UniqueConstraint(
                fields=["account_id"],
                condition=Q(platform=Platform.SIMULATOR),
                name="connection_simulator_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_platform_display()})"

    @property
    def signing_secrets(self) -> list[str]:
        """The secrets that prove a sender now, the newest first."""
        previous = self.previous_signing_secret
        return _valid(self.signing_secret, previous, self.previous_signing_until)

    @property
    def callback_secrets(self) -> list[str]:
        """The secrets that commands are signed with now, the newest first."""
        previous = self.previous_callback_secret
        return _valid(self.callback_secret, previous, self.previous_callback_until)


def _valid(secret: str, previous: str, until: dt.datetime | None) -> list[str]:
    if previous and until is not None and timezone.now() < until:
        return [secret, previous]
    return [secret]


class AgentSessionState(models.TextChoices):
    OFFLINE = "offline", "Offline"
    CONNECTING = "connecting", "Connecting"
    CONNECTED = "connected", "Connected"
    WAITING = "waiting", "Waiting to connect again"
    REFUSED = "refused", "Login refused"


class AgentSession(models.Model):
    """Who holds the one agent socket of a connection, until when, and how to hand it a command.

    `address` and `key` are where the holder listens for workers and what they prove themselves
    with. The fence counter goes up with every claim, as on a conversation.
    """

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, primary_key=True, related_name="agent_session"
    )
    holder = models.CharField(max_length=100, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    address = models.CharField(max_length=200, blank=True)
    key = EncryptedTextField(default="", blank=True)
    state = models.CharField(
        max_length=10, choices=AgentSessionState.choices, default=AgentSessionState.OFFLINE
    )
    detail = models.CharField(max_length=300, blank=True)
    connected_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Agent socket of {self.connection_id}"


class AutomaticMessage(models.Model):
    """What goes out for one sub-type when a function returned no message of its own.

    `skill_id` is empty for the account's own, which every skill without one of its own shares.
    `enabled` stops the text only. `timer_s` and `repeats` belong to idle sub-types: after how long
    the event happens, how often in a row; None takes what the account, or Houston, has. A timer
    of 0 means that the event does not happen.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    subtype = models.CharField(max_length=60)
    skill_id = models.CharField(max_length=SKILL_ID_LENGTH, blank=True, default="")
    enabled = models.BooleanField(default=True)
    timer_s = models.PositiveIntegerField(null=True)
    repeats = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "subtype", "skill_id"], name="automatic_message_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subtype} of {self.account_id}"


class AutomaticText(models.Model):
    """An automatic message in one language. One of them is for whoever speaks none of these."""

    message = models.ForeignKey(AutomaticMessage, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=20, default="en-US")
    text = models.TextField(blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["message", "language"], name="automatic_text_once"),
            models.UniqueConstraint(
                fields=["message"], condition=Q(is_default=True), name="automatic_text_default_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.text[:60]}"


class OfficeHours(models.Model):
    """When a part of the account is open: weekly windows, and occasions that override them.

    `workdays` and `occasions` are lists of the vendor's event objects, see `invoker.hours`.
    `off_until` is the switch "off until": closed from `off_since` on, whatever the week says.
    """

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    name = models.CharField(max_length=50)
    description = models.CharField(max_length=200, blank=True)
    is_default = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=60, default="UTC")
    workdays = models.JSONField(default=list)
    occasions = models.JSONField(default=list)
    off_since = models.DateTimeField(null=True)
    off_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="office_hours_name_once"),
            models.UniqueConstraint(
                fields=["account_id"],
                condition=Q(is_default=True),
                name="office_hours_default_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.account_id}"


class SkillHours(models.Model):
    """The office hours that one skill has instead of the account's default ones."""

    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    skill_id = models.CharField(max_length=SKILL_ID_LENGTH)
    hours = models.ForeignKey(OfficeHours, on_delete=models.CASCADE, related_name="skills")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "skill_id"], name="skill_hours_once")
        ]

    def __str__(self) -> str:
        return f"{self.skill_id} of {self.account_id}"


class Retention(models.Model):
    """How long what happened in an account is kept, in days.

    None takes what the installation has, 0 keeps it for ever. `bodies_until` is the notification
    up to which bodies were looked at.
    """

    account_id = models.CharField(primary_key=True, max_length=ACCOUNT_ID_LENGTH)
    events_days = models.PositiveIntegerField(null=True)
    logs_days = models.PositiveIntegerField(null=True)
    bodies_days = models.PositiveIntegerField(null=True)
    bodies_until = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Retention of {self.account_id}"


class Removal(models.Model):
    """How many rows of a kind were removed on a day because their time was over."""

    day = models.DateField()
    kind = models.CharField(max_length=20)
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "kind"], name="removal_once")]

    def __str__(self) -> str:
        return f"{self.rows} {self.kind} on {self.day}"
