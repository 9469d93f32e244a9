"""What an import would do to the functions of an account, and doing it.

Folders become drafts, by the rules of `services`: a new function, or the next version of the one
that has the name. Nothing is deployed, and of a function that exists neither the event nor the
skills change: the event cannot, and skills would reach consumers at once.
"""

import base64
import binascii
import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from django.db import transaction

from functions import checking, services
from functions.exchange import archives, folders, packing
from functions.exchange.folders import Folder, FolderError, Refused
from functions.models import Function
from invoker import events, runtime

MAX_CARRIED: Final = 1_300_000
"""Bytes of an archive that a page can carry from the preview to the decision."""
NEW: Final = 0
"""Stands for the version of a function that does not exist yet."""
NOTE: Final = "Imported"
CHECKING_S: Final = 6.0
"""For so long the code of an import is looked at."""
# What no account can ever run, whatever its settings. All else is a draft that is not finished.
HOPELESS: Final = frozenset({"unknown-dependency", "forbidden-code"})


class NameTwiceError(FolderError):
    code = "name-twice"


class EventDiffersError(FolderError):
    code = "event-differs"


class UnusableCodeError(FolderError):
    code = "unusable-code"


class Standing(StrEnum):
    """What an import would do with a folder; the value is what people read."""

    NEW = "New"
    CHANGED = "Changed"
    UNCHANGED = "Unchanged"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One folder beside the account. `folder` is None where it cannot be read."""

    path: str
    standing: Standing
    folder: Folder | None = None
    function: Function | None = None
    """The one that exists."""
    code: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    clashes: bool = False
    """Another new one of the archive has its event; only one of them can be imported."""

    @property
    def name(self) -> str:
        return self.folder.name if self.folder else self.path.rpartition("/")[2]

    @property
    def elsewhere(self) -> bool:
        """Whether the folder has another name than the function."""
        return self.path.rpartition("/")[2] not in {"", self.name}

    @property
    def version(self) -> int:
        return self.function.version if self.function else NEW

    @property
    def possible(self) -> bool:
        return self.standing in {Standing.NEW, Standing.CHANGED}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one folder that was chosen. `code` is empty where it was imported."""

    name: str
    is_new: bool
    code: str = ""
    reason: str = ""


# Looking ------------------------------------------------------------------------------------------


def compare(account_id: str, found: Sequence[Folder | Refused], *, by: str) -> list[Finding]:
    """What importing each folder would do now. Tried out and undone, so by the rules themselves."""
    existing = _existing(account_id, found)
    looking = _Looking(account_id)
    names: set[str] = set()
    takers: dict[str, str] = {}
    findings = []
    for each in found:
        if isinstance(each, Refused):
            findings.append(_refused(each.path, each.error.code, str(each.error)))
            continue
        if each.name in names:
            error = NameTwiceError(
                f'Cannot import "{each.path}": another folder has the name "{each.name}"'
            )
            findings.append(_refused(each.path, error.code, str(error), each))
            continue
        names.add(each.name)
        finding = _look(account_id, each, existing.get(each.name), looking, by=by)
        if finding.standing is Standing.NEW and each.event_type in events.SINGLE_EVENT_TYPES:
            first = takers.setdefault(f"{each.event_type} {each.skills or ''}", each.name)
            if first != each.name:
                note = f'It has the event of "{first}", also new here: choose one of them'
                finding = replace(finding, notes=(*finding.notes, note), clashes=True)
        findings.append(finding)
    return findings


def _existing(account_id: str, found: Iterable[Folder | Refused]) -> dict[str, Function]:
    names = {each.name for each in found if isinstance(each, Folder)}
    there = Function.objects.filter(account_id=account_id, name__in=names)
    return {each.name: each for each in there.select_related("deployment")}


def _refused(path: str, code: str, reason: str, folder: Folder | None = None) -> Finding:
    return Finding(path=path, standing=Standing.REFUSED, folder=folder, code=code, reason=reason)


def _look(
    account_id: str, folder: Folder, function: Function | None, looking: "_Looking", *, by: str
) -> Finding:
    try:
        with transaction.atomic():
            _bring_in(account_id, folder, copy(function) if function else None, by=by)
            transaction.set_rollback(True)
    except services.UnchangedError:
        return Finding(
            path=folder.path,
            standing=Standing.UNCHANGED,
            folder=folder,
            function=function,
            notes=_notes(folder, function),
        )
    except (services.FunctionError, FolderError) as error:
        return _refused(folder.path, error.code, str(error), folder)
    problems = () if function and function.code == folder.code else looking.problems(folder)
    hopeless = _hopeless(folder, problems)
    if hopeless:
        return _refused(folder.path, hopeless.code, str(hopeless), folder)
    unfinished = [f"It cannot be deployed as it is: {_where(each)}" for each in problems[:1]]
    return Finding(
        path=folder.path,
        standing=Standing.CHANGED if function else Standing.NEW,
        folder=folder,
        function=function,
        notes=(*_notes(folder, function), *unfinished),
    )


