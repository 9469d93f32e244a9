"""Managing functions with V2 of the API, and with what it has beyond the vendor's."""

import datetime as dt
import threading
import uuid

import pytest
import time_machine
from django.db import connections
from django.urls import reverse

from functions import deploying, gallery, offering, services
from functions.models import Function, State
from houston.models import Scope
from invoker import calls, events
from invoker.gateway import running
from invoker.models import AuditEntry, Deployment, Invocation
from tests import api, factories

NEW_CONVERSATION = "controllerbot_messaging_new_conversation"
GOOD = "function lambda(input, callback) { callback(null, 1); }"
BETTER = "function lambda(input, callback) { callback(null, 2); }"
BROKEN = "function lambda(input, callback) {\n  const x = ;\n}"
PREFIX = "com.liveperson.faas."
UNCHANGED = (409, f"{PREFIX}function.unchanged")
REVISION = (409, f"{PREFIX}db.error.revision")
NOT_ALLOWED = (409, f"{PREFIX}dm.action.not-allowed")
INVALID = (400, f"{PREFIX}fm.validation.general")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SHOWN = "2026-03-01T12:00:00.000Z"
# Of callers with a token: the token, and that it was used.
AUTHENTICATION = 2


@pytest.fixture
def v2(account):
    return api.of_client(account, Scope.DEVELOPER)


def error_of(response):
    return response.status_code, response.json()["code"]


def manifest_of(function, number, **changes):
    return {
        "id": str(uuid.uuid5(function.pk, str(number))),
        "version": number,
        "runtime": "nodejs22.x",
        "spec": "v1.0.0",
        "code": factories.SOURCE,
        "customDependencies": {},
        "environment": {},
        "createdAt": SHOWN,
        "createdBy": "kim",
        "updatedAt": SHOWN,
        "updatedBy": "kim",
    } | changes


def meta_of(function, **changes):
    return {
        "uuid": str(function.pk),
        "name": function.name,
        "description": "Says hello",
        "state": "Draft",
        "skills": [],
        "eventId": "",
        "size": "S",
        "isCompV1": False,
        "createdAt": SHOWN,
        "createdBy": "kim",
        "updatedAt": SHOWN,
        "updatedBy": "kim",
    } | changes


# Reading ------------------------------------------------------------------------------------------


def test_list_has_exactly_what_is_about_functions(v2):
    with time_machine.travel(NOON, tick=False):
        function = factories.deployed(name="a", event_type=NEW_CONVERSATION, skills=["41"])
        draft = factories.FunctionFactory(name="b")

    response = v2.get("/functions", eventId="", state="", userId="987", functionName="")

    assert response.status_code == 200
    assert response.json() == [
        meta_of(function, state="Productive", eventId=NEW_CONVERSATION, skills=["41"]),
        meta_of(draft),
    ]


def test_one_comes_with_its_versions_the_newest_first(v2):
    with time_machine.travel(NOON, tick=False):
        function = factories.FunctionFactory(environment={"MODE": "dark"})
        services.save_parts(function, code=GOOD, by="kim")

    response = v2.get(f"/functions/{function.pk}")

    assert response.json() == meta_of(function) | {
        "versions": [
            manifest_of(function, 2, code=GOOD, environment={"MODE": "dark"}),
            manifest_of(function, 1, environment={"MODE": "dark"}),
        ]
    }


def test_no_more_than_ten_versions_come_along(v2):
    function = factories.FunctionFactory(version=13, first_version=None)
    for number in range(1, 14):
        factories.VersionFactory(function=function, number=number)

    found = v2.get(f"/functions/{function.pk}").json()["versions"]

    assert [row["version"] for row in found] == [13, 12, 11, 10, 9, 8, 7, 6, 5, 4]


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "part of the name": ({"functionName": "greet"}, ["greet", "greet_twice"]),
        "event": ({"eventId": NEW_CONVERSATION}, ["greet"]),
        "two states": ({"state": ["Productive", "Modified"]}, ["greet"]),
        "what is not looked at": ({"name": "part"}, ["greet", "greet_twice", "part"]),
    }.values(),
)
def test_list_is_filtered(v2, query, expected):
    factories.deployed(name="greet", event_type=NEW_CONVERSATION)
    factories.FunctionFactory(name="greet_twice", event_type="conversational_command")
    factories.FunctionFactory(name="part")
    factories.FunctionFactory(account_id="other1", name="greet_others")

    assert [row["name"] for row in v2.get("/functions", **query).json()] == expected


