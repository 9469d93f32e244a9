"""What is older than its account keeps it goes, and nothing else does."""

import datetime as dt

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from invoker import giving_up, retention
from invoker.models import (
    AuditEntry,
    Command,
    Conversation,
    DeadLetter,
    Event,
    EventState,
    Invocation,
    LogLine,
    Notification,
    NotificationState,
    Removal,
    Retention,
    ScheduleRun,
    Verdict,
)
from invoker.retention import removing
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

OLD = dt.timedelta(days=91)
YOUNG = dt.timedelta(days=89)


@pytest.fixture(autouse=True)
def no_pause(account, monkeypatch):
    monkeypatch.setattr(removing, "PAUSE_S", 0)


def happened(ago: dt.timedelta, **facts) -> Event:
    """An event with everything that belongs to one."""
    at = timezone.now() - ago
    conversation = factories.ConversationFactory()
    notification = factories.NotificationFactory(
        conversation=conversation, received_at=at, state=NotificationState.DONE
    )
    event = factories.EventFactory(
        conversation=conversation, notification=notification, created_at=at,
        **{"state": EventState.DONE, "verdict": Verdict.DELIVERED} | facts,
    )  # fmt: skip
    invocation = factories.InvocationFactory(event=event, started_at=at)
    factories.LogLineFactory(invocation=invocation, logged_at=at)
    factories.CommandFactory(event=event, invocation=invocation)
    return event


def left() -> dict[str, int]:
    kinds = (Event, Notification, Invocation, LogLine, Command)
    return {model.__name__: model.objects.count() for model in kinds}


def test_an_old_event_goes_with_all_that_belongs_to_it_and_the_conversation_stays():
    old, young = happened(OLD), happened(YOUNG)

    retention.remove()

    assert list(Event.objects.all()) == [young]
    assert left() == dict.fromkeys(left(), 1)
    assert Conversation.objects.filter(pk=old.conversation_id).exists()
    assert Notification.objects.get() == young.notification


@pytest.mark.parametrize("state", [EventState.WAITING, EventState.DELIVERING])
def test_what_is_unfinished_stays(state):
    happened(OLD, state=state, verdict=Verdict.NONE)
    pending = factories.NotificationFactory(received_at=timezone.now() - OLD)

    retention.remove()

    assert Event.objects.count() == 1
    assert Notification.objects.filter(pk=pending.pk).exists()


@pytest.mark.parametrize(("closed", "events"), [(False, 1), (True, 0)])
def test_what_a_dead_letter_is_about_stays_until_somebody_has_decided(closed, events):
    event = happened(OLD)
    letter = factories.DeadLetterFactory(command=event.commands.get())
    if closed:
        DeadLetter.objects.filter(pk=letter.pk).update(state="discarded", closed_at=timezone.now())

    retention.remove()

    assert Event.objects.filter(pk=event.pk).count() == events
    assert DeadLetter.objects.filter(pk=letter.pk).count() == events


def test_bodies_go_before_what_says_that_they_came():
    early = happened(dt.timedelta(days=31)).notification
    late = happened(dt.timedelta(days=29)).notification
    failed = factories.NotificationFactory(
        received_at=timezone.now() - dt.timedelta(days=31), state=NotificationState.FAILED
    )

    retention.remove()
    retention.remove()

    bodies = {row.pk: bytes(row.body) for row in Notification.objects.all()}
    assert bodies[early.pk] == b""
    assert bodies[late.pk]
    assert bodies[failed.pk]
    assert Notification.objects.get(pk=early.pk).dedupe_key == early.dedupe_key


def test_body_goes_also_when_a_person_had_it_read_later():
    old = timezone.now() - dt.timedelta(days=31)
    failed = factories.NotificationFactory(
        received_at=old, digested_at=old, state=NotificationState.FAILED
    )
    retention.remove()
    retention.remove()
    assert bytes(Notification.objects.get(pk=failed.pk).body)

    giving_up.notification_read(failed)
    Notification.objects.filter(pk=failed.pk).update(state=NotificationState.DONE)
    retention.remove()

    assert bytes(Notification.objects.get(pk=failed.pk).body) == b""


