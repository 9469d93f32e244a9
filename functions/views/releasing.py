"""From a draft to what serves: review and deploy, versions, deployments, roll back."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from functions import checking, deploying, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import DeployForm, VersionForm, VersionsForm
from functions.models import Function, Step, Version
from functions.replay_forms import COUNTS
from functions.views import paging
from functions.views.comparing import compare_variables
from functions.views.finding import deployed, find_function, may_change
from functions.views.policy import with_editor
from invoker import runtime
from invoker.api import ApiError
from invoker.gateway import running
from invoker.models import Deployment

REVIEW = "functions/deploy.html"
PAGE_SIZE = 25
# Few, so that the comparison below the list can be seen.
VERSIONS_SHOWN = 8


@with_editor
@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def deploy(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    if request.method == "GET":
        form = DeployForm(initial={"version": function.version})
        return _review(request, function, form, problems=checking.findings(function, function.code))
    form = DeployForm(request.POST)
    if not form.is_valid():
        problems = checking.findings(function, function.code)
        return _review(request, function, form, problems=problems, status=422)
    try:
        with running.turn(account_id):
            deployment = deploying.deploy(
                function,
                version=form.cleaned_data["version"],
                by=request.user.get_username(),
                note=form.cleaned_data["note"],
            )
    except deploying.BuildError as error:
        form.add_error(None, str(error))
        return _review(request, function, form, problems=error.problems, tried=True, status=422)
    except (ApiError, deploying.DeployError) as error:
        form.add_error(None, str(error))
        tried = isinstance(error, deploying.DeployError)
        return _review(request, function, form, problems=[], tried=tried, status=503)
    except (services.ConflictError, services.NotAllowedError) as error:
        # What is shown now is the newest version, so that the next click is about that one.
        again = DeployForm({"version": function.version, "note": form.cleaned_data["note"]})
        again.add_error(None, str(error))
        problems = [] if request.htmx else checking.findings(function, function.code)
        return _review(request, function, again, problems=problems, status=409)
    messages.success(
        request,
        f'"{name}" is productive: the next event runs version {function.version}, '
        f"deployed in {deployment.took_ms:.0f} ms",
    )
    there = reverse("functions:edit", args=[account_id, name])
    return HttpResponseClientRedirect(there) if request.htmx else redirect(there)


@require_GET
@requires(DEVELOPER)
def progress(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """What a deployment is at. With `mine` for whoever waits for it, else for onlookers."""
    function = find_function(account_id, name)
    if not request.htmx:
        return redirect("functions:deploy", account_id, name)
    if not function.being_deployed and "mine" not in request.GET:
        # Not by itself: a note may be half written.
        return render(request, f"{REVIEW}#over", {"function": function})
    context = {
        "function": function,
        "mine": "mine" in request.GET,
        **_steps(function, failed=False),
    }
    return render(request, f"{REVIEW}#progress", context)


def _steps(function: Function, *, failed: bool) -> dict[str, object]:
    """The steps of a deployment, each done, now, failed or to come, and since when it goes on."""
    names = list(Step)
    goes_on = function.being_deployed
    # One that was only just asked for has not begun its first step.
    at = names.index(Step(function.step)) if (goes_on or failed) and function.step else 0
    here = "failed" if failed else "now"
    return {
        "steps": [
            (step.label, "done" if place < at else here if place == at else "to come")
            for place, step in enumerate(names)
        ],
        "since": function.stage_at if goes_on else None,
    }


def _review(
    request: ConsoleRequest,
    function: Function,
    form: DeployForm,
    *,
    problems: list[runtime.Problem],
    tried: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The review, or in place of the progress why it came to nothing; `tried`: in which step."""
    live = function.deployment
    described = function.versions.filter(number=live.version).first() if live else None
    changes = compare_variables(live.environment if live else {}, function.environment)
    described_before = described.description if described else function.description
    return render(
        request,
        f"{REVIEW}#refused" if request.htmx else REVIEW,
        {
            **_steps(function, failed=tried),
            "tried": tried,
            "newer": status == 409 and not function.being_deployed,  # noqa: PLR2004
            "described_before": described_before,
            "unchanged": live is not None
            and live.code == function.code
            and not changes
            and described_before == function.description,
            "deploying": function.being_deployed,
            "replay_counts": COUNTS,
            "size": len(function.code),
            "most": services.MAX_CODE,
            "function": function,
            "live": live,
            "form": form,
            "changes": changes,
            "problems": problems,
            "blocked": any(problem.severity == "error" for problem in problems),
            "may_change": True,
        },
        status=status,
    )


