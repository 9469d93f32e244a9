"""Who may open a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from houston.middleware import AccountRequest
from houston.models import Role, User

View = Callable[..., HttpResponse]


def for_admins(view: View) -> View:
    """Let admins of the account and the account team in; others get the 403 page."""

    @wraps(view)
    def checked(request: AccountRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_administrate(request):
            raise PermissionDenied(f"You need the role admin in account {request.account_id} here")
        return view(request, *args, **kwargs)

    return checked


def for_role_admin(view: View) -> View:
    """Let those in who are admin of the account themselves; the account team only reads here."""

    @wraps(view)
    def checked(request: AccountRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if Role.ADMIN not in request.roles:
            raise PermissionDenied(f"You need the role admin in account {request.account_id} here")
        return view(request, *args, **kwargs)

    return checked


def for_team(view: View) -> View:
    """Let the account team in; others get the 403 page."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast("User", request.user).is_staff:
            raise PermissionDenied("Only the account team can do this: ask one of its people")
        return view(request, *args, **kwargs)

    return checked


def may_administrate(request: AccountRequest) -> bool:
    return request.user.is_staff or Role.ADMIN in request.roles
