"""Sees to it that every connection with a login has a holder in this process, and no other has."""

import logging
import threading
import time
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.models import QuerySet

from invoker.models import Connection, ControllerBot, Platform
from invoker.platforms.liveperson.holder import Holder
from invoker.platforms.liveperson.live import Store
from invoker.platforms.liveperson.timing import Timing

logger = logging.getLogger(__name__)

END_WITHIN_S = 10.0


def wanted() -> QuerySet[Connection]:
    """The connections whose agent socket should be held: with a login, and with functions on."""
    ready = ControllerBot.objects.exclude(functions_enabled_at=None).values("account_id")
    active = Connection.objects.filter(platform=Platform.LIVEPERSON, active=True)
    return active.exclude(agent_login="").filter(account_id__in=ready).order_by("pk")


@dataclass(frozen=True, slots=True)
class _Held:
    holder: Holder
    agent_login: str


class Supervisor:
    def __init__(self, store: Store, timing: Timing | None = None) -> None:
        self._store = store
        self._timing = timing or Timing()
        self._held: dict[uuid.UUID, _Held] = {}

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until `stopping` is set, then let go of everything."""
        try:
            while not stopping.is_set():
                close_old_connections()
                try:
                    self.look()
                except (OperationalError, InterfaceError) as error:
                    # Away, which passes. A line each time is enough to see how long.
                    logger.warning(
                        "cannot see which agent sockets to hold: the database does not answer",
                        extra={"reason": type(error).__name__},
                    )
                except DatabaseFault:
                    logger.exception("cannot see which agent sockets to hold")
                stopping.wait(self._timing.look)
        finally:
            self.close()
            connections.close_all()

    def look(self) -> None:
        """Start and stop holders as the rows say."""
        rows = {row.pk: row for row in wanted()}
        for pk, held in list(self._held.items()):
            row = rows.get(pk)
            if row is None or row.agent_login != held.agent_login or not held.holder.is_alive():
                held.holder.stop()
                held.holder.join(END_WITHIN_S)
                del self._held[pk]
        for pk, row in rows.items():
            if pk not in self._held:
                holder = Holder(row, self._store, settings.AGENT_SOCKET_HOST, self._timing)
                holder.start()
                self._held[pk] = _Held(holder, row.agent_login)

    def close(self) -> None:
        for held in self._held.values():
            held.holder.stop()
        ends_at = time.monotonic() + END_WITHIN_S
        for held in self._held.values():
            held.holder.join(max(0.0, ends_at - time.monotonic()))
        self._held.clear()
