"""What threads store at once goes into one transaction, and each hears of its own."""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from houston.models import Account
from invoker import ingest
from invoker.group_commit import GroupCommit
from invoker.models import Connection, Conversation, Notification, Platform
from invoker.platforms import PLATFORMS
from tests import factories
from tests.invoker import senders

MANY = 5


class Store:
    """Stores words in capitals; the first time it waits until all others have come too."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        self.groups: list[list[str]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._fails_at, self._error = fails_at, error
        self.commits = GroupCommit(self._write, passing=(OperationalError,))

    def _write(self, words: Sequence[str]) -> list[str]:
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(20)
        self.groups.append(list(words))
        if self._error and self._fails_at in words:
            raise self._error
        return [word.upper() for word in words]

    def run(self, *words: str) -> list[object]:
        """What each of them heard, the first alone and the others while it is written."""

        def tell(word: str) -> object:
            try:
                return self.commits.together(word)
            except BaseException as error:  # noqa: BLE001 -- it is what is looked at
                return error

        with ThreadPoolExecutor(len(words)) as threads:
            told = [threads.submit(tell, words[0])]
            assert self.begun.wait(20)
            for number, word in enumerate(words[1:], start=1):
                told.append(threads.submit(tell, word))
                while len(self.commits._waiting) < number:
                    time.sleep(0.001)
            self.go_on.set()
            return [each.result(20) for each in told]


def test_those_who_come_while_one_writes_are_written_together() -> None:
    store = Store()

    assert store.run("a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert store.groups == [["a"], ["b", "c", "d"]]
    # And it goes on.
    assert store.commits.together("e") == "E"


def test_fault_of_one_is_no_harm_to_the_others() -> None:
    store = Store("c", ValueError("c"))

    heard = store.run("a", "b", "c", "d")

    assert [str(each) for each in heard] == ["A", "B", "c", "D"]
    assert isinstance(heard[2], ValueError)
    assert store.groups == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


def test_what_is_nobodys_fault_is_told_to_all_and_not_tried_for_each() -> None:
    store = Store("c", OperationalError("the database is away"))

    heard = store.run("a", "b", "c", "d")

    assert heard[0] == "A"
    assert all(isinstance(each, OperationalError) for each in heard[1:])
    assert store.groups == [["a"], ["b", "c", "d"]]
    assert store.commits.together("e") == "E"


def test_thread_that_is_ended_leaves_nobody_waiting() -> None:
    store = Store("c", SystemExit())

    heard = store.run("a", "b", "c", "d")

    assert heard[0] == "A"
    assert sorted(type(each).__name__ for each in heard[1:]) == [
        "SystemExit",
        "WriterEndedError",
        "WriterEndedError",
    ]
    assert store.commits.together("e") == "E"


# Through the door ---------------------------------------------------------------------------------


@pytest.fixture
def generic(account: Account) -> Connection:
    return factories.ConnectionFactory(platform=Platform.GENERIC)


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_are_answered_each_for_itself(
    generic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bring the same notification, one an id that is another's; all but that one are stored."""
    other = factories.ConnectionFactory(platform=Platform.GENERIC, account_id=generic.account_id)
    events = [senders.updated(f"c{number}") for number in range(MANY)]
    taken = senders.updated("taken")
    assert senders.post(generic, taken).json()["accepted"] == 1
    sent = [
        *((generic, each) for each in events),
        (generic, events[0]),
        (generic, senders.updated("elsewhere") | {"id": taken["id"]}),
        (other, events[0]),
    ]
    together: list[int] = []
    write = ingest._write

    def slow(requests: Sequence[object]) -> object:
        together.append(len(requests))
        gate.wait(0.5)
        return write(requests)

    gate = threading.Event()
    monkeypatch.setattr(ingest, "_commits", GroupCommit(slow, passing=(OperationalError,)))

    def post(one: tuple[Connection, object]) -> tuple[int, object]:
        try:
            answer = senders.post(*one)
            return answer.status_code, answer.json().get("accepted")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(sent)) as threads:
        answers = list(threads.map(post, sent))

    assert sorted(answers[: MANY + 1]) == [(202, 0)] + [(202, 1)] * MANY
    assert answers[MANY + 1] == (409, None)
    assert answers[MANY + 2] == (202, 1)
    assert max(together) > 1
    assert Notification.objects.count() == MANY + 2
    assert not Conversation.objects.filter(conv_id="elsewhere").exists()
    assert Conversation.objects.get(connection=other).arrived == 1


@pytest.mark.django_db
def test_several_requests_are_one_transaction_of_three_statements(generic: Connection) -> None:
    requests = [
        ingest._Request(generic, {one.dedupe_key: one}, "", "")
        for number in range(MANY)
        for one in PLATFORMS[Platform.GENERIC].read(
            {"content-type": "application/cloudevents+json"},
            json.dumps(senders.updated(f"c{number}")).encode(),
        )
    ]

    with CaptureQueriesContext(database) as asked:
        new = ingest._write(requests)

    assert [len(each) for each in new] == [1] * MANY
    assert [
        query["sql"].split()[0] for query in asked if not query["sql"].startswith(("SAVE", "REL"))
    ] == ["INSERT", "INSERT", "UPDATE"]
