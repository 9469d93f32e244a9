"""The pages of scenarios: the list, one of them, its file, runs, and before a deployment."""

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from functions import kept_scenarios, scenario_runs, scenarios
from functions.models import Function, Scenario
from functions.views import scenario_sources
from invoker import calls, dispatch, simulator
from invoker.models import AuditEntry, Platform
from invoker.simulator import acts
from tests import factories
from tests.functions.test_scenario_runs import NEW, SAYS, greets, save

ACCOUNT = factories.ACCOUNT_ID
HTMX = {"HX-Request": "true"}


def url(name, *arguments):
    return reverse(f"functions:{name}", args=[ACCOUNT, *arguments])


def words(response):
    """What people read of an answer."""
    text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", response.content.decode())
    return " ".join(html.unescape(text).split())


# The list -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_list_query_count_does_not_grow(developer_client, django_assert_num_queries, count):
    factories.ScenarioFactory.create_batch(count)

    with django_assert_num_queries(7):
        response = developer_client.get(url("scenarios"))

    assert response.content.count(b'<tr id="scenario-') == count


def test_list_shows_how_the_last_run_ended(developer_client):
    factories.ScenarioFactory(name="Never")
    factories.ScenarioFactory(name="Good", last_passed=True)
    factories.ScenarioFactory(name="Two", last_passed=False, last_differing=2)
    factories.ScenarioFactory(name="Broken", last_passed=False)
    factories.ScenarioFactory(name="Theirs", account_id="other1")

    rows = developer_client.get(url("scenarios")).context["rows"]

    assert [(row.scenario.name, row.badge[1]) for row in rows] == [
        ("Broken", "Did not come to its end"),
        ("Good", "Passed"),
        ("Never", "Not run yet"),
        ("Two", "2 steps differ"),
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=GOOD", ["Good"]),
        ("event=controllerbot_messaging_ttr", ["Urgent"]),
        ("result=differs", ["Urgent"]),
        ("result=passed", ["Good"]),
        ("result=never", ["Other"]),
        ("result=nonsense", ["Good", "Other", "Urgent"]),
        ("q=zeppelin", []),
    ],
)
def test_list_is_filtered(developer_client, query, names):
    factories.ScenarioFactory(name="Good", last_passed=True)
    factories.ScenarioFactory(
        name="Urgent", last_passed=False, event_types=["controllerbot_messaging_ttr"]
    )
    factories.ScenarioFactory(name="Other")

    rows = developer_client.get(f"{url('scenarios')}?{query}").context["rows"]

    assert [row.scenario.name for row in rows] == names


def test_empty_list_offers_what_is_shipped(developer_client):
    page = developer_client.get(url("scenarios"))

    assert "No scenarios yet" in words(page)
    for each in scenarios.shipped():
        assert url("scenario-shipped", each.slug) in page.content.decode()
    assert url("conversations") in page.content.decode()


def test_who_may_not_run_reads(admin_client, team_client):
    scenario = factories.ScenarioFactory(name="Calm")

    for client in (admin_client, team_client):
        assert "Calm" in words(client.get(url("scenarios")))
        assert "Run" not in words(client.get(url("scenario", scenario.pk))).split()
        assert client.get(url("scenario-file", scenario.pk)).status_code == 200
        assert client.post(url("scenario-run", scenario.pk)).status_code == 403
        assert client.post(url("scenarios-run")).status_code == 403
        assert client.get(url("scenario-edit", scenario.pk)).status_code == 403


# One ----------------------------------------------------------------------------------------------


