"""What every request gets on its way in and out: an id, an account, and its messages as toasts."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from csp.utils import build_policy
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, IntegerField, Subquery, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils.cache import patch_vary_headers
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from functions.access import ConsoleRequest
from houston import services
from houston.models import Account, Membership, Role, User
from invoker import dead_letters, telemetry
from invoker.models import ControllerBot, DeadLetter
from invoker.urls import event_urls

GetResponse = Callable[[HttpRequest], HttpResponseBase]

READ_TIMEOUT_S = 10
# Nothing of the console asks for any of these; passkeys and copying are left as they are.
PERMISSIONS_POLICY = ", ".join(
    f"{name}=()"
    for name in ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope",
                 "magnetometer", "microphone", "midi", "payment", "serial", "usb")
)  # fmt: skip
REQUEST_ID = "X-Request-ID"
REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9-]{8,64}")
LAST_ACCOUNT_COOKIE = "account"
THEME_COOKIE = "theme"
THEMES = ("light", "dark")
# The switch is for the accounts one works with; the account team finds the rest on its list.
SWITCH_LENGTH = 20


class AccountRequest(ConsoleRequest):
    """A request inside one account, as `AccountMiddleware` leaves it."""

    id: str
    user: User
    account: Account


class HeadersMiddleware:
    """What every answer tells a browser, beside what Django's own middleware does.

    Nothing is kept of an answer that does not say itself how long it may be: a shared machine's
    "back" shows no data of somebody who has signed out.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class VaryMiddleware:
    """Tell caches, the browser's own among them, that htmx may get a piece of a page.

    Without it "back" could show the piece alone where the page was.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response


class ReadTimeoutMiddleware:
    """Wait for the next bytes of a body only so long: a silent sender must not keep a thread.

    gunicorn's threads have no such limit of their own. A sender that drips is a matter for the
    proxy in front, which reads requests whole.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        channel = request.META.get("gunicorn.socket")
        if channel is not None:
            channel.settimeout(READ_TIMEOUT_S)
        return self._get_response(request)


