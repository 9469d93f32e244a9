"""What functions are answered: secrets, the limit of requests, remembered context, each other."""

import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from invoker import calls, context, runtime
from invoker.calls import Buckets, Calls
from invoker.models import (
    ContextNamespace,
    ContextProperty,
    Invocation,
    InvocationState,
    LogLine,
    Secret,
)
from tests import factories

FUNCTION = uuid.UUID(int=7)
PREFIX = "com.liveperson.faas."
db = pytest.mark.django_db


def mine(**circumstances: Any) -> Calls:
    return Calls(factories.ACCOUNT_ID, FUNCTION, "greet", **circumstances)


def theirs() -> Calls:
    return Calls("other1", uuid.UUID(int=8), "peek")


def refusal(op: str, arguments: Any, asking: Calls | None = None) -> runtime.CallError:
    with pytest.raises(runtime.CallError) as caught:
        (asking or mine()).answer(op, arguments)
    return caught.value


# Any call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "op", ["", "secret", "secret.delete", "__class__", "s" * 10_000, "\0\ud800"]
)
def test_unknown_call_is_refused_without_repeating_it(op: str) -> None:
    error = refusal(op, {})

    assert error.code == f"{PREFIX}unknown-call"
    assert len(str(error)) < 100


@pytest.mark.parametrize("arguments", [None, 1, "key", [], [["key", "a"]], {}, {"key": 1}, True])
@pytest.mark.parametrize(
    ("op", "code"),
    [
        ("secret.read", "secret.invalid-format"),
        ("secret.update", "secret.invalid-format"),
        ("orchestrator.invoke", "orchestrator-fn-general"),
        ("context.createNamespace", "context.invalid"),
        ("context.setPropertiesInNamespace", "context.invalid"),
        ("context.getProperties", "context.invalid"),
        ("context.deleteSession", "context.invalid"),
    ],
)
def test_arguments_of_a_wrong_shape_are_refused(op: str, code: str, arguments: Any) -> None:
    assert refusal(op, arguments).code == PREFIX + code


@db
def test_arguments_cannot_name_an_account() -> None:
    factories.SecretFactory(account_id="other1", key="token")

    error = refusal("secret.read", {"key": "token", "accountId": "other1", "account_id": "other1"})

    assert error.code == f"{PREFIX}secret.not-found"


# Secrets ------------------------------------------------------------------------------------------


@db
@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ('"sesame"', "sesame"),
        ("42", 42),
        ('{"user":"a","pin":[1,null]}', {"user": "a", "pin": [1, None]}),
    ],
)
def test_secret_is_read_as_it_was_put_in(stored: str, value: Any) -> None:
    factories.SecretFactory(key="token", value=stored)

    assert mine().answer("secret.read", {"key": "token"}) == {"key": "token", "value": value}


@db
@pytest.mark.parametrize("key", ["token", "", "a b", "../token", "\0", "\ud800", "k" * 5000])
def test_secret_that_the_account_has_not_is_not_found(key: str) -> None:
    factories.SecretFactory(account_id="other1", key="token")

    error = refusal("secret.read", {"key": key})

    assert error.code == f"{PREFIX}secret.not-found"
    assert "sesame" not in str(error)


@db
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("new", "string"),
        (7, "number"),
        (1.5, "number"),
        (True, "json"),
        (None, "json"),
        ({"a": []}, "json"),
    ],
)
def test_secret_is_updated_and_takes_the_type_of_its_value(value: Any, kind: str) -> None:
    factories.SecretFactory(key="token")

    answer = mine().answer("secret.update", {"key": "token", "value": value})

    secret = Secret.objects.get()
    assert answer == {"key": "token", "value": value}
    assert mine().answer("secret.read", {"key": "token"})["value"] == value
    assert (secret.type, secret.updated_by) == (kind, "function greet")


@db
@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("missing", "a", "secret.not-found"),
        ("theirs", "a", "secret.not-found"),
        ("LIVEPERSON_DEFAULT_APP_KEY", "a", "secret.forbidden"),
        ("lp-faas-default-app-key", "a", "secret.forbidden"),
        ("token", "a" * 16_385, "secret.invalid-format"),
        ("token", ["a" * 16_385], "secret.invalid-format"),
        ("token", "\ud800", "secret.invalid-format"),
        ("token", {"\udfff": 1}, "secret.invalid-format"),
    ],
)
def test_update_that_is_not_to_be_changes_nothing(key: str, value: Any, code: str) -> None:
    factories.SecretFactory(account_id="other1", key="theirs")
    for mine_too in ("LIVEPERSON_DEFAULT_APP_KEY", "lp-faas-default-app-key", "token"):
        factories.SecretFactory(key=mine_too)

    assert refusal("secret.update", {"key": key, "value": value}).code == PREFIX + code
    assert {one.value for one in Secret.objects.all()} == {'"sesame"'}


