"""What the editor fetches: declarations, the schema of the input, and the checker's findings."""

import json
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from functions import checking
from functions.models import Function
from functions.views.declaring import addresses
from houston.models import Account
from invoker import allow_list, events, runtime
from tests import factories

ACCOUNT = factories.ACCOUNT_ID
CALLS_STRANGER = (
    "async function lambda(input) {\n"
    '  await fetch("https://stranger.example/x");\n'
    '  return [{ type: "systemMesage", text: "Hi" }];\n'
    "}\n"
)


@pytest.fixture
def function(account: Account) -> Function:
    return factories.FunctionFactory(name="greet", event_type=events.TTR.id)


def url(name: str, account_id: str = ACCOUNT, function: str = "greet") -> str:
    return reverse(f"functions:{name}", args=[account_id, function])


# Declarations and schema --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["types", "schema"])
def test_document_may_be_kept_for_good_under_its_own_address(
    client: Client, developer: Any, function: Function, name: str
) -> None:
    client.force_login(developer)

    kept = client.get(addresses(function)[f"{name}_url"])
    other = client.get(url(name), {"v": "0123456789abcdef"})

    assert kept.status_code == other.status_code == 200
    assert kept["Cache-Control"] == "private, max-age=31536000, immutable"
    assert other["Cache-Control"] == "private, no-cache"
    assert kept.content == other.content


def test_declarations_are_those_of_the_functions_event(
    client: Client, developer: Any, function: Function
) -> None:
    client.force_login(developer)

    text = client.get(url("types")).content.decode()

    assert '"CONSUMER_ASKED_URGENT_RESPONSE_TIME" |' in text
    assert "result?: Command | Command[]" in text


@pytest.mark.parametrize("event_type_id", events.EVENT_TYPES)
def test_schema_describes_the_sample_of_every_event(
    client: Client, developer: Any, account: Account, event_type_id: str
) -> None:
    factories.FunctionFactory(name="greet", event_type=event_type_id)
    client.force_login(developer)

    schema = json.loads(client.get(url("schema")).content)

    assert mismatches(schema, events.sample(event_type_id)) == []


def mismatches(schema: dict[str, Any], value: Any, path: str = "input") -> list[str]:
    """Where a value is not what a schema says, or says nothing about."""
    kinds = {
        "string": str, "number": (int, float), "boolean": bool, "object": dict, "array": list,
        "null": type(None),
    }  # fmt: skip
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(isinstance(value, kinds[each]) for each in types):
        return [f"{path}: {types}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value}"]
    if isinstance(value, list):
        items = schema.get("items", {})
        return [one for each in value for one in mismatches(items, each, f"{path}[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    undocumented = [f"{path}.{name}" for name in value if name not in known]
    return undocumented + [
        one
        for name, each in value.items()
        if name in known
        for one in mismatches(known[name], each, f"{path}.{name}")
    ]


@pytest.mark.parametrize("name", ["types", "schema"])
def test_documents_of_another_account_are_not_found(
    client: Client, developer: Any, function: Function, name: str
) -> None:
    other = factories.AccountFactory(id="87654321")
    factories.FunctionFactory(account_id=other.id, name="theirs")
    client.force_login(developer)

    assert client.get(url(name, other.id, "theirs")).status_code == 404
    assert client.get(url(name, function="theirs")).status_code == 404


# Findings -----------------------------------------------------------------------------------------


@pytest.mark.runtime
def test_check_says_what_is_wrong_and_where(
    client: Client, developer: Any, function: Function
) -> None:
    client.force_login(developer)

    answer = client.post(url("check"), {"code": CALLS_STRANGER.replace("\n", "\r\n")})

    assert answer.status_code == 200
    command, host = answer.json()["problems"]
    assert command == {
        "code": "unknown-command",
        "message": '"systemMesage" is no command: systemMessage, transfer, closeConversation',
        "line": 3,
        "column": 20,
        "endColumn": 32,
        "severity": "warning",
        "fixes": [{"title": "Change to systemMessage", "text": "systemMessage"}],
    }
    assert (host["code"], host["line"], host["fixes"]) == ("host-not-allowed", 2, [])
    assert host["message"].endswith("; ask an admin of the account to add it")


@pytest.mark.runtime
def test_check_says_whom_to_ask_for_a_host(
    client: Client, developer: Any, admin: Any, function: Function
) -> None:
    client.force_login(developer)

    [_, host] = client.post(url("check"), {"code": CALLS_STRANGER}).json()["problems"]

    assert host["message"].endswith(f"; ask {admin.username} to add it")
    assert host["fixes"] == []


@pytest.mark.runtime
def test_check_offers_what_is_missing_or_meant(
    client: Client, developer: Any, function: Function
) -> None:
    client.force_login(developer)
    code = 'const { Toolbelt } = require("lp-faas-tolbelt");'

    module, missing = client.post(url("check"), {"code": code}).json()["problems"]

    assert module["fixes"] == [{"title": "Change to lp-faas-toolbelt", "text": "lp-faas-toolbelt"}]
    assert code[module["column"] - 1 : module["endColumn"] - 1] == "lp-faas-tolbelt"
    assert missing["fixes"][0]["append"].startswith("\nasync function lambda(input)")


@pytest.mark.runtime
def test_check_offers_to_allow_a_host_to_those_who_may(
    client: Client, developer: Any, function: Function
) -> None:
    factories.MembershipFactory(user=developer, account_id=ACCOUNT, role="admin")
    client.force_login(developer)

    [_, host] = client.post(url("check"), {"code": CALLS_STRANGER}).json()["problems"]
    client.post(
        reverse("domain-add", args=[ACCOUNT]), {"domain": host["fixes"][0]["detail"]["allow"]}
    )
    [left] = client.post(url("check"), {"code": CALLS_STRANGER}).json()["problems"]

    assert host["fixes"] == [
        {
            "title": "Add stranger.example to the allow-list",
            "detail": {"allow": "stranger.example"},
        }
    ]
    assert allow_list.hosts(ACCOUNT) == ("stranger.example",)
    assert left["code"] == "unknown-command"


@pytest.mark.runtime
def test_review_lists_the_same_findings(client: Client, developer: Any, function: Function) -> None:
    Function.objects.filter(pk=function.pk).update(code=CALLS_STRANGER)
    client.force_login(developer)

    shown = client.post(url("check"), {"code": CALLS_STRANGER}).json()["problems"]
    review = client.get(url("deploy"))

    assert [one.code for one in review.context["problems"]] == [one["code"] for one in shown]
    assert review.context["blocked"] is False


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", "no-lambda"),
        ("}{", "invalid-syntax"),
        ("(" * 50_000, "invalid-syntax"),
        ("a" * 100_001, "too-long"),
        ("é = 1; //\U0001f680", "no-lambda"),
    ],
    ids=["empty", "broken", "deep", "long", "odd letters"],
)
def test_check_takes_whatever_is_typed(
    client: Client, developer: Any, function: Function, code: str, found: str
) -> None:
    client.force_login(developer)

    answer = client.post(url("check"), {"code": code})

    assert answer.status_code == 200
    assert [one["code"] for one in answer.json()["problems"]] == [found]


