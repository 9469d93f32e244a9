"""How the agent socket of a connection is doing, in words."""

from dataclasses import dataclass

from django.utils import timezone

from houston.templatetags.ui import relative
from invoker.models import AgentSession, AgentSessionState, Connection


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
    session = AgentSession.objects.filter(connection=connection).first()
    # What a process that died wrote last is no longer true.
    if session is None or session.lease_until is None or session.lease_until < timezone.now():
        return Socket(
            "bad",
            "Nobody holds it",
            "Start ./manage.py connect, which make run does when it finds a connection like this",
        )
    since = relative(session.connected_at) if session.connected_at else ""
    match session.state:
        case AgentSessionState.CONNECTED:
            return Socket("ok", "Connected", f"{since}, held by {session.holder}")
        case AgentSessionState.CONNECTING:
            return Socket("warn", "Connecting", session.detail)
    state = "bad" if session.state == AgentSessionState.REFUSED else "warn"
    return Socket(state, session.get_state_display(), session.detail)
