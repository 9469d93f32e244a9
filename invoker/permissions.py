"""Who may do what. Source: `liveperson-contract.md` §4.5."""

from collections.abc import Set
from enum import StrEnum
from typing import Protocol


class Privilege(StrEnum):
    """What somebody is in an account: a member's role, or what a machine was allowed."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    INVOCATION = "invocation"


class Caller(Protocol):
    """Who sends a request, as houston's authentication leaves it in `request.auth`."""

    @property
    def account_id(self) -> str:
        """The one account that the token is for."""

    @property
    def privileges(self) -> frozenset[Privilege]: ...

    @property
    def is_team(self) -> bool:
        """One of the account team, who reads every account."""

    @property
    def name(self) -> str:
        """What versions, deployments and the audit log say: a user name, or "API client …"."""

    @property
    def key(self) -> str:
        """Tells callers apart where requests are counted."""


_EVERYBODY = frozenset(Privilege)
_ADMIN = frozenset({Privilege.ADMIN})
_DEVELOPER = frozenset({Privilege.DEVELOPER})
_MEMBERS = _ADMIN | _DEVELOPER


class Permission(StrEnum):
    """One row of the matrix. Its value is what a refusal says."""

    FUNCTION_READ = "read functions"
    FUNCTION_CHANGE = "create, change and delete functions"
    FUNCTION_DEPLOY = "deploy functions"
    FUNCTION_TEST = "test functions"
    FUNCTION_INVOKE = "invoke functions"
    DOMAIN_READ = "read the allow-list"
    DOMAIN_CHANGE = "change the allow-list"
    SECRET_READ = "read the keys of secrets"
    SECRET_CHANGE = "change secrets"
    SCHEDULE_READ = "read schedules"
    SCHEDULE_CHANGE = "change schedules"
    SCENARIO_READ = "read scenarios"
    SCENARIO_CHANGE = "change scenarios"
    SCENARIO_RUN = "run scenarios"
    DEAD_LETTER_READ = "read dead letters"
    DEAD_LETTER_CHANGE = "retry and discard dead letters"
    LOG_READ = "read logs"
    REPORT_READ = "read reports"


_PERMITTED: dict[Permission, frozenset[Privilege]] = {
    Permission.FUNCTION_READ: _EVERYBODY,
    Permission.FUNCTION_CHANGE: _DEVELOPER,
    Permission.FUNCTION_DEPLOY: _DEVELOPER,
    # As in the console: machines that invoke run nothing but what is deployed, see `product.md`.
    Permission.FUNCTION_TEST: _DEVELOPER,
    Permission.FUNCTION_INVOKE: _DEVELOPER | {Privilege.INVOCATION},
    Permission.DOMAIN_READ: _MEMBERS,
    Permission.DOMAIN_CHANGE: _ADMIN,
    Permission.SECRET_READ: _MEMBERS,
    Permission.SECRET_CHANGE: _ADMIN,
    Permission.SCHEDULE_READ: _MEMBERS,
    Permission.SCHEDULE_CHANGE: _MEMBERS,
    Permission.SCENARIO_READ: _MEMBERS,
    Permission.SCENARIO_CHANGE: _DEVELOPER,
    Permission.SCENARIO_RUN: _DEVELOPER,
    Permission.DEAD_LETTER_READ: _MEMBERS,
    # Neither code nor settings change: whoever is responsible for one of the two may decide.
    Permission.DEAD_LETTER_CHANGE: _MEMBERS,
    Permission.LOG_READ: _MEMBERS,
    Permission.REPORT_READ: _MEMBERS,
}
# The older API let machines read these too.
_ALSO_IN_V1 = frozenset({Permission.SCHEDULE_READ, Permission.LOG_READ, Permission.REPORT_READ})
# As in the console: the account team reads everything and changes nothing without a role.
_TEAM = frozenset(one for one in Permission if one.name.endswith("_READ"))


def permits(
    permission: Permission, privileges: Set[Privilege], *, is_team: bool, in_v1: bool
) -> bool:
    """Whether somebody with these privileges may do it, in V1 or in V2 of the API."""
    if is_team and permission in _TEAM:
        return True
    return not allowed(permission, in_v1=in_v1).isdisjoint(privileges)


def allowed(permission: Permission, *, in_v1: bool) -> frozenset[Privilege]:
    """The privileges of which each permits it."""
    if in_v1 and permission in _ALSO_IN_V1:
        return _EVERYBODY
    return _PERMITTED[permission]
