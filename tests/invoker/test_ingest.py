"""The doors: who is let in, what is kept, what is said to the rest."""

import copy
import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from cryptography.fernet import Fernet
from django.db import InterfaceError, InternalError, OperationalError
from django.test import Client
from django.utils import timezone

from houston.models import Account
from invoker import bounds, dispatch, events, statements
from invoker.models import (
    Connection,
    ControllerBot,
    Conversation,
    Event,
    Notification,
    Platform,
    make_webhook_secret,
)
from invoker.platforms.liveperson import sign
from tests import factories
from tests.invoker import senders

pytestmark = pytest.mark.django_db

PAYLOADS = Path(__file__).parents[1] / "payloads"
ACCEPTED = {"accepted": 1, "duplicates": 0}
REPEATED = {"accepted": 0, "duplicates": 1}


@pytest.fixture
def generic(account: Account) -> Connection:
    return factories.ConnectionFactory()


@pytest.fixture
def liveperson(account: Account) -> Connection:
    return factories.ConnectionFactory(
        platform=Platform.LIVEPERSON, client_id="client-1", signing_secret="topsecret"
    )


def notification(**facts: Any) -> dict[str, Any]:
    """LivePerson's notification of a conversation that has just been opened."""
    at = senders.now_ms()
    details = {
        "skillId": "-1",
        "state": "OPEN",
        "stage": "OPEN",
        "participants": [senders.CONSUMER],
        "startTs": at,
        "metaDataLastUpdateTs": at,
    } | facts
    return {
        "kind": "notification",
        "type": "cqm.ExConversationChangeNotification",
        "body": {
            "changes": [
                {"type": "UPSERT", "result": {"convId": "c-1", "conversationDetails": details}}
            ]
        },
    }


def send_liveperson(connection: Connection, body: bytes, **headers: str):
    return Client().post(
        f"/events/{connection.pk}",
        data=body,
        content_type="application/json",
        headers=senders.liveperson_headers(connection, body) | headers,
    )


def refused(response: Any, status: int, code: str) -> None:
    """It was turned away with this status and code, and nothing was kept of it."""
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"]
    assert Notification.objects.count() == 0
    assert Conversation.objects.count() == 0


# Generic ------------------------------------------------------------------------------------------


def test_structured_event_is_stored_as_it_came(generic: Connection) -> None:
    event = senders.updated()

    response = senders.post(generic, event)

    assert (response.status_code, response.json()) == (202, ACCEPTED)
    stored = Notification.objects.get()
    assert bytes(stored.body) == json.dumps(event).encode()
    assert stored.kind == "com.houston.messaging.conversation.updated"
    assert stored.conversation.conv_id == "c-1"
    assert stored.conversation.due_at is not None


def test_structured_event_is_told_from_its_content_type_not_from_ce_headers(
    generic: Connection,
) -> None:
    response = senders.post(generic, senders.updated(), **{"ce-id": "other", "ce-type": "x"})

    assert response.status_code == 202
    assert Notification.objects.get().kind == "com.houston.messaging.conversation.updated"


def test_binary_event_of_the_published_library_is_read(generic: Connection) -> None:
    event = senders.updated()
    attributes = {name: value for name, value in event.items() if name != "data"}
    message = to_binary_event(CloudEvent(attributes, event["data"]))

    response = senders.post(
        generic, message.body, content_type="application/json",
        **{name: value for name, value in message.headers.items() if name != "content-type"},
    )  # fmt: skip

    assert (response.status_code, response.json()) == (202, ACCEPTED)
    assert json.loads(bytes(Notification.objects.get().body))["data"] == event["data"]


BINARY = {"ce-specversion": "1.0", "ce-type": "com.houston.messaging.conversation.updated"}


def test_attributes_in_headers_may_be_quoted_and_encoded(generic: Connection) -> None:
    body = json.dumps(senders.updated()["data"]).encode()
    headers = BINARY | {"ce-id": '"a \\"b\\" %C3%A9 %2541"', "ce-source": "//x"}

    response = senders.post(generic, body, content_type="application/json", **headers)

    assert response.status_code == 202
    assert json.loads(bytes(Notification.objects.get().body))["id"] == 'a "b" é %41'


