"""The record of every change to an account: who, when, from where, and what was there before.

Whoever changes something calls `record` in the same transaction, so that a change and its entry
are there together or not at all. Values of secrets never come here, code comes as its version.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.db.models import QuerySet

from invoker.models import AuditEntry
from invoker.models.audit import ACTIONS, KINDS

__all__ = [
    "ACTIONS",
    "KINDS",
    "OF_FUNCTIONS",
    "Origin",
    "coming_from",
    "entries",
    "record",
    "stream",
]

OF_FUNCTIONS: Final = ("function", "scenario", "schedule", "dead-letter")
"""Kinds that are about functions, and therefore about what developers do."""
MAX_FIELDS: Final = 60
MAX_VALUE: Final = 2_000
"""Characters of one value, as text, that an entry keeps."""
MAX_SUBJECT: Final = 200
MAX_DETAIL: Final = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from: a person's address, and the id of the request."""

    address: str = ""
    request_id: str = ""


# What runs on the machine itself, such as a command, has no address.
_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 -- it is frozen


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """What is recorded meanwhile comes from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def record(
    account_id: str,
    action: str,
    subject: str,
    *,
    by: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: str = "",
    subject_id: object = "",
) -> AuditEntry | None:
    """Keep that somebody changed something; call it in the transaction of the change.

    `before` and `after` are values by the names that people see; only what differs is kept, and
    of a long value its beginning. Never pass the value of a secret.

    Returns:
        The entry, or None where both are given and nothing differs.

    Raises:
        ValueError: `action` is not one of `ACTIONS`.
    """
    if action not in ACTIONS:
        raise ValueError(f'Cannot record "{action}": it is none of ACTIONS')
    old, new = dict(before or {}), dict(after or {})
    names = [name for name in {**old, **new} if _differ(old, new, name)]
    if before is not None and after is not None and not names:
        return None
    left_out = len(names) - MAX_FIELDS
    if left_out > 0:
        names = names[:MAX_FIELDS]
        detail = f"{detail}, and {left_out} more values".removeprefix(", ")
    origin = _origin.get()
    return AuditEntry.objects.create(
        account_id=account_id,
        by=by,
        address=origin.address,
        request_id=origin.request_id,
        action=action,
        subject_kind=action.partition(".")[0],
        subject=_cut(subject, MAX_SUBJECT),
        subject_id=str(subject_id),
        before={_cut(name, MAX_SUBJECT): _fit(old[name]) for name in names if name in old},
        after={_cut(name, MAX_SUBJECT): _fit(new[name]) for name in names if name in new},
        detail=_cut(detail, MAX_DETAIL),
    )


def entries(account_id: str, *, functions_only: bool = False) -> QuerySet[AuditEntry]:
    """What somebody may read: developers see what is `OF_FUNCTIONS`, admins everything."""
    found = AuditEntry.objects.filter(account_id=account_id)
    return found.filter(subject_kind__in=OF_FUNCTIONS) if functions_only else found


def stream(account_id: str, *, functions_only: bool = False, count: int = 20) -> list[AuditEntry]:
    """The latest changes, the newest first: `words` say what somebody did, `by` and `at` the rest.

    One query, whatever the count. The page `audit-entry` shows an entry with its diff.
    """
    return list(entries(account_id, functions_only=functions_only).order_by("-at", "-id")[:count])


def _differ(old: dict[str, Any], new: dict[str, Any], name: str) -> bool:
    return (name in old) != (name in new) or old.get(name) != new.get(name)


def _fit(value: Any) -> Any:
    """A value as an entry keeps it: as it is, or the beginning of its text."""
    if isinstance(value, str):
        return _cut(value, MAX_VALUE)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = msgspec.json.encode(value).decode().replace("\\u0000", "\\ufffd")
    return msgspec.json.decode(text) if len(text) <= MAX_VALUE else _cut(text, MAX_VALUE)


def _cut(text: str, length: int) -> str:
    # PostgreSQL keeps no NUL, and no half of a character has a place in UTF-8.
    plain = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    plain = plain.encode(errors="replace").decode()
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"
