"""Messages that came too late: how late they were, and what the pages say about it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from invoker import dispatch, simulator
from invoker.models import Command, Platform, SimulatedAct, Verdict
from invoker.simulator import acts
from tests import factories

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
def test_greeting_of_a_slow_function_stays_away_once_the_agent_has_written(simulated):
    factories.deployed(event_type="controllerbot_messaging_participants_change", code=SLOW_GREETING)

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
