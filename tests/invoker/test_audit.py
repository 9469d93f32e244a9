"""What the audit log keeps of a change, and what it does not."""

import datetime as dt

import pytest
from django.db import transaction
from django.utils import timezone

from invoker import audit
from invoker.models import AuditEntry

ACCOUNT = "acme1"


def record(action="bot.saved", subject="the controller bot", **fields):
    return audit.record(ACCOUNT, action, subject, by="ada", **fields)


def test_entry_when_values_differ(db):
    with audit.coming_from(audit.Origin("192.0.2.7", "request-1")):
        entry = record(
            before={"Retries": 1, "Nickname": "Kim"},
            after={"Retries": 2, "Nickname": "Kim"},
            detail="by hand",
        )

    entry.refresh_from_db()
    assert (entry.before, entry.after) == ({"Retries": 1}, {"Retries": 2})
    assert (entry.by, entry.address, entry.request_id) == ("ada", "192.0.2.7", "request-1")
    assert (entry.subject_kind, entry.detail) == ("bot", "by hand")
    assert entry.words == "changed the controller bot"


def test_entry_when_nobody_asked_over_the_network(db):
    with audit.coming_from(audit.Origin("192.0.2.7", "request-1")):
        pass

    assert record(after={"a": 1}).address == ""


def test_nothing_is_recorded_when_nothing_differs(db):
    assert record(before={"Retries": 1}, after={"Retries": 1}) is None
    assert not AuditEntry.objects.exists()


def test_entry_when_only_one_side_has_a_value(db):
    entry = record(before={"Retries": 1, "Old": "x"}, after={"Retries": 1, "New": [1, {"a": None}]})

    assert (entry.before, entry.after) == ({"Old": "x"}, {"New": [1, {"a": None}]})


def test_values_are_cut_when_they_are_long(db):
    entry = record(
        "message.saved",
        "x" * 1_000,
        after={"Text": "y" * 100_000, "List": ["z" * 1_000] * 1_000, "k" * 1_000: 1},
        detail="d" * 1_000,
    )

    entry.refresh_from_db()
    assert len(entry.subject) == audit.MAX_SUBJECT
    assert len(entry.detail) == audit.MAX_DETAIL
    assert [len(entry.after[name]) for name in ("Text", "List")] == [audit.MAX_VALUE] * 2
    assert entry.after["Text"].endswith("y…")
    assert max(map(len, entry.after)) == audit.MAX_SUBJECT


def test_entry_says_how_many_values_it_leaves_out(db):
    entry = record(after={str(number): number for number in range(audit.MAX_FIELDS + 3)})

    assert len(entry.after) == audit.MAX_FIELDS
    assert entry.detail == "and 3 more values"


def test_entry_when_values_hold_what_no_database_keeps(db):
    entry = record(
        subject="a\0b", before={"\0": "\0", "List": ["\0"]}, after={"\0": "\ud800", "List": []}
    )

    entry.refresh_from_db()
    assert entry.subject == "a\ufffdb"
    assert entry.before == {"\ufffd": "\ufffd", "List": ["\ufffd"]}
    assert entry.after == {"\ufffd": "?", "List": []}


def test_record_when_nobody_knows_the_action(db):
    with pytest.raises(ValueError, match="exploded"):
        record("bot.exploded")


def test_every_action_belongs_to_a_kind_and_names_its_subject():
    for action, words in audit.ACTIONS.items():
        assert action.partition(".")[0] in audit.KINDS
        assert words.count("{}") == 1


@pytest.mark.django_db(transaction=True)
def test_entry_goes_when_its_change_is_taken_back():
    with transaction.atomic():
        record(after={"a": 1})
        transaction.set_rollback(True)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
def test_stream_is_one_query(db, count, django_assert_num_queries):
    for number in range(count):
        record("function.deployed", f"greet{number}")
    AuditEntry.objects.filter(subject="greet0").update(at=timezone.now() - dt.timedelta(days=1))
    audit.record("other1", "function.deployed", "theirs", by="otto")

    with django_assert_num_queries(1):
        found = audit.stream(ACCOUNT)

    assert len(found) == count
    assert found[-1].words == "deployed greet0"


def test_stream_when_only_functions_are_wanted(db):
    record("secret.added", "KEY")
    record("function.deployed", "greet")
    record("schedule.created", "report")

    found = audit.stream(ACCOUNT, functions_only=True)
    assert [each.subject for each in found] == ["report", "greet"]
