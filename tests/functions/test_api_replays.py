"""Replays as programs ask for them: a part of the events per request, as the document says."""

import uuid

import pytest

from functions.replays import playing, running
from houston.models import Scope
from invoker import events, waiting
from invoker.gateway import running as places
from invoker.models import AuditEntry, CommandState, Invocation
from tests import api, factories
from tests.functions.replays.happened import FAILS, SAYS, happened, live_and_draft


@pytest.fixture
def function(account):
    return live_and_draft(SAYS.format("hello"), SAYS.format("good day"))


@pytest.fixture
def client(account):
    return api.of_client(account)


def ask(client, function, **asked):
    return client.post(f"/functions/{function.pk}/replays", asked)


@pytest.mark.runtime
def test_difference_is_told_with_both_sides(function, client):
    event = happened("hello", function=function, became=CommandState.STALE)

    response = ask(client, function, last=5)

    assert response.status_code == 200
    answer = response.json()
    [result] = answer["results"]
    assert answer["counts"] == {
        "events": 1, "done": 1, "same": 0, "different": 1, "failing": 0, "overBudget": 0,
        "unfair": 0, "notRun": 0,
    }  # fmt: skip
    assert (answer["next"], answer["stopped"]) == (None, None)
    assert (result["eventId"], result["functionName"]) == (str(event.pk), "greet")
    assert (result["verdict"], result["fair"], result["notes"]) == ("different", True, [])
    assert result["differences"] == [
        {
            "code": "message-changed",
            "message": "Another message",
            "before": "hello",
            "after": "good day",
        }
    ]
    then, now = result["then"], result["now"]
    assert (then["label"], then["recorded"], then["durationMs"]) == ("Version 1", True, 12.5)
    assert (now["label"], now["version"], now["outcome"]) == ("Draft, version 2", 2, "SUCCEEDED")
    [command] = then["commands"]
    assert (command["text"], command["state"]) == ("hello", "stale")
    [command] = now["commands"]
    assert (command["text"], command["state"], command["automatic"]) == ("good day", None, False)
    assert Invocation.objects.count() == 1
    assert not AuditEntry.objects.exclude(action__startswith="function.").exists()


@pytest.mark.runtime
def test_answers_follow_each_other(function, client, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(running, "AT_ONCE", 1)
    older, newer = happened("hello", function=function), happened("hello", function=function)

    first = ask(client, function, last=9).json()
    second = ask(client, function, last=9, cursor=first["next"]).json()

    assert [each["eventId"] for each in first["results"]] == [str(newer.pk)]
    assert [each["eventId"] for each in second["results"]] == [str(older.pk)]
    assert (second["next"], second["counts"]["done"]) == (None, 2)


@pytest.mark.runtime
def test_answer_has_no_more_events_than_it_may(function, client, monkeypatch):
    monkeypatch.setattr("functions.api.replays.MOST_ANSWERED", 2)
    for _ in range(3):
        happened("hello", function=function)

    answer = ask(client, function, last=9).json()

    assert (len(answer["results"]), answer["next"] is not None) == (2, True)


@pytest.mark.runtime
def test_named_events_and_those_of_a_conversation(function, client):
    conversation = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    first = happened("hello", function=function, conversation=conversation)
    other = happened(conversation=conversation, type=events.TTR.id, subtype=events.TTR.subtypes[0])
    happened("hello", function=function)

    named = ask(client, function, events=[str(first.pk)], against="1").json()
    of_one = ask(client, function, conversationId="one").json()

    assert [(each["eventId"], each["verdict"]) for each in named["results"]] == [
        (str(first.pk), "same")
    ]
    told = {
        each["eventId"]: each["notRun"] and each["notRun"]["code"] for each in of_one["results"]
    }
    assert told == {str(first.pk): None, str(other.pk): "other-event"}


@pytest.fixture
def conversation(function):
    """It is called "one"; `greet` and then `urgent` spoke in it."""
    ttr = {"type": events.TTR.id, "subtype": events.TTR.subtypes[0]}
    urgent = live_and_draft(
        SAYS.format("soon"), SAYS.format("now"), name="urgent", event_type=events.TTR.id
    )
    made = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    happened("hello", function=function, conversation=made)
    happened("soon", function=urgent, conversation=made, **ttr)
    return made


def told(answer):
    """What each function says, and of which version, the last one first."""
    return [
        (each["functionName"], each["now"]["label"], each["now"]["commands"][0]["text"])
        for each in answer["results"]
    ]


@pytest.mark.runtime
def test_conversation_runs_a_version_of_one_function_and_the_others_as_deployed(
    function, client, conversation
):
    older = ask(client, function, conversationId="one", against="1").json()
    draft = ask(client, function, conversationId="one").json()

    assert told(older) == [
        ("urgent", "Deployed, version 1", "soon"),
        ("greet", "Version 1", "hello"),
    ]
    assert told(draft)[1] == ("greet", "Draft, version 2", "good day")
    assert (older["counts"]["same"], older["counts"]["notRun"]) == (2, 0)


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("against", "labels"),
    [
        ("draft", [("urgent", "Draft, version 2", "now"),
                   ("greet", "Draft, version 2", "good day")]),
        ("deployed", [("urgent", "Deployed, version 1", "soon"),
                      ("greet", "Deployed, version 1", "hello")]),
    ],
)  # fmt: skip
def test_conversation_runs_with_every_function_of_its_own(client, conversation, against, labels):
    answer = client.post("/replays", {"conversationId": "one", "against": against})

    assert (answer.status_code, told(answer.json())) == (200, labels)


