"""One worker at a time per conversation, whoever dies."""

import datetime as dt
import threading

import pytest
from django.db import InterfaceError, InternalError, OperationalError
from django.utils import timezone

from invoker import dispatch
from invoker.models import Conversation, Lease, LeaseLostError
from tests import factories

pytestmark = pytest.mark.django_db
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def conversation() -> Conversation:
    return factories.ConversationFactory(due_at=timezone.now())


def test_claim_succeeds_for_one_worker_at_a_time(conversation: Conversation) -> None:
    first = Lease.claim(conversation.pk, MINUTE)
    second = Lease.claim(conversation.pk, MINUTE)

    assert first is not None
    assert second is None


def test_claim_finds_nothing_when_nothing_is_due(conversation: Conversation) -> None:
    Conversation.objects.update(due_at=None)
    assert Lease.claim(conversation.pk, MINUTE) is None

    Conversation.objects.update(due_at=timezone.now() + MINUTE)
    assert Lease.claim(conversation.pk, MINUTE) is None


def test_lease_of_a_clock_that_has_been_put_right_is_free(conversation: Conversation) -> None:
    Conversation.objects.update(
        due_at=timezone.now() - MINUTE, lease_until=timezone.now() + 60 * MINUTE
    )

    assert dispatch.due_conversations() == [conversation.pk]
    assert Lease.claim(conversation.pk, MINUTE) is not None


def test_worker_that_was_thought_dead_can_write_nothing(conversation: Conversation) -> None:
    old = Lease.claim(conversation.pk, dt.timedelta(seconds=-1))
    new = Lease.claim(conversation.pk, MINUTE)
    assert old is not None
    assert new is not None

    with pytest.raises(LeaseLostError), old.transaction():
        Conversation.objects.update(conv_id="overwritten")
    with pytest.raises(LeaseLostError):
        old.arrived()
    assert not old.release(seen=0, due_at=None)

    conversation.refresh_from_db()
    assert conversation.conv_id != "overwritten"
    with new.transaction():
        Conversation.objects.update(conv_id="written")


def test_transaction_renews_the_lease(conversation: Conversation) -> None:
    lease = Lease.claim(conversation.pk, MINUTE)
    assert lease is not None
    Conversation.objects.update(lease_until=timezone.now())

    with lease.transaction():
        pass

    conversation.refresh_from_db()
    assert conversation.lease_until is not None
    assert conversation.lease_until > timezone.now() + MINUTE / 2


def test_release_is_refused_when_something_arrived_meanwhile(conversation: Conversation) -> None:
    lease = Lease.claim(conversation.pk, MINUTE)
    assert lease is not None
    seen = lease.arrived()
    Conversation.mark_arrivals([conversation.pk])

    assert not lease.release(seen=seen, due_at=None)
    assert lease.release(seen=lease.arrived(), due_at=None)

    conversation.refresh_from_db()
    assert (conversation.due_at, conversation.lease_until) == (None, None)


def test_arrival_makes_a_conversation_due_that_waited_for_later(
    conversation: Conversation,
) -> None:
    Conversation.objects.update(due_at=timezone.now() + MINUTE)

    Conversation.mark_arrivals([conversation.pk])

    assert Lease.claim(conversation.pk, MINUTE) is not None


def test_postponed_conversation_is_free_and_due_later(conversation: Conversation) -> None:
    lease = Lease.claim(conversation.pk, MINUTE)
    assert lease is not None

    lease.postpone(MINUTE)

    conversation.refresh_from_db()
    assert conversation.lease_until is None
    assert conversation.due_at is not None
    assert conversation.due_at > timezone.now()


@pytest.mark.parametrize(
    ("error", "longest_s"),
    [
        (OperationalError("server closed the connection unexpectedly"), 1),
        (InternalError("terminating connection due to idle-in-transaction timeout"), 1),
        (RuntimeError("a fault of ours"), 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_work_that_was_interrupted_is_given_back_and_sooner_when_the_database_was_away(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, error: Exception, longest_s: int
) -> None:
    Conversation.mark_arrivals([conversation.pk])

    def fails(_: Lease) -> int:
        raise error

    monkeypatch.setattr(dispatch, "_drain", fails)
    with pytest.raises(type(error)):
        dispatch.drain(conversation.pk)

    conversation.refresh_from_db()
    assert conversation.lease_until is None
    assert conversation.due_at is not None
    wait = conversation.due_at - timezone.now()
    assert dt.timedelta(0) < wait <= dt.timedelta(seconds=longest_s)


def test_what_interrupted_the_work_is_told_also_when_nothing_can_be_given_back(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Conversation.mark_arrivals([conversation.pk])

    def fails(*_: object) -> None:
        raise OperationalError("first")

    def fails_too(*_: object) -> None:
        raise InterfaceError("the connection is closed")

    monkeypatch.setattr(dispatch, "_drain", fails)
    monkeypatch.setattr(Lease, "postpone", fails_too)

    with pytest.raises(OperationalError, match="first"):
        dispatch.drain(conversation.pk)


def test_leases_are_renewed_again_whatever_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed = threading.Event()
    errors = [
        RuntimeError("nobody has thought of it"),
        InterfaceError("connection already closed"),
        OperationalError("cannot connect"),
    ]

    class Held(Lease):
        def renew(self) -> None:
            if errors:
                raise errors.pop()
            renewed.set()

    monkeypatch.setattr(dispatch, "RENEW_EVERY_S", 0.01)
    with dispatch._Renewer().keep(Held(1, 1, MINUTE)):
        assert renewed.wait(10)
