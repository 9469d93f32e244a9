"""Generic: CloudEvents 1.0 in every mode, signed with Standard Webhooks.

The content mode is told from the Content-Type, batch first; the published library tells it from
the presence of `ce-` headers, which a structured request may carry too. Types and data are those
of `controller-bot.md` §7.5.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

import msgspec
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_binary_event,
    from_structured_event,
    to_structured_event,
)
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from standardwebhooks import Webhook

from invoker import conversations, events
from invoker.platforms import callbacks, liveperson
from invoker.platforms.contract import (
    Derived,
    Incoming,
    RejectedError,
    check_conversation_id,
    decode,
)

if TYPE_CHECKING:
    from invoker.models import Command, Connection

MAX_BATCH = 100
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST_MS = 253_402_300_799_000  # the last second of year 9999
REQUIRED = ("id", "source", "specversion", "type")
KEPT = frozenset({*REQUIRED, "time", "subject", "datacontenttype"})
STATES = ("OPEN", "LOCKED", "CLOSE")
CLOSE_REASONS = ("AGENT", "CONSUMER", "SYSTEM", "TIMEOUT")
LIVEPERSON_PREFIX = "com.liveperson."
CONVERSATION_UPDATED = "com.houston.messaging.conversation.updated"
MESSAGE_CREATED = "com.houston.messaging.message.created"
EVENT_PREFIX = "com.houston.messaging.event."
EVENT_WORDS = {
    event_id.removeprefix("controllerbot_messaging_"): event_id
    for event_id in events.EVENT_TYPES
    if event_id.startswith("controllerbot_messaging_")
}
_WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Generic:
    """The neutral door, for whoever can sign a CloudEvent."""

    def authenticate(
        self,
        connection: "Connection",
        headers: Mapping[str, str],
        body: bytes,
        token: str = "",  # noqa: ARG002
    ) -> None:
        for name in _WEBHOOK_HEADERS:
            if not headers.get(name):
                raise RejectedError(
                    401, "missing-signature", f'Cannot check the sender: header "{name}" is missing'
                )
        # All of them are tried, so that the time does not tell which one fitted.
        faults = [_fault(secret, headers, body) for secret in connection.signing_secrets]
        if all(faults):
            raise RejectedError(401, "bad-signature", f"Cannot accept the request: {faults[0]}")

    def read(self, headers: Mapping[str, str], body: bytes) -> list[Incoming]:
        return [incoming for event, raw in _events(headers, body) for incoming in _take(event, raw)]

    def answer(self, *, accepted: int, duplicates: int) -> tuple[int, dict[str, Any]]:
        return 202, {"accepted": accepted, "duplicates": duplicates}

    def digest(self, body: bytes) -> conversations.Change | Derived:
        event = _structured(body)
        found = _read_data(event)
        return found if isinstance(found, Derived) else found[0]

    def deliver(self, connection: "Connection", command: "Command") -> str:
        return callbacks.post(connection, command)


def _fault(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """Why this secret does not prove the request, empty when it does.

    The library takes timestamps of five minutes before and after now, and compares in constant
    time.
    """
    try:
        # The library raises ValueError for a signature without a comma and UnicodeDecodeError for
        # a body that is not UTF-8, so anything it raises means "not verified".
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except Exception as error:  # noqa: BLE001 -- see above
        return str(error) or type(error).__name__
    return ""


def _events(headers: Mapping[str, str], body: bytes) -> list[tuple[BaseCloudEvent, bytes]]:
    """Every CloudEvent of a request, each with its own structured form."""
    content_type = headers.get("content-type", "").strip().lower()
    if content_type.startswith("application/cloudevents-batch"):
        items = decode(body)
        if not isinstance(items, list):
            raise RejectedError(400, "malformed-batch", "Cannot read the batch: not a JSON array")
        if len(items) > MAX_BATCH:
            raise RejectedError(
                400, "batch-too-large", f"Cannot take {len(items)} events: at most {MAX_BATCH}"
            )
        bodies = [msgspec.json.encode(item) for item in items]
        return [(_structured(single), single) for single in bodies]
    if content_type.startswith("application/cloudevents"):
        return [(_structured(body), body)]
    if all(headers.get(f"ce-{name}") for name in REQUIRED):
        # Read once before the library does: what it lets through must be text that can be sent.
        decode(body)
        event = _parse(from_binary_event, HTTPMessage(_plain_headers(headers), body))
        return [(event, to_structured_event(event).body)]
    raise RejectedError(
        415,
        "not-a-cloudevent",
        f'Cannot read content type "{content_type[:80]}": send a CloudEvent as '
        "application/cloudevents+json, as application/cloudevents-batch+json, or with ce- headers",
    )


def _plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the attributes' values written the one way that the library reads.

    A value may stand in quotes, and percent signs stand for bytes of UTF-8. The library leaves
    the first alone and puts question marks for what the second cannot mean.
    Source: CloudEvents 1.0, HTTP protocol binding §3.1.3.2.
    """
    return {
        name: _plain_value(name, value) if name.startswith("ce-") else value
        for name, value in headers.items()
    }


