"""Messages that came too late: how late they were, and what the pages say about it."""

import datetime as dt
import html
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from functions import lateness
from functions.lateness import Part, Way
from invoker import dispatch, simulator
from invoker.models import (
    Command,
    CommandState,
    Event,
    EventState,
    Invocation,
    Platform,
    SimulatedAct,
    Verdict,
)
from invoker.simulator import acts
from tests import factories

NEW_CONVERSATION = "controllerbot_messaging_new_conversation"

SLOW_GREETING = """
async function lambda(input, callback) {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  callback(null, {type: "systemMessage", text: "You are connected"});
}
"""


@pytest.fixture
def simulated(account, monkeypatch):
    """A conversation in which the agent writes 0.3 s after a function has begun, and only then."""
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    conversation = simulator.start(factories.ACCOUNT_ID, acts.Start(), by="kim")
    dispatch.drain(conversation.pk)
    run = dispatch.runtime.run

    def write():
        threading.Event().wait(0.3)
        try:
            simulator.perform(
                conversation, acts.read({"act": "agent_says", "text": "Hi"}), by="lou"
            )
        finally:
            connections.close_all()

    def run_beside(*args, **kwargs):
        with ThreadPoolExecutor() as beside:
            writing = beside.submit(write)
            result = run(*args, **kwargs)
            writing.result()
        return result

    monkeypatch.setattr(dispatch.runtime, "run", run_beside)
    return conversation


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_greeting_of_a_slow_function_stays_away_once_the_agent_has_written(
    simulated, developer_client
):
    factories.deployed(
        name="introduce",
        event_type="controllerbot_messaging_participants_change",
        code=SLOW_GREETING,
    )

    simulator.perform(simulated, acts.read({"act": "assign"}), by="kim")
    dispatch.drain(simulated.pk)

    command = Command.objects.get(invocation__isnull=False)
    assert (command.state, command.reason) == ("stale", "agent-spoke")
    event = command.event
    assert event.verdict == Verdict.STALE
    wrote_ms = SimulatedAct.objects.latest("pk").at_ms
    ready_ms, done_ms = (
        moment.timestamp() * 1000 - wrote_ms
        for moment in (command.invocation.finished_at, event.finished_at)
    )
    # In whole milliseconds, each rounded by itself.
    assert ready_ms - 2 <= command.late_ms <= done_ms + 2
    assert command.invocation.duration_ms >= 1500
    assert "You are connected" not in simulated.simulation.lines.values_list("text", flat=True)

    # How long all of it took depends on the machine; a sandbox has to start first.
    time = r"[\d.]+ m?s"
    editor = text(developer_client.get(page("edit", "introduce")))
    hint = rf"Version 1 took {time} on its last event; 1 message came too late, by {time}\b"
    assert re.search(hint, editor)
    trace = text(developer_client.get(page("trace", event.pk)))
    why = rf"The agent wrote {time} before this message was ready\. Of the {time} since the event,"
    assert re.search(rf"{why} .*the function took {time}\b", trace)
    assert re.search(rf"Too late by {time}\b", text(developer_client.get(page("activity"))))


# Durations in words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"),
        (99.4, "99 ms"),
        (100, "0.1 s"),
        (812, "0.8 s"),
        (9_940, "9.9 s"),
        (9_960, "10 s"),
        (89_000, "89 s"),
        (180_000, "3 min"),
        (5 * 3_600_000, "5 h"),
        (25 * 86_400_000, "25 d"),
    ],
)
def test_length_is_said_as_people_say_it(ms, words):
    assert lateness.length(ms) == words


