"""Which events a replay is about, whose they are, and why some are not run."""

import datetime as dt
import uuid

import pytest

from functions import replays, services
from functions.replays import listening, noting, playing, progress
from invoker import events
from invoker.models import Event
from tests import factories
from tests.functions.replays.happened import (
    EVENT,
    SAYS,
    codes,
    happened,
    last,
    live_and_draft,
    ran,
    rows,
)

SURVEY = events.SURVEY_ENDED.id
ANSWERS = "function lambda(input, callback) {{ callback(null, {0}); }}"


def chosen(account, found, **fields):
    return replays.Choice(account_id=account.pk, events=found, **fields)


def not_run(row):
    assert row.now is None
    return row.not_run.code, row.not_run.message


@pytest.mark.runtime
def test_last_events_are_those_of_the_function_its_skills_and_its_account(account, outsider):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"), skills=["sales"])
    mine = happened()
    routed = {**mine.payload, "routing": {"newSkillId": "sales"}}
    Event.objects.filter(pk=mine.pk).update(payload=routed)
    happened()
    others = factories.ConversationFactory(account_id="other1")
    factories.EventFactory(conversation=others, payload=routed)

    assert [row.event for row in rows(last(function))] == [mine]


@pytest.mark.runtime
def test_event_that_the_function_served_counts_though_its_skills_changed(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    served = happened("a", function=function)
    services.save_parts(function, skills=["sales"], by="dana")

    assert [row.event for row in rows(last(function))] == [served]


@pytest.mark.runtime
def test_sample_runs_where_nothing_happened_yet(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))

    found = replays.next_slice(last(function))

    [row] = found.rows
    assert found.sampled
    assert (row.event, codes(row)) == (None, ["message-changed"])


@pytest.mark.runtime
def test_events_of_other_skills_are_passed_over_a_while_and_no_longer(account, monkeypatch):
    monkeypatch.setattr(playing, "CHUNK", 2)
    monkeypatch.setattr(playing, "MOST_LOOKED_AT", 4)
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"), skills=["sales"])
    wanted = happened()
    Event.objects.update(payload={**wanted.payload, "routing": {"newSkillId": "sales"}})
    for _ in range(4):
        happened()

    found = replays.next_slice(last(function))

    assert (found.sampled, found.progress.looked, found.more) == (True, 4, False)


