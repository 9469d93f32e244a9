"""Dead letters as programs list, retry and discard them."""

import datetime as dt

import pytest
from django.utils import timezone

from houston.models import Scope
from invoker import dead_letters
from invoker.models import AuditEntry, DeadLetter, LetterState
from tests import api, factories


@pytest.fixture
def client(account):
    return api.of_client(account)


def ids(response):
    return [each["id"] for each in response.json()]


def test_letter_is_shown_with_what_it_is_about(client):
    failed_at = dt.datetime(2026, 3, 10, 14, 33, 20, 250_000, tzinfo=dt.UTC)
    letter = factories.DeadLetterFactory(
        failed_at=failed_at, created_at=failed_at, command__fields={"text": "Ahoy", "until": 5}
    )

    response = client.get(f"/dead-letters/{letter.pk}")

    assert response.json() == {
        "id": str(letter.pk),
        "kind": "command",
        "state": "open",
        "reason": "refused",
        "detail": "The callback URL answered 400 Bad Request",
        "connectionId": str(letter.connection_id),
        "conversationId": letter.conversation.conv_id,
        "eventId": str(letter.command.event_id),
        "command": {"type": "systemMessage", "text": "Ahoy"},
        "createdAt": "2026-03-10T14:33:20.250Z",
        "failedAt": "2026-03-10T14:33:20.250Z",
        "tries": 0,
        "retriedAt": None,
        "retriedBy": "",
        "closedAt": None,
        "closedBy": "",
        "note": "",
    }


def test_list_is_filtered_and_goes_on_behind_the_last_one(client, monkeypatch):
    monkeypatch.setattr("functions.api.dead_letters.PAGE_SIZE", 2)
    now = timezone.now()
    letters = [
        factories.DeadLetterFactory(reason="gave-up", failed_at=now - dt.timedelta(minutes=number))
        for number in range(3)
    ]
    refused = factories.DeadLetterFactory(failed_at=now - dt.timedelta(hours=1))
    done = factories.DeadLetterFactory(state=LetterState.DONE, closed_at=now)

    first = client.get("/dead-letters", reason="gave-up")
    second = client.get("/dead-letters", reason="gave-up", before=ids(first)[-1])
    since = str(int((now - dt.timedelta(seconds=90)).timestamp() * 1000))

    assert ids(first) + ids(second) == [str(each.pk) for each in letters]
    assert ids(client.get("/dead-letters", reason="refused", kind="command")) == [str(refused.pk)]
    assert ids(client.get("/dead-letters", state="done")) == [str(done.pk)]
    assert len(ids(client.get("/dead-letters", startTimestamp=since))) == 2
    assert ids(client.get("/dead-letters", connectionId=str(refused.connection_id))) == [
        str(refused.pk)
    ]
    assert client.get("/dead-letters", state="lost").status_code == 400


def test_counts_are_by_kind_and_reason(client):
    factories.DeadLetterFactory.create_batch(2)
    factories.DeadLetterFactory(state=LetterState.RETRYING)

    assert client.get("/dead-letters/counts").json() == [
        {"kind": "command", "reason": "refused", "count": 3, "open": 2}
    ]


def test_one_is_retried_once(client):
    letter = factories.DeadLetterFactory()

    done = client.post(f"/dead-letters/{letter.pk}/retry", {"insists": True})
    again = client.post(f"/dead-letters/{letter.pk}/retry", {})

    assert (done.status_code, done.json()["state"], done.json()["tries"]) == (200, "retrying", 1)
    assert DeadLetter.objects.get().insists is True
    assert (again.status_code, again.json()["code"]) == (409, "not-waiting")
    [entry] = AuditEntry.objects.filter(subject_kind="dead-letter")
    assert entry.by.startswith("API client ")


def test_one_is_discarded_and_put_back(client):
    letter = factories.DeadLetterFactory()

    discarded = client.post(f"/dead-letters/{letter.pk}/discard", {"note": "Nobody waits"})
    too_long = client.post(f"/dead-letters/{letter.pk}/discard", {"note": "x" * 301})
    back = client.post(f"/dead-letters/{letter.pk}/put-back")

    assert (discarded.json()["state"], discarded.json()["note"]) == ("discarded", "Nobody waits")
    assert too_long.status_code == 400
    assert back.json()["state"] == "open"


def test_all_that_match_are_retried_in_steps(client, monkeypatch):
    monkeypatch.setattr(dead_letters.many, "MOST_AT_ONCE", 2)
    factories.DeadLetterFactory.create_batch(3, reason="gave-up")
    other = factories.DeadLetterFactory()
    wanted = {"reason": "gave-up"}

    first = client.post("/dead-letters/retry", wanted).json()
    busy = client.post("/dead-letters/retry", {**wanted, **next_of(first)}).json()
    DeadLetter.objects.filter(state=LetterState.RETRYING).update(
        state=LetterState.OPEN, failed_at=timezone.now() + dt.timedelta(seconds=1)
    )
    last = client.post("/dead-letters/retry", {**wanted, **next_of(busy)}).json()

    steps = [(each["done"], each["more"]) for each in (first, busy, last)]
    assert steps == [(2, True), (0, True), (1, False)]
    assert DeadLetter.objects.get(pk=other.pk).state == LetterState.OPEN
    assert AuditEntry.objects.filter(action="dead-letter.retried").count() == 1


def next_of(step):
    return {name: step[name] for name in ("begunAt", "after")}


def test_all_that_match_are_discarded(client):
    factories.DeadLetterFactory.create_batch(3)

    answer = client.post("/dead-letters/discard", {"kind": "command", "note": "It was down"})
    forged = client.post("/dead-letters/discard", {"after": "x"})

    assert (answer.json()["done"], answer.json()["more"]) == (3, False)
    assert set(DeadLetter.objects.values_list("note", flat=True)) == {"It was down"}
    assert forged.status_code == 400


def test_who_only_invokes_may_neither_read_nor_change_them(account):
    client = api.of_client(account, Scope.INVOCATION)
    letter = factories.DeadLetterFactory()

    assert client.get("/dead-letters").status_code == 403
    assert client.post(f"/dead-letters/{letter.pk}/retry", {}).status_code == 403


def test_letter_that_is_not_there_is_told(client):
    answer = client.get("/dead-letters/00000000-0000-4000-8000-000000000000")

    assert answer.status_code == 404
    assert "went with its conversation" in answer.json()["message"]
