"""Where scenarios come from: the product ships some, others are conversations that were played."""

import time
from http import HTTPStatus

import msgspec
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from functions import kept_scenarios, scenario_runs, scenarios
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.kept_scenarios import KeepingError
from functions.scenario_forms import NewScenarioForm
from functions.scenario_runs import BusyError, Stage, Wish
from functions.scenarios import Document, ScenarioError, Shipped
from functions.scenarios.errors import UNDER_WAY
from functions.views import scenario_drawing
from functions.views.finding import may_change
from functions.views.scenario_files import file_page, refuse, saved
from functions.views.scenarios import badge
from invoker.models import Conversation
from invoker.simulator import acts

PAGE = "functions/scenario_shipped.html"
LONGEST_QUOTE = 50
PATIENCE_S = 2.0


@require_GET
def shipped(
    request: ConsoleRequest,
    account_id: str,  # noqa: ARG001
    slug: str,
) -> HttpResponse:
    """One that comes with the product: what is done in it, and what is expected."""
    return _show(request, _find(slug))


@require_POST
@requires(DEVELOPER)
def shipped_run(request: ConsoleRequest, account_id: str, slug: str) -> HttpResponse:
    found = _find(slug)
    try:
        outcome = scenario_runs.play(Stage.of(account_id, Wish()), found.document)
    except BusyError as error:
        return _show(request, found, problem=str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _show(request, found, outcome=scenario_runs.tell(outcome))


@require_POST
@requires(DEVELOPER)
def shipped_save(request: ConsoleRequest, account_id: str, slug: str) -> HttpResponse:
    """Keep it for the functions of the account, with what comes of them as what is expected."""
    document = scenario_runs.without_its_own(_find(slug).document)
    try:
        text = scenario_runs.record(Stage.of(account_id, Wish()), document)
        made = kept_scenarios.create(account_id, text, by=request.user.get_username())
    except (BusyError, KeepingError, ScenarioError) as error:
        messages.error(request, str(error))
        return redirect("functions:scenario-shipped", account_id, slug)
    messages.success(request, "Saved, with what your functions do as what is expected")
    return saved(made)


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def from_conversation(request: ConsoleRequest, account_id: str, pk: int) -> HttpResponse:
    """Keep a conversation that was played. What stands in the form is what is kept."""
    rows = Conversation.objects.filter(account_id=account_id).select_related("simulation")
    conversation = get_object_or_404(rows, pk=pk)
    context = {"conversation": conversation}
    if "text" not in request.POST:
        try:
            document = _played(conversation)
        except ScenarioError as error:
            messages.error(request, str(error))
            return redirect("functions:conversation", account_id, pk)
        name = kept_scenarios.free_name(account_id, _proposed_name(document))
        text = scenarios.write(msgspec.structs.replace(document, name=name))
        initial = {"name": name, "description": document.description, "text": text}
        return file_page(request, NewScenarioForm(initial=initial), context)
    form = NewScenarioForm(request.POST, request.FILES)
    if not form.is_valid():
        return file_page(request, form, context)
    try:
        made = kept_scenarios.create(
            account_id, form.named(), by=request.user.get_username(),
            detail=f"From the conversation {conversation.conv_id}",
        )  # fmt: skip
    except (KeepingError, ScenarioError) as error:
        return refuse(request, form, error, context)
    return saved(made)


def _played(conversation: Conversation) -> Document:
    """What was played. Who is quick comes while the last line is still on its way, and waits.

    Raises:
        ScenarioError: it cannot be saved, or not yet.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return scenarios.from_conversation(conversation)
        except ScenarioError as error:
            if error.code != UNDER_WAY or time.monotonic() > until:
                raise
        time.sleep(PATIENCE_S / 10)


def _proposed_name(document: Document) -> str:
    """Who says what first, which is what people know a conversation by."""
    start = document.steps[0].act
    assert isinstance(start, acts.Start)
    return f"{start.consumer}: {' '.join(start.text.split())[:LONGEST_QUOTE]}"


def _find(slug: str) -> Shipped:
    for each in scenarios.shipped():
        if each.slug == slug:
            return each
    raise Http404(f'No scenario "{slug}" comes with the product')


def _show(
    request: ConsoleRequest,
    found: Shipped,
    *,
    outcome: dict[str, object] | None = None,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    differing = outcome["differing"] if outcome else 0
    assert isinstance(differing, int)
    return render(
        request,
        f"{PAGE}#ran" if request.htmx else PAGE,
        {
            "shipped": found,
            "document": found.document,
            "steps": scenario_drawing.draw(found.document, outcome),
            "badge": badge(bool(outcome["passed"]), differing) if outcome else None,
            "outcome": outcome,
            "problem": problem,
            "may_change": may_change(request),
        },
        status=status,
    )
