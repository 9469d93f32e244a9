"""Every change to an account: who may enter it, how it is set up, its connections.

AccountError                     has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
├── AccountTakenError            another account has this id
├── NotApartError                the sandbox cannot hold several accounts apart
├── ConnectionTakenError         another connection of the account has this name
├── AlreadyMemberError           the person is a member
├── LastAdminError               an account keeps at least one admin
└── NotSetUpError                the first step comes first
"""

import json
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from houston import layers
from houston.models import Account, ApiClient, Membership, Role, User
from invoker import allow_list, automatic_messages, runtime
from invoker.models import (
    CloseMode,
    Connection,
    ControllerBot,
    MessageDelivery,
    Platform,
    make_webhook_secret,
)

logger = logging.getLogger(__name__)

MAX_ACCOUNT_ID = 32
MAX_ACCOUNT_NAME = 100
MAX_CONNECTION_NAME = 60
MAX_CLIENT_ID = 100
MAX_CLIENT_SECRET = 500
MAX_CALLBACK_URL = 500
LOGIN_KEYS = {
    "app_key": "appKey",
    "app_secret": "secret",
    "access_token": "accessToken",
    "access_token_secret": "accessTokenSecret",
}
"""Our names for the API keys of a bot's user, and LivePerson's. Source: §1.3."""
ACCOUNT_ID_PATTERN = re.compile(r"[A-Za-z0-9]+")
# Header values and URLs go over the wire as they are.
VISIBLE_ASCII_PATTERN = re.compile(r"[!-~]+")


class AccountError(Exception):
    """A change that was not made."""

    code = "account-error"
    field = ""


class InvalidError(AccountError):
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class AccountTakenError(AccountError):
    code = "account-taken"
    field = "account_id"


class NotApartError(AccountError):
    code = layers.LayersMissingError.code


class ConnectionTakenError(AccountError):
    code = "connection-taken"
    field = "name"


class AlreadyMemberError(AccountError):
    code = "already-member"
    field = "username"


class LastAdminError(AccountError):
    code = "last-admin"
    field = "roles"


class NotSetUpError(AccountError):
    code = "controller-bot-not-set-up"


# Accounts and their set-up ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetUp:
    """How far an account has come. Its webhook takes nothing before both steps are done."""

    controller_bot_set_up: bool
    functions_enabled: bool

    @property
    def complete(self) -> bool:
        return self.controller_bot_set_up and self.functions_enabled

    @property
    def missing(self) -> list[str]:
        """What is left to do, and who can do it."""
        steps = [
            (self.controller_bot_set_up, "The controller bot is not set up"),
            (self.functions_enabled, "Functions are not enabled"),
        ]
        return [f"{text}: the account team can do it" for done, text in steps if not done]


def how_far(bot: ControllerBot | None) -> SetUp:
    return SetUp(
        controller_bot_set_up=bot is not None,
        functions_enabled=bot is not None and bot.functions_enabled_at is not None,
    )


def create_account(account_id: str, *, name: str) -> Account:
    """Make an account with nobody in it and neither step done.

    Raises:
        InvalidError, AccountTakenError, NotApartError: nothing was made.
    """
    if not ACCOUNT_ID_PATTERN.fullmatch(account_id) or len(account_id) > MAX_ACCOUNT_ID:
        raise InvalidError(
            "account_id",
            f'Cannot create the account "{account_id[:60]}": use 1 to {MAX_ACCOUNT_ID} letters and '
            "digits",
        )
    _check_name("name", name, MAX_ACCOUNT_NAME)
    _check_apart(account_id)
    try:
        with transaction.atomic():
            account = Account.objects.create(id=account_id, name=name)
    except IntegrityError as error:
        raise AccountTakenError(
            f'Cannot create the account "{account_id}": there is one with this id'
        ) from error
    logger.info("account created", extra={"account_id": account_id})
    return account


