"""The editor page loses nothing: not at a reload, and not when two people save."""

import re
import shutil
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import CHROMIUM, TIMEOUT_MS
from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def demo(houston: Houston) -> dict[str, Any]:
    assert shutil.which(CHROMIUM)
    return houston.demo()


def open_editor(page: Page, houston: Houston, demo: dict[str, Any]) -> None:
    page.goto(f"{houston.url}/a/{demo['account_id']}/functions/greet/")
    expect(page.locator("#code-editor .view-line").first).to_be_visible()


def type_first(page: Page, text: str) -> None:
    page.locator("#code-editor .view-line").first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text(f"{text}\n")


def test_unsaved_work_is_there_after_a_reload(
    page: Page, houston: Houston, demo: dict[str, Any]
) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page, houston, demo["sign_in"])
    open_editor(page, houston, demo)
    type_first(page, "// kept")
    expect(page.locator("#dirty")).to_be_visible()

    page.reload()

    expect(page.get_by_text(re.compile("Restored unsaved work"))).to_be_visible()
    expect(page.locator("#code-editor")).to_contain_text("// kept")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#code-editor")).not_to_contain_text("// kept")
    expect(page.locator("#dirty")).to_be_hidden()


# A browser with much to do lets timers wait: here those that keep unsaved work come when the merged
# text is sent, the latest moment there is.
LATE_TIMERS = """
const soon = setTimeout;
window.late = [];
window.setTimeout = (act, ms, ...rest) => ms === 400 ? -late.push(act) : soon(act, ms, ...rest);
window.addEventListener("submit", () => late.forEach((act) => soon(act, 0)));
"""


@pytest.mark.parametrize("script", ["", LATE_TIMERS], ids=["idle", "busy"])
def test_two_changes_are_merged_by_hand(
    browser: Browser, houston: Houston, demo: dict[str, Any], script: str
) -> None:
    # The browser itself complains of an answer that refuses, so these pages are not listened to.
    contexts: list[BrowserContext] = [browser.new_context() for _ in range(2)]
    contexts[0].add_init_script(script)
    mine, theirs = (context.new_page() for context in contexts)
    saves: list[Route] = []
    # From the beginning: of a request that was sent while its page began to listen, nobody heard.
    # And Playwright marks the handler, which cannot be done to a method of a list.
    mine.route(re.compile("/save/$"), lambda route: saves.append(route))  # noqa: PLW0108
    for page in (mine, theirs):
        sign_in(page, houston, demo["sign_in"])
        open_editor(page, houston, demo)
    type_first(theirs, "// theirs")
    theirs.keyboard.press("Control+s")
    expect(theirs.locator("#dirty")).to_be_hidden()
    type_first(mine, "// mine")
    mine.keyboard.press("Control+s")
    ends = time.monotonic() + TIMEOUT_MS / 1000
    while not saves:
        assert time.monotonic() < ends, mine.locator("main").inner_text()
        mine.wait_for_timeout(10)
    mine.keyboard.insert_text("// typed meanwhile\n")
    saves[0].continue_()
    mine.unroute_all()

    expect(mine.get_by_role("heading", name="Two changes of greet")).to_be_visible()
    if script:
        assert "// typed meanwhile" in mine.evaluate("JSON.stringify(localStorage)")
    mine.get_by_role("button", name="Start from theirs").click()
    mine.locator("#merge .modified .view-line").first.click()
    mine.keyboard.press("Control+Home")
    mine.keyboard.insert_text("// mine too\n")
    if script:
        assert mine.evaluate("late.length") > 0
    mine.get_by_role("button", name=re.compile("Save as version")).click()

    expect(mine.locator("#code-editor")).to_contain_text("// mine too")
    expect(mine.locator("#code-editor")).to_contain_text("// theirs")
    expect(mine.locator("#unsaved")).to_be_hidden()
    for context in contexts:
        context.close()
