"""What functions remember from one event to the next: namespaces of sessions of properties.

The rules are those of the vendor's context service: writing makes what is missing, what is not
written stays, and what is gone may be deleted again. Source: LivePerson's documentation of its
Context Service client, and of the service's names and sizes.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Length
from django.utils import timezone

from invoker.models import ContextNamespace, ContextProperty
from invoker.runtime import CallError

INVALID = "com.liveperson.faas.context.invalid"
FORBIDDEN = "com.liveperson.faas.context.forbidden"
LIMIT_REACHED = "com.liveperson.faas.context.limit-reached"

BUILT_IN = frozenset({"consumer", "conversation", "custom", "faas", "operational", "sde"})
MAX_NAMESPACES = 50
MAX_PROPERTIES = 1000
MAX_VALUE = 16_384
MAX_SESSION_VALUES = 800_000
MAX_STORED = 100_000
MAX_TTL_S = 10 * 365 * 24 * 3600
NAMESPACE_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,100}")
# No control characters, which a database may refuse, nor halves of surrogate pairs.
NAME_PATTERN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")
SESSION_PATTERN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")


def create_namespace(account_id: str, name: str, ttl_s: int | None) -> dict[str, Any]:
    """Make a namespace; one that exists stays as it is.

    Returns:
        `name`, `createdAt` in ISO 8601 and `ttlSecond` where there is one.

    Raises:
        CallError: the name is not to be had, or the account has all that it may have.
    """
    if ttl_s is not None and not 0 <= ttl_s <= MAX_TTL_S:
        raise CallError(
            INVALID,
            f'Cannot create the namespace "{name[:100]}": its ttl must be 0 to {MAX_TTL_S} seconds',
        )
    return _described(_namespace(account_id, name, ttl_s))


def delete_namespace(account_id: str, name: str) -> None:
    """Forget a namespace with everything in it."""
    _check_namespace(name)
    ContextNamespace.objects.filter(account_id=account_id, name=name).delete()


def namespaces(account_id: str) -> list[dict[str, Any]]:
    """The account's namespaces, see `create_namespace`."""
    found = ContextNamespace.objects.filter(account_id=account_id).order_by("name")
    return [_described(each) for each in found]


def sessions(account_id: str, namespace: str) -> list[str]:
    """The sessions of a namespace that hold anything, at most 1,000, by name."""
    found = _live(account_id, namespace).order_by("session").values_list("session", flat=True)
    return list(found.distinct()[:MAX_PROPERTIES])


def properties(
    account_id: str, namespace: str, session: str, names: list[str] | None
) -> dict[str, Any]:
    """What a session remembers: everything, or what is there of `names`."""
    _check_session(session)
    found = _live(account_id, namespace).filter(session=session)
    held = dict(found.order_by("name").values_list("name", "value"))
    return held if names is None else {name: held[name] for name in names if name in held}


