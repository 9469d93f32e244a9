"""What the manual gives people who come from LivePerson works."""

import json
import os
import subprocess
from html import unescape

import pytest
from django.template.loader import render_to_string

from houston import manual

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
