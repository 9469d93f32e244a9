"""One conversation through all seven events, a deployed function for each, kept as a scenario."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.playing import act, ask, expect_in_both, lines, say, sign_in, start
from tests.browser.seven import EVENTS
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
WELCOME = "An agent will be with you shortly"
NAME = "Through all seven"


def test_conversation_through_all_seven_events_becomes_a_scenario(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston)
    houston.manage("shell", "-c", "from tests.browser import seven; seven.make()")

    start(page, houston, "My parcel has not arrived")
    expect_in_both(page, WELCOME, "bot")
    act(page, "consumer", "Urgent")
    expect_answer(page, "ttr")
    act(page, "agent", "Kim takes it")
    expect_answer(page, "participants_change")
    say(page, "agent", "Hi Sam, could you tell me its number?")
    expect_in_both(page, "could you tell me its number?", "agent")
    page.locator("#clock").get_by_role("button", name="+1 h", exact=True).click()
    expect_answer(page, "conversation_idle")
    expect(page.locator("#clock")).to_contain_text("ahead")
    expect(page.locator("#clock [data-passing]")).to_have_count(0)
    ask(page, "transferring", "To the skill", "200")
    expect_in_both(page, "Transferred to skill 200", "remark")
    expect_answer(page, "conversation_routing")
    page.locator("#office > summary").click()
    page.locator("#office").get_by_role("button", name="Closed").click()
    expect(page.locator("#office > summary")).to_contain_text("Office closed")
    say(page, "consumer", "Is anybody there?")
    expect_answer(page, "mid_conversation_msg")
    act(page, "consumer", "Close")
    expect_answer(page, "conversation_end")
    for side in ("consumer", "agent"):
        answers = lines(page, side, "bot").filter(has_text="was here")
        expect(answers).to_have_count(len(EVENTS))

    page.get_by_role("link", name="Save as scenario").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_role("button", name="Save and run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    ran = page.locator("#ran")
    expect(ran).to_contain_text("Passed")

    change = "seven.change('conversation_routing', 'Somebody else goes on')"
    houston.manage("shell", "-c", f"from tests.browser import seven; {change}")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(ran).to_contain_text("1 step differs")
    differs = ran.locator(".versus > div").filter(has_text="was here")
    expect(differs).to_contain_text("The function of conversation_routing was here")
    came = ran.locator(".versus > div").filter(has_text="Somebody else goes on")
    expect(came).to_have_count(1)
    gone, instead = ran.locator(".diff del"), ran.locator(".diff ins")
    expect(gone).to_have_text("Expected: text: The function of conversation_routing was here")
    expect(instead).to_have_text("Came: text: Somebody else goes on")


def expect_answer(page: Page, event: str) -> None:
    expect_in_both(page, f"The function of {event} was here", "bot")
