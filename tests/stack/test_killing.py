"""Processes die without warning while functions run: no event is lost, repeated or overtaken."""

import contextlib
import datetime as dt
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from invoker import events
from tests.conftest import CallbackServer
from tests.stack import services
from tests.stack.conftest import ONE_OF_EACH, PASSWORD, ROOT, Houston, running
from tests.stack.test_main_flow import door_of, verified

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CONVERSATIONS = 6
EVENTS_EACH = 6
ALL = range(1, EVENTS_EACH + 1)
RUNS_FOR_MS = 250
FINISHED_WITHIN_S = 90
ANSWERS_WITHIN_S = 30
# Whoever comes back after a death must not find everything too late.
PATIENT = {"HOUSTON_EVENT_MAX_AGE_S": "600"}
SLOW_FUNCTION = f"""
async function lambda(input) {{
  await new Promise((done) => setTimeout(done, {RUNS_FOR_MS}));
  return {{ type: "systemMessage", text: "ran " + input.payload.general.dialogId }};
}}
"""
DEPLOY = f"""
from functions import deploying, services
from functions.models import Function

function = Function.objects.get(account_id="demo1")
services.save_draft(
    function, version=function.version, code={SLOW_FUNCTION!r}, description="Slow",
    environment={{}}, by="demo",
)
function.refresh_from_db()
deploying.deploy(function, version=function.version, by="demo")
"""
ROWS = """
SELECT event.id, event.state, event.verdict, conversation.conv_id,
       json_extract(event.payload, '$.general.dialogId')
FROM invoker_event event JOIN invoker_conversation conversation
ON conversation.id = event.conversation_id
"""


@dataclass(frozen=True, slots=True)
class EventRow:
    id: str
    state: str
    verdict: str
    conv_id: str
    number: int


class Traffic:
    """Several events in each of several conversations, and what came of them."""

    def __init__(self, product: Houston, callbacks: CallbackServer) -> None:
        self.data_dir = product.data_dir
        self.callbacks = callbacks
        self.demo = product.demo(callbacks.url)
        self.door = door_of(self.demo, "generic")
        self.conv_ids = [f"killing-{uuid.uuid4()}" for _ in range(CONVERSATIONS)]
        product.manage("shell", "--verbosity=0", "-c", DEPLOY)

    def send(self, numbers: range = ALL) -> None:
        """Everything at once, so that work is waiting whoever dies when."""
        with httpx.Client(timeout=ANSWERS_WITHIN_S) as client:
            for number in numbers:
                for conv_id in self.conv_ids:
                    answer = client.post(**self._request(conv_id, number))
                    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)

    def events(self) -> list[EventRow]:
        return [EventRow(*row[:4], int(row[4])) for row in self._rows(ROWS)]

    def wait_until_finished(self) -> list[EventRow]:
        wait(
            lambda: (
                Counter(event.state for event in self.events())
                == {"done": CONVERSATIONS * EVENTS_EACH}
            ),
            FINISHED_WITHIN_S,
            lambda: str(self.events()),
        )
        return self.events()

    def outcomes(self) -> dict[str, list[str]]:
        """How each event's runs ended, in the order of their beginning."""
        found = defaultdict(list)
        for event_id, outcome in self._rows(
            "SELECT event_id, outcome FROM invoker_invocation ORDER BY started_at"
        ):
            found[event_id].append(outcome)
        return found

    def failures(self) -> list[dict[str, Any]]:
        return [
            json.loads(failure)
            for (failure,) in self._rows(
                "SELECT failure FROM invoker_invocation WHERE outcome = 'PLATFORM_FAILURE'"
            )
        ]

    def commands(self) -> dict[str, str]:
        """The state of each command by its id."""
        rows = self._rows("SELECT id, state FROM invoker_command")
        return {str(uuid.UUID(command_id)): state for command_id, state in rows}

    def is_running(self) -> bool:
        return bool(
            self._rows("SELECT 1 FROM invoker_invocation WHERE outcome = 'RUNNING' LIMIT 1")
        )

    def check_deliveries(self) -> None:
        """What was sent came once, whatever was in the air came once or not, all in order."""
        came = [verified(one, self.door) for one in self.callbacks.requests]
        times = Counter(event["id"] for event in came)
        commands = self.commands()
        assert len(commands) == CONVERSATIONS * EVENTS_EACH
        assert set(commands.values()) <= {"sent", "uncertain"}
        assert set(times.values()) == {1}
        assert {pk for pk, state in commands.items() if state == "sent"} <= set(times)
        assert set(times) <= set(commands)
        orders = defaultdict(list)
        for event in came:
            orders[event["data"]["conversationId"]].append(int(event["data"]["dialogId"]))
        assert set(orders) == set(self.conv_ids)
        for order in orders.values():
            assert order == sorted(order)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.data_dir / "houston.sqlite3")) as database:
            return database.execute(query).fetchall()

    def _request(self, conv_id: str, number: int) -> dict[str, Any]:
        payload = events.sample("controllerbot_messaging_new_conversation")["payload"]
        general = payload["general"] | {"convId": conv_id, "dialogId": str(number)}
        event = {
            "specversion": "1.0",
            "id": f"{conv_id}-{number}",
            "source": "//example/platform",
            "type": "com.houston.messaging.event.new_conversation",
            "datacontenttype": "application/json",
            "data": payload | {"general": general},
        }
        body, now = json.dumps(event), dt.datetime.now(dt.UTC)
        return {
            "url": self.door["webhook_url"],
            "content": body,
            "headers": {
                "content-type": "application/cloudevents+json",
                "webhook-id": event["id"],
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(self.door["signing_secret"]).sign(
                    event["id"], now, body
                ),
            },
        }