@pytest.mark.runtime
def test_payload_that_cannot_be_read_has_no_skill(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"), skills=["sales"])
    happened(payload=["odd"])

    assert replays.next_slice(last(function)).sampled


@pytest.mark.runtime
def test_every_event_of_a_conversation_runs_with_its_own_function(account):
    greet = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    ttr = events.TTR.id
    urgent = live_and_draft(SAYS.format("c"), SAYS.format("d"), name="urgent", event_type=ttr)
    conversation = factories.ConversationFactory(account_id=account.pk, conv_id="one")
    first = happened("a", function=greet, conversation=conversation)
    second = happened(conversation=conversation, type=ttr, subtype=events.TTR.subtypes[0])
    happened()

    found = rows(chosen(account, replays.of_conversation(account.pk, "one")))

    assert [(row.event, row.function, row.now.steps[0].text) for row in found] == [
        (second, urgent, "d"),
        (first, greet, "b"),
    ]


@pytest.mark.runtime
def test_function_that_serves_goes_before_one_that_does_not(account):
    factories.FunctionFactory(name="older", event_type=EVENT, skills=["sales"])
    greet = factories.deployed(name="greet", event_type=EVENT, skills=["support"])
    happened()
    payload = Event.objects.get().payload
    Event.objects.update(payload={**payload, "routing": {"newSkillId": "support"}})

    [row] = rows(chosen(account, Event.objects.all()))

    assert row.function == greet


@pytest.mark.runtime
def test_events_that_cannot_run_say_why(account):
    greet = live_and_draft(SAYS.format("a"), SAYS.format("b"), skills=["sales"])
    other_type = {"type": events.TTR.id, "subtype": events.TTR.subtypes[0]}
    expected = {
        happened().pk: (
            "other-skill",
            '"greet" is not for the skill "sales-emea"',
        ),
        happened(**other_type).pk: (
            "other-event",
            '"greet" is not for the event "Messaging TTR"',
        ),
        happened(type="gone", subtype="", payload={}).pk: (
            "unknown-event-type",
            'This Houston knows no event "gone"',
        ),
        happened(payload=["odd"]).pk: (
            "unreadable-payload",
            "What was stored of its payload is no object",
        ),
    }
    for each in Event.objects.filter(type=EVENT):
        if isinstance(each.payload, dict):
            each.payload["routing"] = {"newSkillId": "sales-emea"}
            each.save()

    found = replays.next_slice(chosen(account, Event.objects.all(), function=greet))

    assert {row.event.pk: not_run(row) for row in found.rows} == expected
    assert found.progress.not_run == len(expected)


@pytest.mark.runtime
def test_events_without_a_function_say_why(account):
    gone = happened(function_id=uuid.uuid4())
    nobody = happened()

    found = rows(chosen(account, Event.objects.all()))

    assert [(row.event, row.not_run.code) for row in found] == [
        (nobody, "nobody-listens"),
        (gone, "function-deleted"),
    ]


@pytest.mark.runtime
def test_function_that_is_not_deployed_has_no_deployed_version(account):
    factories.FunctionFactory(name="greet", event_type=EVENT)
    happened()

    [row] = rows(chosen(account, Event.objects.all(), against=replays.Against.read("deployed")))

    assert not_run(row) == ("function-not-deployed", '"greet" is not deployed')


@pytest.mark.runtime
def test_results_of_survey_events_are_compared_as_they_are(account):
    function = live_and_draft(ANSWERS.format(1), ANSWERS.format(2), event_type=SURVEY)
    event = happened(type=SURVEY, subtype="")
    ran(event, function, None)
    event.invocations.update(result=1)

    [row] = rows(last(function))

    assert (row.then.value, row.now.value, codes(row)) == (1, 2, ["result-changed"])


@pytest.mark.runtime
def test_payload_of_an_older_shape_runs_and_says_what_it_lacks(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    event = happened("a", function=function)
    older = {key: event.payload[key] for key in event.payload if key not in ("mid", "idle")}
    Event.objects.update(payload=older)

    [row] = rows(last(function))

    assert [each.message for each in row.notes] == [
        "Its payload lacks what events have today: mid, idle"
    ]


@pytest.mark.parametrize("event_type", sorted(events.EVENT_TYPES))
def test_samples_lack_nothing(event_type):
    payload = events.sample(event_type)["payload"]

    assert noting._missing(Event(type=event_type, payload=payload)) == []


@pytest.mark.runtime
def test_event_that_is_still_being_handled_says_so(account):
    factories.FunctionFactory(name="greet", event_type=EVENT)
    happened(state="waiting")

    [row] = rows(chosen(account, Event.objects.all()))

    assert [each.code for each in row.notes] == ["in-progress"]


def test_events_and_conversations_of_other_accounts_are_not_there(account, outsider):
    others = factories.ConversationFactory(account_id="other1", conv_id="theirs")
    event = factories.EventFactory(conversation=others)

    with pytest.raises(replays.InvalidChoiceError, match=str(event.pk)):
        replays.by_id(account.pk, [event.pk])
    with pytest.raises(replays.InvalidChoiceError, match="theirs"):
        replays.of_conversation(account.pk, "theirs")


def test_deployment_of_another_function_is_none_of_this_one(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    other = factories.DeploymentFactory(active=False)
    choice = last(function, against=replays.Against.read(str(other.pk)))

    with pytest.raises(replays.InvalidChoiceError, match="has none such"):
        replays.next_slice(choice)


def test_version_without_a_function_is_refused(account):
    with pytest.raises(replays.InvalidChoiceError, match="say of which function"):
        chosen(account, Event.objects.all(), against=replays.Against.read("3"))


@pytest.mark.parametrize("text", ["draft", "deployed", "3", str(uuid.UUID(int=5))])
def test_against_is_written_as_it_is_read(text):
    assert str(replays.Against.read(text)) == text


@pytest.mark.parametrize("text", ["", "0", "-1", "٣", "newest", "99999999999", "3.0", "\0"])
def test_against_something_else_is_refused(text):
    with pytest.raises(replays.InvalidChoiceError):
        replays.Against.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "~~0~0~0",
        f"20261301T000000.000000_{'0' * 32}~{'0' * 16}~1~1~1~1~1~1~1~1~1",
        f"~{'0' * 16}~1~1~1~1~1~1~1~1~9999999",
        f"~{'0' * 16}~1~1~1~1~1~1~1~1~٣",
    ],
)
def test_progress_that_somebody_made_up_is_refused(text):
    with pytest.raises(replays.InvalidChoiceError):
        replays.Progress.read(text)


def test_digest_tells_every_choice_apart(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    choices = [
        last(function),
        last(function, network=True),
        last(function, beside=replays.Beside.DEPLOYED),
        last(function, against=replays.Against.read("1")),
    ]

    assert len({listening.Listening(each).digest() for each in choices}) == len(choices)


def test_events_of_one_moment_are_told_apart(account):
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    found = sorted((happened(created_at=at) for _ in range(3)), key=lambda each: each.pk.hex)
    place = replays.Progress(older=progress.name(found[1]))

    assert [each.pk for each in Event.objects.filter(place.behind())] == [found[0].pk]
