"""Charts are drawn and follow the theme; new lines of the log come in by themselves."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS
from tests.stack.conftest import PASSWORD, Houston

pytestmark = [pytest.mark.browser, pytest.mark.stack]

RUN = """
import datetime as dt
from django.utils import timezone
from functions.models import Function
from invoker.models import *
function = Function.objects.select_related("deployment").get(account_id="demo1", name="greet")
for number, ago in enumerate({minutes}):
    at = timezone.now() - dt.timedelta(minutes=ago)
    run = Invocation.objects.create(account_id="demo1", deployment=function.deployment,
        function_id=function.pk, outcome="SUCCEEDED", duration_ms=40, started_at=at,
        finished_at=at)
    LogLine.objects.create(account_id="demo1", invocation=run, function_id=function.pk, number=1,
        level="Warn", message="{message} " + str(number), extras=[], logged_at=at)
"""


@pytest.fixture(scope="module")
def run(houston: Houston) -> Callable[[str, list[int]], None]:
    """Makes runs of the demo's function so many minutes ago, with a line of the log each."""

    def make(message: str, minutes: list[int]) -> None:
        houston.manage("shell", "-v0", "-c", RUN.format(message=message, minutes=minutes))

    return make


@pytest.fixture
def inside(houston: Houston, page: Page) -> Page:
    page.goto(f"{houston.url}/sign-in/")
    page.get_by_label("User name").fill("team")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/**")
    return page


def colours(page: Page, chart: str) -> list[str]:
    """The colours that are on a canvas, the most frequent first."""
    return page.locator(f"#{chart} canvas").evaluate(
        """(canvas) => {
          const {width, height} = canvas;
          const copy = new OffscreenCanvas(width, height);
          const context = copy.getContext("2d", {willReadFrequently: true});
          context.drawImage(canvas, 0, 0);
          const {data} = context.getImageData(0, 0, width, height);
          const counts = new Map();
          for (let n = 0; n < data.length; n += 4) {
            if (data[n + 3] < 255) continue;
            const name = data.slice(n, n + 3).join();
            counts.set(name, (counts.get(name) ?? 0) + 1);
          }
          return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
        }"""
    )


def swatch(page: Page) -> str:
    """The colour that the legend has for the first series."""
    shown = page.locator("#invocations .swatch").first.evaluate(
        "(element) => getComputedStyle(element).backgroundColor"
    )
    return ",".join(re.findall(r"\d+", shown))


def expect_drawn_in(page: Page, colour: str) -> None:
    """Wait until the chart has the colour of its legend: it is drawn a frame later."""
    ends = time.monotonic() + TIMEOUT_MS / 1000
    while colour not in colours(page, "invocations"):
        assert time.monotonic() < ends, colours(page, "invocations")[:5]
        page.wait_for_timeout(20)


def test_charts_are_drawn_tell_values_and_follow_the_theme(
    houston: Houston, inside: Page, run: Callable[[str, list[int]], None]
) -> None:
    run("drawn", list(range(1, 50, 2)))
    inside.goto(f"{houston.url}/a/demo1/metrics/?window=1h")

    expect(inside.locator("figure canvas")).to_have_count(2)
    light = swatch(inside)
    expect_drawn_in(inside, light)

    inside.locator("#invocations .u-over").hover(position={"x": 200, "y": 60})
    told = inside.locator("#invocations .value").first
    expect(told).to_have_text(re.compile(r"^\d+$"))
    expect(inside.locator("#durations [data-when]")).to_contain_text("UTC")

    inside.evaluate("document.documentElement.dataset.theme = 'dark'")
    inside.wait_for_function(
        "(light) => getComputedStyle(document.querySelector('#invocations .swatch'))"
        ".backgroundColor.match(/\\d+/g).join() !== light",
        arg=light,
    )
    expect_drawn_in(inside, swatch(inside))
    assert light not in colours(inside, "invocations")

    inside.locator("#invocations").get_by_text("As a table").click()
    expect(inside.locator("#invocations tbody tr")).to_have_count(60)

    inside.locator("#invocations .u-over").click(position={"x": 200, "y": 60})
    inside.wait_for_url("**/activity/?since=*")


def test_live_tail_adds_new_lines_says_so_and_can_be_paused(
    houston: Houston, inside: Page, run: Callable[[str, list[int]], None]
) -> None:
    inside.goto(f"{houston.url}/a/demo1/logs/?q=tail")
    expect(inside.get_by_role("heading", name="Nothing matches in this window")).to_be_visible()

    run("tail", [0])
    expect(inside.locator(".message")).to_have_text(["tail 0"])
    expect(inside.locator("[data-told]")).to_have_text("1 new line")
    expect(inside.get_by_role("heading", name="Nothing matches")).to_have_count(0)

    inside.get_by_role("button", name="Live").click()
    expect(inside.get_by_role("button", name="Paused")).to_be_visible()
    run("tail later", [0])
    inside.wait_for_timeout(4_000)
    expect(inside.locator(".message")).to_have_text(["tail 0"])

    inside.get_by_role("button", name="Paused").click()
    expect(inside.locator(".message")).to_have_text(["tail later 0", "tail 0"])