def test_page_shows_what_is_expected_before_any_run(developer_client):
    scenario = factories.ScenarioFactory()

    page = words(developer_client.get(url("scenario", scenario.pk)))

    assert "Sam opens the conversation Hello A consumer writes again greet hello" in page
    assert "Not run yet" in page


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("agent-spoke", "Dropped. An agent has written since the event"),
        ("assignment-changed", "Dropped. The assigned agent changed meanwhile"),
        ("too-old", "Dropped. The event is so old that nobody expects an answer to it"),
        ("rained", "Dropped. It came too late: rained"),
    ],
)
def test_page_says_as_the_trace_does_why_a_command_came_too_late(developer_client, reason, said):
    late = f"stale:\n          - {{type: systemMessage, reason: {reason}}}\n"
    text = factories.SCENARIO.format(name="Late")
    scenario = factories.ScenarioFactory(text=f"{text}        {late}")

    assert said in words(developer_client.get(url("scenario", scenario.pk)))


@pytest.mark.runtime
def test_run_shows_both_sides_and_the_lines_that_differ(developer_client):
    greets("good day")
    scenario = factories.ScenarioFactory()

    page = words(developer_client.post(url("scenario-run", scenario.pk), headers=HTMX))

    assert "1 step differs" in page
    assert "Expected A consumer writes again greet hello Came" in page
    assert "Expected: text: hello Came: text: good day" in page
    assert "Accept what came…" in page


@pytest.mark.runtime
def test_run_without_htmx_comes_back_to_the_page(developer_client):
    function = greets()
    save(function, "good day")
    scenario = factories.ScenarioFactory()

    answer = developer_client.post(
        url("scenario-run", scenario.pk), {"who": "drafts", "draft": "greet"}
    )

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{url('scenario', scenario.pk)}?who=drafts&draft=greet"
    page = developer_client.get(answer.headers["Location"])
    assert "against the draft of greet (version 2)" in words(page)
    assert page.context["cast"].words == "the draft of greet (version 2)"


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"who": "drafts"}, "Cannot run: choose a function whose draft plays"),
        ({"draft": "theirs"}, 'Cannot run: the account has no function "theirs"'),
        ({"who": "version"}, "Cannot run: choose a function"),
        ({"function": "greet"}, "Cannot run: say which version of it plays"),
        ({"function": "greet", "number": "9"}, 'function "greet" has no version 9'),
    ],
)
def test_run_when_nobody_can_play_so(developer_client, sent, problem):
    greets()
    factories.FunctionFactory(name="theirs", account_id="other1")
    scenario = factories.ScenarioFactory()

    answer = developer_client.post(url("scenario-run", scenario.pk), sent, headers=HTMX)

    assert answer.status_code == 422
    assert problem in words(answer)
    assert Scenario.objects.get().last_run_at is None


def test_run_when_the_account_runs_as_many_as_it_may(developer_client, monkeypatch):
    monkeypatch.setattr(scenario_runs, "_at_once", calls.AtOnce(0))
    scenario = factories.ScenarioFactory()

    answer = developer_client.post(url("scenario-run", scenario.pk), headers=HTMX)

    assert answer.status_code == 422
    assert "try again in a moment" in words(answer)


def test_stop_is_told_to_whoever_runs_it(developer_client):
    scenario = factories.ScenarioFactory()

    answer = developer_client.post(url("scenario-run", scenario.pk), {"stop": "yes"}, headers=HTMX)

    assert "Stopped" in words(answer)
    assert Scenario.objects.get().stop_asked_at is not None


# Its file -----------------------------------------------------------------------------------------


def test_new_file_is_kept_and_run(developer_client):
    text = factories.SCENARIO.format(name="Brought")

    answer = developer_client.post(url("scenario-new"), {"text": text})

    scenario = Scenario.objects.get()
    assert (scenario.name, scenario.created_by) == ("Brought", "dana")
    assert answer.headers["Location"] == f"{url('scenario', scenario.pk)}?run"
    page = developer_client.get(answer.headers["Location"]).content.decode()
    assert 'hx-trigger="load, submit"' in page


def test_file_that_is_handed_in_counts_more_than_what_was_typed(developer_client):
    file = SimpleUploadedFile("s.yaml", factories.SCENARIO.format(name="Upload").encode())

    developer_client.post(url("scenario-new"), {"text": "scenario: 7", "upload": file})

    assert Scenario.objects.get().name == "Upload"


