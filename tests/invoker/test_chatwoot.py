"""Chatwoot: who sent it, what it says, what is asked for there."""

import contextlib
import datetime as dt
import json
import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from houston.models import Account
from invoker import conversations
from invoker.models import Connection, Notification, Platform
from invoker.platforms import PLATFORMS, DeliveryError, Incoming, RejectedError, chatwoot
from tests import factories
from tests.conftest import Answer, CallbackServer

CHATWOOT = PLATFORMS["chatwoot"]
SECRET = "topsecret"
T0 = 1_700_000_000


def told(**facts: Any) -> dict[str, Any]:
    """A conversation as Chatwoot's webhook shows it."""
    return {
        "event": "conversation_updated",
        "id": 10,
        "inbox_id": 3,
        "channel": "Channel::WebWidget",
        "can_reply": True,
        "status": "open",
        "priority": None,
        "labels": [],
        "custom_attributes": {},
        "additional_attributes": {"browser_language": "de"},
        "contact_inbox": {"id": 5, "contact_id": 7, "inbox_id": 3, "source_id": "s"},
        "messages": [],
        "meta": {
            "sender": {"id": 7, "name": "Ann", "type": "contact"},
            "assignee": {"id": 7, "name": "Bob", "type": "user"},
            "team": {"id": 2, "name": "Support"},
            "hmac_verified": False,
        },
        "unread_count": 1,
        "waiting_since": T0,
        "last_activity_at": T0 + 5,
        "timestamp": T0 + 5,
        "created_at": T0,
        "updated_at": T0 + 6.25,
        "changed_attributes": [{"team_id": {"previous_value": None, "current_value": 2}}],
    } | facts


def message(**facts: Any) -> dict[str, Any]:
    conversation = {key: value for key, value in told().items() if key != "event"}
    return {
        "event": "message_created",
        "id": 501,
        "content": "hello",
        "content_type": "text",
        "content_attributes": {},
        "message_type": "incoming",
        "private": False,
        "source_id": None,
        "created_at": "2023-11-14T22:13:30.500Z",
        "sender": {"id": 7, "name": "Ann", "type": "contact"},
        "inbox": {"id": 3, "name": "Web"},
        "conversation": conversation,
        "account": {"id": 1, "name": "Acme"},
    } | facts


def headers(body: bytes, *, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    timestamp = str(int(time.time()) if at is None else at)
    return {
        "x-chatwoot-signature": chatwoot.sign(secret, timestamp, body),
        "x-chatwoot-timestamp": timestamp,
        "x-chatwoot-delivery": "d-1",
    }


def read(document: Any) -> conversations.Change:
    [incoming] = CHATWOOT.read({}, json.dumps(document).encode())
    change = CHATWOOT.digest(incoming.body)
    assert isinstance(change, conversations.Change)
    return change


# Who sent it --------------------------------------------------------------------------------------


def test_signature_is_that_of_the_documented_example() -> None:
    body = b'{"event":"conversation_status_changed","id":10,"status":"resolved"}'

    assert chatwoot.sign("topsecret", "1627063520", body) == (
        "sha256=78bedfaec532cce475c87dadb9b9370121289c38f99f2ebf51a8689b0058e865"
    )


@pytest.fixture
def connection(account: Account, callback_server: CallbackServer) -> Connection:
    return factories.ConnectionFactory(
        platform=Platform.CHATWOOT,
        signing_secret=SECRET,
        api_url=callback_server.url.removesuffix("/commands"),
        api_account="1",
        api_token="bot-token",
    )


def post(connection: Connection, document: Any, path: str = "", **changed: str) -> Any:
    body = json.dumps(document).encode()
    return Client().post(
        f"/events/{connection.pk}{path}",
        data=body,
        content_type="application/json",
        headers=headers(body) | changed,
    )


def test_signed_webhook_is_stored_and_its_repetition_is_not(connection: Connection) -> None:
    first, again = post(connection, told()), post(connection, told())

    assert (first.status_code, first.json()) == (200, {"accepted": 1, "duplicates": 0})
    assert (again.status_code, again.json()) == (200, {"accepted": 0, "duplicates": 1})
    assert Notification.objects.get().kind == "conversation_updated"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"x-chatwoot-signature": ""}, "missing-signature"),
        ({"x-chatwoot-timestamp": ""}, "missing-signature"),
        ({"x-chatwoot-signature": "sha256=00"}, "bad-signature"),
        ({"x-chatwoot-signature": "\u00e9"}, "bad-signature"),
        ({"x-chatwoot-timestamp": "1"}, "bad-signature"),
    ],
)
def test_webhook_is_refused_when(
    connection: Connection, changed: dict[str, str], code: str
) -> None:
    answer = post(connection, told(), **changed)

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert not Notification.objects.exists()


