"""Who may come into an account; that nobody else finds anything is in test_two_tenants."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from houston.models import Account, Role
from tests import factories

VALUES = {
    "connection_id": uuid.UUID(int=7),
    "event_id": uuid.UUID(int=8),
    "deployment_id": uuid.UUID(int=9),
    "entry_id": uuid.UUID(int=11),
    "alert_id": uuid.UUID(int=12),
    "invitation_id": uuid.UUID(int=13),
    "function_id": uuid.UUID(int=10),
    "letter_id": uuid.UUID(int=16),
    "client_id": uuid.UUID(int=15),
    "schedule_id": uuid.UUID(int=14),
    "scenario_id": uuid.UUID(int=16),
    "slug": "urgent",
    "user_id": 1,
    "domain_id": 1,
    "secret_id": 1,
    "message_id": 1,
    "payload_id": 1,
    "hours_id": 1,
    "subtype": "AGENT_NON_RESPONSIVE",
    "number": 1,
    "pk": 1,
    "name": "greet",
    "secret": "signing",
}
API = ("api/", "sentinel/")
# Differ in every answer.
TOKENS = r"[A-Za-z0-9]{64}"


def names(patterns, prefix="", arguments=frozenset()):
    """The names of the console's addresses below `patterns`, with the arguments they take.

    Those of the API have a walk of their own, in test_api_addresses.
    """
    for pattern in patterns:
        if str(pattern.pattern).startswith(API):
            continue
        here = arguments | set(pattern.pattern.converters)
        if isinstance(pattern, URLPattern):
            if pattern.name:
                yield prefix + pattern.name, here
        elif isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inner, here)


@pytest.mark.urls("tests.houston.extra_urls")
def test_doors_below_an_account_ask_for_themselves(client, account):
    """What is marked as open to strangers is not asked for a session."""
    assert client.get(f"/door/{account.pk}/").content == b"who are you"


def test_an_account_looks_like_one_that_does_not_exist(outsider_client, account):
    real = outsider_client.get(f"/a/{account.pk}/functions/", headers={"X-Request-ID": "a" * 32})
    false = outsider_client.get("/a/nothere1/functions/", headers={"X-Request-ID": "a" * 32})

    shown = [re.sub(TOKENS, "", answer.content.decode()) for answer in (real, false)]
    assert shown[0].replace(account.pk, "nothere1") == shown[1]


@pytest.mark.parametrize("account_id", ["x%00y", "..", "a%2Fb", "%C3%A4", "a" * 500, "acme1%20"])
def test_an_id_that_cannot_be_one_is_404(team_client, account, account_id):
    assert team_client.get(f"/a/{account_id}/functions/").status_code == 404


def test_the_list_shows_the_own_accounts_only(developer_client, outsider, account):
    page = developer_client.get("/accounts/").content.decode()

    assert "acme1" in page
    assert "other1" not in page


def test_the_account_team_sees_every_account_and_lacks_roles(team_client, outsider, account):
    page = team_client.get("/accounts/").content.decode()
    setup = team_client.get(f"/a/{account.pk}/setup/")

    assert "acme1" in page
    assert "other1" in page
    assert setup.status_code == 200
    assert setup.wsgi_request.roles == frozenset()


def test_roles_are_those_of_this_account_alone(account):
    user = factories.UserFactory()
    other = factories.AccountFactory()
    factories.MembershipFactory(user=user, account=account, role=Role.DEVELOPER)
    factories.MembershipFactory(user=user, account=other, role=Role.ADMIN)
    client = Client()
    client.force_login(user)

    request = client.get(reverse("account-setup", args=[account.pk])).wsgi_request

    assert request.roles == {"developer"}
    assert client.get(reverse("members", args=[account.pk])).status_code == 403
    assert client.get(reverse("members", args=[other.pk])).status_code == 200


@pytest.mark.parametrize("count", [1, 3])
def test_account_list_query_count_does_not_grow(team_client, django_assert_num_queries, db, count):
    factories.AccountFactory.create_batch(count)

    # Session, user, accounts, controller bots, roles, account switch.
    with django_assert_num_queries(6):
        response = team_client.get("/accounts/")

    assert response.content.count(b'<tr id="account-') == count


def test_the_account_list_goes_on_where_a_page_ended(team_client, db):
    factories.AccountFactory.create_batch(51)
    ids = sorted(Account.objects.values_list("id", flat=True))

    first = team_client.get("/accounts/").content.decode()
    second = team_client.get(f"/accounts/?after={ids[49]}").content.decode()

    assert first.count('<tr id="account-') == 50
    assert f'href="?after={ids[49]}"' in first
    assert second.count('<tr id="account-') == 1
    assert f'<tr id="account-{ids[50]}"' in second


def test_the_account_list_can_be_searched(team_client, outsider, account):
    page = team_client.get("/accounts/?q=ACM%00").content.decode()

    assert '<tr id="account-acme1"' in page
    assert '<tr id="account-other1"' not in page


@pytest.mark.parametrize("count", [1, 3])
def test_the_switch_finds_the_own_accounts_by_name(
    count, developer, developer_client, outsider, django_assert_num_queries
):
    for number in range(count):
        brand = factories.AccountFactory(id=f"brand{number}", name=f"Brand {number}")
        factories.MembershipFactory(user=developer, account=brand)
    headers = {"HX-Request": "true", "HX-Target": "switch-accounts"}

    # Session, user, accounts.
    with django_assert_num_queries(3):
        found = developer_client.get("/accounts/?q=brand", headers=headers).content.decode()
    nothing = developer_client.get("/accounts/?q=other", headers=headers).content.decode()

    assert re.findall(r'href="/a/(\w+)/"', found) == [f"brand{number}" for number in range(count)]
    assert "No account has “other”" in nothing


@pytest.mark.parametrize(("count", "can_filter"), [(7, False), (8, True)])
def test_the_switch_has_a_filter_once_there_are_many(count, can_filter, team_client, db):
    factories.AccountFactory.create_batch(count)

    page = team_client.get("/accounts/health/").content.decode()

    assert ("data-filters" in page) == can_filter


def test_pages_without_a_user_ask_the_database_nothing(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        client.get("/sign-in/")
        client.get("/nothing/here/")
        client.get("/healthz")
