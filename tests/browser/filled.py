"""One running product with an account as in real life, and a tab of the browser for each person."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

from tests.browser.every_page import Shown, address
from tests.stack import services
from tests.stack.conftest import ONE_OF_EACH, ROOT, Houston

NARROW = 390
SIZES = {1440: 900, NARROW: 844}
READY_WITHIN_S = 30
TIMEOUT_MS = 20_000
# Monaco, the charts and what a page asks for by itself have drawn what they have.
READY = """() => document.readyState === "complete"
  && [...document.querySelectorAll("code-editor, code-diff")].every((each) =>
    !each.checkVisibility() || each.querySelector(".view-line")
    || (matchMedia("(pointer: coarse)").matches && each.querySelector("textarea")))
  && [...document.querySelectorAll("[data-chart]")].every((each) => each.querySelector("canvas"))
  && !document.querySelector(".htmx-request, [aria-busy=true]")"""


@dataclass(slots=True)
class Filled:
    """`arguments` are the things of addresses, `debug_url` is the same product in debug mode."""

    url: str
    debug_url: str
    arguments: dict[str, Any]
    sessions: dict[str, str]
    failure: str
    tabs: dict[tuple[str, int], Page] = field(default_factory=dict)

    def open(self, browser: Browser, shown: Shown, width: int) -> Page:
        """The page as its person sees it, after its steps."""
        page = self._tab(browser, shown.who, width)
        url = self.debug_url if shown.debug else self.url
        if shown.path == "/fails/":
            # Nothing in the product fails on demand, so this is what would have been answered.
            failure = {"status": 500, "body": self.failure, "content_type": "text/html"}
            page.route("**/fails/", lambda route: route.fulfill(**failure), times=1)
        answer = page.goto(url + address(shown, self.arguments))
        for step in shown.steps:
            page.wait_for_function(READY)
            step(page)
        page.wait_for_function(READY)
        assert shown.steps or (answer and answer.status == shown.status), (shown.slug, answer)
        # What a step led to has no answer here to look at.
        assert shown.status == 500 or not page.title().startswith("Houston failed"), shown.slug
        return page

    def _tab(self, browser: Browser, who: str, width: int) -> Page:
        """The tab of this person: a new process of the browser costs as much as what it shows."""
        if (who, width) not in self.tabs:
            self.tabs[who, width] = self._new_tab(browser, who, width)
        page = self.tabs[who, width]
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        if not who:
            # Whom a page before has signed in.
            page.context.clear_cookies()
        return page

    def _new_tab(self, browser: Browser, who: str, width: int) -> Page:
        phone = {"is_mobile": True, "has_touch": True} if width == NARROW else {}
        context = browser.new_context(reduced_motion="reduce", locale="en-GB", **phone)
        context.set_default_timeout(TIMEOUT_MS)
        # Leaving a page with unsaved work asks.
        context.on("dialog", lambda dialog: dialog.accept())
        if who:
            context.add_cookies(
                [{"name": "sessionid", "value": self.sessions[who], "url": self.url}]
            )
        page = context.new_page()
        page.on("crash", lambda _: self.tabs.pop((who, width), None))
        return page


@contextlib.contextmanager
def filled_product() -> Iterator[Filled]:
    data_dir = Path(tempfile.mkdtemp(prefix="houston-pages-"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }
    environment = {
        **kept,
        "HOUSTON_DATA_DIR": str(data_dir),
        "HOUSTON_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "houston.settings",
        "PYTHONWARNINGS": "ignore",
    }
    printed = subprocess.run(
        [sys.executable, "-m", "tests.browser.filling"],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    # Nothing of what the account names is asked for real.
    houston = Houston(
        data_dir,
        **ONE_OF_EACH,
        HOUSTON_LIVEPERSON_CSDS="http://127.0.0.1:9",
        HOUSTON_OIDC_URL="http://127.0.0.1:9",
        HOUSTON_OIDC_CLIENT_ID="houston",
        HOUSTON_OIDC_CLIENT_SECRET="unused",
        HOUSTON_OIDC_NAME="Harbour ID",
    )
    debug = None
    try:
        houston.wait()
        port = services.free_port()
        debug = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "houston.wsgi", "--bind", f"127.0.0.1:{port}",
             "--worker-class", "houston.server.Worker", "--threads", "4", "--log-level", "warning"],
            cwd=ROOT, env={**environment, "HOUSTON_DEBUG": "1"},
        )  # fmt: skip
        debug_url = f"http://127.0.0.1:{port}"
        _wait_for(f"{debug_url}/healthz")
        yield Filled(houston.url, debug_url, **json.loads(printed))
    finally:
        if debug:
            debug.terminate()
            debug.wait(timeout=30)
        houston.interrupt()
        shutil.rmtree(data_dir, ignore_errors=True)
        houston.log.unlink(missing_ok=True)


def _wait_for(url: str) -> None:
    ends = time.monotonic() + READY_WITHIN_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, timeout=5)
            return
        assert time.monotonic() < ends, url
        time.sleep(0.1)
