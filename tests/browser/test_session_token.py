"""The console keeps a token where LivePerson's instructions for its command line look for it."""

import json

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def kept(page: Page, account_id: str) -> dict:
    key = f"houston.{account_id}"
    page.wait_for_function("(key) => sessionStorage.getItem(key)", arg=key)
    return json.loads(page.evaluate("(key) => sessionStorage.getItem(key)", key))


def kept_keys(page: Page) -> list[str]:
    return page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('houston.'))")


def status(houston: Houston, account_id: str, token: str) -> int:
    address = f"{houston.url}/api/account/{account_id}/lambdas?v=1"
    return httpx.get(address, headers={"authorization": f"Bearer {token}"}).status_code


def test_token_stays_as_long_as_its_person_is_signed_in(page: Page, houston: Houston) -> None:
    demo = houston.demo()
    account_id = demo["account_id"]
    sign_in(page, houston, demo["sign_in"])
    page.goto(f"{houston.url}/a/{account_id}/functions/")

    first = kept(page, account_id)
    assert list(first) == ["glob", "config"]
    assert status(houston, account_id, first["glob"]) == 200
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{houston.url}/a/{account_id}/logs/")
    page.goto(f"{houston.url}/help/")
    assert kept(page, account_id) == first
    assert [each for each in asked if "session-token" in each] == []

    page.get_by_title(demo["sign_in"]["username"], exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/**")
    page.wait_for_load_state()
    assert kept_keys(page) == []
    assert status(houston, account_id, first["glob"]) == 401

    sign_in(page, houston, demo["team_sign_in"])
    page.goto(f"{houston.url}/a/{account_id}/functions/")
    second = kept(page, account_id)
    assert second["config"] != first["config"]
    assert kept_keys(page) == [f"houston.{account_id}"]


def test_token_of_another_session_or_one_that_expires_soon_is_replaced(
    page: Page, houston: Houston
) -> None:
    demo = houston.demo()
    account_id = demo["account_id"]
    sign_in(page, houston, demo["sign_in"])
    page.goto(f"{houston.url}/a/{account_id}/functions/")
    first = kept(page, account_id)

    for spoiled in (
        "sessionStorage.setItem('houston:session', 'another')",
        "sessionStorage.setItem(key, JSON.stringify({ glob: 'a.' + btoa('{\"exp\":1}') + '.c' }))",
        "sessionStorage.setItem(key, 'no JSON')",
        "sessionStorage.removeItem(key)",
    ):
        page.evaluate(f"(key) => {{ {spoiled} }}", f"houston.{account_id}")
        with page.expect_response("**/session-token/"):
            page.reload()
        page.wait_for_function(
            "([key, old]) => (sessionStorage.getItem(key) ?? '').includes('config') && "
            "JSON.parse(sessionStorage.getItem(key)).glob !== old",
            arg=[f"houston.{account_id}", first["glob"]],
        )
        assert status(houston, account_id, kept(page, account_id)["glob"]) == 200
