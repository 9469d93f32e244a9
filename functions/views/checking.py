"""What the editor shows in its gutter beside TypeScript's own: the findings of the checker."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from functions import checking
from functions.access import ADMIN, DEVELOPER, ConsoleRequest, requires
from functions.forms import CheckForm
from functions.views.finding import find_function
from invoker import runtime
from invoker.runtime.dependencies import dependencies

LAMBDA = """
async function lambda(input) {
  const { payload } = input;
  return [];
}
"""
MOST_NAMED = 3


@require_POST
@requires(DEVELOPER)
def check(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Problems of the code as it stands in the editor, with what can be done about each."""
    function = find_function(account_id, name)
    form = CheckForm(request.POST)
    if not form.is_valid():
        message = form.errors["code"][0]
        return JsonResponse({"code": "invalid", "message": str(message)}, status=422)
    try:
        found = checking.findings_while_typing(function, form.cleaned_data["code"])
    except checking.BusyError as error:
        answer = JsonResponse({"code": error.code, "message": str(error)}, status=503)
        answer["Retry-After"] = "2"
        return answer
    return JsonResponse({"problems": [_shown(one, request) for one in found]})


def _shown(problem: runtime.Problem, request: ConsoleRequest) -> dict[str, Any]:
    message = problem.message
    if problem.code == "host-not-allowed" and ADMIN not in request.roles:
        message += f"; ask {_whom(request.admins)} to add it"
    return {
        "code": problem.code,
        "message": message,
        "line": problem.line,
        "column": problem.column,
        "endColumn": problem.endColumn,
        "severity": problem.severity,
        "fixes": _fixes(problem, request),
    }


def _whom(admins: Sequence[str]) -> str:
    """Whom to ask, by name, as long as these are few."""
    if not 0 < len(admins) <= MOST_NAMED:
        return "an admin of the account"
    return " or ".join(admins)


def _fixes(problem: runtime.Problem, request: ConsoleRequest) -> list[dict[str, Any]]:
    """What the editor offers: a text in place of what is marked, one at the end, or an act."""
    if problem.instead:
        return [{"title": f"Change to {problem.instead}", "text": problem.instead}]
    if problem.code == "host-not-allowed" and ADMIN in request.roles:
        host = problem.subject
        return [{"title": f"Add {host} to the allow-list", "detail": {"allow": host}}]
    if problem.code == "no-lambda":
        return [{"title": "Add the function lambda", "append": LAMBDA}]
    if problem.code == "unknown-dependency":
        names = [one.name for one in dependencies()]
        return [
            {"title": f"Change to {name}", "text": name}
            for name in get_close_matches(problem.subject, names, n=1)
        ]
    return []
