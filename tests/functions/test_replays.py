"""What a draft would have returned on real events: in the real sandbox, and nothing comes of it."""

import pytest

from functions import deploying, replays, services
from invoker import rehearsal, runtime
from invoker.models import Command, Event, Invocation, LogLine
from tests import factories

EVENT = "controllerbot_messaging_new_conversation"
SAYS = """function lambda(input, callback) {{
  callback(null, [{{ type: "systemMessage", text: "{0}" }}]);
}}
"""
FETCHES = """async function lambda(input) {
  await fetch("https://example.com/");
  return [];
}
"""
LOOPS = "function lambda(input, callback) { while (true) {} }\n"


def page(path=""):
    return f"/a/{factories.ACCOUNT_ID}/functions/greet/{path}"


def live_and_draft(live, draft, **fields):
    """`greet` serves `live` and has `draft` as its version 2."""
    fields = {"name": "greet", "event_type": EVENT, "code": live, **fields}
    function = factories.deployed(**fields)
    services.save_draft(
        function,
        version=1,
        code=draft,
        description=function.description,
        environment=function.environment,
        by="dana",
    )
    return function


def happened(**fields):
    connection = factories.ConversationFactory(account_id=factories.ACCOUNT_ID)
    return factories.EventFactory(conversation=connection, **fields)


def all_of(function, left=20):
    return replays.next_slice(function, left=left, older_than="", timeouts=0)


@pytest.mark.runtime
def test_replay_runs_both_versions_when_the_live_one_was_not_there(account):
    function = live_and_draft(SAYS.format("hello"), SAYS.format("good day"))
    event = happened()

    (one,) = all_of(function).replays

    assert one.event == event
    assert one.old.result.value == [{"type": "systemMessage", "text": "hello"}]
    assert one.new.result.value == [{"type": "systemMessage", "text": "good day"}]
    assert not one.old.recorded


@pytest.mark.runtime
def test_replay_takes_what_was_recorded_when_the_live_version_ran(account):
    function = live_and_draft(SAYS.format("hello"), SAYS.format("good day"))
    event = happened()
    value = [{"type": "systemMessage", "text": "as it was"}]
    factories.InvocationFactory(event=event, deployment=function.deployment, result=value)

    (one,) = all_of(function).replays

    assert (one.old.recorded, one.old.result.value) == (True, value)


@pytest.mark.runtime
def test_replay_leaves_no_trace(account):
    function = live_and_draft(SAYS.format("a"), 'console.log("x");\n' + SAYS.format("b"))
    happened()

    all_of(function)

    assert not Invocation.objects.exists()
    assert not Command.objects.exists()
    assert not LogLine.objects.exists()


@pytest.mark.runtime
def test_replay_refuses_the_network_and_says_so(account):
    function = live_and_draft(SAYS.format("a"), FETCHES)
    happened()

    (one,) = all_of(function).replays

    assert one.new.marks == (rehearsal.Mark.NETWORK,)
    assert one.new.result.outcome == runtime.Outcome.CODING_FAILURE
    assert "no request leaves a rehearsal" in one.new.result.failure.message


@pytest.mark.runtime
def test_replay_stops_when_runs_time_out(account, monkeypatch):
    monkeypatch.setattr(replays, "RUN_S", 0.2)
    monkeypatch.setattr(replays, "SLICE_S", 30)
    function = live_and_draft(SAYS.format("a"), LOOPS)
    for _ in range(5):
        happened()

    found = all_of(function)

    assert found.stopped
    assert len(found.replays) == replays.MOST_TIMEOUTS


@pytest.mark.runtime
def test_replay_goes_on_in_slices_when_time_is_over(account, monkeypatch):
    monkeypatch.setattr(replays, "SLICE_S", 0)
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    old, new = happened(), happened()

    first = all_of(function)
    second = replays.next_slice(function, left=19, older_than=str(first.older.pk), timeouts=0)

    assert [each.event for each in first.replays] == [new]
    assert [each.event for each in second.replays] == [old]


