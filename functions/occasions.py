"""What an input of a function says of its occasion, by which an automatic message is chosen."""

from typing import Any

from django.utils import timezone

from invoker import commands, events
from invoker.commands import Occasion


def of_input(
    account_id: str, event_type: str, document: Any, *, now_ms: int | None = None
) -> Occasion:
    """What an input says of itself, as far as it does: people edit it, and old ones lack things.

    Args:
        account_id: whose automatic messages count.
        event_type: id of the event.
        document: the whole input of a function.
        now_ms: what the clock says, in epoch milliseconds; now by default.
    """
    known = events.EVENT_TYPES[event_type].subtypes
    subtype = _text(document, "general", "cbotEventType")
    return Occasion(
        account_id=account_id,
        event_type=event_type,
        subtype=subtype if subtype in known else next(iter(known), ""),
        now_ms=int(timezone.now().timestamp() * 1000) if now_ms is None else now_ms,
        skill_id=_text(document, "routing", "newSkillId"),
        language=_text(document, "general", "clientLanguage") or None,
        effective_ttr=commands.read_ttr(_text(document, "general", "effectiveTTR")),
    )


def _text(document: Any, group: str, name: str) -> str:
    try:
        said = document["payload"][group][name]
    except (KeyError, TypeError, IndexError):
        return ""
    return said if isinstance(said, str) else ""
