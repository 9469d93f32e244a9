"""The real processes under load while they are killed, and a ledger at the end.

    make chaos ARGS="--setup postgres-redis --seconds 120 --seed 7"

Ends with 1 when one notification that got a 2xx is lost, doubled or out of order, or when one of
its effects is, and names it. Without --setup: one after the other on SQLite with the embedded
broker, PostgreSQL with Redis, and PostgreSQL with RabbitMQ. With --setup two-hosts, which needs
root: PostgreSQL, Redis and the web server on one host, a worker on each of two others, and each of
them parted from the rest for a while. Logs of all processes stay where the last line says.
"""

import argparse
import contextlib
import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.chaos import hosts, setups
from tests.chaos.ledger import MOST_NAMED
from tests.chaos.running import Run, run

SECONDS, SEED = 60.0, 8
TWO_HOSTS = "two-hosts"
INSIDE = "--inside"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--setup",
        choices=[*setups.SETUPS, TWO_HOSTS],
        action="append",
        help="one set-up instead of the three on one host; may be given again",
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load and faults, each")
    parser.add_argument("--seed", type=int, default=SEED, help="decides the order of the faults")
    parser.add_argument("--logs", type=Path, help="a folder for the logs of all processes")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = arguments.setup or list(setups.SETUPS)
    logs = arguments.logs or Path(tempfile.mkdtemp(prefix="houston-chaos-logs-"))
    if not arguments.inside:
        print(
            f"Python {platform.python_version()}, {os.cpu_count()} CPUs, "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        if not setups.may_mount():
            print("Not done: the disk that is full, which needs root")
    if TWO_HOSTS in chosen and (reason := hosts.why_not()):
        print(f"Cannot make two hosts: {reason}")
        return 2
    wrong = 0
    for name in chosen:
        numbers = ["--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
        if name == TWO_HOSTS and not arguments.inside:
            wrong += hosts.inside(["--setup", name, INSIDE, "--logs", str(logs), *numbers]) != 0
            continue
        folder = logs / name
        folder.mkdir(parents=True, exist_ok=True)
        away = name == TWO_HOSTS
        with hosts.network() if away else contextlib.nullcontext():
            outcome = run(
                hosts.two_hosts if away else setups.SETUPS[name],
                folder,
                seconds=arguments.seconds,
                seed=arguments.seed,
                address=hosts.HUB if away else "127.0.0.1",
            )
        print(table(name, outcome, seconds=arguments.seconds, seed=arguments.seed), flush=True)
        wrong += bool(outcome.differences)
    if not arguments.inside:
        print(f"\nLogs: {logs}")
        print("FAILED" if wrong else "Nothing lost, nothing twice, everything in order")
    return 1 if wrong else 0


def table(name: str, outcome: Run, *, seconds: float, seed: int) -> str:
    """A run as people read it."""
    book, findings = outcome.book, outcome.findings
    lines = ["", f"{name}: {seconds:g} s of faults, seed {seed}, {outcome.took_s:.0f} s in all", ""]
    lines += [f"  {'fault':<32}{'times':>6}"]
    lines += [f"  {fault:<32}{times:>6}" for fault, times in sorted(outcome.faults.items())]
    lines += [f"  {'all':<32}{sum(outcome.faults.values()):>6}", ""]
    by_themselves = [
        f"{each} {len(ends)} (exit {', '.join(map(str, sorted({end.code for end in ends})))})"
        for each, ends in outcome.ended.items()
    ]
    facts = {
        "notifications sent": len(book.sent),
        "accepted with 2xx": len(book.accepted),
        "stored": findings.stored,
        "repetitions that were told": book.repeated,
        "answers": _counted(book.answers),
        "events by outcome": _counted(findings.verdicts),
        "runs by outcome": _counted(findings.outcomes),
        "commands by state": _counted(findings.commands),
        "commands that came": findings.came,
        "the same id again": findings.again,
        "uncertain, came late": findings.late,
        "ended by themselves": ", ".join(by_themselves) or "none",
        "faults that met nothing": len(outcome.faults_failed),
        "ready after": _seconds(outcome.ready_s),
        "at rest after": _seconds(outcome.rested_s),
    }
    for what, value in facts.items():
        lines += [f"  {what:<32}{value:>6}" if isinstance(value, int) else f"  {what:<32}  {value}"]
    for word in ("LOST", "TWICE", "OUT OF ORDER"):
        found = [ids for what, ids in outcome.differences.items() if what.startswith(word)]
        lines += [f"  {word.lower():<32}{sum(map(len, found)):>6}"]
    for each in outcome.faults_failed:
        lines += ["", f"  met nothing: {each}"]
    for what, ids in outcome.differences.items():
        lines += ["", f"  DIFFERENCE  {what}: {len(ids)}"]
        lines += [f"    {each}" for each in ids[:MOST_NAMED]]
    return "\n".join(lines)


def _counted(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items()) if count) or "none"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
