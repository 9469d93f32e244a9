"""Bearer tokens of the API: for machines that were made in the console, and for people.

A token is a signed JWT, and worth nothing without its row: a client that was revoked, a person who
was removed or signed out, and a password that was changed end it at once.
"""

import contextlib
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import jwt
import msgspec
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from msgspec import Struct
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from houston.models import Account, ApiClient, ApiLogin, Membership, User, privileges
from invoker.permissions import Privilege

ALGORITHM = "HS256"
# The vendor's console users have theirs for 8 hours; its clients renew those of machines when 30
# minutes are left. Source: `liveperson-contract.md` §2.5.
LIFETIME = dt.timedelta(hours=8)
# The last use is told to the minute, not written down for every request.
NOTED_EVERY = dt.timedelta(minutes=1)
LONGEST_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Access:
    """Who sends a request to the API, see `invoker.permissions.Caller`."""

    account_id: str
    privileges: frozenset[Privilege]
    name: str
    key: str
    is_team: bool = False


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, nothing else: no session, so no request forged by a page."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Access] | None:
        scheme, _, token = get_authorization_header(request).strip().partition(b" ")
        if not scheme:
            return None
        if scheme.lower() != b"bearer" or not token:
            raise AuthenticationFailed(
                f'Cannot use the authorization "{scheme.decode("latin-1")[:20]}": send "Bearer" '
                "and a token"
            )
        # Who it is is in `request.auth`; nothing here may take a machine for a signed-in person.
        return AnonymousUser(), access(token.strip().decode("latin-1"))

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return 'Bearer realm="Houston"'


# Tokens -------------------------------------------------------------------------------------------


def client_token(client: ApiClient, scopes: Sequence[str]) -> str:
    """A token with which a machine does what these of its scopes allow.

    The claims are those that the vendor's own tokens have. Source: §2.5.
    """
    return _sign(
        {
            "sub": str(client.pk),
            "azp": str(client.pk),
            "aud": client.account_id,
            "scope": " ".join(scopes),
        }
    )


def login_token(login: ApiLogin) -> str:
    """A token with which a person does in one account what their roles allow."""
    return _sign(
        {
            "sub": str(login.user_id),
            "sid": str(login.pk),
            "aud": login.account_id,
            "pwd": _fingerprint(login.user),
        }
    )


def access(token: str) -> Access:
    """Who holds this token, now.

    Raises:
        AuthenticationFailed: it was never worth anything, or is not any more.
    """
    claims = _read(token)
    found = _person(claims) if isinstance(claims, _OfPerson) else _client(claims)
    if found is None:
        raise AuthenticationFailed(
            "Cannot use the token: it was revoked, or its owner may not come in any more"
        )
    return found


def _sign(claims: dict[str, Any]) -> str:
    now = timezone.now()
    return jwt.encode(
        {
            **claims,
            "iss": settings.HOUSTON_URL,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "jti": uuid.uuid4().hex,
        },
        _key(),
        algorithm=ALGORITHM,
    )


class _OfClient(Struct):
    sub: uuid.UUID
    aud: str
    scope: str


class _OfPerson(Struct):
    sid: uuid.UUID
    aud: str
    pwd: str


def _read(token: str) -> _OfClient | _OfPerson:
    if len(token) > LONGEST_TOKEN:
        raise AuthenticationFailed("Cannot read the token: it is no token of this Houston")
    try:
        claims = _verified(token)
        # Another version of Houston may have signed it, which has other claims.
        if "sid" in claims:
            return msgspec.convert(claims, _OfPerson)
        return msgspec.convert(claims, _OfClient)
    except jwt.ExpiredSignatureError as error:
        raise AuthenticationFailed("Cannot use the token: it has expired, get a new one") from error
    except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
        raise AuthenticationFailed(
            "Cannot read the token: it is no token of this Houston"
        ) from error


def _verified(token: str) -> dict[str, Any]:
    """The claims of a token that the secret key signed, or one of the older ones."""
    *newer, oldest = settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS
    for secret in newer:
        with contextlib.suppress(jwt.InvalidSignatureError):
            return _decoded(token, secret)
    return _decoded(token, oldest)


