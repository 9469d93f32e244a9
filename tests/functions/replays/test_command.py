"""`manage.py replay`: what it says, and how it ends."""

import io
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from functions.replays import playing, running
from houston.management.commands import replay as command
from invoker import events
from invoker import runtime as sandbox
from invoker.models import Invocation
from tests import factories
from tests.functions.replays.happened import (
    FAILS,
    FETCHES,
    LOOPS,
    SAYS,
    automatic,
    happened,
    live_and_draft,
    ran,
)

ROOT = Path(__file__).parents[3]
runtime = pytest.mark.runtime


@pytest.fixture(autouse=True)
def _seen(monkeypatch):
    """What the tests run in stays readable for its own tools."""
    monkeypatch.setattr(sandbox, "hide", lambda: None)


@pytest.fixture
def function(account):
    return live_and_draft(SAYS.format("hello"), SAYS.format("good day"))


def run(*arguments, stderr=None):
    """What is printed, and the status that it ends with."""
    out, status = io.StringIO(), 0
    try:
        call_command(
            "replay",
            f"--account={factories.ACCOUNT_ID}",
            *arguments,
            stdout=out,
            stderr=stderr or io.StringIO(),
            no_color=True,
        )
    except SystemExit as end:
        status = end.code
    return out.getvalue(), status


def refusal(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == command.REFUSED
    return str(caught.value)


@runtime
def test_difference_is_said_and_ends_with_1(function):
    event = happened("hello", function=function)

    said, status = run("--function=greet", "--last=5")

    assert status == 1
    assert said.splitlines() == [
        f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC  greet  {event.conversation.conv_id}  "
        f"event {event.pk}",
        "  Another message",
        "    - hello",
        "    + good day",
        "1 event: 1 with another result, 0 with the same",
    ]
    assert Invocation.objects.count() == 1


@runtime
def test_equal_results_end_with_0(function):
    happened("hello", function=function)

    said, status = run("--function=greet", "--against=deployed")

    assert (said, status) == ("1 event: 0 with another result, 1 with the same\n", 0)


@runtime
@pytest.mark.parametrize("against", ["1", "deployed", "deployment"])
def test_any_version_can_run(function, against):
    event = happened("other", function=function)
    against = str(function.deployment_id) if against == "deployment" else against

    said, status = run(f"--event={event.pk}", "--function=greet", f"--against={against}")

    assert ("    + hello" in said, status) == (True, 1)


@runtime
def test_events_of_a_conversation_and_what_is_not_run(function):
    conversation = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    happened("hello", function=function, conversation=conversation)
    happened(conversation=conversation, function_id=uuid.uuid4())

    said, status = run("--conversation=one")

    assert "  Not run: The function that ran for it was deleted\n" in said
    assert said.endswith("2 events: 1 with another result, 0 with the same, 1 not run\n")
    assert status == 1


@runtime
def test_conversation_runs_a_version_of_one_function_and_the_others_as_deployed(function):
    conversation = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    urgent = live_and_draft(
        SAYS.format("soon"), SAYS.format("now"), name="urgent", event_type=events.TTR.id
    )
    ttr = {"type": events.TTR.id, "subtype": events.TTR.subtypes[0]}
    happened("good day", function=function, conversation=conversation)
    happened("soon", function=urgent, conversation=conversation, **ttr)

    said, status = run("--conversation=one", "--function=greet", "--against=1")

    assert said.endswith(
        "  Another message\n    - good day\n    + hello\n"
        "2 events: 1 with another result, 1 with the same\n"
    )
    assert status == 1


@runtime
def test_failures_and_unfair_comparisons_are_counted(account):
    function = live_and_draft(SAYS.format("a"), FAILS)
    happened("a", function=function)
    failing, _ = run("--function=greet")
    function.code = FETCHES
    function.save()

    unfair, _ = run("--function=greet")

    assert "  Fails now: TypeError: " in failing
    assert failing.endswith("0 with the same, 1 fail now\n")
    assert "  Note: A request was refused: none leaves unless the network is allowed" in unfair
    assert unfair.endswith("0 with the same, 1 not compared fairly\n")


@runtime
def test_messages_and_failures_that_a_difference_names_are_said(account):
    function = live_and_draft(FAILS, SAYS.format("good day"))
    event = happened()
    automatic(event, "Welcome")
    ran(event, function, [], outcome="CODING_FAILURE", failure={"name": "Error", "message": "no"})

    said, _ = run("--function=greet")

    assert said.splitlines()[1:-1] == [
        "  No longer fails",
        "    - Error: no",
        "  A message in place of the automatic one",
        "    - Welcome",
        "    + good day",
    ]


@runtime
def test_what_a_difference_says_itself_is_not_said_twice(account):
    transfers = """function lambda(input, callback) {{
      callback(null, [{{ type: "transfer", skillId: "{0}" }}]);
    }}"""
    function = live_and_draft(transfers.format(1), transfers.format(2))
    ran(happened(), function, [{"type": "transfer", "skillId": 1}])

    said, _ = run("--function=greet")

    assert said.splitlines()[1:3] == [
        "  Transfers to skill 2, before to skill 1",
        "  Note: The automatic message is chosen as it would be today",
    ]


@runtime
def test_json_is_one_object(function):
    event = happened("hello", function=function)

    said, status = run(f"--event={event.pk}", "--json")

    found = json.loads(said)
    assert status == 1
    assert found["counts"]["different"] == 1
    assert found["stopped"] is None
    assert [each["eventId"] for each in found["results"]] == [str(event.pk)]


@runtime
def test_endless_loops_stop_it(account, monkeypatch):
    monkeypatch.setattr(running, "RUN_S", 0.2)
    monkeypatch.setattr(running, "AT_ONCE", 1)
    function = live_and_draft(SAYS.format("a"), LOOPS)
    for _ in range(4):
        happened("a", function=function)

    said, status = run("--function=greet")

    assert said.splitlines()[-1] == "Stopped: 3 runs took longer than 5 s each"
    assert status == 1


@runtime
def test_progress_goes_to_a_terminal(function, monkeypatch):
    monkeypatch.setattr(command, "MOST_AT_ONCE", 1)
    for _ in range(2):
        happened("hello", function=function)
    terminal = io.StringIO()
    terminal.isatty = lambda: True

    run("--function=greet", stderr=terminal)

    assert "\r1 of 2 events, 1 differ" in terminal.getvalue()
    assert "\r2 of 2 events, 2 differ" in terminal.getvalue()


@runtime
def test_interrupt_says_how_far_it_got(function, monkeypatch):
    monkeypatch.setattr(command, "MOST_AT_ONCE", 1)
    for _ in range(2):
        happened("hello", function=function)
    played = command.replays.next_slice

    def once(choice, *progress, **more):
        if progress:
            raise KeyboardInterrupt
        return played(choice, *progress, **more)

    monkeypatch.setattr(command.replays, "next_slice", once)

    said, status = run("--function=greet")

    assert said.splitlines()[-1] == "1 event: 1 with another result, 0 with the same"
    assert status == command.INTERRUPTED


@runtime
def test_network_is_asked_for(function, monkeypatch):
    asked = []
    played = command.replays.next_slice
    monkeypatch.setattr(
        command.replays,
        "next_slice",
        lambda choice, **more: asked.append(choice) or played(choice, **more),
    )

    run("--function=greet", "--network", "--beside=deployed")

    assert (asked[0].network, asked[0].beside) == (True, "deployed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say one of --event, --conversation and --function"),
        ([f"--event={uuid.UUID(int=1)}", "--conversation=one"], "say one of"),
        ([f"--event={uuid.UUID(int=1)}"], "the account has none such"),
        (["--conversation=gone"], "the account has none such"),
        (["--function=gone"], 'the account has no function "gone"'),
        (["--function=greet", "--last=0"], "--last goes with --function alone, from 1 to 1000"),
        (["--function=greet", "--last=1001"], "--last goes with"),
        (["--conversation=one", "--last=5"], "--last goes with"),
        (["--function=greet", "--against=newest"], 'Cannot replay against "newest"'),
        (["--function=greet", "--against=9"], '"greet" has none such'),
    ],
)
def test_what_makes_no_sense_is_refused(function, arguments, said):
    assert said in refusal(*arguments)


