"""Warm sandboxes and places for them, and what is left when something dies."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from invoker import runtime
from invoker.runtime import client
from invoker.runtime.client import Pool
from invoker.runtime.results import Config, Outcome, Program, Result
from tests.invoker.sandboxes import (
    alive,
    calls_back,
    code_of,
    eventually,
    open_files,
    own_pool,
    own_supervisor,
    run,
    sandbox_directory,
    sandboxes_of,
)

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module", autouse=True)
def own_sandboxes() -> Iterator[None]:
    with own_supervisor():
        yield


@pytest.fixture
def small_pool() -> Iterator[Pool]:
    """Room for two sandboxes, one of them for each account."""
    with own_pool(max_instances=2, max_instances_per_account=1, wait_s=0.3) as pool:
        yield pool


# --- Warm sandboxes -------------------------------------------------------------------------------

NEVER_ENDING = "async function lambda() { await new Promise((d) => setTimeout(d, 9e3)); }"
COUNTER = "let n = 0; function lambda(input, callback) { callback(null, ++n); }"


def test_warm_sandbox_is_used_again() -> None:
    results = [run(COUNTER, key="counter") for _ in range(3)]

    assert [(result.value, result.cold) for result in results] == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_draft_gets_a_sandbox_of_its_own_each_time() -> None:
    assert [run(COUNTER).value for _ in range(2)] == [1, 1]


def test_another_key_is_another_program() -> None:
    old = run(calls_back('"old"'), key="deployment 1")
    new = run(calls_back('"new"'), key="deployment 2")
    again = run(calls_back('"old"'), key="deployment 1")

    assert (old.value, new.value, again.value, again.cold) == ("old", "new", "old", False)


def test_two_runs_of_one_key_never_share_a_sandbox() -> None:
    source = """let busy = false;
async function lambda(input) {
  if (busy) return "shared";
  busy = true;
  await new Promise((done) => setTimeout(done, 200));
  busy = false;
  return "alone";
}"""

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _: run(source, key="parallel"), range(6)))

    assert [result.value for result in results] == ["alone"] * 6


def test_what_a_run_leaves_behind_stands_still() -> None:
    source = """let ticks = 0;
function lambda(input, callback) {
  if (input === "start") setInterval(() => ticks++, 1);
  callback(null, ticks);
}"""
    run(source, "start", key="ticks")
    time.sleep(0.3)

    result = run(source, "look", key="ticks")

    assert result.value <= 2


def test_what_a_run_left_behind_does_not_fail_a_later_one() -> None:
    source = """function lambda(input, callback) {
  if (input === "leave") {
    Promise.reject(new Error("left"));
    setTimeout(() => process.nextTick(() => Promise.reject(new Error("left too"))), 1);
    setTimeout(() => console.info("late"), 1);
    setTimeout(() => { throw new Error("thrown late"); }, 1);
    callback(null, "left");
  } else {
    setTimeout(() => { console.info("mine"); callback(null, "right"); }, 30);
  }
}"""
    run(source, "leave", key="leftovers")

    result = run(source, "later", key="leftovers")

    assert (result.value, result.failure, result.cold) == ("right", None, False)
    assert [entry.message for entry in result.logs] == ["mine"]


@pytest.mark.parametrize("prefix", ["", "export "])
def test_what_a_timer_throws_fails_its_own_event_only(prefix: str) -> None:
    source = (
        prefix
        + """async function lambda(input) {
  if (input === "leave") {
    setTimeout(() => { throw new Error("left"); }, 1);
    setImmediate(() => process.exit(1));
    require("timers").setTimeout(() => { throw new Error("left"); }, 1);
    return "left";
  }
  if (input === "throw") return new Promise(() => setTimeout(() => { throw new Error("own"); }, 1));
  await new Promise((done) => setTimeout(done, 20));
  return "right";
}"""
    )
    events = ["right", "throw", "leave", "right", "throw", "right"]

    results = [run(source, event, key=f"timers {prefix}") for event in events]

    assert [result.value or code_of(result) for result in results] == [
        "right", "custom-failure", "left", "right", "custom-failure", "right",
    ]  # fmt: skip
    assert [result.cold for result in results] == [True, False, False, False, False, False]
    assert results[1].failure
    assert (results[1].failure.message, results[1].failure.line) == ("own", 8)


def test_timers_have_what_nodes_have() -> None:
    source = """const { promisify } = require("util");
