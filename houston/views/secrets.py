"""Secrets that functions may read. Their values are shown to nobody."""

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, private, status_of
from invoker import vault
from invoker.models import Secret, SecretUse


@require_GET
def secret_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _secret_page(request, account_forms.SecretForm())


@for_admins
@require_POST
def secret_add(request: AccountRequest, account_id: str) -> HttpResponse:
    form = account_forms.SecretForm(request.POST)
    if form.is_valid():
        try:
            secret = vault.add(
                account_id,
                key=form.cleaned_data["key"],
                kind=form.cleaned_data["type"],
                value=vault.parse(form.cleaned_data["type"], form.cleaned_data["value"]),
                by=request.user.username,
            )
        except vault.SecretError as error:
            form.explain(error)
        else:
            messages.success(request, f"Added {secret.key}")
            return redirect("secrets", account_id=account_id)
    return _secret_page(request, form)


@for_admins
@require_http_methods(["GET", "POST"])
def secret_replace(request: AccountRequest, account_id: str, secret_id: int) -> HttpResponse:
    secret = get_object_or_404(_secrets(request), pk=secret_id)
    form = account_forms.SecretValueForm(request.POST or None, initial={"type": secret.type})
    if request.method == "POST" and form.is_valid():
        try:
            vault.replace(
                secret,
                kind=form.cleaned_data["type"],
                value=vault.parse(form.cleaned_data["type"], form.cleaned_data["value"]),
                by=request.user.username,
            )
        except vault.SecretError as error:
            form.explain(error)
        else:
            messages.success(request, f"Replaced the value of {secret.key}")
            return redirect("secrets", account_id=account_id)
    context = {"form": form, "secret": secret}
    return private(render(request, "accounts/secret.html", context, status=status_of(form)))


@for_admins
@require_http_methods(["GET", "POST"])
def secret_delete(request: AccountRequest, account_id: str, secret_id: int) -> HttpResponse:
    secret = get_object_or_404(_secrets(request), pk=secret_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Delete {secret.key}",
            effect=f"{secret.key}: its value is gone for good, and functions that read it fail"
            f"{_readers(secret)}",
            button=f"Delete {secret.key}",
            back=reverse("secrets", args=[account_id]),
        )
    vault.delete(secret, by=request.user.username)
    messages.success(request, f"Deleted {secret.key}")
    return redirect("secrets", account_id=account_id)


def _readers(secret: Secret) -> str:
    """Those that have read it so far, to follow a sentence."""
    names = list(secret.uses.order_by("function_name").values_list("function_name", flat=True))
    return f". So far it was read by {', '.join(names)}" if names else ""


def _secrets(request: AccountRequest) -> QuerySet[Secret]:
    # What no page shows is not even read.
    return Secret.objects.filter(account_id=request.account_id).defer("value")


def _secret_page(request: AccountRequest, form: account_forms.SecretForm) -> HttpResponse:
    context = {
        "secrets": _secrets(request)
        .order_by("key")
        .prefetch_related(Prefetch("uses", SecretUse.objects.order_by("-last_at"))),
        "form": form,
        "may_administrate": may_administrate(request),
    }
    return private(render(request, "accounts/secrets.html", context, status=status_of(form)))