WAYS = [
    (Way(running=1_800, waiting=300), Part.FUNCTION,
     "Of the 2.1 s since the event, the function took 1.8 s"),
    (Way(waiting=12_100, running=200), Part.BEFORE,
     "Of the 12 s since the event, it waited 12 s for its turn; the function took 0.2 s"),
    (Way(starting=1_900, waiting=20, running=50), Part.BEFORE,
     "Of the 2.0 s since the event, 1.9 s passed until a sandbox was ready; the function took "
     "50 ms"),
    (Way(arriving=31_000, running=200), Part.BEFORE,
     "Of the 31 s since the event, 31 s passed until the platform told of it; the function took "
     "0.2 s"),
    (Way(running=200, delivering=8_000), Part.DELIVERY,
     "Of the 8.2 s since the event, attempts to deliver took 8.0 s; the function took 0.2 s"),
    (Way(waiting=5_000, ran=False), Part.BEFORE,
     "Of the 5.0 s since the event, it waited 5.0 s for its turn; no function ran"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "part", "words"), WAYS)
def test_trace_says_what_took_the_time(way, part, words):
    command = Command(type="systemMessage", reason="agent-spoke", late_ms=812)

    assert way.longest == part
    assert lateness.explain(command, way) == (
        f"The agent wrote 0.8 s before this message was ready. {words}"
    )


@pytest.mark.parametrize(
    ("reason", "late_ms"), [("too-old", 2_000), ("response-time-changed", None)]
)
def test_trace_keeps_the_reason_that_has_no_moment(reason, late_ms):
    command = Command(type="transfer", reason=reason, detail="It is so", late_ms=late_ms)

    said = lateness.explain(command, Way(running=300))

    assert said == "It is so. Of the 0.3 s since the event, the function took 0.3 s"


# What is measured ---------------------------------------------------------------------------------


def handled(function, *, took_ms=(120,), late=(), ago_s=60, waited_s=0.0, **fields):
    """An event that the function handled; `late` are reasons with how late a message was."""
    at = timezone.now() - dt.timedelta(seconds=ago_s)
    event = factories.EventFactory(
        type=function.event_type,
        occurred_at=at,
        created_at=at,
        state=EventState.DONE,
        verdict=Verdict.STALE if late else Verdict.DELIVERED,
        function_id=function.pk,
        finished_at=at + dt.timedelta(seconds=30),
    )
    ends_at = at + dt.timedelta(seconds=waited_s)
    for ms in took_ms:
        begins_at, ends_at = ends_at, ends_at + dt.timedelta(milliseconds=ms)
        factories.InvocationFactory(
            event=event,
            deployment=fields.get("deployment", function.deployment),
            duration_ms=ms,
            started_at=begins_at,
            finished_at=ends_at,
        )
    for position, (reason, late_ms) in enumerate(late):
        factories.CommandFactory(
            event=event,
            invocation=event.invocations.first(),
            state=CommandState.STALE,
            reason=reason,
            late_ms=late_ms,
            position=position,
            created_at=ends_at,
            type=fields.get("type", "systemMessage"),
        )
    return event


SPOKE = [("agent-spoke", 800)]


@pytest.fixture
def greet(account):
    return factories.deployed(name="greet", event_type=NEW_CONVERSATION)


def describe(function):
    return lateness.describe(lateness.of_function(function))


def test_slow_function_is_told_apart_from_one_that_is_not(greet):
    for took_ms in (1_100, 1_800, 4_000):
        handled(greet, took_ms=[took_ms])
    assert describe(greet) == "Version 1 took 1.8 s on all of its last 3 events"

    for _ in range(7):
        handled(greet)
    assert describe(greet) == "Version 1 took 1.8 s on 3 of its last 10 events"
    found = lateness.of_function(greet)
    assert (found.level, found.worst_ms) == ("warn", 4_000)


def test_quick_function_says_so_quietly(greet):
    assert describe(greet) == "Version 1 has handled no event yet"
    assert lateness.of_function(greet).level == ""

    for ms in range(10, 1_010, 10):
        handled(greet, took_ms=[ms])

    assert describe(greet) == "Version 1 took at most 1 s on all of its last 100 events, p95 0.9 s"
    assert lateness.of_function(greet).level == "ok"


