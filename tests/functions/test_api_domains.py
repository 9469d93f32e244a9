"""The allow-list, as programs change it."""

import pytest

from houston.models import Scope
from invoker.models import AllowedDomain, AuditEntry
from tests import api, factories


@pytest.fixture
def client(account):
    return api.of_client(account)


def test_domain_is_added_in_the_shape_of_the_command_line(client):
    response = client.post("/proxy-settings", {"timestamp": 0, "domain": "API.Acme.com", "id": -1},
                           userId="987", v="1")  # fmt: skip

    kept = AllowedDomain.objects.get()
    assert response.status_code == 201
    assert response.json() == {"id": kept.pk, "domain": "api.acme.com", "name": "api.acme.com"}
    assert kept.created_by.startswith("API client ")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by) == ("domain.added", kept.created_by)


def test_domains_are_those_of_the_account_in_the_order_of_the_alphabet(
    client, django_assert_num_queries
):
    second = factories.AllowedDomainFactory(domain="b.example.com")
    first = factories.AllowedDomainFactory(domain="*.a.example.com")
    factories.AllowedDomainFactory(account_id="other1", domain="c.example.com")
    client.get("/proxy-settings")

    with django_assert_num_queries(2):  # the client, the list
        response = client.get("/proxy-settings")

    assert response.json() == [
        {"id": first.pk, "domain": "*.a.example.com", "name": "*.a.example.com"},
        {"id": second.pk, "domain": "b.example.com", "name": "b.example.com"},
    ]


def test_domain_is_deleted_once(client):
    kept = factories.AllowedDomainFactory()

    first = client.delete(f"/proxy-settings/{kept.pk}")
    second = client.delete(f"/proxy-settings/{kept.pk}")

    assert (first.status_code, first.content) == (204, b"")
    assert second.status_code == 404
    assert not AllowedDomain.objects.exists()


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "9" * 5000])
def test_domain_that_is_not_there_cannot_be_deleted(client, number):
    response = client.delete(f"/proxy-settings/{number}")

    assert response.status_code == 404
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}


def test_domain_of_another_account_is_not_there(client):
    theirs = factories.AllowedDomainFactory(account_id="other1")

    assert client.delete(f"/proxy-settings/{theirs.pk}").status_code == 404
    assert AllowedDomain.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"domain": "https://acme.com"}, 400, "com.liveperson.faas.fm.validation.invalid-domain"),
        ({"domain": "localhost"}, 400, "com.liveperson.faas.fm.validation.invalid-domain"),
        ({"domain": "10.0.0.1"}, 400, "com.liveperson.faas.fm.validation.invalid-domain"),
        ({"domain": "a." * 200 + "com"}, 400, "com.liveperson.faas.fm.validation.invalid-domain"),
        ({"domain": "taken.example.com"}, 409, "com.liveperson.faas.db.conflict"),
        ({"domain": "x" * 10_000}, 400, "com.liveperson.faas.fm.validation.general"),
        ({"domain": "a\0b.com"}, 400, "com.liveperson.faas.fm.validation.general"),
        (b'{"domain": "\\ud800.com"}', 400, "com.liveperson.faas.ui.api.invalid-json"),
        ({"domain": ""}, 400, "com.liveperson.faas.fm.validation.general"),
        ({"domain": None}, 400, "com.liveperson.faas.fm.validation.general"),
        ({"domain": 5}, 400, "com.liveperson.faas.fm.validation.invalid-domain"),
        ({"domain": True}, 400, "com.liveperson.faas.fm.validation.general"),
        ({"domain": ["a.com"]}, 400, "com.liveperson.faas.fm.validation.general"),
        ({}, 400, "com.liveperson.faas.fm.validation.general"),
        ([], 400, "com.liveperson.faas.fm.validation.general"),
        ("not json", 400, "com.liveperson.faas.ui.api.invalid-json"),
    ],
)
def test_domain_that_cannot_be_added_is_refused_with_a_code(client, body, status, code):
    factories.AllowedDomainFactory(domain="taken.example.com")

    response = client.post("/proxy-settings", body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert AllowedDomain.objects.count() == 1


@pytest.mark.parametrize(
    ("scope", "read", "change"),
    [(Scope.ADMIN, 200, 201), (Scope.DEVELOPER, 200, 403), (Scope.INVOCATION, 403, 403)],
)
@pytest.mark.parametrize("query", [{}, {"v": "1"}])
def test_domains_are_read_by_members_and_changed_by_admins(account, scope, read, change, query):
    kept = factories.AllowedDomainFactory()
    client = api.of_client(account, scope)

    answers = (
        client.get("/proxy-settings", **query).status_code,
        client.post("/proxy-settings", {"domain": "new.example.com"}, **query).status_code,
        client.delete(f"/proxy-settings/{kept.pk}", **query).status_code,
    )

    assert answers == (read, change, 204 if change == 201 else 403)


def test_account_team_reads_domains_and_changes_none(account, team):
    client = api.of_person(account, team)

    assert client.get("/proxy-settings").status_code == 200
    assert client.post("/proxy-settings", {"domain": "new.example.com"}).status_code == 403