def test_fault_in_a_file_is_shown_with_its_line(developer_client):
    text = factories.SCENARIO.format(name="Calm").replace("text: Hello", "texxt: Hello")

    answer = developer_client.post(
        url("scenario-new"), {"text": "", "upload": SimpleUploadedFile("s.yaml", text.encode())}
    )

    assert answer.status_code == 422
    assert 'line 7: there is no field "texxt" here' in words(answer)
    assert "<mark>7      texxt: Hello</mark>" in answer.content.decode()
    # It stands where it can be mended.
    assert answer.context["form"]["text"].value() == text


def test_file_that_is_not_text(developer_client):
    file = SimpleUploadedFile("s.yaml", b"\xff\xfe")

    answer = developer_client.post(url("scenario-new"), {"text": "", "upload": file})

    assert answer.status_code == 422
    assert 'Cannot read "s.yaml": it is not UTF-8' in words(answer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'it must begin with "scenario: 1"'),
        (factories.SCENARIO.format(name="Calm"), "the account has a scenario of that name"),
    ],
)
def test_new_file_that_cannot_be_kept(developer_client, text, said):
    factories.ScenarioFactory(name="Calm")

    answer = developer_client.post(url("scenario-new"), {"text": text})

    assert answer.status_code == 422
    assert said in words(answer)
    assert Scenario.objects.count() == 1


def test_edit_when_somebody_else_was_quicker_shows_theirs_and_loses_nothing(developer_client):
    scenario = factories.ScenarioFactory(name="Calm")
    mine = scenario.text.replace("Hello", "Mine")
    kept_scenarios.change(
        Scenario.objects.get(), scenario.text.replace("Hello", "Theirs"), version=1, by="lee"
    )

    answer = developer_client.post(
        url("scenario-edit", scenario.pk), {"text": mine, "version": "1"}
    )

    assert answer.status_code == 409
    assert "lee changed it" in words(answer)
    assert "text: Theirs text: Mine" in words(answer)
    assert answer.context["form"]["text"].value() == mine
    assert "Theirs" in Scenario.objects.get().text

    again = developer_client.post(url("scenario-edit", scenario.pk), {"text": mine, "version": "2"})

    assert again.status_code == 302
    assert "Mine" in Scenario.objects.get().text


def test_edit_that_changes_nothing(developer_client):
    scenario = factories.ScenarioFactory()

    answer = developer_client.post(
        url("scenario-edit", scenario.pk), {"text": scenario.text, "version": "1"}
    )

    assert answer.headers["Location"] == url("scenario", scenario.pk)
    assert Scenario.objects.get().version == 1


def test_download_is_the_file(developer_client):
    scenario = factories.ScenarioFactory(name="Ørsted & Calm, 2")

    answer = developer_client.get(url("scenario-file", scenario.pk))

    assert answer.content.decode() == scenario.text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="rsted-calm-2.yaml"'


def test_rename_refuses_a_name_that_is_taken(developer_client):
    factories.ScenarioFactory(name="Quiet")
    scenario = factories.ScenarioFactory(name="Calm")

    answer = developer_client.post(
        url("scenario-rename", scenario.pk), {"name": "Quiet", "description": "", "version": "1"}
    )

    assert answer.status_code == 422
    assert "the account has a scenario of that name" in words(answer)


def test_rename_when_somebody_has_changed_it(developer_client):
    scenario = factories.ScenarioFactory(name="Calm")
    sent = {"name": "Quiet", "description": "", "version": "7"}

    answer = developer_client.post(url("scenario-rename", scenario.pk), sent)

    assert answer.status_code == 422
    assert answer.context["form"]["version"].value() == 1
    again = developer_client.post(url("scenario-rename", scenario.pk), sent | {"version": "1"})
    assert again.status_code == 302
    assert Scenario.objects.get().name == "Quiet"


