"""Functions go out as files, and files come in."""

import io
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_functions_go_out_as_files_and_come_in_as_drafts(page: Page, houston: Houston) -> None:
    sign_in(page, houston, houston.demo()["sign_in"])
    selected = page.locator(".selection")
    expect(selected).to_be_hidden()
    page.get_by_label("Select all that are shown").check()
    expect(selected).to_contain_text("1 selected")
    with page.expect_download() as download:
        selected.get_by_role("button", name="Export").click()

    page.get_by_role("link", name="Import…").click()
    page.get_by_label("Zip file", exact=True).set_input_files(
        {
            "name": "functions.zip",
            "mimeType": "application/zip",
            "buffer": edited(download.value.path().read_bytes()),
        }
    )
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text(
        "The archive holds 1 new, 1 changed"
    )
    expect(page.locator(".diff ins")).to_contain_text(["// edited elsewhere"])
    page.get_by_label("Import copy").uncheck()
    expect(page.locator(".commit-bar")).to_contain_text("1 of 2 ticked")
    page.get_by_role("button", name="Import what is ticked").click()

    expect(page.get_by_text('"greet" is imported as a draft: nothing is deployed')).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("Modified")
    # By the filter and the heading, without a page of its own.
    page.get_by_label("Filter by name, event or skill").fill("greet")
    page.get_by_role("link", name="p95").click()
    page.wait_for_url("**/functions/?q=greet&*sort=p95")
    expect(page.get_by_role("columnheader", name="p95")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_label("State").select_option("Draft")
    expect(page.get_by_role("heading", name="No function matches")).to_be_visible()


def edited(archive: bytes) -> bytes:
    """The archive with a line more in `greet`, and a copy of it for no event."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as found, zipfile.ZipFile(out, "w") as made:
        code = found.read("functions/greet/index.js").decode() + "// edited elsewhere\n"
        made.writestr("functions/greet/index.js", code)
        made.writestr("functions/greet/config.json", found.read("functions/greet/config.json"))
        made.writestr("functions/copy/index.js", code)
        made.writestr("functions/copy/config.json", '{"name": "copy", "description": "Copy"}')
    return out.getvalue()
