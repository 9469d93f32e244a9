"""What the vendor's clients ask before anything else: where services are, and for a token."""

import base64
import json
import uuid
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from allauth.mfa.utils import is_mfa_enabled
from axes.utils import reset as forget_wrong_passwords
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import BackendApplicationServer, RequestValidator
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from houston import auth
from houston.addresses import client_address, network
from houston.models import Account, ApiClient, Membership, User
from invoker import api
from invoker.api import PREFIX

# The four that the published clients look up. Source: `liveperson-contract.md` §1.1.
SERVICES = ("faasGW", "faasUI", "sentinel", "agentVep")
MAX_NAME = 150
MAX_PASSWORD = 1000
_csrf = Signer(salt="houston.vendor.csrf")


class AddressThrottle(api.Throttle):
    """What comes from one address, for who asks is not known yet."""

    counted = "requests of one address"

    def key(self, request: Request, view: Any) -> str:
        return network(client_address(request._request))  # noqa: SLF001


class TokenThrottle(AddressThrottle):
    per_minute = "API_TOKENS_PER_MIN"
    counted = "requests for tokens of one address"


class OpenView(api.ApiView):
    """An address for those who have no token yet."""

    throttle_classes = [AddressThrottle]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Elsewhere it is compared with the token's before a database sees it.
        api.no_nul(kwargs.get("account_id", ""), "the id of the account")
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        """Nobody has to say who they are."""

    def check_permissions(self, request: Request) -> None:
        """Everybody may ask."""


# Where services are -------------------------------------------------------------------------------


class ServiceSerializer(serializers.Serializer[Any]):
    service = serializers.CharField()
    account = serializers.CharField()
    baseURI = serializers.CharField(help_text="A host, without a scheme")  # noqa: N815


class ServicesSerializer(serializers.Serializer[Any]):
    baseURIs = ServiceSerializer(many=True)  # noqa: N815


class Services(OpenView):
    """The service directory. All of it is this installation, whatever the account."""

    @extend_schema(
        operation_id="services",
        summary="Where the services are",
        tags=["Coming in"],
        parameters=[OpenApiParameter("version", str, description="1.0, not looked at")],
        responses=ServicesSerializer,
    )
    def get(self, request: Request, account_id: str) -> Response:
        host = urlsplit(settings.HOUSTON_URL).netloc
        return Response(
            {
                "baseURIs": [
                    {"service": name, "account": account_id, "baseURI": host} for name in SERVICES
                ]
            }
        )


# Tokens of machines -------------------------------------------------------------------------------


class _Clients(RequestValidator):
    """What oauthlib asks about the clients of one account."""

    def __init__(self, account_id: str) -> None:
        super().__init__()
        self._account_id = account_id

    def authenticate_client(self, request: OAuthRequest, *_: Any, **__: Any) -> bool:
        client_id, client_secret = _credentials(request)
        client = _find(self._account_id, client_id)
        if client is None or not client.has_secret(client_secret):
            return False
        # As it is kept: an id means the same in capitals, and oauthlib compares the two.
        request.client, request.client_id = client, client.client_id
        return True

    def validate_grant_type(
        self,
        client_id: str,
        grant_type: str,
        client: Any,
        request: OAuthRequest,
        *_: Any,
        **__: Any,
    ) -> bool:
        return grant_type == "client_credentials"

    def get_default_scopes(
        self, client_id: str, request: OAuthRequest, *_: Any, **__: Any
    ) -> list[str]:
        return list(_client_of(request).scopes)

    def validate_scopes(
        self,
        client_id: str,
        scopes: list[str],
        client: Any,
        request: OAuthRequest,
        *_: Any,
        **__: Any,
    ) -> bool:
        return set(scopes) <= set(_client_of(request).scopes)

    def save_bearer_token(self, token: Any, request: OAuthRequest, *_: Any, **__: Any) -> None:
        """Nothing to keep: a token is signed, and looked up by its client."""


def _client_of(request: OAuthRequest) -> ApiClient:
    return cast("ApiClient", request.client)