@db
def test_system_secret_can_be_read() -> None:
    factories.SecretFactory(key="lp-faas-default-app-key", value='{"consumerKey":"k"}')

    answer = mine().answer("secret.read", {"key": "lp-faas-default-app-key"})

    assert answer["value"] == {"consumerKey": "k"}


@db
def test_longest_secret_fits() -> None:
    factories.SecretFactory(key="token")
    longest = '"' * 16_384

    mine().answer("secret.update", {"key": "token", "value": longest})

    assert mine().answer("secret.read", {"key": "token"})["value"] == longest


@db
def test_secret_is_not_readable_in_the_database() -> None:
    factories.SecretFactory(key="token", value='"open-sesame"')
    mine().answer("secret.update", {"key": "token", "value": "new-sesame"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM invoker_secret")
        row = cursor.fetchone()

    assert "sesame" not in repr(row)


@db
def test_secret_of_a_lost_key_is_a_failure_of_the_store(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    factories.SecretFactory(key="token")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    error = refusal("secret.read", {"key": "token"})

    assert error.code == f"{PREFIX}secret.op-failed"
    assert "sesame" not in caplog.text


# The limit of requests ----------------------------------------------------------------------------


def test_twenty_requests_a_second_are_permitted_for_each_function() -> None:
    now = 0.0
    buckets = Buckets(20, clock=lambda: now)
    other = uuid.UUID(int=9)

    at_once = [buckets.take(FUNCTION) for _ in range(25)]
    now = 0.5
    later = [buckets.take(FUNCTION) for _ in range(15)]
    now = 100.0
    rested = [buckets.take(FUNCTION) for _ in range(25)]

    assert at_once.count(True) == 20
    assert later.count(True) == 10
    assert rested.count(True) == 20
    assert buckets.take(other)


def test_buckets_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_BUCKETS", 3)
    buckets = Buckets(1, clock=lambda: 0.0)
    functions = [uuid.UUID(int=number) for number in range(5)]

    first = [buckets.take(one) for one in functions]

    assert all(first)
    assert not buckets.take(functions[4])
    assert buckets.take(functions[0])


def test_requests_over_the_limit_are_not_permitted() -> None:
    asking = Calls(factories.ACCOUNT_ID, uuid.uuid4())

    answers = [asking.answer("http.permit", {}) for _ in range(25)]

    assert answers[:20] == [True] * 20
    assert answers[-1] is False


# Context ------------------------------------------------------------------------------------------


def write(
    properties: Any, session: str = "s", namespace: str = "orders", asking: Any = None
) -> Any:
    arguments = {"namespace": namespace, "session": session, "properties": properties}
    return (asking or mine()).answer("context.setPropertiesInNamespace", arguments)


def read(
    names: Any = None, session: str = "s", namespace: str = "orders", asking: Any = None
) -> Any:
    arguments = {"namespace": namespace, "session": session, "names": names}
    return (asking or mine()).answer("context.getProperties", arguments)


@db
def test_written_properties_are_read_and_others_stay() -> None:
    values = {"a": 1, "b": {"c": [None, "é\0"]}, "nothing": None, "🙂 x": True}

    answer = write(values)
    mine().answer(
        "context.updatePropertiesInNamespace",
        {"namespace": "orders", "session": "s", "properties": {"a": 2}},
    )

    assert answer == values
    assert read() == {**values, "a": 2}
    assert read(["nothing", "missing"]) == {"nothing": None}
    assert read(session="other") == {}
    assert read(namespace="missing") == {}


@db
def test_namespaces_and_sessions_are_listed() -> None:
    created = mine().answer("context.createNamespace", {"namespace": "orders", "ttl": 60})
    again = mine().answer("context.createNamespace", {"namespace": "orders"})
    write({"a": 1}, session="two")
    write({"a": 1, "b": 2}, session="one")
    write({"a": 1}, namespace="made-by-writing")

    listed = mine().answer("context.getListOfNamespaces", {})

    assert created["name"] == "orders"
    assert created["ttlSecond"] == 60
    assert again == created
    assert [one["name"] for one in listed] == ["made-by-writing", "orders"]
    assert "ttlSecond" not in listed[0]
    assert mine().answer("context.getListOfSessions", {"namespace": "orders"}) == ["one", "two"]
    assert mine().answer("context.getListOfSessions", {"namespace": "missing"}) == []


@db
def test_what_is_deleted_is_gone_and_may_be_deleted_again() -> None:
    write({"a": 1, "b": 2})
    write({"a": 1}, session="t")
    write({"a": 1}, namespace="kept")
    asked = {"namespace": "orders", "session": "s"}

    for _ in range(2):
        mine().answer("context.deletePropertyInSession", {**asked, "name": "a"})
    one_left = read()
    for _ in range(2):
        mine().answer("context.deleteSession", asked)
    others_left = read(session="t")
    for _ in range(2):
        mine().answer("context.deleteNamespace", {"namespace": "orders"})

    assert one_left == {"b": 2}
    assert others_left == {"a": 1}
    assert ContextNamespace.objects.get().name == "kept"
    assert ContextProperty.objects.count() == 1


@db
def test_context_of_another_account_is_out_of_reach() -> None:
    write({"a": "ours"})
    asked = {"namespace": "orders", "session": "s"}

    theirs().answer("context.deletePropertyInSession", {**asked, "name": "a"})
    theirs().answer("context.deleteSession", asked)
    theirs().answer("context.deleteNamespace", {"namespace": "orders"})
    empty = read(asking=theirs())
    write({"a": "theirs"}, asking=theirs())

    assert empty == {}
    assert read() == {"a": "ours"}
    assert len(theirs().answer("context.getListOfNamespaces", {})) == 1


@db
def test_property_ends_its_ttl_after_it_was_last_written() -> None:
    mine().answer("context.createNamespace", {"namespace": "orders", "ttl": 60})
    write({"old": 1, "kept": 1})
    past = timezone.now() - dt.timedelta(seconds=1)
    ContextProperty.objects.update(expires_at=past)

    write({"kept": 2}, session="t")
    names = set(ContextProperty.objects.values_list("name", flat=True))
    left = ContextProperty.objects.get().expires_at

    assert read() == {}
    assert names == {"kept"}
    assert left is not None
    assert 50 < (left - timezone.now()).total_seconds() <= 60


@pytest.mark.parametrize(
    ("op", "arguments", "code"),
    [
        *(
            ("context.createNamespace", {"namespace": name}, "forbidden")
            for name in ("faas", "consumer", "custom", "operational", "conversation", "sde")
        ),
        ("context.deleteNamespace", {"namespace": "faas"}, "forbidden"),
        ("context.getListOfSessions", {"namespace": "faas"}, "forbidden"),
        ("context.createNamespace", {"namespace": ""}, "invalid"),
        ("context.createNamespace", {"namespace": "a b"}, "invalid"),
        ("context.createNamespace", {"namespace": "\ud800"}, "invalid"),
        ("context.createNamespace", {"namespace": "n" * 101}, "invalid"),
        ("context.createNamespace", {"namespace": "n", "ttl": -1}, "invalid"),
        ("context.createNamespace", {"namespace": "n", "ttl": 10**30}, "invalid"),
        ("context.createNamespace", {"namespace": "n", "ttl": "1"}, "invalid"),
        ("context.deleteSession", {"namespace": "n", "session": "\0"}, "invalid"),
        ("context.deleteSession", {"namespace": "n", "session": "s" * 201}, "invalid"),
        ("context.getProperties", {"namespace": "n", "session": "s", "names": [1]}, "invalid"),
    ],
)
def test_names_that_cannot_be_are_refused(op: str, arguments: Any, code: str) -> None:
    error = refusal(op, arguments)

    assert error.code == f"{PREFIX}context.{code}"
    assert len(str(error)) < 200
    assert str(error).encode()


@db
@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"": 1}, "invalid"),
        ({"n" * 101: 1}, "invalid"),
        ({"a\ud800": 1}, "invalid"),
        ({"a": "\ud800"}, "invalid"),
        ({"a": "x" * 16_384}, "limit-reached"),
        ({str(number): 1 for number in range(1001)}, "limit-reached"),
        ({str(number): "x" * 16_000 for number in range(51)}, "limit-reached"),
    ],
)
def test_properties_that_do_not_fit_change_nothing(properties: Any, code: str) -> None:
    with pytest.raises(runtime.CallError) as caught:
        write({"fits": 1, **properties})

    assert caught.value.code == f"{PREFIX}context.{code}"
    assert not ContextProperty.objects.exists()


