"""How a connection is called, and its secrets, which are shown once."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from houston import account_forms
from houston.connecting import CALLBACK, SIGNING
from houston.middleware import AccountRequest
from invoker.models import Connection, Platform

# Names the connection whose secrets the next page may show, never the secrets: sessions are rows.
SHOW_ONCE = "show_once"


def connections_of(request: AccountRequest) -> QuerySet[Connection]:
    return Connection.objects.filter(account_id=request.account_id)


def new_connection_form(
    platform: str, offered: Sequence[tuple[str, str]], data: Any = None
) -> account_forms.NewConnectionForm:
    """The form of a platform; the first of those that are offered, where that is none."""
    if platform not in account_forms.NEW_CONNECTION_FORMS or (
        data is None and platform not in dict(offered)
    ):
        platform = offered[0][0]
    return account_forms.NEW_CONNECTION_FORMS[platform](data, initial={"platform": platform})


def show_once(request: AccountRequest, connection: Connection, *secrets: str) -> None:
    """Let the next page about this connection show these secrets, all of them when none is named.

    What somebody typed in, such as a client secret of LivePerson, is not among them.
    """
    ours = {
        Platform.SIMULATOR: [],
        Platform.LIVEPERSON: [CALLBACK],
        Platform.CHATWOOT: [] if connection.signs else [SIGNING],
    }.get(Platform(connection.platform), [SIGNING, CALLBACK])
    request.session[SHOW_ONCE] = {
        "connection": str(connection.pk),
        "secrets": [name for name in ours if not secrets or name in secrets],
    }


def taken_once(request: AccountRequest, connection: Connection) -> dict[str, str] | None:
    """The secrets that may be shown now, by name; None when nothing is, and at the next call."""
    kept = request.session.get(SHOW_ONCE)
    if not kept or kept["connection"] != str(connection.pk):
        return None
    del request.session[SHOW_ONCE]
    values = {SIGNING: connection.signing_secret, CALLBACK: connection.callback_secret}
    return {name: values[name] for name in kept["secrets"]}


def way_in(connection: Connection, once: dict[str, str] | None) -> dict[str, Any]:
    """What `accounts/way_in.html` needs to explain how to call a connection."""
    once = once or {}
    return {
        "connection": connection,
        "webhook_url": webhook_url(connection, once.get(SIGNING, "")),
        "signing_secret": once.get(SIGNING, ""),
        "callback_secret": once.get(CALLBACK, ""),
        "previous_signing_until": _until(connection.previous_signing_until),
        "previous_callback_until": _until(connection.previous_callback_until),
    }


def _until(moment: dt.datetime | None) -> dt.datetime | None:
    """The end of a previous secret that still holds."""
    return moment if moment is not None and timezone.now() < moment else None


def webhook_url(connection: Connection, secret: str = "") -> str:
    """Where notifications go. Of a platform that does not sign, the address holds the secret."""
    if connection.signs:
        return f"{settings.HOUSTON_URL}{reverse('events', args=[connection.pk])}"
    token = secret or "…"
    return f"{settings.HOUSTON_URL}{reverse('events', args=[connection.pk])}/{token}"