@pytest.mark.runtime
def test_replay_sees_only_events_of_the_account_and_the_skills(account, outsider):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"), skills=["sales"])
    mine = happened()
    routed = {**mine.payload, "routing": {"newSkillId": "sales"}}
    Event.objects.filter(pk=mine.pk).update(payload=routed)
    happened()
    others = factories.ConversationFactory(account_id="other1")
    factories.EventFactory(conversation=others, payload=routed)

    assert [each.event for each in all_of(function).replays] == [mine]


@pytest.mark.runtime
def test_replay_uses_the_sample_when_nothing_happened_yet(account, developer_client):
    live_and_draft(SAYS.format("a"), SAYS.format("b"))

    page_ = developer_client.post(page("replay/"), {"count": "5"}).content.decode()

    assert "this is the sample payload" in page_
    assert 'data-differs="yes"' in page_


def test_replay_is_one_at_a_time_for_an_account(account, developer_client):
    live_and_draft(SAYS.format("a"), SAYS.format("b"))
    assert replays._at_once.begin(account.id)
    try:
        said = developer_client.post(
            page("replay/"), {"count": "5"}, headers={"HX-Request": "true"}
        )
    finally:
        replays._at_once.end(account.id)

    assert "compares versions already" in said.content.decode()


@pytest.mark.runtime
def test_replay_shows_equal_ones_collapsed(account, developer_client):
    live_and_draft(SAYS.format("a"), "// the same\n" + SAYS.format("a"))
    happened()

    shown = developer_client.post(
        page("replay/"), {"count": "5"}, headers={"HX-Request": "true"}
    ).content.decode()

    assert "1 event, 0 with another result" in " ".join(shown.split())
    assert "1 with the same result" in shown
    assert 'data-differs="yes"' not in shown


@pytest.mark.runtime
def test_replay_says_how_many_fail_that_did_not_before(account, developer_client):
    live_and_draft(SAYS.format("a"), "function lambda(input, callback) { input.nothing.at.all; }")
    happened()
    happened()

    shown = developer_client.post(
        page("replay/"), {"count": "5"}, headers={"HX-Request": "true"}
    ).content.decode()

    assert "2 events, 2 with another result" in " ".join(shown.split())
    assert "2 fail now and did not before." in shown


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"count": "7"},
        {"count": "5\0"},
        {"count": "5", "older": "nonsense"},
        {"count": "5", "done": "99999999999999999999"},
        {"count": "5", "timeouts": "-1"},
    ],
)
def test_replay_when_what_is_asked_is_wrong(account, developer_client, asked):
    live_and_draft(SAYS.format("a"), SAYS.format("b"))

    assert developer_client.post(page("replay/"), asked).status_code == 422


def test_replay_when_the_draft_changed_meanwhile(account, developer_client):
    live_and_draft(SAYS.format("a"), SAYS.format("b"))

    answer = developer_client.post(page("replay/"), {"count": "5", "of": "1-"})

    assert answer.status_code == 409
    assert "start again" in answer.content.decode()


def test_replay_is_for_developers_of_the_account(account, admin_client, outsider_client):
    live_and_draft(SAYS.format("a"), SAYS.format("b"))

    assert admin_client.post(page("replay/"), {"count": "5"}).status_code == 403
    assert outsider_client.post(page("replay/"), {"count": "5"}).status_code == 404


@pytest.mark.runtime
def test_review_says_when_nothing_changed(account, developer_client):
    factories.deployed(name="greet", event_type=EVENT)

    assert "Nothing changed" in developer_client.get(page("deploy/")).content.decode()


@pytest.mark.runtime
def test_review_says_when_somebody_deploys(account, developer_client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    deploying._begin(function, 2)

    review = developer_client.get(page("deploy/")).content.decode()
    second = developer_client.post(page("deploy/"), {"version": "2", "note": ""})

    assert "This function is being deployed" in review
    assert second.status_code == 409
    function.refresh_from_db()
    assert function.deployment.version == 1
