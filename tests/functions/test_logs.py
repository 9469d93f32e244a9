"""What functions logged: found, followed, and taken home."""

import csv
import datetime as dt
import io
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from invoker import log_lines
from tests import factories

HTMX = {"HX-Request": "true"}
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


def url(name="logs"):
    return reverse(f"functions:{name}", args=[factories.ACCOUNT_ID])


def logged(message, *, ago=MINUTE, run=None, **fields):
    at = timezone.now() - ago
    invocation = run or factories.InvocationFactory(started_at=at, finished_at=at)
    return factories.LogLineFactory(invocation=invocation, message=message, logged_at=at, **fields)


def messages(response):
    found = re.findall(r'class="message"[^>]*>([^<]*)<', response.content.decode())
    return [each.strip() for each in found]


def test_page_listens_when_nothing_was_logged(developer_client, account):
    response = developer_client.get(url())

    assert "Listening…" in response.content.decode()
    assert 'id="tail"' in response.content.decode()


def test_lines_of_an_invocation_stand_together_in_their_order(developer_client, account):
    run = factories.InvocationFactory(deployment__function_name="greet")
    logged("second", run=run, number=2)
    logged("first", run=run, number=1)
    logged("older", ago=5 * MINUTE)
    logged("newer", ago=MINUTE / 2)

    grouped = developer_client.get(url())
    flat = developer_client.get(url(), {"flat": "on"})

    assert messages(grouped) == ["newer", "first", "second", "older"]
    assert grouped.content.decode().count('class="run"') == 3
    assert flat.content.decode().count('class="run"') == 4
    assert f"/activity/{run.event_id}/" in grouped.content.decode()


def test_run_of_a_schedule_says_so(developer_client, account):
    run = factories.InvocationFactory(event=None, account_id=account.pk)
    logged("by the clock", run=run)

    response = developer_client.get(url())

    assert messages(response) == ["by the clock"]
    assert '<span class="soft">on schedule</span>' in response.content.decode()


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({}, ["late", "needle", "error"]),
        ({"level": "Error"}, ["error"]),
        ({"level": ["Error", "Warn"]}, ["late", "error"]),
        ({"level": "Shout"}, ["late", "needle", "error"]),
        ({"function": "greet"}, ["needle"]),
        ({"function": ["greet", "shout"]}, ["needle", "error"]),
        ({"function": "nobody"}, []),
        ({"function": "a\0b"}, ["late", "needle", "error"]),
        ({"q": "NEED"}, ["needle"]),
        ({"q": "4711"}, ["error"]),
        ({"q": "100%"}, []),
        ({"q": "_"}, []),
        ({"q": "a\0b"}, ["late", "needle", "error"]),
        ({"window": "1h"}, ["late", "needle", "error"]),
        ({"window": "7d"}, ["late", "needle", "error", "last week"]),
    ],
)
def test_lines_are_filtered(wishes, found, developer_client, account):
    greet = factories.DeploymentFactory(function_name="greet", active=False)
    shout = factories.DeploymentFactory(function_name="shout", active=False)
    logged("late", level="Warn", ago=MINUTE / 2)
    logged("needle", run=factories.InvocationFactory(deployment=greet))
    logged(
        "error", level="Error", extras=[{"order": 4711}], ago=2 * MINUTE,
        run=factories.InvocationFactory(deployment=shout),
    )  # fmt: skip
    logged("last week", ago=5 * DAY)

    assert messages(developer_client.get(url(), wishes)) == found


def test_invocation_is_found_by_its_id(developer_client, account):
    logged("other")
    line = logged("mine")

    assert messages(developer_client.get(url(), {"q": str(line.invocation_id)})) == ["mine"]


def test_invocation_over_the_api_is_found_by_its_request_and_says_who_asked(
    developer_client, account
):
    run = factories.InvocationFactory(
        event=None, account_id=account.pk, invoked_by="API client CI", source="<shop>",
        request_id="order-4711",
    )  # fmt: skip
    logged("mine", run=run)
    logged("other")

    page = developer_client.get(url(), {"q": "order-4711"})
    file = developer_client.get(url("logs-export"), {"q": "order-4711"})
    header, row = csv.reader(io.StringIO(b"".join(file).decode()))

    assert messages(page) == ["mine"]
    assert "API client CI · &lt;shop&gt;" in page.content.decode()
    assert (header[-2:], row[-2:]) == (["invoked by", "request"], ["API client CI", "order-4711"])


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"since": "yesterday"}, "Cannot read &quot;From&quot;"),
        ({"until": "\0"}, "Cannot read &quot;To&quot;"),
        ({"since": "2001-01-01T00:00"}, "a window holds 7 days at most"),
        ({"since": "2001-01-01", "until": "2001-01-02"}, "lines are kept 30 days"),
        ({"since": "2901-01-01"}, "must lie before"),
        ({"until": "0001-01-01T00:00"}, "must lie before"),
    ],
)
def test_window_that_cannot_be_searched_says_why(wishes, said, developer_client, account):
    logged("here")

    page = developer_client.get(url(), wishes)
    file = developer_client.get(url("logs-export"), wishes)

    assert (page.status_code, file.status_code) == (422, 422)
    assert said in page.content.decode()
    assert messages(page) == []