async function lambda(input) {
  await promisify(setTimeout)(1);
  await require("timers/promises").setTimeout(1);
  const timer = setTimeout(() => {}, 1000);
  clearTimeout(timer);
  const given = await new Promise((done) => setTimeout(done, 1, input));
  const inTurn = await new Promise((done) => process.nextTick(done, "next"));
  return [typeof timer.unref, given, inTurn, setTimeout === globalThis.setTimeout];
}"""

    assert run(source, "given").value == ["function", "given", "next", True]


def test_async_context_ends_with_its_run() -> None:
    source = """const { AsyncLocalStorage } = require("async_hooks");
const storage = new AsyncLocalStorage();
function lambda(input, callback) {
  const before = storage.getStore() ?? null;
  storage.run(input, () => setTimeout(() => callback(null, [before, storage.getStore()]), 1));
}"""

    assert [run(source, n, key="context").value for n in (1, 2)] == [[None, 1], [None, 2]]


def test_eight_threads_get_their_own_answers() -> None:
    source = calls_back("input.map((n) => n * n)")

    def work(thread: int) -> list[bool]:
        return [
            run(source, [thread, n], key=f"threads {n % 2}").value == [thread * thread, n * n]
            for n in range(60)
        ]

    with ThreadPoolExecutor(8) as threads:
        answers = [right for rights in threads.map(work, range(8)) for right in rights]

    assert len(answers) == 480
    assert all(answers)


def test_full_account_waits_then_is_busy(small_pool: Pool) -> None:
    slow = Program(
        "async function lambda() { await new Promise((done) => setTimeout(done, 1500)); }",
        account_id="a",
    )
    thread = threading.Thread(target=small_pool.run, args=(slow, b"1", 10))
    thread.start()
    assert eventually(lambda: small_pool.report().instances == 1)

    refused = small_pool.run(Program(calls_back("1"), account_id="a"), b"1", 10)
    other = small_pool.run(Program(calls_back("1"), account_id="b"), b"1", 10)

    thread.join()
    assert (refused.outcome, code_of(refused)) == (Outcome.PLATFORM_FAILURE, "busy")
    assert other.value == 1


def test_waiting_for_a_place_is_not_running_time() -> None:
    with own_pool(max_instances=1, wait_s=5) as pool:
        slow = Program("async function lambda() { await new Promise((d) => setTimeout(d, 2500)); }")
        thread = threading.Thread(target=pool.run, args=(slow, b"1", 10))
        thread.start()
        assert eventually(lambda: pool.report().instances == 1)

        result = pool.run(Program(calls_back("1")), b"1", 2)

        thread.join()
    assert result.value == 1


def test_run_that_is_broken_off_gives_its_place_back() -> None:
    """As when a time limit of the caller's own raises in the thread that waits."""

    class BrokenOffError(BaseException):
        pass

    with own_pool(max_instances=1, wait_s=0.5) as pool:

        def wait() -> None:
            with contextlib.suppress(BrokenOffError):
                pool.run(Program(NEVER_ENDING, key="a"), b"1", 1.5)

        thread = threading.Thread(target=wait)
        thread.start()
        while not pool.report().instances:
            time.sleep(0.01)
        time.sleep(0.3)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(BrokenOffError)
        )
        thread.join()

        result = pool.run(Program(calls_back("1"), key="a"), b"1", 10)

    assert result.value == 1


