"""Both dialects of a notification, and everything that is none."""

import copy
import json
from typing import Any

import msgspec
import pytest

from invoker import conversations
from invoker.conversations import NotificationError, read_notification
from tests.invoker.notifications import (
    PAYLOADS,
    T0,
    captured,
    event,
    line,
    play,
    snapshot,
)


def test_read_takes_both_dialects_to_the_same_change():
    raw = captured("liveperson_raw_opened")
    plain = copy.deepcopy(raw)
    plain["type"] = "cqm.ExConversationChangeNotification"
    details = plain["body"]["changes"][0]["result"]["conversationDetails"]
    del details["participantsPId"], details["convId"]
    details["participants"] = [{"id": "con-1", "role": "CONSUMER"}]

    [from_raw], [from_plain] = read_notification(raw), read_notification(plain)

    assert from_raw.body == from_plain.body
    assert (from_raw.conv_id, from_raw.ts_ms) == ("c-1", T0)


def test_read_takes_a_raw_message():
    [change] = read_notification(captured("liveperson_raw_message"))

    assert (change.kind, change.conv_id, change.key) == ("message", "c-1", "c-1:0")
    assert change.body == conversations.Line(
        dialog_id="c-1",
        sequence=0,
        ts_ms=T0 + 1_000,
        originator_id="12345678.556688",
        originator_pid="52e05c00-d5e4-4823-8cf7-62570b939a63",
        role="CONTROLLER",
        private=False,
    )


def test_read_knows_a_suggested_agent_from_a_participant():
    [change] = read_notification(captured("liveperson_raw_survey_running"))

    assert [each.role for each in change.body.participants] == [
        "CONSUMER",
        "READER",
        "READER",
        "MANAGER",
        "CONTROLLER",
    ]
    assert [each.id for each in change.body.suggested] == ["7149717.880365851"]
    assert change.body.ttr is None


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("liveperson_*.json")), ids=lambda p: p.stem)
def test_read_and_derive_take_every_captured_notification(path):
    state, _, _ = play(captured(path.stem))

    if state is not None:
        plain = json.loads(json.dumps(msgspec.to_builtins(state)))
        assert msgspec.convert(plain, conversations.State) == state


