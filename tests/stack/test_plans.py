"""What PostgreSQL reads for one event does not grow with what is stored."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CallbackServer
from tests.stack import services
from tests.stack.conftest import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MOST_ROWS = 1000
"""Of one statement. The tables that grow have 6,000 and more; what people set is read whole."""


def test_one_event_has_few_rows_read_among_many(
    tmp_path: Path, callback_server: CallbackServer
) -> None:
    with services.postgres() as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.stack.plans", callback_server.url],
            cwd=ROOT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "houston.settings",
                "DATABASE_URL": url,
                "HOUSTON_DATA_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert found["verdict"] == "default"
    assert len(found["read"]) > 20
    assert [each for each in found["read"] if each[0] > MOST_ROWS] == []
