"""What every answer tells browsers, whichever part of the product gave it."""

import pytest
from django.test import Client

from houston.models import Account
from tests import api, factories

SAID = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture
def answers(account: Account, admin_client: Client):
    """An answer of each part, by its name."""
    connection = factories.ConnectionFactory()
    stranger = Client(raise_request_exception=False)
    page = f"/a/{account.pk}"
    found = {
        "sign-in": stranger.get("/sign-in/"),
        "to sign in": stranger.get(f"{page}/"),
        "home": admin_client.get(f"{page}/"),
        "piece": admin_client.get(f"{page}/functions/", headers={"HX-Request": "true"}),
        "form refused": admin_client.post(f"{page}/settings/connections/new/", {"platform": "x"}),
        "forbidden": admin_client.get("/accounts/new/"),
        "not found": admin_client.get("/nothing/"),
        "api": api.of_client(account).get("/functions/count"),
        "api refused": stranger.get("/api/account/acme1/functions/count"),
        "door": stranger.post(f"/events/{connection.pk}", b"{}", content_type="application/json"),
        "health": stranger.get("/healthz"),
        "help": admin_client.get("/help/"),
    }
    assert {name: answer.status_code for name, answer in found.items()} == {
        "sign-in": 200, "to sign in": 302, "home": 200, "piece": 200, "form refused": 422,
        "forbidden": 403, "not found": 404, "api": 200, "api refused": 401, "door": 401,
        "health": 200, "help": 200,
    }  # fmt: skip
    return found


def test_every_answer_says_how_it_is_to_be_handled(answers) -> None:
    for name, answer in answers.items():
        headers = answer.headers
        assert {key: headers.get(key) for key in SAID} == SAID, name
        assert "camera=()" in headers["Permissions-Policy"], name
        assert "no-store" in headers["Cache-Control"], name
        assert headers["X-Frame-Options"] == "DENY", name
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy, name
        assert "script-src 'self'" in policy, name
        assert "frame-ancestors 'none'" in policy, name
        assert "Strict-Transport-Security" not in headers, name


@pytest.mark.urls("tests.houston.extra_urls")
def test_page_of_a_failure_says_it_too(db: None) -> None:
    answer = Client(raise_request_exception=False).get("/fail/500/")

    assert answer.status_code in {302, 500}
    assert {key: answer.headers.get(key) for key in SAID} == SAID
    assert answer.headers["Cache-Control"] == "no-store"


def test_static_files_say_it_and_may_be_kept(db: None, settings) -> None:
    file = settings.STATIC_ROOT / "small.css"
    file.write_text("a{}")

    answer = Client().get("/static/small.css")
    answer.close()
    file.unlink()

    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "max-age" in answer.headers["Cache-Control"]


def test_behind_tls_browsers_come_back_by_tls_alone(client: Client, settings) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000

    assert Client().get("/sign-in/", secure=True).headers["Strict-Transport-Security"] == (
        "max-age=31536000"
    )


def test_cookies_are_out_of_reach(account: Account, admin_client: Client, settings) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    admin_client.logout()
    factories.UserFactory(username="cora")
    page = admin_client.get("/sign-in/")
    posted = admin_client.post("/sign-in/", {"username": "cora", "password": factories.PASSWORD})

    cookies = {**page.cookies, **posted.cookies}
    assert {"csrftoken", "sessionid"} <= set(cookies)
    for name, cookie in cookies.items():
        assert (cookie["secure"], cookie["samesite"]) == (True, "Lax"), name
        # The token of forms is no secret: every page holds it.
        assert cookie["httponly"] or name == "csrftoken", name
