"""A replay in the real sandbox: what really happened beside what would happen, slice by slice."""

import threading
from dataclasses import replace

import pytest
from django.db import connections

from functions import replays, services
from functions.replays import playing, running
from invoker import context, rehearsal, runtime, vault
from invoker.models import (
    Command,
    CommandState,
    ContextProperty,
    Event,
    Invocation,
    InvocationState,
    LogLine,
    SecretUse,
)
from tests import factories, namespace
from tests.functions.replays import happened as made
from tests.functions.replays.happened import (
    EVENT,
    FAILS,
    FETCHES,
    LOOPS,
    SAYS,
    codes,
    happened,
    last,
    live_and_draft,
    ran,
    rows,
)
from tests.namespace import Answer

pytestmark = pytest.mark.runtime
ACTS = """
const { Toolbelt } = require("core-functions-toolbelt");
async function lambda(input) {
  console.log("here");
  const secrets = Toolbelt.SecretClient();
  await secrets.readSecret("token");
  const context = Toolbelt.ContextServiceClient({ apiKey: "x", accountId: "acme1" });
  await context.setPropertiesInNamespace("seen", { a: 1 }, "s");
  await fetch(input.payload.general.convId).catch(() => null);
  return { type: "systemMessage", text: "b" };
}
"""


def test_what_really_happened_is_taken_and_the_draft_runs(account):
    function = live_and_draft(SAYS.format("hello"), SAYS.format("good day"))
    event = happened("as it was", function=function)

    [row] = rows(last(function))

    assert row.event == event
    assert (row.then.recorded, row.then.label, row.then.steps[0].text) == (
        True,
        "Version 1",
        "as it was",
    )
    assert (row.now.label, row.now.steps[0].text) == ("Draft, version 2", "good day")
    assert codes(row) == ["message-changed"]


def test_deployed_version_runs_where_no_function_ran(account):
    function = live_and_draft(SAYS.format("hello"), SAYS.format("good day"))
    happened()

    [row] = rows(last(function))

    assert not row.then.recorded
    assert (row.then.label, row.then.steps[0].text) == ("Deployed, version 1", "hello")


def test_nothing_ran_where_nothing_is_deployed(account):
    function = factories.FunctionFactory(name="greet", event_type=EVENT, code=SAYS.format("a"))
    event = happened(detail="No deployed function has the event")
    made.automatic(event, "Welcome")

    [row] = rows(last(function))

    assert (row.then.ran, row.then.why) == (False, "No deployed function has the event")
    assert [step.automatic for step in row.then.steps] == [True]
    assert [each.message for each in row.differences] == ["A message in place of the automatic one"]


def test_what_became_of_commands_stands_with_what_happened(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("a") + "// the same")
    happened("a", function=function, became=CommandState.STALE)

    [row] = rows(last(function))

    assert (row.verdict, row.then.steps[0].state) == ("same", "stale")


