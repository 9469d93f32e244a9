"""Members of an account and their roles."""

from dataclasses import dataclass
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_errors, account_forms, invitations, services
from houston.middleware import AccountRequest
from houston.models import Role, User
from houston.views.access import for_admins, for_team
from houston.views.answers import confirm, private, status_of


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as the table shows it. `error` is why a change was not made."""

    user: User
    roles: frozenset[str]
    error: str = ""


@for_admins
@require_GET
def member_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return member_page(request)


@for_team
@require_POST
def member_add(request: AccountRequest, account_id: str) -> HttpResponse:
    """Add somebody who is known. Not for admins: they would learn who exists."""
    form = account_forms.MemberForm(request.POST, auto_id="id_add_%s")
    if form.is_valid():
        try:
            user = services.add_member(
                request.account,
                username=form.cleaned_data["username"],
                roles=set(form.cleaned_data["roles"]),
                by=request.user.username,
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            messages.success(request, f"Added {user.username}")
            return redirect("members", account_id=account_id)
    return member_page(request, adding=form)


@for_admins
@require_POST
def member_roles(request: AccountRequest, account_id: str, user_id: int) -> HttpResponse:
    user = _member(request, user_id)
    form = account_forms.RolesForm(request.POST)
    wanted = set(form.cleaned_data["roles"]) if form.is_valid() else set()
    try:
        services.change_roles(request.account, user, wanted, by=request.user.username)
    except account_errors.AccountError as error:
        return member_page(request, refused=(user, error))
    messages.success(request, f"Changed the roles of {user.username}")
    return _back_to_members(request, account_id, user)


@for_admins
@require_http_methods(["GET", "POST"])
def member_remove(request: AccountRequest, account_id: str, user_id: int) -> HttpResponse:
    user = _member(request, user_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Remove {user.username}",
            effect=f"{user.username} can no longer open {request.account.name}; what they made "
            "stays",
            button=f"Remove {user.username}",
            back=reverse("members", args=[account_id]),
        )
    try:
        services.remove_member(request.account, user, by=request.user.username)
    except account_errors.AccountError as error:
        return member_page(request, refused=(user, error))
    messages.success(request, f"Removed {user.username}")
    return _back_to_members(request, account_id, user)


def _member(request: AccountRequest, user_id: int) -> User:
    members = User.objects.filter(memberships__account=request.account).distinct()
    return get_object_or_404(members, pk=user_id)


def _back_to_members(request: AccountRequest, account_id: str, changed: User) -> HttpResponse:
    if changed == request.user and not request.user.is_staff:
        # Who gave their own right away cannot open the list any more.
        return redirect("home")
    return redirect("members", account_id=account_id)


def member_page(
    request: AccountRequest,
    *,
    inviting: account_forms.InviteForm | None = None,
    adding: account_forms.MemberForm | None = None,
    sent: invitations.Sent | None = None,
    refused: tuple[User, account_errors.AccountError] | None = None,
) -> HttpResponse:
    rows: dict[int, MemberRow] = {}
    members = request.account.memberships.select_related("user").order_by("user__username")
    for one in members:
        roles = rows[one.user_id].roles if one.user_id in rows else frozenset()
        error = str(refused[1]) if refused and refused[0] == one.user else ""
        rows[one.user_id] = MemberRow(one.user, roles | {one.role}, error)
    inviting = inviting or account_forms.InviteForm()
    # Two forms on one page: each has ids of its own.
    adding = adding or account_forms.MemberForm(auto_id="id_add_%s")
    context = {
        "rows": rows.values(),
        "all_roles": Role.choices,
        "invitations": invitations.waiting(request.account).order_by("-sent_at"),
        "form": inviting,
        "member_form": adding,
        "sent": sent,
    }
    wrong = adding if adding.errors else inviting
    status = HTTPStatus.CONFLICT if refused else status_of(wrong)
    return private(render(request, "accounts/members.html", context, status=status))
