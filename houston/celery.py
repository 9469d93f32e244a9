"""The Celery app and what beat knocks for."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")

app = Celery("houston")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def say_hello(**_: Any) -> None:
    """Beat once at the start, so that readiness does not wait for the first knock."""
    from invoker.tasks import heartbeat  # noqa: PLC0415 -- apps are loaded only now

    heartbeat()


# A knock that nobody heard in time is worth nothing: the next one says the same.
app.conf.beat_schedule = {
    "sweep": {"task": "invoker.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "heartbeat": {"task": "invoker.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
}
