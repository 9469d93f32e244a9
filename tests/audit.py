"""`make audit`: faults in our own code that a program knows, and packages known to be weak.

bandit needs nobody and always has to be clean. The lists of vulnerabilities are asked for over the
network: where they cannot be reached, that is said and nothing fails; what they name fails.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WITHIN_S = 20
SHIPPED = ("static/editor", "static/charts", "invoker/runtime/host")
ACCEPTED = {
    "GHSA-p8p7-x288-28g6": "request follows redirects between protocols: functions ask for it by "
    "this name, and the sandbox holds their requests to the allow-list",
    "GHSA-fjxv-7rqg-78g4": "form-data of request: a boundary that can be guessed matters to who "
    "lets others write into the same form",
    "GHSA-72xf-g2v4-qvf3": "tough-cookie of request: nothing of one function outlives it",
}
"""Advisories that we live with, and why."""


@dataclass(slots=True)
class Finding:
    what: str
    faults: list[str] = field(default_factory=list)
    unreachable: str = ""
    looked_at: str = ""


def code() -> Finding:
    """Our own code, by bandit's rules of at least medium severity; ruff has the rest of them."""
    command = [BIN / "bandit", "--quiet", "--severity-level", "medium", "--configfile",
               "pyproject.toml", "--recursive", "houston", "functions", "invoker", "manage.py",
               "--format", "custom",
               "--msg-template", "{relpath}:{line}: {test_id} {msg}"]  # fmt: skip
    done = _run(command, within_s=120)
    faults = done.stdout.strip().splitlines() if done.returncode else []
    return Finding("our code (bandit)", faults, looked_at="clean")


def python_packages(lock: str) -> Finding:
    """What a lock file pins, as PyPI knows it."""
    found = Finding(f"{lock} (pip-audit)")
    command = [BIN / "pip-audit", "--require-hashes", "--disable-pip", "--requirement", lock,
               "--progress-spinner", "off", "--timeout", "10", "--format", "json"]  # fmt: skip
    try:
        done = _run(command, within_s=WITHIN_S)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        found.unreachable = "PyPI did not answer"
        return found
    known = [each for each in packages if "vulns" in each]
    if not known:
        found.unreachable = f"PyPI told nothing of any of {len(packages)} packages"
    found.looked_at = f"{len(known)} of {len(packages)} packages looked at"
    found.faults = [
        f"{each['name']} {each['version']}: {fault['id']}"
        for each in known
        for fault in each["vulns"]
        if not ACCEPTED.keys() & {fault["id"], *fault.get("aliases", [])}
    ]
    return found


def node_packages(folder: str) -> Finding:
    """What a package-lock.json pins, as the npm registry knows it."""
    found = Finding(f"{folder}/package-lock.json (npm audit)")
    command = ["npm", "audit", "--json", "--package-lock-only", "--fetch-retries=0"]
    try:
        told: dict[str, Any] = json.loads(
            _run(command, within_s=WITHIN_S, cwd=ROOT / folder).stdout
        )
        packages = told["vulnerabilities"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        found.unreachable = "the npm registry did not answer"
        return found
    found.looked_at = f"{told['metadata']['dependencies']['total']} packages looked at"
    found.faults = sorted(
        f"{name}: {via['url']} {via['title']}"
        for name, each in packages.items()
        for via in each["via"]
        if isinstance(via, dict) and via["url"].rpartition("/")[2] not in ACCEPTED
    )
    return found


def _run(
    command: list[Any], *, within_s: float, cwd: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=within_s, check=False
    )


def main() -> int:
    jobs: list[Callable[[], Finding]] = [
        code,
        *(lambda lock=lock: python_packages(lock)
          for lock in ("requirements.lock", "requirements-dev.lock")),
        *(lambda folder=folder: node_packages(folder) for folder in SHIPPED),
    ]  # fmt: skip
    with ThreadPoolExecutor(len(jobs)) as threads:
        findings = list(threads.map(lambda job: job(), jobs))
    for found in findings:
        if found.unreachable:
            sys.stdout.write(f"NOT AUDITED {found.what}: {found.unreachable}\n")
        else:
            said = f"{len(found.faults)} faults" if found.faults else found.looked_at
            sys.stdout.write(f"audited     {found.what}: {said}\n")
        for fault in found.faults:
            sys.stdout.write(f"            {fault}\n")
    return int(any(found.faults for found in findings))


if __name__ == "__main__":
    sys.exit(main())