def _check_apart(account_id: str) -> None:
    """One account may do with little between its functions and the machine, a second may not."""
    if not Account.objects.exclude(pk=account_id).exists():
        return
    try:
        why_not = layers.why_not_several(runtime.report())
    except runtime.UnavailableError as error:
        raise NotApartError(
            f'Cannot create the account "{account_id}": the sandbox does not answer, so nothing '
            "says that it holds several accounts apart, see Health"
        ) from error
    if why_not:
        raise NotApartError(f'Cannot create the account "{account_id}": {why_not}')


def set_up_controller_bot(account: Account, way: "NewConnection", *, by: str) -> Connection:
    """Do the first step: the controller bot, and the connection it talks by.

    Doing it again changes neither who did it first nor a connection that is there already.

    Raises:
        InvalidError, ConnectionTakenError: nothing was made.
    """
    with transaction.atomic():
        _, new = ControllerBot.objects.get_or_create(
            account_id=account.id, defaults={"set_up_by": by}
        )
        same = Connection.objects.filter(
            account_id=account.id, name=way.name, platform=way.platform
        ).first()
        connection = same or add_connection(account, way, by=by)
    if new:
        logger.info("controller bot set up", extra={"account_id": account.id})
    return connection


def enable_functions(account: Account, *, by: str) -> ControllerBot:
    """Do the second step: create the account's system rows and open its webhook.

    Doing it again adds system rows that are missing and changes nothing else.

    Raises:
        NotSetUpError: the controller bot comes first.
    """
    with transaction.atomic():
        waiting = ControllerBot.objects.filter(account_id=account.id, functions_enabled_at=None)
        new = waiting.update(functions_enabled_at=timezone.now(), functions_enabled_by=by)
        bot = ControllerBot.objects.filter(account_id=account.id).first()
        if bot is None:
            raise NotSetUpError(
                f'Cannot enable functions for "{account.name}": the controller bot is not set up, '
                "do the first step first"
            )
        automatic_messages.create_defaults(account.id)
        allow_list.create_defaults(account.id)
    if new:
        logger.info("functions enabled", extra={"account_id": account.id})
    return bot


