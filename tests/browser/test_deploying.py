"""Save, review against what is live and real events, deploy, break it, and roll back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import send_event, sign_in, state
from tests.conftest import CallbackServer
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
GOOD = (
    "function lambda(input, callback) "
    '{ callback(null, [{ type: "systemMessage", text: "Another greeting" }]); }'
)
FAILS = 'function lambda(input, callback) { callback(null); } throw new Error("not today");'


def test_version_is_compared_deployed_broken_and_rolled_back(
    page: Page, houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    send_event(demo)
    callback_server.wait_for(1, timeout_s=20)
    sign_in(page, houston, demo["sign_in"])
    page.get_by_role("link", name="greet", exact=True).click()

    review(page, GOOD)
    expect(page.locator("#replay-state")).to_contain_text("1 event: 1 with another result")
    replay = page.locator(".replay")
    expect(replay).to_contain_text("as it happened")
    expect(replay.locator(".bubble").last).to_have_text("Another greeting")
    page.get_by_label("Note").fill("Greets in another way")
    page.get_by_role("button", name="Deploy greet").click()
    expect(state(page)).to_contain_text("Productive")

    review(page, FAILS)
    page.get_by_role("button", name="Deploy greet").click()
    expect(page.get_by_role("alert").first).to_contain_text("not today")
    expect(page.locator("[data-step=failed]")).to_contain_text("Start it in the sandbox")
    page.get_by_role("link", name="Line 3").first.click()
    expect(page.locator("#cursor")).to_contain_text("3")

    page.get_by_label("More for greet").click()
    page.get_by_role("link", name="Deployments", exact=True).last.click()
    expect(page.get_by_role("row").filter(has_text="Serving")).to_contain_text(
        "Greets in another way"
    )
    page.get_by_role("link", name="Roll back…").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back greet").click()
    expect(page.get_by_text('"greet" serves with version 1 again')).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Build error")).to_contain_text("not today")
    page.get_by_role("link", name="Versions", exact=True).first.click()
    expect(page.locator("code-diff .monaco-diff-editor").first).to_be_visible()

    # An older version beside unsaved work, and back.
    page.get_by_role("link", name="Editor", exact=True).click()
    line = page.locator("#code-editor .view-line")
    line.first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text("// not saved\n")
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("link", name=re.compile("^Compare version 1 ")).click()
    beside = page.get_by_role("dialog", name="Version 1 beside the code in the editor")
    expect(beside.locator(".modified")).to_contain_text("// not saved")
    expect(beside.locator(".original")).not_to_contain_text("// not saved")
    page.on("dialog", lambda dialog: dialog.accept())
    beside.get_by_role("button", name="Restore version 1").click()
    expect(page.locator("#saved-at")).to_contain_text("4")
    expect(page.locator("#code-editor")).to_contain_text("function lambda")


def test_payload_tells_what_it_means_and_writes_its_paths(page: Page, houston: Houston) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])
    page.get_by_role("link", name="greet", exact=True).click()
    expect(page.locator("#code-editor .view-line").first).to_be_visible()

    page.get_by_role("searchbox", name=re.compile("Find a field")).fill("id of the conversation")
    page.get_by_role("treeitem", name="convId").click()
    expect(page.locator("#field-doc")).to_contain_text("Id of the conversation")
    expect(page.get_by_role("treeitem", name="visitorId")).to_be_hidden()
    page.locator("#code-editor .view-line").first.click()
    page.keyboard.press("Control+Home")
    page.get_by_role("button", name="Insert at cursor").click()
    expect(page.locator("#code-editor .view-line").first).to_contain_text(
        "input.payload.general.convId"
    )

    separator = page.get_by_role("separator", name="Width of the sidebar")
    separator.press("ArrowLeft")
    wider = separator.get_attribute("aria-valuenow")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(separator).to_have_attribute("aria-valuenow", str(wider))


def review(page: Page, code: str) -> None:
    """Replace the code in the editor, save it and open the review."""
    expect(page.locator("#code-editor .view-line").first).to_be_visible()
    page.locator("#code-editor .view-line").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_role("heading", name="Checks")).to_be_visible()
    # Before its scripts have come, the page deploys by a plain form and shows no steps.
    page.wait_for_load_state()
