"""A developer's first hour: create, edit with help, test, deploy, see it answer, roll back."""

import contextlib
import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.conftest import CallbackServer
from tests.stack.conftest import Houston
from tests.stack.test_main_flow import cloud_event, door_of, send_with_python, verified

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
NAME = "welcome"
SAID = "Ahoy from a line that was edited"
EVENT = "Messaging New Conversation"
MISSPELT = "Property 'convID' does not exist on type 'PayloadGeneral'. Did you mean 'convId'?"


def test_function_made_edited_and_deployed_in_the_browser_answers_an_event(
    page: Page, houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    sign_in(page, houston, demo["sign_in"])
    remove(page, "greet")

    create_from_template(page)
    review_and_deploy(page)
    edit_a_line(page)
    write_with_a_completion(page)
    mend_what_is_misspelt(page)
    expect_test_run_to_say(page, SAID)
    save(page)
    review_and_deploy(page, changed=f'"{SAID}"')
    conv_id = send_event(demo)

    [received] = callback_server.wait_for(1, timeout_s=20)
    command = verified(received, door_of(demo, "generic"))["data"]["command"]
    assert command == {"type": "systemMessage", "text": SAID}
    expect_activity(page, conv_id)
    roll_back(page)


def sign_in(page: Page, houston: Houston, who: dict[str, str]) -> None:
    page.goto(houston.url)
    page.get_by_label("User name").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Functions").click()
    expect(page.get_by_role("heading", name="Functions", level=1)).to_be_visible()


def remove(page: Page, name: str) -> None:
    """Undeploy and delete a function, by the dialogs that name it."""
    for act in ("Undeploy", "Delete"):
        page.get_by_label(f"More for {name}").click()
        page.get_by_role("link", name=f"{act}…").click()
        dialog = page.get_by_role("dialog")
        if act == "Delete":
            dialog.get_by_label(f"Type {name} to go on").fill(name)
        dialog.get_by_role("button", name=f"{act} {name}").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("heading", name="No functions yet")).to_be_visible()


def create_from_template(page: Page) -> None:
    page.get_by_role("link", name="New function").click()
    page.get_by_role("radio", name=EVENT.removeprefix("Messaging "), exact=True).check()
    expect(page.get_by_role("heading", name=EVENT)).to_be_visible()
    expect(page.locator(".monaco-editor").get_by_text("function lambda")).to_be_visible()
    name = page.get_by_label("Name", exact=True)
    name.fill(f"my {NAME}")
    said = page.locator("#name-said")
    expect(said).to_contain_text("letters, digits and underscores")
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill(NAME)
    expect(said).to_contain_text(f"{NAME} is free")
    expect(name).to_be_focused()
    # What was typed stays when somebody looks at another template.
    page.get_by_role("radio", name="Empty function", exact=True).check()
    expect(page.locator("#choice-said")).to_contain_text("empty function")
    expect(name).to_have_value(NAME)
    page.get_by_role("radio", name=EVENT, exact=True).check()
    expect(page.locator("#choice-said")).to_contain_text(f"{EVENT}, {EVENT}")
    page.get_by_label("Description").fill("Says ahoy")
    page.get_by_role("button", name="Create function").click()
    expect(page.get_by_role("heading", name=NAME, level=1)).to_be_visible()
    expect(state(page)).to_contain_text("Draft")


def edit_a_line(page: Page) -> None:
    line = page.locator("#code-editor .view-line", has_text="const WELCOME_FIRST_TIME")
    line.click()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text(f'const WELCOME_FIRST_TIME = "{SAID}";')
    expect(line).to_contain_text("Ahoy")


def write_with_a_completion(page: Page) -> None:
    """The event's fields are offered behind the point, with what they mean."""
    line = page.locator("#code-editor .view-line", has_text="callback(null, commands);")
    # Words of their own have colours once the language is there, which also closes brackets.
    expect(line.locator("span > span").nth(1)).to_be_visible()
    line.click()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    # At once, so that it does not matter whether brackets close by themselves yet.
    page.keyboard.insert_text("console.info()")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("input.payload.")
    offered = page.locator(".suggest-widget.visible")
    expect(offered.get_by_role("option", name=re.compile("^participantChange"))).to_be_visible()
    page.keyboard.type("gen")
    expect(offered.locator(".monaco-list-row.focused")).to_contain_text("general")
    expect(page.locator(".suggest-details-container")).to_contain_text("PayloadGeneral")
    page.keyboard.press("Enter")
    expect(code(page)).to_contain_text("console.info(input.payload.general)")


