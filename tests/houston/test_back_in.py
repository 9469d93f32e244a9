"""The ways back in: links that set a new password, e-mail addresses, and the account team."""

import datetime as dt
import re
import socket
import threading
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invoker.models import AuditEntry
from tests.factories import PASSWORD, UserFactory

NEW = "another fine horse"


@pytest.fixture
def mails(settings):
    """This installation sends e-mail."""
    settings.EMAIL_CONFIGURED = True
    return mail.outbox


@pytest.fixture
def dana(developer):
    developer.email = "dana@example.com"
    developer.save()
    return developer


def sign_in(client, user, password=PASSWORD):
    return client.post("/sign-in/", {"username": user.username, "password": password})


def ask(client, email):
    return client.post("/sign-in/forgotten/", {"email": email})


def link_in(text):
    return re.search(rf"{django_settings.HOUSTON_URL}(\S+)", text)[1]


def set_password(client, link, password=NEW):
    page = client.get(link, follow=True)
    return client.post(page.request["PATH_INFO"], {"password1": password, "password2": password})


def actions(user):
    return list(
        AuditEntry.objects.filter(subject=user.username).order_by("at").values_list("action", "by")
    )


def test_forgotten_password_is_set_by_a_link_that_works_once(client, dana, mails):
    elsewhere = Client()
    sign_in(elsewhere, dana)

    asked = ask(client, "Dana@Example.com")
    link = link_in(mails[0].body)
    weak = set_password(client, link, "12345")
    done = set_password(client, link)
    again = Client().get(link)

    assert asked["Location"] == "/sign-in/forgotten/sent/"
    assert "dana" in mails[0].body
    assert (weak.status_code, done["Location"]) == (422, "/sign-in/new-password/")
    assert (again.status_code, "leads nowhere" in again.content.decode()) == (410, True)
    assert elsewhere.get("/me/").status_code == 302
    assert sign_in(Client(), dana, NEW)["Location"] == "/"
    assert actions(dana) == [("person.password-reset", "dana")]


def test_asking_tells_nothing_about_who_exists(client, dana, mails):
    answers = [ask(client, email) for email in ("dana@example.com", "nobody@example.com")]

    assert {(each.status_code, each["Location"]) for each in answers} == {
        (302, "/sign-in/forgotten/sent/")
    }
    # Both took as long: each sent one e-mail.
    assert [each.to for each in mails] == [["dana@example.com"], ["nobody@example.com"]]
    assert "http" not in mails[1].body


def test_address_is_found_however_it_is_written_and_no_other(client, dana, mails):
    dana.email = "Dana.Kim@Example.com"
    dana.save()

    ask(client, "dana.kim@example.com")
    ask(client, "dana.k\u0131m@example.com")

    assert ["http" in each.body for each in mails] == [True, False]


@pytest.mark.parametrize("why", ["switched off", "no password", "not theirs yet"])
def test_who_may_not_set_a_password_gets_no_link(client, dana, mails, why):
    email = dana.email
    if why == "switched off":
        dana.is_active = False
    elif why == "no password":
        dana.set_unusable_password()
    else:
        email = "typo@example.com"
        EmailAddress.objects.create(user=dana, email=email)
    dana.save()

    ask(client, email)

    assert "http" not in mails[0].body


def test_links_end_after_a_day_and_with_the_next_sign_in(client, dana, mails, time_machine):
    ask(client, dana.email)
    sign_in(Client(), dana)
    after_sign_in = Client().get(link_in(mails[0].body))
    ask(client, dana.email)
    time_machine.move_to(timezone.now() + dt.timedelta(hours=24, seconds=5))
    after_a_day = Client().get(link_in(mails[1].body))

    assert [after_sign_in.status_code, after_a_day.status_code] == [410, 410]


def test_asking_is_limited_for_each_address(client, dana, mails):
    statuses = [ask(client, dana.email).status_code for _ in range(6)]

    assert statuses == [302] * 5 + [429]
    assert len(mails) == 5