def test_what_came_too_late_is_counted_with_how_late_it_usually_was(greet):
    for late_ms in (500, 800, 2_500):
        handled(greet, took_ms=[1_800], late=[("agent-spoke", late_ms)])
    handled(greet, took_ms=[1_800], late=[("response-time-changed", None)])
    handled(greet)

    found = lateness.of_function(greet)

    assert lateness.describe(found) == (
        "Version 1 took 1.8 s on 4 of its last 5 events; 4 messages came too late, usually by 0.8 s"
    )
    assert (found.level, found.worst_late_ms) == ("bad", 2_500)
    assert lateness.say_why(found.reasons) == (
        "3 because an agent had written, 1 because the response time had changed again"
    )


def test_one_that_came_too_late_among_many_is_no_habit(greet):
    handled(greet, late=SPOKE, type="transfer")
    for _ in range(20):
        handled(greet)

    found = lateness.of_function(greet)

    assert (found.level, found.often_late) == ("warn", False)
    assert lateness.describe(found).endswith("; 1 transfer came too late, by 0.8 s")


def test_slow_platform_is_told_apart_from_a_slow_function(greet):
    for waited_s in (0, 2, 3):
        handled(greet, took_ms=[200], waited_s=waited_s, late=SPOKE)

    found = lateness.of_function(greet)

    assert found.parts == {Part.BEFORE: 2, Part.FUNCTION: 1}
    assert lateness.describe(found) == (
        "Version 1 took at most 1 s on all of its last 3 events, p95 0.2 s; 3 messages came too "
        "late, usually by 0.8 s; most of the time of 2 of them passed before the function ran"
    )


def test_attempts_of_one_event_count_together(greet):
    handled(greet, took_ms=[600, 700])

    assert describe(greet) == "Version 1 took 1.3 s on its last event"


def test_only_the_deployed_version_counts_and_only_what_is_about_time(greet):
    older = factories.DeploymentFactory(function_id=greet.pk, active=False)
    handled(greet, took_ms=[5_000], late=SPOKE, deployment=older)
    for reason in ("over", "connection-off"):
        handled(greet, late=[(reason, None)])
    resent = handled(greet, late=SPOKE)
    resent.commands.update(redelivered_at=timezone.now())
    retried = handled(greet, late=SPOKE)
    Event.objects.filter(pk=retried.pk).update(retried_at=timezone.now())

    assert describe(greet) == "Version 1 took at most 1 s on all of its last 4 events, p95 0.1 s"


def test_only_the_latest_hundred_are_looked_at(greet):
    for number in range(3):
        handled(greet, took_ms=[9_000], late=SPOKE, ago_s=1_000 + number)
    for number in range(99):
        handled(greet, ago_s=60 + number)

    found = lateness.of_function(greet)

    assert (found.count, len(found.late), found.notable[0].took_ms) == (100, 1, 9_000)


def test_functions_whose_result_nobody_carries_out_have_nothing_to_be_late(account):
    draft = factories.FunctionFactory(event_type=NEW_CONVERSATION)
    of_programs = factories.deployed(event_type="")

    assert lateness.of_functions([draft, of_programs]) == {}


@pytest.mark.parametrize("count", [1, 3])
def test_numbers_cost_as_many_queries_however_many_functions(
    account, count, django_assert_num_queries
):
    functions = [
        factories.deployed(event_type=NEW_CONVERSATION, skills=[str(number)])
        for number in range(count)
    ]
    for function in functions:
        handled(function, took_ms=[1_800], late=SPOKE)

    with django_assert_num_queries(5):
        found = lateness.of_functions(functions)

    assert [len(each.late) for each in found.values()] == [1] * count


# The way to a command -----------------------------------------------------------------------------


def way(event):
    commands = list(event.commands.order_by("position"))
    found = Event.objects.select_related("conversation__connection").get(pk=event.pk)
    return lateness.way_to(commands[-1], found, list(event.invocations.all()), commands)