def wait(
    condition: Callable[[], bool], timeout_s: float, explain: Callable[[], str] = lambda: ""
) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends, explain()
        time.sleep(0.02)


def pids_of(product: Houston, *words: str) -> list[int]:
    """Processes of this product alone whose command line has all these words."""
    found = []
    for pid in product.pids():
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if set(words) <= set(line):
                found.append(pid)
    return found


def supervisors(product: Houston) -> list[int]:
    return pids_of(product, "invoker.runtime", "--socket")


@contextlib.contextmanager
def worker_beside(product: Houston, name: str) -> Iterator[tuple[int, Callable[[], str]]]:
    """One more worker that the product's own processes know nothing of; its pid and its output."""
    log = product.data_dir / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "houston", "--quiet", "worker",
             "--without-gossip", "--without-mingle", "--loglevel", "INFO",
             "--hostname", f"{name}@here"],
            cwd=ROOT, env=product.environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait(lambda: " ready." in log.read_text(), 60, log.read_text)
        yield process.pid, log.read_text
    finally:
        process.kill()
        process.wait()


def test_supervisor_that_is_killed_again_and_again_loses_no_event(
    callback_server: CallbackServer,
) -> None:
    with running(**PATIENT) as product:
        traffic = Traffic(product, callback_server)
        traffic.send()
        killed = []
        for _ in range(3):
            # For a moment there are two, and the second one leaves.
            wait(lambda: len(supervisors(product)) == 1 and traffic.is_running(), 20)
            pid = supervisors(product)[0]
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            done = len(callback_server.requests)
            callback_server.wait_for(done + CONVERSATIONS, timeout_s=20)

        found = traffic.wait_until_finished()

        outcomes = traffic.outcomes()
        cut = [event for event in found if "PLATFORM_FAILURE" in outcomes[event.id]]
        given_up = [event for event in cut if outcomes[event.id][-1] == "PLATFORM_FAILURE"]
        assert len(set(killed)) == 3
        assert product.get("/readyz").status_code == 200
        assert 0 < len(cut) <= 3 * CONVERSATIONS
        # What was cut has one more chance. Where that was cut too, the consumer is not left
        # without a word.
        assert {len(outcomes[event.id]) for event in cut} == {2}
        assert {tuple(outcomes[event.id]) for event in found if event not in cut} == {
            ("SUCCEEDED",)
        }
        assert {event.verdict for event in given_up} <= {"default"}
        assert {event.verdict for event in found if event not in given_up} == {"delivered"}
        assert all(failure["code"] and failure["message"] for failure in traffic.failures())
        assert "Platform failure" in page(product, traffic, cut[0])
        traffic.check_deliveries()
        assert len(callback_server.requests) == len(found)


