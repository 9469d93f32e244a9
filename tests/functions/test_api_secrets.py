"""Secrets as programs keep them: everything goes in, keys alone come out."""

import datetime as dt
import json

import pytest

from houston.models import Scope
from invoker import vault
from invoker.models import AuditEntry, Secret
from tests import api, factories

NOW = dt.datetime(2026, 3, 10, 14, 33, 20, 250_000, tzinfo=dt.UTC)
FORMAT = "com.liveperson.faas.secret.invalid-format"
INVALID = "com.liveperson.faas.fm.validation.general"


@pytest.fixture
def client(account, time_machine):
    time_machine.move_to(NOW, tick=False)
    return api.of_client(account)


def stored():
    return {one.key: (one.type, json.loads(one.value)) for one in Secret.objects.all()}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"value": " open sesame\n"}, ("string", " open sesame\n")),
        ({"value": "42"}, ("string", "42")),
        ({"value": 42}, ("number", 42)),
        ({"value": -1.5}, ("number", -1.5)),
        ({"value": True}, ("json", True)),
        ({"value": None}, ("json", None)),
        ({"value": {"a": [1, None]}}, ("json", {"a": [1, None]})),
        ({"value": "a\0b"}, ("string", "a\0b")),
        ({"value": "x", "type": "string"}, ("string", "x")),
        ({"value": 4, "type": "number"}, ("number", 4)),
        ({"value": 4, "type": "json"}, ("json", 4)),
        ({"value": "x", "type": "json"}, ("json", "x")),
        ({"value": "x" * 16_384}, ("string", "x" * 16_384)),
    ],
)
def test_secret_is_kept_as_what_it_is(account, client, given, kept):
    made = client.post("/secrets", {"timestamp": 0, "key": "API-key_1", **given})
    kept_first = stored()
    replaced = client.put("/secrets/API-key_1", given)

    assert made.status_code == 201
    assert made.json() == {
        "key": "API-key_1",
        "type": kept[0],
        "createdAt": "2026-03-10T14:33:20.250Z",
        "createdBy": made.json()["createdBy"],
        "updatedAt": "2026-03-10T14:33:20.250Z",
        "updatedBy": made.json()["createdBy"],
    }
    assert made.json()["createdBy"].startswith("API client ")
    assert kept_first == {"API-key_1": kept}
    assert (replaced.status_code, replaced.json()) == (200, made.json())
    assert vault.read(account.pk, "API-key_1") == kept[1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "token"}, 409, "com.liveperson.faas.db.conflict"),
        ({"key": ""}, 400, FORMAT),
        ({"key": "a b"}, 400, FORMAT),
        ({"key": "k" * 101}, 400, FORMAT),
        ({"key": "k" * 100_000}, 400, FORMAT),
        ({"key": "ä"}, 400, FORMAT),
        ({"key": "a/b"}, 400, FORMAT),
        ({"key": "a\n"}, 400, FORMAT),
        ({"key": "a\0"}, 400, INVALID),
        ({"key": None}, 400, INVALID),
        ({"key": ["a"]}, 400, INVALID),
        ({"value": ""}, 400, FORMAT),
        ({"value": "x" * 16_385}, 400, FORMAT),
        ({"value": {"sesame": ["x" * 16_384]}}, 400, FORMAT),
        ({"value": "sesame", "type": "number"}, 400, FORMAT),
        ({"value": True, "type": "number"}, 400, FORMAT),
        ({"value": ["sesame"], "type": "string"}, 400, FORMAT),
        ({"type": "text"}, 400, INVALID),
        ({"type": "JSON"}, 400, INVALID),
        ({"type": ["string"]}, 400, INVALID),
        ({"type": None}, 400, INVALID),
    ],
)
def test_secret_that_cannot_be_kept_is_refused_without_repeating_it(client, body, status, code):
    factories.SecretFactory(key="token", value='"old"')

    made = client.post("/secrets", {"key": "new", "value": "open sesame", **body})

    assert (made.status_code, made.json()["code"]) == (status, code)
    assert "sesame" not in made.content.decode()
    assert stored() == {"token": ("string", "old")}
    if "key" not in body:
        replaced = client.put("/secrets/token", {"value": "open sesame", **body})
        assert (replaced.status_code, replaced.json()["code"]) == (status, code)
        assert "sesame" not in replaced.content.decode()
        assert stored() == {"token": ("string", "old")}


