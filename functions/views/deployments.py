"""What serves and what served in the whole account, and what is on its way there."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions.access import ConsoleRequest
from functions.forms import DeploymentFilterForm
from functions.models import Function
from functions.views import finding, paging
from invoker.models import Deployment

PAGE_SIZE = 25


@require_GET
def account_deployments(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """The deployments of all functions, the newest first, below what goes on and what failed."""
    form = DeploymentFilterForm(request.GET)
    form.is_valid()
    wishes = {name: value for name, value in form.cleaned_data.items() if value}
    wish = wishes.get("function", "")
    before = request.GET.get("before", "")
    functions = Function.objects.filter(account_id=account_id).order_by("name")
    known = list(functions.defer("code", "environment"))
    rows = Deployment.objects.filter(account_id=account_id)
    if wish:
        rows = rows.filter(function_id__in=finding.function_ids(account_id, wish) or [])
    if wishes.get("serving"):
        rows = rows.filter(active=True)
    page = paging.newest_first(rows.defer("code", "environment"), before, size=PAGE_SIZE)
    # A deployment outlives its function, and then has no page to lead to.
    drafts = {each.pk: each for each in known}
    unfinished = [each for each in known if each.stage and wish in ("", each.name)]
    template = "functions/all_deployments.html"
    here = reverse("functions:all-deployments", args=[account_id])
    return render(
        request,
        f"{template}#rows" if request.htmx else template,
        {
            "form": form,
            "functions": [each.name for each in known],
            "unfinished": [] if before else unfinished,
            "goes_on": any(each.being_deployed for each in unfinished),
            "rows": [(each, drafts.get(each.function_id)) for each in page.rows],
            "filtered": bool(wishes),
            "before": before,
            "query": urlencode(wishes),
            "older": f"{here}?{urlencode({**wishes, 'before': page.older})}" if page.older else "",
            "newest": f"{here}?{urlencode(wishes)}" if before else "",
            "may_change": finding.may_change(request),
        },
    )
