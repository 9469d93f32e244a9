"""Everything works without htmx: whoever follows links and sends forms comes to whole pages."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from django.urls import resolve

from tests import factories
from tests.houston.test_audited import everybody, things  # noqa: F401  # fixtures

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "use", "wbr"}
# Pages of their own kind, tested beside what they tell of.
LEFT_OUT = ("/help/", "/static/", "/me/", "/sign-out/")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parents: "list[Element]" = field(default_factory=list)
    inside: "list[Element]" = field(default_factory=list)

    def __str__(self) -> str:
        return f"<{self.tag} {self.attributes}>"

    def inner(self, tag: str, **attributes: str) -> bool:
        return any(
            each.tag == tag and attributes.items() <= each.attributes.items()
            for each in self.inside
        )


class Reader(HTMLParser):
    """Every element of a page with those around it and those in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs}, [*self._open])
        for parent in self._open:
            parent.inside.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        while tag in [each.tag for each in self._open] and self._open.pop().tag != tag:
            pass


def has_a_way_without(element, forms):
    """Whether what htmx would do can be done by a link or a form as well."""
    attributes = element.attributes
    trigger = attributes.get("hx-trigger", "")
    if "poll" in trigger or "load" in trigger or attributes.get("hx-swap") == "none":
        # What comes by itself, or is only told: the page is whole without it.
        return True
    if any(each.tag == "dialog" for each in element.parents):
        # Only a script opens it, where a link leads to a page.
        return True
    if element.tag == "a":
        return "href" in attributes
    if element.tag == "form":
        return "action" in attributes or attributes.get("method", "get") == "get"
    around = [each for each in element.parents if each.tag == "form"]
    if "form" in attributes:
        around = [forms[attributes["form"]]]
    # Controls of another place may belong to a form by its name.
    around += [forms[each.attributes["form"]] for each in element.inside
               if "form" in each.attributes]  # fmt: skip
    if not around:
        return False
    return "formaction" in attributes or any(
        form.inner("button", type="submit") or "role" in form.attributes for form in around
    )


def can_be_sent(form, elements):
    name = form.attributes.get("id", "")
    buttons = [each for each in elements if each.tag == "button" and name
               and each.attributes.get("form") == name]  # fmt: skip
    return form.inner("input", name="csrfmiddlewaretoken") and (
        form.inner("button", type="submit") or bool(buttons)
    )


def key(address):
    """One page of each kind is enough: what it was asked for differs, not what it is made of."""
    parts = urlsplit(address)
    asked = tuple(sorted({name for name, _ in parse_qsl(parts.query)}))
    return resolve(parts.path).view_name, asked


@pytest.fixture
def walked(everybody, things, account):  # noqa: F811
    """Every page that links lead to from the account's first one, by its address."""
    event = factories.EventFactory()
    factories.InvocationFactory(event=event, deployment__function_name="greet")
    pages: dict[str, str] = {}
    waiting, seen = [f"/a/{account.pk}/"], set()
    while waiting:
        address = waiting.pop(0)
        if address.startswith(LEFT_OUT) or key(address) in seen:
            continue
        seen.add(key(address))
        response = everybody.get(address, follow=True)
        assert response.status_code == 200, address
        if not response.headers["Content-Type"].startswith("text/html"):
            continue
        pages[address] = response.content.decode()
        for element in Reader(pages[address]).elements:
            for name in {"href", "hx-get"} & element.attributes.keys():
                target = urljoin(address, element.attributes[name]).partition("#")[0]
                if element.tag != "link" and not urlsplit(target).netloc:
                    waiting.append(target)
    return pages


def test_links_and_forms_lead_to_whole_pages_and_do_all_that_htmx_does(walked):
    stuck, broken, bare = [], [], []
    for address, page in walked.items():
        assert page.lstrip().lower().startswith("<!doctype html>"), address
        elements = Reader(page).elements
        forms = {each.attributes.get("id"): each for each in elements if each.tag == "form"}
        for each in elements:
            told = f"{address}: {each}"
            attributes = each.attributes
            if attributes.keys() & {"hx-get", "hx-post"} and not has_a_way_without(each, forms):
                stuck.append(told)
            if each.tag == "form" and attributes.get("method") == "post":
                broken += [] if can_be_sent(each, elements) else [told]
            if "data-ago" in attributes and "title" not in attributes:
                bare.append(told)

    assert len(walked) > 50
    assert (stuck, broken, bare) == ([], [], [])
