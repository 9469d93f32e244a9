"""Conversations of the simulator, to play in tests: each act is handled at once."""

import datetime as dt
from typing import Any

import pytest

from invoker import dispatch, simulator
from invoker.models import (
    AutomaticMessage,
    Conversation,
    Notification,
    SimulatedAct,
    SimulatedLine,
    Simulation,
)
from invoker.simulator import ActError, acts
from tests import factories

NOON = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)  # a Monday
WELCOME = "CONSUMER_OPEN_NEW_CONVERSATION"
COUNTED = (Conversation, Simulation, SimulatedLine, SimulatedAct, Notification)


def begin(starts_at: dt.datetime | None = NOON, **fields: Any) -> Conversation:
    act = acts.Start(**fields)
    conversation = simulator.start(factories.ACCOUNT_ID, act, by="kim", starts_at=starts_at)
    dispatch.drain(conversation.pk)
    return conversation


def play(conversation: Conversation, **act: Any) -> None:
    simulator.perform(conversation, acts.read(act), by="kim")
    dispatch.drain(conversation.pk)


def refused(conversation: Conversation, **act: Any) -> str:
    with pytest.raises(ActError) as caught:
        simulator.perform(conversation, acts.read(act), by="kim")
    return caught.value.code


def counts() -> list[int]:
    return [model.objects.count() for model in COUNTED]


def subtypes(conversation: Conversation) -> list[str]:
    return list(conversation.events.order_by("position").values_list("subtype", flat=True))


def said(conversation: Conversation, role: str = "CONTROLLER") -> list[str]:
    lines = conversation.simulation.lines.filter(role=role).order_by("number")
    return list(lines.values_list("text", flat=True))


def minutes(conversation: Conversation, subtype: str) -> list[float]:
    """How many minutes after noon an event happened, each time."""
    found = conversation.events.filter(subtype=subtype).order_by("position")
    return [round((each.occurred_at - NOON).total_seconds() / 60) for each in found]


def timers(**seconds: int) -> None:
    """How long a silence may last, once for each."""
    for subtype, length in seconds.items():
        AutomaticMessage.objects.filter(subtype=subtype).update(timer_s=length, repeats=1)
