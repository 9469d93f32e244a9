"""What Houston decides about signing in, where django-allauth asks."""

import ipaddress
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, password_changed, password_reset
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.usersessions.models import UserSession
from axes.utils import reset as forget_wrong_passwords
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from houston.addresses import client_address
from houston.models import ApiLogin, User
from invoker import audit, encryption

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)

SEEN_EVERY_S = 60
SEEN = "seen"
FACTORS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
    Authenticator.Type.WEBAUTHN: "passkey",
}


def refused(
    request: HttpRequest, title: str, message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN
) -> HttpResponse:
    """Say why somebody does not come in."""
    context = {"title": title, "message": message}
    response = render(request, "account/refused.html", context, status=status)
    add_never_cache_headers(response)
    return response


class MailError(Exception):
    """The mail server did not take a message."""


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves, and only axes counts wrong passwords."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "Cannot sign you in: user name and password do not fit, "
        "check both",
        "incorrect_password": "Cannot go on: this is not your password",
        "too_many_login_attempts": "Cannot go on: too many wrong codes, try again in 5 minutes",
        "rate_limited": "Cannot go on: too many attempts, try again in a minute",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "0.0.0.0"  # noqa: S104  # nosec B104 -- a column that needs a value

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave counting to axes: allauth's own count would be shared by a whole office."""

    def _rollback_login_failed_rl_usage(self) -> None:
        """Nothing was counted."""

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Pages say themselves what happened, in the words of the console."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send one of the texts in `templates/account/email/`.

        Raises:
            MailError: it was not sent; the log says why.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:
            logger.warning("e-mail not sent", extra={"kind": template_prefix}, exc_info=True)
            raise MailError("Cannot send the e-mail: the mail server did not take it") from error

    def is_safe_url(self, url: str) -> bool:
        """Stay at the host that was asked. Others of ALLOWED_HOSTS may be other machines there."""
        request = context.request
        hosts = {request.get_host()}
        return url_has_allowed_host_and_scheme(url, hosts, require_https=request.is_secure())

    # Links in e-mails lead to HOUSTON_URL, whatever host a request claims.

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", args=["UID", "KEY"])
        return f"{settings.HOUSTON_URL}{path.replace('UID-KEY', quote(key))}"

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:  # noqa: ARG002
        path = reverse("account_confirm_email", args=[emailconfirmation.key])
        return f"{settings.HOUSTON_URL}{path}"

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:  # noqa: ARG002
        return reverse("me")


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps secrets of second factors encrypted, and names the place passkeys belong to."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "Cannot go on: this code does not fit, wait for the next one",
    }

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": passkey_host(context.request), "name": "Houston"}

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """The audit log keeps what changed."""


def passkey_host(request: HttpRequest) -> str:
    """The name that passkeys are bound to: the host of HOUSTON_URL, whatever a request claims.

    Passkeys know no addresses. Where HOUSTON_URL names this machine by one, "localhost" is it.
    """
    host = urlsplit(settings.HOUSTON_URL).hostname or "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    asked = request.get_host().partition(":")[0]
    return "localhost" if address.is_loopback and asked == "localhost" else host


def passkeys_work(request: HttpRequest) -> bool:
    """Whether a browser lets this address have passkeys: a host name, encrypted or this machine."""
    host = request.get_host().rpartition(":")[0] or request.get_host()
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == passkey_host(request) and (request.is_secure() or host == "localhost")
    return False


class LastSeenMiddleware:
    """Note once a minute that a session is in use, for the list of one's sessions."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN)
        if seen is not None and time.time() - seen > SEEN_EVERY_S:
            request.session[SEEN] = int(time.time())
            UserSession.objects.filter(session_key=request.session.session_key).update(
                last_seen_at=timezone.now(),
                ip=client_address(request) or "0.0.0.0",  # noqa: S104  # nosec B104 -- as above
            )
        return self._get_response(request)


@receiver(user_logged_in)
def _start_seeing(request: HttpRequest, **_: Any) -> None:
    request.session[SEEN] = int(time.time())


@receiver(authenticator_added)
def _factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    _record_factor("person.factor-added", user, authenticator)


@receiver(authenticator_removed)
def _factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    _record_factor("person.factor-removed", user, authenticator)


@receiver(authenticator_reset)
def _factor_reset(user: User, authenticator: Authenticator, **_: Any) -> None:
    _record_factor("person.factor-renewed", user, authenticator)


@receiver(password_changed)
def _password_changed(user: User, **_: Any) -> None:
    record_person("person.password-changed", user, by=user.username)


@receiver(password_reset)
def _password_reset(user: User, **_: Any) -> None:
    """Whoever was in with the old password is out, and may come in with the new one at once."""
    end_sessions(user)
    forget_wrong_passwords(username=user.username)
    record_person("person.password-reset", user, by=user.username)


@receiver(email_confirmed)
def _email_confirmed(request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    user = email_address.user
    record_person("person.email-changed", user, by=user.username, detail=email_address.email)
    messages.success(request, f"Confirmed {email_address.email}")


def end_sessions(user: User, *, but: str = "") -> None:
    """Sign a person out everywhere, or everywhere but in the session of this key.

    That goes for the command line too.
    """
    for session in UserSession.objects.filter(user=user).exclude(session_key=but):
        session.end()
    logins = ApiLogin.objects.filter(user=user)
    (logins.exclude(session_key=but) if but else logins).delete()


def _record_factor(action: str, user: User, authenticator: Authenticator) -> None:
    what = FACTORS[Authenticator.Type(authenticator.type)]
    record_person(action, user, by=user.username, detail=what)


def record_person(action: str, user: User, *, by: str, detail: str = "") -> None:
    """Keep what happened to a person's way in; it belongs to no account."""
    audit.record("", action, user.username, by=by, subject_id=user.pk, detail=detail)