@contextlib.contextmanager
def with_own_broker() -> Iterator[tuple[Houston, int]]:
    """The product, and the id of its broker's process."""
    with running(**PATIENT) as product:
        [pid] = re.findall(r"broker started \(pid=(\d+)\)", product.output())
        yield product, int(pid)


@contextlib.contextmanager
def with_rabbitmq() -> Iterator[tuple[Houston, int]]:
    """The same."""
    with (
        services.rabbitmq_process() as (url, pid),
        running(**PATIENT, HOUSTON_BROKER_URL=url) as product,
    ):
        yield product, pid


@pytest.mark.parametrize("started", [with_own_broker, with_rabbitmq])
def test_broker_that_hangs_stops_no_door_and_no_page_and_all_is_handled_when_it_goes_on(
    started: Callable[[], contextlib.AbstractContextManager[tuple[Houston, int]]],
    callback_server: CallbackServer,
) -> None:
    with started() as (product, broker):
        traffic = Traffic(product, callback_server)
        # So that everybody is connected.
        traffic.send(ALL[:1])

        os.kill(broker, signal.SIGSTOP)
        try:
            traffic.send(ALL[1:])
            statuses = [product.get(path).status_code for path in ("/healthz", "/sign-in/")]
            readiness = product.get("/readyz").json()["checks"]
        finally:
            os.kill(broker, signal.SIGCONT)
        found = traffic.wait_until_finished()

        assert statuses == [200, 200]
        assert {name for name, check in readiness.items() if not check["ok"]} == {"broker"}
        assert {event.verdict for event in found} == {"delivered"}
        traffic.check_deliveries()
        assert "nobody to knock at" in product.output()
        assert "Traceback" not in product.output()


def page(product: Houston, traffic: Traffic, event: EventRow) -> str:
    """What the member of the demo account reads about an event."""
    with httpx.Client(base_url=product.url, follow_redirects=True) as client:
        client.get("/sign-in/")
        form = {
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
            "username": traffic.demo["sign_in"]["username"],
            "password": PASSWORD,
        }
        client.post("/sign-in/", data=form)
        answer = client.get(f"/a/demo1/activity/{uuid.UUID(event.id)}/")
    assert answer.status_code == 200
    return answer.text


def test_worker_that_is_killed_loses_no_event_to_the_next_start(
    callback_server: CallbackServer,
) -> None:
    with running(**PATIENT) as product:
        traffic = Traffic(product, callback_server)
        traffic.send()
        callback_server.wait_for(CONVERSATIONS, timeout_s=20)
        wait(traffic.is_running, 10)
        [worker] = pids_of(product, "celery", "worker")

        os.kill(worker, signal.SIGKILL)

        # One part that dies takes the others with it, so that whoever looks after them notices.
        assert product.process.wait(timeout=30) != 0
        assert any(event.state != "done" for event in traffic.events())
        again = Houston(product.data_dir, **PATIENT, **ONE_OF_EACH)
        try:
            again.wait()
            found = traffic.wait_until_finished()
            assert_all_ran(traffic, found)
            traffic.check_deliveries()
        finally:
            again.interrupt()


def assert_all_ran(traffic: Traffic, found: list[EventRow]) -> None:
    """Every event's last run went well; those before it were cut, and some were."""
    outcomes = traffic.outcomes()
    assert {outcomes[event.id][-1] for event in found} == {"SUCCEEDED"}
    before = Counter(outcome for runs in outcomes.values() for outcome in runs[:-1])
    assert set(before) == {"UNKNOWN"}
    assert {event.verdict for event in found} <= {"delivered", "uncertain"}
