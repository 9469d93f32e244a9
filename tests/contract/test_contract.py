"""LivePerson's own clients against the product as people start it: what they return and print."""

import csv
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import CallbackServer
from tests.contract import calling, lpf, next_cli
from tests.contract.calling import BY_OPTIONS, UNCHANGED
from tests.contract.conftest import V2_HOST, Account, Way
from tests.contract.lpf import Printed
from tests.contract.next_cli import NextCli
from tests.contract.prepared import ACCOUNT_ID, EMPTY_ACCOUNT_ID, PERSON, SECRET, V2_ACCOUNT_ID
from tests.stack.conftest import Houston
from tests.stack.test_main_flow import cloud_event, send_with_python, verified

pytestmark = [pytest.mark.contract, pytest.mark.stack, pytest.mark.timeout(600)]

FLOWS = [(version, way) for version in ("v1", "v2") for way in (UNCHANGED, BY_OPTIONS)]
# What the vendor calls the same thing in its two generations. Source: liveperson-contract.md §2.3.
THREW = ("com.liveperson.faas.handler.custom-failure", "com.customer.faas.function.threw-error")
BUG = (
    "com.liveperson.faas.handler.runtime-exception",
    "com.customer.faas.function.js-runtime-error",
)
NOT_FOUND = "com.liveperson.faas.function.not-found"
MISSING = ("com.liveperson.faas.es.missinglambda", NOT_FOUND)
NOT_DEPLOYED = ("com.liveperson.faas.es.notdeployed", NOT_FOUND)
# Where the two generations keep a function's code.
CODE = {"implementation", "manifest", "versions", "code"}

Came = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Called:
    """What the calls in V1 returned, and what they asked of the front for it."""

    returned: dict[tuple[str, str], dict[str, Any]]
    requests: list[str]


@pytest.fixture(scope="package")
def called_v1(v1: Way, account: Account) -> Called:
    # Others may have come by the same front, or may come later.
    before = len(v1.front.requests)
    returned = calling.call(v1, account, v2=False)
    return Called(returned, v1.front.requests[before:])


@pytest.fixture(scope="package")
def calls_v1(called_v1: Called) -> dict[tuple[str, str], dict[str, Any]]:
    return called_v1.returned


@pytest.fixture(scope="package")
def calls_v2(v2: Way, account: Account) -> dict[tuple[str, str], dict[str, Any]]:
    return calling.call(v2, account, v2=True)


