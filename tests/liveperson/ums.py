"""A small messaging service that speaks to bots as LivePerson's does, over TLS.

Service directory, login, token renewal and socket, with conversations as objects: what consumers
and agents do in them are methods, and every bot that is connected sees it. Source:
`controller-bot.md` §1 and §8; `bot.mjs` holds it to the vendor's own client.
"""

import asyncio
import contextlib
import copy
import itertools
import json
import logging
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.toolbelt.certificates import Authority

ACCOUNT = "12345678"
NO_SKILL = "-1"
KEYS = {"appKey": "key", "secret": "secret", "accessToken": "token", "accessTokenSecret": "hush"}


@dataclass(frozen=True, slots=True)
class User:
    name: str
    number: str
    pid: str

    @property
    def old_id(self) -> str:
        return f"{ACCOUNT}.{self.number}"

    @property
    def login(self) -> dict[str, str]:
        return {"username": self.name, **KEYS}


@dataclass(slots=True)
class Member:
    user: User
    role: str
    state: str = "ACTIVE"


@dataclass(slots=True)
class Dialog:
    id: str
    type: str
    state: str = "OPEN"
    ended_ms: int | None = None
    closed_by: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class RefusalError(Exception):
    """An error answer; `body` is text or an object, as the platform has both."""

    code: int
    body: Any


@dataclass(slots=True)
class Subscription:
    id: str
    states: frozenset[str]
    since_ms: int
    seen: set[str] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Peer:
    """A bot's socket. Whatever thread sends, it goes out in that order and nobody waits for it."""

    user: User
    websocket: ServerConnection
    subscriptions: list[Subscription] = field(default_factory=list)
    outgoing: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def send(self, message: dict[str, Any]) -> None:
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        self.websocket.loop.call_soon_threadsafe(self.outgoing.put_nowait, text)

    def close(self, code: int) -> None:
        closed = asyncio.run_coroutine_threadsafe(self.websocket.close(code), self.websocket.loop)
        closed.result(5)

    def drop(self) -> None:
        self.websocket.loop.call_soon_threadsafe(self.websocket.transport.abort)

    async def write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.websocket.send(await self.outgoing.get())


