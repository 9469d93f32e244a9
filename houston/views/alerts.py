"""Alerts: the list, a new one, and each with its history and what became of its messages.

Whoever may open the account may change them: admins and developers alike, and the account team.
Source: `liveperson-contract.md` §4.5.
"""

import uuid
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston.alert_forms import AlertForm
from houston.middleware import AccountRequest
from houston.views.answers import confirm, private, status_of
from invoker import alerts
from invoker.models import Alert, AlertChannel, AlertKind, AlertState, Telling

SHOW_ONCE: Final = "show_alert_secret"
LATEST: Final = 20
ABOUT: Final = {
    AlertKind.ERRORS: "Too many runs of a function fail",
    AlertKind.LATENCY: "Functions are slower than they may be: the budget is one second",
    AlertKind.SILENCE: "Nothing comes in any more, or a function is not run",
    AlertKind.DELIVERIES: "Messages, transfers or closes do not reach the platform, or an event "
    "could not be handled",
    AlertKind.LETTERS: "Something was given up and waits for somebody to retry or discard it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """`telling` is the latest message, None before the first."""

    alert: Alert
    badge: tuple[str, str]
    telling: Telling | None


@require_GET
def alert_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    newest = Telling.objects.filter(alert=OuterRef("pk")).order_by("-created_at")
    found = list(
        _alerts(request)
        .annotate(latest=Subquery(newest.values("pk")[:1]))
        .order_by("created_at", "pk")
    )
    tellings = Telling.objects.in_bulk([each.latest for each in found if each.latest])
    context = {
        "rows": [Row(each, _badge(each), tellings.get(each.latest)) for each in found],
        "kinds": [(value, label, ABOUT[AlertKind(value)]) for value, label in AlertKind.choices],
        "email": settings.EMAIL_CONFIGURED,
    }
    return render(request, "accounts/alerts.html", context)


@require_http_methods(["GET", "POST"])
def alert_new(request: AccountRequest, account_id: str) -> HttpResponse:
    sent = request.POST if request.method == "POST" else None
    kind = (sent or request.GET).get("kind", AlertKind.ERRORS)
    if kind not in AlertKind.values:
        kind = AlertKind.ERRORS
    form = AlertForm(kind, account_id, sent)
    if sent is not None and form.is_valid():
        try:
            alert = alerts.create(account_id, form.read(), by=request.user.username)
        except alerts.AlertError as error:
            form.explain_alert(error)
        else:
            _show_secret(request, alert)
            messages.success(request, "Added the alert: it is looked at every minute")
            return redirect("alert", account_id=account_id, alert_id=alert.pk)
    context = {
        "form": form,
        "kind": kind,
        "kinds": AlertKind.choices,
        "about": ABOUT[AlertKind(kind)],
    }
    return render(request, "accounts/alert_new.html", context, status=status_of(form))


@require_http_methods(["GET", "POST"])
def alert(request: AccountRequest, account_id: str, alert_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_alerts(request), pk=alert_id)
    title, secret = found.title, found.secret
    form = AlertForm.of(found, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            alerts.edit(found, form.read(), by=request.user.username)
        except alerts.AlertError as error:
            form.explain_alert(error)
        else:
            if found.secret != secret:
                _show_secret(request, found)
            messages.success(request, "Saved the alert")
            return redirect("alert", account_id=account_id, alert_id=found.pk)
    context = {
        "alert": found,
        "title": title,
        "badge": _badge(found),
        "form": form,
        "secret": _taken_secret(request, found),
        "is_webhook": found.channel == AlertChannel.WEBHOOK,
        "firings": found.firings.order_by("-began_at")[:LATEST],
        "tellings": found.tellings.order_by("-created_at")[:LATEST],
    }
    return private(render(request, "accounts/alert.html", context, status=status_of(form)))


@require_POST
def alert_test(request: AccountRequest, account_id: str, alert_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_alerts(request), pk=alert_id)
    try:
        telling = alerts.test(found)
    except alerts.TooSoonError as error:
        messages.error(request, str(error))
    else:
        if telling.sent_at:
            messages.success(request, "Sent a test")
        else:
            messages.error(request, f"Cannot send a test: {telling.error}")
    return redirect("alert", account_id=account_id, alert_id=found.pk)


@require_http_methods(["GET", "POST"])
def alert_switch(request: AccountRequest, account_id: str, alert_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_alerts(request), pk=alert_id)
    back = reverse("alert", args=[account_id, found.pk])
    if request.method == "GET":
        return confirm(
            request,
            title="Switch off the alert",
            effect=f"{found.title}: nobody is told of it until it is switched on again",
            button="Switch off",
            back=back,
        )
    alerts.switch(found, enabled=request.POST.get("enabled") == "yes", by=request.user.username)
    messages.success(request, f"The alert is switched {'on' if found.enabled else 'off'}")
    return redirect(back)


@require_http_methods(["GET", "POST"])
def alert_rotate(request: AccountRequest, account_id: str, alert_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_alerts(request), pk=alert_id, channel=AlertChannel.WEBHOOK)
    back = reverse("alert", args=[account_id, found.pk])
    if request.method == "GET":
        return confirm(
            request,
            title="Rotate the secret of the alert",
            effect=f"{found.title}: its messages are signed with the new secret at once, the "
            "receiver needs it to check them",
            button="Rotate the secret",
            back=back,
        )
    alerts.rotate_secret(found, by=request.user.username)
    _show_secret(request, found)
    return redirect(back)


@require_http_methods(["GET", "POST"])
def alert_delete(request: AccountRequest, account_id: str, alert_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_alerts(request), pk=alert_id)
    if request.method == "GET":
        return confirm(
            request,
            title="Delete the alert",
            effect=f"{found.title}: nobody is told of it any more, and its history is gone",
            button="Delete the alert",
            back=reverse("alert", args=[account_id, found.pk]),
        )
    alerts.delete(found, by=request.user.username)
    messages.success(request, "Deleted the alert")
    return redirect("alerts", account_id=account_id)


def _alerts(request: AccountRequest) -> QuerySet[Alert]:
    return Alert.objects.filter(account_id=request.account_id)


def _badge(alert: Alert) -> tuple[str, str]:
    """The colour and the word for how an alert stands."""
    if not alert.enabled:
        return "Draft", "Switched off"
    if alert.state == AlertState.FIRING:
        return "bad", "Firing"
    return ("ok", "OK") if alert.looked_at else ("pending", "Not looked at yet")


def _show_secret(request: AccountRequest, alert: Alert) -> None:
    """Let the next page of this alert show its secret. Sessions are rows: it is only named here."""
    if alert.channel == AlertChannel.WEBHOOK:
        request.session[SHOW_ONCE] = str(alert.pk)


def _taken_secret(request: AccountRequest, alert: Alert) -> str:
    if request.session.get(SHOW_ONCE) != str(alert.pk):
        return ""
    del request.session[SHOW_ONCE]
    return alert.secret
