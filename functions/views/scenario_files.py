"""Scenarios as files: a new one, the text of one, its name, and what came taken over into it."""

import re
import uuid
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from functions import kept_scenarios
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.kept_scenarios import ConflictError, KeepingError, UnchangedError
from functions.models import Scenario
from functions.scenario_forms import AcceptForm, FileForm, NameForm, example
from functions.scenarios import ScenarioError
from functions.views import differing
from functions.views.scenarios import find

FORM = "functions/scenario_form.html"
# Lines around the one that is wrong.
AROUND = 2


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def scenario_new(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """A file that somebody brings along, or writes here."""
    if request.method == "GET":
        name = kept_scenarios.free_name(account_id, "New scenario")
        return file_page(request, FileForm(initial={"text": example(name)}), {})
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return file_page(request, form, {})
    try:
        made = kept_scenarios.create(account_id, form.handed_in, by=request.user.get_username())
    except (KeepingError, ScenarioError) as error:
        return refuse(request, form, error, {})
    return saved(made)


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def scenario_edit(request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID) -> HttpResponse:
    scenario = find(account_id, scenario_id)
    context: dict[str, Any] = {"scenario": scenario}
    if request.method == "GET":
        form = FileForm(initial={"text": scenario.text, "version": scenario.version})
        return file_page(request, form, context)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return file_page(request, form, context)
    try:
        kept_scenarios.change(
            scenario,
            form.handed_in,
            version=form.cleaned_data["version"] or scenario.version,
            by=request.user.get_username(),
        )
    except UnchangedError as error:
        messages.info(request, str(error))
        return redirect("functions:scenario", account_id, scenario_id)
    except ConflictError as error:
        # What was typed stays; who saves it once more has seen what the others did.
        theirs = differing.difference(error.newest.text, form.handed_in)
        again = FileForm({"text": form.handed_in, "version": error.newest.version})
        context |= {"newest": error.newest, "hunks": theirs}
        return file_page(request, again, context, status=HTTPStatus.CONFLICT)
    except (KeepingError, ScenarioError) as error:
        return refuse(request, form, error, context)
    return saved(scenario)


@require_GET
def scenario_file(
    request: ConsoleRequest,  # noqa: ARG001
    account_id: str,
    scenario_id: uuid.UUID,
) -> HttpResponse:
    scenario = find(account_id, scenario_id)
    name = re.sub(r"[^a-z0-9]+", "-", scenario.name.lower()).strip("-") or "scenario"
    return HttpResponse(
        scenario.text,
        content_type="application/yaml; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.yaml"',
            "Cache-Control": "private, no-store",
        },
    )


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def scenario_rename(
    request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID
) -> HttpResponse:
    scenario = find(account_id, scenario_id)
    initial = {
        "name": scenario.name, "description": scenario.description, "version": scenario.version,
    }  # fmt: skip
    form = NameForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            kept_scenarios.rename(scenario, **given, by=request.user.get_username())
        except UnchangedError as error:
            messages.info(request, str(error))
        except ConflictError as error:
            form = NameForm({**given, "version": error.newest.version})
            form.add_error(None, str(error))
        except (KeepingError, ScenarioError) as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Renamed the scenario")
        if not form.errors:
            return redirect("functions:scenario", account_id, scenario_id)
    context = {"scenario": scenario, "form": form}
    template = "functions/scenario_rename.html"
    return render(
        request,
        f"{template}#dialog" if request.htmx else template,
        context,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK,
    )


@require_POST
@requires(DEVELOPER)
def scenario_duplicate(
    request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID
) -> HttpResponse:
    try:
        made = kept_scenarios.duplicate(
            find(account_id, scenario_id), by=request.user.get_username()
        )
    except (KeepingError, ScenarioError) as error:
        messages.error(request, str(error))
        return redirect("functions:scenario", account_id, scenario_id)
    messages.success(request, f'"{made.name}" is a copy to change')
    return redirect("functions:scenario", account_id, made.pk)


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def scenario_accept(
    request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID
) -> HttpResponse:
    """Show what would change in the file first, then take over what came."""
    scenario = find(account_id, scenario_id)
    if request.method == "POST":
        form = AcceptForm(request.POST)
        # Without what was seen it is refused as outdated.
        seen = form.cleaned_data if form.is_valid() else {"version": 0, "run_at": ""}
        try:
            kept_scenarios.accept(scenario, **seen, by=request.user.get_username())
        except (KeepingError, ScenarioError) as error:
            messages.error(request, str(error))
            return redirect("functions:scenario", account_id, scenario_id)
        messages.success(request, f'What came is what "{scenario.name}" expects from now on')
        return saved(scenario)
    if not scenario.last_text:
        messages.info(request, "Nothing to take over: the last run gave what is expected")
        return redirect("functions:scenario", account_id, scenario_id)
    hunks = differing.difference(scenario.text, scenario.last_text)
    return render(request, "functions/scenario_accept.html", {"scenario": scenario, "hunks": hunks})


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def scenario_delete(
    request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID
) -> HttpResponse:
    scenario = find(account_id, scenario_id)
    if request.method == "POST":
        kept_scenarios.delete(scenario, by=request.user.get_username())
        messages.success(request, f'The scenario "{scenario.name}" is deleted')
        return redirect("functions:scenarios", account_id)
    title = f'Delete the scenario "{scenario.name}"'
    context = {
        "title": title,
        "effect": "No deployment is checked against it any more, and what its last run gave goes "
        "too. Download it first where you may want it back.",
        "action": request.path,
        "back": reverse("functions:scenario", args=[account_id, scenario_id]),
        "button": title,
    }
    return render(request, "ui/dialog.html" if request.htmx else "ui/confirm.html", context)


def saved(scenario: Scenario) -> HttpResponse:
    """To the page of what was saved, which runs it as it is now."""
    here = reverse("functions:scenario", args=[scenario.account_id, scenario.pk])
    return redirect(f"{here}?run")


def refuse(
    request: ConsoleRequest, form: FileForm, error: Exception, context: dict[str, Any]
) -> HttpResponse:
    """The form again, with what is wrong and the lines around it."""
    text, brought = form.handed_in, form.cleaned_data.get("upload")
    form.add_error("text", str(error))
    line = error.line if isinstance(error, ScenarioError) else None
    if line:
        lines = text.split("\n")
        first = max(line - 1 - AROUND, 0)
        shown = enumerate(lines[first : line + AROUND], first + 1)
        context = context | {"line": line, "lines": list(shown)}
    if brought:
        # A file cannot be handed in twice: what is in it stands where it can be mended.
        again = request.POST.copy()
        again["text"] = text
        form.data = again
    return file_page(request, form, context)


def file_page(
    request: ConsoleRequest,
    form: FileForm,
    context: dict[str, Any],
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    if form.is_bound and form.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, FORM, context | {"form": form}, status=status)
