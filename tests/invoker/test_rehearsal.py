"""A function that rehearses: on a network with a real server, which hears of it only when asked."""

import uuid
from dataclasses import replace

import pytest

from invoker import context, rehearsal, runtime, vault
from invoker.models import Invocation, LogLine, SecretUse
from tests import factories, namespace
from tests.namespace import Answer

HOST, OTHER = "api.example.com", "elsewhere.example.com"
FETCHES = """async function lambda(input) {
  const answer = await fetch(input.url, { method: "POST", body: "hello" });
  return [answer.status, await answer.text()];
}
"""
COUNTS = "let seen = 0;\nfunction lambda(input, callback) { seen += 1; callback(null, seen); }\n"


@pytest.fixture(scope="module")
def world():
    with namespace.world() as made:
        yield made


@pytest.fixture
def server(world, monkeypatch):
    """`HOST` answers, and is on the account's allow-list; `OTHER` answers, and is not."""
    world.forget()
    for host in (HOST, OTHER):
        world.serve(host, {"/": Answer(200, {}, b"served")})
    factories.AllowedDomainFactory(domain=HOST)
    monkeypatch.setattr(runtime, "_pool", world.pool())
    return world


def rehearse(account, source, event, *, network=False):
    platform = rehearsal.Platform(account.pk, uuid.uuid4(), network=network)
    program = rehearsal.program(
        account.pk, uuid.uuid4(), "greet", code=source, environment={}, platform=platform
    )
    return runtime.run(program, event, timeout_s=10), platform.marks


@pytest.mark.runtime
def test_no_request_leaves_and_no_name_is_asked_for(account, server):
    result, marks = rehearse(account, FETCHES, {"url": f"http://{HOST}/"})

    assert "no request leaves a rehearsal" in result.failure.message
    assert marks == {rehearsal.Mark.NETWORK}
    assert (server.connections(), server.dns_queries()) == ([], [])


@pytest.mark.runtime
def test_request_leaves_when_the_network_is_allowed(account, server):
    result, marks = rehearse(account, FETCHES, {"url": f"http://{HOST}/"}, network=True)

    [request] = server.requests()
    assert result.value == [200, "served"]
    assert (request.host, request.method, request.body) == (HOST, "POST", b"hello")
    assert marks == {rehearsal.Mark.REQUEST}


@pytest.mark.runtime
@pytest.mark.parametrize("url", [f"http://{OTHER}/", "http://10.0.0.5/", f"http://{HOST}:8080/"])
def test_only_the_allow_list_may_be_reached_with_the_network(account, server, url):
    result, _ = rehearse(account, FETCHES, {"url": url}, network=True)

    assert result.failure.name == "NotCapable"
    assert server.requests() == []


ASKS_FOR_BOTH = """const { Toolbelt } = require("lp-faas-toolbelt");
async function lambda(input) {
  const refused = await Promise.all([
    fetch(input.refused).catch((error) => error.name),
    Toolbelt.HTTPClient()(input.refused, { simple: false, resolveWithFullResponse: true })
      .then((answer) => answer.statusCode),
  ]);
  const sent = await Promise.all(input.allowed.map((url) => fetch(url)));
  return [...refused, ...sent.map((answer) => answer.status)];
}
"""


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("allowed", "marks"),
    [
        ([], {rehearsal.Mark.FORBIDDEN}),
        ([f"http://{HOST}/"], {rehearsal.Mark.FORBIDDEN, rehearsal.Mark.REQUEST}),
    ],
)
def test_request_that_the_allow_list_refuses_was_not_sent(account, server, allowed, marks):
    urls = {"refused": "http://127.0.0.1:8107/", "allowed": allowed}

    result, marked = rehearse(account, ASKS_FOR_BOTH, urls, network=True)

    assert result.value == ["NotCapable", 403] + [200] * len(allowed)
    assert (marked, len(server.requests())) == (marks, len(allowed))


@pytest.mark.runtime
def test_request_over_the_rate_was_not_sent(account):
    platform = rehearsal.Platform(account.pk, uuid.uuid4(), network=True)
    for _ in range(25):
        platform.answer("http.permit", {})
        platform.marks.clear()

    assert platform.answer("http.permit", {}) is False
    assert platform.marks == set()


