"""Payloads to test with: the sample, what the account kept, and what really happened."""

import json
import uuid

import pytest
from django.urls import reverse

from functions import payloads
from functions.models import SavedPayload
from functions.views import tree
from invoker import events
from invoker.models import AuditEntry
from tests import factories

HTMX = {"HX-Request": "true"}
NEW = "controllerbot_messaging_new_conversation"


@pytest.fixture
def function(account):
    return factories.FunctionFactory(name="greet", event_type=NEW)


def address(name, *more):
    return reverse(f"functions:{name}", args=[factories.ACCOUNT_ID, "greet", *more])


def happened(**fields):
    return factories.EventFactory(type=NEW, **fields)


# Choosing -----------------------------------------------------------------------------------------


def test_real_event_is_the_input_that_the_function_got(function):
    event = happened(payload={"general": {"convId": "c-1"}})

    found = payloads.source(function, f"event:{event.pk}")

    assert json.loads(found.text) == {
        "timestamp": int(event.occurred_at.timestamp() * 1000),
        "headers": [],
        "payload": {"general": {"convId": "c-1"}},
    }


def test_real_events_are_those_of_this_event_and_account_newest_first(function):
    old, new = happened(), happened()
    factories.EventFactory(type="controllerbot_messaging_ttr")
    other = factories.ConversationFactory(account_id="other1")
    happened(account_id="other1", conversation=other)

    assert payloads.recent(function) == [new, old]


@pytest.mark.parametrize(
    "key",
    ["", "x", "sample:1", "saved:", "saved:x", "saved:²", f"saved:{10**30}", "saved:99",
     "event:", "event:x", f"event:{uuid.UUID(int=5)}", "saved:\0", "event:\0"],
)  # fmt: skip
def test_payload_that_is_not_there_is_the_sample_and_an_error(developer_client, function, key):
    answer = developer_client.post(address("payload"), {"source": key}, headers=HTMX)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Cannot load the payload" in page
    assert '<option value="sample" selected>' in page


def test_payload_of_another_account_is_not_there(developer_client, function):
    theirs = SavedPayload.objects.create(account_id="other1", event_type=NEW, name="x", text="{}")
    event = happened(
        account_id="other1", conversation=factories.ConversationFactory(account_id="other1")
    )

    for key in (theirs.key, f"event:{event.pk}"):
        answer = developer_client.post(address("payload"), {"source": key}, headers=HTMX)
        assert "Cannot load the payload" in answer.content.decode()


def test_choosing_fills_the_editor_and_the_tree(developer_client, function):
    event = happened(payload={"general": {"convId": "c-1"}})

    answer = developer_client.post(
        address("payload"), {"source": f"event:{event.pk}"}, headers=HTMX
    )

    page = answer.content.decode()
    assert "&quot;convId&quot;: &quot;c-1&quot;" in page
    assert 'data-path="input.payload.general.convId"' in page
    assert f'<option value="event:{event.pk}" selected>' in page


def test_choosing_without_javascript_keeps_the_code_as_it_was_typed(developer_client, function):
    kept = payloads.save(function, name="Kept", text='{"kept": 1}', by="kim")

    answer = developer_client.post(
        address("payload"),
        {"source": kept.key, "code": "// typed", "version": "1", "description": "d"},
    )

    page = answer.content.decode()
    assert "// typed" in page
    assert "&quot;kept&quot;: 1" in page


def test_admin_may_look_and_may_not_keep(admin_client, function):
    looked = admin_client.post(address("payload"), {"source": "sample"}, headers=HTMX)
    kept = admin_client.post(address("payload-save"), {"payload_name": "x", "payload": "{}"})

    assert looked.status_code == 200
    assert "Save for everybody" not in looked.content.decode()
    assert kept.status_code == 403


