"""Managing functions with V1 of the API, as the published command line and client do."""

import datetime as dt
import uuid

import pytest
import time_machine

from functions import deploying, services
from functions.models import Function, State
from houston.models import Scope
from invoker import events
from invoker.models import AuditEntry, Deployment
from tests import api, factories

# What is saved is checked in the sandbox.
pytestmark = pytest.mark.runtime

NEW_CONVERSATION = "controllerbot_messaging_new_conversation"
GOOD = "function lambda(input, callback) { callback(null, 1); }"
BETTER = "function lambda(input, callback) { callback(null, 2); }"
BROKEN = "function lambda(input, callback) {\n  const x = ;\n}"
PREFIX = "com.liveperson.faas."
RUNTIME = {
    "uuid": "6c1b7d0e-5a52-4f0e-9b57-0e6f1c2d4a22",
    "name": "Node.js 22",
    "baseImageName": "houston-node:22",
}
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SHOWN = "2026-03-01T12:00:00.000Z"
# Of callers with a token: the token, and that it was used.
AUTHENTICATION = 2


@pytest.fixture
def v1(account):
    return api.of_client(account, Scope.DEVELOPER)


def new(**changes):
    """What `lpf push` sends for a new function. Source: `liveperson-contract.md` §11."""
    return {
        "timestamp": 0,
        "uuid": "",
        "version": -1,
        "name": "greet",
        "description": "Says hello",
        "state": "Draft",
        "runtime": RUNTIME,
        "implementation": {"code": GOOD, "dependencies": [], "environmentVariables": []},
    } | changes


def changed(function, code=BETTER, variables=(), **changes):
    """What it sends for one that exists."""
    return (
        new(
            uuid=str(function.pk),
            version=function.version,
            name=function.name,
            description=function.description,
            createdBy="kim",
            updatedBy="kim",
            implementation={
                "code": code,
                "dependencies": [],
                "environmentVariables": [{"key": k, "value": v} for k, v in variables],
            },
        )
        | changes
    )


def error_of(response):
    return response.status_code, response.json()["errorCode"]


# Reading ------------------------------------------------------------------------------------------


def test_draft_has_exactly_the_fields_of_a_lambda(v1):
    with time_machine.travel(NOON, tick=False):
        function = factories.FunctionFactory(
            name="greet",
            event_type=NEW_CONVERSATION,
            skills=["41", "42"],
            environment={"MODE": "dark"},
        )

    response = v1.get("/lambdas", v=1, userId="987")

    assert response.status_code == 200
    assert response.json() == [
        {
            "uuid": str(function.pk),
            "version": 1,
            "name": "greet",
            "description": "Says hello",
            "eventId": NEW_CONVERSATION,
            "skills": ["41", "42"],
            "state": "Draft",
            "runtime": RUNTIME,
            "samplePayload": events.sample(NEW_CONVERSATION),
            "createdAt": SHOWN,
            "updatedAt": SHOWN,
            "createdBy": "kim",
            "updatedBy": "kim",
            "implementation": {
                "code": factories.SOURCE,
                "dependencies": [],
                "environmentVariables": [{"key": "MODE", "value": "dark"}],
            },
            "lastDeployment": {},
        }
    ]


def test_deployed_lambda_tells_its_deployment(v1):
    with time_machine.travel(NOON, tick=False):
        function = factories.deployed(name="greet")

    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()

    assert (found["state"], found["eventId"]) == ("Productive", "")
    assert found["samplePayload"] == {"headers": [], "payload": {}}
    assert found["lastDeployment"] == {
        "uuid": str(function.deployment_id),
        "name": "greet",
        "lambdaUUID": str(function.pk),
        "lambdaVersion": 1,
        "imageName": "houston-node:22",
        "deploymentState": "Deploy Finish",
        "createdAt": SHOWN,
        "updatedAt": SHOWN,
        "deployedAt": SHOWN,
        "createdBy": "kim",
        "updatedBy": "kim",
    }


def test_last_deployment_is_what_serves_whatever_failed_since(v1):
    function = factories.deployed(name="greet")
    factories.DeploymentFactory(function_id=function.pk, active=False, failure="build-failed")

    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()

    assert found["lastDeployment"]["uuid"] == str(function.deployment_id)


