"""The token that the console keeps for LivePerson's command line, and how it ends."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from houston import auth
from houston.models import ApiLogin
from tests import api, factories

URL = "/a/acme1/session-token/"


def token_of(client):
    return client.post(URL).json()["glob"]


def is_refused(token):
    try:
        auth.access(token)
    except auth.AuthenticationFailed:
        return True
    return False


def mark_of(response):
    return re.search(r'data-session="([^"]*)"', response.content.decode())[1]


def signed_in_as(user):
    """By the sign-in page, as only that keeps the list of sessions."""
    client = Client()
    client.post("/sign-in/", {"username": user.username, "password": factories.PASSWORD})
    client.get("/me/sessions/")
    return client


def test_token_comes_as_the_console_of_the_vendor_keeps_it(developer_client, developer, account):
    response = developer_client.post(URL)

    kept = response.json()
    assert kept == {"glob": kept["glob"], "config": {"userId": str(developer.pk)}}
    assert "no-store" in response["Cache-Control"]
    who = auth.access(kept["glob"])
    assert (who.name, who.account_id, who.privileges) == ("dana", "acme1", {"developer"})
    listed = api.Api("acme1", kept["glob"]).get("/lambdas", v="1", userId=str(developer.pk))
    assert (listed.status_code, listed.json()) == (200, [])


def test_no_page_holds_a_token(developer_client, account):
    token = token_of(developer_client)
    page = developer_client.get("/a/acme1/functions/").content.decode()

    assert token not in page
    assert "eyJ" not in page
    assert developer_client.session.session_key not in page


def test_session_has_one_login_for_an_account_however_often_it_asks(developer_client, account):
    first = token_of(developer_client)
    login = ApiLogin.objects.get()
    with time_machine.travel(timezone.now() + dt.timedelta(hours=5), tick=False):
        second = token_of(developer_client)

    assert first != second
    again = ApiLogin.objects.get()
    assert again.pk == login.pk
    assert again.expires_at - login.expires_at >= dt.timedelta(hours=5)


def test_pages_that_ask_at_once_share_one_login(transactional_db):
    account = factories.AccountFactory()
    user = factories.UserFactory()
    client = Client()
    client.force_login(user)
    key = client.session.session_key

    def ask(_):
        try:
            return auth.log_in_by_session(user, account, session_key=key).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(ask, range(8)))

    assert found == {ApiLogin.objects.get().pk}


def test_token_is_only_for_forms_of_the_console(account, developer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(developer)

    assert client.post(URL).status_code == 403
    assert client.get(URL).status_code == 405
    assert Client().post(URL).status_code == 302
    assert not ApiLogin.objects.exists()


def test_token_ends_when_its_person_signs_out(developer_client, account):
    token = token_of(developer_client)
    assert not is_refused(token)

    developer_client.post("/sign-out/")

    assert is_refused(token)


def test_token_ends_with_its_session_that_somebody_ended_elsewhere(account, developer):
    here, elsewhere = signed_in_as(developer), signed_in_as(developer)
    tokens = token_of(here), token_of(elsewhere)
    session = UserSession.objects.get(session_key=elsewhere.session.session_key)

    here.post(reverse("session-end", args=[session.pk]))

    assert [is_refused(each) for each in tokens] == [False, True]


def test_token_ends_with_all_other_sessions(account, developer):
    here, elsewhere = signed_in_as(developer), signed_in_as(developer)
    by_command_line = auth.login_token(auth.log_in(developer, account))
    tokens = token_of(here), token_of(elsewhere), by_command_line

    here.post(reverse("sessions-end"))

    assert [is_refused(each) for each in tokens] == [False, True, True]
    assert ApiLogin.objects.count() == 1


def test_token_ends_when_its_session_expires(developer_client, account):
    token = token_of(developer_client)

    Session.objects.update(expire_date=timezone.now())

    assert is_refused(token)


def test_new_password_gives_the_session_another_token(account, developer):
    here, elsewhere = signed_in_as(developer), signed_in_as(developer)
    tokens = token_of(here), token_of(elsewhere)
    before = mark_of(here.get("/a/acme1/functions/"))
    new = "a-quite-new-one-2"

    here.post(
        "/password/",
        {"old_password": factories.PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert [is_refused(each) for each in tokens] == [True, True]
    # Its pages are told that what they keep is of another session.
    assert mark_of(here.get("/a/acme1/functions/")) != before
    assert not is_refused(token_of(here))


def test_pages_mark_their_session_without_telling_its_key(account, developer, client):
    one, other = signed_in_as(developer), signed_in_as(developer)

    marks = [mark_of(each.get("/a/acme1/functions/")) for each in (one, other)]

    assert len(set(marks)) == 2
    assert mark_of(one.get("/help/")) == marks[0]
    assert mark_of(client.get("/sign-in/")) == ""
    assert one.session.session_key not in marks


def test_token_may_be_asked_for_on_pages_of_an_account_alone(developer_client, account):
    asks = f'data-token-url="{URL}"'

    assert asks in developer_client.get("/a/acme1/functions/").content.decode()
    assert "data-token-url" not in developer_client.get("/help/").content.decode()


@pytest.mark.parametrize("by_session", [True, False])
def test_logins_that_have_expired_go_when_a_new_one_comes(account, developer, admin, by_session):
    for user in (developer, admin):
        for number in range(3):
            auth.log_in_by_session(user, account, session_key=f"{user}{number}")
    ApiLogin.objects.update(expires_at=timezone.now())

    if by_session:
        made = auth.log_in_by_session(developer, account, session_key="new")
    else:
        made = auth.log_in(developer, account)

    assert list(ApiLogin.objects.filter(user=developer)) == [made]
    assert ApiLogin.objects.filter(user=admin).count() == 3


def test_logins_of_the_command_line_are_shown_and_ended(developer_client, developer, account):
    login = auth.log_in(developer, account)
    token = auth.login_token(login)
    token_of(developer_client)
    expired = auth.log_in(developer, account)
    ApiLogin.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    page = developer_client.get("/me/sessions/")
    ended = developer_client.post(reverse("command-line-end", args=[login.pk]))

    assert list(page.context["logins"]) == [login]
    assert f'<tr id="login-{login.pk}">' in page.content.decode()
    assert ended["Location"] == "/me/sessions/"
    assert is_refused(token)


def test_login_of_somebody_else_or_of_a_session_cannot_be_ended_as_one(
    admin_client, developer_client, developer, account
):
    login = auth.log_in(developer, account)
    token_of(developer_client)
    own = ApiLogin.objects.exclude(session_key="").get()

    assert admin_client.post(reverse("command-line-end", args=[login.pk])).status_code == 404
    assert developer_client.post(reverse("command-line-end", args=[own.pk])).status_code == 404
    assert ApiLogin.objects.count() == 2
