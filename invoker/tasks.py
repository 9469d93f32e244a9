"""Celery entry points. Arguments are ids; every task may run twice or never: rows decide."""

from celery import shared_task
from celery.contrib.django.task import DjangoTask

from invoker import alerts, dispatch, metrics, schedules
from invoker.models import Heartbeat

WORKER = "worker"
# Beat asks for a sign of life every 5 s.
LONGEST_SILENCE_S = 20.0


@shared_task(base=DjangoTask, name="invoker.drain")
def drain(conversation_pk: int) -> None:
    dispatch.drain(conversation_pk)


@shared_task(base=DjangoTask, name="invoker.sweep")
def sweep() -> None:
    for pk in dispatch.due_conversations():
        drain.apply_async((pk,), retry=False, expires=5)


@shared_task(base=DjangoTask, name="invoker.heartbeat")
def heartbeat() -> None:
    Heartbeat.beat(WORKER)


@shared_task(base=DjangoTask, name="invoker.roll_up")
def roll_up() -> None:
    metrics.roll_up()


@shared_task(base=DjangoTask, name="invoker.watch")
def watch() -> None:
    alerts.watch()
    for pk in alerts.due():
        tell.apply_async((pk,), retry=False, expires=50)


@shared_task(base=DjangoTask, name="invoker.tell")
def tell(telling_pk: str) -> None:
    alerts.tell(telling_pk)


@shared_task(base=DjangoTask, name="invoker.fire_schedules")
def fire_schedules() -> None:
    schedules.fire()
