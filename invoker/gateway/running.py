"""Finding the deployed functions that are asked for, and running them while a client waits.

Whoever asks gets an answer before the vendor's client gives up, after 35 s, and asks again.
"""

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import connections
from django.db.models import QuerySet

from invoker import answers, calls, events, runtime, waiting
from invoker.answers import Refusal
from invoker.api import ApiError
from invoker.gateway import drafts
from invoker.models import Deployment, Invocation

ANSWERED_WITHIN_S: Final = 34.0
# A run of 30 s that waited longer than this for its sandbox would end too late.
LONGEST_WAIT_S: Final = 3.0
SIDE_BY_SIDE: Final = 8
RETRY_AFTER_S: Final = 1

_at_once = waiting.at_once
PATIENCE_S: Final = 2.0
_turns = threading.Condition()
# When a deployment of an account has begun or ended last.
_moved_at: dict[str, float] = {}


@contextmanager
def place(account_id: str) -> Iterator[None]:
    """One of the account's places for what may keep a thread for long.

    Raises:
        ApiError: 429, all are taken.
    """
    if not _at_once.begin(account_id):
        raise _too_many()
    try:
        yield
    finally:
        _at_once.end(account_id)


@contextmanager
def turn(account_id: str) -> Iterator[None]:
    """One of these places for a deployment, which is over in a moment, as a rule.

    So it waits for one while others of the account begin and end: the command line deploys all
    that it is given at once. Where they have come to a stand, nobody waits.

    Raises:
        ApiError: 429, all are taken by what takes long.
    """
    with _turns:
        while not _at_once.begin(account_id):
            left_s = _moved_at.get(account_id, 0.0) + PATIENCE_S - time.monotonic()
            if left_s <= 0:
                raise _too_many()
            _turns.wait(left_s)
        _moved_at[account_id] = time.monotonic()
    try:
        yield
    finally:
        _at_once.end(account_id)
        with _turns:
            _moved_at[account_id] = time.monotonic()
            _turns.notify_all()


def _too_many() -> ApiError:
    return ApiError(
        429,
        "Cannot run the function: too many are being run at once, try again in a moment",
        v1_code="too-many-at-once",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


# Finding ------------------------------------------------------------------------------------------


def deployment_of(account_id: str, function_id: str) -> Deployment:
    """What serves a function now.

    Raises:
        ApiError: 404, there is no such function, or it is not deployed.
    """
    refusal = f'Cannot invoke "{function_id[:60]}"'
    try:
        wanted = uuid.UUID(function_id)
    except ValueError:
        raise refused(answers.not_found(f"{refusal}: it is no function's id")) from None
    served = Deployment.objects.filter(account_id=account_id, function_id=wanted, active=True)
    if (found := served.first()) is not None:
        return found
    if drafts.exists(account_id, wanted):
        raise refused(answers.not_deployed(f"{refusal}: the function is not deployed, deploy it"))
    raise refused(answers.not_found(f"{refusal}: the account has no function of this id"))


def listening(account_id: str, event_id: str, skill_id: str = "") -> list[Deployment]:
    """What serves an event: with a skill, the functions for it or for all; else those for all.

    Source: `liveperson-contract.md` §2.2, `product.md` "Settled questions".

    Raises:
        ApiError: 404, there is no such event.
    """
    rows = _deployed(account_id, event_id).order_by("created_at", "pk")
    return [one for one in rows if not one.skills or skill_id in one.skills]


def is_implemented(account_id: str, event_id: str, skill_id: str = "") -> bool:
    """Whether anything listens to an event; without a skill, for whichever skill.

    Raises:
        ApiError: 404, there is no such event.
    """
    found = _deployed(account_id, event_id).values_list("skills", flat=True)
    return any(not skill_id or not skills or skill_id in skills for skills in found)


def _deployed(account_id: str, event_id: str) -> QuerySet[Deployment]:
    if event_id not in events.EVENT_TYPES:
        raise ApiError(
            404,
            f'Cannot find the event "{event_id[:60]}": Houston knows none of this id, see its '
            "list of events",
            v1_code="unknown-event",
        )
    return Deployment.objects.filter(account_id=account_id, event_type=event_id, active=True)


# Running ------------------------------------------------------------------------------------------


def run(ran: Invocation, event: Mapping[str, Any], *, with_logs: bool = False) -> runtime.Result:
    """Run a function while its caller waits.

    Raises:
        ApiError: it gave no result, with what it logged if that is wanted.
    """
    with place(ran.account_id):
        return _run(ran, event, _end(), with_logs=with_logs)


def run_all(ran: Sequence[Invocation], event: Mapping[str, Any]) -> list[runtime.Result]:
    """Run several functions of an account, some of them side by side.

    Raises:
        ApiError: one of them gave no result, so none is wanted of the others; those that had not
            begun are not run.
    """
    if not ran:
        return []
    ends_at = _end()
    with place(ran[0].account_id):
        if len(ran) == 1:
            return [_run(ran[0], event, ends_at)]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            running = [threads.submit(_run_beside, one, event, ends_at) for one in ran]
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            threads.shutdown(wait=False, cancel_futures=True)
            for each in done:
                each.result()
        return [each.result() for each in running]


def _run_beside(ran: Invocation, event: Mapping[str, Any], ends_at: float) -> runtime.Result:
    try:
        return _run(ran, event, ends_at)
    finally:
        # The thread is not Django's, so nobody else closes what it opened.
        connections.close_all()


def _end() -> float:
    return time.monotonic() + ANSWERED_WITHIN_S


def _run(
    ran: Invocation, event: Mapping[str, Any], ends_at: float, *, with_logs: bool = False
) -> runtime.Result:
    wait_s = min(settings.SANDBOX_WAIT_S, LONGEST_WAIT_S)
    left_s = ends_at - time.monotonic() - wait_s
    timeout_s = max(0.1, min(settings.INVOCATION_TIMEOUT_S, left_s))
    result = calls.invoke(ran, event, timeout_s=timeout_s, wait_s=wait_s)
    if (refusal := answers.refusal(result)) is not None:
        raise refused(refusal, logs(result) if with_logs else None)
    return result


def logs(result: runtime.Result) -> list[dict[str, Any]]:
    """What a function logged, as clients read it. Source: `liveperson-contract.md` §2.2."""
    found: list[dict[str, Any]] = msgspec.to_builtins(result.logs)
    return found


def refused(refusal: Refusal, logs: list[dict[str, Any]] | None = None) -> ApiError:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if refusal.status == 429 else {}  # noqa: PLR2004
    return ApiError(
        refusal.status,
        refusal.message,
        v1_code=refusal.v1_code,
        v2_code=refusal.v2_code,
        logs=logs,
        headers=headers,
    )
