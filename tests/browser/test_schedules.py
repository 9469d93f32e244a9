"""A schedule is made by clicks, and its next times are told while one types."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_schedule_is_made_paused_and_deleted(page: Page, houston: Houston) -> None:
    sign_in(page, houston, houston.demo("https://callback.example.com/")["sign_in"])
    page.get_by_role("link", name="Schedules", exact=True).click()
    page.get_by_role("link", name="Weekdays at 09:00").click()
    said = page.locator("#schedule-said")
    expect(said).to_contain_text("At 09:00, Monday through Friday")

    page.get_by_label("Time zone").fill("Asia/Tokio")
    expect(said).to_contain_text('did you mean "Asia/Tokyo"')
    page.get_by_label("Time zone").fill("Asia/Tokyo")
    expect(said.locator("tbody tr").first).to_contain_text("00:00")
    page.get_by_role("button", name="Every hour").click()
    expect(said).to_contain_text("Every hour")
    expect(said.locator("tbody tr")).to_have_count(5)
    # What was not changed stays in the field, and the keyboard does what the button does.
    page.get_by_label("Input").press("Control+Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("greet: Every hour")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("It is paused.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Not run yet")).to_be_visible()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the schedule").click()
    expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()
