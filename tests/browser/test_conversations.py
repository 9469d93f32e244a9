"""Conversations played in the browser: both panes live, nothing typed lost, and without a mouse."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import TIMEOUT_MS
from tests.browser.playing import (
    act,
    ask,
    expect_in_both,
    lines,
    pane,
    say,
    sign_in,
    start,
    tab_to,
)
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
WELCOME = "An agent will be with you shortly"


@pytest.fixture
def second(browser: Browser, houston: Houston) -> Iterator[Page]:
    """Somebody else's browser, signed in."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, houston)
    yield page
    context.close()


def test_conversation_is_played_without_a_mouse(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_role("heading", name="Conversations", level=1)).to_be_visible()
    start_link = page.get_by_role("link", name="Start a conversation")
    tab_to(page, start_link)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Consumer")).to_be_focused()
    page.keyboard.type("Jo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^(Sam)?Jo"), level=1)).to_be_visible()

    expect_in_both(page, WELCOME, "bot")
    page.keyboard.press("c")
    page.keyboard.type("Is anybody there?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("I wait")
    page.keyboard.press("Enter")

    expect_in_both(page, "Is anybody there?\nI wait", "consumer")
    expect(page.get_by_label("Write as the consumer")).to_be_focused()
    expect(page.get_by_label("Write as the consumer")).to_have_value("")
    page.keyboard.press("Escape")
    tab_to(page, page.get_by_role("button", name="Kim takes it"))
    page.keyboard.press("Enter")
    expect_in_both(page, "Kim took the conversation", "remark")
    # The button is gone, and what follows is to write.
    expect(page.get_by_label("Write as the agent")).to_be_focused()
    page.keyboard.type("Hi, I am Kim")
    page.keyboard.press("Enter")
    expect_in_both(page, "Hi, I am Kim", "agent")
    tab_to(page, page.locator("#transferring-opens"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("To the skill")).to_be_focused()
    page.keyboard.type("200")
    page.keyboard.press("Enter")
    expect_in_both(page, "Transferred to skill 200", "remark")
    expect(page.locator("#transferring-opens")).to_be_focused()
    expect(page.locator("#told")).to_contain_text(re.compile("skill 200|Controller bot"))


def test_what_is_typed_and_open_stays_while_another_person_plays(
    page: Page, second: Page, houston: Houston
) -> None:
    sign_in(page, houston)
    start(page, houston)
    act(page, "agent", "Kim takes it")
    expect_in_both(page, "You are connected to Kim", "bot")
    page.locator("#agent-more > summary").click()
    page.get_by_label("Somebody joins").fill("Robin")
    page.get_by_label("As what").select_option("manager")
    agent = page.get_by_label("Write as the agent")
    agent.evaluate("(each) => { each.value = 'Half a senten'; }")
    joins = page.get_by_label("Somebody joins")
    joins.focus()
    joins.evaluate("(each) => each.setSelectionRange(2, 4)")

    second.goto(page.url)
    say(second, "consumer", "I am somebody else")

    expect_in_both(page, "I am somebody else", "consumer")
    expect(joins).to_be_visible()
    expect(joins).to_have_value("Robin")
    expect(joins).to_be_focused()
    assert joins.evaluate("(each) => [each.selectionStart, each.selectionEnd]") == [2, 4]
    expect(page.get_by_label("As what")).to_have_value("manager")
    expect(agent).to_have_value("Half a senten")
    joins.press("Enter")
    expect_in_both(second, "Robin joined as manager", "remark")
    second.get_by_label("Who writes").select_option("Robin")
    say(second, "agent", "And I am Robin")
    expect_in_both(page, "And I am Robin", "agent")
    # Whom somebody writes as stays as well.
    say(page, "consumer", "Hello Robin")
    expect_in_both(second, "Hello Robin", "consumer")
    expect(second.get_by_label("Who writes")).to_have_value("Robin")


def test_lines_stay_where_somebody_reads_and_follow_who_is_at_the_end(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston)
    start(page, houston)
    say(page, "consumer", "\n".join(f"Line {number}" for number in range(60)))
    expect_in_both(page, "Line 59", "consumer")
    expect(lines(page, "agent", "consumer").last).to_be_in_viewport()
    talk = page.locator("#consumer-lines")
    at_end = "(each) => each.scrollHeight - each.scrollTop - each.clientHeight < 2"
    assert page.locator("#agent-lines").evaluate(at_end)
    # Something comes in the same moment, before the browser tells of the scrolling.
    talk.evaluate("(each) => { each.scrollTop = 0; each.append(''); }")
    assert talk.evaluate("(each) => each.scrollTop") == 0

    say(page, "consumer", "The last word")

    expect_in_both(page, "The last word", "consumer")
    assert talk.evaluate("(each) => each.scrollTop") == 0
    assert page.locator("#agent-lines").evaluate(at_end)


def test_what_cannot_be_sent_comes_back_with_the_reason(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)

    say(page, "agent", "Nobody of us is here")

    expect(page.locator("#agent-error")).to_contain_text("no agent is assigned")
    expect(page.get_by_label("Write as the agent")).to_have_value("Nobody of us is here")
    act(page, "agent", "Kim takes it")
    expect(page.locator("#agent-error")).to_be_empty()
    page.get_by_label("Write as the agent").press("Enter")
    expect_in_both(page, "Nobody of us is here", "agent")
    expect(page.get_by_label("Write as the agent")).to_have_value("")


def test_lines_sent_one_after_the_other_arrive_in_order(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)
    page.get_by_label("Write as the consumer").focus()

    for number in range(6):
        page.keyboard.type(f"no. {number}")
        page.keyboard.press("Enter")

    expect(lines(page, "agent", "consumer")).to_have_count(7)
    said = lines(page, "agent", "consumer").locator(".bubble").all_text_contents()
    assert said == ["Hello", *(f"no. {number}" for number in range(6))]


def test_act_that_is_pressed_twice_is_done_once(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)
    sent: list[str] = []
    page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)

    pane(page, "agent").get_by_role("button", name="Kim takes it").dblclick()
    expect_in_both(page, "You are connected to Kim", "bot")
    minute = page.locator("#clock").get_by_role("button", name="+1 min")
    minute.dblclick()
    expect(page.locator("#clock")).to_contain_text("1 min ahead")

    assert len(sent) == 2
    expect(page.locator("#agent-error")).to_be_empty()

    # Without a mouse, faster than the answer comes.
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/acts/", hold)
    urgent = page.get_by_role("button", name="Urgent", exact=True)
    urgent.press("Enter")
    expect(urgent).to_have_attribute("aria-busy", "true")
    urgent.press("Enter")
    held[0].continue_()
    expect(urgent).to_have_attribute("aria-pressed", "true")
    expect(urgent).to_be_focused()
    expect(urgent).not_to_have_attribute("aria-busy", "true")
    urgent.press("Enter")
    expect(urgent).to_have_attribute("aria-pressed", "false")
    assert len(sent) == 4


def test_second_click_of_two_does_nothing_where_the_answer_came_between(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston)
    start(page, houston)
    clock = page.locator("#clock")
    minute = clock.get_by_role("button", name="+1 min")
    # What is told of the clock comes in beside the button, and moves it.
    minute.press("Enter")
    expect(clock).to_contain_text("1 min ahead")
    box = minute.bounding_box()
    assert box
    at = (box["x"] + 5, box["y"] + 5)

    page.evaluate(
        """window.clicks = [];
        addEventListener("click", (event) => clicks.push([event.detail, event.defaultPrevented]))"""
    )

    page.mouse.click(*at)
    expect(clock).to_contain_text("2 min ahead")
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)

    assert page.evaluate("clicks") == [[1, False], [2, True]]


