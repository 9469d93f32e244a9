"""What the manual gives people who come from LivePerson works."""

import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from houston import manual
from houston.manual.codes import VENDOR_CODES
from invoker import answers
from invoker.api import PREFIX
from invoker.runtime import Failure, Outcome, Result

ROOT = Path(__file__).parents[2]
PAGE = manual.BY_SLUG["coming-from-liveperson"]
ASK = """
const request = (url, options = {}) => new Promise((done, failed) =>
  require(url.split(":")[0]).get(url, options, (answer) => {
    let text = "";
    answer.on("data", (piece) => (text += piece));
    answer.on("end", () => done(JSON.parse(text).baseURIs));
  }).on("error", failed));
const path = "/api/account/48291057/service/baseURI.json?version=1.0";
Promise.all([
  request("http://adminlogin.liveperson.net" + path),
  request("https://api.liveperson.net" + path),
  request("https://adminlogin-a.liveperson.net" + path, { agent: require("https").globalAgent }),
  request(HERE + path),
]).then((all) => console.log(JSON.stringify(all)));
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_script_leads_what_asks_for_liveperson_here(db, settings, live_server, tmp_path):
    settings.HOUSTON_URL = live_server.url
    script = tmp_path / "houston.js"
    rendered = render_to_string("help/examples/houston.js", {"url": live_server.url})
    script.write_text(unescape(rendered))
    here = live_server.url.replace("http:", "https:")

    ran = subprocess.run(
        ["/usr/bin/env", "node", "-e", ASK.replace("HERE", json.dumps(here))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "NODE_OPTIONS": f"--require {script}"},
    )

    answers = json.loads(ran.stdout)
    assert len(answers) == 4
    netloc = live_server.url.removeprefix("http://")
    assert [{one["baseURI"] for one in answer} for answer in answers] == [{netloc}] * 4


def test_page_names_every_host_that_the_clients_ask():
    text = manual.content(PAGE)

    assert [
        host
        for host in (
            "api.liveperson.net",
            "adminlogin.liveperson.net",
            "adminlogin-a.liveperson.net",
            "adminlogin-z0-intg.liveperson.net",
            "csds-app.qa.int.gw.lpcloud.io",
            "lp-csds-qa.dev.lprnd.net",
        )
        if f"<code>{host}</code>" not in text
    ] == []


def codes_of_the_api():
    """Those of LivePerson's that the source of the API is able to send."""
    found = set()
    for folder in ("functions/api", "invoker/api", "invoker/gateway"):
        for path in (ROOT / folder).glob("*.py"):
            found |= _codes(path)
    for name in ("houston/api_errors.py", "houston/vendor.py", "invoker/answers.py"):
        found |= _codes(ROOT / name)
    return found


def _codes(path):
    text = path.read_text()
    pieces = re.findall(r'(?:\{(?:api[.])?PREFIX\})([a-z.-]+)"', text)
    checks = re.findall(r'\{VALIDATION\}([a-z-]+)"', text)
    return {PREFIX + each for each in pieces if not each.endswith(".")} | {
        f"{PREFIX}fm.validation.{each}" for each in checks
    }


def test_page_has_every_code_that_the_api_sends():
    told = {code for each in VENDOR_CODES for code in each.codes}

    found = codes_of_the_api()

    assert len(found) > 20
    assert found - told == set()
    text = manual.content(PAGE)
    assert [code for code in told if f"<code>{code}</code>" not in text] == []


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.CODING_FAILURE, "custom-failure"),
        (Outcome.CODING_FAILURE, "memory-exceeded"),
        (Outcome.TIMEOUT, "execution-time-exceeded"),
        (Outcome.PLATFORM_FAILURE, "busy"),
        (Outcome.PLATFORM_FAILURE, "crashed"),
    ],
)
def test_codes_of_runs_that_give_no_result_are_told_with_their_status(outcome, code):
    sent = answers.refusal(
        Result(outcome=outcome, failure=Failure(code=code, name="", message="no"))
    )

    rows = [each for each in VENDOR_CODES if each.codes == (sent.v1_code, sent.v2_code)]

    assert len(rows) == 1
    assert str(sent.status) in rows[0].status.split(", ")
