"""Single sign-on: one OpenID Connect provider vouches for people who are known or invited.

django-allauth does the flow with its state and PKCE. Stricter than it is here: the signature of
the ID token is checked however it came, it has to hold our nonce, and the other answers have to be
about the same person. Nobody signs up: an unknown person needs an invitation.

Source: OpenID Connect Core 1.0, 3.1.3.7 and 5.3.2.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import requests
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.socialaccount.signals import social_account_added, social_account_removed
from allauth.utils import generate_unique_username
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from houston import account_errors, invitations
from houston.coming_in import record_person, refused
from houston.models import Invitation, User

logger = logging.getLogger(__name__)

LONGEST_ID: Final = 191
NAMES: Final = ("email", "name", "given_name", "family_name", "preferred_username")
TRUE: Final = (True, "true")
"""Some providers spell it as text; "false" is text too."""


class UnreachableError(OAuth2Error):  # type: ignore[misc]
    """The provider did not answer."""


@contextmanager
def _reading() -> Iterator[None]:
    """Ask the provider, whose answer may be anything.

    Raises:
        UnreachableError: there was none.
        OAuth2Error: it is not what the standard says.
    """
    try:
        yield
    except (requests.ConnectionError, requests.Timeout) as error:
        raise UnreachableError("no answer") from error
    except requests.HTTPError as error:
        if (
            error.response is not None
            and error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            raise UnreachableError("answers with an error of its own") from error
        raise OAuth2Error("refuses") from error
    except (requests.RequestException, LookupError, ValueError, TypeError, AttributeError) as error:
        raise OAuth2Error("cannot be read") from error


def _nonce_of(code_verifier: str) -> str:
    """Another secret of the same session: whoever has the nonce alone cannot find the verifier."""
    return hashlib.sha256(f"nonce {code_verifier}".encode()).hexdigest()


class Conversation(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """What is asked of the provider."""

    @property
    def openid_config(self) -> Any:
        with _reading():
            return super().openid_config

    @property
    def access_token_url(self) -> Any:
        with _reading():
            return super().access_token_url

    @property
    def authorize_url(self) -> Any:
        with _reading():
            return super().authorize_url

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002
        """What is registered there, whatever host a request claims."""
        return f"{settings.HOUSTON_URL}{reverse('single-sign-on-back')}"

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str = ""
    ) -> Any:
        self._nonce = _nonce_of(pkce_code_verifier)
        with _reading():
            return super().get_access_token_data(
                request, app, client, pkce_code_verifier=pkce_code_verifier
            )

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any
    ) -> SocialLogin:
        with _reading():
            claims = jwtkit.verify_and_decode(
                credential=kwargs["response"]["id_token"],
                keys_url=self.openid_config["jwks_uri"],
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
            )
            if not constant_time_compare(claims["nonce"], self._nonce):
                raise OAuth2Error("another nonce")
            more: dict[str, Any] = {}
            if "userinfo_endpoint" in self.openid_config:
                more = self._fetch_user_info(token.token)
                if more["sub"] != claims["sub"]:
                    raise OAuth2Error("another person")
            return self.get_provider().sociallogin_from_response(request, _person(claims, more))


def _person(claims: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What is used of the two answers. An address and that it is verified come from the same one.

    Raises:
        OAuth2Error: it is nobody.
    """
    sub = claims["sub"]
    if not _is_text(sub) or len(sub) > LONGEST_ID:
        raise OAuth2Error("no subject")
    both = {**more, **claims}
    person = {name: both[name] for name in NAMES if _is_text(both.get(name))}
    source = claims if "email" in claims else more
    return {**person, "sub": sub, "email_verified": source.get("email_verified") in TRUE}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    oauth2_adapter_class = Conversation

    def get_pkce_params(self) -> dict[str, Any]:
        params = super().get_pkce_params()
        return {**params, "nonce": _nonce_of(params["code_verifier"])}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in NAMES if name in data}


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who is let in."""

    def get_provider(
        self,
        request: HttpRequest,
        provider: str,  # noqa: ARG002 -- there is one
        client_id: str | None = None,  # noqa: ARG002
    ) -> Provider:
        """The one that the environment names. Identities belong to the issuer's address."""
        if not settings.OIDC_URL:
            raise SocialApp.DoesNotExist
        app = SocialApp(
            provider="openid_connect",
            provider_id=settings.OIDC_URL,
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"server_url": settings.OIDC_URL, "oauth_pkce_enabled": True},
        )
        return Provider(request, app=app)

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Only where both sides have verified it: anybody may type an address into a profile."""
        emails = [each.email.lower() for each in sociallogin.email_addresses if each.verified]
        found = EmailAddress.objects.filter(email__in=emails, verified=True).first()
        return (found.user, found.email) if found else None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        # It served its purpose; what waits for a second factor is kept in the session.
        sociallogin.token = None
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            if sociallogin.is_existing and sociallogin.user != request.user:
                raise ImmediateHttpResponse(_refuse(request, "taken"))
        elif not sociallogin.is_existing:
            _let_in_new(request, sociallogin)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,  # noqa: ARG002
        error: str = AuthError.UNKNOWN,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        if exception is not None:
            raise ImmediateHttpResponse(refuse_answer(request, exception))
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(_refuse(request, "cancelled"))
        was_ours = (extra_context or {}).get("state") is not None
        raise ImmediateHttpResponse(_refuse(request, "declined" if was_ours else "stale"))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:  # noqa: ARG002
        return reverse("single-sign-on")

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """The audit log keeps what changed."""


def _let_in_new(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Make a user of somebody who is invited, by the link they opened or by their address.

    Raises:
        ImmediateHttpResponse: nobody is let in; it says why.
    """
    address = next(iter(sociallogin.email_addresses), None)
    email = address.email if address else ""
    is_verified = bool(address and address.verified)
    token = (sociallogin.state.get("data") or {}).get("invitation")
    try:
        if token:
            invited = [invitations.find(token)]
            if is_verified and email.lower() != invited[0].email:
                raise ImmediateHttpResponse(_refuse(request, "wrong-person", email=email))
            is_verified = is_verified and email.lower() == invited[0].email
        elif not is_verified:
            raise ImmediateHttpResponse(_refuse(request, "unverified", email=email or "none"))
        else:
            invited = invitations.waiting_for(email)
        if not invited:
            raise ImmediateHttpResponse(_refuse(request, "unknown", email=email))
        _make_user(request, sociallogin, invited, is_verified=is_verified)
    except account_errors.InvitationError as error:
        page = refused(request, error.title, str(error), HTTPStatus.GONE)
        raise ImmediateHttpResponse(page) from error
    except account_errors.InvalidError as error:
        page = refused(request, "Cannot let you in", str(error), HTTPStatus.CONFLICT)
        raise ImmediateHttpResponse(page) from error
    sociallogin.state["next"] = reverse("account", args=[invited[0].account_id])


