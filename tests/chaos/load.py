"""A platform that sends all the time: signed, in order, and again whatever got no 2xx."""

import datetime as dt
import itertools
import json
import random
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from standardwebhooks import Webhook

from invoker import events

# In the order in which conversations go through them. What the functions of the first answer is
# in `tests.chaos.prepare`.
DERIVED = ("new_conversation", "conversation_routing", "participants_change", "ttr",
           "conversation_end")  # fmt: skip
CONSUMER = {"id": "consumer", "role": "CONSUMER"}
FIRST, SECOND = ({"id": each, "role": "ASSIGNED_AGENT"} for each in ("agent-1", "agent-2"))
# Each snapshot of a conversation differs from the one before by one thing, and so leads to one
# event of this type.
UPDATES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("new_conversation", {"skillId": "42"}),
    ("conversation_routing", {"skillId": "43"}),
    ("participants_change", {"skillId": "43", "participants": [CONSUMER, FIRST]}),
    ("conversation_routing", {"skillId": "44", "participants": [CONSUMER, FIRST]}),
    ("participants_change", {"skillId": "44", "participants": [CONSUMER, SECOND]}),
    ("ttr", {"skillId": "44", "participants": [CONSUMER, SECOND],
             "ttr": {"ttrType": "URGENT", "value": 60}}),
    ("conversation_end", {"skillId": "44", "state": "CLOSE", "closeReason": "AGENT"}),
)  # fmt: skip
LANES = 6
CONVERSATIONS_EACH = 3
LONGEST_DERIVED = 12
BATCHES, REPETITIONS, AT_ONCE, FORGED, OTHER_CONTENT = 0.25, 0.15, 0.08, 0.02, 0.03
LONGEST_BATCH = 5
ANSWERS_WITHIN_S = 8.0
AGAIN_AFTER_S = 0.3
# The database is away, or too much came at once: what a platform sends again later.
LATER = (503, 429)


