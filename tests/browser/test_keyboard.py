"""A developer and an admin at work without a mouse: every control is reached by Tab."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NAME = "by_keys"
MOST_TABS = 120
"""No page has more stops than that before what is wanted."""


def reach(page: Page, wanted: Locator, *, key: str = "Tab") -> None:
    """Press Tab until it has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} is not reached by {key}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    reach(page, wanted)
    page.keyboard.press(key)


def go_to(page: Page, letter: str, title: str) -> None:
    # A page that has just come does not listen yet.
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press(letter)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def test_function_is_made_tested_deployed_and_deleted(page: Page, houston: Houston) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])

    press(page, page.get_by_role("link", name="New function").first)
    reach(page, page.get_by_label("Name", exact=True))
    page.keyboard.press("Control+a")
    page.keyboard.type(NAME)
    press(page, page.get_by_role("button", name="Create function"))
    expect(page.get_by_role("heading", name=NAME, level=1)).to_be_visible()

    # Tab writes in the code until Ctrl+M says that it leads on.
    code = page.locator("#code-editor")
    expect(code.locator(".view-line").first).to_be_visible()
    reach(page, code.get_by_role("textbox"))
    page.keyboard.press("Control+Home")
    page.keyboard.type("// typed")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+m")
    press(page, page.get_by_role("tab", selected=True))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Test")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    expect(
        page.get_by_role("tabpanel", name="Test").get_by_text("Succeeded", exact=True)
    ).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.locator("#dirty")).to_be_hidden()

    page.keyboard.press("Control+Shift+Enter")
    press(page, page.get_by_role("button", name=f"Deploy {NAME}"))
    expect(page.get_by_text("Productive").first).to_be_visible()

    go_to(page, "f", "Functions")
    for act in ("Undeploy", "Delete"):
        more = page.get_by_label(f"More for {NAME}")
        press(page, more)
        link = page.get_by_role("link", name=f"{act}…")
        reach(page, link)
        page.keyboard.press("Escape")
        expect(more).to_be_focused()
        page.keyboard.press("Enter")
        press(page, link)
        dialog = page.get_by_role("dialog")
        if act == "Delete":
            reach(page, dialog.get_by_role("textbox"))
            page.keyboard.type(NAME)
        press(page, dialog.get_by_role("button", name=f"{act} {NAME}"))
        expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)


def test_secret_is_added_and_deleted(page: Page, houston: Houston) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])

    go_to(page, "s", "Settings")
    press(page, page.get_by_role("link", name="Secrets", exact=True).first)
    reach(page, page.get_by_label("Key", exact=True))
    page.keyboard.type("by-keys")
    reach(page, page.get_by_label("Value", exact=True))
    page.keyboard.type("sesame")
    press(page, page.get_by_role("button", name="Add secret"))
    expect(page.get_by_role("link", name="Replace the value of by-keys")).to_be_visible()

    delete = page.get_by_role("link", name="Delete by-keys…")
    press(page, delete)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(delete).to_be_focused()
    page.keyboard.press("Enter")
    press(page, page.get_by_role("dialog").get_by_role("button", name="Delete by-keys"))
    expect(page.get_by_role("link", name="Replace the value of by-keys")).to_have_count(0)
