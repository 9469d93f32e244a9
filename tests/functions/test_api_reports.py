"""How functions fare, as programs read it: what is counted is what the rows say."""

import datetime as dt
import itertools
import random

import pytest

from houston.models import Scope
from invoker import metrics
from invoker.models import Invocation, InvocationState, MetricBucket
from tests import api, factories

NOW = dt.datetime(2026, 3, 10, 14, 33, 20, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))
ENDED = [each for each in InvocationState if each != InvocationState.RUNNING]
FAILURES = ["CODING_FAILURE", "PLATFORM_FAILURE", "TIMEOUT"]


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


@pytest.fixture
def ran(account, now):
    """Makes invocations of a function that started so long ago."""
    conversation = factories.ConversationFactory()
    positions = itertools.count(1)

    def run(function, ago, outcome=InvocationState.SUCCEEDED):
        started_at = NOW - ago
        running = outcome == InvocationState.RUNNING
        event = factories.EventFactory(
            conversation=conversation, payload={}, position=next(positions),
            occurred_at=started_at, created_at=started_at, state="done",
        )  # fmt: skip
        return factories.InvocationFactory(
            event=event, deployment=function.deployment, outcome=outcome,
            duration_ms=None if running else 12.5, started_at=started_at,
            finished_at=None if running else started_at,
        )  # fmt: skip

    return run


def ms(moment):
    return round(moment.timestamp() * 1000)


def ask(client, function, *, ago=HOUR, **query):
    return client.get(
        f"/reports/invocations/{function.pk}",
        **{
            "userId": "987",
            "startTimestamp": ms(NOW - ago),
            "endTimestamp": ms(NOW),
            "bucketSize": 300,
            **query,
        },
    )


# One function -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "unknown"), [({"v": "1"}, "UNKOWN"), ({}, "UNKNOWN"), ({"v": "2"}, "UNKNOWN")]
)
def test_report_has_the_shape_and_spelling_of_its_dialect(client, function, ran, query, unknown):
    for outcome in (*ENDED, InvocationState.SUCCEEDED, InvocationState.RUNNING):
        ran(function, MINUTE, outcome)

    response = ask(
        client, function, ago=4 * MINUTE,
        invocationStates=[unknown, "SUCCEEDED", *FAILURES], **query,
    )  # fmt: skip

    nothing = dict.fromkeys([unknown, "SUCCEEDED", *FAILURES], 0)
    first = ms(dt.datetime(2026, 3, 10, 14, 25, tzinfo=dt.UTC))
    assert response.status_code == 200
    assert response.json() == {
        "uuid": str(function.pk),
        "invocationStatistics": [
            {"from": first, "to": first + 300_000, **nothing},
            {
                "from": first + 300_000,
                "to": ms(NOW),
                **dict.fromkeys([unknown, *FAILURES], 1),
                "SUCCEEDED": 2,
            },
        ],
    }


@pytest.mark.parametrize("roll", [False, True])
@pytest.mark.parametrize(
    ("size", "ago", "until"),
    [
        (300, HOUR, dt.timedelta()),
        (300, 5 * DAY, 4 * DAY + 13 * MINUTE),
        (3600, 7 * DAY, dt.timedelta()),
        (3600, 30 * DAY, HOUR / 7),
        (86_400, 30 * DAY, dt.timedelta()),
        (86_400, 90 * DAY, 29 * DAY + HOUR / 3),
    ],
)
def test_buckets_count_what_the_rows_say(*, client, function, ran, size, ago, until, roll):
    chance = random.Random(size)  # noqa: S311 -- not a secret
    other = factories.deployed(name="other")
    for number in range(60):
        one = function if number % 4 else other
        ran(
            one, until + chance.random() * 1.1 * (ago - until), chance.choice(list(InvocationState))
        )
    if roll:
        metrics.roll_up()
        assert MetricBucket.objects.exists()

    response = ask(client, function, ago=ago, bucketSize=size, endTimestamp=ms(NOW - until), v="1")

    buckets = response.json()["invocationStatistics"]
    assert [each["from"] % (size * 1000) for each in buckets] == [0] * len(buckets)
    assert buckets[0]["from"] <= ms(NOW - ago) < buckets[0]["to"]
    assert buckets[-1]["to"] == ms(NOW - until)
    assert all(a["to"] == b["from"] for a, b in itertools.pairwise(buckets))
    rows = Invocation.objects.filter(function_id=function.pk).values_list("started_at", "outcome")
    expected = [
        {
            "from": each["from"],
            "to": each["to"],
            **{
                key: sum(
                    each["from"] <= at.timestamp() * 1000 < each["to"]
                    and outcome == key.replace("UNKOWN", "UNKNOWN")
                    for at, outcome in rows
                )
                for key in ("UNKOWN", "SUCCEEDED", *FAILURES)
            },
        }
        for each in buckets
    ]
    assert buckets == expected
    assert sum(each["SUCCEEDED"] for each in buckets) > 0


