"""What functions keep from one event to another."""

from typing import Any

import pytest

from invoker.runtime import CallError
from tests.toolbelt.account import ACCOUNT_ID, V1, V2, Account

pytestmark = pytest.mark.runtime

CLIENTS = {
    V1: f'Toolbelt.ContextServiceClient({{ apiKey: "k", accountId: "{ACCOUNT_ID}" }})',
    V2: 'Toolbelt.ContextServiceClient("k")',
}
NAMESPACE = {"name": "orders", "createdAt": "2024-07-01T12:00:00+00:00", "ttlSecond": 60}
CALLS = [
    ('createNamespace("n")', "createNamespace", {"namespace": "n"}),
    ('createNamespace("n", {})', "createNamespace", {"namespace": "n"}),
    ('createNamespace("n", { ttl: 60 })', "createNamespace", {"namespace": "n", "ttl": 60}),
    ('deleteNamespace("n")', "deleteNamespace", {"namespace": "n"}),
    ("getListOfNamespaces()", "getListOfNamespaces", {}),
    (
        'setPropertiesInNamespace("n", { a: [1] })',
        "setPropertiesInNamespace",
        {"namespace": "n", "properties": {"a": [1]}, "session": "__default__"},
    ),
    (
        'updatePropertiesInNamespace("n", { a: null }, "s")',
        "updatePropertiesInNamespace",
        {"namespace": "n", "properties": {"a": None}, "session": "s"},
    ),
    (
        'getAllPropertiesInSession("n")',
        "getProperties",
        {"namespace": "n", "names": None, "session": "__default__"},
    ),
    (
        'getSelectedPropertiesInSession("n", ["a", "b"], "s")',
        "getProperties",
        {"namespace": "n", "names": ["a", "b"], "session": "s"},
    ),
    (
        'getPropertyInSession("n", "a", "s")',
        "getProperties",
        {"namespace": "n", "names": ["a"], "session": "s"},
    ),
    (
        'deletePropertyInSession("n", "a")',
        "deletePropertyInSession",
        {"namespace": "n", "name": "a", "session": "__default__"},
    ),
    ('deleteSession("n", "s")', "deleteSession", {"namespace": "n", "session": "s"}),
    ('getListOfSessions("n")', "getListOfSessions", {"namespace": "n"}),
]
ANSWERS: dict[str, Any] = {
    "createNamespace": NAMESPACE,
    "deleteNamespace": None,
    "getListOfNamespaces": [NAMESPACE],
    "setPropertiesInNamespace": {"a": [1]},
    "updatePropertiesInNamespace": {"a": None},
    "getProperties": {"a": 1},
    "deletePropertyInSession": None,
    "deleteSession": None,
    "getListOfSessions": ["__default__", "s"],
}


@pytest.fixture
def store(account: Account) -> Account:
    account.answers = {f"context.{op}": answer for op, answer in ANSWERS.items()}
    return account


@pytest.mark.parametrize("toolbelt", [V1, V2])
@pytest.mark.parametrize(("call", "op", "arguments"), CALLS)
def test_a_call_asks_the_platform_and_gives_what_it_says(
    store: Account, toolbelt: str, call: str, op: str, arguments: Any
) -> None:
    found = store.run(f"return await {CLIENTS[toolbelt]}.{call};", toolbelt=toolbelt)

    made = {**NAMESPACE, "createdAt": "2024-07-01T12:00:00.000Z"}
    expected = {"createNamespace": made, "getListOfNamespaces": [made]}.get(op, ANSWERS[op])
    assert store.asked == [(f"context.{op}", arguments)]
    assert found == (1 if call.startswith("getPropertyInSession") else expected)


def test_the_time_of_a_namespace_is_a_date(store: Account) -> None:
    found = store.run(f'return (await {CLIENTS[V1]}.createNamespace("n")).createdAt.getTime();')

    assert found == 1719835200000


def test_a_property_that_is_not_there_is_not_found(store: Account) -> None:
    found = store.run(f'return await {CLIENTS[V1]}.getPropertyInSession("n", "toString");')

    assert found["thrown"]["code"] == "com.liveperson.faas.context.not-found"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("com.liveperson.faas.context.forbidden", "com.liveperson.faas.context.forbidden"),
        ("failed", "com.liveperson.faas.context.op-failed"),
    ],
)
def test_a_refusal_is_an_error_with_its_code(store: Account, refusal: str, code: str) -> None:
    store.answers["context.createNamespace"] = CallError(refusal, "The reason")

    found = store.run(f'return await {CLIENTS[V2]}.createNamespace("faas");', toolbelt=V2)

    assert found["thrown"]["code"] == code
    assert found["thrown"]["component"] == "ContextServiceClient"
    assert found["thrown"]["message"] == "The reason"


@pytest.mark.parametrize(
    ("toolbelt", "arguments"),
    [
        (V1, ""),
        (V1, f'{{ accountId: "{ACCOUNT_ID}" }}'),
        (V1, '{ apiKey: "k" }'),
        (V1, '{ apiKey: "k", accountId: "another" }'),
        (V2, ""),
    ],
)
def test_a_client_without_what_it_needs_is_none(
    store: Account, toolbelt: str, arguments: str
) -> None:
    found = store.run(f"Toolbelt.ContextServiceClient({arguments});", toolbelt=toolbelt)

    assert found["thrown"]["message"].startswith("Cannot use the context store")
