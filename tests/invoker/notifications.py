"""Notifications of one LivePerson conversation, and what derivation makes of them."""

import json
from bisect import bisect_right
from pathlib import Path
from typing import Any

from invoker.conversations import Circumstances, Shift, derive, read_notification

T0 = 1_700_000_000_000
PAYLOADS = Path(__file__).parents[1] / "payloads"

CONSUMER = {"id": "con-1", "role": "CONSUMER"}
AGENT = {"id": "agent-1", "role": "ASSIGNED_AGENT"}
OTHER_AGENT = {"id": "agent-2", "role": "ASSIGNED_AGENT"}
FRIEND = {"id": "con-2", "role": "CONSUMER"}
COLLEAGUE = {"id": "agent-3", "role": "AGENT"}
MANAGER = {"id": "agent-4", "role": "MANAGER"}
BOT = {"id": "bot", "role": "MANAGER"}
SUGGESTED = {"id": "agent-2", "role": "ASSIGNED_AGENT", "state": "SUGGESTED"}

NEW = "CONSUMER_OPEN_NEW_CONVERSATION"
URGENT = "CONSUMER_ASKED_URGENT_RESPONSE_TIME"
NOT_URGENT = "CONSUMER_CANCELED_URGENT_RESPONSE_TIME"
TIME_SET = "AGENT_UPDATED_RESPONSE_TIME"
CONNECTED = "YOU_ARE_CONNECTED_TO"
QUEUED = "BACK_TO_QUEUE"
JOINED = "ANOTHER_AGENT_JOINED_CONVERSATION"
LEFT = "JOINED_AGENT_LEFT_CONVERSATION"
TRANSFERRED = "ENGAGEMENT_TRANSFERED"
OFF_HOURS_LINE = "CONSUMER_SEND_MESSAGE_ON_OFFHOURS"


def dialog(kind="MAIN", state="OPEN", **more):
    dialog_id = "c-1" if kind == "MAIN" else f"c-1-{kind}"
    return {"dialogId": dialog_id, "dialogType": kind, "state": state} | more


def snapshot(at_s=0, *, change="UPSERT", **details):
    """A conversation change as the platform sends it; None leaves a field out."""
    last = details.pop("last", None)
    conversation = {
        "state": "OPEN",
        "stage": "OPEN",
        "skillId": "100",
        "participants": [CONSUMER],
        "dialogs": [dialog()],
        "startTs": T0,
        "metaDataLastUpdateTs": T0 + at_s * 1000,
        "ttr": {"ttrType": "NORMAL", "value": 600},
    } | details
    result = {
        "convId": "c-1",
        "effectiveTTR": T0 + 600_000,
        "conversationDetails": {k: v for k, v in conversation.items() if v is not None},
    }
    if last:
        result["lastContentEventNotification"] = last
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {"changes": [{"type": change, "result": result}]},
    }


def closed(at_s=0, **details):
    return snapshot(
        at_s,
        **{"state": "CLOSE", "closeReason": "AGENT", "dialogs": [dialog(state="CLOSE")]} | details,
    )


def event(sequence=0, at_s=0, author=CONSUMER, **more):
    return {
        "sequence": sequence,
        "dialogId": "c-1",
        "serverTimestamp": T0 + at_s * 1000,
        "originatorId": author["id"],
        "originatorMetadata": author,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "hi"},
    } | more


def line(sequence=0, at_s=0, author=CONSUMER, **more):
    return {
        "kind": "notification",
        "type": "ms.MessagingEventNotification",
        "body": {"changes": [event(sequence, at_s, author, **more)]},
    }


class Closed:
    """Office hours in seconds after T0: closed in these windows, open in between."""

    def __init__(self, *windows: tuple[float, float]) -> None:
        edges = [-T0, *(1000 * edge for window in windows for edge in window)]
        self.edges = [int(T0 + edge) for edge in edges]

    def shift(self, skill_id: str, at_ms: int) -> Shift:  # noqa: ARG002
        place = bisect_right(self.edges, at_ms)
        until_ms = self.edges[place] if place < len(self.edges) else None
        return Shift(open=place % 2 == 1, since_ms=self.edges[place - 1], until_ms=until_ms)


ALWAYS_CLOSED = Closed((-T0 / 1000, T0))


def play(*notifications, state=None, **circumstances):
    """Handle notifications as they come; the clock stands at each one's own time.

    Returns the state, what was derived and every note, in order.
    """
    derived, notes = [], []
    for notification in notifications:
        for change in read_notification(notification):
            now = Circumstances(**{"now_ms": change.ts_ms} | circumstances)
            derivation = derive(state, change, now)
            state = derivation.state
            derived += derivation.events
            notes.append(str(derivation.note))
    return state, derived, notes


def subtypes(derived):
    return [each.subtype or each.type for each in derived]


def captured(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())["notification"]
