"""Conversations as they are lived, while functions come and go and processes die at any statement.

Things arrive, twice, late, in any order; a plain list says what has to come of it.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from houston.models import Account
from invoker import dispatch, events, runtime
from invoker.models import (
    OPEN_COMMAND_STATES,
    Command,
    Connection,
    Conversation,
    Deployment,
    Event,
    EventState,
    Notification,
    NotificationState,
)
from invoker.platforms.generic import EVENT_PREFIX
from invoker.rates import rates
from tests import factories
from tests.conftest import CallbackServer
from tests.hostile import cases
from tests.houston.test_api_conforms import undone
from tests.invoker import senders

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(cases.TIMEOUT_S)]

TTR = "controllerbot_messaging_ttr"
CONVERSATIONS = ("c-1", "c-2")
STEPS = 40 if cases.IS_LONG else 20


class KilledError(BaseException):
    """The process is gone; nothing in it gets to tidy up."""


@contextlib.contextmanager
def killed_at(statement: int) -> Iterator[None]:
    """The process ends before its n-th statement, and the database takes back what was open."""
    left = statement

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0 and not sql.startswith(("ROLLBACK TO", "RELEASE")):
            raise KilledError
        return run(sql, *rest)

    with contextlib.suppress(KilledError), database.execute_wrapper(execute):
        yield


def machine(doors: Connection, server: CallbackServer) -> type[RuleBasedStateMachine]:
    """The machine, which finds an account that is ready at the beginning of each life."""

    class Life(RuleBasedStateMachine):
        held = Bundle("held")
        sent = Bundle("sent")

        def __init__(self) -> None:
            super().__init__()
            cases.count("lives of conversations", "tried")
            # What a connection may send is not what a life is about, and they all have one.
            rates.forget()
            self.accepted: defaultdict[str, list[str]] = defaultdict(list)
            """The plain list: what got a 2xx, by conversation, in the order of the answers."""
            self.made = 0
            self.rolled_back = undone()
            self.rolled_back.__enter__()
            server.requests.clear()

        @initialize()
        def a_function(self) -> None:
            self.deploy()

        @rule(target=held, conv_id=st.sampled_from(CONVERSATIONS), count=st.integers(1, 3))
        def happens(self, conv_id: str, count: int) -> Any:
            return multiple(*(self._event(conv_id) for _ in range(count)))

        def _event(self, conv_id: str) -> dict[str, Any]:
            self.made += 1
            payload = events.sample(TTR)["payload"]
            payload["general"]["convId"] = conv_id
            payload["general"]["originatorId"] = f"event-{self.made}"
            return senders.cloud_event(EVENT_PREFIX + "ttr", payload) | {"id": f"event-{self.made}"}

        @rule(target=sent, event=consumes(held))
        def arrives(self, event: dict[str, Any]) -> dict[str, Any]:
            answer = senders.post(doors, event)
            assert answer.json() == {"accepted": 1, "duplicates": 0}
            self._accept(event)
            return event

        def _accept(self, event: dict[str, Any]) -> None:
            self.accepted[event["data"]["general"]["convId"]].append(event["id"])

        @rule(event=sent)
        def arrives_again(self, event: dict[str, Any]) -> None:
            assert senders.post(doors, event).json() == {"accepted": 0, "duplicates": 1}

        @rule(target=sent, event=consumes(held), statement=st.integers(0, 12))
        def arrives_while_the_door_dies(self, event: dict[str, Any], statement: int) -> Any:
            answered = False
            with killed_at(statement):
                answered = senders.post(doors, event).status_code == 202
            if not answered:
                # It may have been stored all the same: the sender sends it once more.
                again = senders.post(doors, event)
                assert again.status_code == 202
            self._accept(event)
            return event

        @rule(conv_id=st.sampled_from(CONVERSATIONS))
        def a_worker_looks(self, conv_id: str) -> None:
            self._drain(conv_id)

        @rule(conv_id=st.sampled_from(CONVERSATIONS), statement=st.integers(0, 90))
        def a_worker_dies(self, conv_id: str, statement: int) -> None:
            with killed_at(statement):
                self._drain(conv_id)

        def _drain(self, conv_id: str) -> None:
            for pk in Conversation.objects.filter(conv_id=conv_id).values_list("pk", flat=True):
                dispatch.drain(pk)

        @rule()
        def time_passes(self) -> None:
            """Leases run out, and what was to be tried again later is due."""
            now = timezone.now()
            Conversation.objects.filter(lease_until__isnull=False).update(lease_until=now)
            Conversation.objects.filter(due_at__gt=now).update(due_at=now)
            Command.objects.filter(due_at__gt=now).update(due_at=now)

        @precondition(lambda _: not Deployment.objects.filter(active=True).exists())
        @rule()
        def deploy(self) -> None:
            factories.DeploymentFactory(event_type=TTR)

        @rule()
        def undeploy(self) -> None:
            Deployment.objects.update(active=False)

        @invariant()
        def nothing_is_lost_and_order_holds(self) -> None:
            for conv_id, ids in self.accepted.items():
                stored = Notification.objects.filter(conversation__conv_id=conv_id).order_by("pk")
                assert [json.loads(bytes(one.body))["id"] for one in stored] == ids
                derived = Event.objects.filter(conversation__conv_id=conv_id).order_by("position")
                names = [each.payload["general"]["originatorId"] for each in derived]
                assert names == ids[: len(names)]
                done = [each.state == EventState.DONE for each in derived]
                assert done == sorted(done, reverse=True), "one was handled before an earlier one"

        @invariant()
        def nothing_is_done_twice(self) -> None:
            seen: defaultdict[str, list[str]] = defaultdict(list)
            for one in server.requests:
                told = json.loads(one.body)["data"]
                seen[told["conversationId"]].append(told["command"]["text"])
            for conv_id, texts in seen.items():
                named = [text for text in texts if text.startswith("event-")]
                assert len(named) == len(set(named)), named
                assert named == [each for each in self.accepted[conv_id] if each in named], named
            keys = [one.headers["webhook-id"] for one in server.requests]
            assert len(keys) == len(set(keys)), "a message was sent twice"

        def teardown(self) -> None:
            try:
                for _ in range(10):
                    self.time_passes()
                    for conv_id in CONVERSATIONS:
                        self._drain(conv_id)
                    if not Event.objects.exclude(state=EventState.DONE).exists():
                        break
                self.nothing_is_lost_and_order_holds()
                self.nothing_is_done_twice()
                assert Event.objects.count() == sum(len(ids) for ids in self.accepted.values())
                assert not Event.objects.exclude(state=EventState.DONE).exists()
                assert not Notification.objects.exclude(state=NotificationState.DONE).exists()
                assert not Command.objects.filter(state__in=OPEN_COMMAND_STATES).exists()
                cases.count("lives of conversations", "accepted")
            finally:
                self.rolled_back.__exit__(None, None, None)

    return Life


def says_which(program: runtime.Program, event: Any, **rest: Any) -> runtime.Result:
    """A function that says which event it was given."""
    text = event["payload"]["general"]["originatorId"]
    value = {"type": "systemMessage", "text": text}
    return runtime.Result(runtime.Outcome.SUCCEEDED, value, duration_ms=1.0)


def test_nothing_is_lost_nothing_done_twice_and_order_holds(
    account: Account, callback_server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The sandbox is what other tests are about: here its process may die with its worker.
    monkeypatch.setattr(runtime, "run", says_which)
    doors = factories.ConnectionFactory(callback_url=callback_server.url)
    wanted = cases.tried(12)
    run_state_machine_as_test(
        machine(doors, callback_server), settings=settings(wanted, stateful_step_count=STEPS)
    )
