"""What decides about a scenario beside its acts: the account's settings, or what the file sets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from functions.scenarios import documents
from functions.scenarios.documents import Document
from invoker import automatic_messages, conversations, hours
from invoker.automatic_messages.defaults import SWITCHED_OFF_AT_FIRST
from invoker.models import ControllerBot

USUAL_TEXTS: Final = {
    subtype: text
    for subtype, text in automatic_messages.DEFAULT_TEXTS.items()
    if subtype not in SWITCHED_OFF_AT_FIRST
}
"""The automatic messages of an account that has changed none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`texts` are the automatic messages."""

    bot: ControllerBot
    hours: conversations.Hours
    idle_times: Callable[[str], conversations.IdleTimes]
    texts: automatic_messages.Texts


def load(account_id: str, document: Document) -> Rules:
    """The rules of an account, or without one ("") those of an account that is new."""
    bot = ControllerBot.objects.filter(pk=account_id).first() or ControllerBot()
    settings = document.settings or documents.Settings()
    texts: automatic_messages.Texts
    if settings.automatic_messages is not None:
        texts = automatic_messages.FixedTexts(settings.automatic_messages, bot.agent_nickname)
    elif account_id:
        texts = automatic_messages.AccountTexts(account_id)
    else:
        texts = automatic_messages.FixedTexts(USUAL_TEXTS)
    office = settings.office_hours
    return Rules(
        bot,
        hours.load(account_id) if office is None else fixed_hours(office),
        _idle_times(automatic_messages.idle_times(account_id), settings.idle_times),
        texts,
    )


def fixed_hours(office: str, since_ms: int = 0) -> conversations.Hours:
    """The same hours for every skill, since a moment."""
    return conversations.FixedHours(office == "open", since_ms)


def _idle_times(
    usual: Callable[[str], conversations.IdleTimes], chosen: documents.IdleTimes | None
) -> Callable[[str], conversations.IdleTimes]:
    if chosen is None:
        return usual

    def of_skill(skill_id: str) -> conversations.IdleTimes:
        own = usual(skill_id)
        return conversations.IdleTimes(
            agent_non_responsive=_timer(own.agent_non_responsive, chosen.agent),
            consumer_non_responsive=_timer(own.consumer_non_responsive, chosen.consumer),
            conv_awaiting_in_queue=_timer(own.conv_awaiting_in_queue, chosen.queue),
        )

    return of_skill


def _timer(usual: conversations.IdleTimer, ms: int | None) -> conversations.IdleTimer:
    return usual if ms is None else replace(usual, seconds=ms // 1000)
