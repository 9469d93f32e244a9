"""Every encrypted value under the first encryption key, while the product goes on running.

A value is written back only where nobody changed it since it was read, so a change at the same
moment stays. Rows are read in small batches; what was done is done when it is broken off.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import F, TextField, Value
from django.db.models.functions import Cast

from invoker import encryption
from invoker.fields import EncryptedTextField
from invoker.models import Connection

BATCH: Final = 200
SAMPLE: Final = 10
_RAW: Final = "raw_value"
_FERNET_VERSION: Final = "gAAAA"


@dataclass(slots=True)
class Column:
    """One column that holds encrypted values, and what was found in it."""

    model: type[models.Model]
    name: str
    renewed: int = 0
    unchanged: int = 0
    changed_meanwhile: int = 0
    unreadable: list[Any] = field(default_factory=list)
    """Primary keys of rows with a value that none of the keys opens."""
    by_key: Counter[int] = field(default_factory=Counter)
    """How many values each key had written, by its place in the list, before this run."""

    @property
    def label(self) -> str:
        return f"{self.model._meta.label}.{self.name}"

    def values(self) -> Iterator[tuple[Any, str]]:
        """Primary keys and values as the database has them."""
        rows = self._rows().order_by("pk")
        last: Any = None
        while True:
            batch = rows.filter(pk__gt=last) if last is not None else rows
            found = list(batch.values_list("pk", _RAW)[:BATCH])
            yield from found
            if len(found) < BATCH:
                return
            last = found[-1][0]

    def sample(self) -> list[str]:
        """Some values: the first and the last, which other keys may have written."""
        rows = self._rows().values_list("pk", _RAW)
        found = dict(rows.order_by("pk")[:SAMPLE])
        if len(found) == SAMPLE:
            found |= dict(rows.order_by("-pk")[:SAMPLE])
        return list(found.values())

    def _rows(self) -> models.QuerySet[models.Model]:
        # The manager that leaves no row out, whatever the model's own does.
        rows: models.QuerySet[models.Model] = self.model._base_manager.annotate(
            **{_RAW: Cast(F(self.name), TextField())}
        ).exclude(**{_RAW: ""})
        if self.model == Authenticator:
            # Passkeys are public keys, and nothing of them is encrypted.
            rows = rows.exclude(type=Authenticator.Type.WEBAUTHN)
        return rows

    def replace(self, pk: Any, old: str, new: str) -> bool:
        """Write a value where the old one still stands; False when it does not."""
        rows = self.model._base_manager.annotate(**{_RAW: Cast(F(self.name), TextField())})
        column = self.model._meta.get_field(self.name)
        # As text: the column's own type would encrypt it once more.
        value: Any = Value(new, output_field=TextField())
        if isinstance(column, models.JSONField):
            value = json.loads(new)
        return bool(rows.filter(pk=pk, **{_RAW: old}).update(**{self.name: value}))


class Keys:
    """The encryption keys of this installation, the first of which encrypts."""

    def __init__(self) -> None:
        self._single = [Fernet(key) for key in settings.ENCRYPTION_KEYS]
        self._all = MultiFernet(self._single)

    def __len__(self) -> int:
        return len(self._single)

    def which(self, token: str) -> int | None:
        """The place of the key that wrote this, None when it is none of them."""
        for place, key in enumerate(self._single):
            try:
                key.decrypt(token.encode())
            except InvalidToken:
                continue
            return place
        return None

    def renew(self, token: str) -> str:
        return self._all.rotate(token.encode()).decode()


def columns() -> list[Column]:
    """Every column of every app that holds encrypted values."""
    found = [
        Column(model, each.name)
        for model in apps.get_models()
        for each in model._meta.get_fields()
        if isinstance(each, EncryptedTextField)
    ]
    # Secrets of second factors lie inside the JSON that django-allauth keeps.
    return [*found, Column(Authenticator, "data")]


def work_through(column: Column, *, change: bool) -> None:
    """Count what a column holds and, with `change`, put all of it under the first key."""
    keys = Keys()
    for pk, old in column.values():
        places = [keys.which(token) for token in _tokens(column, old)]
        column.by_key.update(place for place in places if place is not None)
        if None in places:
            column.unreadable.append(pk)
        elif not any(places):
            column.unchanged += len(places)
        elif change:
            new = old
            for token, place in zip(_tokens(column, old), places, strict=True):
                if place:
                    new = new.replace(token, keys.renew(token))
            if column.replace(pk, old, new):
                column.renewed += len(places)
            else:
                # Whoever changed it wrote it with the first key, or the next run finds it.
                column.changed_meanwhile += len(places)


@dataclass(frozen=True, slots=True)
class Sample:
    """Of how many secrets that were looked at how many cannot be read."""

    looked_at: int
    unreadable: int
    doors_closed: bool
    """Whether none of the connections that were looked at can check who sends."""


def look() -> Sample:
    """Open some secrets of each column, with what the database has rather than whole rows."""
    of_doors: Counter[bool] = Counter()
    of_others: Counter[bool] = Counter()
    for column in columns():
        opened = of_doors if column.model is Connection else of_others
        opened.update(_opens(token) for each in column.sample() for token in _tokens(column, each))
    both = of_doors + of_others
    return Sample(both.total(), both[False], doors_closed=bool(of_doors) and not of_doors[True])


def _opens(token: str) -> bool:
    try:
        encryption.decrypt(token)
    except encryption.UnreadableSecretError:
        return False
    return True


def _tokens(column: Column, value: str) -> list[str]:
    """The encrypted values in what a column holds: it is one, or JSON with some."""
    if column.model is not Authenticator:
        return [value]
    return [each for each in _texts(json.loads(value)) if each.startswith(_FERNET_VERSION)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
