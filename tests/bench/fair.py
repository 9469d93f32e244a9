"""Whether one account delays another: a quiet account's time from event to command, under fire.

    make bench-fair

Starts the product as `make run` does. A quiet account has five events a second, each of a
conversation of its own, and a short function that says something; a server of ours notes when the
command arrives. Measured with nobody else there, while another account floods, and while one and
two others have functions that take 30 s. The time runs from when an event was to be sent, so that
a door that is slow counts too. Everything is one run on one machine: read the ratios. Ends with 1
when the p95 under fire is more than twice the one before it.
"""

import argparse
import contextlib
import datetime as dt
import http.client
import json
import math
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from tests.stack import services
from tests.stack.conftest import ROOT, Houston

BAR = 2.0
# Late commands are measured too, and not thrown away as stale.
PATIENT = {"HOUSTON_EVENT_MAX_AGE_S": "600", "HOUSTON_LOG_LEVEL": "WARNING"}
LATE_S = 20.0
FLOOD_CONNECTIONS = 4
SLOW_EVENTS = 100
SHORT = 'async function lambda() { return { type: "systemMessage", text: "hello" }; }'
SLOW = """async function lambda() {
  await new Promise((done) => setTimeout(done, 29500));
  return { type: "systemMessage", text: "at last" };
}"""
SET_UP = """
import json, sys
from functions import deploying
from functions import services as functions
from houston import connecting, services
from houston.views.way_in import webhook_url
from invoker.models import Connection, Platform

doors = {}
for account_id, wanted in json.load(sys.stdin).items():
    account = services.create_account(account_id, name=account_id, by="bench")
    new = connecting.NewConnection(platform=Platform.GENERIC, name="Generic")
    connection = services.set_up_controller_bot(account, new, by="bench")
    connecting.edit_connection(
        connection, name=connection.name, by="bench", callback_url=wanted["callback_url"],
        message_delivery=connection.message_delivery, client_id=connection.client_id,
    )
    services.enable_functions(account, by="bench")
    function = functions.create(
        account_id, name="answer", description="Answers",
        event_type="controllerbot_messaging_new_conversation", by="bench", code=wanted["code"],
    )
    deploying.deploy(function, version=function.version, by="bench")
    doors[account_id] = {"url": webhook_url(connection), "secret": connection.signing_secret}
print(json.dumps(doors))
"""
CONVERSATION = re.compile(rb"fair-[a-z0-9]+-[0-9a-f]+-\d+")


@dataclass(frozen=True, slots=True)
class Door:
    """The webhook of one account, and how to sign for it."""

    url: str
    secret: str

    def request(self, conv_id: str) -> tuple[str, bytes, dict[str, str]]:
        """Path, body and headers of one event of one conversation."""
        event = {
            "specversion": "1.0",
            "id": conv_id,
            "source": "//example/bench",
            "type": "com.houston.messaging.conversation.updated",
            "datacontenttype": "application/json",
            "data": {
                "conversationId": conv_id,
                "state": "OPEN",
                "skillId": "42",
                "participants": [{"id": "consumer-1", "role": "CONSUMER"}],
                "startTs": int(time.time() * 1000),
                "updatedTs": int(time.time() * 1000),
                "firstConversation": True,
            },
        }
        body, now = json.dumps(event), dt.datetime.now(dt.UTC)
        return (
            urlsplit(self.url).path,
            body.encode(),
            {
                "content-type": "application/cloudevents+json",
                "webhook-id": conv_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(self.secret).sign(conv_id, now, body),
            },
        )


class Sender:
    """One connection to a door that stays open."""

    def __init__(self, door: Door) -> None:
        self._door = door
        address = urlsplit(door.url)
        assert address.hostname
        self._channel = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def send(self, conv_id: str) -> int:
        """The status of the answer, waiting as long as a 429 says."""
        while True:
            path, body, headers = self._door.request(conv_id)
            try:
                self._channel.request("POST", path, body, headers)
                answer = self._channel.getresponse()
                answer.read()
            except (http.client.HTTPException, OSError):
                # The server has closed a connection that was idle.
                self._channel.close()
                continue
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                return answer.status
            time.sleep(float(answer.headers["Retry-After"]))


