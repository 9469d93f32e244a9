"""The pages where people bind functions to skills."""

import html
from typing import Any

import pytest
from django.urls import reverse

from functions.models import Function
from invoker import events
from tests import factories

NEW_CONVERSATION = events.NEW_CONVERSATION.id
ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}
TYPED = {"event_type": NEW_CONVERSATION, "template": "", "name": "new", "description": "Greets"}


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def greet(*skills: str, name: str = "greet", **fields: object) -> Function:
    return factories.FunctionFactory(
        name=name, event_type=NEW_CONVERSATION, skills=list(skills), **fields
    )


# A new function -----------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["2, 1", "2 1", " 2,,1\t", "2\r\n1", "1 2"])
def test_create_takes_skills_however_they_are_separated(typed, developer_client, account):
    response = developer_client.post(url("new"), {**TYPED, "skills": typed})

    assert response.status_code == 302
    assert Function.objects.get().skills == ["1", "2"]


def test_new_offers_skills_only_where_the_event_has_them(developer_client, account):
    fields = [
        'name="skills"' in text(developer_client.get(url("new"), {"event": event_id}))
        for event_id in (NEW_CONVERSATION, "", "bot_connectors_custom_integration")
    ]

    assert fields == [True, False, False]


def test_new_offers_an_event_of_which_others_have_some_skills(developer_client, account):
    greet("1", "2")
    greet("3", name="other")

    page = text(developer_client.get(url("new"), {"event": NEW_CONVERSATION}))

    assert f'">skills 1, 2</span>: <a href="{url("edit", "greet")}">greet</a>' in page
    assert f'">skill 3</span>: <a href="{url("edit", "other")}">other</a>' in page
    assert "data-taken" not in page
    assert "Create function" in page


def test_new_starts_with_an_event_of_which_nobody_has_a_part(developer_client, account):
    greet("1")

    page = text(developer_client.get(url("new")))

    assert f'value="{NEW_CONVERSATION}" checked' not in page


def test_create_beside_a_function_with_other_skills(developer_client, account):
    greet("1")

    response = developer_client.post(url("new"), {**TYPED, "skills": "2"})

    assert response.status_code == 302
    assert Function.objects.get(name="new").skills == ["2"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("1, 3", 'Cannot create "new": "greet" has skill 1, so name other skills'),
        ("", 'has functions for some skills, "greet", so name other skills'),
        ("3 3", 'Cannot create "new": skill 3 is there twice'),
        ("x" * 41, "1 to 40 visible characters"),
        (" ".join(str(number) for number in range(501)), "it names 501 skills, at most 500 fit"),
        ("3\0", "Null characters are not allowed"),
        ("3 " * 50_000, "at most 25000 characters"),
    ],
)
def test_create_refuses_skills_with_the_reason_and_keeps_what_was_typed(
    typed, message, developer_client, account
):
    greet("1")

    response = developer_client.post(url("new"), {**TYPED, "skills": typed})

    assert response.status_code == 422
    assert message in text(response)
    assert Function.objects.count() == 1
    if typed.strip() == typed and "\0" not in typed:
        assert f'value="{typed}"' in text(response) or not typed


def test_create_with_skills_of_an_event_that_has_none_is_refused(developer_client, account):
    response = developer_client.post(url("new"), {**TYPED, "event_type": "", "skills": "1"})

    assert response.status_code == 422
    assert "knows no skills" in text(response)


# The editor ---------------------------------------------------------------------------------------


def test_editor_shows_skills_only_where_the_event_has_them(developer_client, account):
    greet("1", "2")
    factories.FunctionFactory(name="free")

    bound = text(developer_client.get(url("edit", "greet")))
    free = text(developer_client.get(url("edit", "free")))

    assert 'value="1, 2"' in bound
    assert "skills-form" not in free


def test_editor_offers_no_change_of_skills_to_people_who_are_no_developers(admin_client, account):
    greet("1", "2")

    page = text(admin_client.get(url("edit", "greet")))

    assert 'value="1, 2"' in page
    assert url("skills", "greet") not in page


def test_change_of_skills_is_live_at_once(developer_client, account):
    function = factories.deployed(name="greet", event_type=NEW_CONVERSATION)

    response = developer_client.post(url("skills", "greet"), {"skills": "2 1"}, follow=True)

    function.refresh_from_db()
    assert function.deployment is not None
    assert (function.skills, function.deployment.skills) == (["1", "2"], ["1", "2"])
    assert (function.version, function.updated_by) == (1, "dana")
    assert '"greet" runs for skills 1, 2 from now on' in text(response)


def test_change_of_skills_by_htmx_answers_with_the_field_alone(developer_client, account):
    greet()

    response = developer_client.post(url("skills", "greet"), {"skills": "2 1"}, headers=HTMX)

    assert text(response).strip().startswith('<div class="form after" id="skills">')
    assert 'value="1, 2"' in text(response)
    assert '"greet" runs for skills 1, 2 from now on' in text(response)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_change_to_taken_skills_is_refused_and_keeps_what_was_typed(
    headers, developer_client, account
):
    greet("1")
    other = greet("2", name="other")

    response = developer_client.post(url("skills", "other"), {"skills": "1 2"}, headers=headers)

    assert response.status_code == 422
    assert 'Cannot change the skills of "other": "greet" has skill 1' in text(response)
    assert 'value="1 2"' in text(response)
    other.refresh_from_db()
    assert other.skills == ["2"]


def test_same_skills_are_told(developer_client, account):
    greet("1")

    response = developer_client.post(url("skills", "greet"), {"skills": "1"}, follow=True)

    assert 'Nothing to save: the skills of "greet" have not changed' in text(response)


def test_change_of_skills_is_refused_to_people_who_are_no_developers(
    admin_client, team_client, account
):
    function = greet("1")

    statuses = [
        client.post(url("skills", "greet"), {"skills": "2"}).status_code
        for client in (admin_client, team_client)
    ]

    function.refresh_from_db()
    assert (statuses, function.skills) == ([403, 403], ["1"])


def test_skills_of_another_account_are_neither_changed_nor_shown(
    developer_client, outsider_client, account
):
    mine = greet("1")
    theirs = greet("777001", name="theirs", account_id="other1")

    statuses = [
        developer_client.post(url("skills", "theirs"), {"skills": "2"}).status_code,
        outsider_client.post(url("skills", "greet"), {"skills": "2"}).status_code,
    ]
    shown = text(developer_client.get(url("new"), {"event": NEW_CONVERSATION}))
    refused = text(developer_client.post(url("new"), {**TYPED, "skills": "1 777001"}))

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert statuses == [404, 404]
    assert (mine.skills, theirs.skills) == (["1"], ["777001"])
    assert "theirs" not in shown + refused
    assert '"greet" has skill 1' in refused


# Where else they are shown ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "args"), [("list", []), ("versions", ["greet"])])
def test_page_shows_the_skills_of_a_function(name, args, developer_client, account):
    greet("1", "2")

    page = text(developer_client.get(url(name, *args)))

    assert "skills 1, 2" in page.lower()
