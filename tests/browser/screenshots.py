"""Pictures of every page, wide and narrow, light and dark.

    make screenshots ARGS="--pages editor,hours --out /tmp/pictures"

Starts the product, fills it, and saves a PNG of each entry of `tests.browser.every_page` as
`<page>-<width>-<theme>.png`. With `--manual` it renews the few that the manual and the README show.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import django
from playwright.sync_api import Browser, Error, sync_playwright

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
# What only loading the settings makes: none of it is used.
os.environ["HOUSTON_DATA_DIR"] = tempfile.mkdtemp(prefix="houston-pictures-")
django.setup()

from tests.browser.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.browser.every_page import PAGES, Shown  # noqa: E402
from tests.browser.filled import SIZES, Filled, filled_product  # noqa: E402

OUT = Path(__file__).parents[2] / "screenshots"
COLOURED_AFTER_MS = 600
MANUAL = Path(__file__).parents[2] / "static/img/manual"
IN_MANUAL = ("functions", "function-new", "editor-result", "deploy", "trace", "metrics")
THEMES = ("light", "dark")
LONGEST_PX = 6_000
"""A page that is longer is cut there."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument(
        "--pages", default="", help="only pages whose name has one of these, between commas"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the folder, made when missing")
    parser.add_argument("--manual", action="store_true", help="the pictures of the manual alone")
    parser.add_argument("--widths", default=",".join(map(str, SIZES)))
    arguments = parser.parse_args()
    wanted = arguments.pages.split(",")
    pages = [each for each in PAGES if any(word in each.slug for word in wanted)]
    if arguments.manual:
        pages = [each for each in PAGES if each.slug in IN_MANUAL]
        arguments.out, arguments.widths = MANUAL, "1440"
    arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = []
    with filled_product() as filled, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=FLAGS)
        for shown in pages:
            for width in map(int, arguments.widths.split(",")):
                try:
                    take(filled, browser, shown, width, arguments)
                except (Error, AssertionError) as error:
                    failed.append(f"{shown.slug} at {width}: {str(error).splitlines()[0]}")
        browser.close()
    print(f"{len(pages)} pages in {time.monotonic() - began:.0f} s: {arguments.out}")
    for line in failed:
        print(f"  FAILS: {line}")
    shutil.rmtree(os.environ["HOUSTON_DATA_DIR"], ignore_errors=True)
    return int(bool(failed))


def take(
    filled: Filled, browser: Browser, shown: Shown, width: int, wishes: argparse.Namespace
) -> None:
    page = filled.open(browser, shown, width)
    # What was typed into or looked at last may lie below the bar, which is drawn where it is now.
    page.evaluate("scrollTo(0, 0)")
    if page.locator(".cm-content").count():
        # Code gets its colours when the browser has nothing else to do.
        page.wait_for_timeout(COLOURED_AFTER_MS)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        # A dialog lies over what the window shows, and the rest of the page says nothing new.
        whole = not page.locator("dialog[open]").count() and not wishes.manual
        height = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, LONGEST_PX)}
        name = shown.slug if wishes.manual else f"{shown.slug}-{width}"
        page.screenshot(
            path=wishes.out / f"{name}-{theme}.png",
            full_page=whole,
            clip=clip if whole else None,
        )
    page.emulate_media(color_scheme=None)


if __name__ == "__main__":
    sys.exit(main())
