"""The doors: check who sent it, store it, answer. Everything else happens in a worker."""

import io
import logging
import math
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection as database
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from invoker import dispatch, statements, tasks, telemetry, waiting
from invoker.backlog import backlog
from invoker.digesting import PASSING_FAULTS
from invoker.encryption import UnreadableSecretError
from invoker.group_commit import GroupCommit
from invoker.models import Connection, ControllerBot, Conversation, Notification
from invoker.platforms import PLATFORMS, Incoming, RejectedError, repair
from invoker.rates import rates

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
# What a connection did not send in so many seconds it may send at once.
BURST_S = 5
# So much of it is answered at once; the rest is spread out.
AT_ONCE_S = 0.2
SLOWED_S = 0.5
FULL_FOR_S = 30
# Of one request: they are stored in one transaction, which others wait for.
MOST_AT_ONCE = 500
# Somebody has to put a key back and restart.
UNREADABLE_FOR_S = 60
# While other work of its account waits; who is at work finds the rest.
KNOCK_EVERY_S = 0.1
# Of one request, each for another worker.
MOST_KNOCKS = 4
# After nobody was there. More than a new connection to a broker that hangs takes.
LEFT_ALONE_S = 5


@csrf_exempt
def receive(request: HttpRequest, connection_id: uuid.UUID, token: str = "") -> HttpResponse:
    """Take one request of a messaging platform.

    2xx is given only after the notification is committed, also when it is a repetition. Whatever
    is turned away leaves no row.
    """
    request_id = getattr(request, "id", "")
    came = {"connection_id": connection_id, "request_id": request_id}
    try:
        with telemetry.step("accept", parent=request.headers.get("traceparent", ""), **came):
            connection, incoming = _admit(request, connection_id, token)
            _check_room(connection, len(incoming))
            accepted = store(connection, incoming, request_id=request_id)
    except PASSING_FAULTS:
        # Away, locked or full. The platform keeps the notification and sends it again.
        logger.exception("cannot store a notification", extra={"connection_id": connection_id})
        telemetry.refused("storage-unavailable")
        message = "Cannot store the notification now: the database does not take it, send it again"
        return JsonResponse(
            {"code": "storage-unavailable", "message": message},
            status=503,
            headers={"Retry-After": "5"},
        )
    except UnreadableSecretError as error:
        # Nobody can tell who sent it. With the right key it is taken when it is sent again.
        logger.error(  # noqa: TRY400 -- the same for each request, and not where it came up
            "cannot read the secrets of a connection",
            extra={"connection_id": connection_id, "code": error.code},
        )
        telemetry.refused(error.code)
        message = "Cannot check the request: Houston cannot read the secrets of this connection"
        return JsonResponse(
            {"code": error.code, "message": f"{message} now, send it again later"},
            status=503,
            headers={"Retry-After": str(UNREADABLE_FOR_S)},
        )
    except RejectedError as error:
        telemetry.refused(error.code)
        logger.info(
            "request turned away",
            extra={"connection_id": connection_id, "code": error.code, "status": error.status},
        )
        response = JsonResponse({"code": error.code, "message": error.message}, status=error.status)
        if error.status == 405:  # noqa: PLR2004
            response["Allow"] = "POST"
        if error.retry_after_s:
            response["Retry-After"] = str(math.ceil(error.retry_after_s))
        return response
    telemetry.accepted(accepted)
    status, body = PLATFORMS[connection.platform].answer(
        accepted=accepted, duplicates=len(incoming) - accepted
    )
    return JsonResponse(body, status=status)


def hand_over(
    connection: Connection,
    body: bytes,
    headers: Mapping[str, str],
    request_id: str,
    token: str = "",
) -> HttpResponse:
    """Put a request of our own through the door, as if it had come by HTTP."""
    named = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in headers.items()
        if name != "content-type"
    }
    request = WSGIRequest(
        named
        | {
            "REQUEST_METHOD": "POST",
            # Nobody looks the address up, which would load every page into a worker.
            "PATH_INFO": f"/events/{connection.pk}",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": headers["content-type"],
        }
    )
    request.id = request_id  # type: ignore[attr-defined]
    return receive(request, connection.pk, token)


def _admit(
    request: HttpRequest, connection_id: uuid.UUID, token: str
) -> tuple[Connection, list[Incoming]]:
    if request.method != "POST":
        raise RejectedError(405, "method-not-allowed", "Cannot take the request: use POST")
    body = _body(request)
    found = statements.select_with(
        [Connection, ControllerBot],
        "LEFT JOIN invoker_controllerbot"
        " ON invoker_controllerbot.account_id = invoker_connection.account_id"
        " WHERE invoker_connection.id = %s",
        [statements.value(Connection, "id", connection_id)],
    )
    if not found:
        raise RejectedError(
            404, "unknown-connection", f'Cannot take the request: no connection "{connection_id}"'
        )
    connection, bot = found[0]
    platform = PLATFORMS[connection.platform]
    headers = {name.lower(): value for name, value in request.headers.items()}
    # The signature comes first: a stranger learns nothing about how far the set-up has come.
    platform.authenticate(connection, headers, body, token)
    _check_set_up(connection, bot)
    incoming = platform.read(headers, repair(body))
    if len(incoming) > MOST_AT_ONCE:
        raise RejectedError(
            400,
            "batch-too-large",
            f"Cannot take {len(incoming):,} changes in one request: at most {MOST_AT_ONCE:,}",
        )
    return connection, incoming


