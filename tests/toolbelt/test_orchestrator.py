"""Invoking other functions of the account."""

import time
from typing import Any

import pytest

from invoker.runtime import CallError
from tests.toolbelt.account import V1, V2, Account

pytestmark = [pytest.mark.runtime, pytest.mark.parametrize("toolbelt", [V1, V2])]

PREFIX = "com.liveperson.faas.orchestrator-fn"
ONE, TWO = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"


def answered(asked: Any, status: int = 200, body: Any = None) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"uuid": asked["uuid"], "statusCode": status, "headers": headers, "body": body}


def invoke(account: Account, arguments: str, toolbelt: str) -> Any:
    return account.run(
        f"return await Toolbelt.OrchestratorClient().invoke({arguments});", toolbelt=toolbelt
    )


def invocations(account: Account) -> list[Any]:
    return [asked for op, asked in account.asked if op == "orchestrator.invoke"]


def test_functions_are_invoked_one_after_the_other(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, body=asked["payload"])

    found = invoke(
        account,
        f"""[
          {{ uuid: "{ONE}", payload: {{ a: 1 }}, headers: {{ x: "y" }} }},
          {{ uuid: "{TWO}", payload: "two" }},
        ], 10000""",
        toolbelt,
    )

    # The second generation gives the body as text.
    body = {"a": 1} if toolbelt == V1 else '{"a":1}'
    headers = {"content-type": "application/json"}
    assert found == [
        {"uuid": ONE, "statusCode": 200, "headers": headers, "body": body},
        {"uuid": TWO, "statusCode": 200, "headers": headers, "body": "two"},
    ]
    assert invocations(account) == [
        {
            "uuid": ONE,
            "payload": {"a": 1},
            "headers": [{"key": "x", "value": "y"}],
            "timeoutMs": 5000,
        },
        {"uuid": TWO, "payload": "two", "headers": [], "timeoutMs": 5000},
    ]


def test_a_body_is_a_value_when_json_is_asked_for(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, body={"a": 1})

    (found,) = invoke(account, f'[{{ uuid: "{ONE}" }}], 10000, {{ json: true }}', toolbelt)

    assert found["body"] == {"a": 1}


def test_functions_are_invoked_side_by_side(account: Account, toolbelt: str) -> None:
    def answer(asked: Any) -> Any:
        def later() -> Any:
            time.sleep(0.3 if asked["uuid"] == ONE else 0)
            return answered(asked)

        return later

    account.answers["orchestrator.invoke"] = answer

    found = invoke(
        account,
        f'[{{ uuid: "{ONE}" }}, {{ uuid: "{TWO}" }}], 5000, {{ invokeParallel: true }}',
        toolbelt,
    )

    assert [one["uuid"] for one in found] == [ONE, TWO]


@pytest.mark.parametrize("status", [429, 500, 502, 504])
def test_a_failure_that_may_pass_is_tried_again(
    account: Account, toolbelt: str, status: int
) -> None:
    statuses = [status, status, 200]
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, statuses.pop(0), "done")

    (found,) = invoke(account, f'[{{ uuid: "{ONE}" }}]', toolbelt)

    assert (found["statusCode"], found["body"]) == (200, "done")


def test_a_failure_that_stays_is_an_error(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, 500, {"why": "broken"})

    found = invoke(account, f'[{{ uuid: "{ONE}" }}, {{ uuid: "{TWO}" }}]', toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.invoke.status-code-error"
    assert found["thrown"]["statusCode"] == 500
    assert found["thrown"]["originalBody"] == {"why": "broken"}
    assert [one["uuid"] for one in invocations(account)] == [ONE] * 3


@pytest.mark.parametrize(("retries", "times"), [(1, 1), (2, 2), (0, 3)])
def test_a_function_is_tried_as_often_as_was_said(
    account: Account, toolbelt: str, retries: int, times: int
) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, 500)

    invoke(account, f'[{{ uuid: "{ONE}", retries: {retries} }}]', toolbelt)

    assert len(invocations(account)) == times


def test_a_failure_of_the_function_itself_is_not_tried_again(
    account: Account, toolbelt: str
) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, 901, {"code": "c"})

    found = invoke(account, f'[{{ uuid: "{ONE}" }}]', toolbelt)

    assert found["thrown"]["statusCode"] == 901
    assert len(invocations(account)) == 1


