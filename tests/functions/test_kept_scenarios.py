"""What an account keeps as scenarios: every change is checked, counted and told of."""

import pytest

from functions import kept_scenarios, scenarios
from functions.models import Scenario
from functions.scenarios import ScenarioError
from invoker.models import AuditEntry
from tests import factories

ACCOUNT = factories.ACCOUNT_ID
NEW = "controllerbot_messaging_new_conversation"
ENDS = "controllerbot_messaging_conversation_end"


def text(name="Calm", **more):
    return scenarios.write(scenarios.read(factories.SCENARIO.format(name=name, **more)))


def entries():
    return [(one.action, one.subject, one.by) for one in AuditEntry.objects.order_by("at")]


def test_create_keeps_the_file_as_it_is_written_everywhere(account):
    scenario = kept_scenarios.create(ACCOUNT, factories.SCENARIO.format(name="Calm"), by="dana")

    assert (scenario.name, scenario.version, scenario.event_types) == ("Calm", 1, [NEW])
    assert scenario.text == text()
    assert entries() == [("scenario.created", "Calm", "dana")]


def test_create_when_the_file_cannot_be_read(account):
    with pytest.raises(ScenarioError) as caught:
        kept_scenarios.create(ACCOUNT, "scenario: 1\nname: x\nsteps: 7\n", by="dana")

    assert caught.value.line == 3
    assert not Scenario.objects.exists()


def test_create_when_the_name_is_taken_here_but_not_elsewhere(account):
    factories.ScenarioFactory(name="Calm", account_id="other1")
    kept_scenarios.create(ACCOUNT, text(), by="dana")

    with pytest.raises(kept_scenarios.NameTakenError) as caught:
        kept_scenarios.create(ACCOUNT, text(), by="lee")

    assert str(caught.value) == (
        'Cannot save "Calm": the account has a scenario of that name, use another'
    )


def test_create_when_the_account_has_as_many_as_it_may(account, monkeypatch):
    monkeypatch.setattr(kept_scenarios, "MAX_SCENARIOS", 1)
    factories.ScenarioFactory()
    factories.ScenarioFactory(account_id="other1")

    with pytest.raises(kept_scenarios.LimitError, match="delete one first"):
        kept_scenarios.create(ACCOUNT, text(), by="dana")


def ran(scenario):
    """As after a run that came to something else."""
    kept_scenarios.keep_result(
        scenario,
        {
            "event_types": [NEW, ENDS],
            "last_run_at": scenario.created_at,
            "last_passed": False,
            "last_differing": 1,
            "last_text": text(scenario.name).replace("text: hello", "text: good day"),
        },
    )


def test_change_forgets_what_a_run_of_other_steps_gave(account):
    scenario = factories.ScenarioFactory(name="Calm")
    ran(scenario)

    kept_scenarios.change(scenario, text().replace("Hello", "Hi"), version=1, by="dana")

    found = Scenario.objects.get()
    assert (found.version, found.updated_by, found.event_types) == (2, "dana", [NEW])
    assert (found.last_run_at, found.last_passed, found.last_text) == (None, None, "")


def test_rename_keeps_what_the_last_run_gave(account):
    scenario = factories.ScenarioFactory(name="Calm")
    ran(scenario)

    kept_scenarios.rename(scenario, name="Quiet", description="Nobody", version=1, by="dana")

    found = Scenario.objects.get()
    assert (found.name, found.description, found.last_passed) == ("Quiet", "Nobody", False)
    assert found.event_types == [NEW, ENDS]
    assert scenarios.read(found.text).name == "Quiet"
    assert entries() == [("scenario.renamed", "Calm", "dana")]


def test_change_when_somebody_else_was_quicker(account):
    scenario = factories.ScenarioFactory(name="Calm")
    theirs = Scenario.objects.get()
    kept_scenarios.change(theirs, text().replace("Hello", "Hi"), version=1, by="lee")

    with pytest.raises(kept_scenarios.ConflictError) as caught:
        kept_scenarios.change(scenario, text().replace("Hello", "Ahoy"), version=1, by="dana")

    assert "text: Hi" in caught.value.newest.text
    assert "lee has changed it meanwhile" in str(caught.value)
    assert "text: Hi" in Scenario.objects.get().text


def test_change_when_it_was_deleted_meanwhile(account):
    scenario = factories.ScenarioFactory(name="Calm")
    Scenario.objects.all().delete()

    with pytest.raises(kept_scenarios.NotFoundError):
        kept_scenarios.change(scenario, text(), version=1, by="dana")


def test_change_to_what_it_is_already(account):
    scenario = factories.ScenarioFactory(name="Calm")

    with pytest.raises(kept_scenarios.UnchangedError):
        kept_scenarios.change(scenario, factories.SCENARIO.format(name="Calm"), version=1, by="d")

    assert entries() == []


def test_rename_to_a_name_that_is_taken(account):
    factories.ScenarioFactory(name="Quiet")
    scenario = factories.ScenarioFactory(name="Calm")

    with pytest.raises(kept_scenarios.NameTakenError):
        kept_scenarios.rename(scenario, name="Quiet", description="", version=1, by="dana")

    assert Scenario.objects.get(pk=scenario.pk).name == "Calm"


@pytest.mark.parametrize(
    ("name", "copies"),
    [("Calm", ["Calm 2", "Calm 3"]), ("C" * 100, ["C" * 98 + " 2", "C" * 98 + " 3"])],
)
def test_duplicate_has_a_name_of_its_own_each_time(account, name, copies):
    scenario = factories.ScenarioFactory(name=name)

    made = [kept_scenarios.duplicate(scenario, by="dana") for _ in copies]

    assert [each.name for each in made] == copies
    assert {each.text for each in made} == {text(each) for each in copies}


def test_delete_twice_leaves_one_entry(account):
    scenario = factories.ScenarioFactory(name="Calm")

    kept_scenarios.delete(scenario, by="dana")
    kept_scenarios.delete(scenario, by="lee")

    assert entries() == [("scenario.deleted", "Calm", "dana")]


def test_accept_makes_what_came_what_is_expected(account):
    scenario = factories.ScenarioFactory(name="Calm")
    ran(scenario)

    kept_scenarios.accept(scenario, version=1, run_at=scenario.run_mark, by="dana")

    found = Scenario.objects.get()
    assert "text: good day" in found.text
    assert (found.version, found.last_passed) == (2, None)
    assert entries() == [("scenario.accepted", "Calm", "dana")]


@pytest.mark.parametrize("seen", ["", "2026-01-01T00:00:00+00:00"])
def test_accept_when_it_was_run_again_meanwhile(account, seen):
    scenario = factories.ScenarioFactory(name="Calm")
    ran(scenario)

    with pytest.raises(kept_scenarios.NothingCameError):
        kept_scenarios.accept(scenario, version=1, run_at=seen, by="dana")

    assert Scenario.objects.get().version == 1


def test_result_of_a_file_that_was_changed_meanwhile_is_not_kept(account):
    scenario = factories.ScenarioFactory(name="Calm")
    kept_scenarios.change(
        Scenario.objects.get(), text().replace("Hello", "Hi"), version=1, by="lee"
    )

    ran(scenario)

    assert Scenario.objects.get().last_passed is None