@pytest.mark.runtime
def test_accept_shows_the_difference_first_and_passes_afterwards(developer_client):
    greets("good day")
    scenario = factories.ScenarioFactory()
    developer_client.post(url("scenario-run", scenario.pk))

    page = developer_client.get(url("scenario-accept", scenario.pk))

    assert "text: hello text: good day" in words(page)
    shown = page.context["scenario"]
    answer = developer_client.post(
        url("scenario-accept", scenario.pk), {"version": shown.version, "run_at": shown.run_mark}
    )
    assert answer.headers["Location"] == f"{url('scenario', scenario.pk)}?run"
    developer_client.post(url("scenario-run", scenario.pk))
    assert Scenario.objects.get().last_passed is True


@pytest.mark.parametrize("sent", [{}, {"version": "1", "run_at": "2026-01-01T00:00:00+00:00"}])
def test_accept_of_another_run_than_was_looked_at(developer_client, sent):
    scenario = factories.ScenarioFactory(last_text="x")

    answer = developer_client.post(url("scenario-accept", scenario.pk), sent, follow=True)

    assert "look at the last run" in words(answer) or "look at it again" in words(answer)
    assert Scenario.objects.get().version == 1


def test_accept_when_there_is_nothing_to_take_over(developer_client):
    scenario = factories.ScenarioFactory()

    answer = developer_client.get(url("scenario-accept", scenario.pk))

    assert answer.headers["Location"] == url("scenario", scenario.pk)


# Where they come from -----------------------------------------------------------------------------


@pytest.mark.runtime
def test_shipped_one_runs_where_no_function_is_deployed(developer_client):
    page = developer_client.post(url("scenario-shipped-run", "urgent"), headers=HTMX)

    assert "Passed" in words(page)
    assert not Scenario.objects.exists()


@pytest.mark.runtime
def test_shipped_one_is_kept_for_the_functions_of_the_account(developer_client):
    greets("Ahoy")

    answer = developer_client.post(url("scenario-shipped-save", "urgent"))

    scenario = Scenario.objects.get()
    assert answer.headers["Location"] == f"{url('scenario', scenario.pk)}?run"
    assert (scenario.name, scenario.brings_functions) == ("Urgent, then calm", False)
    assert "text: Ahoy" in scenario.text


def test_shipped_one_that_there_is_not(developer_client):
    assert developer_client.get(url("scenario-shipped", "nothing")).status_code == 404


def played():
    """A conversation with one answer of `greet`, as somebody has played it."""
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    conversation = simulator.start(ACCOUNT, acts.Start(text="I lost my ticket"), by="dana")
    dispatch.drain(conversation.pk)
    return conversation


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
def test_conversation_is_saved_under_the_name_that_was_typed(developer_client):
    greets()
    conversation = played()
    address = url("scenario-from-conversation", conversation.pk)

    page = developer_client.get(address)

    initial = page.context["form"].initial
    assert initial["name"] == "Sam: I lost my ticket"
    assert "text: hello" in initial["text"]
    answer = developer_client.post(address, initial | {"name": "Ticket", "description": "Lost"})
    scenario = Scenario.objects.get()
    assert (scenario.name, scenario.description) == ("Ticket", "Lost")
    assert answer.headers["Location"] == f"{url('scenario', scenario.pk)}?run"
    developer_client.post(url("scenario-run", scenario.pk))
    assert Scenario.objects.get().last_passed is True
    assert AuditEntry.objects.get(action="scenario.created").detail == (
        f"From the conversation {conversation.conv_id}"
    )


def test_conversation_in_which_something_is_still_being_handled(developer_client, monkeypatch):
    monkeypatch.setattr(scenario_sources, "PATIENCE_S", 0.0)
    factories.ConnectionFactory(platform=Platform.SIMULATOR)
    conversation = simulator.start(ACCOUNT, acts.Start(), by="dana")

    answer = developer_client.get(url("scenario-from-conversation", conversation.pk))

    assert answer.headers["Location"] == url("conversation", conversation.pk)
    assert "try again in a moment" in words(developer_client.get(url("scenarios")))


def test_conversation_that_nobody_played(developer_client):
    conversation = factories.ConversationFactory(account_id=ACCOUNT)

    answer = developer_client.get(url("scenario-from-conversation", conversation.pk), follow=True)

    assert "it was not played in the simulator" in words(answer)


