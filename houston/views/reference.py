"""The API as people read it."""

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from houston import reference
from houston.middleware import last_account
from houston.models import User


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()[: reference.LONGEST_QUERY]
    context = {
        "groups": reference.groups(),
        "introduction": reference.introduction(),
        "errors": reference.common_errors(),
        "query": query,
        "found": reference.search(query) if query else [],
    }
    return render(request, "reference/index.html", context)


@require_GET
def group(request: HttpRequest, slug: str) -> HttpResponse:
    found = next((each for each in reference.groups() if each.slug == slug), None)
    if found is None:
        raise Http404
    # The lines to copy name the account that somebody comes from.
    account = last_account(request, cast("User", request.user))
    account_id = account.pk if account else ""
    context = {
        "group": found,
        "groups": reference.groups(),
        "shapes": found.shapes,
        "operations": [(each, each.curl(account_id)) for each in found.operations],
        "around": account,
    }
    return render(request, "reference/group.html", context)
