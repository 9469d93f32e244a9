"""The editor: show a draft, save it, run it with a payload."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import reswap, retarget

from functions import payloads, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import CodeForm, DraftForm, SkillsForm, TestForm
from functions.models import Function, State
from functions.views import declaring, drawing, finding, pace, testing, tree
from functions.views.comparing import compare_variables, merge_text, merge_variables
from functions.views.finding import find_function, may_change
from functions.views.policy import with_editor
from invoker import events
from invoker.api import ApiError
from invoker.gateway import running
from invoker.runtime.dependencies import Dependency, dependencies

PAGE = "functions/edit.html"
MEANINGS = {
    State.DRAFT: "Not deployed: no event runs it",
    State.PRODUCTIVE: "Live: events run exactly this version",
    State.MODIFIED: "Events run an older version until this one is deployed",
    State.MARKED_UNDEPLOYED: "It is being taken out of service",
    State.BUILD_ERROR: "The last deployment could not be built; what was live before still is",
    State.DEPLOY_ERROR: "The last deployment could not start; what was live before still is",
}
VERSIONS_SHOWN = 8


@with_editor
@require_GET
def edit(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    function = find_function(account_id, name)
    return _page(request, function, _saved_draft(function))


def _saved_draft(function: Function) -> DraftForm:
    return DraftForm(
        initial={
            "version": function.version,
            "code": function.code,
            "description": function.description,
            "environment": function.environment,
        }
    )


@with_editor
@require_POST
@requires(DEVELOPER)
def save(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Save the draft; with `then=deploy` go on to the review, also when nothing has changed."""
    function = find_function(account_id, name)
    form = DraftForm(request.POST)
    deploys = request.POST.get("then") == "deploy"
    if not form.is_valid():
        return _refuse(request, function, form)
    try:
        _save(request, function, form)
    except services.UnchangedError as error:
        if not deploys:
            messages.info(request, str(error))
    except services.ConflictError as error:
        return _show_conflict(request, function, form, error)
    except services.FunctionError as error:
        form.add_error(_field(form, error), str(error))
        status = 409 if isinstance(error, services.NotAllowedError) else 422
        return _refuse(request, function, form, status=status)
    if request.htmx:
        function.refresh_from_db()
        saved = {
            "function": function,
            "may_change": True,
            "meaning": MEANINGS[function.state],
        }
        answer = render(request, f"{PAGE}#saved", saved)
        return reswap(answer, "none")
    return redirect("functions:deploy" if deploys else "functions:edit", account_id, name)


def _save(request: ConsoleRequest, function: Function, form: DraftForm) -> None:
    saved = services.save_draft(
        function,
        version=form.cleaned_data["version"],
        code=form.cleaned_data["code"],
        description=form.cleaned_data["description"],
        environment=form.cleaned_data["environment"],
        by=request.user.get_username(),
    )
    messages.success(request, f"Saved version {saved.number}")


def _field(form: CodeForm, error: services.FunctionError) -> str | None:
    """The field that an error belongs to, None for the form as a whole."""
    named = error.field if isinstance(error, services.InvalidError) else ""
    return named if named in form.fields else None


