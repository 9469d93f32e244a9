"""The list of conversations: what a row says, what finds one, and how many there can be."""

import datetime as dt
import html
import importlib
import re
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from houston.models import Account
from invoker import dispatch, simulator
from invoker.models import Connection, Conversation, Event, EventState, Platform, Verdict
from invoker.simulator import acts
from tests import factories

ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}
NOW = timezone.now()


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


def text(response: Any) -> str:
    """What stands in the page, without its tags and with single spaces."""
    words = re.sub(r"<[^>]*>", " ", response.content.decode().partition('id="rows"')[2])
    return " ".join(html.unescape(words).split())


def state(**fields: Any) -> dict[str, Any]:
    """A stored state as the derivation leaves it."""
    return {
        "conv_id": "c",
        "state": "OPEN",
        "consumer_id": "consumer-7",
        "nicknames": {"consumer-7": "Sam", "agent-1": "Kim"},
        **fields,
    }


def listed(client: Client, **query: str) -> list[str]:
    """The ids of the conversations that the list shows, in its order."""
    page = client.get(url("conversations"), query).content.decode()
    return re.findall(r'<span class="mono sub" title="([^"]*)"', page)


@pytest.fixture
def simulated(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR, name="Simulator")


def test_row_says_who_has_it_and_what_came_last(developer_client: Client, account: Account) -> None:
    known = state(skill_id="200", at={"known": True, "assigned": ["agent-1"]},
                  ttr={"ttrType": "URGENT", "value": 120})  # fmt: skip
    conversation = factories.ConversationFactory(
        conv_id="c-1", state=known, active_at=timezone.now() - dt.timedelta(seconds=450),
        connection__name="Bridge",
    )  # fmt: skip
    for position, verdict in ((1, Verdict.DELIVERED), (2, Verdict.STALE)):
        factories.EventFactory(
            conversation=conversation, position=position, verdict=verdict, state=EventState.DONE,
            subtype="BACK_TO_QUEUE",
        )  # fmt: skip

    assert (
        "7 min ago Sam c-1 Bridge 200 Open urgent Kim 2 The conversation returns to the queue "
        "Too late"
    ) in text(developer_client.get(url("conversations")))


def test_row_of_a_closed_one_says_by_whom_and_one_that_is_new_that_nothing_is_known(
    developer_client: Client, account: Account
) -> None:
    closed = state(state="CLOSE", close_reason="CONSUMER")
    bridge = factories.ConnectionFactory(name="Bridge")
    factories.ConversationFactory(connection=bridge, conv_id="c-1", state=closed, closed=True)
    factories.ConversationFactory(connection=bridge, conv_id="c-2", consumer_id="visitor-9")

    shown = text(developer_client.get(url("conversations")))

    assert "Sam c-1 Bridge Closed closed by the consumer 0 none yet" in shown
    assert "visitor-9 c-2 Bridge Unknown yet 0 none yet" in shown


