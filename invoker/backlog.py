"""How many notifications wait, so that doors refuse what nobody would handle in time."""

import datetime as dt
import threading
import time
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Min, Value
from django.db.models.functions import Concat

from invoker.models import Notification, NotificationState

COUNTED_EVERY_S = 5.0


class Backlog:
    """Counts what waits, each process for itself and not for every request.

    What is taken until the next count may come on top of the marks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted_at = -COUNTED_EVERY_S
        self._counts: dict[str, int] = {}

    def is_full(self, account_id: str) -> bool:
        """Whether more waits than may, of this account or of all."""
        # Who finds it being counted goes by the count before.
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._counted_at >= COUNTED_EVERY_S:
                    self._counts = _count()
                    self._counted_at = time.monotonic()
            finally:
                self._lock.release()
        counts = self._counts
        return (
            counts.get(account_id, 0) >= settings.INBOX_OF_ACCOUNT
            or sum(counts.values()) >= settings.INBOX
        )

    def forget(self) -> None:
        """Count anew when asked next."""
        self._counted_at = -COUNTED_EVERY_S


class Waiting(NamedTuple):
    """How many notifications nobody has read yet, and when the first of them came."""

    how_many: int
    since: dt.datetime | None


def waiting() -> Waiting:
    """As of now, for who looks; doors go by what was counted a moment ago."""
    pending = Notification.objects.filter(state=NotificationState.PENDING).order_by()
    # The one with the lowest key came first, and the index of those that wait has the keys.
    found = pending.aggregate(count=Count("pk"), first=Min("pk"))
    first = Notification.objects.filter(pk=found["first"])
    return Waiting(found["count"], first.values_list("received_at", flat=True).first())


def _count() -> dict[str, int]:
    # By an expression, else SQLite would go through all notifications in the order of their
    # accounts rather than through those that wait.
    account = Concat("account_id", Value(""))
    waiting = Notification.objects.filter(state=NotificationState.PENDING).order_by()
    return dict(waiting.values_list(account).annotate(Count("pk")))


backlog = Backlog()