@pytest.mark.runtime
def test_named_events_run_with_the_function_of_each(client, conversation):
    found = [str(pk) for pk in conversation.events.values_list("pk", flat=True)]

    answer = client.post("/replays", {"events": found})

    assert [name for name, *_ in told(answer.json())] == ["urgent", "greet"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "send one of events, conversationId"),
        ({"last": 5}, 'Cannot use the field "last"'),
        ({"conversationId": "gone"}, "the account has none such"),
        ({"conversationId": "one", "against": "1"}, "against"),
    ],
)
def test_what_every_function_cannot_replay_is_refused(client, conversation, asked, said):
    response = client.post("/replays", asked)

    assert (response.status_code, said in response.json()["message"]) == (400, True)


def test_conversation_in_which_the_function_has_no_part_is_refused(client, conversation):
    other = live_and_draft(
        SAYS.format("a"), SAYS.format("b"), name="bye", event_type=events.CONVERSATION_END.id
    )

    response = ask(client, other, conversationId="one")

    assert response.status_code == 400
    assert response.json()["message"] == (
        'Cannot replay the conversation "one" with "bye": nothing happened in it that this '
        "function is for, choose another one"
    )


@pytest.mark.runtime
def test_failure_and_network_are_told(account, client):
    function = live_and_draft(SAYS.format("a"), FAILS)
    happened("a", function=function)

    answer = ask(client, function, last=1, allowNetwork=True, comparedWith="deployed").json()

    [result] = answer["results"]
    assert answer["counts"]["failing"] == 1
    assert result["now"]["failure"]["name"] == "TypeError"
    assert result["now"]["failure"]["line"] == 1


@pytest.mark.runtime
def test_half_of_a_character_does_not_break_the_answer(account, client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("\\ud83d"))
    happened("a", function=function)

    assert ask(client, function, last=1).status_code == 200


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "send one of events, conversationId, last"),
        ({"last": 5, "conversationId": "one"}, "send one of"),
        ({"last": 0}, "last"),
        ({"last": 1001}, "last"),
        ({"events": []}, "events"),
        ({"events": ["x"]}, "events"),
        ({"events": [str(uuid.UUID(int=1))]}, "the account has none such"),
        ({"conversationId": "gone"}, "the account has none such"),
        ({"conversationId": "a\0b"}, "conversationId"),
        ({"last": 5, "against": "newest"}, 'Cannot replay against "newest"'),
        ({"last": 5, "against": "9"}, '"greet" has none such'),
        ({"last": 5, "comparedWith": "dreams"}, "comparedWith"),
        ({"last": 5, "cursor": "x"}, "Cannot go on from"),
        ([], "Expected a dictionary"),
    ],
)
def test_what_cannot_be_replayed_is_refused(function, client, asked, said):
    response = client.post(f"/functions/{function.pk}/replays", asked)

    assert (response.status_code, said in response.json()["message"]) == (400, True), (
        response.json()
    )


@pytest.mark.runtime
def test_replay_of_versions_that_changed_is_a_conflict(function, client, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(running, "AT_ONCE", 1)
    for _ in range(2):
        happened("hello", function=function)
    first = ask(client, function, last=9).json()
    function.version = 3
    function.save()

    response = ask(client, function, last=9, cursor=first["next"])

    assert (response.status_code, response.json()["code"]) == (409, "replay-changed")


def test_second_replay_of_an_account_waits(function, client):
    assert playing._at_once.begin(function.account_id)
    try:
        response = ask(client, function, last=9)
    finally:
        playing._at_once.end(function.account_id)

    assert (response.status_code, response["Retry-After"]) == (429, "1")
    assert response.json()["code"] == "replay-busy"


def test_replay_takes_a_place_of_the_account(function, client):
    for _ in range(waiting.MOST_OF_ACCOUNT):
        assert places._at_once.begin(function.account_id)
    try:
        response = ask(client, function, last=9)
    finally:
        for _ in range(waiting.MOST_OF_ACCOUNT):
            places._at_once.end(function.account_id)

    assert response.status_code == 429


@pytest.mark.runtime
def test_replays_have_the_rate_of_tests(function, client, settings):
    settings.API_INVOCATIONS_PER_MIN = 1

    statuses = [ask(client, function, last=1).status_code for _ in range(2)]

    assert statuses == [200, 429]


def test_field_that_there_is_not_is_refused(function, client):
    response = ask(client, function, last=1, version="deployed")

    assert response.status_code == 400
    assert response.json()["message"] == (
        'Cannot use the field "version": there is no such field here, there are events, '
        "conversationId, last, against, comparedWith, allowNetwork, cursor"
    )


def test_replay_needs_the_permission_to_test(account, function):
    response = ask(api.of_client(account, Scope.INVOCATION), function, last=1)

    assert response.status_code == 403
    assert "test functions" in response.json()["message"]


def test_function_of_another_account_is_not_there(function, outsider):
    other = api.of_client(outsider.memberships.first().account)

    assert other.post(f"/functions/{function.pk}/replays", {"last": 1}).status_code == 404