# Connections --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to talk to a platform, as somebody asks for it; each platform has some of the fields.

    On LivePerson the client secret is what signs notifications, and the five fields from
    `bot_user` on are the API keys of the bot's user. On Chatwoot an empty `webhook_secret` means
    that it does not sign. An empty secret of a connection that exists keeps the one it has.
    """

    callback_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    bot_user: str = ""
    app_key: str = field(default="", repr=False)
    app_secret: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    access_token_secret: str = field(default="", repr=False)
    close_mode: str = CloseMode.CONVERSATION
    api_url: str = ""
    api_account: str = ""
    api_token: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    own_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection(Way):
    """What somebody asks for."""

    platform: str
    name: str


def add_connection(account: Account, new: NewConnection, *, by: str) -> Connection:
    """Make a connection with secrets of its own.

    Raises:
        InvalidError, ConnectionTakenError: nothing was made.
    """
    if new.platform not in Platform.values:
        raise InvalidError("platform", f'Cannot connect to "{new.platform[:60]}": no such platform')
    _check_name("name", new.name, MAX_CONNECTION_NAME)
    connection = Connection(
        account_id=account.id,
        platform=new.platform,
        name=new.name,
        signing_secret=make_webhook_secret(),
        created_by=by,
    )
    _set_way(connection, new)
    try:
        with transaction.atomic():
            connection.save()
    except IntegrityError as error:
        raise _taken(new.name) from error
    return connection


def edit_connection(
    connection: Connection, *, name: str, message_delivery: str, **way: str
) -> None:
    """Change what can be changed; `way` are fields of `Way`.

    Raises:
        InvalidError, ConnectionTakenError: nothing was changed.
    """
    _check_name("name", name, MAX_CONNECTION_NAME)
    if message_delivery not in MessageDelivery.values:
        raise InvalidError("message_delivery", f'Cannot save "{name}": choose one of the two')
    connection.name = name
    connection.message_delivery = message_delivery
    _set_way(connection, Way(**way))
    try:
        with transaction.atomic():
            connection.save(
                update_fields=[
                    "name", "callback_url", "message_delivery", "client_id", "signing_secret",
                    "agent_login", "close_mode", "api_url", "api_account", "api_token", "signs",
                    "own_ids",
                ]
            )  # fmt: skip
    except IntegrityError as error:
        raise _taken(name) from error


def bot_user(connection: Connection) -> str:
    """The user whose API keys a connection has, empty without any."""
    if not connection.agent_login:
        return ""
    user: str = json.loads(connection.agent_login)["username"]
    return user


def _set_way(connection: Connection, way: Way) -> None:
    """Take over what the platform of a connection needs.

    Raises:
        InvalidError: the row is not to be saved.
    """
    match connection.platform:
        case Platform.LIVEPERSON:
            _check_url("callback_url", way.callback_url)
            connection.callback_url = way.callback_url
            connection.agent_login = _agent_login(connection, way)
            if way.close_mode not in CloseMode.values:
                raise InvalidError("close_mode", "Cannot save: choose what a close ends")
            connection.close_mode = way.close_mode
            _set_app(connection, way)
        case Platform.CHATWOOT:
            _set_chatwoot(connection, way)
        case _:
            _check_url("callback_url", way.callback_url)
            connection.callback_url = way.callback_url


def _set_app(connection: Connection, way: Way) -> None:
    """LivePerson's app signs webhooks; without any, the agent socket brings the notifications."""
    if not way.client_id and not way.client_secret and connection.agent_login:
        if connection.client_id:
            # Whoever knows the secret of the app that was taken away is not believed any longer.
            connection.signing_secret = make_webhook_secret()
        connection.client_id = ""
        return
    known = connection.signing_secret if connection.client_id else ""
    secret = way.client_secret or known
    _check_client(way.client_id, secret)
    connection.client_id = way.client_id
    connection.signing_secret = secret


def _agent_login(connection: Connection, way: Way) -> str:
    """The API keys of the bot's user as JSON, empty without a user."""
    keys = {each: getattr(way, each) for each in LOGIN_KEYS}
    if not way.bot_user:
        if any(keys.values()):
            raise InvalidError(
                "bot_user", "Cannot keep these keys: enter the user of the bot they belong to"
            )
        return ""
    known = json.loads(connection.agent_login) if connection.agent_login else {}
    if not any(keys.values()) and known.get("username") == way.bot_user:
        return connection.agent_login
    for name, value in keys.items():
        if not VISIBLE_ASCII_PATTERN.fullmatch(value) or len(value) > MAX_CLIENT_SECRET:
            raise InvalidError(
                name,
                "Cannot use this key: copy all four from the API key of the bot's user at "
                f"LivePerson, each has 1 to {MAX_CLIENT_SECRET} characters without spaces",
            )
    _check_name("bot_user", way.bot_user, MAX_CONNECTION_NAME)
    login = {"username": way.bot_user, **{LOGIN_KEYS[name]: keys[name] for name in keys}}
    return json.dumps(login)


