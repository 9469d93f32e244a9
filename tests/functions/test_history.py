"""What the audit log says about each change to a function."""

import pytest

from functions import deploying, services
from functions.models import Function
from invoker import audit
from invoker.models import AuditEntry
from tests import factories

EVENT = "controllerbot_messaging_new_conversation"
BROKEN = "function lambda(input, callback) { callback(null; }\n"


def create(**fields):
    return services.create(
        factories.ACCOUNT_ID,
        **{
            "name": "greet",
            "description": "Says hello",
            "event_type": EVENT,
            "code": factories.SOURCE,
            "by": "dana",
            **fields,
        },
    )


def save(function, **fields):
    values = {
        "version": function.version,
        "code": function.code,
        "description": function.description,
        "environment": function.environment,
        "by": "dana",
    }
    return services.save_draft(function, **{**values, **fields})


def told():
    """The newest entry, and that it is about `greet`."""
    entry = audit.stream(factories.ACCOUNT_ID)[0]
    assert (entry.by, entry.subject, entry.subject_kind) == ("dana", "greet", "function")
    return entry.action, entry.before, entry.after, entry.detail


def test_entry_when_a_function_is_created(account):
    function = create(skills=["b", "a"])

    about = {"Event": "Messaging New Conversation", "Description": "Says hello", "Version": 1}
    assert told() == ("function.created", {}, {**about, "Skills": "a, b"}, "")
    assert AuditEntry.objects.get().subject_id == str(function.pk)


def test_entry_when_a_function_could_not_be_created(account):
    create()

    with pytest.raises(services.NameTakenError):
        create(event_type="")

    assert AuditEntry.objects.count() == 1


def test_entry_when_a_draft_is_saved(account):
    function = create()

    save(function, code="function lambda() {}", environment={"KEY": "hidden"}, note="shorter")

    assert told() == (
        "function.saved",
        {"Version": 1, "Variables": ""},
        {"Version": 2, "Variables": "KEY"},
        "shorter",
    )


def test_entry_when_somebody_else_saved_first(account):
    function = create()
    save(function, code="function lambda() {}")

    with pytest.raises(services.ConflictError):
        save(function, version=1, code="function lambda() { }")

    assert AuditEntry.objects.filter(action="function.saved").count() == 1


def test_entry_when_a_version_is_restored(account):
    function = create()
    save(function, description="Says goodbye")

    services.restore(function, 1, version=2, by="dana")

    assert told() == (
        "function.restored",
        {"Version": 2, "Description": "Says goodbye"},
        {"Version": 3, "Description": "Says hello"},
        "Restored version 1",
    )
    assert AuditEntry.objects.count() == 3


def test_entry_when_skills_change(account):
    function = create()

    services.change_skills(function, ["b", "a"], by="dana")

    assert told() == ("function.skills-changed", {"Skills": "all"}, {"Skills": "a, b"}, "")


def test_entries_from_a_deployment_to_the_end(account):
    function = create()

    first = deploying.deploy(function, version=1, by="dana", note="first")
    assert told() == (
        "function.deployed",
        {},
        {"Live version": 1, "Deployment": str(first.pk)},
        "first",
    )

    save(function, code=factories.SOURCE.replace("hello", "bye"))
    second = deploying.deploy(function, version=2, by="dana")
    assert told()[1:3] == (
        {"Live version": 1, "Deployment": str(first.pk)},
        {"Live version": 2, "Deployment": str(second.pk)},
    )

    again = deploying.roll_back(function, first, by="dana")
    assert told() == (
        "function.rolled-back",
        {"Live version": 2, "Deployment": str(second.pk)},
        {"Live version": 1, "Deployment": str(again.pk)},
        "Rolled back to version 1",
    )

    deploying.undeploy(function, by="dana")
    live = {"Live version": 1, "Deployment": str(again.pk)}
    assert told() == ("function.undeployed", live, {}, "")

    services.delete(function, by="dana")
    about = {"Event": "Messaging New Conversation", "Description": "Says hello", "Version": 2}
    assert told() == ("function.deleted", about, {}, "")


def test_entry_when_a_build_fails(account):
    function = create(code=BROKEN)

    with pytest.raises(deploying.BuildError):
        deploying.deploy(function, version=1, by="dana")

    action, before, after, _ = told()
    assert (action, before, after["Version"]) == ("function.deploy-failed", {}, 1)
    assert after["Problem"].endswith("in line 1")


def test_entry_when_a_deployed_function_is_not_deleted(account):
    function = create()
    deploying.deploy(function, version=1, by="dana")

    with pytest.raises(services.NotAllowedError):
        services.delete(function, by="dana")

    assert Function.objects.exists()
    assert not AuditEntry.objects.filter(action="function.deleted").exists()
