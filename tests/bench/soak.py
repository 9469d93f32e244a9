"""Many invocations of well and badly behaved functions, and whether anything is left of them.

    make soak ARGS="--invocations 200000 --kill-supervisor"

Every function serves its share of everything: answers, secrets, errors, floods, loops, bombs,
attempts on its channel, and now and then a new version of itself. Every answer is checked: it
must be of that event, of that version of that function, with that run's own secret. Ends with 1
when one is not, or when a process, a file descriptor or memory is left over.
"""

import argparse
import contextlib
import ctypes
import gc
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoker.runtime import Config, Outcome, Program, Result, UnavailableError
from invoker.runtime.channel import encode
from invoker.runtime.client import Pool

FUNCTIONS, ACCOUNTS, THREADS = 50, 7, 6
# Events of a function before its next version is deployed.
REDEPLOYED_AFTER = 500
# Most events of a function come to the same thread, else each would need a sandbox for each.
ELSEWHERE_SHARE = 0.03
LIMIT_S, SHORT_LIMIT_S = 20.0, 0.2
KILL_EVERY_S = 10.0
# Sandboxes are told of the supervisor's end by the kernel, which takes its time.
KILLED_WITHIN_S = 1.0
IDLE_S = 3.0
MOST_S = 2400
# What allocators may keep, from a tenth of the way on.
GROWTH_MB = 8.0
PR_SET_CHILD_SUBREAPER = 36

# How many of 10,000 events ask for what; all others for a plain answer.
ACTS = {
    "secret": 300, "throws": 200, "throws later": 100, "engine error": 200, "logs": 300,
    "waits": 200, "leaves timers": 100, "never answers": 50, "large answer": 50, "exits": 20,
    "log flood": 20, "too large": 10, "loops": 10, "closes its channel": 10,
    "forges an answer": 10, "fills its heap": 2, "fills memory": 2,
}  # fmt: skip
# How those end that do not answer. A bomb has the CPU only when nobody else wants it, so that
# its time may be over before its memory is full.
CODES = {
    "throws": {"custom-failure"},
    "throws later": {"custom-failure"},
    "engine error": {"runtime-exception"},
    "never answers": {"no-result"},
    "exits": {"process-exit"},
    "too large": {"result-too-large"},
    "loops": {"execution-time-exceeded"},
    "closes its channel": {"crashed"},
    "forges an answer": {"protocol"},
    "fills its heap": {"memory-exceeded", "execution-time-exceeded"},
    "fills memory": {"memory-exceeded", "runtime-exception", "execution-time-exceeded"},
}
SOURCE = """
const { Toolbelt } = require("lp-faas-toolbelt");
const secrets = Toolbelt.SecretClient();
const me = %s;
let served = 0;

async function act(input) {
  const mine = [me, input.number, ++served];
  switch (input.act) {
    case "answers":
      return mine;
    case "secret":
      return [...mine, (await secrets.readSecret("key")).value];
    case "throws":
      throw new Error(JSON.stringify(mine));
    case "throws later":
      return new Promise(() => {
        setTimeout(() => { throw new Error(JSON.stringify(mine)); }, 1);
      });
    case "engine error":
      return mine.of.nothing;
    case "logs":
      for (let line = 0; line < 5; line++) console.info(JSON.stringify(mine), { line });
      return mine;
    case "waits":
      await new Promise((done) => setTimeout(done, 1));
      return mine;
    case "leaves timers":
      setTimeout(() => { throw new Error("left behind"); }, 1);
      setTimeout(() => console.error("left behind"), 1);
      return mine;
    case "never answers":
      return new Promise(() => {});
    case "large answer":
      return [...mine, "x".repeat(100000)];
    case "too large":
      return "x".repeat(1000000);
    case "log flood":
      for (let line = 0; line < 20000; line++) console.log("x".repeat(100));
      return mine;
    case "exits":
      process.exit(3);
    case "loops":
      for (;;);
    case "closes its channel":
      require("fs").closeSync(0);
      require("fs").closeSync(1);
      return mine;
    case "forges an answer": {
      const body = Buffer.from('{"id":0,"ok":true,"value":"forged"}');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(body.length);
      require("fs").writeSync(1, Buffer.concat([length, body]));
      return mine;
    }
    case "fills its heap":
      for (const all = [];;) all.push({ all: [all.length] });
    case "fills memory":
      for (const all = [];;) all.push(Buffer.alloc(1 << 24, 1));
  }
}
"""
FORMS = (
    "function lambda(input, callback) { act(input).then((v) => callback(null, v), callback); }",
    "async function lambda(input) { return await act(input); }",
    "export const lambda = (input) => act(input);",
)