def mend_what_is_misspelt(page: Page) -> None:
    """By the keyboard: the list of problems, the place in the code, the quick fix."""
    page.keyboard.type(".convID")
    page.keyboard.press("Escape")
    expect(page.locator(".editor-sign-error")).to_be_visible()
    expect(page.locator("#problems")).to_have_text("1 error")

    page.keyboard.press("Control+Shift+M")
    problem = page.get_by_role("region", name="Problems").get_by_role("button", name=MISSPELT)
    expect(problem).to_be_focused()
    page.keyboard.press("Enter")
    choose_fix(page, "Change spelling to 'convId'")

    expect(code(page)).to_contain_text("console.info(input.payload.general.convId)")
    expect(page.locator("#problems")).to_have_text("No problems")


def choose_fix(page: Page, name: str) -> None:
    """The first one where the cursor is."""
    expect(
        page.locator("#code-editor .native-edit-context, #code-editor .inputarea")
    ).to_be_focused()
    fix = page.locator(".action-widget").get_by_role("option", name=name)
    # The editor offers what it knows at that moment, and on a busy machine the answer about a
    # problem may be on its way: who sees nothing presses again.
    for _ in range(3):
        page.keyboard.press("Control+.")
        with contextlib.suppress(PlaywrightTimeoutError):
            fix.wait_for(timeout=5_000)
            break
    expect(fix).to_be_visible()
    page.keyboard.press("Enter")


def code(page: Page) -> Locator:
    return page.locator("#code-editor")


def expect_test_run_to_say(page: Page, text: str) -> None:
    """With the sample payload, a first conversation, and by the keyboard."""
    page.keyboard.press("Control+Enter")
    result = page.get_by_role("tabpanel", name="Test")
    expect(result.get_by_text("Succeeded", exact=True)).to_be_visible()
    expect(result.locator(".bubble")).to_have_text(text)


def save(page: Page) -> None:
    page.keyboard.press("Control+S")
    expect(page.locator("#saved-at")).to_contain_text("ersion 2 at")
    expect(page.locator("#dirty")).to_be_hidden()


def review_and_deploy(page: Page, changed: str = "") -> None:
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_role("heading", name="Checks")).to_be_visible()
    if changed:
        expect(page.locator("code-diff .modified .view-line", has_text=changed)).to_be_visible()
    page.get_by_role("button", name=f"Deploy {NAME}").click()
    expect(state(page)).to_contain_text("Productive")


def roll_back(page: Page) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Functions").click()
    page.get_by_role("link", name=NAME, exact=True).click()
    page.get_by_label(f"More for {NAME}").click()
    page.get_by_role("link", name="Deployments", exact=True).last.click()
    page.get_by_role("link", name="Roll back…").click()
    page.get_by_role("dialog").get_by_role("button", name=f"Roll back {NAME}").click()
    expect(page.get_by_text(f'"{NAME}" serves with version 1 again')).to_be_visible()


def send_event(demo: dict[str, Any]) -> str:
    conv_id = f"browser-{uuid.uuid4()}"
    answer = send_with_python(door_of(demo, "generic"), cloud_event(conv_id, demo["account_id"]))
    assert answer.status_code == 202
    return conv_id


def expect_activity(page: Page, conv_id: str) -> None:
    page.get_by_role("link", name="Activity").first.click()
    row = page.get_by_role("row").filter(has=page.locator(f'[title="{conv_id}"]'))
    expect(row).to_contain_text(SAID)
    expect(row).to_contain_text(NAME)
    row.get_by_role("link").first.click()
    trace = page.locator("#trace")
    expect(trace).to_contain_text("Received")
    expect(trace).to_contain_text("version 2")
    expect(trace.locator(".bubble")).to_have_text(SAID)


def state(page: Page) -> Locator:
    return page.locator("#state")
