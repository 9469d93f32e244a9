"""Invitations: how people become members without anybody being told who exists.

Errors: see `account_errors`.
"""

import datetime as dt
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from houston import services
from houston.account_errors import InvalidError, InvitationError, InvitedError
from houston.coming_in import MailError
from houston.models import Account, Invitation, User
from invoker import audit

logger = logging.getLogger(__name__)

DAYS: Final = 7
MOST_WAITING: Final = 200
"""Invitations of one account that wait at a time."""
_SALT = "houston.invitation"


@dataclass(frozen=True, slots=True)
class Sent:
    """An invitation and, where no e-mail could take it, the link that its admin hands over."""

    invitation: Invitation
    link: str = field(default="", repr=False)
    why_not_mailed: str = ""


def waiting(account: Account) -> QuerySet[Invitation]:
    """Those that nobody has accepted or revoked, expired ones too."""
    return account.invitations.filter(accepted_at=None, revoked_at=None)


def invite(account: Account, *, email: str, roles: set[str], by: str) -> Sent:
    """Invite whoever has this address, be it somebody who is known or not.

    Raises:
        InvalidError, InvitedError: nothing was made.
    """
    services.check_roles(roles)
    if waiting(account).count() >= MOST_WAITING:
        raise InvalidError(
            "email", f"Cannot invite more than {MOST_WAITING} at a time: revoke some first"
        )
    now = timezone.now()
    invitation = Invitation(
        account=account,
        email=email.lower(),
        roles=sorted(roles),
        invited_by=by,
        sent_at=now,
        expires_at=now + dt.timedelta(days=DAYS),
    )
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
            _record("invitation.sent", invitation, by=by, after={"Roles": _spell(invitation)})
    except IntegrityError as error:
        raise InvitedError(
            f'Cannot invite "{email}": invited already, send that invitation again'
        ) from error
    logger.info("invitation made", extra={"account_id": account.pk})
    return _send(invitation)


def renew(invitation: Invitation, *, by: str) -> Sent | None:
    """Send it again with a new link; the old one ends. None when it waits no longer."""
    now = timezone.now()
    with transaction.atomic():
        renewed = _only(invitation).update(
            serial=invitation.serial + 1,
            mailed=False,
            invited_by=by,
            sent_at=now,
            expires_at=now + dt.timedelta(days=DAYS),
        )
        if not renewed:
            return None
        _record("invitation.renewed", invitation, by=by)
    invitation.refresh_from_db()
    return _send(invitation)


def revoke(invitation: Invitation, *, by: str) -> None:
    """End it; whoever has accepted meanwhile stays a member."""
    with transaction.atomic():
        if _only(invitation).update(revoked_at=timezone.now()):
            _record("invitation.revoked", invitation, by=by)


def find(token: str) -> Invitation:
    """The invitation of a link.

    Raises:
        InvitationError: it cannot be accepted, or there never was one.
    """
    try:
        invitation_id, serial = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise InvitationError(
            "This is no invitation",
            "Cannot read this link: copy all of it, or ask for a new invitation",
        ) from error
    invitation = Invitation.objects.filter(pk=invitation_id).select_related("account").first()
    if invitation is None or invitation.revoked_at or invitation.serial != serial:
        raise InvitationError(
            "This invitation was withdrawn",
            "Cannot use this link: look for a newer one, or ask whoever invited you",
        )
    if invitation.accepted_at:
        raise InvitationError(
            "This invitation was used",
            "Cannot use this link again: sign in, the account is among yours",
        )
    if invitation.is_expired:
        raise InvitationError(
            "This invitation has expired",
            f"Cannot use this link: it was good for {DAYS} days, ask whoever invited you",
        )
    return invitation


def waiting_for(email: str) -> list[Invitation]:
    """Those that whoever proves to have this address may accept."""
    found = Invitation.objects.filter(
        email=email.lower(), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    return list(found.select_related("account").order_by("sent_at"))


def is_meant_for(invitation: Invitation, user: User) -> bool:
    """Whether the one who is signed in is the one invited, as far as their address says."""
    return not user.email or user.email.lower() == invitation.email


def accept(invitation: Invitation, user: User) -> None:
    """Make somebody who is known a member.

    Raises:
        InvitationError: somebody else was faster, or it ended meanwhile.
    """
    with transaction.atomic():
        accepted = _only(invitation).filter(expires_at__gt=timezone.now()).update(
            accepted_at=timezone.now(), accepted_by=user
        )  # fmt: skip
        if not accepted:
            raise InvitationError(
                "This invitation is no longer open",
                "Cannot use this link: it was used or withdrawn a moment ago",
            )
        services.let_in(invitation.account, user, set(invitation.roles))
        audit.record(
            invitation.account_id,
            "invitation.accepted",
            user.username,
            by=user.username,
            after={"Roles": _spell(invitation)},
            detail=invitation.email,
            subject_id=user.pk,
        )
    logger.info("invitation accepted", extra={"account_id": invitation.account_id})


def join(
    invitations: list[Invitation], *, username: str, password: str | None, is_verified: bool = False
) -> User:
    """Make a new person and accept for them. Without a password they come in another way.

    `is_verified` says that somebody vouches for the address, beside an e-mail that reached it.

    Raises:
        InvalidError: the user name or the address cannot be taken, nothing was made.
        InvitationError: see `accept`.
    """
    email = invitations[0].email
    is_verified = is_verified or any(each.mailed for each in invitations)
    user = User(username=User.normalize_username(username), email=email)
    user.set_password(password)
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise InvalidError(
            "username",
            f'Cannot use the name "{username[:60]}": it is taken, or has other characters than '
            "letters, digits and @ . + - _",
        ) from error
    if is_verified and EmailAddress.objects.filter(email=email, verified=True).exists():
        # Only its owner gets here, so this tells nobody else that there is one.
        raise InvalidError(
            "username", f"Cannot make a second user for {email}: sign in with the one you have"
        )
    try:
        with transaction.atomic():
            user.save()
            if is_verified:
                EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
            for each in invitations:
                accept(each, user)
    except IntegrityError as error:
        raise InvalidError(
            "username", f'Cannot use the name "{username[:60]}": somebody took it a moment ago'
        ) from error
    return user


def _send(invitation: Invitation) -> Sent:
    token = signing.dumps([str(invitation.pk), invitation.serial], salt=_SALT)
    link = f"{settings.HOUSTON_URL}{reverse('invitation', args=[token])}"
    if not settings.EMAIL_CONFIGURED:
        return Sent(invitation, link)
    context = {"invitation": invitation, "link": link, "days": DAYS}
    # Said before it is done: the link may be opened before the server has said that it took it.
    Invitation.objects.filter(pk=invitation.pk).update(mailed=True)
    try:
        get_adapter().send_mail("account/email/invitation", invitation.email, context)
    except MailError as error:
        Invitation.objects.filter(pk=invitation.pk).update(mailed=False)
        return Sent(invitation, link, str(error))
    return Sent(invitation)


def _only(invitation: Invitation) -> QuerySet[Invitation]:
    """This one, as long as it is as it was read."""
    return Invitation.objects.filter(
        pk=invitation.pk, serial=invitation.serial, accepted_at=None, revoked_at=None
    )


def _spell(invitation: Invitation) -> str:
    return ", ".join(invitation.roles)


def _record(action: str, invitation: Invitation, **values: Any) -> None:
    audit.record(
        invitation.account_id, action, invitation.email, subject_id=invitation.pk, **values
    )
