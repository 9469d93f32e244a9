"""How often somebody may ask: so many requests a minute, counted for all processes of this host.

Counts lie in a file of fixed size. Django's cache on files would take a hundred times as long, as
it lists its folder for each. Several hosts count each for itself.
"""

import fcntl
import logging
import math
import os
import struct
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from invoker.api.errors import ApiError

logger = logging.getLogger(__name__)

MINUTE_S = 60.0
# Whose count it is, and until when what they asked for has taken up their minute.
SLOT = struct.Struct("<Qd")
SLOTS_OF_BUCKET = 8
BUCKET_BYTES = SLOT.size * SLOTS_OF_BUCKET
BUCKETS = 8192


class Rates:
    """Counts requests by key. A key may use its whole minute at once, and then as it comes back.

    The file ends nowhere: of more keys than have room, the ones that asked least are forgotten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._handle: int | None = None

    def take(self, key: str, per_minute: int) -> float:
        """Count a request. 0.0, or how many seconds to wait when there have been too many."""
        number, owner = struct.unpack("<QQ", blake2b(key.encode(), digest_size=16).digest())
        offset = number % BUCKETS * BUCKET_BYTES
        with self._lock:
            try:
                handle = self._open()
                # Not of the file as a whole, and given back with the process that dies.
                fcntl.lockf(handle, fcntl.LOCK_EX, BUCKET_BYTES, offset)
                try:
                    return _take(handle, offset, owner, per_minute)
                finally:
                    fcntl.lockf(handle, fcntl.LOCK_UN, BUCKET_BYTES, offset)
            except OSError:
                # A disk that is full must not close the API.
                logger.exception("cannot count requests")
                return 0.0

    def forget(self) -> None:
        """Let everybody begin anew."""
        with self._lock:
            os.ftruncate(self._open(), 0)

    def _open(self) -> int:
        if self._handle is None:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._handle


def _take(handle: int, offset: int, owner: int, per_minute: int) -> float:
    bucket = os.pread(handle, BUCKET_BYTES, offset).ljust(BUCKET_BYTES, b"\0")
    slots = list(SLOT.iter_unpack(bucket))
    # The owner's own, else the one of whoever has been idle longest.
    place = min(range(SLOTS_OF_BUCKET), key=lambda one: (slots[one][0] != owner, slots[one][1]))
    now = time.time()
    until = slots[place][1] if slots[place][0] == owner else now
    if until < now or until > now + MINUTE_S:
        # The latter is of a clock that was ahead and has been put right.
        until = now
    until += MINUTE_S / per_minute
    if until > now + MINUTE_S:
        return until - now - MINUTE_S
    os.pwrite(handle, SLOT.pack(owner, until), offset + place * SLOT.size)
    return 0.0


class Throttle(BaseThrottle):
    """A limit of a view: `per_minute` names the setting that holds it, `counted` what it counts."""

    per_minute = "API_REQUESTS_PER_MIN"
    counted = "requests of one client or person"

    def key(self, request: Any, view: Any) -> str:
        """Whose requests are counted together."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        key = f"{type(self).__name__} {self.key(request, view)}"
        per_minute = getattr(settings, self.per_minute)
        if wait_s := rates.take(key, per_minute):
            whole_s = str(math.ceil(wait_s))
            raise ApiError(
                429,
                f"Cannot take the request: at most {per_minute} {self.counted} are taken in a "
                f"minute, wait {whole_s} s",
                v1_code="rate-limited",
                headers={"Retry-After": whole_s},
            )
        return True


class CallerThrottle(Throttle):
    """All that one client or person asks for."""

    def key(self, request: Any, view: Any) -> str:  # noqa: ARG002
        key: str = request.auth.key
        return key


rates = Rates(settings.SOCKET_DIR / "rates")
