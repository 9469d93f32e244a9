"""The first minute: sign in, press Try it on an empty page, see a function answer."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_main_flow import sign_in
from tests.stack.conftest import PASSWORD, Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HELLO = "Hello and welcome! An agent will be with you shortly."
FRESH = """
from functions import gallery, services as functions
from houston import connecting, services
from houston.models import Membership, Role, User
account = services.create_account("{account}", name="Fresh", by="team")
way = connecting.NewConnection(platform="simulator", name="Simulator")
services.set_up_controller_bot(account, way, by="team")
services.enable_functions(account, by="team")
user = User.objects.create_user("{username}", password="{password}")
Membership.objects.create(user=user, account=account, role=Role.DEVELOPER)
"""
DRAFT = """
template = next(each for each in gallery.load() if each.slug == "new-conversation")
functions.create("{account}", name="mine", description="Greets", by="{username}",
                 event_type=template.event_type, template=template)
"""

Clock = Callable[[str], None]


@pytest.fixture
def clock(capsys: pytest.CaptureFixture[str]) -> Clock:
    """Prints what has been done by now, with the seconds since the test began and the last step."""
    began = last = time.monotonic()

    def tell(step: str) -> None:
        nonlocal last
        now = time.monotonic()
        with capsys.disabled():
            print(f"{now - began:7.1f} s  {now - last:+6.1f} s  {step}")  # noqa: T201
        last = now

    return tell


def test_new_account_sees_a_function_of_the_gallery_answer_with_one_press(
    page: Page, houston: Houston, clock: Clock
) -> None:
    who = make(houston, "fresh2", FRESH)
    clock("the account is set up with the simulator")

    sign_in(page, houston, who)
    clock("signed in, the list of functions is empty")
    press(page, clock, said='"new_conversation" was made from the gallery and deployed')

    page.get_by_label("Write as the consumer").fill("Thanks")
    page.keyboard.press("Enter")
    expect(consumer(page).get_by_text("Thanks", exact=True)).to_be_visible()
    clock("the consumer has written back")
    page.goto(f"{houston.url}/a/fresh2/functions/")
    expect(page.locator("tr", has_text="new_conversation")).to_contain_text("Productive")
    expect(page.get_by_role("button", name="Try it")).to_have_count(0)


def test_demo_account_answers_on_the_empty_page_of_conversations(
    page: Page, houston: Houston, clock: Clock
) -> None:
    demo = houston.demo()
    sign_in(page, houston, demo["sign_in"])
    clock("signed in")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Conversations").click()
    expect(page.get_by_role("heading", name="No conversations yet")).to_be_visible()
    clock("the page of conversations is empty")

    press(page, clock)

    # A menu whose field is missing stays open, so that the browser can say so.
    field = page.locator("#transfer-value")
    menu = page.locator("details", has=field)
    menu.locator("summary").click()
    menu.get_by_role("button", name="Transfer").click()
    expect(field).to_be_focused()
    field.fill("7")
    menu.get_by_role("button", name="Transfer").click()
    expect(menu).not_to_have_attribute("open", re.compile(".*"))
    expect(consumer(page).get_by_text("Transferred to skill 7")).to_be_visible()


def test_draft_is_left_alone_until_it_is_deployed(browser: Browser, houston: Houston) -> None:
    # A page of its own: the browser complains of every answer 409, which is what this is about.
    page = browser.new_page()
    sign_in(page, houston, make(houston, "fresh3", FRESH + DRAFT))

    page.goto(f"{houston.url}/a/fresh3/")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="Not yet")).to_be_visible()
    page.get_by_role("link", name="Deploy mine").click()
    page.get_by_role("button", name="Deploy mine").click()
    expect(page.get_by_text('"mine" is productive')).to_be_visible()

    page.goto(f"{houston.url}/a/fresh3/")
    page.get_by_role("button", name="Try it").click()
    expect(consumer(page).get_by_text(HELLO)).to_be_visible()
    page.close()


def make(houston: Houston, account: str, script: str) -> dict[str, str]:
    """An account of a developer, who is returned with the password."""
    who = {"username": f"dev-of-{account}", "password": PASSWORD}
    houston.manage("shell", "-v0", "-c", script.format(account=account, **who))
    return who


def press(page: Page, clock: Clock, *, said: str = "") -> None:
    page.get_by_role("button", name="Try it").click()
    expect(consumer(page)).to_be_visible()
    if said:
        # Soon gone by itself.
        expect(page.get_by_text(said)).to_be_visible()
    clock("pressed Try it, the conversation is there")
    expect(consumer(page).get_by_text(HELLO)).to_be_visible()
    clock("the function's answer is in the consumer's pane")


def consumer(page: Page) -> Locator:
    return page.locator("#consumer")
