"""How a worker hands a command to whoever holds the socket, be it on another host.

One TCP connection per command. The key of the holder's claim encrypts and authenticates both
ways, so only who reads the row can ask, and only the holder can answer:

    holder  greeting: a number used once
    worker  that number, one of its own, the question
    holder  the worker's number, the answer

The numbers keep a recorded question from being asked again and a recorded answer from being given
again. `multiprocessing.connection` was no choice: one silent stranger stops its only accepting
thread, and what follows its handshake is plain text.
"""

import contextlib
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken

from invoker.platforms.liveperson.ums import NoAnswerError, NotSentError

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 1024 * 1024
MOST_AT_ONCE = 32
# Whoever connects has the key or is a stranger: it does not take long to tell.
GREETING_S = 5.0
_NUMBER = 16
_ASK, _TELL = b"?", b"!"


class Door:
    """Where workers knock. Open until `close`."""

    def __init__(self, host: str, answer: Callable[[bytes], bytes]) -> None:
        """Listen on a free port of `host`, which is also the address that is handed to workers."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=MOST_AT_ONCE)
        port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
        self.key = Fernet.generate_key().decode()
        self._fernet = Fernet(self.key)
        self._answer = answer
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        threading.Thread(target=self._accept, name="agent door", daemon=True).start()

    def close(self) -> None:
        # Closing alone would leave the accepting thread where it is.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                # Nothing was asked yet, so the worker comes again.
                channel.close()
                continue
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def _serve(self, channel: socket.socket) -> None:
        try:
            with channel:
                greeting = os.urandom(_NUMBER)
                ends_at = time.monotonic() + GREETING_S
                _send(channel, self._fernet.encrypt(greeting), ends_at)
                plain = self._fernet.decrypt(_receive(channel, ends_at))
                if plain[:1] != _ASK or plain[1 : 1 + _NUMBER] != greeting:
                    return
                number, asked = plain[1 + _NUMBER : 1 + 2 * _NUMBER], plain[1 + 2 * _NUMBER :]
                told = self._fernet.encrypt(_TELL + number + self._answer(asked))
                _send(channel, told, time.monotonic() + GREETING_S)
        except (OSError, EOFError, InvalidToken) as error:
            logger.info("worker turned away or gone", extra={"reason": type(error).__name__})
        finally:
            self._places.release()


def ask(address: str, key: str, question: bytes, within_s: float) -> bytes:
    """The holder's answer.

    Raises:
        NotSentError: nobody there who has this key, nothing was asked.
        NoAnswerError: asked, and no answer came.
    """
    host, _, port = address.rpartition(":")
    fernet, number = Fernet(key), os.urandom(_NUMBER)
    ends_at = time.monotonic() + within_s
    try:
        channel = socket.create_connection((host.strip("[]"), int(port)), timeout=GREETING_S)
    except (OSError, ValueError) as error:
        raise NotSentError("Nobody holds the agent socket") from error
    with channel:
        try:
            greeting = fernet.decrypt(_receive(channel, time.monotonic() + GREETING_S))
            asked = fernet.encrypt(_ASK + greeting + number + question)
            # Half a question is none, so a failure up to its end is "not sent".
            _send(channel, asked, time.monotonic() + GREETING_S)
        except (OSError, EOFError, InvalidToken) as error:
            raise NotSentError("Nobody answers for the agent socket") from error
        try:
            told = fernet.decrypt(_receive(channel, ends_at))
        except (OSError, EOFError, InvalidToken) as error:
            raise NoAnswerError("The process that holds the agent socket gave no answer") from error
    if told[:1] != _TELL or told[1 : 1 + _NUMBER] != number:
        raise NoAnswerError("The process that holds the agent socket gave no answer")
    return told[1 + _NUMBER :]


def _send(channel: socket.socket, frame: bytes, ends_at: float) -> None:
    channel.settimeout(max(0.01, ends_at - time.monotonic()))
    channel.sendall(struct.pack("!I", len(frame)) + frame)


def _receive(channel: socket.socket, ends_at: float) -> bytes:
    """One frame; raises EOFError for an end, TimeoutError for none in time."""
    [length] = struct.unpack("!I", _exactly(channel, 4, ends_at))
    if length > MAX_FRAME_BYTES:
        raise EOFError
    return _exactly(channel, length, ends_at)


def _exactly(channel: socket.socket, count: int, ends_at: float) -> bytes:
    found = bytearray()
    while len(found) < count:
        left = ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        part = channel.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)
