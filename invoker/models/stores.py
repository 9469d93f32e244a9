"""What functions keep and may reach: secrets, domains, context. And who is alive."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invoker.fields import EncryptedTextField, JsonTextField
from invoker.models.accounts import ACCOUNT_ID_LENGTH


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


class SecretUse(models.Model):
    """That a function read a secret, and when last, give or take a minute."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="uses")
    function_id = models.UUIDField()
    function_name = models.CharField(max_length=50, blank=True)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["secret", "function_id"], name="secret_use_once")
        ]

    def __str__(self) -> str:
        return f"{self.function_name} read {self.secret_id}"


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
