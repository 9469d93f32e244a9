"""The table that the long form ends with."""

from typing import Any

import pytest

from houston.models import Account
from tests.conftest import CallbackServer
from tests.hostile import cases
from tests.hostile.doors import Doors, made

COLUMNS = ("cases", "refused", "accepted", "faults")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not cases.IS_LONG or not cases.tally:
        return
    rows = [(where, *_counts(became)) for where, became in sorted(cases.tally.items())]
    total = ("together", *(sum(row[place] for row in rows) for place in range(1, 5)))
    width = max(len(row[0]) for row in rows)
    terminalreporter.section("hostile input")
    terminalreporter.line(
        " ".join((f"{'door or address':<{width}}", *(f"{c:>9}" for c in COLUMNS)))
    )
    for where, *counts in (*rows, total):
        terminalreporter.line(f"{where:<{width}} " + " ".join(f"{each:>9,}" for each in counts))


def _counts(became: dict[str, int]) -> tuple[int, int, int, int]:
    refused, accepted = became.get("refused", 0), became.get("accepted", 0)
    tried = became.get("tried", 0)
    return tried, refused, accepted, tried - refused - accepted


@pytest.fixture
def doors(account: Account, callback_server: CallbackServer) -> Doors:
    return made(account, callback_server.url)
