"""What many pages answer with."""

from http import HTTPStatus
from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers


def status_of(form: BaseForm) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK


def confirm(request: HttpRequest, **question: Any) -> HttpResponse:
    """Ask before a POST to the same address: a dialog for htmx, otherwise a page.

    Texts, and a `form` where there is something to choose.
    """
    page = "ui/dialog.html" if request.headers.get("HX-Request") else "ui/confirm.html"
    return render(request, page, {"action": request.path, **question})


def private(response: HttpResponse) -> HttpResponse:
    """Keep a page that may hold a secret out of every cache, also the browser's own."""
    add_never_cache_headers(response)
    return response


def gone(response: HttpResponse) -> HttpResponse:
    """A link that led somewhere once, or never did."""
    response.status_code = HTTPStatus.GONE
    return private(response)
