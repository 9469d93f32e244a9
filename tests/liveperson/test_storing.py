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


def test_message_that_could_not_be_stored_comes_again(ums: Ums, agent: Connection) -> None:
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
        faults.append(OperationalError("database is locked"))
        conversation.says("two")

        assert eventually(lambda: AgentSession.objects.filter(detail__contains="database").exists())
        assert eventually(lambda: lines() == ["one", "two"])
        assert eventually(is_connected)
        assert len(ums.logins) == 1
    finally:
        supervisor.close()
