"""The search of the shell: what is found, and what never is."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from houston.models import Account
from invoker import events
from invoker.models import Conversation
from tests import factories


@pytest.fixture
def url(account: Account) -> str:
    return f"/a/{account.id}/search/"


def test_search_finds_functions_by_name_description_and_event(
    developer_client: Client, account: Account, url: str
) -> None:
    factories.FunctionFactory(
        account_id=account.id,
        name="greet",
        description="Says ahoy",
        event_type=events.NEW_CONVERSATION.id,
    )
    for query in ("GREET", "ahoy", "new conversation"):
        assert b"/functions/greet/" in developer_client.get(url, {"q": query}).content


def test_search_shows_nothing_of_another_account(
    developer_client: Client, outsider_client: Client, account: Account, url: str
) -> None:
    factories.FunctionFactory(account_id="other1", name="theirs")
    connection = factories.ConnectionFactory(account_id="other1")
    factories.ConversationFactory(account_id="other1", connection=connection, conv_id="their-conv")
    for query in ("their", "other"):
        text = developer_client.get(url, {"q": query}).content.decode()
        assert "/a/other1/" not in text
        assert "their-conv" not in text
    assert outsider_client.get(url, {"q": "x"}).status_code == 404


def test_search_finds_a_conversation_by_the_beginning_of_its_id(
    developer_client: Client, account: Account, url: str
) -> None:
    connection = factories.ConnectionFactory(account_id=account.id)
    factories.ConversationFactory(account_id=account.id, connection=connection, conv_id="c-4711")
    conversation = Conversation.objects.get()
    page = reverse("functions:conversation", args=[account.id, conversation.pk]).encode()
    assert page in developer_client.get(url, {"q": "c-47"}).content
    assert page not in developer_client.get(url, {"q": "4711"}).content


def test_search_finds_scenarios_by_name_and_description(developer_client: Client, url: str) -> None:
    named = factories.ScenarioFactory(name="A lost parcel")
    described = factories.ScenarioFactory(name="Other", description="About a PARCEL")
    factories.ScenarioFactory(name="A parcel of theirs", account_id="other1")

    page = developer_client.get(url, {"q": "parcel"}).content.decode()

    found = [f"/scenarios/{each.pk}/" in page for each in (named, described)]
    assert (found, "of theirs" in page) == ([True, True], False)


def test_search_offers_pages_that_the_person_may_open(
    developer_client: Client, admin_client: Client, url: str
) -> None:
    assert b"/settings/members/" in admin_client.get(url, {"q": "members"}).content
    assert b'/settings/members/"' not in developer_client.get(url, {"q": "members"}).content


def test_search_finds_accounts_for_the_team_alone(
    team_client: Client, developer_client: Client, account: Account
) -> None:
    factories.AccountFactory(id="zebra", name="Zebra Airlines")
    assert b"/a/zebra/" in team_client.get("/search/", {"q": "zebra"}).content
    assert b"/a/zebra/" not in developer_client.get("/search/", {"q": "zebra"}).content


def test_search_answers_htmx_with_the_hits_alone(developer_client: Client, url: str) -> None:
    response = developer_client.get(url, {"q": "limits"}, headers={"HX-Request": "true"})
    assert b"<html" not in response.content
    assert b"/help/limits/" in response.content


@pytest.mark.parametrize("query", ["", "\0", "%", "x" * 10_000, "\U0010ffff"])
def test_search_takes_anything(developer_client: Client, url: str, query: str) -> None:
    assert developer_client.get(url, {"q": query}).status_code == 200


@pytest.mark.parametrize("count", [1, 3])
def test_search_asks_the_database_a_fixed_number_of_times(
    developer_client: Client,
    account: Account,
    url: str,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        factories.FunctionFactory(account_id=account.id, name=f"greet{number}", event_type="")
    headers = {"HX-Request": "true"}
    with django_assert_num_queries(7):
        developer_client.get(url, {"q": "greet"}, headers=headers)