def test_time_passes_to_what_is_due_and_the_page_says_so(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)
    clock = page.locator("#clock")

    clock.get_by_role("button", name=re.compile("^Waiting in the queue")).click()

    expect(page.locator("#consumer-lines")).to_contain_text(re.compile("[45] min later"))
    expect(lines(page, "consumer", "bot")).to_have_count(2)
    expect(clock).to_contain_text(re.compile("[45] min ahead"))
    ask(page, "waiting", "Minutes to let pass", "120")
    expect(clock).to_contain_text(re.compile("2 h [45] min ahead"))
    ticking = clock.locator("time")
    before = ticking.text_content()
    expect(ticking).not_to_have_text(before or "")
    page.locator("#office > summary").click()
    page.get_by_role("button", name="Closed, here alone").click()
    expect(page.locator("#office-opens")).to_contain_text("Office closed")
    expect_in_both(page, "The office closed", "remark")


def test_conversation_that_is_over_leads_to_the_next_one(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)
    act(page, "consumer", "Sign in")
    expect_in_both(page, "Sam signed in", "remark")

    act(page, "consumer", "Close")

    expect_in_both(page, "Closed by the consumer", "remark")
    again = page.get_by_role("link", name="Sam writes again…")
    expect(again).to_be_focused()
    expect(page.get_by_label("Write as the consumer")).to_be_hidden()
    expect(page.locator("#state")).to_contain_text("Closed by")
    again.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Signed in")).to_be_checked()
    expect(dialog.get_by_label("Yes, comes back")).to_be_checked()
    before = page.url
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(page).not_to_have_url(before)
    expect_in_both(page, "Welcome back", "bot")


