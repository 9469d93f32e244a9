"""Pages around accounts: signing in, the list, the two set-up steps, all settings."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import account_forms, services
from houston.middleware import THEME_COOKIE, THEMES, AccountRequest
from houston.models import Account, Membership, Role, User
from invoker import allow_list, vault
from invoker.models import (
    AllowedDomain,
    Connection,
    ControllerBot,
    Notification,
    Platform,
    Secret,
)

PAGE_LENGTH = 50
THEME_AGE_S = 365 * 24 * 3600
# Names the connection whose secrets the next page may show, never the secrets: sessions are rows.
SHOW_ONCE = "show_once"
SIGNING = "signing"
CALLBACK = "callback"

View = Callable[..., HttpResponse]


def for_admins(view: View) -> View:
    """Let admins of the account and the account team in; others get the 403 page."""

    @wraps(view)
    def checked(request: AccountRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_administrate(request):
            raise PermissionDenied(f"You need the role admin in account {request.account_id} here")
        return view(request, *args, **kwargs)

    return checked


def for_team(view: View) -> View:
    """Let the account team in; others get the 403 page."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast("User", request.user).is_staff:
            raise PermissionDenied("Only the account team can do this: ask one of its people")
        return view(request, *args, **kwargs)

    return checked


def may_administrate(request: AccountRequest) -> bool:
    return request.user.is_staff or Role.ADMIN in request.roles


# Coming in ----------------------------------------------------------------------------------------


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
            return redirect("functions:list", account_id=mine[0].pk)
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


# Accounts -----------------------------------------------------------------------------------------


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
                form.cleaned_data["account_id"], name=form.cleaned_data["name"]
            )
        except services.AccountError as error:
            form.explain(error)
        else:
            messages.success(request, f"Created {account.name}")
            return redirect("account-setup", account_id=account.pk)
    return render(request, "accounts/new.html", {"form": form}, status=_status(form))


# The two steps ------------------------------------------------------------------------------------


