"""Carrying commands out on an open socket: join, publish, transfer, close.

Source: `controller-bot.md` §4.2, and §1.6 for what goes wrong.
"""

import time
from dataclasses import dataclass

import msgspec

from invoker import conversations
from invoker.models import CommandType, Connection, Conversation
from invoker.platforms.liveperson import requests
from invoker.platforms.liveperson.known import Known, Memory
from invoker.platforms.liveperson.requests import Request
from invoker.platforms.liveperson.timing import Timing
from invoker.platforms.liveperson.ums import AnswerError, NoAnswerError, NotSentError, Ums

BAD_REQUEST = 400
ALREADY_CLOSED = "It was closed already"


class Order(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A command as a worker hands it over. `within_s` is how long it may take in all."""

    type: CommandType
    conv_id: str
    dialog_id: str
    within_s: float
    text: str = ""
    skill_id: str | None = None
    agent_id: str | None = None
    close_dialog: bool = False
    """Close the main dialog only, so that a survey may start."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Acts as the bot on one socket. Every method raises what `Ums.request` raises."""

    ums: Ums
    memory: Memory
    connection: Connection
    user_id: str
    timing: Timing

    def join(self, known: Known, *, again: bool = False, ends_at: float | None = None) -> None:
        """Become a MANAGER of the conversation, once: every join is shown to everybody in it."""
        with known.joining:
            if known.joined and not again:
                return
            self._ask(requests.join(known.conv_id, self.user_id), ends_at)
            known.joined = known.asked_to_join = True

    def carry_out(self, order: Order) -> str:
        """Do it, and say in a few words what the platform answered."""
        ends_at = time.monotonic() + order.within_s
        known = self._known(order.conv_id)
        if order.type == CommandType.CLOSE and not known.is_open:
            return ALREADY_CLOSED
        had_joined = known.joined
        self._join_first(known, ends_at)
        try:
            return self._act(order, known, ends_at)
        except AnswerError as error:
            if error.code != BAD_REQUEST or not had_joined:
                raise
            # Somebody may have sent the bot away meanwhile: only a participant may act.
            self._join_first(known, ends_at, again=True)
            return self._act(order, known, ends_at)

    def _join_first(self, known: Known, ends_at: float, *, again: bool = False) -> None:
        try:
            self.join(known, again=again, ends_at=ends_at)
        except NoAnswerError as error:
            # Of the command itself nothing was sent.
            raise NotSentError(f"The bot could not join the conversation: {error}") from error

    def _act(self, order: Order, known: Known, ends_at: float) -> str:
        match order.type:
            case CommandType.MESSAGE:
                return self._publish(order, known, ends_at)
            case CommandType.TRANSFER:
                return self._transfer(order, known, ends_at)
            case CommandType.CLOSE:
                return self._close(order, known, ends_at)

    def _publish(self, order: Order, known: Known, ends_at: float) -> str:
        dialog_id = order.dialog_id
        still_open = known.open_dialogs()
        if still_open and dialog_id not in still_open:
            # After the main dialog has ended, people are in the survey's.
            dialog_id = still_open[-1]
        body = self._ask(requests.publish(dialog_id, order.text), ends_at)
        sequence = body.get("sequence") if isinstance(body, dict) else None
        return "Published" if sequence is None else f"Published as message {sequence}"

    def _transfer(self, order: Order, known: Known, ends_at: float) -> str:
        seen_ms, assigned = known.ts_ms, known.assigned
        try:
            self._ask(self._transfer_request(order, known), ends_at)
        except AnswerError as error:
            if error.code != BAD_REQUEST or not assigned:
                raise
            # The platform refuses all of it when the agent to remove has left meanwhile.
            self.memory.await_change(known.conv_id, seen_ms, self.timing.settling)
            if known.assigned == assigned:
                raise
            self._ask(self._transfer_request(order, known), ends_at)
        return "Transferred"

    def _transfer_request(self, order: Order, known: Known) -> Request:
        agent_id = order.agent_id
        if agent_id is not None and not agent_id.startswith(f"{self.connection.account_id}."):
            agent_id = f"{self.connection.account_id}.{agent_id}"
        return requests.transfer(
            known.conv_id,
            skill_id=order.skill_id or known.skill_id,
            agent_id=agent_id,
            assigned=known.assigned,
        )

    def _close(self, order: Order, known: Known, ends_at: float) -> str:
        if order.close_dialog:
            request = requests.close_dialog(known.conv_id, known.conv_id)
        else:
            request = requests.close_conversation(known.conv_id)
        try:
            self._ask(request, ends_at)
        except AnswerError as error:
            if error.code == BAD_REQUEST and self._has_closed(known):
                return ALREADY_CLOSED
            raise
        return "Closed"

    def _has_closed(self, known: Known) -> bool:
        self.memory.await_change(known.conv_id, known.ts_ms, self.timing.settling)
        return not known.is_open

    def _ask(self, request: Request, ends_at: float | None) -> object:
        left = self.timing.request if ends_at is None else ends_at - time.monotonic()
        if left <= 0:
            raise NotSentError("There was no time left to ask LivePerson")
        return self.ums.request(request, within_s=min(left, self.timing.request))

    def _known(self, conv_id: str) -> Known:
        found = self.memory.find(conv_id)
        if found is not None:
            return found
        rows = Conversation.objects.filter(connection=self.connection, conv_id=conv_id)
        stored = rows.values_list("state", flat=True).first()
        state = conversations.State(conv_id=conv_id)
        if stored is not None:
            state = msgspec.convert(stored, conversations.State)
        return self.memory.recall(state)
