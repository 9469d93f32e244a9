"""What a notification and an event ask of the database: how much, and found by which indexes."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from houston.models import Account
from invoker import dispatch, ingest, statements
from invoker.models import (
    Connection,
    Conversation,
    Event,
    EventState,
    Invocation,
    LogLine,
    Notification,
    NotificationState,
    Verdict,
)
from tests import factories
from tests.conftest import CallbackServer
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

MESSAGE = {"type": "systemMessage", "text": "hi"}
CODE = f"function lambda(input, callback) {{ callback(null, {json.dumps(MESSAGE)}); }}"
SQLITE = database.vendor == "sqlite"
# Nothing about the transactions around them.
FRAMES = ("BEGIN", "SAVEPOINT", "RELEASE")
GROWS = re.compile(r"SCAN invoker_(conversation|notification|event|invocation|command)\b")
Asked = list[tuple[str, Any]]


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    factories.DeploymentFactory(
        code=CODE, event_type="controllerbot_messaging_new_conversation", function_name="f"
    )
    return factories.ConnectionFactory(callback_url=callback_server.url)


@contextmanager
def listening() -> Iterator[tuple[Asked, Callable[[], int]]]:
    """Statements as they are asked, and how many transactions there were, which SQLite tells."""
    asked: Asked = []
    begun = 0

    def listen(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal begun
        begun += sql.startswith("BEGIN")
        # What waits is counted every few seconds, not for every notification.
        if not sql.startswith(FRAMES) and "GROUP BY" not in sql:
            asked.append((sql, params))
        return execute(sql, params, many, context)

    with database.execute_wrapper(listen):
        yield asked, lambda: begun


def handle(connection: Connection, conv_id: str) -> tuple[Asked, Asked]:
    """What the door asks for a new conversation, and what the worker asks for its event."""
    # Just after another knock for the account one more statement is asked.
    ingest._knocks = ingest.Knocks()
    with listening() as (at_the_door, begun):
        assert senders.post(connection, senders.updated(conv_id)).status_code == 202
    assert begun() == (1 if SQLITE else 0)
    with listening() as (in_the_worker, begun):
        assert dispatch.drain(Conversation.objects.get(conv_id=conv_id).pk) == 1
    assert begun() == (3 if SQLITE else 0)
    # The one that finds the key is this test's own.
    return at_the_door, in_the_worker[1:]


def stored(connection: Connection, count: int) -> None:
    """What has been handled before, in other conversations."""
    now = timezone.now()
    conversations = Conversation.objects.bulk_create(
        Conversation(account_id="acme1", connection=connection, conv_id=f"old-{n}", closed=True)
        for n in range(count)
    )
    notifications = Notification.objects.bulk_create(
        factories.NotificationFactory.build(
            connection=connection, conversation=each, state=NotificationState.DONE
        )
        for each in conversations
    )
    Event.objects.bulk_create(
        factories.EventFactory.build(
            conversation=each.conversation,
            notification=each,
            position=1,
            state=EventState.DONE,
            verdict=Verdict.NOTHING,
            received_at=now,
        )
        for each in notifications
    )


def test_event_costs_the_same_statements_however_much_is_stored(
    connection: Connection, callback_server: CallbackServer
) -> None:
    few = handle(connection, "c-1")
    stored(connection, 300)
    many = handle(connection, "c-2")

    assert [len(each) for each in few] == [4, 23]
    assert [[sql for sql, _ in each] for each in few] == [[sql for sql, _ in each] for each in many]
    assert len(callback_server.requests) == 2


@pytest.mark.skipif(not SQLITE, reason="PostgreSQL reads small tables whole")
def test_everything_that_grows_is_found_by_an_index(connection: Connection) -> None:
    asked = [one for each in handle(connection, "c-1") for one in each]
    stored(connection, 300)
    with database.cursor() as cursor:
        for sql, params in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            plan = [row[3] for row in cursor.fetchall()]
            assert not [each for each in plan if GROWS.match(each)], (sql, plan)


def test_batch_costs_the_door_no_more_statements_than_one(connection: Connection) -> None:
    at = senders.now_ms()
    batch = [senders.updated(f"c-{n % 10}", startTs=at, at=at + n) for n in range(100)]

    with listening() as (asked, _):
        assert senders.post(connection, batch).json() == {"accepted": 100, "duplicates": 0}

    assert len(asked) == 4


def test_rows_come_back_as_managers_read_them(connection: Connection) -> None:
    handle(connection, "c-1")

    for model in (Connection, Conversation, Notification, Event, Invocation):
        [same] = statements.select(model, "")
        one = model.objects.get()
        for field in model._meta.concrete_fields:
            assert getattr(same, field.attname) == getattr(one, field.attname), field


def test_rows_are_written_as_managers_write_them(account: Account) -> None:
    run = factories.InvocationFactory()
    at = dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.UTC)
    lines = [
        LogLine(
            account_id=account.pk,
            invocation=run,
            function_id=run.function_id,
            number=number,
            level="Info",
            message="ok",
            extras=[{"text": "\0 \ud800"}],
            logged_at=at,
        )
        for number in (1, 2)
    ]

    statements.insert(LogLine, lines[:1])
    lines[1].save()

    mine, theirs = LogLine.objects.order_by("number").values()
    assert {**mine, "id": 0, "number": 0} == {**theirs, "id": 0, "number": 0}
    assert statements.update(LogLine, {"extras": None, "logged_at": at}, {"number": 3}) == 0
    Invocation.objects.update(finished_at=None)
    assert statements.update(Invocation, {"result": None}, {"id": run.pk, "finished_at": None}) == 1
