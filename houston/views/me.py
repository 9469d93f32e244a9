"""What people set for themselves: who they are, how they sign in, where they are signed in."""

import uuid
from http import HTTPStatus
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from allauth.account.models import EmailAddress
from allauth.account.signals import password_changed
from allauth.account.views import ConfirmEmailView
from allauth.core.ratelimit import consume_or_429
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_forms, auth, passkey_forms, people, person_forms
from houston.coming_in import MailError, end_sessions, passkeys_work
from houston.devices import device_of
from houston.models import User
from houston.views.answers import confirm, gone, private, status_of

MOST_SESSIONS = 100


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    # A fresh one: a form that is refused leaves what was typed on the object it was given.
    person = User.objects.get(pk=cast("User", request.user).pk)
    form = person_forms.ProfileForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved your profile")
        return redirect("me")
    addresses = EmailAddress.objects.filter(user=person)
    context = {
        "form": form,
        "verified": next((each for each in addresses if each.verified), None),
        "waiting": next((each for each in addresses if not each.verified), None),
        "mails": settings.EMAIL_CONFIGURED,
    }
    return render(request, "me/profile.html", context, status=status_of(form))


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]
def email(request: HttpRequest) -> HttpResponse:
    """Change the address, after its owner has opened a link where a mail server is set."""
    person = User.objects.get(pk=cast("User", request.user).pk)
    form = person_forms.EmailForm(request.POST or None, initial={"email": person.email})
    if request.method == "POST" and form.is_valid():
        too_many: HttpResponse | None = consume_or_429(request, action="manage_email")
        if too_many:
            return too_many
        wanted = form.cleaned_data["email"]
        try:
            asked = people.change_email(request, person, wanted)
        except MailError as error:
            form.add_error("email", str(error))
        else:
            said = f"Sent a link to {wanted}: open it to confirm" if asked else "Saved your e-mail"
            messages.success(request, said)
            return redirect("me")
    context = {"form": form, "mails": settings.EMAIL_CONFIGURED}
    return render(request, "me/email.html", context, status=status_of(form))


class ConfirmEmail(ConfirmEmailView):  # type: ignore[misc]
    """The link in the e-mail."""

    def get(self, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(*args, **kwargs)
        return response if self.object else gone(response)

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().post(*args, **kwargs)
        except Http404:
            # It was confirmed meanwhile, in another tab.
            return self.get(*args, **kwargs)
        return response


@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    if not cast("User", request.user).has_usable_password():
        return render(request, "accounts/password.html")
    if request.method == "POST":
        # Whoever came upon an open session must not find the password out here.
        too_many: HttpResponse | None = consume_or_429(request, action="change_password")
        if too_many:
            return too_many
    form = account_forms.PasswordForm(cast("User", request.user), request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        update_session_auth_hash(request, user)
        end_sessions(user, but=request.session.session_key or "")
        password_changed.send(sender=User, request=request, user=user)
        messages.success(request, "Changed your password, other sessions are signed out")
        return redirect("home")
    page = render(request, "accounts/password.html", {"form": form}, status=status_of(form))
    return private(page)


@require_GET
def second_factors(request: HttpRequest) -> HttpResponse:
    mine = list(Authenticator.objects.filter(user_id=request.user.pk).order_by("created_at"))
    kinds = Authenticator.Type
    recovery = next((each for each in mine if each.type == kinds.RECOVERY_CODES), None)
    context = {
        "app": next((each for each in mine if each.type == kinds.TOTP), None),
        "passkeys": [each for each in mine if each.type == kinds.WEBAUTHN],
        "recovery": recovery,
        "codes_left": len(recovery.wrap().get_unused_codes()) if recovery else 0,
        "enabled": is_mfa_enabled(request.user),
        "passkeys_work": passkeys_work(request),
    }
    return private(render(request, "mfa/index.html", context))


class ConfirmByPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]
    def form_invalid(self, form: passkey_forms.ConfirmByPasskeyForm) -> HttpResponse:  # noqa: ARG002
        messages.error(self.request, "Cannot go on: this is not a passkey of yours, try again")
        page: HttpResponse = self.render_to_response(
            self.get_context_data(), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
        return page


@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    live = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    mine = UserSession.objects.filter(user_id=request.user.pk, session_key__in=live)
    rows = mine.order_by("-last_seen_at")
    here = request.session.session_key
    listed = [
        {"session": each, "device": device_of(each.user_agent), "here": each.session_key == here}
        for each in rows[:MOST_SESSIONS]
    ]
    logins = auth.command_line_logins(cast("User", request.user)).select_related("account")
    context = {"rows": listed, "logins": logins.order_by("-created_at")[:MOST_SESSIONS]}
    return private(render(request, "me/sessions.html", context))


@require_POST
def command_line_end(request: HttpRequest, login_id: uuid.UUID) -> HttpResponse:
    found = auth.command_line_logins(cast("User", request.user)).filter(pk=login_id)
    get_object_or_404(found).delete()
    messages.success(request, "Ended the command line's login: its token is refused at once")
    return redirect("usersessions_list")


@require_POST
def session_end(request: HttpRequest, session_id: int) -> HttpResponse:
    session = get_object_or_404(UserSession, pk=session_id, user_id=request.user.pk)
    if session.session_key == request.session.session_key:
        messages.error(request, "Cannot end this session here: use Sign out")
    else:
        session.end()
        messages.success(request, "Ended the session")
    return redirect("usersessions_list")


@require_http_methods(["GET", "POST"])
def sessions_end(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return confirm(
            request,
            title="End all other sessions",
            effect="Whoever is signed in as you on other devices, or by the command line, has to "
            "sign in again",
            button="End all other sessions",
            back=reverse("usersessions_list"),
        )
    end_sessions(cast("User", request.user), but=request.session.session_key or "")
    messages.success(request, "Ended all other sessions")
    return redirect("usersessions_list")
