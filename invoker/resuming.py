"""Since when Houston has been at work after it was not, as all processes of a worker know it.

While nothing ran, platforms may have been turned away, and try again for minutes. So what people
wrote meanwhile may still be on its way, and their silence is judged later.
"""

import datetime as dt
import threading
from typing import Final

from django.utils import timezone

from invoker.epoch import millis
from invoker.models import Heartbeat

WORKER: Final = "worker"
RESUMED: Final = "resumed"
GAP: Final = dt.timedelta(seconds=15)
"""Workers give a sign of life every 5 s: three in a row are missing."""

_lock = threading.Lock()
_since_ms = 0


def since_ms() -> int:
    """When work began again, in epoch milliseconds; 0 where it never paused, as far as is known."""
    return _since_ms


def sign_of_life() -> None:
    """Say that a worker is alive, and note that work begins again where none was before.

    A backup that is restored brings old signs of life with it, so that counts as a pause too.
    """
    global _since_ms  # noqa: PLW0603
    now = timezone.now()
    with _lock:
        seen = dict(
            Heartbeat.objects.filter(name__in=(WORKER, RESUMED)).values_list("name", "seen_at")
        )
        if WORKER in seen and now - seen[WORKER] > GAP:
            Heartbeat.beat(RESUMED)
            seen[RESUMED] = now
        Heartbeat.beat(WORKER)
        _since_ms = millis(seen[RESUMED]) if RESUMED in seen else 0
