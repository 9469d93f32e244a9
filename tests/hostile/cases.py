"""How many cases are tried, and what became of them.

In `make test` the same 500 or so every time; `make fuzz` tries as many as it is told, others each
time, and says how to repeat them.
"""

import os
from collections import Counter, defaultdict
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings

IN_TESTS: Final = 500
ASKED: Final = int(os.environ.get("HOUSTON_FUZZ_CASES", str(IN_TESTS)))
IS_LONG: Final = "HOUSTON_FUZZ_CASES" in os.environ
SEED: Final = int(os.environ.get("HOUSTON_FUZZ_SEED", "0"))
TIMEOUT_S: Final = 6 * 3600 if IS_LONG else 120

tally: defaultdict[str, Counter[str]] = defaultdict(Counter)
"""For each door, form or address what came of the cases tried there."""


def share(of_500: int) -> int:
    """How many cases that is now."""
    return max(1, of_500 * ASKED // IN_TESTS)


def tried(of_500: int) -> Any:
    """Settings of Hypothesis for a test that tries this many of 500 cases."""
    return settings(
        max_examples=share(of_500),
        derandomize=not IS_LONG,
        deadline=None,
        database=None,
        print_blob=True,
        # Where a case fails in `make test`, `make fuzz` finds the smallest such case.
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if IS_LONG else ())),
        report_multiple_bugs=True,
        suppress_health_check=list(HealthCheck),
    )


def count(where: str, became: str) -> None:
    tally[where][became] += 1
