"""While the socket is open: store what comes, join what is new, fill gaps, act for workers."""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import Error as DatabaseFault
from django.db import close_old_connections, connections

from invoker.conversations import Change
from invoker.models import Connection
from invoker.platforms.contract import Incoming, RejectedError
from invoker.platforms.liveperson import requests
from invoker.platforms.liveperson.acting import Actor, Order
from invoker.platforms.liveperson.delivery import NO_ANSWER, OFFLINE, Done, Failed
from invoker.platforms.liveperson.known import Known, Memory
from invoker.platforms.liveperson.login import LoginExpiredError, LoginUnavailableError, Session
from invoker.platforms.liveperson.timing import Timing
from invoker.platforms.liveperson.ums import AnswerError, NoAnswerError, NotSentError, Ums
from invoker.platforms.liveperson.webhooks import read_changes, take

logger = logging.getLogger(__name__)

Store = Callable[[Connection, list[Incoming]], int]

DATABASE_AWAY = "the database takes no notifications"
FAULT_OF_OURS = "something went wrong here, see the log"
UNAUTHORISED, TOO_MANY = 401, 429
TEMPORARY = frozenset({408, 425, TOO_MANY})
SERVER_ERRORS = range(500, 600)
_CONVERSATIONS = ".ams.aam.ExConversationChangeNotification"
_MESSAGE = ".ams.ms.OnlineEventDistribution"
_JOIN_ATTEMPTS = 5
_BATCH = 100
_AT_ONCE = float("-inf")


@dataclass(order=True, slots=True)
class _Visit:
    """A conversation to join where needed, and to fill up. None: the last visit."""

    rank: float
    number: int
    known: Known | None = field(compare=False)