@pytest.mark.parametrize("age_s", [301, -301])
def test_webhook_of_another_time_is_refused(connection: Connection, age_s: int) -> None:
    body = json.dumps(told()).encode()
    old = headers(body, at=int(time.time()) - age_s)

    answer = Client().post(
        f"/events/{connection.pk}", data=body, content_type="application/json", headers=old
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "bad-timestamp")


def test_webhook_of_another_account_is_refused(connection: Connection) -> None:
    answer = post(connection, message(account={"id": 2}))

    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-sender")


@pytest.mark.parametrize(
    ("path", "status"), [(f"/{SECRET}", 200), ("", 401), ("/", 401), ("/other", 401)]
)
def test_unsigned_webhook_proves_itself_by_its_address(
    connection: Connection, path: str, status: int
) -> None:
    Connection.objects.update(signs=False)
    unsigned = {"x-chatwoot-signature": "", "x-chatwoot-timestamp": ""}

    assert post(connection, told(), path, **unsigned).status_code == status


@pytest.mark.parametrize("signs", [True, False])
def test_either_secret_is_taken_while_one_is_changed(connection: Connection, signs: bool) -> None:
    connection.signs = signs
    connection.previous_signing_secret = SECRET
    connection.previous_signing_until = timezone.now() + dt.timedelta(hours=1)
    connection.signing_secret = "new"
    connection.save()
    path = "" if signs else f"/{SECRET}"

    assert post(connection, told(), path).status_code == 200
    Connection.objects.update(previous_signing_until=timezone.now())
    assert post(connection, told(), path).status_code == 401


def test_secret_in_the_address_opens_no_connection_that_signs(connection: Connection) -> None:
    unsigned = {"x-chatwoot-signature": ""}

    assert post(connection, told(), f"/{SECRET}", **unsigned).status_code == 401


# What it says -------------------------------------------------------------------------------------


def test_conversation_is_read_as_a_snapshot() -> None:
    change = read(told())

    assert (change.conv_id, change.ts_ms) == ("10", T0 * 1000 + 6250)
    shown = change.body
    assert isinstance(shown, conversations.Snapshot)
    assert (shown.state, shown.skill_id, shown.start_ts) == ("OPEN", "2", T0 * 1000)
    assert [(each.id, each.role) for each in shown.participants or ()] == [
        ("contact-7", "CONSUMER"),
        ("7", "ASSIGNED_AGENT"),
    ]
    assert shown.nicknames == {"contact-7": "Ann", "7": "Bob"}
    assert shown.context is not None
    assert (shown.context.type, shown.context.lang) == ("Channel::WebWidget", "de")
    assert shown.reopens