@pytest.mark.runtime
def test_run_with_the_network_sends_no_more_than_a_real_one(account, server):
    floods = """async function lambda(input) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(input.url)));
      return answers.map((one) => one.status);
    }"""

    result, _ = rehearse(account, floods, {"url": f"http://{HOST}/"}, network=True)

    assert 429 in result.value
    assert len(server.requests()) == result.value.count(200)


@pytest.mark.runtime
def test_runs_one_after_the_other_wait_where_a_single_one_would_be_refused(account, server):
    function_id = uuid.uuid4()
    first = rehearsal.Platform(account.pk, function_id, network=True)
    program = rehearsal.program(
        account.pk, function_id, "greet", code=FETCHES, environment={}, platform=first
    )
    statuses = []
    with rehearsal.warm() as key:
        program = replace(program, key=key())
        for _ in range(30):
            each = rehearsal.Platform(account.pk, function_id, network=True)
            found = runtime.run(replace(program, platform=each), {"url": f"http://{HOST}/"})
            statuses.append(found.value[0])

    assert statuses == [200] * 30


@pytest.mark.runtime
def test_toolbelt_that_is_gone_round_is_refused_by_the_sandbox(account):
    around = """const net = require("node:net");
    function lambda(input, callback) {
      net.connect(443, "example.com").on("error", (error) => callback(null, String(error)));
    }"""

    result, _ = rehearse(account, around, {})

    assert "EPERM" in str(result.value) + str(result.failure)


@pytest.mark.runtime
def test_warm_sandboxes_are_kept_for_one_program_and_end_with_the_block(account):
    platform = rehearsal.Platform(account.pk, uuid.uuid4())
    program = rehearsal.program(
        account.pk, uuid.uuid4(), "greet", code=COUNTS, environment={}, platform=platform
    )
    before = runtime.report().instances
    with rehearsal.warm() as key:
        first, second = replace(program, key=key()), replace(program, key=key())
        said = [runtime.run(each, {}).value for each in (first, first, second, first)]

    assert said == [1, 2, 1, 3]
    # Of those before, one that was idle may have ended.
    assert runtime.report().instances <= before


@pytest.mark.runtime
def test_runs_are_not_written_down(account):
    rehearse(account, 'function lambda(i, callback) { console.log("x"); callback(null); }', {})

    assert not Invocation.objects.exists()
    assert not LogLine.objects.exists()


@pytest.mark.parametrize("network", [False, True])
def test_secrets_are_read_without_a_trace_and_not_written(account, network):
    vault.add(account.id, key="token", value="old", by="ada")
    platform = rehearsal.Platform(account.id, uuid.uuid4(), network=network)

    platform.answer("secret.update", {"key": "token", "value": "new"})

    assert platform.answer("secret.read", {"key": "token"}) == {"key": "token", "value": "old"}
    assert platform.marks == {rehearsal.Mark.WRITE, rehearsal.Mark.SECRET}
    assert not SecretUse.objects.exists()


@pytest.mark.parametrize("network", [False, True])
def test_context_is_not_written(account, network):
    context.create_namespace(account.id, "seen", None)
    platform = rehearsal.Platform(account.id, uuid.uuid4(), network=network)
    asked = {"namespace": "seen", "session": "s", "properties": {"a": 1}}

    assert platform.answer("context.setPropertiesInNamespace", asked) == {"a": 1}
    platform.answer("context.deleteNamespace", {"namespace": "seen"})

    assert [each["name"] for each in context.namespaces(account.id)] == ["seen"]
    assert context.sessions(account.id, "seen") == []


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize("op", ["orchestrator.invoke", "nothing.known"])
def test_what_acts_is_refused(account, op, network):
    platform = rehearsal.Platform(account.id, uuid.uuid4(), network=network)

    with pytest.raises(runtime.CallError):
        platform.answer(op, {"uuid": "x"})


@pytest.mark.parametrize("arguments", [None, [], {}, {"key": 3}, {"key": "missing"}])
def test_secret_that_is_not_there_is_refused(account, arguments):
    with pytest.raises(runtime.CallError):
        rehearsal.Platform(account.id, uuid.uuid4()).answer("secret.read", arguments)