@pytest.mark.parametrize("count", [1, 3])
def test_editor_asks_as_often_for_many_payloads_as_for_one(
    developer_client, function, django_assert_num_queries, count
):
    for number in range(count):
        happened()
        payloads.save(function, name=f"kept {number}", text="{}", by="kim")
        factories.VersionFactory(function=function, number=number + 5)

    with django_assert_num_queries(10):
        answer = developer_client.get(address("edit"))

    page = answer.content.decode()
    assert page.count('value="saved:') == page.count('value="event:') == count


# Keeping ------------------------------------------------------------------------------------------


def test_payload_is_kept_as_it_was_typed(developer_client, function):
    answer = developer_client.post(
        address("payload-save"),
        {"payload_name": " Big  one ", "payload": '{"b": 1.0,\r\n "a": 2}'},
        headers=HTMX,
    )

    kept = SavedPayload.objects.get()
    assert (kept.name, kept.text, kept.changed_by) == ("Big one", '{"b": 1.0,\n "a": 2}', "dana")
    assert f'<option value="{kept.key}" selected>Big one</option>' in answer.content.decode()


def test_payload_of_a_taken_name_is_replaced_after_asking(developer_client, function):
    payloads.save(function, name="Kept", text="1", by="kim")
    values = {"payload_name": "Kept", "payload": "{}"}

    asked = developer_client.post(address("payload-save"), values, headers=HTMX)
    before = SavedPayload.objects.get().text
    developer_client.post(address("payload-save"), {**values, "replaces": "yes"}, headers=HTMX)

    assert asked.status_code == 409
    assert "kim saved a payload “Kept”" in asked.content.decode()
    assert (before, SavedPayload.objects.get().text) == ("1", "{}")
    assert AuditEntry.objects.latest("at").action == "payload.replaced"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"payload_name": " "}, "it has no name"),
        ({"payload_name": "x" * 61}, "its name has 61 characters, at most 60"),
        ({"payload_name": "a\0b"}, "Null characters are not allowed"),
        ({"payload_name": "a\u202eb"}, "characters that cannot be shown"),
        ({"payload": ""}, "the payload is empty"),
        ({"payload": "{"}, "the payload is not JSON"),
        ({"payload": json.dumps("x" * 100_000)}, "it has 100002 characters, at most 100000"),
    ],
)
def test_payload_that_cannot_be_kept_says_why(developer_client, function, values, said):
    answer = developer_client.post(
        address("payload-save"), {"payload_name": "Kept", "payload": "{}", **values}, headers=HTMX
    )

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not SavedPayload.objects.exists()


def test_event_has_so_many_payloads_and_no_more(developer_client, function, monkeypatch):
    monkeypatch.setattr(payloads, "MAX_PAYLOADS", 1)
    payloads.save(function, name="Kept", text="1", by="kim")

    answer = developer_client.post(
        address("payload-save"), {"payload_name": "More", "payload": "{}"}
    )

    assert answer.status_code == 422
    assert "has 1 saved payloads, delete one first" in answer.content.decode()


def test_renaming_what_was_deleted_meanwhile_is_refused_and_not_noted(function):
    kept = payloads.save(function, name="Kept", text="{}", by="kim")
    payloads.delete(function, SavedPayload.objects.get(), by="lee")
    AuditEntry.objects.all().delete()

    with pytest.raises(payloads.InvalidPayloadError, match="deleted meanwhile"):
        payloads.rename(function, kept, "Other", by="kim")

    assert not AuditEntry.objects.exists()


def test_renaming_to_a_taken_name_is_refused(developer_client, function):
    kept = payloads.save(function, name="Kept", text="1", by="kim")
    payloads.save(function, name="Other", text="1", by="kim")

    refused = developer_client.post(address("payload-rename", kept.pk), {"name": "Other"})
    developer_client.post(address("payload-rename", kept.pk), {"name": "Third"})

    assert refused.status_code == 422
    assert "there is a payload &quot;Other&quot;" in refused.content.decode()
    assert sorted(SavedPayload.objects.values_list("name", flat=True)) == ["Other", "Third"]