class Receiver:
    """A callback URL that notes when the first command of each conversation came."""

    def __init__(self) -> None:
        self.came_at: dict[str, float] = {}
        came_at = self.came_at

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.monotonic()
                body = self.rfile.read(int(self.headers["content-length"]))
                if found := CONVERSATION.search(body):
                    came_at.setdefault(found[0].decode(), now)
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


@dataclass(slots=True)
class Measured:
    """The quiet account in one situation. Milliseconds; None for what did not come in time."""

    name: str
    took_ms: list[float | None] = field(default_factory=list)
    load: float = 0.0
    note: str = ""

    def at(self, share: float) -> float:
        """So long did that share take at most; infinite when not so many came."""
        ordered = sorted(math.inf if each is None else each for each in self.took_ms)
        return ordered[math.ceil(share * len(ordered)) - 1]


def quiet(name: str, door: Door, receiver: Receiver, *, seconds: float, per_s: float) -> Measured:
    """Send events at that rate, whatever becomes of them, and see when their commands come."""
    local, run, measured = threading.local(), uuid.uuid4().hex[:8], Measured(name)
    due: dict[str, float] = {}

    def send(conv_id: str) -> None:
        if not hasattr(local, "sender"):
            local.sender = Sender(door)
        status = local.sender.send(conv_id)
        assert status == HTTPStatus.ACCEPTED, status

    with ThreadPoolExecutor(16) as threads:
        begins = time.monotonic()
        sent = []
        for number in range(int(seconds * per_s)):
            conv_id = f"fair-quiet-{run}-{number}"
            due[conv_id] = begins + number / per_s
            time.sleep(max(0.0, due[conv_id] - time.monotonic()))
            sent.append(threads.submit(send, conv_id))
        for each in sent:
            each.result()
    measured.load = os.getloadavg()[0]
    ends = time.monotonic() + LATE_S
    while not due.keys() <= receiver.came_at.keys() and time.monotonic() < ends:
        time.sleep(0.05)
    measured.took_ms = [
        (receiver.came_at[conv_id] - at) * 1000 if conv_id in receiver.came_at else None
        for conv_id, at in due.items()
    ]
    return measured


def flood(door: Door, name: str, count: int, accepted: Any) -> None:
    """Send so many events as fast as they are taken. A process of its own."""
    run = uuid.uuid4().hex[:8]

    def send(first: int) -> None:
        sender = Sender(door)
        for number in range(first, count, FLOOD_CONNECTIONS):
            status = sender.send(f"fair-{name}-{run}-{number}")
            assert status == HTTPStatus.ACCEPTED, status
            with accepted.get_lock():
                accepted.value += 1

    with ThreadPoolExecutor(FLOOD_CONNECTIONS) as threads:
        for each in [threads.submit(send, first) for first in range(FLOOD_CONNECTIONS)]:
            each.result()


def sink(address: Any) -> None:
    """Take the commands of those who are not measured. A process of its own."""
    receiver = Receiver()
    address.send(receiver.url)
    while True:
        before, began = len(receiver.came_at), time.monotonic()
        address.recv()
        address.send((len(receiver.came_at) - before, time.monotonic() - began))


