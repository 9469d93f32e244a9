"""Scenarios as programs keep them, and hold functions to them."""

import uuid

import pytest
from django.utils import timezone

from functions import kept_scenarios, scenario_runs
from functions.models import Scenario
from houston.models import Scope
from invoker import calls
from invoker.models import AuditEntry
from tests import api, factories
from tests.functions.test_scenario_runs import NEW, greets, save

TEXT = factories.SCENARIO.format(name="Calm")


@pytest.fixture
def client(account):
    return api.of_client(account)


def test_scenario_is_created_with_its_file(client):
    response = client.post("/scenarios", {"text": TEXT})

    scenario = Scenario.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(scenario.pk),
        "name": "Calm",
        "description": "",
        "eventIds": [NEW],
        "version": 1,
        "createdAt": response.json()["createdAt"],
        "createdBy": scenario.created_by,
        "updatedAt": response.json()["updatedAt"],
        "updatedBy": scenario.created_by,
        "lastRun": None,
        "text": scenario.text,
    }
    assert scenario.created_by.startswith("API client ")
    assert AuditEntry.objects.get().action == "scenario.created"


@pytest.mark.parametrize(
    ("text", "status", "code", "said"),
    [
        ("scenario: 2", 400, "scenario-bad-value", "line 1"),
        ("scenario: 1\nname: x\nstep: 7", 400, "scenario-unknown-field", "line 3"),
        (TEXT, 409, "scenario-name-taken", "the account has a scenario of that name"),
        (7, 400, "com.liveperson.faas.fm.validation.general", '"text"'),
    ],
)
def test_scenario_that_cannot_be_created(client, text, status, code, said):
    factories.ScenarioFactory(name="Calm")

    response = client.post("/scenarios", {"text": text})

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert said in response.json()["message"]
    assert Scenario.objects.count() == 1


def test_list_has_the_own_ones_without_their_files(client):
    factories.ScenarioFactory(name="B")
    factories.ScenarioFactory(
        name="A", last_passed=False, last_differing=2, last_run_at=timezone.now(),
        last_run_by="kim", last_against="what is deployed",
    )  # fmt: skip
    factories.ScenarioFactory(account_id="other1")

    found = client.get("/scenarios").json()

    assert [each["name"] for each in found] == ["A", "B"]
    assert "text" not in found[0]
    assert found[0]["lastRun"] | {"at": ""} == {
        "at": "", "by": "kim", "against": "what is deployed", "passed": False, "differing": 2,
    }  # fmt: skip


def test_list_reads_no_files(client, django_assert_max_num_queries):
    factories.ScenarioFactory.create_batch(3)

    with django_assert_max_num_queries(5) as asked:
        client.get("/scenarios")

    (query,) = [one["sql"] for one in asked if "functions_scenario" in one["sql"]]
    assert "last_outcome" not in query


def test_scenario_is_read(client):
    scenario = factories.ScenarioFactory()

    assert client.get(f"/scenarios/{scenario.pk}").json()["text"] == scenario.text


def test_put_replaces_the_file_and_takes_the_same_one_again(client):
    scenario = factories.ScenarioFactory(name="Calm")
    changed = scenario.text.replace("Hello", "Hi")

    first = client.put(f"/scenarios/{scenario.pk}", {"text": changed, "version": 1})
    again = client.put(f"/scenarios/{scenario.pk}", {"text": changed})

    assert (first.status_code, first.json()["version"], first.json()["text"]) == (200, 2, changed)
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert AuditEntry.objects.filter(action="scenario.changed").count() == 1


def test_put_when_somebody_else_was_quicker(client):
    scenario = factories.ScenarioFactory(name="Calm")
    kept_scenarios.change(
        Scenario.objects.get(), scenario.text.replace("Hello", "Hi"), version=1, by="lee"
    )

    response = client.put(f"/scenarios/{scenario.pk}", {"text": scenario.text, "version": 1})

    assert response.status_code == 409
    assert response.json()["code"] == "com.liveperson.faas.db.error.revision"
    assert "text: Hi" in Scenario.objects.get().text


def test_scenario_is_deleted(client):
    scenario = factories.ScenarioFactory()

    assert client.delete(f"/scenarios/{scenario.pk}").status_code == 204
    assert client.delete(f"/scenarios/{scenario.pk}").status_code == 404