@db
def test_session_takes_no_more_than_its_limit_over_several_writes() -> None:
    write({str(number): 1 for number in range(1000)})

    with pytest.raises(runtime.CallError, match="at most 1000 properties"):
        write({"more": 1})
    write({"7": "changed"})

    assert read(["7", "more"]) == {"7": "changed"}


@db
def test_account_has_no_more_namespaces_than_its_limit() -> None:
    for number in range(context.MAX_NAMESPACES):
        mine().answer("context.createNamespace", {"namespace": f"n{number}"})

    assert refusal("context.createNamespace", {"namespace": "more"}).code == context.LIMIT_REACHED
    assert mine().answer("context.createNamespace", {"namespace": "n1"})["name"] == "n1"
    assert theirs().answer("context.createNamespace", {"namespace": "more"})["name"] == "more"


# Programs -----------------------------------------------------------------------------------------


@db
def test_program_has_the_hosts_of_its_account_and_another_key_for_other_hosts(
    settings: Any,
) -> None:
    settings.LIVEPERSON_CSDS = "http://csds.test"
    deployment = factories.DeploymentFactory(environment={"NAME": "v"})
    factories.AllowedDomainFactory(domain="b.example.com")
    factories.AllowedDomainFactory(domain="*.a.example.com")
    factories.AllowedDomainFactory(account_id="other1", domain="theirs.example.com")

    before = calls.program(deployment)
    same = calls.program(deployment)
    factories.AllowedDomainFactory(domain="c.example.com")
    after = calls.program(deployment)

    assert before.hosts == ("*.a.example.com", "b.example.com")
    assert before.key == same.key
    assert before.key != after.key
    assert str(deployment.pk) in str(after.key)
    assert before.facts == {
        "accountId": "acme1",
        "functionId": str(deployment.function_id),
        "liveperson": {"csds": "http://csds.test"},
    }
    assert before.environment["NAME"] == "v"
    assert before.environment["BRAND_ID"] == "acme1"
    assert before.environment["X_LIVEPERSON_CSDS_DOMAIN"] == "csds.test"


