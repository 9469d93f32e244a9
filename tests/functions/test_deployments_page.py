"""The deployments of a whole account on one page."""

import datetime as dt
import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from functions.models import LONGEST_BUILD, Stage
from tests import factories

HTMX = {"HX-Request": "true"}


def url():
    return reverse("functions:all-deployments", args=[factories.ACCOUNT_ID])


def text(response):
    return html.unescape(response.content.decode())


def listed(response):
    """Function, version and state of each row."""
    rows = re.findall(r"<tr>\s*<td>(.*?)</tr>", text(response), re.DOTALL)
    words = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).split() for row in rows]
    return [
        (row[0], row[row.index("Version") + 1], "Serving" if "Serving" in row else "Retired")
        for row in words
    ]


def retired(function, version, **fields):
    return factories.DeploymentFactory(
        function_id=function.pk,
        function_name=function.name,
        version=version,
        active=False,
        retired_at=timezone.now(),
        **fields,
    )


def test_page_says_what_will_be_here_when_nothing_was_deployed(developer_client, account):
    assert "Nothing was deployed yet" in text(developer_client.get(url()))


def test_rows_are_of_all_functions_the_newest_first(developer_client, account, outsider):
    greet = factories.deployed(name="greet")
    retired(greet, 1)
    gone = factories.DeploymentFactory(function_name="gone", version=4, active=False)
    factories.deployed(name="theirs", account_id="other1")

    response = developer_client.get(url())

    assert listed(response) == [
        ("gone", "4", "Retired"),
        ("greet", "1", "Retired"),
        ("greet", "1", "Serving"),
    ]
    assert "deleted" in text(response)
    assert str(gone.pk) not in text(response)
    assert text(response).count("Roll back…") == 1


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({"function": "greet"}, ["greet", "greet"]),
        ({"serving": "on"}, ["close", "greet"]),
        ({"function": "greet", "serving": "on"}, ["greet"]),
        ({"function": "nobody"}, []),
        ({"function": "a\0b"}, ["close", "greet", "greet"]),
    ],
)
def test_rows_are_filtered(wishes, found, developer_client, account):
    retired(factories.deployed(name="greet"), 1)
    factories.deployed(name="close")

    response = developer_client.get(url(), wishes)

    assert sorted(name for name, _, _ in listed(response)) == found
    assert ("Nothing matches" in text(response)) == (not found)


def test_failed_deployment_says_the_line_and_what_serves(developer_client, account):
    problem = {"message": "Missing )", "line": 3, "column": 7, "severity": "error"}
    factories.deployed(
        name="greet", stage=Stage.BUILD_ERROR, stage_at=timezone.now(), problems=[problem]
    )

    page = text(developer_client.get(url()))

    assert "could not be deployed" in page
    assert "What served before goes on" in page
    assert f"{reverse('functions:edit', args=[factories.ACCOUNT_ID, 'greet'])}#line-3:7" in page


@pytest.mark.parametrize(
    ("age", "goes_on"), [(dt.timedelta(seconds=5), True), (LONGEST_BUILD, False)]
)
def test_page_asks_again_while_a_deployment_goes_on(age, goes_on, developer_client, account):
    factories.FunctionFactory(name="greet", stage=Stage.DEPLOYING, stage_at=timezone.now() - age)

    response = developer_client.get(url(), headers=HTMX)

    assert ("is being deployed" in text(response)) == goes_on
    assert ("hx-trigger" in text(response)) == goes_on
    assert "<h1" not in text(response)


def test_pages_follow_each_other(developer_client, account):
    greet = factories.deployed(name="greet")
    for number in range(30):
        retired(greet, number)

    first = developer_client.get(url())
    older = re.search(r'href="([^"]+)" rel="next"', text(first)).group(1)
    second = developer_client.get(older)

    assert (len(listed(first)), len(listed(second))) == (25, 6)
    assert developer_client.get(url(), {"before": "nonsense"}).status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_query_count_does_not_grow(count, developer_client, account, django_assert_num_queries):
    for number in range(count):
        factories.deployed(name=f"greet_{number}")

    # Session, person, membership; accounts of the switch, set-up; functions, deployments.
    with django_assert_num_queries(7):
        response = developer_client.get(url())

    assert len(listed(response)) == count
