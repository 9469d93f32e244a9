"""`manage.py demo`: an account to try everything with, made once and found again afterwards."""

import json
import os
import secrets
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from functions import deploying, gallery
from functions import services as functions
from functions.models import Function
from houston import account_errors, api_clients, connecting, services
from houston.models import Account, ApiClient, Membership, Role, Scope, User
from houston.views.way_in import webhook_url
from invoker.models import Connection, Platform

ACCOUNT_ID = "demo1"
ACCOUNT_NAME = "Demo"
MEMBER = "demo"
TEAM = "team"
LIVEPERSON_CLIENT = "demo-client"
API_CLIENT = "Demo"
FUNCTION = "greet"
EVENT_TYPE = "controllerbot_messaging_new_conversation"
# What can be kept as a hash only is kept here too, so that a second run can show it again.
PASSWORD_FILE = "demo-password"  # noqa: S105
API_SECRET_FILE = "demo-api-client-secret"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Demo:
    """What `--json` prints. A password is None when its owner has changed it since."""

    account_id: str
    account_name: str
    console_url: str
    sign_in: dict[str, str | None]
    team_sign_in: dict[str, str | None]
    connections: list[dict[str, Any]]
    api_client: dict[str, str]


class Command(BaseCommand):
    help = (
        "Make the demo account, or find it, and print how to use it. Running it again changes "
        "nothing, but for what --callback-url and HOUSTON_DEMO_PASSWORD say. The API client's "
        f"secret is kept in {API_SECRET_FILE} in the data folder; where that file is gone, "
        "the client gets a new one"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object")
        parser.add_argument(
            "--callback-url", help="Where the Generic and the LivePerson connection send commands"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            demo = _prepare(options["callback_url"])
        except account_errors.AccountError as error:
            raise CommandError(str(error)) from error
        try:
            _prepare_function(demo.account_id)
        except functions.FunctionError as error:
            # The account is of use without it, and its page says what is wrong.
            self.stderr.write(str(error))
        if options["json"]:
            self.stdout.write(json.dumps(asdict(demo), indent=2))
        else:
            self.stdout.write(_text(demo))


def _prepare(callback_url: str | None) -> Demo:
    known = _known_password()
    with transaction.atomic():
        account = Account.objects.filter(pk=ACCOUNT_ID).first()
        account = account or services.create_account(ACCOUNT_ID, name=ACCOUNT_NAME, by=TEAM)
        member, knows_member = _user(MEMBER, known)
        _, knows_team = _user(TEAM, known, is_staff=True)
        Membership.objects.bulk_create(
            [Membership(account=account, user=member, role=role) for role in Role],
            ignore_conflicts=True,
        )
        connections = [
            _connection(account, Platform.SIMULATOR, "Simulator", None),
            _connection(account, Platform.GENERIC, "Generic", callback_url),
            _connection(account, Platform.LIVEPERSON, "LivePerson", callback_url),
        ]
        services.enable_functions(account, by=TEAM)
        client, secret = _api_client(account)
    return Demo(
        account_id=account.pk,
        account_name=account.name,
        console_url=f"{settings.HOUSTON_URL}/",
        sign_in={"username": MEMBER, "password": known if knows_member else None},
        team_sign_in={"username": TEAM, "password": known if knows_team else None},
        connections=[_described(connection) for connection in connections],
        api_client={"client_id": str(client.pk), "client_secret": secret},
    )


def _known_password() -> str:
    if settings.HOUSTON_DEMO_PASSWORD:
        return str(settings.HOUSTON_DEMO_PASSWORD)
    path = settings.DATA_DIR / PASSWORD_FILE
    return _read(path) or _keep(path, secrets.token_urlsafe(9))


def _user(username: str, password: str, *, is_staff: bool = False) -> tuple[User, bool]:
    """The person, and whether this is their password; to ask that again would be slow."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return User.objects.create_user(username, password=password, is_staff=is_staff), True
    fits = user.check_password(password)
    if settings.HOUSTON_DEMO_PASSWORD and not fits:
        user.set_password(password)
        user.save(update_fields=["password"])
        fits = True
    return user, fits


def _connection(
    account: Account, platform: Platform, name: str, callback_url: str | None
) -> Connection:
    # Whatever its name is by now: the first of its platform is the one this command made.
    found = Connection.objects.filter(account_id=account.pk, platform=platform)
    connection = found.order_by("created_at").first()
    if connection is None:
        new = connecting.NewConnection(
            platform=platform,
            name=name,
            client_id=LIVEPERSON_CLIENT if platform == Platform.LIVEPERSON else "",
            client_secret=secrets.token_urlsafe(24),
        )
        connection = services.set_up_controller_bot(account, new, by=TEAM)
    if callback_url is not None:
        connecting.edit_connection(
            connection,
            name=connection.name,
            by=TEAM,
            callback_url=callback_url,
            message_delivery=connection.message_delivery,
            client_id=connection.client_id,
        )
    return connection


def _described(connection: Connection) -> dict[str, Any]:
    described = {
        "id": str(connection.pk),
        "platform": connection.platform,
        "name": connection.name,
    }
    if connection.platform == Platform.SIMULATOR:
        # Nobody outside talks to it.
        return described
    described |= {
        "webhook_url": webhook_url(connection),
        "signing_secret": connection.signing_secret,
        "callback_secret": connection.callback_secret,
        "callback_url": connection.callback_url,
    }
    for which in (connecting.SIGNING, connecting.CALLBACK):
        secrets_now = getattr(connection, f"{which}_secrets")
        if len(secrets_now) > 1:
            # Both hold: whoever is given these can go on with either.
            described[f"previous_{which}_secret"] = secrets_now[1]
    if connection.platform == Platform.LIVEPERSON:
        described["client_id"] = connection.client_id
    return described


def _api_client(account: Account) -> tuple[ApiClient, str]:
    path = settings.DATA_DIR / API_SECRET_FILE
    kept = _read(path)
    client = ApiClient.objects.filter(account=account, name=API_CLIENT, revoked_at=None).first()
    if client and kept and client.has_secret(kept):
        return client, kept
    if client:
        secret = api_clients.renew_secret(client, by=TEAM)
    else:
        client, secret = api_clients.create(account, name=API_CLIENT, scopes=list(Scope), by=TEAM)
    return client, _keep(path, secret)


def _prepare_function(account_id: str) -> None:
    if Function.objects.filter(account_id=account_id).exists():
        return
    template = next(each for each in gallery.load() if each.event_type == EVENT_TYPE)
    function = functions.create(
        account_id,
        name=FUNCTION,
        description=template.summary[: functions.MAX_DESCRIPTION],
        event_type=EVENT_TYPE,
        by=MEMBER,
        template=template,
    )
    deploying.deploy(function, version=function.version, by=MEMBER)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _keep(path: Path, secret: str) -> str:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
    return secret


def _text(demo: Demo) -> str:
    lines = [
        f"Account {demo.account_name} ({demo.account_id}) at {demo.console_url}",
        "",
        f"  developer and admin  {_credentials(demo.sign_in)}",
        f"  account team         {_credentials(demo.team_sign_in)}",
    ]
    for connection in demo.connections:
        lines += ["", f"Connection {connection['name']}"]
        lines += [
            f"  {name.replace('_', ' '):<16} {value or '-'}"
            for name, value in connection.items()
            if name not in {"id", "name", "platform"}
        ]
        if connection["platform"] == Platform.SIMULATOR:
            lines += ["  is played in the console, under Conversations"]
    client = demo.api_client
    lines += [
        "",
        "API client",
        f"  {'client id':<16} {client['client_id']}",
        f"  {'client secret':<16} {client['client_secret']}",
    ]
    return "\n".join(lines)


def _credentials(sign_in: dict[str, str | None]) -> str:
    password = sign_in["password"]
    return f"{sign_in['username']} / {password or '(the password was changed)'}"
