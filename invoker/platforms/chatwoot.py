"""Chatwoot: its webhooks come in, its REST API takes the commands.

A team is a skill, the assignee is the assigned agent, the contact is the consumer, and resolved is
closed. Contacts and users are numbered apart, so a contact's id carries `contact-` here. Chatwoot
does not say who resolved a conversation: the close counts as the agent's. Source:
`controller-bot.md` §7.1.
"""

import datetime as dt
import hashlib
import hmac
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from invoker import conversations
from invoker.conversations import NO_SKILL, Change, Line, NotificationError, Snapshot
from invoker.events import Participant, Ttr
from invoker.platforms import posting
from invoker.platforms.contract import (
    DeliveryError,
    Derived,
    Incoming,
    RejectedError,
    check_conversation_id,
    decode,
    fits_any,
)

if TYPE_CHECKING:
    from invoker.models import Command, Connection

SIGNATURE: Final = "x-chatwoot-signature"
TIMESTAMP: Final = "x-chatwoot-timestamp"
DELIVERY: Final = "x-chatwoot-delivery"
TOLERANCE_S: Final = 300
CONVERSATION_EVENTS: Final = frozenset(
    {"conversation_created", "conversation_status_changed", "conversation_updated"}
)
MESSAGE_CREATED: Final = "message_created"
_LATEST_MS: Final = 253_402_300_799_000
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)

_Shape = TypeVar("_Shape")
_Id = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Text = Annotated[str, Meta(max_length=1024)]
_Moment = Annotated[float, Meta(ge=0, le=_LATEST_MS / 1000)] | _Text


class _Person(msgspec.Struct):
    id: _Id | None = None
    name: _Text | None = None
    type: _Text | None = None


class _Meta(msgspec.Struct):
    sender: _Person | None = None
    assignee: _Person | None = None
    assignee_type: _Text | None = None
    team: _Person | None = None


class _Conversation(msgspec.Struct):
    id: _Id
    status: _Text | None = None
    priority: _Text | None = None
    channel: _Text | None = None
    meta: _Meta = msgspec.field(default_factory=_Meta)
    additional_attributes: dict[str, Any] | None = None
    created_at: _Moment | None = None
    updated_at: _Moment | None = None
    timestamp: _Moment | None = None


class _Account(msgspec.Struct):
    id: _Id | None = None


class _Message(msgspec.Struct):
    id: _Id
    conversation: _Conversation
    message_type: _Text
    created_at: _Moment
    private: bool | None = False
    sender: _Person | None = None


class _Envelope(msgspec.Struct):
    event: _Text
    account: _Account | None = None


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature header's value for a body that was sent at `timestamp`, epoch seconds."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


class Chatwoot:
    """Recent versions sign their webhooks; for others the address holds a secret."""

    def authenticate(
        self, connection: "Connection", headers: Mapping[str, str], body: bytes, token: str = ""
    ) -> None:
        if connection.signs:
            _check_signature(connection.signing_secrets, headers, body)
        elif not token or not fits_any(token, connection.signing_secrets):
            raise RejectedError(
                401,
                "bad-token",
                "Cannot accept the request: its address lacks the secret, copy the webhook's "
                "address from the connection once more",
            )
        account = _account_of(body)
        if account is not None and connection.api_account not in ("", str(account)):
            raise RejectedError(
                401,
                "wrong-sender",
                f'Cannot accept the request: account "{account}" is not that of this connection',
            )

    def read(self, headers: Mapping[str, str], body: bytes) -> list[Incoming]:
        change = _read(body)
        if change is None:
            return []
        check_conversation_id(change.conv_id)
        fingerprint = hashlib.sha256(change.key.encode()).hexdigest()
        delivery = headers.get(DELIVERY, "")
        key = hashlib.sha256(f"{DELIVERY}\n{delivery}".encode()).hexdigest()
        kind = _envelope(body).event
        return [Incoming(change.conv_id, kind, key if delivery else fingerprint, fingerprint, body)]

    def answer(self, *, accepted: int, duplicates: int) -> tuple[int, dict[str, Any]]:
        return 200, {"accepted": accepted, "duplicates": duplicates}

    def digest(self, body: bytes) -> conversations.Change | Derived:
        change = _read(body)
        if change is None:
            raise RejectedError(
                400, "unknown-type", "Cannot read the notification: it says nothing"
            )
        return change

    def deliver(self, connection: "Connection", command: "Command") -> str:
        said = ""
        for number, (path, body) in enumerate(_requests(command)):
            who = "Moved to the team, but not to the agent: Chatwoot" if number else "Chatwoot"
            said = posting.post(
                _address(connection, command, path),
                msgspec.json.encode(body),
                {"api_access_token": connection.api_token, "content-type": "application/json"},
                who=who,
                account_id=connection.account_id,
                repeatable=path != "messages",
            )
        return said


