"""Scenarios that the account keeps: the list, one of them, and runs of one or many."""

import uuid
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from functions import kept_scenarios, scenario_runs, scenarios
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.models import Function, Scenario
from functions.scenario_forms import CastForm, ScenarioFilterForm, matches
from functions.scenario_runs import BusyError, Stage
from functions.scenarios import ScenarioError
from functions.views import scenario_drawing
from functions.views.finding import may_change

PAGE = "functions/scenario.html"
LIST = "functions/scenarios.html"


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario as a list shows it: `badge` is the colour and the word of its last result."""

    scenario: Scenario
    badge: tuple[str, str]
    events: list[str]

    @classmethod
    def of(cls, scenario: Scenario) -> "Row":
        return cls(
            scenario,
            badge(scenario.last_passed, scenario.last_differing),
            scenario_drawing.short_names(scenario.event_types),
        )


def badge(passed: bool | None, differing: int) -> tuple[str, str]:
    """The colour and the words for what a run gave, if there was one."""
    match passed, differing:
        case None, _:
            return "Draft", "Not run yet"
        case True, _:
            return "ok", "Passed"
        case _, 0:
            return "bad", "Did not come to its end"
        case _, 1:
            return "bad", "1 step differs"
        case _, count:
            return "bad", f"{count} steps differ"


def find(account_id: str, scenario_id: uuid.UUID) -> Scenario:
    return get_object_or_404(Scenario, account_id=account_id, pk=scenario_id)


def functions_of(account_id: str) -> list[Function]:
    """All functions of the account, as far as who plays is chosen among them."""
    found = Function.objects.filter(account_id=account_id).order_by("name")
    return list(found.only("pk", "name", "version"))


@require_GET
def scenario_list(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = ScenarioFilterForm(request.GET)
    wishes = form.wishes()
    every = list(kept_scenarios.of_account(account_id))
    rows = [Row.of(each) for each in every if matches(each, wishes)]
    cast = CastForm(functions_of(account_id), request.GET)
    return render(
        request,
        f"{LIST}#rows" if request.htmx else LIST,
        {
            "rows": rows,
            "total": len(every),
            "limit": kept_scenarios.MAX_SCENARIOS,
            "form": form,
            "wishes": wishes,
            "cast": cast,
            "cast_query": cast_query(request.GET),
            "examples": scenarios.shipped(),
            "may_change": may_change(request),
        },
    )


def cast_query(query: QueryDict) -> str:
    """Who plays, as an address says it."""
    chosen = [(name, each) for name in CastForm.base_fields for each in query.getlist(name) if each]
    return urlencode(chosen)


@require_GET
def scenario(request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID) -> HttpResponse:
    """One scenario beside what came in its last run. With `run` a script runs it at once."""
    return show(request, find(account_id, scenario_id))


def show(
    request: ConsoleRequest,
    found: Scenario,
    *,
    cast: CastForm | None = None,
    problem: str = "",
    was_stopped: bool = False,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    """The page of a scenario, or for htmx what changes of it with a run."""
    if cast is None:
        cast = CastForm(functions_of(found.account_id), request.GET)
    document = scenarios.read(found.text, found.name)
    return render(
        request,
        f"{PAGE}#ran" if request.htmx else PAGE,
        {
            "scenario": found,
            "row": Row.of(found),
            "document": document,
            "steps": scenario_drawing.draw(document, found.last_outcome),
            "outcome": found.last_outcome,
            "was_stopped": was_stopped,
            "cast": cast,
            "problem": problem or cast.problem,
            "runs_at_once": "run" in request.GET,
            "may_change": may_change(request),
        },
        status=status,
    )


@require_POST
@requires(DEVELOPER)
def scenario_run(request: ConsoleRequest, account_id: str, scenario_id: uuid.UUID) -> HttpResponse:
    """Run one, keep what came, and show it."""
    found = find(account_id, scenario_id)
    cast = CastForm(functions_of(account_id), request.POST)
    if "stop" in request.POST:
        kept_scenarios.stop(found)
        return show(request, found, cast=cast, was_stopped=True)
    if not cast.is_valid():
        return show(request, found, cast=cast, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        stage = Stage.of(account_id, cast.wish)
        told = scenario_runs.run(stage, found, by=request.user.get_username())
    except (BusyError, ScenarioError) as error:
        return show(
            request, found, cast=cast, problem=str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    if request.htmx:
        return show(request, found, cast=cast, was_stopped=scenario_runs.was_stopped(told))
    here = reverse("functions:scenario", args=[account_id, scenario_id])
    return redirect(f"{here}?{cast_query(request.POST)}")
