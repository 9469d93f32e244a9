"""Which hosts functions may connect to."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, status_of
from invoker import allow_list
from invoker.models import AllowedDomain


@require_GET
def domain_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _domain_page(request, account_forms.DomainForm())


@for_admins
@require_POST
def domain_add(request: AccountRequest, account_id: str) -> HttpResponse:
    form = account_forms.DomainForm(request.POST)
    if form.is_valid():
        try:
            allowed = allow_list.add(
                account_id, form.cleaned_data["domain"], by=request.user.username
            )
        except allow_list.DomainError as error:
            form.explain(error)
        else:
            messages.success(request, f"Allowed {allowed.domain}")
            # The editor asks for it too, and stays where it is.
            if request.htmx:
                return HttpResponse()
            return redirect("domains", account_id=account_id)
    if request.htmx:
        for each in form.errors.get("domain", form.non_field_errors()):
            messages.error(request, str(each))
        return HttpResponse(status=status_of(form))
    return _domain_page(request, form)


@for_admins
@require_http_methods(["GET", "POST"])
def domain_delete(request: AccountRequest, account_id: str, domain_id: int) -> HttpResponse:
    mine = AllowedDomain.objects.filter(account_id=account_id)
    allowed = get_object_or_404(mine, pk=domain_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Delete {allowed.domain}",
            effect=f"{allowed.domain}: requests of functions to it fail from their next event on",
            button=f"Delete {allowed.domain}",
            back=reverse("domains", args=[account_id]),
        )
    allow_list.delete(allowed, by=request.user.username)
    messages.success(request, f"Deleted {allowed.domain}")
    return redirect("domains", account_id=account_id)


def _domain_page(request: AccountRequest, form: account_forms.DomainForm) -> HttpResponse:
    domains = AllowedDomain.objects.filter(account_id=request.account_id).order_by("domain")
    context = {
        # What people added is what people look for.
        "domains": sorted(domains, key=lambda each: not each.created_by),
        "form": form,
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/domains.html", context, status=status_of(form))