@pytest.mark.runtime
def test_run_passes(client):
    greets()
    scenario = factories.ScenarioFactory()

    response = client.post(f"/scenarios/{scenario.pk}/run", {})

    told = response.json()
    assert response.status_code == 200
    assert (told["passed"], told["differing"], told["stopped"]) == (True, 0, None)
    assert told["steps"][0]["came"][0]["commands"] == [{"type": "systemMessage", "text": "hello"}]
    assert Scenario.objects.get().last_passed is True


@pytest.mark.runtime
def test_run_of_a_draft_says_line_by_line_what_differs(client):
    function = greets()
    save(function, "good day")
    scenario = factories.ScenarioFactory()

    told = client.post(f"/scenarios/{scenario.pk}/run", {"drafts": [str(function.pk)]}).json()

    assert (told["passed"], told["differing"]) == (False, 1)
    assert told["steps"][0]["difference"][-2:] == [
        "-       text: hello",
        "+       text: good day",
    ]


@pytest.mark.runtime
def test_run_of_a_version_with_the_network(client):
    function = greets()
    scenario = factories.ScenarioFactory()
    sent = {"versions": [{"functionUuid": str(function.pk), "version": 1}], "network": True}

    told = client.post(f"/scenarios/{scenario.pk}/run", sent).json()

    assert told["steps"][0]["came"][0]["version"] == "version 1"
    assert Scenario.objects.get().last_against == "version 1 of greet, with the network"


def test_run_when_nobody_can_play_so(client):
    function = greets()
    theirs = factories.FunctionFactory(account_id="other1")
    path = f"/scenarios/{factories.ScenarioFactory().pk}/run"

    gone = client.post(path, {"drafts": [str(theirs.pk)]})
    version = client.post(path, {"versions": [{"functionUuid": str(function.pk), "version": 9}]})
    shape = client.post(path, {"drafts": "all"})

    assert (gone.status_code, version.status_code, shape.status_code) == (404, 400, 400)
    assert version.json()["code"] == "scenario-no-version"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            {"draft": ["greet"]},
            'Cannot use the field "draft": there is no such field here, there are drafts, '
            "versions, network",
        ),
        (
            {"versions": [{"functionUuid": str(uuid.uuid4()), "version": 1, "draft": True}]},
            'Cannot use the field "versions.0.draft": there is no such field here, there are '
            "functionUuid, version",
        ),
    ],
)
def test_run_with_a_field_that_there_is_not_plays_nothing(client, sent, message):
    scenario = factories.ScenarioFactory()

    response = client.post(f"/scenarios/{scenario.pk}/run", sent)

    assert response.status_code == 400
    assert response.json()["code"] == "com.liveperson.faas.fm.validation.general"
    assert response.json()["message"] == message
    assert Scenario.objects.get().last_run_at is None


def test_file_with_a_field_beside_it_is_not_kept(client):
    scenario = factories.ScenarioFactory()

    made = client.post("/scenarios", {"text": TEXT, "name": "Other"})
    changed = client.put(f"/scenarios/{scenario.pk}", {"text": TEXT, "name": "Other"})

    assert (made.status_code, changed.status_code) == (400, 400)
    assert 'the field "name": there is no such field here' in changed.json()["message"]
    assert Scenario.objects.get().text == scenario.text


def test_run_when_the_account_runs_as_many_as_it_may(client, monkeypatch):
    monkeypatch.setattr(scenario_runs, "_at_once", calls.AtOnce(0))

    response = client.post(f"/scenarios/{factories.ScenarioFactory().pk}/run", {})

    assert (response.status_code, response.json()["code"]) == (429, "scenario-busy")
    assert response["Retry-After"] == "2"


def test_machines_that_invoke_see_no_scenarios(account):
    scenario = factories.ScenarioFactory()
    invokes = api.of_client(account, Scope.INVOCATION)

    assert invokes.get("/scenarios").status_code == 403
    assert invokes.post(f"/scenarios/{scenario.pk}/run", {}).status_code == 403


def test_admins_and_the_team_read_and_run_nothing(account, admin, team):
    scenario = factories.ScenarioFactory()

    for person in (admin, team):
        client = api.of_person(account, person)
        assert client.get("/scenarios").status_code == 200
        assert client.get(f"/scenarios/{scenario.pk}").status_code == 200
        assert client.post(f"/scenarios/{scenario.pk}/run", {}).status_code == 403
        assert client.put(f"/scenarios/{scenario.pk}", {"text": TEXT}).status_code == 403


def test_scenario_that_there_is_not(client):
    assert client.get(f"/scenarios/{uuid.uuid4()}").status_code == 404
