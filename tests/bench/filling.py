"""A database after a month of work: written past the models, as they would have written it."""

import contextlib
import datetime as dt
import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from functions.models import Function
from houston.models import Role, User
from invoker import automatic_messages, events, metrics
from invoker.models import (
    Command,
    Connection,
    Conversation,
    Event,
    Invocation,
    LogLine,
    Notification,
)
from tests import factories

ACCOUNT, OTHERS = "acme1", 3
FUNCTIONS, OTHERS_FUNCTIONS = 40, 12
SHARE = 0.6
CLOSED = 0.995
"""Of everything that happens: what the measured account has of it."""
DAYS = 30
EVENTS_EACH = 5
"""Events of one conversation."""
NOTIFICATIONS_EVERY = 5
ROWS_AT_ONCE = 20_000
WORDS = ("order looked up", "customer is known", "routed by language", "no skill fits", "greeted")

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    invocations: int
    events: int
    lines: int


@dataclass(slots=True)
class Filled:
    """What pages can be asked for; `arguments` are those of their addresses."""

    user: User
    arguments: dict[str, object]
    written: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Account:
    account_id: str
    connection: Connection
    listening: dict[str, Function]
    called: list[Function]


def fill(sizes: Sizes) -> Filled:
    """Fill an empty database."""
    user = factories.UserFactory(username="kim", is_staff=True, is_superuser=True)
    accounts = [_account(ACCOUNT, FUNCTIONS)]
    accounts += [_account(f"other{n}", OTHERS_FUNCTIONS) for n in range(OTHERS)]
    for role in Role:
        factories.MembershipFactory(user=user, account_id=ACCOUNT, role=role)
    work = _Work(sizes, accounts)
    with _quickly():
        written = {
            model.__name__: _write(model, columns, rows)
            for model, columns, rows in (
                (Conversation, work.CONVERSATION, work.conversations()),
                (Notification, work.NOTIFICATION, work.notifications()),
                (Event, work.EVENT, work.events()),
                (Invocation, work.INVOCATION, work.invocations()),
                (Command, work.COMMAND, work.commands()),
                (LogLine, work.LINE, work.lines()),
            )
        }
    if connection.vendor == "postgresql":
        # As autovacuum does by itself after a while.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    while metrics.roll_up():
        pass
    return Filled(user, _arguments(user), written)


def _account(account_id: str, functions: int) -> _Account:
    account = factories.AccountFactory(id=account_id)
    factories.ControllerBotFactory(account_id=account.pk)
    automatic_messages.create_defaults(account.pk)
    factories.AllowedDomainFactory.create_batch(5, account_id=account_id)
    factories.SecretFactory.create_batch(5, account_id=account_id)
    types = [each for each in sorted(events.SINGLE_EVENT_TYPES) if "messaging" in each]
    made = [
        factories.deployed(
            account_id=account_id,
            name=f"function_{n}",
            event_type=types[n] if n < len(types) else "",
            code=factories.SOURCE + "// what it does\n" * 200,
        )
        for n in range(functions)
    ]
    for function in made[:5] if account_id == ACCOUNT else ():
        for number in range(2, 30):
            factories.VersionFactory(function=function, number=number)
            factories.DeploymentFactory(
                account_id=account_id, function_id=function.pk, version=number, active=False,
                function_name=function.name,
            )  # fmt: skip
    return _Account(
        account_id,
        factories.ConnectionFactory(account_id=account_id),
        listening={each.event_type: each for each in made if each.event_type},
        called=[each for each in made if not each.event_type] or made,
    )


