"""Talking to one sandbox: frames, and what the function asks meanwhile.

What runs in a sandbox is a stranger's code, so every answer is taken apart as if it were forged:
anything but one well-formed answer to the question that was asked ends the sandbox.
"""

import contextlib
import json
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from invoker.runtime.calls import Calls, FloodError
from invoker.runtime.results import LogEntry, Platform, Problem

DEATH_TAKES_S = 0.5
READ_BYTES = 65_536
MOST_LEVELS = 200  # as in values.js of the host
# The kernel ends a read or write after this, and is late by up to an eighth of it.
LONGEST_BLOCK_S = 0.2
LONGEST_BLOCK = struct.pack("ll", 0, int(LONGEST_BLOCK_S * 1e6))
LENGTH = struct.Struct("<I")


class SandboxError(Exception):
    """A run that a sandbox did not answer; becomes a `Failure` of the same code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Thrown(msgspec.Struct):
    name: str = "Error"
    message: str = ""
    stack: str = ""
    is_error: bool = msgspec.field(default=False, name="isError")
    code: str | None = None


class Answer(msgspec.Struct, gc=False):
    """Every frame that the host sends."""

    id: int | None = None
    ok: bool | None = None
    value: Any = None
    error: Thrown | None = None
    logs: list[LogEntry] = []
    dropped: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    ready: bool | None = None
    problems: list[Problem] | None = None
    call: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    op: str = ""
    arguments: Any = None


_decode = msgspec.json.Decoder(Answer).decode
_validate = msgspec.json.Decoder(msgspec.Raw).decode


def _decoded(frame: bytes) -> Answer:
    answer = _decode(frame)
    # The host keeps to this, forged frames need not; readers behind us end at a thousand levels.
    if frame.count(b"[") + frame.count(b"{") > MOST_LEVELS:
        within = [answer.value, answer.arguments, *(entry.extras for entry in answer.logs)]
        if _is_deeper(within, MOST_LEVELS + 1):
            raise SandboxError("protocol", f"An answer is nested deeper than {MOST_LEVELS} levels")
    return answer


def _is_deeper(values: list[Any], levels: int) -> bool:
    for _ in range(levels):
        inner: list[Any] = []
        for value in values:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return False
        values = [one for one in inner if isinstance(one, (dict, list))]
    return bool(values)


def encode(value: Any) -> bytes:
    """JSON of a value whose texts may hold halves of characters, as JSON of strangers may."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def encoded_event(event: Any) -> bytes:
    """JSON of an event, which goes into a frame as it is.

    Raises:
        msgspec.DecodeError: it was given as bytes, and they are not JSON.
    """
    return bytes(_validate(event)) if isinstance(event, bytes) else encode(event)


@dataclass(slots=True, eq=False)
class Instance:
    """One sandbox. Whoever holds it is the only one who talks to it."""

    id: int
    pid: int
    key: str | None
    channel: socket.socket
    max_answer_bytes: int
    loaded: bool
    runs: int
    idle_since: float = field(default_factory=time.monotonic)
    _rest: bytes = b""
    _handle: int = field(init=False)

    def __post_init__(self) -> None:
        self._handle = self.channel.fileno()
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.channel.setsockopt(socket.SOL_SOCKET, option, LONGEST_BLOCK)

    def ask(self, frame: bytes, ends_at: float, platform: Platform) -> Answer:
        """Send one frame, answer what the function asks meanwhile, read what answers the frame.

        Raises:
            SandboxError: `execution-time-exceeded`, `crashed`, `protocol`, or `gone`: it had ended
                before it had the whole frame, so it did nothing with it.
        """
        calls: Calls | None = None
        try:
            try:
                self._write(frame, ends_at)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise SandboxError("gone", "The function's process has ended") from error
            answer = _decoded(self._read(ends_at))
            while answer.call is not None:
                if calls is None:
                    calls = Calls(platform, lambda found: self._write(encode(found), ends_at))
                calls.take(answer.call, answer.op, answer.arguments)
                answer = _decoded(self._read(ends_at))
            if self._rest:
                raise SandboxError("protocol", "There is more than one answer")
            if calls is not None:
                calls.end()
        except TimeoutError as error:
            raise SandboxError("execution-time-exceeded", "No answer in time") from error
        except FloodError as error:
            raise SandboxError("protocol", "There are too many calls of the platform") from error
        except OSError as error:
            raise SandboxError("crashed", "The function's process has ended") from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise SandboxError("protocol", f"The answer cannot be read: {error}") from error
        finally:
            if calls is not None:
                calls.abandon()
        return answer

    def await_end(self) -> None:
        """Let a process whose channel has closed come to its end, so that it can be told why."""
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(self.pid)
            try:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                poll.poll(DEATH_TAKES_S * 1000)
            finally:
                os.close(handle)

    def _write(self, frame: bytes, ends_at: float) -> None:
        data = LENGTH.pack(len(frame)) + frame
        sent = 0
        while True:
            try:
                sent += os.write(self._handle, data if sent == 0 else memoryview(data)[sent:])
            except BlockingIOError:
                self._await(select.POLLOUT, ends_at)
            if sent == len(data):
                return

    def _receive(self, ends_at: float) -> bytes:
        """What has come, at once if something has, and else as soon as something comes."""
        if ends_at - time.monotonic() < LONGEST_BLOCK_S:
            self._await(select.POLLIN, ends_at)
        while True:
            try:
                data = os.read(self._handle, READ_BYTES)
            except BlockingIOError:
                self._await(select.POLLIN, ends_at)
                continue
            if not data:
                raise SandboxError("crashed", "The function's process has ended")
            return data

    def _await(self, event: int, ends_at: float) -> None:
        """Wait with a precise clock, which costs system calls that a quick answer does not need."""
        left_s = ends_at - time.monotonic()
        poll = select.poll()
        poll.register(self._handle, event)
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise TimeoutError

    def _read(self, ends_at: float) -> bytes:
        """One whole frame, in a single read when it is short."""
        if self._rest:
            if time.monotonic() > ends_at:
                raise TimeoutError
            have, self._rest = self._rest, b""
        else:
            have = self._receive(ends_at)
        while len(have) < LENGTH.size:
            have += self._receive(ends_at)
        size = LENGTH.size + LENGTH.unpack_from(have)[0]
        if size > self.max_answer_bytes:
            raise SandboxError("protocol", f"An answer of {size} bytes was announced")
        if len(have) < size:
            parts, left = [have], size - len(have)
            while left > 0:
                parts.append(self._receive(ends_at))
                left -= len(parts[-1])
            have = b"".join(parts)
        if len(have) > size:
            self._rest = have[size:]
        return have[LENGTH.size : size]