@pytest.mark.parametrize(
    ("states", "keys"),
    [
        ([], {"UNKNOWN", "SUCCEEDED", *FAILURES}),
        ([""], {"UNKNOWN", "SUCCEEDED", *FAILURES}),
        (["TIMEOUT"], {"TIMEOUT"}),
        (["UNKOWN", "UNKNOWN", "TIMEOUT"], {"UNKNOWN", "TIMEOUT"}),
    ],
)
def test_report_has_the_states_that_are_asked_for(client, function, states, keys):
    buckets = ask(client, function, invocationStates=states).json()["invocationStatistics"]

    assert {frozenset(each) for each in buckets} == {frozenset(keys | {"from", "to"})}


def test_report_without_an_end_goes_up_to_now(client, function):
    for end in ("", ms(NOW + DAY)):
        buckets = ask(client, function, endTimestamp=end).json()["invocationStatistics"]
        assert buckets[-1]["to"] == ms(NOW)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"bucketSize": 0}, '"bucketSize": use 300, 3600 or 86400'),
        ({"bucketSize": -300}, "use 300, 3600 or 86400"),
        ({"bucketSize": 301}, "use 300, 3600 or 86400"),
        ({"bucketSize": "300.0"}, "use 300, 3600 or 86400"),
        ({"bucketSize": "an hour"}, "use 300, 3600 or 86400"),
        ({"bucketSize": "9" * 400}, "use 300, 3600 or 86400"),
        ({"bucketSize": ""}, '"bucketSize"'),
        ({"bucketSize": [300, "x"]}, "use 300, 3600 or 86400"),
        ({"ago": 3 * DAY, "bucketSize": 300}, "at most 750 buckets"),
        ({"ago": 32 * DAY, "bucketSize": 3600}, "at most 750 buckets"),
        ({"ago": 401 * DAY, "bucketSize": 86_400}, "may be 400 days ago at most"),
        ({"startTimestamp": 0, "bucketSize": 86_400}, "may be 400 days ago at most"),
        ({"startTimestamp": ms(NOW)}, "must lie before endTimestamp"),
        ({"startTimestamp": ms(NOW + HOUR), "endTimestamp": ms(NOW + DAY)}, "in the past"),
        ({"startTimestamp": -5}, '"startTimestamp"'),
        ({"startTimestamp": "NaN"}, "milliseconds since 1970"),
        ({"startTimestamp": ""}, '"startTimestamp"'),
        ({"endTimestamp": "9" * 40}, '"endTimestamp"'),
        ({"endTimestamp": "tomorrow"}, "milliseconds since 1970"),
        ({"invocationStates": "RUNNING"}, "use some of UNKNOWN, SUCCEEDED"),
        ({"invocationStates": ["SUCCEEDED", "succeeded"]}, "use some of UNKNOWN, SUCCEEDED"),
        ({"invocationStates": "a\0b"}, "NUL"),
    ],
)
@pytest.mark.parametrize("dialect", [{"v": "1"}, {}])
def test_report_that_makes_no_sense_is_refused(client, function, query, said, dialect):
    response = ask(client, function, **query, **dialect)

    assert response.status_code == 400
    assert said in response.json()["errorMsg"]
    assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}


def test_report_on_a_function_of_another_account_is_not_there(client):
    theirs = factories.deployed(name="greet", account_id="other1")

    response = ask(client, theirs)

    assert response.status_code == 404
    assert response.json()["code"] == "com.liveperson.faas.function.not-found"


def test_report_costs_the_same_with_many_invocations(
    client, function, ran, django_assert_num_queries
):
    for minutes in range(10, 610, 10):
        ran(function, minutes * MINUTE)
    metrics.roll_up()
    ask(client, function)

    with django_assert_num_queries(6):  # client, function, levels, buckets, 2 of the last minutes
        response = ask(client, function, ago=10 * HOUR, bucketSize=3600)

    buckets = response.json()["invocationStatistics"]
    assert sum(each["SUCCEEDED"] for each in buckets) == 60


