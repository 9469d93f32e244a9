"""The list of functions: what it shows, in which order, and what a filter leaves of it."""

import datetime as dt
import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from houston.models import Account
from invoker import events, metrics
from invoker.models import Invocation, InvocationState
from tests import factories

NEW_CONVERSATION = events.NEW_CONVERSATION.id
HTMX = {"HX-Request": "true"}
LIST = reverse("functions:list", args=[factories.ACCOUNT_ID])


def text(response):
    return html.unescape(response.content.decode())


def names(response):
    return re.findall(r"<strong>(\w+)</strong></a>", text(response))


def ran(function, outcome=InvocationState.SUCCEEDED, *, ago=dt.timedelta(minutes=5), ms=12.5):
    run = factories.InvocationFactory(
        deployment=function.deployment, outcome=outcome, duration_ms=ms
    )
    Invocation.objects.filter(pk=run.pk).update(started_at=timezone.now() - ago)
    return run


def test_list_shows_state_last_invocation_and_error_share(developer_client, account):
    function = factories.deployed(name="greet", event_type=NEW_CONVERSATION)
    for outcome in (InvocationState.CODING_FAILURE, *[InvocationState.SUCCEEDED] * 3):
        last = ran(function, outcome)
    ran(function, InvocationState.TIMEOUT, ago=dt.timedelta(hours=25))

    page = text(developer_client.get(LIST))

    trace = reverse("functions:trace", args=[account.pk, last.event_id])
    assert 'data-state="Productive">Productive' in page
    assert f'<a href="{trace}"' in page
    assert 'data-state="SUCCEEDED">Succeeded' in page
    assert '<td class="number" data-label="24 h:">4</td>' in page
    assert "25.0 %" in page
    assert '<span class="small clip" title="kim">kim</span>' in page


def test_list_says_the_same_once_the_minutes_are_counted(developer_client, account):
    function = factories.deployed(name="greet")
    ran(function, InvocationState.CODING_FAILURE, ago=dt.timedelta(hours=3))
    ran(function, ago=dt.timedelta(minutes=2))
    before = names_and_numbers(developer_client.get(LIST))
    while metrics.roll_up():
        pass

    after = names_and_numbers(developer_client.get(LIST))

    assert before == after == ["2", "50.0 %", "12 ms"]


def names_and_numbers(response):
    cells = re.findall(r'<td class="number[^>]*>(.*?)</td>', text(response), re.DOTALL)
    return [re.sub(r"<[^>]*>", "", each).strip() for each in cells]


def test_list_cuts_a_long_name_in_the_middle_and_has_it_whole_for_those_who_point(
    developer_client, account
):
    factories.FunctionFactory(name="remind_and_close_idle_conversations_after_a_while")

    page = text(developer_client.get(LIST))

    assert "<strong>remind_and_clo…after_a_while</strong>" in page
    assert 'title="remind_and_close_idle_conversations_after_a_while: Says hello"' in page


def test_list_flags_a_p95_over_the_budget(developer_client, account):
    ran(factories.deployed(name="slow"), ms=1400)
    ran(factories.deployed(name="quick"), ms=900)

    page = text(developer_client.get(LIST, {"sort": "p95"}))

    slow, quick = page.index("<strong>slow"), page.index("<strong>quick")
    assert slow < page.index(", over the budget of 1.00 s") < quick
    assert page.count("over the budget") == 1


def test_invocation_without_an_event_has_no_trace_to_link_to(developer_client, account):
    run = ran(factories.deployed(name="called"))
    Invocation.objects.filter(pk=run.pk).update(event=None)

    page = text(developer_client.get(LIST))

    assert 'data-state="SUCCEEDED">Succeeded' in page
    assert "Trace of the last invocation" not in page


@pytest.mark.parametrize("count", [1, 3])
def test_list_query_count_does_not_grow(
    count, developer_client, account, django_assert_num_queries
):
    for _ in range(count):
        function = factories.deployed()
        ran(function)
        ran(function, ago=dt.timedelta(hours=5))
    while metrics.roll_up():
        pass

    # Session, person, membership; accounts of the switch, set-up; functions, their last runs;
    # how far is counted, what is counted, and two for the minutes that are not counted yet.
    with django_assert_num_queries(11):
        response = developer_client.get(LIST)

    assert response.content.count(b'<tr id="function-') == count


