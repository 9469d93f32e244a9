"""Every change to the connections of an account. Errors: see `account_errors`."""

import datetime as dt
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from houston.account_errors import (
    ConnectionTakenError,
    InvalidError,
    SimulatorTakenError,
    TooManyConnectionsError,
    check_name,
)
from houston.models import Account
from invoker import audit, digesting
from invoker.models import (
    CloseMode,
    Connection,
    MessageDelivery,
    Platform,
    make_webhook_secret,
)
from invoker.platforms import reach

# Each may hold a socket and take notifications up to a rate of its own.
MAX_CONNECTIONS = 50
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
SIGNING = "signing"
CALLBACK = "callback"
KEPT_LABEL = "The previous one holds"
# Header values and URLs go over the wire as they are.
VISIBLE_ASCII_PATTERN = re.compile(r"[!-~]+")


class Keep(models.TextChoices):
    """How long a secret that was replaced is taken beside the new one."""

    NOT = "no", "Not any longer: refused at once"
    DAY = "day", "24 hours more"
    WEEK = "week", "7 days more"


KEPT_FOR = {Keep.NOT: dt.timedelta(), Keep.DAY: dt.timedelta(days=1), Keep.WEEK: dt.timedelta(7)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to talk to a platform, as somebody asks for it; each platform has some of the fields.

    On LivePerson the client secret is what signs notifications, and the five fields from
    `bot_user` on are the API keys of the bot's user. On Chatwoot an empty `webhook_secret` means
    that it does not sign. An empty secret of a connection that exists keeps the one it has, and
    `keep` says how long the one that it replaces is taken beside a new one.
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
    keep: str = Keep.DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection(Way):
    """What somebody asks for."""

    platform: str
    name: str


def offered(account_id: str) -> list[tuple[str, str]]:
    """The platforms that a new connection can be to, with their names; the simulator once."""
    there = Connection.objects.filter(account_id=account_id, platform=Platform.SIMULATOR).exists()
    return [
        (value, label)
        for value, label in Platform.choices
        if value != Platform.SIMULATOR or not there
    ]


def add_connection(account: Account, new: NewConnection, *, by: str) -> Connection:
    """Make a connection with secrets of its own.

    Raises:
        InvalidError, ConnectionTakenError, SimulatorTakenError, TooManyConnectionsError: nothing
            was made.
    """
    if new.platform not in Platform.values:
        raise InvalidError("platform", f'Cannot connect to "{new.platform[:60]}": no such platform')
    check_name("name", new.name, MAX_CONNECTION_NAME)
    if Connection.objects.filter(account_id=account.id).count() >= MAX_CONNECTIONS:
        raise TooManyConnectionsError(
            f'Cannot add "{new.name}": the account has {MAX_CONNECTIONS} connections, change one '
            "that is no longer used"
        )
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
            _record("connection.created", connection, by=by, after=_facts(connection))
    except IntegrityError as error:
        if new.platform not in dict(offered(account.id)):
            raise SimulatorTakenError(
                f'Cannot add the simulator "{new.name}": the account has one, and any number of '
                "conversations are played with it"
            ) from error
        raise _taken(new.name) from error
    return connection


def edit_connection(
    connection: Connection, *, name: str, by: str, message_delivery: str | None = None, **way: str
) -> None:
    """Change what can be changed; `way` are fields of `Way`. None keeps how messages are delivered.

    Raises:
        InvalidError, ConnectionTakenError: nothing was changed.
    """
    check_name("name", name, MAX_CONNECTION_NAME)
    if message_delivery not in (None, *MessageDelivery.values):
        raise InvalidError("message_delivery", f'Cannot save "{name}": choose one of the two')
    before, old = _facts(connection), _secrets(connection)
    connection.name = name
    connection.message_delivery = message_delivery or connection.message_delivery
    _set_way(connection, Way(**way))
    try:
        with transaction.atomic():
            connection.save(
                update_fields=[
                    "name", "callback_url", "message_delivery", "client_id", "signing_secret",
                    "agent_login", "close_mode", "api_url", "api_account", "api_token", "signs",
                    "own_ids", "previous_signing_secret", "previous_signing_until",
                ]
            )  # fmt: skip
            after = _facts(connection)
            for secret, value in _secrets(connection).items():
                if value != old[secret]:
                    before[secret], after[secret] = _held(old[secret]), _held(value, "replaced")
            _record("connection.edited", connection, by=by, before=before, after=after)
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
        case Platform.SIMULATOR:
            # It knows what it has shown already, so it may be told twice.
            connection.message_delivery = MessageDelivery.AT_LEAST_ONCE
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
            set_secret(connection, SIGNING, make_webhook_secret(), Keep.NOT)
        connection.client_id = ""
        return
    known = connection.signing_secret if connection.client_id else ""
    secret = way.client_secret or known
    _check_client(way.client_id, secret)
    # Another app's secret was never one of this app.
    same_app = way.client_id == connection.client_id
    set_secret(connection, SIGNING, secret, _keep(way) if same_app else Keep.NOT)
    connection.client_id = way.client_id


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
    check_name("bot_user", way.bot_user, MAX_CONNECTION_NAME)
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
    is_new = connection._state.adding  # noqa: SLF001 -- Django's own word for "not saved yet"
    if way.webhook_secret:
        # What was part of an address never signed anything.
        keep = _keep(way) if connection.signs and not is_new else Keep.NOT
        set_secret(connection, SIGNING, way.webhook_secret, keep)
        connection.signs = True
    elif is_new:
        connection.signs = False
        connection.signing_secret = _make_token()


def _keep(way: Way) -> Keep:
    if way.keep not in Keep.values:
        raise InvalidError("keep", "Cannot save: choose how long the replaced secret holds")
    return Keep(way.keep)


def _make_token() -> str:
    """A secret that can be part of an address."""
    return secrets.token_urlsafe(32)


def switch_connection(connection: Connection, *, active: bool, by: str) -> None:
    """Take notifications and carry out commands, or turn both away."""
    changes: dict[str, Any] = {"active": active}
    if active and not connection.active:
        # What began while nobody listened was there before us.
        changes["listening_since"] = timezone.now()
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk).update(**changes)
        if active != connection.active:
            _record(f"connection.switched-{'on' if active else 'off'}", connection, by=by)
    connection.active = active
    if active:
        digesting.look_again(connection.account_id)


