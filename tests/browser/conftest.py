"""Chromium, and a page of it that listens for complaints."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

# Chromium without windows and tabs of its own: nobody sees them, and they took a third of the CPU.
CHROMIUM = "chromium-headless-shell"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Opened by hand, so that a test can await what a click does.
TIMEOUT_MS = 15_000
expect.set_options(timeout=TIMEOUT_MS)


# Ends with this folder: while it lives, this thread counts as asynchronous, in which Django's tests
# of other files cannot use the database.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of 1440 by 900 that fails the test when the browser complains of anything."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # A form that is refused is answered 422, which the browser notes every time.
        if message.type in ("error", "warning") and "a status of 422" not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    yield page
    context.close()
    assert complaints == []