def test_counts_are_bare_numbers(v2):
    for _ in range(2):
        factories.FunctionFactory()
    modified = factories.deployed()
    services.save_parts(modified, code=GOOD, by="kim")
    factories.deployed(account_id="other1")

    assert v2.get("/functions/count").content == b"3"
    assert v2.get("/deployments/count").content == b"1"


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "queries"), [("/functions", 1), ("/deployments", 2)])
def test_list_takes_the_same_queries_however_many_there_are(
    v2, path, queries, count, django_assert_num_queries
):
    for _ in range(count):
        factories.deployed()
        failed = factories.FunctionFactory()
        factories.DeploymentFactory(function_id=failed.pk, active=False, failure="build-failed")

    with django_assert_num_queries(AUTHENTICATION + queries):
        response = v2.get(path)

    assert len(response.json()) == 2 * count


@pytest.mark.parametrize("count", [1, 3])
def test_one_takes_the_same_queries_however_many_versions_it_has(
    v2, count, django_assert_num_queries
):
    function = factories.FunctionFactory()
    for number in range(count):
        services.save_parts(function, code=f"{GOOD}//{number}", by="kim")

    with django_assert_num_queries(AUTHENTICATION + 2):
        assert len(v2.get(f"/functions/{function.pk}").json()["versions"]) == count + 1


# Saving -------------------------------------------------------------------------------------------


def test_pushing_a_new_function_as_the_command_line_does(v2):
    created = v2.post(
        "/functions",
        {"timestamp": 0, "name": "greet", "description": "Hi", "eventId": NEW_CONVERSATION},
    )

    function = Function.objects.get()
    assert created.status_code == 201
    found = created.json()
    assert found["manifest"] == v2.get(f"/functions/{function.pk}").json()["versions"][0]
    assert (found["uuid"], found["eventId"]) == (str(function.pk), NEW_CONVERSATION)
    assert function.code == offering.EMPTY_SOURCE

    manifest = {"id": found["manifest"]["id"], "version": found["manifest"]["version"]}
    saved = v2.put(
        f"/functions/{function.pk}/manifest",
        manifest | {"timestamp": 0, "code": GOOD, "environment": {"MODE": "dark"}},
    )

    assert saved.status_code == 200
    assert (saved.json()["manifest"]["version"], saved.json()["manifest"]["code"]) == (2, GOOD)
    function.refresh_from_db()
    assert (function.code, function.environment) == (GOOD, {"MODE": "dark"})
    actions = AuditEntry.objects.order_by("at", "pk").values_list("action", flat=True)
    assert list(actions) == ["function.created", "function.saved"]


def test_pushing_description_and_code_of_one_version_is_no_conflict(v2):
    function = factories.FunctionFactory()
    read = v2.get(f"/functions/{function.pk}").json()["versions"][0]

    about = v2.put(f"/functions/{function.pk}", {"timestamp": 0, "description": "Other"})
    written = v2.put(
        f"/functions/{function.pk}/manifest",
        {"timestamp": 0, "version": read["version"], "code": GOOD},
    )

    assert (about.status_code, written.status_code) == (200, 200)
    assert (about.json()["description"], about.json()["manifest"]["version"]) == ("Other", 2)
    function.refresh_from_db()
    assert (function.version, function.description, function.code) == (3, "Other", GOOD)


