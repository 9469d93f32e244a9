"""That work began again after a pause, and what it means for people's silence."""

import datetime as dt

import pytest
import time_machine
from django.utils import timezone

from invoker import digesting, resuming
from invoker.epoch import millis
from invoker.models import Heartbeat, Simulation
from tests import factories

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_since_ms", 0)
    Heartbeat.objects.all().delete()


def at(seconds: float) -> int:
    """Give a sign of life so long after the start; since when work has had no pause, in ms."""
    with time_machine.travel(START + dt.timedelta(seconds=seconds), tick=False):
        resuming.sign_of_life()
        assert Heartbeat.age_s(resuming.WORKER) == 0
    return resuming.since_ms() and resuming.since_ms() - millis(START)


def test_signs_of_life_that_follow_each_other_are_no_pause() -> None:
    assert [at(seconds) for seconds in (0, 5, 20, 34)] == [0, 0, 0, 0]


def test_work_begins_again_where_no_worker_gave_a_sign_of_life() -> None:
    assert [at(seconds) for seconds in (0, 16, 21, 26, 60)] == [0, 16_000, 16_000, 16_000, 60_000]


def test_other_processes_learn_it(monkeypatch: pytest.MonkeyPatch) -> None:
    at(0)
    at(60)
    monkeypatch.setattr(resuming, "_since_ms", 0)

    assert at(65) == 60_000


@pytest.mark.parametrize(("simulated", "resumed"), [(False, True), (True, False)])
def test_only_conversations_that_somebody_sends_wait_for_senders(
    monkeypatch: pytest.MonkeyPatch, simulated: bool, resumed: bool
) -> None:
    platform = "simulator" if simulated else "generic"
    conversation = factories.ConversationFactory(connection__platform=platform)
    if simulated:
        Simulation.objects.create(
            conversation=conversation, account_id=conversation.account_id, scene={}
        )
    monkeypatch.setattr(resuming, "_since_ms", 1_000)
    rules = digesting.Rules.load(conversation)

    found = digesting.circumstances(conversation, rules, timezone.now())

    assert bool(found.resumed_ms) == resumed
