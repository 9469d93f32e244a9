"""One conversation: what is told of it, and playing one of the simulator from both sides."""

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from houston.models import Account
from invoker import dispatch, simulator
from invoker.models import (
    AutomaticMessage,
    CommandState,
    Connection,
    Conversation,
    EventState,
    InvocationState,
    NotificationState,
    Platform,
    Simulation,
    Verdict,
)
from invoker.simulator import acts
from tests import factories

ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}
NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
TYPED = {"consumer": "Sam", "first_time": "yes", "text": "Hello", "language": "en-US"}


def url(name: str, *args: object) -> str:
    return reverse(f"functions:{name}", args=[ACCOUNT, *args])


def words(page: str) -> str:
    """What stands in a piece of a page, without its tags and with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def piece(response: Any, id_: str) -> str:
    """The words of one part of the page, up to the next part."""
    _, _, rest = response.content.decode().partition(f'id="{id_}"')
    return words(
        re.split(r"<(?:section|form class=\"composer\"|nav|input type=\"hidden\" id)", rest)[0]
    )


@pytest.fixture
def simulated(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.SIMULATOR, name="Simulator")


@pytest.fixture
def talk(simulated: Connection) -> Conversation:
    """Sam has said hello, and everything that comes of it has happened."""
    conversation = simulator.start(ACCOUNT, acts.Start(skill="100"), by="kim", starts_at=NOON)
    dispatch.drain(conversation.pk)
    return conversation


def play(conversation: Conversation, *done: acts.Act) -> None:
    for act in done:
        simulator.perform(conversation, act, by="kim")
        dispatch.drain(conversation.pk)


def scene_of(conversation: Conversation) -> dict[str, Any]:
    return Simulation.objects.get(pk=conversation.pk).scene


# Any platform's -----------------------------------------------------------------------------------


def test_page_of_a_real_one_says_how_it_stands_and_what_comes_next(
    developer_client: Client, account: Account
) -> None:
    now_ms = int(timezone.now().timestamp() * 1000)
    minute = 60_000
    known = {
        "conv_id": "c-1", "state": "OPEN", "skill_id": "200", "consumer_id": "consumer-7",
        "participants": [{"id": "consumer-7", "role": "CONSUMER"},
                         {"id": "agent-1", "role": "ASSIGNED_AGENT"}],
        "suggested": [{"id": "agent-2", "role": "ASSIGNED_AGENT"}],
        "nicknames": {"consumer-7": "Sam", "agent-1": "Kim"},
        "at": {"known": True, "skill_id": "200", "assigned": ["agent-1"],
               "assigned_since": now_ms - 3 * minute},
        "effective_ttr": now_ms + 5 * minute, "language": "de-DE", "opened_in_off_hours": True,
        "last_msg_role": "CONSUMER", "last_msg_ts": now_ms - 2 * minute,
        "last_consumer_ts": now_ms - 2 * minute, "unanswered": [now_ms - 2 * minute],
        "start_ts": now_ms - 9 * minute, "first_conversation": True,
        "campaign": {"id": "77", "engagementId": "88"},
    }  # fmt: skip
    conversation = factories.ConversationFactory(
        conv_id="c-1", state=known, connection__listening_since=NOON
    )

    page = developer_client.get(url("conversation", conversation.pk))

    told = piece(page, "state")
    assert "Who has it Kim Skill 200 People Sam Consumer Kim Agent, assigned agent-2" in told
    assert "Answer due" in told
    assert "Last line The consumer" in told
    assert "Office Open" in told
    # The usual 10 minutes, two of which are over.
    assert re.search("Agent silent in (8|7) min", told)
    assert "Language de-DE Came by campaign 77, engagement 88" in told
    assert "first conversation in off-hours" in told
    assert 'id="consumer"' not in page.content.decode()


def test_page_says_who_closed_it_and_that_nothing_is_known(
    developer_client: Client, account: Account
) -> None:
    closed = {"conv_id": "c", "state": "CLOSE", "close_reason": "AGENT", "end_ts": 1_000_000}
    ended = factories.ConversationFactory(state=closed, closed=True)
    new = factories.ConversationFactory()
    unlikely = factories.ConversationFactory(
        state={"conv_id": "c", "state": "OPEN", "start_ts": 10**18, "effective_ttr": 10**18}
    )

    pages = [developer_client.get(url("conversation", one.pk)) for one in (ended, new, unlikely)]

    assert "Closed by the agent 1 Jan 1970, 00:16:40" in piece(pages[0], "state")
    assert "Nothing is known of it yet" in piece(pages[1], "state")
    assert "Answer due nothing waits for one" in piece(pages[2], "state")


def test_events_say_what_came_of_them_and_why_nothing_was_said(
    developer_client: Client, account: Account
) -> None:
    conversation = factories.ConversationFactory(conv_id="c-1")
    late = factories.EventFactory(
        conversation=conversation, position=1, state=EventState.DONE, verdict=Verdict.STALE
    )
    run = factories.InvocationFactory(
        event=late, duration_ms=1_240.0, deployment__function_name="greet"
    )
    factories.CommandFactory(
        event=late, invocation=run, position=0, fields={"text": "Hello"}, state=CommandState.STALE,
        detail="An agent has written meanwhile",
    )  # fmt: skip
    factories.CommandFactory(
        event=late, invocation=run, position=1, fields={"text": "Again"},
        state=CommandState.DROPPED, reason="not-first", detail="Only the first one counts",
    )  # fmt: skip
    factories.EventFactory(
        conversation=conversation, position=2, state=EventState.DONE, verdict=Verdict.LOOP,
        detail="It was going in circles", subtype="BACK_TO_QUEUE",
    )  # fmt: skip
    failed = factories.EventFactory(conversation=conversation, position=3)
    factories.InvocationFactory(
        event=failed, outcome=InvocationState.TIMEOUT, deployment__function_name="slow"
    )

    page = developer_client.get(url("conversation", conversation.pk))

    told = piece(page, "events")
    assert re.findall("Events 3|slow v1|It was going in circles|greet v1, 1.24 s", told) == [
        "Events 3", "slow v1", "It was going in circles", "greet v1, 1.24 s",
    ]  # fmt: skip
    assert "Timed out" in told
    assert "Hello Too late An agent has written meanwhile" in told
    assert "Again Dropped. Only the first one counts" in told
    assert url("trace", late.pk) in page.content.decode()


def test_only_the_latest_events_are_shown_with_the_way_to_all(
    developer_client: Client, account: Account
) -> None:
    conversation = factories.ConversationFactory(conv_id="c-1")
    factories.EventFactory.create_batch(51, conversation=conversation)

    page = developer_client.get(url("conversation", conversation.pk))

    assert len(page.context["happened"].events) == 50
    assert f"{url('activity')}?conversation=c-1" in page.content.decode()
    assert "All 51 in Activity" in piece(page, "events")


def test_notifications_that_wait_long_or_cannot_be_read_are_told_of(
    developer_client: Client, account: Account
) -> None:
    conversation = factories.ConversationFactory()
    factories.NotificationFactory(conversation=conversation)
    just_now = piece(developer_client.get(url("conversation", conversation.pk)), "events")
    since = timezone.now() - dt.timedelta(seconds=30)
    factories.NotificationFactory(conversation=conversation, received_at=since)
    factories.NotificationFactory(conversation=conversation, state=NotificationState.FAILED)

    later = piece(developer_client.get(url("conversation", conversation.pk)), "events")

    assert "Nothing has happened yet" in just_now
    assert "wait" not in just_now
    assert "2 notifications wait since 30 s ago" in later
    assert "1 notification could not be read: see why" in later


@pytest.mark.parametrize("count", [1, 3])
def test_page_asks_as_often_however_much_happened(
    developer_client: Client,
    talk: Conversation,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        play(talk, acts.ConsumerSays(text=f"Line {number}"), acts.Urgent(on=number % 2 == 0))
    developer_client.get(url("conversation", talk.pk))

    with django_assert_num_queries(17):
        developer_client.get(url("conversation", talk.pk))


def test_page_answers_a_poll_only_when_something_changed(
    developer_client: Client,
    talk: Conversation,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    here = url("conversation", talk.pk)
    seen = developer_client.get(here).context["seen"]

    with django_assert_num_queries(4):
        calm = developer_client.get(here, {"seen": seen}, headers=HTMX)
    simulator.perform(talk, acts.ConsumerSays(text="Anybody?"), by="kim")
    arrived = developer_client.get(here, {"seen": seen}, headers=HTMX)
    dispatch.drain(talk.pk)
    handled = developer_client.get(here, {"seen": arrived.context["seen"]}, headers=HTMX)
    after = developer_client.get(here, {"seen": handled.context["seen"]}, headers=HTMX)

    assert (calm.status_code, calm.content) == (204, b"")
    assert (arrived.status_code, arrived.context["busy"]) == (200, True)
    assert (handled.status_code, handled.context["busy"]) == (200, False)
    assert after.status_code == 204
    assert "<html" not in arrived.content.decode()


# Playing ------------------------------------------------------------------------------------------


def test_event_without_sub_type_goes_by_the_name_of_its_type(
    developer_client: Client, simulated: Connection
) -> None:
    conversation = factories.ConversationFactory(connection=simulated)
    event = factories.EventFactory(
        conversation=conversation, type="surveybot_messaging_survey_started", subtype=""
    )

    row = developer_client.get(url("conversations")).content.decode()
    told = developer_client.get(url("conversation", conversation.pk)).content.decode()

    assert 'title="Messaging Survey Started"' in row
    assert f'href="{url("trace", event.pk)}">Messaging Survey Started</a>' in told


def test_trace_leads_back_to_its_conversation(
    developer_client: Client, simulated: Connection
) -> None:
    event = factories.EventFactory(conversation__connection=simulated)

    shown = developer_client.get(url("trace", event.pk)).content.decode()

    assert f'href="{url("conversation", event.conversation_id)}"' in shown


def test_conversation_is_started_and_played_by_forms_alone(
    developer_client: Client, simulated: Connection
) -> None:
    started = developer_client.post(url("conversation-start"), TYPED)
    conversation = Conversation.objects.get()
    acted = developer_client.post(
        url("conversation-act", conversation.pk),
        {"side": "consumer", "act": "consumer_says", "text": "Two\r\nlines "},
    )

    assert started.headers["Location"] == url("conversation", conversation.pk)
    assert acted.headers["Location"] == f"{url('conversation', conversation.pk)}#consumer"
    lines = conversation.simulation.lines.order_by("number")
    assert [line.text for line in lines] == ["Hello", "Two\nlines"]
    done = conversation.simulation.acts.order_by("number").values_list("made_by", "act")
    assert list(done)[1] == ("dana", {"act": "consumer_says", "text": "Two\nlines"})


KIM, LEE = acts.Assign(agent="Kim"), acts.Suggest(agent="Lee")
# What was done before, what is sent, the remark or line it leads to, the side that stays chosen.
ACTS: dict[str, tuple[tuple[acts.Act, ...], dict[str, str], str]] = {
    "consumer_says": ((), {"text": "Hi"}, "Hi"),
    "agent_says": ((KIM,), {"text": "Hi"}, "Hi"),
    "private": ((KIM,), {"act": "agent_says", "text": "Psst", "private": "on"}, "Psst"),
    "as_another": (
        (KIM, acts.Join(who="Pat")), {"act": "agent_says", "agent": "Pat", "text": "Hi"}, "Hi",
    ),
    "assign": ((), {"agent": "Lee"}, "Lee took the conversation"),
    "suggest": ((), {"agent": "Lee"}, "The conversation was offered to Lee"),
    "accept": ((LEE,), {"act": "assign", "agent": "Lee"}, "Lee took the conversation"),
    "decline": ((LEE,), {"act": "leave", "who": "Lee"}, "Lee left"),
    "join": ((), {"who": "Pat", "role": "manager"}, "Pat joined as manager"),
    "consumer_joins": (
        (), {"act": "join", "who": "Alex", "role": "consumer"}, "Alex joined as consumer",
    ),
    "leave": ((acts.Join(who="Pat"),), {"who": "Pat"}, "Pat left"),
    "back_to_queue": ((KIM,), {}, "Kim gave the conversation back to the queue"),
    "urgent": ((), {"on": "on"}, "Marked as urgent"),
    "calm": ((acts.Urgent(),), {"act": "urgent", "on": ""}, "Marked as no longer urgent"),
    "response_time": ((), {"minutes": "30"}, "Response time set to 30 min"),
    "transfer": ((), {"skill": "200"}, "Transferred to skill 200"),
    "sign_in": ((), {}, "Sam signed in"),
    "close": ((), {"by": "consumer"}, "Closed by the consumer"),
    "system_closes": ((), {"act": "close", "by": "system"}, "Closed by the system"),
    "survey": (
        (), {"act": "close", "by": "agent", "survey": "on"},
        "Closed by the agent, the survey begins",
    ),
    "end_survey": ((acts.Close(survey=True),), {}, "The survey ended"),
    "office": ((), {"state": "closed"}, "The office closed"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
def test_everything_can_be_done_by_a_form(
    developer_client: Client, talk: Conversation, name: str
) -> None:
    before, fields, remark = ACTS[name]
    play(talk, *before)

    answer = developer_client.post(
        url("conversation-act", talk.pk), {"act": name, "side": "agent", **fields}
    )

    assert answer.headers["Location"] == f"{url('conversation', talk.pk)}#agent"
    last = talk.simulation.lines.latest("number")
    assert last.text == remark
    assert last.private == (name == "private")
    assert last.author == {"as_another": "Pat"}.get(name, last.author)


def test_every_act_of_the_simulator_is_offered_on_the_page(
    developer_client: Client, talk: Conversation
) -> None:
    # With everything that somebody has to be there for.
    play(talk, KIM, LEE, acts.Join(who="Pat"))
    page = developer_client.get(url("conversation", talk.pk)).content.decode()
    play(talk, acts.Close(survey=True))
    page += developer_client.get(url("conversation", talk.pk)).content.decode()

    offered = set(re.findall(r'name="act" value="([a-z_]+)"', page))

    assert offered == set(acts.ACTS) - {"start"}


def test_what_makes_no_sense_now_is_not_enabled_and_says_why(
    developer_client: Client, talk: Conversation
) -> None:
    def refused(label: str) -> str:
        page = developer_client.get(url("conversation", talk.pk)).content.decode()
        found = re.search(rf'<button type="submit"([^>]*)>{label}', page)
        assert found, label
        why = re.search('aria-disabled="true" title="([^"]*)"', found[1])
        return why[1] if why else ""

    assert refused("Urgent") == ""
    assert "nobody is there" in refused_send(developer_client, talk)
    play(talk, KIM)
    assert refused_send(developer_client, talk) == ""
    assert refused("To queue") == ""
    Simulation.objects.update(goes_to_ms=int(NOON.timestamp() * 1000) + 999_999_999)
    assert refused("To queue") == "Time is passing: this waits until it has"
    assert "time is passing" in refused_send(developer_client, talk).lower()


def refused_send(client: Client, talk: Conversation) -> str:
    """Why the agent cannot write, empty where that is possible."""
    page = client.get(url("conversation", talk.pk)).content.decode()
    rest = page.partition('id="agent-send"')[2]
    found = re.search(r'<button type="submit"[^>]*?(?:title="([^"]*)")?>Send', rest)
    assert found
    return found[1] or ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"act": "agent_says", "text": "Hi"}, "no agent is assigned, assign one first"),
        ({"act": "consumer_says", "text": " \r\n "}, "Cannot send it: the line is empty"),
        ({"act": "assign", "agent": ""}, "Cannot do this: the agent has no name"),
        ({"act": "assign", "agent": "a\x00b"}, "Null characters are not allowed"),
        ({"act": "assign", "agent": "x" * 41}, "at most 40 characters"),
        ({"act": "transfer", "skill": "a b"}, "skill must be an id without spaces"),
        ({"act": "transfer", "skill": ""}, "Cannot transfer it: the skill is empty"),
        ({"act": "join", "who": "Pat", "role": "king"}, "Cannot read join"),
        ({"act": "response_time", "minutes": "soon"}, "Enter a whole number"),
        ({"act": "response_time", "minutes": "99999"}, "Cannot read response_time"),
        ({"act": "response_time"}, "Cannot set it: it takes a number of minutes"),
        ({"act": "wait", "seconds": "0"}, "greater than or equal to 1"),
        ({"act": "wait"}, "Cannot let time pass: it takes a number of minutes"),
        ({"act": "wait", "to": "AGENT_NON_RESPONSIVE"}, "nothing of the kind is due any more"),
        ({"act": "wait", "to": "office"}, "nothing of the kind is due any more"),
        ({"act": "office", "state": "account"}, "it is so already"),
        ({"act": "end_survey"}, "Cannot end the survey: none is running"),
        ({"act": "dance"}, 'Cannot do "dance": nobody knows such an act'),
        ({"act": "start", "text": "Hello"}, "nobody knows such an act"),
        ({}, "This field is required"),
    ],
)
def test_act_that_cannot_be_done_changes_nothing_and_says_why(
    developer_client: Client, talk: Conversation, fields: dict[str, str], why: str
) -> None:
    before = Simulation.objects.values().get()

    answer = developer_client.post(url("conversation-act", talk.pk), {**fields, "side": "agent"})

    assert answer.status_code == 422
    assert why in piece(answer, "agent-error")
    assert Simulation.objects.values().get() == before


def test_error_keeps_what_was_typed_without_javascript(
    developer_client: Client, talk: Conversation
) -> None:
    play(talk, KIM, acts.Join(who="Pat"))
    sent = {"act": "agent_says", "agent": "Nobody", "text": "<b> & so", "private": "on"}

    answer = developer_client.post(
        url("conversation-act", talk.pk), {**sent, "side": "agent"}
    ).content.decode()

    assert "&lt;b&gt; &amp; so</textarea>" in answer
    assert 'id="agent-private" checked' in answer


def test_answer_to_a_script_is_the_pieces_that_changed(
    developer_client: Client, talk: Conversation
) -> None:
    address = url("conversation-act", talk.pk)

    done = developer_client.post(address, {"act": "assign", "side": "agent"}, headers=HTMX)
    again = developer_client.post(
        address, {"act": "assign", "agent": "Kim", "side": "agent"}, headers=HTMX
    )

    pieces = {"seen", "talk-state", "clock", "platform-error", "consumer-head", "consumer-lines",
              "consumer-error", "consumer-send", "agent-head", "agent-lines", "agent-error",
              "agent-send", "events", "state"}  # fmt: skip
    for answer, status in ((done, 200), (again, 422)):
        assert answer.status_code == status
        found = re.findall(r'id="([a-z-]+)"[^>]*hx-swap-oob', answer.content.decode())
        assert set(found) == pieces
        assert "<html" not in answer.content.decode()
    assert "Kim assigned" in piece(again, "agent-head")


def test_another_platforms_conversation_cannot_be_played(
    developer_client: Client, account: Account
) -> None:
    conversation = factories.ConversationFactory()

    answer = developer_client.post(
        url("conversation-act", conversation.pk), {"act": "consumer_says", "text": "Hi"}
    )

    assert answer.status_code == 422


def test_two_people_see_what_the_other_did(
    developer_client: Client, team_client: Client, talk: Conversation
) -> None:
    here = url("conversation", talk.pk)
    seen = team_client.get(here).context["seen"]

    developer_client.post(
        url("conversation-act", talk.pk), {"act": "consumer_says", "text": "From Dana"}
    )
    shown = team_client.get(here, {"seen": seen}, headers=HTMX)

    assert "From Dana" in piece(shown, "agent-lines")


def test_lines_of_the_bot_lead_to_their_trace_and_say_when_they_are_automatic(
    developer_client: Client, talk: Conversation
) -> None:
    event = talk.events.get()

    page = developer_client.get(url("conversation", talk.pk))

    bot = page.context["play"].lines[1]
    assert (bot.kind, bot.automatic, bot.trace) == ("bot", True, event.pk)
    assert "Controller bot automatic 12:00 trace" in piece(page, "consumer-lines")


def test_private_lines_are_for_the_agent_alone(
    developer_client: Client, talk: Conversation
) -> None:
    play(talk, KIM, acts.AgentSays(text="Psst", private=True))

    page = developer_client.get(url("conversation", talk.pk))

    assert "Psst" not in piece(page, "consumer-lines")
    assert "Kim private 12:00 Psst" in piece(page, "agent-lines")


# The clock ----------------------------------------------------------------------------------------


def test_time_goes_on_to_what_is_due_next(developer_client: Client, talk: Conversation) -> None:
    AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(timer_s=540)
    page = developer_client.get(url("conversation", talk.pk))

    developer_client.post(
        url("conversation-act", talk.pk), {"act": "wait", "to": "CONV_AWAITING_IN_QUEUE"}
    )
    dispatch.drain(talk.pk)

    assert "Next Waiting in the queue in 8 min" in piece(page, "clock") or (
        "Next Waiting in the queue in 9 min" in piece(page, "clock")
    )
    idle = talk.events.get(subtype="CONV_AWAITING_IN_QUEUE")
    assert abs(idle.occurred_at - NOON - dt.timedelta(minutes=9)) < dt.timedelta(seconds=5)
    now = Conversation.objects.select_related("connection", "simulation").get().now()
    assert now - idle.occurred_at < dt.timedelta(seconds=30)


@pytest.mark.parametrize(
    ("fields", "passed_s"), [({"seconds": "3600"}, 3600), ({"minutes": "90"}, 5400)]
)
def test_time_is_let_pass_and_shown(
    developer_client: Client, talk: Conversation, fields: dict[str, str], passed_s: int
) -> None:
    talk.simulation.refresh_from_db()
    before_ms = talk.simulation.ahead_ms
    developer_client.post(url("conversation-act", talk.pk), {"act": "wait", **fields})
    passing = developer_client.get(url("conversation", talk.pk))

    dispatch.drain(talk.pk)

    assert "Time is passing until 1 Jun, 13:" in piece(passing, "clock")
    assert passing.context["busy"]
    after_ms = Simulation.objects.get().ahead_ms
    assert abs(after_ms - before_ms - passed_s * 1000) < 60_000


def test_clock_says_how_far_it_is_ahead_and_lines_how_long_nothing_happened(
    developer_client: Client, simulated: Connection
) -> None:
    talk = simulator.start(ACCOUNT, acts.Start(), by="kim")
    dispatch.drain(talk.pk)
    as_ours = piece(developer_client.get(url("conversation", talk.pk)), "clock")
    play(talk, acts.Wait(seconds=7200), acts.ConsumerSays(text="Still there?"))

    page = developer_client.get(url("conversation", talk.pk))

    assert "ahead" not in as_ours
    assert re.search("2 h( 1 s)? ahead|1 h 59 min ahead", piece(page, "clock"))
    assert "later" in piece(page, "consumer-lines")


def test_office_of_one_conversation_is_closed_for_it_alone(
    developer_client: Client, talk: Conversation
) -> None:
    other = simulator.start(ACCOUNT, acts.Start(consumer="Jo"), by="kim")
    dispatch.drain(other.pk)

    developer_client.post(url("conversation-act", talk.pk), {"act": "office", "state": "closed"})

    assert "Office Closed" in piece(developer_client.get(url("conversation", talk.pk)), "state")
    assert "Office Open" in piece(developer_client.get(url("conversation", other.pk)), "state")


# Starting -----------------------------------------------------------------------------------------


def test_start_takes_everything_that_can_be_said(
    developer_client: Client, simulated: Connection
) -> None:
    developer_client.post(
        url("conversation-start"),
        {
            "consumer": "Jo", "first_time": "no", "authenticated": "on", "text": "Moin",
            "language": "de-DE", "skill": "200", "campaign": "7", "engagement": "8",
            "starts_at": "2026-06-01T12:00",
        },
    )  # fmt: skip

    found = scene_of(Conversation.objects.get())
    assert {key: found.get(key) for key in
            ("skill_id", "language", "campaign_id", "engagement_id", "authenticated")} == {
        "skill_id": "200", "language": "de-DE", "campaign_id": "7", "engagement_id": "8",
        "authenticated": True,
    }  # fmt: skip
    assert found["people"] == [
        {"id": "consumer-jo", "name": "Jo", "role": "CONSUMER", "suggested": False}
    ]
    assert abs(found["start_ms"] / 1000 - NOON.timestamp()) < 60


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"consumer": ""}, "Cannot start: the consumer has no name"),
        ({"text": " "}, "Cannot start: the consumer says nothing"),
        ({"language": "?"}, "language must be a language such as en-US"),
        ({"skill": "a b"}, "skill must be an id without spaces"),
        ({"starts_at": "soon"}, "Cannot read it: write a date and a time, as in 2026-03-10 14:30"),
        ({"starts_at": "2300-01-01T00:00"}, "clocks go from 1970 to 2099"),
        ({"first_time": "maybe"}, "Select a valid choice"),
    ],
)
def test_start_that_cannot_be_says_why_and_makes_nothing(
    developer_client: Client, simulated: Connection, changes: dict[str, str], why: str
) -> None:
    page = developer_client.post(url("conversation-start"), TYPED | changes)
    dialog = developer_client.post(url("conversation-start"), TYPED | changes, headers=HTMX)

    for answer in (page, dialog):
        assert answer.status_code == 422
        assert why in words(answer.content.decode())
    assert dialog.content.decode().lstrip().startswith("<dialog")
    assert not Conversation.objects.exists()


def test_start_without_a_simulator_says_who_adds_one(
    developer_client: Client, account: Account
) -> None:
    page = developer_client.get(url("conversation-start"))
    sent = developer_client.post(url("conversation-start"), TYPED)

    assert "No simulator is switched on" in words(page.content.decode())
    assert sent.status_code == 422


def test_dialog_leads_to_the_conversation_by_a_script(
    developer_client: Client, simulated: Connection
) -> None:
    dialog = developer_client.get(url("conversation-start"), headers=HTMX).content.decode()
    answer = developer_client.post(url("conversation-start"), TYPED, headers=HTMX)

    assert dialog.lstrip().startswith("<dialog")
    assert answer.headers["HX-Redirect"] == url("conversation", Conversation.objects.get().pk)


def test_known_skills_are_offered(developer_client: Client, simulated: Connection) -> None:
    factories.deployed(
        name="greet", event_type="controllerbot_messaging_new_conversation", skills=["sales"]
    )

    page = developer_client.get(url("conversation-start")).content.decode()

    assert '<option value="sales">' in page


def test_play_again_begins_the_same_way_and_at_the_same_time(
    developer_client: Client, simulated: Connection
) -> None:
    act = acts.Start(consumer="Jo", authenticated=True, text="Moin", skill="200")
    first = simulator.start(ACCOUNT, act, by="kim", starts_at=NOON)

    answer = developer_client.post(url("conversation-start"), {"again": first.pk})

    second = Conversation.objects.exclude(pk=first.pk).get()
    assert answer.headers["Location"] == url("conversation", second.pk)
    begun = second.simulation.acts.get()
    assert begun.act == first.simulation.acts.get().act
    assert abs(begun.at_ms / 1000 - NOON.timestamp()) < 1


def test_play_again_begins_now_where_the_first_one_did(
    developer_client: Client, simulated: Connection
) -> None:
    first = simulator.start(ACCOUNT, acts.Start(), by="kim")

    developer_client.post(url("conversation-start"), {"again": first.pk})

    second = Conversation.objects.exclude(pk=first.pk).get()
    assert second.simulation.ahead_ms == 0


def test_form_of_another_one_is_filled_in_like_the_first(
    developer_client: Client, simulated: Connection
) -> None:
    act = acts.Start(consumer="Jo", text="Moin", skill="200", first_time=True)
    first = simulator.start(ACCOUNT, act, by="kim", starts_at=NOON)

    like = developer_client.get(url("conversation-start"), {"like": first.pk}).context["form"]
    back = developer_client.get(
        url("conversation-start"), {"like": first.pk, "back": "on"}
    ).context["form"]

    names = ("consumer", "text", "skill", "first_time", "authenticated")
    assert [like[name].value() for name in names] == ["Jo", "Moin", "200", "yes", False]
    assert [back[name].value() for name in names] == ["Jo", "Moin", "200", "no", True]
    assert "2026-06-01T12:00" in str(like["starts_at"])
    assert "2026" not in str(back["starts_at"])


# Who may ------------------------------------------------------------------------------------------


def test_without_the_role_the_page_is_for_reading(admin_client: Client, talk: Conversation) -> None:
    page = admin_client.get(url("conversation", talk.pk))
    acted = admin_client.post(url("conversation-act", talk.pk), {"act": "sign_in"})
    started = admin_client.post(url("conversation-start"), TYPED)

    shown = page.content.decode()
    assert "you need the role developer: ask ada" in words(shown)
    assert "Hello" in piece(page, "consumer-lines")
    assert url("conversation-act", talk.pk) not in shown
    assert url("conversation-start") not in shown
    assert (acted.status_code, started.status_code) == (403, 403)
    assert not scene_of(talk).get("authenticated")


def test_nothing_of_another_accounts_conversation_is_there(
    outsider_client: Client, talk: Conversation
) -> None:
    factories.ConnectionFactory(account_id="other1", platform=Platform.SIMULATOR)
    start = reverse("functions:conversation-start", args=["other1"])

    answers = [
        outsider_client.get(reverse("functions:conversation", args=["other1", talk.pk])),
        outsider_client.post(
            reverse("functions:conversation-act", args=["other1", talk.pk]), {"act": "sign_in"}
        ),
        outsider_client.post(start, {"again": talk.pk}),
        outsider_client.get(start, {"like": talk.pk}),
        outsider_client.get(start, {"like": "9" * 30}),
        outsider_client.get(start, {"like": "x"}),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert Conversation.objects.count() == 1
