"""A process's side of the sandboxes: keep warm ones, lend them to one run at a time, run.

Safe for any number of threads.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invoker.runtime import confine, results, supervisor
from invoker.runtime.calls import REFUSED_AFTER
from invoker.runtime.channel import Answer, Instance, SandboxError, Thrown, encode
from invoker.runtime.results import (
    About,
    Config,
    Failure,
    LogEntry,
    NoPlatform,
    Outcome,
    Problem,
    Program,
    Report,
    Result,
)

SUPERVISOR_STARTS_WITHIN_S = 10.0
REQUEST_TIMEOUT_S = 10.0
CHECK_TIMEOUT_S = 5.0
# Everything in an answer but its value and its logs, generously.
ANSWER_BYTES = 65_536
BYTES_PER_CHARACTER = 3
# The host, when it takes a sandbox back, ends it if it has grown or run for too long. A single run
# that can have filled its memory takes longer than this.
LOOKED_AT_AFTER = 1000
LOOKED_AT_AFTER_S = 0.02
# What was idle for this long is lent to the whole host.
PARK_AFTER_S = 1.0
ASK_AGAIN_S = 0.05
ENGINE_ERRORS = frozenset(
    {"TypeError", "SyntaxError", "ReferenceError", "RangeError", "EvalError", "URIError",
     "NotCapable", "PermissionDenied"}
)  # fmt: skip
# In a stack's frames; what stands before them is the message.
PLACE = re.compile(r"^    at (?:.*\()?index\.js:(\d+):(\d+)\)?$", re.MULTILINE)
# A name, or all names below one. Anything else could be read as another option of Deno.
HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]{0,62}\.)*[a-z0-9-]{0,62}", re.IGNORECASE)
LONGEST_HOST = 253


class UnavailableError(Exception):
    """There is no sandbox to run in: the supervisor is gone or everything is taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Pool:
    """The sandboxes of this process, all of them children of the host's supervisor."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._settings = supervisor.Settings(
            memory_mb=config.memory_mb,
            max_instances=config.max_instances,
            max_instances_per_account=config.max_instances_per_account,
            idle_s=config.idle_s,
            stems=config.stems,
            layers=sorted(config.layers),
        )
        self._control: socket.socket | None = None
        self._control_lock = threading.Lock()
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._waiting = 0
        self._idle: dict[str | None, list[Instance]] = {}
        self._ids = itertools.count(1)
        self._lender: threading.Thread | None = None
        self._closed = threading.Event()
        self._is_closed = False

    # --- what callers want -------------------------------------------------------------------

    def run(
        self,
        program: Program,
        event: bytes,
        timeout_s: float,
        trace_id: str = "",
        wait_s: float | None = None,
    ) -> Result:
        try:
            instance = self._pop_idle(program.key) or self._take(program, wait_s)
        except UnavailableError as error:
            return _failed(Outcome.PLATFORM_FAILURE, error.code, str(error))
        cold = not instance.loaded
        started_at = time.monotonic()
        ends_at = started_at + timeout_s
        number = next(self._ids)
        try:
            if cold:
                failed = self._load(instance, program, ends_at)
                if failed:
                    self._discard(instance)
                    return failed
            frame = b'{"id":%d,"event":%b}' % (number, event)
            if trace_id:
                frame = b'%b,"traceId":%b}' % (frame[:-1], encode(trace_id))
            answer = instance.ask(frame, ends_at, program.platform)
            _expect(answer.id == number and answer.ok is not None)
        except SandboxError as error:
            took_ms = (time.monotonic() - started_at) * 1000
            why = self._discard(instance, error)
            if error.code == "gone" and not cold:
                # It died idle and saw nothing.
                return self.run(program, event, timeout_s, trace_id, wait_s)
            return _died(error, why, took_ms, timeout_s=timeout_s, cold=cold)
        except BaseException:
            # Whatever ends this thread must not keep the place of the sandbox.
            self._discard(instance)
            raise
        self._give_back(instance, started_at)
        return self._result(answer, cold=cold)

    def prewarm(self, program: Program, timeout_s: float) -> Result | None:
        try:
            instance = self._take(program)
        except UnavailableError as error:
            return _failed(Outcome.PLATFORM_FAILURE, error.code, str(error))
        if instance.loaded:
            self._park(instance)
            return None
        started_at = time.monotonic()
        try:
            failed = self._load(instance, program, started_at + timeout_s)
        except SandboxError as error:
            took_ms = (time.monotonic() - started_at) * 1000
            why = self._discard(instance, error)
            return _died(error, why, took_ms, timeout_s=timeout_s, cold=True)
        except BaseException:
            self._discard(instance)
            raise
        if failed:
            self._discard(instance)
            return failed
        self._park(instance)
        return None

    def retire(self, group: str) -> None:
        self._lend(idle_for_s=0.0)
        with contextlib.suppress(UnavailableError):
            self._request({"op": "retire", "group": group})

    def check(self, source: str, about: About | None = None) -> list[Problem]:
        try:
            instance = self._take(Program(source))
        except UnavailableError as error:
            return [Problem(error.code, str(error))]
        try:
            ends_at = time.monotonic() + CHECK_TIMEOUT_S
            question = {"check": source, "about": asdict(about or About())}
            answer = instance.ask(encode(question), ends_at, NoPlatform())
            _expect(answer.problems is not None)
        except SandboxError as error:
            return [Problem("cannot-check", f"The code cannot be checked: {error}")]
        finally:
            self._discard(instance)
        return answer.problems or []

    def report(self) -> Report:
        answer, _ = self._request({"op": "report"})
        return Report(**answer)

    def await_end(self, timeout_s: float) -> bool:
        """Wait until the supervisor has ended, at once after its `last` client or a while later."""
        ends_at = time.monotonic() + timeout_s
        lock = os.open(
            self._socket_path().with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            while time.monotonic() < ends_at:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                time.sleep(0.05)
        finally:
            os.close(lock)
        return False

    def leave_to_parent(self) -> None:
        """In a forked child: close what was inherited, without a word and without a lock."""
        self._disconnect()
        self._close_idle()

    def close(self, *, last: bool = False) -> None:
        """End every sandbox of this process. `last`: the supervisor need not wait for others."""
        if last:
            with contextlib.suppress(UnavailableError):
                self._request({"op": "last"}, reconnect=False)
        self._closed.set()
        with self._control_lock:
            self._disconnect()
        with self._lock:
            self._is_closed = True
            self._close_idle()

    def _close_idle(self) -> None:
        for instances in list(self._idle.values()):
            while instances:
                # Somebody may take the last one at this moment.
                with contextlib.suppress(IndexError):
                    instances.pop().channel.close()

    # --- sandboxes: take, load, give back, discard -------------------------------------------

    def _take(self, program: Program, wait_s: float | None = None) -> Instance:
        """An idle sandbox of the program's key, or a new one.

        Waits for a free place, at most `wait_s`, which does not count as running time.
        """
        ends_at = time.monotonic() + (self.config.wait_s if wait_s is None else wait_s)
        while True:
            instance, busy = self._take_from_host(program)
            if instance or (instance := self._pop_idle(program.key)):
                return instance
            if self._lend(idle_for_s=0.0):
                continue  # the places of our own idle ones are free now
            left = ends_at - time.monotonic()
            if left <= 0:
                where = "account" if busy == "account" else "host"
                message = f"Every sandbox of this {where} is in use, and none became free in time"
                raise UnavailableError("busy", message)
            with self._lock:
                self._waiting += 1
                self._freed.wait(min(left, ASK_AGAIN_S))
                self._waiting -= 1

    def _pop_idle(self, key: str | None) -> Instance | None:
        # Here and where it is given back without the lock, which takes 2 µs of a run's 35. A list
        # gives each item away once; it stays when it is empty, smaller than its deployment's row.
        try:
            return self._idle[key].pop()
        except (KeyError, IndexError):
            return None

    def _take_from_host(self, program: Program) -> tuple[Instance | None, str]:
        for host in program.hosts:
            if len(host) > LONGEST_HOST or not HOST.fullmatch(host):
                raise UnavailableError("unavailable", f'Cannot allow "{host}": it is no host name')
        request = {
            "op": "take",
            "key": program.key,
            "account": program.account_id,
            "hosts": list(program.hosts),
        }
        answer, handles = self._request(request)
        if "busy" in answer:
            return None, answer["busy"]
        if "failed" in answer:
            message = f"Cannot start a sandbox: {answer['failed']}"
            raise UnavailableError("unavailable", message)
        texts = self.config.result_characters + self.config.log_characters
        instance = Instance(
            id=answer["id"],
            pid=answer["pid"],
            key=program.key,
            channel=socket.socket(fileno=handles[0]),
            max_answer_bytes=ANSWER_BYTES + BYTES_PER_CHARACTER * texts,
            loaded=answer["loaded"],
            runs=answer["runs"],
        )
        return instance, ""

    def _load(self, instance: Instance, program: Program, ends_at: float) -> Result | None:
        """Give a new sandbox its code. A `Result` when the code cannot be loaded."""
        frame = {
            "load": {
                "source": program.source,
                "environment": dict(program.environment),
                "facts": dict(program.facts),
                "limits": {
                    "entries": self.config.log_entries,
                    "characters": self.config.log_characters,
                    "result": self.config.result_characters,
                    "calls": REFUSED_AFTER,
                },
            }
        }
        answer = instance.ask(encode(frame), ends_at, program.platform)
        _expect(answer.ready is not None)
        if not answer.ready:
            return self._result(answer, cold=True, code="load-failed")
        instance.loaded = True
        with self._lock:
            if self._lender is None:
                self._lender = threading.Thread(
                    target=self._lend_idle, name="sandbox-lender", daemon=True
                )
                self._lender.start()
        return None

    def _give_back(self, instance: Instance, since: float) -> None:
        """Keep a sandbox, which has run since then, for the next event of its key."""
        instance.runs += 1
        if instance.key is None:
            self._discard(instance)
            return
        instance.idle_since = time.monotonic()
        long = instance.idle_since - since > LOOKED_AT_AFTER_S
        if long or instance.runs % LOOKED_AT_AFTER == 0:
            self._park(instance)
            return
        self._idle.setdefault(instance.key, []).append(instance)
        if self._is_closed:
            self._close_idle()
        elif self._waiting:
            with self._lock:
                self._freed.notify()

    def _park(self, instance: Instance) -> None:
        """Give an idle sandbox to the host, which keeps it for whoever next asks for its key."""
        request = {
            "op": "park",
            "id": instance.id,
            "key": instance.key,
            "runs": instance.runs,
            "idle_since": instance.idle_since,  # of the clock of the whole host
        }
        with contextlib.suppress(UnavailableError):
            self._request(request, reconnect=False)
        instance.channel.close()
        with self._lock:
            self._freed.notify()

    def _discard(self, instance: Instance, error: SandboxError | None = None) -> str:
        """End a sandbox and say what it died of."""
        if error is not None and error.code in ("crashed", "gone"):
            instance.await_end()
        try:
            answer, _ = self._request({"op": "end", "id": instance.id}, reconnect=False)
        except UnavailableError:
            answer = {"why": "lost"}
        instance.channel.close()
        with self._lock:
            self._freed.notify()
        why: str = answer["why"]
        return why

    def _lend(self, idle_for_s: float) -> bool:
        """Park what has been idle for so long. Whether there was any."""
        before = time.monotonic() - idle_for_s
        found = []
        with self._lock:
            for instances in list(self._idle.values()):
                for instance in [one for one in instances if one.idle_since <= before]:
                    with contextlib.suppress(ValueError):  # somebody has just taken it
                        instances.remove(instance)
                        found.append(instance)
        found.sort(key=lambda instance: instance.idle_since)
        for instance in found:
            self._park(instance)
        return bool(found)

    def _lend_idle(self) -> None:
        while not self._closed.wait(PARK_AFTER_S):
            self._lend(PARK_AFTER_S)

    # --- the supervisor ----------------------------------------------------------------------

    def _request(
        self, request: dict[str, Any], *, reconnect: bool = True
    ) -> tuple[dict[str, Any], list[int]]:
        """Ask the supervisor, starting it when there is none.

        Raises:
            UnavailableError: it cannot be started, or it died and `reconnect` is off.
        """
        packet = json.dumps(request).encode()
        if len(packet) > supervisor.PACKET_BYTES:
            raise UnavailableError("unavailable", "Cannot start a sandbox: it has too many hosts")
        with self._control_lock:
            for last in (False, True):
                if self._control is None and not reconnect:
                    raise UnavailableError("unavailable", "The supervisor has ended")
                try:
                    self._control = self._control or self._connect()
                    self._control.send(packet)
                    answer, handles, _, _ = socket.recv_fds(
                        self._control, supervisor.PACKET_BYTES, 1
                    )
                    if answer:
                        return json.loads(answer), handles
                except OSError:
                    pass
                except BaseException:
                    # Half an exchange: its answer would be taken for that of the next question.
                    self._disconnect()
                    raise
                # The supervisor is gone, and its sandboxes with it.
                self._disconnect()
                self._forget_all()
                if last or not reconnect:
                    break
        raise UnavailableError("unavailable", "The supervisor of the sandboxes does not answer")

    def _connect(self) -> socket.socket:
        path = self._socket_path()
        ends_at = time.monotonic() + SUPERVISOR_STARTS_WITHIN_S
        started: subprocess.Popen[bytes] | None = None
        while True:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                channel.connect(str(path))
            except OSError:
                channel.close()
            else:
                channel.settimeout(REQUEST_TIMEOUT_S)
                return channel
            if started is None or started.poll() is not None:
                if time.monotonic() > ends_at:
                    raise UnavailableError("unavailable", "The supervisor cannot be started")
                started = self._spawn(path)
            elif time.monotonic() > ends_at:
                started.kill()
                raise UnavailableError("unavailable", "The supervisor does not come up")
            time.sleep(0.02)

    def _spawn(self, path: Path) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "invoker.runtime",
                "--socket",
                str(path),
                "--settings",
                json.dumps(asdict(self._settings)),
            ],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        # It outlives this pool; whoever comes first is told when it ends.
        threading.Thread(target=process.wait, name="sandbox-supervisor", daemon=True).start()
        return process

    def _socket_path(self) -> Path:
        """An address for each set of settings and code: an upgrade gets a new supervisor."""
        directory = self.config.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.getuid():
            raise UnavailableError("unavailable", f'"{directory}" belongs to another user')
        digest = hashlib.sha256(json.dumps(asdict(self._settings)).encode())
        for module in (supervisor, confine, results):
            digest.update(Path(str(module.__file__)).read_bytes())
        digest.update(supervisor.HOST.read_bytes())
        return directory / f"{digest.hexdigest()[:12]}.sock"

    def _disconnect(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    def _forget_all(self) -> None:
        with self._lock:
            self._close_idle()

    # --- results -----------------------------------------------------------------------------

    def _result(self, answer: Answer, *, cold: bool, code: str = "") -> Result:
        failure = None
        if not answer.ok:
            failure = _failure(answer.error or Thrown(), code)
        logs = tuple(answer.logs[: self.config.log_entries]) if answer.logs else ()
        if answer.dropped:
            message = (
                f"{answer.dropped} more calls of console were dropped: "
                f"{self.config.log_entries} entries and {self.config.log_characters} characters "
                "are kept of a run"
            )
            extras = [{"code": "log-limit-reached", "dropped": answer.dropped}]
            logs += (LogEntry("Warn", message, extras, int(time.time() * 1000)),)
        return Result(
            outcome=Outcome.SUCCEEDED if answer.ok else Outcome.CODING_FAILURE,
            value=answer.value if answer.ok else None,
            logs=logs,
            dropped_logs=answer.dropped,
            failure=failure,
            duration_ms=answer.ms,
            cold=cold,
        )


def _failure(thrown: Thrown, code: str) -> Failure:
    place = PLACE.search(thrown.stack)
    if not code:
        code = thrown.code or (
            "runtime-exception"
            if thrown.is_error and thrown.name in ENGINE_ERRORS
            else "custom-failure"
        )
    return Failure(
        code=code,
        name=thrown.name,
        message=thrown.message,
        stack=thrown.stack,
        line=int(place[1]) if place else None,
        column=int(place[2]) if place else None,
    )


def _expect(answered: bool) -> None:
    if not answered:
        raise SandboxError("protocol", "The answer is not to the question that was asked")


def _failed(outcome: Outcome, code: str, message: str) -> Result:
    return Result(outcome, failure=Failure(code, "Error", message))


def _died(error: SandboxError, why: str, took_ms: float, *, timeout_s: float, cold: bool) -> Result:
    """The result of a run whose sandbox had to be ended or ended by itself."""
    code, message, outcome = error.code, str(error), Outcome.CODING_FAILURE
    if code == "gone":
        code = "crashed"
    if code == "execution-time-exceeded":
        outcome = Outcome.TIMEOUT
        message = f"The function did not end within {timeout_s:g} s and was stopped"
    elif code == "crashed" and why == "memory":
        code, message = "memory-exceeded", "The function used more memory than it may have"
    elif code == "crashed" and why == "lost":
        outcome = Outcome.PLATFORM_FAILURE
        message = "The sandbox was ended from outside while the function ran"
    elif code == "crashed":
        message = "The function ended its own process"
    elif code == "protocol":
        message = "The function wrote on the channel that its result goes through"
    failure = Failure(code, "Error", message)
    return Result(outcome, failure=failure, duration_ms=took_ms, cold=cold)
