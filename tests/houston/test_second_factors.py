"""Second factors, sessions, and what stops guessing."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse

from invoker.models import AuditEntry
from tests.factories import PASSWORD, UserFactory


def sign_in(client, user, password=PASSWORD, **extra):
    return client.post("/sign-in/", {"username": user.username, "password": password}, **extra)


def code_of(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


@pytest.fixture
def signed_in(client, developer):
    sign_in(client, developer)
    return client


@pytest.fixture
def secret(signed_in):
    """The developer has an app and was shown recovery codes."""
    signed_in.post("/me/confirm/password/", {"password": PASSWORD})
    page = signed_in.get("/me/second-factors/app/add/")
    secret = page.context["form"].secret
    signed_in.post("/me/second-factors/app/add/", {"code": code_of(secret)})
    # A code counts once.
    cache.clear()
    return secret


def test_app_is_asked_for_after_the_password(secret, developer):
    browser = Client()

    after_password = sign_in(browser, developer)
    still_out = browser.get("/me/")
    refused = browser.post("/sign-in/second-factor/", {"code": wrong(code_of(secret))})
    done = browser.post("/sign-in/second-factor/", {"code": code_of(secret)})

    assert after_password["Location"].startswith("/sign-in/second-factor/")
    assert still_out["Location"].startswith("/sign-in/")
    assert "this code does not fit" in refused.content.decode()
    assert done["Location"] == "/"
    assert browser.get("/me/").status_code == 200


def test_codes_cannot_be_guessed(secret, developer):
    browser = Client()
    sign_in(browser, developer)

    for _ in range(5):
        browser.post("/sign-in/second-factor/", {"code": wrong(code_of(secret))})
    late = browser.post("/sign-in/second-factor/", {"code": code_of(secret)})

    assert "too many wrong codes" in late.content.decode()
    assert browser.get("/me/")["Location"].startswith("/sign-in/")


def test_recovery_codes_are_shown_once_and_sign_in_once(secret, signed_in, developer):
    shown = signed_in.get("/me/second-factors/recovery-codes/")
    again = signed_in.get("/me/second-factors/recovery-codes/")
    page = shown.content.decode()
    codes = re.search(r'<pre id="codes"[^>]*>(.*?)</pre>', page, re.DOTALL)[1].split()

    assert len(codes) == 10
    assert codes[0] not in again.content.decode()
    for expected in ("/", None):
        browser = Client()
        sign_in(browser, developer)
        response = browser.post("/sign-in/second-factor/", {"code": codes[0]})
        assert response.get("Location") == expected


def test_secret_of_the_app_is_not_readable_in_the_database(secret, developer):
    kept = Authenticator.objects.get(user=developer, type=Authenticator.Type.TOTP).data

    assert secret not in str(kept)


# They are written once the change is committed.
@pytest.mark.django_db(transaction=True)
def test_audit_log_keeps_that_factors_came_and_went(secret, signed_in):
    signed_in.post("/me/second-factors/app/remove/")

    entries = AuditEntry.objects.filter(subject="dana").order_by("at")
    kept = [(each.account_id, each.action, each.detail) for each in entries]
    assert ("", "person.factor-added", "authenticator app") in kept
    assert ("", "person.factor-removed", "authenticator app") in kept
    assert secret not in str(list(entries.values()))


def test_factors_are_changed_only_after_confirming_it(signed_in):
    response = signed_in.get("/me/second-factors/app/add/")

    assert response.status_code == 302
    assert response["Location"].startswith("/me/confirm/password/")
    confirm = signed_in.get(response["Location"])
    assert b"Confirm that it is you" in confirm.content


def test_five_wrong_passwords_stop_a_name_and_an_address_together(client, developer):
    other = UserFactory()
    for _ in range(5):
        stopped = sign_in(client, developer, "wrong")

    right_too_late = sign_in(client, developer)
    colleague = sign_in(Client(), other)
    from_elsewhere = sign_in(Client(), developer, REMOTE_ADDR="192.0.2.7")

    assert (stopped.status_code, right_too_late.status_code) == (429, 429)
    assert "Try again in 15 minutes" in right_too_late.content.decode()
    assert (colleague.status_code, from_elsewhere.status_code) == (302, 302)


def test_being_stopped_does_not_tell_whether_somebody_exists(client, developer):
    for _ in range(5):
        known = sign_in(client, developer, "wrong")
        unknown = client.post("/sign-in/", {"username": "nobody", "password": "wrong"})

    assert known.status_code == unknown.status_code == 429


def test_an_address_that_a_client_makes_up_does_not_count(client, developer):
    for n in range(5):
        stopped = sign_in(client, developer, "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{n}")

    assert stopped.status_code == 429


def test_signing_in_gives_a_new_session(client, developer):
    client.get("/sign-in/")
    session = client.session
    session["planted"] = 1
    session.save()
    before = session.session_key

    sign_in(client, developer)

    assert client.session.session_key != before


def test_sessions_are_listed_and_ended_one_by_one(signed_in, developer):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = Client(HTTP_USER_AGENT=firefox)
    sign_in(other, developer)
    page = signed_in.get("/me/sessions/").content.decode()
    session = UserSession.objects.get(user_agent=firefox)

    signed_in.post(reverse("session-end", args=[session.pk]))

    assert "Firefox on Linux" in page
    assert page.count("This one") == 1
    assert other.get("/me/")["Location"].startswith("/sign-in/")
    assert signed_in.get("/me/").status_code == 200


def test_sessions_of_others_do_not_exist(signed_in, outsider):
    theirs = Client()
    sign_in(theirs, outsider)
    session = UserSession.objects.get(user=outsider)

    assert signed_in.post(reverse("session-end", args=[session.pk])).status_code == 404
    assert f'id="session-{session.pk}"' not in signed_in.get("/me/sessions/").content.decode()
    assert theirs.get("/me/").status_code == 200


def test_all_other_sessions_end_by_post_and_with_a_new_password(signed_in, developer):
    other, third = Client(), Client()
    sign_in(other, developer)
    signed_in.get("/me/sessions/end/")
    still_in = other.get("/me/").status_code
    signed_in.post("/me/sessions/end/")
    ended = other.get("/me/").status_code
    sign_in(third, developer)
    new = "another fine horse"
    signed_in.post(
        "/password/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    )

    assert (still_in, ended, third.get("/me/").status_code) == (200, 302, 302)
    assert signed_in.get("/me/").status_code == 200


@pytest.mark.parametrize("count", [1, 3])
def test_sessions_query_count_does_not_grow(signed_in, developer, count, django_assert_num_queries):
    for _ in range(count):
        sign_in(Client(), developer)

    # Session, user, sessions, logins by the command line, account switch.
    with django_assert_num_queries(5):
        response = signed_in.get("/me/sessions/")

    assert response.content.count(b'<tr id="session-') == count + 1


def test_profile_is_saved_and_says_what_is_wrong(signed_in, developer):
    refused = signed_in.post("/me/", {"first_name": "a\0b"})
    saved = signed_in.post("/me/", {"first_name": "Dana"})

    developer.refresh_from_db()
    assert (refused.status_code, saved.status_code) == (422, 302)
    assert developer.first_name == "Dana"


@pytest.mark.parametrize(
    "name", ["account_signup", "account_email", "account_set_password", "mfa_signup_webauthn"]
)
def test_nobody_signs_up_by_themselves(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize(
    "credential",
    ["", "no JSON", "[" * 50_000, "1" * 5000, "[]", "7", '{"id": "x"}', '{"response": []}'],
    ids=["empty", "text", "deep", "digits", "list", "number", "piece", "kind"],
)
def test_what_is_no_passkey_lets_nobody_in_and_is_said(secret, signed_in, credential, monkeypatch):
    stranger = Client()
    signed_in.post("/me/confirm/password/", {"password": PASSWORD})
    sent = {"credential": credential}

    came_in = stranger.post("/sign-in/passkey/", sent, follow=True)
    added = signed_in.post("/me/passkeys/add/", {"name": "Mine", **sent})
    # One that nobody could use either.
    Authenticator.objects.filter(type=Authenticator.Type.TOTP).update(
        type=Authenticator.Type.WEBAUTHN, data={"credential": {}}
    )
    monkeypatch.setattr("allauth.mfa.webauthn.internal.auth.get_credentials", lambda _: [])
    confirmed = signed_in.post("/me/confirm/passkey/", sent)

    assert came_in.redirect_chain == [("/sign-in/", 302)]
    assert "nobody here has this passkey" in came_in.content.decode()
    assert (added.status_code, confirmed.status_code) == (200, 422)
    assert "this is not a passkey of yours" in confirmed.content.decode()


@pytest.mark.parametrize(
    "page",
    [
        "/me/",
        "/password/",
        "/me/second-factors/",
        "/me/second-factors/app/remove/",
        "/me/second-factors/recovery-codes/new/",
        "/me/passkeys/add/",
        "/me/confirm/password/",
        "/me/confirm/code/",
    ],
)
def test_pages_about_oneself_are_in_our_look(secret, signed_in, page):
    response = signed_in.get(page)

    assert response.status_code == 200
    assert b"css/app.css" in response.content
    assert re.search(rb"<script(?![^>]*(src=|application/json))", response.content) is None
