"""A new function: choose the event and what to start from, see the code, name it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from functions import gallery, services
from functions.access import DEVELOPER, ConsoleRequest, requires
from functions.forms import ChooseForm, NewFunctionForm
from functions.models import Function
from functions.views.policy import with_editor
from invoker import events

EMPTY_SOURCE = """\
function lambda(input, callback) {
  callback(null, null);
}
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """An event type in the list, with the functions that keep others from having it, or parts."""

    event: events.EventType
    holder: str
    """The function that leaves nothing to others, "" while there is something left."""
    parts: list[Function]
    """Functions that have some skills of it, and leave the others."""


@with_editor
@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def new(request: ConsoleRequest, account_id: str) -> HttpResponse:
    if request.method == "POST":
        return _create(request, account_id)
    choice = ChooseForm(request.GET)
    choice.is_valid()
    event_id = choice.cleaned_data.get("event", "")
    if "event" not in request.GET:
        event_id = _first_free(account_id)
    template = _template(event_id, choice.cleaned_data.get("template"))
    form = NewFunctionForm(
        initial={
            "event_type": event_id,
            "template": template.slug if template else "",
            "name": _free_name(account_id, template.slug if template else "my_function"),
            "description": template.summary[: services.MAX_DESCRIPTION] if template else "",
        }
    )
    return _page(request, account_id, form, event_id=event_id, template=template)


def _create(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = NewFunctionForm(request.POST)
    valid = form.is_valid()
    event_id = form.cleaned_data.get("event_type", "")
    slug = form.cleaned_data.get("template", "")
    template = _template(event_id, slug) if slug else None
    if valid:
        try:
            function = services.create(
                account_id,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                event_type=event_id,
                by=request.user.get_username(),
                template=template,
                code=EMPTY_SOURCE,
                skills=form.cleaned_data["skills"],
            )
        except services.InvalidError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        except services.NameTakenError as error:
            form.add_error("name", str(error))
        except services.EventTakenError as error:
            form.add_error(
                "skills" if events.EVENT_TYPES[event_id].takes_skills else None, str(error)
            )
        except services.LimitError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f'"{function.name}" is created: try it with the sample')
            return redirect("functions:edit", account_id, function.name)
    return _page(request, account_id, form, event_id=event_id, template=template, status=422)


def _page(
    request: ConsoleRequest,
    account_id: str,
    form: NewFunctionForm,
    *,
    event_id: str,
    template: gallery.Template | None,
    status: int = 200,
) -> HttpResponse:
    page = "functions/new.html"
    offers = _offers(account_id)
    return render(
        request,
        f"{page}#choice" if request.htmx else page,
        {
            "groups": offers,
            "event": events.EVENT_TYPES[event_id],
            "offer": next(
                each for group in offers.values() for each in group if each.event.id == event_id
            ),
            "templates": [each for each in gallery.load() if each.event_type == event_id],
            "template": template,
            "source": template.source if template else EMPTY_SOURCE,
            "form": form,
        },
        status=status,
    )  # fmt: skip


def _offers(account_id: str) -> Mapping[events.Group, list[Offer]]:
    holders: dict[str, list[Function]] = {}
    own = Function.objects.filter(account_id=account_id).order_by("name")
    for function in own.only("name", "event_type", "skills"):
        holders.setdefault(function.event_type, []).append(function)
    groups: dict[events.Group, list[Offer]] = {}
    for event in events.EVENT_TYPES.values():
        groups.setdefault(event.group, []).append(_offer(event, holders.get(event.id, [])))
    return groups


def _offer(event: events.EventType, holders: list[Function]) -> Offer:
    parts = [holder for holder in holders if holder.skills]
    full = event.limit is not None and len(holders) - len(parts) >= event.limit
    return Offer(event, holders[0].name if full else "", parts)


def _first_free(account_id: str) -> str:
    offers = [each for group in _offers(account_id).values() for each in group]
    free = (each.event.id for each in offers if not each.holder and not each.parts)
    return next(free, events.NO_EVENT)


def _template(event_id: str, slug: str | None) -> gallery.Template | None:
    """The template asked for, the first of the event when none was, None for an empty function."""
    fitting = [each for each in gallery.load() if each.event_type == event_id]
    if slug == "empty" or not fitting:
        return None
    return next((each for each in fitting if each.slug == slug), fitting[0])


def _free_name(account_id: str, wish: str) -> str:
    base = wish.replace("-", "_")[: services.MAX_NAME - 3]
    taken = set(Function.objects.filter(account_id=account_id).values_list("name", flat=True))
    numbered = (f"{base}_{number}" for number in range(2, services.MAX_FUNCTIONS + 2))
    return next(name for name in (base, *numbered) if name not in taken)
