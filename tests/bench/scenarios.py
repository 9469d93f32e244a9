"""How long the shipped scenarios take in memory, beside the same conversations for real.

    make bench-scenarios

For real means: the simulator's acts through the signed door, rows of an SQLite file, a worker's
rounds, the same functions deployed in warm sandboxes. Both are measured one after the other in each
round, so that a machine that is slow for a while is slow for both: read the ratio. Functions run in
real sandboxes either way. Ends with 1 when a scenario does not pass, or the bar does not hold.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import django
from django.core.management import call_command

# A database of its own, which is gone afterwards; the settings read where it is.
DIRECTORY = tempfile.TemporaryDirectory(prefix="houston-bench-")
os.environ["HOUSTON_DATA_DIR"] = DIRECTORY.name
os.environ["DJANGO_SETTINGS_MODULE"] = "houston.settings"
os.environ.pop("DATABASE_URL", None)
django.setup()

from functions import scenarios  # noqa: E402
from invoker import automatic_messages, runtime  # noqa: E402
from tests import factories  # noqa: E402
from tests.functions.scenarios import real  # noqa: E402

ROUNDS = 5
ALL_BAR_S = 5.0
NOBODY = scenarios.Cast("", ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    print(f"{'':<20}{'steps':>6}{'events':>8}{'read':>9}{'memory':>10}{'real':>10}{'ratio':>7}")
    rows = [measure(one, rounds) for one in scenarios.shipped()]
    memory_s, real_s = (sum(row[side] for row in rows) for side in (0, 1))
    show(f"{'all':<43}", memory_s, real_s)
    failed = [one.slug for one, row in zip(scenarios.shipped(), rows, strict=True) if not row[2]]
    for slug in failed:
        print(f"FAILED: {slug} does not pass")
    if memory_s > ALL_BAR_S:
        print(f"FAILED: all of them took more than {ALL_BAR_S:g} s in memory")
    runtime.close()
    sys.exit(bool(failed) or memory_s > ALL_BAR_S)


def measure(one: scenarios.Shipped, rounds: int) -> tuple[float, float, bool]:
    """Seconds in memory and for real, the middle ones, and whether it passes."""
    document = one.document
    outcome = scenarios.run("", document, NOBODY)
    events = sum(len(step.came) for step in outcome.steps)
    read = partial(scenarios.read, one.text)
    play = partial(scenarios.run, "", document, NOBODY)
    read_s = statistics.median(timed(read) for _ in range(rounds))
    pairs = [(timed(play), for_real(document)) for _ in range(rounds)]
    memory_s, real_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    counts = f"{len(document.steps):>6}{events:>8}{read_s * 1000:>6.1f} ms"
    show(f"{one.slug:<20}{counts}", memory_s, real_s)
    return memory_s, real_s, outcome.passed


def show(what: str, memory_s: float, real_s: float) -> None:
    both = f"{memory_s * 1000:>7.0f} ms{real_s * 1000:>7.0f} ms"
    print(f"{what}{both}{real_s / memory_s:>7.1f}", flush=True)


def timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def for_real(document: scenarios.Document) -> float:
    """Seconds that the same conversation takes in an account that is new."""
    call_command("flush", interactive=False, verbosity=0)
    account = factories.AccountFactory(id=factories.ACCOUNT_ID, name="Acme")
    factories.ControllerBotFactory(account_id=account.pk)
    automatic_messages.create_defaults(account.pk)
    real.prepare(document)
    return timed(lambda: real.play(document))


if __name__ == "__main__":
    main()