META = told()["meta"]


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"status": "pending"}, "state", "OPEN"),
        ({"status": "snoozed"}, "state", "OPEN"),
        ({"status": "resolved"}, "state", "CLOSE"),
        ({"status": "resolved"}, "close_reason", "AGENT"),
        ({"status": "open"}, "close_reason", None),
        ({"meta": META | {"team": None}}, "skill_id", "-1"),
        ({"meta": {}}, "skill_id", "-1"),
        ({"meta": {}}, "participants", ()),
        ({"priority": "urgent"}, "ttr", chatwoot.Ttr("URGENT", None)),
        ({"priority": "high"}, "ttr", chatwoot.Ttr("NORMAL", None)),
        ({"created_at": "2023-11-14T22:13:20Z"}, "start_ts", T0 * 1000),
    ],
)
def test_fact_of_a_conversation_is_read(facts: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(read(told(**facts)).body, name) == value


def test_bot_that_is_assigned_is_no_agent() -> None:
    meta = META | {"assignee_type": "AgentBot"}

    people = read(told(meta=meta)).body.participants

    assert [each.role for each in people] == ["CONSUMER"]


@pytest.mark.parametrize("event", ["conversation_created", "conversation_status_changed"])
def test_other_events_of_a_conversation_are_read_alike(event: str) -> None:
    assert read(told(event=event)).kind == "conversation"


USER = {"id": 7, "name": "Bob", "type": "user"}


@pytest.mark.parametrize(
    ("facts", "author", "role"),
    [
        ({}, "contact-7", "CONSUMER"),
        ({"message_type": "outgoing", "sender": USER}, "7", "ASSIGNED_AGENT"),
        ({"message_type": "outgoing", "sender": USER | {"id": 8}}, "8", "AGENT"),
        ({"sender": None}, None, "CONSUMER"),
    ],
)
def test_message_is_read_as_a_line(facts: dict[str, Any], author: str | None, role: str) -> None:
    line = read(message(**facts)).body

    assert isinstance(line, conversations.Line)
    assert (line.originator_id, line.role) == (author, role)
    assert (line.dialog_id, line.sequence, line.ts_ms) == ("10", 501, T0 * 1000 + 10_500)


def test_private_note_is_a_private_line() -> None:
    assert read(message(message_type="outgoing", sender=USER, private=True)).body.private


@pytest.mark.parametrize(
    "facts",
    [
        {"message_type": "activity"},
        {"message_type": "template"},
        {"message_type": "outgoing", "sender": {"id": 1, "type": "agent_bot"}},
        {"message_type": "outgoing", "sender": None},
        {"event": "message_updated"},
        {"event": "conversation_typing_on"},
        {"event": "webwidget_triggered"},
        {"event": "contact_created"},
    ],
)
def test_what_is_no_line_of_a_person_is_accepted_and_means_nothing(facts: dict[str, Any]) -> None:
    assert CHATWOOT.read({}, json.dumps(message(**facts)).encode()) == []


@pytest.mark.parametrize(
    ("document", "code", "part"),
    [
        ([], "malformed-event", "not a JSON object"),
        ({}, "invalid-field", "event"),
        (told(id="x"), "invalid-field", '"$.id" with value "x"'),
        (told(id=-1), "invalid-field", '"$.id" with value -1'),
        (told(id=10**30), "invalid-json", "$.id"),
        (told(updated_at=None, timestamp=None, created_at=None), "invalid-field", "updated_at"),
        (told(status=None), "invalid-field", '"$.status" with value null'),
        (told(updated_at="yesterday"), "invalid-field", "'yesterday'"),
        (told(meta={"assignee": 5}), "invalid-field", '"$.meta.assignee" with value 5'),
        (message(conversation=None), "invalid-field", "$.conversation"),
        (message(created_at=None), "invalid-field", "$.created_at"),
    ],
)
def test_webhook_that_cannot_be_read_names_field_and_value(
    document: Any, code: str, part: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        CHATWOOT.read({}, json.dumps(document).encode())

    assert (caught.value.status, caught.value.code) == (400, code)
    assert part in caught.value.message


GARBAGE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})
)


@settings(deadline=None)
@given(
    document=st.sampled_from([told(), message()]),
    garbage=GARBAGE,
    data=st.data(),
)
def test_garbage_in_place_of_any_field_is_read_or_refused(
    document: dict[str, Any], garbage: Any, data: st.DataObject
) -> None:
    broken = json.loads(json.dumps(document))
    target = broken
    while True:
        key = data.draw(st.sampled_from(sorted(target)))
        if not isinstance(target[key], dict) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = garbage
    body = json.dumps(broken).encode()

    found: list[Incoming] = []
    with contextlib.suppress(RejectedError):
        found = CHATWOOT.read({}, body)
    for each in found:
        CHATWOOT.digest(each.body)


# What is asked for there --------------------------------------------------------------------------


def deliver(connection: Connection, kind: str, **fields: Any) -> str:
    conversation = factories.ConversationFactory(connection=connection, conv_id="10")
    event = factories.EventFactory(conversation=conversation)
    command = factories.CommandFactory(event=event, type=kind, fields=fields)
    return CHATWOOT.deliver(connection, command)


def wire(server: CallbackServer) -> list[tuple[str, str, Any]]:
    return [(one.method, one.path, json.loads(one.body)) for one in server.requests]


