"""Who is asking, as the pages see it: houston's middleware fills this in for every request."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

DEVELOPER = "developer"
ADMIN = "admin"

View = Callable[..., HttpResponse]


class ConsoleRequest(HttpRequest):
    """A request of a signed-in person inside one account (the `account_id` of the URL).

    `roles` holds "admin", "developer" or both; the account team reads everything without a role.
    `admins` are the names of those whom others can ask, looked up when somebody reads them.
    """

    user: AbstractUser  # type: ignore[assignment]  # apps do not know houston's own class
    htmx: HtmxDetails
    account_id: str
    roles: frozenset[str]
    admins: Sequence[str]


def requires(*roles: str) -> Callable[[View], View]:
    """Let only people with one of these roles in; others get the 403 page."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: ConsoleRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.roles.intersection(roles):
                names = " or ".join(roles)
                raise PermissionDenied(
                    f"You need the role {names} in account {request.account_id} for this"
                )
            return view(request, *args, **kwargs)

        return checked

    return decorate