@pytest.mark.runtime
def test_check_takes_the_longest_code(client: Client, developer: Any, function: Function) -> None:
    client.force_login(developer)
    head = "async function lambda(input) { return []; }\n"
    code = (head + "f([{ type: 'x' }]);\n" * 6_000)[:99_990].rpartition("\n")[0]

    answer = client.post(url("check"), {"code": code})

    assert answer.json() == {"problems": []}


def test_check_refuses_a_nul_character(client: Client, developer: Any, function: Function) -> None:
    client.force_login(developer)

    answer = client.post(url("check"), {"code": "a\0b"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


def test_check_is_for_developers_of_the_account(
    client: Client, admin: Any, developer: Any, function: Function
) -> None:
    other = factories.AccountFactory(id="87654321")
    factories.FunctionFactory(account_id=other.id, name="theirs")
    client.force_login(admin)
    refused = client.post(url("check"), {"code": ""})
    client.force_login(developer)

    assert refused.status_code == 403
    assert client.get(url("check")).status_code == 405
    assert client.post(url("check", other.id, "theirs"), {"code": ""}).status_code == 404
    assert client.post(url("check", function="theirs"), {"code": ""}).status_code == 404


def test_check_asks_to_wait_while_others_are_checked(
    client: Client, developer: Any, function: Function
) -> None:
    client.force_login(developer)
    for _ in range(checking.MOST_AT_ONCE):
        checking._free.acquire()
    try:
        answer = client.post(url("check"), {"code": ""})
    finally:
        for _ in range(checking.MOST_AT_ONCE):
            checking._free.release()

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert answer.json()["code"] == "busy"


def test_check_asks_to_wait_when_the_sandboxes_have_more_to_do(
    client: Client, developer: Any, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(developer)
    caches["findings"].clear()
    busy = [runtime.Problem("busy", "All sandboxes are in use")]
    monkeypatch.setattr(runtime, "check", lambda *_: busy)

    answer = client.post(url("check"), {"code": ""})

    assert answer.status_code == 503


def test_findings_are_remembered_until_something_changes_or_nothing_was_found_out(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches["findings"].clear()
    asked: list[tuple[str, tuple[str, ...] | None]] = []

    def check(code: str, about: runtime.About) -> list[runtime.Problem]:
        asked.append((code, about.hosts))
        code = "busy" if len(asked) == 1 else "no-lambda"
        return [runtime.Problem(code, "Said by the checker")]

    monkeypatch.setattr(runtime, "check", check)
    codes = [checking.findings(function, "a")[0].code for _ in range(3)]
    checking.findings(function, "b")
    allow_list.add(ACCOUNT, "example.org", by="ada")
    checking.findings(function, "a")

    assert codes == ["busy", "no-lambda", "no-lambda"]
    assert asked == [("a", ()), ("a", ()), ("b", ()), ("a", ("example.org",))]
    caches["findings"].clear()
