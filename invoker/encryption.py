"""Stored secrets: the first encryption key writes them, any of the keys opens them."""

from functools import cache, lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class UnreadableSecretError(ImproperlyConfigured):
    """None of the encryption keys opens a stored secret: somebody has to bring its key back."""

    code = "secret-unreadable"


def encrypt(text: str) -> str:
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Open a secret.

    Raises:
        UnreadableSecretError: it was written with a key that is not here.
    """
    try:
        return _decrypted(tuple(settings.ENCRYPTION_KEYS), token)
    except InvalidToken as error:
        raise UnreadableSecretError(
            "Cannot read a stored secret: none of the encryption keys fits, put the key it was "
            "written with back into HOUSTON_ENCRYPTION_KEYS"
        ) from error


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "Cannot use HOUSTON_ENCRYPTION_KEYS: each key must be 32 bytes in URL-safe base64"
        ) from error


@lru_cache(maxsize=1024)
def _decrypted(keys: tuple[str, ...], token: str) -> str:
    """Each notification and each event reads the secrets of its connection."""
    return _fernet(keys).decrypt(token.encode()).decode()