@require_GET
def account_setup(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _setup_page(request, _new_connection_form(request.GET.get("platform", "")))


@for_team
@require_POST
def setup_controller_bot(request: AccountRequest, account_id: str) -> HttpResponse:
    form = _new_connection_form(request.POST.get("platform", ""), request.POST)
    if form.is_valid():
        try:
            connection = services.set_up_controller_bot(
                request.account, form.read(), by=request.user.username
            )
        except services.AccountError as error:
            form.explain(error)
        else:
            _show_once(request, connection)
            messages.success(request, f"Set up the controller bot with {connection.name}")
            return redirect("account-setup", account_id=account_id)
    return _setup_page(request, form)


@for_team
@require_POST
def setup_functions(request: AccountRequest, account_id: str) -> HttpResponse:
    try:
        services.enable_functions(request.account, by=request.user.username)
    except services.NotSetUpError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Functions are enabled for {request.account.name}")
    return redirect("account-setup", account_id=account_id)


def _setup_page(request: AccountRequest, form: account_forms.NewConnectionForm) -> HttpResponse:
    connections = list(_connections(request).order_by("created_at"))
    for connection in connections:
        once = _taken_once(request, connection)
        if once:
            break
    else:
        connection, once = None, {}
    context = {
        "bot": ControllerBot.objects.filter(pk=request.account_id).first(),
        "connections": connections,
        "form": form,
        "platforms": Platform.choices,
        **(_way_in(connection, once) if connection else {}),
    }
    return _private(render(request, "accounts/setup.html", context, status=_status(form)))


# Connections --------------------------------------------------------------------------------------


@require_GET
def connection_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    received = Notification.objects.filter(account_id=request.account_id, connection=OuterRef("pk"))
    latest = received.order_by("-id").values("received_at")[:1]
    context = {
        # The first question is answered by an index; the second would read the whole account's
        # notifications for a connection that never got one.
        "connections": _connections(request)
        .annotate(last_received_at=Case(When(Exists(received), then=Subquery(latest))))
        .order_by("name"),
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/connections.html", context)


@for_admins
@require_http_methods(["GET", "POST"])
def connection_new(request: AccountRequest, account_id: str) -> HttpResponse:
    if request.method == "GET":
        form = _new_connection_form(request.GET.get("platform", ""))
    else:
        form = _new_connection_form(request.POST.get("platform", ""), request.POST)
        if form.is_valid():
            try:
                connection = services.add_connection(
                    request.account, form.read(), by=request.user.username
                )
            except services.AccountError as error:
                form.explain(error)
            else:
                _show_once(request, connection)
                messages.success(request, f"Added {connection.name}")
                return redirect("connection", account_id=account_id, connection_id=connection.pk)
    context = {"form": form, "platforms": Platform.choices}
    return render(request, "accounts/connection_new.html", context, status=_status(form))


@for_admins
@require_http_methods(["GET", "POST"])
def connection(request: AccountRequest, account_id: str, connection_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_connections(request), pk=connection_id)
    name = found.name
    form_class = account_forms.CONNECTION_FORMS[found.platform]
    form = form_class(request.POST or None, initial=form_class.values(found))
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_connection(found, **form.cleaned_data)
        except services.AccountError as error:
            form.explain(error)
        else:
            messages.success(request, f"Saved {found.name}")
            return redirect("connection", account_id=account_id, connection_id=found.pk)
    latest = found.notifications.order_by("-id").values_list("received_at", flat=True).first()
    context = {
        "form": form,
        "name": name,
        "last_received_at": latest,
        **_way_in(found, _taken_once(request, found)),
    }
    return _private(render(request, "accounts/connection.html", context, status=_status(form)))


@for_admins
@require_http_methods(["GET", "POST"])
def connection_switch(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID
) -> HttpResponse:
    found = get_object_or_404(_connections(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    if request.method == "GET":
        if not found.active:
            return redirect(back)
        return _confirm(
            request,
            title=f"Switch off {found.name}",
            effect=f"{found.name}: notifications are turned away with 403 and no event is handled, "
            "until it is switched on again",
            button="Switch off",
            back=back,
        )
    services.switch_connection(found, active=request.POST.get("active") == "yes")
    messages.success(request, f"{found.name} is switched {'on' if found.active else 'off'}")
    return redirect(back)


@for_admins
@require_http_methods(["GET", "POST"])
def connection_rotate(
    request: AccountRequest, account_id: str, connection_id: uuid.UUID, secret: str
) -> HttpResponse:
    found = get_object_or_404(_connections(request), pk=connection_id)
    back = reverse("connection", args=[account_id, found.pk])
    if request.method == "GET":
        effects = {
            SIGNING: f"{found.name}: notifications signed with the present secret are refused at "
            "once, until the sender has the new one",
            CALLBACK: f"{found.name}: commands are signed with the new secret at once, the "
            "receiver needs it to check them",
        }
        return _confirm(
            request,
            title=f"Rotate the {secret} secret",
            effect=effects[secret],
            button=f"Rotate the {secret} secret",
            back=back,
        )
    rotate = {
        SIGNING: services.rotate_signing_secret,
        CALLBACK: services.rotate_callback_secret,
    }[secret]
    try:
        rotate(found)
    except services.AccountError as error:
        messages.error(request, str(error))
    else:
        _show_once(request, found, secret)
    return redirect(back)


def _connections(request: AccountRequest) -> QuerySet[Connection]:
    return Connection.objects.filter(account_id=request.account_id)


def _new_connection_form(platform: str, data: Any = None) -> account_forms.NewConnectionForm:
    if platform not in account_forms.NEW_CONNECTION_FORMS:
        platform = Platform.GENERIC
    return account_forms.NEW_CONNECTION_FORMS[platform](data, initial={"platform": platform})


def _show_once(request: AccountRequest, connection: Connection, *secrets: str) -> None:
    """Let the next page about this connection show these secrets, all of them when none is named.

    A client secret of LivePerson is not among them: who typed it in has it.
    """
    ours = [CALLBACK] if connection.platform == Platform.LIVEPERSON else [SIGNING, CALLBACK]
    request.session[SHOW_ONCE] = {
        "connection": str(connection.pk),
        "secrets": [name for name in ours if not secrets or name in secrets],
    }


def _taken_once(request: AccountRequest, connection: Connection) -> dict[str, str]:
    """The secrets that may be shown now, by name; the next call returns none."""
    kept = request.session.get(SHOW_ONCE)
    if not kept or kept["connection"] != str(connection.pk):
        return {}
    del request.session[SHOW_ONCE]
    values = {SIGNING: connection.signing_secret, CALLBACK: connection.callback_secret}
    return {name: values[name] for name in kept["secrets"]}


def _way_in(connection: Connection, once: dict[str, str]) -> dict[str, Any]:
    """What `accounts/way_in.html` needs to explain how to call a connection."""
    return {
        "connection": connection,
        "webhook_url": webhook_url(connection),
        "signing_secret": once.get(SIGNING, ""),
        "callback_secret": once.get(CALLBACK, ""),
    }


def webhook_url(connection: Connection) -> str:
    return f"{settings.HOUSTON_URL}{reverse('events', args=[connection.pk])}"


# Members ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as the table shows it. `error` is why a change was not made."""

    user: User
    roles: frozenset[str]
    error: str = ""


@for_admins
@require_GET
def member_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _member_page(request, account_forms.MemberForm())


@for_admins
@require_POST
def member_add(request: AccountRequest, account_id: str) -> HttpResponse:
    form = account_forms.MemberForm(request.POST)
    if not form.is_valid():
        return _member_page(request, form)
    try:
        added = services.add_member(
            request.account,
            username=form.cleaned_data["username"],
            roles=set(form.cleaned_data["roles"]),
        )
    except services.AccountError as error:
        form.explain(error)
        return _member_page(request, form)
    if added.password:
        # Shown in the answer itself: kept anywhere for the next page, it could be read there.
        return _member_page(request, account_forms.MemberForm(), added=added)
    messages.success(request, f"Added {added.user.username}")
    return redirect("members", account_id=account_id)


@for_admins
@require_POST
def member_roles(request: AccountRequest, account_id: str, user_id: int) -> HttpResponse:
    user = _member(request, user_id)
    form = account_forms.RolesForm(request.POST)
    wanted = set(form.cleaned_data["roles"]) if form.is_valid() else set()
    try:
        services.change_roles(request.account, user, wanted)
    except services.AccountError as error:
        return _member_page(request, account_forms.MemberForm(), refused=(user, error))
    messages.success(request, f"Changed the roles of {user.username}")
    return _back_to_members(request, account_id, user)


@for_admins
@require_http_methods(["GET", "POST"])
def member_remove(request: AccountRequest, account_id: str, user_id: int) -> HttpResponse:
    user = _member(request, user_id)
    if request.method == "GET":
        return _confirm(
            request,
            title=f"Remove {user.username}",
            effect=f"{user.username} can no longer open {request.account.name}; what they made "
            "stays",
            button=f"Remove {user.username}",
            back=reverse("members", args=[account_id]),
        )
    try:
        services.remove_member(request.account, user)
    except services.AccountError as error:
        return _member_page(request, account_forms.MemberForm(), refused=(user, error))
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


def _member_page(
    request: AccountRequest,
    form: account_forms.MemberForm,
    *,
    added: services.Added | None = None,
    refused: tuple[User, services.AccountError] | None = None,
) -> HttpResponse:
    rows: dict[int, MemberRow] = {}
    members = request.account.memberships.select_related("user").order_by("user__username")
    for one in members:
        roles = rows[one.user_id].roles if one.user_id in rows else frozenset()
        error = str(refused[1]) if refused and refused[0] == one.user else ""
        rows[one.user_id] = MemberRow(one.user, roles | {one.role}, error)
    context = {"rows": rows.values(), "all_roles": Role.choices, "form": form, "added": added}
    status = HTTPStatus.CONFLICT if refused else _status(form)
    return _private(render(request, "accounts/members.html", context, status=status))


# What functions may reach -------------------------------------------------------------------------


@require_GET
def domain_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _domain_page(request, account_forms.DomainForm())


@for_admins
@require_POST
def domain_add(request: AccountRequest, account_id: str) -> HttpResponse:
    form = account_forms.DomainForm(request.POST)
    if form.is_valid():
        try:
            allowed = allow_list.add(
                account_id, form.cleaned_data["domain"], by=request.user.username
            )
        except allow_list.DomainError as error:
            form.explain(error)
        else:
            messages.success(request, f"Allowed {allowed.domain}")
            return redirect("domains", account_id=account_id)
    return _domain_page(request, form)


@for_admins
@require_http_methods(["GET", "POST"])
def domain_delete(request: AccountRequest, account_id: str, domain_id: int) -> HttpResponse:
    mine = AllowedDomain.objects.filter(account_id=account_id)
    allowed = get_object_or_404(mine, pk=domain_id)
    if request.method == "GET":
        return _confirm(
            request,
            title=f"Delete {allowed.domain}",
            effect=f"{allowed.domain}: requests of functions to it fail from their next event on",
            button=f"Delete {allowed.domain}",
            back=reverse("domains", args=[account_id]),
        )
    allow_list.delete(allowed)
    messages.success(request, f"Deleted {allowed.domain}")
    return redirect("domains", account_id=account_id)


def _domain_page(request: AccountRequest, form: account_forms.DomainForm) -> HttpResponse:
    domains = AllowedDomain.objects.filter(account_id=request.account_id).order_by("domain")
    context = {
        # What people added is what people look for.
        "domains": sorted(domains, key=lambda each: not each.created_by),
        "form": form,
        "may_administrate": may_administrate(request),
    }
    return render(request, "accounts/domains.html", context, status=_status(form))


@require_GET
def secret_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _secret_page(request, account_forms.SecretForm())


@for_admins
@require_POST
def secret_add(request: AccountRequest, account_id: str) -> HttpResponse:
    form = account_forms.SecretForm(request.POST)
    if form.is_valid():
        try:
            secret = vault.add(
                account_id,
                key=form.cleaned_data["key"],
                kind=form.cleaned_data["type"],
                text=form.cleaned_data["value"],
                by=request.user.username,
            )
        except vault.SecretError as error:
            form.explain(error)
        else:
            messages.success(request, f"Added {secret.key}")
            return redirect("secrets", account_id=account_id)
    return _secret_page(request, form)


@for_admins
@require_http_methods(["GET", "POST"])
def secret_replace(request: AccountRequest, account_id: str, secret_id: int) -> HttpResponse:
    secret = get_object_or_404(_secrets(request), pk=secret_id)
    form = account_forms.SecretValueForm(request.POST or None, initial={"type": secret.type})
    if request.method == "POST" and form.is_valid():
        try:
            vault.replace(
                secret,
                kind=form.cleaned_data["type"],
                text=form.cleaned_data["value"],
                by=request.user.username,
            )
        except vault.SecretError as error:
            form.explain(error)
        else:
            messages.success(request, f"Replaced the value of {secret.key}")
            return redirect("secrets", account_id=account_id)
    context = {"form": form, "secret": secret}
    return _private(render(request, "accounts/secret.html", context, status=_status(form)))


@for_admins
@require_http_methods(["GET", "POST"])
def secret_delete(request: AccountRequest, account_id: str, secret_id: int) -> HttpResponse:
    secret = get_object_or_404(_secrets(request), pk=secret_id)
    if request.method == "GET":
        return _confirm(
            request,
            title=f"Delete {secret.key}",
            effect=f"{secret.key}: its value is gone for good, and functions that read it fail",
            button=f"Delete {secret.key}",
            back=reverse("secrets", args=[account_id]),
        )
    vault.delete(secret)
    messages.success(request, f"Deleted {secret.key}")
    return redirect("secrets", account_id=account_id)


def _secrets(request: AccountRequest) -> QuerySet[Secret]:
    # What no page shows is not even read.
    return Secret.objects.filter(account_id=request.account_id).defer("value")


def _secret_page(request: AccountRequest, form: account_forms.SecretForm) -> HttpResponse:
    context = {
        "secrets": _secrets(request).order_by("key"),
        "form": form,
        "may_administrate": may_administrate(request),
    }
    return _private(render(request, "accounts/secrets.html", context, status=_status(form)))


# Shared -------------------------------------------------------------------------------------------


def _status(form: account_forms.Form) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK


def _confirm(request: HttpRequest, **question: str) -> HttpResponse:
    """Ask before a POST to the same address: a dialog for htmx, otherwise a page."""
    page = "ui/dialog.html" if request.headers.get("HX-Request") else "ui/confirm.html"
    return render(request, page, {"action": request.path, **question})


def _private(response: HttpResponse) -> HttpResponse:
    """Keep a page that may hold a secret out of every cache, also the browser's own."""
    add_never_cache_headers(response)
    return response