def write(
    account_id: str, namespace: str, session: str, values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Remember these properties; others of the session stay.

    Returns:
        What was written.

    Raises:
        CallError: a rule is broken, and nothing was written.
    """
    _check_session(session)
    if len(values) > MAX_PROPERTIES:
        raise _full(namespace, MAX_PROPERTIES, "properties fit into a session")
    for name, value in values.items():
        _check_property(name, value)
    with transaction.atomic():
        home = _namespace(account_id, namespace, None)
        # Changing the row keeps it until the end: whoever writes to the same namespace waits here,
        # so that nobody counts past the other.
        ContextNamespace.objects.filter(pk=home.pk).update(name=home.name)
        now = timezone.now()
        home.properties.filter(expires_at__lte=now).delete()
        ContextProperty.objects.bulk_create(
            [
                ContextProperty(
                    namespace=home,
                    session=session,
                    name=name,
                    value=value,
                    written_at=now,
                    expires_at=now + dt.timedelta(seconds=home.ttl_s) if home.ttl_s else None,
                )
                for name, value in values.items()
            ],
            update_conflicts=True,
            unique_fields=["namespace", "session", "name"],
            update_fields=["value", "written_at", "expires_at"],
        )
        _check_room(home, session)
    return values


def delete_property(account_id: str, namespace: str, session: str, name: str) -> None:
    """Forget one property of a session."""
    _check_session(session)
    _check_name(name)
    _live(account_id, namespace).filter(session=session, name=name).delete()


def delete_session(account_id: str, namespace: str, session: str) -> None:
    """Forget a session."""
    _check_session(session)
    _live(account_id, namespace).filter(session=session).delete()


def _live(account_id: str, namespace: str) -> QuerySet[ContextProperty]:
    _check_namespace(namespace)
    return ContextProperty.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        namespace__account_id=account_id,
        namespace__name=namespace,
    )


def _described(namespace: ContextNamespace) -> dict[str, Any]:
    ttl = {"ttlSecond": namespace.ttl_s} if namespace.ttl_s else {}
    return {"name": namespace.name, "createdAt": namespace.created_at.isoformat(), **ttl}


def _namespace(account_id: str, name: str, ttl_s: int | None) -> ContextNamespace:
    _check_namespace(name)
    mine = ContextNamespace.objects.filter(account_id=account_id)
    found = mine.filter(name=name).first()
    if found:
        return found
    # Two that are made at the same moment may be one too many, which does no harm.
    if mine.count() >= MAX_NAMESPACES:
        raise CallError(
            LIMIT_REACHED,
            f'Cannot create the namespace "{name}": the account has {MAX_NAMESPACES}, delete one',
        )
    # 0 is for ever, as it is with the vendor.
    made, _ = mine.get_or_create(
        name=name, defaults={"account_id": account_id, "ttl_s": ttl_s or None}
    )
    return made


def _check_namespace(name: str) -> None:
    if name in BUILT_IN:
        raise CallError(
            FORBIDDEN, f'Cannot use the namespace "{name}": it is built in, take another'
        )
    if not NAMESPACE_PATTERN.fullmatch(name):
        raise CallError(
            INVALID,
            f'Cannot use the namespace "{_shown(name)}": use 1 to 100 letters, digits, underscores '
            "and hyphens",
        )


def _check_session(session: str) -> None:
    if not SESSION_PATTERN.fullmatch(session):
        raise CallError(
            INVALID,
            f'Cannot use the session "{_shown(session)}": use 1 to 200 printable characters',
        )


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise CallError(
            INVALID,
            f'Cannot use the property "{_shown(name)}": use 1 to 100 printable characters',
        )


def _check_property(name: str, value: Any) -> None:
    _check_name(name)
    try:
        length = len(msgspec.json.encode(value))
    except (UnicodeEncodeError, OverflowError, RecursionError) as error:
        raise CallError(INVALID, f'Cannot write the property "{name}": it is no JSON') from error
    if length > MAX_VALUE:
        raise CallError(
            LIMIT_REACHED,
            f'Cannot write the property "{name}": its value takes {length} bytes, at most '
            f"{MAX_VALUE} fit",
        )


def _check_room(namespace: ContextNamespace, session: str) -> None:
    held = namespace.properties.filter(session=session)
    total = held.aggregate(characters=Sum(Length("value")))["characters"] or 0
    for count, most, what in (
        (held.count(), MAX_PROPERTIES, "properties fit into a session"),
        (total, MAX_SESSION_VALUES, "characters fit into a session"),
        (namespace.properties.count(), MAX_STORED, "properties fit into a namespace"),
    ):
        if count > most:
            raise _full(namespace.name, most, what)


def _full(namespace: str, most: int, what: str) -> CallError:
    return CallError(
        LIMIT_REACHED,
        f'Cannot write to "{_shown(namespace)}": at most {most} {what}, delete some or give the '
        "namespace a ttl",
    )


def _shown(text: str) -> str:
    return text[:60].encode("utf-8", "replace").decode()
