"""The grid of the week: drawn from the rows, and writing to them, by mouse and by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from tests.stack.conftest import PASSWORD, Houston

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def week(houston: Houston, page: Page) -> Page:
    """The page of new office hours, with an empty week that is not saved yet."""
    page.goto(f"{houston.url}/sign-in/")
    page.get_by_label("User name").fill("team")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/**")
    page.goto(f"{houston.url}/a/demo1/settings/office-hours/new/")
    page.get_by_label("Name").fill(f"Hours {page.evaluate('Date.now()')}")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Add office hours").click()
    remove = page.get_by_role("button", name="Remove this window")
    expect(remove).to_have_count(7)
    for _ in range(7):
        remove.first.click()
    expect(page.locator(".week-grid .block")).to_have_count(0)
    return page


def rows(page: Page) -> list[tuple[str, str, str]]:
    """Day, from and to of every row."""
    return [
        tuple(row.locator(f"[name={name}]").input_value() for name in ("day", "start", "end"))
        for row in page.locator("[data-windows] .window").all()
    ]


def drag(page: Page, day: int, *hours: float) -> None:
    """Press at the first hour of a day's column, and let go at the last."""
    box = page.locator(".week-grid .track").nth(day).bounding_box()
    assert box is not None
    x, first, *rest = (box["x"] + 20, *(box["y"] + box["height"] * each / 24 for each in hours))
    page.mouse.move(x, first)
    page.mouse.down()
    for y in rest:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_window_is_drawn_moved_stretched_and_kept(week: Page) -> None:
    drag(week, 0, 9, 13, 17)
    assert rows(week) == [("0", "09:00", "17:00")]
    expect(week.get_by_text("Not saved yet")).to_be_visible()

    drag(week, 0, 12, 14)
    assert rows(week) == [("0", "11:00", "19:00")]

    drag(week, 0, 18.95, 21)
    assert rows(week) == [("0", "11:00", "21:00")]

    drag(week, 5, 22, 23.9)
    week.get_by_role("button", name="Save week").click()
    expect(week.get_by_text("Saved the week")).to_be_visible()
    assert rows(week) == [("0", "11:00", "21:00"), ("5", "22:00", "00:00")]


def test_week_is_set_with_the_keyboard_alone(week: Page) -> None:
    week.locator(".week-grid .track").nth(1).focus()
    week.keyboard.press("Enter")
    assert rows(week) == [("1", "09:00", "17:00")]

    week.keyboard.press("ArrowDown")
    week.keyboard.press("Shift+ArrowDown")
    week.keyboard.press("ArrowRight")
    assert rows(week) == [("2", "09:15", "17:30")]

    block = week.locator(".week-grid .block")
    expect(block).to_be_focused()
    expect(block).to_have_accessible_name(
        "Wednesday 09:15\N{EN DASH}17:30. Arrow keys move it, with Shift they change its end, "
        "Delete removes it"
    )
    week.keyboard.press("Delete")
    assert rows(week) == []


def test_one_day_s_times_are_given_to_all(week: Page) -> None:
    for day in (0, 1, 4):
        week.locator(".week-grid .track").nth(day).focus()
        week.keyboard.press("Enter")
    week.locator("[data-windows] .window").first.locator("[name=start]").fill("08:30")

    week.get_by_role("button", name="Give all the first one's times").click()

    assert rows(week) == [(day, "08:30", "17:00") for day in ("0", "1", "4")]


def test_rows_are_drawn_as_they_are_typed_also_past_midnight(week: Page) -> None:
    week.get_by_role("button", name="Add a window").click()
    row = week.locator("[data-windows] .window").last
    row.locator("[name=day]").select_option("6")
    row.locator("[name=start]").fill("22:00")
    row.locator("[name=end]").fill("02:00")

    columns = week.locator(".week-grid .day")
    expect(columns.nth(6).locator(".block")).to_have_count(1)
    expect(columns.nth(0).locator(".block[data-rest]")).to_have_count(1)


def test_leaving_with_unsaved_windows_is_asked_about(week: Page) -> None:
    asked: list[str] = []
    drag(week, 0, 9, 13, 17)
    week.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))

    week.get_by_role("link", name="Functions").click()
    week.wait_for_url("**/functions/**")

    assert asked == ["beforeunload"]