def _set_chatwoot(connection: Connection, way: Way) -> None:
    _check_url("api_url", way.api_url, needed=True)
    if not re.fullmatch(r"\d{1,12}", way.api_account, re.ASCII):
        raise InvalidError(
            "api_account",
            f'Cannot use the account number "{way.api_account[:40]}": it is the number in '
            "Chatwoot's address, as in /app/accounts/1",
        )
    address = way.api_url.rstrip("/")
    # The stored token goes to the host that it was entered for, and to no other.
    token = way.api_token or (connection.api_token if address == connection.api_url else "")
    if not VISIBLE_ASCII_PATTERN.fullmatch(token) or len(token) > MAX_CLIENT_SECRET:
        raise InvalidError(
            "api_token",
            "Cannot use this token: copy the access token of the bot or the profile, also when "
            "the address has changed",
        )
    if way.webhook_secret and not VISIBLE_ASCII_PATTERN.fullmatch(way.webhook_secret):
        raise InvalidError("webhook_secret", "Cannot use this secret: copy it from the webhook")
    if way.own_id and not re.fullmatch(r"\d{1,12}", way.own_id, re.ASCII):
        raise InvalidError("own_id", f'Cannot use "{way.own_id[:40]}": the id is a number')
    connection.api_url = address
    connection.api_account = way.api_account
    connection.api_token = token
    connection.own_ids = [way.own_id] if way.own_id else []
    if way.webhook_secret:
        connection.signing_secret = way.webhook_secret
        connection.signs = True
    elif connection._state.adding:  # noqa: SLF001 -- Django's own word for "not saved yet"
        connection.signs = False
        connection.signing_secret = _make_token()


def _make_token() -> str:
    """A secret that can be part of an address."""
    return secrets.token_urlsafe(32)


def switch_connection(connection: Connection, *, active: bool) -> None:
    """Let its webhook take notifications, or turn them away with 403."""
    changes: dict[str, Any] = {"active": active}
    if active and not connection.active:
        # What began while nobody listened was there before us.
        changes["listening_since"] = timezone.now()
    Connection.objects.filter(pk=connection.pk).update(**changes)
    connection.active = active


def rotate_signing_secret(connection: Connection) -> None:
    """Make a new signing secret; notifications signed with the old one are refused from now on.

    Raises:
        InvalidError: the platform decides on this secret, not we.
    """
    if connection.platform == Platform.CHATWOOT and connection.signs:
        raise InvalidError(
            "webhook_secret",
            f'Cannot make a signing secret for "{connection.name}": Chatwoot makes it, enter the '
            "one of the webhook in the connection's settings",
        )
    if connection.platform == Platform.LIVEPERSON:
        raise InvalidError(
            "client_secret",
            f'Cannot make a signing secret for "{connection.name}": LivePerson signs with the '
            "client secret of its app, enter the new one in the connection's settings",
        )
    connection.signing_secret = make_webhook_secret() if connection.signs else _make_token()
    connection.save(update_fields=["signing_secret"])


def rotate_callback_secret(connection: Connection) -> None:
    """Make a new callback secret; commands are signed with it from now on."""
    connection.callback_secret = make_webhook_secret()
    connection.save(update_fields=["callback_secret"])


# Members and machines -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Added:
    """A new member. `password` is empty for a person who could sign in before."""

    user: User
    password: str = field(default="", repr=False)


def add_member(account: Account, *, username: str, roles: set[str]) -> Added:
    """Let a person in; somebody nobody knows yet gets a password that only the caller sees.

    Raises:
        InvalidError, AlreadyMemberError: nothing was changed.
    """
    username = User.normalize_username(username)
    _check_roles(roles)
    with transaction.atomic():
        user = User.objects.filter(username=username).first()
        added = Added(user) if user else _create_user(username)
        if account.memberships.filter(user=added.user).exists():
            raise AlreadyMemberError(
                f'Cannot add "{username}": already a member, change the roles instead'
            )
        _set_roles(account, added.user, roles)
    logger.info("member added", extra={"account_id": account.id, "user_id": added.user.pk})
    return added


def change_roles(account: Account, user: User, roles: set[str]) -> None:
    """Give a member these roles instead of the present ones.

    Raises:
        InvalidError, LastAdminError: nothing was changed.
    """
    _check_roles(roles)
    with _one_at_a_time(account):
        had_admin = _has_admin(account)
        _set_roles(account, user, roles)
        _check_admin_left(account, user, had_admin=had_admin)
    logger.info("roles changed", extra={"account_id": account.id, "user_id": user.pk})


