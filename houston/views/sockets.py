"""How the agent socket of a connection is doing, in words."""

from dataclasses import dataclass

from django.utils import timezone

from houston.templatetags.ui import relative
from invoker.models import AgentSessionState, Connection
from invoker.platforms import liveperson

CONNECTED = AgentSessionState.CONNECTED.label


@dataclass(frozen=True, slots=True)
class Socket:
    """`state` chooses the colour, `word` and `sentence` are what people read."""

    state: str
    word: str
    sentence: str


def agent_socket(connection: Connection) -> Socket | None:
    """None for a connection that has none."""
    if not connection.agent_login:
        return None
    if not connection.active:
        return Socket("Draft", "Closed", "The connection is switched off")
    if not liveperson.wanted().filter(pk=connection.pk).exists():
        return Socket("Draft", "Closed", "Functions are not enabled for the account yet")
    return held(connection)


def held(connection: Connection) -> Socket:
    """Of a connection whose agent socket somebody should hold."""
    session = getattr(connection, "agent_session", None)
    # What a process that died wrote last is no longer true.
    if session is None or session.lease_until is None or session.lease_until < timezone.now():
        return Socket(
            "bad",
            "Nobody holds it",
            "Start manage.py connect, which make run does when it finds a connection like this",
        )
    since = relative(session.connected_at) if session.connected_at else ""
    match session.state:
        case AgentSessionState.CONNECTED:
            return Socket("ok", CONNECTED, f"{since}, held by {session.holder}")
        case AgentSessionState.CONNECTING:
            return Socket("warn", "Connecting", session.detail)
    state = "bad" if session.state == AgentSessionState.REFUSED else "warn"
    return Socket(state, session.get_state_display(), session.detail)
