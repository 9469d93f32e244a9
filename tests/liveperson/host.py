"""`manage.py connect` in a hurry, as a process of its own that works on the tests' database."""

import os
import signal
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
django.setup()

from invoker import ingest, runtime  # noqa: E402 -- apps are loaded only now
from invoker.platforms.liveperson import Supervisor  # noqa: E402
from tests.liveperson.timing import HURRIED  # noqa: E402

if __name__ == "__main__":
    runtime.hide()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    Supervisor(ingest.store, HURRIED).run(stopping)
