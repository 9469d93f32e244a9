"""Connections to messaging platforms: the list, new ones, each one's settings and secrets."""

import re
import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Case, Exists, OuterRef, Subquery, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_errors, account_forms, connecting
from houston.connecting import CALLBACK, SIGNING
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, private, status_of
from houston.views.notifications import outcome, received
from houston.views.sockets import agent_socket
from houston.views.way_in import (
    connections_of,
    new_connection_form,
    show_once,
    taken_once,
    way_in,
)
from invoker import trying
from invoker.models import Connection, Notification

LATEST = 10


@require_GET
def connection_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    received = Notification.objects.filter(account_id=request.account_id, connection=OuterRef("pk"))
    latest = received.order_by("-id").values("received_at")[:1]
    # The first question is answered by an index; the second would read the whole account's
    # notifications for a connection that never got one.
    found = (
        connections_of(request)
        .annotate(last_received_at=Case(When(Exists(received), then=Subquery(latest))))
        .select_related("agent_session")
        .order_by("name")
    )
    context = {
        "connections": [(each, agent_socket(each)) for each in found],
        "limit": connecting.MAX_CONNECTIONS,
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/connections.html", context)


@for_admins
@require_http_methods(["GET", "POST"])
def connection_new(request: AccountRequest, account_id: str) -> HttpResponse:
    platforms = connecting.offered(account_id)
    if request.method == "GET":
        form = new_connection_form(request.GET.get("platform", ""), platforms)
    else:
        form = new_connection_form(request.POST.get("platform", ""), platforms, request.POST)
        if form.is_valid():
            try:
                connection = connecting.add_connection(
                    request.account, form.read(), by=request.user.username
                )
            except account_errors.AccountError as error:
                form.explain(error)
            else:
                show_once(request, connection)
                messages.success(request, f"Added {connection.name}")
                return redirect("connection", account_id=account_id, connection_id=connection.pk)
    context = {"form": form, "platforms": platforms}
    return render(request, "accounts/connection_new.html", context, status=status_of(form))


@for_admins
@require_http_methods(["GET", "POST"])
def connection(request: AccountRequest, account_id: str, connection_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(connections_of(request), pk=connection_id)
    name = found.name
    form_class = account_forms.CONNECTION_FORMS[found.platform]
    form = form_class(request.POST or None, initial=form_class.values(found))
    if request.method == "POST" and form.is_valid():
        try:
            connecting.edit_connection(found, **form.cleaned_data, by=request.user.username)
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            messages.success(request, f"Saved {found.name}")
            return redirect("connection", account_id=account_id, connection_id=found.pk)
    if request.headers.get("HX-Target") == "try":
        piece = {"tried": _tried(request, found), "connection": found}
        return private(render(request, "accounts/connection.html#try", piece))
    latest = list(received(found)[:LATEST])
    context = {
        "form": form,
        "name": name,
        "socket": agent_socket(found),
        "last_received_at": latest[0].received_at if latest else None,
        "latest": [(each, outcome(each)) for each in latest],
        "tried": _tried(request, found),
        **way_in(found, taken_once(request, found)),
    }
    return private(render(request, "accounts/connection.html", context, status=status_of(form)))


@for_admins
@require_POST
def connection_test(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID
) -> HttpResponse:
    """Send a test notification; the page of the connection then shows it arrive."""
    found = get_object_or_404(connections_of(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    try:
        answer = trying.send(found)
    except trying.NoWebhookError as error:
        messages.error(request, str(error))
        return redirect(back)
    if answer.notification is None:
        messages.error(request, f"{answer.status} {answer.code}: {answer.message}")
        return redirect(back)
    return redirect(f"{back}?{urlencode({'test': answer.notification.pk})}#try")


def _tried(request: AccountRequest, connection: Connection) -> Notification | None:
    """The test notification that the address names, if it was one of this connection."""
    key = request.GET.get("test", "")
    if not re.fullmatch(r"[0-9]{1,18}", key):
        return None
    found = connection.notifications.defer("body").select_related("conversation").filter(pk=key)
    notification = found.first()
    return notification if notification and trying.is_test(notification) else None


@for_admins
@require_http_methods(["GET", "POST"])
def connection_switch(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID
) -> HttpResponse:
    found = get_object_or_404(connections_of(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    if request.method == "GET":
        if not found.active:
            return redirect(back)
        return confirm(
            request,
            title=f"Switch off {found.name}",
            effect=f"{found.name}: notifications are turned away with 403, no event is handled and "
            "no command goes out, until it is switched on again",
            button="Switch off",
            back=back,
        )
    connecting.switch_connection(
        found, active=request.POST.get("active") == "yes", by=request.user.username
    )
    messages.success(request, f"{found.name} is switched {'on' if found.active else 'off'}")
    return redirect(back)


@for_admins
@require_http_methods(["GET", "POST"])
def connection_rotate(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID, secret: str
) -> HttpResponse:
    found = get_object_or_404(connections_of(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    form = account_forms.RotateForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        effects = {
            SIGNING: f"{found.name}: the sender gets a new secret. As long as the present one "
            "holds, notifications are taken that are proven by either",
            CALLBACK: f"{found.name}: the receiver gets a new secret. As long as the present one "
            "holds, commands are signed with both",
        }
        question = confirm(
            request,
            title=f"Rotate the {secret} secret",
            effect=effects[secret],
            button=f"Rotate the {secret} secret",
            back=back,
            form=form,
        )
        question.status_code = status_of(form)
        return question
    rotate = {
        SIGNING: connecting.rotate_signing_secret,
        CALLBACK: connecting.rotate_callback_secret,
    }[secret]
    try:
        keep = connecting.Keep(form.cleaned_data["keep"])
        rotate(found, by=request.user.username, keep=keep)
    except account_errors.AccountError as error:
        messages.error(request, str(error))
    else:
        show_once(request, found, secret)
    return redirect(back)


@for_admins
@require_http_methods(["GET", "POST"])
def connection_end_previous(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID, secret: str
) -> HttpResponse:
    """Let a secret that was rotated hold no longer, before its time is over."""
    found = get_object_or_404(connections_of(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    if request.method == "GET":
        effects = {
            SIGNING: f"{found.name}: notifications that are proven by it are refused at once",
            CALLBACK: f"{found.name}: commands are signed with the new secret alone",
        }
        return confirm(
            request,
            title=f"End the previous {secret} secret",
            effect=effects[secret],
            button="End it now",
            back=back,
        )
    connecting.end_previous_secret(found, secret, by=request.user.username)
    messages.success(request, f"The previous {secret} secret of {found.name} holds no longer")
    return redirect(back)
