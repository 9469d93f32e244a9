"""Holding one connection's agent socket: claim it, log in, connect, and come back after a loss.

A holder is a thread for each connection that has a login. Of all processes on all hosts one has
the claim and so the socket. What comes over the socket is stored as webhooks are.
"""

import datetime as dt
import logging
import os
import threading
import time

import msgspec
from django.db import Error as DatabaseFault
from django.db import close_old_connections, connections
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from invoker import conversations
from invoker.models import AgentSessionState, Connection, Conversation, Notification
from invoker.platforms.liveperson import requests, ums
from invoker.platforms.liveperson.claims import Claim
from invoker.platforms.liveperson.delivery import OFFLINE, Failed
from invoker.platforms.liveperson.handover import Door
from invoker.platforms.liveperson.known import Memory
from invoker.platforms.liveperson.live import (
    DATABASE_AWAY,
    FAULT_OF_OURS,
    UNAUTHORISED,
    Live,
    Store,
)
from invoker.platforms.liveperson.login import (
    Directory,
    LoginRefusedError,
    LoginUnavailableError,
    Session,
)
from invoker.platforms.liveperson.timing import Timing
from invoker.platforms.liveperson.ums import AnswerError, NoAnswerError, NotSentError, OpenError

logger = logging.getLogger(__name__)

OVERLAP = dt.timedelta(minutes=5)
"""Asked for again after a gap: clocks differ, and notifications come out of order."""
LOGIN_AGAIN = frozenset({4401, 4407, 1011, 1008})
"""Close codes that mean the token. Source: `controller-bot.md` §1.3."""
_FORBIDDEN = 403