def test_link_that_has_just_come_opens_its_dialog(page: Page, houston: Houston) -> None:
    """Whoever is quick presses Enter in the moment in which the link gets the focus."""
    sign_in(page, houston)
    start(page, houston)
    page.evaluate(
        """document.addEventListener("focusin", function quick(event) {
          if (event.target.id !== "comes-back") return;
          document.removeEventListener("focusin", quick);
          event.target.click();
        })"""
    )
    before = page.url

    act(page, "consumer", "Close")

    expect(page.get_by_role("dialog").get_by_label("Yes, comes back")).to_be_checked()
    expect(page).to_have_url(before)


def test_events_lead_to_their_trace_and_back(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    start(page, houston)
    conversation = page.url

    page.locator("#events").get_by_role("link", name="A consumer writes for the first time").click()

    expect(page.locator("#trace")).to_contain_text("greet")
    page.get_by_text("Conversation sim-").get_by_role("link").click()
    expect(page).to_have_url(conversation)
    page.get_by_role("link", name="Conversations", exact=True).last.click()
    row = page.get_by_role("row").filter(has_text="Sam").first
    expect(row).to_contain_text("Commands delivered")


def test_replay_takes_an_older_version_of_a_function_that_took_part(
    page: Page, houston: Houston
) -> None:
    sign_in(page, houston)
    start(page, houston)
    expect(page.locator("#events")).to_contain_text("Commands delivered")

    page.locator("#events").get_by_role("link", name="Replay…").click()

    same = "1 event: 0 with another result, 1 with the same"
    expect(page.locator("#replay-state")).to_contain_text(same)
    version = page.get_by_label("Version", exact=True)
    expect(version.locator("option")).to_have_text(["The draft", "The deployed version"])
    function = page.get_by_label("Function", exact=True)
    function.select_option("greet")
    expect(version.locator("option").first).to_have_text(re.compile("^Draft, version"))
    version.select_option("deployed")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page).to_have_url(re.compile(r"&function=greet&against=deployed$"))
    expect(page.locator("#replay-state")).to_contain_text(same)
    function.select_option("Each that took part")
    expect(version.locator("option")).to_have_text(["The draft", "The deployed version"])
    expect(version).to_have_value("deployed")


def test_conversation_is_played_without_javascript(browser: Browser, houston: Houston) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, houston)
    page.goto(f"{houston.url}/a/demo1/conversations/new/")
    page.get_by_role("button", name="Start", exact=True).click()
    act(page, "agent", "Kim takes it")
    expect(page).to_have_url(re.compile("#agent$"))
    expect(pane(page, "agent").locator("h2 + ul")).to_contain_text("Kim assigned")
    page.get_by_label("Write as the agent").fill("No script here")
    pane(page, "agent").get_by_role("button", name="Send").click()
    expect_in_both(page, "No script here", "agent")
    ask(page, "transferring", "To the skill", "a b")
    expect(page.locator("#agent-error")).to_contain_text("an id without spaces")
    context.close()


def test_telephone_shows_one_part_at_a_time(page: Page, houston: Houston) -> None:
    sign_in(page, houston)
    page.set_viewport_size({"width": 390, "height": 844})
    start(page, houston)
    parts = page.get_by_role("navigation", name="Parts of the page")
    expect(page.get_by_label("Write as the consumer")).to_be_visible()
    expect(page.get_by_label("Write as the agent")).to_be_hidden()
    expect(parts.get_by_role("link", name="Consumer")).to_have_attribute("aria-current", "true")

    parts.get_by_role("link", name="Agent").click()

    act(page, "agent", "Kim takes it")
    say(page, "agent", "From my telephone")
    expect(lines(page, "agent", "agent")).to_contain_text("From my telephone")
    expect(page.get_by_label("Write as the consumer")).to_be_hidden()
    expect(page.get_by_label("Write as the agent")).to_be_in_viewport()
    parts.get_by_role("link", name="Events").click()
    expect(page.locator("#events")).to_contain_text("An agent takes the conversation")
    expect(page.locator("#agent-lines")).to_be_hidden()


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (900, 800), (390, 844)])
def test_only_the_panes_scroll(page: Page, houston: Houston, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    sign_in(page, houston)
    start(page, houston)

    say(page, "consumer", "\n".join(f"Line {number}" for number in range(60)))

    expect(lines(page, "consumer", "consumer")).to_have_count(2)
    tall = page.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert tall == [size[1], size[1]]
