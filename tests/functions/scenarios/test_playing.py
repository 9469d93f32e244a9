"""Scenarios played in memory: what comes, what differs, and what keeps a run within bounds."""

import json
from typing import Any

import pytest
from django.apps import apps
from msgspec.structs import replace

from functions import scenarios
from functions.scenarios import Cast, Document, Outcome, ScenarioError, running
from functions.scenarios.documents import Failed, Late, Message, Transfer
from invoker import vault
from invoker.rehearsal import Mark
from tests import factories

pytestmark = [pytest.mark.runtime, pytest.mark.django_db]

ACCOUNT = factories.ACCOUNT_ID
NEW = "controllerbot_messaging_new_conversation"
ROUTING = "controllerbot_messaging_conversation_routing"
LOOPS = "function lambda(input, callback) { while (true) {} }"
SLOW = """
async function lambda(input) {
  await new Promise((done) => setTimeout(done, 1200));
  return { type: "systemMessage", text: "Welcome" };
}
"""


def returns(value: Any) -> str:
    return f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"


def says(text: str) -> str:
    return returns({"type": "systemMessage", "text": text})


def deploy(code: str, event_type: str = NEW, name: str = "greet", **fields: Any) -> None:
    factories.deployed(code=code, event_type=event_type, name=name, **fields)


def document(*steps: dict[str, Any], **fields: Any) -> Document:
    first = {"at": "0s", "act": "start"}
    told = steps if steps and steps[0].get("act") == "start" else (first, *steps)
    return scenarios.read(json.dumps({"scenario": 1, "name": "One", "steps": told, **fields}))


def play(found: Document, **options: Any) -> Outcome:
    return scenarios.run(ACCOUNT, found, scenarios.cast(ACCOUNT), **options)


def came(outcome: Outcome, step: int = 1) -> list[scenarios.Expected]:
    return [each.told for each in outcome.steps[step - 1].came]


def difference(outcome: Outcome, step: int = 1) -> list[str]:
    return [str(line) for line in outcome.steps[step - 1].difference]


# What comes ---------------------------------------------------------------------------------------


def test_run_says_what_came_and_by_which_code(account):
    deploy("function lambda(i, done) { console.warn('Hm', 7); done(null, []); }")

    outcome = play(document())

    (one,) = outcome.steps[0].came
    assert (one.told.event, one.told.function) == ("CONSUMER_OPEN_NEW_CONVERSATION", "greet")
    assert (one.version, one.at_ms, one.marks, one.reason) == ("deployed", 0, (), "")
    assert [(entry.message, entry.extras) for entry in one.logs] == [("Hm", [7])]
    assert one.duration_ms is not None
    assert outcome.passed


def test_run_says_why_no_function_ran(account):
    deploy(says("Hi"), skills=["7"])

    (one,) = play(document()).steps[0].came

    assert one.told.function is None
    assert one.reason.startswith('The conversation is in skill "-1"')


def test_nothing_is_written_and_nothing_is_left(account):
    deploy(returns([{"type": "systemMessage", "text": "Hi"}, {"type": "transfer", "skillId": "7"}]))
    models = [each for each in apps.get_models() if not each._meta.proxy]
    before = {each: each.objects.count() for each in models}

    outcome = play(document({"at": "5s", "act": "close"}))

    assert [each.event for each in came(outcome)] == [
        "CONSUMER_OPEN_NEW_CONVERSATION", "ENGAGEMENT_TRANSFERED",
    ]  # fmt: skip
    assert {each: each.objects.count() for each in models} == before


def test_what_a_function_would_write_is_not_written_and_secrets_are_read(account):
    factories.SecretFactory(key="token", value='"of old"')
    deploy("""
const { Toolbelt } = require("lp-faas-toolbelt");
async function lambda() {
  const client = Toolbelt.SecretClient();
  const { value } = await client.readSecret("token");
  await client.updateSecret({ key: "token", value: "new" });
  return { type: "systemMessage", text: value };
}
""")

    (one,) = play(document()).steps[0].came

    assert one.told.commands == (Message(text="of old"),)
    assert one.marks == (Mark.SECRET, Mark.WRITE)
    assert vault.read(ACCOUNT, "token") == "of old"


@pytest.mark.parametrize(("network", "mark"), [(False, Mark.NETWORK), (True, Mark.REQUEST)])
def test_request_leaves_only_where_the_network_is_allowed(account, network, mark):
    factories.AllowedDomainFactory(domain="nowhere.invalid")
    deploy('async function lambda() { await fetch("https://nowhere.invalid/"); return []; }')

    (one,) = play(document(), network=network).steps[0].came

    assert one.marks == (mark,)
    assert one.told.failed is not None


