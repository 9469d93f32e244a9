"""The worker's side of the agent socket: hand a command to whoever holds it."""

from typing import TYPE_CHECKING

import msgspec
from django.utils import timezone

from invoker.models import AgentSession, AgentSessionState, CloseMode, CommandType
from invoker.platforms.contract import DeliveryError
from invoker.platforms.liveperson import handover
from invoker.platforms.liveperson.acting import Order
from invoker.platforms.liveperson.ums import NoAnswerError, NotSentError

if TYPE_CHECKING:
    from invoker.models import Command, Connection

OFFLINE = "agent-socket-offline"
NO_ANSWER = "no-answer"
WITHIN_S = 15.0
"""Room for a join and for one request after it."""
_ANSWER_S = 5.0


class Done(msgspec.Struct, frozen=True, tag="done"):
    said: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", rename="camel"):
    """The fields of a `DeliveryError`."""

    message: str
    reason: str
    permanent: bool = False
    unknown: bool = False
    retry_after_s: float | None = None


def deliver(connection: "Connection", command: "Command") -> str:
    """Have one command carried out on the connection's agent socket.

    Raises:
        DeliveryError: `agent-socket-offline` while nobody holds the socket, `unknown` when it was
            asked for and no answer came, else what the platform said.
    """
    session = AgentSession.objects.filter(connection=connection).first()
    if session is None or not session.lease_until or session.lease_until < timezone.now():
        raise _offline(connection, "nobody holds it, is `manage.py connect` running?")
    if not session.address or session.state != AgentSessionState.CONNECTED:
        raise _offline(connection, session.detail or AgentSessionState(session.state).label.lower())
    question = msgspec.json.encode(_order(connection, command))
    try:
        told = handover.ask(session.address, session.key, question, WITHIN_S + _ANSWER_S)
    except NotSentError as error:
        raise _offline(connection, "the process that holds it cannot be reached") from error
    except NoAnswerError as error:
        raise DeliveryError(str(error), reason=NO_ANSWER, unknown=True) from error
    found = msgspec.json.decode(told, type=Done | Failed)
    if isinstance(found, Done):
        return found.said
    raise DeliveryError(
        found.message,
        permanent=found.permanent,
        reason=found.reason,
        retry_after_s=found.retry_after_s,
        unknown=found.unknown,
    )


def _order(connection: "Connection", command: "Command") -> Order:
    conv_id = command.event.conversation.conv_id
    return Order(
        type=CommandType(command.type),
        conv_id=conv_id,
        dialog_id=command.event.payload.get("general", {}).get("dialogId") or conv_id,
        within_s=WITHIN_S,
        text=command.fields.get("text", ""),
        skill_id=command.fields.get("skillId"),
        agent_id=command.fields.get("agentId"),
        close_dialog=connection.close_mode == CloseMode.DIALOG,
    )


def _offline(connection: "Connection", why: str) -> DeliveryError:
    return DeliveryError(
        f'Cannot deliver to "{connection.name}": its agent socket is not connected, {why}',
        reason=OFFLINE,
    )
