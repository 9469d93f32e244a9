"""What was promised against what is there: the sender's book, the tables, the receiver's list."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.load import Book, Sent
from tests.chaos.parts import Database
from tests.chaos.receiver import Came

NOTIFICATIONS = """
SELECT notification.id, notification.body, notification.state, notification.error,
       conversation.account_id, conversation.conv_id
FROM invoker_notification notification JOIN invoker_conversation conversation
ON conversation.id = notification.conversation_id ORDER BY notification.id
"""
EVENTS = """
SELECT event.id, event.notification_id, event.type, event.state, event.verdict, event.position,
       event.account_id, conversation.conv_id, event.detail, event.received_at, event.finished_at
FROM invoker_event event JOIN invoker_conversation conversation
ON conversation.id = event.conversation_id
ORDER BY event.account_id, conversation.conv_id, event.position
"""
COMMANDS = """
SELECT id, event_id, type, state, reason, position, idempotency_key, account_id, detail
FROM invoker_command
"""
# Sent, in the sense that nobody has to any more.
CLOSED_ALREADY = "It was closed already"
INVOCATIONS = "SELECT event_id, outcome FROM invoker_invocation ORDER BY started_at"
# An open conversation is looked at again when its silence is due, and that is later.
UNREST = """
SELECT 'notifications that wait', count(*) FROM invoker_notification WHERE state = 'pending'
UNION ALL SELECT 'events that wait', count(*) FROM invoker_event WHERE state <> 'done'
UNION ALL SELECT 'commands that wait', count(*) FROM invoker_command
          WHERE state IN ('pending', 'sending')
UNION ALL SELECT 'leases that are held', count(*) FROM invoker_conversation
          WHERE lease_until IS NOT NULL
UNION ALL SELECT 'conversations that are due', count(*) FROM invoker_conversation
          WHERE due_at < CURRENT_TIMESTAMP
"""
# What each function of `tests.chaos.prepare` asks for, beside what is sent for one that failed.
ASKED = {
    "controllerbot_messaging_new_conversation": {"systemMessage"},
    "controllerbot_messaging_conversation_routing": {"systemMessage", "transfer"},
    "controllerbot_messaging_participants_change": set[str](),
    "controllerbot_messaging_ttr": {"systemMessage", "closeConversation"},
    "controllerbot_messaging_conversation_end": set[str](),
}
FINAL = {"sent", "uncertain", "stale", "failed", "dropped"}
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """One event as it is stored, with the notification that led to it."""

    id: str
    notification_id: str | None
    type: str
    state: str
    verdict: str
    position: int
    account_id: str
    conv_id: str
    detail: str


@dataclass(slots=True)
class Findings:
    """Differences by what is wrong, each with the ids that it is about, and the figures."""

    differences: dict[str, list[str]] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    came: int = 0
    again: int = 0
    late: int = 0

    def note(self, what: str, about: Iterable[str]) -> None:
        found = sorted(set(about))
        if found:
            self.differences.setdefault(what, []).extend(found)


def unrest(database: Database) -> dict[str, int]:
    """What is not at rest yet, and how much of it."""
    return {name: count for name, count in database.rows(UNREST) if count}


def compare(book: Book, database: Database, came: list[Came], faults: list[str]) -> Findings:
    """Hold everything against everything. `faults` is what the receiver could not read."""
    findings = Findings()
    findings.note("answers that are no promise", book.faults)
    findings.note("callbacks that are wrong", faults)
    findings.note("sent and never taken", book.sent.keys() - book.accepted.keys())
    ids = _notifications(findings, book, database)
    events = _events(findings, book, database, ids)
    commands = list(_commands(findings, events, database))
    _effects(findings, events, commands, came)
    findings.outcomes.update(outcome for _, outcome in database.rows(INVOCATIONS))
    findings.note("runs without an end", ["RUNNING"] if findings.outcomes["RUNNING"] else [])
    return findings


def _notifications(findings: Findings, book: Book, database: Database) -> dict[Any, str]:
    """The sender's id of each stored notification by the id of its row."""
    rows = database.rows(NOTIFICATIONS)
    ids = {pk: str(json.loads(bytes(body))["id"]) for pk, body, *_ in rows}
    times = Counter(ids.values())
    findings.stored = len(rows)
    findings.note("LOST: taken with 2xx, not stored", book.accepted.keys() - times.keys())
    findings.note("stored, never taken", times.keys() - book.accepted.keys())
    findings.note("TWICE: stored more than once", [each for each, n in times.items() if n > 1])
    if book.said_new > len(rows):
        findings.note("LOST: said to be new", [f"{book.said_new} times, stored {len(rows)}"])
    for pk, _, state, error, account_id, conv_id in rows:
        sent = book.sent.get(ids[pk])
        if state != "done":
            findings.note(f"notifications left {state}", [f"{ids[pk]} {error}".strip()])
        if sent and (sent.account_id, sent.conv_id) != (account_id, conv_id):
            findings.note("stored in another conversation", [ids[pk]])
    return ids