def test_exchange_that_is_broken_off_is_not_taken_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As above, while the supervisor is asked: its answer is on the way."""

    class BrokenOffError(BaseException):
        pass

    with own_pool(max_instances=1, wait_s=5) as pool:
        pool.report()
        receive = socket.recv_fds

        def break_off(*_: Any) -> None:
            monkeypatch.setattr(socket, "recv_fds", receive)
            raise BrokenOffError

        monkeypatch.setattr(socket, "recv_fds", break_off)
        with pytest.raises(BrokenOffError):
            pool.run(Program(calls_back("1"), key="a"), b"1", 10)

        results = [pool.run(Program(calls_back("2"), key="b"), b"1", 10).value for _ in range(3)]

    assert results == [2, 2, 2]


def test_idle_sandboxes_are_ended_after_a_while() -> None:
    with own_pool(idle_s=0.1) as pool:
        for key in ("a", "b"):
            pool.run(Program(calls_back("1"), key=key), b"1", 10)
        warm = pool.report().instances
        ended = eventually(lambda: pool.report().instances == 0)

        again = pool.run(Program(calls_back("1"), key="a"), b"1", 10)

    assert (warm, ended) == (2, True)
    assert (again.value, again.cold) == (1, True)


def test_sandbox_that_was_idle_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    # All are lent to the host when the third one needs a place, each of them late.
    monkeypatch.setattr(client, "LOOKED_AT_AFTER_S", 60.0)
    with own_pool(max_instances=2, wait_s=0.5) as pool:
        ask = pool._request

        def ask_late(request: dict[str, Any], **how: Any) -> Any:
            if request["op"] == "park":
                time.sleep(0.1 if request["key"] == "new" else 0.0)
            return ask(request, **how)

        monkeypatch.setattr(pool, "_request", ask_late)
        for key in ("old", "new", "old", "third"):
            pool.run(Program(COUNTER, key=key), b"1", 10)

        counts = [pool.run(Program(COUNTER, key=key), b"1", 10).value for key in ("old", "new")]

    assert counts == [3, 1]


def test_idle_sandbox_makes_room_for_a_program_that_waits(small_pool: Pool) -> None:
    for key in ("first", "second", "third"):
        result = small_pool.run(Program(calls_back("1"), key=key, account_id=key), b"1", 10)
        assert result.value == 1

    assert small_pool.report().instances == 2


def test_idle_sandboxes_of_another_process_make_room() -> None:
    with sandbox_directory() as directory:
        config = Config(directory=Path(directory), max_instances=1, wait_s=3)
        worker, web = Pool(config), Pool(config)
        worker.run(Program(calls_back("1"), key="warm"), b"1", 10)

        result = web.run(Program(calls_back("2"), key="other"), b"1", 10)

        again = worker.run(Program(calls_back("1"), key="warm"), b"1", 10)
        worker.close()
        web.close()
    assert (result.value, again.value) == (2, 1)


# --- When something dies --------------------------------------------------------------------------


def take_one_more(pool: Pool, threads: ThreadPoolExecutor) -> "Future[Result]":
    """Run what does not end by itself, and wait until a sandbox of its own is there."""
    before = pool.report().instances
    running = threads.submit(pool.run, Program(NEVER_ENDING), b"1", 10)
    assert eventually(lambda: pool.report().instances > before)
    time.sleep(0.3)  # it gets what it runs
    return running


def test_next_run_works_when_an_idle_sandbox_has_died() -> None:
    run(calls_back("input"), 1, key="dies idle")
    for pid in sandboxes_of(runtime.report().supervisor_pid):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)

    result = run(calls_back("input"), 2, key="dies idle")

    assert (result.value, result.cold) == (2, True)


def test_run_in_flight_is_our_failure_when_its_sandbox_is_killed() -> None:
    with own_pool() as pool, ThreadPoolExecutor(1) as threads:
        running = take_one_more(pool, threads)
        for pid in sandboxes_of(pool.report().supervisor_pid):
            os.kill(pid, signal.SIGKILL)

        result = running.result()

    assert (result.outcome, code_of(result)) == (Outcome.PLATFORM_FAILURE, "crashed")


def test_everything_recovers_when_the_supervisor_is_killed() -> None:
    program = Program(calls_back("input"), key="recovers")
    with own_pool() as pool, ThreadPoolExecutor(1) as threads:
        pool.run(program, b"1", 10)
        supervisor = pool.report().supervisor_pid
        running = take_one_more(pool, threads)
        sandboxes = sandboxes_of(supervisor)
        os.kill(supervisor, signal.SIGKILL)
        in_flight = running.result()

        after = pool.run(program, b"2", 10)

        assert pool.report().supervisor_pid != supervisor
    assert (in_flight.outcome, code_of(in_flight)) == (Outcome.PLATFORM_FAILURE, "crashed")
    assert (after.outcome, after.value) == (Outcome.SUCCEEDED, 2)
    assert not any(alive(pid) for pid in sandboxes)


def test_processes_that_come_at_once_share_one_supervisor() -> None:
    with sandbox_directory() as directory:
        pools = [Pool(Config(directory=Path(directory))) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            pids = list(threads.map(lambda pool: pool.report().supervisor_pid, pools))
        for pool in pools:
            pool.close()

    assert len(set(pids)) == 1


CLIENT = """
import sys, threading, time
from pathlib import Path
from invoker import runtime
from invoker.runtime.results import Config, Program