def test_pages_show_every_line_once_also_where_many_have_one_moment(
    developer_client, account, monkeypatch
):
    monkeypatch.setattr("functions.views.logs.PAGE_SIZE", 3)
    at = timezone.now() - MINUTE
    run = factories.InvocationFactory()
    for number in range(1, 9):
        moment = at - (number // 6) * MINUTE
        factories.LogLineFactory(
            invocation=run, number=number, message=f"line {number}", logged_at=moment
        )

    address, found = f"{url()}?flat=on", []
    while address:
        response = developer_client.get(address)
        found += messages(response)
        older = re.search(r'href="([^"]*)" rel="next"', response.content.decode())
        address = older[1].replace("&amp;", "&") if older else ""

    assert sorted(found) == [f"line {number}" for number in range(1, 9)]


@pytest.mark.parametrize("place", ["x", "20260101T000000.000000", "20260101T000000.000000_-1",
                                   "20260101T000000.000000_" + "9" * 30])  # fmt: skip
def test_place_that_was_not_made_here_is_not_found(place, developer_client, account):
    assert developer_client.get(url(), {"before": place}).status_code == 404


def test_search_for_a_text_goes_on_where_it_stopped(developer_client, account, monkeypatch):
    monkeypatch.setattr(log_lines, "READ_AT_ONCE", 2)
    for minutes in range(1, 6):
        logged("needle" if minutes == 5 else "hay", ago=minutes * MINUTE)

    first = developer_client.get(url(), {"q": "needle"})
    address, rounds = first, 0
    while not messages(address):
        rounds += 1
        older = re.search(r'href="([^"]*before=[^"]*)"', address.content.decode())
        address = developer_client.get(older[1].replace("&amp;", "&"))

    assert "Nothing found since" in first.content.decode()
    assert (messages(address), rounds) == (["needle"], 2)


def test_tail_brings_lines_of_runs_that_ended_since(developer_client, account, time_machine):
    begun = timezone.now()
    time_machine.move_to(begun, tick=False)
    logged("old", ago=10 * MINUTE)
    page = developer_client.get(url()).content.decode()
    tail = re.search(r'id="tail"[^>]*hx-get="([^"]*)"', page)[1].replace("&amp;", "&")

    nothing = developer_client.get(tail, headers=HTMX)
    time_machine.move_to(begun + dt.timedelta(seconds=20), tick=False)
    slow = factories.InvocationFactory(started_at=begun, finished_at=timezone.now())
    factories.LogLineFactory(invocation=slow, message="slow", logged_at=begun)
    fresh = developer_client.get(tail, headers=HTMX)

    assert nothing.status_code == 204
    assert messages(fresh) == ["slow"]
    assert 'id="tail"' in fresh.content.decode()


def test_tail_from_the_beginning_of_time_is_empty(developer_client, account):
    after = {"after": "00010101T000000.000000"}

    assert developer_client.get(url("logs"), after, headers=HTMX).status_code == 204


def test_tail_is_not_followed_in_the_past(developer_client, account):
    until = timezone.now() - MINUTE

    page = developer_client.get(url(), {"until": f"{until:%Y-%m-%dT%H:%M}"})

    assert 'id="tail"' not in page.content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(count, developer_client, account, django_assert_num_queries):
    for n in range(count):
        logged(f"line {n}")

    # Session, person, membership; lines, function names; accounts of the switch, set-up.
    with django_assert_num_queries(7):
        response = developer_client.get(url())

    assert len(messages(response)) == count


def test_file_holds_what_was_searched_and_no_formula(developer_client, account):
    run = factories.InvocationFactory(deployment__function_name="greet")
    logged("=1+1", run=run, level="Warn", extras=[{"a": 1}, "b"])
    logged("other", level="Info")

    response = developer_client.get(url("logs-export"), {"level": "Warn"})
    header, row = csv.reader(io.StringIO(b"".join(response).decode()))

    assert response["Cache-Control"] == "private, no-store"
    assert header[:5] == ["time", "function", "version", "level", "message"]
    assert row[1:] == [
        "greet", "1", "Warn", "'=1+1", '{"a": 1} "b"', str(run.pk), str(run.event_id),
        "", "",
    ]  # fmt: skip


def test_file_holds_a_bounded_number_of_lines(developer_client, account, monkeypatch):
    monkeypatch.setattr("functions.views.logs.MOST_EXPORTED", 2)
    for n in range(3):
        logged(f"line {n}")

    response = developer_client.get(url("logs-export"))

    assert len(b"".join(response).decode().splitlines()) == 3


def test_file_comes_in_pieces_and_its_first_ones_soon(
    developer_client, account, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr("functions.views.downloads.ROWS_IN_A_PIECE", 2)
    for n in range(5):
        logged(f"line {n}")

    # Session, person, membership; the lines, however many.
    with django_assert_num_queries(4):
        pieces = list(developer_client.get(url("logs-export")))

    assert [piece.count(b"\r\n") for piece in pieces] == [1, 2, 2, 1]


def test_lines_of_other_accounts_are_not_shown(outsider_client, developer_client, account):
    logged("secret")

    assert outsider_client.get(url()).status_code == 404
    assert messages(outsider_client.get(reverse("functions:logs", args=["other1"]))) == []
    theirs = factories.InvocationFactory(event__conversation__connection__account_id="other1")
    factories.LogLineFactory(invocation=theirs, message="theirs")
    assert messages(developer_client.get(url())) == ["secret"]