def _events(
    findings: Findings, book: Book, database: Database, ids: dict[Any, str]
) -> dict[str, Kept]:
    events = {}
    led_to: dict[str, list[Kept]] = defaultdict(list)
    for pk, notification, *rest in database.rows(EVENTS):
        event = Kept(plain(pk), ids.get(notification), *rest[:7])
        events[event.id] = event
        findings.verdicts[event.verdict or "none"] += 1
        if event.state != "done" or not event.verdict:
            findings.note("events without an outcome", [_named(event)])
        if event.verdict == "broken":
            findings.note("events that Houston failed on", [f"{_named(event)}: {event.detail}"])
        if event.notification_id:
            led_to[event.notification_id].append(event)
    for each in book.accepted.values():
        types = [event.type for event in led_to[each.id]]
        if not types:
            findings.note("LOST: taken, and no event came of it", [each.id])
        elif types != [each.event]:
            findings.note("other events than one came of it", [f"{each.id}: {', '.join(types)}"])
    _order_of_events(findings, book.sent, events.values())
    return events


def _order_of_events(findings: Findings, sent: dict[str, Sent], events: Iterable[Kept]) -> None:
    last: dict[tuple[str, str], int] = {}
    for event in events:
        if event.notification_id in sent:
            number = sent[event.notification_id].number
            conversation = event.account_id, event.conv_id
            if number < last.get(conversation, -1):
                findings.note("OUT OF ORDER: events", [_named(event)])
            last[conversation] = number


@dataclass(frozen=True, slots=True)
class Led:
    """One command as it is stored."""

    id: str
    event: Kept
    type: str
    state: str
    position: int


def _commands(findings: Findings, events: dict[str, Kept], database: Database) -> Iterator[Led]:
    keys: Counter[str] = Counter()
    types: dict[str, set[str]] = defaultdict(set)
    for pk, event_id, kind, state, reason, position, key, account_id, detail in database.rows(
        COMMANDS
    ):
        event = events[plain(event_id)]
        needless = state == "sent" and detail == CLOSED_ALREADY
        findings.commands[
            f"{state} ({reason})" if state == "failed" else "needless" if needless else state
        ] += 1
        if state not in FINAL:
            findings.note(f"commands left {state}", [plain(pk)])
        if account_id != event.account_id:
            findings.note("commands of another account", [plain(pk)])
        if key is not None:
            keys[key] += 1
            types[event.id].add(kind)
        yield Led(plain(pk), event, kind, "needless" if needless else state, position)
    findings.note("TWICE: one key for several commands", [k for k, n in keys.items() if n > 1])
    for event in events.values():
        extra = types[event.id] - ASKED[event.type] - {"systemMessage"}
        if extra:
            findings.note("commands nobody asked for", [f"{_named(event)}: {extra}"])


def _effects(
    findings: Findings, events: dict[str, Kept], commands: list[Led], came: list[Came]
) -> None:
    by_id = {command.id: command for command in commands}
    times: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    last: dict[tuple[str, str], tuple[int, int]] = {}
    for each in came:
        command_id = plain(each.command_id)
        command = by_id.get(command_id)
        if command is None or plain(each.event_id) not in events:
            findings.note("came, and nobody has it stored", [command_id])
            continue
        if (each.account_id, each.conv_id, each.type) != (
            command.event.account_id, command.event.conv_id, command.type,
        ):  # fmt: skip
            findings.note("came for another conversation", [command_id])
        times[command_id] += 1
        taken[command_id] += each.taken
        ids[each.event_id, each.type].add(command_id)
        if times[command_id] > 1:
            continue
        conversation = each.account_id, each.conv_id
        place = command.event.position, command.position
        if place < last.get(conversation, (-1, -1)):
            if command.state == "uncertain":
                # Its sender was asleep, and what waited behind it was not held up any longer.
                findings.late += 1
                continue
            findings.note("OUT OF ORDER: effects", [f"{command_id} of {_named(command.event)}"])
        last[conversation] = place
    findings.came = len(times)
    findings.again = sum(times.values()) - len(times)
    findings.note(
        "TWICE: messages taken more than once",
        [each for each, n in taken.items() if n > 1 and by_id[each].type == "systemMessage"],
    )
    findings.note(
        "TWICE: one command under several ids",
        [f"{event} {kind}" for (event, kind), found in ids.items() if len(found) > 1],
    )
    findings.note(
        "LOST: said to be sent, never taken",
        [each.id for each in commands if each.state == "sent" and not taken[each.id]],
    )
    findings.note(
        "came, though it was not to be sent",
        [
            each.id
            for each in commands
            if each.state in ("dropped", "stale", "needless") and taken[each.id]
        ],
    )


def _named(event: Kept) -> str:
    return f"{event.account_id}/{event.conv_id} #{event.position} {event.id}"


def plain(value: Any) -> str:
    """An id as text, however the database or the wire has it."""
    return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))
