"""How many notifications a second become events, and how that grows with known conversations.

    make bench-derive

Measured twice with 10, 1,000 and 100,000 conversations that are all known: pure (JSON to JSON,
states in a dictionary) and as a worker does it (rows of an SQLite file). All numbers are measured
in every round, and the same bytes go through the floor, which only decodes them: a machine that is
slow for a while is slow for all, so read the ratios. In memory, seconds are those of the processor;
rows also wait for the disk. Ends with 1 when a bar does not hold.
"""

import argparse
import datetime as dt
import gc
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
import msgspec
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

# A database of its own, which is gone afterwards; the settings read where it is.
DIRECTORY = tempfile.TemporaryDirectory(prefix="houston-bench-")
os.environ["HOUSTON_DATA_DIR"] = DIRECTORY.name
os.environ["DJANGO_SETTINGS_MODULE"] = "houston.settings"
django.setup()

from invoker import conversations, digesting, dispatch  # noqa: E402
from invoker.models import Connection, Conversation, Event, Lease, Notification  # noqa: E402
from invoker.platforms import PLATFORMS  # noqa: E402

KNOWN = (10, 1_000, 100_000)
PURE_ROUNDS, PURE_EACH = 5, 2_000
STORED_ROUNDS, STORED_EACH = 5, 100
ROWS_AT_ONCE = 5_000
WAVE = 10
T0 = 1_700_000_000_000
STEP_MS = 1_000
# Long enough that everything which a state keeps a bounded number of is there to its bound.
LIVED = 40
# Has the length of the ids of conversations, so that states of others are this one's bytes.
ANY = "00000000-0000-4000-8000-000000000000"
DERIVED_BAR, GROWTH_BAR = 10_000, 1.5

OPENED = Path(__file__).parents[1] / "payloads" / "liveperson_webhook_opened.json"
CONTEXT = {
    "type": "SharkContext",
    "lang": "en-US",
    "visitorId": "A5MjIzNWQ4ZWY2NjU4ZTRk",
    "sessionId": "LtoNsJl2TZ2kZ0fXgYqA3w",
    "clientProperties": {
        "type": ".ClientProperties",
        "appId": "webAsync",
        "ipAddress": "203.0.113.7",
        "os": "LINUX",
        "integration": "WEB_SDK",
        "features": ["AUTO_MESSAGES", "MULTI_DIALOG", "QUICK_REPLIES", "RICH_CONTENT"],
    },
}
CONSUMER = "5c40c7731ad3f3d49a4a7cdd90e01dd33ab95446a7451884a76ab3079a757a5c"
AGENT = "52e05c00-d5e4-4823-8cf7-62570b939a63"
COLLEAGUE = "9d3b1b76-6b0c-4f3f-8a55-0f6f5f3f6d21"

# Half are lines, as in life; each of the others is news. Every row: who is there, skill, urgency.
ACTS: tuple[str | tuple[tuple[str, ...], str, str], ...] = (
    "CONSUMER",
    ((), "100", "NORMAL"),
    "CONSUMER",
    (("ASSIGNED_AGENT",), "100", "NORMAL"),
    "ASSIGNED_AGENT",
    (("ASSIGNED_AGENT",), "100", "URGENT"),
    "CONSUMER",
    (("ASSIGNED_AGENT", "AGENT"), "100", "NORMAL"),
    "ASSIGNED_AGENT",
    (("ASSIGNED_AGENT",), "200", "NORMAL"),
)
PEOPLE = {"CONSUMER": CONSUMER, "ASSIGNED_AGENT": AGENT, "AGENT": COLLEAGUE}

decode_state = msgspec.json.Decoder(conversations.State).decode
encode = msgspec.json.Encoder().encode


# Notifications, each with the number of its conversation.
Sent = list[tuple[int, bytes]]


