"""Schedules by the real processes: two beats knock, two workers run, and one of them is killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from tests.stack import services
from tests.stack.conftest import ROOT, Houston, running
from tests.stack.test_killing import wait, worker_beside

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ACCOUNTS = 6
# Long enough for both workers to hear of all of them before the first ends.
RUNS_FOR_S = 16
DUE = f"""
from django.utils import timezone
from invoker.models import Deployment, Schedule

now = timezone.now()
minute = now.replace(second=0, microsecond=0)
code = '''async function lambda() {{
  await new Promise((done) => setTimeout(done, {RUNS_FOR_S}000));
}}'''
for number in range({ACCOUNTS}):
    deployment = Deployment.objects.create(
        account_id=f"account{{number}}", function_name="slow", version=1, active=True, code=code,
        function_id=f"00000000-0000-4000-8000-00000000000{{number}}", created_by="kim",
    )
    Schedule.objects.create(
        account_id=deployment.account_id, function_id=deployment.function_id,
        function_name="slow", next_at=minute, created_by="kim", updated_by="kim",
        # Once a day, so that nothing else is due while this goes on.
        cron_expression=f"{{minute.minute}} {{minute.hour}} * * *",
    )
"""
RUNS = "SELECT account_id, state FROM invoker_schedulerun ORDER BY account_id"
INVOCATIONS = "SELECT account_id, outcome FROM invoker_invocation ORDER BY account_id"


def rows(database_url: str, query: LiteralString) -> list[tuple[str, str]]:
    with psycopg.connect(database_url) as database:
        return database.execute(query).fetchall()


@contextlib.contextmanager
def beat_beside(product: Houston) -> Iterator[None]:
    """One more beat, as nobody should start it: it knocks for everything a second time."""
    schedule = product.data_dir / "second-beat.schedule"
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "houston", "--quiet", "beat", "--pidfile=",
         "--schedule", str(schedule)],
        cwd=ROOT, env=product.environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_two_beats_and_two_workers_run_a_due_time_once_also_when_one_is_killed() -> None:
    limits = {
        "HOUSTON_INVOCATION_TIMEOUT_S": "20",
        "HOUSTON_SANDBOX_WAIT_S": "5",
        # Half of them are for schedules, so that neither worker has places for all.
        "HOUSTON_WORKER_THREADS": "8",
    }
    with (
        services.postgres() as database_url,
        running(DATABASE_URL=database_url, **limits) as product,
        worker_beside(product, "second") as (second, said),
        beat_beside(product),
    ):
        product.manage("shell", "--verbosity=0", "-c", DUE)

        def states() -> Counter[str]:
            return Counter(state for _, state in rows(database_url, RUNS))

        # More than one worker has places for.
        wait(lambda: states()["running"] == ACCOUNTS, 20, lambda: str(states()))
        os.kill(second, signal.SIGKILL)
        wait(lambda: states()["running"] == 0, 90, lambda: str(states()))

        assert set(states()) == {"succeeded", "interrupted"}, said()
        accounts = [f"account{number}" for number in range(ACCOUNTS)]
        assert [each for each, _ in rows(database_url, RUNS)] == accounts
        invocations = rows(database_url, INVOCATIONS)
        assert [each for each, _ in invocations] == accounts
        assert Counter(outcome for _, outcome in invocations) == {
            "SUCCEEDED": states()["succeeded"],
            "UNKNOWN": states()["interrupted"],
        }
