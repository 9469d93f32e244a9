"""The lines that the console shows with an API client, run as they stand."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import httpx
import pytest
from django.template.loader import render_to_string

from tests.contract.conftest import HERE, V1_HOST, Account, Way
from tests.contract.prepared import ACCOUNT_ID
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.contract, pytest.mark.stack, pytest.mark.timeout(600)]

NEW = {"name": "Shown", "scopes": ["faas.lambda.invoke", "faas.developer"]}
Run = Callable[..., str]


def shown(page: str, name: str) -> str:
    found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None, page
    return unescape(found[1])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder in which the vendor's packages are installed."""
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    environment = {
        "PATH": f"{HERE / 'node_modules' / '.bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "npm_config_registry": "http://127.0.0.1:9/",
        "COLUMNS": "400",
    }

    def ran(*command: str | Path) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    return ran


@pytest.fixture(scope="module")
def pages(houston: Houston) -> tuple[str, str]:
    """The page of a new client, and that of the manual that its lines name."""
    demo = houston.demo()
    clients = f"/a/{demo['account_id']}/settings/api-clients"
    with httpx.Client(base_url=houston.url, follow_redirects=True, timeout=30) as browser:
        for address, values in (("/sign-in/", demo["sign_in"]), (f"{clients}/new/", NEW)):
            browser.get(address)
            token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            answer = browser.post(address, data=values | token).raise_for_status()
        return answer.text, browser.get("/help/coming-from-liveperson/").text


def test_curl_runs_a_function(pages: tuple[str, str], run: Run) -> None:
    head, body = run("sh", "-c", shown(pages[0], "example-curl")).split("\n\n", 1)

    assert head.startswith("HTTP/1.1 200 ")
    assert [each["type"] for each in json.loads(body)] == ["systemMessage"]


def test_curl_says_why_there_is_no_token(pages: tuple[str, str]) -> None:
    lines = re.sub(r"client_secret='.*'", "client_secret='wrong'", shown(pages[0], "example-curl"))
    asks = lines.partition("\n# ")[0]

    done = subprocess.run(["/bin/sh", "-c", asks], capture_output=True, text=True, check=False)

    assert json.loads(done.stderr)["message"].startswith("Cannot give out a token: ")


def test_npm_client_runs_a_function(pages: tuple[str, str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "shown.js").write_text(shown(pages[0], "example-npm"))

    printed = run("node", "shown.js")

    assert printed.startswith("200 ")
    assert "type: 'systemMessage'" in printed


def test_command_line_finds_the_way_by_the_script_of_the_manual(
    pages: tuple[str, str], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "houston.js").write_text(shown(pages[1], "houston-js"))
    lines = [shown(pages[0], "example-curl").partition("\n# ")[0], shown(pages[0], "example-lpf")]

    printed = run("sh", "-e", "-c", "\n".join(lines))

    assert re.search(r"^ *greet +Productive", printed, re.MULTILINE)


UNCHANGED = """
const client = new Client({ accountId, authStrategy: { clientId, clientSecret } });
Promise.all([
  client.isImplemented({ eventId: "controllerbot_messaging_new_conversation" }),
  client.getLambdas({ state: ["Productive"] }),
]).then(([isImplemented, { body }]) => console.log(isImplemented, body.map(({ name }) => name)));
"""


def test_unchanged_npm_client_comes_to_an_address_with_http_and_a_port_by_the_script_of_the_manual(
    houston: Houston, pages: tuple[str, str], run: Run, tmp_path: Path
) -> None:
    assert re.fullmatch(r"http://[^/]+:\d+", houston.url)
    (tmp_path / "houston.js").write_text(shown(pages[1], "houston-js"))
    names = shown(pages[0], "example-npm").partition("async function")[0]
    (tmp_path / "unchanged.js").write_text(names + UNCHANGED)

    printed = run("node", "--require", "./houston.js", "unchanged.js")

    assert printed == "true [ 'greet' ]\n"


@pytest.mark.parametrize("invokes", [True, False])
def test_npm_client_needs_one_line_where_houston_has_a_public_address(
    v1: Way, account: Account, tmp_path: Path, invokes: bool
) -> None:
    answer = {"function_name": "answer", "function_id": account.functions["answer"]}
    context = {
        "account": {"pk": ACCOUNT_ID},
        "client": {"client_id": account.client["clientId"]},
        "secret": account.client["clientSecret"],
        "is_plain": True,
        "server": V1_HOST,
        "invoked": answer if invokes else None,
        "payload": json.dumps({"want": "text"}),
    }
    script = tmp_path / "shown.js"
    script.write_text(unescape(render_to_string("accounts/examples/api_client.js", context)))
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")

    ran = v1.run("node", script)

    assert ran.stderr == ""
    if invokes:
        assert ran.stdout == '200 said "so"\n'
    else:
        assert ran.stdout.startswith("200 [")
        assert "name: 'answer'" in ran.stdout
