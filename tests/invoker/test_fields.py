"""What the database sees of secrets, and what it can keep of strange texts."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from invoker.models import Connection, Event
from tests import factories

pytestmark = pytest.mark.django_db


def raw(table: str, column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608
        value: str = cursor.fetchone()[0]
    return value


def test_secret_is_not_readable_in_the_database() -> None:
    factories.ConnectionFactory(signing_secret="whsec_open", callback_secret="whsec_sesame")

    assert "whsec" not in raw("invoker_connection", "signing_secret")
    assert "whsec" not in raw("invoker_connection", "callback_secret")
    assert Connection.objects.get().signing_secret == "whsec_open"


def test_secret_of_an_older_key_is_read_and_a_new_one_takes_the_first_key(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    factories.ConnectionFactory(signing_secret="whsec_open")

    settings.ENCRYPTION_KEYS = [new, old]
    Connection.objects.get().save()

    settings.ENCRYPTION_KEYS = [new]
    assert Connection.objects.get().signing_secret == "whsec_open"
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(ImproperlyConfigured, match="none of the encryption keys fits"):
        Connection.objects.get()


@pytest.mark.parametrize("value", [{"a": [1, None, "é😀"]}, "text", [], 0, "a\0b"])
def test_json_comes_back_as_it_was(value: Any) -> None:
    factories.EventFactory(payload=value)

    assert Event.objects.get().payload == value


def test_half_a_character_does_not_stop_a_value_from_being_kept() -> None:
    factories.EventFactory(payload={"text": "a\ud83d"})

    assert Event.objects.get().payload == {"text": "a?"}


def test_numbers_that_json_does_not_have_come_back() -> None:
    factories.EventFactory(payload={"most": float("inf"), "long": 10**30})

    assert Event.objects.get().payload == {"most": float("inf"), "long": 10**30}
