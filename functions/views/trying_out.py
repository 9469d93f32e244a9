"""*Try it*: one press to a conversation that a function answers, or to what is missing for that."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from functions import services, trial
from functions.access import DEVELOPER, ConsoleRequest, requires
from invoker import simulator
from invoker.api import ApiError
from invoker.gateway import running

PAGE = "functions/try_it_missing.html"


@require_POST
@requires(DEVELOPER)
def try_it(request: ConsoleRequest, account_id: str) -> HttpResponse:
    try:
        with running.turn(account_id):
            tried = trial.begin(account_id, by=request.user.get_username())
    except trial.TrialError as error:
        return render(request, PAGE, {"error": error}, status=409)
    except (services.FunctionError, simulator.ActError, ApiError) as error:
        return render(request, PAGE, {"error": error}, status=503)
    if tried.made:
        messages.success(
            request,
            f'"{tried.made.name}" was made from the gallery and deployed: it answers whenever a '
            "conversation begins",
        )
    return redirect("functions:conversation", account_id, tried.conversation.pk)