def test_last_deployment_of_what_is_undeployed_is_the_newest(v1):
    function = factories.deployed(name="greet")
    other = factories.deployed(name="other")
    deploying.undeploy(function, by="kim")
    with time_machine.travel(NOON, tick=False):
        factories.DeploymentFactory(function_id=function.pk, active=False, failure="build-failed")

    rows = {row["name"]: row for row in v1.get("/lambdas", v=1).json()}

    newest = Deployment.objects.filter(function_id=function.pk).latest("created_at")
    assert rows["greet"]["state"] == "Draft"
    assert rows["greet"]["lastDeployment"]["uuid"] == str(newest.pk)
    assert rows["other"]["lastDeployment"]["uuid"] == str(other.deployment_id)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "nothing": ({}, ["greet", "greet_twice", "part"]),
        "empty values": (
            {"eventId": "", "state": "", "name": "", "userId": ""},
            ["greet", "greet_twice", "part"],
        ),
        "part of the name": ({"name": "greet"}, ["greet", "greet_twice"]),
        "another case": ({"name": "GREET"}, []),
        "event": ({"eventId": NEW_CONVERSATION}, ["greet"]),
        "part of the event": ({"eventId": "conversation"}, ["greet", "greet_twice"]),
        "a state": ({"state": "Productive"}, ["greet"]),
        "two states": ({"state": ["Productive", "Draft"]}, ["greet", "greet_twice", "part"]),
        "unknown state": ({"state": "Lost"}, []),
        "all at once": ({"name": "greet", "state": "Draft"}, ["greet_twice"]),
        "what is not looked at": ({"userId": "u1", "externalSystem": "x", "skillId": "7"},
                                  ["greet", "greet_twice", "part"]),
    }.values(),
)  # fmt: skip
def test_list_is_filtered(v1, query, expected):
    factories.deployed(name="greet", event_type=NEW_CONVERSATION)
    factories.FunctionFactory(name="greet_twice", event_type="conversational_command")
    factories.FunctionFactory(name="part")
    factories.FunctionFactory(account_id="other1", name="greet_others")

    # The client ends the address with a slash, the command line does not.
    for path in ("/lambdas", "/lambdas/"):
        assert [row["name"] for row in v1.get(path, v=1, **query).json()] == expected


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_the_same_queries_however_many_there_are(v1, count, django_assert_num_queries):
    for _ in range(count):
        factories.deployed()
        factories.FunctionFactory()

    with django_assert_num_queries(AUTHENTICATION + 2):
        response = v1.get("/lambdas", v=1)

    assert len(response.json()) == 2 * count


def test_runtime_is_the_node_that_functions_find(v1):
    assert v1.get("/runtimes", v=1).json() == [RUNTIME]


@pytest.mark.parametrize("query", [{"v": 1}, {}])
def test_events_are_those_of_the_catalogue(v1, query):
    found = v1.get("/events", **query).json()

    assert len(found) == len(events.EVENT_TYPES) - 1
    assert found[0] == {
        "eventId": NEW_CONVERSATION,
        "eventName": "Messaging New Conversation",
        "description": "A consumer starts a new conversation",
        "lambdaLimit": 1,
    }
    assert {type(row["lambdaLimit"]) for row in found} == {int}


# Creating -----------------------------------------------------------------------------------------


def test_create_makes_a_draft_as_the_console_does(v1):
    response = v1.post("/lambdas", new(eventId=NEW_CONVERSATION), v=1)

    assert response.status_code == 201
    function = Function.objects.get()
    assert response.json() == v1.get(f"/lambdas/{function.pk}", v=1).json()[0]
    assert (function.name, function.event_type, function.code) == ("greet", NEW_CONVERSATION, GOOD)
    assert (function.state, function.version, function.environment) == (State.DRAFT, 1, {})
    assert function.created_by.startswith("API client ")
    assert list(AuditEntry.objects.values_list("action", "by")) == [
        ("function.created", function.created_by)
    ]


@pytest.mark.parametrize("event", [{}, {"eventId": ""}, {"eventId": None}, {"eventId": "No Event"}])
def test_create_without_an_event(v1, event):
    assert v1.post("/lambdas/", new(**event), v=1).status_code == 201
    assert Function.objects.get().event_type == events.NO_EVENT


