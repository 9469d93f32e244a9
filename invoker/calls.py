"""Functions as the sandbox runs them, and what they are answered when they ask for something.

Whose function asks is known from the object that answers. What comes with a question is a
stranger's: it names a key, a function or a session, never an account.
"""

import hashlib
import json
import logging
import math
import threading
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFault
from django.db import connections, transaction
from django.utils import timezone
from msgspec import Meta, Struct

from invoker import allow_list, answers, context, invocations, runtime, telemetry, vault
from invoker.answers import PREFIX, Refusal
from invoker.models import Deployment, Invocation
from invoker.runtime import CallError

logger = logging.getLogger(__name__)

# Codes of the toolbelt. Source: `liveperson-contract.md` §7.1.
INVOKE_TIMEOUT = f"{PREFIX}orchestrator-fn.invoke.timeout"
# Houston's own, for what the vendor does not name.
TOO_DEEP = f"{PREFIX}orchestrator-fn.invoke.too-deep"
UNKNOWN_CALL = f"{PREFIX}unknown-call"
SECRET_CODES: dict[type[vault.SecretError], str] = {
    vault.NotFoundError: f"{PREFIX}secret.not-found",
    vault.ForbiddenError: f"{PREFIX}secret.forbidden",
    vault.InvalidError: f"{PREFIX}secret.invalid-format",
}

REQUESTS_PER_S = 20
MOST_BUCKETS = 10_000
MAX_DEPTH = 5
LONGEST_INVOKE_MS = 25_000
# Functions that invoke several which invoke several must not take every thread of the worker.
MOST_INVOKED_AT_ONCE = 16


# Programs -----------------------------------------------------------------------------------------


def program(deployment: Deployment, *, depth: int = 0) -> runtime.Program:
    """What the sandbox runs for a deployment: one warm group of its own, shared with nobody.

    `depth` counts the functions that invoked each other on the way here.
    """
    hosts = allow_list.hosts(deployment.account_id)
    return runtime.Program(
        source=deployment.code,
        # A sandbox is started with its hosts and facts, so others need other sandboxes.
        key=f"{deployment.pk}-{_fingerprint(hosts, settings.LIVEPERSON_CSDS)}",
        account_id=deployment.account_id,
        environment={
            **deployment.environment,
            **reserved_variables(deployment.account_id, deployment.function_id),
        },
        hosts=hosts,
        facts=facts(deployment.account_id, deployment.function_id),
        platform=Calls(
            deployment.account_id, deployment.function_id, deployment.function_name, depth=depth
        ),
    )


def draft(
    account_id: str,
    function_id: uuid.UUID,
    function_name: str,
    *,
    code: str,
    environment: Mapping[str, str],
) -> runtime.Program:
    """What the sandbox runs for code that is not deployed: once, with all that a deployment has."""
    return runtime.Program(
        source=code,
        account_id=account_id,
        environment={**environment, **reserved_variables(account_id, function_id)},
        hosts=allow_list.hosts(account_id),
        facts=facts(account_id, function_id),
        platform=Calls(account_id, function_id, function_name),
    )


def reserved_variables(account_id: str, function_id: uuid.UUID) -> dict[str, str]:
    """What `process.env` holds beside the author's own, as existing functions read it.

    Source: `liveperson-contract.md` §4.4. What only says where LivePerson runs is left out.
    """
    return {
        "BRAND_ID": account_id,
        "LAMBDA_UUID": str(function_id),
        "NODE_ENV": "production",
        "X_LIVEPERSON_BRAND_ID": account_id,
        "X_LIVEPERSON_CSDS_DOMAIN": urlsplit(settings.LIVEPERSON_CSDS).netloc,
        "X_LIVEPERSON_FUNCTION_UUID": str(function_id),
    }


def facts(account_id: str, function_id: uuid.UUID) -> dict[str, Any]:
    """What the toolbelt knows without asking."""
    return {
        "accountId": account_id,
        "functionId": str(function_id),
        "liveperson": {"csds": settings.LIVEPERSON_CSDS},
    }