def test_way_has_a_part_for_everything_that_takes_time(greet):
    event = handled(greet, took_ms=[500, 700], late=SPOKE, waited_s=2)
    at = event.received_at
    Event.objects.filter(pk=event.pk).update(
        occurred_at=at - dt.timedelta(seconds=4),
        notification=factories.NotificationFactory(conversation=event.conversation),
    )
    # Its sandbox was ready after 0.3 s, and the second attempt began a second after the first.
    first, second = event.invocations.order_by("started_at")
    for run, seconds in ((first, 0), (second, 1)):
        Invocation.objects.filter(pk=run.pk).update(
            started_at=run.started_at + dt.timedelta(seconds=seconds),
            finished_at=run.finished_at + dt.timedelta(seconds=seconds),
        )
    Invocation.objects.filter(pk=second.pk).update(
        finished_at=second.finished_at + dt.timedelta(seconds=1.3)
    )
    event.commands.update(created_at=second.finished_at + dt.timedelta(seconds=1.3))

    found = way(event)

    assert found == Way(arriving=4_000, waiting=3_000, starting=pytest.approx(300), running=1_200)


def test_attempts_to_deliver_are_part_of_the_way(greet):
    event = handled(greet, took_ms=[500], late=SPOKE)
    event.commands.update(attempts=3)

    assert way(event).delivering == pytest.approx(29_500)


def test_what_was_sent_before_it_is_part_of_the_way(greet):
    event = handled(greet, took_ms=[500], late=[*SPOKE, ("skill-changed", 10)])
    sent_at = event.received_at + dt.timedelta(seconds=2)
    event.commands.filter(position=0).update(attempts=1, state="sent", sent_at=sent_at)

    assert way(event).delivering == pytest.approx(1_500)


def test_automatic_message_without_a_function_waited_only(greet):
    event = handled(greet, took_ms=[], late=[])
    factories.CommandFactory(
        event=event,
        invocation=None,
        state=CommandState.STALE,
        created_at=event.received_at + dt.timedelta(seconds=6),
    )

    assert way(event) == Way(waiting=6_000, ran=False)


def test_silence_counts_from_when_the_timer_ran_out_and_a_simulated_event_from_its_arrival(greet):
    event = handled(greet, took_ms=[500], late=SPOKE)
    Event.objects.filter(pk=event.pk).update(occurred_at=event.received_at - dt.timedelta(hours=1))
    assert way(event).waiting == 3_600_000

    event.conversation.connection.platform = Platform.SIMULATOR
    event.conversation.connection.save()
    assert way(event).waiting == 0


# Pages --------------------------------------------------------------------------------------------


def page(name, *args, **query):
    return reverse(f"functions:{name}", args=[factories.ACCOUNT_ID, *args], query=query)


def text(response):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def htmx(client, url):
    return client.get(url, headers={"hx-request": "true"})


def test_editor_says_how_the_deployed_version_fares_and_that_the_draft_is_not_measured(
    developer_client, greet
):
    handled(greet, took_ms=[1_800], late=SPOKE)
    handled(greet)
    greet.version = 2
    greet.save()

    response = developer_client.get(page("edit", "greet"))

    assert (
        "Version 1 took 1.8 s on 1 of its last 2 events; 1 message came too late, by 0.8 s. Traces "
        "The draft, version 2, is measured once it is deployed"
    ) in text(response)
    traces = html.escape(page("activity", function="greet", verdict="stale"))
    assert response.content.decode().count(f'data-level="warn" href="{traces}"') == 1


def test_editor_is_quiet_while_all_is_well(developer_client, greet):
    handled(greet)

    response = developer_client.get(page("edit", "greet"))

    assert "Version 1 took at most 1 s on its last event, p95 0.1 s" in text(response)
    assert '<a class="pace"' not in response.content.decode()


