"""Who may come in: people, accounts, memberships, and machines that call the API."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

LONGEST_EMAIL = 254


class User(AbstractUser):
    """A person. `is_staff` makes them a member of the account team."""

    objects: ClassVar[UserManager["User"]]

    class Meta(AbstractUser.Meta):
        constraints = [
            # Whoever signs in may write a name in any case, so two that differ in nothing else
            # would keep each other out.
            models.UniqueConstraint(Lower("username"), name="user_name_once_in_any_case")
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Account(models.Model):
    """A brand on a messaging platform. Its id is the vendor's, everywhere else a plain string."""

    id = models.CharField(
        primary_key=True,
        max_length=32,
        validators=[RegexValidator(r"^[A-Za-z0-9]+\Z", "Use letters and digits only")],
    )
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Role(models.TextChoices):
    """What a member may do, see `liveperson-contract.md` §4.5 for the matrix."""

    ADMIN = "admin", "Admin"
    DEVELOPER = "developer", "Developer"


class Membership(models.Model):
    """One role of one person in one account; a person may hold both roles."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "account", "role"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.account_id}"


class ApiClient(models.Model):
    """A machine that may invoke functions of one account. Only a hash of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_clients")
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="api_client_name_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.account_id}"

    def issue_secret(self) -> str:
        """Make a new secret, keep its hash, and return it: nobody can read it again."""
        secret = secrets.token_urlsafe(32)
        self.secret_hash = make_password(secret)
        return secret

    def has_secret(self, secret: str) -> bool:
        return check_password(secret, self.secret_hash)


class Invitation(models.Model):
    """A link that makes whoever holds it a member, once, until `expires_at`.

    The link is signed and names `serial`: a new one makes the old ones worthless. `mailed` says
    that the link went to `email` and was shown to nobody, so that who has it reads that mailbox.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=LONGEST_EMAIL)
    roles = models.JSONField()
    invited_by = models.CharField(max_length=150)
    serial = models.PositiveIntegerField(default=1)
    mailed = models.BooleanField(default=False)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_waits_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.account_id}"

    @property
    def is_expired(self) -> bool:
        return timezone.now() >= self.expires_at

    @property
    def role_names(self) -> list[str]:
        return [Role(role).label for role in self.roles]
