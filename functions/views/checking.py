"""What the editor shows in its gutter beside TypeScript's own: the findings of the checker."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from functions import checking
from functions.access import ADMIN, DEVELOPER, ConsoleRequest, requires
from functions.forms import CheckForm
from functions.views.finding import find_function
from invoker import runtime


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
    may_allow = ADMIN in request.roles
    return JsonResponse({"problems": [_shown(one, may_allow=may_allow) for one in found]})


def _shown(problem: runtime.Problem, *, may_allow: bool) -> dict[str, Any]:
    message = problem.message
    fixes: list[dict[str, Any]] = []
    if problem.instead:
        fixes.append({"title": f"Change to {problem.instead}", "text": problem.instead})
    if problem.code == "host-not-allowed":
        if may_allow:
            host = problem.subject
            fixes.append({"title": f"Add {host} to the allow-list", "detail": {"allow": host}})
        else:
            message += "; ask an admin to add it"
    return {
        "code": problem.code,
        "message": message,
        "line": problem.line,
        "column": problem.column,
        "endColumn": problem.endColumn,
        "severity": problem.severity,
        "fixes": fixes,
    }
