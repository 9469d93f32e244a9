"""Reading notifications, which anybody on the internet may have written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from invoker.conversations.changes import (
    NO_SKILL,
    REMEMBERED,
    Change,
    ClientProperties,
    Context,
    Dialog,
    DialogParticipant,
    Identifier,
    Line,
    LooseId,
    Millis,
    Seconds,
    Sequence,
    Snapshot,
    Text,
    as_text,
    main_dialog,
)
from invoker.events import CampaignInfo, Participant, Ttr

_MAX_DEPTH: Final = 32

_NUMBER_LIMIT: Final = 2**63

_QUOTED: Final = 120
"""Characters of a wrong value that an error message repeats."""


class NotificationError(Exception):
    """A notification cannot be read; `code` is stable, the message names field and value.

    Codes: `invalid-json`, `invalid-field`, `unknown-type`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Members(msgspec.Struct, kw_only=True, rename="camel"):
    campaign_id: LooseId = None
    engagement_id: LooseId = None


class _WireTtr(msgspec.Struct, kw_only=True, rename="camel"):
    ttr_type: Text | None = None
    value: Seconds | None = None


class _Originator(msgspec.Struct, kw_only=True):
    id: LooseId = None
    role: Text | None = None


class _Content(msgspec.Struct, kw_only=True, rename="camel"):
    type: Text
    content_type: Text | None = None
    message: Any = None
    message_audience: Text | None = None


class _Message(msgspec.Struct, kw_only=True, rename="camel"):
    sequence: Sequence | None = None
    dialog_id: Identifier | None = None
    conversation_id: Identifier | None = None
    server_timestamp: Millis | None = None
    originator_id: LooseId = None
    originator_pid: LooseId = field(default=None, name="originatorPId")
    originator_metadata: _Originator | None = None
    originator_client_properties: ClientProperties | None = None
    message_audience: Text | None = None
    event: _Content


_RoleMap = Annotated[
    dict[Text, Annotated[list[Identifier], Meta(max_length=500)]], Meta(max_length=20)
]
_Shape = TypeVar("_Shape")


class _Details(msgspec.Struct, kw_only=True, rename="camel"):
    state: Text
    stage: Text | None = None
    skill_id: LooseId | UnsetType = UNSET
    brand_id: LooseId = None
    participants: Annotated[list[DialogParticipant], Meta(max_length=500)] | _RoleMap | None = None
    nicknames: Annotated[dict[Identifier, Text], Meta(max_length=REMEMBERED)] | None = None
    """Ours: no notification of the platform says what people are called."""
    participants_pid: _RoleMap | None = field(default=None, name="participantsPId")
    dialogs: Annotated[tuple[Dialog, ...], Meta(max_length=REMEMBERED)] | None = None
    ttr: _WireTtr | None = None
    manual_ettr: Millis | None = field(default=None, name="manualETTR")
    start_ts: Millis | None = None
    end_ts: Millis | None = None
    meta_data_last_update_ts: Millis | None = None
    first_conversation: bool | None = None
    close_reason: Text | None = None
    campaign_info: _Members | None = None
    context: Context | None = None


class _Result(msgspec.Struct, kw_only=True, rename="camel"):
    conv_id: Identifier
    conversation_details: _Details
    effective_ttr: Millis | None = field(default=None, name="effectiveTTR")
    last_update_time: Millis | None = None
    last_content_event_notification: _Message | None = None


class _ConversationChange(msgspec.Struct, kw_only=True):
    type: Literal["UPSERT", "DELETE"]
    result: _Result


class _Conversations(msgspec.Struct, kw_only=True, rename="camel"):
    changes: list[_ConversationChange]
    sent_ts: Millis | None = None


class _Messages(msgspec.Struct, kw_only=True, rename="camel"):
    changes: list[_Message]
    dialog_id: Identifier | None = None


class _Envelope(msgspec.Struct, kw_only=True):
    kind: Literal["notification"]
    type: Text
    body: dict[str, Any]


def read_notification(body: Mapping[str, Any]) -> list[Change]:
    """Read a decoded notification, whichever of the platform's two dialects it speaks.

    Only lines (content and rich content) become message changes. Read receipts and typing
    states lead to no event and arrive in any order, so they are left out.

    Raises:
        NotificationError: not a notification, of an unknown type, or a field has a wrong type
            or value. A batch is read as a whole or not at all.
    """
    document = clean(body)
    envelope = convert(document, _Envelope)
    inner = envelope.body
    match envelope.type:
        case "cqm.ExConversationChangeNotification" | ".ams.aam.ExConversationChangeNotification":
            conversations = convert(inner, _Conversations, "$.body")
            return [
                _conversation_change(change, inner["changes"][index], conversations, index)
                for index, change in enumerate(conversations.changes)
            ]
        case "ms.MessagingEventNotification":
            messages = convert(inner, _Messages, "$.body")
            return [
                _message_change(message, messages.dialog_id, index, f"$.body.changes[{index}]")
                for index, message in enumerate(messages.changes)
                if _is_line(message)
            ]
        case ".ams.ms.OnlineEventDistribution":
            message = convert(inner, _Message, "$.body")
            return [_message_change(message, None, 0, "$.body")] if _is_line(message) else []
        case unknown:
            raise NotificationError(
                "unknown-type",
                f"Cannot read notification of type {_quote(unknown)}: "
                "subscribe to conversation changes and message events only",
            )


