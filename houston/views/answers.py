"""What many pages answer with."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from houston import account_forms


def status_of(form: account_forms.Form) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK


def confirm(request: HttpRequest, **question: str) -> HttpResponse:
    """Ask before a POST to the same address: a dialog for htmx, otherwise a page."""
    page = "ui/dialog.html" if request.headers.get("HX-Request") else "ui/confirm.html"
    return render(request, page, {"action": request.path, **question})


def private(response: HttpResponse) -> HttpResponse:
    """Keep a page that may hold a secret out of every cache, also the browser's own."""
    add_never_cache_headers(response)
    return response