def test_last_attempt_counts_and_what_the_platform_failed_at_does_not(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    event = happened()
    ran(event, function, None, outcome=InvocationState.CODING_FAILURE, attempt=1)
    ran(event, function, None, outcome=InvocationState.TIMEOUT, attempt=2)
    ran(event, function, None, outcome=InvocationState.PLATFORM_FAILURE, attempt=3)

    [row] = rows(last(function))

    assert row.then.outcome == "TIMEOUT"
    assert codes(row)[0] == "fails-no-more"


@pytest.mark.parametrize("against", ["deployed", "1", "2", "draft", "deployment"])
def test_any_version_can_run(account, against):
    function = live_and_draft(SAYS.format("one"), SAYS.format("two"))
    happened("zero", function=function)
    text = str(function.deployment_id) if against == "deployment" else against

    [row] = rows(last(function, against=replays.Against.read(text)))

    expected = "two" if against in ("2", "draft") else "one"
    assert (row.then.steps[0].text, row.now.steps[0].text) == ("zero", expected)


def test_comparison_with_the_deployed_version_takes_what_happened_only_where_that_ran(account):
    function = live_and_draft(SAYS.format("live"), SAYS.format("draft"))
    newer = happened("as it was", function=function)
    older = happened()
    factories.InvocationFactory(event=older, result=None)

    found = rows(last(function, beside=replays.Beside.DEPLOYED))

    said = {row.event: (row.then.recorded, row.then.steps[0].text) for row in found}
    assert said == {newer: (True, "as it was"), older: (False, "live")}


def test_nothing_is_written_and_nobody_is_asked(account, monkeypatch):
    vault.add(account.id, key="token", value="sesame", by="ada")
    context.create_namespace(account.id, "seen", None)
    factories.AllowedDomainFactory(domain="api.example.com")
    function = live_and_draft(SAYS.format("a"), ACTS)
    payload = happened().payload
    payload["general"]["convId"] = "http://api.example.com/"
    Event.objects.update(payload=payload)

    with namespace.world() as world:
        world.serve("api.example.com", {"/": Answer(200, {}, b"served")})
        monkeypatch.setattr(runtime, "_pool", world.pool())
        [refused] = rows(last(function))
        asked = (world.connections(), world.dns_queries())
        [allowed] = rows(last(function, network=True))
        sent = [each.host for each in world.requests()]

    assert asked == ([], [])
    assert sent == ["api.example.com"]
    assert refused.now.steps[0].text == allowed.now.steps[0].text == "b"
    assert [each.code for each in refused.notes] == ["network", "secret", "write"]
    assert [each.code for each in allowed.notes] == ["request", "secret", "write"]
    assert (refused.fair, allowed.fair) == (False, True)
    for model in (Invocation, LogLine, Command, ContextProperty, SecretUse):
        assert not model.objects.exists(), model


def test_failure_for_want_of_the_network_does_not_count_as_failing(account):
    function = live_and_draft(SAYS.format("a"), FETCHES)
    happened("a", function=function)

    found = replays.next_slice(last(function))

    [row] = found.rows
    assert row.marks == {rehearsal.Mark.NETWORK}
    assert "no request leaves a rehearsal" in row.differences[0].message
    assert (found.progress.differ, found.progress.unfair, found.progress.failing) == (1, 1, 0)


def test_request_that_the_allow_list_refuses_is_not_said_to_be_sent(account):
    function = live_and_draft(SAYS.format("a"), FETCHES)
    happened("a", function=function)

    [row] = rows(last(function, network=True))

    assert [each.code for each in row.notes] == ["forbidden-host"]
    assert row.fair


def test_failures_and_equal_results_are_counted(account):
    function = live_and_draft(SAYS.format("a"), FAILS)
    happened("a", function=function)
    event = happened()
    failed = {"name": "TypeError", "message": "Cannot read properties of undefined (reading 'at')"}
    ran(event, function, None, outcome=InvocationState.CODING_FAILURE, failure=failed)

    found = replays.next_slice(last(function))

    progress = found.progress
    assert (progress.total, progress.done, progress.differ, progress.same) == (2, 2, 1, 1)
    assert progress.failing == 1


def test_replay_stops_after_three_runs_that_take_too_long(account, monkeypatch):
    monkeypatch.setattr(running, "RUN_S", 0.2)
    monkeypatch.setattr(playing, "SLICE_S", 30)
    monkeypatch.setattr(running, "AT_ONCE", 1)
    function = live_and_draft(SAYS.format("a"), LOOPS)
    for _ in range(5):
        happened("a", function=function)

    found = replays.next_slice(last(function))
    again = replays.next_slice(last(function), found.progress)

    assert (found.stopped, found.more, len(found.rows)) == ("timeouts", False, 3)
    assert (again.stopped, again.rows) == ("timeouts", [])


@pytest.mark.django_db(transaction=True)
def test_tests_of_the_account_go_on_beside_endless_loops(account):
    function = live_and_draft(SAYS.format("a"), LOOPS)
    happened("a", function=function)
    looping = threading.Thread(target=_replay_and_close, args=[function])
    looping.start()
    while not playing._at_once._running[account.id]:
        assert looping.is_alive()

    tested = services.test(function, code=SAYS.format("quick"), environment={}, event={})

    assert tested.value[0]["text"] == "quick"
    assert looping.is_alive()
    looping.join()


def _replay_and_close(function):
    try:
        replays.next_slice(last(function))
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_many_events_run_side_by_side_in_their_order(account):
    function = live_and_draft(
        SAYS.format("a"),
        "const { general } = {};"
        + """
    const delays = require("node:timers/promises");
    async function lambda(input) {
      await delays.setTimeout(Math.random() * 20);
      return { type: "systemMessage", text: input.payload.general.convId };
    }""",
    )
    conversations = [happened().conversation for _ in range(30)]
    for each in Event.objects.all():
        each.payload["general"]["convId"] = each.conversation.conv_id
        each.save()

    found = rows(last(function, most=1000))

    assert [row.now.steps[0].text for row in found] == [
        each.conv_id for each in reversed(conversations)
    ]


def test_replay_goes_on_in_slices_when_time_is_over(account, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(running, "AT_ONCE", 1)
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    old, new = happened(), happened()
    choice = last(function)

    first = replays.next_slice(choice)
    kept = replays.Progress.read(first.progress.write())
    second = replays.next_slice(choice, kept)

    assert ([row.event for row in first.rows], first.more) == ([new], True)
    assert ([row.event for row in second.rows], second.more) == ([old], False)
    assert (second.progress.done, second.progress.differ) == (2, 2)


def test_slice_has_no_more_than_is_asked_for(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    events = [happened() for _ in range(5)]
    choice = last(function, most=4)

    first = replays.next_slice(choice, most=3)
    second = replays.next_slice(choice, first.progress, most=3)

    assert ([row.event for row in first.rows], first.more) == (events[4:1:-1], True)
    assert ([row.event for row in second.rows], second.more) == ([events[1]], False)


def test_replay_does_not_go_on_when_something_was_saved_meanwhile(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    happened()
    found = replays.next_slice(last(function))
    made.save(function, SAYS.format("c"))

    with pytest.raises(replays.ChangedError, match="begin again"):
        replays.next_slice(last(function), found.progress)


def test_one_replay_at_a_time_for_an_account(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    assert playing._at_once.begin(account.id)
    try:
        with pytest.raises(replays.BusyError):
            replays.next_slice(last(function))
    finally:
        playing._at_once.end(account.id)


def test_place_is_given_back_when_a_replay_fails(account):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    wrong = replace(last(function), against=replays.Against.read("77"))

    with pytest.raises(replays.InvalidChoiceError, match='"greet" has none such'):
        replays.next_slice(wrong)

    assert replays.next_slice(last(function)).sampled


def test_events_that_agree_share_the_query_of_their_automatic_message(
    account, django_assert_max_num_queries
):
    silent = "function lambda(input, callback) { callback(null, null); }"
    function = live_and_draft(silent, silent + "// new")
    for _ in range(30):
        happened()

    with django_assert_max_num_queries(16):
        found = rows(last(function))

    assert len(found) == 20
    assert all(row.now.steps[0].automatic for row in found)


def test_automatic_message_that_is_another_one_today_is_mentioned(account):
    silent = "function lambda(input, callback) { callback(null, null); }"
    function = live_and_draft(silent, silent + "// the same")
    event = happened(None)
    ran(event, function, None)
    made.automatic(event, "Welcome of last year")

    [row] = rows(last(function))

    assert (row.verdict, [each.code for each in row.notes]) == ("same", ["automatic-today"])
