"""The two steps of setting an account up."""

from allauth.core.ratelimit import consume_or_429
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from houston import account_errors, account_forms, connecting, invitations, services
from houston.middleware import AccountRequest
from houston.models import Role
from houston.views.access import for_team
from houston.views.answers import private, status_of
from houston.views.way_in import (
    connections_of,
    new_connection_form,
    show_once,
    taken_once,
    way_in,
)
from invoker.models import ControllerBot


@require_GET
def account_setup(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _setup_page(request, platform=request.GET.get("platform", ""))


@for_team
@require_POST
def setup_controller_bot(request: AccountRequest, account_id: str) -> HttpResponse:
    offered = connecting.offered(account_id)
    form = new_connection_form(request.POST.get("platform", ""), offered, request.POST)
    if form.is_valid():
        try:
            connection = services.set_up_controller_bot(
                request.account, form.read(), by=request.user.username
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            show_once(request, connection)
            messages.success(request, f"Set up the controller bot with {connection.name}")
            return redirect("account-setup", account_id=account_id)
    return _setup_page(request, form=form)


@for_team
@require_POST
def setup_functions(request: AccountRequest, account_id: str) -> HttpResponse:
    try:
        services.enable_functions(request.account, by=request.user.username)
    except account_errors.NotSetUpError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Functions are enabled for {request.account.name}")
    return redirect("account-setup", account_id=account_id)


@for_team
@require_POST
def setup_admin(request: AccountRequest, account_id: str) -> HttpResponse:
    """Invite the first admin. A link to hand over is shown in the answer itself, once."""
    form = account_forms.FirstAdminForm(request.POST, auto_id="id_admin_%s")
    sent = None
    if form.is_valid():
        too_many: HttpResponse | None = consume_or_429(request, action="invite")
        if too_many:
            return too_many
        try:
            sent = invitations.invite(
                request.account,
                email=form.cleaned_data["email"],
                roles={Role.ADMIN},
                by=request.user.username,
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            if not sent.link:
                messages.success(request, f"Sent an invitation to {sent.invitation.email}")
                return redirect("account-setup", account_id=account_id)
    return _setup_page(request, admin_form=form, sent=sent)


def _setup_page(
    request: AccountRequest,
    *,
    platform: str = "",
    form: account_forms.NewConnectionForm | None = None,
    admin_form: account_forms.FirstAdminForm | None = None,
    sent: invitations.Sent | None = None,
) -> HttpResponse:
    platforms = connecting.offered(request.account_id)
    form = form or new_connection_form(platform, platforms)
    connections = list(connections_of(request).order_by("created_at"))
    for connection in connections:
        once = taken_once(request, connection)
        if once is not None:
            break
    else:
        connection, once = None, None
    context = {
        "bot": ControllerBot.objects.filter(pk=request.account_id).first(),
        "connections": connections,
        "form": form,
        "platforms": platforms,
        "admins": request.account.memberships.filter(role=Role.ADMIN).count(),
        "invitations": invitations.waiting(request.account).order_by("-sent_at"),
        "admin_form": admin_form or account_forms.FirstAdminForm(auto_id="id_admin_%s"),
        "sent": sent,
        **(way_in(connection, once) if connection else {}),
    }
    wrong = admin_form if admin_form is not None and admin_form.errors else form
    return private(render(request, "accounts/setup.html", context, status=status_of(wrong)))
