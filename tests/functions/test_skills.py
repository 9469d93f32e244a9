"""Functions that share an event by skills: who may have what, and what holds it."""

import threading
from collections.abc import Callable, Sequence

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from functions import deploying, services
from functions.models import EventClaim, Function, FunctionSkill
from invoker import events
from invoker.models import Deployment
from tests import factories

pytestmark = pytest.mark.django_db

NEW_CONVERSATION = events.NEW_CONVERSATION.id
TTR = "controllerbot_messaging_ttr"
GOOD = "function lambda(input, callback) { callback(null, 1); }"


def make(
    name: str,
    skills: Sequence[str] = (),
    *,
    event_type: str = NEW_CONVERSATION,
    account_id: str = factories.ACCOUNT_ID,
) -> Function:
    return services.create(
        account_id,
        name=name,
        description="Says hello",
        event_type=event_type,
        by="kim",
        code=GOOD,
        skills=skills,
    )


def change(function: Function, *skills: str) -> None:
    services.change_skills(function, skills, by="robin")


def held() -> dict[str, list[str]]:
    """The skills that are claimed, by name of the function; "all" stands for the whole event."""
    claimed: dict[str, list[str]] = {}
    for row in FunctionSkill.objects.select_related("function").order_by("skill_id"):
        claimed.setdefault(row.function.name, []).append(row.skill_id)
    for claim in EventClaim.objects.exclude(holder=None).select_related("holder"):
        assert claim.holder is not None
        claimed.setdefault(claim.holder.name, []).append("all")
    return claimed


# Who may have what --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ([], [], False),
        ([], ["1"], False),
        (["1"], [], False),
        (["1"], ["1"], False),
        (["1", "2"], ["2", "3"], False),
        (["1", "2"], ["3", "4"], True),
        (["1"], ["11"], True),
        (["a"], ["A"], True),
        (["-1"], ["1"], True),
    ],
)
def test_functions_of_one_event_coexist_when_their_skills_do_not_overlap(first, second, fits):
    one = make("one", first)

    if fits:
        make("two", second)
    else:
        with pytest.raises(services.EventTakenError) as caught:
            make("two", second)
        assert caught.value.holders == (one,)

    assert held().get("two") == (second if fits else None)
    assert Function.objects.count() == (2 if fits else 1)


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (["1"], ["2"], True),
        (["1"], ["1", "2"], False),
        (["1"], [], False),
    ],
)
def test_changed_skills_must_not_overlap_either(first, second, fits):
    make("one", first)
    two = make("two", ["9"])

    if fits:
        change(two, *second)
    else:
        with pytest.raises(services.EventTakenError):
            change(two, *second)

    two.refresh_from_db()
    assert two.skills == (second if fits else ["9"])
    assert held() == {"one": first, "two": second if fits else ["9"]}


def test_other_events_and_accounts_have_skills_of_their_own():
    make("one", ["1"])

    make("two", ["1"], event_type=TTR)
    make("one", ["1"], account_id="other1")
    make("three", account_id="other1", event_type=TTR)

    assert FunctionSkill.objects.count() == 3


def test_skills_are_kept_sorted():
    function = make("one", ["9", "10", "b", "a"])

    assert function.skills == ["10", "9", "a", "b"]


def test_function_may_give_up_skills_and_take_the_whole_event():
    function = make("one", ["1"])

    change(function)

    assert (function.skills, held()) == ([], {"one": ["all"]})
    with pytest.raises(services.EventTakenError):
        make("two", ["1"])


def test_function_may_give_up_the_whole_event_for_skills():
    function = make("one")

    change(function, "2", "1")
    make("two", ["3"])

    assert held() == {"one": ["1", "2"], "two": ["3"]}


def test_deleted_function_leaves_its_skills_to_others():
    one, two = make("one", ["1"]), make("two", ["2"])

    services.delete(one, by="kim")
    make("three", ["1"])
    services.delete(two, by="kim")

    assert held() == {"three": ["1"]}
    assert EventClaim.objects.get().with_skills == 1


def test_deleted_function_leaves_the_whole_event_to_others():
    services.delete(make("one"), by="kim")

    make("two", ["1"])

    assert held() == {"two": ["1"]}


