"""Sandboxes of a host: booted in advance, lent from process to process, ended when due."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from deno import find_deno_bin

from invoker.runtime import LAYERS, Config, Outcome, Program, Result, supervisor
from invoker.runtime.client import Pool
from invoker.runtime.supervisor import Settings, Supervisor
from tests.invoker.sandboxes import (
    alive,
    calls_back,
    code_of,
    eventually,
    own_pool,
    sandbox_directory,
    sandboxes_of,
)

PID = "function lambda(input, callback) { callback(null, 1); }"
AUTOGROUPS = Path("/proc/self/autogroup").exists()


@contextmanager
def two_pools(**settings: Any) -> Iterator[tuple[Pool, Pool]]:
    """The pools of two processes that share a supervisor."""
    with sandbox_directory() as directory:
        pools = (
            Pool(Config(directory=Path(directory), **settings)),
            Pool(Config(directory=Path(directory), **settings)),
        )
        yield pools
        for pool in pools:
            pool.close()


def program(key: str, *, account: str = "a", source: str = PID, **more: Any) -> Program:
    return Program(source, key=key, account_id=account, **more)


def run(pool: Pool, wanted: Program, event: bytes = b"1") -> Result:
    return pool.run(wanted, event, 10)


def stems(pool: Pool) -> set[int]:
    """Process ids of booted stems: what the supervisor runs beside sandboxes."""
    places = pool._socket_path().with_suffix(".stems")
    assert eventually(lambda: pool.report().stems > 0)
    assert eventually(lambda: all((each / "control").exists() for each in places.iterdir()))
    return set(sandboxes_of(pool.report().supervisor_pid))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not alive(pid))
    time.sleep(0.2)  # its threads end after it


# --- stems ---------------------------------------------------------------------------------------


def test_cold_start_takes_a_process_that_has_booted() -> None:
    with own_pool() as pool:
        before = stems(pool)

        result = run(pool, program("cold"))
        after = set(sandboxes_of(pool.report().supervisor_pid))
        instances = pool.report().instances

    assert (result.outcome, result.cold, instances) == (Outcome.SUCCEEDED, True, 1)
    assert before <= after


def test_process_that_has_booted_gets_the_permissions_of_its_function() -> None:
    asks = """async function lambda(input) {
      const net = (host) => new Promise((resolve) => {
        const socket = require("net").connect(80, host);
        socket.on("error", (error) => resolve(error.message));
      });
      return [await net("198.51.100.1"), await net("10.0.0.1"), await net("203.0.113.1")]
    }"""
    with own_pool() as pool:
        stems(pool)

        refused = run(pool, program("none", source=asks)).value
        some = program("some", source=calls_back("1"), hosts=("example.org",))
        allowed = run(pool, some)

    assert all("Requires net access" in message for message in refused)
    assert allowed.outcome == Outcome.SUCCEEDED


def test_stems_leave_nothing_behind_when_the_supervisor_ends() -> None:
    with sandbox_directory() as directory:
        pool = Pool(Config(directory=Path(directory)))
        pids = stems(pool)
        pool.close()

        ended = pool.await_end(10)

        assert ended
        assert not any(alive(pid) for pid in pids)
        assert [path.suffix for path in Path(directory).iterdir()] == [".lock"]


def test_supervisor_waits_for_nobody_after_the_last_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "LINGER_S", 1e9)
    monkeypatch.setattr(supervisor.confine, "set_share", lambda *_: False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        one = Supervisor(listener, Settings(256, 1, 1, 1.0, 0, []), tmp_path)
        serving = threading.Thread(target=one.serve)
        serving.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(tmp_path / "s"))
            client.send(b'{"op": "last"}')
            assert client.recv(100) == b"{}"

        serving.join()


def test_stem_that_was_killed_is_replaced() -> None:
    with own_pool() as pool:
        pids = stems(pool)
        for pid in pids:
            kill(pid)

        result = run(pool, program("after"))
        replaced = eventually(
            lambda: (
                pool.report().stems > 0
                and not pids & set(sandboxes_of(pool.report().supervisor_pid))
            )
        )

    assert result.outcome == Outcome.SUCCEEDED
    assert replaced


def test_functions_run_where_deno_knows_no_stems(tmp_path: Path) -> None:
    """An engine that ends at once, or waits for ever, when it is started without a script."""
    wrapper = tmp_path / "deno"
    wrapper.write_text(f'#!/bin/sh\n[ $# = 0 ] && exit 1\nexec {find_deno_bin()} "$@"\n')
    wrapper.chmod(0o755)
    pool = Pool(Config(directory=tmp_path / "run", layers=frozenset({"no_new_privs", "rlimits"})))
    code = (
        "import sys\n"
        "from invoker.runtime import supervisor\n"
        f"supervisor.find_deno_bin = lambda: {str(wrapper)!r}\n"
        "supervisor.main()\n"
    )
    arguments = [
        "--socket", str(pool._socket_path()), "--settings", json.dumps(asdict(pool._settings)),
    ]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    try:
        eventually(pool._socket_path().exists)

        results = [run(pool, program(f"plain-{n}")) for n in range(3)]
        time.sleep(1.5)
        left = not eventually(lambda: pool.report().stems == 0)
        results.append(run(pool, program("later")))
        pool.close()
        process.wait(timeout=10)
    finally:
        process.kill()
        process.wait()

    assert [result.outcome for result in results] == [Outcome.SUCCEEDED] * 4
    assert not left


# --- one pool for every process ------------------------------------------------------------------


def test_what_one_process_warms_is_warm_for_another() -> None:
    with two_pools() as (web, worker):
        web.prewarm(program("deployed"), 10)

        first = run(worker, program("deployed"))

    assert (first.value, first.cold) == (1, False)


def test_idle_sandbox_goes_to_the_process_that_needs_it() -> None:
    with two_pools() as (one, other):
        run(one, program("shared"))
        parked = eventually(lambda: one.report().idle == 1)

        result = run(other, program("shared"))
        instances = other.report().instances

    assert parked
    assert (result.cold, instances) == (False, 1)


def test_sandbox_is_warm_for_its_own_key_only() -> None:
    with two_pools() as (one, other):
        one.prewarm(program("version-1", source=calls_back("'old'")), 10)

        result = run(other, program("version-2", source=calls_back("'new'")))

    assert (result.value, result.cold) == ("new", True)


def test_parked_sandbox_outlives_the_process_that_warmed_it() -> None:
    with two_pools() as (web, worker):
        worker.report()  # connected, so that the supervisor stays
        web.prewarm(program("stays"), 10)
        web.close()

        result = run(worker, program("stays"))

    assert not result.cold


def test_parked_sandbox_that_has_died_is_not_given_away() -> None:
    with own_pool(stems=0) as pool:
        pool.prewarm(program("dies"), 10)
        [pid] = sandboxes_of(pool.report().supervisor_pid)
        kill(pid)

        result = run(pool, program("dies"))

    assert (result.value, result.cold) == (1, True)


def test_full_host_gives_the_place_that_was_idle_longest() -> None:
    with two_pools(max_instances=2) as (one, other):
        for key in ("first", "second"):
            one.prewarm(program(key), 10)

        third = run(other, program("third"))
        instances = other.report().instances
        second = run(one, program("second"))

    assert third.outcome == Outcome.SUCCEEDED
    assert instances == 2
    assert not second.cold


def test_full_account_gives_up_a_sandbox_of_its_own() -> None:
    with own_pool(max_instances_per_account=1) as pool:
        pool.prewarm(program("other", account="b"), 10)
        pool.prewarm(program("first", account="a"), 10)

        second = run(pool, program("second", account="a"))
        other = run(pool, program("other", account="b"))

    assert second.outcome == Outcome.SUCCEEDED
    assert not other.cold


def test_event_waits_for_a_place_that_another_process_holds() -> None:
    sleeps = "function lambda(input, callback) { setTimeout(() => callback(null, 1), 500); }"
    with two_pools(max_instances=1, wait_s=10) as (one, other), ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, one, program("busy", source=sleeps))
        eventually(lambda: one.report().instances == 1)

        waited = run(other, program("waits"))

    assert waited.outcome == Outcome.SUCCEEDED
    assert running.result().outcome == Outcome.SUCCEEDED


def test_waiting_has_a_limit_of_its_own() -> None:
    sleeps = "function lambda(input, callback) { setTimeout(() => callback(null, 1), 1500); }"
    with two_pools(max_instances=1, wait_s=0.2) as (one, other), ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, one, program("busy", source=sleeps))
        eventually(lambda: one.report().instances == 1)

        refused = run(other, program("waits"))

    assert (refused.outcome, code_of(refused)) == (Outcome.PLATFORM_FAILURE, "busy")
    assert running.result().outcome == Outcome.SUCCEEDED


def test_retired_sandboxes_end_those_that_run_after_their_event() -> None:
    sleeps = "function lambda(input, callback) { setTimeout(() => callback(null, 1), 600); }"
    with two_pools() as (web, worker), ThreadPoolExecutor(1) as threads:
        web.prewarm(program("6f1c-1-idle"), 10)
        web.prewarm(program("6f1c-12-idle"), 10)
        running = threads.submit(run, worker, program("6f1c-1-runs", source=sleeps))
        eventually(lambda: web.report().instances == 3)

        web.retire("6f1c-1")
        at_once = web.report().instances
        result = running.result()
        later = eventually(lambda: web.report().instances == 1)

    assert (at_once, result.value, later) == (2, 1, True)


def test_idle_sandboxes_end_when_they_are_old() -> None:
    with own_pool(idle_s=0.5) as pool:
        pool.prewarm(program("old"), 10)

        assert eventually(lambda: pool.report().instances == 0)


def test_sandbox_whose_memory_is_nearly_full_is_not_kept() -> None:
    grows = """const kept = [];
    function lambda(input, callback) {
      for (let n = 0; n < input; n++) kept.push(new Array(131072).fill(n));
      callback(null, 1);
    }"""
    with own_pool(memory_mb=64) as pool:
        small, large = program("small"), program("large", source=grows)
        assert [run(pool, one, b"20").outcome for one in (small, large)] == [Outcome.SUCCEEDED] * 2

        assert eventually(lambda: (pool.report().idle, pool.report().instances) == (1, 1))
        assert not run(pool, small).cold


def test_sandbox_that_was_filled_by_a_bomb_is_not_used_again() -> None:
    bomb = """function lambda(input, callback) {
      if (input === 2) return callback(null, Buffer.alloc(1 << 22, 1).length);
      const all = (globalThis.kept = []);
      try {
        for (;;) all.push(Buffer.alloc(1 << 24, 1));
      } catch (error) {
        callback(error);
      }
    }"""
    with own_pool() as pool:
        filled = run(pool, program("bomb", source=bomb), b"1")
        after = run(pool, program("bomb", source=bomb), b"2")

    assert filled.outcome == Outcome.CODING_FAILURE
    assert (after.value, after.cold) == (1 << 22, True)


# --- several accounts, and their share of the machine --------------------------------------------


def test_functions_of_several_accounts_need_the_first_layers() -> None:
    with own_pool(layers=frozenset({"landlock", "seccomp"})) as pool:
        one = run(pool, program("one", account="a"))
        other = run(pool, program("other", account="b"))
        again = run(pool, program("two", account="a"))
        layers = pool.report().layers

    assert one.outcome == again.outcome == Outcome.SUCCEEDED
    assert (other.outcome, code_of(other)) == (Outcome.PLATFORM_FAILURE, "unavailable")
    assert other.failure
    assert "several accounts need no_new_privs and rlimits" in other.failure.message
    assert {name for name, took in layers.items() if took} == {
        "permissions", "landlock", "seccomp",
    }  # fmt: skip


def test_layers_are_tried_again_when_who_tried_them_was_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Memory may have run out: that must not count as a kernel without any layer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one = Supervisor(ours, Settings(256, 1, 1, 1.0, 0, list(LAYERS)), tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(
            supervisor.confine, "apply", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        )
        with pytest.raises(OSError, match="was killed"):
            _ = one.layers

    assert one.layers["rlimits"]


@pytest.mark.parametrize("layer", LAYERS)
def test_functions_run_without_any_one_layer(layer: str) -> None:
    with own_pool(layers=frozenset(LAYERS) - {layer}) as pool:
        results = [run(pool, program(f"any-{n}")) for n in range(2)]
        took = pool.report().layers[layer]

    assert [result.outcome for result in results] == [Outcome.SUCCEEDED] * 2
    assert not took


def test_who_computes_for_long_gets_the_cpu_that_nobody_wants() -> None:
    computes = """function lambda(input, callback) {
      const until = Date.now() + input;
      while (Date.now() < until);
      callback(null, 1);
    }"""
    with own_pool(stems=0) as pool, ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, pool, program("computes", source=computes), b"4000")
        eventually(lambda: pool.report().instances == 1)
        [pid] = sandboxes_of(pool.report().supervisor_pid)

        lowered = eventually(lambda: nice_of(pid) == (19 if AUTOGROUPS else 0))
        running.result()
        restored = eventually(lambda: nice_of(pid) == 0)

    assert lowered
    assert restored


def nice_of(pid: int) -> int:
    if not AUTOGROUPS:
        return 0
    return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])
