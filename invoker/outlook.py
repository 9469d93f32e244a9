"""What time alone will bring in a conversation, for people to read: nothing is changed."""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from invoker import conversations, digesting
from invoker.models import Conversation


@dataclass(frozen=True, slots=True)
class Outlook:
    """Times are by the conversation's clock, which says `now`."""

    now: dt.datetime
    shift: conversations.Shift
    """Whether the conversation's skill is open now, and until when."""
    silences: tuple[conversations.Silence, ...]


def look_ahead(conversation: Conversation) -> Outlook | None:
    """What comes next in a conversation if nobody does anything; None where nothing is known of it.

    By the account's settings as they are now, like everything that comes of time.
    """
    state = digesting.stored_state(conversation)
    if state is None or not state.state:
        return None
    our_now = timezone.now()
    rules = digesting.Rules.load(conversation)
    now = digesting.circumstances(conversation, rules, our_now)
    return Outlook(
        now=our_now + conversation.ahead,
        shift=rules.hours.shift(state.skill_id, now.now_ms),
        silences=conversations.silences(state, now),
    )