class RequestIdMiddleware:
    """Give every request an id, take over a proxy's when it is fit to be logged, and say it."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(REQUEST_ID, "")
        request_id = given if REQUEST_ID_PATTERN.fullmatch(given) else uuid.uuid4().hex
        request.id = request_id  # type: ignore[attr-defined]
        with telemetry.bound(request_id=request_id):
            response = self._get_response(request)
        response.headers[REQUEST_ID] = request_id
        return response


class DoorMiddleware:
    """Let a platform in without what is there for people: sessions, sign-in, pages, their policies.

    All that would cost a notification as much as checking and storing it. Who sends is for the door
    to prove.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._doors = URLResolver(RegexPattern(r"^/events/"), event_urls)
        # Of pages they differ with what a page needs, here never.
        self._headers = {
            "Content-Security-Policy": build_policy(),
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            door = self._doors.resolve(request.path_info)
        except Resolver404:
            return self._get_response(request)
        # Whom the request is for is checked by what asks for it.
        request.get_host()
        request.resolver_match = door
        answered: HttpResponse = door.func(request, *door.args, **door.kwargs)
        # Without it the server would send pieces, which not every platform reads.
        answered.headers["Content-Length"] = str(len(answered.content))
        for name, value in self._headers.items():
            answered.headers[name] = value
        return answered


class ToastMiddleware:
    """Add messages to what htmx swaps in, since no page is rendered that would show them."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if not _is_swapped(request, response):
            return response
        waiting = messages.get_messages(request)
        if len(waiting) and not getattr(waiting, "used", False):
            page = cast("HttpResponse", response)
            page.write(render_to_string("ui/toasts.html", {"messages": waiting}, request))
        return response


def _is_swapped(request: HttpRequest, response: HttpResponseBase) -> bool:
    leaves_the_page = any(
        name in response.headers for name in ("HX-Redirect", "HX-Refresh", "HX-Location")
    )
    return (
        bool(request.htmx)  # type: ignore[attr-defined]
        and not response.streaming
        and not leaves_the_page
        and response.status_code in {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY}
        and response.headers.get("Content-Type", "").startswith("text/html")
    )


class AccountMiddleware:
    """Open the account that a URL names to its members and the account team, to nobody else.

    To others it does not exist: 404, whatever page they ask for.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        inside = cast("AccountRequest", request)
        inside.account_id = ""
        inside.roles = frozenset()
        response = self._get_response(request)
        if inside.account_id and request.COOKIES.get(LAST_ACCOUNT_COOKIE) != inside.account_id:
            response.set_cookie(
                LAST_ACCOUNT_COOKIE,
                inside.account_id,
                httponly=True,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
        return _to_sign_in(inside, response) or response

    def process_view(
        self,
        request: AccountRequest,
        view: Callable[..., HttpResponse],
        args: tuple[Any, ...],  # noqa: ARG002
        kwargs: dict[str, Any],
    ) -> None:
        account_id = kwargs.get("account_id")
        # A door that lets strangers in asks them itself who they are.
        if account_id is None or not getattr(view, "login_required", True):
            return
        # Checked before a database sees it: some refuse a character with an error of their own.
        # Strangers were sent to the sign-in page before this.
        if not services.ACCOUNT_ID_PATTERN.fullmatch(account_id):
            raise Http404
        roles = {one.role: one.account for one in _memberships(request.user, account_id)}
        if roles:
            request.account = next(iter(roles.values()))
        elif request.user.is_staff and (found := Account.objects.filter(pk=account_id).first()):
            request.account = found
        else:
            raise Http404
        request.account_id = request.account.pk
        request.roles = frozenset(roles)
        request.admins = cast("list[str]", SimpleLazyObject(lambda: _admins(account_id)))


def _admins(account_id: str) -> list[str]:
    found = Membership.objects.filter(account_id=account_id, role=Role.ADMIN)
    return list(found.order_by("user__username").values_list("user__username", flat=True))


def _memberships(user: User, account_id: str) -> list[Membership]:
    found = Membership.objects.filter(user=user, account_id=account_id)
    return list(found.select_related("account"))


def _to_sign_in(request: AccountRequest, response: HttpResponseBase) -> HttpResponse | None:
    """Let the page go where htmx would only fetch: a session that ended ends on the sign-in page.

    None for every other answer.
    """
    if not request.htmx or not isinstance(response, HttpResponseRedirect):
        return None
    sign_in = resolve_url(settings.LOGIN_URL)
    if urlsplit(response.url).path != sign_in:
        return None
    try:
        page = request.htmx.current_url_abs_path
    except ValueError:
        # It is whatever a client writes into a header.
        page = None
    page = page or resolve_url(settings.LOGIN_REDIRECT_URL)
    return HttpResponseClientRedirect(f"{sign_in}?{urlencode({'next': page})}")


def console(request: HttpRequest) -> dict[str, Any]:
    """Context of every page, see `templates/base.html`. Asks the database only for what is used."""
    user: User | AnonymousUser | None = getattr(request, "user", None)
    account: Account | None = getattr(request, "account", None)
    context: dict[str, Any] = {
        "account": account,
        "around": account,
        "accounts": [],
        "roles": getattr(request, "roles", frozenset()),
        "is_team": False,
        "setup": None,
        "dead_letters": "",
        "theme": chosen_theme(request),
        "session_mark": "",
        "single_sign_on": settings.OIDC_URL and settings.OIDC_NAME,
    }
    if user is not None and user.is_authenticated:
        context["session_mark"] = session_mark(request)
        context["is_team"] = user.is_staff
        context["accounts"] = SimpleLazyObject(lambda: _switch(user, account))
        if account is None:
            context["around"] = SimpleLazyObject(lambda: last_account(request, user))
    if account is not None:
        standing = SimpleLazyObject(lambda: _standing(account))
        context["setup"] = SimpleLazyObject(lambda: services.how_far(standing.bot))
        context["dead_letters"] = SimpleLazyObject(lambda: spell_count(standing.letters))
    return context


def session_mark(request: HttpRequest) -> str:
    """Tells sessions apart and says nothing else of them, see `static/js/token.js`."""
    key = request.session.session_key or ""
    return salted_hmac("houston.middleware.mark", key, algorithm="sha256").hexdigest()[:16]


def chosen_theme(request: HttpRequest) -> str:
    """The theme somebody chose, "" to follow the system."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


def _switch(user: User, account: Account | None) -> list[Account]:
    mine = Account.objects.order_by("name", "id")
    if not user.is_staff:
        mine = mine.filter(memberships__user=user).distinct()
    accounts = list(mine[:SWITCH_LENGTH])
    if account is not None and account not in accounts:
        accounts.insert(0, account)
    return accounts


def last_account(request: HttpRequest, user: User) -> Account | None:
    """The account that somebody comes from on a page of none, while it is still open to them."""
    account_id = request.COOKIES.get(LAST_ACCOUNT_COOKIE, "")
    # As in process_view: not everything that a cookie may hold can be asked of a database.
    if not services.ACCOUNT_ID_PATTERN.fullmatch(account_id):
        return None
    mine = Account.objects.filter(pk=account_id)
    return (mine if user.is_staff else mine.filter(memberships__user=user)).first()


@dataclass(frozen=True, slots=True)
class Standing:
    """What every page of an account shows of it. `letters` counts up to 100."""

    bot: ControllerBot | None
    letters: int


def _standing(account: Account) -> Standing:
    """One query: it is asked for each page."""
    waiting = DeadLetter.objects.filter(account_id=account.pk, closed_at=None)
    some = DeadLetter.objects.filter(pk__in=waiting.values("pk")[: dead_letters.MOST_COUNTED])
    counted = some.values(one=Value(1)).annotate(count=Count("pk")).values("count")
    found = ControllerBot.objects.filter(pk=account.pk)
    bot = found.annotate(letters=Subquery(counted, output_field=IntegerField())).first()
    return Standing(bot, (bot.letters or 0) if bot else 0)


def spell_count(count: int) -> str:
    """A number for a badge: nothing, `7`, `99+`."""
    if not count:
        return ""
    return str(count) if count < dead_letters.MOST_COUNTED else f"{dead_letters.MOST_COUNTED - 1}+"