def test_account_that_is_not_there_is_refused(account):
    with pytest.raises(CommandError, match='no account "gone1", known are acme1'):
        call_command("replay", "--account=gone1", "--function=greet")


@runtime
@pytest.mark.parametrize("ran", [True, False])
def test_version_is_of_the_function_that_the_event_is_for(function, ran):
    live_and_draft(SAYS.format("soon"), FAILS, name="urgent", event_type=events.TTR.id)
    event = happened("good day" if ran else None, function=function)

    said, _ = run(f"--event={event.pk}", "--against=1", "--json")

    [found] = json.loads(said)["results"]
    assert (found["functionName"], found["now"]["label"]) == ("greet", "Version 1")
    assert found["now"]["commands"][0]["text"] == "hello"


def test_version_that_is_not_there_is_refused_with_those_that_are(function):
    event = happened("hello", function=function)

    assert refusal(f"--event={event.pk}", "--against=99") == (
        'Cannot replay against the version "99": "greet" has none such, choose one of 2, 1'
    )


def test_many_versions_are_not_all_told(function):
    for number in range(3, 30):
        factories.VersionFactory(function=function, number=number)

    shown = ", ".join(map(str, range(29, 9, -1)))
    assert refusal("--function=greet", "--against=99").endswith(f"choose one of {shown} …")


def test_version_without_a_function_is_refused(function):
    event = happened(type=events.TTR.id, subtype=events.TTR.subtypes[0])

    assert "say of which function" in refusal(f"--event={event.pk}", "--against=1")


def test_place_of_the_account_is_free_afterwards(function):
    refusal("--function=greet", "--against=9")

    assert playing._at_once.begin(function.account_id)
    playing._at_once.end(function.account_id)


def test_status_of_the_process_is_2_when_arguments_are_wrong(tmp_path):
    environment = {**os.environ, "HOUSTON_DATA_DIR": str(tmp_path)}
    ended = [
        subprocess.run(
            [sys.executable, "manage.py", "replay", "--account=acme1", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
        )
        for arguments in (["--against"], ["--function=greet"])
    ]

    assert [each.returncode for each in ended] == [2, 2]
    assert b"run manage.py migrate first" in ended[1].stderr