class Live:
    """One open socket from its subscription to its end."""

    def __init__(
        self,
        connection: Connection,
        ums: Ums,
        session: Session,
        *,
        memory: Memory,
        store: Store,
        timing: Timing,
    ) -> None:
        self.ums = ums
        self.must_log_in = False
        self._connection = connection
        self._session = session
        self._memory = memory
        self._store = store
        self._timing = timing
        self._actor = Actor(ums, memory, connection, session.user_id, timing)
        self._visits: queue.PriorityQueue[_Visit] = queue.PriorityQueue()
        self._numbers = itertools.count()
        # Before anything new comes: what came last is where the gap begins.
        for known in memory.open_ones():
            self._visit(known)

    def listen(self) -> None:
        """Store what comes until the socket is closed.

        Raises:
            DatabaseFault: something could not be stored. The socket is closed then, and what was
                lost comes again with the next one.
        """
        helpers = [
            threading.Thread(target=self._keep_alive, name="agent clock", daemon=True),
            threading.Thread(target=self._visit_all, name="agent joins", daemon=True),
        ]
        for helper in helpers:
            helper.start()
        try:
            for envelope in self.ums.notifications():
                close_old_connections()
                self._take(envelope)
        finally:
            self.ums.close()
            self._visits.put(_Visit(_AT_ONCE, next(self._numbers), None))
            for helper in helpers:
                helper.join()

    def answer(self, question: bytes) -> bytes:
        """Carry out what a worker asks for, and tell what became of it."""
        try:
            order = msgspec.json.decode(question, type=Order)
            outcome: Done | Failed = Done(self._actor.carry_out(order))
        except msgspec.DecodeError as error:
            outcome = Failed(message=str(error), reason="bad-order", permanent=True)
        except NotSentError as error:
            outcome = Failed(message=str(error), reason=OFFLINE)
        except NoAnswerError as error:
            outcome = Failed(message=str(error), reason=NO_ANSWER, unknown=True)
        except AnswerError as error:
            outcome = self._refusal(error)
        finally:
            connections.close_all()
        return msgspec.json.encode(outcome)

    def _refusal(self, error: AnswerError) -> Failed:
        if error.code == UNAUTHORISED:
            self._log_in_again("the platform does not take the token any more")
            return Failed(message=str(error), reason=OFFLINE)
        if error.code == TOO_MANY:
            wait_s = self._timing.throttled
            return Failed(message=str(error), reason="throttled", retry_after_s=wait_s)
        temporary = error.code in TEMPORARY or error.code in SERVER_ERRORS
        return Failed(message=str(error), reason="refused", permanent=not temporary)

    def _log_in_again(self, why: str) -> None:
        self.must_log_in = True
        self.ums.close(why)

    # What comes ----------------------------------------------------------------------------------

    def _take(self, envelope: dict[str, Any]) -> None:
        # One by one, so that one conversation that cannot be read does not cost the others.
        self._take_all(_singles(envelope))

    def _take_all(self, envelopes: list[dict[str, Any]]) -> None:
        found: list[tuple[Change, Incoming]] = []
        for envelope in envelopes:
            kind = str(envelope.get("type"))
            self._name_conversation(kind, envelope)
            try:
                changes = read_changes(envelope)
            except RejectedError as error:
                logger.warning(
                    "notification dropped: %s",
                    error.message,
                    extra={"connection_id": self._connection.pk, "code": error.code},
                )
                continue
            for change in changes:
                found.append((change, take(kind, change, msgspec.json.encode(envelope))))
                if change.kind == "conversation":
                    # Commands want to know as soon as it is known.
                    self._memory.note(change, envelope)
        for start in range(0, len(found), _BATCH):
            batch = found[start : start + _BATCH]
            self._store(self._connection, [incoming for _, incoming in batch])
            for change, _ in batch:
                # Not before: what could not be stored is a gap still.
                self._memory.note_newest(change)
        for change, _ in found:
            known = self._memory.find(change.conv_id)
            may_join = change.kind == "conversation" and change.type == "UPSERT"
            if may_join and known and known.is_open and not known.asked_to_join:
                self._visit(known)

    def _name_conversation(self, kind: str, envelope: dict[str, Any]) -> None:
        """Say whose a message in a dialog beside the main one is, where the platform did not."""
        body = envelope.get("body")
        if kind != _MESSAGE or not isinstance(body, dict) or body.get("conversationId"):
            return
        dialog_id = body.get("dialogId")
        if isinstance(dialog_id, str):
            conv_id = self._memory.conversation_of(dialog_id)
            if conv_id != dialog_id:
                envelope["body"] = {**body, "conversationId": conv_id}

    # Joining and filling up ----------------------------------------------------------------------

    def _visit(self, known: Known) -> None:
        """What changed last comes first, so that a new one does not wait for a thousand others."""
        known.asked_to_join = True
        if known.gap is None:
            known.gap = dict(known.newest)
        self._visits.put(_Visit(-known.ts_ms, next(self._numbers), known))

    def _visit_all(self) -> None:
        try:
            while (visit := self._visits.get()).known is not None:
                close_old_connections()
                if visit.known.is_open:
                    self._catch_up(visit.known)
        except DatabaseFault:
            logger.exception("cannot store what was missed")
            self.ums.close(DATABASE_AWAY)
        except Exception:
            # Without joins the socket would look well and hear nothing.
            logger.exception("cannot join")
            self.ums.close(FAULT_OF_OURS)
        finally:
            connections.close_all()

    def _catch_up(self, known: Known) -> None:
        for attempt in range(1, _JOIN_ATTEMPTS + 1):
            try:
                self._actor.join(known)
                for dialog_id in known.open_dialogs():
                    self._fill(dialog_id, (known.gap or {}).get(dialog_id))
                known.gap = None
            except (NotSentError, NoAnswerError):
                # With the next notification, or on the next socket.
                known.asked_to_join = known.joined
                return
            except AnswerError as error:
                if error.code == UNAUTHORISED:
                    known.asked_to_join = known.joined
                    self._log_in_again("the platform does not take the token any more")
                    return
                if error.code not in TEMPORARY and error.code not in SERVER_ERRORS:
                    logger.warning(
                        "cannot join: %s", error, extra={"connection_id": self._connection.pk}
                    )
                    return
                if self.ums.wait_closed(self._timing.throttled * attempt):
                    return
            else:
                return

    def _fill(self, dialog_id: str, newer_than: int | None) -> None:
        messages = self.ums.request(requests.query_messages(dialog_id, newer_than))
        if isinstance(messages, list):
            kind = {"kind": "notification", "type": _MESSAGE}
            self._take_all([{**kind, "body": one} for one in messages])

    # Staying there -------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        """Read the platform's clock, which it takes for a sign of life, and renew the token."""
        refresh_at = time.monotonic() + self._timing.refresh
        while not self.ums.wait_closed(self._timing.clock):
            try:
                self.ums.request(requests.get_clock())
                if time.monotonic() >= refresh_at:
                    self._session.refresh()
                    refresh_at = time.monotonic() + self._timing.refresh
            except NoAnswerError:
                self.ums.close("the platform does not answer any more")
            except LoginExpiredError as error:
                self._log_in_again(str(error))
            except LoginUnavailableError as error:
                logger.warning("token not renewed: %s", error)
            except AnswerError as error:
                logger.warning("clock not read: %s", error)
                if error.code == UNAUTHORISED:
                    self._log_in_again("the platform does not take the token any more")
            except NotSentError:
                return


def _singles(envelope: dict[str, Any]) -> list[dict[str, Any]]:
    """The notification once for each of its changes."""
    body = envelope.get("body")
    if envelope.get("type") != _CONVERSATIONS or not isinstance(body, dict):
        return [envelope]
    changes = body.get("changes")
    if not isinstance(changes, list):
        return [envelope]
    return [{**envelope, "body": {**body, "changes": [one]}} for one in changes]