def invoke(
    ran: Invocation,
    event: Any,
    *,
    timeout_s: float,
    wait_s: float | None = None,
    depth: int = 0,
) -> runtime.Result:
    """Run what `ran`, which is not written down yet, names; for whoever asks now and waits.

    It is written down once it is over: a run that a crash cuts short is repeated by its caller, who
    has no answer.
    """
    ran.function_id = ran.deployment.function_id
    # Not when it was asked for: of the functions of an event some wait for others.
    ran.started_at = timezone.now()
    with telemetry.step("invoke", account_id=ran.account_id, invocation_id=ran.pk):
        result = runtime.run(
            program(ran.deployment, depth=depth),
            event,
            timeout_s=timeout_s,
            wait_s=wait_s,
            trace_id=str(ran.pk),
        )
        telemetry.note(outcome=result.outcome.value)
    with transaction.atomic():
        invocations.write_down(ran, result)
    logger.info(
        "function ran",
        extra={
            "account_id": ran.account_id,
            "function_id": ran.function_id,
            "invocation_id": ran.pk,
            "request_id": ran.request_id,
            "outcome": result.outcome.value,
            "ms": round(result.duration_ms, 1),
        },
    )
    return result


@lru_cache(maxsize=1024)
def _fingerprint(hosts: tuple[str, ...], csds: str) -> str:
    return hashlib.sha256(json.dumps([hosts, csds]).encode()).hexdigest()[:16]


# Calls --------------------------------------------------------------------------------------------


class _Nothing(Struct):
    pass


class _Read(Struct):
    key: str


class _Update(Struct):
    key: str
    value: Any


class _Invoke(Struct, rename="camel"):
    uuid: str
    timeout_ms: Annotated[float, Meta(gt=0)]
    payload: Any = None
    headers: list[Any] | None = None


class _NewNamespace(Struct):
    namespace: str
    ttl: int | None = None


class _Namespace(Struct):
    namespace: str


class _Session(Struct):
    namespace: str
    session: str


class _Write(Struct):
    namespace: str
    session: str
    properties: dict[str, Any]


class _Properties(Struct):
    namespace: str
    session: str
    names: Annotated[list[str], Meta(max_length=context.MAX_PROPERTIES)] | None = None


class _Property(Struct):
    namespace: str
    session: str
    name: str


