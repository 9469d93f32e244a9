"""The way to the single sign-on and back, and the identities that a person has linked."""

from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from allauth.core.ratelimit import consume_or_429
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows.connect import disconnect
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import single_sign_on
from houston.models import User
from houston.views.answers import confirm, private


@login_not_required
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Send somebody to the provider, with what to do when they come back."""
    too_many: HttpResponse | None = consume_or_429(request, action="single_sign_on")
    if too_many:
        return too_many
    wanted = request.POST.get("next", "")
    secure = request.is_secure()
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=secure):
        wanted = ""
    data = {"invitation": request.POST.get("invitation", "")}
    return _leave(request, AuthProcess.LOGIN, next_url=wanted, data=data)


@login_not_required
@require_GET
def back(request: HttpRequest) -> HttpResponse:
    _check_configured()
    conversation = single_sign_on.Conversation(request, settings.OIDC_URL)
    try:
        response: HttpResponse = OAuth2CallbackView.adapter_view(conversation)(request)
    except OAuth2Error as error:
        response = single_sign_on.refuse_answer(request, error)
    return response


@require_GET
def identities(request: HttpRequest) -> HttpResponse:
    _check_configured()
    mine = SocialAccount.objects.filter(user_id=request.user.pk).order_by("date_joined")
    context = {
        "identities": [(each, _called(each)) for each in mine],
        "name": settings.OIDC_NAME,
        "has_password": cast("User", request.user).has_usable_password(),
    }
    return private(render(request, "me/single_sign_on.html", context))


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]
def link(request: HttpRequest) -> HttpResponse:
    _check_configured()
    if request.method == "POST":
        return _leave(request, AuthProcess.CONNECT, next_url=reverse("single-sign-on"))
    return confirm(
        request,
        title=f"Link with {settings.OIDC_NAME}",
        effect=f"Whoever {settings.OIDC_NAME} says you are signs in as you from then on, without "
        "your password",
        button=f"Link with {settings.OIDC_NAME}",
        back=reverse("single-sign-on"),
        kind="main",
    )


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]
def unlink(request: HttpRequest, identity_id: int) -> HttpResponse:
    _check_configured()
    identity = get_object_or_404(SocialAccount, pk=identity_id, user_id=request.user.pk)
    if not cast("User", request.user).has_usable_password():
        messages.error(request, "Cannot unlink it: you have no password to come in with")
        return redirect("single-sign-on")
    if request.method == "GET":
        return confirm(
            request,
            title=f"Unlink from {settings.OIDC_NAME}",
            effect="You sign in with your password then. Where both have verified your e-mail "
            "address, the next single sign-on links it again",
            button="Unlink",
            back=reverse("single-sign-on"),
        )
    disconnect(request, identity)
    messages.success(request, f"Unlinked from {settings.OIDC_NAME}")
    return redirect("single-sign-on")


def _leave(request: HttpRequest, process: str, **state: Any) -> HttpResponse:
    _check_configured()
    provider = get_adapter(request).get_provider(request, settings.OIDC_URL)
    try:
        response: HttpResponse = provider.redirect(request, process, **state)
    except OAuth2Error as error:
        return single_sign_on.refuse_answer(request, error)
    if not isinstance(response, HttpResponseRedirect):
        return response
    # A page that goes on by itself: browsers hold redirects after a form to its `form-action`,
    # and nobody knows to which hosts a provider leads.
    context = {"url": response.url, "name": settings.OIDC_NAME}
    return private(render(request, "account/leaving.html", context))


def _called(identity: SocialAccount) -> str:
    """How people know themselves there."""
    told = identity.extra_data
    return str(told.get("email") or told.get("preferred_username") or identity.uid)


def _check_configured() -> None:
    if not settings.OIDC_URL:
        raise Http404
