"""What the processes behind the web server load."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Consumer, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.simple import SimpleQueue
from kombu.utils import symbol_by_name

from houston.beat import Scheduler as Beat
from houston.celery import BrokerConnection, app
from invoker import tasks
from tests.stack.services import embedded_broker

LOADED = """
import sys
from houston.celery import app
app.loader.import_default_modules()
print(*sorted(app.tasks), *sys.modules, sep="\\n")
"""


def test_workers_know_their_tasks_and_load_no_page_and_no_api():
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    loaded = set(run.stdout.split())
    assert {"invoker.drain", "invoker.sweep", "invoker.fire_schedules"} <= loaded
    assert loaded & {"houston.urls", "rest_framework.views", "drf_spectacular.openapi"} == set()


def test_debug_does_not_tell_the_source_of_every_task():
    told = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=os.environ | {"HOUSTON_LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "celery.utils.functional" not in told.stderr


SETTINGS = """
import json
from django.conf import settings
from houston.celery import app
queue = app.amqp.queues[app.conf.task_default_queue]
print(json.dumps({
    "queue": queue.name,
    "type": (queue.queue_arguments or {}).get("x-queue-type"),
    "tried again": app.conf.broker_channel_error_retry,
    "database": settings.DATABASES["default"]["OPTIONS"],
}))
"""


def settings_with(**environment: str):
    command = [sys.executable, "-c", SETTINGS]
    run = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_rabbitmq_is_asked_for_a_queue_that_outlives_one_of_its_nodes():
    found = settings_with(HOUSTON_BROKER_URL="amqp://user:password@broker//")

    assert (found["queue"], found["type"]) == ("houston.live", "quorum")


def test_redis_knows_no_kinds_of_queues_and_one_that_takes_nothing_is_tried_again():
    found = settings_with(HOUSTON_BROKER_URL="redis://broker/0")

    assert (found["type"], found["tried again"]) == (None, True)


def test_postgresql_ends_who_holds_rows_in_silence_unless_its_address_says_otherwise():
    found = settings_with(DATABASE_URL="postgres://houston@db/houston?connect_timeout=9")

    assert "idle_in_transaction_session_timeout=20s" in found["database"]["options"]
    assert found["database"]["connect_timeout"] == 9
    pooled = settings_with(DATABASE_URL="postgres://houston@db/houston?options=-cwork_mem%3D9MB")
    assert pooled["database"]["options"] == "-cwork_mem=9MB"


LOOKED_UP = """
import sys
import msgspec
START
from invoker import structs
late = []
def note(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        late.append(frame.f_locals)
sys.setprofile(note)
structs.look_up_all()
sys.setprofile(None)
print(sum(1 for _ in structs._below(msgspec.Struct)), len(late))
"""


@pytest.mark.parametrize(
    "start",
    [
        "from houston import celery; celery.app.loader.init_worker(); celery.look_up_structs()",
        "import houston.wsgi",
    ],
    ids=["worker", "web"],
)
def test_structs_are_looked_up_before_there_are_threads(start: str):
    """Msgspec does it at the first use, and a second thread meanwhile ends the process."""
    script = LOOKED_UP.replace("START", start)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    structs, late = map(int, run.stdout.split())
    assert structs > 50
    assert late == 0


AWAY = """
import kombu.exceptions
from houston.celery import app
waits = []
assert app.conf.broker_connection_max_retries is None
try:
    with app.connection_for_read("amqp://127.0.0.1:9//") as broker:
        broker.ensure_connection(lambda error, wait: waits.append(wait), 2, callback=lambda: None)
except kombu.exceptions.OperationalError:
    print(waits)
"""


def test_broker_that_is_away_is_looked_for_again_and_again_at_the_same_pace():
    run = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=True)

    assert json.loads(run.stdout) == [2, 2]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("away"), ("houston.beat", "WARNING", False)),
        (ValueError("a fault"), ("celery.beat", "ERROR", True)),
    ],
    ids=["broker away", "fault"],
)
def test_beat_has_one_line_for_a_broker_that_is_away(
    error: Exception,
    said: tuple[str, str, bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tasks.sweep, "apply_async", fail)
    with contextlib.closing(Beat(app, schedule_filename=str(tmp_path / "schedule"))) as beat:
        beat.apply_entry(beat.schedule["sweep"])

    [record] = caplog.records
    assert (record.name, record.levelname, bool(record.exc_info)) == said
    assert symbol_by_name(app.conf.beat_scheduler) is Beat


def test_broker_that_is_lost_is_let_go_of_with_what_it_wanted_to_hear(tmp_path: Path):
    """What a worker does when its broker dies: it closes twice, and must not die of it."""
    path = tmp_path / "b.sock"
    lost = BrokerConnection(f"redis+socket://{path}?virtual_host=0")
    with embedded_broker(path) as process:
        tasks = SimpleQueue(lost.default_channel, "tasks")
        tasks.put("not acknowledged")
        tasks.get(timeout=10)
        told = Queue("told", Exchange("told", type="fanout"), auto_delete=True)
        Consumer(lost.channel(), [told], callbacks=[print]).consume()
        with contextlib.suppress(TimeoutError):
            lost.drain_events(timeout=0.1)
        process.kill()
        process.wait()

        lost.collect()
        lost.close()

    assert not lost.connected
