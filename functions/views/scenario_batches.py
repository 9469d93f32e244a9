"""Many scenarios at once, a slice of them per request: from the list, and before a deployment."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from functions import kept_scenarios, scenario_runs
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.models import Function, Scenario
from functions.scenario_forms import BatchForm, CastForm, ScenarioFilterForm, matches
from functions.scenario_runs import BusyError, Run, Stage, Wish
from functions.scenarios import ScenarioError
from functions.views import scenario_drawing
from functions.views.finding import find_function
from functions.views.scenario_drawing import Shown
from functions.views.scenarios import badge, cast_query, functions_of

PAGE = "functions/scenario_batch.html"
CARRIED = ("deploys", "seen", *CastForm.base_fields, *ScenarioFilterForm.base_fields)


@dataclass(frozen=True, slots=True)
class Ran:
    """One scenario that was run.

    `steps` are those that differ or could not be played, `problem` says why it did not end, and
    `differs_anyway` that it differs with what is deployed, too.
    """

    scenario: Scenario
    passed: bool
    badge: tuple[str, str]
    steps: list[Shown]
    problem: str
    differs_anyway: bool

    @classmethod
    def of(cls, run: Run) -> "Ran":
        told = run.told
        steps = scenario_drawing.draw_told(told) if not told["passed"] else []
        stopped = told["stopped"]
        return cls(
            run.scenario,
            told["passed"],
            badge(told["passed"], told["differing"]),
            [each for each in steps if each.differs or each.stopped],
            stopped["message"] if stopped else "",
            run.differs_beside,
        )


@require_POST
@requires(DEVELOPER)
def scenarios_run(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """Run those that a filter shows, or that a function to be deployed has a part in.

    One answer is a slice of them, after which the page asks for the next one.
    """
    batch = BatchForm(request.POST)
    cast = CastForm(functions_of(account_id), request.POST)
    if not batch.is_valid() or not cast.is_valid():
        problem = cast.problem or "Cannot go on: what was sent is damaged, start again"
        return _answer(request, None, {"problem": problem}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    asked = batch.cleaned_data
    function = find_function(account_id, asked["deploys"]) if asked["deploys"] else None
    if function and asked["seen"] != function.version:
        problem = "Cannot go on: a version was saved meanwhile, review that one"
        return _answer(request, function, {"problem": problem}, status=HTTPStatus.CONFLICT)
    waiting = _waiting(request, account_id, function, asked["after"])
    so_far = {
        "count": asked["count"] or len(waiting),
        "passed": asked["passed"] or 0,
        "differ": asked["differ"] or 0,
        "anyway": asked["anyway"] or 0,
        "after": asked["after"],
        # The form of a slice sends how many there are.
        "continues": asked["count"] is not None,
        "more": bool(waiting),
    }
    if asked["stop"]:
        for under_way in waiting[:1]:
            kept_scenarios.stop(under_way)
        return _answer(request, function, so_far | {"stopped": True})
    try:
        stage = Stage.of(account_id, cast.wish)
        # Where nothing of it is deployed, all would differ for that alone.
        is_live = function is not None and function.deployment_id is not None
        live = Stage.of(account_id, Wish(network=stage.network)) if is_live else None
        ran = scenario_runs.run_slice(stage, waiting, by=request.user.get_username(), beside=live)
    except BusyError:
        return _answer(request, function, so_far | {"busy": True})
    except ScenarioError as error:
        return _answer(
            request, function, {"problem": str(error)}, status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    rows = [Ran.of(each) for each in ran]
    passed = sum(row.passed for row in rows)
    context = so_far | {
        "rows": rows,
        "against": stage.against,
        "passed": so_far["passed"] + passed,
        "differ": so_far["differ"] + len(rows) - passed,
        "anyway": so_far["anyway"] + sum(row.differs_anyway for row in rows),
        "after": rows[-1].scenario.name if rows else asked["after"],
        "more": len(waiting) > len(rows),
        "under_way": waiting[len(rows)].name if len(waiting) > len(rows) else "",
    }
    return _answer(request, function, context)


def _waiting(
    request: ConsoleRequest, account_id: str, function: Function | None, after: str
) -> list[Scenario]:
    """Those that are still to be run, by name."""
    found = kept_scenarios.of_account(account_id).filter(name__gt=after)
    if function:
        return [each for each in found if kept_scenarios.touches(each, function.event_type)]
    wishes = ScenarioFilterForm(request.POST).wishes()
    return [each for each in found if matches(each, wishes)]


def _too(differ: int, anyway: int) -> str:
    """How many of those that differ do so with what is deployed, too."""
    if not anyway:
        return ""
    of_them = "" if differ == 1 else "all of them " if anyway == differ else f"{anyway} of them "
    return f"{of_them}with what is deployed, too"


def _answer(
    request: ConsoleRequest,
    function: Function | None,
    context: dict[str, Any],
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context |= {
        "function": function,
        "done": context.get("passed", 0) + context.get("differ", 0),
        "too": _too(context.get("differ", 0), context.get("anyway", 0)),
        "carried": [
            (name, value) for name in CARRIED for value in request.POST.getlist(name) if value
        ],
        "cast_query": cast_query(request.POST),
        "htmx": bool(request.htmx),
    }
    part = f"{PAGE}#{'following' if context.get('continues') else 'first'}"
    return render(request, part if request.htmx else PAGE, context, status=status)
