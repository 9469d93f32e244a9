"""Who may come in: people, accounts, memberships, and machines that call the API."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from invoker.permissions import Privilege

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


class Scope(models.TextChoices):
    """What a machine may do. The first name is the vendor's, see `liveperson-contract.md` §2.5."""

    INVOCATION = "faas.lambda.invoke", "Invoke functions"
    DEVELOPER = "faas.developer", "Develop functions"
    ADMIN = "faas.admin", "Administer the account"


PRIVILEGES = {
    Scope.INVOCATION: Privilege.INVOCATION,
    Scope.DEVELOPER: Privilege.DEVELOPER,
    Scope.ADMIN: Privilege.ADMIN,
}


def privileges(scopes: Iterable[str]) -> frozenset[Privilege]:
    """What somebody with these scopes is in the account."""
    return frozenset(PRIVILEGES[Scope(scope)] for scope in scopes)


class ApiClient(models.Model):
    """A machine that may use the API of one account. Only a hash of its secret is kept.

    One that was revoked stays, so that what it did can be understood.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_clients")
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=200)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"],
                condition=models.Q(revoked_at=None),
                name="api_client_name_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.account_id}"

    @property
    def client_id(self) -> str:
        return str(self.pk)

    @property
    def scope_names(self) -> list[str]:
        return [Scope(scope).label for scope in self.scopes]

    def issue_secret(self) -> str:
        """Make a new secret, keep its hash, and return it: nobody can read it again."""
        secret = secrets.token_urlsafe(32)
        self.secret_hash = _hashed(secret)
        return secret

    def has_secret(self, secret: str) -> bool:
        return constant_time_compare(self.secret_hash, _hashed(secret))


def _hashed(secret: str) -> str:
    """A plain hash, which is enough for 256 random bits: there is nothing to guess from."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiLogin(models.Model):
    """A person's way into the API of one account.

    With a `session_key` it belongs to a session of the console, which has one for each account,
    and ends with it; else somebody signed in by the vendor's command line.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_logins")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_logins")
    session_key = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session_key", "account"],
                condition=~models.Q(session_key=""),
                name="api_login_once_in_a_session",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.account_id}"


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
