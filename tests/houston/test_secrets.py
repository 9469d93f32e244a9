"""The page of secrets: what goes in, who may, and that nothing comes out."""

import datetime as dt
import json
import re
import uuid

import pytest
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone

from invoker import vault
from invoker.models import Secret, SecretUse
from tests import factories


def url(name, account, *arguments):
    return reverse(name, args=[account.pk, *arguments])


def stored():
    return {one.key: (one.type, json.loads(one.value)) for one in Secret.objects.all()}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "open sesame ", "open sesame "),
        ("string", "-----BEGIN\r\nabc\r\n", "-----BEGIN\nabc\n"),
        ("string", "42", "42"),
        ("number", " 42 ", 42),
        ("number", "-1.5e3", -1500.0),
        ("json", '{"a":\r\n [1, null]}', {"a": [1, None]}),
    ],
)
def test_secret_is_kept_as_its_type_says(admin_client, account, kind, text, value):
    response = admin_client.post(
        url("secret-add", account), {"key": "API-key_1", "type": kind, "value": text}
    )

    assert response.status_code == 302
    assert stored() == {"API-key_1": (kind, value)}


def test_account_team_may_add_secrets(team_client, account):
    team_client.post(url("secret-add", account), {"key": "a", "type": "string", "value": "b"})

    assert stored() == {"a": ("string", "b")}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"key": "token"}, "key"),
        ({"key": ""}, "key"),
        ({"key": "a b"}, "key"),
        ({"key": "ä"}, "key"),
        ({"key": "<script>"}, "key"),
        ({"key": "k" * 101}, "key"),
        ({"value": ""}, "value"),
        ({"value": "s" * 16_385}, "value"),
        ({"type": "number", "value": "12-a"}, "value"),
        ({"type": "number", "value": "true"}, "value"),
        ({"type": "number", "value": "1e999"}, "value"),
        ({"type": "json", "value": "{sesame}"}, "value"),
        ({"type": "json", "value": "[" * 12_000}, "value"),
        ({"type": "other"}, "type"),
        ({"type": ""}, "type"),
    ],
)
def test_adding_says_which_value_is_wrong_and_does_not_repeat_it(
    admin_client, account, values, field
):
    factories.SecretFactory(key="token")
    typed = {"key": "new", "type": "string", "value": "open sesame", **values}

    response = admin_client.post(url("secret-add", account), typed)

    page = response.content.decode()
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}
    assert stored() == {"token": ("string", "sesame")}
    assert "sesame" not in page
    assert "12-a" not in page


def test_value_is_replaced_and_never_shown(admin_client, account, caplog):
    secret = factories.SecretFactory(key="token", type="json", value='{"pin":"sesame"}')
    caplog.set_level("DEBUG")

    asked = admin_client.get(url("secret-replace", account, secret.pk))
    done = admin_client.post(
        url("secret-replace", account, secret.pk),
        {"type": "string", "value": "new-sesame"},
        follow=True,
    )

    secret.refresh_from_db()
    assert stored() == {"token": ("string", "new-sesame")}
    assert secret.updated_by == "ada"
    assert secret.created_by == "kim"
    assert "by ada" in done.content.decode()
    for shown in (asked.content.decode(), done.content.decode(), caplog.text):
        assert "sesame" not in shown
    assert "no-store" in asked["Cache-Control"]
    assert "no-store" in done["Cache-Control"]


def test_value_that_cannot_be_replaced_stays(admin_client, account):
    secret = factories.SecretFactory(key="token")

    response = admin_client.post(
        url("secret-replace", account, secret.pk), {"type": "number", "value": "x"}
    )

    assert response.status_code == 422
    assert stored() == {"token": ("string", "sesame")}


def test_secret_is_deleted_after_a_question_that_names_it(admin_client, account):
    secret = factories.SecretFactory(key="token")
    factories.SecretFactory(key="kept")

    question = admin_client.get(url("secret-delete", account, secret.pk))
    asked = set(stored())
    admin_client.post(url("secret-delete", account, secret.pk))

    assert "Delete token" in question.content.decode()
    assert asked == {"token", "kept"}
    assert set(stored()) == {"kept"}