def test_read_leaves_out_what_is_no_line_and_says_where_the_lines_were():
    notification = line(4, 1)
    notification["body"]["changes"] = [
        {"dialogId": "c-1", "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}},
        event(4, 1),
        event(5, 2, event={"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [4]}),
        event(6, 3, event={"type": "RichContentEvent", "content": {"type": "vertical"}}),
    ]

    changes = read_notification(notification)

    assert [(each.index, each.body.sequence) for each in changes] == [(1, 4), (3, 6)]
    assert read_notification(captured("liveperson_webhook_typing")) == []


def test_read_gives_a_change_the_same_key_however_its_fields_are_ordered():
    notification = snapshot(5)
    change = notification["body"]["changes"][0]
    reordered = copy.deepcopy(notification)
    reordered["body"]["changes"] = [dict(reversed(change.items()))]
    reordered["body"]["sentTs"] = T0 + 99_000

    [first], [second] = read_notification(notification), read_notification(reordered)

    assert first.key == second.key
    assert first.key != read_notification(snapshot(5, skillId="2"))[0].key


def test_read_repairs_text_that_no_database_stores():
    _, [derived], _ = play(snapshot(context={"lang": "de\0", "type": "half \ud83d emoji"}))

    assert derived.payload["general"]["clientLanguage"] == "de\ufffd"
    assert derived.payload["general"]["contextType"] == "half \ufffd emoji"


def test_read_keeps_an_emoji_sent_in_two_halves():
    _, [derived], _ = play(snapshot(context={"lang": "\ud83d\ude00"}))

    assert derived.payload["general"]["clientLanguage"] == "😀"


def put(path, value):
    notification = snapshot(5, last=event(1, 5), context={"clientProperties": {"features": []}})
    *parents, name = path
    target = notification
    for key in parents:
        target = target[key]
    target[name] = value
    return notification


RESULT = ("body", "changes", 0, "result")
DETAILS = (*RESULT, "conversationDetails")
deep: list[Any] = []
for _ in range(40):
    deep = [deep]

MALFORMED = {
    "no object": (["notification"], "invalid-field", '"$" with value ["notification"]'),
    "other kind": (put(("kind",), "req"), "invalid-field", '"$.kind" with value "req"'),
    "other type": (put(("type",), "cqm.Party"), "unknown-type", 'type "cqm.Party"'),
    "body no object": (put(("body",), []), "invalid-field", '"$.body" with value []'),
    "changes no list": (
        put(("body", "changes"), 7),
        "invalid-field",
        '"$.body.changes" with value 7',
    ),
    "other change": (
        put(("body", "changes", 0, "type"), "UPDATE"),
        "invalid-field",
        '"$.body.changes[0].type" with value "UPDATE"',
    ),
    "conversation without id": (
        put((*RESULT, "convId"), ""),
        "invalid-field",
        '"$.body.changes[0].result.convId" with value ""',
    ),
    "endless id": (
        put((*RESULT, "convId"), "x" * 201),
        "invalid-field",
        '"$.body.changes[0].result.convId" with value "xxx',
    ),
    "text for a time": (
        put((*DETAILS, "startTs"), "now"),
        "invalid-field",
        'result.conversationDetails.startTs" with value "now"',
    ),
    "truth for a time": (
        put((*DETAILS, "startTs"), True),
        "invalid-field",
        'result.conversationDetails.startTs" with value true',
    ),
    "time beyond JavaScript": (
        put((*DETAILS, "startTs"), 2**53),
        "invalid-field",
        f'result.conversationDetails.startTs" with value {2**53}',
    ),
    "huge number": (
        put((*DETAILS, "startTs"), 10**5000),
        "invalid-json",
        'result.conversationDetails.startTs" with value of 16610 bits',
    ),
    "not a number": (
        put((*DETAILS, "note"), float("nan")),
        "invalid-json",
        'result.conversationDetails.note" with value NaN',
    ),
    "no time at all": (
        put((*DETAILS, "metaDataLastUpdateTs"), None),
        "invalid-field",
        'metaDataLastUpdateTs" with value null',
    ),
    "participants of wrong type": (
        put((*DETAILS, "participants"), [{"id": "a", "role": 5}]),
        "invalid-field",
        'participants[0].role" with value 5',
    ),
    "participants map of wrong type": (
        put((*DETAILS, "participants"), {"CONSUMER": "con-1"}),
        "invalid-field",
        'participants[...]" with value {"CONSUMER": "con-1"}',
    ),
    "feature no text": (
        put((*DETAILS, "context", "clientProperties", "features"), ["A", 3]),
        "invalid-field",
        'context.clientProperties.features[1]" with value 3',
    ),
    "copy of the last line broken": (
        put((*RESULT, "lastContentEventNotification", "sequence"), -1),
        "invalid-field",
        'result.lastContentEventNotification.sequence" with value -1',
    ),
    "nested without end": (put((*DETAILS, "note"), deep), "invalid-json", "32 levels deep"),
    "line without sequence": (
        line(None, 5),
        "invalid-field",
        '"$.body.changes[0].sequence" with value null',
    ),
    "line without dialog": (
        line(1, 5, dialogId=None),
        "invalid-field",
        '"$.body.changes[0].dialogId" with value null',
    ),
    "line without time": (
        line(1, 5, serverTimestamp=None),
        "invalid-field",
        '"$.body.changes[0].serverTimestamp" with value null',
    ),
}


@pytest.mark.parametrize(("body", "code", "part"), MALFORMED.values(), ids=MALFORMED)
def test_read_names_field_and_value_when(body, code, part):
    with pytest.raises(NotificationError) as caught:
        read_notification(body)

    assert caught.value.code == code
    assert part in str(caught.value)
    assert len(str(caught.value)) < 600
