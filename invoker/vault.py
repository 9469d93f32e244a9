"""Secrets of an account: encrypted at rest, read by its functions, shown to nobody.

SecretError                      has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
├── KeyTakenError                the account has a secret of this key
├── NotFoundError                the account has none of this key
└── ForbiddenError               functions may not change this one
"""

import logging
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from invoker import audit
from invoker.models import Secret, SecretType, SecretUse

logger = logging.getLogger(__name__)

# Source: `liveperson-contract.md` §4.4.
MAX_KEY = 100
MAX_VALUE = 16_384
MAX_READER = 50
NOTED_EVERY_S = 60.0
MOST_NOTED = 10_000
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WANTED = {
    SecretType.STRING: "text",
    SecretType.NUMBER: "a number, such as 42 or 1.5",
    SecretType.JSON: "valid JSON",
}
# What LivePerson makes for an account and keeps up itself. Source: §7.1.
SYSTEM_PREFIXES = ("LIVEPERSON_DEFAULT_", "lp-faas-")


class SecretError(Exception):
    """Nothing was read or changed."""

    code = "secret-error"
    field = ""


class InvalidError(SecretError):
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class KeyTakenError(SecretError):
    code = "key-taken"
    field = "key"


class NotFoundError(SecretError):
    code = "not-found"
    field = "key"


class ForbiddenError(SecretError):
    code = "forbidden"
    field = "key"


# What admins do -----------------------------------------------------------------------------------


def add(account_id: str, *, key: str, value: Any, kind: str = "", by: str) -> Secret:
    """Keep a new secret. Its `SecretType` follows the value where it is not said.

    Raises:
        InvalidError, KeyTakenError: nothing was kept.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise InvalidError(
            "key",
            f'Cannot use the key "{key[:60]}": use 1 to {MAX_KEY} letters, digits, underscores and '
            "hyphens",
        )
    type_, encoded = _type_for(kind, value), _encoded(key, value)
    try:
        with transaction.atomic():
            secret = Secret.objects.create(
                account_id=account_id,
                key=key,
                type=type_,
                value=encoded,
                created_by=by,
                updated_by=by,
            )
            _record("secret.added", secret, by=by, after={"Type": secret.get_type_display()})
    except IntegrityError as error:
        raise KeyTakenError(
            f'Cannot add "{key}": the account has a secret of this key, replace its value instead'
        ) from error
    logger.info("secret added", extra={"account_id": account_id, "secret_id": secret.pk})
    return secret


def replace(secret: Secret, *, value: Any, kind: str = "", by: str) -> None:
    """Put another value under a key. Functions read it from their next call on.

    Raises:
        InvalidError: the old value stays.
        NotFoundError: it was deleted meanwhile.
    """
    type_, encoded = _type_for(kind, value), _encoded(secret.key, value)
    with transaction.atomic():
        _write(secret, type_, encoded, by)
        _record(
            "secret.replaced",
            secret,
            by=by,
            before={"Type": secret.get_type_display(), "Value": "kept"},
            after={"Type": type_.label, "Value": "replaced"},
        )


def delete(secret: Secret, *, by: str) -> None:
    """Forget a secret. Functions that ask for it fail from now on. Doing it twice does no more."""
    with transaction.atomic():
        if not Secret.objects.filter(pk=secret.pk).delete()[0]:
            return
        _record("secret.deleted", secret, by=by, before={"Type": secret.get_type_display()})
    logger.info("secret deleted", extra={"account_id": secret.account_id})


def parse(kind: str, text: str) -> Any:
    """Read what somebody typed as a value of a `SecretType`.

    Raises:
        InvalidError: it is no such value. The message does not repeat it.
    """
    if kind not in SecretType.values:
        raise InvalidError("type", "Cannot keep the secret: choose text, number or JSON")
    if not text:
        raise InvalidError("value", "Cannot keep the secret: enter a value")
    if kind == SecretType.STRING:
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _is_not(SecretType(kind)) from error
    _type_for(kind, value)
    return value


# What functions do --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reader:
    """The function that reads."""

    function_id: uuid.UUID
    function_name: str


def read(account_id: str, key: str, *, reader: Reader | None = None) -> Any:
    """The value that an account keeps under a key; who reads it is noted once a minute.

    Raises:
        NotFoundError: it keeps none.
    """
    secret = _found(account_id, key)
    if reader and _noted.is_time(secret.pk, reader.function_id):
        _note(secret, reader)
    return msgspec.json.decode(secret.value)


class _Noted:
    """What this process noted lately, so that most reads write nothing and ask for nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[tuple[int, uuid.UUID], float] = {}

    def is_time(self, secret_pk: int, function_id: uuid.UUID) -> bool:
        key, now = (secret_pk, function_id), time.monotonic()
        with self._lock:
            if now - self._at.get(key, -NOTED_EVERY_S) < NOTED_EVERY_S:
                return False
            if len(self._at) >= MOST_NOTED:
                self._at.clear()
            self._at[key] = now
            return True


