"""The editor page beside the main flow: hosts that are allowed from it, a telephone, skills."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_main_flow import choose_fix, code, sign_in, state
from tests.stack.conftest import PASSWORD, Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
GREETS = """async function lambda(input) {
  return [{ type: "systemMessage", text: "Hello from a telephone" }];
}
"""


def test_host_is_allowed_by_an_admin_and_asked_for_by_others(
    page: Page, browser: Browser, houston: Houston
) -> None:
    demo = houston.demo()
    houston.manage(
        "shell", "-v0", "-c", "from houston.models import *;"
        f"user = User.objects.create_user('asks', password='{PASSWORD}');"
        f"Membership.objects.create(user=user, account_id='{demo['account_id']}', role='developer')"
    )  # fmt: skip
    sign_in(page, houston, demo["sign_in"])
    call_stranger(page)
    page.keyboard.press("F8")
    # What is said of the problem opens above the line, and would close what is asked for before.
    expect(page.locator(".marker-widget")).to_be_visible()
    expect(page.locator("#cursor")).to_have_text("Line 1, column 16")
    choose_fix(page, "Add stranger.example to the allow-list")
    expect(page.get_by_role("status").get_by_text("Allowed stranger.example")).to_be_visible()
    expect(page.locator("#problems")).to_have_text("No problems")

    other = browser.new_context().new_page()
    sign_in(other, houston, {"username": "asks", "password": PASSWORD})
    call_stranger(other, "third")
    other.locator("#problems").click()
    problems = other.get_by_role("region", name="Problems")
    expect(problems).to_contain_text("third.example: it is not on the allow-list; ask demo to add")
    expect(problems.get_by_role("button", name=re.compile("^Add"))).to_have_count(0)
    other.context.close()


def call_stranger(page: Page, name: str = "stranger") -> None:
    page.get_by_role("link", name="greet", exact=True).click()
    page.locator("#code-editor .view-line").first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text(f'fetch("https://{name}.example/");\n')
    expect(page.locator("#problems")).to_have_text("1 warning")


def test_function_is_changed_tested_and_deployed_on_a_telephone(
    browser: Browser, houston: Houston
) -> None:
    """Where there is only touch the text area is the editor, with the same problems below it."""
    demo = houston.demo()
    size = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, houston, demo["sign_in"])
    page.get_by_role("link", name="greet", exact=True).tap()

    page.get_by_label("Code of greet").fill(f"{GREETS}eval(1);\n")
    page.locator("#problems").tap()
    page.get_by_role("button", name="eval is not available to functions").tap()
    expect(page.locator("#cursor")).to_have_text("Line 4, column 1")
    expect(code(page).locator(".monaco-editor")).to_have_count(0)
    page.get_by_label("Code of greet").fill(GREETS)
    expect(page.locator("#problems")).to_have_text("No problems")
    page.locator("#test-button").tap()
    expect(page.locator("#test .bubble")).to_have_text("Hello from a telephone")
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]

    page.get_by_role("button", name="Save and deploy…").tap()
    page.get_by_role("button", name="Deploy greet").tap()
    expect(state(page)).to_contain_text("Productive")
    context.close()


def test_skills_are_chips_that_are_saved_apart_from_the_draft(page: Page, houston: Houston) -> None:
    demo = houston.demo()
    sign_in(page, houston, demo["sign_in"])
    page.get_by_role("link", name="greet", exact=True).click()
    page.wait_for_url("**/functions/greet/")
    page.wait_for_load_state()
    page.get_by_role("tab", name="Settings").click()
    page.get_by_label("Description").fill("Not saved yet")
    skills = page.get_by_label("Skills", exact=True)
    chips = page.locator(".chip")

    skills.fill("12, 7 12 ")
    expect(chips).to_contain_text(["12", "7"])
    page.get_by_label("Remove 12").click()
    skills.press_sequentially("9")
    skills.press("Enter")
    expect(chips).to_contain_text(["7", "9"])
    skills.press("Enter")
    expect(page.get_by_text('"greet" runs for skills 7, 9 from now on')).to_be_visible()

    expect(page.get_by_label("Description")).to_have_value("Not saved yet")
    expect(page.locator("#dirty")).to_be_visible()
    skills.press("Backspace")
    skills.press("Backspace")
    expect(chips).to_have_count(0)
    page.get_by_role("button", name="Save skills").click()
    expect(page.get_by_text('"greet" runs for all skills from now on')).to_be_visible()
