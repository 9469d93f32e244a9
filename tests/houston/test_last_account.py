"""Pages of no account keep the way back to the one that somebody comes from."""

import pytest

from tests import factories

HELP = "/help/"


def leads_to(response, account_id):
    return f'href="/a/{account_id}/functions/"' in response.content.decode()


def test_help_keeps_the_pages_of_the_account_before_it(developer_client, account):
    before = developer_client.get(HELP)
    developer_client.get(f"/a/{account.pk}/functions/")
    after = developer_client.get(HELP)

    assert not leads_to(before, account.pk)
    assert leads_to(after, account.pk)
    assert f'href="/a/{account.pk}/search/"' in after.content.decode()


@pytest.mark.parametrize("account_id", ["acme1", "gone", "../x", "a\0b", "ä", ""])
def test_cookie_opens_no_account_that_is_not_ones_own(account_id, outsider_client, account):
    outsider_client.cookies["account"] = account_id

    response = outsider_client.get(HELP)

    assert response.status_code == 200
    assert not leads_to(response, account.pk)


def test_account_that_was_refused_is_not_remembered(outsider_client, account):
    assert outsider_client.get(f"/a/{account.pk}/functions/").status_code == 404
    assert "account" not in outsider_client.cookies


def test_home_leads_back_to_the_account_of_several(developer, developer_client, account):
    other = factories.AccountFactory(id="beta")
    factories.MembershipFactory(user=developer, account=other)
    first = developer_client.get("/")
    developer_client.get("/a/beta/functions/")
    second = developer_client.get("/")

    assert (first["Location"], second["Location"]) == ("/accounts/", "/a/beta/")
