"""Charts and numbers: what they say, for whom, and with how many questions to the database."""

import datetime as dt
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from invoker import metrics
from invoker.models import CommandState, EventState, InvocationState
from tests import factories

HOUR = dt.timedelta(hours=1)


def url(**query):
    return reverse("functions:metrics", args=[factories.ACCOUNT_ID], query=query)


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def ran(function, *, ago=HOUR, **fields):
    at = timezone.now() - ago
    return factories.InvocationFactory(
        event=factories.EventFactory(created_at=at, state=EventState.DONE),
        deployment=function.deployment,
        started_at=at,
        **fields,
    )


@pytest.fixture
def greet(account):
    return factories.deployed(name="greet")


def test_page_says_what_will_be_here_when_nothing_ran(developer_client, account):
    page = text(developer_client.get(url()))

    assert "No function has run in this window" in page
    assert "Show a longer window" in page
    assert "<canvas" not in page


@pytest.mark.parametrize("rolled_up", [False, True])
def test_totals_are_compared_with_the_window_before(developer_client, greet, rolled_up):
    for _ in range(3):
        ran(greet)
    slow = ran(greet, outcome=InvocationState.TIMEOUT, duration_ms=30_000)
    factories.CommandFactory(event=slow.event, invocation=slow, state=CommandState.STALE)
    ran(greet, ago=30 * HOUR)
    ran(greet, ago=31 * HOUR)
    if rolled_up:
        metrics.roll_up()

    page = text(developer_client.get(url()))

    assert "Invocations 4 100 % more than before" in page
    assert "Failed 25.0 % 0 % before" in page
    assert "Over 1 s 25.0 % 0 % before" in page
    assert "Too late or dropped 1 0 before" in page
    assert "4 invocations, 1 failed (25.0 %)" in page
    assert "1 command, 1 too late, 0 dropped" in page


def test_hardly_anything_before_is_no_share_of_what_is_now(developer_client, greet):
    for _ in range(12):
        ran(greet)
    ran(greet, ago=30 * HOUR)

    assert "Invocations 12 1 before" in text(developer_client.get(url()))


@pytest.mark.parametrize(
    ("window", "points"), [("1h", 60), ("6h", 72), ("24h", 96), ("7d", 84), ("30d", 120)]
)
def test_every_chart_is_a_table_with_a_row_for_each_step(developer_client, greet, window, points):
    invocation = ran(greet, ago=dt.timedelta(seconds=30))
    factories.CommandFactory(event=invocation.event, invocation=invocation)

    page = developer_client.get(url(window=window)).content.decode()

    assert page.count("<time datetime=") - page.count("ago</time>") >= 3 * points
    tables = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert [table.count("<tr>") for table in tables] == [points, points, points, 1]


def test_function_is_chosen_in_the_address(developer_client, greet):
    ran(greet)
    other = factories.deployed(name="other", event_type="")
    ran(other)
    ran(other)

    page = text(developer_client.get(url(function="other")))

    assert "2 invocations, 0 failed (0 %)" in page
    assert "what needs attention first" not in page


@pytest.mark.parametrize(
    "query", [{"function": "nobody\0"}, {"window": "1y", "function": "nobody"}]
)
def test_what_is_not_there_falls_back_and_says_so(developer_client, greet, query):
    ran(greet)

    response = developer_client.get(url(**query))

    assert response.status_code == 200
    assert "There is no function" in text(response)
    assert "1 invocation, 0 failed (0 %)" in text(response)


def test_functions_that_need_attention_come_first(developer_client, greet):
    for name, outcome, ms in (
        ("slow", InvocationState.SUCCEEDED, 2_000),
        ("broken", InvocationState.CODING_FAILURE, 5),
        ("idle", InvocationState.SUCCEEDED, 5),
    ):
        ran(factories.deployed(name=name, event_type=""), outcome=outcome, duration_ms=ms)
    for _ in range(5):
        ran(greet)
    factories.InvocationFactory(started_at=timezone.now() - HOUR)

    page = developer_client.get(url()).content.decode()

    table = page[page.index("what needs attention first") :]
    found = re.findall(r">(broken|slow|greet|idle|A deleted function)<", table)
    assert found[:3] == ["broken", "slow", "greet"]
    assert sorted(found[3:]) == ["A deleted function", "idle"]


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(count, developer_client, account, django_assert_num_queries):
    for n in range(count):
        ran(factories.deployed(name=f"function_{n}", event_type=""))

    # Session, person, membership; function names; for the series, the window before and the
    # functions each: levels, invocations, commands; accounts of the switch, set-up.
    with django_assert_num_queries(15):
        response = developer_client.get(url())

    assert text(response).count("function_") >= count


def test_numbers_of_other_accounts_are_not_counted(developer_client, greet, outsider):
    ran(greet)
    factories.InvocationFactory(
        event__conversation__connection__account_id="other1",
        started_at=timezone.now() - HOUR,
    )

    assert "1 invocation, 0 failed (0 %)" in text(developer_client.get(url()))
