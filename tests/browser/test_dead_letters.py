"""What a platform refused is found, sent again after a question, and gone from the list."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_flow import send_event, sign_in
from tests.conftest import Answer, CallbackServer
from tests.stack.conftest import Houston

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

REFUSED = Answer(status=400, body=b"the bridge is closed")


def refuse(demo: dict[str, Any], server: CallbackServer, count: int) -> None:
    """Let so many conversations begin whose greeting the callback URL refuses."""
    server.will_answer(*[REFUSED] * count)
    before = len(server.requests)
    for _ in range(count):
        send_event(demo)
    assert len(server.wait_for(before + count, timeout_s=20)) == before + count


def ids(server: CallbackServer) -> list[str]:
    return [each.headers["webhook-id"] for each in server.requests]


def test_dead_letters_are_retried_redelivered_and_discarded(
    page: Page, houston: Houston, callback_server: CallbackServer
) -> None:
    demo = houston.demo(callback_server.url)
    sign_in(page, houston, demo["sign_in"])
    refuse(demo, callback_server, 4)
    navigation = page.get_by_role("navigation", name="Pages")
    navigation.get_by_role("link", name="Dead letters").click()
    rows = page.locator("tr[id^=letter-]")
    expect(rows).to_have_count(4)

    # From its trace, one is delivered for real, with the id that it had.
    rows.first.locator("summary").click()
    expect(rows.first).to_contain_text("the bridge is closed")
    rows.first.get_by_role("link", name="Trace").click()
    page.get_by_role("link", name="Redeliver the message").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"The consumer gets this message now, \d+ "))
    dialog.get_by_role("button", name="Redeliver it").click()
    expect(page.locator("#trace")).to_contain_text("Commands delivered")

    # One is discarded with a note, and found again.
    navigation.get_by_role("link", name="Dead letters").click()
    expect(rows).to_have_count(3)
    rows.first.get_by_role("link", name=re.compile("^Discard")).click()
    dialog.get_by_label("Note").fill("Nobody waits any more")
    dialog.get_by_role("button", name="Discard it").click()
    expect(rows).to_have_count(2)

    # The others go together, and the page follows them to the end by itself.
    page.get_by_role("link", name="Retry all 2…").click()
    dialog.get_by_role("button", name="Retry 2 dead letters").click()
    expect(page.locator("#many")).to_contain_text("2 went through, 0 failed again.")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_role("heading", name="Nothing was given up")).to_be_visible()
    expect(navigation.locator(".counter")).to_have_count(0)
    page.get_by_role("link", name="Discarded ones").click()
    expect(rows).to_contain_text("Nobody waits any more")

    sent = ids(callback_server)
    assert len(sent) == 7
    assert len(set(sent)) == 4
    assert set(sent[4:]) < set(sent[:4])
