"""What is wrong with a function's code: one list for the editor, the review and the build."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from functions.models import Function
from invoker import allow_list, runtime

# Each takes a sandbox; what serves events comes first.
MOST_AT_ONCE = 2
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


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
    return runtime.check(code, about)


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
