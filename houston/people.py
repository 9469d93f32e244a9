"""What is done for people who cannot come in, or no longer should, and their e-mail addresses."""

import logging

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from axes.utils import reset as forget_wrong_passwords
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from houston.coming_in import MailError, end_sessions, record_person
from houston.models import User

logger = logging.getLogger(__name__)


def reset_link(user: User, *, by: str) -> str:
    """A link that sets a new password, once and for a day; nobody can read it again.

    It ends with the next sign-in too. Second factors stay.
    """
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    record_person("person.reset-issued", user, by=by)
    logger.info("reset link made", extra={"user_id": user.pk})
    return str(get_adapter().get_reset_password_from_key_url(key))


def reset_factors(user: User, *, by: str) -> None:
    """Remove app, passkeys and recovery codes, for somebody who has lost them."""
    with transaction.atomic():
        Authenticator.objects.filter(user=user).delete()
        record_person("person.factors-reset", user, by=by)
    logger.info("second factors removed", extra={"user_id": user.pk})


def switch(user: User, *, active: bool, by: str) -> None:
    """Let a person in again, or nowhere any more; what they made stays."""
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
            return
        record_person("person.switched-on" if active else "person.switched-off", user, by=by)
        if not active:
            end_sessions(user)
    forget_wrong_passwords(username=user.username)
    logger.info("user switched", extra={"user_id": user.pk, "active": active})


def change_email(request: HttpRequest, user: User, email: str) -> bool:
    """Take a person's new address over, or ask its owner first where a mail server is set.

    Returns:
        Whether a link was sent that has to be opened first.

    Raises:
        coming_in.MailError: the present address stays.
    """
    if settings.EMAIL_CONFIGURED and email:
        EmailAddress.objects.filter(user=user, verified=False).delete()
        address, new = EmailAddress.objects.get_or_create(user=user, email=email)
        if not new:
            return False
        try:
            address.send_confirmation(request)
        except MailError:
            address.delete()
            raise
        return True
    with transaction.atomic():
        EmailAddress.objects.filter(user=user).delete()
        if User.objects.filter(pk=user.pk).exclude(email=email).update(email=email):
            record_person("person.email-changed", user, by=user.username, detail=email)
    return False
