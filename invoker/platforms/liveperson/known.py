"""What the socket has seen of each conversation last, to act on without waiting for the database.

While a command is on its way its conversation is not brought up to date in the database, so
who is assigned now is known here only.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from invoker import conversations
from invoker.conversations import NO_SKILL, Change, Snapshot

MOST_CLOSED = 10_000
MAY_WRITE = frozenset({"MANAGER", "AGENT", "ASSIGNED_AGENT"})
_CHANNEL = "MESSAGING"


@dataclass(slots=True)
class Known:
    """One conversation. `assigned` are old ids (`<account>.<user>`) where the platform gave them.

    `dialogs` are those in which people write, with the state of each. `newest` is the sequence of
    the newest message by dialog that is stored; `gap` what it was when messages may have been
    missed, until they were fetched.
    """

    conv_id: str
    ts_ms: int = -1
    is_open: bool = True
    skill_id: str = NO_SKILL
    assigned: tuple[str, ...] = ()
    joined: bool = False
    asked_to_join: bool = False
    dialogs: dict[str, str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    gap: dict[str, int] | None = None
    joining: threading.Lock = field(default_factory=threading.Lock)

    def open_dialogs(self) -> list[str]:
        return [one for one, state in self.dialogs.items() if state != "CLOSE"] or (
            [self.conv_id] if self.is_open and not self.dialogs else []
        )


class Memory:
    """The conversations of one connection. Open ones stay, of the closed ones the last few."""

    def __init__(self, own_ids: Iterable[str]) -> None:
        self.own_ids = frozenset(own_ids)
        self._known: dict[str, Known] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._dialogs: dict[str, str] = {}
        self._changed = threading.Condition()

    def recall(self, state: conversations.State) -> Known:
        """Take over what the database has of a conversation, unless it is known here."""
        with self._changed:
            if state.conv_id in self._known:
                return self._known[state.conv_id]
            known = Known(
                state.conv_id,
                ts_ms=state.ts_ms,
                is_open=state.state != "CLOSE",
                skill_id=state.skill_id,
                assigned=tuple(p.id for p in state.participants if p.role == "ASSIGNED_AGENT"),
                joined=any(
                    p.role in MAY_WRITE and p.id in self.own_ids for p in state.participants
                ),
                dialogs={one: dialog.state for one, dialog in state.dialogs.items()},
                newest=dict(state.last_seq),
            )
            self._keep(known)
            return known

    def find(self, conv_id: str) -> Known | None:
        with self._changed:
            return self._known.get(conv_id)

    def open_ones(self) -> list[Known]:
        with self._changed:
            return [one for one in self._known.values() if one.is_open]

    def conversation_of(self, dialog_id: str) -> str:
        """A dialog beside the main one has an id of its own."""
        with self._changed:
            return self._dialogs.get(dialog_id, dialog_id)

    def note(self, change: Change, envelope: dict[str, Any]) -> None:
        """Take a conversation's change in. `envelope` is the notification that holds it alone."""
        assert isinstance(change.body, Snapshot)
        with self._changed:
            known = self._known.get(change.conv_id) or Known(change.conv_id)
            if change.ts_ms >= known.ts_ms:
                self._see(known, change, change.body, envelope)
            self._keep(known)
            self._changed.notify_all()

    def note_newest(self, change: Change) -> None:
        """Remember how far the messages of a dialog are stored."""
        if isinstance(change.body, Snapshot):
            return
        line = change.body
        with self._changed:
            known = self._known.get(change.conv_id) or Known(change.conv_id)
            newest = known.newest.get(line.dialog_id, -1)
            known.newest[line.dialog_id] = max(newest, line.sequence)
            self._keep(known)

    def await_change(self, conv_id: str, seen_ms: int, within_s: float) -> Known | None:
        """The conversation once something newer than `seen_ms` is known of it, else as it is."""

        def is_newer() -> bool:
            known = self._known.get(conv_id)
            return known is not None and (known.ts_ms > seen_ms or not known.is_open)

        with self._changed:
            self._changed.wait_for(is_newer, within_s)
            return self._known.get(conv_id)

    def _see(
        self, known: Known, change: Change, snapshot: Snapshot, envelope: dict[str, Any]
    ) -> None:
        known.ts_ms = change.ts_ms
        known.is_open = snapshot.state != "CLOSE"
        if snapshot.skill_id is not None:
            known.skill_id = snapshot.skill_id
        if snapshot.participants is not None:
            known.assigned = _assigned(snapshot, envelope)
            if any(p.role in MAY_WRITE and p.id in self.own_ids for p in snapshot.participants):
                known.joined = True
        for dialog in snapshot.dialogs or ():
            if dialog.channel_type in (_CHANNEL, None):
                known.dialogs[dialog.dialog_id] = dialog.state or snapshot.state
                self._dialogs[dialog.dialog_id] = change.conv_id

    def _keep(self, known: Known) -> None:
        self._known[known.conv_id] = known
        self._closed.pop(known.conv_id, None)
        if not known.is_open:
            self._closed[known.conv_id] = None
            if len(self._closed) > MOST_CLOSED:
                oldest, _ = self._closed.popitem(last=False)
                for dialog_id in self._known.pop(oldest).dialogs:
                    self._dialogs.pop(dialog_id, None)


def _assigned(snapshot: Snapshot, envelope: dict[str, Any]) -> tuple[str, ...]:
    """Who has the conversation. Old ids and new ones stand in two lists without a link.

    Where there is one in each they are the same person; else the new ids serve as well.
    """
    pids = tuple(p.id for p in snapshot.participants or () if p.role == "ASSIGNED_AGENT")
    [raw] = envelope["body"]["changes"]
    listed = raw["result"]["conversationDetails"].get("participants")
    old_ids = listed.get("ASSIGNED_AGENT", []) if isinstance(listed, dict) else []
    return (old_ids[0],) if len(pids) == len(old_ids) == 1 else pids