@pytest.mark.parametrize("deployed", [True, False])
def test_editor_says_nothing_where_nothing_is_measured(developer_client, account, deployed):
    make = factories.deployed if deployed else factories.FunctionFactory
    make(name="answer", event_type="" if deployed else NEW_CONVERSATION)

    response = developer_client.get(page("edit", "answer"))

    assert 'id="pace' not in response.content.decode()
    assert htmx(developer_client, page("pace", "answer")).status_code == 204


def test_editor_hears_only_of_what_has_changed(developer_client, greet):
    seen = re.search(r"\?seen=(\w+)", developer_client.get(page("edit", "greet")).content.decode())[
        1
    ]
    assert htmx(developer_client, page("pace", "greet", seen=seen)).status_code == 204

    handled(greet, took_ms=[1_800], late=SPOKE)
    response = htmx(developer_client, page("pace", "greet", seen=seen))

    assert "1 too late" in text(response)
    assert 'id="pace-facts" hx-swap-oob="true"' in response.content.decode()
    assert developer_client.get(page("pace", "greet")).url == page("edit", "greet")


def test_saving_says_that_the_new_draft_is_not_measured(developer_client, greet):
    answer = developer_client.post(
        page("save", "greet"),
        {"version": 1, "code": "// new", "description": "Says hello", "environment": "{}"},
        headers={"hx-request": "true"},
    )

    assert "The draft, version 2, is measured once it is deployed" in text(answer)


def test_list_marks_what_came_too_late_with_the_same_words(developer_client, greet):
    factories.deployed(name="quick", event_type="controllerbot_messaging_ttr")
    handled(greet, took_ms=[1_800], late=SPOKE)

    response = developer_client.get(page("list"))

    assert "1 too late : Version 1 took 1.8 s on its last event; 1 message came" in text(response)
    assert response.content.decode().count('class="pace small"') == 1
    assert "what came too late of the last 100 events" in text(response)


def test_list_marks_nothing_while_all_is_well(developer_client, greet):
    handled(greet)

    assert "too late" not in text(developer_client.get(page("list")))


def test_home_says_once_whose_messages_are_often_too_late(developer_client, greet):
    for _ in range(12):
        handled(greet, took_ms=[1_800], late=SPOKE)

    said = text(developer_client.get(reverse("account", args=[factories.ACCOUNT_ID])))

    assert "greet: Version 1 took 1.8 s on all of its last 12 events; 12 messages came" in said
    assert "greet took longer than 1 s" not in said


def test_home_does_not_mind_what_came_too_late_once(developer_client, greet):
    handled(greet, late=SPOKE)

    said = text(developer_client.get(reverse("account", args=[factories.ACCOUNT_ID])))

    assert "too late" not in said


def test_metrics_list_what_came_too_late_by_function(developer_client, greet):
    later = factories.deployed(name="later", event_type="controllerbot_messaging_ttr")
    factories.deployed(name="unused", event_type="controllerbot_messaging_conversation_end")
    handled(greet)
    for _ in range(2):
        handled(later, took_ms=[1_500], late=SPOKE)

    said = text(developer_client.get(page("metrics")))

    assert (
        "later 1 2 2 1.50 s 1.50 s 2 800 ms 800 ms the function Traces of what came too late of "
        "later greet 1 1 0 120 ms 0"
    ) in said
    assert "unused 1" not in said.partition("Too late")[2]


def test_metrics_of_a_function_lead_to_its_traces(developer_client, greet):
    slow = handled(greet, took_ms=[1_500], ago_s=30)
    late = handled(greet, took_ms=[200], waited_s=2, late=SPOKE)
    unknown = handled(greet, late=[("response-time-changed", None)], ago_s=90)
    quick = handled(greet)

    response = developer_client.get(page("metrics", function="greet"))

    traces = re.findall(r'/activity/([0-9a-f-]{36})/"', response.content.decode())
    assert traces == [str(each.pk) for each in (slow, late, unknown)]
    assert str(quick.pk) not in traces
    said = text(response)
    assert "200 ms 800 ms an agent had written before it ran" in said
    assert "120 ms not known the response time had changed again" in said
