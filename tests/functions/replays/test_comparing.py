"""What counts as a difference between what was done and what would be done, and in which words."""

import pytest

from functions.replays.comparing import Difference, compare, segments
from functions.replays.rows import Side, Step
from invoker import runtime
from invoker.models import CommandState

OK, FAILED = "SUCCEEDED", "CODING_FAILURE"
SILENCE = Step("systemMessage", {}, "empty", "The function asked for no message")
CLOSE = Step("closeConversation", {})


def says(text, **fields):
    return Step("systemMessage", {"text": text}, **fields)


def transfer(**fields):
    return Step("transfer", fields)


def side(*steps, outcome=OK, failure=None, **fields):
    kept = runtime.Failure("custom-failure", "Error", failure) if failure else None
    return Side("Version 1", outcome, steps, failure=kept, **fields)


def differences(then, now, commands=True):
    return [(each.code, each.message) for each in compare(then, now, commands=commands)]


AUTOMATIC = says("Welcome", automatic=True)


@pytest.mark.parametrize(
    ("then", "now", "code", "message"),
    [
        ([says("a")], [says("b")], "message-changed", "Another message"),
        ([AUTOMATIC], [says("b")], "message-new", "A message in place of the automatic one"),
        ([], [says("b")], "message-new", "A message where there was none"),
        ([says("a")], [AUTOMATIC], "message-gone", "The automatic message in place of its own"),
        ([says("a")], [SILENCE], "message-gone", "No message any more"),
        ([AUTOMATIC], [SILENCE], "silence-new", "Keeps the automatic message away now"),
        ([SILENCE], [AUTOMATIC], "silence-gone", "No longer keeps the automatic message away"),
        ([], [transfer(skillId="3")], "transfer-new", "Transfers to skill 3 now"),
        ([transfer(skillId="3")], [], "transfer-gone", "No longer transfers to skill 3"),
        (
            [transfer(skillId="3")],
            [transfer(skillId="4", agentId="9")],
            "transfer-changed",
            "Transfers to skill 4 and agent 9, before to skill 3",
        ),
        ([], [CLOSE], "close-new", "Closes the conversation now"),
        ([CLOSE], [], "close-gone", "No longer closes the conversation"),
        (
            [],
            [Step("callTaxi", {}, "unknown-type")],
            "dropped-changed",
            "Asks for something now that is dropped",
        ),
    ],
)
def test_difference_in_what_is_asked_for(then, now, code, message):
    assert differences(side(*then), side(*now)) == [(code, message)]


@pytest.mark.parametrize("state", [CommandState.STALE, CommandState.FAILED, CommandState.SENT])
def test_what_became_of_a_command_is_no_difference(state):
    assert differences(side(says("a", state=state)), side(says("a"))) == []


def test_automatic_message_of_the_account_is_no_difference_when_it_changed():
    other = says("Welcome aboard", automatic=True)
    switched_off = Step("systemMessage", {}, "switched-off", automatic=True)

    assert differences(side(AUTOMATIC), side(other)) == []
    assert differences(side(AUTOMATIC), side(switched_off)) == []


def test_failure_is_told_with_its_message():
    assert differences(side(), side(outcome=FAILED, failure="not today")) == [
        ("fails-now", "Fails now: Error: not today")
    ]
    assert differences(side(outcome=FAILED, failure="x"), side()) == [
        ("fails-no-more", "No longer fails")
    ]
    [other] = compare(
        side(outcome=FAILED, failure="x"), side(outcome=FAILED, failure="y"), commands=True
    )
    assert other == Difference("fails-otherwise", "Fails in another way", "Error: x", "Error: y")


def test_same_failure_is_no_difference():
    failed = side(outcome=FAILED, failure="x", duration_ms=5)
    assert differences(failed, side(outcome=FAILED, failure="x", duration_ms=50)) == []


@pytest.mark.parametrize(
    ("before_ms", "now_ms", "differs"),
    [(20, 900, False), (20, 1001, True), (950, 1001, False), (1500, 3000, False)],
)
def test_time_counts_when_it_goes_beyond_the_second(before_ms, now_ms, differs):
    found = differences(side(duration_ms=before_ms), side(duration_ms=now_ms))

    assert found == (
        [("over-budget", "Takes 1.0 s now, over the second that it may take")] if differs else []
    )


def test_time_counts_not_where_nothing_ran_before():
    assert differences(Side("", "", ()), side(duration_ms=4000)) == []


def test_results_count_where_no_command_is_carried_out():
    then, now = side(value={"a": 1}), side(value={"a": 2})

    [found] = compare(then, now, commands=False)

    assert (found.code, found.before, found.after) == (
        "result-changed",
        '{\n  "a": 1\n}',
        '{\n  "a": 2\n}',
    )
    assert differences(then, side(value={"a": 1}), commands=False) == []


def test_words_of_two_messages_are_marked():
    found = segments("Hello and welcome, dear guest", "Good day and welcome, dear guest")

    assert [(each.kind, each.text) for each in found] == [
        ("removed", "Hello"),
        ("added", "Good day"),
        ("same", " and welcome, dear guest"),
    ]


@pytest.mark.parametrize("texts", [("one two three", "four five six"), ("a " * 2000, "b " * 2000)])
def test_texts_with_little_in_common_are_not_marked(texts):
    assert segments(*texts) == []
