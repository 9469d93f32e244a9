"""One conversation through all seven events, and how each platform tells of it.

The recording starts 22 s ago, so that an idle time of 15 s has run out by the time the
conversation waits in the queue of skill 7. What the bot does is taken up like on a real platform: a
transfer moves the conversation, a close ends it.
"""

import datetime as dt
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from django.test import Client

from invoker.models import Connection
from invoker.platforms import chatwoot as platform
from tests.conftest import CallbackServer
from tests.invoker import senders

FUNCTIONS: dict[str, Any] = {
    "new_conversation": {"type": "systemMessage", "text": "welcome"},
    "participants_change": {"type": "systemMessage", "text": "connected"},
    "ttr": {"type": "systemMessage", "text": "urgent"},
    "conversation_routing": {"type": "systemMessage", "text": "moved"},
    # The order of delivery is message, transfer, close, whatever the order asked for.
    "conversation_idle": [
        {"type": "transfer", "skillId": "9"},
        {"type": "systemMessage", "text": "sorry"},
    ],
    "mid_conversation_msg": [
        {"type": "closeConversation"},
        {"type": "systemMessage", "text": "closed now"},
        {"type": "systemMessage", "text": "never said"},
    ],
    "conversation_end": {"type": "systemMessage", "text": "bye"},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A conversation as it is at one moment; times in epoch milliseconds."""

    at: int
    start: int
    skill: str = "42"
    agent: str = ""
    urgent: bool = False
    closed_by: str = ""


def _now_ms() -> int:
    return int(time.time() * 1000)


def _opened() -> Scene:
    start = _now_ms() - 22_000
    return Scene(at=start - 1000, start=start - 1000)


@dataclass(slots=True)
class Talk:
    """The recording while it plays. `show` and `write` are how its platform tells of it."""

    show: Callable[[Scene], None]
    write: Callable[[int, int], None]
    """Takes the number and the time of a consumer's line."""
    work: Callable[[], None]
    scene: Scene = field(default_factory=_opened)

    def play(self, *, go_off_hours: Callable[[], None]) -> None:
        self._be()
        self.write(1, self.scene.at + 100)
        self._be(agent="7001")
        self._be(urgent=True)
        self._be(agent="", skill="7")
        # The idle function has transferred it by now.
        self._be(skill="9")
        go_off_hours()
        self.write(2, _now_ms())
        self.work()
        # The off-hours function has closed it by now.
        self._be(closed_by="AGENT", at=_now_ms())

    def _be(self, **facts: Any) -> None:
        self.scene = replace(self.scene, **{"at": self.scene.at + 1000} | facts)
        self.show(self.scene)
        self.work()


# Generic ------------------------------------------------------------------------------------------


def generic(connection: Connection, work: Callable[[], None]) -> Talk:
    def show(scene: Scene) -> None:
        facts = {
            "startTs": scene.start,
            "skillId": scene.skill,
            "participants": _participants(scene),
            "ttr": _ttr(scene),
            "state": "CLOSE" if scene.closed_by else "OPEN",
        }
        if scene.closed_by:
            facts["closeReason"] = scene.closed_by
        assert senders.post(connection, senders.updated(at=scene.at, **facts)).status_code == 202

    def write(number: int, at: int) -> None:
        line = senders.line(sequence=number, at=at)
        assert senders.post(connection, line).status_code == 202

    return Talk(show, write, work)


def called_back(server: CallbackServer) -> list[dict[str, Any]]:
    """The commands that arrived as CloudEvents at the callback URL."""
    return [json.loads(one.body)["data"]["command"] for one in server.requests]


# LivePerson webhooks ------------------------------------------------------------------------------


def liveperson(connection: Connection, work: Callable[[], None]) -> Talk:
    def show(scene: Scene) -> None:
        state = "CLOSE" if scene.closed_by else "OPEN"
        present = [each | {"state": "ACTIVE"} for each in _participants(scene)]
        details: dict[str, Any] = {
            "skillId": scene.skill,
            "brandId": connection.account_id,
            "state": state,
            "stage": state,
            "participants": _participants(scene),
            "dialogs": [{
                "dialogId": "c-1", "dialogType": "MAIN", "channelType": "MESSAGING",
                "state": state, "creationTs": scene.start, "metaDataLastUpdateTs": scene.at,
                "participantsDetails": present,
            }],
            "startTs": scene.start,
            "metaDataLastUpdateTs": scene.at,
            "ttr": _ttr(scene),
            "firstConversation": True,
        }  # fmt: skip
        if scene.closed_by:
            details |= {"closeReason": scene.closed_by, "endTs": scene.at}
        change = {
            "type": "UPSERT",
            "result": {"convId": "c-1", "effectiveTTR": -1, "conversationDetails": details},
        }
        _notify("cqm.ExConversationChangeNotification", {"changes": [change]})

    def write(number: int, at: int) -> None:
        change = {
            "sequence": number,
            "dialogId": "c-1",
            "conversationId": "c-1",
            "serverTimestamp": at,
            "originatorId": "consumer-1",
            "originatorMetadata": senders.CONSUMER,
            "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "hello"},
        }
        _notify("ms.MessagingEventNotification", {"dialogId": "c-1", "changes": [change]})

    def _notify(kind: str, inner: dict[str, Any]) -> None:
        body = json.dumps({"kind": "notification", "type": kind, "body": inner}).encode()
        answer = Client().post(
            f"/events/{connection.pk}",
            data=body,
            content_type="application/json",
            headers=senders.liveperson_headers(connection, body, "sha256"),
        )
        assert answer.status_code == 200

    return Talk(show, write, work)


# Chatwoot -----------------------------------------------------------------------------------------


def chatwoot(connection: Connection, work: Callable[[], None]) -> Talk:
    shown: dict[str, Any] = {}

    def show(scene: Scene) -> None:
        told = shown.get("status")
        shown.update(
            id=10,
            status="resolved" if scene.closed_by else "open",
            priority="urgent" if scene.urgent else None,
            channel="Channel::WebWidget",
            meta={
                "sender": {"id": 5, "name": "Ann", "type": "contact"},
                "assignee": {"id": int(scene.agent), "name": "Bob"} if scene.agent else None,
                "team": {"id": int(scene.skill), "name": "Support"},
            },
            created_at=scene.start // 1000,
            timestamp=scene.at // 1000,
            updated_at=scene.at / 1000,
        )
        changed = "conversation_status_changed" if scene.closed_by else "conversation_updated"
        _post({"event": changed if told else "conversation_created", **shown})

    def write(number: int, at: int) -> None:
        _post(
            {
                "event": "message_created",
                "id": number,
                "content": "hello",
                "message_type": "incoming",
                "created_at": dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(),
                "sender": {"id": 5, "name": "Ann", "type": "contact"},
                "conversation": shown,
                "account": {"id": 1, "name": "Acme"},
            }
        )

    def _post(document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        at = str(int(time.time()))
        answer = Client().post(
            f"/events/{connection.pk}",
            data=body,
            content_type="application/json",
            headers={
                "x-chatwoot-signature": platform.sign(connection.signing_secret, at, body),
                "x-chatwoot-timestamp": at,
                "x-chatwoot-delivery": str(uuid.uuid4()),
            },
        )
        assert answer.status_code == 200, answer.content

    return Talk(show, write, work)


def called(server: CallbackServer) -> list[tuple[str, Any]]:
    """The calls that arrived at Chatwoot's REST API: path and body."""
    return [(one.path, json.loads(one.body)) for one in server.requests]


def _participants(scene: Scene) -> list[dict[str, str]]:
    agent = [{"id": scene.agent, "role": "ASSIGNED_AGENT"}] if scene.agent else []
    return [senders.CONSUMER, *agent]


def _ttr(scene: Scene) -> dict[str, Any]:
    return (
        {"ttrType": "URGENT", "value": 300} if scene.urgent else {"ttrType": "NORMAL", "value": 600}
    )
