"""No page is forgotten where all of them are looked at."""

from django.urls import get_resolver
from django.urls.resolvers import URLPattern

from tests.browser.every_page import LEFT_OUT, PAGES


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
