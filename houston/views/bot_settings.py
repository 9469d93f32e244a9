"""The controller bot's own settings: how often it tries again, what it calls agents."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from houston import message_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import status_of
from invoker.automatic_messages import changes
from invoker.automatic_messages.errors import MessageError
from invoker.models import ControllerBot


@require_http_methods(["GET", "POST"])
def controller_bot(request: AccountRequest, account_id: str) -> HttpResponse:
    if request.method == "POST":
        return _save(request, account_id)
    return _page(request, None)


@for_admins
def _save(request: AccountRequest, account_id: str) -> HttpResponse:
    form = message_forms.ControllerBotForm(request.POST)
    if form.is_valid():
        try:
            changes.save_bot(account_id, **form.cleaned_data, by=request.user.username)
        except MessageError as error:
            form.explain_message(error)
        else:
            messages.success(request, "Saved the settings of the controller bot")
            return redirect("controller-bot", account_id=account_id)
    return _page(request, form)


def _page(request: AccountRequest, refused: message_forms.ControllerBotForm | None) -> HttpResponse:
    bot = ControllerBot.objects.filter(pk=request.account_id).first()
    initial = message_forms.ControllerBotForm.values(bot) if bot else None
    context = {
        "bot": bot,
        "form": refused or message_forms.ControllerBotForm(initial=initial),
        "may_administrate": may_administrate(request),
    }
    status = status_of(refused) if refused else None
    return render(request, "accounts/controller_bot.html", context, status=status)