@pytest.mark.parametrize("count", [1, 3])
def test_list_asks_as_often_however_many_rows_there_are(
    developer_client: Client,
    simulated: Connection,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(count):
        conversation = simulator.start(ACCOUNT, acts.Start(), by="kim")
        factories.EventFactory.create_batch(2, conversation=conversation)
    developer_client.get(url("conversations"))

    with django_assert_num_queries(9):
        page = developer_client.get(url("conversations"))

    assert len(page.context["rows"]) == count


def test_what_was_active_last_comes_first_and_pages_do_not_shift(
    developer_client: Client, account: Account
) -> None:
    connection = factories.ConnectionFactory()
    for number in range(52):
        factories.ConversationFactory(
            connection=connection, conv_id=f"c-{number:02}",
            # Two at each moment, so that the moment alone does not tell.
            active_at=NOW - dt.timedelta(minutes=number // 2),
        )  # fmt: skip

    first = developer_client.get(url("conversations"))
    factories.ConversationFactory(connection=connection, conv_id="new")
    second = developer_client.get(first.context["older"])

    pages = [[row.conversation.conv_id for row in page.context["rows"]] for page in (first, second)]
    assert pages[0] == [f"c-{number ^ 1:02}" for number in range(50)]
    assert pages[1] == ["c-51", "c-50"]
    assert second.context["newest"] == f"{url('conversations')}?"
    assert developer_client.get(url("conversations"), {"before": "nonsense"}).status_code == 404


def test_filters_find_by_platform_state_id_and_consumer(
    developer_client: Client, simulated: Connection
) -> None:
    generic = factories.ConnectionFactory(name="Bridge")
    factories.ConversationFactory(
        connection=generic, conv_id="b-1", state=state(), consumer_id="consumer-7"
    )
    factories.ConversationFactory(
        connection=generic, conv_id="b-2", state=state(state="CLOSE"), closed=True
    )
    played = simulator.start(ACCOUNT, acts.Start(consumer='Jo "X" Ärmel'), by="kim").conv_id

    assert listed(developer_client, connection="simulated") == [played]
    assert sorted(listed(developer_client, connection=str(generic.pk))) == ["b-1", "b-2"]
    assert listed(developer_client, state="closed") == ["b-2"]
    assert sorted(listed(developer_client, state="open")) == ["b-1", played]
    assert listed(developer_client, state="open", connection=str(generic.pk)) == ["b-1"]
    assert listed(developer_client, q="b-2") == ["b-2"]
    assert listed(developer_client, q="consumer-7") == ["b-1"]
    assert listed(developer_client, q='jo "x') == [played]
    assert listed(developer_client, q="x") == []
    assert listed(developer_client, connection="nonsense") == []
    assert len(listed(developer_client, state="nonsense")) == 3


def test_nothing_of_another_account_is_found(
    outsider_client: Client, simulated: Connection
) -> None:
    other = factories.ConnectionFactory(account_id="other1", platform=Platform.SIMULATOR)
    mine = simulator.start(ACCOUNT, acts.Start(), by="kim")
    theirs = simulator.start("other1", acts.Start(), by="otto")

    page = reverse("functions:conversations", args=["other1"])
    found = [
        {row.conversation for row in outsider_client.get(page, query).context["rows"]}
        for query in ({}, {"connection": str(simulated.pk)}, {"q": mine.conv_id}, {"q": "Sam"})
    ]

    assert other.account_id == "other1"
    assert found == [{theirs}, set(), set(), {theirs}]


def test_list_answers_a_poll_only_when_something_changed(
    developer_client: Client, simulated: Connection
) -> None:
    conversation = simulator.start(ACCOUNT, acts.Start(), by="kim")
    seen = developer_client.get(url("conversations")).context["seen"]

    calm = developer_client.get(url("conversations"), {"seen": seen}, headers=HTMX)
    dispatch.drain(conversation.pk)
    changed = developer_client.get(url("conversations"), {"seen": seen}, headers=HTMX)

    assert (calm.status_code, changed.status_code) == (204, 200)
    assert changed.content.decode().lstrip().startswith('<div id="rows"')


def test_only_who_may_play_is_offered_to_start_one(
    developer_client: Client, admin_client: Client, account: Account
) -> None:
    start = url("conversation-start")
    offered = [start in text_of(developer_client)]
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    offered += [start in text_of(developer_client), start in text_of(admin_client)]

    assert offered == [False, True, False]


def text_of(client: Client) -> str:
    return client.get(url("conversations")).content.decode()


def test_last_activity_is_the_last_arrival_or_what_time_brought(
    developer_client: Client, simulated: Connection
) -> None:
    conversation = simulator.start(ACCOUNT, acts.Start(), by="kim")
    Conversation.objects.update(active_at=NOW - dt.timedelta(days=2))

    simulator.perform(conversation, acts.ConsumerSays(text="Anybody?"), by="kim")
    arrived = Conversation.objects.get().active_at
    dispatch.drain(conversation.pk)
    Conversation.objects.update(active_at=NOW - dt.timedelta(days=2))
    simulator.perform(conversation, acts.Wait(seconds=3600), by="kim")
    Conversation.objects.update(active_at=NOW - dt.timedelta(days=2))
    dispatch.drain(conversation.pk)
    brought = Conversation.objects.get().active_at
    simulator.perform(conversation, acts.Close(), by="kim")
    dispatch.drain(conversation.pk)

    assert arrived >= NOW
    assert brought >= NOW
    assert Event.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").exists()
    assert Conversation.objects.get().closed


def test_conversations_of_before_get_their_last_activity_and_their_end(account: Account) -> None:
    """What the migration makes of rows that were written before there were these columns."""
    quiet = factories.ConversationFactory(state=state())
    with_events = factories.ConversationFactory(
        state=state(dialogs={"d": {"type": "POST_SURVEY", "state": "CLOSE"}})
    )
    for position in (2, 1):
        factories.EventFactory(
            conversation=with_events, position=position,
            created_at=NOW - dt.timedelta(hours=5 - position),
        )  # fmt: skip
    ended = factories.ConversationFactory(state=state(state="CLOSE"))
    new = factories.ConversationFactory()
    Conversation.objects.update(created_at=NOW - dt.timedelta(days=1))

    importlib.import_module("invoker.migrations.0025_fill_conversations").fill(apps, None)

    found = {each.pk: each for each in Conversation.objects.all()}
    assert found[quiet.pk].active_at == NOW - dt.timedelta(days=1)
    assert found[with_events.pk].active_at == NOW - dt.timedelta(hours=3)
    assert [found[each.pk].closed for each in (quiet, with_events, ended, new)] == [
        False, False, True, False,
    ]  # fmt: skip
