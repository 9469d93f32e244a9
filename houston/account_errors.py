"""Why a change to an account was not made.

AccountError                     has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
├── AccountTakenError            another account has this id
├── NotApartError                the sandbox cannot hold several accounts apart
├── ClientTakenError             another API client of the account has this name
├── ClientRevokedError           the API client was revoked meanwhile
├── ConnectionTakenError         another connection of the account has this name
├── SimulatorTakenError          the account has its simulator
├── TooManyConnectionsError      the account has as many connections as it may
├── AlreadyMemberError           the person is a member
├── InvitedError                 the address is invited already
├── InvitationError              the invitation cannot be accepted; `title` is what happened to it
├── LastAdminError               an account keeps at least one admin
└── NotSetUpError                the first step comes first
"""

from houston import layers


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


class ClientTakenError(AccountError):
    code = "api-client-taken"
    field = "name"


class ClientRevokedError(AccountError):
    code = "api-client-revoked"


class ConnectionTakenError(AccountError):
    code = "connection-taken"
    field = "name"


class SimulatorTakenError(AccountError):
    code = "simulator-taken"


class TooManyConnectionsError(AccountError):
    code = "too-many-connections"


class AlreadyMemberError(AccountError):
    code = "already-member"
    field = "username"


class InvitedError(AccountError):
    code = "already-invited"
    field = "email"


class InvitationError(AccountError):
    code = "invitation-not-open"

    def __init__(self, title: str, message: str) -> None:
        super().__init__(message)
        self.title = title


class LastAdminError(AccountError):
    code = "last-admin"
    field = "roles"


class NotSetUpError(AccountError):
    code = "controller-bot-not-set-up"


def check_name(field: str, name: str, longest: int) -> None:
    """Refuse a name that could not be told from another on a page.

    Raises:
        InvalidError: at `field`.
    """
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InvalidError(
            field, f'Cannot use the name "{name[:60]}": use 1 to {longest} printable characters'
        )
