"""What a test in the editor runs with: payloads to choose from, and to keep."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import reswap, retarget

from functions import payloads
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import PayloadForm, PayloadNameForm
from functions.models import Function
from functions.views import tree
from functions.views.finding import find_function, may_change
from invoker import events

PAGE = "functions/payloads.html"


def choices(function: Function, chosen: str = "") -> dict[str, object]:
    """What the picker of a function shows. Two queries."""
    return {
        "function": function,
        "chosen": chosen or "sample",
        "saved_payloads": list(payloads.saved(function).defer("text")),
        "real_events": [(f"event:{each.pk}", each) for each in payloads.recent(function)],
    }


@require_POST
@requires(DEVELOPER)
def save_payload(request: ConsoleRequest, account_id: str, name: str) -> HttpResponse:
    """Keep what stands in the editor under a name; `replaces=yes` after somebody was asked."""
    function = find_function(account_id, name)
    form = PayloadForm(request.POST)
    existing = None
    if form.is_valid():
        try:
            kept = payloads.save(
                function,
                name=form.cleaned_data["payload_name"],
                # As it was typed: the order of fields and how numbers are written stay.
                text=request.POST["payload"].replace("\r\n", "\n"),
                by=request.user.get_username(),
                replaces=request.POST.get("replaces") == "yes",
            )
        except payloads.PayloadTakenError as error:
            existing = error.existing
        except payloads.InvalidPayloadError as error:
            form.add_error("payload" if error.field == "payload" else "payload_name", str(error))
        except payloads.PayloadError as error:
            form.add_error("payload_name", str(error))
        else:
            messages.success(request, f'Saved the payload "{kept.name}" for everybody here')
            if not request.htmx:
                return redirect("functions:edit", account_id, name)
            context = choices(function, kept.key) | {"may_change": True}
            return render(request, f"{PAGE}#picker", context)
    context = choices(function, request.POST.get("source", "")) | {
        "may_change": True,
        "saving": form,
        "existing": existing,
    }
    status = 409 if existing else 422
    if request.htmx:
        return render(request, f"{PAGE}#picker", context, status=status)
    return render(
        request, PAGE, context | {"typed": request.POST.get("payload", "")}, status=status
    )


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def saved_payload(
    request: ConsoleRequest, account_id: str, name: str, payload_id: int
) -> HttpResponse:
    """Rename one that was kept."""
    function = find_function(account_id, name)
    kept = get_object_or_404(payloads.saved(function), pk=payload_id)
    form = PayloadNameForm(request.POST or None, initial={"name": kept.name})
    if request.method == "POST" and form.is_valid():
        try:
            payloads.rename(
                function, kept, form.cleaned_data["name"], by=request.user.get_username()
            )
        except payloads.PayloadError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Renamed the payload")
            return _in_place(request, function, kept.key) or _back(account_id, name)
    context = {"function": function, "kept": kept, "form": form, "may_change": may_change(request)}
    page = f"{PAGE}#rename" if request.htmx else PAGE
    return render(request, page, context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def delete_payload(
    request: ConsoleRequest, account_id: str, name: str, payload_id: int
) -> HttpResponse:
    function = find_function(account_id, name)
    kept = get_object_or_404(payloads.saved(function), pk=payload_id)
    if request.method == "POST":
        payloads.delete(function, kept, by=request.user.get_username())
        messages.success(request, f'The payload "{kept.name}" is deleted')
        return _in_place(request, function, "") or _back(account_id, name)
    title = f'Delete the payload "{kept.name}"'
    context = {
        "title": title,
        "effect": f'Nobody in the account can test "{function.event.name}" with it any more.',
        "action": reverse("functions:payload-delete", args=[account_id, name, payload_id]),
        "back": reverse("functions:edit", args=[account_id, name]),
        "button": title,
        "in_place": True,
    }
    return render(request, "ui/dialog.html" if request.htmx else "ui/confirm.html", context)


def _in_place(request: ConsoleRequest, function: Function, key: str) -> HttpResponse | None:
    """The picker anew, where a page shows it: what was typed beside it stays.

    Without a key it shows the sample, in place of what is not there any more.
    """
    if not request.htmx:
        return None
    context = choices(function, key) | {"may_change": True}
    part = "picker"
    if not key:
        text = payloads.sample(function).text
        context |= {"text": text, "tree": tree.grow(text, events.fields(function.event_type))}
        part = "chosen"
    answer = render(request, f"{PAGE}#{part}", context)
    return reswap(retarget(answer, "#payload-picker"), "outerHTML")


def _back(account_id: str, name: str) -> HttpResponse:
    return redirect(f"{reverse('functions:edit', args=[account_id, name])}#test")
