"""What every messaging platform looks like from inside: read notifications, carry out commands.

RejectedError         a request at the door cannot be taken; carries status, code and the way out
DeliveryError         a command could not be carried out now or, when `permanent`, ever
"""

import hmac
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from django.utils import timezone

from invoker import bounds, conversations

if TYPE_CHECKING:
    from invoker.models import Command, Connection

MAX_CONVERSATION_ID = 200
NO_CALLBACK_URL = "no-callback-url"
LONGEST_PAUSE_S = 3600.0
LONGEST_MESSAGE = 800
"""Characters of what a sender is told."""


class RejectedError(Exception):
    """A request that the door turns away; nothing of it was kept.

    `message` may quote what came: what cannot be printed of it stands there as an escape, and what
    is longer than `LONGEST_MESSAGE` is cut. `retry_after_s` is when to send it again, None where
    that would not help.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: float | None = None
    ) -> None:
        shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
        message = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown
        )
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class DeliveryError(Exception):
    """A command that was not carried out.

    `permanent` says that trying again cannot help, `reason` why in a stable word.
    `retry_after_s` is the platform's own wish. `unknown` says that it may have been carried out:
    it was sent, and no answer came.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        reason: str = "refused",
        retry_after_s: float | None = None,
        unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Incoming:
    """One change of one conversation, ready to be stored.

    `dedupe_key` is the same for every repetition. `fingerprint` tells a repetition from another
    notification that was given the same key by mistake. `Platform.digest` reads `body` back.
    """

    conv_id: str
    kind: str
    dedupe_key: str
    fingerprint: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Derived:
    """An event that the sender has derived itself: it bypasses the comparison of states."""

    event_type: str
    payload: dict[str, Any]
    occurred_ms: int


class Platform(Protocol):
    """One messaging platform. A module-level instance serves all its connections."""

    def authenticate(
        self, connection: "Connection", headers: Mapping[str, str], body: bytes, token: str = ""
    ) -> None:
        """Check who sent this. Header names are lower case; `token` is the rest of the address.

        Raises:
            RejectedError: with 400 or 401.
        """

    def read(self, headers: Mapping[str, str], body: bytes) -> list[Incoming]:
        """Take a request apart, all or nothing.

        Raises:
            RejectedError: with 400 or 415, naming what was wrong.
        """

    def answer(self, *, accepted: int, duplicates: int) -> tuple[int, dict[str, Any]]:
        """The status and JSON body that this platform takes for success."""

    def digest(self, body: bytes) -> conversations.Change | Derived:
        """Read a stored `Incoming.body` back."""

    def deliver(self, connection: "Connection", command: "Command") -> str:
        """Carry out one command and say in a few words what the platform answered.

        Raises:
            DeliveryError: it was not carried out.
        """


def fits_any(given: str, expected: list[str]) -> bool:
    """Whether a proof is one of those expected; the time does not tell how near it came."""
    fitting = [each for each in expected if hmac.compare_digest(given.encode(), each.encode())]
    return bool(fitting)


def repair(body: bytes) -> bytes:
    """A JSON body without halves of emoji, which become question marks.

    Where somebody cut a text, half a pair is legal JSON that no database takes. Refusing it would
    hold up everything that the platform wants to send after it. What is no JSON stays as it is.
    """
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        try:
            text = json.dumps(json.loads(body), ensure_ascii=False)
        except (ValueError, RecursionError):
            return body
        return text.encode("utf-8", "replace")
    return body


def decode(body: bytes) -> Any:
    """Decode JSON from outside.

    Raises:
        RejectedError: 400 `malformed-json` with the place of the fault, or `json-too-many-names`.
    """
    if bounds.has_too_many_names(body):
        raise RejectedError(
            400,
            "json-too-many-names",
            f"Cannot read the body: its objects have more than {bounds.MAX_NAMES:,} names together",
        )
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise RejectedError(
            400, "malformed-json", "Cannot read the body: it is nested too deeply"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(400, "malformed-json", f"Cannot read the body: {error}") from error


def check_conversation_id(conv_id: str) -> None:
    """Refuse an id that could not be stored or shown."""
    printable = all(unicodedata.category(char)[0] != "C" for char in conv_id)
    if not conv_id or len(conv_id) > MAX_CONVERSATION_ID or not printable:
        raise RejectedError(
            400,
            "bad-conversation-id",
            f"Cannot take conversation id {conv_id[:80]!r}: it must have 1 to "
            f"{MAX_CONVERSATION_ID} printable characters",
        )


def read_retry_after(value: str | None) -> float | None:
    """The pause that a Retry-After header asks for, in seconds; it may name the end instead.

    Returns:
        None where it names no pause. An hour at most: nothing is worth waiting for longer.
    """
    try:
        pause_s = float(value or "")
    except ValueError:
        try:
            until = parsedate_to_datetime(value or "")
            pause_s = (until - timezone.now()).total_seconds() if until.tzinfo else 0.0
        except (ValueError, OverflowError):
            # The latter for years and zones that no clock has.
            return None
    return min(LONGEST_PAUSE_S, pause_s) if pause_s > 0 else None