@pytest.mark.parametrize("body", [{"key": "a"}, {}, [], "text", None, b'{"value": "sesame'])
def test_value_must_be_there(client, body):
    factories.SecretFactory(key="token")

    made, replaced = client.post("/secrets", body), client.put("/secrets/token", body)

    assert (made.status_code, replaced.status_code) == (400, 400)
    assert "sesame" not in made.content.decode() + replaced.content.decode()
    assert stored() == {"token": ("string", "sesame")}


def test_list_has_the_own_keys_and_reads_no_value(client, settings, django_assert_num_queries):
    factories.SecretFactory(key="b", type="json", created_at=NOW, updated_at=NOW)
    factories.SecretFactory(key="a", created_at=NOW, updated_at=NOW)
    factories.SecretFactory(key="theirs", account_id="other1")
    client.get("/secrets")
    # What cannot be decrypted fails whoever reads it.
    settings.ENCRYPTION_KEYS = []

    with django_assert_num_queries(2):  # the client, the list
        response = client.get("/secrets", userId="987")

    by_kim = {
        "createdAt": "2026-03-10T14:33:20.250Z",
        "createdBy": "kim",
        "updatedAt": "2026-03-10T14:33:20.250Z",
        "updatedBy": "kim",
    }
    assert response.json() == [
        {"key": "a", "type": "string", **by_kim},
        {"key": "b", "type": "json", **by_kim},
    ]


@pytest.mark.parametrize("query", [{}, {"v": "1"}])
def test_developers_see_keys_and_change_nothing(account, client, query):
    factories.SecretFactory(key="token")
    developer = api.of_client(account, Scope.DEVELOPER)

    assert developer.get("/secrets", **query).json() == [{"key": "token"}]
    assert [
        developer.post("/secrets", {"key": "a", "value": "b"}, **query).status_code,
        developer.put("/secrets/token", {"value": "b"}, **query).status_code,
        developer.delete("/secrets/token", **query).status_code,
    ] == [403, 403, 403]
    assert stored() == {"token": ("string", "sesame")}


@pytest.mark.parametrize("query", [{}, {"v": "1"}])
def test_machines_that_invoke_see_no_secrets(account, client, query):
    invoking = api.of_client(account, Scope.INVOCATION)

    assert invoking.get("/secrets", **query).status_code == 403


def test_account_team_sees_keys_and_changes_nothing(account, client, team):
    factories.SecretFactory(key="token")
    person = api.of_person(account, team)

    assert person.get("/secrets").json() == [{"key": "token"}]
    assert person.delete("/secrets/token").status_code == 403


def test_admin_alone_keeps_replaces_and_deletes(account, client):
    admin = api.of_client(account, Scope.ADMIN)

    assert admin.post("/secrets", {"key": "a", "value": "b"}).status_code == 201
    assert admin.put("/secrets/a", {"value": {"b": 1}}).status_code == 200
    gone = admin.delete("/secrets/a")

    assert (gone.status_code, gone.content) == (204, b"")
    assert sorted(AuditEntry.objects.values_list("action", flat=True)) == [
        "secret.added",
        "secret.deleted",
        "secret.replaced",
    ]


@pytest.mark.parametrize("key", ["none", "theirs", "k" * 101, "k" * 5000])
def test_secret_that_is_not_there_is_404(client, key):
    factories.SecretFactory(key="theirs", account_id="other1")

    answers = [client.put(f"/secrets/{key}", {"value": "b"}), client.delete(f"/secrets/{key}")]

    assert [each.status_code for each in answers] == [404, 404]
    assert {each.json()["code"] for each in answers} == {"com.liveperson.faas.secret.not-found"}
    assert stored() == {"theirs": ("string", "sesame")}


@pytest.mark.parametrize("key", ["a%00b", "a%20b", "%C3%A4", "a.b", "%ED%A0%80"])
def test_key_that_no_secret_has_is_404(client, key):
    response = client.put(f"/secrets/{key}", {"value": "b"})

    assert response.status_code == 404
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}


def test_value_of_a_secret_deleted_meanwhile_is_not_kept(account):
    secret = factories.SecretFactory(key="token")
    vault.delete(secret, by="ada")
    vault.delete(secret, by="ada")

    with pytest.raises(vault.NotFoundError, match='Cannot find the secret "token"'):
        vault.replace(secret, value="new", by="ada")

    assert AuditEntry.objects.get().action == "secret.deleted"
    assert stored() == {}
