"""What the audit log says about automatic messages and idle times."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from invoker import audit
from invoker.automatic_messages import timers
from invoker.automatic_messages.defaults import IDLE_DEFAULTS
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import AutomaticMessage, AutomaticText


@contextmanager
def changing(
    action: str, account_id: str, subtype: str, *, skill_id: str = "", by: str
) -> Iterator[None]:
    """A transaction whose change of one message, or of its idle time, is recorded."""
    with transaction.atomic():
        before = _facts(account_id, subtype, skill_id)
        yield
        audit.record(
            account_id,
            action,
            name(subtype, skill_id),
            by=by,
            before=before,
            after=_facts(account_id, subtype, skill_id),
            subject_id=subtype[:40],
        )


def name(subtype: str, skill_id: str) -> str:
    called = SUBTYPE_NAMES.get(subtype, subtype)
    return f"{called}, skill {skill_id}" if skill_id else called


def _facts(account_id: str, subtype: str, skill_id: str) -> dict[str, Any]:
    """What is set, by the names on the page. Nothing when there is no such message."""
    found = AutomaticMessage.objects.filter(
        account_id=account_id, subtype=subtype, skill_id=skill_id
    ).first()
    if found is None:
        return {}
    facts: dict[str, Any] = {"Goes out": found.enabled}
    texts = AutomaticText.objects.filter(message=found).order_by("language")
    for language, text, is_default in texts.values_list("language", "text", "is_default"):
        facts[f"Text in {language}"] = text
        if is_default:
            facts["Default language"] = language
    if subtype in IDLE_DEFAULTS:
        usual = None if skill_id else timers.spell(IDLE_DEFAULTS[subtype].seconds)
        facts["Idle time"] = usual if found.timer_s is None else timers.spell(found.timer_s)
        facts["Times in all"] = found.repeats
    return facts