class _Work:
    """Everything that happened, the oldest first. The same in every run but for its times."""

    CONVERSATION = ("account_id", "connection_id", "conv_id", "consumer_id", "state",
                    "created_at", "active_at", "closed")  # fmt: skip
    NOTIFICATION = ("account_id", "connection_id", "conversation_id", "kind", "dedupe_key",
                    "body", "sha256", "receipt", "received_at", "state")  # fmt: skip
    EVENT = ("id", "account_id", "function_id", "conversation_id", "notification_id", "type",
             "subtype", "payload", "position", "occurred_at", "received_at", "created_at", "state",
             "verdict", "finished_at")  # fmt: skip
    INVOCATION = ("id", "account_id", "event_id", "deployment_id", "function_id", "outcome",
                  "result", "cold", "duration_ms", "started_at", "finished_at")  # fmt: skip
    COMMAND = ("id", "account_id", "event_id", "invocation_id", "type", "fields", "position",
               "idempotency_key", "state", "attempts", "created_at", "sent_at", "reason",
               "late_ms")  # fmt: skip
    LINE = ("account_id", "invocation_id", "function_id", "number", "level", "message", "extras",
            "logged_at")  # fmt: skip

    def __init__(self, sizes: Sizes, accounts: list[_Account]) -> None:
        self.sizes = sizes
        self.accounts = accounts
        self.now = timezone.now()
        self.chance = random.Random(5)  # noqa: S311 the same choice in every run
        types = sorted(accounts[0].listening)
        self.types = [
            (each, json.dumps(events.sample(each)["payload"]), next(iter(subtypes), ""))
            for each in types
            for subtypes in [events.EVENT_TYPES[each].subtypes]
        ]
        # By number of the event: its key, its account and the run that came of it.
        self.keys: list[tuple[str, _Account, str, str]] = []
        self.runs: list[tuple[str, str, str, str]] = []

    def owner(self, number: int) -> _Account:
        """Whose the conversation with this number is."""
        spot = (number * 0.618034) % 1
        if spot < SHARE:
            return self.accounts[0]
        return self.accounts[1 + int((spot - SHARE) / (1 - SHARE) * OTHERS) % OTHERS]

    def at(self, share: float, after_ms: float = 0.0) -> str:
        """A moment of the month as both databases read it: 0 is its beginning, 1 is now."""
        ago = dt.timedelta(days=DAYS * (1 - share)) - dt.timedelta(milliseconds=after_ms)
        return f"{self.now - max(ago, dt.timedelta(0)):%Y-%m-%d %H:%M:%S.%f}"

    def key(self) -> str:
        return f"{self.chance.getrandbits(128):032x}"

    def conversations(self) -> Iterator[Row]:
        total = math.ceil(self.sizes.events / EVENTS_EACH)
        for number in range(total):
            owner = self.owner(number)
            conv_id, consumer_id = self.key(), f"consumer-{number % 1000}"
            closed = number < total * CLOSED
            yield (owner.account_id, owner.connection.pk.hex, conv_id, consumer_id,
                   self.state(conv_id, consumer_id, closed=closed), self.at(number / total),
                   self.at(number / total, 60_000), "1" if closed else "0")  # fmt: skip

    def state(self, conv_id: str, consumer_id: str, *, closed: bool) -> str:
        """As the derivation leaves it, in the fields that take most room."""
        return json.dumps(
            {
                "conv_id": conv_id, "state": "CLOSE" if closed else "OPEN", "skill_id": "100",
                "consumer_id": consumer_id,
                "participants": [{"id": consumer_id, "role": "CONSUMER"},
                                 {"id": "agent-kim", "role": "ASSIGNED_AGENT"}],
                "nicknames": {consumer_id: "Sam", "agent-kim": "Kim"},
                "at": {"known": True, "skill_id": "100", "assigned": ["agent-kim"]},
                "close_reason": "AGENT" if closed else "",
                "trail": [[n, [f"{n:012x}"], "100", ["agent-kim"], []] for n in range(6)],
            },
            separators=(",", ":"),
        )  # fmt: skip

    def notifications(self) -> Iterator[Row]:
        for number in range(0, self.sizes.events, NOTIFICATIONS_EVERY):
            conversation = number // EVENTS_EACH
            owner = self.owner(conversation)
            key = self.key()
            yield (owner.account_id, owner.connection.pk.hex, conversation + 1,
                   "com.houston.messaging.conversation.updated", key * 2, b'{"a": 1}', key * 2,
                   key, self.at(number / self.sizes.events), "done")  # fmt: skip

    def events(self) -> Iterator[Row]:
        verdicts = ["delivered"] * 60 + ["default"] * 20 + ["nothing"] * 15 + ["stale", "failed"]
        for number in range(self.sizes.events):
            conversation = number // EVENTS_EACH
            owner = self.owner(conversation)
            type_, payload, subtype = self.types[number % len(self.types)]
            key, share = self.key(), number / self.sizes.events
            verdict = self.chance.choice(verdicts)
            self.keys.append((key, owner, type_, verdict))
            notification = None if number % NOTIFICATIONS_EVERY else conversation + 1
            came = self.at(share)
            ran = owner.listening[type_].pk.hex
            yield (key, owner.account_id, ran, conversation + 1, notification, type_, subtype,
                   payload, number % EVENTS_EACH, came, came, came, "done", verdict,
                   self.at(share, 80))  # fmt: skip

    def invocations(self) -> Iterator[Row]:
        outcomes = ["SUCCEEDED"] * 195 + ["CODING_FAILURE"] * 3 + ["TIMEOUT", "PLATFORM_FAILURE"]
        for number in range(self.sizes.invocations):
            share = number / self.sizes.invocations
            # Every other one is of an event, as far as there are.
            index = number * self.sizes.events // self.sizes.invocations
            first = (
                number == 0 or (number - 1) * self.sizes.events // self.sizes.invocations < index
            )
            event, owner, type_, _ = self.keys[index]
            function = owner.listening[type_] if first else self.chance.choice(owner.called)
            key = self.key()
            outcome = self.chance.choice(outcomes)
            ms = 30_000.0 if outcome == "TIMEOUT" else math.exp(self.chance.gauss(3.2, 1.1))
            self.runs.append((key, owner.account_id, event if first else "", function.pk.hex))
            yield (key, owner.account_id, event if first else None, function.deployment_id.hex,
                   function.pk.hex, outcome, '{"type": "systemMessage", "text": ["hello"]}', "0",
                   ms, self.at(share, 5), self.at(share, 5 + ms))  # fmt: skip

    def commands(self) -> Iterator[Row]:
        ran = {event: run for run, _, event, _ in self.runs if event}
        text = json.dumps({"text": "Welcome, somebody will be with you in a moment"})
        types = ["systemMessage"] * 8 + ["transfer", "closeConversation"]
        for number, (event, owner, _, verdict) in enumerate(self.keys):
            if verdict == "nothing":
                continue
            share = number / self.sizes.events
            state = {"stale": "stale", "failed": "failed"}.get(verdict, "sent")
            states = [state, "dropped"] if self.chance.random() < 0.1 else [state]
            for position, each in enumerate(states):
                late = each == "stale"
                yield (self.key(), owner.account_id, event,
                       None if verdict == "default" else ran.get(event),
                       "systemMessage" if verdict == "default" else self.chance.choice(types),
                       text, position, self.key(), each, 1, self.at(share, 40),
                       self.at(share, 60), "agent-spoke" if late else "",
                       self.chance.randrange(5_000) if late else None)  # fmt: skip

    def lines(self) -> Iterator[Row]:
        levels = ["Debug"] * 2 + ["Info"] * 15 + ["Warn"] * 2 + ["Error"]
        step = max(1, len(self.runs) // max(1, self.sizes.lines))
        for number in range(0, len(self.runs), step):
            run, account_id, _, function = self.runs[number]
            message = f"{self.chance.choice(WORDS)} {self.chance.randrange(10_000_000)}"
            yield (account_id, run, function, 1, self.chance.choice(levels), message,
                   '[{"orderId": 4711, "status": "shipped"}]',
                   self.at(number / len(self.runs), 20))  # fmt: skip


def _arguments(user: User) -> dict[str, object]:
    """Things of the measured account by the names that addresses use for them."""
    mine = {"account_id": ACCOUNT}
    event = Event.objects.filter(**mine).order_by("-created_at").first()
    function = Function.objects.filter(**mine).order_by("name").first()
    assert event
    assert function
    assert function.deployment
    return {
        **mine,
        "event_id": event.pk,
        "type": event.type,
        "name": function.name,
        "function_id": function.pk,
        "deployment_id": function.deployment.pk,
        "connection_id": Connection.objects.get(**mine).pk,
        "conversation": event.conversation.conv_id,
        "pk": event.conversation_id,
        "user_id": user.pk,
        "number": 1,
        "subtype": "AGENT_NON_RESPONSIVE",
    }


@contextlib.contextmanager
def _quickly() -> Iterator[None]:
    """Look after indexes and references only when everything is written."""
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if sqlite:
            cursor.execute("PRAGMA foreign_keys=OFF")
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.execute("PRAGMA cache_size=-500000")
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL"
            )
        else:
            cursor.execute("SET session_replication_role=replica")
            cursor.execute("SET maintenance_work_mem='256MB'")
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes LEFT JOIN pg_constraint"
                " ON conname=indexname WHERE schemaname='public' AND conname IS NULL"
            )
        made = [(name, sql) for name, sql in cursor.fetchall() if "invoker_" in sql]
        for name, _ in made:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, sql in made:
            cursor.execute(sql)
        if not sqlite:
            cursor.execute("RESET session_replication_role")
    # What was set is gone with the connection.
    connection.close()


def _write(model: type[models.Model], columns: tuple[str, ...], rows: Iterator[Row]) -> int:
    """Insert rows by the quickest way that the database has; returns how many."""
    names = {each.attname: each for each in model._meta.concrete_fields}
    rest = {
        name: _plain(each)
        for name, each in names.items()
        if name not in columns and not isinstance(each, models.BigAutoField)
    }
    all_names = [names[name].column for name in (*columns, *rest)]
    table, shown = model._meta.db_table, ", ".join(f'"{name}"' for name in all_names)
    tail = tuple(rest.values())
    whole = (row + tail for row in rows)
    written = 0
    for some in iter(lambda: list(itertools.islice(whole, ROWS_AT_ONCE)), []):
        written += len(some)
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.cursor.copy(f"COPY {table} ({shown}) FROM STDIN") as copy:
                    for row in some:
                        copy.write_row(row)
            else:
                marks = ", ".join("?" for _ in all_names)
                sql = f"INSERT INTO {table} ({shown}) VALUES ({marks})"  # noqa: S608 our own names
                connection.connection.executemany(sql, some)
    return written


def _plain(column: Any) -> object:
    """What a column holds when nobody says anything, as text where the two databases differ."""
    value = column.get_default()
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)