@pytest.mark.parametrize("value", ["%FF", "%ZZ", "100%", "%C3"])
def test_attribute_that_is_no_text_is_refused(generic: Connection, value: str) -> None:
    body = json.dumps(senders.updated()["data"]).encode()
    headers = BINARY | {"ce-id": value, "ce-source": "//x"}

    response = senders.post(generic, body, content_type="application/json", **headers)

    refused(response, 400, "malformed-event")
    assert "ce-id" in response.json()["message"]


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"state": "open"}, "state"),
        ({"state": ""}, "state"),
        ({"state": 5}, "state"),
        ({"state": "CLOSE"}, "closeReason"),
        ({"state": "CLOSE", "closeReason": "agent"}, "closeReason"),
    ],
)
def test_word_that_is_not_known_is_refused_and_told(
    generic: Connection, facts: dict[str, Any], name: str
) -> None:
    response = senders.post(generic, senders.updated(**facts))

    refused(response, 400, "invalid-field")
    told = response.json()["message"]
    assert told.startswith(f'Cannot read "{name}" with value {facts.get(name)!r}')


def test_many_changes_are_not_stored_with_what_surrounds_them(generic: Connection) -> None:
    change = notification()["body"]["changes"][0]
    changes = []
    for number in range(50):
        one = copy.deepcopy(change)
        one["result"]["convId"] = one["result"]["conversationDetails"]["convId"] = f"c-{number}"
        changes.append(one)
    event = senders.cloud_event(
        "com.liveperson.cqm.ExConversationChangeNotification",
        {"changes": changes, "pad": "x" * 100_000},
    )

    assert senders.post(generic, event | {"extension": "y" * 1000}).status_code == 202

    stored = [bytes(one.body) for one in Notification.objects.all()]
    assert len(stored) == 50
    assert max(map(len, stored)) < 5_000


def test_batch_is_taken_whole(generic: Connection) -> None:
    batch = [senders.updated(f"c-{number}") for number in range(100)]

    response = senders.post(generic, batch)

    assert response.json() == {"accepted": 100, "duplicates": 0}
    assert Conversation.objects.count() == 100


def test_batch_with_one_bad_event_is_refused_whole(generic: Connection) -> None:
    bad = senders.updated("c-2")
    del bad["data"]["state"]

    response = senders.post(generic, [senders.updated("c-1"), bad])

    refused(response, 400, "invalid-field")


def test_batch_that_is_too_large_is_refused(generic: Connection) -> None:
    batch = [senders.updated(f"c-{number}") for number in range(101)]

    refused(senders.post(generic, batch), 400, "batch-too-large")


def test_request_with_too_many_changes_is_refused_whole(liveperson: Connection) -> None:
    told = notification()
    [change] = told["body"]["changes"]
    told["body"]["changes"] = [
        change | {"result": change["result"] | {"convId": f"c-{number}"}} for number in range(501)
    ]

    refused(send_liveperson(liveperson, json.dumps(told).encode()), 400, "batch-too-large")
    told["body"]["changes"].pop()
    assert send_liveperson(liveperson, json.dumps(told).encode()).status_code == 200
    assert Conversation.objects.count() == Notification.objects.count() == 500


def test_arrivals_are_marked_in_pieces(
    generic: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoker.models.conversations.MARKED_AT_ONCE", 2)

    assert senders.post(generic, [senders.updated(f"c-{n}") for n in range(5)]).status_code == 202

    assert set(Conversation.objects.values_list("arrived", flat=True)) == {1}
    assert Conversation.objects.filter(due_at__isnull=False).count() == 5


def test_empty_batch_is_nothing(generic: Connection) -> None:
    response = senders.post(generic, [])

    assert (response.status_code, response.json()) == (202, {"accepted": 0, "duplicates": 0})


def test_several_changes_of_one_notification_become_a_row_each(generic: Connection) -> None:
    change = notification()["body"]["changes"][0]
    other = json.loads(json.dumps(change).replace("c-1", "c-2"))
    data = {"changes": [change, other]}
    event = senders.cloud_event("com.liveperson.cqm.ExConversationChangeNotification", data)

    first, second = senders.post(generic, event), senders.post(generic, event)

    assert first.json() == {"accepted": 2, "duplicates": 0}
    assert second.json() == {"accepted": 0, "duplicates": 2}
    rows = Notification.objects.order_by("pk")
    assert [json.loads(bytes(row.body))["data"]["changes"] for row in rows] == [[change], [other]]


def test_message_event_is_taken(generic: Connection) -> None:
    assert senders.post(generic, senders.line()).json() == ACCEPTED


def test_repetition_is_success_and_leaves_one_row(generic: Connection) -> None:
    event = senders.updated()

    answers = [senders.post(generic, event).json() for _ in range(3)]

    assert answers == [ACCEPTED, REPEATED, REPEATED]
    assert Notification.objects.count() == 1


def test_id_that_is_used_for_other_content_is_a_conflict(generic: Connection) -> None:
    event = senders.updated("c-1")
    senders.post(generic, event)
    other = senders.updated("c-2") | {"id": event["id"]}

    response = senders.post(generic, [senders.updated("c-3"), other])

    assert (response.status_code, response.json()["code"]) == (409, "id-used-twice")
    assert list(Conversation.objects.values_list("conv_id", flat=True)) == ["c-1"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"webhook-signature": "v1,AAAA"}, "bad-signature"),
        ({"webhook-signature": "no comma"}, "bad-signature"),
        ({"webhook-signature": "v1,not base64!"}, "bad-signature"),
        ({"webhook-signature": "v1a,AAAA v2,BBBB"}, "bad-signature"),
        ({"webhook-signature": ""}, "missing-signature"),
        ({"webhook-id": ""}, "missing-signature"),
        ({"webhook-id": "another"}, "bad-signature"),
        ({"webhook-timestamp": "1"}, "bad-signature"),
        ({"webhook-timestamp": "99999999999999999999"}, "bad-signature"),
        ({"webhook-timestamp": "nan"}, "bad-signature"),
        ({"webhook-timestamp": "1e400"}, "bad-signature"),
    ],
)
def test_sender_that_cannot_be_checked_is_refused(
    generic: Connection, headers: dict[str, str], code: str
) -> None:
    refused(senders.post(generic, senders.updated(), **headers), 401, code)