class _UncleanError(Exception):
    """A value that no database can store or JavaScript cannot read; `path` grows on the way out."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path = ""


def clean(body: object) -> Any:
    """Copy a JSON document so that every database can store it and JavaScript can read it.

    Half emoji (lone surrogates) and NUL, legal in JSON, become the replacement character:
    refusing them would block a whole delivery because of one cut-off message.

    Raises:
        NotificationError: `invalid-json`, with the place.
    """
    try:
        return _copy(body, 0)
    except _UncleanError as error:
        raise NotificationError(
            "invalid-json",
            f"Cannot read notification field {_quote('$' + error.path)}{error}",
        ) from error


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _clean_text(value)
    if kind is dict:
        return _copy_members(value, _deeper(depth))
    if kind is list:
        return _copy_items(value, _deeper(depth))
    if value is None or kind is bool:
        return value
    # The comparison is also False for what is not a number.
    if kind in (int, float) and abs(value) < _NUMBER_LIMIT:
        return value
    raise _UncleanError(f" with value {_quote(value)}: not a JSON value, or a number too large")


def _deeper(depth: int) -> int:
    if depth > _MAX_DEPTH:
        raise _UncleanError(f": nested over {_MAX_DEPTH} levels deep")
    return depth + 1


def _copy_members(members: dict[str, Any], depth: int) -> dict[str, Any]:
    copied = {}
    for key, each in members.items():
        try:
            copied[_clean_text(str(key))] = _copy(each, depth)
        except _UncleanError as error:
            error.path = f".{key}{error.path}"
            raise
    return copied


def _copy_items(items: list[Any], depth: int) -> list[Any]:
    copied = []
    for index, each in enumerate(items):
        try:
            copied.append(_copy(each, depth))
        except _UncleanError as error:
            error.path = f"[{index}]{error.path}"
            raise
    return copied


def _clean_text(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def convert(value: object, into: type[_Shape], root: str = "$") -> _Shape:
    """Read a cleaned document, or the part of one that lies at `root`, as a structure.

    Raises:
        NotificationError: `invalid-field`, with the place and the value.
    """
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        # Between the reason and the place stands whatever came, however long it is.
        reason, _, place = str(error).rpartition(" - at ")
        reason, place = (reason, place) if reason else (place, "")
        reason = reason if len(reason) <= _QUOTED else f"{reason[:_QUOTED]}…"
        inside = re.search(r"\$[^`]*", place)
        path = inside[0] if inside else "$"
        raise NotificationError(
            "invalid-field",
            f"Cannot read notification field {_quote(root + path[1:])} with value "
            f"{_quote(_at(value, path))}: {reason[:1].lower()}{reason[1:]}",
        ) from error


def _at(value: Any, path: str) -> Any:
    """Follow an error's path; keys of open maps are unknown (`[...]`), so it may end early."""
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            break
        value = value[name] if name else value[int(index)]
    return value


def _quote(value: object) -> str:
    if isinstance(value, int) and abs(value) >= _NUMBER_LIMIT:
        return f"of {value.bit_length()} bits"  # it may have more digits than Python prints
    text = json.dumps(value, default=repr)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _skill(value: str | int | None) -> str:
    return str(value) if value not in (None, "") else NO_SKILL


def _conversation_change(
    change: _ConversationChange, raw: object, body: _Conversations, index: int
) -> Change:
    result = change.result
    details = result.conversation_details
    stamps = [
        stamp
        for stamp in (details.meta_data_last_update_ts, result.last_update_time)
        if stamp is not None
    ]
    ts_ms = max(stamps) if stamps else body.sent_ts
    if ts_ms is None:
        raise _missing(
            f"$.body.changes[{index}].result.conversationDetails.metaDataLastUpdateTs",
            "without a time, old and new cannot be told apart",
        )
    canonical = msgspec.json.encode(raw, order="deterministic")
    digest = hashlib.sha256(canonical).hexdigest()
    return Change(
        kind="conversation",
        type=change.type,
        index=index,
        conv_id=result.conv_id,
        dialog_id=result.conv_id,
        ts_ms=ts_ms,
        key=f"{result.conv_id}:{ts_ms}:{digest}",
        body=_snapshot(result),
    )


