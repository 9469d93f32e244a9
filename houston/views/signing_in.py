"""Signing in, the way to the first page, and how pages look."""

from http import HTTPStatus
from typing import Any, cast

from allauth.account.views import LoginView, PasswordResetFromKeyView, PasswordResetView
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from houston import account_forms, passkey_forms, person_forms
from houston.coming_in import MailError
from houston.errors import wants_json
from houston.middleware import THEME_COOKIE, THEMES, last_account
from houston.models import Account, User
from houston.views.answers import gone, private
from invoker import api

THEME_AGE_S = 365 * 24 * 3600


class SignIn(LoginView):  # type: ignore[misc]
    def form_invalid(self, form: account_forms.SignInForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


class SignInByPasskey(LoginWebAuthnView):  # type: ignore[misc]
    def form_invalid(self, form: passkey_forms.SignInByPasskeyForm) -> HttpResponse:
        messages.error(
            self.request,
            "Cannot sign you in: nobody here has this passkey, or it took too long. Try again, or "
            "use the password",
        )
        response: HttpResponse = super().form_invalid(form)
        return response


class Forgotten(PasswordResetView):  # type: ignore[misc]
    """Ask for a link by e-mail; without a mail server the page says whom to ask instead."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "mails": settings.EMAIL_CONFIGURED}

    def form_valid(self, form: person_forms.ForgottenForm) -> HttpResponse:
        if not settings.EMAIL_CONFIGURED:
            return self.form_invalid(form)
        try:
            response: HttpResponse = super().form_valid(form)
        except MailError as error:
            form.add_error(None, f"{error}. Ask the account team for a link")
            return self.form_invalid(form)
        return response

    def form_invalid(self, form: person_forms.ForgottenForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


class NewPassword(PasswordResetFromKeyView):  # type: ignore[misc]
    """The page behind a link that sets a new password."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().render_to_response(context, **kwargs)
        return gone(response) if context.get("token_fail") else private(response)

    def form_invalid(self, form: person_forms.NewPasswordForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Answer somebody who guessed too often; the same for names that nobody has."""
    minutes = round(settings.AXES_COOLOFF_TIME.total_seconds() / 60)
    status = HTTPStatus.TOO_MANY_REQUESTS
    response: HttpResponse
    if wants_json(request):
        message = f"Cannot sign in: too many wrong passwords, wait {minutes} minutes"
        error = api.ApiError(status, message, v1_code="locked-out")
        response = JsonResponse(api.body(error), status=status)
    else:
        about = {"minutes": minutes, "limit": settings.AXES_FAILURE_LIMIT}
        response = render(request, "account/locked_out.html", about, status=status)
    response["Retry-After"] = str(minutes * 60)
    return response


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    if not user.is_staff:
        mine = list(Account.objects.filter(memberships__user=user).distinct()[:2])
        only = mine[0] if len(mine) == 1 else last_account(request, user)
        if only is not None:
            return redirect("account", account_id=only.pk)
    return redirect("accounts")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    back = request.POST.get("next", "")
    secure = request.is_secure()
    # Without the slash it could also be the name of an address, and redirecting would look it up.
    fits = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=secure)
    response = redirect(back if fits and back.startswith("/") else reverse("home"))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=THEME_AGE_S, samesite="Lax", httponly=True, secure=secure
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
