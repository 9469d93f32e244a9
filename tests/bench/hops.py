"""What a plain Celery task costs: nothing at all, and a function served by a functions framework.

The broker is the one that Houston runs on, the pool the one that its worker has.
"""

import http.client
import json
import os
import socket
import threading

from celery import Celery

app = Celery("hops", broker=os.environ["BENCH_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue="bench-hops",
    worker_pool="threads",
    worker_concurrency=8,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)

_kept = threading.local()


@app.task
def nothing(name: str, address: str) -> None:
    """Say that it is here."""
    if not hasattr(_kept, "socket"):
        _kept.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    _kept.socket.sendto(name.encode(), address)


@app.task
def serve(name: str, framework: int, commands: int, payload: dict[str, object]) -> None:
    """Ask the function what to say, and say it where commands go."""
    answer = _post(framework, "/", {"payload": payload})
    _post(commands, "/commands", {"data": {"conversationId": name, "command": answer}})


def _post(port: int, path: str, document: dict[str, object]) -> object:
    connections = _kept.__dict__.setdefault("connections", {})
    if port not in connections:
        connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection = connections[port]
    connection.request(
        "POST", path, json.dumps(document).encode(), {"content-type": "application/json"}
    )
    body = connection.getresponse().read()
    return json.loads(body) if body else None