def _body(request: HttpRequest) -> bytes:
    too_large = RejectedError(
        413,
        "body-too-large",
        f"Cannot take the request: its body is larger than {MAX_BODY_BYTES} bytes",
    )
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        # Without a length the body would be taken for empty.
        raise RejectedError(411, "length-required", "Cannot read the body: send a Content-Length")
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        announced = 0
    if announced > MAX_BODY_BYTES:
        raise too_large
    try:
        body = request.read(MAX_BODY_BYTES + 1)
    except UnreadablePostError as error:
        raise RejectedError(
            408, "body-too-slow", "Cannot read the body: it did not arrive in time"
        ) from error
    if len(body) > MAX_BODY_BYTES:
        raise too_large
    return body


def _check_set_up(connection: Connection, bot: ControllerBot | None) -> None:
    if not connection.active:
        raise RejectedError(
            403,
            "connection-disabled",
            f'Cannot take notifications for "{connection.name}": the connection is switched off, '
            "an admin can switch it on under Settings, Connections",
        )
    if bot is None:
        raise RejectedError(
            403,
            "controller-bot-not-set-up",
            f'Cannot take notifications for account "{connection.account_id}": the controller bot '
            "is not set up, the account team can do it",
        )
    if bot.functions_enabled_at is None:
        raise RejectedError(
            403,
            "functions-not-enabled",
            f'Cannot take notifications for account "{connection.account_id}": functions are not '
            "enabled, the account team can do it",
        )


def _check_room(connection: Connection, count: int) -> None:
    """Whether so many may come now, by who sent them and by what waits."""
    per_s = settings.EVENTS_PER_SECOND
    most = per_s * BURST_S
    taken = rates.take(
        f"door {connection.pk}", most, within_s=BURST_S, count=count, largest=MOST_AT_ONCE
    )
    if taken.wait_s:
        raise RejectedError(
            429,
            "too-many-events",
            f'Cannot take the notification: connection "{connection.name}" may send {per_s:,} a '
            f"second, and {most:,} at once after a rest, wait {math.ceil(taken.wait_s)} s",
            retry_after_s=taken.wait_s,
        )
    if backlog.is_full(connection.account_id):
        raise RejectedError(
            503,
            "inbox-full",
            "Cannot take the notification: too many wait to be handled, send it again later",
            retry_after_s=FULL_FOR_S,
        )
    if not database.in_atomic_block:
        _slow_down(connection.account_id, taken.debt_s - AT_ONCE_S)


def _slow_down(account_id: str, seconds: float) -> None:
    """Let who sends faster than it may wait for its answer, so that others have the CPUs meanwhile.

    It costs a thread, so it is done only where there is room. Who has many requests on their way at
    once is not held up by it, and soon gets 429.
    """
    if seconds <= 0 or not waiting.at_once.begin(account_id, together=waiting.MOST_WITH_SLOWED):
        return
    try:
        time.sleep(min(seconds, SLOWED_S))
    finally:
        waiting.at_once.end(account_id)


def store(connection: Connection, incoming: list[Incoming], *, request_id: str = "") -> int:
    """Commit what came and knock at the workers.

    Returns:
        How many were new; the rest were repetitions.

    Raises:
        RejectedError: 409 when one was given an id that something else had already; nothing is
            kept of the request.
    """
    if not incoming:
        return 0
    different: dict[str, Incoming] = {}
    for one in incoming:
        if different.setdefault(one.dedupe_key, one).fingerprint != one.fingerprint:
            raise _used_twice(one)
    request = _Request(connection, different, request_id, telemetry.traceparent())
    # Who is in a transaction already wants it to be a part of that.
    new = _write([request])[0] if database.in_atomic_block else _commits.together(request)
    touched = sorted(set(new.values()))
    transaction.on_commit(lambda: knock(connection.account_id, touched), robust=True)
    return len(new)


@dataclass(frozen=True, slots=True)
class _Request:
    """What one request brought, by dedupe key."""

    connection: Connection
    incoming: dict[str, Incoming]
    request_id: str
    traceparent: str

    def key(self, of: str) -> tuple[Any, str]:
        """What tells a conversation or notification apart, as the database has it."""
        return statements.value(Conversation, "connection_id", self.connection.pk), of