def remove_member(account: Account, user: User) -> None:
    """Take a person out of the account; they stay in others.

    Raises:
        LastAdminError: nothing was changed.
    """
    with _one_at_a_time(account):
        had_admin = _has_admin(account)
        account.memberships.filter(user=user).delete()
        _check_admin_left(account, user, had_admin=had_admin)
    logger.info("member removed", extra={"account_id": account.id, "user_id": user.pk})


def issue_api_client(account: Account, *, name: str) -> tuple[ApiClient, str]:
    """A client of this name with a new secret, which nobody can read again.

    A client that exists keeps its id and loses its old secret.
    """
    client = ApiClient.objects.filter(account=account, name=name).first()
    client = client or ApiClient(account=account, name=name)
    secret = client.issue_secret()
    client.save()
    return client, secret


@contextmanager
def _one_at_a_time(account: Account) -> Iterator[None]:
    """A transaction in which nobody else changes the members of this account.

    Writing the account's row is what makes the second wait for the first, on any database.
    """
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(name=F("name"))
        yield


def _create_user(username: str) -> Added:
    password = secrets.token_urlsafe(12)
    user = User(username=username)
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise InvalidError(
            "username",
            f'Cannot add "{username[:60]}": use at most 150 letters, digits and @ . + - _',
        ) from error
    user.save()
    return Added(user, password)


def _set_roles(account: Account, user: User, roles: set[str]) -> None:
    account.memberships.filter(user=user).exclude(role__in=roles).delete()
    Membership.objects.bulk_create(
        [Membership(account=account, user=user, role=role) for role in sorted(roles)],
        ignore_conflicts=True,
    )


def _has_admin(account: Account) -> bool:
    return account.memberships.filter(role=Role.ADMIN).exists()


def _check_admin_left(account: Account, user: User, *, had_admin: bool) -> None:
    if had_admin and not _has_admin(account):
        raise LastAdminError(
            f'Cannot take the role admin from "{user.username}": nobody else has it, make another '
            "member admin first"
        )


# Rules for single values --------------------------------------------------------------------------


def _taken(name: str) -> ConnectionTakenError:
    return ConnectionTakenError(
        f'Cannot name a connection "{name}": the account has one of this name'
    )


def _check_roles(roles: set[str]) -> None:
    if not roles or not roles <= set(Role.values):
        raise InvalidError("roles", "Cannot save the roles: choose admin, developer or both")


def _check_name(field: str, name: str, longest: int) -> None:
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InvalidError(
            field, f'Cannot use the name "{name[:60]}": use 1 to {longest} printable characters'
        )


def _check_client(client_id: str, client_secret: str) -> None:
    if not VISIBLE_ASCII_PATTERN.fullmatch(client_id) or len(client_id) > MAX_CLIENT_ID:
        raise InvalidError(
            "client_id",
            f'Cannot use the client id "{client_id[:60]}": copy it from the app at LivePerson, it '
            f"has 1 to {MAX_CLIENT_ID} characters without spaces",
        )
    if not VISIBLE_ASCII_PATTERN.fullmatch(client_secret) or len(client_secret) > MAX_CLIENT_SECRET:
        raise InvalidError(
            "client_secret",
            "Cannot use this client secret: copy it from the app at LivePerson, it has 1 to "
            f"{MAX_CLIENT_SECRET} characters without spaces",
        )


def _check_url(field: str, url: str, *, needed: bool = False) -> None:
    fault = _fault_in(url) if url else "it is empty" if needed else ""
    if fault:
        what = "callback URL" if field == "callback_url" else "address"
        raise InvalidError(field, f"Cannot use this {what}: {fault}")


def _fault_in(url: str) -> str:
    if len(url) > MAX_CALLBACK_URL:
        return f"it is longer than {MAX_CALLBACK_URL} characters"
    if not VISIBLE_ASCII_PATTERN.fullmatch(url) or "\\" in url:
        return "it may hold neither spaces nor letters outside ASCII, encode them"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.fragment:
        return "it must look like https://host/path, without a part after #"
    if "@" in parts.netloc:
        return "it may not hold a user name or password, commands are signed with a secret instead"
    return ""