def test_signature_of_another_secret_is_refused(generic: Connection) -> None:
    body = json.dumps(senders.updated()).encode()
    forged = senders.signed(generic, body, secret=generic.callback_secret)

    refused(senders.post(generic, body, **forged), 401, "bad-signature")


def test_signature_that_is_too_old_is_refused(generic: Connection) -> None:
    body = json.dumps(senders.updated()).encode()
    old = senders.signed(generic, body, at=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=6))

    refused(senders.post(generic, body, **old), 401, "bad-signature")


@pytest.mark.parametrize(("age_s", "status"), [(299, 202), (301, 401), (-299, 202), (-301, 401)])
def test_signature_is_taken_five_minutes_around_now(
    generic: Connection, time_machine: Any, age_s: int, status: int
) -> None:
    now = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)
    time_machine.move_to(now, tick=False)
    body = json.dumps(senders.updated()).encode()
    aged = senders.signed(generic, body, at=now - dt.timedelta(seconds=age_s))

    assert senders.post(generic, body, **aged).status_code == status


@pytest.mark.parametrize(("left_s", "status"), [(1, 202), (-1, 401)])
def test_previous_secret_is_taken_until_its_end(
    generic: Connection, left_s: int, status: int
) -> None:
    generic.previous_signing_secret = make_webhook_secret()
    generic.previous_signing_until = timezone.now() + dt.timedelta(seconds=100 * left_s)
    generic.save()
    body = json.dumps(senders.updated()).encode()
    old = senders.signed(generic, body, secret=generic.previous_signing_secret)

    assert senders.post(generic, body, **old).status_code == status
    assert senders.post(generic, senders.updated("c-2")).status_code == 202


def test_liveperson_takes_either_secret_while_one_is_changed(liveperson: Connection) -> None:
    body = json.dumps(notification()).encode()
    old = {"X-Liveperson-Signature": sign(liveperson.signing_secret, body, "sha1")}
    liveperson.previous_signing_secret = liveperson.signing_secret
    liveperson.previous_signing_until = timezone.now() + dt.timedelta(hours=1)
    liveperson.signing_secret = "new"
    liveperson.save()

    assert send_liveperson(liveperson, body, **old).status_code == 200
    assert send_liveperson(liveperson, body).status_code == 200
    Connection.objects.update(previous_signing_until=timezone.now())
    assert send_liveperson(liveperson, body, **old).status_code == 401


def test_body_that_is_not_text_is_refused(generic: Connection) -> None:
    headers = senders.signed(generic, b"{}")

    response = Client().post(
        f"/events/{generic.pk}", data=b"\xff\xfe", content_type="application/cloudevents+json",
        headers=headers,
    )  # fmt: skip

    refused(response, 401, "bad-signature")