def test_payload_of_another_event_is_not_this_functions(developer_client, function):
    other = SavedPayload.objects.create(
        account_id=factories.ACCOUNT_ID, event_type="", name="x", text="{}"
    )

    for name in ("payload-rename", "payload-delete"):
        assert developer_client.get(address(name, other.pk)).status_code == 404


def test_deleting_asks_and_deletes(developer_client, function):
    kept = payloads.save(function, name="Kept", text="1", by="kim")

    asked = developer_client.get(address("payload-delete", kept.pk), headers=HTMX)
    developer_client.post(address("payload-delete", kept.pk))

    assert "<dialog" in asked.content.decode()
    assert not SavedPayload.objects.exists()


def test_renaming_and_deleting_in_the_editor_leave_the_page_as_it_is(developer_client, function):
    kept = payloads.save(function, name="Kept", text="1", by="kim")

    renamed = developer_client.post(
        address("payload-rename", kept.pk), {"name": "Other"}, headers=HTMX
    )
    deleted = developer_client.post(address("payload-delete", kept.pk), headers=HTMX)

    for answer in (renamed, deleted):
        assert answer.headers["HX-Retarget"] == "#payload-picker"
    assert f'<option value="{kept.key}" selected>Other' in renamed.content.decode()
    assert "data-payload" not in renamed.content.decode()
    assert "Other</option>" not in deleted.content.decode()
    assert "<template data-payload>" in deleted.content.decode()


# The tree -----------------------------------------------------------------------------------------


def paths(nodes):
    for node in nodes:
        yield node.path
        yield from paths(node.children)


def test_tree_tells_the_path_of_every_value():
    found = tree.grow('{"payload": {"a b": [1, {"c": null}], "d": "x", "é": true, "": 1}}')

    assert list(paths(found.nodes)) == [
        "input.payload",
        'input.payload["a b"]',
        'input.payload["a b"][0]',
        'input.payload["a b"][1]',
        'input.payload["a b"][1].c',
        "input.payload.d",
        'input.payload["\\u00e9"]',
        'input.payload[""]',
    ]


def test_tree_tells_what_a_field_means_and_nothing_of_what_is_unknown():
    fields = events.fields(events.NEW_CONVERSATION.id)
    sample = events.sample(events.NEW_CONVERSATION.id)
    sample["payload"]["general"]["made-up"] = 1
    sample["payload"]["participantChange"] = {"newParticipants": [{"role": "READER"}]}

    [payload] = [node for node in tree.grow(json.dumps(sample), fields).nodes if node.children]
    groups = {group.key: {node.key: node for node in group.children} for group in payload.children}
    [person] = groups["participantChange"]["newParticipants"].children

    assert groups["general"]["convId"].about.doc == "Id of the conversation"
    assert groups["general"]["made-up"].about is None
    assert "READER" in person.children[0].about.values


@pytest.mark.parametrize("text", ["", "{", "[1]", "1", "null", "[" * 100_000])
def test_what_is_no_object_is_no_tree(text):
    assert tree.grow(text) is None


@pytest.mark.parametrize(
    "document", [{"a": list(range(5_000))}, {"a": [[[1] * 20] * 20] * 20}], ids=["wide", "branched"]
)
def test_tree_ends_after_so_many_values(document):
    found = tree.grow(json.dumps(document))

    assert not found.is_whole
    assert len(list(paths(found.nodes))) == tree.MOST_NODES


def test_tree_ends_at_a_depth_that_can_be_drawn(developer_client, function):
    text = '{"a":' * 400 + "1" + "}" * 400
    kept = payloads.save(function, name="deep", text=text, by="kim")

    answer = developer_client.post(address("payload"), {"source": kept.key}, headers=HTMX)

    assert answer.status_code == 200
    assert "is not shown here" in answer.content.decode()