class Conversation:
    """What is in it, and what people do in it. Every act is seen by the bots."""

    def __init__(
        self, ums: "Ums", consumer: str, skill: str, *, first: bool, language: str, started_ms: int
    ) -> None:
        self._ums = ums
        self.id = str(uuid.uuid4())
        self.consumer = User(consumer, consumer, consumer)
        self.skill = skill
        self.first = first
        self.language = language
        self.members: list[Member] = []
        self.dialogs = [Dialog(self.id, "MAIN")]
        self.ttr = {"ttrType": "NORMAL", "value": 600}
        self.manual_ettr = 0
        self.state = self.stage = "OPEN"
        self.close_reason = ""
        self.started_ms = self.updated_ms = started_ms
        self.ended_ms: int | None = None

    @property
    def main(self) -> Dialog:
        return self.dialogs[0]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Who wrote what in the main dialog, by user name."""
        return [(one["by"], one["event"]["message"]) for one in self.main.messages]

    def member(self, user: User, role: str | None = None) -> Member | None:
        for member in self.members:
            if member.user == user and role in (None, member.role):
                return member
        return None

    # What consumers and agents do ------------------------------------------------------------

    def says(self, text: str) -> None:
        """The consumer writes."""
        self._ums.act(self, lambda: self._publish(self.consumer, "CONSUMER", self.main, text))

    def reply(self, agent: User, text: str) -> None:
        self._ums.act(self, lambda: self._publish(agent, "ASSIGNED_AGENT", self.main, text))

    def assign(self, agent: User) -> None:
        """An agent takes the conversation, whether it was offered or not."""

        def act() -> None:
            self.members = [one for one in self.members if one.role != "ASSIGNED_AGENT"]
            self.members.append(Member(agent, "ASSIGNED_AGENT"))

        self._ums.act(self, act)

    def unassign(self) -> None:
        def act() -> None:
            self.members = [one for one in self.members if one.role != "ASSIGNED_AGENT"]

        self._ums.act(self, act)

    def joins(self, user: User, role: str = "AGENT") -> None:
        self._ums.act(self, lambda: self.members.append(Member(user, role)))

    def leaves(self, user: User) -> None:
        def act() -> None:
            self.members = [one for one in self.members if one.user != user]

        self._ums.act(self, act)

    def route(self, skill: str) -> None:
        def act() -> None:
            self.members = [one for one in self.members if one.role != "ASSIGNED_AGENT"]
            self.skill = skill

        self._ums.act(self, act)

    def urgent(self, *, on: bool = True) -> None:
        def act() -> None:
            self.ttr = {"ttrType": "URGENT" if on else "NORMAL", "value": 300 if on else 600}

        self._ums.act(self, act)

    def close(self, by: str = "CONSUMER", *, survey: bool = False) -> None:
        self._ums.act(self, lambda: self._end(by, survey=survey))

    # What requests change ----------------------------------------------------------------------

    def _publish(self, user: User, role: str, dialog: Dialog, text: str) -> int:
        if dialog.state == "CLOSE":
            raise RefusalError(400, "dialog is closed")
        sequence = len(dialog.messages)
        now = self._ums.now_ms(self)
        dialog.messages.append(
            {
                "by": user.name,
                "sequence": sequence,
                "originatorId": user.old_id if role != "CONSUMER" else user.pid,
                "originatorPId": user.pid,
                "originatorMetadata": {"id": user.pid, "role": role},
                "serverTimestamp": now,
                "event": {"type": "ContentEvent", "contentType": "text/plain", "message": text},
                "dialogId": dialog.id,
            }
        )
        return sequence

    def _end(self, by: str, *, survey: bool = False) -> None:
        now = self._ums.now_ms(self)
        self.state, self.close_reason, self.ended_ms = "CLOSE", by, now
        for dialog in self.dialogs:
            if dialog.state == "OPEN":
                dialog.state, dialog.ended_ms, dialog.closed_by = "CLOSE", now, by
        if survey:
            self.dialogs.append(Dialog(str(uuid.uuid4()), "POST_SURVEY"))
        else:
            self.stage = "CLOSE"

    def _change(self, change: dict[str, Any]) -> None:
        match change:
            case {"field": "ParticipantsChange", "type": kind, "role": role, "userId": user_id}:
                self._change_member(kind, role, self._ums.user(user_id))
            case {"field": "Skill", "type": "UPDATE", "skill": str(skill)}:
                self.skill = skill
            case {"field": "ConversationStateField", "conversationState": "CLOSE"}:
                self._end("AGENT")
            case {"field": "DialogChange", "type": "UPDATE",
                  "dialog": {"dialogId": str(dialog_id), "state": "CLOSE"}}:  # fmt: skip
                if dialog_id != self.main.id:
                    raise RefusalError(400, f"no dialog {dialog_id}")
                self._end("AGENT", survey=self._ums.has_survey)
            case _:
                raise RefusalError(400, f"cannot change {json.dumps(change)}")

    def _change_member(self, kind: str, role: str, user: User) -> None:
        found = self.member(user, role)
        match kind:
            case "ADD" if found is None:
                self.members.append(Member(user, role))
            case "SUGGEST" if role == "ASSIGNED_AGENT":
                self.members.append(Member(user, role, "SUGGESTED"))
            case "REMOVE" if found is not None and found.state == "ACTIVE":
                self.members.remove(found)
            case "ADD":
                pass
            case _:
                raise RefusalError(400, f"cannot {kind} {user.old_id} as {role}")

    def update(self, bot: User, changes: list[dict[str, Any]]) -> None:
        """All of the changes or none of them."""
        if self.state == "CLOSE":
            raise RefusalError(400, "conversation is closed")
        joins = changes == [
            {"field": "ParticipantsChange", "type": "ADD", "role": "MANAGER", "userId": bot.old_id}
        ]
        if self.member(bot) is None and not joins:
            raise RefusalError(400, "agent does not exist in conversation")
        before = (copy.deepcopy(self.members), self.skill)
        try:
            for change in changes:
                self._change(change)
        except RefusalError:
            self.members, self.skill = before
            raise

    def publish(self, bot: User, dialog_id: str, text: str) -> int:
        member = self.member(bot)
        if member is None:
            raise RefusalError(400, "agent does not exist in conversation")
        dialog = next(one for one in self.dialogs if one.id == dialog_id)
        return self._publish(bot, member.role, dialog, text)

    # What bots get to see ----------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        details: dict[str, Any] = {
            "convId": self.id,
            "skillId": self.skill,
            "participants": {
                "CONSUMER": [self.consumer.pid],
                **{role: [m.user.old_id for m in self.members if m.role == role] for role in ROLES},
            },
            "participantsPId": {
                "CONSUMER": [self.consumer.pid],
                **{
                    role: [
                        m.user.pid for m in self.members if m.role == role and m.state == "ACTIVE"
                    ]
                    for role in ROLES
                },
            },
            "dialogs": [self._dialog(one) for one in reversed(self.dialogs)],
            "brandId": ACCOUNT,
            "state": self.state,
            "stage": self.stage,
            "startTs": self.started_ms,
            "metaDataLastUpdateTs": self.updated_ms,
            "firstConversation": self.first,
            "csatRate": 0,
            "ttr": self.ttr,
            "manualETTR": self.manual_ettr,
            "note": "",
            "context": {
                "type": "SharkContext",
                "lang": self.language,
                "visitorId": "v1",
                "sessionId": "s1",
                "interactionContextId": "2",
                "clientProperties": {
                    "type": ".ClientProperties",
                    "features": ["AUTO_MESSAGES", "MULTI_DIALOG"],
                },
            },
        }
        if self.state == "CLOSE":
            details |= {"closeReason": self.close_reason, "endTs": self.ended_ms}
        found = {
            "convId": self.id,
            "effectiveTTR": self.updated_ms + 600_000,
            "conversationDetails": details,
            "numberOfunreadMessages": {},
            "lastUpdateTime": self.updated_ms,
        }
        if self.main.messages:
            last = self.main.messages[-1]
            found["lastContentEventNotification"] = {k: v for k, v in last.items() if k != "by"}
        return found

    def _dialog(self, dialog: Dialog) -> dict[str, Any]:
        found: dict[str, Any] = {
            "dialogId": dialog.id,
            "dialogType": dialog.type,
            "channelType": "MESSAGING",
            "metaData": {},
            "state": dialog.state,
            "creationTs": self.started_ms,
            "metaDataLastUpdateTs": self.updated_ms,
            "participantsDetails": [
                {"id": self.consumer.pid, "role": "CONSUMER", "state": "ACTIVE"},
                *(
                    {
                        "id": m.user.pid if m.state == "ACTIVE" else m.user.old_id,
                        "role": m.role,
                        "state": m.state,
                    }
                    for m in self.members
                ),
            ],
        }
        if dialog.ended_ms is not None:
            found |= {"endTs": dialog.ended_ms, "closedBy": dialog.closed_by}
        return found


ROLES = ("ASSIGNED_AGENT", "AGENT", "MANAGER", "READER")


class Ums:
    """The service. `frames` is all that bots have asked for, by the name of the bot."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        self.authority_file = folder / "authority.pem"
        self.authority_file.write_text(authority.certificate)
        identity = authority.identity("localhost")
        own = folder / "localhost.pem"
        own.write_text(identity.certificate + identity.key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(own)
        self.bot = User("houston-bot", "9001", "b07b07b0-0000-4000-8000-000000009001")
        self.other_bot = User("node-bot", "9002", "b07b07b0-0000-4000-8000-000000009002")
        self.anna = User("anna", "501", "a6e27a6e-0000-4000-8000-000000000501")
        self.ben = User("ben", "502", "a6e27a6e-0000-4000-8000-000000000502")
        self.users = [self.bot, self.other_bot, self.anna, self.ben]
        self.conversations: dict[str, Conversation] = {}
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self.logins: list[str] = []
        self.refreshes = 0
        self.most_at_once = 0
        self.has_survey = False
        self._login_answers: list[tuple[int, dict[str, str], Any]] = []
        self._answers: list[tuple[str, Callable[[], None] | None]] = []
        self._tokens: dict[str, User] = {}
        self._valid_csrf: set[str] = set()
        self._numbers = itertools.count(1)
        self._peers: list[Peer] = []
        self._lock = threading.RLock()
        self._http = _Server(("localhost", 0), self._handler())
        self._http.socket = tls.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._listens = threading.Event()
        self._socket_host = ""
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._listen(tls),), daemon=True
        )
        self._thread.start()
        self._listens.wait(10)

    async def _listen(self, tls: ssl.SSLContext) -> None:
        logger = logging.getLogger("tests.ums")
        logger.setLevel(logging.CRITICAL)
        async with serve(
            self._converse,
            "127.0.0.1",
            0,
            ssl=tls,
            process_request=self._admit,
            logger=logger,
            close_timeout=1,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self._socket_host = f"localhost:{port}"
            self._listens.set()
            await self._ended.wait()

    @property
    def csds(self) -> str:
        return f"localhost:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()
        self._http.shutdown()
        self._http.server_close()

    def forget(self) -> None:
        """Start afresh: no conversations, no records, no answers in store."""
        self.close_sockets(1001)
        with self._lock:
            self.conversations.clear()
            for seen in (self.frames, self.logins, self._login_answers, self._answers):
                seen.clear()
            self.refreshes = self.most_at_once = 0
            self.has_survey = False
        self.forget_tokens()

    # What tests do -----------------------------------------------------------------------------

    def open(
        self,
        consumer: str = "consumer-1",
        *,
        skill: str = NO_SKILL,
        first: bool = False,
        language: str = "en-US",
        age_s: float = 0.0,
        text: str = "",
    ) -> Conversation:
        started_ms = int((time.time() - age_s) * 1000)
        made = Conversation(
            self, consumer, skill, first=first, language=language, started_ms=started_ms
        )
        with self._lock:
            self.conversations[made.id] = made
            if text:
                made._publish(made.consumer, "CONSUMER", made.main, text)
            self._tell(made)
            for message in made.main.messages:
                self._tell_message(made, message)
        return made

    def will_answer(self, request_type: str, code: int, body: Any) -> None:
        """The next request of a type gets an error."""

        def refuse() -> None:
            raise RefusalError(code, body)

        self._answers.append((request_type, refuse))

    def will_not_answer(self, request_type: str) -> None:
        """The next request of a type is not answered, and not carried out."""
        self._answers.append((request_type, None))

    def before_answering(self, request_type: str, act: Callable[[], None]) -> None:
        """Something happens just before the next request of a type is looked at."""
        self._answers.append((request_type, act))

    def will_answer_login(self, status: int, body: Any = None, **headers: str) -> None:
        self._login_answers.append((status, headers, body))

    def end_tokens(self) -> None:
        """Tokens that were given out until now are not renewed any more."""
        self._valid_csrf.clear()

    def forget_tokens(self) -> None:
        """Nor do they open a socket."""
        self.end_tokens()
        self._tokens.clear()

    def close_sockets(self, code: int, user: User | None = None) -> None:
        for peer in self.peers(user):
            peer.close(code)

    def drop_sockets(self) -> None:
        """As when a cable is pulled out."""
        for peer in self.peers():
            peer.drop()

    def peers(self, user: User | None = None) -> list[Peer]:
        with self._lock:
            return [peer for peer in self._peers if user in (None, peer.user)]

    def sent_by(self, user: User, request_type: str | None = None) -> list[dict[str, Any]]:
        """The requests of a bot, oldest first; without those that only keep a socket alive."""
        wanted = [frame for name, frame in list(self.frames) if name == user.name]
        if request_type is None:
            return [frame for frame in wanted if frame["type"] != ".GetClock"]
        return [frame for frame in wanted if frame["type"] == request_type]

    def user(self, user_id: str) -> User:
        for user in self.users:
            if user_id in (user.old_id, user.pid):
                return user
        raise RefusalError(400, f"no user {user_id}")

    def act(self, conversation: Conversation, act: Callable[[], Any]) -> Any:
        """Do something in a conversation and tell everybody."""
        with self._lock:
            known = {dialog.id: len(dialog.messages) for dialog in conversation.dialogs}
            found = act()
            conversation.updated_ms = self.now_ms(conversation)
            for dialog in conversation.dialogs:
                for message in dialog.messages[known.get(dialog.id, 0) :]:
                    self._tell_message(conversation, message)
            self._tell(conversation)
            return found

    def now_ms(self, conversation: Conversation) -> int:
        """Later than everything that has happened in the conversation."""
        return max(int(time.time() * 1000), conversation.updated_ms + 1)

    # Telling bots ------------------------------------------------------------------------------

    def _tell(self, conversation: Conversation) -> None:
        for peer in self._peers:
            for subscription in peer.subscriptions:
                self._tell_subscriber(peer, subscription, [conversation])

    def _tell_subscriber(
        self, peer: Peer, subscription: Subscription, conversations: list[Conversation]
    ) -> None:
        changes = []
        for one in conversations:
            if one.state in subscription.states and one.updated_ms >= subscription.since_ms:
                changes.append({"type": "UPSERT", "result": one.result()})
                subscription.seen.add(one.id)
            elif one.id in subscription.seen:
                changes.append({"type": "DELETE", "result": one.result()})
                subscription.seen.discard(one.id)
        if changes:
            body = {"subscriptionId": subscription.id, "sentTs": int(time.time() * 1000)}
            peer.send(
                {
                    "kind": "notification",
                    "type": ".ams.aam.ExConversationChangeNotification",
                    "body": {**body, "changes": changes},
                }
            )

    def _tell_message(self, conversation: Conversation, message: dict[str, Any]) -> None:
        for peer in self._peers:
            if conversation.member(peer.user):
                peer.send(
                    {
                        "kind": "notification",
                        "type": ".ams.ms.OnlineEventDistribution",
                        "body": {k: v for k, v in message.items() if k != "by"},
                    }
                )

    # The socket --------------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        prefix = f"/ws_api/account/{ACCOUNT}/messaging/brand/"
        path, _, query = request.path.partition("?")
        if not path.startswith(prefix) or query != "v=2.1":
            return connection.respond(HTTPStatus.NOT_FOUND, "no such socket")
        if path.removeprefix(prefix) not in self._tokens:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "unknown token")
        return None

    async def _converse(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        token = websocket.request.path.partition("?")[0].rpartition("/")[2]
        peer = Peer(self._tokens[token], websocket)
        writer = asyncio.ensure_future(peer.write())
        with self._lock:
            self._peers.append(peer)
            self.most_at_once = max(self.most_at_once, len(self.peers(peer.user)))
        try:
            async for frame in websocket:
                self._answer(peer, json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
            with self._lock:
                self._peers.remove(peer)

    def _answer(self, peer: Peer, frame: dict[str, Any]) -> None:
        self.frames.append((peer.user.name, frame))
        reply = {"kind": "resp", "reqId": frame["id"], "code": 200}
        notify: Callable[[], None] = lambda: None  # noqa: E731
        try:
            for number, (request_type, act) in enumerate(self._answers):
                if request_type == frame["type"]:
                    del self._answers[number]
                    if act is None:
                        return
                    act()
                    break
            reply["type"] = f"{frame['type']}$Response"
            reply["body"], notify = self._carry_out(peer, frame["type"], frame["body"])
            if isinstance(reply["body"], str):
                reply["type"] = "StringResp"
        except RefusalError as refusal:
            kind = "StringResp" if isinstance(refusal.body, str) else ".ReqBody$ErrorResp"
            reply |= {"code": refusal.code, "type": kind, "body": refusal.body}
        peer.send(reply)
        notify()

    def _carry_out(
        self, peer: Peer, request_type: str, body: dict[str, Any]
    ) -> tuple[Any, Callable[[], None]]:
        nothing = lambda: None  # noqa: E731
        match request_type:
            case ".GetClock":
                return {"currentTime": int(time.time() * 1000)}, nothing
            case ".ams.aam.SubscribeExConversations":
                return self._subscribe(peer, body)
            case ".ams.cm.UpdateConversationField":
                conversation = self._conversation(body["conversationId"])
                changes = body["conversationField"]
                self.act(conversation, lambda: conversation.update(peer.user, changes))
                return "OK", nothing
            case ".ams.ms.PublishEvent":
                conversation, dialog = self._dialog(body["dialogId"])
                text = body["event"]["message"]
                publish = lambda: conversation.publish(peer.user, dialog.id, text)  # noqa: E731
                return {"sequence": self.act(conversation, publish)}, nothing
            case ".ams.ms.QueryMessages":
                conversation, dialog = self._dialog(body["dialogId"])
                if conversation.member(peer.user) is None:
                    raise RefusalError(400, "agent does not exist in conversation")
                newer = body.get("newerThanSequence", -1)
                return [
                    {key: value for key, value in message.items() if key != "by"}
                    for message in dialog.messages
                    if message["sequence"] > newer
                ], nothing
        raise RefusalError(400, f"unknown request {request_type}")

    def _subscribe(self, peer: Peer, body: dict[str, Any]) -> tuple[Any, Callable[[], None]]:
        made = Subscription(
            f"sub-{next(self._numbers)}",
            frozenset(body["convState"]),
            body.get("minLastUpdatedTime", 0),
        )

        def notify() -> None:
            with self._lock:
                peer.subscriptions.append(made)
                self._tell_subscriber(peer, made, list(self.conversations.values())[:1000])

        return {"subscriptionId": made.id}, notify

    def _conversation(self, conv_id: str) -> Conversation:
        if conv_id not in self.conversations:
            raise RefusalError(400, f"no conversation {conv_id}")
        return self.conversations[conv_id]

    def _dialog(self, dialog_id: str) -> tuple[Conversation, Dialog]:
        for conversation in self.conversations.values():
            for dialog in conversation.dialogs:
                if dialog.id == dialog_id:
                    return conversation, dialog
        raise RefusalError(400, f"no dialog {dialog_id}")

    # Directory and login -----------------------------------------------------------------------

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ums = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(*ums._directory(self.path))

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length) or b"{}")
                self._send(*ums._log_in(self.path, body, self.headers.get("cookie", "")))

            def _send(self, status: int, headers: dict[str, str], body: Any) -> None:
                said = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler

    def _directory(self, path: str) -> tuple[int, dict[str, str], Any]:
        if path != f"/api/account/{ACCOUNT}/service/baseURI.json?version=1.0":
            return 404, {}, "no such account"
        hosts = {
            "agentVep": self.csds,
            "asyncMessagingEnt": self._socket_host,
            "facadeMsg": self._socket_host,
        }
        return (
            200,
            {},
            {
                "baseURIs": [
                    {"service": service, "account": ACCOUNT, "baseURI": host}
                    for service, host in hosts.items()
                ]
            },
        )

    def _log_in(
        self, path: str, body: dict[str, Any], cookie: str
    ) -> tuple[int, dict[str, str], Any]:
        if path == f"/api/account/{ACCOUNT}/refresh?v=1.3":
            self.refreshes += 1
            if body.get("csrf") not in self._valid_csrf or f"session={body['csrf']}" not in cookie:
                return 401, {}, {"error": {"message": "unauthorized"}}
            return 200, {}, {"csrf": body["csrf"]}
        if path != f"/api/account/{ACCOUNT}/login?v=1.3":
            return 404, {}, "not found"
        self.logins.append(str(body.get("username")))
        if self._login_answers:
            status, headers, said = self._login_answers.pop(0)
            return status, headers, said
        for user in self.users:
            if body == user.login:
                number = next(self._numbers)
                token, csrf = f"bearer-{number}", f"csrf-{number}"
                self._tokens[token] = user
                self._valid_csrf.add(csrf)
                config = {"userId": user.number, "userPid": user.pid}
                answer = {"bearer": token, "csrf": csrf, "config": config}
                return 200, {"set-cookie": f"session={csrf}; Path=/; Secure; HttpOnly"}, answer
        return 401, {}, {"error": "bad credentials", "internalCode": 401}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Here and not while accepting, because clients shake hands when they like.
        request.do_handshake()
        super().finish_request(request, client_address)

    def handle_error(self, *_whose: Any) -> None:
        pass  # whoever hangs up in the middle is what some tests are about


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Ums]:
    server = Ums(folder)
    try:
        yield server
    finally:
        server.stop()
