"""`manage.py connect`: hold the agent sockets of all connections that log in to their platform."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from invoker import ingest, runtime, structs
from invoker.platforms.liveperson import Supervisor


class Command(BaseCommand):
    help = "Hold the agent sockets of LivePerson connections that have a login, until SIGTERM"

    def handle(self, *_: Any, **__: Any) -> None:
        # This process holds every key, and sandboxes run as the same user.
        runtime.hide()
        structs.look_up_all()
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        Supervisor(ingest.store).run(stopping)