@dataclass(slots=True)
class Row:
    """One number of known conversations. Seconds of each round, beside those of the floor."""

    name: str
    known: int
    each: int
    took_s: list[float] = field(default_factory=list)
    floor_s: list[float] = field(default_factory=list)
    derived: int = 0

    @property
    def per_second(self) -> float:
        return self.each / statistics.median(self.took_s)

    @property
    def floor_per_second(self) -> float:
        return self.each / statistics.median(self.floor_s)

    @property
    def times_floor(self) -> float:
        pairs = zip(self.took_s, self.floor_s, strict=True)
        return statistics.median(took / floor for took, floor in pairs)


class Platform:
    """Sends what happens in its conversations, each one's notifications in order."""

    def __init__(self) -> None:
        self._next = Counter[int]()
        self._random = random.Random(4)  # noqa: S311 the same choice in every run

    def send(self, known: int, count: int) -> Sent:
        """Notifications of conversations at random, ten different ones and again ten."""
        sent = []
        for _ in range(count // WAVE):
            for number in self._random.sample(range(known), WAVE):
                # Not all at the same point of their lives, else a round were all of one kind.
                step = LIVED + number % len(ACTS) + self._next[number]
                sent.append((number, notification(conversation_id(number), step)))
                self._next[number] += 1
        return sent


def conversation_id(number: int) -> str:
    return f"{number:08x}{ANY[8:]}"


def notification(conv_id: str, step: int) -> bytes:
    act = ACTS[step % len(ACTS)]
    at_ms = T0 + step * STEP_MS
    if isinstance(act, str):
        return encode(_line(conv_id, step, act, at_ms))
    present, skill_id, urgency = act
    people = [{"id": PEOPLE[role], "role": role} for role in ("CONSUMER", *present)]
    sent: dict[str, Any] = json.loads(OPENED_TEXT)
    result = sent["body"]["changes"][0]["result"]
    result["convId"] = conv_id
    details = result["conversationDetails"]
    [main] = details["dialogs"]
    main |= {"dialogId": conv_id, "creationTs": T0, "metaDataLastUpdateTs": at_ms}
    main["participantsDetails"] = [person | {"state": "ACTIVE"} for person in people]
    details |= {"startTs": T0, "metaDataLastUpdateTs": at_ms, "participants": people}
    details |= {"skillId": skill_id, "ttr": {"ttrType": urgency, "value": 600}, "context": CONTEXT}
    return encode(sent)


OPENED_TEXT = json.dumps(json.loads(OPENED.read_text())["notification"])


def _line(conv_id: str, sequence: int, role: str, at_ms: int) -> dict[str, Any]:
    change = {
        "sequence": sequence,
        "dialogId": conv_id,
        "conversationId": conv_id,
        "serverTimestamp": at_ms,
        "originatorId": PEOPLE[role],
        "originatorMetadata": {"id": PEOPLE[role], "role": role},
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "Hello " * 12},
    }
    body = {"dialogId": conv_id, "changes": [change]}
    return {"kind": "notification", "type": "ms.MessagingEventNotification", "body": body}


def derive(stored: bytes | None, body: bytes) -> conversations.Derivation:
    [change] = conversations.read_notification(msgspec.json.decode(body))
    return conversations.derive(
        decode_state(stored) if stored else None,
        change,
        conversations.Circumstances(now_ms=change.ts_ms + 50),
    )


def lived_state() -> bytes:
    """The state of a conversation in which a lot has happened."""
    stored: bytes | None = None
    for step in range(LIVED):
        stored = encode(derive(stored, notification(ANY, step)).state)
    assert stored
    return stored


def state_of(number: int, lived: bytes) -> bytes:
    return lived.replace(ANY.encode(), conversation_id(number).encode())


# --- the rounds -----------------------------------------------------------------------------------