def rotate_signing_secret(connection: Connection, *, by: str, keep: Keep = Keep.DAY) -> None:
    """Make a new signing secret; the old one is taken beside it for as long as `keep` says.

    Raises:
        InvalidError: the platform decides on this secret, not we.
    """
    if connection.platform == Platform.CHATWOOT and connection.signs:
        raise InvalidError(
            "webhook_secret",
            f'Cannot make a signing secret for "{connection.name}": Chatwoot makes it, enter the '
            "one of the webhook in the connection's settings",
        )
    _check_has_outside(connection)
    if connection.platform == Platform.LIVEPERSON:
        raise InvalidError(
            "client_secret",
            f'Cannot make a signing secret for "{connection.name}": LivePerson signs with the '
            "client secret of its app, enter the new one in the connection's settings",
        )
    secret = make_webhook_secret() if connection.signs else _make_token()
    _replace(connection, SIGNING, secret, keep, by=by)


def rotate_callback_secret(connection: Connection, *, by: str, keep: Keep = Keep.DAY) -> None:
    """Make a new callback secret; commands are signed with the old one too while `keep` says so.

    Raises:
        InvalidError: no command leaves the house.
    """
    _check_has_outside(connection)
    _replace(connection, CALLBACK, make_webhook_secret(), keep, by=by)


def _replace(connection: Connection, which: str, secret: str, keep: Keep, *, by: str) -> None:
    set_secret(connection, which, secret, keep)
    with transaction.atomic():
        connection.save(update_fields=_columns(which))
        after = {KEPT_LABEL: keep.label}
        _record(f"connection.{which}-secret-rotated", connection, by=by, after=after)


def end_previous_secret(connection: Connection, which: str, *, by: str) -> None:
    """Take the previous secret of this kind no longer; nothing happens where there is none."""
    with transaction.atomic():
        found = Connection.objects.filter(pk=connection.pk)
        found = found.exclude(**{f"previous_{which}_until": None})
        ended = found.update(**{f"previous_{which}_secret": "", f"previous_{which}_until": None})
        if ended:
            _record(f"connection.{which}-secret-ended", connection, by=by)


def set_secret(connection: Connection, which: str, secret: str, keep: Keep) -> None:
    """Take a new secret over into the row, with the one it replaces. Not saved by this."""
    old = getattr(connection, f"{which}_secret")
    if old == secret:
        return
    until = timezone.now() + KEPT_FOR[keep] if old and KEPT_FOR[keep] else None
    setattr(connection, f"previous_{which}_secret", old if until else "")
    setattr(connection, f"previous_{which}_until", until)
    setattr(connection, f"{which}_secret", secret)


def _columns(which: str) -> list[str]:
    return [f"{which}_secret", f"previous_{which}_secret", f"previous_{which}_until"]


def _check_has_outside(connection: Connection) -> None:
    if connection.platform == Platform.SIMULATOR:
        raise InvalidError(
            "platform",
            f'Cannot make a secret for "{connection.name}": the simulator keeps its own, nobody '
            "outside has to know them",
        )


# For the audit log --------------------------------------------------------------------------------


def _record(action: str, connection: Connection, **values: Any) -> None:
    audit.record(connection.account_id, action, connection.name, subject_id=connection.pk, **values)


def _facts(connection: Connection) -> dict[str, Any]:
    """What is set, in the words of the page. Addresses without what may prove who calls them."""
    facts = {
        "Platform": connection.get_platform_display(),
        "Name": connection.name,
        "A message whose delivery a crash left open": connection.get_message_delivery_display(),
        "Callback URL": _bare(connection.callback_url),
        "Client id": connection.client_id,
        "User of the bot": bot_user(connection),
        "A close ends": connection.get_close_mode_display(),
        "Address of Chatwoot": _bare(connection.api_url),
        "Account number": connection.api_account,
        "Signs its webhooks": connection.signs,
        "Id of the bot's user": ", ".join(connection.own_ids),
    }
    return {name: value for name, value in facts.items() if value != ""}


def _secrets(connection: Connection) -> dict[str, str]:
    """What may differ and is never told."""
    return {
        "Signing secret": connection.signing_secret,
        "Keys of the bot's user": connection.agent_login,
        "Access token": connection.api_token,
        "Query of the callback URL": connection.callback_url.partition("?")[2],
    }


def _held(secret: str, word: str = "set") -> str:
    return word if secret else "none"


def _bare(url: str) -> str:
    return url.partition("?")[0]


# Rules for single values --------------------------------------------------------------------------


def _taken(name: str) -> ConnectionTakenError:
    return ConnectionTakenError(
        f'Cannot name a connection "{name}": the account has one of this name'
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
        # As the name is looked up: no label may be empty or too long.
        (parts.hostname or "").encode("idna")
    except ValueError:
        usable = False
    if not usable or parts.fragment:
        return "it must look like https://host/path, without a part after #"
    if "@" in parts.netloc:
        return "it may not hold a user name or password, commands are signed with a secret instead"
    try:
        reach.check_url(url)
    except reach.NotPublicError as error:
        return f"it {error}"
    return ""
