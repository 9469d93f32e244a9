"""What was wrong with code, as clients show it: lines of a log. Source: §3.1, §4.1."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from invoker import runtime


def entries(
    problems: Iterable[runtime.Problem | dict[str, Any]], at: dt.datetime | None = None
) -> list[dict[str, Any]]:
    """The problems of a build, found `at` that moment, as it kept them or as they are."""
    found_ms = int((at or timezone.now()).timestamp() * 1000)
    return [_entry(each if isinstance(each, dict) else asdict(each), found_ms) for each in problems]


def _entry(problem: dict[str, Any], found_ms: int) -> dict[str, Any]:
    line = problem["line"]
    return {
        "level": "Warn" if problem["severity"] == "warning" else "Error",
        "message": f"{problem['message']} in line {line}" if line else problem["message"],
        "extras": [{name: problem[name] for name in ("code", "line", "column")}],
        "timestamp": found_ms,
    }