def test_change_of_skills_makes_no_version_and_says_who_did_it():
    function = make("one")

    change(function, "1")

    function.refresh_from_db()
    assert (function.version, function.versions.count(), function.updated_by) == (1, 1, "robin")


def test_change_to_the_same_skills_is_told():
    function = make("one", ["1", "2"])

    with pytest.raises(services.UnchangedError) as caught:
        change(function, "2", "1")

    assert str(caught.value) == 'Nothing to save: the skills of "one" have not changed'


def test_function_that_was_deleted_meanwhile_takes_no_skills():
    function = make("one", ["1"])
    services.delete(Function.objects.get(), by="kim")

    with pytest.raises(services.NotAllowedError):
        change(function, "2")

    assert held() == {}


# What a refusal says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("existing", "wish", "message"),
    [
        (
            [["1", "2"], ["3"]],
            ["1", "2", "3", "4"],
            'Cannot create "new": "f0" has skills 1, 2, "f1" has skill 3, so name other skills',
        ),
        (
            [["1"], ["2"]],
            [],
            'Cannot create "new": the event "Messaging New Conversation" has functions for some '
            'skills, "f0", "f1", so name other skills',
        ),
        (
            [[]],
            ["1"],
            'Cannot create "new": the event "Messaging New Conversation" already has a function, '
            '"f0"',
        ),
    ],
)
def test_refusal_names_the_skills_and_who_has_them(existing, wish, message):
    for position, skills in enumerate(existing):
        make(f"f{position}", skills)

    with pytest.raises(services.EventTakenError) as caught:
        make("new", wish)

    assert str(caught.value) == message


def test_refusal_says_to_try_again_when_who_has_the_skill_is_not_to_be_seen():
    holder = make("one", ["1"])
    Function.objects.filter(pk=holder.pk).update(skills=["2"])

    with pytest.raises(services.EventTakenError) as caught:
        make("new", ["1"])

    assert caught.value.holders == ()
    assert str(caught.value).endswith("is being given to another one, try again")


@pytest.mark.parametrize(
    "skill_id",
    ["", " ", "a b", "a,b", "x" * 41, "a\0", "a\n", "a\u200b", "\ud800", "\u00a0", "\x7f"],
)
def test_skill_that_is_no_id_is_refused(skill_id):
    with pytest.raises(services.InvalidError) as caught:
        make("one", ["1", skill_id])

    assert caught.value.field == "skills"


def test_skill_of_40_letters_of_any_alphabet_fits():
    function = make("one", ["ü" * 40, "日本", "-1", "a/b<c>'\""])

    assert len(function.skills) == 4


def test_skill_that_is_there_twice_is_refused():
    with pytest.raises(services.InvalidError) as caught:
        make("one", ["1", "2", "1"])

    assert str(caught.value) == 'Cannot create "one": skill 1 is there twice'


def test_more_than_50_skills_are_refused():
    fits = make("one", [str(number) for number in range(500)])

    with pytest.raises(services.InvalidError) as caught:
        change(fits, *(str(number) for number in range(501)))

    assert str(caught.value) == (
        'Cannot change the skills of "one": it names 501 skills, at most 500 fit'
    )


def test_event_without_skills_takes_none():
    with pytest.raises(services.InvalidError) as caught:
        make("one", ["1"], event_type="")

    assert caught.value.field == "skills"
    assert Function.objects.count() == 0


# What serves --------------------------------------------------------------------------------------


@pytest.mark.runtime
def test_deployment_carries_the_skills_and_follows_them_without_another():
    function = make("one", ["1", "2"])
    deploying.deploy(function, version=1, by="kim")
    deployed = Deployment.objects.get().skills

    change(function, "3")

    assert (deployed, Deployment.objects.get(active=True).skills) == (["1", "2"], ["3"])
    assert Deployment.objects.count() == 1


@pytest.mark.runtime
def test_roll_back_keeps_the_skills_of_now():
    function = make("one", ["1"])
    old = deploying.deploy(function, version=1, by="kim")
    deploying.undeploy(function, by="kim")
    change(function, "2")

    again = deploying.roll_back(function, old, by="kim")

    assert again.skills == ["2"]
    old.refresh_from_db()
    assert old.skills == ["1"]