def test_manifest_that_somebody_changed_since_is_a_conflict(v2):
    function = factories.FunctionFactory()
    services.save_parts(function, code=GOOD, by="kim")
    path = f"/functions/{function.pk}/manifest"

    stale = v2.put(path, {"version": 1, "code": BETTER})
    beside = v2.put(path, {"version": 1, "environment": {"MODE": "dark"}})

    assert error_of(stale) == REVISION
    assert beside.status_code == 200
    function.refresh_from_db()
    assert (function.code, function.environment) == (GOOD, {"MODE": "dark"})


@pytest.mark.parametrize("body", [{}, {"code": GOOD}, {"code": GOOD, "environment": {"A": "b"}}])
def test_manifest_without_a_change_is_told_so(v2, body):
    function = factories.FunctionFactory(code=GOOD, environment={"A": "b"})

    for version in (1, 7):
        response = v2.put(f"/functions/{function.pk}/manifest", {"version": version} | body)
        assert error_of(response) == UNCHANGED
    function.refresh_from_db()
    assert function.version == 1


@pytest.mark.parametrize("body", [{}, {"description": "Says hello"}, {"skills": ["41"]}])
def test_meta_without_a_change_is_told_so(v2, body):
    function = factories.FunctionFactory(event_type=NEW_CONVERSATION, skills=["41"])

    assert error_of(v2.put(f"/functions/{function.pk}", body)) == UNCHANGED


def test_skills_reach_what_serves_at_once(v2):
    function = factories.deployed(event_type=NEW_CONVERSATION)

    response = v2.put(f"/functions/{function.pk}", {"skills": ["42", "41"]})

    assert response.json()["skills"] == ["41", "42"]
    function.refresh_from_db()
    assert (function.state, function.deployment.skills) == (State.PRODUCTIVE, ["41", "42"])
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["function.skills-changed"]


def test_description_and_skills_are_saved_together_or_not_at_all(v2):
    factories.FunctionFactory(event_type=NEW_CONVERSATION, skills=["42"])
    function = factories.FunctionFactory(event_type=NEW_CONVERSATION, skills=["41"])

    response = v2.put(f"/functions/{function.pk}", {"description": "Other", "skills": ["42"]})

    assert error_of(response) == (409, f"{PREFIX}db.conflict")
    function.refresh_from_db()
    assert (function.description, function.version, function.skills) == ("Says hello", 1, ["41"])


def test_v2_saves_code_that_is_unfinished(v2):
    function = factories.FunctionFactory()

    saved = v2.put(f"/functions/{function.pk}/manifest", {"version": 1, "code": BROKEN})
    long = v2.put(f"/functions/{function.pk}/manifest", {"version": 2, "code": "x" * 100_001})

    assert saved.status_code == 200
    assert error_of(long) == (400, f"{PREFIX}fm.validation.to-long")