BASE = "/api/v1/accounts/1/conversations/10"


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("systemMessage", {"text": "hi"},
         [("messages", {"content": "hi", "message_type": "outgoing", "private": False})]),
        ("systemMessage", {"text": "hi", "until": 5},
         [("messages", {"content": "hi", "message_type": "outgoing", "private": False})]),
        ("transfer", {"skillId": "2"}, [("assignments", {"team_id": 2})]),
        ("transfer", {"skillId": "-1"}, [("assignments", {"team_id": None})]),
        ("transfer", {"agentId": "9"}, [("assignments", {"assignee_id": 9})]),
        ("transfer", {"skillId": "2", "agentId": "9"},
         [("assignments", {"team_id": 2}), ("assignments", {"assignee_id": 9})]),
        ("closeConversation", {}, [("toggle_status", {"status": "resolved"})]),
    ],
)  # fmt: skip
def test_command_is_these_calls(
    connection: Connection,
    callback_server: CallbackServer,
    kind: str,
    fields: dict[str, Any],
    expected: list[tuple[str, Any]],
) -> None:
    assert deliver(connection, kind, **fields) == "200 OK"

    assert wire(callback_server) == [("POST", f"{BASE}/{path}", body) for path, body in expected]
    for one in callback_server.requests:
        assert one.headers["api_access_token"] == "bot-token"
        assert one.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "permanent"), [(401, True), (404, True), (422, True), (429, False), (503, False)]
)
def test_refusal_is_final_or_not(
    connection: Connection, callback_server: CallbackServer, status: int, permanent: bool
) -> None:
    callback_server.will_answer(Answer(status, {"retry-after": "3"}, b'{"error":"no"}'))

    with pytest.raises(DeliveryError, match=f"Chatwoot answered {status}") as caught:
        deliver(connection, "systemMessage", text="hi")

    assert (caught.value.permanent, caught.value.unknown) == (permanent, False)
    assert caught.value.retry_after_s == 3.0


@pytest.mark.parametrize(
    ("kind", "fields", "unknown"),
    [("systemMessage", {"text": "hi"}, True), ("closeConversation", {}, False)],
)
def test_message_without_an_answer_may_have_arrived(  # noqa: PLR0917
    connection: Connection,
    callback_server: CallbackServer,
    settings: Any,
    kind: str,
    fields: dict[str, str],
    unknown: bool,
) -> None:
    settings.CALLBACK_TIMEOUT_S = 0.3
    callback_server.will_answer(Answer(delay_s=1.0))

    with pytest.raises(DeliveryError, match="No answer within") as caught:
        deliver(connection, kind, **fields)

    assert caught.value.unknown == unknown


@pytest.mark.parametrize(
    ("status", "unknown"),
    [(408, True), (500, True), (502, True), (504, True), (429, False), (503, False), (404, False)],
)
def test_message_may_have_arrived_where_somebody_gave_up(
    connection: Connection, callback_server: CallbackServer, status: int, unknown: bool
) -> None:
    callback_server.will_answer(status)

    with pytest.raises(DeliveryError) as caught:
        deliver(connection, "systemMessage", text="hi")

    assert caught.value.unknown == unknown


@pytest.mark.parametrize("fields", [{"skillId": "sales"}, {"agentId": "7x"}, {"skillId": ""}])
def test_transfer_to_what_is_no_number_is_refused(
    connection: Connection, callback_server: CallbackServer, fields: dict[str, str]
) -> None:
    with pytest.raises(DeliveryError, match="Cannot transfer to") as caught:
        deliver(connection, "transfer", **fields)

    assert (caught.value.permanent, caught.value.reason) == (True, "malformed")
    assert callback_server.requests == []


def test_transfer_that_stops_half_way_says_so(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(200, 404)

    with pytest.raises(DeliveryError, match="Moved to the team, but not to the agent: Chatwoot"):
        deliver(connection, "transfer", skillId="2", agentId="9")


def test_close_is_asked_for_again_where_somebody_gave_up(
    connection: Connection, callback_server: CallbackServer
) -> None:
    callback_server.will_answer(504)

    with pytest.raises(DeliveryError) as caught:
        deliver(connection, "closeConversation")

    assert not caught.value.unknown


def test_chatwoot_that_is_away_has_not_got_the_message(connection: Connection) -> None:
    connection.api_url = "http://127.0.0.1:9"

    with pytest.raises(DeliveryError, match="Chatwoot cannot be reached") as caught:
        deliver(connection, "systemMessage", text="hi")

    assert not caught.value.unknown


def test_connection_without_a_token_says_what_is_missing(connection: Connection) -> None:
    connection.api_token = ""

    with pytest.raises(DeliveryError, match="address, account or token") as caught:
        deliver(connection, "systemMessage", text="hi")

    assert (caught.value.permanent, caught.value.reason) == (True, "no-api-access")
