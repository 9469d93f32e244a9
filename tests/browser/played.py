"""Conversations of a filled account: how those of platforms stand, and some that people played."""

import datetime as dt
from typing import Any

from invoker import dispatch, runtime, simulator
from invoker.models import Conversation
from invoker.simulator import acts

PEOPLE = ("Mette Østergaard-Lindqvist", "Jörg Weber", "Aoife", "Sam", "Chidinma Okonkwo")
AGENTS = ("Freja", "Bo", "Kim")
ASKS = (
    "Good evening! We are two adults, a child and a dog on the 14:30 to Rønne on Saturday, booking "
    "HL-2291-883. Can we take the dog on deck, and is there still room for bicycles?"
)


def stored(number: int, at: dt.datetime) -> dict[str, Any]:
    """What the derivation would have stored of a platform's conversation."""
    at_ms = int(at.timestamp() * 1000)
    consumer, agent = f"4f1c-{number:04}-visitor", AGENTS[number % 3].lower()
    closed = number % 4 == 1
    taken = number % 3 != 0
    people = [{"id": consumer, "role": "CONSUMER"}]
    people += [{"id": agent, "role": "ASSIGNED_AGENT"}] if taken else []
    skill = ("2041", "2042", "-1", "freight-desk-of-the-eastern-harbours")[number % 4]
    return {
        "conv_id": "c", "version": 4, "ts_ms": at_ms, "state": "CLOSE" if closed else "OPEN",
        "skill_id": skill, "consumer_id": consumer, "participants": people,
        "nicknames": {consumer: PEOPLE[number % 5], agent: AGENTS[number % 3]},
        "at": {
            "known": True, "skill_id": skill, "assigned": [agent] if taken else [],
            "assigned_since": at_ms if taken else None, "queue_since": None if taken else at_ms,
        },
        "ttr": {"ttrType": "URGENT" if number % 5 == 2 else "NORMAL", "value": 600},
        "effective_ttr": -1 if closed else at_ms + 900_000, "language": "da-DK",
        "close_reason": ("AGENT", "CONSUMER", "SYSTEM")[number % 3] if closed else "",
        "start_ts": at_ms - 240_000, "end_ts": at_ms if closed else None,
        "last_msg_role": "CONSUMER", "last_msg_ts": at_ms - 60_000,
        "last_consumer_ts": at_ms - 60_000, "unanswered": [at_ms - 60_000],
        "first_conversation": number % 2 == 0, "opened_in_off_hours": number % 6 == 0,
        "campaign": {"id": "3301", "engagementId": "7"},
    }  # fmt: skip


def fill(account_id: str) -> dict[str, Any]:
    """Play some, with the functions that the account has; returns them by name."""
    played = {
        "played": _play(
            account_id,
            acts.Start(consumer=PEOPLE[0], text=ASKS, first_time=True, skill="2041",
                       language="da-DK", campaign="3301", engagement="7"),
            acts.Wait(seconds=75), acts.Urgent(), acts.Suggest(agent="Bo"),
            acts.Assign(agent="Freja"), acts.Join(who="Pat", role="manager"),
            acts.AgentSays(text="Hej Mette, I look it up"),
            acts.AgentSays(text="Is the dog deck open on Saturday?", private=True),
            acts.AgentSays(text="It is, Freja.\nTwo places left", agent="Pat", private=True),
            acts.AgentSays(text="Dogs may go on the upper deck, and there is room for bicycles."),
            acts.Wait(seconds=2400), acts.ConsumerSays(text="Wonderful, thank you!"),
        ),
        "played_new": _play(account_id, acts.Start(first_time=True)),
        "played_closed": _play(
            account_id, acts.Start(consumer="Aoife", authenticated=True, text="Moin"),
            acts.Assign(), acts.Transfer(skill="2042"), acts.Office(state="closed"),
            acts.ConsumerSays(text="Is anybody there?"), acts.Close(by="consumer"),
        ),
    }  # fmt: skip
    runtime.close()
    return played


def _play(account_id: str, begun: acts.Start, *done: acts.Act) -> int:
    conversation = simulator.start(account_id, begun, by="kim.larsen")
    dispatch.drain(conversation.pk)
    for act in done:
        simulator.perform(conversation, act, by="kim.larsen")
        dispatch.drain(conversation.pk)
    return Conversation.objects.get(pk=conversation.pk).pk
