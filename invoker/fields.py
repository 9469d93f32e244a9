"""Columns of our own: secrets that are encrypted at rest, and JSON that any database takes."""

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

# Django's fields are generic to the type checker only.
if TYPE_CHECKING:
    StrTextField = models.TextField[str, str]

    class AnyTextField(models.TextField[Any, Any]):
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
        _pyi_lookup_exact_type: Any

else:
    StrTextField = AnyTextField = models.TextField


_decode = msgspec.json.Decoder().decode


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "Cannot use HOUSTON_ENCRYPTION_KEYS: each key must be 32 bytes in URL-safe base64"
        ) from error


def _keys() -> MultiFernet:
    return _fernet(tuple(settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=1024)
def _decrypted(keys: tuple[str, ...], value: str) -> str:
    """Each notification and each event reads the secrets of its connection."""
    return _fernet(keys).decrypt(value.encode()).decode()


class EncryptedTextField(StrTextField):
    """Text that is encrypted in the database and plain in Python. Empty stays empty."""

    def get_prep_value(self, value: Any) -> Any:
        return _keys().encrypt(value.encode()).decode() if value else value

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        if not value:
            return value
        try:
            return _decrypted(tuple(settings.ENCRYPTION_KEYS), value)
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "Cannot read a stored secret: none of the encryption keys fits, put the key it was "
                "written with back into HOUSTON_ENCRYPTION_KEYS"
            ) from error


class JsonTextField(AnyTextField):
    """A JSON value kept as text.

    What functions return and platforms send may hold NUL characters, which PostgreSQL's jsonb
    refuses, and lone surrogates, which no database takes: the first stay, the others become "?".
    """

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def from_db_value(self, value: str | None, *_: object) -> Any:
        if value is None:
            return None
        try:
            # Four times as quick, which pages of counts and log lines feel.
            return _decode(value)
        except msgspec.DecodeError:
            # Python writes what is no JSON: numbers beyond all bounds, halves of characters.
            return json.loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))


def storable(text: str) -> str:
    """Text from outside as every database can keep it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{SYMBOL FOR NULL}")