def pure() -> list[Row]:
    lived = lived_state()
    print(f"  A state takes {len(lived):,} bytes\n")
    rows = [Row("states in memory", known, PURE_EACH) for known in KNOWN]
    platforms = [Platform() for _ in KNOWN]
    kept = [{n: state_of(n, lived) for n in range(known)} for known in KNOWN]
    gc.freeze()
    for _ in range(PURE_ROUNDS):
        for row, sender, states in zip(rows, platforms, kept, strict=True):
            sent = sender.send(row.known, row.each)
            row.floor_s.append(seconds_of_floor(sent))
            began = time.process_time()
            row.derived += take_pure(states, sent)
            row.took_s.append(time.process_time() - began)
    return rows


def seconds_of_floor(sent: Sent) -> float:
    began = time.process_time()
    for _, body in sent:
        msgspec.json.decode(body)
    return time.process_time() - began


def take_pure(states: dict[int, bytes], sent: Sent) -> int:
    derived = 0
    for number, body in sent:
        derivation = derive(states[number], body)
        states[number] = encode(derivation.state)
        derived += len(derivation.events)
    return derived


def stored() -> list[Row]:
    """The same with a file for each number of rows, all measured in every round."""
    rows = [Row("rows of SQLite", known, STORED_EACH) for known in KNOWN]
    senders = [Platform() for _ in KNOWN]
    lived = lived_state()
    empty = Path(DIRECTORY.name) / "empty.sqlite3"
    open_database(empty)
    call_command("migrate", verbosity=0)
    bench = Connection.objects.create(
        account_id="12345678",
        platform="liveperson",
        name="bench",
        signing_secret="bench",
        listening_since=dt.datetime.fromtimestamp(T0 / 1000, dt.UTC),
    )
    connection.close()
    files = [empty.with_name(f"{known}.sqlite3") for known in KNOWN]
    for row, file in zip(rows, files, strict=True):
        shutil.copy(empty, file)
        open_database(file)
        insert_conversations(bench, lived, row.known)
    for _ in range(STORED_ROUNDS):
        for row, file, sender in zip(rows, files, senders, strict=True):
            open_database(file)
            before = Event.objects.count()
            sent = sender.send(row.known, row.each)
            row.floor_s.append(seconds_of_floor(sent))
            # Each conversation has one notification when its turn comes, as on a quiet day.
            waves = [sent[n : n + WAVE] for n in range(0, len(sent), WAVE)]
            row.took_s.append(sum(seconds_of_wave(bench, wave) for wave in waves))
            row.derived += Event.objects.count() - before
    connection.close()
    return rows


def open_database(file: Path) -> None:
    connection.close()
    connection.settings_dict["NAME"] = str(file)


def seconds_of_wave(bench: Connection, wave: Sent) -> float:
    due = insert_notifications(bench, wave)
    began = time.perf_counter()
    take_stored(due)
    return time.perf_counter() - began


def insert_conversations(bench: Connection, lived: bytes, known: int) -> None:
    """The number of a conversation is its key, less one."""
    for first in range(0, known, ROWS_AT_ONCE):
        Conversation.objects.bulk_create(
            Conversation(
                pk=number + 1,
                account_id=bench.account_id,
                connection=bench,
                conv_id=conversation_id(number),
                consumer_id=CONSUMER,
                state=msgspec.json.decode(state_of(number, lived)),
            )
            for number in range(first, min(first + ROWS_AT_ONCE, known))
        )


def insert_notifications(bench: Connection, sent: Sent) -> list[int]:
    """Store what was sent as a door does. Gives the conversations that wait."""
    platform = PLATFORMS[bench.platform]
    now = timezone.now()
    rows = []
    for number, body in sent:
        [taken] = platform.read({}, body)
        change = platform.digest(body)
        assert isinstance(change, conversations.Change)
        rows.append(
            Notification(
                account_id=bench.account_id,
                connection=bench,
                conversation_id=number + 1,
                kind=taken.kind,
                dedupe_key=taken.dedupe_key,
                body=body,
                sha256=taken.fingerprint,
                receipt=bench.pk,
                received_at=dt.datetime.fromtimestamp(change.ts_ms / 1000 + 0.05, dt.UTC),
            )
        )
    Notification.objects.bulk_create(rows)
    due = [number + 1 for number, _ in sent]
    Conversation.objects.filter(pk__in=due).update(due_at=now, lease_until=None)
    return due