def _notes(folder: Folder, function: Function | None) -> tuple[str, ...]:
    if function is None or folder.skills is None or sorted(folder.skills) == function.skills:
        return ()
    kept = ", ".join(function.skills) or "all"
    return (
        f"Its skills stay {kept}, not {', '.join(folder.skills) or 'all'}: they would change at "
        "once for consumers, so change them in its settings",
    )


class _Looking:
    """Looks at code in the sandbox, as long as there is time for it."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.ends = time.monotonic() + CHECKING_S

    def problems(self, folder: Folder) -> tuple[runtime.Problem, ...]:
        """What keeps the code from being deployed. Nothing when there is no time to look."""
        if time.monotonic() > self.ends:
            return ()
        about = Function(
            account_id=self.account_id, event_type=folder.event_type or events.NO_EVENT
        )
        return tuple(
            each
            for each in checking.findings(about, folder.code)
            if each.severity == "error" and each.code not in runtime.PLATFORM_PROBLEMS
        )


def _hopeless(folder: Folder, problems: Iterable[runtime.Problem]) -> UnusableCodeError | None:
    found = next((each for each in problems if each.code in HOPELESS), None)
    return UnusableCodeError(f'Cannot import "{folder.name}": {_where(found)}') if found else None


def _where(problem: runtime.Problem) -> str:
    return f"line {problem.line}: {problem.message}" if problem.line else problem.message


# Doing --------------------------------------------------------------------------------------------


def carry_out(
    account_id: str,
    found: Iterable[Folder | Refused],
    chosen: Mapping[str, int],
    *,
    by: str,
) -> list[Done]:
    """Import the folders that were chosen, each for itself.

    `chosen` has by name which version of the function was looked at, `NEW` for none.
    """
    wanted = [each for each in found if isinstance(each, Folder) and each.name in chosen]
    existing = _existing(account_id, wanted)
    looking = _Looking(account_id)
    done = []
    for folder in {each.name: each for each in reversed(wanted)}.values():
        version = chosen[folder.name]
        try:
            hopeless = _hopeless(folder, looking.problems(folder))
            if hopeless:
                raise hopeless
            function = existing.get(folder.name)
            if version and function is None:
                raise services.NotAllowedError(
                    f'Cannot import "{folder.name}": it was deleted meanwhile, look again'
                )
            _bring_in(account_id, folder, function if version else None, version=version, by=by)
        except (services.FunctionError, FolderError) as error:
            done.append(Done(folder.name, not version, error.code, str(error)))
        else:
            done.append(Done(folder.name, not version))
    return sorted(done, key=lambda each: each.name)


def _bring_in(
    account_id: str, folder: Folder, function: Function | None, *, by: str, version: int = NEW
) -> None:
    if function is None:
        services.create(
            account_id,
            name=folder.name,
            description=folder.description or "",
            event_type=folder.event_type or events.NO_EVENT,
            by=by,
            code=folder.code,
            skills=folder.skills or (),
            environment=folder.environment or {},
            note=NOTE,
            action="function.imported",
        )
        return
    if folder.event_type not in {None, function.event_type}:
        raise EventDiffersError(
            f'Cannot import "{folder.name}": it listens to "{function.event.name}" here, and an '
            "event cannot be changed, so give the folder another name"
        )
    services.save_draft(
        function,
        version=version or function.version,
        code=folder.code,
        description=(function.description if folder.description is None else folder.description),
        environment=(function.environment if folder.environment is None else folder.environment),
        by=by,
        note=NOTE,
        action="function.imported",
    )


# From the preview to the decision -----------------------------------------------------------------


def to_form(findings: Iterable[Finding]) -> str:
    """The folders that can be imported as text that a page carries, so that nothing is kept.

    Raises:
        TooLargeError: it would be too much for a page.
    """
    possible = [each.folder for each in findings if each.possible and each.folder]
    moment = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
    packed = packing.zip_folders(
        (each.path, folders.write_again(each), moment) for each in possible
    )
    if len(packed) > MAX_CARRIED:
        raise archives.TooLargeError(
            f"Cannot import so much code at once: {len(possible)} functions would change, import "
            "them in parts"
        )
    return base64.urlsafe_b64encode(packed).decode()


def from_form(text: str) -> list[Folder | Refused]:
    """What `to_form` wrote, read again like any archive.

    Raises:
        ArchiveError: it was changed on the way.
    """
    try:
        packed = base64.urlsafe_b64decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise archives.NotAnArchiveError(
            "Cannot import: what the page carried is damaged, choose the file again"
        ) from error
    return archives.read(packed)
