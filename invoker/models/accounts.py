"""What an account team and admins set up: the bot, its connections, its automatic messages."""

import secrets
import uuid
from base64 import b64encode

from django.db import models

from invoker.fields import EncryptedTextField

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
