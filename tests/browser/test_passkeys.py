"""A passkey from the person's page to the sign-in page, with the browser's own authenticator."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.stack.conftest import PASSWORD, Houston

pytestmark = pytest.mark.browser

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_passkey_is_added_renamed_and_signs_in(houston: Houston, page: Page):
    # Passkeys belong to host names, so this goes by the machine's name.
    url = f"http://localhost:{urlsplit(houston.url).port}"
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.goto(f"{url}/sign-in/")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    page.goto(f"{url}/me/second-factors/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Rename Laptop").click()
    page.get_by_label("Name").fill("My laptop")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("row", name="My laptop")).to_contain_text("Signs in alone")

    page.context.clear_cookies()
    page.goto(f"{url}/sign-in/?next=/me/sessions/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Where you are signed in")).to_be_visible()

    page.goto(f"{url}/me/second-factors/")
    page.get_by_role("link", name="Remove My laptop").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Remove My laptop").click()
    expect(page.get_by_text("A passkey on this device")).to_be_visible()
