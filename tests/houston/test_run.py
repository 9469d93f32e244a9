"""How `manage.py run` ends, with parts that are a shell command each."""

import os
import signal
import subprocess
import sys

import pytest

from tests.stack.conftest import ROOT

LASTS = "exec sleep 60"
RUN = """
import sys
from honcho.printer import Printer
from houston.parts import Parts
manager = Parts(Printer(sys.stdout))
for name, command in zip(["broker", "web"], sys.argv[1:]):
    manager.add_process(name, command)
manager.loop()
sys.exit(manager.exit_code())
"""


# Before anybody has told the manager of a pid.
RUN_AND_END_AT_ONCE = (
    """
import signal
from houston.parts import Parts
start = Parts._start
Parts._start = lambda parts: (start(parts), signal.raise_signal(signal.SIGINT))
"""
    + RUN
)


def start(*commands, program=RUN):
    return subprocess.Popen(
        [sys.executable, "-c", program, *commands],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [("sleep 1", 1), ("sleep 1; exit 0", 1), ("sleep 1; exit 3", 3), ("sleep 1; exit 143", 143)],
)
def test_part_that_ends_by_itself_fails_the_whole(command, code):
    running = start(command, LASTS)

    said, _ = running.communicate(timeout=60)

    assert running.returncode == code
    assert "Houston ends because broker ended" in said.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("everybody", [True, False])
def test_end_that_was_asked_for_is_no_failure(number, everybody):
    running = start("trap 'exit 7' TERM INT; echo up; while :; do sleep 0.1; done", LASTS)
    said = ""
    while "up\n" not in said or "web started" not in said:
        said += running.stdout.readline()

    # As a terminal does it, to all of them, or as a service manager may.
    (os.killpg if everybody else os.kill)(running.pid, number)
    said, _ = running.communicate(timeout=60)

    assert running.returncode == 0
    assert "Houston ends because" not in said


def test_part_that_hears_the_same_signal_may_be_the_first_to_end():
    """As where a service manager tells every process of the service."""
    told = "sleep 1; kill -TERM $(ps -o ppid= $(ps -o ppid= $$)); exit 0"
    running = start(told, LASTS)

    running.communicate(timeout=60)

    assert running.returncode == 0


def test_end_may_be_asked_for_before_all_have_started():
    running = start(LASTS, LASTS, program=RUN_AND_END_AT_ONCE)

    said, _ = running.communicate(timeout=60)

    assert running.returncode == 0
    assert said.count("(rc=-15)") == 2
