"""How many rows PostgreSQL reads for what one event asks of it, in a database that has grown.

    DATABASE_URL=… python -m tests.stack.plans CALLBACK_URL

Fills an empty database, takes a new conversation through the door and handles it, and has every
statement explained while it runs. Then columns are given other types, as an upgrade may do while
this version still runs, and more conversations come. Prints what became of the event, each
statement with the rows that were read for it, and what doors and workers said after the change.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import django
import psycopg
from django.core.management import call_command
from django.db import connection as database
from django.db import transaction
from django.test.utils import setup_test_environment
from django.utils import timezone

django.setup()
setup_test_environment()

from invoker import dispatch, ingest, runtime  # noqa: E402
from invoker.digesting import PASSING_FAULTS  # noqa: E402
from invoker.models import Connection, Conversation, Event, EventState  # noqa: E402
from tests.bench import filling  # noqa: E402
from tests.invoker import senders  # noqa: E402

EVENTS = 20_000
GROW = (
    """
    INSERT INTO invoker_conversation
      (account_id, connection_id, conv_id, consumer_id, state, state_version, created_at,
       active_at, closed, arrived, fence)
    SELECT account_id, connection_id, 'more-' || n, '', state, state_version, created_at,
      active_at, true, arrived, fence
    FROM (SELECT DISTINCT ON (account_id) * FROM invoker_conversation) AS one,
      generate_series(1, 10000) AS n
    """,
    # More consumers than PostgreSQL keeps figures of, and each of them comes often.
    "UPDATE invoker_conversation SET consumer_id = 'consumer-' || id % 150",
    # All other accounts are flooded.
    f"UPDATE invoker_conversation SET due_at = now() WHERE account_id <> '{filling.ACCOUNT}'",  # noqa: S608 our own name
    "VACUUM ANALYZE",
)
WIDER = (
    "ALTER TABLE invoker_connection ALTER name TYPE varchar(500)",
    "ALTER TABLE invoker_conversation ALTER consumer_id TYPE varchar(500)",
    "ALTER TABLE invoker_deployment ALTER note TYPE varchar(500)",
)
PREPARED_AFTER = 5
EXPLAINED = ("SELECT", "UPDATE", "DELETE")


class Explainer:
    """Runs each statement once more before, explained, and takes back what it changed."""

    def __init__(self) -> None:
        self.read: list[tuple[int, str]] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if str(sql).startswith(EXPLAINED) and not many:
            with self._taken_back(), database.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                [[[plan]]] = cursor.fetchall()
            self.read.append((_rows(plan["Plan"]), str(sql)))
        return execute(sql, params, many, context)

    @contextlib.contextmanager
    def _taken_back(self) -> Iterator[None]:
        # Below Django's own transactions, which are explained and not meant.
        raw = database.connection
        with raw.transaction(force_rollback=True):
            yield


def _rows(node: dict[str, Any]) -> int:
    """Rows that a node of a plan and those below it read, with those that a filter threw away."""
    thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    mine = int((node["Actual Rows"] + thrown) * node["Actual Loops"])
    return mine + sum(_rows(each) for each in node.get("Plans", ()))


def _go_on_after_a_change(connection: Connection) -> dict[str, Any]:
    """By this connection's prepared statements: outside a transaction at the door, inside later."""
    # Nobody hears a knock.
    ingest.knock = lambda *_: None
    numbers = iter(range(1000))

    def come() -> Conversation:
        conv_id = f"after-{next(numbers)}"
        assert senders.post(connection, senders.updated(conv_id)).status_code == 202
        return Conversation.objects.get(conv_id=conv_id)

    for _ in range(PREPARED_AFTER):
        dispatch.drain(come().pk)
    conversation = come()
    # By somebody else: psycopg prepares anew what it changes itself.
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        for each in WIDER:
            other.execute(each)
    passing = []
    while not Event.objects.filter(conversation=conversation, state=EventState.DONE).exists():
        Conversation.objects.filter(pk=conversation.pk).update(due_at=timezone.now())
        try:
            dispatch.drain(conversation.pk)
        except PASSING_FAULTS as error:
            passing.append(str(error))
    dispatch.drain(come().pk)
    verdicts = Event.objects.filter(conversation__conv_id__startswith="after-")
    return {"passing": passing, "verdicts": list(verdicts.values_list("verdict", flat=True))}


def main() -> int:
    call_command("migrate", verbosity=0)
    filling.fill(filling.Sizes(invocations=EVENTS, events=EVENTS, lines=0))
    with database.cursor() as cursor:
        for each in GROW:
            cursor.execute(each)
    connection = Connection.objects.get(account_id=filling.ACCOUNT)
    connection.listening_since = timezone.now()
    connection.callback_url = sys.argv[1]
    connection.save()
    explainer = Explainer()
    with transaction.atomic(), database.execute_wrapper(explainer):
        consumer = {"id": "first-time", "role": "CONSUMER"}
        senders.post(connection, senders.updated("planned", participants=[consumer]))
        conversation = Conversation.objects.get(conv_id="planned")
        dispatch.others_wait(filling.ACCOUNT, conversation.pk)
        dispatch.waiting()
        dispatch.drain(conversation.pk)
        [event] = Event.objects.filter(conversation=conversation)
        # Nobody is to be knocked for.
        transaction.set_rollback(True)
    after = _go_on_after_a_change(connection)
    runtime.close()
    print(json.dumps({"verdict": event.verdict, "read": explainer.read, "after": after}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
