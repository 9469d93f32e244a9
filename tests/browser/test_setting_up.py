"""The account team sets up an account from nothing; a developer meets what only admins may do."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import PASSWORD, Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NOT_SET_UP = "The controller bot is not set up: the account team can do it"
PAGES = ("", "functions/", "activity/", "logs/", "metrics/", "settings/", "functions/greet/")


def test_account_is_set_up_from_nothing_until_a_test_notification_arrives(
    browser: Browser, page: Page, houston: Houston
) -> None:
    enter(page, houston, {"username": "team", "password": PASSWORD})
    page.get_by_role("link", name="New account").click()
    page.get_by_label("Account id").fill("fresh1")
    page.get_by_label("Name", exact=True).fill("Fresh")
    page.get_by_role("button", name="Create account").click()

    page.goto(f"{houston.url}/a/fresh1/")
    expect(page.get_by_text(NOT_SET_UP, exact=True)).to_be_visible()
    page.get_by_role("link", name="Set-up").first.click()
    expect(page.get_by_text("A messaging platform inside the console.")).to_be_visible()
    page.get_by_role("button", name="Set up the controller bot").click()
    expect(page.get_by_text("nobody has to copy them")).to_be_visible()
    page.get_by_role("button", name="Enable functions").click()
    expect(page.get_by_text("Functions are enabled for Fresh")).to_be_visible()

    page.get_by_label("E-mail").fill("boss@example.com")
    page.get_by_role("button", name="Invite the first admin").click()
    link = page.locator("#invitation-link").inner_text()
    invited = browser.new_page()
    invited.goto(link)
    invited.get_by_label("User name").fill("boss")
    invited.get_by_label("Password", exact=True).fill(PASSWORD)
    invited.get_by_label("Password again").fill(PASSWORD)
    invited.get_by_role("button", name="Join Fresh").click()
    expect(invited.get_by_text("You are a member of Fresh")).to_be_visible()
    invited.close()

    page.goto(f"{houston.url}/a/fresh1/")
    expect(page.get_by_text(NOT_SET_UP, exact=True)).to_have_count(0)
    expect(page.get_by_text("Three steps to a first answer")).to_be_visible()

    page.goto(f"{houston.url}/a/fresh1/settings/connections/")
    page.get_by_role("link", name="Simulator", exact=True).click()
    page.get_by_role("button", name="Send a test notification").click()
    expect(page.get_by_text("The test notification arrived", exact=True)).to_be_visible(
        timeout=20_000
    )


def test_developer_is_refused_what_is_for_admins_with_the_way_out(
    browser: Browser, houston: Houston
) -> None:
    # A page of its own: the browser complains of every answer 403, which is what this is about.
    page = browser.new_page()
    demo = houston.demo()
    houston.manage(
        "shell", "-v0", "-c", "from houston.models import *;"
        f"user = User.objects.create_user('dev', password='{PASSWORD}');"
        f"Membership.objects.create(user=user, account_id='{demo['account_id']}', role='developer')"
    )  # fmt: skip
    enter(page, houston, {"username": "dev", "password": PASSWORD})

    with page.expect_response("**/members/") as refused:
        page.goto(f"{houston.url}/a/{demo['account_id']}/settings/members/")

    assert refused.value.status == 403
    expect(page.get_by_text("You need the role admin")).to_be_visible()
    page.get_by_role("link", name="Home of Demo").click()
    expect(page.get_by_role("heading", name="Demo", level=1)).to_be_visible()


def test_keys_alone_lead_through_the_console(page: Page, houston: Houston) -> None:
    demo = houston.demo()
    houston.manage(
        "shell", "-v0", "-c", "from houston import services;"
        "[services.create_account(f'brand{n}', name=f'Brand {n}', by='team') for n in range(8)]"
    )  # fmt: skip
    enter(page, houston, {"username": "team", "password": PASSWORD})
    page.goto(f"{houston.url}/a/{demo['account_id']}/functions/")

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog.get_by_role("heading", level=3)).to_have_text(
        ["On this page", "Go to", "Everywhere"]
    )
    expect(dialog.get_by_text("Activity", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Activity", level=1)).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_label("Conversation id")).to_be_focused()

    # Without the keys that act by themselves, those of two do nothing either.
    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog.get_by_label("Keys without Ctrl act on their own").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog", name="Search")).to_be_hidden()

    page.get_by_title("Switch account").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Find an account")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#switch-accounts a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.type("brand5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Brand 5", level=1)).to_be_visible()


def test_pages_fit_a_telephone(page: Page, houston: Houston) -> None:
    demo = houston.demo()
    sign_in(page, houston, demo["sign_in"])
    page.set_viewport_size({"width": 390, "height": 844})

    wider = {}
    for path in PAGES:
        page.goto(f"{houston.url}/a/{demo['account_id']}/{path}")
        wider[path] = page.evaluate("document.documentElement.scrollWidth")

    assert wider == dict.fromkeys(PAGES, 390)


def enter(page: Page, houston: Houston, who: dict[str, str]) -> None:
    page.goto(houston.url)
    page.get_by_label("User name").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_load_state()
