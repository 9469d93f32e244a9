"""Inviting people to an account, and accepting an invitation."""

from http import HTTPStatus
from typing import cast
from uuid import UUID

from allauth.account.utils import perform_login
from allauth.core.ratelimit import consume_or_429
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from houston import account_errors, account_forms, invitations, person_forms
from houston.coming_in import refused
from houston.middleware import AccountRequest
from houston.models import Invitation, User
from houston.views.access import for_admins
from houston.views.answers import confirm, private, status_of
from houston.views.members import member_page


@for_admins
@require_POST
def invitation_add(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    form = account_forms.InviteForm(request.POST)
    if form.is_valid():
        too_many: HttpResponse | None = consume_or_429(request, action="invite")
        if too_many:
            return too_many
        try:
            sent = invitations.invite(
                request.account,
                email=form.cleaned_data["email"],
                roles=set(form.cleaned_data["roles"]),
                by=request.user.username,
            )
        except account_errors.AccountError as error:
            form.explain(error)
        else:
            return _sent(request, sent)
    return member_page(request, inviting=form)


@for_admins
@require_POST
def invitation_renew(
    request: AccountRequest,
    account_id: str,
    invitation_id: UUID,
) -> HttpResponse:
    waiting = _waiting(request, invitation_id)
    too_many: HttpResponse | None = consume_or_429(request, action="invite")
    if too_many:
        return too_many
    sent = invitations.renew(waiting, by=request.user.username)
    if sent is None:
        messages.error(request, f"Cannot invite {waiting.email} again: it was accepted or revoked")
        return redirect("members", account_id=account_id)
    return _sent(request, sent)


@for_admins
@require_http_methods(["GET", "POST"])
def invitation_revoke(
    request: AccountRequest, account_id: str, invitation_id: UUID
) -> HttpResponse:
    waiting = _waiting(request, invitation_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Revoke the invitation of {waiting.email}",
            effect="The link ends at once; whoever opens it is told to ask you",
            button="Revoke the invitation",
            back=reverse("members", args=[account_id]),
        )
    invitations.revoke(waiting, by=request.user.username)
    messages.success(request, f"Revoked the invitation of {waiting.email}")
    return redirect("members", account_id=account_id)


@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link: who is signed in joins, who is new becomes somebody."""
    try:
        found = invitations.find(token)
        if request.user.is_authenticated:
            return _join(request, found)
        return _become(request, found, token)
    except account_errors.InvitationError as error:
        return refused(request, error.title, str(error), HTTPStatus.GONE)


def _join(request: HttpRequest, found: Invitation) -> HttpResponse:
    user = cast("User", request.user)
    if not invitations.is_meant_for(found, user):
        return private(
            render(
                request,
                "invitations/wrong_person.html",
                {"invitation": found},
                status=HTTPStatus.FORBIDDEN,
            )
        )
    if request.method == "POST":
        invitations.accept(found, user)
        messages.success(request, f"You are a member of {found.account.name}")
        return redirect("account", account_id=found.account_id)
    return private(render(request, "invitations/join.html", {"invitation": found}))


def _become(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    form = person_forms.NewPersonForm(request.POST or None)
    if request.method == "POST":
        # Names that are taken are told from others here, so nobody may try many.
        too_many: HttpResponse | None = consume_or_429(
            request, action="accept_invitation", key=str(found.pk)
        )
        if too_many:
            return too_many
        if form.is_valid():
            try:
                user = invitations.join(
                    [found],
                    username=form.cleaned_data["username"],
                    password=form.cleaned_data["password1"],
                )
            except account_errors.InvalidError as error:
                form.explain(error)
            else:
                messages.success(request, f"You are a member of {found.account.name}")
                home = reverse("account", args=[found.account_id])
                response: HttpResponse = perform_login(request, user, redirect_url=home)
                return response
    context = {
        "form": form,
        "invitation": found,
        "token": token,
        "sign_in": f"{reverse('sign-in')}?{urlencode({'next': request.path})}",
    }
    return private(render(request, "invitations/become.html", context, status=status_of(form)))


def _waiting(request: AccountRequest, invitation_id: UUID) -> Invitation:
    return get_object_or_404(invitations.waiting(request.account), pk=invitation_id)


def _sent(request: AccountRequest, sent: invitations.Sent) -> HttpResponse:
    if sent.link:
        # Shown in the answer itself: kept anywhere for the next page, it could be read there.
        return member_page(request, sent=sent)
    messages.success(request, f"Sent an invitation to {sent.invitation.email}")
    return redirect("members", account_id=request.account_id)