@pytest.mark.runtime
def test_deployment_whose_build_is_older_than_a_change_of_skills_takes_the_new_ones(monkeypatch):
    function = make("one", ["1"])
    build: Callable[[Deployment], list[object]] = deploying._build

    def build_slowly(deployment: Deployment) -> list[object]:
        change(Function.objects.get(), "2")
        return build(deployment)

    monkeypatch.setattr(deploying, "_build", build_slowly)

    deploying.deploy(function, version=1, by="kim")

    assert Deployment.objects.get(active=True).skills == ["2"]


# What the database itself holds -------------------------------------------------------------------


def row(**fields: object) -> Function:
    """A function written past the services and past the claims."""
    return Function.objects.create(
        account_id=factories.ACCOUNT_ID,
        event_type=NEW_CONVERSATION,
        description="x",
        code=GOOD,
        **fields,
    )


def test_database_refuses_a_second_function_for_all_skills():
    row(name="one")

    with pytest.raises(IntegrityError):
        row(name="two")


def test_database_refuses_a_skill_that_another_function_has():
    make("one", ["1"])
    two = make("two", ["2"])

    with pytest.raises(IntegrityError):
        FunctionSkill.objects.create(
            function=two,
            account_id=two.account_id,
            event_type=two.event_type,
            skill_id="1",
        )


def test_database_refuses_a_whole_event_beside_skills_of_it():
    one = make("one", ["1"])

    with pytest.raises(IntegrityError):
        EventClaim.objects.update(holder=one)


def test_database_refuses_skills_beside_a_whole_event():
    make("one")

    with pytest.raises(IntegrityError):
        EventClaim.objects.update(with_skills=1)


def test_database_refuses_a_second_claim_of_an_event():
    make("one")

    with pytest.raises(IntegrityError), transaction.atomic():
        EventClaim.objects.create(account_id=factories.ACCOUNT_ID, event_type=NEW_CONVERSATION)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("first", "second"), [(["1", "2"], ["2", "3"]), ([], ["1"]), ([], []), (["2", "1"], ["1", "2"])]
)
def test_of_two_that_want_the_same_at_once_one_gets_it(first, second):
    start = threading.Barrier(2, timeout=20)
    outcomes: list[str] = []

    def create(name: str, skills: list[str]) -> None:
        try:
            start.wait()
            make(name, skills)
            outcomes.append("made")
        except services.EventTakenError:
            outcomes.append("taken")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=create, args=args) for args in (("one", first), ("two", second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["made", "taken"]
    assert Function.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_that_change_to_the_same_skill_at_once_one_gets_it():
    functions = [make("one", ["1"]), make("two", ["2"])]
    start = threading.Barrier(2, timeout=20)
    outcomes: list[str] = []

    def take_third(function: Function) -> None:
        try:
            start.wait()
            change(function, "3")
            outcomes.append("changed")
        except services.EventTakenError:
            outcomes.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=take_third, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["changed", "taken"]
    assert held() in ({"one": ["3"], "two": ["2"]}, {"one": ["1"], "two": ["3"]})
    assert EventClaim.objects.get().with_skills == 2


# Functions from before ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_functions_from_before_skills_keep_their_events():
    executor = MigrationExecutor(connection)
    executor.migrate([("functions", "0001_initial")])
    try:
        old = executor.loader.project_state([("functions", "0001_initial")]).apps
        for name, event_type, account_id in (
            ("one", NEW_CONVERSATION, factories.ACCOUNT_ID),
            ("one", NEW_CONVERSATION, "other1"),
            ("free", "", factories.ACCOUNT_ID),
        ):
            old.get_model("functions", "Function").objects.create(
                name=name,
                event_type=event_type,
                account_id=account_id,
                description="x",
                code=GOOD,
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes("functions"))

    assert sorted(EventClaim.objects.values_list("account_id", "holder__name", "with_skills")) == [
        (factories.ACCOUNT_ID, "one", 0),
        ("other1", "one", 0),
    ]
    with pytest.raises(services.EventTakenError):
        make("two", ["1"])
    change(Function.objects.get(account_id="other1"), "1")
    make("two", ["2"], account_id="other1")
    assert FunctionSkill.objects.count() == 2
