"""The manual in the console."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET

from houston import manual


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()[: manual.LONGEST_QUERY]
    context = {"pages": manual.PAGES, "query": query, "found": manual.search(query)}
    return render(request, "help/index.html", context)


@require_GET
def page(request: HttpRequest, slug: str) -> HttpResponse:
    found = manual.BY_SLUG.get(slug)
    if found is None:
        raise Http404
    place = manual.PAGES.index(found)
    context = {
        "page": found,
        "pages": manual.PAGES,
        # A template of the product's own, escaped where it was rendered.
        "content": mark_safe(manual.content(found)),  # noqa: S308  # nosec B308, B703
        "headings": manual.sections(found)[1:],
        "before": manual.PAGES[place - 1] if place else None,
        "after": manual.PAGES[place + 1] if place + 1 < len(manual.PAGES) else None,
    }
    return render(request, "help/page.html", context)
