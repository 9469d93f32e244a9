"""Where one is in the manual."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize("slug", ["getting-started", "operations", "shortcuts"])
def test_contents_show_the_page_that_is_open(page: Page, houston: Houston, slug: str) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])

    page.goto(f"{houston.url}/help/{slug}/")

    here = page.locator(".manual-pages [aria-current]")
    expect(here).to_have_attribute("href", f"/help/{slug}/")
    expect(here).to_be_in_viewport(ratio=0.9)
    expect(page.get_by_role("searchbox", name="Search the manual")).to_be_in_viewport(ratio=1)
