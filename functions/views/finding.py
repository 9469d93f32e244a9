"""What the pages look up and say about permissions, always inside one account."""

from django.shortcuts import get_object_or_404

from functions.access import DEVELOPER, ConsoleRequest
from functions.models import Function


def find_function(account_id: str, name: str) -> Function:
    """The function with its deployment, or 404."""
    found = Function.objects.select_related("deployment")
    return get_object_or_404(found, account_id=account_id, name=name)


def may_change(request: ConsoleRequest) -> bool:
    """Whether to offer what only developers may do."""
    return DEVELOPER in request.roles
