"""What is wrong with a function's code: one list for the editor, the review and the build."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from django.core.cache import caches

from functions import services
from functions.models import Function
from invoker import allow_list, runtime

# A check takes a sandbox and a fifth of a second, and its findings follow from the code and what
# is told about it alone: what a review shows was found while the code was typed, by whichever
# process.
REMEMBERED_S = 7 * 86_400
# Each takes a sandbox; what serves events comes first.
MOST_AT_ONCE = 2
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


# What the vendor refuses to save, though it is only a warning here. Source:
# `liveperson-contract.md` §4.4, "Save-time checks (V1)".
UNSAVED_WARNINGS = frozenset({"callback-unused"})


class RejectedError(services.FunctionError):
    """Code that nobody may save by the older API, be it a draft; the problems are never none."""

    code = "unusable-code"

    def __init__(self, message: str, problems: list[runtime.Problem]) -> None:
        super().__init__(message)
        self.problems = problems


class BusyError(Exception):
    """As many checks are going on as may: ask again in a moment."""

    code = "busy"


def findings(function: Function, code: str) -> list[runtime.Problem]:
    """Everything known about code for this function. Errors block a deployment, warnings do not.

    `runtime.check` names the codes; those in `runtime.PLATFORM_PROBLEMS` say nothing of the code.
    """
    about = runtime.About(
        commands=function.event.runs_commands,
        hosts=allow_list.hosts(function.account_id),
    )
    key = _key(code, about)
    known: list[runtime.Problem] | None = caches["findings"].get(key)
    if known is None:
        known = runtime.check(code, about)
        if not any(one.code in runtime.PLATFORM_PROBLEMS for one in known):
            caches["findings"].set(key, known, REMEMBERED_S)
    return known


def require_savable(function: Function, code: str, *, instead_of: str | None = None) -> None:
    """Refuse code that the vendor would not save, but not what stands there already.

    Where nothing can be checked now nothing is refused: the build checks again.

    Raises:
        RejectedError: with what is wrong.
    """
    if code == instead_of:
        return
    problems = [
        one
        for one in findings(function, code)
        if (one.severity == "error" or one.code in UNSAVED_WARNINGS)
        and one.code not in runtime.PLATFORM_PROBLEMS
    ]
    if problems:
        first = problems[0]
        where = f" in line {first.line}" if first.line else ""
        raise RejectedError(f'Cannot save "{function.name}": {first.message}{where}', problems)


def _key(code: str, about: runtime.About) -> str:
    # With the checker, as what is remembered outlives an upgrade.
    said = json.dumps([runtime.checker(), code, asdict(about)])
    return hashlib.sha256(said.encode()).hexdigest()


def findings_while_typing(function: Function, code: str) -> list[runtime.Problem]:
    """The same for somebody who types, who can wait.

    Raises:
        BusyError: others are being checked, or the sandboxes have more to do.
    """
    with _turn():
        found = findings(function, code)
    if any(one.code in runtime.PLATFORM_PROBLEMS for one in found):
        raise BusyError(f'Cannot check "{function.name}" now: ask again in a moment')
    return found


@contextmanager
def _turn() -> Iterator[None]:
    if not _free.acquire(blocking=False):
        raise BusyError(
            "Cannot check the code now: others are being checked, ask again in a moment"
        )
    try:
        yield
    finally:
        _free.release()