@db
def test_program_asks_the_database_once(django_assert_num_queries: Any) -> None:
    deployment = factories.DeploymentFactory()

    with django_assert_num_queries(1):
        calls.program(deployment)


# Functions that invoke each other, in a real sandbox ----------------------------------------------

sandbox = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]


def invoke(function_id: Any, *, asking: Calls | None = None, **arguments: Any) -> dict[str, Any]:
    """Invoke as the runtime does: the answer is made in a thread of its own."""
    asked = {"uuid": str(function_id), "payload": None, "timeoutMs": 10_000, **arguments}
    later: Callable[[], dict[str, Any]] = (asking or mine()).answer("orchestrator.invoke", asked)
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(later())
        except runtime.CallError as error:
            found.append({"error": error.code})

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    answer: dict[str, Any] = found[0]
    return answer


def deployed(source: str, **fields: Any) -> uuid.UUID:
    deployment = factories.DeploymentFactory(code=source, event_type="", **fields)
    return deployment.function_id


class TestInvoking:
    pytestmark = sandbox

    def test_account_that_invokes_too_many_at_once_is_told_to_try_again(self) -> None:
        function_id = deployed("function lambda(input, callback) { callback(null, 1); }")
        asking = mine()
        for _ in range(calls.MOST_INVOKED_AT_ONCE):
            assert calls._invoked.begin(factories.ACCOUNT_ID)

        refused = invoke(function_id, asking=asking)
        for _ in range(calls.MOST_INVOKED_AT_ONCE):
            calls._invoked.end(factories.ACCOUNT_ID)
        answered = invoke(function_id, asking=asking)

        assert refused["statusCode"] == 429
        assert "16 functions of this account" in refused["body"]["message"]
        assert answered["body"] == 1

    def test_function_gets_payload_and_headers_and_its_run_is_kept(self) -> None:
        function_id = deployed(
            "function lambda(input, callback) { console.info('hi'); callback(null, input); }"
        )
        headers = [{"key": "X-A", "value": "1"}]

        answer = invoke(function_id, payload={"a": [1]}, headers=headers)

        ran = Invocation.objects.get()
        assert answer["uuid"] == str(function_id)
        assert answer["statusCode"] == 200
        assert answer["body"]["payload"] == {"a": [1]}
        assert answer["body"]["headers"] == headers
        assert answer["body"]["timestamp"] > 1_600_000_000_000
        assert (ran.account_id, ran.function_id, ran.event) == ("acme1", function_id, None)
        assert ran.outcome == InvocationState.SUCCEEDED
        assert LogLine.objects.get(invocation=ran).message == "hi"

    @pytest.mark.parametrize(
        "function_id", ["", "x", "../..", "7", "\0" * 40, str(uuid.UUID(int=9))]
    )
    def test_unknown_function_is_404(self, function_id: str) -> None:
        answer = invoke(function_id)

        assert answer["statusCode"] == 404
        assert answer["body"]["code"] == f"{PREFIX}function.not-found"
        assert answer["body"]["errorCode"] == f"{PREFIX}es.missinglambda"

    @pytest.mark.parametrize("fields", [{"account_id": "other1"}, {"active": False}])
    def test_function_of_another_account_and_one_out_of_service_are_404(self, fields: Any) -> None:
        function_id = deployed("function lambda(input, callback) { callback(); }", **fields)

        answer = invoke(function_id)

        assert answer["statusCode"] == 404
        assert not Invocation.objects.exists()

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("callback(new Error('no'))", "com.customer.faas.function.threw-error"),
            ("null.x", "com.customer.faas.function.js-runtime-error"),
        ],
    )
    def test_failure_of_the_function_is_901(self, body: str, code: str) -> None:
        function_id = deployed(f"function lambda(input, callback) {{ {body}; }}")

        answer = invoke(function_id)

        assert answer["statusCode"] == 901
        assert answer["body"]["code"] == code
        assert answer["body"]["errorMsg"] == answer["body"]["message"] != ""
        assert Invocation.objects.get().outcome == InvocationState.CODING_FAILURE

    def test_function_that_takes_longer_than_its_caller_waits_is_a_timeout(self) -> None:
        function_id = deployed("function lambda(input, callback) { for (;;); }")

        answer = invoke(function_id, timeoutMs=300)

        assert answer == {"error": f"{PREFIX}orchestrator-fn.invoke.timeout"}
        assert Invocation.objects.get().outcome == InvocationState.TIMEOUT

    def test_functions_do_not_invoke_each_other_for_ever(self) -> None:
        error = refusal(
            "orchestrator.invoke", {"uuid": "x", "timeoutMs": 1000}, mine(depth=calls.MAX_DEPTH)
        )

        assert error.code == f"{PREFIX}orchestrator-fn.invoke.too-deep"

    def test_function_in_the_sandbox_reads_its_secret_and_no_others(self) -> None:
        factories.SecretFactory(key="token")
        factories.SecretFactory(account_id="other1", key="theirs", value='"hidden"')
        function_id = deployed(READS_SECRETS)

        answer = invoke(function_id)

        assert answer["body"] == ["sesame", f"{PREFIX}secret.not-found"]
        assert "hidden" not in json.dumps(answer)

    def test_circle_of_functions_is_broken_and_every_run_is_kept(self) -> None:
        function_id = deployed(INVOKES_ITSELF)

        answer = invoke(function_id, payload=1, timeoutMs=25_000)

        assert answer["body"] == [1, 2, 3, 4, 5, f"{PREFIX}orchestrator-fn.invoke.too-deep"]
        assert Invocation.objects.filter(outcome=InvocationState.SUCCEEDED).count() == 5

    def test_draft_has_what_a_deployment_has(self) -> None:
        factories.SecretFactory(key="token")
        program = calls.draft(
            factories.ACCOUNT_ID, FUNCTION, "greet", code=REMEMBERS, environment={"NAME": "v"}
        )

        result = runtime.run(program, {})

        assert result.value == {"count": 1, "name": "v", "brand": "acme1", "secret": "sesame"}
        assert read(namespace="counts", session="__default__") == {"count": 1}