runtime.configure(Config(directory=Path(sys.argv[1]), stems=0))
waits = "async function lambda() { await new Promise((done) => setTimeout(done, 60e3)); }"
loops = "function lambda() { for (;;); }"
runtime.run(Program("function lambda() { return 1; }", key=sys.argv[2]), None)
for source in (waits, loops):
    threading.Thread(target=runtime.run, args=(Program(source), None), daemon=True).start()
count = int(sys.argv[3])
while ((report := runtime.report()).instances, report.idle) != (3 * count, count):
    time.sleep(0.05)
print(report.supervisor_pid, flush=True)
sys.stdin.read()
"""


def test_sandboxes_end_with_their_process_and_the_supervisor_after_all() -> None:
    def living(pids: list[int], at_most: int) -> int:
        eventually(lambda: sum(map(alive, pids)) <= at_most)
        return sum(map(alive, pids))

    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(sandbox_directory())
        clients, supervisors = [], set()
        for count, key in enumerate(("web", "worker"), start=1):
            client = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CLIENT, directory, key, str(count)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=Path(runtime.__file__).parents[2],
                )
            )
            stack.callback(client.kill)
            assert client.stdout is not None
            supervisors.add(int(client.stdout.readline()))
            clients.append(client)
        (supervisor,) = supervisors
        sandboxes = sandboxes_of(supervisor)

        clients[0].kill()
        # The two that run die with it; the idle one belongs to the host.
        after_one = living(sandboxes, 4)
        clients[1].kill()
        ended = eventually(lambda: not alive(supervisor))
        left = living(sandboxes, 0)

    assert (len(sandboxes), after_one, left) == (6, 4, 0)
    assert ended


def test_child_of_a_process_has_sandboxes_of_its_own() -> None:
    for attempt in range(20):
        run(COUNTER, key=f"forked {attempt}")
        run(COUNTER, key=f"forked {attempt}")
        status = _run_in_a_child(COUNTER, key=f"forked {attempt}")
        again = run(COUNTER, key=f"forked {attempt}")
        # On a busy machine the sandbox may be back with the host by then, which lends it to the
        # child: another attempt.
        if status != "warm":
            break

    assert status == "cold"
    assert (again.value, again.cold) == (3, False)


def _run_in_a_child(source: str, key: str) -> str:
    child = os.fork()
    if child == 0:
        # Whatever happens here must not go on with the tests.
        status = 1
        try:
            status = 0 if run(source, key=key).cold else 2
            runtime.close()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return {0: "cold", 2: "warm"}.get(os.waitstatus_to_exitcode(status), "failed")


def test_nothing_is_left_open_after_many_runs() -> None:
    with own_pool(stems=0) as pool:
        program = Program("function lambda(input) { if (input) throw 1; return 0; }")
        broken = Program("function lambda(")
        pool.run(program, b"0", 10)
        supervisor = pool.report().supervisor_pid
        before = [open_files(pid) for pid in (os.getpid(), supervisor)]
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: pool.run(program, b"%d" % (n % 2), 10), range(90)))
            list(threads.map(lambda _: pool.run(broken, b"1", 10), range(10)))

        def as_before() -> bool:
            after = [open_files(pid) for pid in (os.getpid(), supervisor)]
            return all(now <= then for now, then in zip(after, before, strict=True))

        # What another thread opens for a moment is not left open.
        assert eventually(as_before)
        assert pool.report().instances == 0


def test_supervisor_killed_while_many_run_gives_nobody_the_answer_of_another() -> None:
    wrong = []

    def work(thread: int, pool: Pool, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            program = Program(calls_back(f"[{thread}, input]"), key=f"own {thread}")
            result = pool.run(program, b"%d" % number, 10)
            if result.outcome == Outcome.SUCCEEDED and result.value != [thread, number]:
                wrong.append((thread, number, result.value))

    with own_pool() as pool, ThreadPoolExecutor(6) as threads:
        until = time.monotonic() + 4
        working = [threads.submit(work, thread, pool, until) for thread in range(6)]
        while time.monotonic() < until - 0.5:
            time.sleep(0.4)
            os.kill(pool.report().supervisor_pid, signal.SIGKILL)
        for one in working:
            one.result()

    assert wrong == []


def test_other_settings_get_another_supervisor() -> None:
    with sandbox_directory() as directory:
        pools = [Pool(Config(directory=Path(directory), memory_mb=mb)) for mb in (64, 128)]

        pids = {pool.report().supervisor_pid for pool in pools}

        for pool in pools:
            pool.close()
    assert len(pids) == 2
