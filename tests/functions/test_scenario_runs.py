"""Runs of scenarios for somebody who waits: in the real sandbox, and only the result is kept."""

import threading

import pytest

from functions import kept_scenarios, scenario_runs, scenarios, services
from functions.models import Scenario, Version
from functions.scenario_runs import Stage, Wish
from functions.views import scenario_drawing
from invoker import calls
from invoker.models import Command, Conversation, Event, Invocation
from invoker.rehearsal import MARKS, Mark
from invoker.simulator import acts
from tests import factories

ACCOUNT = factories.ACCOUNT_ID
NEW = "controllerbot_messaging_new_conversation"
SAYS = """function lambda(input, callback) {{
  callback(null, [{{ type: "systemMessage", text: "{0}" }}]);
}}
"""


def greets(text="hello"):
    """A function called greet that serves New Conversation, and says this."""
    return factories.deployed(name="greet", event_type=NEW, code=SAYS.format(text))


def save(function, text):
    services.save_draft(
        function,
        version=function.version,
        code=SAYS.format(text),
        description=function.description,
        environment=function.environment,
        by="dana",
    )


def stage(**wish):
    return Stage.of(ACCOUNT, Wish(**wish))


@pytest.mark.runtime
def test_run_keeps_that_it_passed_and_against_what(account):
    greets()
    scenario = factories.ScenarioFactory()

    told = scenario_runs.run(stage(), scenario, by="dana")

    found = Scenario.objects.get()
    assert (found.last_passed, found.last_differing, found.last_text) == (True, 0, "")
    assert (found.last_against, found.last_run_by) == ("what is deployed", "dana")
    assert found.last_outcome == told
    assert found.version == 1
    assert [each["function"] for each in told["steps"][0]["came"]] == ["greet"]


@pytest.mark.runtime
def test_run_writes_nothing_but_its_result(account):
    greets()

    scenario_runs.run(stage(), factories.ScenarioFactory(), by="dana")

    assert not Conversation.objects.exists()
    assert not Event.objects.exists()
    assert not Invocation.objects.exists()
    assert not Command.objects.exists()


@pytest.mark.runtime
def test_run_of_a_draft_keeps_what_came_for_whoever_wants_to_accept_it(account):
    function = greets()
    save(function, "good day")
    scenario = factories.ScenarioFactory()

    told = scenario_runs.run(stage(drafts=frozenset([function.pk])), scenario, by="dana")

    found = Scenario.objects.get()
    assert (found.last_passed, found.last_differing) == (False, 1)
    assert found.last_against == "the draft of greet (version 2)"
    assert found.last_text == found.text.replace("text: hello", "text: good day")
    assert told["steps"][0]["difference"][-2:] == [
        "-       text: hello",
        "+       text: good day",
    ]


@pytest.mark.runtime
def test_run_of_an_older_version(account):
    function = greets()
    Version.objects.filter(function=function).update(code=SAYS.format("hi of old"))
    save(function, "good day")

    told = scenario_runs.run(
        stage(versions={function.pk: 1}, network=True), factories.ScenarioFactory(), by="dana"
    )

    came = told["steps"][0]["came"][0]
    assert (came["version"], came["commands"][0]["text"]) == ("version 1", "hi of old")
    assert Scenario.objects.get().last_against == "version 1 of greet, with the network"


def test_stage_when_there_is_no_such_version(account):
    function = greets()

    with pytest.raises(scenarios.ScenarioError, match="has no version 7"):
        stage(versions={function.pk: 7})


def test_stage_takes_no_functions_of_another_account(account):
    theirs = factories.FunctionFactory(account_id="other1", name="theirs", event_type=NEW)

    found = stage(drafts=frozenset([theirs.pk]))

    assert (found.cast.players, found.against) == ((), "what is deployed")


def test_words_name_a_few_of_many_drafts(account):
    functions = [factories.FunctionFactory(name=f"f{n}") for n in range(5)]
    wish = Wish(drafts=frozenset(each.pk for each in functions))

    assert wish.words(functions) == (
        "the draft of f0 (version 1) and the draft of f1 (version 1) and 3 more drafts"
    )


@pytest.mark.runtime
def test_slice_ends_when_its_time_is_over_but_not_before_one_was_run(account):
    greets()
    waiting = factories.ScenarioFactory.create_batch(3)
    moments = iter([0.0, 1.0, 9.0])

    ran = scenario_runs.run_slice(stage(), waiting, by="dana", clock=lambda: next(moments))

    assert [each.scenario for each in ran] == waiting[:2]


