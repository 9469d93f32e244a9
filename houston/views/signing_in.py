"""Signing in, the way to the first page, and how pages look."""

from http import HTTPStatus
from typing import cast

from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from houston import account_forms
from houston.middleware import THEME_COOKIE, THEMES
from houston.models import Account, User

THEME_AGE_S = 365 * 24 * 3600


class SignIn(LoginView):
    authentication_form = account_forms.SignInForm
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


class ChangePassword(PasswordChangeView):
    form_class = account_forms.PasswordForm
    template_name = "accounts/password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        messages.success(self.request, "Changed your password")
        return super().form_valid(form)

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    if not user.is_staff:
        mine = list(Account.objects.filter(memberships__user=user).distinct()[:2])
        if len(mine) == 1:
            return redirect("account", account_id=mine[0].pk)
    return redirect("accounts")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    back = request.POST.get("next", "")
    secure = request.is_secure()
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=secure):
        back = reverse("home")
    response = redirect(back)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=THEME_AGE_S, samesite="Lax", httponly=True, secure=secure
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
