"""What a scenario gives in memory is what the real thing gives: the same acts, played both ways."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from functions import scenarios
from functions.scenarios import Document, Shipped
from invoker import dispatch, runtime, simulator
from invoker.models import ControllerBot, Platform
from invoker.simulator import acts
from tests import factories
from tests.functions.scenarios import real

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

ACCOUNT = factories.ACCOUNT_ID


def a_document(steps: list[dict[str, Any]]) -> Document:
    return scenarios.read(json.dumps({"scenario": 1, "name": "One", "steps": steps}))


def played_in_memory(document: Document) -> scenarios.Outcome:
    return scenarios.run(ACCOUNT, document, scenarios.cast(ACCOUNT))


def assert_passes(document: Document) -> None:
    outcome = played_in_memory(document)
    assert [str(line) for step in outcome.steps for line in step.difference] == []
    assert outcome.passed, outcome.stopped


@pytest.mark.parametrize("one", scenarios.shipped(), ids=lambda each: each.slug)
def test_shipped_scenario_that_is_played_for_real_is_the_same(one: Shipped, account):
    real.prepare(one.document)

    saved = scenarios.from_conversation(real.play(one.document))

    assert saved.starts_at == one.document.starts_at
    # Times are not compared: between two acts this machine takes its time as well.
    told = [[(step.act, step.expect) for step in each.steps] for each in (saved, one.document)]
    assert told[0] == told[1]
    assert scenarios.read(scenarios.write(saved)) == saved
    assert_passes(replace(saved, settings=one.document.settings))


# Each is an account's functions by their event, and what is done in a conversation.
MESSAGE = {"type": "systemMessage", "text": "Hi"}
NEW, ROUTING, IDLE, PEOPLE, END, TTR = (
    f"controllerbot_messaging_{word}"
    for word in ("new_conversation", "conversation_routing", "conversation_idle",
                 "participants_change", "conversation_end", "ttr")
)  # fmt: skip


def returns(value: Any) -> str:
    return f"function lambda(input, callback) {{ callback(null, {json.dumps(value)}); }}"


MOVES_ON = """
function lambda({ payload }, callback) {
  const skillId = String(Number(payload.routing.newSkillId) + 1);
  callback(null, [{ type: "transfer", skillId }, { type: "systemMessage", text: skillId }]);
}
"""
THROWS = "function lambda() { throw new Error('No orders today'); }"
SAYS_WHAT = """
function lambda({ payload }, callback) {
  const { general } = payload;
  const text = [general.cbotEventType, general.inOffHours, general.newConvState].join(" ");
  callback(null, { type: "systemMessage", text });
}
"""

CASES: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = {
    "automatic messages of the account": (
        {},
        [
            {"at": "0s", "act": "start", "first_time": True, "language": "en-GB"},
            {"at": "10s", "act": "urgent"},
            {"at": "20s", "act": "assign"},
            {"at": "30s", "act": "response_time", "minutes": 20},
            {"at": "1m", "act": "wait", "seconds": 7200},
            {"at": "2h 2m", "act": "back_to_queue"},
            {"at": "2h 3m", "act": "wait", "seconds": 900},
        ],
    ),
    "a function that transfers on every routing": (
        {NEW: returns({"type": "transfer", "skillId": "1"}), ROUTING: MOVES_ON},
        [{"at": "0s", "act": "start"}, {"at": "30s", "act": "consumer_says", "text": "Where am I"}],
    ),
    "a function that fails": (
        {NEW: THROWS, PEOPLE: "function lambda() { return nothing.at.all; }"},
        [{"at": "0s", "act": "start"}, {"at": "5s", "act": "assign"}],
    ),
    "commands that are dropped": (
        {NEW: returns([MESSAGE, MESSAGE, {"type": "fax"}, 7, {"type": "transfer"}])},
        [{"at": "0s", "act": "start"}],
    ),
    "a bot that closes, and what people cannot do then": (
        {NEW: returns([MESSAGE, {"type": "closeConversation"}]), END: SAYS_WHAT},
        [{"at": "0s", "act": "start", "authenticated": True}],
    ),
    "a bot that proposes an agent": (
        {NEW: returns({"type": "transfer", "agentId": "agent-kim"}), PEOPLE: SAYS_WHAT},
        [{"at": "0s", "act": "start"}, {"at": "30s", "act": "assign", "agent": "Kim"}],
    ),
    "people of every kind": (
        {PEOPLE: SAYS_WHAT, TTR: SAYS_WHAT, ROUTING: SAYS_WHAT},
        [
            {"at": "0s", "act": "start", "skill": "a", "campaign": "c"},
            {"at": "1s", "act": "suggest", "agent": "Kim"},
            {"at": "3s", "act": "assign", "agent": "Kim"},
            {"at": "5s", "act": "join", "who": "Max", "role": "manager"},
            {"at": "7s", "act": "join", "who": "Pat", "role": "consumer"},
            {"at": "9s", "act": "agent_says", "text": "To us", "private": True},
            {"at": "11s", "act": "leave", "who": "Pat"},
            {"at": "13s", "act": "sign_in"},
            {"at": "15s", "act": "urgent"},
            {"at": "17s", "act": "urgent", "on": False},
            {"at": "19s", "act": "transfer", "skill": "b"},
        ],
    ),
    "off-hours and a survey": (
        {END: SAYS_WHAT, "controllerbot_messaging_mid_conversation_msg": SAYS_WHAT},
        [
            {"at": "0s", "act": "start"},
            {"at": "10s", "act": "office", "state": "closed"},
            {"at": "20s", "act": "consumer_says", "text": "Hello?"},
            {"at": "8h", "act": "office", "state": "account"},
            {"at": "9h", "act": "consumer_says", "text": "Hello!"},
            {"at": "9h 10m", "act": "close", "by": "system", "survey": True},
            {"at": "9h 11m", "act": "end_survey"},
        ],
    ),
    "idle events that the bot answers with a transfer": (
        {IDLE: MOVES_ON},
        [
            {"at": "0s", "act": "start", "skill": "1"},
            {"at": "10s", "act": "wait", "seconds": 10_800},
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_conversation_that_was_played_passes_in_memory(case, account):
    functions, steps = CASES[case]
    document = a_document(steps)
    real.prepare(document)
    for event_type, code in functions.items():
        factories.DeploymentFactory(event_type=event_type, code=code, function_name="f")

    saved = scenarios.from_conversation(real.play(document))

    assert any(step.expect for step in saved.steps)
    assert_passes(saved)
    assert scenarios.accept(saved, played_in_memory(saved)) == saved


def test_function_runs_again_as_often_as_the_account_says(account):
    ControllerBot.objects.update(function_retries=2)
    counts = """
