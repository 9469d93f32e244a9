"""The ledger of `make chaos` sees what is wrong: it is told of each harm to a small world."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.chaos import ledger
from tests.chaos.load import Book, Sent
from tests.chaos.receiver import Came

ROUTING = "controllerbot_messaging_conversation_routing"
EVENT_IDS = [str(uuid.UUID(int=number)) for number in (1, 2)]
COMMAND_IDS = [str(uuid.UUID(int=number)) for number in (11, 12, 21)]


@dataclass(slots=True)
class World:
    """Two events of a conversation: of one came a message and a transfer, of one a message."""

    book: Book = field(default_factory=Book)
    tables: dict[str, list[list[Any]]] = field(default_factory=dict)
    came: list[Came] = field(default_factory=list)
    disk: None = None
    kept: None = None

    def rows(self, query: str) -> list[list[Any]]:
        return self.tables[query]

    def cut(self) -> None:
        raise NotImplementedError

    def differences(self) -> set[str]:
        found = ledger.compare(self.book, self, self.came, []).differences
        return {what.partition(":")[0] for what in found}


@pytest.fixture
def world() -> World:
    made = World()
    for number in (0, 1):
        sent = Sent(f"n-{number}", "chaos1", "c1", number, ROUTING, is_update=False)
        made.book.sent[sent.id] = made.book.accepted[sent.id] = sent
    made.book.said_new = 2
    made.tables = {
        ledger.NOTIFICATIONS: [
            [number + 1, json.dumps({"id": f"n-{number}"}).encode(), "done", "", "chaos1", "c1"]
            for number in (0, 1)
        ],
        ledger.EVENTS: [
            [EVENT_IDS[number], number + 1, ROUTING, "done", "delivered", number + 1, "chaos1",
             "c1", "", None, None]
            for number in (0, 1)
        ],
        ledger.COMMANDS: [
            [COMMAND_IDS[0], EVENT_IDS[0], "systemMessage", "sent", "", 0, "1:m", "chaos1", ""],
            [COMMAND_IDS[1], EVENT_IDS[0], "transfer", "sent", "", 1, "1:t", "chaos1", ""],
            [COMMAND_IDS[2], EVENT_IDS[1], "systemMessage", "sent", "", 0, "2:m", "chaos1", ""],
        ],
        ledger.INVOCATIONS: [[EVENT_IDS[0], "SUCCEEDED"], [EVENT_IDS[1], "SUCCEEDED"]],
    }  # fmt: skip
    for command in made.tables[ledger.COMMANDS]:
        made.came.append(Came(command[0], command[1], "chaos1", "c1", command[2], "", taken=True))
    return made


def test_nothing_is_found_where_nothing_is_wrong(world: World) -> None:
    # The platform said no at first, so it came again under its id.
    world.came.insert(0, replace(world.came[0], taken=False))

    assert world.differences() == set()


def losing_a_notification(world: World) -> None:
    del world.tables[ledger.NOTIFICATIONS][1]
    world.tables[ledger.EVENTS][1][1] = None


def storing_a_notification_twice(world: World) -> None:
    world.tables[ledger.NOTIFICATIONS].append([3, *world.tables[ledger.NOTIFICATIONS][1][1:]])


def leaving_a_notification(world: World) -> None:
    world.tables[ledger.NOTIFICATIONS][0][2] = "failed"


def deriving_nothing(world: World) -> None:
    world.tables[ledger.EVENTS][1][1] = None


def leaving_an_event(world: World) -> None:
    world.tables[ledger.EVENTS][0][3] = "delivering"


def deriving_out_of_order(world: World) -> None:
    first, second = world.tables[ledger.EVENTS]
    first[1], second[1] = second[1], first[1]


def taking_a_message_twice(world: World) -> None:
    world.came.append(world.came[2])


def sending_under_a_new_id(world: World) -> None:
    other = str(uuid.UUID(int=99))
    world.tables[ledger.COMMANDS].append(
        [other, *world.tables[ledger.COMMANDS][0][1:6], "1:n", "chaos1", ""]
    )
    world.came.insert(1, replace(world.came[0], command_id=other))


def sharing_a_key(world: World) -> None:
    world.tables[ledger.COMMANDS][2][6] = "1:m"


def not_sending(world: World) -> None:
    del world.came[1]


def overtaking(world: World) -> None:
    world.came.reverse()


def sending_what_was_dropped(world: World) -> None:
    world.tables[ledger.COMMANDS][2][3] = "stale"


def sending_what_nobody_has(world: World) -> None:
    world.came.append(replace(world.came[0], command_id=str(uuid.UUID(int=99))))


def running_for_ever(world: World) -> None:
    world.tables[ledger.INVOCATIONS][0][1] = "RUNNING"


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (losing_a_notification, "LOST"),
        (storing_a_notification_twice, "TWICE"),
        (leaving_a_notification, "notifications left failed"),
        (deriving_nothing, "LOST"),
        (leaving_an_event, "events without an outcome"),
        (deriving_out_of_order, "OUT OF ORDER"),
        (taking_a_message_twice, "TWICE"),
        (sending_under_a_new_id, "TWICE"),
        (sharing_a_key, "TWICE"),
        (not_sending, "LOST"),
        (overtaking, "OUT OF ORDER"),
        (sending_what_was_dropped, "came, though it was not to be sent"),
        (sending_what_nobody_has, "came, and nobody has it stored"),
        (running_for_ever, "runs without an end"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_harm_is_found(world: World, harm: Callable[[World], None], found: str) -> None:
    harm(world)

    assert found in world.differences()