@with_editor
@require_GET
def versions(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Every saved version, the newest first, and any two of them side by side."""
    function = find_function(account_id, name)
    form = VersionsForm(request.GET)
    form.is_valid()
    before = form.cleaned_data.get("before")
    rows = function.versions.defer("code", "environment").order_by("-number")
    if before:
        rows = rows.filter(number__lt=before)
    found = list(rows[: VERSIONS_SHOWN + 1])
    shown = found[:VERSIONS_SHOWN]
    left, right = _compared(function, form)
    compared = {"left": left.number, "right": right.number} if left and right else {}
    here = reverse("functions:versions", args=[account_id, name])
    numbers = [version.number for version in shown]
    return render(
        request,
        "functions/versions.html#beside" if request.htmx else "functions/versions.html",
        {
            "function": function,
            "versions": shown,
            "numbers": numbers,
            "deployed": deployed(function, numbers),
            "before": before,
            "older": f"{here}?{urlencode({'before': shown[-1].number, **compared})}"
            if len(found) > len(shown)
            else "",
            "newest": here if before else "",
            "left": left,
            "right": right,
            "changes": compare_variables(left.environment, right.environment)
            if left and right
            else [],
            "may_change": may_change(request),
        },
    )


def _compared(function: Function, form: VersionsForm) -> tuple[Version | None, Version | None]:
    """The two versions asked for; without a wish, what is live (or before) and the newest."""
    right = form.cleaned_data.get("right") or function.version
    left = form.cleaned_data.get("left")
    if left is None:
        live = function.deployment.version if function.deployment else right - 1
        left = live if live != right else right - 1
    found = {each.number: each for each in function.versions.filter(number__in=[left, right])}
    return found.get(left), found.get(right)


@require_POST
@requires(DEVELOPER)
def restore(request: ConsoleRequest, account_id: str, name: str, number: int) -> HttpResponse:
    function = find_function(account_id, name)
    form = VersionForm(request.POST)
    seen = form.cleaned_data["version"] if form.is_valid() else 0
    try:
        saved = services.restore(function, number, version=seen, by=request.user.get_username())
    except services.FunctionError as error:
        level = messages.INFO if isinstance(error, services.UnchangedError) else messages.ERROR
        messages.add_message(request, level, str(error))
        return redirect("functions:versions", account_id, name)
    messages.success(
        request, f"Version {number} is the draft again, saved as version {saved.number}"
    )
    return redirect("functions:edit", account_id, name)


@require_GET
def deployments(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Everything that ever served, and what failed to, the newest first."""
    function = find_function(account_id, name)
    rows = Deployment.objects.filter(account_id=account_id, function_id=function.pk)
    before = request.GET.get("before", "")
    page = paging.newest_first(rows.defer("code", "environment"), before, size=PAGE_SIZE)
    here = reverse("functions:deployments", args=[account_id, name])
    return render(
        request,
        "functions/deployments.html",
        {
            "function": function,
            "deployments": page.rows,
            "older": f"{here}?before={page.older}" if page.older else "",
            "newest": here if before else "",
            "may_change": may_change(request),
        },
    )


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def roll_back(
    request: ConsoleRequest, account_id: str, name: str, deployment_id: str
) -> HttpResponse:
    function = find_function(account_id, name)
    rows = Deployment.objects.filter(account_id=account_id, function_id=function.pk, failure="")
    deployment = get_object_or_404(rows, pk=deployment_id)
    back = reverse("functions:deployments", args=[account_id, name])
    note = f" ({deployment.note})" if deployment.note else ""
    if request.method == "POST":
        try:
            with running.turn(account_id):
                deploying.roll_back(function, deployment, by=request.user.get_username())
        except (ApiError, services.NotAllowedError) as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f'"{name}" serves with version {deployment.version} again')
        return redirect(back)
    return render(
        request,
        "ui/dialog.html" if request.htmx else "ui/confirm.html",
        {
            "title": f"Roll {name} back to version {deployment.version}",
            "effect": (
                f"The next event runs it at once, as {deployment.created_by} deployed it "
                f"{deployment.created_at:%Y-%m-%d %H:%M} UTC{note}, with the environment of then. "
                "The draft stays as it is."
            ),
            "action": reverse("functions:roll_back", args=[account_id, name, deployment_id]),
            "back": back,
            "button": f"Roll back {name}",
            "kind": "main",
        },
    )