@contextlib.contextmanager
def beside(target: Any, *arguments: Any) -> Iterator[multiprocessing.Process]:
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=arguments, daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def run(arguments: argparse.Namespace, environment: dict[str, str]) -> list[Measured]:
    """All situations, in the order in which each adds to the one before."""
    folder = Path(tempfile.mkdtemp(prefix="houston-fair-"))
    receiver = Receiver()
    ours, theirs = multiprocessing.Pipe()
    accepted = multiprocessing.get_context("spawn").Value("i", 0)
    product = Houston(folder, **PATIENT, **environment)
    try:
        with beside(sink, theirs):
            sink_url = ours.recv()
            product.wait()
            wanted = {
                "quiet": {"code": SHORT, "callback_url": receiver.url},
                "flood": {"code": SHORT, "callback_url": sink_url},
                "slow1": {"code": SLOW, "callback_url": sink_url},
                "slow2": {"code": SLOW, "callback_url": sink_url},
            }
            made = subprocess.run(
                [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", SET_UP],
                input=json.dumps(wanted), cwd=ROOT, env=product.environment, check=True,
                capture_output=True, text=True,
            )  # fmt: skip
            doors = {name: Door(**door) for name, door in json.loads(made.stdout).items()}

            def measure(name: str, seconds: float = arguments.seconds) -> Measured:
                door, per_s = doors["quiet"], arguments.per_second
                return quiet(name, door, receiver, seconds=seconds, per_s=per_s)

            measure("warm-up", 4)
            found = [measure("nobody else")]
            print_row(found[0], found[0])
            if "flood" in arguments.only:
                with beside(flood, doors["flood"], "flood", arguments.events, accepted):
                    while not accepted.value:
                        time.sleep(0.01)
                    ours.send("begin")
                    under = measure("another floods", arguments.flooded)
                    ours.recv()
                    under.note = f"{accepted.value:,} of {arguments.events:,} events accepted"
                    found.append(under)
                    print_row(found[-1], found[0])
                rest(product)
            for number, title in ((1, "another is slow"), (2, "two others are slow")):
                if "slow" not in arguments.only:
                    break
                name = f"slow{number}"
                accepted.value = 0
                with beside(flood, doors[name], name, SLOW_EVENTS, accepted):
                    while accepted.value < SLOW_EVENTS:
                        time.sleep(0.01)
                    found.append(measure(title))
                    print_row(found[-1], found[0])
        if arguments.verbose:
            print(product.output())
        return found
    finally:
        product.interrupt()
        shutil.rmtree(folder, ignore_errors=True)
        product.log.unlink(missing_ok=True)


def rest(product: Houston) -> None:
    """What is left of a flood is dropped, so that the next situation is one of its own."""
    drop = (
        "from django.db.models import Q\n"
        "from invoker.models import Conversation, Event, Notification\n"
        "mine = {'account_id': 'flood'}\n"
        "print(Notification.objects.filter(**mine, state='pending').count())\n"
        "Conversation.objects.filter(**mine).update(due_at=None)\n"
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", drop],
        cwd=ROOT, env=product.environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    print(
        f"  {int(done.stdout):,} notifications of the flood were left and are dropped", flush=True
    )
    time.sleep(3)


def print_row(measured: Measured, idle: Measured) -> None:
    came = sum(each is not None for each in measured.took_ms)
    shares = (0.5, 0.95, 0.99)
    times = "".join(f"{measured.at(share):9.1f}" for share in shares)
    ratios = "".join(f"{measured.at(share) / idle.at(share):8.2f}" for share in shares)
    print(
        f"  {measured.name:<22}{came:5} of {len(measured.took_ms):<5}{times}{ratios}"
        f"{measured.load:7.1f}  {measured.note}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-fair")
    parser.add_argument("--seconds", type=float, default=30, help="of each situation")
    parser.add_argument("--per-second", type=float, default=5, help="events of the quiet account")
    parser.add_argument("--flooded", type=float, default=60, help="seconds of the flood")
    parser.add_argument("--events", type=int, default=10_000, help="of the account that floods")
    parser.add_argument("--only", default="flood,slow", help="situations")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    parser.add_argument("--verbose", action="store_true", help="print what the product says")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        environment = {}
        if arguments.postgres:
            environment["DATABASE_URL"] = stack.enter_context(services.postgres())
        print(
            f"\n  {'PostgreSQL' if arguments.postgres else 'SQLite'}, {os.cpu_count()} CPUs; "
            "milliseconds from event to command\n\n"
            f"  {'quiet account while':<22}{'commands':>13}{'p50':>10}{'p95':>9}{'p99':>9}"
            f"{'xp50':>8}{'xp95':>8}{'xp99':>8}{'load':>7}",
            flush=True,
        )
        found = run(arguments, environment)
    slow = [each for each in found if not each.at(0.95) <= BAR * found[0].at(0.95)]
    for each in slow:
        print(f"  FAILS: the p95 is more than {BAR:g} times as long while {each.name}")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