def test_create_reads_variables_and_skills(v1):
    variables = [{"key": "MODE", "value": " dark "}, {"key": "EMPTY", "value": ""}]
    body = new(
        eventId=NEW_CONVERSATION,
        skills=["42", "41"],
        implementation={"code": f"{GOOD}\r\n", "environmentVariables": variables},
    )

    assert v1.post("/lambdas", body, v=1).status_code == 201

    function = Function.objects.get()
    assert function.environment == {"MODE": " dark ", "EMPTY": ""}
    assert function.skills == ["41", "42"]
    assert function.code == f"{GOOD}\n"


def test_create_takes_the_placeholder_of_the_command_line_for_no_variable(v1):
    written = {"code": GOOD, "environmentVariables": [{"key": "", "value": ""}]}

    assert v1.post("/lambdas", new(implementation=written), v=1).status_code == 201
    assert Function.objects.get().environment == {}


REJECTED = {
    "syntax": (BROKEN, "invalid-syntax"),
    "no lambda": ("const x = 1;", "contract-error"),
    "empty": ("", "contract-error"),
    "callback never called": ("function lambda(input, callback) { return 1; }", "contract-error"),
    "eval": (
        "function lambda(input, callback) { callback(null, eval('1')); }",
        "unallowed-code",
    ),
    "unknown package": (f'const x = require("left-pad");\n{GOOD}', "unallowed-dependency"),
    "too long": (f"{GOOD}//{'x' * 100_000}", "to-long"),
}


@pytest.mark.parametrize(("code", "expected"), REJECTED.values(), ids=REJECTED)
def test_code_that_could_never_be_deployed_is_not_even_saved(v1, code, expected):
    function = factories.FunctionFactory(name="old")
    code_of_error = f"{PREFIX}fm.validation.{expected}"

    created = v1.post("/lambdas", new(implementation={"code": code}), v=1)
    saved = v1.put(f"/lambdas/{function.pk}", changed(function, code), v=1)

    assert (error_of(created), error_of(saved)) == ((400, code_of_error), (400, code_of_error))
    assert created.json()["code"] == code_of_error
    function.refresh_from_db()
    assert (Function.objects.count(), function.version) == (1, 1)


def test_refused_code_names_the_line(v1):
    response = v1.post("/lambdas", new(implementation={"code": BROKEN}), v=1)

    [entry] = response.json()["errorLogs"]
    assert response.json()["errorMsg"] == "Cannot save \"greet\": Unexpected token ';' in line 2"
    assert (entry["level"], entry["message"]) == ("Error", "Unexpected token ';' in line 2")
    assert entry["extras"] == [{"code": "invalid-syntax", "line": 2, "column": 13}]


def test_code_is_saved_where_nothing_can_be_checked_now(v1, monkeypatch):
    unavailable = services.runtime.Problem("unavailable", "There is no sandbox")
    monkeypatch.setattr("invoker.runtime.check", lambda *_: [unavailable])

    assert v1.post("/lambdas", new(), v=1).status_code == 201


def test_bad_code_that_a_draft_has_already_stays_when_all_else_changes(v1):
    function = factories.FunctionFactory(code=BROKEN)

    response = v1.put(
        f"/lambdas/{function.pk}", changed(function, BROKEN, description="Unfinished"), v=1
    )

    assert response.status_code == 200
    function.refresh_from_db()
    assert (function.description, function.version) == ("Unfinished", 2)


def test_create_refuses_what_the_account_cannot_have(v1):
    factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    name = v1.post("/lambdas", new(), v=1)
    event = v1.post("/lambdas", new(name="second", eventId=NEW_CONVERSATION), v=1)
    unknown = v1.post("/lambdas", new(name="second", eventId="nothing"), v=1)

    assert error_of(name) == error_of(event) == (409, f"{PREFIX}db.conflict")
    assert error_of(unknown) == (400, f"{PREFIX}fm.validation.general")


def test_create_refuses_one_more_than_an_account_may_have(v1):
    for _ in range(services.MAX_FUNCTIONS):
        factories.FunctionFactory(first_version=None)

    assert error_of(v1.post("/lambdas", new(), v=1)) == (409, "limit-reached")


