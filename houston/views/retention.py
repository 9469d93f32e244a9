"""How long the account keeps what happened."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from houston import retention_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import status_of
from invoker.models import Retention
from invoker.retention import RetentionError, of_account, save


@require_http_methods(["GET", "POST"])
def retention(request: AccountRequest, account_id: str) -> HttpResponse:
    if request.method == "POST":
        return _save(request, account_id)
    return _page(request, None)


@for_admins
def _save(request: AccountRequest, account_id: str) -> HttpResponse:
    form = retention_forms.RetentionForm(request.POST)
    if form.is_valid():
        try:
            save(account_id, form.cleaned_data, by=request.user.username)
        except RetentionError as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, "Saved how long things are kept")
            return redirect("retention", account_id=account_id)
    return _page(request, form)


def _page(request: AccountRequest, refused: retention_forms.RetentionForm | None) -> HttpResponse:
    row = Retention.objects.filter(pk=request.account_id).first()
    initial = retention_forms.RetentionForm.values(row) if row else None
    context = {
        "periods": of_account(request.account_id),
        "form": refused or retention_forms.RetentionForm(initial=initial),
        "may_administrate": may_administrate(request),
    }
    status = status_of(refused) if refused else None
    return render(request, "accounts/retention.html", context, status=status)
