"""The vendor's own client, as a second bot in the same conversations.

It holds our idea of the wire to what LivePerson ships: it must understand our server, see what our
bot does, and be seen by it; and for the same act both must send the same frame.
"""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invoker.models import CommandType, Connection, Notification
from tests.liveperson.conftest import Start, eventually, is_connected
from tests.liveperson.test_delivery import deliver
from tests.liveperson.ums import ACCOUNT, Conversation, Ums, User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.contract]
BOT = Path(__file__).parent / "bot.mjs"


class SecondBot:
    def __init__(self, ums: Ums) -> None:
        command = ["node", str(BOT), ums.csds, ACCOUNT, json.dumps(ums.other_bot.login)]
        self._process = subprocess.Popen(
            command,
            cwd=BOT.parent,
            env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(ums.authority_file)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told: dict[str, queue.Queue[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def told(self, kind: str, *, timeout_s: float = 20) -> Any:
        """The next of a kind that it tells."""
        return self._queue(kind).get(timeout=timeout_s)

    def heard(self, text: str) -> dict[str, Any]:
        """The message with this text, as the client gives it to its bot."""
        while True:
            body = self.told("message")
            [change] = body["changes"]
            if change["event"]["message"] == text:
                return dict(change)

    def saw(self, **details: Any) -> dict[str, Any]:
        """The next view of the conversation that has these details."""
        while True:
            for change in self.told("conversation")["changes"]:
                found = change["result"]["conversationDetails"]
                if details.items() <= found.items():
                    return dict(found)

    def call(self, name: str, body: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": name, "body": body}) + "\n")
        self._process.stdin.flush()
        outcome = self.told(name)
        assert not outcome.get("error"), outcome
        return outcome.get("answer")

    def update(self, conversation: Conversation, *fields: dict[str, Any]) -> Any:
        body = {"conversationId": conversation.id, "conversationField": list(fields)}
        return self.call("updateConversationField", body)

    def publish(self, dialog_id: str, text: str) -> Any:
        event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
        return self.call("publishEvent", {"dialogId": dialog_id, "event": event})

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._reader.join(5)
            self._process.stdout.close()

    def _queue(self, kind: str) -> "queue.Queue[Any]":
        with self._lock:
            return self._told.setdefault(kind, queue.Queue())

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._queue(said["kind"]).put(said.get("value"))


@pytest.fixture
def second(ums: Ums) -> Iterator[SecondBot]:
    bot = SecondBot(ums)
    yield bot
    bot.end()


@pytest.fixture
def both(ums: Ums, start: Start, second: SecondBot) -> SecondBot:
    """Both bots are connected and have subscribed."""
    start()
    assert eventually(is_connected)
    assert second.told("connected") == {"pid": ums.other_bot.pid, "oldId": ums.other_bot.old_id}
    assert second.call("subscribeExConversations", {"convState": ["OPEN"]})["subscriptionId"]
    return second


def stored() -> list[dict[str, Any]]:
    """What our bot has stored, oldest first."""
    bodies = Notification.objects.order_by("pk").values_list("body", flat=True)
    return [json.loads(bytes(one)) for one in bodies]


def frames(ums: Ums, bot: User) -> list[dict[str, Any]]:
    """What a bot sent, with nothing that must differ between two bots."""
    text = json.dumps([{**one, "id": "id"} for one in ums.sent_by(bot)])
    return list(json.loads(text.replace(bot.old_id, "me")))


def test_both_bots_see_the_same_conversation(ums: Ums, both: SecondBot) -> None:
    conversation = ums.open(text="hello", skill="100", first=True)

    details = both.saw(skillId="100", firstConversation=True)

    assert details["participants"] == [{"id": "consumer-1", "role": "CONSUMER"}]
    assert eventually(lambda: len(stored()) >= 2)
    ours = stored()[0]["body"]["changes"][0]["result"]["conversationDetails"]
    # The client leaves out what bots of its kind need not know, and merges the two id lists.
    shared = details.keys() - {"participants", "dialogs"}
    assert {name: ours[name] for name in shared} == {name: details[name] for name in shared}
    assert conversation.id == stored()[0]["body"]["changes"][0]["result"]["convId"]


def test_what_our_bot_does_is_seen_by_the_other(ums: Ums, both: SecondBot) -> None:
    conversation = ums.open(text="hello", skill="100")
    conversation.joins(ums.other_bot, "READER")
    conversation.assign(ums.anna)
    assert eventually(lambda: conversation.member(ums.bot))

    deliver(conversation, CommandType.MESSAGE, text="Welcome")
    heard = both.heard("Welcome")
    assert (heard["originatorId"], heard["__isMe"]) == (ums.bot.pid, False)
    assert heard["originatorMetadata"]["role"] == "MANAGER"

    deliver(conversation, CommandType.TRANSFER, skillId="200", agentId=ums.ben.number)
    details = both.saw(skillId="200")
    assert {"id": ums.anna.pid, "role": "ASSIGNED_AGENT"} not in details["participants"]
    assert {"id": ums.bot.pid, "role": "MANAGER"} in details["participants"]
    suggested = details["dialogs"][0]["participantsDetails"]
    assert {"id": ums.ben.old_id, "role": "ASSIGNED_AGENT", "state": "SUGGESTED"} in suggested

    deliver(conversation, CommandType.CLOSE)
    assert both.saw(state="CLOSE")["closeReason"] == "AGENT"


def test_what_the_other_bot_does_is_seen_by_ours(ums: Ums, both: SecondBot) -> None:
    conversation = ums.open(text="hello")
    assert eventually(lambda: conversation.member(ums.bot))

    both.update(conversation, {"field": "ParticipantsChange", "type": "ADD", "role": "MANAGER"})
    both.publish(conversation.id, "I am here too")
    both.update(conversation, {"field": "ConversationStateField", "conversationState": "CLOSE"})

    def bodies(kind: str) -> list[dict[str, Any]]:
        return [one["body"] for one in stored() if one["type"] == kind]

    def is_closed() -> bool:
        results = [one["changes"][0] for one in bodies(".ams.aam.ExConversationChangeNotification")]
        return results[-1]["result"]["conversationDetails"]["state"] == "CLOSE"

    assert eventually(is_closed)
    texts = {
        one["event"]["message"]: one["originatorPId"]
        for one in bodies(".ams.ms.OnlineEventDistribution")
    }
    assert texts["I am here too"] == ums.other_bot.pid


def test_both_bots_send_the_same_frames_for_the_same_acts(ums: Ums, both: SecondBot) -> None:
    ours, theirs = ums.open("consumer-1", skill="100"), ums.open("consumer-2", skill="100")
    assert eventually(lambda: ours.member(ums.bot) and theirs.member(ums.bot))
    for conversation in (ours, theirs):
        conversation.assign(ums.anna)
    # Two openings, two joins, two assignments.
    assert eventually(lambda: len(stored()) == 6)
    assert eventually(lambda: len(ums.sent_by(ums.bot, ".ams.ms.QueryMessages")) == 2)
    ums.frames.clear()
    ours.leaves(ums.bot)

    # Ours joins again by itself, because it was sent away.
    deliver(ours, CommandType.MESSAGE, text="Grüezi 👋")
    deliver(ours, CommandType.TRANSFER, skillId="200", agentId=ums.ben.number)
    deliver(ours, CommandType.CLOSE)
    me = {"field": "ParticipantsChange", "type": "ADD", "role": "MANAGER"}
    both.update(theirs, me)
    both.publish(theirs.id, "Grüezi 👋")
    agent = {"field": "ParticipantsChange", "role": "ASSIGNED_AGENT"}
    both.update(
        theirs,
        {**agent, "type": "REMOVE", "userId": ums.anna.old_id},
        {**agent, "type": "SUGGEST", "userId": ums.ben.old_id},
        {"field": "Skill", "type": "UPDATE", "skill": "200"},
    )
    both.update(theirs, {"field": "ConversationStateField", "conversationState": "CLOSE"})

    of_ours = json.dumps(frames(ums, ums.bot)).replace(ours.id, "conversation")
    of_theirs = json.dumps(frames(ums, ums.other_bot)).replace(theirs.id, "conversation")
    refused, *accepted = json.loads(of_ours)
    assert refused["type"] == ".ams.ms.PublishEvent"
    assert accepted == json.loads(of_theirs)
    assert len(accepted) == 4


def test_both_bots_subscribe_alike(ums: Ums, both: SecondBot) -> None:
    [_, changes] = frames(ums, ums.bot)
    both.call("subscribeExConversations", changes["body"])

    assert frames(ums, ums.bot) == frames(ums, ums.other_bot)


def test_both_bots_ask_for_missed_messages_alike(ums: Ums, both: SecondBot) -> None:
    conversation = ums.open(text="hello")
    conversation.joins(ums.other_bot, "MANAGER")
    assert eventually(lambda: ums.sent_by(ums.bot, ".ams.ms.QueryMessages"))

    both.call("subscribeMessagingEvents", {"dialogId": conversation.id, "fromSeq": 0})

    [ours] = ums.sent_by(ums.bot, ".ams.ms.QueryMessages")
    [theirs] = ums.sent_by(ums.other_bot, ".ams.ms.QueryMessages")
    assert ours["body"] == {"dialogId": conversation.id}
    # The client sends its own argument along.
    assert theirs["body"] == {**ours["body"], "fromSeq": 0, "newerThanSequence": 0}


def test_closed_socket_reaches_the_other_bot_with_its_code(ums: Ums, both: SecondBot) -> None:
    ums.close_sockets(4407, ums.other_bot)

    assert both.told("closed") == 4407
    assert is_connected()
    assert Connection.objects.get().active
