"""What each event asks of PostgreSQL: as little as ever, and also after an upgrade's change."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import CallbackServer
from tests.stack import services
from tests.stack.conftest import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MOST_ROWS = 1000
"""Of one statement. The tables that grow have 6,000 and more; what people set is read whole."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    server = CallbackServer()
    with services.postgres() as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.stack.plans", server.url],
            cwd=ROOT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "houston.settings",
                "DATABASE_URL": url,
                "HOUSTON_DATA_DIR": str(tmp_path_factory.mktemp("plans")),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    server.close()
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_one_event_has_few_rows_read_among_many(found: dict[str, Any]) -> None:
    assert found["verdict"] == "default"
    assert len(found["read"]) > 20
    assert [each for each in found["read"] if each[0] > MOST_ROWS] == []


def test_events_go_on_when_columns_are_changed_under_prepared_statements(
    found: dict[str, Any],
) -> None:
    assert found["after"]["verdicts"] == ["default"] * 7
    for each in found["after"]["passing"]:
        assert "changed in the middle of a transaction" in each
