"""What happened is replayed: stopped and gone on with, downloaded, linked to, and in place."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_deploying import review
from tests.browser.test_main_flow import send_event, sign_in
from tests.conftest import CallbackServer
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
EVENTS = 12
# So slow that a slice has three of them, and that nobody misses its end on a busy machine.
SLOW = (
    "async function lambda(input) { await new Promise((done) => setTimeout(done, 2500)); "
    'return { type: "systemMessage", text: "Later" }; }'
)


def test_replay_is_stopped_goes_on_and_is_downloaded_and_linked_to(
    page: Page, houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    for _ in range(EVENTS):
        send_event(demo)
    callback_server.wait_for(EVENTS, timeout_s=30)
    sign_in(page, houston, demo["sign_in"])
    page.get_by_role("link", name="greet", exact=True).click()

    review(page, SLOW)
    state = page.locator("#replay-state")
    expect(state).to_contain_text(f"of {EVENTS} events")
    bar = page.get_by_role("progressbar", name="Events replayed")
    expect(bar).to_have_attribute("max", str(EVENTS))
    page.get_by_role("button", name="Stop").click()
    expect(state).to_contain_text("Stopped after")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="Go on").click()
    expect(state).to_contain_text(f"{EVENTS} events: {EVENTS} with another result, 0 with the same")
    expect(page.locator(".replay")).to_have_count(EVENTS)

    found = json.loads(downloaded(page, "JSON"))
    assert len({each["eventId"] for each in found}) == len(found) == EVENTS
    assert {each["now"]["commands"][0]["text"] for each in found} == {"Later"}
    assert downloaded(page, "CSV").count("Another message") == EVENTS

    # The replay that the link begins is still at work when another one is asked for.
    held: list[Route] = []
    page.route("**/replays/", lambda route: hold(route, held))
    page.get_by_role("link", name="More ways to replay").click()
    expect(state).to_contain_text(f"of {EVENTS} events")
    expect(page.locator(".replay")).not_to_have_count(0)
    page.get_by_label("Version", exact=True).select_option("deployed")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(state).to_contain_text(f"{EVENTS} events: 0 with another result, {EVENTS} with the same")
    with page.expect_response(lambda answer: answer.request == held[0].request):
        held[0].continue_()
    page.unroute_all(behavior="wait")
    expect(state).to_contain_text(f"{EVENTS} events: 0 with another result, {EVENTS} with the same")
    expect(page).to_have_url(re.compile(r"\?of=last&function=greet&last=1000&against=deployed$"))
    page.reload()
    expect(page.get_by_label("Version", exact=True)).to_have_value("deployed")
    expect(state).to_contain_text(f"{EVENTS} with the same")

    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Activity").click()
    page.locator("tbody a").first.click()
    page.get_by_role("link", name="Replay…").press("Enter")
    expect(page.get_by_label("Version", exact=True)).to_be_focused()
    page.get_by_label("Version", exact=True).select_option("deployed")
    page.get_by_role("button", name="Replay", exact=True).press("Enter")
    expect(state).to_contain_text("The same result.")
    expect(page.locator(".replay")).to_contain_text("as it happened")


def hold(route: Route, held: list[Route]) -> None:
    """Keep the first slice that follows another one, let all others pass."""
    if re.search(r"\bcursor=[^&]", route.request.post_data or "") and not held:
        held.append(route)
    else:
        route.continue_()


def downloaded(page: Page, kind: str) -> str:
    with page.expect_download() as info:
        page.get_by_role("button", name=kind, exact=True).click()
    assert info.value.suggested_filename == f"replay.{kind.lower()}"
    return info.value.path().read_text()
