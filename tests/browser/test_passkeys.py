"""Without a password: a passkey with the browser's own authenticator, and single sign-on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.houston.identity_provider import IdentityProvider, environment
from tests.stack.conftest import PASSWORD, Houston, running

pytestmark = pytest.mark.browser

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider()
    yield found
    found.close()


@pytest.fixture(scope="module")
def houston(provider: IdentityProvider) -> Iterator[Houston]:
    with running(**environment(provider)) as product:
        yield product


def test_invited_person_comes_in_by_single_sign_on(
    houston: Houston, page: Page, provider: IdentityProvider
) -> None:
    account = houston.demo()["account_id"]
    houston.manage(
        "shell", "-v0", "-c", "from houston import invitations;"
        "from houston.models import Account;"
        f"invitations.invite(Account.objects.get(pk='{account}'), email='nora@example.com',"
        "roles={'developer'}, by='demo')"
    )  # fmt: skip
    provider.person = {"sub": "7", "email": "nora@example.com", "email_verified": True}

    page.goto(f"{houston.url}/sign-in/")
    page.get_by_role("button", name="Sign in with Harbour ID").click()
    expect(page.get_by_role("heading", name="Demo", level=1)).to_be_visible()
    page.goto(f"{houston.url}/me/single-sign-on/")
    expect(page.get_by_role("row", name="nora@example.com")).to_contain_text("Your only way in")


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
