"""The scenarios that an account keeps: every change to them.

KeepingError                     has a stable `code`; the message says what to do
├── NameTakenError               another scenario of the account has this name
├── LimitError                   the account may not have more
├── UnchangedError               there was nothing to save
├── NothingCameError             there is no result to take over, or it is another one
├── ConflictError                somebody has changed it meanwhile; `newest` is it
└── NotFoundError                it was deleted meanwhile

What is wrong with a file itself is a `scenarios.ScenarioError`.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from functions import scenarios
from functions.models import Scenario
from functions.scenarios import Document
from invoker import audit, events
from invoker.models import ControllerBot

logger = logging.getLogger(__name__)

MAX_SCENARIOS: Final = 100
LONGEST_NAME: Final = 100
# What is known of a file that has not been run as it is.
_NEVER_RUN: Final[dict[str, Any]] = {
    "last_run_at": None,
    "last_run_by": "",
    "last_against": "",
    "last_passed": None,
    "last_differing": 0,
    "last_outcome": None,
    "last_text": "",
}
_TYPES: Final = {
    word: each.id for each in events.EVENT_TYPES.values() for word in (each.id, *each.subtypes)
}


class KeepingError(Exception):
    """A change that was not made."""

    code = "scenario-error"


class NameTakenError(KeepingError):
    code = "scenario-name-taken"


class LimitError(KeepingError):
    code = "too-many-scenarios"


class UnchangedError(KeepingError):
    code = "unchanged"


class ConflictError(KeepingError):
    code = "conflict"

    def __init__(self, message: str, newest: Scenario) -> None:
        super().__init__(message)
        self.newest = newest


class NothingCameError(KeepingError):
    code = "scenario-run-outdated"


class NotFoundError(KeepingError):
    code = "not-found"


def of_account(account_id: str) -> QuerySet[Scenario]:
    """Its scenarios by name, without what is only looked at one by one."""
    found = Scenario.objects.filter(account_id=account_id).order_by("name")
    return found.defer("text", "last_outcome", "last_text")


def create(account_id: str, text: str, *, by: str, detail: str = "") -> Scenario:
    """Keep a scenario under the name that stands in its file.

    Raises:
        ScenarioError: the file cannot be read.
        NameTakenError, LimitError: nothing was kept.
    """
    document = scenarios.read(text)
    siblings = Scenario.objects.filter(account_id=account_id)
    refusal = f'Cannot save "{document.name}"'
    try:
        with transaction.atomic():
            # This row is written first, so that two that save the last one take turns.
            ControllerBot.objects.filter(account_id=account_id).update(account_id=F("account_id"))
            if siblings.count() >= MAX_SCENARIOS:
                raise LimitError(
                    f"{refusal}: the account has {MAX_SCENARIOS} scenarios, delete one first"
                )
            scenario = Scenario.objects.create(
                account_id=account_id, created_by=by, updated_by=by, **_columns(document)
            )
            _record("scenario.created", scenario, by=by, after=_facts(document), detail=detail)
    except IntegrityError as error:
        raise _name_taken(refusal) from error
    logger.info("scenario kept", extra={"account_id": account_id, "scenario_id": scenario.pk})
    return scenario


def change(
    scenario: Scenario, text: str, *, version: int, by: str, action: str = "scenario.changed"
) -> None:
    """Put another file in place of it, if nobody has changed it since `version`.

    What the last run gave is forgotten where the steps, or what they run with, are others now.
    `action` is what the audit log says.

    Raises:
        ScenarioError: the file cannot be read, nothing was changed.
        UnchangedError: it is like this already.
        NameTakenError: it stays as it was.
        ConflictError: somebody has changed it since; `newest` is how it is now.
        NotFoundError: it was deleted meanwhile.
    """
    document = scenarios.read(text)
    refusal = f'Cannot save "{scenario.name}"'
    same = Scenario.objects.filter(pk=scenario.pk, version=version)
    try:
        with transaction.atomic():
            old = same.first()
            if old is None:
                raise _outdated(scenario, refusal)
            values = _columns(document)
            if old.text == values["text"]:
                raise UnchangedError(f'Nothing to save: "{old.name}" has not changed')
            if _played(scenarios.read(old.text)) == _played(document):
                values["event_types"] = old.event_types
            else:
                values |= _NEVER_RUN
            changed = same.update(
                **values, version=F("version") + 1, updated_at=timezone.now(), updated_by=by
            )
            if not changed:
                raise _outdated(scenario, refusal)
            before, after = _facts(scenarios.read(old.text)), _facts(document)
            _record(action, old, by=by, before=before, after=after)
    except IntegrityError as error:
        raise _name_taken(refusal) from error
    scenario.refresh_from_db()


def rename(scenario: Scenario, *, name: str, description: str, version: int, by: str) -> None:
    """Give it another name and description; they stand in its file too.

    Raises:
        ScenarioError, UnchangedError, NameTakenError, ConflictError, NotFoundError: as `change`.
    """
    document = msgspec.structs.replace(
        scenarios.read(scenario.text), name=name, description=description
    )
    change(scenario, scenarios.write(document), version=version, by=by, action="scenario.renamed")


def duplicate(scenario: Scenario, *, by: str) -> Scenario:
    """Keep a copy of it under a name of its own.

    Raises:
        NameTakenError, LimitError: nothing was kept.
    """
    document = scenarios.read(scenario.text)
    name = free_name(scenario.account_id, document.name)
    copied = scenarios.write(msgspec.structs.replace(document, name=name))
    return create(scenario.account_id, copied, by=by, detail=f'Copy of "{scenario.name}"')


def accept(scenario: Scenario, *, version: int, run_at: str, by: str) -> None:
    """Take what came in the last run as what is expected from now on.

    `run_at` is when that was, as whoever wants it has seen it: `Scenario.run_mark`.

    Raises:
        NothingCameError: the last run is another one meanwhile, or has nothing to take over.
        UnchangedError, ConflictError, NotFoundError: as `change`.
    """
    now = Scenario.objects.filter(pk=scenario.pk).first()
    if now is not None and (not now.last_text or not run_at or now.run_mark != run_at):
        raise NothingCameError(
            f'Cannot take over what came in "{now.name}": it was run again meanwhile, or came to '
            "no end, look at the last run"
        )
    text = now.last_text if now else scenario.text
    change(scenario, text, version=version, by=by, action="scenario.accepted")


def keep_result(scenario: Scenario, result: Mapping[str, Any]) -> None:
    """Keep what a run gave, the columns `last_…` and `event_types`; nothing where the file changed.

    The version stays: what a scenario says is as it was.
    """
    if Scenario.objects.filter(pk=scenario.pk, version=scenario.version).update(**result):
        for name, value in result.items():
            setattr(scenario, name, value)


def stop(scenario: Scenario) -> None:
    """End the runs of it that are under way, wherever they are."""
    Scenario.objects.filter(pk=scenario.pk).update(stop_asked_at=timezone.now())


def delete(scenario: Scenario, *, by: str) -> None:
    """Forget a scenario. Doing it twice does no more."""
    with transaction.atomic():
        gone = Scenario.objects.filter(pk=scenario.pk).first()
        if gone is None or not Scenario.objects.filter(pk=gone.pk).delete()[0]:
            return
        _record("scenario.deleted", gone, by=by, before=_facts(scenarios.read(gone.text)))
    logger.info("scenario deleted", extra={"account_id": gone.account_id, "scenario_id": gone.pk})


def free_name(account_id: str, wish: str) -> str:
    """The name that is wished for, or that with the first number that makes it one of its own."""
    taken = set(Scenario.objects.filter(account_id=account_id).values_list("name", flat=True))
    for number in range(1, len(taken) + 2):
        end = f" {number}" if number > 1 else ""
        name = wish[: LONGEST_NAME - len(end)].rstrip() + end
        if name not in taken:
            break
    return name


def touches(scenario: Scenario, event_type: str) -> bool:
    """Whether a function for events of this type may have a part in it.

    Of one that was never run nobody knows.
    """
    if scenario.brings_functions:
        return False
    return event_type in scenario.event_types or scenario.last_run_at is None


def in_order(words: Iterable[str]) -> list[str]:
    """The types of event that words of a file mean, each once, in the order of the catalogue."""
    found = {_TYPES[word] for word in words if word in _TYPES}
    return [each for each in events.EVENT_TYPES if each in found]


def _expected(document: Document) -> list[str]:
    return [each.event for step in document.steps for each in step.expect or ()]


def _columns(document: Document) -> dict[str, Any]:
    return {
        "name": document.name,
        "description": document.description,
        "text": scenarios.write(document),
        "event_types": in_order(_expected(document)),
        "brings_functions": bool(document.functions),
    }


def _played(document: Document) -> Document:
    """What a run depends on."""
    return msgspec.structs.replace(document, name="", description="")


def _facts(document: Document) -> dict[str, Any]:
    """What the audit log tells of it."""
    return {
        "Name": document.name,
        "Description": document.description,
        "Steps": len(document.steps),
        "File": scenarios.write(document),
    }


def _record(action: str, scenario: Scenario, **values: Any) -> None:
    audit.record(scenario.account_id, action, scenario.name, subject_id=scenario.pk, **values)


def _name_taken(refusal: str) -> NameTakenError:
    return NameTakenError(f"{refusal}: the account has a scenario of that name, use another")


def _outdated(scenario: Scenario, refusal: str) -> ConflictError | NotFoundError:
    newest = Scenario.objects.filter(pk=scenario.pk).first()
    if newest is None:
        return NotFoundError(f"{refusal}: it was deleted meanwhile")
    return ConflictError(
        f"{refusal}: {newest.updated_by} has changed it meanwhile, look at it again", newest
    )
