"""Everybody who may sign in, for the account team: who is locked out, and the way back in."""

from typing import cast
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import people
from houston.models import User
from houston.views.access import for_team
from houston.views.answers import confirm, private
from invoker.models import AuditEntry

PAGE_LENGTH = 50
MOST_ENTRIES = 10


@for_team
@require_GET
def person_list(request: HttpRequest) -> HttpResponse:
    # A database that is not SQLite refuses text with NUL in it.
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    after = request.GET.get("after", "").replace("\0", "")
    found = User.objects.order_by("username").filter(username__gt=after)
    for word in wanted.split():
        named = Q(first_name__icontains=word) | Q(last_name__icontains=word)
        found = found.filter(named | Q(username__icontains=word) | Q(email__icontains=word))
    page = list(found.prefetch_related("memberships__account")[: PAGE_LENGTH + 1])
    shown = page[:PAGE_LENGTH]
    context = {
        "people": shown,
        "wanted": wanted,
        "after": after,
        "next_after": shown[-1].username if len(page) > PAGE_LENGTH else "",
    }
    return render(request, "accounts/people.html", context)


@for_team
@require_GET
def person(request: HttpRequest, user_id: int) -> HttpResponse:
    return _person_page(request, _person(user_id))


@for_team
@require_POST
def person_reset(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show the link in the answer itself: kept anywhere for a next page, it could be read there."""
    user = _person(user_id)
    return _person_page(request, user, link=people.reset_link(user, by=_me(request)))


@for_team
@require_http_methods(["GET", "POST"])
def person_factors(request: HttpRequest, user_id: int) -> HttpResponse:
    user = _person(user_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Remove the second factors of {user.username}",
            effect="App, passkeys and recovery codes are gone; the password alone signs in until "
            "there are new ones. Be sure who is asking you for it",
            button="Remove the second factors",
            back=reverse("person", args=[user_id]),
        )
    people.reset_factors(user, by=_me(request))
    messages.success(request, f"Removed the second factors of {user.username}")
    return redirect("person", user_id=user_id)


@for_team
@require_http_methods(["GET", "POST"])
def person_switch(request: HttpRequest, user_id: int) -> HttpResponse:
    user = _person(user_id)
    if user == request.user:
        messages.error(request, "Cannot switch yourself off: somebody else of the team can")
        return redirect("person", user_id=user_id)
    # What was asked for and not the opposite of what is: two who switch somebody off at once would
    # let them in again.
    active = request.GET.get("active") == "yes"
    verb = "Switch on" if active else "Switch off"
    if request.method == "GET":
        return confirm(
            request,
            action=f"{request.path}?{urlencode({'active': 'yes' if active else 'no'})}",
            title=f"{verb} {user.username}",
            effect="Let in again, with the roles and the password of before"
            if active
            else "Signed out everywhere at once and not let in again; what they made stays",
            button=f"{verb} {user.username}",
            back=reverse("person", args=[user_id]),
            kind="main" if active else "danger",
        )
    people.switch(user, active=active, by=_me(request))
    messages.success(request, f"{verb.replace('Switch', 'Switched')} {user.username}")
    return redirect("person", user_id=user_id)


def _person(user_id: int) -> User:
    return get_object_or_404(User, pk=user_id)


def _me(request: HttpRequest) -> str:
    return cast("User", request.user).username


def _person_page(request: HttpRequest, user: User, *, link: str = "") -> HttpResponse:
    roles: dict[str, list[str]] = {}
    for one in user.memberships.select_related("account").order_by("account__name", "role"):
        roles.setdefault(str(one.account), []).append(one.get_role_display())
    kinds = Authenticator.objects.filter(user=user).values_list("type", flat=True).distinct()
    context = {
        "person": user,
        "accounts_of": roles.items(),
        "factors": [Authenticator.Type(kind).label for kind in kinds],
        "confirmed": EmailAddress.objects.filter(user=user, verified=True).exists(),
        "identities": SocialAccount.objects.filter(user=user).count(),
        "link": link,
        "entries": AuditEntry.objects.filter(
            account_id="", subject_kind="person", subject_id=str(user.pk)
        ).order_by("-at")[:MOST_ENTRIES],
    }
    return private(render(request, "accounts/person.html", context))