@dataclass(frozen=True, slots=True)
class Held:
    """What this process and the supervisor hold. A stem has two file descriptors there."""

    sandboxes: int
    stems: int
    processes: int
    supervisor: int
    our_files: int
    our_threads: int
    our_mb: float
    its_files: int
    its_mb: float

    def __str__(self) -> str:
        return (
            f"{self.sandboxes:3} sandboxes {self.stems} stems {self.processes:3} processes | "
            f"client {self.our_files:3} files {self.our_threads:2} threads {self.our_mb:5.1f} MB | "
            f"supervisor {self.its_files:3} files {self.its_mb:5.1f} MB"
        )


def held(pool: Pool) -> Held:
    gc.collect()
    report = pool.report()
    pid = report.supervisor_pid
    return Held(
        sandboxes=report.instances,
        stems=report.stems,
        processes=len(list(children(pid))),
        supervisor=pid,
        our_files=files(os.getpid()),
        our_threads=threading.active_count(),
        our_mb=resident_mb(os.getpid()),
        its_files=files(pid),
        its_mb=resident_mb(pid),
    )


def files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children(parent: int) -> Iterator[int]:
    """All that live or wait to be reaped."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(path.parent.name)


def orphans() -> Iterator[str]:
    """What has outlived the supervisor, and is ended here."""
    for pid in children(os.getpid()):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if command:  # else it waits to be reaped
                os.kill(pid, signal.SIGKILL)
                yield f"process {pid} is left: {command}"


@dataclass(frozen=True, slots=True)
class Vault:
    """Has one secret, of one run."""

    secret: str

    def answer(self, op: str, arguments: Any) -> Any:
        assert op == "secret.read", op
        return {"key": arguments["key"], "value": self.secret}


def is_right(result: Result, act: str, mine: list[Any], secret: str) -> bool:
    """Whether a result is one of this act, of this event, of this version of this function."""
    failure = result.failure
    if act in CODES:
        if failure is None or failure.code not in CODES[act]:
            return False
        said = encode(mine).decode().removesuffix("]") + ","
        return not act.startswith("throws") or failure.message.startswith(said)
    if failure or result.value[:2] != mine or (result.cold and result.value[2] != 1):
        return False
    if act == "secret" and result.value[3:] != [secret]:
        return False
    if act == "log flood":
        return result.dropped_logs > 0
    logs = [(json.loads(entry.message)[:2], entry.extras) for entry in result.logs]
    return logs == ([(mine, [{"line": line}]) for line in range(5)] if act == "logs" else [])


class Soak:
    def __init__(self, pool: Pool, invocations: int, seed: int) -> None:
        self.pool = pool
        self.invocations = invocations
        self.seed = seed
        self.numbers = itertools.count(1)
        self.called = [itertools.count() for _ in range(FUNCTIONS)]
        self.lock = threading.Lock()
        self.ended: Counter[str] = Counter()
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)
        self.killed_at: list[float] = []
        self.cold = 0
        self.done = 0
        self.stopped = False

    def work(self, worker: int) -> None:
        """Be one of the threads, until all events have been taken."""
        chance = random.Random(self.seed * THREADS + worker)  # noqa: S311 - to be repeated
        mine = range(worker, FUNCTIONS, THREADS)
        acts = [*ACTS, "answers"]
        weights = [*ACTS.values(), 10_000 - sum(ACTS.values())]
        while (number := next(self.numbers)) <= self.invocations and not self.stopped:
            of = range(FUNCTIONS) if chance.random() < ELSEWHERE_SHARE else mine
            act = chance.choices(acts, weights)[0]
            try:
                self._call(number, chance.choice(of), act)
            except Exception:  # noqa: BLE001 - the run goes on, and says so at its end
                self._count(f"{act}: raised", traceback.format_exc())

    def _call(self, number: int, function: int, act: str) -> None:
        me = f"f{function}@{next(self.called[function]) // REDEPLOYED_AFTER}"
        secret = f"{me} {number}"
        program = Program(
            SOURCE % f'"{me}"' + FORMS[function % len(FORMS)],
            key=me,
            account_id=f"account {function % ACCOUNTS}",
            platform=Vault(secret),
        )
        event = encode({"number": number, "act": act})
        began = time.monotonic()
        result = self.pool.run(program, event, SHORT_LIMIT_S if act == "loops" else LIMIT_S)
        problem = ""
        if not is_right(result, act, [me, number], secret):
            problem = f"{act} of {me}, event {number}: {str(result)[:500]}"
        if problem and result.outcome is Outcome.PLATFORM_FAILURE and self._was_killed(began):
            self._count("cut by the supervisor's end", "")
        else:
            self._count(f"{act}: {result.failure.code if result.failure else 'ok'}", problem)
        self.cold += result.cold

    def _was_killed(self, began: float) -> bool:
        """Only whose supervisor is killed may fail without its own doing."""
        return any(at > began - KILLED_WITHIN_S for at in self.killed_at)

    def _count(self, how: str, problem: str) -> None:
        with self.lock:
            self.done += 1
            self.ended[how] += 1
            if problem:
                self.wrong[how].append(problem)


def watch(soak: Soak, threads: list[threading.Thread], *, kill: bool) -> Held:
    """Print what is held every tenth of the way, and kill the supervisor now and then.

    Returns:
        What was held after the first tenth, when everything has been used once.
    """
    began = time.monotonic()
    early: Held | None = None
    shown, kill_at = 0, began + KILL_EVERY_S
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.1)
        tenth = soak.done * 10 // soak.invocations
        # A supervisor that was just killed is being replaced.
        with contextlib.suppress(UnavailableError, OSError):
            if tenth > shown:
                now = held(soak.pool)
                early = early or now
                shown = tenth
                rate = soak.done / (time.monotonic() - began)
                print(f"  {soak.done:7} {rate:5.0f}/s | {now}", flush=True)
            if kill and time.monotonic() > kill_at:
                pid = soak.pool.report().supervisor_pid
                kill_at = time.monotonic() + KILL_EVERY_S
                soak.killed_at.append(time.monotonic())
                os.kill(pid, signal.SIGKILL)
    return early or held(soak.pool)


def leftovers(before: Held, early: Held, after: Held) -> Iterator[str]:
    if after.sandboxes:
        yield f"{after.sandboxes} sandboxes are left"
    if after.processes != after.stems:
        yield f"the supervisor has {after.processes} processes and knows {after.stems}"
    if after.our_files > before.our_files:
        yield f"{after.our_files - before.our_files} files of the client are left open"
    if after.our_threads > before.our_threads:
        yield f"{after.our_threads - before.our_threads} threads are left"
    grown = after.its_files - before.its_files - 2 * (after.stems - before.stems)
    if grown > 0:
        yield f"{grown} files of the supervisor are left open"
    for whose, mb in (
        ("client", after.our_mb - early.our_mb),
        ("supervisor", after.its_mb - early.its_mb),
    ):
        print(f"  {whose} memory since the first tenth: {mb:+.1f} MB, at most {GROWTH_MB:+.1f}")
        if mb > GROWTH_MB:
            yield f"the {whose} has grown by {mb:.1f} MB"


def end(number: int, _frame: object) -> None:
    late = f"Cannot soak in {MOST_S} s: the machine is too slow or something hangs"
    sys.exit(late if number == signal.SIGALRM else "Ended from outside")


def run(directory: Path, invocations: int, seed: int, *, kill: bool) -> list[str]:
    """Everything, printed as it comes, and what is wrong at the end."""
    pool = Pool(Config(directory=directory, max_instances=80, memory_mb=128, idle_s=IDLE_S))
    soak = Soak(pool, invocations, seed)
    began = time.monotonic()
    try:
        # Once each, so that what is made once is there: the lender, the first stem.
        pool.run(Program("function lambda() { return 1; }", key="first"), b"1", LIMIT_S)
        before = settled(pool)
        print(f"  before          | {before}", flush=True)
        threads = [
            threading.Thread(target=soak.work, args=(worker,), daemon=True)
            for worker in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        early = watch(soak, threads, kill=kill)
        took_s = time.monotonic() - began
        after = settled(pool)
        print(f"  after           | {after}\n")
    finally:
        soak.stopped = True
        pool.close()
    wrong = sum(map(len, soak.wrong.values()))
    problems = [f"{len(found)} times, as {found[0]}" for found in soak.wrong.values()]
    problems += leftovers(before, early, after)
    if not pool.await_end(15):
        problems.append("the supervisor does not end")
    problems += orphans()
    files_left = directory.glob(f"{pool._socket_path().stem}.*")
    problems += [f"{path} is left" for path in files_left if path.suffix != ".lock"]
    print()
    for how, number in sorted(soak.ended.items()):
        print(f"  {number:7} {how}")
    print(
        f"\n  {soak.done} invocations in {took_s:.0f} s, {soak.cold} in new sandboxes, "
        f"{sum(next(calls) // REDEPLOYED_AFTER for calls in soak.called)} redeploys, "
        f"{len(soak.killed_at)} ends of the supervisor, {wrong} wrong"
    )
    return problems


def settled(pool: Pool) -> Held:
    """What is held when idle sandboxes have ended."""
    ends_at = time.monotonic() + 10 * IDLE_S
    while pool.report().instances and time.monotonic() < ends_at:
        time.sleep(0.2)
    time.sleep(1)
    return held(pool)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-supervisor", action="store_true")
    arguments = parser.parse_args()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, end)
    signal.alarm(MOST_S)
    # Whatever outlives the supervisor becomes a child of this process, and is found.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="houston-soak-") as name:
        problems = run(
            Path(name), arguments.invocations, arguments.seed, kill=arguments.kill_supervisor
        )
    for problem in problems:
        print(f"  FAILS: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