# The account --------------------------------------------------------------------------------------


def test_limits_are_those_of_the_product(client):
    response = client.get("/reports/limitCounts", userId="987", v="1")

    assert response.status_code == 200
    assert response.json() == {
        "limitTotalLambdas": 50,
        "limitDeployedLambdas": 50,
        "invocationLimitPerMonth": 9_007_199_254_740_991,
    }


def test_functions_are_counted(account, client, function, django_assert_num_queries):
    factories.FunctionFactory()
    factories.deployed(name="greet", account_id="other1")
    client.get("/reports/lambdaCounts")

    with django_assert_num_queries(2):  # the client, the counts
        response = client.get("/reports/lambdaCounts", v="1")

    assert response.json() == {"accountId": account.pk, "total": 2, "deployed": 1}


def test_account_without_functions_has_none(account, client):
    response = client.get("/reports/lambdaCounts")

    assert response.json() == {"accountId": account.pk, "total": 0, "deployed": 0}


@pytest.mark.parametrize("roll", [False, True])
def test_invocations_are_counted_in_the_shape_of_each_dialect(account, client, ran, roll):
    function, other = factories.deployed(name="greet"), factories.deployed(name="other")
    for ago in (MINUTE, 7 * HOUR, 9 * DAY):
        ran(function, ago)
        ran(other, ago, InvocationState.TIMEOUT)
    ran(other, MINUTE, InvocationState.RUNNING)
    ran(function, 10 * DAY)  # last month
    if roll:
        metrics.roll_up()
    month = {"startTimestamp": ms(NOW.replace(day=1, hour=0, minute=0, second=0))}
    v1 = {"accountId": account.pk, "successfulInvocations": 3, "unsuccessfulInvocations": 3}
    v2 = [{"successfulInvocations": 3, "failedInvocations": 3}]

    for asked in ({}, month, {**month, "endTimestamp": ms(NOW)}, {"startTimestamp": ""}):
        assert client.get("/reports/invocationCounts", v="1", **asked).json() == v1
        assert client.get("/reports/invocationCounts", **asked).json() == v2


def test_invocations_of_a_window_are_counted(client, ran):
    function = factories.deployed(name="greet")
    for ago in (HOUR, 2 * HOUR, 3 * HOUR):
        ran(function, ago)

    response = client.get(
        "/reports/invocationCounts",
        startTimestamp=ms(NOW - 150 * MINUTE),
        endTimestamp=ms(NOW - 90 * MINUTE),
    )

    assert response.json() == [{"successfulInvocations": 1, "failedInvocations": 0}]


def test_count_costs_the_same_with_many_invocations(client, ran, django_assert_num_queries):
    function = factories.deployed(name="greet")
    for hours in range(1, 200, 4):
        ran(function, hours * HOUR)
    metrics.roll_up()
    client.get("/reports/invocationCounts")

    with django_assert_num_queries(5):  # client, levels, buckets, 2 of the last minutes
        response = client.get("/reports/invocationCounts")

    assert response.json() == [{"successfulInvocations": 50, "failedInvocations": 0}]


@pytest.mark.parametrize(
    "query",
    [
        {"startTimestamp": 0},
        {"startTimestamp": -1},
        {"startTimestamp": "x"},
        {"startTimestamp": ms(NOW)},
        {"endTimestamp": "9" * 99},
        {"endTimestamp": 0},
    ],
)
def test_count_that_makes_no_sense_is_refused(client, query):
    response = client.get("/reports/invocationCounts", **query)

    assert response.status_code == 400
    assert response.json()["code"] == "com.liveperson.faas.fm.validation.general"


@pytest.mark.parametrize(
    ("scope", "v1", "v2"),
    [(Scope.ADMIN, 200, 200), (Scope.DEVELOPER, 200, 200), (Scope.INVOCATION, 200, 403)],
)
def test_reports_are_read_by_machines_that_invoke_in_v1_alone(account, function, scope, v1, v2):
    client = api.of_client(account, scope)

    assert ask(client, function, v="1").status_code == v1
    assert ask(client, function).status_code == v2
    assert client.get("/reports/invocationCounts", v="1").status_code == v1
    assert client.get("/reports/invocationCounts").status_code == v2
    # V2 has no such address, so whoever asks there speaks V1.
    assert client.get("/reports/limitCounts").status_code == v1
    assert client.get("/reports/lambdaCounts").status_code == v1
