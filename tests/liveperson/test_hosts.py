"""Several processes: one holds the socket, workers of all of them reach it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection as database

from houston.management.commands import run
from invoker.models import AgentSession, CommandType, Connection
from tests.liveperson.conftest import eventually, is_connected, lines
from tests.liveperson.test_delivery import deliver
from tests.liveperson.ums import Ums

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]


def database_url() -> str:
    """Where the tests' own database is."""
    given = database.settings_dict
    if database.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    return f"postgres://{given['USER']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


class Host:
    """A process that holds agent sockets, as if on a host of its own."""

    def __init__(self, ums: Ums, command: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "HOUSTON_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
                "HOUSTON_LIVEPERSON_CSDS": f"https://{ums.csds}",
                "SSL_CERT_FILE": str(ums.authority_file),
                "HOUSTON_LOG_LEVEL": "WARNING",
            },
        )
        self.pid = self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        return self._process.wait(20)


@contextlib.contextmanager
def host(ums: Ums, *command: str) -> Iterator[Host]:
    started = Host(ums, list(command or ("-m", "tests.liveperson.host")))
    try:
        yield started
    finally:
        started.end()


def holder() -> int:
    """The process that says it has the socket, 0 when none does."""
    name = AgentSession.objects.values_list("holder", flat=True).first() or ":0"
    return int(name.rpartition(":")[2])


@pytest.mark.usefixtures("agent")
def test_command_is_carried_out_by_the_process_that_holds_the_socket(ums: Ums) -> None:
    conversation = ums.open(text="hello")

    with host(ums, "manage.py", "connect") as process:
        assert eventually(is_connected, timeout_s=30)
        said = deliver(conversation, CommandType.MESSAGE, text="Welcome")
        assert holder() == process.pid

        assert process.end() == 0

    assert said == "Published as message 1"
    assert conversation.texts[-1] == ("houston-bot", "Welcome")
    session = AgentSession.objects.get()
    assert (session.state, session.holder, session.address) == ("offline", "", "")


@pytest.mark.usefixtures("agent")
def test_other_host_takes_over_from_one_that_died(ums: Ums) -> None:
    with host(ums) as first, host(ums) as second:
        assert eventually(lambda: is_connected() and ums.peers(ums.bot), timeout_s=30)
        dead, alive = (first, second) if holder() == first.pid else (second, first)
        conversation = ums.open(text="hello")
        assert eventually(lambda: conversation.member(ums.bot))
        assert len(ums.logins) == 1

        dead.send(signal.SIGKILL)
        conversation.says("anybody there?")

        assert eventually(lambda: holder() == alive.pid and is_connected(), timeout_s=30)
        deliver(conversation, CommandType.MESSAGE, text="Yes")
        assert ums.most_at_once == 1
        assert conversation.texts[-1] == ("houston-bot", "Yes")
        # What was said while nobody listened was fetched.
        assert eventually(lambda: "anybody there?" in lines())


@pytest.mark.usefixtures("agent")
def test_host_that_was_thought_dead_lets_go_of_the_socket(ums: Ums) -> None:
    with host(ums) as first, host(ums) as second:
        assert eventually(lambda: is_connected() and ums.peers(ums.bot), timeout_s=30)
        asleep, awake = (first, second) if holder() == first.pid else (second, first)
        [stale] = ums.peers(ums.bot)

        asleep.send(signal.SIGSTOP)
        assert eventually(lambda: holder() == awake.pid and is_connected(), timeout_s=30)
        asleep.send(signal.SIGCONT)

        assert eventually(lambda: stale not in ums.peers(ums.bot))
        time.sleep(1)
        assert holder() == awake.pid
        assert len(ums.peers(ums.bot)) == 1


@pytest.mark.usefixtures("agent")
def test_agent_sockets_are_part_of_the_product_where_an_account_uses_them() -> None:
    assert "manage.py connect" in run.processes()["connect"]

    Connection.objects.update(agent_login="")

    assert "connect" not in run.processes()
