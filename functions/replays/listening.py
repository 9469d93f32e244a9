"""Which function an event is for, and what of it runs. Each is read once for a slice."""

import hashlib
import uuid
from functools import cached_property

from functions.models import Function
from functions.replays import choosing
from functions.replays.choosing import Choice, Version
from functions.replays.rows import Note
from invoker import dispatch, events
from invoker.models import Event


class Listening:
    """The functions that a choice is about."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._versions: dict[uuid.UUID, Version | None] = {}
        self._live: dict[uuid.UUID, Version | None] = {}

    def function_of(self, event: Event) -> Function | Note:
        """Whose event it is; why it is nobody's."""
        if event.type not in events.EVENT_TYPES:
            message = f'This Houston knows no event "{event.type}"'
            return Note("unknown-event-type", message)
        if not isinstance(event.payload, dict):
            return Note("unreadable-payload", "What was stored of its payload is no object")
        chosen = self._choice.function
        if chosen is None:
            return self._own(event)
        if self._choice.others and not reaches(event, chosen):
            own = self._own(event)
            return own if isinstance(own, Function) else _for(event, chosen)
        return _for(event, chosen)

    def _own(self, event: Event) -> Function | Note:
        if event.function_id:
            ran = self._functions.get(event.function_id)
            return ran or Note("function-deleted", "The function that ran for it was deleted")
        for function in self._functions.values():
            if function.event_type == event.type and _has_skill(event, function):
                return function
        return Note("nobody-listens", "No function of the account is for its event and skill")

    def version(self, function: Function) -> Version | None:
        """What is asked for; of others than the chosen function what serves.

        Raises:
            InvalidChoiceError: the function has no such version or deployment.
        """
        if self._choice.function not in (None, function):
            return self.live(function)
        if function.pk not in self._versions:
            self._versions[function.pk] = choosing.version(function, self._choice.against)
        return self._versions[function.pk]

    def live(self, function: Function) -> Version | None:
        if function.pk not in self._live:
            self._live[function.pk] = choosing.live(function)
        return self._live[function.pk]

    def digest(self) -> str:
        """A word that is another one once something was saved or deployed, or is asked for."""
        choice = self._choice
        chosen = choice.function and choice.function.pk
        said: list[object] = [str(choice.against), choice.beside, choice.network, chosen]
        said += [(one.pk, one.version, one.deployment_id) for one in self._functions.values()]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    @cached_property
    def _functions(self) -> dict[uuid.UUID, Function]:
        """Those that serve before those that do not."""
        if self._choice.function and not self._choice.others:
            return {self._choice.function.pk: self._choice.function}
        rows = Function.objects.filter(account_id=self._choice.account_id)
        found = rows.select_related("deployment").order_by("created_at", "pk")
        there = list(
            found.defer("code", "environment", "deployment__code", "deployment__environment")
        )
        return {one.pk: one for one in sorted(there, key=lambda one: one.deployment_id is None)}


def function_of(event: Event) -> Function | None:
    """The one that ran for it, else the only one that is deployed for it; None without such."""
    there = Function.objects.select_related("deployment").filter(account_id=event.account_id)
    if event.function_id:
        return there.filter(pk=event.function_id).first()
    deployed = there.filter(event_type=event.type, deployment__isnull=False)
    found = [one for one in deployed if _has_skill(event, one)]
    return found[0] if len(found) == 1 else None


def reaches(event: Event, function: Function) -> bool:
    """Whether the function is for this event, or was when it happened."""
    if event.type != function.event_type:
        return False
    return event.function_id == function.pk or _has_skill(event, function)


def _for(event: Event, function: Function) -> Function | Note:
    if reaches(event, function):
        return function
    if event.type != function.event_type:
        kind = events.EVENT_TYPES[event.type]
        return Note("other-event", f'"{function.name}" is not for the event "{kind.name}"')
    skill = dispatch.skill_of(event)
    return Note("other-skill", f'"{function.name}" is not for the skill "{skill}"')


def _has_skill(event: Event, function: Function) -> bool:
    if not function.skills:
        return True
    return isinstance(event.payload, dict) and dispatch.skill_of(event) in function.skills
