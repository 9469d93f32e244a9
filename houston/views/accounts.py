"""The list of accounts, and new ones."""

from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from houston import account_errors, account_forms, services
from houston.middleware import SWITCH_LENGTH
from houston.models import Account, Membership, User
from houston.views.access import for_team
from houston.views.answers import status_of
from invoker.models import ControllerBot

PAGE_LENGTH = 50


@dataclass(frozen=True, slots=True)
class AccountRow:
    account: Account
    set_up: services.SetUp
    roles: tuple[str, ...]


@require_GET
def account_list(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    # A database that is not SQLite refuses text with NUL in it.
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    accounts = Account.objects.order_by("id")
    if not user.is_staff:
        accounts = accounts.filter(memberships__user=user).distinct()
    if wanted:
        accounts = accounts.filter(Q(id__icontains=wanted) | Q(name__icontains=wanted))
    if request.htmx and request.htmx.target == "switch-accounts":  # type: ignore[attr-defined]
        found = accounts.order_by("name", "id")[:SWITCH_LENGTH]
        return render(request, "ui/switch.html", {"accounts": found, "wanted": wanted})
    after = request.GET.get("after", "").replace("\0", "")
    page = list(accounts.filter(id__gt=after)[: PAGE_LENGTH + 1])
    shown = page[:PAGE_LENGTH]
    context = {
        "rows": _account_rows(shown, user),
        "wanted": wanted,
        "after": after,
        "next_after": shown[-1].pk if len(page) > PAGE_LENGTH else "",
    }
    return render(request, "accounts/list.html", context)


def _account_rows(accounts: list[Account], user: User) -> list[AccountRow]:
    ids = [account.pk for account in accounts]
    bots = {bot.account_id: bot for bot in ControllerBot.objects.filter(pk__in=ids)}
    roles: dict[str, list[str]] = {}
    for one in Membership.objects.filter(user=user, account__in=ids).order_by("role"):
        roles.setdefault(one.account_id, []).append(one.get_role_display())
    return [
        AccountRow(
            account,
            services.how_far(bots.get(account.pk)),
            tuple(roles.get(account.pk, ())),
        )
        for account in accounts
    ]


@for_team
@require_http_methods(["GET", "POST"])
def account_new(request: HttpRequest) -> HttpResponse:
    form = account_forms.AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = services.create_account(
                form.cleaned_data["account_id"],
                name=form.cleaned_data["name"],
                by=cast("User", request.user).username,
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            messages.success(request, f"Created {account.name}")
            return redirect("account-setup", account_id=account.pk)
    return render(request, "accounts/new.html", {"form": form}, status=status_of(form))