class Calls:
    """Answers what one function asks for, from rows of its account. See `runtime.Platform`."""

    def __init__(
        self, account_id: str, function_id: uuid.UUID, function_name: str = "", *, depth: int = 0
    ) -> None:
        self._account_id = account_id
        self._function_id = function_id
        self._by = f"function {function_name or function_id}"
        self._reader = vault.Reader(function_id, function_name)
        self._depth = depth

    def answer(self, op: str, arguments: Any) -> Any:
        """A JSON value; of an invocation a callable that gives one.

        Raises:
            CallError: refused, with a code of the toolbelt.
        """
        known = _OPS.get(op)
        if known is None:
            raise CallError(UNKNOWN_CALL, "Cannot answer: the platform knows no call of this name")
        try:
            asked = msgspec.convert(arguments, known.arguments)
        except (msgspec.ValidationError, RecursionError) as error:
            raise CallError(known.invalid, f'Cannot answer "{op}": {error}') from error
        try:
            return known.answer(self, asked)
        except vault.SecretError as error:
            raise CallError(SECRET_CODES[type(error)], str(error)) from error
        except (DatabaseFault, ImproperlyConfigured) as error:
            logger.exception("a call of a function failed", extra={"op": op})
            raise CallError(
                known.failed, f'Cannot answer "{op}": nothing can be read or written now'
            ) from error

    def read_secret(self, asked: _Read) -> dict[str, Any]:
        return {
            "key": asked.key,
            "value": vault.read(self._account_id, asked.key, reader=self._reader),
        }

    def update_secret(self, asked: _Update) -> dict[str, Any]:
        vault.update(self._account_id, asked.key, asked.value, by=self._by)
        return {"key": asked.key, "value": asked.value}

    def permit_request(self, _: _Nothing) -> bool:
        return _requests.take(self._function_id)

    def note_refusal(self, _: _Nothing) -> None:
        """A permitted request was not sent. Only rehearsals keep account of it."""

    def invoke(self, asked: _Invoke) -> Callable[[], dict[str, Any]]:
        """Another function of the account, beside the one that asks."""
        if self._depth >= MAX_DEPTH:
            raise CallError(
                TOO_DEEP,
                f'Cannot invoke "{asked.uuid[:60]}": {MAX_DEPTH} functions have invoked each other '
                "already, break the circle",
            )

        def answer() -> dict[str, Any]:
            if not _invoked.begin(self._account_id):
                message = (
                    f'Cannot invoke "{asked.uuid[:60]}": {MOST_INVOKED_AT_ONCE} functions of this '
                    "account are being invoked by others already"
                )
                busy = Refusal(429, f"{PREFIX}es.general", f"{PREFIX}evg.general", message)
                return _refused(asked.uuid, busy)
            try:
                return self._invoke(asked)
            except DatabaseFault as error:
                logger.exception("a function could not be invoked")
                raise CallError(
                    f"{PREFIX}orchestrator-fn-general",
                    f'Cannot invoke "{asked.uuid[:60]}": nothing can be read or written now',
                ) from error
            finally:
                _invoked.end(self._account_id)
                # The thread is not Django's, so nobody else closes what it opened.
                connections.close_all()

        return answer

    def create_namespace(self, asked: _NewNamespace) -> dict[str, Any]:
        return context.create_namespace(self._account_id, asked.namespace, asked.ttl)

    def delete_namespace(self, asked: _Namespace) -> None:
        context.delete_namespace(self._account_id, asked.namespace)

    def list_namespaces(self, _: _Nothing) -> list[dict[str, Any]]:
        return context.namespaces(self._account_id)

    def list_sessions(self, asked: _Namespace) -> list[str]:
        return context.sessions(self._account_id, asked.namespace)

    def write_properties(self, asked: _Write) -> Mapping[str, Any]:
        return context.write(self._account_id, asked.namespace, asked.session, asked.properties)

    def read_properties(self, asked: _Properties) -> dict[str, Any]:
        return context.properties(self._account_id, asked.namespace, asked.session, asked.names)

    def delete_property(self, asked: _Property) -> None:
        context.delete_property(self._account_id, asked.namespace, asked.session, asked.name)

    def delete_session(self, asked: _Session) -> None:
        context.delete_session(self._account_id, asked.namespace, asked.session)

    def _invoke(self, asked: _Invoke) -> dict[str, Any]:
        deployment = self._deployment(asked.uuid)
        if deployment is None:
            message = f'Cannot invoke "{asked.uuid[:60]}": no function of this id is deployed'
            return _refused(asked.uuid, answers.not_found(message))
        event = {
            "timestamp": int(time.time() * 1000),
            "headers": asked.headers or [],
            "payload": asked.payload,
        }
        timeout_s = min(asked.timeout_ms, LONGEST_INVOKE_MS) / 1000
        ran = Invocation(account_id=self._account_id, deployment=deployment, invoked_by=self._by)
        result = invoke(ran, event, timeout_s=timeout_s, depth=self._depth + 1)
        if result.outcome == runtime.Outcome.TIMEOUT and result.failure:
            # Less than a function may take, so it is the caller's patience that ended.
            raise CallError(
                INVOKE_TIMEOUT, f'Cannot wait for "{asked.uuid[:60]}": {result.failure.message}'
            )
        if refusal := answers.refusal(result):
            return _refused(asked.uuid, refusal)
        return _answered(asked.uuid, 200, result.value)

    def _deployment(self, function_id: str) -> Deployment | None:
        try:
            wanted = uuid.UUID(function_id)
        except ValueError:
            return None
        return Deployment.objects.filter(
            account_id=self._account_id, function_id=wanted, active=True
        ).first()


@dataclass(frozen=True, slots=True)
class _Op:
    """A call: how its arguments look, who answers it, and the codes of going wrong."""

    arguments: type[Struct]
    answer: Callable[[Calls, Any], Any]
    invalid: str
    failed: str


