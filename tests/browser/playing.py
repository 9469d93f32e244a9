"""What browser tests do in a conversation that is played."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.stack.conftest import Houston

LONGEST_WAY = 80


def sign_in(page: Page, houston: Houston) -> None:
    who = houston.demo()["sign_in"]
    page.goto(houston.url)
    page.get_by_label("User name").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def start(page: Page, houston: Houston, text: str = "Hello") -> None:
    """Begin a conversation of Sam's, and wait until the bot has answered."""
    page.goto(f"{houston.url}/a/demo1/conversations/new/")
    page.get_by_label("First line").fill(text)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Sam", level=1)).to_be_visible()
    expect(lines(page, "consumer", "bot")).not_to_have_count(0)


def pane(page: Page, side: str) -> Locator:
    return page.locator(f"#{side}")


def lines(page: Page, side: str, kind: str = "") -> Locator:
    """The lines of a pane: of everybody, or of the consumer, an agent, the bot, or remarks."""
    wanted = f'[data-kind="{kind}"]' if kind else "[data-number]"
    return page.locator(f"#{side}-lines > {wanted}")


def expect_in_both(page: Page, text: str, kind: str = "") -> None:
    for side in ("consumer", "agent"):
        found = lines(page, side, kind).filter(has_text=re.compile(re.escape(text)))
        expect(found.last).to_be_visible()


def act(page: Page, side: str, name: str) -> None:
    """Press one of the buttons of a side."""
    pane(page, side).get_by_role("button", name=name, exact=True).click()


def ask(page: Page, menu: str, label: str, value: str) -> None:
    """Open a menu, type what an act asks for, and send it by Enter."""
    page.locator(f"#{menu} > summary").click()
    field = page.locator(f"#{menu}").get_by_label(label)
    field.fill(value)
    field.press("Enter")


def say(page: Page, side: str, text: str) -> None:
    field = page.get_by_label(f"Write as the {side}")
    field.fill(text)
    field.press("Enter")


def tab_to(page: Page, wanted: Locator, keys: str = "Tab") -> None:
    """Go to something as people without a mouse do."""
    for _ in range(LONGEST_WAY):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press(keys)
    expect(wanted).to_be_focused()