def take_stored(due: list[int]) -> None:
    """What a worker does of each conversation before the first function runs."""
    for pk in due:
        lease = Lease.claim(pk, dispatch.LEASE)
        assert lease
        conversation = Conversation.objects.select_related("connection").get(pk=pk)
        seen = lease.arrived()
        digesting.digest(lease, conversation, digesting.Rules.load(conversation))
        assert lease.release(seen=seen, due_at=None)


def parts() -> dict[str, float]:
    """Microseconds of each part of the way in memory, for one notification."""
    known = KNOWN[1]
    lived = lived_state()
    states = {number: state_of(number, lived) for number in range(known)}
    sender = Platform()
    taken: dict[str, list[float]] = {}
    for _ in range(PURE_ROUNDS):
        marks = dict.fromkeys(("decode", "read", "state in", "derive", "state out"), 0.0)
        for number, body in sender.send(known, PURE_EACH):
            began = time.process_time()
            decoded = msgspec.json.decode(body)
            marks["decode"] -= began - (began := time.process_time())
            [change] = conversations.read_notification(decoded)
            marks["read"] -= began - (began := time.process_time())
            state = decode_state(states[number])
            marks["state in"] -= began - (began := time.process_time())
            now = conversations.Circumstances(now_ms=change.ts_ms + 50)
            derivation = conversations.derive(state, change, now)
            marks["derive"] -= began - (began := time.process_time())
            states[number] = encode(derivation.state)
            marks["state out"] -= began - time.process_time()
        for name, seconds in marks.items():
            taken.setdefault(name, []).append(seconds / PURE_EACH * 1e6)
    return {name: statistics.median(rounds) for name, rounds in taken.items()}


# --- the run --------------------------------------------------------------------------------------


def print_rows(rows: list[Row]) -> None:
    print(f"  {'':<20}{'known':>9}{'per second':>12}{'floor':>12}{'x floor':>9}{'events':>9}")
    for row in rows:
        print(
            f"  {row.name:<20}{row.known:>9,}{row.per_second:>12,.0f}"
            f"{row.floor_per_second:>12,.0f}{row.times_floor:>9.1f}{row.derived:>9,}"
        )
    print()


def growth(rows: list[Row]) -> float:
    """How many times as long the most known conversations take as the fewest, in one round."""
    pairs = zip(rows[-1].took_s, rows[0].took_s, strict=True)
    return statistics.median(most / fewest for most, fewest in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, msgspec {msgspec.__version__}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    in_memory = pure()
    print_rows(in_memory)
    spent = parts()
    print(f"  Of that, µs: {', '.join(f'{name} {us:.0f}' for name, us in spent.items())}\n")
    with DIRECTORY:
        in_rows = stored()
    print_rows(in_rows)
    bars = [
        ("derive alone, a second", 1e6 / spent["derive"], DERIVED_BAR),
        ("growth from 10 to 100,000, in memory", growth(in_memory), GROWTH_BAR),
        ("growth from 10 to 100,000, in rows", growth(in_rows), GROWTH_BAR),
    ]
    hold = True
    for name, value, bar in bars:
        holds = value >= bar if bar == DERIVED_BAR else value <= bar
        hold &= holds
        sign = "≥" if bar == DERIVED_BAR else "≤"
        print(f"  {name:<40}{value:10,.2f}  {sign} {bar:,g}{'' if holds else '  FAILS'}")
    if arguments.json:
        figures = {
            f"{row.name}, {row.known}": {
                "per_second": row.per_second,
                "floor_per_second": row.floor_per_second,
                "times_floor": row.times_floor,
            }
            for row in (*in_memory, *in_rows)
        }
        arguments.json.write_text(json.dumps(figures, indent=1))
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
