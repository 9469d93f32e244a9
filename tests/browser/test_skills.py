"""A developer binds a function to skills, as chips, and to none again."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_skills_are_chips_that_are_saved_apart_from_the_draft(page: Page, houston: Houston) -> None:
    demo = houston.demo("https://callback.example.com/")
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