def written(**changes):
    return {"implementation": {"code": GOOD} | changes}


HOSTILE = {
    "no body": None,
    "a list": [],
    "a text": '"x"',
    "no name": {"name": None},
    "name of another kind": {"name": ["greet"]},
    "name with a space": {"name": "say hello"},
    "name of nothing": {"name": ""},
    "name with a NUL": {"name": "gre\0et"},
    "long name": {"name": "x" * 51},
    "no description": {"description": "  "},
    "long description": {"description": "x" * 201},
    "event of another kind": {"eventId": {"id": 1}},
    "event with a NUL": {"eventId": "\0"},
    "skills of another kind": {"skills": "41"},
    "skill of another kind": {"skills": [None]},
    "skills for no event": {"skills": ["41"]},
    "no implementation": {"implementation": None},
    "implementation of another kind": {"implementation": "code"},
    "no code": written(code=None),
    "code of another kind": written(code=["x"]),
    "code with a NUL": written(code=f"{GOOD}\0"),
    "variables of another kind": written(environmentVariables={"a": "b"}),
    "variable of another kind": written(environmentVariables=["a"]),
    "value of another kind": written(environmentVariables=[{"key": "a", "value": {}}]),
    "value with a NUL": written(environmentVariables=[{"key": "a", "value": "\0"}]),
    "value without a key": written(environmentVariables=[{"key": "", "value": "b"}]),
    "reserved variable": written(environmentVariables=[{"key": "BRAND_ID", "value": "b"}]),
    "variable twice": written(
        environmentVariables=[{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]
    ),
    "too many variables": written(
        environmentVariables=[{"key": f"a{n}", "value": "b"} for n in range(513)]
    ),
    "long value": written(environmentVariables=[{"key": "a", "value": "x" * 1025}]),
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_create_refuses_what_cannot_be(v1, sent):
    body = new(**sent) if isinstance(sent, dict) else sent

    response = v1.post("/lambdas", body, v=1)

    assert error_of(response) == (400, f"{PREFIX}fm.validation.general")
    assert response.json()["errorMsg"].startswith("Cannot ")
    assert not Function.objects.exists()


# Saving -------------------------------------------------------------------------------------------


def test_save_makes_the_next_version_and_keeps_the_skills(v1):
    function = factories.deployed(event_type=NEW_CONVERSATION, skills=["41"])

    response = v1.put(
        f"/lambdas/{function.pk}",
        changed(function, variables=[("MODE", "dark")], eventId=NEW_CONVERSATION, state="Modified"),
        v=1,
    )

    assert response.status_code == 200
    function.refresh_from_db()
    assert response.json() == v1.get(f"/lambdas/{function.pk}", v=1).json()[0]
    assert (function.code, function.environment) == (BETTER, {"MODE": "dark"})
    assert (function.version, function.state) == (2, State.MODIFIED)
    assert function.skills == ["41"]
    assert function.event_type == NEW_CONVERSATION
    newest = function.versions.get(number=2)
    assert newest.saved_by == function.updated_by
    assert newest.saved_by.startswith("API client ")
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["function.saved"]


def test_save_of_the_same_is_304_without_a_body(v1):
    function = factories.FunctionFactory(environment={"MODE": "dark"})

    response = v1.put(
        f"/lambdas/{function.pk}",
        changed(function, function.code.replace("\n", "\r\n"), [("MODE", "dark")]),
        v=1,
    )

    assert (response.status_code, response.content) == (304, b"")
    function.refresh_from_db()
    assert function.version == 1


def test_save_on_an_older_version_is_refused(v1):
    function = factories.FunctionFactory()
    body = changed(function)
    services.save_parts(function, code=GOOD, by="kim")

    response = v1.put(f"/lambdas/{function.pk}", body, v=1)

    assert error_of(response) == (409, f"{PREFIX}db.error.revision")
    function.refresh_from_db()
    assert (function.code, function.version) == (GOOD, 2)


@pytest.mark.parametrize("version", [-1, 0, 7, 2**31 - 1])
def test_save_on_a_version_that_never_was_is_refused(v1, version):
    function = factories.FunctionFactory()

    response = v1.put(f"/lambdas/{function.pk}", changed(function, version=version), v=1)

    assert error_of(response) == (409, f"{PREFIX}db.error.revision")


@pytest.mark.parametrize("version", [None, "x", 1.5, [], 2**31, 10**400, -2])
def test_save_needs_a_version(v1, version):
    function = factories.FunctionFactory()

    response = v1.put(f"/lambdas/{function.pk}", changed(function, version=version), v=1)

    assert response.status_code == 400
    function.refresh_from_db()
    assert function.version == 1


def test_save_sent_twice_finds_it_saved(v1):
    function = factories.FunctionFactory()
    body = changed(function)

    statuses = [v1.put(f"/lambdas/{function.pk}", body, v=1).status_code for _ in range(2)]

    assert statuses == [200, 304]
    function.refresh_from_db()
    assert function.version == 2


@pytest.mark.parametrize("change", [{"name": "other"}, {"eventId": NEW_CONVERSATION}])
def test_save_changes_neither_the_name_nor_the_event(v1, change):
    function = factories.FunctionFactory(name="greet")

    response = v1.put(f"/lambdas/{function.pk}", changed(function, **change), v=1)

    assert error_of(response) == (400, f"{PREFIX}fm.validation.general")
    function.refresh_from_db()
    assert function.version == 1


def test_save_with_other_skills_binds_them_or_saves_nothing(v1):
    function = factories.FunctionFactory(event_type=NEW_CONVERSATION, skills=["41"])
    factories.FunctionFactory(event_type=NEW_CONVERSATION, skills=["42"])

    refused = v1.put(f"/lambdas/{function.pk}", changed(function, skills=["42"]), v=1)
    function.refresh_from_db()
    assert error_of(refused) == (409, f"{PREFIX}db.conflict")
    assert (function.version, function.skills) == (1, ["41"])

    assert (
        v1.put(f"/lambdas/{function.pk}", changed(function, skills=["43"]), v=1).status_code == 200
    )
    function.refresh_from_db()
    assert (function.version, function.skills) == (2, ["43"])


# Deploying ----------------------------------------------------------------------------------------


def test_deploy_answers_when_the_function_serves(v1):
    function = factories.FunctionFactory(name="greet", event_type=NEW_CONVERSATION)

    response = v1.post(f"/deployments/{function.pk}", v=1, userId="987")

    assert response.status_code == 202
    assert response.json() == {"message": '"greet" is productive with version 1'}
    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()
    assert found["state"] == "Productive"
    assert found["lastDeployment"]["deployedAt"].endswith("Z")
    assert found["lastDeployment"]["createdBy"].startswith("API client ")
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["function.deployed"]


def test_deploy_of_broken_code_is_an_error_with_the_line(v1):
    function = factories.deployed(name="greet")
    services.save_parts(function, code=BROKEN, by="kim")

    response = v1.post(f"/deployments/{function.pk}", v=1)

    assert error_of(response) == (400, f"{PREFIX}dm.build.rejected")
    said = response.json()
    assert said["errorMsg"] == "Cannot deploy \"greet\": Unexpected token ';' in line 2"
    [entry] = said["errorLogs"]
    assert entry["extras"] == [{"code": "invalid-syntax", "line": 2, "column": 13}]
    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()
    assert found["state"] == "Build Error"
    last = found["lastDeployment"]
    assert (last["deploymentState"], last["lambdaVersion"]) == ("Build Error", 2)
    assert "deployedAt" not in last
    assert last["deploymentError"]["errorCode"] == f"{PREFIX}dm.build.rejected"
    assert last["deploymentError"]["errorMsg"] == "Unexpected token ';' in line 2"
    [kept] = last["deploymentError"]["errorLogs"]
    assert kept | {"timestamp": 0} == entry | {"timestamp": 0}


def test_deploy_while_another_goes_on_is_refused(v1):
    function = factories.FunctionFactory()
    deploying._begin(function, 1)

    deployed = v1.post(f"/deployments/{function.pk}", v=1)
    saved = v1.put(f"/lambdas/{function.pk}", changed(function), v=1)

    refused = (409, f"{PREFIX}dm.action.not-allowed")
    assert (error_of(deployed), error_of(saved)) == (refused, refused)


def test_deploy_where_nothing_can_be_tried_is_no_error_of_the_code(v1, monkeypatch):
    function = factories.FunctionFactory()
    unavailable = services.runtime.Problem("unavailable", "There is no sandbox")
    monkeypatch.setattr("invoker.runtime.check", lambda *_: [unavailable])

    response = v1.post(f"/deployments/{function.pk}", v=1)

    assert error_of(response) == (503, f"{PREFIX}dm.deploy.general")
    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()
    assert found["state"] == found["lastDeployment"]["deploymentState"] == "Deploy Error"


def test_deploy_of_a_version_that_was_reviewed_alone(v1):
    function = factories.FunctionFactory()
    services.save_parts(function, code=BETTER, by="kim")

    response = v1.post(f"/deployments/{function.pk}", {"version": 1}, v=1)

    assert error_of(response) == (409, f"{PREFIX}db.error.revision")


def test_undeploy_leaves_a_draft(v1):
    function = factories.deployed(name="greet")

    response = v1.delete(f"/deployments/{function.pk}", v=1)

    assert response.status_code == 202
    assert response.json() == {"message": '"greet" is undeployed'}
    [found] = v1.get(f"/lambdas/{function.pk}", v=1).json()
    assert found["state"] == "Draft"
    assert found["lastDeployment"]["deploymentState"] == "Deploy Finish"
    again = v1.delete(f"/deployments/{function.pk}", v=1)
    assert error_of(again) == (409, f"{PREFIX}dm.action.not-allowed")


# Deleting -----------------------------------------------------------------------------------------


def test_delete_removes_what_is_not_deployed(v1):
    function = factories.FunctionFactory()
    serving = factories.deployed()

    gone = v1.delete(f"/lambdas/{function.pk}", v=1)
    refused = v1.delete(f"/lambdas/{serving.pk}", v=1)

    assert (gone.status_code, gone.content) == (204, b"")
    assert error_of(refused) == (409, f"{PREFIX}dm.action.not-allowed")
    assert list(Function.objects.all()) == [serving]
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["function.deleted"]


# Who may ------------------------------------------------------------------------------------------

CALLS = {
    "list": ("GET", "/lambdas"),
    "get": ("GET", "/lambdas/{id}"),
    "runtimes": ("GET", "/runtimes"),
    "events": ("GET", "/events"),
    "create": ("POST", "/lambdas"),
    "save": ("PUT", "/lambdas/{id}"),
    "delete": ("DELETE", "/lambdas/{id}"),
    "deploy": ("POST", "/deployments/{id}"),
    "redeploy": ("PATCH", "/deployments/{id}"),
    "undeploy": ("DELETE", "/deployments/{id}"),
}
READING = {"list", "get", "runtimes", "events"}


@pytest.mark.parametrize("scope", [Scope.ADMIN, Scope.INVOCATION])
def test_admins_and_machines_that_invoke_only_read(account, scope):
    caller = api.of_client(account, scope)
    function = factories.deployed(name="greet")

    statuses = {
        name: caller.send(
            method, path.format(id=function.pk), body={}, query={"v": "1"}
        ).status_code
        for name, (method, path) in CALLS.items()
    }

    assert statuses == {name: 200 if name in READING else 403 for name in CALLS}
    function.refresh_from_db()
    assert (function.version, function.deployment.active) == (1, True)


@pytest.mark.parametrize("function_id", [uuid.UUID(int=404), "none", "0", "9" * 60, "%00"])
def test_what_is_not_there_is_404(v1, function_id):
    for method, path in CALLS.values():
        if "{id}" in path:
            response = v1.send(method, path.format(id=function_id), body={}, query={"v": "1"})
            assert response.status_code == 404, (method, path)
            assert set(response.json()) == {"code", "message", "errorCode", "errorMsg"}


def test_functions_of_another_account_are_404(v1, outsider):
    theirs = factories.deployed(account_id="other1", name="theirs")

    for method, path in CALLS.values():
        if "{id}" in path:
            response = v1.send(method, path.format(id=theirs.pk), body={}, query={"v": "1"})
            assert response.status_code == 404, (method, path)
            assert response.json()["code"] == f"{PREFIX}function.not-found"
            assert response.json()["errorCode"] == f"{PREFIX}db.not-found"
    theirs.refresh_from_db()
    assert theirs.deployment.active