# Who sent it --------------------------------------------------------------------------------------


def _check_signature(signing_secrets: list[str], headers: Mapping[str, str], body: bytes) -> None:
    for name in (SIGNATURE, TIMESTAMP):
        if not headers.get(name):
            raise RejectedError(
                401,
                "missing-signature",
                f'Cannot check the sender: header "{name}" is missing. For a Chatwoot that does '
                "not sign, say so in the connection's settings",
            )
    timestamp = headers[TIMESTAMP]
    expected = [sign(secret, timestamp, body) for secret in signing_secrets]
    if not fits_any(headers[SIGNATURE], expected):
        raise RejectedError(
            401, "bad-signature", "Cannot accept the request: its signature does not fit"
        )
    if not _NUMBER.fullmatch(timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        raise RejectedError(
            401,
            "bad-timestamp",
            f'Cannot accept the request: its time "{timestamp[:20]}" is more than {TOLERANCE_S} s '
            "from ours",
        )


def _account_of(body: bytes) -> int | None:
    account = _envelope(body).account
    return account.id if account else None


# What it says -------------------------------------------------------------------------------------


def _envelope(body: bytes) -> _Envelope:
    return _convert(_document(body), _Envelope)


def _document(body: bytes) -> dict[str, Any]:
    document = decode(body)
    if not isinstance(document, dict):
        raise RejectedError(400, "malformed-event", "Cannot read the body: not a JSON object")
    try:
        cleaned: dict[str, Any] = conversations.clean(document)
    except NotificationError as error:
        raise RejectedError(400, error.code, str(error)) from error
    return cleaned


def _convert(document: dict[str, Any], into: type[_Shape]) -> _Shape:
    try:
        return conversations.convert(document, into)
    except NotificationError as error:
        raise RejectedError(400, error.code, str(error)) from error


def _read(body: bytes) -> Change | None:
    """The one change of a webhook; None for what means nothing to the controller bot."""
    document = _document(body)
    event = _convert(document, _Envelope).event
    if event in CONVERSATION_EVENTS:
        digest = hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()
        return _conversation_change(_convert(document, _Conversation), digest)
    if event == MESSAGE_CREATED:
        return _message_change(_convert(document, _Message))
    return None


def _conversation_change(told: _Conversation, digest: str) -> Change:
    conv_id = str(told.id)
    stamps = (told.updated_at, told.timestamp, told.created_at)
    ts_ms = next((_ms(each) for each in stamps if each is not None), None)
    if ts_ms is None:
        raise RejectedError(
            400,
            "invalid-field",
            'Cannot read notification field "$.updated_at" with value null: without a time, old '
            "and new cannot be told apart",
        )
    if told.status is None:
        raise RejectedError(
            400, "invalid-field", 'Cannot read notification field "$.status" with value null'
        )
    closed = told.status == "resolved"
    return Change(
        kind="conversation",
        type="UPSERT",
        index=0,
        conv_id=conv_id,
        dialog_id=conv_id,
        ts_ms=ts_ms,
        key=f"{conv_id}:{ts_ms}:{digest}",
        body=Snapshot(
            state="CLOSE" if closed else "OPEN",
            stage="CLOSE" if closed else "OPEN",
            skill_id=_number(told.meta.team) or NO_SKILL,
            brand_id=None,
            participants=tuple(_participants(told.meta)),
            suggested=(),
            dialogs=None,
            ttr=Ttr("URGENT" if told.priority == "urgent" else "NORMAL", None),
            manual_ettr=0,
            effective_ttr=None,
            start_ts=None if told.created_at is None else _ms(told.created_at),
            end_ts=ts_ms if closed else None,
            close_reason="AGENT" if closed else None,
            first_conversation=None,
            campaign=None,
            context=_context(told),
            last_line=None,
            last_content=None,
            nicknames=_nicknames(told.meta),
            reopens=True,
        ),
    )


def _participants(meta: _Meta) -> Iterator[Participant]:
    contact = _contact(meta.sender)
    if contact:
        yield Participant(contact, "CONSUMER")
    agent = _number(meta.assignee)
    if agent and meta.assignee_type in (None, "User"):
        yield Participant(agent, "ASSIGNED_AGENT")


def _nicknames(meta: _Meta) -> dict[str, str]:
    named = ((_contact(meta.sender), meta.sender), (_number(meta.assignee), meta.assignee))
    return {each: person.name for each, person in named if each and person and person.name}


def _context(told: _Conversation) -> conversations.Context:
    language = (told.additional_attributes or {}).get("browser_language")
    return conversations.Context(
        type=told.channel, lang=language[:100] if isinstance(language, str) else None
    )


def _message_change(told: _Message) -> Change | None:
    """A line by the contact or by a person; notes of the system and words of bots are none."""
    incoming = told.message_type == "incoming"
    written = told.message_type == "outgoing" and told.sender and told.sender.type == "user"
    if not incoming and not written:
        return None
    author = _contact(told.sender) if incoming else _number(told.sender)
    role = "CONSUMER"
    if not incoming:
        assigned = author and author == _number(told.conversation.meta.assignee)
        role = "ASSIGNED_AGENT" if assigned else "AGENT"
    conv_id = str(told.conversation.id)
    ts_ms = _ms(told.created_at)
    return Change(
        kind="message",
        type="UPSERT",
        index=0,
        conv_id=conv_id,
        dialog_id=conv_id,
        ts_ms=ts_ms,
        key=f"{conv_id}:{told.id}",
        body=Line(
            dialog_id=conv_id,
            sequence=told.id,
            ts_ms=ts_ms,
            originator_id=author or None,
            originator_pid=author or None,
            role=role,
            private=bool(told.private),
        ),
    )


def _contact(person: _Person | None) -> str:
    number = _number(person)
    return f"contact-{number}" if number else ""


def _number(person: _Person | None) -> str:
    return "" if person is None or person.id is None else str(person.id)


def _ms(moment: float | str) -> int:
    """Seconds, or a time in words, in epoch milliseconds."""
    if isinstance(moment, str):
        try:
            at = dt.datetime.fromisoformat(moment)
        except ValueError as error:
            raise RejectedError(
                400, "invalid-field", f"Cannot read the time {moment[:40]!r}: it is not in ISO 8601"
            ) from error
        moment = (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
    return min(max(0, round(moment * 1000)), _LATEST_MS)


# What to do there ---------------------------------------------------------------------------------


def _requests(command: "Command") -> list[tuple[str, dict[str, Any]]]:
    """The calls that carry out a command, in order: path and body."""
    fields = command.fields
    match command.type:
        case "systemMessage":
            body = {"content": fields["text"], "message_type": "outgoing", "private": False}
            return [("messages", body)]
        case "transfer":
            # Of both in one call Chatwoot would take the assignee alone.
            calls = (("skillId", "team_id"), ("agentId", "assignee_id"))
            return [
                ("assignments", {name: _as_number(fields[key])})
                for key, name in calls
                if key in fields
            ]
    return [("toggle_status", {"status": "resolved"})]


def _as_number(value: str) -> int | None:
    if value == NO_SKILL:
        return None
    if not _NUMBER.fullmatch(value):
        raise DeliveryError(
            f'Cannot transfer to "{value[:60]}": teams and agents of Chatwoot have numbers',
            permanent=True,
            reason="malformed",
        )
    return int(value)


def _address(connection: "Connection", command: "Command", path: str) -> str:
    if not connection.api_url or not connection.api_token or not connection.api_account:
        raise DeliveryError(
            f'Cannot deliver to "{connection.name}": its address, account or token of Chatwoot is '
            "missing, set it under Settings, Connections",
            permanent=True,
            reason="no-api-access",
        )
    conv_id = command.event.conversation.conv_id
    base = connection.api_url.rstrip("/")
    return f"{base}/api/v1/accounts/{connection.api_account}/conversations/{conv_id}/{path}"
