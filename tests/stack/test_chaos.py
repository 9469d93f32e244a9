"""The short form of `make chaos`: a few deaths under load, and the ledger of all that was sent."""

from functools import partial
from pathlib import Path

import pytest

from tests.chaos import faults, setups
from tests.chaos.faults import Fault
from tests.chaos.product import Product
from tests.chaos.receiver import Receiver
from tests.chaos.running import run
from tests.stack.conftest import started

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

# The first one lasts longer than a lease, and all others come meanwhile.
HARM = (
    "worker stopped 13 s",
    "broker killed, data gone",
    "callbacks hang",
    "web killed",
    "sandboxes' supervisor killed",
    "callbacks reset",
    "worker killed",
    "callbacks answer 500",
)


def harm(product: Product, receiver: Receiver) -> list[Fault]:
    by_name = {fault.name: fault for fault in faults.of(product, receiver)}
    return [by_name[name] for name in HARM]


def test_nothing_is_lost_doubled_or_overtaken_while_everything_dies(tmp_path: Path) -> None:
    begun = started() if started().exists() else None

    outcome = run(
        partial(setups.sqlite, small_disk=False, begun=begun, HOUSTON_WEB_WORKERS="1"),
        tmp_path,
        seconds=11,
        at_least=80,
        seed=8,
        faults_of=harm,
        between_s=1.2,
        every_s=0.25,
        shuffled=False,
    )

    assert outcome.differences == {}
    assert set(outcome.faults) == set(HARM), outcome.faults_failed
    assert len(outcome.book.accepted) >= 80
    assert outcome.findings.came > 20