@pytest.fixture(params=FLOWS, ids="-".join)
def flow(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def came(request: pytest.FixtureRequest, flow: tuple[str, str]) -> Came:
    """What came of a call, for each generation of the API and each way of reaching the product."""
    version, way = flow
    calls = request.getfixturevalue(f"calls_{version}")
    return lambda name: calls[way, name]


def returned(came: Came, name: str) -> Any:
    assert came(name).get("returned") is not None, came(name)
    return came(name)["returned"]


def refusal(came: Came, name: str) -> tuple[str, int, str, str]:
    """What people match: the error's name, the status, and the code in both dialects."""
    thrown = came(name)["thrown"]
    body = thrown["response"]["body"]
    assert body["message"] == body["errorMsg"] != ""
    return thrown["name"], thrown["response"]["status"], body["errorCode"], body["code"]


# liveperson-functions-client ----------------------------------------------------------------------


def test_invoke_returns_what_the_function_answered(came: Came) -> None:
    answers = {name: returned(came, name) for name in ("text", "input", "nothing")}

    assert {(one["ok"], one["status"]) for one in answers.values()} == {(True, 200)}
    assert answers["text"]["body"] == 'said "so"'
    assert answers["nothing"]["body"] is None
    body = answers["input"]["body"]
    assert isinstance(body.pop("timestamp"), int)
    assert body == {"headers": [{"key": "h", "value": "v"}], "payload": calling.PAYLOAD}


def test_invoke_returns_the_request_id_it_was_given(came: Came) -> None:
    assert returned(came, "input")["headers"]["x-request-id"] == calling.REQUEST_ID


def test_function_that_fails_is_an_answer_of_its_own_kind_and_runs_once(came: Came) -> None:
    answer = returned(came, "error")

    assert (answer["ok"], answer["status"], answer["retryCount"]) == (False, 901, 0)
    assert (answer["body"]["errorCode"], answer["body"]["code"]) == THREW
    assert "out of stock" in answer["body"]["errorMsg"]


def test_function_that_fails_is_the_error_that_callers_match(
    came: Came, flow: tuple[str, str]
) -> None:
    assert refusal(came, "error thrown") == ("FaaSLambdaError", 901, *THREW)
    # The client takes a bug for a platform's fault in V2, whoever answers.
    bug = "FaaSLambdaError" if flow[0] == "v1" else "FaaSInvokeError"
    assert refusal(came, "bug thrown") == (bug, 901, *BUG)


def test_errors_of_v2_are_those_of_v1_for_who_asks(came: Came, flow: tuple[str, str]) -> None:
    thrown = came("error thrown as V1")["thrown"]
    bodies = [returned(came, "error as V1")["body"], thrown["response"]["body"]]

    assert thrown["name"] == "FaaSLambdaError"
    for body in bodies:
        assert body["errorCode"] == THREW[0]
        assert "out of stock" in body["errorMsg"]
        assert ("code" in body) == (flow[0] == "v1")


@pytest.mark.parametrize(("name", "codes"), [("missing", MISSING), ("not deployed", NOT_DEPLOYED)])
def test_function_that_nobody_deployed_is_not_there(
    came: Came, name: str, codes: tuple[str, str]
) -> None:
    assert refusal(came, name) == ("FaaSInvokeError", 404, *codes)


def test_event_returns_an_entry_of_every_function(came: Came, account: Account) -> None:
    entries = returned(came, "event")["body"]

    assert {entry["uuid"] for entry in entries} == {
        account.functions["echo"],
        account.functions["echo_too"],
    }
    assert [entry["result"] for entry in entries] == [calling.EVENT] * 2
    assert [set(entry) for entry in entries] == [{"uuid", "timestamp", "result"}] * 2


def test_event_runs_the_functions_of_its_skill(came: Came, account: Account) -> None:
    [entry] = returned(came, "event of skill")["body"]

    assert (entry["uuid"], entry["result"]) == (account.functions["ttr_42"], calling.EVENT)
    for name in ("event of other skill", "event of no skill", "event without function"):
        assert (returned(came, name)["status"], returned(came, name)["body"]) == (200, [])


def test_event_fails_whole_when_a_function_fails(came: Came) -> None:
    assert refusal(came, "event thrown") == ("FaaSLambdaError", 901, *THREW)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("implemented", True),
        ("implemented for skill", True),
        ("implemented for other skill", False),
        ("implemented for no skill", True),
        ("implemented by nobody", False),
    ],
)
def test_is_implemented_says_whether_a_function_would_run(
    came: Came, name: str, expected: bool
) -> None:
    assert came(name) == {"returned": expected}


def test_get_lambdas_returns_functions_in_the_states_asked_for(
    came: Came, flow: tuple[str, str], account: Account
) -> None:
    everything = {one["name"]: one for one in returned(came, "lambdas")["body"]}
    of_event = returned(came, "lambdas of event")["body"]

    assert {name: everything[name]["uuid"] for name in account.functions} == account.functions
    assert {one["state"] for one in everything.values()} == {"Productive", "Draft"}
    assert everything["draft"]["state"] == "Draft"
    assert {(one["name"], *one["skills"]) for one in of_event} == {
        ("ttr_42", "42"),
        ("ttr_43", "43"),
    }
    assert {one["eventId"] for one in of_event} == {"controllerbot_messaging_ttr"}
    one = everything["ttr_42"]
    if flow[0] == "v1":
        assert "function lambda" in one["implementation"]["code"]
        assert (one["version"], one["lastDeployment"]["lambdaUUID"]) == (1, one["uuid"])
    else:
        assert not CODE.intersection(one)


def test_get_functions_returns_functions_without_their_code(came: Came, account: Account) -> None:
    drafts = returned(came, "functions")["body"]
    [named] = returned(came, "functions by name")["body"]

    assert "draft" in {one["name"] for one in drafts}
    assert {one["state"] for one in drafts} <= {"Draft", "Modified"}
    assert (named["uuid"], named["state"]) == (account.functions["answer"], "Productive")
    assert not CODE.intersection(named)


NAMES = {
    "invoke": "FaaSInvokeError",
    "isImplemented": "FaaSIsImplementedError",
    "getFunctions": "FaaSGetFunctionsError",
}


@pytest.mark.parametrize(
    ("why", "status"),
    [("bad token", 401), ("revoked token", 401), ("token of another account", 404)],
)
def test_whoever_may_not_is_refused_by_every_call(
    came: Came, flow: tuple[str, str], why: str, status: int
) -> None:
    names = {**NAMES, "getLambdas": f"FaaSGet{'Lambdas' if flow[0] == 'v1' else 'Functions'}Error"}

    told = {call: refusal(came, f"{call} with {why}")[:2] for call in names}

    assert told == {call: (name, status) for call, name in names.items()}