@with_editor
@require_POST
@requires(DEVELOPER)
def test(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Run the code as it stands in the editor, saved or not."""
    function = find_function(account_id, name)
    form = TestForm(request.POST)
    if form.is_valid():
        event = form.cleaned_data["payload"]
        try:
            with running.place(account_id):
                result = services.test(
                    function,
                    code=form.cleaned_data["code"],
                    environment=form.cleaned_data["environment"],
                    event=event,
                )
        except ApiError as error:
            form.add_error(None, str(error))
        except services.InvalidError as error:
            form.add_error(_field(form, error), str(error))
        else:
            run = drawing.draw_test(function, result, event)
            if request.htmx:
                return render(request, f"{PAGE}#run", {"run": run, "function": function})
            return _page(request, function, DraftForm(request.POST), run=run)
    return _refuse(request, function, form)


@with_editor
@require_POST
def choose_payload(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Show another payload beside the code. A form sends it, so that the code stays as typed."""
    function = find_function(account_id, name)
    key = request.POST.get("source", "")
    source = payloads.source(function, key)
    if source is None:
        messages.error(request, "Cannot load the payload: it was deleted meanwhile, choose another")
        source = payloads.sample(function)
    if not request.htmx:
        return _page(request, function, DraftForm(request.POST), source=source)
    context = testing.choices(function, source.key) | {
        "tree": tree.grow(source.text, events.fields(function.event_type)),
        "text": source.text,
        "may_change": may_change(request),
    }
    return render(request, "functions/payloads.html#chosen", context)


@with_editor
@require_POST
@requires(DEVELOPER)
def change_skills(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Bind the function to other skills at once; the draft is another form and stays as it is."""
    function = find_function(account_id, name)
    form = SkillsForm(request.POST)
    if form.is_valid():
        try:
            services.change_skills(
                function, form.cleaned_data["skills"], by=request.user.get_username()
            )
        except services.UnchangedError as error:
            messages.info(request, str(error))
        except services.FunctionError as error:
            form.add_error("skills", str(error))
        else:
            messages.success(request, _describe_skills(function))
    if not form.is_valid():
        if not request.htmx:
            return _page(request, function, _saved_draft(function), skills=form, status=422)
        return _show_skills(request, function, form, status=422)
    if not request.htmx:
        return redirect("functions:edit", account_id, name)
    return _show_skills(request, function, _bound_skills(function))


def _describe_skills(function: Function) -> str:
    return f'"{function.name}" runs for {function.skills_label or "all skills"} from now on'


def _bound_skills(function: Function, *, changeable: bool = True) -> SkillsForm:
    form = SkillsForm(initial={"skills": function.skills})
    form.fields["skills"].disabled = not changeable
    return form


def _show_skills(
    request: ConsoleRequest, function: Function, form: SkillsForm, *, status: int = 200
) -> HttpResponse:
    context = {"function": function, "skills": form, "may_change": True}
    return render(request, f"{PAGE}#skills", context, status=status)


def _refuse(
    request: ConsoleRequest, function: Function, form: CodeForm, *, status: int = 422
) -> HttpResponse:
    """Say beside each field what is wrong; what was typed stays as it is."""
    if request.htmx:
        answer = render(request, f"{PAGE}#errors", {"form": form}, status=status)
        return reswap(answer, "none")
    draft = DraftForm(request.POST)
    draft.is_valid()
    for field, errors in form.errors.items():
        if field not in draft.errors:
            draft.add_error(field if field in draft.fields else None, errors)
    return _page(request, function, draft, status=status)


def _show_conflict(
    request: ConsoleRequest, function: Function, form: DraftForm, error: services.ConflictError
) -> HttpResponse:
    """Both changes side by side; what either of them left alone is merged already."""
    mine, newest = form.cleaned_data, error.newest
    seen = function.versions.filter(number=mine["version"]).first()
    base = seen or newest
    answer = render(
        request,
        "functions/conflict.html#conflict" if request.htmx else "functions/conflict.html",
        {
            "function": function,
            "newest": newest,
            "seen": seen,
            "mine": mine,
            "merged_code": merge_text(base.code, newest.code, mine["code"]),
            "merged_description": merge_text(
                base.description, newest.description, mine["description"]
            ),
            "pairs": list(
                merge_variables(base.environment, newest.environment, mine["environment"]).items()
            ),
            "reserved": " ".join(sorted(services.RESERVED_VARIABLES)),
            "longest_name": services.MAX_VARIABLE_NAME,
            "longest_value": services.MAX_VARIABLE_VALUE,
            "changes": compare_variables(newest.environment, mine["environment"]),
        },
        status=409,
    )
    return reswap(retarget(answer, "#main"), "innerHTML") if request.htmx else answer


def _page(
    request: ConsoleRequest,
    function: Function,
    form: DraftForm,
    *,
    run: drawing.Run | None = None,
    skills: SkillsForm | None = None,
    source: payloads.Source | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = source or payloads.sample(function)
    payload = shown.text if source else request.POST.get("payload", shown.text)
    versions = list(function.versions.defer("code").order_by("-number")[:VERSIONS_SHOWN])
    context: dict[str, Any] = {
        **testing.choices(function, shown.key),
        "form": form,
        "meaning": MEANINGS[function.state],
        "tree": tree.grow(shown.text, events.fields(function.event_type)),
        "payload": payload,
        "versions": versions,
        "deployed": finding.deployed(function, [each.number for each in versions]),
        "limit_s": f"{settings.INVOCATION_TIMEOUT_S:g}",
        "run": run,
        "skills": skills or _bound_skills(function, changeable=may_change(request)),
        "budget_ms": drawing.BUDGET_MS,
        "pace": pace.read(function),
        "may_change": may_change(request),
        "packages": _packages(),
        **declaring.addresses(function),
    }
    return render(request, PAGE, context, status=status)


def _packages() -> tuple[Dependency, ...]:
    """What functions may require. None where it was not built, as with the editor itself."""
    try:
        return dependencies()
    except OSError:
        return ()