@pytest.mark.parametrize(
    ("wishes", "shown"),
    [
        ({"state": "Draft"}, ["other"]),
        ({"state": "Productive"}, ["greet"]),
        ({"q": "GREE"}, ["greet"]),
        ({"q": "new conv"}, ["greet"]),
        ({"q": "s-42"}, ["greet"]),
        ({"q": "nothing like it"}, []),
        ({"event": NEW_CONVERSATION}, ["greet"]),
        ({"event": "none"}, ["other"]),
        ({"event": "controllerbot_messaging_ttr"}, []),
        ({"event": "none", "state": "Productive"}, []),
        ({"state": "no such state"}, ["greet", "other"]),
        ({"event": "no such event"}, ["greet", "other"]),
        ({"q": "gre\0et"}, ["greet", "other"]),
    ],
)
def test_list_is_filtered_by_state_event_and_text(wishes, shown, developer_client, account):
    factories.deployed(name="greet", event_type=NEW_CONVERSATION, skills=["s-42"])
    factories.FunctionFactory(name="other")

    page = developer_client.get(LIST, wishes)
    fragment = developer_client.get(LIST, wishes, headers=HTMX)

    assert names(page) == names(fragment) == shown
    assert "<html" not in text(fragment)


@pytest.mark.parametrize(
    ("sort", "shown"),
    [
        ("", ["ann", "Bob", "cid"]),
        ("-name", ["cid", "Bob", "ann"]),
        ("runs", ["cid", "Bob", "ann"]),
        ("-runs", ["ann", "Bob", "cid"]),
        ("last", ["Bob", "cid", "ann"]),
        ("-last", ["cid", "Bob", "ann"]),
        ("errors", ["Bob", "cid", "ann"]),
        ("p95", ["cid", "Bob", "ann"]),
        ("-p95", ["Bob", "cid", "ann"]),
        ("changed", ["cid", "Bob", "ann"]),
        ("no such column", ["ann", "Bob", "cid"]),
    ],
)
def test_list_is_sorted_and_what_has_no_value_comes_last(sort, shown, developer_client, account):
    _, bob, cid = (factories.deployed(name=name) for name in ("ann", "Bob", "cid"))
    ran(bob, InvocationState.TIMEOUT, ago=dt.timedelta(minutes=1), ms=100)
    for _ in range(2):
        ran(cid, ago=dt.timedelta(minutes=9), ms=500)

    response = developer_client.get(LIST, {"sort": sort})

    assert names(response) == shown


def test_heading_sorts_turns_round_and_keeps_the_filter(developer_client, account):
    factories.FunctionFactory(name="greet")

    page = text(developer_client.get(LIST, {"q": "gr", "sort": "runs"}))

    links = dict(re.findall(r'id="sort-(\w+)" href="[^"]*\?([^"]*)"', page))
    assert links["runs"] == "q=gr&sort=-runs"
    assert links["name"] == "q=gr"
    assert page.count('aria-sort="descending"') == 1
    assert 'name="sort" value="runs" form="filter"' in page


def test_filter_offers_the_events_that_there_are_functions_of(developer_client, account):
    factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    page = text(developer_client.get(LIST))

    offered = re.search(r'<select name="event".*?</select>', page, re.DOTALL)[0]
    assert re.findall(r'value="(\w*)"', offered) == ["", NEW_CONVERSATION]


def test_list_without_functions_offers_three_templates_and_an_import(
    developer_client, admin_client, account
):
    mine = text(developer_client.get(LIST))
    theirs = text(admin_client.get(LIST))

    importing = reverse("functions:import", args=[account.pk])
    assert mine.count('class="choice"') == 3
    assert importing in mine
    assert 'class="choice"' not in theirs
    assert importing not in theirs
    assert "No functions yet" in theirs


def test_list_offers_to_export_what_the_filter_shows(admin_client, account):
    factories.FunctionFactory(name="greet")
    factories.FunctionFactory(name="other")

    page = text(admin_client.get(LIST, {"q": "gre"}))

    exporting = reverse("functions:export", args=[account.pk])
    assert f'href="{exporting}?q=gre" download' in page
    assert f'href="{exporting}?name=greet" download' in page
    assert "1 of 2 functions" in page


def test_page_says_what_is_missing_while_the_account_is_not_set_up(developer_client, account):
    Account.objects.create(id="fresh1", name="Fresh")
    factories.MembershipFactory(
        user_id=developer_client.session["_auth_user_id"], account_id="fresh1"
    )

    ready = text(developer_client.get(LIST))
    fresh = text(developer_client.get(reverse("functions:list", args=["fresh1"])))

    assert "This account is not ready" not in ready
    assert "This account is not ready" in fresh


def test_menu_of_a_row_leads_to_every_page_of_its_function(developer_client, account):
    factories.deployed(name="greet")
    factories.FunctionFactory(name="draft")

    page = text(developer_client.get(LIST))

    its = [("greet", each) for each in ("edit", "deploy", "versions", "deployments", "undeploy")]
    for name, target in [*its, ("draft", "delete")]:
        address = reverse(f"functions:{target}", args=[account.pk, name])
        assert f'href="{address}"' in page
    for target in ("activity", "logs", "metrics"):
        address = reverse(f"functions:{target}", args=[account.pk])
        assert f'href="{address}?function=greet"' in page