class Holder:
    """One connection's socket, in a thread of its own from `start` to `stop`."""

    def __init__(self, connection: Connection, store: Store, host: str, timing: Timing) -> None:
        """Workers hand their commands in at `host`, an address of this machine."""
        self._connection = connection
        self._store = store
        self._host = host
        self._timing = timing
        self._directory = Directory(connection.account_id, fresh_s=timing.domains)
        self._extra = {"connection_id": connection.pk, "account_id": connection.account_id}
        self._thread = threading.Thread(target=self._run, name="agent socket", daemon=True)
        self._stopping = threading.Event()
        # Of the present claim: set when it is over, for whatever reason.
        self._over = threading.Event()
        self._held_until = 0.0
        self._connected_before = False
        self._socket: ums.Ums | None = None
        self._live: Live | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and give the claim back, as soon as what is being done is done."""
        self._stopping.set()
        self._end()

    def join(self, within_s: float) -> None:
        self._thread.join(within_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # The claim -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                close_old_connections()
                try:
                    claim = Claim.take(self._connection, self._timing.lease)
                    if claim is not None:
                        self._hold(claim)
                except DatabaseFault:
                    logger.exception("cannot have the agent socket", extra=self._extra)
                self._stopping.wait(self._timing.renew)
        finally:
            connections.close_all()

    def _hold(self, claim: Claim) -> None:
        """Have the socket until the claim is lost or the holder is stopped."""
        self._over = threading.Event()
        if self._stopping.is_set():
            self._over.set()
        self._held_until = time.monotonic() + self._timing.lease - self._timing.margin
        self._connected_before = claim.connected_before
        helpers = [
            threading.Thread(target=self._renew, args=(claim,), name="agent claim", daemon=True),
            threading.Thread(target=self._watch, name="agent watch", daemon=True),
        ]
        try:
            door = Door(self._host, self._answer)
        except OSError as error:
            why = f'Cannot listen for workers on "{self._host}": {os.strerror(error.errno or 0)}'
            claim.note(AgentSessionState.OFFLINE, f"{why}, see HOUSTON_AGENT_SOCKET_HOST")
            logger.error(why, extra=self._extra)  # noqa: TRY400 -- the words say it all
            # Not given back at once: another host may do better when the lease ends.
            self._stopping.wait(2 * self._timing.lease)
            return
        try:
            for helper in helpers:
                helper.start()
            claim.open_door(door.address, door.key)
            logger.info("agent socket claimed", extra=self._extra)
            self._connect_again_and_again(claim)
        finally:
            self._end()
            door.close()
            for helper in helpers:
                helper.join(self._timing.margin)
            claim.release()
            logger.info("agent socket given back", extra=self._extra)

    def _renew(self, claim: Claim) -> None:
        try:
            while not self._over.wait(self._timing.renew):
                began = time.monotonic()
                try:
                    if not claim.renew():
                        logger.warning("agent socket lost to another", extra=self._extra)
                        self._end()
                        return
                except DatabaseFault:
                    logger.warning("cannot renew the claim", extra=self._extra)
                    connections.close_all()
                else:
                    self._held_until = began + self._timing.lease - self._timing.margin
        finally:
            connections.close_all()

    def _watch(self) -> None:
        """End in time when the claim cannot be renewed. Touches no database: that may hang."""
        while not self._over.wait(max(0.0, self._held_until - time.monotonic())):
            if time.monotonic() >= self._held_until:
                logger.warning("claim on the agent socket not renewed", extra=self._extra)
                self._end()

    def _end(self) -> None:
        self._over.set()
        socket = self._socket
        if socket is not None:
            socket.close("the claim has ended")

    # The socket ----------------------------------------------------------------------------------

    def _connect_again_and_again(self, claim: Claim) -> None:
        session: Session | None = None
        memory: Memory | None = None
        failures = 0
        try:
            while not self._over.is_set():
                claim.note(AgentSessionState.CONNECTING)
                began = time.monotonic()
                state, wait_s, stays_in = AgentSessionState.WAITING, 0.0, False
                try:
                    if session is None:
                        session = self._log_in()
                    if memory is None or memory.own_ids != session.own_ids:
                        memory = self._recall(session)
                    why, stays_in = self._listen(claim, session, memory)
                except LoginRefusedError as error:
                    why, wait_s = str(error), self._timing.refused
                    state = AgentSessionState.REFUSED
                except LoginUnavailableError as error:
                    why, wait_s = str(error), error.retry_after_s or 0.0
                except OpenError as error:
                    why, wait_s = str(error), error.retry_after_s or 0.0
                    stays_in = error.status not in (UNAUTHORISED, _FORBIDDEN)
                except DatabaseFault:
                    logger.exception("agent socket let go", extra=self._extra)
                    why, stays_in = DATABASE_AWAY, True
                except Exception:
                    logger.exception("agent socket let go", extra=self._extra)
                    why = FAULT_OF_OURS
                if session is not None and not stays_in:
                    session.close()
                    session = None
                if self._over.is_set():
                    return
                settled = time.monotonic() - began > self._timing.settled
                failures = 1 if settled else failures + 1
                logger.warning("agent socket: %s", why, extra=self._extra)
                claim.note(state, why)
                self._over.wait(max(wait_s, self._timing.wait(failures)))
        finally:
            if session is not None:
                session.close()

    def _log_in(self) -> Session:
        login = self._connection.agent_login
        session = Session(self._connection.account_id, login, self._directory)
        own_ids = sorted({*self._connection.own_ids, *session.own_ids})
        if own_ids != sorted(self._connection.own_ids):
            self._connection.own_ids = own_ids
            self._connection.save(update_fields=["own_ids"])
        return session

    def _recall(self, session: Session) -> Memory:
        """What the database has of conversations that were open when last heard of."""
        memory = Memory(session.own_ids)
        stored = Conversation.objects.filter(connection=self._connection)
        text = stored.annotate(text=Cast("state", TextField()))
        might_be_open = text.filter(text__contains='"state":"OPEN"')
        for state in might_be_open.values_list("state", flat=True).iterator(500):
            try:
                memory.recall(msgspec.convert(state, conversations.State))
            except msgspec.ValidationError as error:
                logger.warning("stored conversation not recalled: %s", error, extra=self._extra)
        return memory

    def _listen(self, claim: Claim, session: Session, memory: Memory) -> tuple[str, bool]:
        """Keep one socket until it closes: why it did, and whether its token may still do.

        Raises:
            OpenError: there was none.
        """
        try:
            with ums.opened(session.socket_url, self._timing) as socket:
                self._socket = socket
                live = Live(
                    self._connection,
                    socket,
                    session,
                    memory=memory,
                    store=self._store,
                    timing=self._timing,
                )
                try:
                    if not self._over.is_set():
                        self._subscribe(socket)
                        claim.note(AgentSessionState.CONNECTED)
                        logger.info("agent socket connected", extra=self._extra)
                        self._live = live
                        live.listen()
                finally:
                    self._socket = self._live = None
                if socket.why_closed:
                    return socket.why_closed, not live.must_log_in
                why = f"the platform closed the socket with {socket.close_code}"
                return why, socket.close_code not in LOGIN_AGAIN
        except AnswerError as error:
            return str(error), error.code != UNAUTHORISED
        except (NotSentError, NoAnswerError) as error:
            return str(error), True

    def _subscribe(self, socket: ums.Ums) -> None:
        if not self._connected_before:
            # What is there now was there before us: it is only to be known.
            self._connection.listening_since = timezone.now()
            self._connection.save(update_fields=["listening_since"])
            socket.request(requests.subscribe(None))
        # Also the first time: whoever asks for open ones alone hears nothing of what follows a
        # close, such as the end of a survey.
        socket.request(requests.subscribe(self._since_ms()))
        self._connected_before = True

    def _since_ms(self) -> int:
        """Everything up to then has been stored, as far as it came by a socket."""
        stored = Notification.objects.filter(connection=self._connection, kind__startswith=".")
        last = stored.order_by("-id").values_list("received_at", flat=True).first()
        since = (last or self._connection.listening_since) - OVERLAP
        return int(since.timestamp() * 1000)

    def _answer(self, question: bytes) -> bytes:
        live = self._live
        if live is None:
            failed = Failed(message="The agent socket is not connected now", reason=OFFLINE)
            return msgspec.json.encode(failed)
        return live.answer(question)
