"""Invoking functions from outside: by id, by event, and asking whether anything listens."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from houston.models import Role, Scope
from invoker import answers, calls, runtime
from invoker.api import ApiError
from invoker.gateway import running
from invoker.models import Invocation, InvocationState, LogLine
from tests import api, factories
from tests.invoker.sandboxes import sandbox_directory

PREFIX = "com.liveperson.faas."
CUSTOMER = "com.customer.faas.function."
OPENED = "controllerbot_messaging_new_conversation"
COMMAND = "conversational_command"
# What each generation of clients sends with every request.
V1 = {"v": "1", "skillId": "", "externalSystem": "testsys"}
V2: dict[str, str] = {}
COMMAND_LINE = {"v": "1", "userId": "987"}
both = pytest.mark.parametrize("query", [V1, V2, COMMAND_LINE], ids=["v1", "v2", "command-line"])
sandbox = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def machine(account):
    return api.of_client(account, Scope.INVOCATION)


@pytest.fixture
def one_sandbox():
    """The host has no more than one."""
    with sandbox_directory() as directory:
        runtime.configure(runtime.Config(directory=Path(directory), max_instances=1, stems=0))
        yield
        apps.get_app_config("invoker").ready()


def deployed(body: str, **fields: Any) -> str:
    """The id of a function whose body is JavaScript with `input` and `callback`."""
    fields.setdefault("event_type", "")
    code = f"function lambda(input, callback) {{ {body} }}"
    return str(factories.DeploymentFactory(code=code, **fields).function_id)


def invoke(machine, function_id, query=V2, body=None, **headers):
    sent = {"timestamp": 0, "payload": None} if body is None else body
    path = f"/lambdas/{function_id}/invoke"
    return machine.send("POST", path, body=sent, query=query, headers=headers)


def invoke_and_close(machine, function_id):
    """In a thread of the test, whose connection nobody else closes."""
    try:
        return invoke(machine, function_id)
    finally:
        connection.close()


def invoke_event(machine, event_id, **query):
    return machine.post(f"/events/{event_id}/invoke", {"payload": {}}, **query)


def error(response) -> tuple[int, str, str]:
    """Status and the codes of both generations; the rest of the shape is checked here."""
    said = response.json()
    assert set(said) == {"code", "message", "errorCode", "errorMsg"}
    assert said["message"] == said["errorMsg"] != ""
    return response.status_code, said["errorCode"], said["code"]


# Who may, and what is there -----------------------------------------------------------------------


@both
def test_function_that_does_not_exist_is_404(machine, query):
    response = invoke(machine, uuid.uuid4(), query)

    assert error(response) == (404, f"{PREFIX}es.missinglambda", f"{PREFIX}function.not-found")


@pytest.mark.parametrize("function_id", ["x", "7", "a-b", "%00", "é", "x" * 500])
def test_id_that_is_none_is_404(machine, function_id):
    assert invoke(machine, function_id).status_code == 404


def test_function_that_is_not_deployed_is_404_and_v1_says_so(machine):
    draft = factories.FunctionFactory()

    response = invoke(machine, draft.pk)

    assert error(response) == (404, f"{PREFIX}es.notdeployed", f"{PREFIX}function.not-found")


def test_function_that_was_undeployed_is_404(machine):
    function = factories.deployed()
    function.deployment.active = False
    function.deployment.save()

    response = invoke(machine, function.pk)

    assert error(response) == (404, f"{PREFIX}es.notdeployed", f"{PREFIX}function.not-found")


def test_function_of_another_account_does_not_exist(machine, outsider):
    theirs = factories.deployed(account_id="other1")
    draft = factories.FunctionFactory(account_id="other1")

    missing = (404, f"{PREFIX}es.missinglambda", f"{PREFIX}function.not-found")
    assert error(invoke(machine, theirs.pk)) == missing
    assert error(invoke(machine, draft.pk)) == missing


@pytest.mark.parametrize(
    "path", [f"/lambdas/{uuid.UUID(int=1)}/invoke", f"/events/{OPENED}/invoke"]
)
def test_admin_alone_may_not_invoke(account, admin, team, path):
    for who in (
        api.of_person(account, admin),
        api.of_person(account, team),
        api.of_client(account, Scope.ADMIN),
    ):
        response = who.post(path, {"payload": None})
        assert error(response)[0] == 403


def test_who_develops_may_invoke(account, developer):
    assert developer.memberships.get().role == Role.DEVELOPER
    for who in (api.of_person(account, developer), api.of_client(account, Scope.DEVELOPER)):
        assert invoke(who, uuid.uuid4()).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {},
        {"timestamp": 0},
        {"payload": 1, "headers": {}},
        {"payload": 1, "headers": ["a"]},
        {"payload": 1, "headers": [{"value": "a"}]},
        {"payload": 1, "headers": [{"key": 1}]},
        {"payload": 1, "timestamp": "now"},
        {"payload": 1, "timestamp": True},
    ],
    ids=json.dumps,
)
def test_body_that_is_no_invocation_is_bad_input(machine, body):
    function_id = deployed("callback();")

    for path in (f"/lambdas/{function_id}/invoke", f"/events/{OPENED}/invoke"):
        response = machine.send("POST", path, body=json.dumps(body))
        assert error(response) == (400, f"{PREFIX}es.badinput", f"{PREFIX}evg.invalid")


def test_body_beyond_a_mebibyte_is_413(machine):
    response = invoke(machine, uuid.uuid4(), body={"payload": "x" * 1024 * 1024})

    assert error(response)[0] == 413


# By event -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"skillId": ""}, {"skillId": "42"}])
def test_event_that_nothing_listens_to_has_no_results(machine, outsider, query):
    factories.DeploymentFactory(account_id="other1", event_type=OPENED)
    factories.DeploymentFactory(active=False, event_type=OPENED)
    factories.DeploymentFactory(event_type=COMMAND)

    response = invoke_event(machine, OPENED, **query)
    check = machine.get(f"/events/{OPENED}/isImplemented", **query)

    assert (response.status_code, response.json()) == (200, [])
    assert (check.status_code, check.json()) == (200, {"implemented": False})


def test_deployment_waits_for_others_that_end(monkeypatch):
    monkeypatch.setattr(running, "_at_once", calls.AtOnce(1))

    def deploy(_):
        with running.turn("acme1"):
            time.sleep(0.05)

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(deploy, range(10))) == [None] * 10


def test_deployment_does_not_wait_for_those_that_take_long(monkeypatch):
    monkeypatch.setattr(running, "_at_once", calls.AtOnce(1))
    monkeypatch.setattr(running, "PATIENCE_S", 0.1)
    with running.turn("acme1"):
        time.sleep(0.2)
        monkeypatch.setattr(running._turns, "wait", lambda _: pytest.fail("it waits"))

        with pytest.raises(ApiError) as refused, running.turn("acme1"):
            pass

    assert refused.value.status == 429


@pytest.mark.parametrize("event_id", ["nothing", "NEW", "%20", "x" * 300])
def test_event_that_does_not_exist_is_404(machine, event_id):
    for response in (
        invoke_event(machine, event_id),
        machine.get(f"/events/{event_id}/isImplemented"),
    ):
        assert error(response) == (404, "unknown-event", "unknown-event")


@pytest.mark.parametrize(
    ("functions", "skill_id", "matching", "implemented"),
    [
        ([[]], "", [0], True),
        ([[]], "42", [0], True),
        ([["42"]], "", [], True),
        ([["42"]], "42", [0], True),
        ([["42"]], "4", [], False),
        ([["1", "2"], ["3"]], "3", [1], True),
        ([["1", "2"], ["3"]], "", [], True),
        ([["1"], []], "", [1], True),
        ([["1"], []], "1", [0, 1], True),
        ([["1"], []], "2", [1], True),
        ([["é"]], "é", [0], True),
    ],
)
def test_skills_decide_which_functions_of_an_event_run(
    machine, functions, skill_id, matching, implemented
):
    made = [factories.DeploymentFactory(event_type=COMMAND, skills=skills) for skills in functions]

    found = running.listening(factories.ACCOUNT_ID, COMMAND, skill_id)
    check = machine.get(f"/events/{COMMAND}/isImplemented", v="1", skillId=skill_id)

    assert found == [made[number] for number in matching]
    assert check.json() == {"implemented": implemented}


@pytest.mark.parametrize(
    ("outcome", "code", "status", "v1", "v2"),
    [
        ("TIMEOUT", "execution-time-exceeded", 901, "handler.executiontime-exceeded", ""),
        ("CODING_FAILURE", "custom-failure", 901, "handler.custom-failure", ""),
        ("CODING_FAILURE", "memory-exceeded", 901, "handler.runtime-exception", ""),
        ("CODING_FAILURE", "no-result", 901, "handler.runtime-exception", ""),
        ("PLATFORM_FAILURE", "unavailable", 500, "es.general", "evg.general"),
        ("PLATFORM_FAILURE", "crashed", 500, "es.general", "evg.general"),
        ("UNKNOWN", "", 500, "es.general", "evg.general"),
    ],
)
def test_only_trouble_of_the_platform_is_answered_so_that_clients_try_again(
    outcome, code, status, v1, v2
):
    failure = runtime.Failure(code, "Error", "why") if code else None

    refusal = answers.refusal(runtime.Result(runtime.Outcome(outcome), failure=failure))

    assert (refusal.status, refusal.v1_code) == (status, PREFIX + v1)
    assert refusal.v2_code.startswith(PREFIX + v2 if v2 else CUSTOMER)


# In a real sandbox --------------------------------------------------------------------------------


class TestRunning:
    pytestmark = sandbox

    @pytest.mark.parametrize(
        ("result", "sent"),
        [
            ("'text'", b'"text"'),
            ("''", b'""'),
            ("undefined", b"null"),
            ("null", b"null"),
            ("0", b"0"),
            ("false", b"false"),
            ("[]", b"[]"),
            ("{ a: { b: [1.5, '\\u00e9\\0'] } }", b'{"a":{"b":[1.5,"\xc3\xa9\\u0000"]}}'),
        ],
    )
    def test_result_is_sent_bare_as_json(self, machine, result, sent):
        function_id = deployed(f"callback(null, {result});")

        for query in (V1, V2):
            response = invoke(machine, function_id, query)
            assert response.status_code == 200
            assert response.content == sent
            assert response["Content-Type"] == "application/json"

    def test_command_line_sees_what_was_logged(self, machine):
        function_id = deployed("console.warn('careful', { a: 1 }); callback(null, 7);")

        response = invoke(machine, function_id, COMMAND_LINE)

        said = response.json()
        [entry] = said["logs"]
        assert response.status_code == 200
        assert said == {"result": 7, "logs": [entry]}
        assert abs(entry.pop("timestamp") / 1000 - time.time()) < 60
        assert entry == {"level": "Warn", "message": "careful", "extras": [{"a": 1}]}

    def test_function_receives_what_was_sent(self, machine):
        function_id = deployed("callback(null, input);")
        body = {"timestamp": 5, "headers": [{"key": "h", "value": "v"}], "payload": {"a": [None]}}

        assert invoke(machine, function_id, body=body | {"more": 1}).json() == body
        told = invoke(machine, function_id, body={"payload": 10**30}).json()
        assert abs(told.pop("timestamp") / 1000 - time.time()) < 60
        assert told["headers"] == []

    @pytest.mark.parametrize(
        ("body", "v1", "v2", "message"),
        [
            ("callback(new Error('no'));", "custom-failure", "threw-error", "no"),
            ("throw new Error('no');", "custom-failure", "threw-error", "no"),
            ("callback('no');", "custom-failure", "threw-error", "no"),
            ("unknown();", "runtime-exception", "js-runtime-error", "unknown is not defined"),
            ("throw new TypeError('no');", "runtime-exception", "js-runtime-error", "no"),
            (
                "callback(null, 'x'.repeat(300000));",
                "runtime-exception",
                "js-runtime-error",
                "The result has 300002 characters, at most 262144 are taken",
            ),
        ],
    )
    def test_function_that_fails_is_901(self, machine, body, v1, v2, message):
        function_id = deployed(body)

        for query in (V1, V2):
            response = invoke(machine, function_id, query)
            assert response.reason_phrase == "Lambda Error"
            assert error(response) == (901, f"{PREFIX}handler.{v1}", CUSTOMER + v2)
            assert response.json()["message"] == message

    def test_command_line_sees_what_a_failed_run_logged(self, machine):
        function_id = deployed("console.error('why'); throw new Error('no');")

        said = invoke(machine, function_id, COMMAND_LINE).json()

        assert [entry["message"] for entry in said.pop("errorLogs")] == ["why"]
        assert said == {
            "errorCode": f"{PREFIX}handler.custom-failure",
            "errorMsg": "no",
            "code": f"{CUSTOMER}threw-error",
            "message": "no",
        }

    @both
    def test_function_that_runs_too_long_is_901(self, machine, settings, query):
        settings.INVOCATION_TIMEOUT_S = 0.3
        function_id = deployed("for (;;);")

        response = invoke(machine, function_id, query)
        said = response.json()

        assert response.status_code == 901
        assert said["errorCode"] == f"{PREFIX}handler.executiontime-exceeded"
        assert said["code"] == f"{CUSTOMER}execution-exceeded"
        assert said["message"] == "The function did not end within 0.3 s and was stopped"

    def test_function_that_logs_too_much_succeeds_and_the_log_says_so(self, machine):
        function_id = deployed("for (let i = 0; i < 12; i++) console.info(i); callback(null, 1);")

        said = invoke(machine, function_id, COMMAND_LINE).json()

        assert said["result"] == 1
        assert len(said["logs"]) == 11
        assert said["logs"][-1]["extras"] == [{"code": "log-limit-reached", "dropped": 2}]

    def test_run_is_kept_with_who_asked_and_what_was_logged(self, account, machine):
        function_id = deployed("console.info('hi'); callback(null, console.getTraceId());")
        request_id = "9db52a6a-fd2d-47cf-926d-f7c958391ba1"

        response = invoke(machine, function_id, V1, **{"X-Request-ID": request_id})

        ran = Invocation.objects.get()
        assert response["X-Request-ID"] == request_id
        assert response.json() == str(ran.pk)
        assert (ran.account_id, str(ran.function_id), ran.event) == ("acme1", function_id, None)
        assert (ran.outcome, ran.result) == (InvocationState.SUCCEEDED, str(ran.pk))
        assert (ran.source, ran.request_id) == ("testsys", request_id)
        assert ran.invoked_by == f"API client {account.api_clients.get().name}"
        assert ran.started_at <= ran.finished_at
        assert LogLine.objects.get(invocation=ran).message == "hi"

    def test_run_that_failed_is_kept_too(self, machine):
        function_id = deployed("throw new Error('no');")

        invoke(machine, function_id, V2, **{"LP-EventSource": "evsrc\0é"})

        ran = Invocation.objects.get()
        assert ran.outcome == InvocationState.CODING_FAILURE
        assert ran.failure["message"] == "no"
        assert ran.source.startswith("evsrc")

    def test_event_has_the_results_of_all_its_functions(self, machine):
        ids = [
            deployed(f"callback(null, [{number}, input.payload]);", event_type=COMMAND)
            for number in range(3)
        ]

        response = invoke_event(machine, COMMAND, **V1)

        said = response.json()
        assert response.status_code == 200
        assert all(abs(one.pop("timestamp") / 1000 - time.time()) < 60 for one in said)
        assert said == [{"uuid": ids[n], "result": [n, {}]} for n in range(3)]
        assert Invocation.objects.filter(outcome=InvocationState.SUCCEEDED).count() == 3

    def test_functions_of_an_event_run_side_by_side(self, machine):
        for _ in range(4):
            deployed("setTimeout(() => callback(null, 1), 1000);", event_type=COMMAND)

        answer = invoke_event(machine, COMMAND).json()

        assert [one["result"] for one in answer] == [1] * 4
        began = [one["timestamp"] for one in answer]
        # One after the other the last would begin 3 s after the first.
        assert max(began) - min(began) < 2000

    def test_function_that_waits_for_another_begins_after_it(self, machine, monkeypatch):
        monkeypatch.setattr(running, "SIDE_BY_SIDE", 1)
        for _ in range(2):
            deployed("setTimeout(() => callback(null, 1), 400);", event_type=COMMAND)

        first, second = (one["timestamp"] for one in invoke_event(machine, COMMAND).json())

        assert second - first >= 400

    def test_one_function_that_fails_is_the_answer_of_the_event(self, machine):
        deployed("callback(null, 1);", event_type=COMMAND)
        deployed("throw new Error('no');", event_type=COMMAND)

        response = invoke_event(machine, COMMAND, **V1)

        assert error(response) == (901, f"{PREFIX}handler.custom-failure", f"{CUSTOMER}threw-error")

    def test_failure_keeps_those_that_wait_from_running(self, machine, monkeypatch):
        monkeypatch.setattr(running, "SIDE_BY_SIDE", 1)
        deployed("throw new Error('no');", event_type=COMMAND)
        for _ in range(5):
            deployed("setTimeout(() => callback(), 200);", event_type=COMMAND)

        assert invoke_event(machine, COMMAND).status_code == 901

        assert Invocation.objects.count() <= 2

    def test_functions_of_an_event_share_the_time_until_the_client_gives_up(
        self, machine, monkeypatch
    ):
        monkeypatch.setattr(running, "ANSWERED_WITHIN_S", 4.0)
        monkeypatch.setattr(running, "SIDE_BY_SIDE", 1)
        for _ in range(3):
            deployed("setTimeout(() => callback(), 800);", event_type=COMMAND)

        response = invoke_event(machine, COMMAND)

        assert error(response)[1] == f"{PREFIX}handler.executiontime-exceeded"

    def test_account_keeps_some_threads_free(self, machine, outsider):
        other = api.of_client(outsider.memberships.first().account)
        slow = deployed("setTimeout(() => callback(null, 1), 1500);")
        quick = deployed("callback(null, 2);", account_id="other1")
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(invoke_and_close, machine, slow) for _ in range(8)]
            ends_at = time.monotonic() + 10
            while running._at_once._running["acme1"] < 8 and time.monotonic() < ends_at:
                time.sleep(0.01)
            refused = invoke(machine, slow)
            answered = invoke(other, quick)

        assert error(refused) == (429, "too-many-at-once", "too-many-at-once")
        assert refused["Retry-After"] == "1"
        assert (answered.status_code, answered.json()) == (200, 2)
        assert [one.result().status_code for one in asked] == [200] * 8
        assert invoke(machine, slow).status_code == 200

    @pytest.mark.usefixtures("one_sandbox")
    def test_no_free_sandbox_is_429_and_soon(self, machine, settings):
        settings.SANDBOX_WAIT_S = 0.2
        slow = deployed("setTimeout(() => callback(null, 1), 1500);")
        quick = deployed("callback(null, 2);")
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(invoke_and_close, machine, slow)
            ends_at = time.monotonic() + 10
            while runtime.report().instances < 1 and time.monotonic() < ends_at:
                time.sleep(0.01)
            refused = invoke(machine, quick)

        assert error(refused) == (429, f"{PREFIX}es.general", f"{PREFIX}evg.general")
        assert refused["Retry-After"] == "1"
        assert asked.result().status_code == 200

    def test_few_questions_are_asked_of_the_database(self, machine):
        function_id = deployed("callback(null, 1);")
        invoke(machine, function_id)

        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert invoke(machine, function_id).json() == 1

        # The client, the deployment, the allow-list, the run.
        assert [query["sql"].split()[0] for query in asked] == [
            "SELECT", "SELECT", "SELECT", "BEGIN", "INSERT", "COMMIT",
        ]  # fmt: skip