def test_being_stopped_for_wrong_passwords_ends_with_the_new_one(client, dana, mails):
    for _ in range(5):
        stopped = sign_in(client, dana, "wrong")
    ask(client, dana.email)
    set_password(client, link_in(mails[0].body))

    assert stopped.status_code == 429
    assert sign_in(client, dana, NEW).status_code == 302


def test_without_a_mail_server_the_page_says_whom_to_ask(client, dana):
    page = client.get("/sign-in/forgotten/").content.decode()
    posted = ask(client, dana.email)

    assert "Ask the account team" in page
    assert 'type="email"' not in page
    assert (posted.status_code, mail.outbox) == (422, [])


class MailServer:
    """A mail server of one connection, which refuses the message when it is told to."""

    def __init__(self, *, refuses=False):
        self.received = ""
        self._refuses = refuses
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb") as file:

            def say(line):
                file.write(line.encode() + b"\r\n")
                file.flush()

            say("220 here")
            while (line := file.readline().decode().strip().upper()) not in {"", "QUIT"}:
                if line.startswith("RCPT") and self._refuses:
                    say("550 no")
                elif line == "DATA":
                    say("354 go on")
                    lines = iter(file.readline, b".\r\n")
                    self.received = b"".join(lines).decode()
                    say("250 taken")
                else:
                    say("250 fine")
            say("221 bye")

    def close(self):
        self._thread.join(5)
        self._listening.close()