READS_SECRETS = """
const { Toolbelt } = require("lp-faas-toolbelt");
async function lambda(input, callback) {
  const secrets = Toolbelt.SecretClient();
  const mine = await secrets.readSecret("token");
  const theirs = await secrets.readSecret("theirs").catch((error) => error.code);
  callback(null, [mine.value, theirs]);
}
"""

INVOKES_ITSELF = """
const { Toolbelt } = require("lp-faas-toolbelt");
async function lambda(input, callback) {
  const level = input.payload;
  const next = { uuid: process.env.LAMBDA_UUID, payload: level + 1, retries: 1 };
  try {
    const [answer] = await Toolbelt.OrchestratorClient().invoke([next], 20000);
    callback(null, [level, ...answer.body]);
  } catch (error) {
    callback(null, [level, error.code]);
  }
}
"""

REMEMBERS = """
const { Toolbelt } = require("core-functions-toolbelt");
async function lambda(input) {
  const context = Toolbelt.ContextServiceClient("any key");
  await context.setPropertiesInNamespace("counts", { count: 1 });
  const secret = await Toolbelt.SecretClient().readSecret("token");
  const { NAME: name, BRAND_ID: brand } = process.env;
  const count = await context.getPropertyInSession("counts", "count");
  return { count, name, brand, secret: secret.value };
}
"""
