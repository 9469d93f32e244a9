"""Requests of the server go to public addresses and to what was opened, and to nothing else."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from houston.account_errors import InvalidError
from houston.connecting import NewConnection, add_connection
from houston.models import Account
from invoker.models import Command
from invoker.platforms import DeliveryError, callbacks, chatwoot, posting, reach
from invoker.platforms.liveperson import login
from invoker.platforms.liveperson.timing import Timing
from invoker.platforms.liveperson.ums import OpenError, opened
from tests import factories
from tests.conftest import CallbackServer

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",  # noqa: S104 -- nobody binds to it
    "169.254.169.254", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1%eth0", "fec0::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"]
# As a URL may spell loopback addresses; whoever connects reads all of them.
SPELLED = ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "a.localhost", "LOCALHOST.",
           "[::1]", "[::ffff:7f00:1]"]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_opened(settings: Any) -> None:
    settings.PRIVATE_NETWORKS = []


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_public_is_not_allowed(address: str) -> None:
    assert not reach.is_allowed(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    assert reach.is_allowed(address)


def test_network_is_opened_in_whatever_clothes_its_addresses_come(settings: Any) -> None:
    settings.PRIVATE_NETWORKS = ["10.0.0.0/8", "fd00::/8"]

    allowed = ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd12::1"]
    assert [each for each in allowed if not reach.is_allowed(each)] == []
    assert not reach.is_allowed("127.0.0.1")


@pytest.mark.parametrize("host", SPELLED)
def test_callback_url_into_the_house_is_refused_when_it_is_entered(
    account: Account, host: str
) -> None:
    new = NewConnection(platform="generic", name="Inside", callback_url=f"http://{host}:9/in")

    with pytest.raises(InvalidError, match="HOUSTON_PRIVATE_NETWORKS=") as caught:
        add_connection(account, new, by="ada")

    assert caught.value.field == "callback_url"


def test_chatwoot_in_the_house_is_refused_when_it_is_entered(account: Account) -> None:
    new = NewConnection(
        platform="chatwoot", name="Inside", api_url="http://10.0.0.5", api_account="1",
        api_token="token",
    )  # fmt: skip

    with pytest.raises(InvalidError, match=r"HOUSTON_PRIVATE_NETWORKS=10\.0\.0\.5"):
        add_connection(account, new, by="ada")


def test_refusal_at_the_time_of_a_command_is_final_and_says_what_opens_it(
    account: Account, callback_server: CallbackServer
) -> None:
    with pytest.raises(DeliveryError, match=r"HOUSTON_PRIVATE_NETWORKS=127\.0\.0\.1") as caught:
        _deliver(callback_server.url)

    assert (caught.value.permanent, callback_server.requests) == (True, [])


def test_chatwoot_is_checked_at_the_time_of_a_command_too(
    account: Account, callback_server: CallbackServer
) -> None:
    connection = factories.ConnectionFactory(
        platform="chatwoot", api_url=callback_server.url, api_account="1", api_token="token"
    )
    made = factories.CommandFactory(
        fields={"text": "hi"}, event__conversation__connection=connection
    )

    with pytest.raises(DeliveryError, match="HOUSTON_PRIVATE_NETWORKS"):
        chatwoot.Chatwoot().deliver(connection, Command.objects.get(pk=made.pk))

    assert callback_server.requests == []


def test_name_is_asked_once_for_each_connection_and_the_answer_holds(
    settings: Any, monkeypatch: pytest.MonkeyPatch, callback_server: CallbackServer
) -> None:
    settings.PRIVATE_NETWORKS = ["127.0.0.1"]
    rebinding = Resolver(["127.0.0.1"], ["127.0.0.2"])
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = callback_server.url.split(":")[2].split("/")[0]

    posting.post(f"http://rebinding.example:{port}/", b"", {}, who="It")

    assert len(rebinding.asked) == 1
    assert callback_server.requests[0].headers["host"] == f"rebinding.example:{port}"
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.2"):
        posting.post(f"http://rebinding.example:{port}/", b"", {}, who="It")
    assert len(callback_server.requests) == 1


def test_connection_is_kept_for_the_next_command(
    settings: Any, monkeypatch: pytest.MonkeyPatch, callback_server: CallbackServer
) -> None:
    settings.PRIVATE_NETWORKS = ["127.0.0.1"]
    callback_server._server.RequestHandlerClass.protocol_version = "HTTP/1.1"
    resolver = Resolver(["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    port = callback_server.url.split(":")[2].split("/")[0]

    for _ in range(3):
        posting.post(f"http://kept.example:{port}/", b"", {}, who="It")

    assert (len(resolver.asked), len(callback_server.requests)) == (1, 3)


@pytest.mark.parametrize(
    "leads_to", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:169.254.169.254"]]
)
def test_name_that_leads_into_the_house_is_refused(
    monkeypatch: pytest.MonkeyPatch, callback_server: CallbackServer, leads_to: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(leads_to))
    port = callback_server.url.split(":")[2].split("/")[0]

    with pytest.raises(DeliveryError, match="no public address"):
        posting.post(f"http://inside.example:{port}/", b"", {}, who="It")

    assert callback_server.requests == []


def test_redirect_into_the_house_is_not_followed(
    settings: Any, callback_server: CallbackServer
) -> None:
    settings.PRIVATE_NETWORKS = ["127.0.0.1"]
    callback_server.will_answer(302)

    with pytest.raises(DeliveryError, match="302"):
        posting.post(callback_server.url, b"", {}, who="It")

    assert len(callback_server.requests) == 1


def test_login_host_that_the_directory_names_is_checked(
    callback_server: CallbackServer,
) -> None:
    with login._client() as client, pytest.raises(login.LoginUnavailableError, match="no public"):
        login._ask(client, "POST", callback_server.url, {}, "log in")

    assert callback_server.requests == []


def test_agent_socket_is_opened_to_no_address_in_the_house(
    callback_server: CallbackServer,
) -> None:
    address = callback_server.url.replace("http", "ws")

    with pytest.raises(OpenError, match="NotPublicError"), opened(address, Timing()):
        pass

    assert callback_server.requests == []


# Names that nobody answers for --------------------------------------------------------------------


class Silence:
    """Stands for DNS: of the names that end in "silent.example" it says nothing until the end."""

    def __init__(self) -> None:
        self._real = socket.getaddrinfo
        self.over = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host.endswith(".example"):
            self.asked.append(host)
        if host.endswith("silent.example"):
            self.over.wait(60)
        return self._real("127.0.0.1", port, *arguments, **options)

    def await_questions(self, count: int) -> None:
        ends_at = time.monotonic() + 30
        while len(self.asked) < count and time.monotonic() < ends_at:
            time.sleep(0.005)
        assert len(self.asked) == count


@pytest.fixture
def silence(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    settings.PRIVATE_NETWORKS = ["127.0.0.1"]
    settings.CALLBACK_TIMEOUT_S = 60
    monkeypatch.setattr(posting, "_CONNECT_S", 60.0)
    monkeypatch.setattr(reach, "_SILENT_AFTER_S", 60.0)
    found = Silence()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.over.set()
    _until_nothing_is_looked_up()


def test_names_that_nobody_answers_for_keep_no_other_account_waiting(
    silence: Silence, callback_server: CallbackServer
) -> None:
    with ThreadPoolExecutor(40) as threads:
        asked = [
            threads.submit(_post, f"{n}.silent.example", callback_server, "acme1")
            for n in range(40)
        ]
        silence.await_questions(40)

        _post("quick.example", callback_server, "other1")
        waiting = sum(not one.done() for one in asked)
        silence.over.set()

    assert waiting == 40
    assert callback_server.requests[0].headers["host"].startswith("quick.example")


def test_name_that_is_silent_fails_at_once_until_somebody_answers(
    silence: Silence,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    callback_server: CallbackServer,
) -> None:
    settings.CALLBACK_TIMEOUT_S = 0.1
    monkeypatch.setattr(reach, "_SILENT_AFTER_S", 0.0)
    with pytest.raises(DeliveryError, match="ConnectTimeout"):
        _post("silent.example", callback_server, "acme1")

    with pytest.raises(DeliveryError, match=r"nobody says where the name silent\.example leads"):
        _post("silent.example", callback_server, "other1")

    assert silence.asked == ["silent.example"]
    settings.CALLBACK_TIMEOUT_S = 60
    silence.over.set()
    _until_nothing_is_looked_up()
    _post("silent.example", callback_server, "other1")
    assert len(callback_server.requests) == 1


def test_account_with_many_silent_names_asks_for_no_more_and_others_do(
    silence: Silence,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    callback_server: CallbackServer,
) -> None:
    settings.CALLBACK_TIMEOUT_S = 0.1
    for n in range(reach._MOST_SILENT):
        with pytest.raises(DeliveryError, match="ConnectTimeout"):
            _post(f"{n}.silent.example", callback_server, "acme1")
    settings.CALLBACK_TIMEOUT_S = 60
    monkeypatch.setattr(reach, "_SILENT_AFTER_S", 0.0)

    with pytest.raises(DeliveryError, match="4 other names of this account"):
        _post("quick.example", callback_server, "acme1")
    _post("quick.example", callback_server, "other1")

    assert silence.asked == [*(f"{n}.silent.example" for n in range(4)), "quick.example"]
    assert len(callback_server.requests) == 1


def test_two_who_ask_for_a_name_at_once_share_the_answer(
    silence: Silence, callback_server: CallbackServer
) -> None:
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(_post, "silent.example", callback_server, "acme1")
        silence.await_questions(1)
        found = reach._lookups.ask("silent.example", "other1")
        silence.over.set()
        first.result()

    assert reach._addresses(found.result()) == ["127.0.0.1"]
    assert silence.asked == ["silent.example"]


def _post(host: str, server: CallbackServer, account_id: str) -> None:
    port = server.url.split(":")[2].split("/")[0]
    posting.post(f"http://{host}:{port}/", b"", {}, who="It", account_id=account_id)


def _until_nothing_is_looked_up() -> None:
    ends_at = time.monotonic() + 30
    while reach._lookups._under_way and time.monotonic() < ends_at:
        time.sleep(0.005)


class Resolver:
    """Stands for DNS: names lead where each answer in turn says, numbers where they are."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self._real = socket.getaddrinfo
        self.asked: list[str] = []

    def __call__(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if not str(host).endswith(".example"):
            return self._real(host, port, *arguments, **options)
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "",
             (each, port))
            for each in answer
        ]  # fmt: skip


def _deliver(url: str) -> str:
    connection = factories.ConnectionFactory(callback_url=url)
    made = factories.CommandFactory(fields={"text": "hi"})
    return callbacks.post(connection, Command.objects.get(pk=made.pk))