# Functions ----------------------------------------------------------------------------------------


def test_draft_or_an_older_version_plays_in_place_of_what_is_deployed(account):
    function = factories.deployed(code=says("deployed"), event_type=NEW, name="greet")
    factories.VersionFactory(function=function, number=7, code=says("older"))
    function.code = says("draft")
    function.save()
    found = document()

    texts = [
        scenarios.run(ACCOUNT, found, cast).steps[0].came[0]
        for cast in (
            scenarios.cast(ACCOUNT),
            scenarios.cast(ACCOUNT, drafts={function.pk}),
            scenarios.cast(ACCOUNT, versions={function.pk: 7}),
        )
    ]

    assert [(one.told.commands[0].text, one.version) for one in texts] == [
        ("deployed", "deployed"), ("draft", "draft"), ("older", "version 7"),
    ]  # fmt: skip
    with pytest.raises(ScenarioError, match='"greet" has no version 8'):
        scenarios.cast(ACCOUNT, versions={function.pk: 8})


def test_functions_of_a_folder_play_in_place_of_the_accounts(account, tmp_path):
    deploy(says("of the account"))
    for name, skills in (("one", ["7"]), ("two", ["8"])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.js").write_text(says(name))
        config = {"name": name, "event": NEW, "skills": skills}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    found = document({"at": "0s", "act": "start", "skill": "8"})

    outcome = scenarios.run("", found, scenarios.cast("", folder=tmp_path))

    assert came(outcome)[0].commands == (Message(text="two"),)


def test_two_functions_of_a_folder_for_the_same_event_are_refused(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.js").write_text(says(name))
        (tmp_path / name / "config.json").write_text(json.dumps({"name": name, "event": NEW}))

    with pytest.raises(scenarios.CastError, match='"one" and "two" both listen to'):
        scenarios.cast("", folder=tmp_path)


def test_functions_of_another_account_do_not_play(account):
    factories.DeploymentFactory(account_id="other", code=says("theirs"))

    assert scenarios.cast(ACCOUNT).players == ()


# The clock ----------------------------------------------------------------------------------------


def test_slow_function_is_too_late_for_what_somebody_did_meanwhile(account):
    deploy(SLOW)
    steps = (
        {"at": "0.2s", "act": "assign", "agent": "Kim"},
        {"at": "0.4s", "act": "agent_says", "text": "Hello"},
    )

    outcome = play(document(*steps))

    assert came(outcome)[0].stale == (Late(type="systemMessage", reason="agent-spoke"),)


def test_what_somebody_did_after_a_slow_function_makes_it_not_too_late(account):
    deploy(SLOW)
    steps = (
        {"at": "20s", "act": "assign", "agent": "Kim"},
        {"at": "21s", "act": "agent_says", "text": "Hello"},
    )

    outcome = play(document(*steps))

    assert came(outcome)[0].commands == (Message(text="Welcome"),)


def test_time_that_functions_take_does_not_move_what_happens_later(account):
    deploy(SLOW)
    deploy(returns([]), "controllerbot_messaging_conversation_idle", "idle")
    settings = {"idle_times": {"queue": "1m"}}

    outcome = play(document({"at": "0s", "act": "wait", "seconds": 60}, settings=settings))

    assert [each.at_ms for each in outcome.steps[1].came] == [60_000]


def test_settings_of_the_file_count_in_place_of_the_accounts(account):
    settings = {
        "office_hours": "closed",
        "idle_times": {"queue": "20s"},
        "automatic_messages": {"CONSUMER_OPEN_NEW_CONVERSATION_OFF_HOURS": "Come back"},
    }
    wait = {"at": "0s", "act": "wait", "seconds": 30}

    outcome = play(document(wait, settings=settings))
    opened = play(document(wait, settings=settings | {"office_hours": "open"}))

    assert came(outcome)[0].commands == (Message(text="Come back", automatic=True),)
    assert came(outcome, 2) == []
    assert [each.event for each in came(opened, 2)] == ["CONV_AWAITING_IN_QUEUE"]


@pytest.mark.parametrize("starts_at", ["2000-01-01T00:00:00Z", "2098-11-01T00:00:00Z"])
def test_clock_may_be_far_away(account, starts_at):
    deploy(says("Hi"))

    outcome = play(document({"at": "1s", "act": "wait", "seconds": 86_400}, starts_at=starts_at))

    assert came(outcome)[0].commands == (Message(text="Hi"),)
    assert [each.event for each in came(outcome, 2)] == ["CONV_AWAITING_IN_QUEUE"]


# Differences --------------------------------------------------------------------------------------


def test_difference_reads_like_the_file(account):
    deploy(returns([{"type": "systemMessage", "text": "Hi"}, {"type": "transfer", "skillId": "8"}]))
    expected = [
        {
            "event": "CONSUMER_OPEN_NEW_CONVERSATION",
            "function": "greet",
            "commands": [
                {"type": "systemMessage", "contains": "i"},
                {"type": "transfer", "skillId": "7"},
            ],
        },
        {
            "event": "ENGAGEMENT_TRANSFERED",
            "commands": [{"type": "systemMessage", "automatic": True}],
        },
    ]

    outcome = play(document({"at": "0s", "act": "start", "expect": expected}))

    assert not outcome.passed
    assert difference(outcome) == [
        "  - event: CONSUMER_OPEN_NEW_CONVERSATION",
        "    function: greet",
        "    commands:",
        "      - type: systemMessage",
        "        contains: i",
        "      - type: transfer",
        '-       skillId: "7"',
        '+       skillId: "8"',
        "  - event: ENGAGEMENT_TRANSFERED",
        "    commands:",
        "      - type: systemMessage",
        "        automatic: true",
    ]


def test_what_came_and_was_not_expected_differs_and_what_is_not_expected_is_not_checked(account):
    deploy(says("Hi"))

    checked = play(document({"at": "0s", "act": "start", "expect": []}))
    unchecked = play(document())

    assert difference(checked) == [
        "+ - event: CONSUMER_OPEN_NEW_CONVERSATION",
        "+   function: greet",
        "+   commands:",
        "+     - type: systemMessage",
        "+       text: Hi",
    ]
    assert unchecked.passed


def test_missing_event_does_not_make_those_after_it_differ(account):
    deploy(returns({"type": "closeConversation"}))
    ends = {"event": "SYSTEM_END_CONVERSATION"}
    welcome = {"type": "systemMessage", "automatic": True}
    opens = {
        "event": "CONSUMER_OPEN_NEW_CONVERSATION",
        "function": "greet",
        "commands": [welcome, {"type": "closeConversation"}],
    }
    moved = {"event": "ENGAGEMENT_TRANSFERED"}

    outcome = play(document({"at": "0s", "act": "start", "expect": [opens, moved, ends]}))

    assert [line for line in difference(outcome) if line[0] != " "] == [
        "- - event: ENGAGEMENT_TRANSFERED"
    ]


@pytest.mark.parametrize(
    ("wanted", "sent", "fits"),
    [
        ({"text": "Hi"}, "Hi", True),
        ({"text": "Hi"}, "Hi there", False),
        ({"contains": "there"}, "Hi there", True),
        ({"contains": "There"}, "Hi there", False),
        ({}, "Hi there", True),
        ({"automatic": True}, "Hi there", False),
    ],
)
def test_message_fits_what_is_expected_of_it(account, wanted, sent, fits):
    deploy(says(sent))
    message = {"type": "systemMessage", **wanted}
    expected = [
        {"event": "CONSUMER_OPEN_NEW_CONVERSATION", "function": "greet", "commands": [message]}
    ]

    assert play(document({"at": "0s", "act": "start", "expect": expected})).passed is fits


def test_failure_is_expected_with_or_without_its_words(account):
    deploy("function lambda() { throw new Error('No orders today'); }")
    failed = {"code": "custom-failure"}
    expected = [{
        "event": "CONSUMER_OPEN_NEW_CONVERSATION", "function": "greet", "failed": failed,
        "commands": [{"type": "systemMessage", "automatic": True}],
    }]  # fmt: skip
    found = document({"at": "0s", "act": "start", "expect": expected})

    outcome = play(found)

    assert came(outcome)[0].failed == Failed(code="custom-failure", message="No orders today")
    assert outcome.passed
    failed["message"] = "No orders at all"
    assert not play(document({"at": "0s", "act": "start", "expect": expected})).passed


def test_what_came_is_accepted_and_what_fits_stays_as_it_was_written(account):
    deploy(returns([{"type": "systemMessage", "text": "Hi"}, {"type": "transfer", "skillId": "8"}]))
    commands = [{"type": "systemMessage", "contains": "H"}, {"type": "transfer", "skillId": "7"}]
    expected = [{"event": "CONSUMER_OPEN_NEW_CONVERSATION", "commands": commands}]
    found = document({"at": "0s", "act": "start", "expect": expected})

    accepted = scenarios.accept(found, play(found))

    assert accepted.steps[0].expect[0].commands == (
        Message(contains="H"), Transfer(skill_id="8"),
    )  # fmt: skip
    assert play(accepted).passed
    assert scenarios.read(scenarios.write(accepted)) == accepted


@pytest.mark.parametrize("text", ["x" * 6_000, "a\0b", "half \ud83d of it", "\u2028\x85\r\n", " "])
def test_text_that_no_file_can_hold_is_accepted_by_a_part_of_it(account, text):
    deploy(says(text))
    found = document()

    accepted = scenarios.accept(found, play(found))

    assert scenarios.read(scenarios.write(accepted)) == accepted
    assert play(accepted).passed


# Bounds -------------------------------------------------------------------------------------------


def test_step_that_cannot_be_done_ends_it_there_and_says_why(account):
    found = document(
        {"at": "5s", "act": "back_to_queue", "expect": []},
        {"at": "9s", "act": "urgent", "expect": []},
    )

    outcome = play(found)

    assert [step.played for step in outcome.steps] == [True, False, False]
    assert outcome.steps[1].stopped.code == "nobody-assigned"
    assert not outcome.passed
    with pytest.raises(ScenarioError) as caught:
        scenarios.accept(found, outcome)
    assert caught.value.code == "scenario-not-played"


def test_functions_without_an_end_are_not_waited_for_again_and_again(account, monkeypatch):
    monkeypatch.setattr(running, "RUN_S", 0.3)
    deploy(LOOPS, "controllerbot_messaging_ttr", "ttr")
    steps = [
        {"at": f"{number + 1}s", "act": "urgent", "on": number % 2 == 0} for number in range(9)
    ]

    outcome = play(document(*steps))

    assert outcome.stopped.code == "scenario-timeouts"
    assert [step.played for step in outcome.steps] == [True] * 4 + [False] * 6
    assert came(outcome, 2)[0].failed.code == "execution-time-exceeded"


def test_scenario_ends_when_it_has_had_its_time(account, monkeypatch):
    monkeypatch.setattr(running, "LONGEST_S", 0.0)
    deploy(says("Hi"))

    outcome = play(document())

    assert outcome.stopped.code == "scenario-too-slow"
    assert not outcome.passed


def test_events_that_never_end_are_stopped(account, monkeypatch):
    monkeypatch.setattr("functions.scenarios.stage.MOST_EVENTS", 10)
    deploy(says("Hi"), "controllerbot_messaging_conversation_idle", "idle")
    factories.AutomaticMessage.objects.filter(subtype="CONV_AWAITING_IN_QUEUE").update(
        timer_s=15, repeats=20
    )

    outcome = play(document({"at": "0s", "act": "wait", "seconds": 86_400}))

    assert outcome.stopped.code == "scenario-too-many-events"


def test_bot_that_answers_its_own_transfers_is_stopped_as_it_is_for_real(account):
    deploy(returns({"type": "transfer", "skillId": "1"}))
    deploy(
        """
function lambda({ payload }, callback) {
  const skillId = String(Number(payload.routing.newSkillId) + 1);
  callback(null, { type: "transfer", skillId });
}
""",
        ROUTING,
        "move",
    )

    outcome = play(document())

    assert [each.stopped for each in came(outcome)] == [None] * 6 + ["loop"]
    assert outcome.steps[0].came[-1].reason.startswith("The bot's own commands caused more than 5")


def test_scenario_of_the_most_steps_is_played(account):
    deploy(says("Hi"))
    steps = [
        {"at": f"{number + 1}s", "act": "consumer_says", "text": "And"} for number in range(499)
    ]

    outcome = play(document(*steps))

    assert [each.event for each in came(outcome)] == ["CONSUMER_OPEN_NEW_CONVERSATION"]
    assert outcome.passed


def test_scenario_without_an_account_has_what_a_new_account_has():
    outcome = scenarios.run("", document({"at": "5m", "act": "close"}), Cast("", ()))

    assert came(outcome) == [
        scenarios.Expected(
            event="CONSUMER_OPEN_NEW_CONVERSATION",
            commands=(Message(text="Welcome back. How can we help you today?", automatic=True),),
        ),
        scenarios.Expected(
            event="CONV_AWAITING_IN_QUEUE",
            commands=(
                Message(
                    text="Thank you for waiting. The next free agent takes your conversation.",
                    automatic=True,
                ),
            ),
        ),
    ]


def test_document_that_is_changed_is_played_as_it_is(account):
    deploy(says("Hi"))
    found = document()

    emptied = replace(found, steps=(replace(found.steps[0], expect=()),))

    assert not play(emptied).passed
