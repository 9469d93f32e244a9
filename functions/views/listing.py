"""The list of functions, and what can be done from it: undeploy and delete."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from functions import gallery, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import ListFilterForm
from functions.models import Function
from functions.views import drawing
from functions.views.finding import find_function, may_change
from invoker.models import Invocation, InvocationState

DAY = dt.timedelta(hours=24)
SHOWN_TEMPLATES = 3
GOOD = (InvocationState.SUCCEEDED, InvocationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Row:
    """One function with how it has fared; counts are of the last 24 hours."""

    function: Function
    last_outcome: str
    last_label: str
    last_at: dt.datetime | None
    count: int
    failed: int

    @property
    def error_share(self) -> str:
        if not self.failed:
            return "0 %"
        return f"{max(100 * self.failed / self.count, 0.1):.1f} %"


@require_GET
def function_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = ListFilterForm(request.GET)
    form.is_valid()
    text, state = form.cleaned_data.get("q", ""), form.cleaned_data.get("state", "")
    rows = _rows(account_id)
    shown = [row for row in rows if _matches(row.function, text, state)]
    page = "functions/list.html"
    return render(
        request,
        f"{page}#rows" if request.htmx else page,
        {
            "rows": shown,
            "total": len(rows),
            "limit": services.MAX_FUNCTIONS,
            "form": form,
            "filtered": bool(text or state),
            "may_change": may_change(request),
            "templates": _starters() if not rows else (),
        },
    )


def _rows(account_id: str) -> list[Row]:
    # An account has fifty functions at most, so they are read whole, without their code.
    latest = Invocation.objects.filter(function_id=OuterRef("pk")).order_by("-started_at")
    found = (
        Function.objects.filter(account_id=account_id)
        .select_related("deployment")
        .defer("code", "environment", "deployment__code", "deployment__environment")
        .annotate(
            last_outcome=Subquery(latest.values("outcome")[:1]),
            last_at=Subquery(latest.values("started_at")[:1]),
        )
        .order_by("name")
    )
    counted = (
        Invocation.objects.filter(account_id=account_id, started_at__gte=timezone.now() - DAY)
        .values_list("function_id")
        .annotate(count=Count("pk"), failed=Count("pk", filter=~Q(outcome__in=GOOD)))
    )
    counts = {function_id: (count, failed) for function_id, count, failed in counted}
    return [
        Row(
            function,
            last_outcome=function.last_outcome or "",
            last_label=InvocationState(function.last_outcome).label
            if function.last_outcome
            else "",
            last_at=function.last_at,
            count=counts.get(function.pk, (0, 0))[0],
            failed=counts.get(function.pk, (0, 0))[1],
        )
        for function in found
    ]


def _matches(function: Function, text: str, state: str) -> bool:
    if state and function.state != state:
        return False
    words = f"{function.name} {function.description} {function.event.name}".lower()
    return text.lower() in words


def _starters() -> tuple[gallery.Template, ...]:
    """Templates to begin with: the first ones that listen to something in a conversation."""
    useful = [each for each in gallery.load() if each.event_type]
    return tuple(useful[:SHOWN_TEMPLATES])


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def undeploy(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    listing = reverse("functions:list", args=[account_id])
    if request.method == "POST":
        try:
            services.undeploy(function, by=request.user.get_username())
        except services.NotAllowedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f'"{name}" is undeployed: no event runs it any more')
        return redirect(listing)
    instead = drawing.say_instead(function)
    if not function.event.runs_commands:
        effect = "Nothing runs it from now on. The draft and every deployment are kept."
    else:
        gets = "the automatic message of the account" if instead else "no message"
        effect = (
            f'"{function.event.name}" gets {gets} from now on. '
            "The draft and every deployment are kept."
        )
    return _ask(
        request,
        title=f"Undeploy {name}",
        effect=effect,
        action=reverse("functions:undeploy", args=[account_id, name]),
        back=listing,
        instead=instead,
    )


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def delete(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    listing = reverse("functions:list", args=[account_id])
    if request.method == "POST":
        try:
            services.delete(function, by=request.user.get_username())
        except services.NotAllowedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f'"{name}" is deleted')
        return redirect(listing)
    return _ask(
        request,
        title=f"Delete {name}",
        effect=(
            f"The draft and all {function.version} versions are gone for good. "
            "What it did stays in Activity."
        ),
        action=reverse("functions:delete", args=[account_id, name]),
        back=listing,
    )


def _ask(
    request: ConsoleRequest,
    *,
    title: str,
    effect: str,
    action: str,
    back: str,
    instead: Sequence[tuple[str, str]] = (),
) -> HttpResponse:
    page = "ui/dialog.html" if request.htmx else "ui/confirm.html"
    context = {"title": title, "effect": effect, "action": action, "back": back, "button": title}
    return render(request, page, context | {"instead": instead})