def _snapshot(result: _Result) -> Snapshot:
    details = result.conversation_details
    participants, suggested = _participants(details)
    last = result.last_content_event_notification
    return Snapshot(
        state=details.state,
        stage=details.stage,
        skill_id=None if details.skill_id is UNSET else _skill(details.skill_id),
        brand_id=as_text(details.brand_id),
        participants=participants,
        suggested=suggested,
        dialogs=details.dialogs,
        # A platform was seen sending an empty type: it says nothing, not "no longer urgent".
        ttr=Ttr(details.ttr.ttr_type, details.ttr.value)
        if details.ttr and details.ttr.ttr_type
        else None,
        manual_ettr=max(details.manual_ettr or 0, 0),
        effective_ttr=result.effective_ttr,
        start_ts=details.start_ts,
        end_ts=details.end_ts,
        close_reason=details.close_reason or None,
        first_conversation=details.first_conversation,
        campaign=CampaignInfo(
            as_text(details.campaign_info.campaign_id), as_text(details.campaign_info.engagement_id)
        )
        if details.campaign_info
        else None,
        context=details.context,
        last_line=_line(last, result.conv_id) if last and _is_line(last) else None,
        last_content=_content(last) if last else None,
        nicknames=details.nicknames,
    )


def _participants(
    details: _Details,
) -> tuple[tuple[Participant, ...] | None, tuple[Participant, ...] | None]:
    """Tell who takes part, and who is only suggested (offered the conversation).

    In the raw dialect `participants` mixes the two under old ids, `participantsPId` does not.
    """
    main = main_dialog(details.dialogs or (), None)
    listed = (main.participants_details if main else None) or ()
    everybody = details.participants if isinstance(details.participants, list) else []
    suggested = dict.fromkeys(
        Participant(p.id, p.role) for p in (*listed, *everybody) if p.state == "SUGGESTED"
    )
    present: list[Participant]
    source = details.participants_pid
    if source is None:
        source = details.participants if isinstance(details.participants, dict) else None
    if source is not None:
        present = [Participant(each, role) for role, ids in source.items() for each in ids]
    elif isinstance(details.participants, list):
        present = [Participant(p.id, p.role) for p in everybody if p.state != "SUGGESTED"]
    elif listed:
        present = [Participant(p.id, p.role) for p in listed if p.state != "SUGGESTED"]
    else:
        return None, None
    active = dict.fromkeys(each for each in present if each not in suggested)
    says_so = details.dialogs is not None or suggested
    return tuple(active), tuple(suggested) if says_so else None


def _is_line(message: _Message) -> bool:
    return message.event.type in ("ContentEvent", "RichContentEvent")


def _line(message: _Message, dialog_id: str) -> Line | None:
    """None when the message lacks its number or time."""
    if message.sequence is None or message.server_timestamp is None:
        return None
    originator = message.originator_metadata or _Originator()
    originator_id = as_text(message.originator_id) or as_text(originator.id)
    audience = message.message_audience or message.event.message_audience
    return Line(
        dialog_id=message.dialog_id or dialog_id,
        sequence=message.sequence,
        ts_ms=message.server_timestamp,
        originator_id=originator_id,
        originator_pid=as_text(message.originator_pid) or as_text(originator.id) or originator_id,
        role=originator.role or "",
        private=audience == "AGENTS_AND_MANAGERS",
    )


def _content(message: _Message) -> dict[str, Any]:
    return {
        "originatorId": as_text(message.originator_id),
        "originatorPId": as_text(message.originator_pid) or as_text(message.originator_id),
        "sequence": message.sequence,
        "serverTimestamp": message.server_timestamp,
        "event": {
            "type": message.event.type,
            "contentType": message.event.content_type,
            "message": message.event.message,
        },
        "originatorClientProperties": msgspec.to_builtins(message.originator_client_properties),
    }


def _message_change(message: _Message, dialog_id: str | None, index: int, path: str) -> Change:
    dialog = message.dialog_id or dialog_id
    if dialog is None:
        raise _missing(f"{path}.dialogId", "a message belongs to a dialog")
    line = _line(message, dialog)
    if line is None:
        name = "sequence" if message.sequence is None else "serverTimestamp"
        raise _missing(f"{path}.{name}", "without it, a message cannot be put in order")
    return Change(
        kind="message",
        type="UPSERT",
        index=index,
        conv_id=message.conversation_id or dialog,
        dialog_id=dialog,
        ts_ms=line.ts_ms,
        key=f"{dialog}:{line.sequence}",
        body=line,
    )


def _missing(path: str, reason: str) -> NotificationError:
    return NotificationError(
        "invalid-field",
        f"Cannot read notification field {_quote(path)} with value null: {reason}",
    )
