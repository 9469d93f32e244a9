"""Who changed what, when and from where: one row for every change to an account."""

import uuid
from collections.abc import Mapping
from typing import Final

from django.db import models
from django.utils import timezone

from invoker.models.accounts import ACCOUNT_ID_LENGTH

KINDS: Final[Mapping[str, str]] = {
    "function": "Functions",
    "payload": "Saved payloads",
    "scenario": "Scenarios",
    "schedule": "Schedules",
    "dead-letter": "Dead letters",
    "secret": "Secrets",
    "domain": "Allow-list",
    "message": "Automatic messages",
    "hours": "Office hours",
    "idle-time": "Idle times",
    "bot": "Controller bot",
    "connection": "Connections",
    "member": "Members",
    "alert": "Alerts",
    "account": "Account",
    "api-client": "API clients",
    "invitation": "Invitations",
    "retention": "Retention",
    "person": "People",
}
"""What a change can be about: the part of an action before its point, and what people call it."""

ACTIONS: Final[Mapping[str, str]] = {
    "function.created": "created {}",
    "function.saved": "saved {}",
    "function.imported": "imported {}",
    "function.restored": "restored a version of {}",
    "function.skills-changed": "changed the skills of {}",
    "function.deployed": "deployed {}",
    "function.deploy-failed": "could not deploy {}",
    "function.undeployed": "undeployed {}",
    "function.rolled-back": "rolled back {}",
    "function.deleted": "deleted {}",
    "payload.added": "saved the payload {}",
    "payload.replaced": "replaced the payload {}",
    "payload.renamed": "renamed the payload {}",
    "payload.deleted": "deleted the payload {}",
    "scenario.created": "saved the scenario {}",
    "scenario.changed": "changed the scenario {}",
    "scenario.renamed": "renamed the scenario {}",
    "scenario.accepted": "took over what came in the scenario {}",
    "scenario.deleted": "deleted the scenario {}",
    "schedule.created": "created a schedule of {}",
    "schedule.changed": "changed a schedule of {}",
    "schedule.paused": "paused a schedule of {}",
    "schedule.resumed": "resumed a schedule of {}",
    "schedule.deleted": "deleted a schedule of {}",
    "dead-letter.retried": "retried {}",
    "dead-letter.redelivered": "redelivered {}",
    "dead-letter.discarded": "discarded {}",
    "dead-letter.put-back": "put back {}",
    "secret.added": "added the secret {}",
    "secret.replaced": "replaced the secret {}",
    "secret.deleted": "deleted the secret {}",
    "domain.added": "allowed {}",
    "domain.deleted": "took {} off the allow-list",
    "message.switched": "switched the automatic message “{}”",
    "message.saved": "changed the automatic message “{}”",
    "message.text-added": "added a language to the automatic message “{}”",
    "message.text-deleted": "deleted a language of the automatic message “{}”",
    "message.added": "added the automatic message “{}”",
    "message.deleted": "deleted the automatic message “{}”",
    "message.reset": "reset the automatic message “{}”",
    "message.imported": "imported {}",
    "hours.created": "created the office hours {}",
    "hours.edited": "changed the office hours {}",
    "hours.week-changed": "changed the week of {}",
    "hours.occasion-added": "added an occasion to {}",
    "hours.occasion-deleted": "deleted an occasion of {}",
    "hours.switched-off": "closed {}",
    "hours.switched-on": "opened {} again",
    "hours.deleted": "deleted the office hours {}",
    "hours.imported": "imported {}",
    "idle-time.saved": "changed the idle time “{}”",
    "bot.set-up": "set up {}",
    "bot.saved": "changed {}",
    "retention.saved": "changed {}",
    "connection.created": "created the connection {}",
    "connection.edited": "changed the connection {}",
    "connection.switched-on": "switched on the connection {}",
    "connection.switched-off": "switched off the connection {}",
    "connection.signing-secret-rotated": "made a new signing secret for {}",
    "connection.callback-secret-rotated": "made a new callback secret for {}",
    "connection.signing-secret-ended": "ended the previous signing secret of {}",
    "connection.callback-secret-ended": "ended the previous callback secret of {}",
    "member.added": "added {} as a member",
    "member.roles-changed": "changed the roles of {}",
    "member.removed": "removed {}",
    "alert.created": "added the alert “{}”",
    "alert.edited": "changed the alert “{}”",
    "alert.switched-on": "switched on the alert “{}”",
    "alert.switched-off": "switched off the alert “{}”",
    "alert.secret-rotated": "made a new secret for the alert “{}”",
    "alert.deleted": "deleted the alert “{}”",
    "account.created": "created the account {}",
    "account.functions-enabled": "enabled functions for {}",
    "api-client.created": "created the API client {}",
    "api-client.revoked": "revoked the API client {}",
    "api-client.secret-issued": "made a new secret for the API client {}",
    "invitation.sent": "invited {}",
    "invitation.renewed": "made a new invitation for {}",
    "invitation.revoked": "revoked the invitation of {}",
    "invitation.accepted": "accepted the invitation as {}",
    "person.factor-added": "added a second factor for {}",
    "person.factor-removed": "removed a second factor of {}",
    "person.factor-renewed": "renewed the recovery codes of {}",
    "person.factors-reset": "removed every second factor of {}",
    "person.password-changed": "changed the password of {}",
    "person.reset-issued": "made a link to reset the password of {}",
    "person.password-reset": "set a new password for {} by a link",
    "person.email-changed": "changed the e-mail address of {}",
    "person.switched-off": "switched off the user {}",
    "person.switched-on": "switched on the user {}",
    "person.identity-linked": "linked {} with single sign-on",
    "person.identity-unlinked": "unlinked {} from single sign-on",
}
"""Every action, and how it reads after the name of who did it; {} is the subject."""


class AuditEntry(models.Model):
    """One change that somebody made. Written with the change itself, and never changed.

    `before` and `after` hold the values that differ, by the name that people see. `address` is
    empty for what was done on the machine itself, `by` is a user name.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_id = models.CharField(max_length=ACCOUNT_ID_LENGTH)
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=30)
    subject = models.CharField(max_length=200)
    subject_id = models.CharField(max_length=40, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "-at", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.by}: {self.action} {self.subject}"

    @property
    def words(self) -> str:
        """What was done, to be read after the name of who did it."""
        return ACTIONS.get(self.action, f"{self.action} {{}}").format(self.subject)
