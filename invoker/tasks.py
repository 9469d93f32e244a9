"""Celery entry points. Arguments are ids; every task may run twice or never: rows decide."""

import logging
from collections.abc import Callable
from functools import partial
from typing import ParamSpec

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from kombu.exceptions import KombuError

from invoker import alerts, dispatch, metrics, resuming, retention, schedules
from invoker.models import Heartbeat
from invoker.places import places

logger = logging.getLogger(__name__)

WORKER = resuming.WORKER
BEAT = "beat"
# What is done for no account, or for all: it shares the places of a worker like one account more.
NO_ACCOUNT = ""
# Both give a sign of life every 5 s.
LONGEST_SILENCE_S = 20.0
# By then the sweep has knocked again.
KNOCK_EXPIRES_S = 30
# What sending says where the broker is away.
AWAY = (KombuError, OSError)
P = ParamSpec("P")


@shared_task(base=DjangoTask, name="invoker.drain")
def drain(conversation_pk: int, account_id: str = "", **_: bool) -> None:
    """Handle a conversation. Whoever knocks with no account, or says more, is an older version."""
    due = dispatch.serve(account_id, conversation_pk)
    if due:
        try_knock(due, expires_s=KNOCK_EXPIRES_S)


@shared_task(base=DjangoTask, name="invoker.sweep")
def sweep() -> None:
    for due in dispatch.waiting():
        if not try_knock(due, expires_s=5):
            return


def knock(due: dispatch.Due, *, expires_s: float) -> None:
    """Have a worker look at a conversation.

    Raises:
        KombuError, OSError: nobody heard it.
    """
    drain.apply_async(
        (due.conversation_pk, due.account_id),
        retry=False,
        expires=expires_s,
    )


def try_knock(due: dispatch.Due, *, expires_s: float) -> bool:
    """Knock where a knock that gets lost costs one interval of the sweep.

    Returns:
        Whether the broker took it.
    """
    return _is_taken(partial(knock, due, expires_s=expires_s))


def _is_taken(send: Callable[[], object]) -> bool:
    try:
        send()
    except AWAY as error:
        logger.warning("nobody to knock at", extra={"reason": type(error).__name__})
        return False
    return True


@shared_task(base=DjangoTask, name="invoker.heartbeat")
def heartbeat() -> None:
    """Whoever does it, it was beat that asked."""
    Heartbeat.beat(BEAT)


@shared_task(base=DjangoTask, name="invoker.hear")
def hear() -> None:
    """What a worker sends itself: that it came is all."""


@shared_task(base=DjangoTask, name="invoker.roll_up")
def roll_up() -> None:
    _beside_events(metrics.roll_up)


@shared_task(base=DjangoTask, name="invoker.retain")
def retain() -> None:
    _beside_events(retention.remove)


@shared_task(base=DjangoTask, name="invoker.watch")
def watch() -> None:
    _beside_events(alerts.watch)
    for pk in alerts.due():
        if not _is_taken(partial(tell.apply_async, (pk,), retry=False, expires=50)):
            return


@shared_task(base=DjangoTask, name="invoker.tell")
def tell(telling_pk: str) -> None:
    _beside_events(alerts.tell, telling_pk)


@shared_task(base=DjangoTask, name="invoker.fire_schedules")
def fire_schedules() -> None:
    _beside_events(schedules.fire)


def _beside_events(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Do this if events leave it a place. If not it is still due, and beat knocks again."""
    place = places.take(NO_ACCOUNT)
    if place is None:
        return
    try:
        work(*args, **kwargs)
    finally:
        places.give_back(place)
