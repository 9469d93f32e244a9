"""The messaging service of the tests, a connection to it, and what is waited for."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from houston.models import Account
from invoker import ingest
from invoker.models import AgentSession, AgentSessionState, Connection, Notification
from invoker.platforms.liveperson import Supervisor, Timing
from tests import factories
from tests.liveperson import ums as ums_module
from tests.liveperson.timing import HURRIED
from tests.liveperson.ums import ACCOUNT, Ums


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ums]:
    with ums_module.running(tmp_path_factory.mktemp("ums")) as server:
        yield server


@pytest.fixture
def ums(service: Ums, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ums]:
    """The service as if it had just been started."""
    service.forget()
    settings.LIVEPERSON_CSDS = f"https://{service.csds}"
    monkeypatch.setenv("SSL_CERT_FILE", str(service.authority_file))
    yield service
    service.close_sockets(1001)


@pytest.fixture
def liveperson_account(db: None) -> Account:
    made = factories.AccountFactory(id=ACCOUNT, name="Acme")
    factories.ControllerBotFactory(account_id=made.id)
    return made


@pytest.fixture
def agent(ums: Ums, transactional_db: None, liveperson_account: Account) -> Connection:
    """A connection whose commands go by the bot's own socket."""
    return factories.ConnectionFactory(
        account_id=ACCOUNT, platform="liveperson", agent_login=json.dumps(ums.bot.login)
    )


Start = Callable[..., Supervisor]


@pytest.fixture
def start(agent: Connection) -> Iterator[Start]:
    """Start what `manage.py connect` runs, as often as wanted, each as if on a host of its own."""
    started: list[Supervisor] = []

    def begin(timing: Timing = HURRIED) -> Supervisor:
        supervisor = Supervisor(ingest.store, timing)
        supervisor.look()
        started.append(supervisor)
        return supervisor

    yield begin
    for supervisor in started:
        supervisor.close()


def eventually(condition: Callable[[], Any], *, timeout_s: float = 30.0) -> Any:
    """What `condition` gives as soon as that is true of it, at the latest what it gives then."""
    ends = time.monotonic() + timeout_s
    while not (found := condition()) and time.monotonic() < ends:
        time.sleep(0.02)
    return found


def is_connected() -> bool:
    return AgentSession.objects.filter(state=AgentSessionState.CONNECTED).exists()


def lines() -> list[str]:
    """The texts of all messages that were stored, in the order of their arrival."""
    found = Notification.objects.filter(kind=".ams.ms.OnlineEventDistribution").order_by("pk")
    bodies = [json.loads(bytes(one.body))["body"] for one in found]
    return [body["event"]["message"] for body in bodies]
