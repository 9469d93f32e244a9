"""How often somebody may ask, counted for all processes of this host.

Counts lie in a file of fixed size. Django's cache on files would take a hundred times as long, as
it lists its folder for each. Several hosts count each for itself.
"""

import fcntl
import logging
import os
import struct
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

logger = logging.getLogger(__name__)

MINUTE_S = 60.0
# Whose count it is, and until when what they asked for has taken up their time.
SLOT = struct.Struct("<Qd")
SLOTS_OF_BUCKET = 8
BUCKET_BYTES = SLOT.size * SLOTS_OF_BUCKET
BUCKETS = 8192


class Taken(NamedTuple):
    """`wait_s`: 0.0, or how long to wait as there have been too many.

    `debt_s`: how much time what was taken stands for, less what has gone by since.
    """

    wait_s: float
    debt_s: float


class Rates:
    """Counts by key. A key may use all it has at once, and then as it comes back.

    The file ends nowhere: of more keys than have room, the ones that asked least are forgotten.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path` is where the counts lie; else beside this host's sockets, wherever they are."""
        self._path = path
        self._lock = threading.Lock()
        self._handle: int | None = None

    def take(
        self, key: str, most: int, *, within_s: float = MINUTE_S, count: int = 1, largest: int = 1
    ) -> Taken:
        """Count so many of a key that may have `most` within that time: all of them or none.

        More than `most` at once are let through after a rest, and paid for by a longer one.
        `largest` is the highest `count` that is ever asked with.
        """
        each_s = within_s / most
        longest_s = max(within_s, largest * each_s)
        number, owner = struct.unpack("<QQ", blake2b(key.encode(), digest_size=16).digest())
        offset = number % BUCKETS * BUCKET_BYTES
        with self._lock:
            try:
                handle = self._open()
                # Not of the file as a whole, and given back with the process that dies.
                fcntl.lockf(handle, fcntl.LOCK_EX, BUCKET_BYTES, offset)
                try:
                    return _take(
                        handle, offset, owner,
                        within_s=within_s, costs_s=count * each_s, longest_s=longest_s,
                    )  # fmt: skip
                finally:
                    fcntl.lockf(handle, fcntl.LOCK_UN, BUCKET_BYTES, offset)
            except OSError:
                # A disk that is full must close neither doors nor the API.
                logger.exception("cannot count requests")
                return Taken(0.0, 0.0)

    def forget(self) -> None:
        """Let everybody begin anew."""
        with self._lock:
            os.ftruncate(self._open(), 0)

    def _open(self) -> int:
        if self._handle is None:
            path = self._path or settings.SOCKET_DIR / "rates"
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._handle


def _take(
    handle: int, offset: int, owner: int, *, within_s: float, costs_s: float, longest_s: float
) -> Taken:
    bucket = os.pread(handle, BUCKET_BYTES, offset).ljust(BUCKET_BYTES, b"\0")
    slots = list(SLOT.iter_unpack(bucket))
    # The owner's own, else the one of whoever has been idle longest.
    place = min(range(SLOTS_OF_BUCKET), key=lambda one: (slots[one][0] != owner, slots[one][1]))
    now = time.time()
    until = slots[place][1] if slots[place][0] == owner else now
    if until < now or until > now + longest_s:
        # The latter is of a clock that was ahead and has been put right.
        until = now
    wait_s = until + min(costs_s, within_s) - now - within_s
    if wait_s > 0:
        return Taken(wait_s, until - now)
    until += costs_s
    os.pwrite(handle, SLOT.pack(owner, until), offset + place * SLOT.size)
    return Taken(0.0, until - now)


rates = Rates()
