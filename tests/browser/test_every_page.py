"""Every page is looked at: by axe in both themes and widths, and for what hangs out of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern
from playwright.sync_api import Browser, Page

from tests.browser.every_page import LEFT_OUT, PAGES, Shown
from tests.browser.filled import NARROW, SIZES, Filled, filled_product
from tests.houston.test_isolation import API

AXE = (Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text()
# Within Monaco's own elements, which are not ours to change.
MONACO: dict[str, str] = {}
# By the attribute of a person's own choice: it counts at once, what a system says comes with some
# frame later.
DARK = 'document.documentElement.dataset.theme = "dark"'
# Monaco draws once more in the dark, and charts take a new width.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
RUN = r"""async (monaco) => {
  const options = { resultTypes: ["violations"], elementRef: true };
  const { violations } = await axe.run(document, options);
  return violations.flatMap((rule) => rule.nodes
    .filter((node) => !monaco.includes(rule.id) || !node.element?.closest(".monaco-editor"))
    .map((node) => `${rule.id} (${rule.impact}): ${node.html.slice(0, 160)}\n      ${
      node.failureSummary.split("\n").slice(1, 3).map((line) => line.trim()).join("; ")}`));
}"""


def _once() -> tuple[list[Shown], list[Shown]]:
    """What is looked at in one way only, by which: a page's further states, in turn.

    Two looks are for two themes and two widths. What a state adds to a page is made of the same
    parts as others, and to look at all of them twice took the longest of all tests.
    """
    seen: set[str] = set()
    further = []
    for shown in PAGES:
        if shown.name in seen:
            further.append(shown)
        if shown.name:
            seen.add(shown.name)
    return further[::2], further[1::2]


ONCE = _once()


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    with filled_product() as product:
        yield product


@pytest.mark.browser
@pytest.mark.timeout(120)
@pytest.mark.parametrize("shown", PAGES, ids=lambda each: each.slug)
def test_page_has_no_fault(browser: Browser, filled: Filled, shown: Shown) -> None:
    page = filled.open(browser, shown, 1440)
    page.evaluate(AXE)

    faults = {}
    if shown not in ONCE[1]:
        faults["light and wide"] = look(page)
    page.evaluate(f"{DARK}; {DRAWN}")
    page.set_viewport_size({"width": NARROW, "height": SIZES[NARROW]})
    page.evaluate(DRAWN)
    if shown not in ONCE[0]:
        faults["dark and narrow"] = look(page)
    wide = page.evaluate("document.documentElement.scrollWidth")

    told = [f"  {where}: {fault}" for where, found in faults.items() for fault in found]
    assert not told, "\n".join([f"{shown.slug} has faults", *told])
    assert wide <= NARROW, f"{shown.slug} is {wide} px wide on a telephone"


def look(page: Page) -> list[str]:
    return page.evaluate(RUN, list(MONACO))


def test_every_page_is_in_the_catalogue():
    pages = {each.name for each in PAGES if each.name}
    found = {name for name, view in views(get_resolver().url_patterns) if takes_get(view)}

    assert found - set(LEFT_OUT) - pages == set()
    assert set(LEFT_OUT) & pages == set()
    assert (set(LEFT_OUT) | pages) - {name for name, _ in views(get_resolver().url_patterns)} == (
        set()
    )


def test_every_page_has_a_name_of_its_own():
    slugs = [each.slug for each in PAGES]

    assert len(slugs) == len(set(slugs))


def views(patterns, prefix=""):
    for pattern in patterns:
        if str(pattern.pattern).startswith(API):
            continue
        if isinstance(pattern, URLPattern):
            if pattern.name:
                yield prefix + pattern.name, pattern.callback
        else:
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from views(pattern.url_patterns, inner)


def takes_get(view):
    """Whether a view answers GET: unless `require_POST` or its like says otherwise."""
    while view is not None:
        for name, cell in zip(view.__code__.co_freevars, view.__closure__ or (), strict=True):
            if name == "request_method_list":
                return "GET" in cell.cell_contents
        view = getattr(view, "__wrapped__", None)
    return True