def test_developer_sees_names_alone(developer_client, account):
    secret = factories.SecretFactory(key="token", type="json")

    page = developer_client.get(url("secrets", account)).content.decode()
    changes = [
        developer_client.post(url("secret-add", account), {"key": "a", "type": "string"}),
        developer_client.get(url("secret-replace", account, secret.pk)),
        developer_client.post(url("secret-replace", account, secret.pk), {"value": "x"}),
        developer_client.get(url("secret-delete", account, secret.pk)),
        developer_client.post(url("secret-delete", account, secret.pk)),
    ]

    assert "token" in page
    assert "JSON" not in page
    assert "by kim" not in page
    assert "Add a secret" not in page
    assert [each.status_code for each in changes] == [403] * 5
    assert stored() == {"token": ("json", "sesame")}


def test_list_shows_the_own_secrets_and_reads_no_value(admin_client, account, settings):
    factories.SecretFactory(key="ours")
    factories.SecretFactory(key="theirs", account_id="other1")
    # What cannot be decrypted fails whoever reads it.
    settings.ENCRYPTION_KEYS = []

    page = admin_client.get(url("secrets", account)).content.decode()

    assert "ours" in page
    assert "theirs" not in page


@pytest.mark.parametrize("who", ["admin_client", "developer_client"])
def test_empty_page_says_what_secrets_are_for(request, account, who):
    page = request.getfixturevalue(who).get(url("secrets", account)).content.decode()

    assert "No secrets yet" in page
    assert "readSecret" in page


def test_two_accounts_may_use_the_same_key(account):
    vault.add("other1", key="token", value="theirs", by="otto")

    vault.add(account.pk, key="token", value="ours", by="ada")

    assert vault.read(account.pk, "token") == "ours"
    assert vault.read("other1", "token") == "theirs"


# Who read it --------------------------------------------------------------------------------------


def reader(name="greet"):
    return vault.Reader(uuid.uuid4(), name)


def test_use_is_noted_once_a_minute(account, monkeypatch, django_assert_num_queries):
    secret = factories.SecretFactory(key="token")
    greet = reader()

    vault.read(account.pk, "token", reader=greet)
    first = secret.uses.get()
    with django_assert_num_queries(1):
        vault.read(account.pk, "token", reader=greet)
    monkeypatch.setattr(vault, "NOTED_EVERY_S", 0.0)
    vault.read(account.pk, "token", reader=vault.Reader(greet.function_id, "renamed"))

    second = secret.uses.get()
    assert (first.function_name, second.function_name) == ("greet", "renamed")
    assert second.last_at > first.last_at


def test_secret_is_read_also_when_its_use_cannot_be_noted(account, monkeypatch):
    factories.SecretFactory(key="token")
    name = "n" * 60

    def refuse(*_, **__):
        raise DatabaseError("locked")

    monkeypatch.setattr(SecretUse.objects, "bulk_create", refuse)

    assert vault.read(account.pk, "token", reader=reader(name)) == "sesame"
    assert not SecretUse.objects.exists()


@pytest.mark.parametrize("who", ["admin_client", "developer_client"])
def test_page_says_which_function_read_a_secret_last(account, request, who):
    client = request.getfixturevalue(who)
    secret = factories.SecretFactory(key="token")
    old, new = timezone.now() - dt.timedelta(days=2), timezone.now() - dt.timedelta(minutes=5)
    for name, at in (("older", old), ("newest", new)):
        secret.uses.create(function_id=uuid.uuid4(), function_name=name, last_at=at)
    factories.SecretFactory(key="unused")

    page = re.sub(r"\s+", " ", client.get(url("secrets", account)).content.decode())

    assert "newest, <time" in page
    assert "and 1 more" in page
    assert "nobody yet" in page


def test_question_before_deleting_names_who_read_the_secret(admin_client, account):
    secret = factories.SecretFactory(key="token")
    secret.uses.create(function_id=uuid.uuid4(), function_name="greet")

    page = admin_client.get(url("secret-delete", account, secret.pk)).content.decode()

    assert "So far it was read by greet" in page


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(admin_client, account, count, django_assert_num_queries):
    for secret in factories.SecretFactory.create_batch(count):
        secret.uses.create(function_id=uuid.uuid4(), function_name="greet")

    # Session, user, membership, secrets, uses, set-up, accounts to switch to.
    with django_assert_num_queries(7):
        admin_client.get(url("secrets", account))