def _write(requests: Sequence[_Request]) -> list[dict[str, int]]:
    """Store what several requests brought, in one transaction.

    Returns:
        Of each request the conversation of every notification that was new, by dedupe key.

    Raises:
        RejectedError: one has an id that something else had already; nothing is kept of any.
    """
    with transaction.atomic():
        conversations = _conversations(requests)
        found = statements.insert(
            Notification,
            [
                Notification(
                    account_id=request.connection.account_id,
                    connection=request.connection,
                    conversation_id=conversations[request.key(one.conv_id)],
                    kind=one.kind[:100],
                    dedupe_key=one.dedupe_key,
                    body=one.body,
                    sha256=one.fingerprint,
                    request_id=request.request_id,
                    traceparent=request.traceparent,
                )
                for request in requests
                for one in request.incoming.values()
            ],
            "ON CONFLICT (connection_id, dedupe_key) DO NOTHING"
            " RETURNING connection_id, dedupe_key, conversation_id",
        )
        added = {(connection_id, key): pk for connection_id, key, pk in found}
        # What two of them brought is new of the first only.
        new = [
            {
                key: added.pop(request.key(key))
                for key in request.incoming
                if request.key(key) in added
            }
            for request in requests
        ]
        for request, mine in zip(requests, new, strict=True):
            _check_repetitions(request, mine)
        Conversation.mark_arrivals(sorted({pk for *_, pk in found}))
    return new


_commits = GroupCommit(_write, passing=PASSING_FAULTS)


def _conversations(requests: Sequence[_Request]) -> dict[tuple[Any, str], int]:
    """The keys of conversations, of new ones too; nobody else changes them until the commit."""
    wanted = {
        request.key(one.conv_id): request.connection
        for request in requests
        for one in request.incoming.values()
    }
    # The assignment changes nothing: a row that is there already is returned only with one.
    found = statements.insert(
        Conversation,
        [
            Conversation(account_id=connection.account_id, connection=connection, conv_id=conv_id)
            # In one order, so that two transactions never wait for each other.
            for (_, conv_id), connection in sorted(wanted.items(), key=lambda each: each[0])
        ],
        "ON CONFLICT (connection_id, conv_id) DO UPDATE SET conv_id = excluded.conv_id"
        " RETURNING connection_id, conv_id, id",
    )
    return {(connection_id, conv_id): pk for connection_id, conv_id, pk in found}


def _check_repetitions(request: _Request, new: Mapping[str, int]) -> None:
    repeated = {key: one for key, one in request.incoming.items() if key not in new}
    if not repeated:
        return
    earlier = Notification.objects.filter(connection=request.connection, dedupe_key__in=repeated)
    for key, fingerprint in earlier.values_list("dedupe_key", "sha256"):
        if repeated[key].fingerprint != fingerprint:
            raise _used_twice(repeated[key])


def _used_twice(one: Incoming) -> RejectedError:
    return RejectedError(
        409,
        "id-used-twice",
        f'Cannot take the notification for conversation "{one.conv_id}": its id was given to '
        "another one before, use a new id for new content",
    )


def knock(account_id: str, conversation_pks: list[int]) -> None:
    """Tell the workers to look now. A knock that gets lost costs one interval of the sweep.

    While other conversations of the account wait, a worker is on its way that goes on with these,
    and one more is called now and then only. So a flood costs next to nothing, and its knocks do
    not stand before everybody else's.

    A broker that hangs is waited for by those who come before the first has noticed; then one tries
    every few seconds, and all others go on at once.
    """
    if not _knocks.worth_trying(time.monotonic()):
        return
    rested = _knocks.rested(account_id, time.monotonic())
    for pk in conversation_pks[:MOST_KNOCKS] if rested else conversation_pks[:1]:
        if not rested and dispatch.others_wait(account_id, pk):
            return
        heard = tasks.try_knock(dispatch.Due(account_id, pk), expires_s=tasks.KNOCK_EXPIRES_S)
        _knocks.note(time.monotonic(), heard=heard)
        if not heard:
            return


class Knocks:
    """When this process last knocked for an account, whatever for, and whether anybody heard it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, float] = {}
        self._left_alone_until: float | None = None

    def rested(self, account_id: str, now_s: float) -> bool:
        """Whether the last knock was a while ago; then this is the next one."""
        with self._lock:
            if now_s - self._at.get(account_id, -math.inf) < KNOCK_EVERY_S:
                return False
            self._at[account_id] = now_s
            return True

    def worth_trying(self, now_s: float) -> bool:
        """Whether somebody may be there, or it is time that one finds out."""
        with self._lock:
            if self._left_alone_until is None:
                return True
            if now_s < self._left_alone_until:
                return False
            # The others leave it to this one.
            self._left_alone_until = now_s + LEFT_ALONE_S
            return True

    def note(self, now_s: float, *, heard: bool) -> None:
        """What came of a knock."""
        with self._lock:
            self._left_alone_until = None if heard else now_s + LEFT_ALONE_S


_knocks = Knocks()
