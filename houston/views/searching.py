"""Search over everything that the person may open: of one account, or of none."""

from dataclasses import dataclass
from typing import cast

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from functions.models import Function, Scenario
from houston import manual
from houston.middleware import AccountRequest
from houston.models import Account, User
from houston.templatetags.ui import FOR_ADMINS, SETTINGS
from houston.views.access import may_administrate
from invoker import events
from invoker.models import Conversation

LONGEST_QUERY = 200
MOST_OF_A_KIND = 6
LONGEST_ABOUT = 80
LAST_CHARACTER = "\U0010ffff"
PAGES = (
    ("functions:list", "Functions"),
    ("functions:new", "New function"),
    ("functions:all-deployments", "Deployments"),
    ("functions:schedules", "Schedules"),
    ("functions:activity", "Activity"),
    ("functions:conversations", "Conversations"),
    ("functions:conversation-start", "Start a conversation"),
    ("functions:scenarios", "Scenarios"),
    ("functions:logs", "Logs"),
    ("functions:metrics", "Metrics"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    title: str
    about: str
    url: str


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    hits: list[Hit]


@require_GET
def search(request: HttpRequest, account_id: str = "") -> HttpResponse:
    """`account_id` is checked by the middleware before this is called."""
    query = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    kinds: list[Kind] = []
    if query:
        if account_id:
            inside = cast("AccountRequest", request)
            kinds += [
                Kind("Functions", _functions(account_id, query)),
                Kind("Conversations", _conversations(account_id, query)),
                Kind("Scenarios", _scenarios(account_id, query)),
                Kind("Pages", _pages(inside, query)),
            ]
        kinds += [
            Kind("Accounts", _accounts(cast("User", request.user), query)),
            Kind("Help", _help(query)),
        ]
    context = {"query": query, "kinds": [kind for kind in kinds if kind.hits]}
    is_piece = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, f"search.html{'#hits' if is_piece else ''}", context)


def _functions(account_id: str, query: str) -> list[Hit]:
    named = [each.id for each in events.EVENT_TYPES.values() if query.lower() in each.name.lower()]
    wanted = Q(name__icontains=query) | Q(description__icontains=query) | Q(event_type__in=named)
    found = Function.objects.filter(wanted, account_id=account_id).order_by("name")
    return [
        Hit(each.name, each.event.name, reverse("functions:edit", args=[account_id, each.name]))
        for each in found[:MOST_OF_A_KIND]
    ]


def _conversations(account_id: str, query: str) -> list[Hit]:
    # Between two values, so that the index on both columns is used.
    found = Conversation.objects.filter(
        account_id=account_id, conv_id__gte=query, conv_id__lt=query + LAST_CHARACTER
    ).order_by("conv_id")
    return [
        Hit(
            conv_id,
            "Closed" if closed else "Open",
            reverse("functions:conversation", args=[account_id, pk]),
        )
        for pk, conv_id, closed in found.values_list("pk", "conv_id", "closed")[:MOST_OF_A_KIND]
    ]


def _scenarios(account_id: str, query: str) -> list[Hit]:
    found = Scenario.objects.filter(
        Q(name__icontains=query) | Q(description__icontains=query), account_id=account_id
    ).order_by("name")
    return [
        Hit(name, description[:LONGEST_ABOUT], reverse("functions:scenario", args=[account_id, pk]))
        for pk, name, description in found.values_list("pk", "name", "description")[:MOST_OF_A_KIND]
    ]


def _pages(request: AccountRequest, query: str) -> list[Hit]:
    pages = [(name, label, "") for name, label in PAGES]
    pages += [
        (name, label, "Settings")
        for name, label in SETTINGS
        if name not in FOR_ADMINS or may_administrate(request)
    ]
    hits = [
        Hit(label, about, reverse(name, args=[request.account_id])) for name, label, about in pages
    ]
    hits.append(Hit("API reference", "What programs may ask", reverse("reference")))
    return [each for each in hits if query.lower() in f"{each.about} {each.title}".lower()][
        :MOST_OF_A_KIND
    ]


def _accounts(user: User, query: str) -> list[Hit]:
    found = Account.objects.filter(Q(name__icontains=query) | Q(id__istartswith=query))
    if not user.is_staff:
        found = found.filter(memberships__user=user).distinct()
    return [
        Hit(each.name, each.pk, reverse("functions:list", args=[each.pk]))
        for each in found.order_by("name", "id")[:MOST_OF_A_KIND]
    ]


def _help(query: str) -> list[Hit]:
    hits = []
    for each in manual.search(query, most=MOST_OF_A_KIND):
        page = each.section.page
        anchor = f"#{each.section.anchor}" if each.section.anchor else ""
        about = page.title if anchor else page.summary
        hits.append(Hit(each.section.title, about, reverse("help-page", args=[page.slug]) + anchor))
    return hits
