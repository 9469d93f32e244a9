"""What a test runs with: the sample, payloads that people kept, and events that really happened.

PayloadError                     has a stable `code`; the message says what to do
├── InvalidPayloadError          a value breaks a rule; `field` says which
├── PayloadTakenError            there is one of this name; `existing` is it
└── TooManyPayloadsError         the event may not have more
"""

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from functions.models import Function, SavedPayload
from invoker import audit, dispatch, events
from invoker.models import Event

MAX_PAYLOADS = 50
"""Saved payloads of one event of an account."""
MAX_NAME = 60
MAX_TEXT = 100_000
RECENT = 20
RECENT_DAYS = 30


class PayloadError(Exception):
    """A payload that was not kept."""

    code = "payload-error"


class InvalidPayloadError(PayloadError):
    code = "invalid-payload"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class PayloadTakenError(PayloadError):
    code = "payload-name-taken"

    def __init__(self, message: str, existing: SavedPayload) -> None:
        super().__init__(message)
        self.existing = existing


class TooManyPayloadsError(PayloadError):
    code = "too-many-payloads"


@dataclass(frozen=True, slots=True)
class Source:
    """One payload: `key` names it in addresses, `text` is the whole input as JSON."""

    key: str
    label: str
    text: str


def saved(function: Function) -> QuerySet[SavedPayload]:
    """What the account kept for the event of a function."""
    return SavedPayload.objects.filter(
        account_id=function.account_id, event_type=function.event_type
    ).order_by("name")


def recent(function: Function, count: int = RECENT) -> list[Event]:
    """The latest real events that this function, or another one of its event, is there for.

    With the conversation, without payloads. Empty for events that reach functions on other ways.
    """
    if not function.event.runs_commands:
        return []
    found = Event.objects.filter(
        account_id=function.account_id,
        type=function.event_type,
        created_at__gte=timezone.now() - dt.timedelta(days=RECENT_DAYS),
    )
    newest = found.select_related("conversation").order_by("-created_at", "-pk")
    return list(newest.defer("payload", "conversation__state")[:count])


def source(function: Function, key: str) -> Source | None:
    """The payload that `key` names: "sample", "saved:7" or "event:<id>". None if there is none."""
    kind, _, name = key.partition(":")
    match kind:
        case "sample" if not name:
            return sample(function)
        case "saved" if name.isascii() and name.isdigit() and len(name) < 19:  # noqa: PLR2004
            kept = saved(function).filter(pk=int(name)).first()
            return Source(key, kept.name, kept.text) if kept else None
        case "event":
            return _real(function, name)
    return None


def sample(function: Function) -> Source:
    return Source("sample", "Sample", _pretty(events.sample(function.event_type)))


def _real(function: Function, event_id: str) -> Source | None:
    try:
        key = uuid.UUID(event_id)
    except ValueError:
        return None
    event = Event.objects.filter(
        pk=key, account_id=function.account_id, type=function.event_type
    ).first()
    if event is None:
        return None
    return Source(f"event:{event.pk}", "Real event", _pretty(dispatch.input_of(event)))


def _pretty(document: Any) -> str:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # Platforms may send half of a character, which no page can show.
    return text.encode(errors="replace").decode()


def save(
    function: Function, *, name: str, text: str, by: str, replaces: bool = False
) -> SavedPayload:
    """Keep a payload for everybody who tests functions of this event.

    Raises:
        InvalidPayloadError, TooManyPayloadsError: a rule is broken, nothing was kept.
        PayloadTakenError: there is one of this name, and `replaces` is not set.
    """
    name = _checked_name(name)
    _check_text(text)
    values = {"text": text, "changed_at": timezone.now(), "changed_by": by}
    with transaction.atomic():
        existing = saved(function).filter(name=name).first()
        if existing is None:
            if saved(function).count() >= MAX_PAYLOADS:
                raise TooManyPayloadsError(
                    f'Cannot save "{name}": the event has {MAX_PAYLOADS} saved payloads, '
                    "delete one first"
                )
            kept, made = SavedPayload.objects.get_or_create(
                account_id=function.account_id,
                event_type=function.event_type,
                name=name,
                defaults=values,
            )
            if made:
                _record(function, "payload.added", kept, by)
                return kept
            existing = kept
        if not replaces:
            raise PayloadTakenError(
                f'Cannot save "{name}": {existing.changed_by} saved a payload of this name, '
                "replace it or choose another name",
                existing,
            )
        SavedPayload.objects.filter(pk=existing.pk).update(**values)
        _record(function, "payload.replaced", existing, by)
    existing.refresh_from_db()
    return existing


def rename(function: Function, payload: SavedPayload, name: str, *, by: str) -> None:
    """Give a saved payload another name.

    Raises:
        InvalidPayloadError, PayloadTakenError: it keeps its name.
    """
    name = _checked_name(name)
    if name == payload.name:
        return
    try:
        with transaction.atomic():
            if not saved(function).filter(pk=payload.pk).update(name=name):
                raise InvalidPayloadError(
                    "name", f'Cannot rename "{payload.name}": it was deleted meanwhile'
                )
            _record(
                function,
                "payload.renamed",
                payload,
                by,
                before={"Name": payload.name},
                after={"Name": name},
            )
    except IntegrityError as error:
        existing = saved(function).get(name=name)
        raise PayloadTakenError(
            f'Cannot rename "{payload.name}": there is a payload "{name}"', existing
        ) from error


def delete(function: Function, payload: SavedPayload, *, by: str) -> None:
    """Forget a saved payload. Who did it second finds nothing to do."""
    with transaction.atomic():
        gone, _ = saved(function).filter(pk=payload.pk).delete()
        if gone:
            _record(function, "payload.deleted", payload, by)


def _record(
    function: Function, action: str, payload: SavedPayload, by: str, **values: dict[str, str]
) -> None:
    audit.record(
        function.account_id,
        action,
        payload.name,
        by=by,
        subject_id=payload.pk,
        detail=f"For the event {function.event.name}",
        **values,
    )


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise InvalidPayloadError("name", "Cannot save the payload: it has no name")
    if len(name) > MAX_NAME:
        raise InvalidPayloadError(
            "name",
            f'Cannot save "{name[:30]}…": its name has {len(name)} characters, at most {MAX_NAME}',
        )
    if not name.isprintable():
        raise InvalidPayloadError(
            "name", "Cannot save the payload: its name has characters that cannot be shown"
        )
    return name


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidPayloadError(
            "payload",
            f"Cannot save the payload: it has {len(text)} characters, at most {MAX_TEXT}",
        )
