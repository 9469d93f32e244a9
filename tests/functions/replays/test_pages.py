"""The page of replays: an address that holds the choice, and slices that come by POST."""

import html
import json
import re
import uuid
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from functions import replays
from functions.replays import playing
from functions.replays import running as runs
from functions.views import replaying
from invoker import events, waiting
from invoker.automatic_messages.names import name_event
from invoker.gateway import running
from tests import factories
from tests.functions.replays.happened import FAILS, FETCHES, SAYS, happened, live_and_draft

HERE = reverse("functions:replays", args=[factories.ACCOUNT_ID])
LAST = {"of": "last", "function": "greet", "against": "draft", "last": "20"}


def text_of(response):
    """What one reads, on one line."""
    plain = re.sub(r"<script.*?</script>|<[^>]*>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(plain).split())


def ask(client, status=200, **asked):
    """The next slice in place."""
    response = client.post(HERE, asked, headers={"HX-Request": "true"})
    assert response.status_code == status, response.content.decode()
    return response


def cursor(response):
    return re.search(r'name="cursor" value="([^"]*)"', response.content.decode())[1]


def file_of(response):
    found = re.search(r'<script id="replay-file"[^>]*>(.*?)</script>', response.content.decode())
    return json.loads(found[1])


@pytest.fixture
def function(account):
    return live_and_draft(SAYS.format("hello to you"), SAYS.format("good day to you"))


@pytest.mark.runtime
def test_difference_is_shown_side_by_side_with_its_words(function, developer_client):
    event = happened("hello to you", function=function)

    response = ask(developer_client, **LAST)

    shown = response.content.decode()
    assert "1 event: 1 with another result, 0 with the same." in text_of(response)
    assert "Another message" in shown
    assert "<del>hello</del> to you" in shown
    assert "<ins>good day</ins> to you" in shown
    assert reverse("functions:trace", args=[event.account_id, event.pk]) in shown
    assert name_event(event.type, event.subtype) in text_of(response)
    assert "as it happened" in shown


@pytest.mark.runtime
def test_equal_results_are_counted_and_not_shown(account, developer_client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("a") + "// the same")
    for _ in range(2):
        happened("a", function=function)

    response = ask(developer_client, **LAST)

    assert "2 events: 0 with another result, 2 with the same." in text_of(response)
    assert 'class="replay"' not in response.content.decode()


@pytest.mark.runtime
def test_one_event_is_shown_whatever_came_of_it(account, developer_client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("a") + "// the same")
    event = happened("a", function=function)

    response = ask(developer_client, of="event", event_id=str(event.pk))

    assert "The same result." in text_of(response)
    assert 'data-verdict="same"' in response.content.decode()


@pytest.mark.runtime
def test_failures_and_unfair_comparisons_are_said(account, developer_client):
    function = live_and_draft(SAYS.format("a"), FAILS)
    for _ in range(2):
        happened("a", function=function)
    failing = ask(developer_client, **LAST)
    function.code = FETCHES
    function.save()

    unfair = ask(developer_client, **LAST)

    assert "2 fail now and did not before." in text_of(failing)
    assert "2 of these cannot be compared fairly: they asked for" in text_of(unfair)
    assert "A request was refused: none leaves unless the network is allowed" in text_of(unfair)
    assert "fail now and did not before" not in text_of(unfair)


@pytest.mark.runtime
def test_sample_stands_in_when_nothing_happened_yet(function, developer_client):
    response = ask(developer_client, **LAST)

    assert "No real event of this type so far: this is the sample payload." in text_of(response)
    assert 'data-verdict="different"' in response.content.decode()


@pytest.mark.runtime
def test_slices_follow_each_other(function, developer_client, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    for _ in range(2):
        happened("hello to you", function=function)

    first = ask(developer_client, **LAST)
    second = ask(developer_client, **LAST, cursor=cursor(first))

    assert "1 of 2 events, 1 with another result so far." in text_of(first)
    assert 'hx-trigger="load, submit"' in first.content.decode()
    assert "2 events: 2 with another result, 0 with the same." in text_of(second)
    assert 'hx-swap-oob="beforeend:#replay-rows"' in second.content.decode()
    assert len(file_of(first)["rows"]) == len(file_of(second)["rows"]) == 1


@pytest.mark.runtime
def test_replay_is_stopped_and_goes_on(function, developer_client, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    for _ in range(2):
        happened("hello to you", function=function)
    first = ask(developer_client, **LAST)

    stopped = ask(developer_client, **LAST, cursor=cursor(first), stop="yes")
    going_on = ask(developer_client, **LAST, cursor=cursor(stopped))

    assert "Stopped after 1 of 2 events: 1 with another result so far." in text_of(stopped)
    assert 'hx-trigger="submit"' in stopped.content.decode()
    assert "2 events: 2 with another result" in text_of(going_on)


@pytest.mark.runtime
def test_more_than_fit_are_counted_and_in_the_file(function, developer_client, monkeypatch):
    monkeypatch.setattr(replaying, "MOST_DRAWN", 2)
    for _ in range(5):
        happened("hello to you", function=function)

    response = ask(developer_client, **LAST)

    found = file_of(response)
    assert response.content.decode().count('class="replay"') == 2
    assert "3 more are not shown here: the file has them all" in text_of(response)
    assert len(found["rows"]) == 5
    assert found["header"].startswith("event,happened,conversation,")
    assert found["csv"].count("good day to you") == 5


@pytest.mark.runtime
def test_file_is_harmless_in_a_spreadsheet(account, developer_client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("b"))
    conversation = factories.ConversationFactory(account_id=account.pk, conv_id="=1+1")
    happened("a", function=function, conversation=conversation)

    assert ",'=1+1," in file_of(ask(developer_client, **LAST))["csv"]


@pytest.mark.runtime
def test_events_of_a_conversation_and_of_activity(function, developer_client):
    conversation = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    happened("hello to you", function=function, conversation=conversation)
    happened("hello to you", function=function, verdict="stale")
    happened(type=events.TTR.id, subtype=events.TTR.subtypes[0])

    of_one = ask(developer_client, of="conversation", conversation="one")
    found = ask(developer_client, of="activity", verdict="stale", window="24h")
    all_of = ask(developer_client, of="activity")

    assert "1 event: 1 with another result" in text_of(of_one)
    assert "1 event: 1 with another result" in text_of(found)
    assert "3 events: 2 with another result, 0 with the same, 1 not run." in text_of(all_of)
    assert "Not run: No function of the account is for its event and skill" in text_of(all_of)


@pytest.mark.runtime
def test_conversation_runs_an_older_version_of_one_function(function, developer_client):
    ttr = {"type": events.TTR.id, "subtype": events.TTR.subtypes[0]}
    urgent = live_and_draft(
        SAYS.format("soon"), SAYS.format("now"), name="urgent", event_type=events.TTR.id
    )
    live_and_draft(
        SAYS.format("a"), SAYS.format("b"), name="bye", event_type=events.CONVERSATION_END.id
    )
    conversation = factories.ConversationFactory(account_id=function.account_id, conv_id="one")
    happened("good day to you", function=function, conversation=conversation)
    happened("soon", function=urgent, conversation=conversation, **ttr)
    asked = {"of": "conversation", "conversation": "one"}

    each = developer_client.get(HERE, asked)
    chosen = developer_client.get(HERE, {**asked, "function": "greet", "against": "1"})
    older = ask(developer_client, **asked, function="greet", against="1")

    assert "Each that took part greet urgent With one" in text_of(each)
    assert "Version The draft The deployed version" in text_of(each)
    assert '<option value="1" selected>Version 1</option>' in chosen.content.decode()
    assert "2 events: 1 with another result, 1 with the same." in text_of(older)
    assert "<strong>greet</strong>" in older.content.decode()


@pytest.mark.runtime
def test_version_of_an_event_is_of_the_function_that_is_deployed_for_it(function, developer_client):
    event = happened()
    asked = {"of": "event", "event_id": str(event.pk), "against": "1"}

    page = developer_client.get(HERE, asked).content.decode()
    played = ask(developer_client, **asked)

    assert '<option value="1" selected>Version 1</option>' in page
    assert "Version 1" in text_of(played)


def test_menu_has_no_version_of_the_function_chosen_before(function, developer_client):
    headers = {"HX-Request": "true", "HX-Target": "replay-against"}

    menu = developer_client.get(f"{HERE}?of=conversation&against=7&function=", headers=headers)

    assert text_of(menu) == "The draft The deployed version"


@pytest.mark.runtime
def test_address_of_the_page_holds_the_choice(function, developer_client):
    happened("hello to you", function=function)
    asked = {**LAST, "against": "1", "beside": "deployed"}
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{HERE}?of=last"}

    response = developer_client.post(HERE, asked, headers=headers)

    address = response.headers["HX-Push-Url"]
    page = developer_client.get(address).content.decode()
    assert '<option value="1" selected>Version 1</option>' in page
    assert '<option value="deployed" selected>The deployed version</option>' in page
    assert 'hx-trigger="load, submit"' in page


def test_address_with_the_network_begins_nothing_by_itself(function, developer_client):
    page = developer_client.get(f"{HERE}?{urlencode({**LAST, 'network': 'on'})}")

    assert 'hx-trigger="submit"' in page.content.decode()
    assert "nothing runs before you ask for it" in text_of(page)


@pytest.mark.runtime
def test_network_travels_from_slice_to_slice(function, developer_client, monkeypatch):
    asked = []
    played = replays.next_slice
    monkeypatch.setattr(
        replays, "next_slice", lambda choice, *more: asked.append(choice) or played(choice, *more)
    )
    happened("hello to you", function=function)

    ask(developer_client, **LAST)
    ask(developer_client, **LAST, network="on")

    assert [each.network for each in asked] == [False, True]


@pytest.mark.runtime
def test_panel_opens_in_place_and_knows_the_versions(function, developer_client):
    event = happened("hello to you", function=function)
    trace = reverse("functions:trace", args=[event.account_id, event.pk])
    link = re.search(r'href="([^"]*replays[^"]*)"', developer_client.get(trace).content.decode())
    headers = {"HX-Request": "true", "HX-Target": "replay-here"}

    panel = developer_client.get(html.unescape(link[1]), headers=headers).content.decode()

    assert "<html" not in panel
    assert "Draft, version 2" in panel
    assert f'name="event_id" value="{event.pk}"' in panel


def test_versions_follow_the_function(function, developer_client):
    headers = {"HX-Request": "true", "HX-Target": "replay-against"}

    menu = developer_client.get(f"{HERE}?of=last&function=greet", headers=headers)

    assert text_of(menu) == "Draft, version 2 Deployed, version 1 Version 1"


def test_deployment_in_an_address_is_named(function, developer_client):
    older = factories.DeploymentFactory(function_id=function.pk, version=7, active=False)

    page = text_of(developer_client.get(f"{HERE}?of=last&function=greet&against={older.pk}"))

    assert f"Version 7, deployed {older.created_at:%Y-%m-%d %H:%M} UTC" in page


@pytest.mark.runtime
def test_without_scripts_the_page_itself_shows_a_slice(function, developer_client):
    happened("hello to you", function=function)

    response = developer_client.post(HERE, LAST)

    assert "<h1>Replay" in response.content.decode()
    assert "1 event: 1 with another result" in text_of(response)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"of": "last"}, "choose a function"),
        ({"of": "last", "function": "gone"}, 'no function "gone"'),
        ({**LAST, "last": "7"}, "7 is not one of the available choices"),
        ({**LAST, "against": "newest"}, 'Cannot replay against "newest"'),
        ({**LAST, "against": "99"}, '"greet" has none such'),
        ({**LAST, "against": str(uuid.UUID(int=5))}, '"greet" has none such'),
        ({**LAST, "cursor": "made up"}, 'Cannot go on from "made up"'),
        ({**LAST, "cursor": "5\0"}, "Null characters are not allowed"),
        ({"of": "event"}, "say which event"),
        ({"of": "event", "event_id": "x"}, "no event's id"),
        ({"of": "event", "event_id": str(uuid.UUID(int=5))}, "the account has none such"),
        ({"of": "conversation"}, "say which conversation"),
        ({"of": "conversation", "conversation": "gone"}, "the account has none such"),
        ({"of": "activity", "against": "3"}, "say of which function it is"),
        ({"of": "everything"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_replayed_is_said(function, developer_client, asked, problem):
    in_place = ask(developer_client, 422, **asked)
    page = developer_client.post(HERE, asked)

    assert problem in text_of(in_place)
    assert (page.status_code, problem in text_of(page)) == (422, True)
    assert developer_client.get(HERE, asked).status_code == 200


@pytest.mark.runtime
def test_replay_of_versions_that_changed_meanwhile_ends(function, developer_client, monkeypatch):
    monkeypatch.setattr(playing, "SLICE_S", 0)
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    for _ in range(2):
        happened("hello to you", function=function)
    first = ask(developer_client, **LAST)
    function.version = 3
    function.save()

    assert "begin again" in text_of(ask(developer_client, 422, **LAST, cursor=cursor(first)))


def test_replay_waits_for_another_one_of_the_account(function, developer_client):
    assert playing._at_once.begin(function.account_id)
    try:
        response = ask(developer_client, **LAST)
    finally:
        playing._at_once.end(function.account_id)

    assert "somebody of this account does so already. This goes on after it." in text_of(response)
    assert "load delay:2s" in response.content.decode()


def test_replay_waits_when_too_many_functions_are_being_run(function, developer_client):
    for _ in range(waiting.MOST_OF_ACCOUNT):
        assert running._at_once.begin(function.account_id)
    try:
        response = ask(developer_client, **LAST)
    finally:
        for _ in range(waiting.MOST_OF_ACCOUNT):
            running._at_once.end(function.account_id)

    assert "too many are being run at once" in text_of(response)


def test_replays_are_for_developers_of_the_account(
    function, admin_client, team_client, outsider_client
):
    statuses = {
        name: (client.get(HERE).status_code, client.post(HERE, LAST).status_code)
        for name, client in [
            ("admin", admin_client), ("team", team_client), ("outsider", outsider_client)
        ]
    }  # fmt: skip

    assert statuses == {"admin": (403, 403), "team": (403, 403), "outsider": (404, 404)}


def test_nobody_else_is_offered_a_replay(function, admin_client, developer_client):
    event = happened()
    pages = [
        reverse("functions:trace", args=[event.account_id, event.pk]),
        reverse("functions:activity", args=[event.account_id]),
        reverse("functions:versions", args=[event.account_id, "greet"]),
        reverse("functions:deployments", args=[event.account_id, "greet"]),
    ]

    for page in pages:
        assert HERE in developer_client.get(page).content.decode(), page
        assert HERE not in admin_client.get(page).content.decode(), page


def test_account_without_functions_is_told_to_make_one(account, developer_client):
    assert "make one first" in text_of(developer_client.get(HERE))


@pytest.mark.runtime
def test_half_of_a_character_is_shown_as_far_as_it_can_be(account, developer_client):
    function = live_and_draft(SAYS.format("a"), SAYS.format("half \\ud83d"))
    event = happened("a", function=function)

    response = ask(developer_client, of="event", event_id=str(event.pk))

    assert "half ?" in text_of(response) or "half \N{REPLACEMENT CHARACTER}" in text_of(response)