def _with(path: str, value: Any) -> dict[str, Any]:
    """The event of a new conversation with one thing in it changed."""
    event = senders.updated()
    *parents, name = path.split(".")
    place: Any = event
    for parent in parents:
        place = place[parent]
    if value is KeyError:
        del place[name]
    else:
        place[name] = value
    return event


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (_with("id", ""), "malformed-event"),
        (_with("specversion", "0.3"), "unknown-specversion"),
        (_with("specversion", 5), "malformed-event"),
        (_with("id", KeyError), "malformed-event"),
        (_with("source", KeyError), "malformed-event"),
        (_with("time", "yesterday"), "malformed-event"),
        (_with("type", "com.example.other"), "unknown-type"),
        (_with("type", "com.liveperson.nothing"), "unknown-type"),
        (_with("type", "com.houston.messaging.event.lunch"), "unknown-type"),
        (_with("data", KeyError), "malformed-data"),
        (_with("data", "text"), "malformed-json"),
        (_with("data", [1]), "malformed-data"),
        (_with("data.conversationId", KeyError), "invalid-field"),
        (_with("data.conversationId", 5.5), "invalid-field"),
        (_with("data.conversationId", ""), "invalid-field"),
        (_with("data.conversationId", "x" * 201), "invalid-field"),
        (_with("data.state", 5), "invalid-field"),
        (_with("data.participants", "me"), "invalid-field"),
        (_with("data.ttr", {"value": "soon"}), "invalid-field"),
        (_with("data.startTs", 10**30), "invalid-json"),
        (_with("data.updatedTs", -5), "invalid-field"),
    ],
)
def test_event_that_cannot_be_read_is_refused_with_what_was_wrong(
    generic: Connection, event: dict[str, Any], code: str
) -> None:
    response = senders.post(generic, event)

    assert response.status_code == 400
    refused(response, 400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b" ", "malformed-json"),
        (b"{", "malformed-json"),
        (b"5", "malformed-event"),
        (b"[]", "malformed-event"),
        (b"[" * 100_000, "malformed-json"),
        (b'{"a":' * 50_000, "malformed-json"),
    ],
)
def test_body_that_is_no_event_is_refused(generic: Connection, body: bytes, code: str) -> None:
    refused(senders.post(generic, body), 400, code)


def test_body_that_is_too_large_is_refused(generic: Connection) -> None:
    refused(senders.post(generic, b" " * (1024 * 1024 + 1)), 413, "body-too-large")


def test_other_content_is_refused(generic: Connection) -> None:
    response = senders.post(generic, senders.updated(), content_type="text/plain")

    refused(response, 415, "not-a-cloudevent")


def test_lone_surrogates_and_nul_in_texts_are_kept_readable(generic: Connection) -> None:
    body = json.dumps(senders.line()).replace("hello", "a\\u0000b\\ud800c").encode()

    response = senders.post(generic, body)

    assert response.status_code == 202
    assert json.loads(bytes(Notification.objects.get().body))["data"]["text"] == "a\0b?c"


def test_event_derived_by_the_sender_must_be_complete(generic: Connection) -> None:
    payload = events.sample("controllerbot_messaging_ttr")["payload"]
    kind = "com.houston.messaging.event.ttr"
    del payload["routing"]

    incomplete = senders.post(generic, senders.cloud_event(kind, payload))

    refused(incomplete, 400, "malformed-data")
    assert "routing" in incomplete.json()["message"]


# LivePerson ---------------------------------------------------------------------------------------


def test_signature_of_liveperson_reproduces_the_published_vector() -> None:
    # Source: controller-bot.md §2.2.
    signature = sign("topsecret", b'{"kind":"notification"}', "sha256")

    assert signature == "sha256=R79BN+P/0bwLIVY6WfqUuA3ZeQmnLBD+erquwFFszS8="


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_liveperson_notification_is_answered_with_200(
    liveperson: Connection, algorithm: str
) -> None:
    body = json.dumps(notification()).encode()
    headers = senders.liveperson_headers(liveperson, body, algorithm)

    first, second = (send_liveperson(liveperson, body, **headers) for _ in range(2))

    assert (first.status_code, first.json()) == (200, ACCEPTED)
    assert (second.status_code, second.json()) == (200, REPEATED)
    assert bytes(Notification.objects.get().body) == body


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-Liveperson-Signature": ""}, 400, "missing-header"),
        ({"X-Liveperson-Account-Id": ""}, 400, "missing-header"),
        ({"X-Liveperson-Client-Id": ""}, 400, "missing-header"),
        ({"X-Liveperson-Signature": "sha1=AAAA"}, 401, "bad-signature"),
        ({"X-Liveperson-Signature": "md5=AAAA"}, 401, "bad-signature"),
        ({"X-Liveperson-Signature": "sha1=\u00e9"}, 401, "bad-signature"),
        ({"X-Liveperson-Account-Id": "other1"}, 401, "wrong-sender"),
        ({"X-Liveperson-Client-Id": "other"}, 401, "wrong-sender"),
    ],
)
def test_liveperson_request_of_somebody_else_is_refused(
    liveperson: Connection, headers: dict[str, str], status: int, code: str
) -> None:
    body = json.dumps(notification()).encode()

    refused(send_liveperson(liveperson, body, **headers), status, code)


