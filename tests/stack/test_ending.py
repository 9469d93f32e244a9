"""Workers that are asked to end, and workers that are deaf: others go on, nothing is lost."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CallbackServer
from tests.stack import services
from tests.stack.conftest import ROOT, Houston, running
from tests.stack.test_killing import PATIENT, Traffic, wait

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CANCEL = """
from houston.celery import app

(queues,) = app.control.inspect(timeout=20, limit=1).active_queues().values()
for queue in queues:
    app.control.cancel_consumer(queue["name"], reply=True, timeout=20, limit=1)
"""


class Worker:
    """One more worker, which the product's own processes know nothing of."""

    def __init__(self, product: Houston, name: str, **environment: str) -> None:
        self.environment = product.environment | environment
        self.log = product.data_dir / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore:::celery.platforms", "-m", "celery", "-A", "houston",
                 "--quiet", "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO",
                 "--hostname", f"{name}@here"],
                cwd=ROOT, env=self.environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def said(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        wait(lambda: " ready." in self.said(), 60, self.said)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def worker(product: Houston, name: str, **environment: str) -> Iterator[Worker]:
    # So that each says what it runs.
    found = Worker(product, name, HOUSTON_LOG_LEVEL="DEBUG", **environment)
    try:
        found.wait_until_ready()
        yield found
    finally:
        found.process.kill()
        found.process.wait()


def test_workers_that_are_asked_to_end_leave_nothing_undone_and_nothing_doubled(
    callback_server: CallbackServer,
) -> None:
    with (
        running(**PATIENT, HOUSTON_WORKER_THREADS="2") as product,
        worker(product, "patient") as patient,
        worker(product, "hurried", HOUSTON_GRACE_S="0") as hurried,
    ):
        traffic = Traffic(product, callback_server)
        traffic.send()
        wait(lambda: "function ran" in patient.said(), 30, patient.said)
        code = patient.end()
        cut = [runs for runs in traffic.outcomes().values() if "UNKNOWN" in runs]
        wait(lambda: "function ran" in hurried.said(), 30, hurried.said)
        hurried_code = hurried.end()

        found = traffic.wait_until_finished()

        assert (code, hurried_code) == (0, 0)
        assert cut == []
        outcomes = traffic.outcomes()
        assert {runs[-1] for runs in outcomes.values()} == {"SUCCEEDED"}
        before = Counter(outcome for runs in outcomes.values() for outcome in runs[:-1])
        assert set(before) <= {"UNKNOWN"}
        assert {event.verdict for event in found} <= {"delivered", "uncertain"}
        traffic.check_deliveries()
        assert product.interrupt() == 0


def make_deaf(one: Worker) -> None:
    """It stays connected, and reads nothing any more."""
    subprocess.run([sys.executable, "-c", CANCEL], cwd=ROOT, env=one.environment, check=True)


def test_worker_waits_for_a_broker_that_is_away_and_ends_when_it_is_deaf(
    houston: Houston, tmp_path: Path
) -> None:
    place = {
        "HOUSTON_BROKER_URL": f"redis+socket://{tmp_path / 'b.sock'}?virtual_host=0",
        # More than Celery waits between its attempts to connect again after so short a while.
        "HOUSTON_WORKER_DEAF_S": "10",
    }
    with contextlib.ExitStack() as stack:
        with services.embedded_broker(tmp_path / "b.sock"):
            one = stack.enter_context(worker(houston, "deaf", **place))
        time.sleep(3)
        assert one.process.poll() is None, one.said()
        with services.embedded_broker(tmp_path / "b.sock"):
            # Longer than it may be silent, with everything well.
            time.sleep(12)
            assert one.process.poll() is None, one.said()
            make_deaf(one)

            assert one.process.wait(timeout=60) == 75
            assert "deaf to the broker: ends, to be started again" in one.said()


def test_worker_that_is_deaf_to_redis_ends(houston: Houston) -> None:
    with (
        services.redis() as url,
        worker(houston, "deaf", HOUSTON_BROKER_URL=url, HOUSTON_WORKER_DEAF_S="2") as one,
    ):
        make_deaf(one)

        assert one.process.wait(timeout=60) == 75
        assert "deaf to the broker" in one.said()


def test_product_whose_broker_ends_by_itself_has_failed() -> None:
    with running() as product:
        [broker] = re.findall(r"broker started \(pid=(\d+)\)", product.output())

        os.kill(int(broker), signal.SIGTERM)
        returncode = product.process.wait(timeout=60)

        assert returncode == 1
        assert product.output().rstrip().endswith("Houston ends because broker ended")
