"""What happens when the database does not take what the socket brings."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from invoker import ingest
from invoker.models import AgentSession, Connection
from invoker.platforms import Incoming
from invoker.platforms.liveperson import Supervisor
from tests.liveperson.conftest import eventually, is_connected, lines
from tests.liveperson.timing import HURRIED
from tests.liveperson.ums import Ums

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("fault", "said", "logins"),
    [
        (OperationalError("database is locked"), "the database takes no notifications", 1),
        (ValueError("unexpected"), "something went wrong here, see the log", 2),
    ],
)
def test_message_that_could_not_be_stored_comes_again(
    ums: Ums, agent: Connection, fault: Exception, said: str, logins: int
) -> None:
    faults: list[Any] = []

    def store(connection: Connection, incoming: list[Incoming]) -> int:
        if faults:
            raise faults.pop()
        return ingest.store(connection, incoming)

    supervisor = Supervisor(store, replace(HURRIED, first_wait=1.0))
    try:
        supervisor.look()
        conversation = ums.open(text="one")
        assert eventually(lambda: lines() == ["one"])
        faults.append(fault)
        conversation.says("two")

        assert eventually(lambda: AgentSession.objects.filter(detail=said).exists())
        assert eventually(lambda: lines() == ["one", "two"])
        assert eventually(is_connected)
        assert len(ums.logins) == logins
    finally:
        supervisor.close()


def test_gap_that_could_not_be_stored_is_filled_on_the_next_socket(
    ums: Ums, agent: Connection
) -> None:
    faults: list[Exception] = [ValueError("unexpected")]

    def store(connection: Connection, incoming: list[Incoming]) -> int:
        if faults and incoming[0].kind.endswith("OnlineEventDistribution"):
            raise faults.pop()
        return ingest.store(connection, incoming)

    supervisor = Supervisor(store, replace(HURRIED, first_wait=1.0))
    try:
        ums.open(text="one")
        supervisor.look()

        assert eventually(lambda: AgentSession.objects.filter(state="waiting").exists())
        assert eventually(lambda: lines() == ["one"])
    finally:
        supervisor.close()
