"""The Celery app, how its workers begin and end, and what beat knocks for."""

import contextlib
import logging
import os
import sys
import threading
import time
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import (
    beat_init,
    celeryd_after_setup,
    setup_logging,
    task_postrun,
    task_prerun,
    task_received,
    worker_init,
    worker_ready,
    worker_shutting_down,
)
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
# They would load every page and the API into a process that serves none of them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

AGAIN_AFTER_S = 2


class BrokerConnection(Connection):
    """Looks for a broker that is away every 2 s, and lets go of one that is lost.

    Celery waits 2 s longer from time to time, up to 30 s: by then events that came meanwhile are
    too old to be answered.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        pace = {"interval_start": AGAIN_AFTER_S, "interval_step": 0, "interval_max": AGAIN_AFTER_S}
        return super().ensure_connection(*args, **{**pace, **options})

    def maybe_close_channel(self, channel: Any) -> None:
        """Close it, also when nothing is left of what it belongs to.

        A worker closes what it lost twice. The second time kombu's Redis transport wants to give
        back what is not acknowledged over a connection that is none, which ended the worker.
        """
        with contextlib.suppress(AttributeError):
            super().maybe_close_channel(channel)


class Amqp(AMQP):
    Connection = BrokerConnection


app = Celery("houston", amqp=Amqp)
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery closes the connection to the database before and after every task, so that each event would
# open one: a process of PostgreSQL, or fifty functions told to SQLite. What a thread has it keeps,
# as threads of the web server do: see `look_after_connections`.
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize
app.autodiscover_tasks()
logger = logging.getLogger(__name__)


@task_prerun.connect
@task_postrun.connect
def look_after_connections(**_: Any) -> None:
    """Let go of a connection that failed or is old; one that broke meanwhile is found when used."""
    from django.db import close_old_connections  # noqa: PLC0415 -- settings are loaded only now

    close_old_connections()


@setup_logging.connect
def leave_logging(**_: Any) -> None:
    """Lines are as the settings say; with nobody here Celery would set a level of its own."""


@worker_init.connect
def check_layers(**_: Any) -> None:
    """Serve several accounts only where the sandbox holds them apart."""
    from houston import layers  # noqa: PLC0415 -- apps are loaded only now

    try:
        layers.check_start()
    except layers.LayersMissingError as error:
        sys.exit(f"Cannot start the worker: {error}")


@worker_init.connect
def hide(**_: Any) -> None:
    """The worker holds every key, and sandboxes run as the same user."""
    from invoker import runtime  # noqa: PLC0415 -- apps are loaded only now

    runtime.hide()


@worker_init.connect
def look_up_structs(**_: Any) -> None:
    """Before the threads that use them."""
    from invoker import structs  # noqa: PLC0415 -- apps are loaded only now

    structs.look_up_all()


@celeryd_after_setup.connect
def listen(sender: str, instance: Any, **_: Any) -> None:
    """Have the worker notice when it does not hear its broker any more."""
    from houston.listening import Listening  # noqa: PLC0415 -- apps are loaded only now

    ear = Listening(app, sender, instance.concurrency, end)
    instance.app.amqp.queues.select_add(ear.queue)
    task_received.connect(ear.heard, weak=False)
    worker_ready.connect(lambda **_: ear.start(), weak=False)
    worker_shutting_down.connect(ear.stop, weak=False)


@worker_ready.connect
def begin(**_: Any) -> None:
    """Beat once at the start, so that readiness does not wait; and let what is counted be read."""
    from houston import exposition  # noqa: PLC0415 -- apps are loaded only now
    from invoker import resuming  # noqa: PLC0415

    resuming.sign_of_life()
    exposition.serve()


@beat_init.connect
def begin_beat(**_: Any) -> None:
    """The same for beat, whose first knock comes later."""
    from invoker.models import Heartbeat  # noqa: PLC0415 -- apps are loaded only now
    from invoker.tasks import BEAT  # noqa: PLC0415

    Heartbeat.beat(BEAT)


@worker_shutting_down.connect
def let_finish(**_: Any) -> None:
    """Finish what runs, begin nothing more, and end when the time for that is over."""
    from django.conf import settings  # noqa: PLC0415 -- apps are loaded only now

    from invoker import dispatch  # noqa: PLC0415

    def await_end() -> None:
        time.sleep(settings.GRACE_S)
        logger.warning("still at work: others go on with it", extra={"grace_s": settings.GRACE_S})
        end(os.EX_OK)

    dispatch.stop()
    # Not in the signal's handler, which may have come at any moment of anything.
    threading.Thread(target=await_end, name="grace", daemon=True).start()


def end(code: int) -> None:
    """End this process now, so that others go on at once with what it was at."""
    from invoker import dispatch, tasks  # noqa: PLC0415 -- apps are loaded only now

    try:
        for due in dispatch.let_go():
            tasks.knock(due, expires_s=tasks.KNOCK_EXPIRES_S)
    finally:
        logging.shutdown()
        os._exit(code)


# A knock that nobody heard in time is worth nothing: the next one says the same.
app.conf.beat_schedule = {
    "sweep": {"task": "invoker.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "schedules": {"task": "invoker.fire_schedules", "schedule": 1.0, "options": {"expires": 5}},
    "heartbeat": {"task": "invoker.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
    "watch": {"task": "invoker.watch", "schedule": 60.0, "options": {"expires": 50}},
    "retain": {"task": "invoker.retain", "schedule": 60.0, "options": {"expires": 30}},
    "roll_up": {"task": "invoker.roll_up", "schedule": 60.0, "options": {"expires": 50}},
}