def test_conversation_of_another_account(developer_client):
    theirs = factories.ConversationFactory(account_id="other1")

    answer = developer_client.get(url("scenario-from-conversation", theirs.pk))

    assert answer.status_code == 404


# Many ---------------------------------------------------------------------------------------------


def goes_on(answer):
    """The fields of the form that asks for the next slice."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode()))


@pytest.mark.runtime
def test_batch_runs_in_slices_what_the_filter_shows(developer_client, monkeypatch):
    monkeypatch.setattr(scenario_runs, "SLICE_S", -1.0)
    greets()
    for name in ("A1", "A2", "A3", "B1"):
        factories.ScenarioFactory(name=name)
    Scenario.objects.filter(name="A2").update(
        text=factories.ScenarioFactory.build(name="A2").text.replace("hello", "bye")
    )
    sent, told = {"q": "a"}, []

    while sent:
        answer = developer_client.post(url("scenarios-run"), sent, headers=HTMX)
        told.append(words(answer))
        sent = goes_on(answer)
        sent.pop("csrfmiddlewaretoken", None)

    assert len(told) == 3
    assert told[0].startswith("1 of 3 scenarios, now “A2”.")
    assert told[1].startswith("2 of 3 scenarios, now “A3”. 1 differs , 1 passed.")
    assert "Expected: text: bye Came: text: hello" in told[1]
    assert told[2].startswith("3 scenarios against what is deployed. 1 differs , 2 passed.")
    results = dict(Scenario.objects.values_list("name", "last_passed"))
    assert results == {"A1": True, "A2": False, "A3": True, "B1": None}


@pytest.mark.runtime
def test_batch_shows_the_step_that_could_not_be_played(developer_client):
    greets()
    text = factories.SCENARIO.format(name="Leaves") + "  - {at: 1m, act: back_to_queue}\n"
    factories.ScenarioFactory(name="Leaves", text=text)

    told = words(developer_client.post(url("scenarios-run"), {}, headers=HTMX))

    assert "1 step differs" in told
    assert "no agent is assigned" in told


def test_batch_that_is_stopped_can_go_on(developer_client):
    factories.ScenarioFactory.create_batch(2)

    answer = developer_client.post(
        url("scenarios-run"), {"stop": "yes", "count": "2", "passed": "0"}, headers=HTMX
    )

    assert "0 of 2 scenarios, stopped. Go on" in words(answer)
    assert 'hx-trigger="submit"' in answer.content.decode()
    assert goes_on(answer)["count"] == "2"


def test_batch_waits_when_the_account_runs_as_many_as_it_may(developer_client, monkeypatch):
    monkeypatch.setattr(scenario_runs, "_at_once", calls.AtOnce(0))
    factories.ScenarioFactory()

    answer = developer_client.post(url("scenarios-run"), headers=HTMX)

    assert "these go on after them" in words(answer)
    assert 'hx-trigger="load delay:2s, submit"' in answer.content.decode()


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"count": "x"}, "Cannot go on: what was sent is damaged, start again"),
        ({"draft": "gone"}, 'Cannot run: the account has no function "gone"'),
        ({"function": "greet", "number": "9"}, 'function "greet" has no version 9'),
    ],
)
def test_batch_when_what_was_sent_cannot_be(developer_client, sent, problem):
    greets()
    factories.ScenarioFactory()

    answer = developer_client.post(url("scenarios-run"), sent)

    assert answer.status_code == 422
    assert problem in words(answer)


# Before a deployment ------------------------------------------------------------------------------


def before_deploying(client, **more):
    sent = {"deploys": "greet", "seen": "2", "draft": "greet", **more}
    return client.post(url("scenarios-run"), sent, headers=HTMX)


@pytest.mark.runtime
def test_deployment_runs_those_that_the_function_has_a_part_in(developer_client):
    save(greets(), "good day")
    factories.ScenarioFactory(name="With it", last_run_at=timezone.now())
    factories.ScenarioFactory(name="Not run yet", event_types=[])
    factories.ScenarioFactory(
        name="Without it", event_types=["controllerbot_messaging_ttr"],
        last_run_at=timezone.now(),
    )  # fmt: skip
    factories.ScenarioFactory(name="Brings its own", brings_functions=True)

    answer = before_deploying(developer_client)

    assert [row.scenario.name for row in answer.context["rows"]] == ["Not run yet", "With it"]
    assert "2 scenarios against the draft of greet (version 2). 2 differ ." in words(answer)
    assert "Deploy although 2 scenarios differ" in words(answer)


@pytest.mark.runtime
def test_deployment_says_which_differ_with_what_is_deployed_too(developer_client, monkeypatch):
    monkeypatch.setattr(scenario_runs, "SLICE_S", -1.0)
    save(greets(), "good day")
    for name, text in (("A", "bye"), ("B", "hello"), ("C", "bye"), ("D", "good day")):
        written = factories.ScenarioFactory.build(name=name).text.replace("hello", text)
        factories.ScenarioFactory(name=name, text=written)
    told, sent = [], {}

    for _ in range(4):
        answer = before_deploying(developer_client, **sent)
        told.append(words(answer))
        sent = goes_on(answer)

    assert "1 of 4 scenarios, now “B”. 1 differs , with what is deployed, too." in told[0]
    assert "A 1 step differs With what is deployed, too" in told[0]
    assert "2 differ , 1 of them with what is deployed, too." in told[1]
    assert "B 1 step differs" in told[1]
    assert "B 1 step differs With what is deployed, too" not in told[1]
    assert "3 differ , 2 of them with what is deployed, too; 1 passed." in told[3]
    assert "Deploy although 3 scenarios differ, 2 of them with what is deployed, too" in told[3]
    kept = Scenario.objects.get(name="A")
    assert (kept.last_against, kept.last_passed) == ("the draft of greet (version 2)", False)


@pytest.mark.runtime
def test_first_deployment_is_compared_with_nothing(developer_client):
    factories.FunctionFactory(name="greet", event_type=NEW, code=SAYS.format("good day"))
    factories.ScenarioFactory()

    told = words(before_deploying(developer_client, seen="1"))

    assert "1 differs ." in told
    assert "with what is deployed, too" not in told


def test_deployment_when_a_version_was_saved_meanwhile(developer_client):
    save(greets(), "good day")

    answer = before_deploying(developer_client, seen="1")

    assert answer.status_code == 409
    assert "a version was saved meanwhile" in words(answer)


def test_deployment_when_no_scenario_has_the_event(developer_client):
    save(greets(), "good day")

    assert "No scenario has “Messaging New Conversation” in it" in words(
        before_deploying(developer_client)
    )


@pytest.mark.runtime
def test_deploying_although_scenarios_differ_takes_a_tick(developer_client):
    factories.FunctionFactory(name="greet", event_type=NEW, code=SAYS.format("hello"))
    sent = {"version": "1", "note": "", "differing": "2"}

    refused = developer_client.post(url("deploy", "greet"), sent, headers=HTMX)

    assert refused.status_code == 422
    assert "Cannot deploy: 2 scenarios differ, tick that you deploy although" in words(refused)
    assert Function.objects.get().deployment is None
    developer_client.post(url("deploy", "greet"), sent | {"although": "yes"}, headers=HTMX)
    assert Function.objects.get().deployment is not None


def test_review_asks_for_its_scenarios_only_once_it_is_open(developer_client):
    greets()
    factories.ScenarioFactory()

    page = developer_client.get(url("deploy", "greet")).content.decode()

    assert f'hx-post="{url("scenarios-run")}"' in page
    assert "Scenario 0" not in page


def test_editor_leads_to_runs_with_its_draft(developer_client):
    greets()

    page = developer_client.get(url("edit", "greet")).content.decode()

    assert f"{url('scenarios')}?event={NEW}&amp;draft=greet" in page
