"""The one right to hold a connection's agent socket, in the row that all hosts see.

A claim is a lease with a fence: whoever lost it writes nothing more, see `Lease` for the same on
conversations.
"""

import datetime as dt
import os
import socket
import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from invoker.fields import storable
from invoker.models import AgentSession, AgentSessionState, Connection, nobody_holds

_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Claim:
    connection_id: uuid.UUID
    fence: int
    lease: dt.timedelta
    connected_before: bool

    @classmethod
    def take(cls, connection: Connection, lease_s: float) -> "Claim | None":
        """None while somebody else holds the socket."""
        now, lease = timezone.now(), dt.timedelta(seconds=lease_s)
        AgentSession.objects.get_or_create(connection=connection)
        free = AgentSession.objects.filter(nobody_holds(now), connection=connection)
        with transaction.atomic():
            if not free.update(
                holder=f"{socket.gethostname()[:80]}:{os.getpid()}",
                fence=F("fence") + 1,
                lease_until=now + lease,
                address="",
                key="",
                state=AgentSessionState.CONNECTING,
                detail="",
                changed_at=now,
            ):
                return None
            row = AgentSession.objects.get(connection=connection)
        return cls(connection.pk, row.fence, lease, connected_before=row.connected_at is not None)

    def renew(self) -> bool:
        """False when somebody else has it now."""
        return self._write(lease_until=timezone.now() + self.lease)

    def open_door(self, address: str, key: str) -> None:
        """Tell workers where to hand commands in."""
        self._write(address=address, key=key)

    def note(self, state: AgentSessionState, detail: str = "") -> None:
        """Say how it is going, for people."""
        now = timezone.now()
        connected = {"connected_at": now} if state == AgentSessionState.CONNECTED else {}
        detail = storable(detail)[:_DETAIL]
        self._write(state=state, detail=detail, changed_at=now, **connected)

    def release(self) -> None:
        """Give it back; the next one need not wait."""
        now = timezone.now()
        self._write(
            holder="",
            lease_until=now - dt.timedelta(milliseconds=1),
            address="",
            key="",
            state=AgentSessionState.OFFLINE,
            detail="",
            changed_at=now,
        )

    def _write(self, **values: object) -> bool:
        mine = AgentSession.objects.filter(pk=self.connection_id, fence=self.fence)
        return bool(mine.update(**values))