HOSTILE = {
    "list": [],
    "text": '"x"',
    "version of another kind": {"version": "x"},
    "no version": {"code": GOOD},
    "version too large": {"version": 2**31, "code": GOOD},
    "code of another kind": {"version": 1, "code": {}},
    "no code": {"version": 1, "code": None},
    "number for code": {"version": 1, "code": 1},
    "code with a NUL": {"version": 1, "code": "\0"},
    "number for a value": {"version": 1, "environment": {"A": 1}},
    "variables of another kind": {"version": 1, "environment": [["A", "b"]]},
    "value of another kind": {"version": 1, "environment": {"A": ["b"]}},
    "value with a NUL": {"version": 1, "environment": {"A": "\0"}},
    "name with a NUL": {"version": 1, "environment": {"\0": "b"}},
    "reserved variable": {"version": 1, "environment": {"BRAND_ID": "b"}},
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_manifest_that_cannot_be_is_refused(v2, body):
    function = factories.FunctionFactory()

    assert error_of(v2.put(f"/functions/{function.pk}/manifest", body)) == INVALID
    function.refresh_from_db()
    assert function.version == 1


@pytest.mark.parametrize(
    "body",
    [[], {"description": ""}, {"description": None}, {"description": "x" * 201},
     {"skills": "41"}, {"skills": [None]}, {"skills": [41]}, {"skills": ["4 1"]},
     {"skills": ["41", "41"]},
     {"skills": ["x"] * 501}],
)  # fmt: skip
def test_meta_that_cannot_be_is_refused(v2, body):
    function = factories.FunctionFactory(event_type=NEW_CONVERSATION)

    assert error_of(v2.put(f"/functions/{function.pk}", body)) == INVALID


@pytest.mark.parametrize(
    "body",
    [[], {}, {"name": "greet"}, {"name": "gre et", "description": "Hi"},
     {"name": "greet", "description": "Hi", "eventId": "nothing"},
     {"name": "greet", "description": "Hi", "manifest": []},
     {"name": "greet", "description": "Hi", "manifest": {"environment": {"NODE_ENV": "x"}}}],
)  # fmt: skip
def test_function_that_cannot_be_is_not_created(v2, body):
    assert error_of(v2.post("/functions", body)) == INVALID
    assert not Function.objects.exists()


def test_created_with_a_manifest(v2):
    body = {"name": "greet", "description": "Hi", "eventId": "No Event"}

    response = v2.post("/functions", body | {"manifest": {"code": GOOD, "environment": {"A": "b"}}})

    assert response.status_code == 201
    function = Function.objects.get()
    assert (function.event_type, function.code) == (events.NO_EVENT, GOOD)
    assert function.environment == {"A": "b"}
    assert error_of(v2.post("/functions", body)) == (409, f"{PREFIX}db.conflict")


@pytest.mark.django_db(transaction=True)
def test_of_saves_at_the_same_moment_one_gets_through():
    account = factories.AccountFactory(id=factories.ACCOUNT_ID)
    function = factories.FunctionFactory()
    callers = [api.of_client(account, Scope.DEVELOPER) for _ in range(4)]
    together = threading.Barrier(len(callers))
    statuses = []

    def save(number):
        together.wait()
        try:
            body = {"version": 1, "code": f"{GOOD}//{number}"}
            answer = callers[number].put(f"/functions/{function.pk}/manifest", body)
            statuses.append(answer.status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=save, args=[number]) for number in range(len(callers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    function.refresh_from_db()
    assert sorted(statuses) == [200, 409, 409, 409]
    assert (function.version, function.versions.count()) == (2, 2)


# Versions -----------------------------------------------------------------------------------------


def test_versions_come_a_page_at_a_time(v2, monkeypatch):
    monkeypatch.setattr("functions.api.history.PAGE_SIZE", 2)
    with time_machine.travel(NOON, tick=False):
        function = factories.FunctionFactory()
        for number in range(2):
            services.save_parts(function, code=f"{GOOD}//{number}", by="kim")

    first = v2.get(f"/functions/{function.pk}/versions", before="").json()
    second = v2.get(f"/functions/{function.pk}/versions", before=2).json()

    assert [row["version"] for row in first] == [3, 2]
    assert second == [
        {
            "id": str(uuid.uuid5(function.pk, "1")),
            "version": 1,
            "description": "Says hello",
            "note": "",
            "createdAt": SHOWN,
            "createdBy": "kim",
        }
    ]


@pytest.mark.parametrize("before", ["x", "0", "-1", 2**31, "1.5"])
def test_versions_before_nothing_are_refused(v2, before):
    function = factories.FunctionFactory()

    assert error_of(v2.get(f"/functions/{function.pk}/versions", before=before)) == INVALID


def test_one_version_has_its_code(v2):
    with time_machine.travel(NOON, tick=False):
        function = factories.FunctionFactory()
    services.save_parts(function, code=GOOD, by="kim")

    assert v2.get(f"/functions/{function.pk}/versions/1").json() == manifest_of(function, 1)
    for number in (0, 3, 10**30):
        assert v2.get(f"/functions/{function.pk}/versions/{number}").status_code == 404


def test_restored_version_is_the_newest(v2):
    function = factories.FunctionFactory()
    services.save_parts(function, code=GOOD, by="kim")
    path = f"/functions/{function.pk}/versions"

    restored = v2.post(f"{path}/1/restore", {"version": 2})

    assert restored.status_code == 200
    manifest = restored.json()["manifest"]
    assert (manifest["version"], manifest["code"]) == (3, factories.SOURCE)
    assert error_of(v2.post(f"{path}/1/restore", {"version": 3})) == UNCHANGED
    assert error_of(v2.post(f"{path}/2/restore", {"version": 2})) == REVISION
    assert error_of(v2.post(f"{path}/2/restore", {})) == INVALID
    assert v2.post(f"{path}/9/restore", {"version": 3}).status_code == 404
    entries = AuditEntry.objects.filter(by__startswith="API client")
    assert list(entries.values_list("action", flat=True)) == ["function.restored"]


# Deployments --------------------------------------------------------------------------------------


def deployment_of(row, **changes):
    return {
        "id": str(row.pk),
        "functionUuid": str(row.function_id),
        "manifestUUID": str(uuid.uuid5(row.function_id, str(row.version))),
        "manifestVersion": row.version,
        "deploymentState": "successful",
        "functionSize": "S",
        "cpu": 0.083,
        "memory": 256,
        "note": "",
        "createdAt": SHOWN,
        "updatedAt": SHOWN,
        "deployedAt": SHOWN,
        "undeployedAt": None,
        "createdBy": "kim",
        "updatedBy": "kim",
    } | changes


def test_deployments_are_what_serves_and_what_failed_to(v2):
    with time_machine.travel(NOON, tick=False):
        serving = factories.deployed()
        failing = factories.FunctionFactory()
        gone = factories.deployed()
        factories.FunctionFactory()
    with time_machine.travel(NOON + dt.timedelta(minutes=1), tick=False):
        failed = factories.DeploymentFactory(
            function_id=failing.pk, active=False, failure="build-failed"
        )
        deploying.undeploy(gone, by="kim")
    later = "2026-03-01T12:01:00.000Z"

    assert v2.get("/deployments").json() == [
        deployment_of(
            failed, deploymentState="failed", createdAt=later, updatedAt=later, deployedAt=None
        ),
        deployment_of(serving.deployment),
    ]


def test_deployments_of_a_function_come_a_page_at_a_time(v2, monkeypatch):
    monkeypatch.setattr("functions.api.deployments.PAGE_SIZE", 2)
    with time_machine.travel(NOON, tick=False):
        function = factories.deployed()
        rows = [function.deployment] + [
            factories.DeploymentFactory(function_id=function.pk, active=False) for _ in range(2)
        ]
    expected = [str(row.pk) for row in sorted(rows, key=lambda row: row.pk, reverse=True)]
    path = f"/functions/{function.pk}/deployments"

    first = [row["id"] for row in v2.get(path, before="").json()]
    second = [row["id"] for row in v2.get(path, before=first[-1]).json()]

    assert first + second == expected
    assert v2.get(path, before=uuid.UUID(int=1)).status_code == 404
    assert error_of(v2.get(path, before="x")) == INVALID


@pytest.mark.runtime
def test_deploying_again_by_patch(v2):
    function = factories.FunctionFactory(name="greet")
    first = v2.post(f"/deployments/{function.pk}", userId="987")
    services.save_parts(function, code=GOOD, by="kim")

    second = v2.patch(f"/deployments/{function.pk}", {"note": "Faster"})

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == {"message": '"greet" is productive with version 2'}
    assert v2.get(f"/functions/{function.pk}").json()["state"] == "Productive"
    assert v2.get("/deployments").json()[0]["note"] == "Faster"
    assert v2.delete(f"/deployments/{function.pk}").status_code == 202
    assert v2.get(f"/functions/{function.pk}").json()["state"] == "Draft"


@pytest.mark.runtime
def test_broken_code_is_not_deployed(v2):
    function = factories.FunctionFactory(code=BROKEN)

    response = v2.post(f"/deployments/{function.pk}")

    assert error_of(response) == (400, f"{PREFIX}dm.build.rejected")
    assert response.json()["errorLogs"][0]["extras"][0]["line"] == 2


@pytest.mark.runtime
def test_rolling_back_serves_an_earlier_deployment(v2):
    function = factories.deployed()
    first = function.deployment
    services.save_parts(function, code=GOOD, by="kim")
    second = deploying.deploy(function, version=2, by="kim")
    failed = factories.DeploymentFactory(
        function_id=function.pk, active=False, failure="build-failed"
    )
    path = f"/functions/{function.pk}/deployments"

    answer = v2.post(f"{path}/{first.pk}/roll-back")

    assert answer.status_code == 200
    function.refresh_from_db()
    serving = Deployment.objects.get(active=True)
    assert function.deployment == serving
    assert (answer.json()["id"], answer.json()["manifestVersion"]) == (str(serving.pk), 1)
    assert (serving.code, serving.note) == (factories.SOURCE, "Rolled back to version 1")
    assert error_of(v2.post(f"{path}/{serving.pk}/roll-back")) == NOT_ALLOWED
    assert error_of(v2.post(f"{path}/{failed.pk}/roll-back")) == NOT_ALLOWED
    other = factories.DeploymentFactory()
    assert v2.post(f"{path}/{other.pk}/roll-back").status_code == 404
    assert Deployment.objects.get(pk=second.pk).retired_at is not None


# Testing ------------------------------------------------------------------------------------------

TALKING = """
function lambda(input, callback) {
  console.debug("looking", input.payload);
  callback(null, { headers: input.headers, mode: process.env.MODE });
}
"""
FAILING = """
function lambda(input, callback) {
  console.info("before");
  callback(new Error("no greeting today"));
}
"""


@pytest.mark.runtime
def test_draft_runs_with_its_own_code_and_variables(v2):
    function = factories.deployed()
    services.save_parts(function, code=TALKING, environment={"MODE": "dark"}, by="kim")
    headers = [{"key": "a", "value": "b"}]

    response = v2.post(
        f"/functions/{function.pk}/test",
        {"timestamp": 0, "headers": headers, "payload": {"x": 1}},
        userId="987",
    )

    assert response.status_code == 200
    said = response.json()
    assert said["result"] == {"headers": headers, "mode": "dark"}
    [entry] = said["logs"]
    assert entry.pop("timestamp") > 1_700_000_000_000
    assert entry == {"level": "Debug", "message": "looking", "extras": [{"x": 1}]}
    assert not Invocation.objects.exists()


@pytest.mark.runtime
def test_draft_that_fails_is_901_with_what_it_logged(v2):
    function = factories.FunctionFactory(code=FAILING)

    response = v2.post(f"/functions/{function.pk}/test", {"payload": None})

    assert error_of(response) == (901, "com.customer.faas.function.threw-error")
    said = response.json()
    assert said["errorCode"] == f"{PREFIX}handler.custom-failure"
    assert said["message"] == "no greeting today"
    assert [(entry["level"], entry["message"]) for entry in said["errorLogs"]] == [
        ("Info", "before")
    ]


@pytest.mark.parametrize("body", [[], {}, {"payload": 1, "headers": {"a": "b"}}])
def test_draft_does_not_run_with_what_is_no_input(v2, body):
    function = factories.FunctionFactory()

    response = v2.post(f"/functions/{function.pk}/test", body)

    assert error_of(response) == (400, f"{PREFIX}evg.invalid")


def test_drafts_run_for_developers_alone(account):
    function = factories.FunctionFactory()
    path = f"/functions/{function.pk}/test"

    statuses = {scope: api.of_client(account, scope).post(path, []).status_code for scope in Scope}

    assert statuses == {Scope.ADMIN: 403, Scope.DEVELOPER: 400, Scope.INVOCATION: 403}


@pytest.mark.parametrize("path", ["/deployments/{0}", "/functions/{0}/deployments/{1}/roll-back"])
def test_code_that_is_slow_to_start_takes_no_more_threads_than_invocations(v2, monkeypatch, path):
    function = factories.deployed()
    monkeypatch.setattr(running, "_at_once", calls.AtOnce(0))

    response = v2.post(path.format(function.pk, function.deployment_id))

    assert error_of(response) == (429, "too-many-at-once")
    assert response["Retry-After"] == "1"


# What to start from -------------------------------------------------------------------------------


def test_payload_of_an_event_is_its_sample(v2):
    response = v2.get(f"/events/{NEW_CONVERSATION}/payload")

    assert response.json() == events.sample(NEW_CONVERSATION)
    assert v2.get("/events/nothing/payload").status_code == 404


def test_templates_are_those_of_the_gallery(v2):
    everything = v2.get("/templates", eventId="").json()
    some = v2.get("/templates", eventId=NEW_CONVERSATION).json()

    first = gallery.load()[0]
    assert len(everything) == len(gallery.load())
    assert everything[0] == {
        "id": first.slug,
        "name": first.name,
        "description": first.summary,
        "eventId": first.event_type,
        "code": first.source,
        "samplePayload": first.payload,
        "packages": list(first.packages),
        "secrets": list(first.secrets),
        "hosts": list(first.hosts),
    }
    assert {row["eventId"] for row in some} == {NEW_CONVERSATION}
    assert v2.get("/templates", eventId="nothing").json() == []


# Who may ------------------------------------------------------------------------------------------

READING = {
    "functions", "function", "function-count", "versions", "version", "deployments",
    "deployment-count", "function-deployments", "event-payload", "templates", "events",
}  # fmt: skip
CHANGING = {
    ("functions", "POST"), ("function", "PUT"), ("function", "DELETE"), ("manifest", "PUT"),
    ("version-restore", "POST"), ("roll-back", "POST"), ("deployment", "POST"),
    ("deployment", "PATCH"), ("deployment", "DELETE"),
}  # fmt: skip


def addresses(account_id, function):
    values = {
        "function_id": function.pk,
        "number": 1,
        "deployment_id": function.deployment_id,
        "event_id": NEW_CONVERSATION,
    }
    takes = {
        "function": ["function_id"],
        "versions": ["function_id"],
        "version": ["function_id", "number"],
        "version-restore": ["function_id", "number"],
        "manifest": ["function_id"],
        "function-deployments": ["function_id"],
        "roll-back": ["function_id", "deployment_id"],
        "deployment": ["function_id"],
        "event-payload": ["event_id"],
    }
    methods = [(name, "GET") for name in sorted(READING)] + sorted(CHANGING)
    base = f"/api/account/{account_id}"
    for name, method in methods:
        kwargs = {key: values[key] for key in takes.get(name, [])}
        url = reverse(f"api:{name}", kwargs={"account_id": account_id, **kwargs})
        yield name, method, url.removeprefix(base)


@pytest.mark.parametrize("scope", [Scope.ADMIN, Scope.INVOCATION])
def test_admins_and_machines_that_invoke_only_read(account, scope):
    caller = api.of_client(account, scope)
    function = factories.deployed(name="greet")
    calls = list(addresses(account.pk, function))

    statuses = {
        (name, method): caller.send(method, path, body={}).status_code
        for name, method, path in calls
    }

    assert statuses == {
        (name, method): 200 if method == "GET" else 403 for name, method, _ in calls
    }


def test_functions_of_another_account_are_404(v2, account, outsider):
    theirs = factories.deployed(account_id="other1", name="theirs")
    named = [
        (method, path)
        for _, method, path in addresses(account.pk, theirs)
        if str(theirs.pk) in path
    ]

    answers = {call: v2.send(*call, body={}) for call in named}

    assert len(answers) == 12
    assert {call: error_of(answer) for call, answer in answers.items()} == dict.fromkeys(
        answers, (404, f"{PREFIX}function.not-found")
    )
    theirs.refresh_from_db()
    assert theirs.deployment.active
