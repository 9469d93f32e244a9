"""Changes to functions: what they allow, what they leave behind."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError
from django.utils import timezone

from functions import deploying, gallery, services
from functions.models import Function, Stage, State, Step
from invoker import runtime
from invoker.models import Deployment
from tests import factories

pytestmark = pytest.mark.django_db

NEW_CONVERSATION = "controllerbot_messaging_new_conversation"
GOOD = "function lambda(input, callback) { callback(null, 1); }"
BROKEN = "function lambda(input, callback) {\n  const x = ;\n}"


def make(name: str = "greet", event_type: str = NEW_CONVERSATION, code: str = GOOD) -> Function:
    return services.create(
        factories.ACCOUNT_ID,
        name=name,
        description="Says hello",
        event_type=event_type,
        by="kim",
        code=code,
    )


def save(function: Function, code: str, *, version: int | None = None) -> None:
    services.save_draft(
        function,
        version=function.version if version is None else version,
        code=code,
        description=function.description,
        environment={},
        by="kim",
    )


def test_create_takes_the_code_of_the_template_and_keeps_a_version() -> None:
    template = next(one for one in gallery.load() if one.event_type == NEW_CONVERSATION)

    function = services.create(
        factories.ACCOUNT_ID,
        name="greet",
        description="Says hello",
        event_type=NEW_CONVERSATION,
        by="kim",
        template=template,
    )

    assert function.code == template.source
    assert function.state == State.DRAFT
    assert list(function.versions.values_list("number", "saved_by")) == [(1, "kim")]


def test_event_that_has_a_function_is_refused_and_names_its_holder() -> None:
    first = make()

    with pytest.raises(services.EventTakenError) as caught:
        make("other")

    assert caught.value.holders == (first,)
    assert str(caught.value) == (
        'Cannot create "other": the event "Messaging New Conversation" already has a function, '
        '"greet"'
    )


def test_database_itself_holds_one_function_per_event_and_account() -> None:
    factories.FunctionFactory(event_type=NEW_CONVERSATION)
    factories.FunctionFactory(event_type=NEW_CONVERSATION, account_id="other1")
    factories.FunctionFactory(event_type="")
    factories.FunctionFactory(event_type="")

    with pytest.raises(IntegrityError):
        factories.FunctionFactory(event_type=NEW_CONVERSATION)


@pytest.mark.parametrize("name", ["", "two words", "dash-ed", "x" * 51, "ümlaut", "a/b", "a\n"])
def test_name_that_breaks_the_rules_is_refused(name: str) -> None:
    with pytest.raises(services.InvalidError) as caught:
        make(name)

    assert caught.value.field == "name"


def test_name_that_is_taken_is_refused() -> None:
    make("greet")

    with pytest.raises(services.NameTakenError):
        make("greet", event_type="")


def test_save_that_changes_nothing_is_told() -> None:
    function = make()

    with pytest.raises(services.UnchangedError):
        save(function, GOOD)

    assert function.versions.count() == 1


def test_save_over_a_newer_version_is_a_conflict_and_loses_nothing() -> None:
    function = make()
    save(function, GOOD + "// theirs")

    with pytest.raises(services.ConflictError) as caught:
        save(function, GOOD + "// mine", version=1)

    assert caught.value.newest.code == GOOD + "// theirs"
    function.refresh_from_db()
    assert function.code == GOOD + "// theirs"


def test_state_follows_what_is_saved_and_deployed() -> None:
    function = make()
    deploying.deploy(function, version=1, by="kim")
    assert function.state == State.PRODUCTIVE

    save(function, GOOD + "\n")
    assert function.state == State.MODIFIED

    deploying.deploy(function, version=2, by="kim")
    assert function.state == State.PRODUCTIVE

    deploying.undeploy(function, by="kim")
    assert function.state == State.DRAFT


@pytest.mark.runtime
def test_build_that_fails_names_the_line_and_the_old_version_keeps_serving() -> None:
    function = make()
    serving = deploying.deploy(function, version=1, by="kim")
    save(function, BROKEN)

    with pytest.raises(deploying.BuildError) as caught:
        deploying.deploy(function, version=2, by="kim")

    assert (caught.value.problems[0].code, caught.value.problems[0].line) == ("invalid-syntax", 2)
    assert function.state == State.BUILD_ERROR
    assert Deployment.objects.get(active=True) == serving


@pytest.mark.runtime
def test_code_that_cannot_start_is_not_deployed() -> None:
    function = make(code="null.x;\nfunction lambda(input, callback) { callback(); }")

    with pytest.raises(deploying.BuildError, match="Cannot read properties of null"):
        deploying.deploy(function, version=1, by="kim", note="Try")

    tried = Deployment.objects.get()
    assert (tried.active, tried.failure, tried.note) == (False, "build-failed", "Try")
    assert tried.problems[0]["line"] == 1
    assert function.step == Step.STARTING
    with pytest.raises(services.NotAllowedError, match="never served"):
        deploying.roll_back(function, tried, by="kim")


def test_deploy_says_that_the_sandbox_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    function = make()
    busy = [runtime.Problem("busy", "Every sandbox of this host is in use")]
    monkeypatch.setattr(runtime, "check", lambda _: busy)

    with pytest.raises(deploying.DeployError, match="Every sandbox"):
        deploying.deploy(function, version=1, by="kim")

    tried = Deployment.objects.get()
    assert (function.state, function.step) == (State.DEPLOY_ERROR, Step.CHECKING)
    assert (tried.active, tried.failure) == (False, "deploy-failed")
    assert tried.problems[0]["message"].endswith("Every sandbox of this host is in use")


def test_deploy_of_something_else_than_was_reviewed_is_refused() -> None:
    function = make()
    save(function, GOOD + "\n")

    with pytest.raises(services.ConflictError):
        deploying.deploy(function, version=1, by="kim")


def test_deployment_that_nobody_finished_does_not_lock_the_function(
    time_machine: object,
) -> None:
    function = make()
    Function.objects.update(stage=Stage.DEPLOYING, stage_at="2026-01-01T00:00:00Z")

    assert deploying.deploy(function, version=1, by="kim").active


def test_roll_back_serves_the_earlier_code_and_leaves_the_draft() -> None:
    function = make()
    first = deploying.deploy(function, version=1, by="kim")
    save(function, GOOD + "// second")
    deploying.deploy(function, version=2, by="kim")

    again = deploying.roll_back(function, first, by="lee")

    assert (again.code, again.version, again.created_by) == (GOOD, 1, "lee")
    assert again.took_ms is not None
    assert function.code == GOOD + "// second"
    assert function.state == State.MODIFIED
    assert Deployment.objects.filter(active=True).count() == 1


def test_restore_saves_an_older_version_as_the_newest() -> None:
    function = make()
    save(function, GOOD + "// second")

    services.restore(function, 1, version=2, by="kim")

    assert (function.version, function.code) == (3, GOOD)


def test_function_that_is_deployed_cannot_be_deleted() -> None:
    function = make()
    deploying.deploy(function, version=1, by="kim")

    with pytest.raises(services.NotAllowedError, match="undeploy it first"):
        services.delete(function, by="kim")


@pytest.mark.parametrize(
    "environment",
    [{"BRAND_ID": "x"}, {"1A": "x"}, {"A B": "x"}, {"": "x"}, {"A": "x" * 1025}],
)
def test_variable_that_breaks_the_rules_is_refused(environment: dict[str, str]) -> None:
    function = make()

    with pytest.raises(services.InvalidError) as caught:
        services.save_draft(
            function, version=1, code=GOOD, description="x", environment=environment, by="kim"
        )

    assert caught.value.field == "environment"


@pytest.mark.runtime
def test_test_run_uses_the_code_as_it_stands_and_records_nothing() -> None:
    function = make()

    result = services.test(
        function,
        code="function lambda(input, callback) { callback(null, process.env.A + input.x); }",
        environment={"A": "1"},
        event={"x": 2},
    )

    assert result.value == "12"
    function.refresh_from_db()
    assert function.code == GOOD


def test_function_that_is_being_deployed_cannot_be_deleted() -> None:
    function = make()
    Function.objects.update(stage=Stage.DEPLOYING, stage_at=timezone.now())

    with pytest.raises(services.NotAllowedError):
        services.delete(function, by="kim")

    assert Function.objects.exists()


def test_deployment_of_a_function_that_was_deleted_meanwhile_serves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = make()

    def delete_meanwhile(_: object) -> None:
        Function.objects.all().delete()

    monkeypatch.setattr(runtime, "prewarm", delete_meanwhile)
    with pytest.raises(services.NotAllowedError, match="deleted meanwhile"):
        deploying.deploy(function, version=1, by="kim")

    assert not Deployment.objects.exists()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("what", ["rolled back", "undeployed"])
def test_deployment_gives_way_to_who_decides_while_it_is_built(
    monkeypatch: pytest.MonkeyPatch, what: str, *, fails: bool
) -> None:
    function = make()
    first = deploying.deploy(function, version=1, by="kim")
    save(function, GOOD + "// second")
    deploying.deploy(function, version=2, by="kim")
    save(function, GOOD + "// third")
    problem = runtime.Failure(code="load-failed", name="Error", message="Broken")
    failed = runtime.Result(outcome=runtime.Outcome.CODING_FAILURE, failure=problem)

    def decide_meanwhile(_: object) -> runtime.Result | None:
        monkeypatch.setattr(runtime, "prewarm", lambda _: None)
        now = Function.objects.get()
        if what == "rolled back":
            deploying.roll_back(now, first, by="lee")
        else:
            deploying.undeploy(now, by="lee")
        return failed if fails else None

    monkeypatch.setattr(runtime, "prewarm", decide_meanwhile)
    with pytest.raises(services.FunctionError) as told:
        deploying.deploy(function, version=3, by="kim")

    serving = Deployment.objects.filter(active=True)
    assert told.value.code == ("build-failed" if fails else "not-allowed")
    assert [one.code for one in serving] == ([GOOD] if what == "rolled back" else [])
    function = Function.objects.get()
    assert (function.stage, function.deployment) == (Stage.NONE, serving.first())


def test_deployment_gives_way_to_one_that_began_later(monkeypatch: pytest.MonkeyPatch) -> None:
    function = make()
    deploying.deploy(function, version=1, by="kim")
    save(function, GOOD + "// slow")

    def deploy_meanwhile(_: object) -> None:
        monkeypatch.setattr(runtime, "prewarm", lambda _: None)
        now = Function.objects.get()
        deploying.undeploy(now, by="lee")
        save(now, GOOD + "// newer")
        deploying.deploy(now, version=3, by="lee")

    monkeypatch.setattr(runtime, "prewarm", deploy_meanwhile)
    with pytest.raises(services.NotAllowedError):
        deploying.deploy(function, version=2, by="kim")

    assert Deployment.objects.get(active=True).version == 3


@pytest.mark.parametrize(
    "act",
    [
        lambda function: save(function, GOOD + "// second"),
        lambda function: deploying.deploy(function, version=1, by="kim"),
        lambda function: services.delete(function, by="kim"),
    ],
    ids=["save", "deploy", "delete"],
)
def test_function_that_was_deleted_meanwhile_is_not_changed(
    act: Callable[[Function], object],
) -> None:
    function = make()
    Function.objects.all().delete()

    with pytest.raises(services.NotAllowedError, match="deleted meanwhile"):
        act(function)


def test_function_is_undeployed_once() -> None:
    function = make()
    deploying.deploy(function, version=1, by="kim")
    seen_by_another = Function.objects.get()
    deploying.undeploy(function, by="kim")

    with pytest.raises(services.NotAllowedError, match="not deployed"):
        deploying.undeploy(seen_by_another, by="lee")


def test_database_itself_holds_one_serving_deployment_per_function() -> None:
    serving = factories.DeploymentFactory()

    with pytest.raises(IntegrityError):
        factories.DeploymentFactory(function_id=serving.function_id)