@pytest.fixture
def smtp(settings):
    """E-mails go to a socket, unencrypted."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_CONFIGURED = True
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_TIMEOUT = "127.0.0.1", False, 5
    return settings


def test_link_goes_through_a_mail_server(client, dana, smtp):
    server = MailServer()
    smtp.EMAIL_PORT = server.port

    ask(client, dana.email)
    server.close()

    assert "Subject: Houston: set a new password" in server.received
    assert set_password(client, link_in(server.received)).status_code == 302


@pytest.mark.parametrize("email", ["dana@example.com", "nobody@example.com"])
def test_mail_server_that_refuses_or_is_away_is_said(client, dana, smtp, email):
    server = MailServer(refuses=True)
    smtp.EMAIL_PORT = server.port
    refused = ask(client, email)
    server.close()
    away = ask(client, email)

    for response in (refused, away):
        assert response.status_code == 422
        assert "the mail server did not take it. Ask the account team" in response.content.decode()


def confirm_identity(client):
    client.post("/me/confirm/password/", {"password": PASSWORD})


def test_new_address_counts_once_its_link_was_opened(client, dana, mails):
    sign_in(client, dana)
    asks_first = client.get("/me/e-mail/")
    confirm_identity(client)

    sent = client.post("/me/e-mail/", {"email": "D@Example.com"})
    waiting = client.get("/me/").content.decode()
    link = link_in(mails[0].body)
    stranger = Client().get(link)
    dana.refresh_from_db()
    before = dana.email
    done = client.post(link)
    again = client.get(link)

    assert asks_first["Location"].startswith("/me/confirm/password/")
    assert (sent["Location"], mails[0].to) == ("/me/", ["d@example.com"])
    assert "Waiting for you to open the link in the e-mail to d@example.com" in waiting
    assert stranger.status_code == 200
    assert before == "dana@example.com"
    dana.refresh_from_db()
    assert (dana.email, done["Location"], again.status_code) == ("d@example.com", "/me/", 410)
    assert "Confirmed" in client.get("/me/").content.decode()
    assert actions(dana) == [("person.email-changed", "dana")]


def test_address_that_another_user_has_confirmed_is_refused_by_its_owner_alone(
    client, dana, mails, outsider
):
    EmailAddress.objects.create(user=outsider, email="o@example.com", verified=True, primary=True)
    sign_in(client, dana)
    confirm_identity(client)

    sent = client.post("/me/e-mail/", {"email": "o@example.com"}, follow=True)
    page = client.get(link_in(mails[0].body)).content.decode()

    assert "Sent a link to o@example.com" in sent.content.decode()
    assert "Another user has confirmed o@example.com before" in page


def test_without_a_mail_server_the_address_is_taken_as_it_is(client, dana):
    sign_in(client, dana)
    confirm_identity(client)

    refused = client.post("/me/e-mail/", {"email": "nowhere"})
    saved = client.post("/me/e-mail/", {"email": "d@example.com"})

    dana.refresh_from_db()
    assert (refused.status_code, saved.status_code, dana.email) == (422, 302, "d@example.com")
    assert not EmailAddress.objects.exists()


def test_team_makes_a_link_for_somebody_which_is_shown_once(team_client, developer):
    shown = team_client.post(reverse("person-reset", args=[developer.pk]))
    link = link_in(re.search(r'id="reset-link"[^>]*>([^<]*)<', shown.content.decode())[1])
    later = team_client.get(reverse("person", args=[developer.pk]))

    assert link not in later.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert set_password(Client(), link).status_code == 302
    assert actions(developer) == [
        ("person.reset-issued", "tina"),
        ("person.password-reset", "dana"),
    ]


def test_team_removes_second_factors_and_switches_people_off(team_client, developer):
    Authenticator.objects.create(user=developer, type=Authenticator.Type.TOTP, data={"secret": ""})
    factors, switch = (
        reverse(name, args=[developer.pk]) for name in ("person-factors", "person-switch")
    )

    page = reverse("person", args=[developer.pk])

    asked = [team_client.get(each).status_code for each in (factors, switch)]
    assert Authenticator.objects.exists()
    team_client.post(factors)
    browser = Client()
    sign_in(browser, developer)
    team_client.post(switch)
    off = sign_in(Client(), developer)
    # As somebody else of the team does who looked at the page before.
    team_client.post(switch)
    still_off = sign_in(Client(), developer)
    on = team_client.get(f"{switch}?active=yes").context
    team_client.post(on["action"])

    assert asked == [200, 200]
    assert (off["Location"], still_off["Location"]) == ("/sign-in/inactive/",) * 2
    assert on["title"] == "Switch on dana"
    assert not Authenticator.objects.exists()
    assert "tina switched off the user dana" in team_client.get(page).content.decode()
    assert browser.get("/me/").status_code == 302
    assert sign_in(Client(), developer)["Location"] == "/"
    assert [action for action, _ in actions(developer)] == [
        "person.factors-reset",
        "person.switched-off",
        "person.switched-on",
    ]


def test_nobody_switches_themselves_off(team_client, team):
    team_client.post(reverse("person-switch", args=[team.pk]))

    team.refresh_from_db()
    assert team.is_active


@pytest.mark.parametrize("name", ["person", "person-reset", "person-factors", "person-switch"])
def test_people_are_for_the_account_team_alone(admin_client, developer, name):
    assert admin_client.get(reverse("people")).status_code == 403
    assert admin_client.get(reverse(name, args=[developer.pk])).status_code == 403
    assert admin_client.post(reverse(name, args=[developer.pk])).status_code == 403


@pytest.mark.parametrize("count", [1, 3])
def test_people_query_count_does_not_grow(team_client, account, django_assert_num_queries, count):
    for _ in range(count):
        UserFactory()

    # Session, user, people, their memberships, account switch.
    with django_assert_num_queries(5):
        response = team_client.get("/accounts/people/")

    assert response.content.count(b'<tr id="person-') == count + 1


def test_people_can_be_searched(team_client, dana, outsider):
    page = team_client.get("/accounts/people/?q=DANA%00 example").content.decode()

    assert f'<tr id="person-{dana.pk}"' in page
    assert page.count('<tr id="person-') == 1


def test_operator_gets_a_link_on_the_machine_itself(client, team):
    Authenticator.objects.create(user=team, type=Authenticator.Type.TOTP, data={"secret": ""})
    printed = StringIO()

    call_command("reset_link", "tina", "--remove-factors", stdout=printed)
    with pytest.raises(CommandError, match="nobody has this user name"):
        call_command("reset_link", "nobody")

    assert set_password(client, link_in(printed.getvalue())).status_code == 302
    assert sign_in(client, team, NEW)["Location"] == "/"