def test_liveperson_signature_is_over_the_raw_bytes(liveperson: Connection) -> None:
    body = json.dumps(notification(note="😀"), ensure_ascii=False).encode()

    assert send_liveperson(liveperson, body).status_code == 200


def test_read_receipts_between_lines_are_left_out(liveperson: Connection) -> None:
    def line(sequence: int, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "sequence": sequence,
            "dialogId": "c-1",
            "serverTimestamp": senders.now_ms(),
            "originatorId": "consumer-1",
            "originatorMetadata": {"id": "consumer-1", "role": "CONSUMER"},
            "event": event,
        }

    said = {"type": "ContentEvent", "contentType": "text/plain", "message": "hi"}
    read = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}
    changes = [line(0, said), line(1, read), line(2, said)]
    body = json.dumps(
        {
            "kind": "notification",
            "type": "ms.MessagingEventNotification",
            "body": {"dialogId": "c-1", "changes": changes},
        }
    ).encode()

    response = send_liveperson(liveperson, body)

    assert response.json() == {"accepted": 2, "duplicates": 0}
    rows = Notification.objects.order_by("pk")
    assert [json.loads(bytes(row.body))["body"]["changes"] for row in rows] == [
        [changes[0]],
        [changes[2]],
    ]


@pytest.mark.parametrize(
    ("captured", "signature", "answer"),
    [
        ("closed", "sha1=CKiT6u4nb4Mpi0tdbCbgBXKAF1E=", ACCEPTED),
        # Somebody is typing: a notification with nothing in it that changes a conversation.
        ("typing", "sha1=e/TfS0wv1HbvEsMqcBMmFLcMslI=", {"accepted": 0, "duplicates": 0}),
    ],
)
def test_vendors_own_requests_are_accepted_with_their_own_signatures(
    account: Account, captured: str, signature: str, answer: dict[str, int]
) -> None:
    # Source: LivePersonInc/lp-demo-app-connector-api, test/notifications.test.js at 1f2273f.
    factories.ControllerBotFactory(account_id="42257269")
    connection = factories.ConnectionFactory(
        account_id="42257269",
        platform=Platform.LIVEPERSON,
        client_id="81fad476-88af-4d08-bc0e-20bc69439ed4",
        signing_secret="rl9hacst6kqilbofup64n11ga3",
    )
    payload = json.loads((PAYLOADS / f"liveperson_webhook_{captured}.json").read_text())
    body = json.dumps(payload["notification"], separators=(",", ":")).encode()

    response = send_liveperson(connection, body, **{"X-Liveperson-Signature": signature})
    forged = send_liveperson(connection, body + b" ", **{"X-Liveperson-Signature": signature})

    assert (response.status_code, response.json()) == (200, answer)
    assert forged.status_code == 401


# Every door ---------------------------------------------------------------------------------------


def test_unknown_connection_is_not_found(generic: Connection) -> None:
    generic.pk = uuid.uuid4()

    refused(senders.post(generic, senders.updated()), 404, "unknown-connection")


def test_other_methods_are_refused(generic: Connection) -> None:
    response = Client().get(f"/events/{generic.pk}")

    refused(response, 405, "method-not-allowed")
    assert response["Allow"] == "POST"


def test_connection_that_is_switched_off_refuses(generic: Connection) -> None:
    Connection.objects.update(active=False)

    refused(senders.post(generic, senders.updated()), 403, "connection-disabled")


def test_account_refuses_until_both_steps_are_done(generic: Connection) -> None:
    ControllerBot.objects.update(functions_enabled_at=None)
    not_enabled = senders.post(generic, senders.updated())
    ControllerBot.objects.all().delete()
    not_set_up = senders.post(generic, senders.updated())

    refused(not_enabled, 403, "functions-not-enabled")
    refused(not_set_up, 403, "controller-bot-not-set-up")


