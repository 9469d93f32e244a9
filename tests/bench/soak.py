"""Many invocations of well and badly behaved functions, and whether anything is left of them.

    make soak ARGS="--invocations 200000 --kill-supervisor"

Every answer is checked: it must be that function's own, of that event. Ends with 1 when one was
wrong, or when a process, a file descriptor or memory is left over.
"""

import argparse
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from invoker.runtime import Config, Outcome, Program, Result, UnavailableError
from invoker.runtime.client import Pool, encode

FUNCTIONS, THREADS = 50, 6
# Of each well-behaved function, before its next version is deployed.
REDEPLOYED_AFTER = 700
SHORT_S, LONG_S = 0.3, 20.0
# One in so many invocations misbehaves, because each of those costs a sandbox its life.
BAD_ONE_IN = 400
KILL_EVERY_S = 15.0
# What an allocator may keep of 50 functions' worth of work.
GROWTH_MB = 40

WELL = """const name = %s, version = %d;
let calls = 0;
%s
"""
FORMS = (
    "function lambda(input, callback) { callback(null, [name, version, input, ++calls]); }",
    "async function lambda(input) { return [name, version, input, ++calls]; }",
    (
        "async function lambda(input, callback) {\n"
        "  await new Promise((done) => setTimeout(done, 1));\n"
        "  console.info('called', { input });\n"
        "  callback(null, [name, version, input, ++calls]);\n}"
    ),
    (
        "function lambda(input, callback) {\n"
        "  setTimeout(() => { throw new Error('left behind'); }, 1);\n"
        "  for (let n = 0; n < 20; n++) console.warn('line', n);\n"
        "  callback(null, [name, version, input, ++calls]);\n}"
    ),
)
# Source, seconds it may take, and how it must end.
BAD = {
    "exit": ("function lambda() { process.exit(1); }", LONG_S, {"process-exit"}),
    "abort": (
        "function lambda() { process.kill ? require('process').abort() : 0; }",
        LONG_S,
        {"process-exit", "crashed"},
    ),
    "closes its channel": (
        "function lambda() { require('fs').closeSync(0); require('fs').closeSync(1); }",
        LONG_S,
        {"crashed"},
    ),
    "writes on its channel": (
        "function lambda() { require('fs').writeSync(1, 'x'.repeat(99)); }",
        LONG_S,
        {"protocol"},
    ),
    "endless": ("function lambda() { while (true); }", SHORT_S, {"execution-time-exceeded"}),
    "endless load": ("while (true);", SHORT_S, {"execution-time-exceeded"}),
    "never answers": ("function lambda(input, callback) {}", LONG_S, {"no-result"}),
    "throws": ("function lambda() { throw new Error('no'); }", LONG_S, {"custom-failure"}),
    "rejects": ("async function lambda() { null.x; }", LONG_S, {"runtime-exception"}),
    "syntax": ("function lambda( {", LONG_S, {"load-failed"}),
    "heap": (
        "function lambda() { const all = []; while (true) all.push({ n: [all.length] }); }",
        LONG_S,
        {"memory-exceeded", "execution-time-exceeded"},  # V8 tries for long to free some
    ),
    "buffers": (
        "function lambda() { const all = []; while (true) all.push(Buffer.alloc(1 << 24, 1)); }",
        LONG_S,
        {"memory-exceeded", "runtime-exception", "crashed"},
    ),
    "log flood": (
        "function lambda(i, callback) {\n"
        "  for (let n = 0; n < 1e5; n++) console.log('x'.repeat(100));\n"
        "  callback(new Error('flooded'));\n}",
        LONG_S,
        {"custom-failure"},
    ),
    "result too large": (
        "function lambda() { return 'x'.repeat(5e7); }",
        LONG_S,
        {"result-too-large"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What this process and the supervisor hold."""

    sandboxes: int
    our_files: int
    our_threads: int
    our_mb: float
    its_files: int
    its_mb: float

    def __str__(self) -> str:
        return (
            f"{self.sandboxes:4} sandboxes | client {self.our_files:4} files "
            f"{self.our_threads:3} threads {self.our_mb:6.1f} MB | supervisor "
            f"{self.its_files:4} files {self.its_mb:6.1f} MB"
        )


def held(pool: Pool) -> Held:
    gc.collect()
    report = pool.report()
    pid = report.supervisor_pid
    return Held(
        report.instances,
        files(os.getpid()),
        threading.active_count(),
        resident_mb(os.getpid()),
        files(pid),
        resident_mb(pid),
    )


def files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Soak:
    def __init__(self, pool: Pool, invocations: int, seed: int) -> None:
        self.pool = pool
        self.invocations = invocations
        self.random = random.Random(seed)  # noqa: S311 - not a secret, but to be repeated
        self.numbers = count(1)
        self.lock = threading.Lock()
        self.called: Counter[int] = Counter()
        self.ended: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.killing = False
        self.done = 0

    def work(self) -> None:
        while True:
            with self.lock:
                number = next(self.numbers)
                function = self.random.randrange(FUNCTIONS)
                self.called[function] += 1
                version = self.called[function] // REDEPLOYED_AFTER
                bad = self.random.choice(list(BAD)) if number % BAD_ONE_IN == 0 else ""
            if number > self.invocations:
                return
            if bad:
                self._misbehave(bad, function)
            else:
                self._behave(number, function, version)
            self.done += 1

    def _behave(self, number: int, function: int, version: int) -> None:
        source = WELL % (f'"f{function}"', version, FORMS[function % len(FORMS)])
        program = Program(source, key=f"f{function}:{version}", account_id=f"a{function % 7}")
        result = self.pool.run(program, encode(number), LONG_S)
        if self._was_killed(result):
            return
        expected = [f"f{function}", version, number]
        if not isinstance(result.value, list) or result.value[:3] != expected:
            self._note(f"{expected} gave {result.outcome} {result.value} {result.failure}")
        self.ended[result.outcome] += 1

    def _misbehave(self, bad: str, function: int) -> None:
        source, timeout_s, codes = BAD[bad]
        program = Program(source, key=f"bad:{bad}", account_id=f"a{function % 7}")
        result = self.pool.run(program, b"1", timeout_s)
        if self._was_killed(result):
            return
        if result.failure is None or result.failure.code not in codes:
            self._note(f"{bad} gave {result.outcome} {result.failure}")
        self.ended[f"{bad}: {result.failure.code if result.failure else 'no failure'}"] += 1

    def _was_killed(self, result: Result) -> bool:
        """Only while somebody kills the supervisor may a run fail without its own doing."""
        if self.killing and result.outcome == Outcome.PLATFORM_FAILURE:
            self.ended["cut by the supervisor's end"] += 1
            return True
        return False

    def _note(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


def watch(soak: Soak, threads: list[threading.Thread], *, kill: bool) -> None:
    """Print what is held every tenth of the way, and kill the supervisor now and then."""
    began = time.monotonic()
    shown, killed_at = -1, began
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        tenth = soak.done * 10 // soak.invocations
        try:
            if tenth > shown:
                shown = tenth
                rate = soak.done / (time.monotonic() - began)
                print(f"{soak.done:8} {rate:6.0f}/s | {held(soak.pool)}", flush=True)
            if kill and time.monotonic() - killed_at > KILL_EVERY_S:
                killed_at = time.monotonic()
                os.kill(soak.pool.report().supervisor_pid, signal.SIGKILL)
        except (UnavailableError, OSError):
            continue  # it is just being replaced


def leftovers(before: Held, after: Held) -> Iterator[str]:
    if after.sandboxes:
        yield f"{after.sandboxes} sandboxes are left"
    if after.our_files > before.our_files:
        yield f"{after.our_files - before.our_files} files of the client are left open"
    if after.our_threads > before.our_threads + 1:  # the one that lends
        yield f"{after.our_threads - before.our_threads} threads are left"
    if after.its_files > before.its_files:
        yield f"{after.its_files - before.its_files} files of the supervisor are left open"
    for whose, grown in (
        ("client", after.our_mb - before.our_mb),
        ("supervisor", after.its_mb - before.its_mb),
    ):
        if grown > GROWTH_MB:
            yield f"the {whose} has grown by {grown:.0f} MB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-supervisor", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="houston-soak-") as directory:
        # Idle sandboxes end soon, so that the end of the run shows what is left.
        pool = Pool(Config(directory=Path(directory), max_instances=80, idle_s=3.0, stems=0))
        pool.run(Program("function lambda() {}"), b"1", LONG_S)
        before = held(pool)
        soak = Soak(pool, arguments.invocations, arguments.seed)
        soak.killing = arguments.kill_supervisor
        threads = [threading.Thread(target=soak.work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        watch(soak, threads, kill=arguments.kill_supervisor)
        for thread in threads:
            thread.join()
        ends_at = time.monotonic() + 30
        while pool.report().instances and time.monotonic() < ends_at:
            time.sleep(0.5)
        after = held(pool)
        pool.close()
        pool.await_end(10)
    print(f"\n  before {before}\n  after  {after}\n")
    for how, number in sorted(soak.ended.items()):
        print(f"  {number:8} {how}")
    problems = [*soak.wrong[:20], *leftovers(before, after)]
    print(
        f"\n  {soak.done} invocations in {time.monotonic() - began:.0f} s, {len(soak.wrong)} wrong"
    )
    for problem in problems:
        print(f"  FAILS: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