def _of_secrets(arguments: type[Struct], answer: Callable[[Calls, Any], Any]) -> _Op:
    return _Op(arguments, answer, f"{PREFIX}secret.invalid-format", f"{PREFIX}secret.op-failed")


def _of_context(arguments: type[Struct], answer: Callable[[Calls, Any], Any]) -> _Op:
    return _Op(arguments, answer, context.INVALID, f"{PREFIX}context.op-failed")


_ORCHESTRATOR = f"{PREFIX}orchestrator-fn-general"
_OPS = {
    "secret.read": _of_secrets(_Read, Calls.read_secret),
    "secret.update": _of_secrets(_Update, Calls.update_secret),
    "http.permit": _Op(_Nothing, Calls.permit_request, UNKNOWN_CALL, UNKNOWN_CALL),
    "http.refused": _Op(_Nothing, Calls.note_refusal, UNKNOWN_CALL, UNKNOWN_CALL),
    "orchestrator.invoke": _Op(_Invoke, Calls.invoke, _ORCHESTRATOR, _ORCHESTRATOR),
    "context.createNamespace": _of_context(_NewNamespace, Calls.create_namespace),
    "context.deleteNamespace": _of_context(_Namespace, Calls.delete_namespace),
    "context.getListOfNamespaces": _of_context(_Nothing, Calls.list_namespaces),
    "context.getListOfSessions": _of_context(_Namespace, Calls.list_sessions),
    # Two names of one thing: both make what is missing and keep what is not mentioned.
    "context.setPropertiesInNamespace": _of_context(_Write, Calls.write_properties),
    "context.updatePropertiesInNamespace": _of_context(_Write, Calls.write_properties),
    "context.getProperties": _of_context(_Properties, Calls.read_properties),
    "context.deletePropertyInSession": _of_context(_Property, Calls.delete_property),
    "context.deleteSession": _of_context(_Session, Calls.delete_session),
}


# The answer of an invocation ----------------------------------------------------------------------


def _refused(function_id: str, refusal: Refusal) -> dict[str, Any]:
    return _answered(function_id, refusal.status, refusal.body)


def _answered(function_id: str, status: int, body: Any) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"uuid": function_id, "statusCode": status, "headers": headers, "body": body}


# Limits -------------------------------------------------------------------------------------------


class AtOnce:
    """Counts, in this process, what each account has under way, up to a limit.

    `together` is the limit of all accounts, where there is one, and `within` what these count for
    too.
    """

    def __init__(
        self, most: int, *, together: float = math.inf, within: "AtOnce | None" = None
    ) -> None:
        self._most = most
        self._together = together
        self._within = within
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    def begin(self, account_id: str, *, together: float = math.inf) -> bool:
        """Whether there is room for one more; with `together`, while all have less than this."""
        with self._lock:
            running = self._running
            most = min(together, self._together)
            if running[account_id] >= self._most or running.total() >= most:
                return False
            if self._within and not self._within.begin(account_id):
                return False
            running[account_id] += 1
        return True

    def end(self, account_id: str) -> None:
        with self._lock:
            self._running[account_id] -= 1
            if not self._running[account_id]:
                del self._running[account_id]
        if self._within:
            self._within.end(account_id)


class Buckets:
    """How many requests each function may make now: so many a second, and no more at once.

    They count in this process. Forgetting the one that was idle longest gives it nothing: a
    bucket is full again after a second.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._filled: OrderedDict[uuid.UUID, tuple[float, float]] = OrderedDict()

    def take(self, function_id: uuid.UUID) -> bool:
        """Take one; False when there is none left."""
        now = self._clock()
        with self._lock:
            left, at = self._filled.pop(function_id, (float(self._per_second), now))
            left = min(self._per_second, left + (now - at) * self._per_second)
            permitted = left >= 1
            self._filled[function_id] = (left - permitted, now)
            if len(self._filled) > MOST_BUCKETS:
                self._filled.popitem(last=False)
        return permitted


_requests = Buckets(REQUESTS_PER_S)
_invoked = AtOnce(MOST_INVOKED_AT_ONCE)