def test_logs_go_by_their_own_time():
    Retention.objects.create(account_id=factories.ACCOUNT_ID, logs_days=5)
    happened(dt.timedelta(days=6))
    happened(dt.timedelta(days=4))

    retention.remove()

    assert left() == {**dict.fromkeys(left(), 2), "LogLine": 1}


def test_for_ever_is_for_ever():
    Retention.objects.create(
        account_id=factories.ACCOUNT_ID, events_days=0, logs_days=0, bodies_days=0
    )
    happened(dt.timedelta(days=4000))

    assert retention.remove() == 0
    assert left() == dict.fromkeys(left(), 1)
    assert bytes(Notification.objects.get().body)


def test_other_accounts_have_other_times(outsider):
    Retention.objects.create(account_id="other1", events_days=0)
    mine = happened(OLD)
    other = happened(OLD)
    Event.objects.filter(pk=other.pk).update(account_id="other1")

    retention.remove()

    assert not Event.objects.filter(pk=mine.pk).exists()
    assert Event.objects.filter(pk=other.pk).exists()


def test_runs_of_schedules_and_of_the_api_go_too():
    at = timezone.now() - OLD
    run = factories.ScheduleRunFactory(due_at=at, state="succeeded")
    running = factories.ScheduleRunFactory(due_at=at, state="running")
    alone = factories.InvocationFactory(event=None, account_id=factories.ACCOUNT_ID, started_at=at)

    retention.remove()

    assert list(ScheduleRun.objects.all()) == [running]
    assert not Invocation.objects.filter(pk=alone.pk).exists()
    assert run.schedule_id


def test_it_goes_on_where_its_time_was_over(monkeypatch):
    monkeypatch.setattr(removing, "AT_ONCE", 2)
    for _ in range(5):
        happened(OLD)

    rounds = []
    while retention.remove(busy_s=0):
        rounds.append(Event.objects.count())

    assert rounds[-1] == 0
    assert left() == dict.fromkeys(left(), 0)
    assert sum(rows for kind, rows, _ in retention.recently() if kind == "events") == 5
    assert Removal.objects.get(kind="notifications").rows == 5


def test_every_query_finds_its_rows_by_an_index():
    before = timezone.now() - OLD
    factories.ScheduleFactory()
    queries = [
        removing.old_lines("a", before),
        removing.old_events("a", before),
        removing.old_schedule_runs(factories.ACCOUNT_ID, before),
        removing.old_invocations("a", before),
        removing.old_notifications("a", before),
    ]
    if connection.vendor != "sqlite":
        pytest.skip("the plan of PostgreSQL depends on how many rows there are")

    plans = [rows.values_list("pk")[:300].explain() for rows in queries]

    assert [plan for plan in plans if "SCAN" in plan] == []


def test_admin_decides_and_the_audit_log_says_so(admin_client, account):
    url = reverse("retention", args=[account.pk])

    answer = admin_client.post(url, {"events_days": "30", "logs_days": "", "bodies_days": "0"})

    row = Retention.objects.get()
    assert answer.status_code == 302
    assert (row.events_days, row.logs_days, row.bodies_days) == (30, None, 0)
    entry = AuditEntry.objects.get(action="retention.saved")
    assert entry.after == {
        "Days that events are kept": 30,
        "Days that bodies of notifications are kept": "for ever",
    }


@pytest.mark.parametrize("days", ["1", "6", "3651", "-1", "x", "1.5", "9" * 30])
def test_impossible_times_are_refused(admin_client, account, days):
    url = reverse("retention", args=[account.pk])

    answer = admin_client.post(url, {"events_days": days, "logs_days": "", "bodies_days": ""})

    assert answer.status_code == 422
    assert not Retention.objects.exists()


def test_developer_reads_and_does_not_change(developer_client, account):
    url = reverse("retention", args=[account.pk])

    assert "90 days" in developer_client.get(url).content.decode()
    assert developer_client.post(url, {"events_days": "30"}).status_code == 403
