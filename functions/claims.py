"""Which function has which skills of an event, so that no event finds two functions.

Call `take` and `release` in the transaction that writes the function, and after that write: every
change then locks a function's row first and the event's row second, and nobody waits in a circle.
Conditional updates decide; an event's row that is being changed makes the next one wait.
"""

from django.db.models import F

from functions.models import EventClaim, Function, FunctionSkill
from invoker import events


def take(function: Function) -> bool:
    """Claim the function's skills of its event. False: others have some, undo the transaction."""
    if function.event_type not in events.SINGLE_EVENT_TYPES:
        return True
    EventClaim.objects.bulk_create(
        [EventClaim(account_id=function.account_id, event_type=function.event_type)],
        ignore_conflicts=True,
    )
    free = EventClaim.objects.filter(
        account_id=function.account_id, event_type=function.event_type, holder=None
    )
    if not function.skills:
        return bool(free.filter(with_skills=0).update(holder=function))
    if not free.update(with_skills=F("with_skills") + 1):
        return False
    FunctionSkill.objects.bulk_create(
        [
            FunctionSkill(
                function=function,
                account_id=function.account_id,
                event_type=function.event_type,
                skill_id=skill_id,
            )
            for skill_id in function.skills
        ],
        ignore_conflicts=True,
    )
    taken = FunctionSkill.objects.filter(function=function).count()
    return taken == len(function.skills)


def release(function: Function) -> None:
    """Give back whatever the function has claimed, so that others can have it."""
    claim = EventClaim.objects.filter(
        account_id=function.account_id, event_type=function.event_type
    )
    claim.filter(holder=function).update(holder=None)
    parts, _ = FunctionSkill.objects.filter(function=function).delete()
    if parts:
        claim.update(with_skills=F("with_skills") - 1)
