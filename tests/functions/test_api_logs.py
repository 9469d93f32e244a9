"""Lines of functions as programs read them: the vendor's file, its window and its limit."""

import csv
import datetime as dt
import io
import json

import pytest
from django.utils import timezone

from houston.models import Scope
from tests import api, factories

NOW = dt.datetime(2026, 3, 10, 14, 33, 20, 250_000, tzinfo=dt.UTC)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
HEADER = "lambdaUUID;requestID;timestamp;level;message;extras"
INVALID = "com.liveperson.faas.fm.validation.general"


@pytest.fixture
def now(time_machine):
    time_machine.move_to(NOW, tick=False)
    return NOW


@pytest.fixture
def function(account, now):
    return factories.deployed(name="greet")


@pytest.fixture
def client(account, now):
    return api.of_client(account)


def ms(moment):
    return round(moment.timestamp() * 1000)


def logged(function, message, *, ago=MINUTE, **fields):
    at = timezone.now() - ago
    run = fields.pop("run", None) or factories.InvocationFactory(
        deployment=function.deployment, started_at=at, finished_at=at
    )
    return factories.LogLineFactory(invocation=run, message=message, logged_at=at, **fields)


def ask(client, function, *, dialect="v1", ago=DAY, until=None, **query):
    query = {
        "userId": "987",
        "startTimestamp": ms(timezone.now() - ago),
        "endTimestamp": ms(timezone.now()) if until is None else until,
        **query,
    }
    if dialect == "v1":
        return client.get("/logs/export", v="1", lambdaUUID=str(function.pk), **query)
    return client.get(f"/functions/{function.pk}/logs/export", **query)


def rows(response):
    assert response.status_code == 200, response.content
    return list(csv.reader(io.StringIO(response.content.decode()), delimiter=";"))


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_lines_are_a_file_of_the_vendors_shape(client, function, dialect):
    line = logged(function, "hello", level="Warn", extras=[{"order": 4711}, "ü"])

    response = ask(client, function, dialect=dialect)

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content.decode() == (
        f"{HEADER}\n"
        f"{function.pk};{line.invocation_id};{ms(NOW - MINUTE)};Warn;hello;"
        '"[{""order"":4711},""ü""]"\n'
    )


def test_line_of_an_invocation_over_the_api_has_its_request(client, function, account):
    run = factories.InvocationFactory(
        event=None, account_id=account.pk, deployment=function.deployment, request_id="order-4711"
    )
    logged(function, "hello", run=run)

    assert rows(ask(client, function))[1][1] == "order-4711"


@pytest.mark.parametrize(
    "message",
    [
        "a;b",
        'say "hi"',
        "two\nlines",
        "a\rb",
        "\r\n",
        "=1+1",
        "-5 left",
        "@you",
        "",
        " x ",
        "\u2028",
    ],
)
def test_texts_come_back_as_they_were_logged(client, function, message):
    logged(function, message, extras=[message])

    header, line = rows(ask(client, function))

    assert header == HEADER.split(";")
    assert (line[4], json.loads(line[5])) == (message, [message])


def test_file_without_lines_has_its_header(client, function):
    assert ask(client, function).content.decode() == f"{HEADER}\n"


def test_first_lines_of_the_window_come_in_their_order(client, function, monkeypatch):
    monkeypatch.setattr("functions.api.logs.MOST_EXPORTED", 3)
    run = factories.InvocationFactory(deployment=function.deployment)
    for number in (1, 2):
        logged(function, f"run {number}", run=run, number=number, ago=3 * MINUTE)
    logged(function, "too many")
    logged(function, "third", ago=2 * MINUTE)

    found = rows(ask(client, function))

    assert [each[4] for each in found[1:]] == ["run 1", "run 2", "third"]


def test_line_is_in_one_of_two_windows_that_meet(client, function):
    line = logged(function, "hello", ago=10 * MINUTE)
    at = ms(line.logged_at)

    before = rows(ask(client, function, until=at))
    after = rows(ask(client, function, startTimestamp=at))

    assert (len(before), len(after)) == (1, 2)


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ([], ["i", "w", "e"]),
        (["Info"], ["i"]),
        (["Info", "Error"], ["i", "e"]),
        ([""], ["i", "w", "e"]),
        (["Info", "Info", ""], ["i"]),
        (["Debug"], []),
    ],
)
@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_lines_are_filtered_by_level(client, function, levels, found, dialect):
    for level, ago in (("Info", 3), ("Warn", 2), ("Error", 1)):
        logged(function, level[0].lower(), level=level, ago=ago * MINUTE)

    response = ask(client, function, dialect=dialect, filterLevels=levels)

    assert [each[4] for each in rows(response)[1:]] == found