def test_run_when_the_account_runs_as_many_as_it_may(account, monkeypatch):
    monkeypatch.setattr(scenario_runs, "_at_once", calls.AtOnce(0))
    scenario = factories.ScenarioFactory()

    with pytest.raises(scenario_runs.BusyError):
        scenario_runs.run_slice(stage(), [scenario], by="dana")

    assert Scenario.objects.get().last_run_at is None


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_run_ends_when_somebody_stops_it_and_keeps_the_result_of_before(account, monkeypatch):
    monkeypatch.setattr(scenario_runs, "LOOK_S", 0.0)
    slow = "async function lambda() { await new Promise((done) => setTimeout(done, 150)); }"
    factories.deployed(name="greet", event_type="controllerbot_messaging_ttr", code=slow)
    steps = "".join(
        f"  - at: {n + 1}s\n    act: urgent\n    'on': {'true' if n % 2 == 0 else 'false'}\n"
        for n in range(200)
    )
    text = f"scenario: 1\nname: Long\nsteps:\n  - at: 0s\n    act: start\n{steps}"
    scenario = factories.ScenarioFactory(name="Long", text=text)
    told = []
    running = threading.Thread(
        target=lambda: told.append(scenario_runs.run(stage(), scenario, by="dana"))
    )
    running.start()

    # Asked again and again: one who asks before it has begun does not end it.
    while running.is_alive():
        kept_scenarios.stop(scenario)
        running.join(0.1)

    assert scenario_runs.was_stopped(told[0])
    assert Scenario.objects.get().last_run_at is None


@pytest.mark.runtime
def test_record_takes_what_the_functions_of_the_account_do(account):
    greets("Ahoy")
    shipped = next(each for each in scenarios.shipped() if each.slug == "urgent")

    text = scenario_runs.record(stage(), scenario_runs.without_its_own(shipped.document))

    document = scenarios.read(text)
    assert (document.functions, document.settings) == ({}, None)
    assert [each.function for each in document.steps[0].expect] == ["greet"]
    outcome = scenario_runs.play(stage(), document)
    assert outcome.passed


# Drawing ------------------------------------------------------------------------------------------

REQUIRED = {
    "consumer_says": {"text": "Hi"},
    "agent_says": {"text": "Hi"},
    "join": {"who": "Lee"},
    "leave": {"who": "Lee"},
    "response_time": {"minutes": 5},
    "transfer": {"skill": "7"},
    "office": {"state": "open"},
    "wait": {"seconds": 90},
}


@pytest.mark.parametrize("word", acts.ACTS)
def test_every_act_is_told_in_words(word):
    act = acts.read({"act": word, **REQUIRED.get(word, {})})
    document = scenarios.Document(name="One", steps=(scenarios.Step(at_ms=0, act=act, expect=()),))

    (step,) = scenario_drawing.draw(document, None)

    assert step.remark
    assert "None" not in step.remark
    assert (step.expected, step.came) == ([], None)


def test_what_was_expected_and_what_came_are_drawn_apart():
    told = {
        "stopped": None,
        "steps": [
            {
                "number": 1, "atMs": 61_500, "act": {"act": "consumer_says", "text": "Hi"},
                "played": True, "checked": True, "differs": True, "stopped": None,
                "expected": [
                    {"event": "BACK_TO_QUEUE", "commands": [
                        {"type": "systemMessage", "contains": "soon"},
                        {"type": "systemMessage"},
                        {"type": "transfer", "skillId": "7", "agentId": "a"},
                    ]},
                ],
                "came": [
                    {"event": "BACK_TO_QUEUE", "function": "greet", "version": "draft",
                     "durationMs": 1200.0, "marks": ["network"], "logs": [], "reason": "",
                     "dropped": [{"type": "", "reason": "x", "detail": "Not a command"}],
                     "stale": [{"type": "closeConversation", "reason": "agent-wrote"}],
                     "failed": {"code": "custom-failure", "message": "no"}},
                ],
                "difference": ["- a", "+ b"],
            },
        ],
    }  # fmt: skip

    (step,) = scenario_drawing.draw_told(told)

    assert (step.at, step.state, step.differs) == ("1m 1.5s", ("bad", "Differs"), True)
    assert step.difference == [("-", "a"), ("+", "b")]
    expected, came = step.expected[0], step.came[0]
    assert expected.name == "The conversation returns to the queue"
    assert [(one.text or one.label, one.why) for one in expected.drawn] == [
        ("soon", "A message with this in it"),
        ("Any message", ""),
        ("Transfer to skill 7, agent a", ""),
    ]
    assert (came.by, came.in_budget, came.failed) == ("greet, draft", False, "custom-failure: no")
    assert came.marks == [MARKS[Mark.NETWORK]]
    assert [(one.label, one.dropped, one.why) for one in came.drawn] == [
        ("Close the conversation", True, "It came too late: agent-wrote"),
        ("Not a command", True, "Not a command"),
    ]