let runs = 0;
function lambda(input, callback) {
  runs += 1;
  if (runs < 3) throw new Error("no");
  callback(null, { type: "systemMessage", text: String(runs) });
}
"""
    factories.DeploymentFactory(code=counts, function_name="f")
    document = scenarios.read(
        '{"scenario": 1, "name": "x", "steps": [{"at": "0s", "act": "start"}]}'
    )
    real.prepare(document)

    saved = scenarios.from_conversation(real.play(document))

    assert [each.text for each in saved.steps[0].expect[0].commands] == ["3"]
    assert_passes(saved)


SLOW = """
async function lambda(input) {
  await new Promise((done) => setTimeout(done, 1500));
  return { type: "systemMessage", text: "Welcome" };
}
"""


def test_message_that_is_too_late_for_real_is_so_in_memory(account, monkeypatch):
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    factories.DeploymentFactory(code=SLOW, function_name="slow")
    conversation = simulator.start(ACCOUNT, acts.Start(), by="kim")
    run = runtime.run

    def meanwhile(*arguments: Any, **options: Any) -> runtime.Result:
        result = run(*arguments, **options)
        simulator.perform(conversation, acts.Assign(agent="Kim"), by="kim")
        simulator.perform(conversation, acts.AgentSays(text="Hello Sam"), by="kim")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(runtime, "run", meanwhile)
        dispatch.drain(conversation.pk)
    # How long this machine took in between is not how long people took.
    rows = conversation.simulation.acts
    began_ms = rows.get(number=1).at_ms
    for number in (2, 3):
        rows.filter(number=number).update(at_ms=began_ms + number * 200)

    saved = scenarios.from_conversation(conversation)

    assert [step.at_ms for step in saved.steps] == [0, 400, 600]
    assert [each.reason for each in saved.steps[0].expect[0].stale] == ["agent-spoke"]
    assert_passes(saved)
