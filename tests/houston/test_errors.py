"""What people and programs get when something does not work."""

import pytest
from django.test import Client

from houston import errors

pytestmark = pytest.mark.urls("tests.houston.extra_urls")

REQUEST = "0123456789abcdef"
JSON = {"Accept": "application/json"}


@pytest.fixture
def visitor(team):
    client = Client(raise_request_exception=False, headers={"X-Request-ID": REQUEST})
    client.force_login(team)
    return client


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/fail/400/", 400, "Cannot read the request: check the address and what was sent"),
        ("/fail/403/", 403, "You need the role admin here"),
        ("/nothing/", 404, "There is nothing here that you can see"),
        ("/fail/413/", 413, "Cannot take the request: it is too large"),
        ("/fail/500/", 500, "Something broke while answering this"),
        ("/fail/database/", 503, "Nothing can be read or written now: try again"),
        ("/fail/keys/", 503, "None of the encryption keys fits what this page needs"),
    ],
)
def test_error_page_says_what_happened_and_which_request_it_was(visitor, address, status, sentence):
    response = visitor.get(address)

    page = response.content.decode()
    assert response.status_code == status
    assert sentence in page
    assert REQUEST in page
    assert page.split("<main", 1)[1].count('<a class="button"') == 2
    assert ("This is too large" in page) == (status == 413)
    assert "secret detail" not in page


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/fail/400/", 400, "bad-request"),
        ("/fail/403/", 403, "forbidden"),
        ("/nothing/", 404, "not-found"),
        ("/fail/413/", 413, "body-too-large"),
        ("/fail/500/", 500, "internal-error"),
        ("/fail/database/", 503, "storage-unavailable"),
        ("/fail/keys/", 503, "secret-unreadable"),
    ],
)
def test_programs_get_json(visitor, address, status, code):
    response = visitor.get(address, headers=JSON)

    assert response.status_code == status
    assert response.json().keys() == {"code", "message"}
    assert response.json()["code"] == code
    assert (response.headers.get("Retry-After") == "5") == (status == 503)


def test_doors_answer_in_json_whatever_is_accepted(client, db):
    response = client.get("/events/nothing", headers={"Accept": "text/html"})

    assert response.status_code == 404
    assert response.json()["code"] == "not-found"


def test_error_pages_are_for_strangers_too(db):
    stranger = Client(raise_request_exception=False)

    pages = [stranger.get(f"/fail/{kind}/").content.decode() for kind in ("400", "403", "500")]

    assert all("Houston" in page for page in pages)
    assert "/sign-in/" in pages[1]


def test_500_needs_neither_database_nor_session(rf):
    """No fixture opens the database here, so a query would fail."""
    request = rf.get("/")
    request.id = REQUEST

    response = errors.server_error(request)

    assert response.status_code == 500
    assert REQUEST in response.content.decode()


def test_500_stays_an_answer_when_the_page_itself_is_broken(visitor, settings, tmp_path):
    (tmp_path / "500.html").write_text("{% no_such_tag %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    response = visitor.get("/fail/500/")

    assert response.status_code == 500
    assert f"It is logged as {REQUEST}" in response.content.decode()


def test_unknown_host_is_refused_with_a_page(client, db):
    response = client.get("/sign-in/", headers={"Host": "elsewhere.example"})

    assert response.status_code == 400
    assert "Houston cannot read this" in response.content.decode()


def test_form_without_its_token_changes_nothing_and_says_why(team):
    client = Client(enforce_csrf_checks=True)
    client.force_login(team)

    response = client.post("/accounts/new/", {"account_id": "a", "name": "a"})

    assert response.status_code == 403
    assert "it is too old or came from elsewhere" in response.content.decode()
