"""Fills a database for `tests.bench.throughput`, and measures what is below it in one process.

Prints one JSON object. The database is the one that the environment names.
"""

import argparse
import json
import statistics
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone

django.setup()

from invoker import calls, dispatch, runtime  # noqa: E402
from invoker.models import Connection, Deployment, Event, Notification  # noqa: E402
from tests.bench import filling  # noqa: E402

CODE = """function lambda(input, callback) {
  callback(null, { type: "systemMessage", text: "Hello" });
}
"""


def fill(arguments: argparse.Namespace) -> dict[str, Any]:
    """So many stored events, and a connection whose new conversations a function answers."""
    call_command("migrate", verbosity=0)
    count = arguments.events
    filling.fill(filling.Sizes(invocations=count, events=count, lines=count // 10))
    Deployment.objects.filter(account_id=filling.ACCOUNT).update(code=CODE)
    connection = Connection.objects.get(account_id=filling.ACCOUNT)
    connection.callback_url = arguments.callback_url
    connection.listening_since = timezone.now()
    connection.save()
    if database.vendor == "postgresql":
        # As in a database that has grown; else autovacuum does it while events are measured.
        with database.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
    return {"connection": str(connection.pk), "secret": connection.signing_secret}


def insert(arguments: argparse.Namespace) -> dict[str, Any]:
    """One INSERT of a notification in a transaction of its own, again and again."""
    connection = Connection.objects.get(account_id=filling.ACCOUNT)
    conversation = connection.conversations.order_by("pk").first()
    took_s = []
    ends_at = time.perf_counter() + arguments.seconds
    while (began := time.perf_counter()) < ends_at:
        key = uuid.uuid4().hex
        Notification.objects.create(
            account_id=connection.account_id,
            connection=connection,
            conversation=conversation,
            kind="bench",
            dedupe_key=key,
            body=b"x" * 600,
            sha256=key,
            receipt=uuid.uuid4(),
            state="done",
        )
        took_s.append(time.perf_counter() - began)
    Notification.objects.filter(kind="bench").delete()
    return _told(took_s, sum(took_s))


def sandbox(arguments: argparse.Namespace) -> dict[str, Any]:
    """Calls of the deployed function: one after another, and as many threads as a worker has."""
    event = Event.objects.filter(account_id=filling.ACCOUNT).order_by("-created_at").first()
    assert event
    deployment = Deployment.objects.filter(account_id=filling.ACCOUNT, active=True).first()
    assert deployment
    program, document = calls.program(deployment), dispatch.input_of(event)

    def call(_: int = 0) -> float:
        began = time.perf_counter()
        result = runtime.run(program, document)
        assert result.outcome == runtime.Outcome.SUCCEEDED, result
        return time.perf_counter() - began

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(200)))
        began = time.perf_counter()
        count = len(list(threads.map(call, range(int(1000 * arguments.seconds)))))
        side_by_side = count / (time.perf_counter() - began)
    took_s = [call() for _ in range(int(1000 * arguments.seconds))]
    runtime.close()
    return _told(took_s, sum(took_s)) | {"rate": side_by_side}


def _told(took_s: list[float], seconds: float) -> dict[str, Any]:
    ordered = sorted(took_s)
    return {
        "rate": len(took_s) / seconds,
        "p50": statistics.median(ordered) * 1000,
        "p95": ordered[int(len(ordered) * 0.95)] * 1000,
        "p99": ordered[int(len(ordered) * 0.99)] * 1000,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fill", "insert", "sandbox"))
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--callback-url", default="")
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    found = {"fill": fill, "insert": insert, "sandbox": sandbox}[arguments.what](arguments)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