def _token(request: OAuthRequest) -> str:
    return auth.client_token(_client_of(request), request.scopes or [])


def _credentials(request: OAuthRequest) -> tuple[str, str]:
    """The client's id and secret, from the body or from `Authorization: Basic` (RFC 6749)."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request.client_id or "", request.client_secret or ""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _find(account_id: str, client_id: str) -> ApiClient | None:
    try:
        wanted = uuid.UUID(client_id)
    except ValueError:
        return None
    alive = ApiClient.objects.filter(pk=wanted, account_id=account_id, revoked_at=None)
    return alive.first()


class TokenRequestSerializer(serializers.Serializer[Any]):
    grant_type = serializers.ChoiceField(choices=["client_credentials"])
    client_id = serializers.CharField()
    client_secret = serializers.CharField()
    scope = serializers.CharField(
        required=False, help_text="Some of the client's scopes; all of them when it is empty"
    )


class TokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField(help_text="A JWT with exp, aud, azp and scope")
    token_type = serializers.CharField(help_text="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds")
    scope = serializers.CharField()


class TokenInWordsSerializer(TokenSerializer):
    expires_in = serializers.CharField(help_text="Seconds")  # type: ignore[assignment]


class TokenErrorSerializer(api.ErrorSerializer):
    """What went wrong in the words of OAuth 2 too."""

    error = serializers.CharField(required=False, help_text="As in RFC 6749")
    error_description = serializers.CharField(required=False)


_TOKEN_ERRORS: dict[int, Any] = {400: TokenErrorSerializer, 401: TokenErrorSerializer}


class AppToken(OpenView):
    """A token for a machine: OAuth 2, client credentials.

    The parameters come as a form, or all of them in the address and the body empty, as the Java
    client sends them. Source: `liveperson-contract.md` §2.5.
    """

    throttle_classes = [TokenThrottle]
    in_words = False

    @extend_schema(
        operation_id="token",
        summary="A token for an API client",
        tags=["Coming in"],
        parameters=[
            OpenApiParameter(name, str, description="Instead of the field of the body")
            for name in ("grant_type", "client_id", "client_secret", "scope")
        ],
        request={"application/x-www-form-urlencoded": TokenRequestSerializer},
        responses=_TOKEN_ERRORS | {200: TokenSerializer},
    )
    def post(self, request: Request, account_id: str) -> Response:
        server = BackendApplicationServer(
            _Clients(account_id),
            token_generator=_token,
            token_expires_in=int(auth.LIFETIME.total_seconds()),
        )
        headers, body, status = server.create_token_response(
            request.path,
            http_method="POST",
            body=_parameters(request),
            headers={"Authorization": request.headers.get("Authorization", "")},
        )
        answer = json.loads(body)
        if "error" in answer:
            message = f"Cannot give out a token: {_REASONS.get(answer['error'], answer['error'])}"
            code = f"{PREFIX}ui.api.{'unauthorized' if status == 401 else 'bad-request'}"  # noqa: PLR2004
            answer |= api.body(api.ApiError(status, message, v1_code=code))
        elif self.in_words:
            answer["expires_in"] = str(answer["expires_in"])
        return Response(answer, status=status, headers=headers)


@extend_schema_view(
    post=extend_schema(
        operation_id="token_in_words",
        summary="A token for an API client, with its lifetime as text",
        responses=_TOKEN_ERRORS | {200: TokenInWordsSerializer},
    )
)
class AppTokenInWords(AppToken):
    """The same for the toolbelt of V2, which takes nothing but strings."""

    in_words = True


_REASONS = {
    "invalid_client": "the account has no client of this id and secret, or it was revoked, see "
    "Settings, API clients",
    "invalid_scope": "the client has not all of these scopes, ask for fewer",
    "unsupported_grant_type": 'the only grant_type is "client_credentials"',
    "invalid_request": "send grant_type, client_id and client_secret once each, as a form",
}


def _parameters(request: Request) -> str:
    """What came in the address and in the body, but for what was left empty."""
    sent = parse_qsl(request.body.decode(errors="replace"))
    asked = [(name, value) for name, values in request.query_params.lists() for value in values]
    return urlencode(sent + [(name, value) for name, value in asked if value and name != "v"])


# People -------------------------------------------------------------------------------------------


class LoginRequestSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=MAX_NAME)
    password = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False)


class LoginConfigSerializer(serializers.Serializer[Any]):
    userId = serializers.CharField()  # noqa: N815
    loginName = serializers.CharField()  # noqa: N815


class LoginSerializer(serializers.Serializer[Any]):
    bearer = serializers.CharField()
    csrf = serializers.CharField()
    sessionId = serializers.CharField()  # noqa: N815
    config = LoginConfigSerializer()


class Login(OpenView):
    """Signing in by the vendor's command line. Source: `liveperson-contract.md` §3.3."""

    throttle_classes = [TokenThrottle]

    @extend_schema(
        operation_id="login",
        summary="A token for a person",
        tags=["Coming in"],
        request=LoginRequestSerializer,
        responses={200: LoginSerializer, 401: api.ErrorSerializer, 429: api.ErrorSerializer},
    )
    def post(self, request: Request, account_id: str) -> Response:
        asked = LoginRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user, account = _sign_in(request._request, account_id, **asked.validated_data)  # noqa: SLF001
        login = auth.log_in(user, account)
        return Response(
            {
                "bearer": auth.login_token(login),
                "csrf": _csrf.sign(str(login.pk)),
                "sessionId": str(login.pk),
                "config": {"userId": str(user.pk), "loginName": user.username},
            }
        )


