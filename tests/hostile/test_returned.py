"""Whatever functions return, log or ask for is read, kept and shown, or refused."""

import json
import uuid
from typing import Any

import msgspec
import pytest
from django.utils import timezone
from hypothesis import given, reject
from hypothesis import strategies as st

from invoker import calls, commands, hours, invocations, runtime
from invoker.models import Command, Deployment, EventState, Verdict
from tests import factories
from tests.hostile import cases, showing
from tests.hostile.doors import Doors
from tests.hostile.spoiling import MARKUP
from tests.houston.test_api_conforms import undone

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(cases.TIMEOUT_S)]

texts = st.text(max_size=30) | st.sampled_from(
    (
        "\0",
        "a\0b",
        "\ud800",
        "cut \ud83d",
        MARKUP,
        "",
        "x" * 20_000,
        "\u202e",
        "\x1b[31m",
        "\U0001f600",
    )
)
numbers = st.integers() | st.floats() | st.sampled_from((2**63, 10**4000, -0.0, 1e308))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=5,
)
types = st.sampled_from(
    ("systemMessage", "transfer", "closeConversation", "Transfer", "", "\ud800")
)
objects = st.dictionaries(
    st.sampled_from(("text", "skillId", "agentId", "type")) | texts, values, max_size=4
).flatmap(lambda fields: (types | values).map(lambda kind: {**fields, "type": kind}))
results = values | objects | st.lists(objects | values, max_size=5)
lines = st.builds(
    runtime.LogEntry,
    level=st.sampled_from(("Debug", "Info", "Warn", "Error")),
    message=texts,
    extras=st.lists(values, max_size=3),
    timestamp=st.integers(0, 253_402_300_799_999),
)
failures = st.none() | st.builds(
    runtime.Failure,
    code=st.sampled_from(("custom-failure", "runtime-exception", "crashed", "busy")),
    name=texts,
    message=texts,
    stack=texts,
    line=st.none() | st.integers(),
    column=st.none() | st.integers(),
)


@cases.tried(15)
@given(results, st.lists(lines, max_size=3), failures)
def test_result_lines_and_failure_are_kept_and_shown(
    doors: Doors,
    value: Any,
    logs: list[runtime.LogEntry],
    failure: runtime.Failure | None,
) -> None:
    cases.count("results of functions", "tried")
    asked = commands.parse(value)
    assert len(asked) <= commands.MOST_READ + 1
    with undone():
        event = factories.EventFactory(
            conversation__connection=doors.generic,
            state=EventState.DONE,
            verdict=Verdict.DELIVERED,
            finished_at=timezone.now(),
        )
        invocation = factories.InvocationFactory(
            event=event, deployment=Deployment.objects.filter(active=True).first()
        )
        outcome = runtime.Outcome.CODING_FAILURE if failure else runtime.Outcome.SUCCEEDED
        result = runtime.Result(outcome, value, tuple(logs), 0, failure, 1.0)
        invocations.record(invocation, result)
        commands.record(event, asked, invocation, None, hours.load(event.account_id))
        for command in Command.objects.all():
            assert "\\u0000" not in json.dumps(command.fields), command.fields
        if cases.IS_LONG or len(logs) == 3:
            showing.everything(doors.console, doors.api, lists=len(logs) == 3)
    cases.count("results of functions", "accepted" if asked else "refused")


MEMBERS = (
    "key", "value", "namespace", "session", "properties", "names", "name", "ttl", "uuid", "payload",
    "headers", "timeoutMs",
)  # fmt: skip
INVOKE = "orchestrator.invoke"
strange = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, values))
invocations_of_others = st.fixed_dictionaries(
    {"uuid": st.just("deployed") | values, "timeoutMs": st.integers(1, 5000) | values},
    optional={"payload": values, "headers": st.lists(values, max_size=3) | values},
)


@cases.tried(30)
@given(st.sampled_from(sorted(set(calls._OPS) - {INVOKE})), strange | values)
def test_calls_of_functions_are_answered_or_refused(doors: Doors, op: str, arguments: Any) -> None:
    with undone():
        _call(doors, op, arguments)


@pytest.mark.runtime
@pytest.mark.django_db(transaction=True)
@cases.tried(5)
@given(invocations_of_others | strange | values)
def test_functions_invoke_each_other_or_are_refused(doors: Doors, arguments: Any) -> None:
    """Not taken back: an invocation ends by closing what its thread has opened."""
    if isinstance(arguments, dict) and arguments.get("uuid") == "deployed":
        deployment = Deployment.objects.filter(active=True).first()
        assert deployment
        arguments["uuid"] = str(deployment.function_id)
    _call(doors, INVOKE, arguments)


def _call(doors: Doors, op: str, arguments: Any) -> None:
    try:
        # The way it comes from a sandbox, which is the same for everything that can come.
        arguments = msgspec.json.decode(json.dumps(arguments))
    except msgspec.DecodeError:
        reject()
    cases.count("calls of functions", "tried")
    asked = calls.Calls(doors.account.pk, uuid.UUID(int=1), "greet")
    code = ""
    try:
        answer = asked.answer(op, arguments)
        json.dumps(answer() if callable(answer) else answer)
    except runtime.CallError as error:
        code = error.code
    showing.everything(doors.console, doors.api, lists=False)
    assert not code or code.startswith("com.liveperson."), code
    cases.count("calls of functions", "refused" if code else "accepted")
