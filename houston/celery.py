"""The Celery app and what beat knocks for."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
# They would load every page and the API into a process that serves none of them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("houston")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


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


@worker_ready.connect
def say_hello(**_: Any) -> None:
    """Beat once at the start, so that readiness does not wait for the first knock."""
    from invoker.tasks import heartbeat  # noqa: PLC0415 -- apps are loaded only now

    heartbeat()


# A knock that nobody heard in time is worth nothing: the next one says the same.
app.conf.beat_schedule = {
    "sweep": {"task": "invoker.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "schedules": {"task": "invoker.fire_schedules", "schedule": 1.0, "options": {"expires": 5}},
    "heartbeat": {"task": "invoker.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
    "watch": {"task": "invoker.watch", "schedule": 60.0, "options": {"expires": 50}},
    "roll_up": {"task": "invoker.roll_up", "schedule": 60.0, "options": {"expires": 50}},
}
