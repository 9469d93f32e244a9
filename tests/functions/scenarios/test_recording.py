"""Played conversations as scenarios: which times, which acts, and when it cannot be done."""

import datetime as dt

import pytest
from django.db.models import F
from django.utils import timezone

from functions import scenarios
from functions.scenarios import ScenarioError
from invoker import dispatch, simulator
from invoker.models import Conversation, Platform, SimulatedAct
from invoker.simulator import acts
from tests import factories
from tests.functions.scenarios import real

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT = factories.ACCOUNT_ID
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def conversation(account) -> Conversation:
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    started = simulator.start(ACCOUNT, acts.Start(), by="kim", starts_at=NOON)
    dispatch.drain(started.pk)
    return started


def refused(conversation: Conversation) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenarios.from_conversation(conversation)
    return caught.value.code


def test_silence_after_the_last_act_becomes_a_wait(conversation):
    real.let_pass(conversation, int(NOON.timestamp() * 1000) + 330_000)

    saved = scenarios.from_conversation(conversation)

    assert saved.starts_at == NOON
    start, rest = saved.steps
    assert (start.at_ms, start.act, rest.at_ms) == (0, acts.Start(), 0)
    assert isinstance(rest.act, acts.Wait)
    assert [each.event for each in rest.expect] == ["CONV_AWAITING_IN_QUEUE"]
    assert scenarios.run(ACCOUNT, saved, scenarios.cast(ACCOUNT)).passed


def test_conversation_of_another_platform_is_refused(account):
    assert refused(factories.ConversationFactory()) == "scenario-not-simulated"


def test_conversation_in_which_something_is_under_way_is_refused(conversation):
    simulator.perform(conversation, acts.Urgent(), by="kim")
    assert refused(conversation) == "scenario-under-way"
    dispatch.drain(conversation.pk)

    simulator.perform(conversation, acts.Wait(seconds=60), by="kim")
    assert refused(conversation) == "scenario-under-way"

    dispatch.drain(conversation.pk)
    assert len(scenarios.from_conversation(conversation).steps) == 3


def test_acts_are_told_in_whole_seconds_unless_the_bot_was_busy(conversation):
    for act in (acts.Urgent(), acts.Urgent(on=False)):
        simulator.perform(conversation, act, by="kim")
        dispatch.drain(conversation.pk)
    rows = conversation.simulation.acts
    for number, after_ms in ((1, 0), (2, 10_400), (3, 12_900)):
        rows.filter(number=number).update(at_ms=int(NOON.timestamp() * 1000) + 700 + after_ms)

    in_seconds = scenarios.from_conversation(conversation)
    # As if the first event had been handled only after the next act.
    conversation.events.filter(position=1).update(finished_at=timezone.now())
    exact = scenarios.from_conversation(conversation)

    assert [step.at_ms for step in in_seconds.steps] == [0, 10_000, 12_000]
    assert [step.at_ms for step in exact.steps] == [0, 10_400, 12_900]
    assert in_seconds.starts_at == NOON + dt.timedelta(seconds=1)


def test_acts_within_one_second_keep_their_times_where_something_came_in_between(conversation):
    for act in (acts.Assign(agent="Kim"), acts.AgentSays(text="Hi")):
        simulator.perform(conversation, act, by="kim")
        dispatch.drain(conversation.pk)
    rows = conversation.simulation.acts
    for number, after_ms in ((1, 0), (2, 2_100), (3, 2_600)):
        rows.filter(number=number).update(at_ms=int(NOON.timestamp() * 1000) + after_ms)

    saved = scenarios.from_conversation(conversation)

    assert [step.at_ms for step in saved.steps] == [0, 2_100, 2_600]


def test_conversation_of_more_acts_than_a_file_may_have_is_refused(conversation):
    first = conversation.simulation.acts.get()
    SimulatedAct.objects.bulk_create(
        SimulatedAct(
            simulation=first.simulation, number=number, at_ms=first.at_ms, act=first.act, made_by=""
        )
        for number in range(2, scenarios.MOST_STEPS + 2)
    )

    assert refused(conversation) == "scenario-too-long"


def test_conversation_that_lasted_longer_than_a_file_may_tell_is_refused(conversation):
    let_pass = [acts.Wait(seconds=minutes * 60) for minutes in (500_000, 76_000)]
    for act in [*let_pass, acts.Urgent()]:
        simulator.perform(conversation, act, by="kim")
        dispatch.drain(conversation.pk)
    rows = conversation.simulation.acts
    rows.filter(number=4).update(at_ms=rows.get(number=1).at_ms + scenarios.LONGEST_MS)

    longest = scenarios.from_conversation(conversation)
    rows.filter(number=4).update(at_ms=F("at_ms") + 1_000)
    with pytest.raises(ScenarioError) as caught:
        scenarios.from_conversation(conversation)

    assert longest.steps[-1].at_ms == scenarios.LONGEST_MS
    assert scenarios.read(scenarios.write(longest)) == longest
    assert caught.value.code == "scenario-too-long"
    assert caught.value.message == (
        f'Cannot save "{conversation.conv_id}" as a scenario: its last step comes 400d 1s after '
        "the first, and 400d is the most, play one in which less time passes"
    )
