"""A played conversation becomes a scenario, which shows what a change of its function changes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_deploying import GOOD, review
from tests.browser.test_main_flow import sign_in, state
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NAME = "Somebody says hello"


def test_played_conversation_is_saved_fails_with_a_change_and_is_accepted(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])
    pages = page.get_by_role("navigation", name="Pages")
    pages.get_by_role("link", name="Scenarios").click()
    page.get_by_role("link", name="Play a conversation").click()
    page.get_by_role("button", name="Try it").click()
    said = page.locator("#consumer [data-kind=bot] .bubble")
    expect(said).to_have_count(1)
    greeting = said.inner_text()

    page.get_by_role("link", name="Save as scenario").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_role("button", name="Save and run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    ran = page.locator("#ran")
    expect(ran).to_contain_text("Passed")
    expect(ran).to_contain_text("against what is deployed")

    # The review says what would come otherwise, and a click alone deploys nothing.
    pages.get_by_role("link", name="Functions").click()
    page.get_by_role("link", name="greet", exact=True).click()
    review(page, GOOD)
    result = page.locator("#batch-result")
    expect(result).to_contain_text("1 scenario against the draft of greet (version 2). 1 differs")
    expect(result.locator(".diff del")).to_have_text(re.compile(re.escape(greeting)))
    expect(result.locator(".diff ins")).to_have_text(re.compile("Another greeting"))
    page.get_by_role("button", name="Deploy greet").click()
    tick = page.get_by_label("Deploy although 1 scenario differs")
    assert tick.evaluate("(each) => each.validity.valueMissing")
    tick.check()
    page.get_by_role("button", name="Deploy greet").click()
    expect(state(page)).to_contain_text("Productive")

    # It fails against what is deployed now, and says where.
    pages.get_by_role("link", name="Scenarios").click()
    page.get_by_role("link", name=f"Run {NAME}").click()
    expect(ran).to_contain_text("1 step differs")
    expect(ran).to_contain_text("against what is deployed")
    came = ran.locator(".versus > div").last
    expect(came.locator(".bubble")).to_have_text("Another greeting")
    expect(ran.locator(".versus > div").first.locator(".bubble")).to_have_text(greeting)

    page.get_by_role("link", name="Accept what came…").click()
    expect(page.locator(".diff ins")).to_contain_text("Another greeting")
    page.get_by_role("button", name="Accept what came").click()
    expect(ran).to_contain_text("Passed")

    # The version of before still does what it did.
    page.get_by_text("Played by what is deployed").click()
    page.get_by_label("But with an older version of").check()
    page.get_by_label("Function of which an older version plays").select_option("greet")
    page.get_by_label("version", exact=True).fill("1")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(ran).to_contain_text("1 step differs")
    expect(ran).to_contain_text("against version 1 of greet")

    pages.get_by_role("link", name="Scenarios").click()
    delete(page, NAME)


def test_many_are_run_and_filtered_and_a_fault_is_shown_at_its_line(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Scenarios").click()
    for number, name in enumerate(("After closing time", "Goodbye")):
        if number:
            # They stand folded up once the account has some of its own.
            page.get_by_text("Scenarios that come with Houston").click()
        page.get_by_role("link", name=name).first.click()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator("#ran")).to_contain_text("Passed")
        page.get_by_role("button", name="Save to this account").click()
        expect(page.locator("#ran")).to_contain_text("against what is deployed")
        page.locator(".crumbs").get_by_role("link", name="Scenarios").click()

    page.get_by_role("link", name="Goodbye").first.click()
    page.get_by_role("link", name="Edit the file").click()
    text = page.get_by_label("File", exact=True)
    right = text.input_value()
    text.fill(right.replace("act: start", "act: begin"))
    page.get_by_role("button", name="Save and run").click()
    expect(page.locator(".wrong-lines mark")).to_contain_text("act: begin")
    page.get_by_role("button", name=re.compile("Go to line")).click()
    chosen = text.evaluate("(each) => each.value.slice(each.selectionStart, each.selectionEnd)")
    assert "act: begin" in chosen
    text.fill(right.replace("text: ", "text: Not ", 1))
    page.get_by_role("button", name="Save and run").click()
    expect(page.locator("#ran")).to_contain_text("against what is deployed")
    page.locator(".crumbs").get_by_role("link", name="Scenarios").click()

    page.get_by_role("button", name="Run all 2").click()
    expect(page.locator("#batch-state")).to_contain_text("All 2 passed against what is deployed")
    page.get_by_placeholder("Filter by name").fill("good")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Run this one").click()
    expect(page.locator("#batch-state")).to_contain_text("It passed")
    expect(page).to_have_url(re.compile("q=good"))

    delete(page, "Goodbye")
    delete(page, "After closing time")
    expect(page.get_by_role("heading", name="No scenarios yet")).to_be_visible()


def delete(page: Page, name: str) -> None:
    """From the list, by the dialog that says what goes."""
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_label(f"More for {name}").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name=f'Delete the scenario "{name}"').click()
    expect(page.get_by_role("heading", name="Scenarios", level=1)).to_be_visible()
