"""The page of a new function: what it offers, and what it says while somebody types."""

import html
import re
from typing import Any

import pytest
from django.urls import reverse

from functions import gallery, services
from invoker import events
from invoker.models import EventState, Verdict
from tests import factories

NEW_CONVERSATION = events.NEW_CONVERSATION.id
CUSTOM = "bot_connectors_custom_integration"
ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


def text(response: Any) -> str:
    """The page in one line of words, without tags."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", response.content.decode())).split())


def cards(response: Any) -> list[str]:
    page = response.content.decode()
    return re.findall(r'name="template" id="template-([a-z-]+)"', page)


def chosen(response: Any) -> list[str]:
    """The values of what is chosen on the page: event, then template."""
    return re.findall(r'value="([^"]*)"[^>]* checked>', response.content.decode())


# What is offered ----------------------------------------------------------------------------------


def test_page_says_of_every_event_when_it_fires(developer_client, account):
    page = text(developer_client.get(url("new")))

    assert [each.id for each in events.EVENT_TYPES.values() if each.summary not in page] == []


@pytest.mark.parametrize("count", [1, 3])
def test_skills_are_offered_with_who_has_them(
    count, developer_client, account, django_assert_num_queries
):
    for number in range(count):
        factories.FunctionFactory(
            name=f"end{number}", event_type=events.CONVERSATION_END.id, skills=[f"free{number}"]
        )
        factories.FunctionFactory(
            name=f"greet{number}", event_type=NEW_CONVERSATION, skills=[f"had{number}"]
        )

    # The page's own six, and all skills at once.
    with django_assert_num_queries(7):
        response = developer_client.get(url("new"), {"event": NEW_CONVERSATION})

    offered = re.findall('data-adds-skill="([a-z0-9]+)"', response.content.decode())
    assert offered == [f"free{number}" for number in range(count)]
    assert re.findall(r"(had\d) taken by (greet\d)", text(response)) == [
        (f"had{number}", f"greet{number}") for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_page_asks_the_same_number_of_questions_whatever_there_is(
    count, developer_client, account, django_assert_num_queries
):
    for number in range(count):
        factories.FunctionFactory(name=f"bot{number}", event_type=CUSTOM)

    # The session, the person, the roles, the functions, the accounts, the set-up.
    with django_assert_num_queries(6):
        response = developer_client.get(url("new"), {"event": CUSTOM})

    assert f"{count} of 15 in use" in text(response)


def test_page_asks_once_for_secrets_and_once_for_hosts(
    developer_client, account, django_assert_num_queries
):
    with django_assert_num_queries(8):
        developer_client.get(url("new"), {"template": "salesforce"})


def test_template_in_the_address_decides_the_event(developer_client, account):
    response = developer_client.get(
        url("new"), {"event": NEW_CONVERSATION, "template": "salesforce"}
    )

    assert chosen(response) == ["", "salesforce"]


def test_search_finds_templates_of_every_event(developer_client, account):
    response = developer_client.get(
        url("new"),
        {"event": NEW_CONVERSATION, "q": "secret"},
        headers={**HTMX, "HX-Target": "gallery"},
    )

    assert cards(response) == ["keyword-scanner", "replace-files", "salesforce", "secret-storage"]
    assert response.content.strip().startswith(b'<div id="gallery"')
    assert "4 templates have this word" in text(response)


def test_search_that_finds_nothing_says_how_to_go_on(developer_client, account):
    page = text(developer_client.get(url("new"), {"q": "no such thing"}))

    assert "No template has all of these words: choose an event instead, or clear the field" in page


def test_template_shows_what_it_answers_and_what_it_needs(developer_client, account):
    welcome = text(developer_client.get(url("new"), {"template": "new-conversation"}))
    storage = text(developer_client.get(url("new"), {"template": "secret-storage"}))

    assert "What it says to the sample Hello and welcome! An agent will be with you" in welcome
    assert 'What it returns for the sample "no secret"' in storage
    assert "Secret orders-token : ask an admin to add it" in storage


def test_template_needs_nothing_more_once_it_is_there(developer_client, account):
    factories.SecretFactory(key="salesforce")
    factories.AllowedDomainFactory(domain="*.salesforce.com")

    page = text(developer_client.get(url("new"), {"template": "salesforce"}))

    assert "Secret salesforce : there Host login.salesforce.com : there" in page


@pytest.mark.parametrize("template", gallery.load(), ids=lambda each: each.slug)
def test_template_names_every_secret_and_host_of_its_source(template):
    keys = re.findall(r'const KEY = "([^"]+)"', template.source)
    hosts = re.findall(r'https://([^/"]+)', template.source)

    assert set(template.secrets) >= set(keys)
    assert set(template.hosts) == set(hosts)


def test_empty_function_shows_the_automatic_message(developer_client, account):
    page = text(developer_client.get(url("new"), {"event": NEW_CONVERSATION, "template": "empty"}))

    assert "The automatic message would go out:" in page


def test_event_leads_to_its_page_of_the_manual(developer_client, account):
    for event in events.EVENT_TYPES.values():
        page = developer_client.get(url("new"), {"event": event.id}).content.decode()
        link = re.search(r'<a href="([^"]+)">What it gives to the function', page)
        assert link
        assert developer_client.get(link[1]).status_code == 200


def test_event_whose_places_are_taken_names_all_that_have_them(developer_client, account):
    names = [f"bot{number}" for number in range(15)]
    for name in names:
        factories.FunctionFactory(name=name, event_type=CUSTOM)

    page = text(developer_client.get(url("new"), {"event": CUSTOM}))

    assert "All 15 places are taken." in page
    assert "Create function" not in page


def test_account_that_is_full_says_so_instead_of_a_form(developer_client, account, monkeypatch):
    monkeypatch.setattr(services, "MAX_FUNCTIONS", 1)
    factories.FunctionFactory(name="only")

    page = text(developer_client.get(url("new"), {"event": CUSTOM}))

    assert "The account has 1 functions, which is all it can have" in page
    assert "Create function" not in page


def test_what_was_typed_survives_another_choice(developer_client, account):
    typed = {"name": "mine", "description": "My own", "skills": "7"}

    page = developer_client.get(
        url("new"), {"event": NEW_CONVERSATION, **typed}, headers=HTMX
    ).content.decode()

    assert re.search('name="name" value="mine"', page)
    assert "My own</textarea>" in page
    assert re.search('name="skills" value="7"', page)


# While somebody types -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "hello"}, "hello is free"),
        ({"name": "greet"}, "the account has a function of that name Use greet_2"),
        ({"name": "my näme"}, "use 1 to 50 letters, digits and underscores Use my_n_me"),
        ({"name": "x" * 51}, "at most 50 characters (it has 51). Use " + "x" * 47),
        ({"name": ""}, ""),
        ({"name": "hello", "skills": "9"}, "hello is free Skill 9 is free"),
        ({"name": "hello", "skills": "9, 1"}, '"greet" has skill 1, so name other skills'),
        ({"name": "hello", "skills": "9 9"}, "skill 9 is there twice"),
        (
            {"name": "hello", "skills": "9", "event_type": CUSTOM},
            'the event "Third-Party Bots Custom Integration" knows no skills',
        ),
    ],
)
def test_check_says_what_is_wrong_with_what_is_typed(typed, said, developer_client, account):
    factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION, skills=["1", "2"])

    response = developer_client.post(
        url("new-check"), {"event_type": NEW_CONVERSATION, **typed}, headers=HTMX
    )

    assert response.status_code == 200
    assert text(response).endswith(said)


@pytest.mark.parametrize("count", [1, 3])
def test_check_asks_the_same_number_of_questions(
    count, developer_client, account, django_assert_num_queries
):
    for number in range(count):
        factories.FunctionFactory(
            name=f"greet{number}", event_type=NEW_CONVERSATION, skills=[str(number)]
        )

    # The session, the person, the roles, the name, the skills.
    with django_assert_num_queries(5):
        developer_client.post(
            url("new-check"),
            {"event_type": NEW_CONVERSATION, "name": "hello", "skills": "9"},
            headers=HTMX,
        )


def test_check_without_htmx_is_the_page_with_what_was_typed(developer_client, account):
    response = developer_client.post(
        url("new-check"), {"event_type": NEW_CONVERSATION, "name": "mine"}, follow=True
    )

    assert chosen(response) == [NEW_CONVERSATION, "new-conversation"]
    assert 'name="name" value="mine"' in response.content.decode()


def test_check_is_for_developers(admin_client, account):
    assert admin_client.post(url("new-check"), headers=HTMX).status_code == 403


def test_create_refuses_a_template_of_another_event(developer_client, account):
    response = developer_client.post(
        url("new"),
        {
            "event_type": NEW_CONVERSATION,
            "template": "salesforce",
            "name": "mine",
            "description": "Mine",
        },
    )

    assert response.status_code == 422
    assert 'the event has no template "salesforce"' in text(response)


def test_trace_of_an_event_that_nobody_listens_to_offers_a_function(
    developer_client, admin_client, account
):
    event = factories.EventFactory(
        state=EventState.DONE, verdict=Verdict.NOTHING, reason="nobody-listens"
    )
    link = f'href="{url("new")}?event={event.type}"'

    assert link in developer_client.get(url("trace", event.pk)).content.decode()
    assert link not in admin_client.get(url("trace", event.pk)).content.decode()