def _sign_in(
    request: HttpRequest, account_id: str, *, username: str, password: str
) -> tuple[User, Account]:
    """Who may come into the account with this password.

    Attempts are counted with those of the sign-in page, and too many answered as there.

    Raises:
        AuthenticationFailed: not these; what of them was wrong is not said.
    """
    user = authenticate(request, username=username, password=password)
    account = Account.objects.filter(pk=account_id).first()
    if (
        not isinstance(user, User)
        or account is None
        or not (user.is_staff or Membership.objects.filter(user=user, account=account).exists())
    ):
        raise AuthenticationFailed(
            f'Cannot sign in to account "{account_id[:40]}": no member has this name and this '
            "password"
        )
    if is_mfa_enabled(user):
        raise AuthenticationFailed(
            "Cannot sign in by password alone: you have a second factor, use the token that the "
            "console keeps for you, see its help on coming from LivePerson"
        )
    # As on the sign-in page, which is told by a signal of sessions.
    forget_wrong_passwords(username=username, ip=client_address(request))
    return user, account


class RefreshRequestSerializer(serializers.Serializer[Any]):
    # The command line asks with null, or without one, for whom it knows a token alone of, and for
    # whom it has logged out. It lets them log in when it hears 401, and gives up otherwise.
    csrf = serializers.CharField(max_length=200, required=False, allow_null=True, allow_blank=True)


class Refresh(OpenView):
    """Whether somebody is signed in still: asked before each command of the command line."""

    @extend_schema(
        operation_id="refresh",
        summary="Whether a login is still good",
        tags=["Coming in"],
        parameters=[
            OpenApiParameter("session_id", str, OpenApiParameter.COOKIE, description="Of the login")
        ],
        request=RefreshRequestSerializer,
        responses={200: LoginConfigSerializer, 401: api.ErrorSerializer},
    )
    def post(self, request: Request, account_id: str) -> Response:
        asked = RefreshRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        session_id = request.COOKIES.get("session_id", "")
        try:
            known = _csrf.unsign(asked.validated_data.get("csrf") or "") == session_id
        except BadSignature:
            known = False
        login = auth.find_login(session_id) if known else None
        if login is None or login.account_id != account_id:
            raise AuthenticationFailed("Cannot refresh: the login has ended, sign in again")
        return Response({"userId": str(login.user_id), "loginName": login.user.username})
