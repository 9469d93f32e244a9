"""A function that only rehearses: it runs on what really happened, and nothing comes of it.

No request leaves the sandbox, unless somebody allowed the network: then those to the hosts of the
account's allow-list do, and what they change elsewhere is changed. Secrets and stored context can
be read, so that the function goes the way it would go; reading leaves no trace. What would be
written is answered as if it were, and is not: a refusal would end most functions where they begin
to differ. Other functions are not invoked, for they would act.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any

from invoker import calls, runtime, vault
from invoker.answers import PREFIX
from invoker.runtime import CallError

REFUSED = "rehearsal-refused"
# All rehearsals of a function together keep to the rate of a real one, by waiting. They have a
# count of their own: requests of the real one must not be refused for their sake.
_pace = calls.Buckets(calls.REQUESTS_PER_S)
PACE_S = 0.005


class Mark(StrEnum):
    """Where a rehearsal went another way than the real thing."""

    NETWORK = "network"
    FORBIDDEN = "forbidden-host"
    REQUEST = "request"
    WRITE = "write"
    INVOKE = "invoke"
    SECRET = "secret"  # noqa: S105
    CONTEXT = "context"


MARKS = {
    Mark.NETWORK: "A request was refused: none leaves unless the network is allowed",
    Mark.FORBIDDEN: "A request was refused as in a real run: the allow-list lacks its address, or "
    "one that it led to",
    Mark.REQUEST: "Requests were sent, and answered as of today",
    Mark.INVOKE: "Another function was not invoked",
    Mark.WRITE: "Nothing was written",
    Mark.SECRET: "Read a secret as it is today",
    Mark.CONTEXT: "Read stored context as it is today",
}
"""The same in words."""


class Platform:
    """Answers one run of a rehearsal.

    `marks` are what it asked for that was refused, or is of today. With `network` requests leave
    as they would in a real run.
    """

    def __init__(self, account_id: str, function_id: uuid.UUID, *, network: bool = False) -> None:
        self.marks: set[Mark] = set()
        self.network = network
        self._account_id = account_id
        self._function_id = function_id
        self._real = calls.Calls(account_id, function_id)
        self._requests = calls.Buckets(calls.REQUESTS_PER_S)
        self._sent = 0

    def answer(self, op: str, arguments: Any) -> Any:
        """A JSON value.

        Raises:
            CallError: refused, with a code of the toolbelt.
        """
        if op == "http.permit":
            return self._permit_request()
        if op == "http.refused":
            return self._note_refusal()
        if op == "orchestrator.invoke":
            self.marks.add(Mark.INVOKE)
            raise CallError(REFUSED, "Cannot invoke: a rehearsal invokes no other function")
        if op in _WRITES:
            self.marks.add(Mark.WRITE)
            return _WRITES[op](arguments if isinstance(arguments, dict) else {})
        if op == "secret.read":
            self.marks.add(Mark.SECRET)
            return self._read_secret(arguments)
        if op in _READS:
            self.marks.add(Mark.CONTEXT)
            return self._real.answer(op, arguments)
        raise CallError(calls.UNKNOWN_CALL, "Cannot answer: a rehearsal knows no call of this name")

    def _permit_request(self) -> bool:
        if not self.network:
            self.marks.add(Mark.NETWORK)
            raise CallError(REFUSED, "Cannot send: no request leaves a rehearsal")
        # As many as one run may send at once, and then in turn with all others.
        if not self._requests.take(self._function_id):
            return False
        self.marks.add(Mark.REQUEST)
        self._sent += 1
        while not _pace.take(self._function_id):
            time.sleep(PACE_S)
        return True

    def _note_refusal(self) -> None:
        if not self.network:
            return
        self.marks.add(Mark.FORBIDDEN)
        self._sent -= 1
        if self._sent <= 0:
            self.marks.discard(Mark.REQUEST)

    def _read_secret(self, arguments: Any) -> dict[str, Any]:
        key = arguments.get("key") if isinstance(arguments, dict) else None
        if not isinstance(key, str):
            raise CallError(f"{PREFIX}secret.invalid-format", "Cannot read: no key")
        try:
            # Without a reader: "last used by" is about what really ran.
            return {"key": key, "value": vault.read(self._account_id, key)}
        except vault.SecretError as error:
            raise CallError(calls.SECRET_CODES[type(error)], str(error)) from error


def program(
    account_id: str,
    function_id: uuid.UUID,
    function_name: str,
    *,
    code: str,
    environment: Mapping[str, str],
    platform: Platform,
    key: str | None = None,
) -> runtime.Program:
    """What the sandbox runs for a rehearsal, with no host to connect to unless the network is on.

    It runs once, or with a `key` of `warm` on many events, with a platform of its own for each.
    """
    draft = calls.draft(account_id, function_id, function_name, code=code, environment=environment)
    hosts = draft.hosts if platform.network else ()
    return replace(draft, key=key, hosts=hosts, platform=platform)


@contextmanager
def warm() -> Iterator[Callable[[], str]]:
    """Keep sandboxes for one event after the other, as those of real events are kept.

    What is given makes a key for each program. The sandboxes end with the block.
    """
    group = f"rehearsal{uuid.uuid4().hex}"
    made = 0

    def key() -> str:
        nonlocal made
        made += 1
        return f"{group}-{made}"

    try:
        yield key
    finally:
        if made:
            runtime.retire(group)


_READS = frozenset(
    {
        "context.getListOfNamespaces",
        "context.getListOfSessions",
        "context.getProperties",
    }
)
_WRITES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "secret.update": lambda asked: {"key": asked.get("key"), "value": asked.get("value")},
    "context.createNamespace": lambda asked: {"name": asked.get("namespace")},
    "context.deleteNamespace": lambda _: None,
    "context.setPropertiesInNamespace": lambda asked: asked.get("properties"),
    "context.updatePropertiesInNamespace": lambda asked: asked.get("properties"),
    "context.deletePropertyInSession": lambda _: None,
    "context.deleteSession": lambda _: None,
}
