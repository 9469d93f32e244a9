"""Machines that use the API of an account: made, given another secret, revoked."""

import logging
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from houston.account_errors import (
    ClientRevokedError,
    ClientTakenError,
    InvalidError,
    check_name,
)
from houston.models import Account, ApiClient, Scope
from invoker import audit

logger = logging.getLogger(__name__)

MAX_NAME = 100


def create(account: Account, *, name: str, scopes: Sequence[str], by: str) -> tuple[ApiClient, str]:
    """A new client, and its secret, which nobody can read again.

    Raises:
        InvalidError, ClientTakenError: nothing was made.
    """
    check_name("name", name, MAX_NAME)
    if not scopes or not set(scopes) <= set(Scope.values):
        raise InvalidError(
            "scopes", f'Cannot create "{name}": choose what the client may do, one scope or more'
        )
    wanted = [scope for scope in Scope.values if scope in scopes]
    client = ApiClient(account=account, name=name, scopes=wanted, created_by=by)
    secret = client.issue_secret()
    try:
        with transaction.atomic():
            client.save()
            after = {"Scopes": ", ".join(client.scope_names)}
            _record("api-client.created", client, by=by, after=after)
    except IntegrityError as error:
        raise ClientTakenError(
            f'Cannot create "{name}": the account has a client of that name, revoke it or choose '
            "another name"
        ) from error
    logger.info("api client created", extra={"account_id": account.pk, "client_id": client.pk})
    return client, secret


def renew_secret(client: ApiClient, *, by: str) -> str:
    """Another secret for a client, which nobody can read again. The old one ends at once.

    Raises:
        ClientRevokedError: it was revoked meanwhile, nothing was changed.
    """
    secret = client.issue_secret()
    with transaction.atomic():
        alive = ApiClient.objects.filter(pk=client.pk, revoked_at=None)
        if not alive.update(secret_hash=client.secret_hash):
            raise ClientRevokedError(
                f'Cannot give "{client.name}" a new secret: it was revoked, create another client'
            )
        _record("api-client.secret-issued", client, by=by)
    return secret


def revoke(client: ApiClient, *, by: str) -> None:
    """End a client: its secret and every token that it got are worth nothing from now on."""
    with transaction.atomic():
        alive = ApiClient.objects.filter(pk=client.pk, revoked_at=None)
        if not alive.update(revoked_at=timezone.now(), revoked_by=by):
            return
        _record("api-client.revoked", client, by=by)
    client.refresh_from_db()
    logger.info(
        "api client revoked", extra={"account_id": client.account_id, "client_id": client.pk}
    )


def _record(action: str, client: ApiClient, **values: object) -> None:
    audit.record(client.account_id, action, client.name, subject_id=client.pk, **values)  # type: ignore[arg-type]