def _plain_value(name: str, value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        text = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        text = None
    if text is None or re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise RejectedError(
            400,
            "malformed-event",
            f'Cannot read header "{name}" with value {value!r:.60}: percent signs must stand for '
            "bytes of UTF-8",
        )
    return quote(text, safe="")


def _structured(body: bytes) -> BaseCloudEvent:
    plain = decode(body)
    if not isinstance(plain, dict):
        raise RejectedError(400, "malformed-event", "Cannot read the event: not a JSON object")
    # The library makes up an id where there is none, and a repetition could not be told.
    for name in REQUIRED:
        if not isinstance(plain.get(name), str) or not plain[name]:
            raise RejectedError(
                400,
                "malformed-event",
                f'Cannot read the event: "{name}" must be text, not {plain.get(name)!r:.100}',
            )
    headers = {"content-type": "application/cloudevents+json"}
    return _parse(from_structured_event, HTTPMessage(headers, body))


def _parse(reader: Any, message: HTTPMessage) -> BaseCloudEvent:
    try:
        event: BaseCloudEvent = reader(message)
    except CloudEventValidationError as error:
        faults = "; ".join(
            f"{name}: {', '.join(str(fault) for fault in found)}"
            for name, found in error.errors.items()
        )
        raise RejectedError(400, "malformed-event", f"Cannot read the event: {faults}") from error
    except (
        BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        # The library parses times, base64 and JSON without guarding its caller.
        raise RejectedError(
            400, "malformed-event", f"Cannot read the event: {type(error).__name__}: {error}"
        ) from error
    if event.get_attributes().get("specversion") != "1.0":
        raise RejectedError(
            400, "unknown-specversion", 'Cannot read the event: its specversion must be "1.0"'
        )
    return event


def _take(event: BaseCloudEvent, raw: bytes) -> list[Incoming]:
    identity = f"{event.get_source()}\n{event.get_id()}"
    kind = event.get_type()
    content = msgspec.json.encode([kind, _data(event)], order="deterministic")
    fingerprint = hashlib.sha256(content).hexdigest()
    found = _read_data(event)
    if isinstance(found, Derived):
        conv_id = found.payload["general"]["convId"]
        check_conversation_id(conv_id)
        return [Incoming(conv_id, kind, _hash(identity), fingerprint, raw)]
    if len(found) == 1:
        return [Incoming(found[0].conv_id, kind, _hash(identity), fingerprint, raw)]
    # Only what is read again: a sender's own members would be stored once for each change.
    attributes = {name: value for name, value in decode(raw).items() if name in KEPT}
    envelope = _envelope(event)
    parts = [decode(liveperson.split(envelope, change))["body"] for change in found]
    return [
        Incoming(
            change.conv_id,
            kind,
            _hash(f"{identity}\n{number}"),
            fingerprint,
            msgspec.json.encode({**attributes, "data": part}),
        )
        for number, (change, part) in enumerate(zip(found, parts, strict=True))
    ]


def _read_data(event: BaseCloudEvent) -> list[conversations.Change] | Derived:
    kind = event.get_type()
    if kind.startswith(EVENT_PREFIX):
        return _derived(event)
    if kind in (CONVERSATION_UPDATED, MESSAGE_CREATED) or kind.startswith(LIVEPERSON_PREFIX):
        return liveperson.read_changes(_envelope(event))
    known = [
        LIVEPERSON_PREFIX + "cqm.ExConversationChangeNotification",
        LIVEPERSON_PREFIX + "ms.MessagingEventNotification",
        CONVERSATION_UPDATED,
        MESSAGE_CREATED,
        EVENT_PREFIX + "…",
    ]
    raise RejectedError(
        400, "unknown-type", f'Cannot take type "{kind[:100]}": known are {", ".join(known)}'
    )


def _data(event: BaseCloudEvent) -> dict[str, Any]:
    data = event.get_data()
    if isinstance(data, bytes | str):
        data = decode(data.encode() if isinstance(data, str) else data)
    if not isinstance(data, dict):
        raise RejectedError(400, "malformed-data", 'Cannot read "data": not a JSON object')
    return data


def _envelope(event: BaseCloudEvent) -> dict[str, Any]:
    """The data as one of LivePerson's notifications, which all derivation starts from."""
    kind, data = event.get_type(), _data(event)
    if kind == CONVERSATION_UPDATED:
        return _conversation(data)
    if kind == MESSAGE_CREATED:
        return _message(data)
    return {
        "kind": "notification",
        "type": kind.removeprefix(LIVEPERSON_PREFIX),
        "body": data,
    }


def _conversation(data: dict[str, Any]) -> dict[str, Any]:
    _check_word("state", data.get("state"), STATES)
    if data["state"] == "CLOSE":
        # Who closed decides which event it is, and nobody else will say.
        _check_word("closeReason", data.get("closeReason"), CLOSE_REASONS)
    details = {
        "convId": data.get("conversationId"),
        "dialogs": [
            {
                "dialogId": data.get("conversationId"),
                "dialogType": "MAIN",
                "channelType": "MESSAGING",
                "state": data.get("state"),
            }
        ],
        "metaDataLastUpdateTs": data.get("updatedTs"),
    }
    same = ("state", "skillId", "participants", "ttr", "manualETTR", "startTs", "firstConversation",
            "closeReason", "context", "endTs", "campaignInfo", "nicknames")  # fmt: skip
    details |= {name: data[name] for name in same if name in data}
    result = {"convId": data.get("conversationId"), "conversationDetails": details}
    if "effectiveTTR" in data:
        result["effectiveTTR"] = data["effectiveTTR"]
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {"changes": [{"type": "UPSERT", "result": result}]},
    }


def _check_word(name: str, value: Any, words: tuple[str, ...]) -> None:
    if value not in words:
        raise RejectedError(
            400,
            "invalid-field",
            f'Cannot read "{name}" with value {value!r:.60}: it must be one of {", ".join(words)}',
        )


def _message(data: dict[str, Any]) -> dict[str, Any]:
    dialog = data.get("dialogId", data.get("conversationId"))
    change = {
        "sequence": data.get("sequence"),
        "dialogId": dialog,
        "conversationId": data.get("conversationId"),
        "serverTimestamp": data.get("ts"),
        "originatorId": data.get("participantId"),
        "originatorMetadata": {"id": data.get("participantId"), "role": data.get("role")},
        "event": {
            "type": "ContentEvent",
            "contentType": data.get("contentType", "text/plain"),
            "message": data.get("text"),
        },
    }
    return {
        "kind": "notification",
        "type": "ms.MessagingEventNotification",
        "body": {"dialogId": dialog, "changes": [change]},
    }


def _derived(event: BaseCloudEvent) -> Derived:
    word = event.get_type().removeprefix(EVENT_PREFIX)
    if word not in EVENT_WORDS:
        raise RejectedError(
            400,
            "unknown-type",
            f'Cannot take event "{word[:60]}": known are {", ".join(sorted(EVENT_WORDS))}',
        )
    try:
        payload = conversations.clean(_data(event))
    except conversations.NotificationError as error:
        raise RejectedError(400, error.code, str(error)) from error
    general = payload.get("general")
    if not isinstance(general, dict) or not isinstance(general.get("convId"), str):
        raise RejectedError(
            400, "malformed-data", 'Cannot read "data": general.convId must be a string'
        )
    subtype = general.get("cbotEventType", "")
    allowed = events.EVENT_TYPES[EVENT_WORDS[word]].subtypes
    if subtype not in allowed:
        raise RejectedError(
            400,
            "malformed-data",
            f"Cannot read general.cbotEventType {str(subtype)[:60]!r}: for {word} it must be one "
            f"of {', '.join(allowed)}",
        )
    try:
        # Guards compare these fields later, so what is missing or misspelt is said here.
        msgspec.convert(payload, events.Payload)
    except msgspec.ValidationError as error:
        raise RejectedError(400, "malformed-data", f'Cannot read "data": {error}') from error
    return Derived(EVENT_WORDS[word], payload, _occurred_ms(event.get_time()))


def _occurred_ms(at: dt.datetime | None) -> int:
    if at is None:
        at = dt.datetime.now(dt.UTC)
    occurred_ms = (at - EPOCH) // dt.timedelta(milliseconds=1)
    if not 0 <= occurred_ms <= LATEST_MS:
        raise RejectedError(
            400, "malformed-event", f'Cannot read "time": {at} is no time of an event'
        )
    return occurred_ms


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