def _decoded(token: str, secret: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        _key(secret),
        algorithms=[ALGORITHM],
        # Which account it is for is compared with the address.
        options={"verify_aud": False, "require": ["exp", "sub", "aud"]},
    )
    return claims


def _key(secret: str | None = None) -> bytes:
    what = "tokens of the API"
    return salted_hmac("houston.auth", what, secret=secret, algorithm="sha256").digest()


# Who holds them -----------------------------------------------------------------------------------


def _client(claims: _OfClient) -> Access | None:
    client = ApiClient.objects.filter(pk=claims.sub, revoked_at=None).first()
    if client is None or client.account_id != claims.aud:
        return None
    _note_use(client)
    return Access(
        account_id=client.account_id,
        privileges=privileges(set(client.scopes).intersection(claims.scope.split())),
        name=f"API client {client.name}",
        key=f"client-{client.pk}",
    )


def _person(claims: _OfPerson) -> Access | None:
    login = find_login(str(claims.sid))
    if login is None or login.account_id != claims.aud:
        return None
    if not any(constant_time_compare(each, claims.pwd) for each in _fingerprints(login.user)):
        return None
    roles = Membership.objects.filter(user=login.user, account_id=login.account_id)
    held = frozenset(Privilege(role) for role in roles.values_list("role", flat=True))
    if not held and not login.user.is_staff:
        return None
    _note_use(login)
    return Access(
        account_id=login.account_id,
        privileges=held,
        name=login.user.username,
        key=f"person-{login.user_id}",
        is_team=login.user.is_staff,
    )


def log_in(user: User, account: Account) -> ApiLogin:
    """Open the API of an account to a person for the lifetime of a token."""
    _forget_expired(user)
    return ApiLogin.objects.create(user=user, account=account, expires_at=timezone.now() + LIFETIME)


def log_in_by_session(user: User, account: Account, *, session_key: str) -> ApiLogin:
    """Open the API of an account to whoever is in a session of the console, until that ends.

    A session has one login for each account: asked again, the same one lives on for the lifetime
    of a token, also when several pages ask at once.
    """
    mine = ApiLogin.objects.filter(user=user, account=account, session_key=session_key)
    login = ApiLogin(
        user=user,
        account=account,
        session_key=session_key,
        expires_at=timezone.now() + LIFETIME,
    )
    if not mine.update(expires_at=login.expires_at):
        _forget_expired(user)
        ApiLogin.objects.bulk_create([login], ignore_conflicts=True)
    # Gone again when the session was ended meanwhile: then the token is worth nothing.
    return mine.select_related("user").first() or login


def command_line_logins(user: User) -> QuerySet[ApiLogin]:
    """Where a person is signed in by the command line."""
    return ApiLogin.objects.filter(user=user, session_key="", expires_at__gt=timezone.now())


def _forget_expired(user: User) -> None:
    """Take away some of the rows that are worth nothing any more, more than are made at once."""
    expired = ApiLogin.objects.filter(user=user, expires_at__lte=timezone.now())
    ApiLogin.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:100])).delete()


def find_login(login_id: str) -> ApiLogin | None:
    """A login that is still good, as far as its password does not matter."""
    try:
        wanted = uuid.UUID(login_id)
    except ValueError:
        return None
    good = ApiLogin.objects.filter(pk=wanted, expires_at__gt=timezone.now(), user__is_active=True)
    login = good.select_related("user").first()
    if login is None or (login.session_key and not _is_alive(login.session_key)):
        return None
    return login


def _is_alive(session_key: str) -> bool:
    alive = Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now())
    return alive.exists()


def _fingerprint(user: User) -> str:
    """Changes with the password, and does not tell it."""
    return _fingerprints(user)[0]


def _fingerprints(user: User) -> list[str]:
    """The same by the secret key and by each of the older ones."""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac("houston.auth.password", hashed, secret=secret, algorithm="sha256").hexdigest()[
            :32
        ]
        for hashed, secret in zip(hashes, secrets, strict=True)
    ]


def _note_use(row: ApiClient | ApiLogin) -> None:
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - NOTED_EVERY:
        manager = cast("Any", type(row)).objects
        manager.filter(pk=row.pk).update(last_used_at=now)