def test_who_invokes_may_say_what_is_tried_again(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = lambda asked: answered(asked, 901)

    seen = account.run(
        f"""
        const seen = [];
        const retryFunction = (status, error) => seen.push([status, error.statusCode]) < 2;
        await Toolbelt.OrchestratorClient()
          .invoke([{{ uuid: "{ONE}", retries: 9, retryFunction }}]).catch(() => 0);
        return seen;
        """,
        toolbelt=toolbelt,
    )

    assert seen == [[901, 901], [901, 901]]
    assert len(invocations(account)) == 2


def test_errors_are_given_beside_results_when_that_is_wished(
    account: Account, toolbelt: str
) -> None:
    statuses = {ONE: 404, TWO: 200}
    account.answers["orchestrator.invoke"] = lambda asked: answered(
        asked, statuses[asked["uuid"]], "text"
    )
    strategy = "{ errorStrategy: toolbelt.ErrorStrategy.CONTINUE_ON_ERROR }"

    found = invoke(
        account, f'[{{ uuid: "{ONE}" }}, {{ uuid: "{TWO}" }}], 25000, {strategy}', toolbelt
    )

    failed, done = found
    assert failed["statusCode"] == 404
    assert failed["body"] == "text"
    assert failed["error"]["code"] == f"{PREFIX}.invoke.status-code-error"
    assert done["statusCode"] == 200


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (CallError(f"{PREFIX}.invoke.timeout", "Too late"), f"{PREFIX}.invoke.timeout"),
        (CallError("unavailable", "No"), f"{PREFIX}-general"),
    ],
)
def test_a_refusal_of_the_platform_is_an_error(
    account: Account, toolbelt: str, refusal: CallError, code: str
) -> None:
    account.answers["orchestrator.invoke"] = refusal

    found = invoke(account, f'[{{ uuid: "{ONE}" }}]', toolbelt)

    assert found["thrown"]["code"] == code
    assert len(invocations(account)) == 1


def test_an_error_of_the_network_is_tried_again(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = CallError(f"{PREFIX}-general", "Try again")

    times = account.run(
        f"""
        const retryFunction = (status, error) => status === undefined && /Try/.test(error.message);
        const invocation = {{ uuid: "{ONE}", retryFunction, retries: 2 }};
        return await Toolbelt.OrchestratorClient().invoke([invocation]).catch(({{ code }}) => code);
        """,
        toolbelt=toolbelt,
    )

    assert times == f"{PREFIX}-general"
    assert len(invocations(account)) == 2


def test_a_deadline_ends_the_waiting(account: Account, toolbelt: str) -> None:
    def later() -> Any:
        time.sleep(1)
        return answered({"uuid": ONE})

    account.answers["orchestrator.invoke"] = lambda _: later

    found = invoke(account, f'[{{ uuid: "{ONE}" }}], 50', toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}.invoke.timeout"


def test_times_that_are_not_possible_are_made_shorter(account: Account, toolbelt: str) -> None:
    account.answers["orchestrator.invoke"] = answered

    result = account.run_source(
        f"""
        const {{ Toolbelt }} = require("{toolbelt}");
        async function lambda() {{
          const two = [{{ uuid: "{ONE}" }}, {{ uuid: "{TWO}" }}];
          await Toolbelt.OrchestratorClient().invoke(two, 60000, {{ timeout: 20000 }});
        }}
        """
    )

    assert [asked["timeoutMs"] for asked in invocations(account)] == [12500, 12500]
    assert [entry.message for entry in result.logs] == [
        "The deadline of 60000 ms is not possible, it is 25000 ms",
        "The timeout of an invocation of 20000 ms is not possible, it is 12500 ms",
    ]


@pytest.mark.parametrize(("arguments", "expected"), [("[]", []), ("[], 1000", [])])
def test_nothing_is_nothing(account: Account, toolbelt: str, arguments: str, expected: Any) -> None:
    assert invoke(account, arguments, toolbelt) == expected


def test_what_is_no_list_is_a_general_failure(account: Account, toolbelt: str) -> None:
    found = invoke(account, f'{{ uuid: "{ONE}" }}', toolbelt)

    assert found["thrown"]["code"] == f"{PREFIX}-general"
