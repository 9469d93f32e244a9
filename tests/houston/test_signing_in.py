"""Coming in and going out."""

import pytest
from django.test import Client
from django.urls import reverse

from houston.models import User
from tests.factories import PASSWORD, UserFactory


def test_pages_send_strangers_to_the_sign_in_page(client, account):
    address = reverse("connections", args=[account.pk])

    response = client.get(address)

    assert (response.status_code, response["Location"]) == (302, f"/sign-in/?next={address}")


def test_sign_in_goes_on_to_the_page_that_was_wanted(client, developer, account):
    wanted = reverse("functions:list", args=[account.pk])

    response = client.post(
        "/sign-in/", {"username": developer.username, "password": PASSWORD, "next": wanted}
    )

    assert (response.status_code, response["Location"]) == (302, wanted)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://example.com/",
        "//example.com/",
        "javascript:alert(1)",
        "/\\example.com",
        # Names that Houston answers to are other machines elsewhere.
        "//localhost/",
    ],
)
def test_sign_in_stays_here_when_next_leads_elsewhere(client, developer, elsewhere):
    response = client.post(
        "/sign-in/", {"username": developer.username, "password": PASSWORD, "next": elsewhere}
    )

    assert (response.status_code, response["Location"]) == (302, "/")


def test_sign_in_says_what_is_wrong_when_the_password_does_not_fit(client, developer):
    response = client.post("/sign-in/", {"username": developer.username, "password": "wrong"})

    assert response.status_code == 422
    assert b"Cannot sign you in: user name and password do not fit" in response.content


def test_sign_in_answers_alike_for_a_name_that_nobody_has(client, developer):
    known = client.post("/sign-in/", {"username": developer.username, "password": "wrong"})
    unknown = client.post("/sign-in/", {"username": "nobody", "password": "wrong"})

    assert known.context["form"].errors == unknown.context["form"].errors


def test_sign_out_ends_the_session_by_post_only(developer_client):
    by_link = developer_client.get("/sign-out/")
    by_form = developer_client.post("/sign-out/")

    assert by_link.status_code == 405
    assert (by_form.status_code, by_form["Location"]) == (302, "/sign-in/")
    assert developer_client.get("/")["Location"] == "/sign-in/?next=/"


def test_home_leads_to_the_functions_of_the_only_account(developer_client, account):
    assert developer_client.get("/")["Location"] == f"/a/{account.pk}/"


def test_home_leads_to_the_list_when_there_is_a_choice(team_client, outsider_client, account):
    nobody = Client()
    nobody.force_login(UserFactory())

    assert team_client.get("/")["Location"] == "/accounts/"
    assert nobody.get("/")["Location"] == "/accounts/"


def test_htmx_is_led_to_the_sign_in_page_when_the_session_has_ended(client, account):
    page = f"/a/{account.pk}/settings/members/"

    response, broken = (
        client.get(f"{page}3/remove/", headers={"HX-Request": "true", "HX-Current-URL": at})
        for at in (f"http://testserver{page}", "http://[")
    )

    assert (response.status_code, broken.status_code) == (200, 200)
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fa%2Facme1%2Fsettings%2Fmembers%2F"
    assert broken["HX-Redirect"] == "/sign-in/?next=%2F"


def test_people_change_their_own_password(developer_client, developer):
    new = "another fine horse"
    values = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    refused = developer_client.post("/password/", {**values, "old_password": "wrong"})
    weak = developer_client.post(
        "/password/", {**values, "new_password1": "12345", "new_password2": "12345"}
    )
    done = developer_client.post("/password/", values)

    assert [refused.status_code, weak.status_code] == [422, 422]
    assert "this is not the present one" in refused.content.decode()
    assert (done.status_code, done["Location"]) == (302, "/")
    developer.refresh_from_db()
    assert developer.check_password(new)
    # Still signed in.
    assert developer_client.get("/password/").status_code == 200


def test_passwords_cannot_be_tried_out_in_a_session_that_was_left_open(developer_client):
    wrong = {"old_password": "wrong", "new_password1": "a fine horse", "new_password2": "no"}

    statuses = [developer_client.post("/password/", wrong).status_code for _ in range(21)]

    assert statuses == [422] * 20 + [429]


def test_theme_is_remembered_and_can_follow_the_system_again(team_client):
    chosen = team_client.post("/theme/", {"theme": "dark", "next": "/accounts/"})
    dark = team_client.get("/accounts/")
    team_client.post("/theme/", {"theme": ""})
    followed = team_client.get("/accounts/")

    assert chosen["Location"] == "/accounts/"
    assert b'data-theme="dark"' in dark.content
    assert b"data-theme" not in followed.content


@pytest.mark.parametrize("back", ["functions", "{}", "\0", "https://[/"])
def test_theme_leads_home_from_what_is_no_address(team_client, back):
    response = team_client.post("/theme/", {"theme": "dark", "next": back})

    assert (response.status_code, response["Location"]) == (302, "/")


@pytest.mark.parametrize("value", ["", "purple", "<script>"])
def test_theme_takes_nothing_but_a_theme(team_client, value):
    response = team_client.post("/theme/", {"theme": value, "next": "https://example.com/"})

    assert response["Location"] == "/"
    assert response.cookies["theme"].value == ""


def test_superusers_belong_to_the_account_team_when_made_on_the_command_line(db):
    user = User.objects.create_superuser("root", password=PASSWORD)

    assert user.is_staff
