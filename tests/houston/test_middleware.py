"""Request ids, toasts on htmx answers."""

import re
import uuid

import pytest

pytestmark = pytest.mark.urls("tests.houston.extra_urls")


def test_every_answer_carries_an_id_of_its_own(client):
    first, second = client.get("/healthz"), client.get("/healthz")

    assert re.fullmatch(r"[0-9a-f]{32}", first["X-Request-ID"])
    assert first["X-Request-ID"] != second["X-Request-ID"]


@pytest.mark.parametrize("given", ["a" * 8, "A-1" * 21, "3f2504e0-4f89-41d3-9a0c-0305e82c3301"])
def test_id_of_a_proxy_is_taken_over(client, given):
    assert client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "abcdefgh\n", "a b c d e f", "ä" * 10])
def test_id_that_is_unfit_for_a_log_is_replaced(client, given):
    answer = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]

    assert re.fullmatch(r"[0-9a-f]{32}", answer)


@pytest.mark.parametrize("kind", ["fragment", "invalid"])
def test_toasts_join_what_htmx_swaps_in(team_client, kind):
    page = team_client.get(f"/talk/{kind}/", headers={"HX-Request": "true"}).content.decode()

    assert page.startswith("<p>fragment</p>")
    assert 'hx-swap-oob="beforeend:#toasts"' in page
    assert "It is done &amp; &lt;b&gt;dusted&lt;/b&gt;" in page


@pytest.mark.parametrize("kind", ["redirect", "json"])
def test_toasts_wait_for_the_next_page_when_nothing_is_swapped(team_client, kind):
    answer = team_client.get(f"/talk/{kind}/", headers={"HX-Request": "true"})
    page = team_client.get("/accounts/").content.decode()

    assert b"toast" not in answer.content
    assert page.count("It is done") == 1


def test_plain_answers_are_left_as_they_are(team_client):
    assert team_client.get("/talk/fragment/").content == b"<p>fragment</p>"


def test_toasts_of_a_whole_page_are_not_repeated(team_client):
    team_client.get("/talk/json/")

    page = team_client.get("/accounts/", headers={"HX-Request": "true"}).content.decode()

    assert page.count("It is done") == 1


def test_door_answers_with_what_every_answer_has_and_starts_no_session(client, db):
    door = f"/events/{uuid.uuid4()}"

    response = client.post(door, b"{}", content_type="application/json")

    assert response.json()["code"] == "unknown-connection"
    assert response["Content-Length"] == str(len(response.content))
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Request-ID"]
    assert not response.cookies
    assert client.post(door, headers={"host": "elsewhere.example"}).status_code == 400