_noted = _Noted()


def _note(secret: Secret, reader: Reader) -> None:
    """Remember the use. A fault is only logged: it must not keep a function from its secret."""
    now = timezone.now()
    try:
        with transaction.atomic():
            SecretUse.objects.bulk_create(
                [
                    SecretUse(
                        secret=secret,
                        function_id=reader.function_id,
                        function_name=reader.function_name[:MAX_READER],
                        last_at=now,
                    )
                ],
                update_conflicts=True,
                unique_fields=["secret", "function_id"],
                update_fields=["function_name", "last_at"],
            )
    except DatabaseError as error:
        logger.warning(
            "cannot note the use of a secret",
            extra={"secret_id": secret.pk, "reason": type(error).__name__},
        )


def update(account_id: str, key: str, value: Any, *, by: str) -> None:
    """Put another value under a key that exists; its type follows the value.

    Raises:
        NotFoundError, ForbiddenError, InvalidError: the old value stays.
    """
    if key.startswith(SYSTEM_PREFIXES):
        raise ForbiddenError(
            f'Cannot update the secret "{key[:MAX_KEY]}": it belongs to the system, an admin can '
            "replace it in Settings"
        )
    secret = _found(account_id, key)
    _write(secret, _type_of(value), _encoded(key, value), by)


def _record(action: str, secret: Secret, **values: Any) -> None:
    """Tell of what people do; what functions write shows on the page of secrets."""
    audit.record(secret.account_id, action, secret.key, **values)


def _found(account_id: str, key: str) -> Secret:
    fits = KEY_PATTERN.fullmatch(key)
    secret = fits and Secret.objects.filter(account_id=account_id, key=key).first()
    if not secret:
        raise _not_found(key)
    return secret


def _not_found(key: str) -> NotFoundError:
    return NotFoundError(
        f'Cannot find the secret "{key[:MAX_KEY]}": an admin can add it in Settings'
    )


def _write(secret: Secret, kind: str, value: str, by: str) -> None:
    changed = Secret.objects.filter(pk=secret.pk).update(
        type=kind, value=value, updated_at=timezone.now(), updated_by=by
    )
    if not changed:
        raise _not_found(secret.key)
    logger.info(
        "secret changed", extra={"account_id": secret.account_id, "secret_id": secret.pk, "by": by}
    )


def _type_for(kind: str, value: Any) -> SecretType:
    """The type to keep a value as: its own, or JSON, which holds every value."""
    if value == "" and kind != SecretType.JSON:
        raise InvalidError("value", "Cannot keep the secret: enter a value")
    own = _type_of(value)
    if kind not in {"", own, SecretType.JSON}:
        raise _is_not(SecretType(kind))
    return SecretType(kind or own)


def _is_not(kind: SecretType) -> InvalidError:
    return InvalidError("value", f"Cannot keep the secret: its value is not {_WANTED[kind]}")


def _type_of(value: Any) -> SecretType:
    if isinstance(value, str):
        return SecretType.STRING
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return SecretType.NUMBER if number else SecretType.JSON


def _encoded(key: str, value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError) as error:
        raise InvalidError("value", f'Cannot keep the secret "{key}": its value is no JSON') from (
            error
        )
    # Of a text its own length counts, without what JSON puts around and into it.
    length = len(value) if isinstance(value, str) else len(text)
    if length > MAX_VALUE:
        raise InvalidError(
            "value",
            f'Cannot keep the secret "{key}": its value has {length} characters, at most '
            f"{MAX_VALUE} fit",
        )
    return text