def test_lines_of_others_are_not_in_the_file(client, function):
    logged(factories.deployed(name="other"), "of another function")
    logged(factories.deployed(name="greet", account_id="other1"), "of another account")
    logged(function, "mine")

    assert [each[4] for each in rows(ask(client, function))[1:]] == ["mine"]


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_function_of_another_account_is_not_there(client, dialect):
    theirs = factories.deployed(name="greet", account_id="other1")

    response = ask(client, theirs, dialect=dialect)

    assert response.status_code == 404
    assert response.json()["errorCode"] == "com.liveperson.faas.db.not-found"
    assert response.json()["code"] == "com.liveperson.faas.function.not-found"


def test_end_may_be_left_out_or_lie_in_the_future(client, function):
    logged(function, "hello")
    start = ms(timezone.now() - 7 * DAY)

    for query in ({}, {"endTimestamp": ""}, {"endTimestamp": ms(timezone.now() + 90 * DAY)}):
        response = client.get(
            f"/functions/{function.pk}/logs/export", startTimestamp=start, **query
        )
        assert len(rows(response)) == 2


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_window_may_be_of_any_length_and_holds_what_is_30_days_old(client, function, dialect):
    logged(function, "forgotten", ago=30 * DAY + MINUTE)
    logged(function, "first", ago=30 * DAY - MINUTE)
    logged(function, "last")

    # As in the help of the command line.
    long = ask(client, function, dialect=dialect, startTimestamp=1626156400000)
    old = ask(client, function, dialect=dialect, ago=60 * DAY, until=ms(NOW - 30 * DAY))

    assert [each[4] for each in rows(long)[1:]] == ["first", "last"]
    assert old.content.decode() == f"{HEADER}\n"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"ago": MINUTE, "until": ms(NOW - MINUTE)}, "must lie before endTimestamp"),
        ({"startTimestamp": ms(NOW + MINUTE), "until": ms(NOW + DAY)}, "in the past"),
        ({"startTimestamp": "-1"}, '"startTimestamp"'),
        ({"startTimestamp": "NaN"}, "milliseconds since 1970"),
        ({"startTimestamp": "1e12"}, "milliseconds since 1970"),
        ({"startTimestamp": "yesterday"}, "milliseconds since 1970"),
        ({"startTimestamp": "9" * 30}, '"startTimestamp"'),
        ({"startTimestamp": "9" * 3000}, '"startTimestamp"'),
        ({"startTimestamp": "2026-03-10T00:00Z"}, "milliseconds since 1970"),
        ({"startTimestamp": ""}, '"startTimestamp"'),
        ({"until": "9" * 30}, '"endTimestamp"'),
        ({"until": "Infinity"}, "milliseconds since 1970"),
        ({"startTimestamp": [ms(NOW - DAY), "x"]}, "milliseconds since 1970"),
        ({"startTimestamp": "1\0"}, "NUL"),
        ({"filterLevels": "Shout"}, "use some of Debug, Info, Warn, Error"),
        ({"filterLevels": ["Info", "info"]}, "use some of Debug, Info, Warn, Error"),
    ],
)
@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_question_that_makes_no_sense_is_refused(client, function, query, said, dialect):
    response = ask(client, function, dialect=dialect, **query)

    assert response.status_code == 400
    assert said in response.json()["message"]
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}


@pytest.mark.parametrize("named", [{}, {"lambdaUUID": ""}, {"lambdaUUID": "greet"}])
def test_function_must_be_named(client, now, named):
    response = client.get("/logs/export", startTimestamp=ms(NOW - DAY), **named)

    assert (response.status_code, response.json()["code"]) == (400, INVALID)
    assert "lambdaUUID" in response.json()["message"]


def test_thousand_repeated_keys_are_too_many(client, function):
    assert ask(client, function, filterLevels=["Info"] * 900).status_code == 200
    assert ask(client, function, filterLevels=["Info"] * 2000).status_code == 400


@pytest.mark.parametrize("accepted", ["text/csv", "application/json", "image/png", "nonsense"])
def test_file_does_not_depend_on_what_is_accepted(client, function, accepted):
    path = f"/functions/{function.pk}/logs/export"
    query = {"startTimestamp": ms(NOW - DAY), "format": "xml"}

    good = client.send("GET", path, query=query, headers={"Accept": accepted})
    bad = client.send("GET", path, headers={"Accept": accepted})

    assert good["Content-Type"] == "text/csv; charset=utf-8"
    assert (bad.status_code, bad["Content-Type"]) == (400, "application/json")


@pytest.mark.parametrize(
    ("scope", "v1", "v2"),
    [(Scope.ADMIN, 200, 200), (Scope.DEVELOPER, 200, 200), (Scope.INVOCATION, 200, 403)],
)
def test_lines_are_read_by_machines_that_invoke_in_v1_alone(account, function, scope, v1, v2):
    client = api.of_client(account, scope)

    assert ask(client, function).status_code == v1
    assert ask(client, function, dialect="v2").status_code == v2
    assert ask(client, function, dialect="v2", v="1").status_code == v2


def test_lines_cost_few_queries_however_many_there_are(client, function, django_assert_num_queries):
    for number in range(30):
        logged(function, f"line {number}")
    ask(client, function)

    with django_assert_num_queries(3):  # the client, the function, the lines
        assert len(rows(ask(client, function))) == 31
