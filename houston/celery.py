"""The Celery app and what beat knocks for."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")

app = Celery("houston")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# A knock that nobody heard in time is worth nothing: the next one says the same.
app.conf.beat_schedule = {
    "sweep": {"task": "invoker.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "heartbeat": {"task": "invoker.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
}