@dataclass(frozen=True, slots=True)
class Door:
    account_id: str
    webhook_url: str
    signing_secret: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One notification; `number` counts those of its conversation, `event` is what it leads to."""

    id: str
    account_id: str
    conv_id: str
    number: int
    event: str
    is_update: bool


@dataclass(slots=True)
class Book:
    """What the sender wrote down. `accepted` has no notification without a 2xx."""

    sent: dict[str, Sent] = field(default_factory=dict)
    accepted: dict[str, Sent] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    said_new: int = 0
    repeated: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class _Conversation:
    conv_id: str
    is_update: bool
    began_ms: int
    sent: int = 0

    @property
    def is_over(self) -> bool:
        return self.sent >= (len(UPDATES) if self.is_update else LONGEST_DERIVED)


class Load:
    """Lanes that send beside each other; each has conversations of its own and waits for a 2xx."""

    def __init__(self, doors: list[Door], *, seed: int, every_s: float) -> None:
        self.book = Book()
        self._every_s = every_s
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._lane,
                args=(lane, doors[lane % len(doors)], random.Random(f"{seed}-{lane}")),
                name=f"lane {lane}",
                daemon=True,
            )
            for lane in range(LANES)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, *, within_s: float) -> None:
        """Send nothing new; what has no 2xx yet is sent until it has, or the time is over."""
        self._stopping.set()
        ends = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        self._giving_up.set()
        for thread in self._threads:
            thread.join(ANSWERS_WITHIN_S + 1)

    def _lane(self, lane: int, door: Door, rng: random.Random) -> None:
        numbers = itertools.count()
        conversations: list[_Conversation] = []
        lately: deque[list[dict[str, Any]]] = deque(maxlen=40)
        with (
            httpx.Client(timeout=ANSWERS_WITHIN_S) as client,
            ThreadPoolExecutor(2, f"at once {lane}") as beside,
        ):
            while not self._stopping.wait(rng.uniform(0.5, 1.5) * self._every_s):
                conversations = [each for each in conversations if not each.is_over]
                while len(conversations) < CONVERSATIONS_EACH:
                    number = next(numbers)
                    conversations.append(
                        _Conversation(f"c{lane}-{number}", bool(number % 2), now_ms())
                    )
                many = rng.randint(2, LONGEST_BATCH) if rng.random() < BATCHES else 1
                batch = []
                for _ in range(many):
                    open_ones = [each for each in conversations if not each.is_over]
                    if open_ones:
                        batch.append(self._next(door, rng.choice(open_ones)))
                if rng.random() < AT_ONCE:
                    # The platform's first attempt was slow, and the second does not wait for it.
                    with httpx.Client(timeout=ANSWERS_WITHIN_S) as other:
                        twin = beside.submit(self._until_taken, other, door, batch)
                        self._until_taken(client, door, batch)
                        twin.result()
                else:
                    self._until_taken(client, door, batch)
                lately.append(batch)
                if rng.random() < REPETITIONS:
                    self._repeat(client, door, rng.choice(lately))
                if rng.random() < FORGED:
                    self._forge(client, door, rng.choice(lately))
                if rng.random() < OTHER_CONTENT:
                    self._reuse(client, door, rng.choice(lately))

    def _next(self, door: Door, conversation: _Conversation) -> dict[str, Any]:
        number = conversation.sent
        conversation.sent += 1
        word = UPDATES[number][0] if conversation.is_update else DERIVED[number % len(DERIVED)]
        notification_id = f"{door.account_id}-{conversation.conv_id}-{number}"
        if conversation.is_update:
            kind = "com.houston.messaging.conversation.updated"
            data = {
                "conversationId": conversation.conv_id,
                "state": "OPEN",
                "participants": [CONSUMER],
                "ttr": {"ttrType": "NORMAL", "value": 600},
                "startTs": conversation.began_ms,
                "updatedTs": now_ms(),
                "firstConversation": True,
            } | UPDATES[number][1]
        else:
            kind = f"com.houston.messaging.event.{word}"
            payload = events.sample(f"controllerbot_messaging_{word}")["payload"]
            general = payload["general"] | {"convId": conversation.conv_id, "dialogId": str(number)}
            data = payload | {"general": general}
        with self.book.lock:
            self.book.sent[notification_id] = Sent(
                notification_id,
                door.account_id,
                conversation.conv_id,
                number,
                f"controllerbot_messaging_{word}",
                conversation.is_update,
            )
        return {
            "specversion": "1.0",
            "id": notification_id,
            "source": "//chaos/platform",
            "type": kind,
            "datacontenttype": "application/json",
            "data": data,
        }

    def _until_taken(self, client: httpx.Client, door: Door, batch: list[dict[str, Any]]) -> None:
        while not self._giving_up.is_set():
            answer = self._post(client, door, batch)
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                with self.book.lock:
                    for each in batch:
                        self.book.accepted[each["id"]] = self.book.sent[each["id"]]
                return
            if answer is not None and answer.status_code not in LATER:
                self._fault(f"{answer.status_code} for {batch[0]['id']}: {answer.text[:300]}")
            self._stopping.wait(AGAIN_AFTER_S) if not self._stopping.is_set() else time.sleep(
                AGAIN_AFTER_S
            )

    def _repeat(self, client: httpx.Client, door: Door, batch: list[dict[str, Any]]) -> None:
        """Send what had its 2xx: it must be known."""
        answer = self._post(client, door, batch)
        if answer is None or answer.status_code in LATER:
            return
        with self.book.lock:
            self.book.repeated += len(batch)
        if (answer.status_code, answer.json().get("accepted")) != (202, 0):
            self._fault(f"repetition of {batch[0]['id']}: {answer.status_code} {answer.text[:300]}")

    def _forge(self, client: httpx.Client, door: Door, batch: list[dict[str, Any]]) -> None:
        """Send something new with a signature that is not the account's."""
        forged = Door(door.account_id, door.webhook_url, SOMEBODYS_SECRET)
        new = [each | {"id": f"forged-{each['id']}"} for each in batch]
        self._must_refuse(self._post(client, forged, new), 401, new)

    def _reuse(self, client: httpx.Client, door: Door, batch: list[dict[str, Any]]) -> None:
        """Send something else under an id that is taken."""
        other = [
            each | {"type": "com.houston.messaging.event.ttr", "data": _OTHER} for each in batch
        ]
        self._must_refuse(self._post(client, door, other), 409, other)

    def _must_refuse(
        self, answer: httpx.Response | None, status: int, batch: list[dict[str, Any]]
    ) -> None:
        if answer is not None and answer.status_code not in (status, *LATER):
            self._fault(
                f"{answer.status_code} instead of {status} for {batch[0]['id']}: "
                f"{answer.text[:300]}"
            )

    def _post(
        self, client: httpx.Client, door: Door, batch: list[dict[str, Any]]
    ) -> httpx.Response | None:
        single = len(batch) == 1
        body = json.dumps(batch[0] if single else batch)
        now = dt.datetime.now(dt.UTC)
        kind = "cloudevents+json" if single else "cloudevents-batch+json"
        message_id = f"msg-{batch[0]['id']}"
        try:
            answer = client.post(
                door.webhook_url,
                content=body,
                headers={
                    "content-type": f"application/{kind}",
                    "webhook-id": message_id,
                    "webhook-timestamp": str(int(now.timestamp())),
                    "webhook-signature": Webhook(door.signing_secret).sign(message_id, now, body),
                },
            )
        except httpx.HTTPError as error:
            with self.book.lock:
                self.book.answers[type(error).__name__] += 1
            return None
        with self.book.lock:
            self.book.answers[str(answer.status_code)] += 1
            if answer.status_code == httpx.codes.ACCEPTED:
                self.book.said_new += answer.json()["accepted"]
        return answer

    def _fault(self, text: str) -> None:
        with self.book.lock:
            self.book.faults.append(text)


def _other() -> dict[str, Any]:
    payload = events.sample("controllerbot_messaging_ttr")["payload"]
    return payload | {"general": payload["general"] | {"convId": "somewhere-else"}}


_OTHER = _other()
SOMEBODYS_SECRET = "whsec_" + "bm90LXRoZS1hY2NvdW50cy1vd24tc2VjcmV0LWtleQ=="


def now_ms() -> int:
    return int(time.time() * 1000)