def test_client_asks_for_one_token_and_uses_it_until_it_ends(called_v1: Called) -> None:
    tokens = f"POST /sentinel/api/account/{ACCOUNT_ID}/app/token?v=2.0"

    # Four clients: as it is, one that throws, one without a cache, one with a wrong secret.
    assert called_v1.requests.count(tokens) == 4


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_client_with_a_wrong_secret_gets_no_token(
    request: pytest.FixtureRequest, version: str
) -> None:
    thrown = request.getfixturevalue(f"calls_{version}")[UNCHANGED, "wrong secret"]["thrown"]

    assert thrown["name"] == "FaaSInvokeError"
    assert "FaaSAppJWTAuthenticationError" in thrown["causes"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_payload_that_is_too_large_is_refused_with_a_code(
    request: pytest.FixtureRequest, version: str
) -> None:
    answer = request.getfixturevalue(f"calls_{version}")[UNCHANGED, "too much"]["returned"]

    # It heard so the first time, and not that somebody hung up.
    assert (answer["status"], answer["retryCount"]) == (413, 0)
    assert answer["body"]["errorCode"] == "com.liveperson.faas.ui.payload-too-large"


# liveperson-functions-cli -------------------------------------------------------------------------

# As the command line spells it, in the time zone of its machine.
DATE = r"\d\d\.\d\d\.\d{4} - \d\d:\d\d:\d\d [A-Z]+"


@pytest.fixture(scope="package")
def week(
    v1: Way,
    account: Account,
    product: Houston,
    callbacks: CallbackServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> lpf.Week:
    door = {"webhook_url": f"{product.url}{account.door['path']}", **account.door}

    def send() -> dict[str, Any]:
        answer = send_with_python(door, cloud_event("conversation-1", ACCOUNT_ID))
        assert answer.status_code == 202, answer.text
        [received] = callbacks.wait_for(1, timeout_s=20)
        return verified(received, door)

    return lpf.week(v1, tmp_path_factory.mktemp("week"), account, send)


def told(printed: Printed, *, code: int = 0) -> str:
    assert printed.code == code, printed
    return printed.text


def test_login_by_token_makes_no_fuss(week: lpf.Week) -> None:
    assert "Use lpf help or lpf <command> --help" in told(week.printed["login"])


def test_create_function_writes_files_that_say_what_it_is_for(week: lpf.Week) -> None:
    assert f'The function "{lpf.WELCOME}" has been created' in told(week.printed["create:function"])
    config = json.loads(week.created["config.json"])
    assert (config["name"], config["event"]) == (lpf.WELCOME, lpf.EVENT)


def test_push_creates_then_skips_what_is_the_same_then_saves(week: lpf.Week) -> None:
    assert "Pushing welcome [completed]" in told(week.printed["push new"])
    assert "Pushing welcome [skipped]" in told(week.printed["push same"])
    assert "The update contained no changes" in told(week.printed["push same"])
    assert "Pushing welcome [completed]" in told(week.printed["push changed"])


def test_push_of_what_is_no_function_says_so(week: lpf.Week) -> None:
    printed = told(week.printed["push no function"], code=1)

    assert "The code of function 'broken' you are trying to push is not a valid lambda" in printed


def test_deploy_ends_when_the_function_serves(week: lpf.Week) -> None:
    assert "Deploying welcome [completed]" in told(week.printed["deploy"])


def test_deploy_of_what_does_not_start_says_why_and_ends(week: lpf.Week) -> None:
    assert "Pushing broken [completed]" in told(week.printed["push broken"])
    printed = told(week.printed["deploy broken"])

    assert "Deploying broken [skipped]" in printed
    assert "no antenna" in printed
    assert week.printed["deploy broken"].took_s < 30


def test_function_pushed_and_deployed_answers_an_event(week: lpf.Week) -> None:
    assert week.event["type"] == "com.houston.messaging.command.system_message"
    assert week.event["data"]["conversationId"] == "conversation-1"
    assert week.event["data"]["command"] == {
        "type": "systemMessage",
        "text": "Good morning, Apollo",
    }
    assert not week.event["data"]["automatic"]


def test_get_lists_functions_and_deployments(week: lpf.Week, account: Account) -> None:
    functions, deployments, _ = week.printed["get"].tables()
    welcome = next(row for row in functions if row["Name"] == lpf.WELCOME)

    assert {row["Name"] for row in functions} == {lpf.WELCOME, *account.functions}
    assert (welcome["State"], welcome["Event"]) == ("Productive", lpf.EVENT)
    assert welcome["Last changed by"] == PERSON
    [deployed] = [row for row in deployments if row["Name"] == lpf.WELCOME]
    assert {row["Name"] for row in deployments} == {lpf.WELCOME, *account.functions} - {"draft"}
    assert deployed["Undeployed changes from"] == "Up to date"
    assert deployed["Deployed by"] == PERSON
    assert deployed["Deployment state"] == "Deploy Finish"
    assert re.fullmatch(DATE, deployed["Last successful deployment"])


def test_get_counts_the_account(week: lpf.Week, account: Account) -> None:
    printed = told(week.printed["get"])
    known = len(account.functions)

    assert re.search(rf"Total Functions: +{known + 1} / 50\n", printed)
    assert re.search(rf"Deployed Functions: +{known} / 50\n", printed)
    assert int(re.search(r"Total Invocations: +(\d+)\n", printed)[1]) >= 1  # type: ignore[index]
    assert "NaN" not in printed
    assert "undefined" not in printed


def test_get_lists_events(week: lpf.Week) -> None:
    *_, events = week.printed["get"].tables()

    known = {row["EventId"]: row["Event name"] for row in events}
    assert known[lpf.EVENT] == "Messaging New Conversation"
    assert known["conversational_command"] == "Conversational Command"


@pytest.mark.parametrize("where", ["invoke", "invoke local"])
def test_invoke_prints_the_same_result_and_logs_as_on_the_own_machine(
    week: lpf.Week, where: str
) -> None:
    answer = week.printed[where].json()

    assert answer["result"] == [{"type": "systemMessage", "text": "Good morning, Apollo"}]
    [line] = answer["logs"]
    assert isinstance(line.pop("timestamp"), int)
    assert line == {"level": "Info", "message": "greets", "extras": ["by-hand"]}


def test_invoke_prints_why_a_function_failed(week: lpf.Week) -> None:
    printed = told(week.printed["invoke with another input"])

    assert "Cannot read properties of undefined (reading 'convId')" in printed


def test_logs_are_the_lines_of_events_and_filtered(week: lpf.Week) -> None:
    [line] = csv.DictReader(week.printed["logs"].text.splitlines(), delimiter=";")

    assert list(line) == ["lambdaUUID", "requestID", "timestamp", "level", "message", "extras"]
    assert (line["level"], line["message"]) == ("Info", "greets")
    assert json.loads(line["extras"]) == ["conversation-1"]
    assert told(week.printed["logs of errors"]).splitlines() == [";".join(line)]


COLUMNS = {
    "Successful Invocations": 1,
    "Unknown Errors": 0,
    "Code-based Errors": 0,
    "Platform Failures": 0,
    "Timeout Errors": 0,
}


def test_metrics_count_what_ran_in_every_format(week: lpf.Week) -> None:
    [table] = week.printed["metrics table"].tables()
    exported = list(csv.DictReader(week.printed["metrics csv"].text.splitlines()))
    # It prints what JavaScript calls it, which YAML can read.
    listed = yaml.safe_load(week.printed["metrics json"].text)

    for rows in (table, exported, listed):
        assert {name: sum(int(row[name]) for row in rows) for name in COLUMNS} == COLUMNS
    # From where the clock has five minutes to now.
    assert {int(row["To"]) - int(row["From"]) for row in exported[:-1]} == {300_000}
    assert 12 <= len(table) == len(exported) == len(listed) <= 13
    assert re.fullmatch(DATE, table[0]["From"])


def test_create_schedule_says_when_it_runs_next(week: lpf.Week) -> None:
    printed = told(week.printed["create:schedule"])

    assert re.search(r"Next execution: \d{4}-01-01T00:00:00", printed)


def test_add_domain_adds_it_once(week: lpf.Week) -> None:
    added = f"Domain {lpf.DOMAIN} was added to your account successfully."

    assert added in told(week.printed["add:domain"])
    assert added not in told(week.printed["add:domain again"])
    assert f'Cannot allow "{lpf.DOMAIN}": it is on the list' in told(
        week.printed["add:domain again"]
    )


def test_undeploy_ends_when_the_function_does_not_serve(week: lpf.Week) -> None:
    assert "Undeploying welcome [completed]" in told(week.printed["undeploy"])


def test_pull_writes_what_was_pushed(week: lpf.Week) -> None:
    assert "Pulling welcome [completed]" in told(week.printed["pull"])
    assert week.pulled["index.js"] == week.pushed["index.js"]
    pulled, pushed = (json.loads(each["config.json"]) for each in (week.pulled, week.pushed))
    # What it is tried with is the event's sample.
    assert set(pulled.pop("input")) == set(pushed.pop("input"))
    assert pulled == pushed


def test_logout_and_login_by_password(week: lpf.Week) -> None:
    assert "Logout successful" in told(week.printed["logout"])
    # It asks who it is, and nobody answers.
    assert "Choose accountId or select other" in week.printed["get logged out"].text
    assert lpf.WELCOME not in week.printed["get logged out"].text
    assert "Use lpf help or lpf <command> --help" in told(week.printed["login by password"])


def test_wrong_password_is_said_to_be_wrong(v1: Way, account: Account, tmp_path: Path) -> None:
    stranger = lpf.Lpf(v1, tmp_path)

    printed = told(stranger("login", "-a", ACCOUNT_ID, "-u", PERSON, "-p", "guessed"), code=1)

    assert "Check your credentials and try again lpf login" in printed


def test_revoked_token_is_said_to_allow_nothing(v1: Way, account: Account, tmp_path: Path) -> None:
    stranger = lpf.Lpf(v1, tmp_path)
    lpf.log_in_by_token(stranger, account.revoked_token, "1")

    printed = stranger("pull", "answer", "-y").text

    assert "You are not authorized to perform this action, please check your permissions" in printed


def test_get_in_an_empty_account_says_that_it_is_empty(
    v1: Way, account: Account, tmp_path: Path
) -> None:
    person = lpf.Lpf(v1, tmp_path)
    lpf.log_in_by_token(
        person, account.tokens[EMPTY_ACCOUNT_ID], account.user_id, account_id=EMPTY_ACCOUNT_ID
    )

    printed = told(person("get", "functions"), code=1)

    assert "There are no functions created on your account!" in printed


def test_push_by_who_does_not_develop_is_refused(v1: Way, account: Account, tmp_path: Path) -> None:
    admin = lpf.Lpf(v1, tmp_path)
    lpf.log_in_by_token(admin, account.admin_token, "1")
    admin.write("forbidden", lpf.SOURCE)

    printed = told(admin("push", "forbidden", "-y"), code=1)

    refusal = "Cannot create, change and delete functions: glynn lacks the privilege developer"
    assert refusal in printed


def test_secret_is_never_shown(week: lpf.Week, product: Houston, account: Account) -> None:
    keys = httpx.get(
        f"{product.url}/api/account/{ACCOUNT_ID}/secrets",
        headers={"Authorization": f"Bearer {account.tokens[ACCOUNT_ID]}"},
    )

    assert "crm" in keys.text
    assert SECRET not in keys.text
    assert not [step for step, printed in week.printed.items() if SECRET in printed.text]


# The next command line, which is not published ----------------------------------------------------

META = {"uuid", "name", "description", "state", "skills", "eventId", "size", "isCompV1",
        "createdAt", "createdBy", "updatedAt", "updatedBy"}  # fmt: skip
UNCHANGED_FUNCTION = "com.liveperson.faas.function.unchanged"
OUTCOMES = ["UNKNOWN", "SUCCEEDED", "CODING_FAILURE", "PLATFORM_FAILURE", "TIMEOUT"]


@pytest.fixture
def cli(product: Houston, account: Account) -> Iterator[NextCli]:
    with NextCli(product.url, V2_ACCOUNT_ID, account.tokens[V2_ACCOUNT_ID]) as made:
        yield made


def test_directory_names_a_host_that_means_v2(v2: Way) -> None:
    """By this the next command line tells whether an account is one of V2."""
    found = httpx.get(
        f"http://127.0.0.1:{v2.http_port}/api/account/{V2_ACCOUNT_ID}/service/baseURI.json",
        params={"version": "1.0"},
        headers={"host": "api.liveperson.net", "user-agent": "faas-cli"},
    ).json()

    hosts = {one["service"]: one["baseURI"] for one in found["baseURIs"]}
    assert hosts == dict.fromkeys(["faasGW", "faasUI", "sentinel", "agentVep"], V2_HOST)


def test_next_cli_pushes_what_is_new_and_skips_what_is_not(cli: NextCli) -> None:
    function = cli.push_new("pushed", lpf.EVENT)
    [listed] = [one for one in cli.call("GET", "/functions") if one["uuid"] == function]
    newest = cli.newest(function)

    assert set(listed) >= META
    assert (listed["name"], listed["state"], listed["eventId"]) == ("pushed", "Draft", lpf.EVENT)
    assert (newest["code"], newest["environment"]) == (next_cli.SOURCE, {})
    same = {"version": newest["version"], "code": next_cli.SOURCE}
    assert cli.refused("PUT", f"/functions/{function}/manifest", same) == UNCHANGED_FUNCTION
    described = {"description": "an example"}
    assert cli.refused("PUT", f"/functions/{function}", described) == UNCHANGED_FUNCTION

    saved = cli.call("PUT", f"/functions/{function}", {"description": "another"})
    cli.push(function, next_cli.CHANGED, A="b")

    newest = cli.newest(function)
    assert saved["manifest"]["id"]
    assert cli.call("GET", f"/functions/{function}")["description"] == "another"
    assert (newest["code"], newest["environment"]) == (next_cli.CHANGED, {"A": "b"})


def test_next_cli_hears_what_is_wrong_with_code(cli: NextCli) -> None:
    function = cli.push_new("wrong")
    newest = cli.newest(function)
    too_long = {"version": newest["version"], "code": "x" * 100_001}

    # By this word it tells whether code is to blame.
    assert "validation" in cli.refused("PUT", f"/functions/{function}/manifest", too_long)
    cli.push(function, "const lambda = 1;")
    rejected = "com.liveperson.faas.dm.build.rejected"
    assert cli.refused("POST", f"/deployments/{function}", {}) == rejected
    assert cli.state(function) == "Build Error"


def test_next_cli_deploys_and_deploys_again_and_undeploys(cli: NextCli) -> None:
    function = cli.push_new("deployed")
    cli.deploy(function)
    cli.push(function, next_cli.CHANGED)
    assert cli.state(function) == "Modified"

    cli.deploy(function)

    deployments = [
        one for one in cli.call("GET", "/deployments") if one["functionUuid"] == function
    ]
    newest = max(deployments, key=lambda one: one["manifestVersion"])
    assert newest["deploymentState"] == "successful"
    assert newest["manifestVersion"] == cli.newest(function)["version"]
    assert newest["createdBy"] == PERSON
    assert newest["deployedAt"]
    cli.undeploy(function)
    assert cli.state(function) == "Draft"


def test_next_cli_counts_the_account_and_lists_events(cli: NextCli) -> None:
    before = cli.call("GET", "/functions/count"), cli.call("GET", "/deployments/count")
    cli.deploy(cli.push_new("counted"))

    after = cli.call("GET", "/functions/count"), cli.call("GET", "/deployments/count")
    assert after == (before[0] + 1, before[1] + 1)
    [counts] = cli.call("GET", "/reports/invocationCounts", **_last_hour())
    assert counts == {"successfulInvocations": 0, "failedInvocations": 0}
    assert lpf.EVENT in {one["eventId"] for one in cli.call("GET", "/events")}


def test_next_cli_invokes_and_reads_logs_and_metrics(cli: NextCli) -> None:
    function = cli.push_new("tried")

    tried = cli.call("POST", f"/functions/{function}/test", {"headers": [], "payload": {}})

    assert tried["result"] == "first"
    assert [(one["level"], one["message"]) for one in tried["logs"]] == [("Info", "runs")]
    exported = cli.send("GET", f"/functions/{function}/logs/export", **_last_hour())
    assert (exported.status_code, exported.text.count("\n")) == (200, 1)
    asked = {**_last_hour(), "bucketSize": 300, "invocationStates": OUTCOMES}
    report = cli.call("GET", f"/reports/invocations/{function}", **asked)
    assert report["uuid"] == function
    columns = {"from", "to", *OUTCOMES}
    assert [set(one) for one in report["invocationStatistics"]][-12:] == [columns] * 12


def test_next_cli_schedules_what_is_deployed(cli: NextCli) -> None:
    function = cli.push_new("scheduled")
    cli.deploy(function)
    wanted = {"lambdaUUID": function, "cronExpression": lpf.NEW_YEAR, "isActive": True, "uuid": ""}

    assert "-01-01T00:00:00" in cli.call("POST", "/schedules", wanted)["nextExecution"]


def _last_hour() -> dict[str, int]:
    end = int(time.time() * 1000)
    return {"startTimestamp": end - 3_600_000, "endTimestamp": end}
