"""What is remembered of conversations while a socket is open."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from invoker.platforms.liveperson import known, read_changes
from invoker.platforms.liveperson.known import Known, Memory

PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture
def opened() -> dict[str, Any]:
    """A conversation that was just opened, as the socket tells it."""
    found = json.loads((PAYLOADS / "liveperson_raw_opened.json").read_text())
    return dict(found["notification"])


def seen(envelope: dict[str, Any], ts_ms: int = 0, **details: Any) -> dict[str, Any]:
    """The same notification, so much later, with other details."""
    later = copy.deepcopy(envelope)
    result = later["body"]["changes"][0]["result"]
    result["lastUpdateTime"] += ts_ms
    result["conversationDetails"] |= details
    return later


def note(memory: Memory, envelope: dict[str, Any]) -> Known:
    [change] = read_changes(envelope)
    memory.note(change, envelope)
    found = memory.find(change.conv_id)
    assert found is not None
    return found


def participants(old_ids: list[str], pids: list[str]) -> dict[str, Any]:
    return {
        "participants": {"CONSUMER": ["con-1"], "ASSIGNED_AGENT": old_ids},
        "participantsPId": {"CONSUMER": ["con-1"], "ASSIGNED_AGENT": pids},
    }


def test_notification_that_comes_late_changes_nothing(opened: dict[str, Any]) -> None:
    memory = Memory([])
    note(memory, seen(opened, 10, skillId="200"))

    found = note(memory, seen(opened, 5, skillId="100"))

    assert found.skill_id == "200"


@pytest.mark.parametrize(
    ("old_ids", "pids", "assigned"),
    [
        ([], [], ()),
        (["1.501"], ["pid-501"], ("1.501",)),
        # The second is only suggested: which old id is whose is not said.
        (["1.501", "1.502"], ["pid-501"], ("pid-501",)),
        (["1.502"], [], ()),
        ([], ["pid-501"], ("pid-501",)),
    ],
)
def test_assigned_agent_is_known_by_the_old_id_where_it_is_certain(
    opened: dict[str, Any], old_ids: list[str], pids: list[str], assigned: tuple[str, ...]
) -> None:
    found = note(Memory([]), seen(opened, **participants(old_ids, pids)))

    assert found.assigned == assigned


@pytest.mark.parametrize(
    ("role", "joined"), [("MANAGER", True), ("AGENT", True), ("READER", False)]
)
def test_bot_is_in_the_conversation_when_it_may_write(
    opened: dict[str, Any], role: str, joined: bool
) -> None:
    here = {"participantsPId": {"CONSUMER": ["con-1"], role: ["pid-bot"]}}

    found = note(Memory(["pid-bot"]), seen(opened, **here))

    assert found.joined == joined


def test_shared_screen_is_no_dialog_to_write_in(opened: dict[str, Any]) -> None:
    main = opened["body"]["changes"][0]["result"]["conversationDetails"]["dialogs"][0]
    screen = {**main, "dialogId": "d-2", "dialogType": "OTHER", "channelType": "COBROWSE"}

    found = note(Memory([]), seen(opened, dialogs=[screen, main]))

    assert found.open_dialogs() == ["c-1"]


def test_closed_conversations_are_forgotten_in_time(
    opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "MOST_CLOSED", 2)
    memory = Memory([])

    for number in range(4):
        change = seen(opened, state="CLOSE" if number else "OPEN")
        change["body"]["changes"][0]["result"]["convId"] = f"c-{number}"
        note(memory, change)

    assert [memory.find(f"c-{number}") is not None for number in range(4)] == [
        True,
        False,
        True,
        True,
    ]
