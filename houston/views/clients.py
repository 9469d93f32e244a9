"""API clients: the list, a new one, and each with the lines that use it.

Admins of the account change them; developers and the account team read.
"""

import shlex
import uuid
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from houston import account_errors, account_forms, api_clients
from houston.middleware import AccountRequest
from houston.models import ApiClient, Role, Scope
from houston.views.access import for_role_admin
from houston.views.answers import confirm, private, status_of
from invoker import events
from invoker.models import Deployment

MOST_REVOKED: Final = 50


@require_GET
def client_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    found = _clients(request)
    context = {
        "clients": found.filter(revoked_at=None).order_by("name"),
        "revoked": found.exclude(revoked_at=None).order_by("-revoked_at")[:MOST_REVOKED],
        "most_revoked": MOST_REVOKED,
        "may_change": _may_change(request),
    }
    return render(request, "accounts/api_clients.html", context)


@for_role_admin
@require_http_methods(["GET", "POST"])
def client_new(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    """The answer to the form is the one page that shows the secret."""
    form = account_forms.ApiClientForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = api_clients.create(
                request.account, **form.cleaned_data, by=request.user.username
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            return _client_page(request, made, secret=secret)
    page = render(request, "accounts/api_client_new.html", {"form": form}, status=status_of(form))
    return private(page)


@require_GET
def client(request: AccountRequest, account_id: str, client_id: uuid.UUID) -> HttpResponse:  # noqa: ARG001
    return _client_page(request, get_object_or_404(_clients(request), pk=client_id))


@for_role_admin
@require_http_methods(["GET", "POST"])
def client_renew(request: AccountRequest, account_id: str, client_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_clients(request), pk=client_id)
    back = reverse("api-client", args=[account_id, found.pk])
    if request.method == "GET":
        return confirm(
            request,
            title=f"Give {found.name} a new secret",
            effect=f"{found.name}: the present secret gets no token any more, at once. Tokens that "
            "it got already go on for up to 8 hours; to end those too, revoke the client",
            button="Make a new secret",
            back=back,
        )
    try:
        secret = api_clients.renew_secret(found, by=request.user.username)
    except account_errors.AccountError as error:
        messages.error(request, str(error))
        return redirect(back)
    return _client_page(request, found, secret=secret)


@for_role_admin
@require_http_methods(["GET", "POST"])
def client_revoke(request: AccountRequest, account_id: str, client_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_clients(request), pk=client_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Revoke {found.name}",
            effect=f"{found.name}: its secret and every token that it has are refused at once, and "
            "it cannot be brought back. What it did stays in the audit log",
            button=f"Revoke {found.name}",
            back=reverse("api-client", args=[account_id, found.pk]),
        )
    api_clients.revoke(found, by=request.user.username)
    messages.success(request, f"Revoked {found.name}")
    return redirect("api-clients", account_id=account_id)


def _clients(request: AccountRequest) -> QuerySet[ApiClient]:
    return ApiClient.objects.filter(account=request.account)


def _may_change(request: AccountRequest) -> bool:
    return Role.ADMIN in request.roles


def _client_page(request: AccountRequest, found: ApiClient, *, secret: str = "") -> HttpResponse:
    context = {
        "client": found,
        "secret": secret,
        "scopes": [(Scope(each).label, each) for each in found.scopes],
        "may_change": _may_change(request),
        **_lines(request, found),
    }
    return private(render(request, "accounts/api_client.html", context))


def _lines(request: AccountRequest, found: ApiClient) -> dict[str, Any]:
    """What `accounts/examples/api_client.*` need: what is invoked, and how to get here."""
    server = urlsplit(settings.HOUSTON_URL)
    may_invoke = bool({Scope.INVOCATION, Scope.DEVELOPER} & set(found.scopes))
    # Of those that are deployed the one that needs no event's payload, if there is one.
    invoked = (
        Deployment.objects.filter(account_id=request.account_id, active=True)
        .order_by("event_type", "function_name")
        .first()
        if may_invoke
        else None
    )
    payload = "{}"
    if invoked and invoked.event_type:
        sample = events.sample(invoked.event_type)["payload"]
        payload = msgspec.json.encode(sample).decode()
    body = f'{{"timestamp":0,"headers":[],"payload":{payload}}}'
    return {
        "url": settings.HOUSTON_URL,
        "server": server.netloc,
        "scheme": server.scheme,
        # The npm client takes neither a port nor plain http where it finds a server by itself.
        "is_plain": server.scheme == "https" and server.port is None,
        "invoked": invoked,
        "may_invoke": may_invoke,
        "may_develop": Scope.DEVELOPER in found.scopes,
        "developer_scope": Scope.DEVELOPER.label,
        "payload": payload,
        "body": shlex.quote(body),
    }
