"""One run: load and harm for a while, then rest, then the ledger."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import ledger
from tests.chaos.faults import BETWEEN_S, Fault, Faults, of
from tests.chaos.keeping import End
from tests.chaos.ledger import Findings
from tests.chaos.load import Book, Load
from tests.chaos.product import Product
from tests.chaos.receiver import Receiver
from tests.chaos.setups import SetUp

EVERY_S = 0.35
LANES_END_WITHIN_S = 60.0
ENOUGH_WITHIN_S = 60.0
REST_WITHIN_S = 120.0
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Run:
    """What came of a run. `rested_s` is None where it never came to rest.

    `ended` has the ends of processes that nobody killed, `crashed` what the web server said of its
    own.
    """

    book: Book
    findings: Findings
    faults: dict[str, int]
    faults_failed: list[str]
    ended: dict[str, list[End]]
    crashed: list[str]
    ready_s: float | None = None
    rested_s: float | None = None
    left: dict[str, int] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def differences(self) -> dict[str, list[str]]:
        found = dict(self.findings.differences)
        ended = [
            f"{name}, exit {code}, said last:\n{said}"
            for name, ends in self.ended.items()
            for code, said in ends
        ]
        if ended or self.crashed:
            found["processes that ended by themselves"] = ended + self.crashed
        if self.rested_s is None:
            found["not at rest"] = [f"{count} {name}" for name, count in self.left.items()]
        if self.ready_s is None:
            found["not ready"] = ["/readyz"]
        return found


def run(
    set_up: SetUp,
    logs: Path,
    *,
    seconds: float,
    seed: int,
    faults_of: Callable[[Product, Receiver], list[Fault]] = of,
    between_s: float = BETWEEN_S,
    shuffled: bool = True,
    every_s: float = EVERY_S,
    at_least: int = 0,
    rest_within_s: float = REST_WITHIN_S,
    address: str = "127.0.0.1",
) -> Run:
    """Start everything, do harm under load for `seconds`, and hold what is left to the book.

    The load goes on until `at_least` so many notifications were accepted, for a minute at most.
    """
    began = time.monotonic()
    receiver = Receiver(address)
    try:
        with set_up(receiver, logs) as product:
            load = Load(product.doors, seed=seed, every_s=every_s)
            harm = faults_of(product, receiver)
            faults = Faults(harm, seed=seed, every_s=between_s, shuffled=shuffled)
            time.sleep(seconds)
            faults.stop()
            ends = time.monotonic() + ENOUGH_WITHIN_S
            while len(load.book.accepted) < at_least and time.monotonic() < ends:
                time.sleep(LOOK_EVERY_S)
            load.stop(within_s=LANES_END_WITHIN_S)
            result = _rest(product, receiver, load, faults, rest_within_s)
            result.took_s = time.monotonic() - began
            return result
    finally:
        receiver.close()


def _rest(product: Product, receiver: Receiver, load: Load, faults: Faults, within_s: float) -> Run:
    stopped = time.monotonic()
    ready_s = rested_s = None
    left: dict[str, int] = {}
    while time.monotonic() - stopped < within_s and (ready_s is None or rested_s is None):
        try:
            left = ledger.unrest(product.database)
            if not left and rested_s is None:
                rested_s = time.monotonic() - stopped
        except Exception as error:  # noqa: BLE001 -- the database may still be on its way
            left = {f"database: {type(error).__name__}": 1}
        if ready_s is None and product.is_ready():
            ready_s = time.monotonic() - stopped
        time.sleep(LOOK_EVERY_S)
    return Run(
        book=load.book,
        findings=ledger.compare(load.book, product.database, list(receiver.came), receiver.faults),
        faults=dict(faults.done),
        faults_failed=faults.failed,
        ended={each.name: each.ended for each in product.processes if each.ended},
        crashed=_crashed(product),
        ready_s=ready_s,
        rested_s=rested_s,
        left=left,
    )


def _crashed(product: Product) -> list[str]:
    """What the log says about processes of the web server that ended by a signal of no one."""
    lines = product.web.log.read_text(errors="replace").splitlines()
    return [line for line in lines if re.search(r"was sent SIG(SEGV|BUS|ABRT|ILL|FPE)", line)]
