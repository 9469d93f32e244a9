"""What the pages look up and say about permissions, always inside one account."""

import uuid
from collections.abc import Iterable

from django.shortcuts import get_object_or_404

from functions.access import DEVELOPER, ConsoleRequest
from functions.models import Function
from invoker.models import Deployment


def find_function(account_id: str, name: str) -> Function:
    """The function with its deployment, or 404."""
    found = Function.objects.select_related("deployment")
    return get_object_or_404(found, account_id=account_id, name=name)


def function_ids(account_id: str, name: str) -> list[uuid.UUID] | None:
    """Whose invocations to show for a name; functions that are deleted ran under it too.

    None for no name, empty where there never was one.
    """
    if not name:
        return None
    found = Function.objects.filter(account_id=account_id, name=name)
    there = list(found.values_list("pk", flat=True))
    if there:
        return there
    gone = Deployment.objects.filter(account_id=account_id, function_name=name)
    return list(gone.values_list("function_id", flat=True).distinct())


def deployed(function: Function, numbers: Iterable[int]) -> dict[int, Deployment]:
    """The latest deployment of each of these versions, as far as they ever served."""
    rows = Deployment.objects.filter(function_id=function.pk, version__in=numbers, failure="")
    return {each.version: each for each in rows.defer("code", "environment").order_by("created_at")}


def may_change(request: ConsoleRequest) -> bool:
    """Whether to offer what only developers may do."""
    return DEVELOPER in request.roles
