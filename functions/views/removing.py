"""Taking a function out of service, and deleting it: each asks first, and says what it does."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from functions import deploying, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import TypedNameForm
from functions.models import Function
from functions.views import drawing
from functions.views.finding import find_function
from invoker.models import Schedule


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def undeploy(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    if request.method == "POST":
        try:
            deploying.undeploy(function, by=request.user.get_username())
        except services.NotAllowedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f'"{name}" is undeployed: no event runs it any more')
        return redirect("functions:list", account_id)
    instead = drawing.say_instead(function)
    if not function.event.runs_commands:
        effect = "Nothing runs it from now on. The draft and every deployment are kept."
    else:
        gets = "the automatic message of the account" if instead else "no message"
        effect = (
            f'"{function.event.name}" gets {gets} from now on. '
            "The draft and every deployment are kept."
        )
    effect += _say_schedules(function, "waits", "wait", "until it is deployed again")
    return _ask(request, f"Undeploy {name}", effect, instead=instead)


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def delete(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Nothing brings it back, so its name has to be typed."""
    function = find_function(account_id, name)
    form = TypedNameForm(request.POST if request.method == "POST" else None, expected=name)
    if request.method == "POST" and form.is_valid():
        try:
            services.delete(function, by=request.user.get_username())
        except services.NotAllowedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f'"{name}" is deleted')
        return redirect("functions:list", account_id)
    versions = "its version" if function.version == 1 else f"all {function.version} versions"
    effect = (
        f"The draft and {versions} are gone for good, and nothing brings them back. "
        "What it did stays in Activity."
    )
    effect += _say_schedules(function, "goes", "go", "too")
    return _ask(request, f"Delete {name}", effect, form=form)


def _say_schedules(function: Function, one: str, several: str, how: str) -> str:
    """A further sentence, if it has any."""
    count = Schedule.objects.filter(function_id=function.pk).count()
    if count == 0:
        return ""
    return (
        f" Its schedule {one} {how}." if count == 1 else f" Its {count} schedules {several} {how}."
    )


def _ask(
    request: ConsoleRequest,
    title: str,
    effect: str,
    *,
    instead: Sequence[tuple[str, str]] = (),
    form: TypedNameForm | None = None,
) -> HttpResponse:
    page = "ui/dialog.html" if request.htmx else "ui/confirm.html"
    context = {
        "title": title,
        "effect": effect,
        "action": request.path,
        "back": reverse("functions:list", args=[request.account_id]),
        "button": title,
        "instead": instead,
        "form": form,
    }
    return render(request, page, context, status=422 if form and form.errors else 200)
