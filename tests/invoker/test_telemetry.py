"""What is counted, by real processes, and what remains of it when they end."""

import subprocess
import sys
import threading
from functools import cache

import pytest
from django.db import transaction
from prometheus_client import values

from invoker import telemetry
from invoker.telemetry import instruments
from tests import factories

COUNT = """
import django, sys
django.setup()
from django.conf import settings
from pathlib import Path
from invoker import telemetry
settings.METRICS_DIR = Path(sys.argv[1])
telemetry.accepted(int(sys.argv[2]))
telemetry.refused("bad-signature")
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path, settings, monkeypatch):
    """Where this test counts, and nobody else.

    What this process counted with before comes back afterwards: made anew it would find its own
    files taken, and count nothing.
    """
    settings.METRICS_DIR = tmp_path
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(instruments, "_mine", instruments._mine)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setattr(instruments, "made", cache(instruments.made.__wrapped__))
    return tmp_path


def start(folder, count):
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, str(folder), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"DJANGO_SETTINGS_MODULE": "houston.settings", "HOUSTON_DATA_DIR": str(folder)},
    )
    assert process.stdout.readline() == b"counted\n"
    return process


def totals():
    return {
        (sample.name, *dict(sorted(sample.labels.items())).values()): sample.value
        for metric in instruments.counted()
        for sample in metric.samples
        if sample.value
    }


def test_what_processes_counted_is_added_up_and_stays_when_they_end(folder):
    first, second = start(folder, 3), start(folder, 4)
    both = totals()
    first.kill()
    first.communicate()
    after_one = totals()
    second.kill()
    second.communicate()
    after_both = totals()

    assert both == {
        ("houston_notifications_accepted_total",): 7,
        ("houston_notifications_refused_total", "bad-signature"): 2,
    }
    assert after_one == after_both == both
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "counter_ended.db",
        "encryption.key",
        "histogram_ended.db",
        "lock",
        "secret.key",
    ]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_counted(folder):
    event = factories.EventFactory()

    with transaction.atomic():
        telemetry.derived([event])
        transaction.set_rollback(True)
    rolled_back = totals()
    with transaction.atomic():
        telemetry.derived([event])

    assert rolled_back == {}
    assert totals() == {("houston_events_derived_total", event.type): 1}


@pytest.mark.django_db(transaction=True)
def test_words_of_functions_do_not_become_labels(folder):
    command = factories.CommandFactory(type="whatever it says", state="dropped")

    telemetry.commands_recorded([command])

    assert totals() == {("houston_commands_total", "dropped", "unknown"): 1}


def test_threads_that_count_first_at_once_count_together(folder, caplog):
    begin = threading.Barrier(6)

    def count():
        begin.wait()
        telemetry.accepted(1)

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "nothing is counted" not in caplog.text
    assert totals() == {("houston_notifications_accepted_total",): 6}
