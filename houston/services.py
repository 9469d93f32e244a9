"""Every change to an account: who may enter it, how it is set up, its connections.

Errors: see `account_errors`.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from houston import layers
from houston.account_errors import (
    AccountTakenError,
    AlreadyMemberError,
    InvalidError,
    LastAdminError,
    NotApartError,
    NotSetUpError,
    check_name,
)
from houston.connecting import NewConnection, add_connection
from houston.models import Account, Membership, Role, User
from invoker import allow_list, audit, automatic_messages, runtime
from invoker.hours import changes
from invoker.models import (
    Connection,
    ControllerBot,
)

logger = logging.getLogger(__name__)

MAX_ACCOUNT_ID = 32
MAX_ACCOUNT_NAME = 100
ACCOUNT_ID_PATTERN = re.compile(r"[A-Za-z0-9]+")


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


def create_account(account_id: str, *, name: str, by: str) -> Account:
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
    check_name("name", name, MAX_ACCOUNT_NAME)
    _check_apart(account_id)
    try:
        with transaction.atomic():
            account = Account.objects.create(id=account_id, name=name)
            audit.record(account_id, "account.created", name, by=by, after={"Id": account_id})
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


def set_up_controller_bot(account: Account, way: NewConnection, *, by: str) -> Connection:
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
            audit.record(
                account.id,
                "bot.set-up",
                "the controller bot",
                by=by,
                after={"Connection": connection.name},
            )
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
        changes.create_defaults(account.id)
        if new:
            audit.record(account.id, "account.functions-enabled", account.name, by=by)
    if new:
        logger.info("functions enabled", extra={"account_id": account.id})
    return bot


# Members and machines -----------------------------------------------------------------------------


def add_member(account: Account, *, username: str, roles: set[str], by: str) -> User:
    """Let a person in who is known already; only the account team may know who is.

    Raises:
        InvalidError, AlreadyMemberError: nothing was changed.
    """
    check_roles(roles)
    user = User.objects.filter(username=User.normalize_username(username)).first()
    if user is None:
        raise InvalidError(
            "username",
            f'Cannot add "{username[:60]}": nobody has this user name, send an invitation instead',
        )
    with _one_at_a_time(account):
        if account.memberships.filter(user=user).exists():
            raise AlreadyMemberError(
                f'Cannot add "{username}": already a member, change the roles instead'
            )
        _set_roles(account, user, roles)
        _record("member.added", account, user, by=by, after={"Roles": _spell(roles)})
    logger.info("member added", extra={"account_id": account.id, "user_id": user.pk})
    return user


def let_in(account: Account, user: User, roles: set[str]) -> None:
    """Give a person these roles beside those they have. The caller records why."""
    with _one_at_a_time(account):
        _set_roles(account, user, roles | _roles_of(account, user))


def change_roles(account: Account, user: User, roles: set[str], *, by: str) -> None:
    """Give a member these roles instead of the present ones.

    Raises:
        InvalidError, LastAdminError: nothing was changed.
    """
    check_roles(roles)
    with _one_at_a_time(account):
        had_admin = _has_admin(account)
        before = {"Roles": _spell(_roles_of(account, user))}
        _set_roles(account, user, roles)
        _check_admin_left(account, user, had_admin=had_admin)
        after = {"Roles": _spell(roles)}
        _record("member.roles-changed", account, user, by=by, before=before, after=after)
    logger.info("roles changed", extra={"account_id": account.id, "user_id": user.pk})


def remove_member(account: Account, user: User, *, by: str) -> None:
    """Take a person out of the account; they stay in others.

    Raises:
        LastAdminError: nothing was changed.
    """
    with _one_at_a_time(account):
        had_admin = _has_admin(account)
        before = {"Roles": _spell(_roles_of(account, user))}
        account.memberships.filter(user=user).delete()
        _check_admin_left(account, user, had_admin=had_admin)
        _record("member.removed", account, user, by=by, before=before)
    logger.info("member removed", extra={"account_id": account.id, "user_id": user.pk})


@contextmanager
def _one_at_a_time(account: Account) -> Iterator[None]:
    """A transaction in which nobody else changes the members of this account.

    Writing the account's row is what makes the second wait for the first, on any database.
    """
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(name=F("name"))
        yield


def _set_roles(account: Account, user: User, roles: set[str]) -> None:
    account.memberships.filter(user=user).exclude(role__in=roles).delete()
    Membership.objects.bulk_create(
        [Membership(account=account, user=user, role=role) for role in sorted(roles)],
        ignore_conflicts=True,
    )


def _roles_of(account: Account, user: User) -> set[str]:
    return set(account.memberships.filter(user=user).values_list("role", flat=True))


def _spell(roles: set[str]) -> str:
    return ", ".join(sorted(roles))


def _record(action: str, account: Account, user: User, **values: Any) -> None:
    audit.record(account.id, action, user.username, subject_id=user.pk, **values)


def _has_admin(account: Account) -> bool:
    return account.memberships.filter(role=Role.ADMIN).exists()


def _check_admin_left(account: Account, user: User, *, had_admin: bool) -> None:
    if had_admin and not _has_admin(account):
        raise LastAdminError(
            f'Cannot take the role admin from "{user.username}": nobody else has it, make another '
            "member admin first"
        )


# Rules for single values --------------------------------------------------------------------------


def check_roles(roles: set[str]) -> None:
    if not roles or not roles <= set(Role.values):
        raise InvalidError("roles", "Cannot save the roles: choose admin, developer or both")
