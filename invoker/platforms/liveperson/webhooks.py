"""LivePerson's webhooks come in; commands go out by the agent socket or the callback URL.

Source: `controller-bot.md` §2.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from invoker import conversations
from invoker.platforms import callbacks
from invoker.platforms.contract import (
    Derived,
    Incoming,
    RejectedError,
    check_conversation_id,
    decode,
    fits_any,
)
from invoker.platforms.liveperson import delivery

if TYPE_CHECKING:
    from invoker.models import Command, Connection

ACCOUNT = "x-liveperson-account-id"
CLIENT = "x-liveperson-client-id"
SIGNATURE = "x-liveperson-signature"


def sign(secret: str, body: bytes, algorithm: str) -> str:
    """The signature header's value: the algorithm, `=`, and the HMAC of the raw body in base64."""
    digest = hmac.new(secret.encode(), body, algorithm).digest()
    return f"{algorithm}={b64encode(digest).decode()}"


class LivePerson:
    """The scheme has no timestamp and no delivery id: repetitions are found by content."""

    def authenticate(
        self,
        connection: "Connection",
        headers: Mapping[str, str],
        body: bytes,
        token: str = "",  # noqa: ARG002
    ) -> None:
        for name in (ACCOUNT, CLIENT, SIGNATURE):
            if not headers.get(name):
                raise RejectedError(
                    400, "missing-header", f'Cannot check the sender: header "{name}" is missing'
                )
        algorithm = headers[SIGNATURE].partition("=")[0]
        algorithm = algorithm if algorithm == "sha256" else "sha1"
        signatures = [sign(secret, body, algorithm) for secret in connection.signing_secrets]
        if not fits_any(headers[SIGNATURE], signatures):
            raise RejectedError(
                401, "bad-signature", "Cannot accept the request: its signature does not fit"
            )
        for name, expected in ((ACCOUNT, connection.account_id), (CLIENT, connection.client_id)):
            if not fits_any(headers[name], [expected]):
                raise RejectedError(
                    401,
                    "wrong-sender",
                    f'Cannot accept the request: header "{name}" is not that of this connection',
                )

    def read(self, headers: Mapping[str, str], body: bytes) -> list[Incoming]:  # noqa: ARG002
        envelope = decode(body)
        changes = read_changes(envelope)
        bodies = [body] if len(changes) == 1 else [split(envelope, change) for change in changes]
        kind = str(envelope["type"])
        return [take(kind, change, one) for change, one in zip(changes, bodies, strict=True)]

    def answer(self, *, accepted: int, duplicates: int) -> tuple[int, dict[str, Any]]:
        # 200 and 201 are success to LivePerson, 202 and 204 are failures: `controller-bot.md` §2.3.
        return 200, {"accepted": accepted, "duplicates": duplicates}

    def digest(self, body: bytes) -> conversations.Change | Derived:
        return read_changes(decode(body))[0]

    def deliver(self, connection: "Connection", command: "Command") -> str:
        if connection.agent_login:
            return delivery.deliver(connection, command)
        return callbacks.post(connection, command)


def read_changes(envelope: Any) -> list[conversations.Change]:
    """The changes of one notification, with ids that can be stored.

    Raises:
        RejectedError: 400 with the code and path that `conversations` gives.
    """
    try:
        changes = conversations.read_notification(envelope)
    except conversations.NotificationError as error:
        raise RejectedError(400, error.code, str(error)) from error
    for change in changes:
        check_conversation_id(change.conv_id)
    return changes


def take(kind: str, change: conversations.Change, body: bytes) -> Incoming:
    """A change and the notification that holds it alone, ready to be stored."""
    key = hashlib.sha256(change.key.encode()).hexdigest()
    return Incoming(change.conv_id, kind, key, fingerprint=key, body=body)


def split(envelope: dict[str, Any], change: conversations.Change) -> bytes:
    """The same envelope with one of its changes only.

    And with the members that are read: others would be stored once for each change.
    """
    inner = envelope["body"]
    kept = {name: inner[name] for name in ("sentTs", "dialogId") if name in inner}
    single = {**kept, "changes": [inner["changes"][change.index]]}
    return msgspec.json.encode({"kind": envelope["kind"], "type": envelope["type"], "body": single})
