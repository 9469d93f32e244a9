"""Stored secrets: the first encryption key writes them, any of the keys opens them."""

import logging
from functools import cache, lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)


class UnreadableSecretError(ImproperlyConfigured):
    """None of the encryption keys opens a stored secret: somebody has to bring its key back."""

    code = "secret-unreadable"


def encrypt(text: str) -> str:
    # Seldom, and what an outdated key writes is lost once somebody has taken that key away.
    _key_file.look_again()
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Open a secret, with a key that came into the data folder's file meanwhile too.

    Raises:
        UnreadableSecretError: it was written with a key that is not here.
    """
    try:
        return _decrypted(tuple(settings.ENCRYPTION_KEYS), token)
    except InvalidToken:
        pass
    _key_file.look_again()
    try:
        return _decrypted(tuple(settings.ENCRYPTION_KEYS), token)
    except InvalidToken as error:
        raise UnreadableSecretError(
            "Cannot read a stored secret: none of the encryption keys fits, put the key it was "
            "written with back into HOUSTON_ENCRYPTION_KEYS, or into the data folder's file"
        ) from error


def look_again() -> None:
    """Take over what the data folder's file has, for who goes by the keys themselves."""
    _key_file.look_again()


class KeyFile:
    """The keys of the data folder, which `manage.py rotate-keys` changes while Houston runs."""

    def __init__(self) -> None:
        self._taken = list(settings.ENCRYPTION_KEYS)

    def look_again(self) -> None:
        """Take over what the file has, if that is not what was taken over before."""
        path: Path | None = settings.ENCRYPTION_KEY_FILE
        if path is None:
            return
        try:
            found = path.read_text().split()
            if not found or found == self._taken:
                return
            _fernet(tuple(found))
        except (OSError, UnicodeDecodeError, ImproperlyConfigured) as error:
            # Being written by hand, or gone. Those that are known go on being used.
            logger.warning("cannot read the encryption keys again", extra={"reason": repr(error)})
            return
        # In place: every module has this list.
        settings.ENCRYPTION_KEYS[:] = found
        self._taken = found
        logger.info("took over the encryption keys of the data folder")


_key_file = KeyFile()


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