def _make_user(
    request: HttpRequest,
    sociallogin: SocialLogin,
    invited: list[Invitation],
    *,
    is_verified: bool,
) -> None:
    told = sociallogin.account.extra_data
    username = generate_unique_username([told.get("preferred_username"), invited[0].email])
    names = {
        "first_name": sociallogin.user.first_name,
        "last_name": sociallogin.user.last_name,
    }
    with transaction.atomic():
        user = invitations.join(invited, username=username, password=None, is_verified=is_verified)
        User.objects.filter(pk=user.pk).update(**names)
        user.refresh_from_db()
        sociallogin.connect(request, user)


def refuse_answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """The page for an answer of the provider that cannot be used; the log says why."""
    logger.warning("single sign-on failed", exc_info=error)
    return _refuse(request, "unreachable" if isinstance(error, UnreachableError) else "untrusted")


# Title, sentence and status for each reason why nobody comes in.
REASONS: Final = {
    "unreachable": (
        "{name} does not answer",
        "Try again in a minute, or sign in another way",
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    "untrusted": (
        "Cannot trust the answer of {name}",
        "Start again. If it stays like this, tell whoever runs Houston: its log says what is wrong "
        "with the answer",
        HTTPStatus.FORBIDDEN,
    ),
    "stale": (
        "This sign-in was not begun here",
        "Cannot sign you in: it was begun in another browser, or more than ten minutes ago. Start "
        "again",
        HTTPStatus.FORBIDDEN,
    ),
    "cancelled": (
        "Not signed in",
        "You cancelled it at {name}, or may not use it for Houston",
        HTTPStatus.FORBIDDEN,
    ),
    "declined": (
        "{name} did not sign you in",
        "Start again, or ask those who run {name}",
        HTTPStatus.FORBIDDEN,
    ),
    "unknown": (
        "Nobody here has your address",
        "{name} says that you are {email}, and no user has confirmed this address. Ask an admin of "
        "your account to invite it. If you have a user here, sign in with its password and link it "
        "under Single sign-on",
        HTTPStatus.FORBIDDEN,
    ),
    "unverified": (
        "{name} has not verified your address",
        "Cannot tell who you are by an unverified e-mail address ({email}). If you have a user "
        "here, sign in with its password and link it under Single sign-on; if you are invited, "
        "open the link of the invitation first",
        HTTPStatus.FORBIDDEN,
    ),
    "wrong-person": (
        "This is not your invitation",
        "{name} says that you are {email}, and the invitation is for another address. Ask for one "
        "of your own",
        HTTPStatus.FORBIDDEN,
    ),
    "taken": (
        "Linked with another user",
        "Cannot link this identity at {name}: another user here has it, sign in as that one or "
        "unlink it there first",
        HTTPStatus.CONFLICT,
    ),
}


def _refuse(request: HttpRequest, reason: str, *, email: str = "") -> HttpResponse:
    title, message, status = REASONS[reason]
    values = {"name": settings.OIDC_NAME, "email": email}
    return refused(request, title.format(**values), message.format(**values), status)


@receiver(social_account_added)
def _linked(sociallogin: SocialLogin, **_: Any) -> None:
    user = sociallogin.user
    detail = sociallogin.account.extra_data.get("email", "")
    record_person("person.identity-linked", user, by=user.username, detail=detail)


@receiver(social_account_removed)
def _unlinked(socialaccount: SocialAccount, **_: Any) -> None:
    user = socialaccount.user
    detail = socialaccount.extra_data.get("email", "")
    record_person("person.identity-unlinked", user, by=user.username, detail=detail)