def test_stranger_does_not_learn_how_far_the_set_up_has_come(generic: Connection) -> None:
    ControllerBot.objects.all().delete()

    response = senders.post(generic, senders.updated(), **{"webhook-signature": "v1,AAAA"})

    refused(response, 401, "bad-signature")


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database or disk is full"),
        InterfaceError("connection already closed"),
        InternalError("cannot execute INSERT in a read-only transaction"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_door_says_later_when_the_database_takes_nothing(
    generic: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(statements, "insert", fails)

    response = senders.post(generic, senders.updated())

    assert response["Retry-After"] == "5"
    refused(response, 503, "storage-unavailable")


def test_door_says_later_when_the_secrets_of_a_connection_cannot_be_read(
    generic: Connection, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    response = senders.post(generic, senders.updated())

    assert response["Retry-After"] == "60"
    refused(response, 503, "secret-unreadable")
    said = [each for each in caplog.records if each.name == "invoker.ingest"]
    assert [(each.levelname, each.exc_info) for each in said] == [("ERROR", None)]
    assert not any(each.exc_info for each in caplog.records)


def test_one_id_for_two_events_of_a_batch_is_a_conflict(generic: Connection) -> None:
    first = senders.updated("c-1")
    second = senders.updated("c-2") | {"id": first["id"]}

    refused(senders.post(generic, [first, second]), 409, "id-used-twice")


def test_body_without_a_length_is_refused_not_taken_for_empty(generic: Connection) -> None:
    response = senders.post(generic, senders.updated(), **{"Transfer-Encoding": "chunked"})

    refused(response, 411, "length-required")


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"]
)
def test_event_of_no_possible_time_is_refused(generic: Connection, at: str) -> None:
    kind = "controllerbot_messaging_new_conversation"
    event = senders.cloud_event(
        "com.houston.messaging.event.new_conversation", events.sample(kind)["payload"]
    )

    refused(senders.post(generic, event | {"time": at}), 400, "malformed-event")


def test_binary_event_with_half_a_character_is_refused(generic: Connection) -> None:
    data = json.dumps(senders.updated()["data"]).replace('"42"', '"\\ud800"').encode()
    headers = {"ce-id": "1", "ce-source": "//x", "ce-specversion": "1.0"}
    headers["ce-type"] = "com.houston.messaging.conversation.updated"

    response = senders.post(generic, data, content_type="application/json", **headers)

    assert response.status_code in (202, 400)
    assert response.json()


def test_refusal_quotes_what_came_in_characters_that_can_be_read(generic: Connection) -> None:
    response = senders.post(generic, senders.cloud_event("a\0\u202eb", {}))

    refused(response, 400, "unknown-type")
    assert 'type "a\\x00\\u202eb": known are' in response.json()["message"]


def test_refusal_stays_short_whatever_came(liveperson: Connection) -> None:
    change = notification()
    change["body"]["changes"][0]["type"] = "x" * 100_000

    response = send_liveperson(liveperson, json.dumps(change).encode())

    refused(response, 400, "invalid-field")
    assert '"$.body.changes[0].type"' in response.json()["message"]
    assert len(response.json()["message"]) < 500


def test_event_that_its_sender_derived_is_kept_as_every_database_and_page_can(
    generic: Connection,
) -> None:
    payload = events.sample("controllerbot_messaging_ttr")["payload"]
    payload["routing"]["newSkillId"] = "a\0b\ud83d"
    event = senders.cloud_event("com.houston.messaging.event.ttr", payload)

    assert senders.post(generic, event).json() == ACCEPTED
    dispatch.drain(Conversation.objects.get().pk)

    assert Event.objects.get().payload["routing"]["newSkillId"] == "a\ufffdb?"


def test_event_that_its_sender_derived_is_refused_where_a_number_is_too_large(
    generic: Connection,
) -> None:
    payload = events.sample("controllerbot_messaging_ttr")["payload"]
    payload["more"] = {"of": 2**64}

    response = senders.post(
        generic, senders.cloud_event("com.houston.messaging.event.ttr", payload)
    )

    refused(response, 400, "invalid-json")
    assert '"$.more.of"' in response.json()["message"]


def test_body_with_more_names_than_anybody_needs_is_refused(generic: Connection) -> None:
    names = ",".join(f'"{number}":0' for number in range(bounds.MAX_NAMES))
    body = f'{{"data":{{{names}}}}}'.encode()

    refused(senders.post(generic, body), 400, "json-too-many-names")
