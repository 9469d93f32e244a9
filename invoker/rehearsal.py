"""A function that only rehearses: it runs on what really happened, and nothing comes of it.

No request leaves the sandbox. Secrets and stored context can be read, so that the function goes
the way it would go; reading leaves no trace. What would be written is answered as if it were, and
is not: a refusal would end most functions where they begin to differ. Other functions are not
invoked, for they would act.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from invoker import calls, runtime, vault
from invoker.answers import PREFIX
from invoker.runtime import CallError

REFUSED = "rehearsal-refused"


class Mark(StrEnum):
    """Where a rehearsal went another way than the real thing."""

    NETWORK = "network"
    WRITE = "write"
    INVOKE = "invoke"
    SECRET = "secret"  # noqa: S105
    CONTEXT = "context"


class Platform:
    """Answers a rehearsal. `marks` are what it asked for that was refused, or is of today."""

    def __init__(self, account_id: str, function_id: uuid.UUID) -> None:
        self.marks: set[Mark] = set()
        self._account_id = account_id
        self._real = calls.Calls(account_id, function_id)

    def answer(self, op: str, arguments: Any) -> Any:
        """A JSON value.

        Raises:
            CallError: refused, with a code of the toolbelt.
        """
        if op == "http.permit":
            self.marks.add(Mark.NETWORK)
            raise CallError(REFUSED, "Cannot send: no request leaves a rehearsal")
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
) -> runtime.Program:
    """What the sandbox runs for a rehearsal: once, with no host to connect to."""
    draft = calls.draft(account_id, function_id, function_name, code=code, environment=environment)
    return replace(draft, hosts=(), platform=platform)


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
