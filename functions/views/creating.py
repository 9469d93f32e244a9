"""A new function: choose the event and what to start from, see the code, name it."""

from collections.abc import Mapping
from itertools import groupby

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from functions import gallery, offering, services
from functions.access import ADMIN, DEVELOPER, ConsoleRequest, requires
from functions.forms import ChooseForm, NewFunctionForm
from functions.models import Function
from functions.offering import EMPTY, EMPTY_SOURCE, Offer
from functions.views import drawing
from functions.views.policy import with_editor
from invoker import events, runtime

PAGE = "functions/new.html"


@with_editor
@require_http_methods(["GET", "POST"])
@requires(DEVELOPER)
def new(request: ConsoleRequest, account_id: str) -> HttpResponse:
    if request.method == "POST":
        return _create(request, account_id)
    choice = ChooseForm(request.GET)
    choice.is_valid()
    offered = offering.offers(account_id)
    event_id = choice.cleaned_data.get("event", "")
    if "event" not in request.GET:
        event_id = offering.first_free(offered)
    slug = choice.cleaned_data.get("template", "")
    template = next((each for each in gallery.load() if each.slug == slug), None)
    if template:
        event_id = template.event_type
    elif slug != EMPTY:
        template = next(iter(offering.templates(event_id)), None)
    suggested = _suggestions(offered, event_id, template)
    typed = {name: choice.cleaned_data.get(name) for name in (*suggested, "skills")}
    form = NewFunctionForm(
        initial=suggested
        | {name: text for name, text in typed.items() if text}
        | {"event_type": event_id, "template": template.slug if template else ""}
    )
    for name, text in suggested.items():
        form.fields[name].widget.attrs["data-suggested"] = text
    words = choice.cleaned_data.get("q", "")
    return _page(request, form, offered, event_id=event_id, template=template, words=words)


@require_POST
@requires(DEVELOPER)
def check(request: ConsoleRequest, account_id: str) -> HttpResponse:
    """What is wrong with what was typed so far. Without htmx the page itself shows what was typed.

    It changes nothing; as many skills as there may be are more than fits into an address.
    Only a field that holds something is told of: nobody has done wrong by not having come to it.
    """
    if not request.htmx:
        return redirect(f"{reverse('functions:new', args=[account_id])}?{_asked(request.POST)}")
    form = NewFunctionForm(request.POST)
    form.is_valid()
    name, skills = request.POST.get("name", "").strip(), form.cleaned_data.get("skills", [])
    for field, message in services.refusals(
        account_id,
        name=name,
        event_type=form.cleaned_data.get("event_type", events.NO_EVENT),
        skills=skills,
    ).items():
        if field not in form.errors:
            form.add_error(field, message)
    context = {"form": form, "name": name, "skills": skills, "checked": True}
    if "name" in form.errors and name:
        context["name_instead"] = offering.free_name(name, _names(account_id))
    return render(request, f"{PAGE}#checked", context)


def _asked(query: QueryDict) -> str:
    """The address of the page for what its form held: one field has another name there."""
    kept = query.copy()
    kept.pop("csrfmiddlewaretoken", None)
    kept["event"] = kept.pop("event_type", [""])[-1]
    return kept.urlencode()


def _create(request: ConsoleRequest, account_id: str) -> HttpResponse:
    form = NewFunctionForm(request.POST)
    valid = form.is_valid()
    event_id = form.cleaned_data.get("event_type", "")
    slug = form.cleaned_data.get("template", "")
    fitting = offering.templates(event_id)
    template = next((each for each in fitting if each.slug == slug), None)
    if slug and template is None:
        form.add_error(None, f'Cannot create it: the event has no template "{slug}"')
        valid = False
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
    offered = offering.offers(account_id)
    return _page(request, form, offered, event_id=event_id, template=template, status=422)


def _page(
    request: ConsoleRequest,
    form: NewFunctionForm,
    offered: Mapping[str, Offer],
    *,
    event_id: str,
    template: gallery.Template | None,
    words: str = "",
    status: int = 200,
) -> HttpResponse:
    fitting = offering.templates(event_id, words)
    context = {
        "event": events.EVENT_TYPES[event_id],
        "offer": offered[event_id],
        "cards": [(each, offered[each.event_type]) for each in fitting],
        "template": template,
        "words": words,
        "form": form,
    }
    if request.htmx and request.htmx.target == "gallery":
        return render(request, f"{PAGE}#gallery", context)
    context |= {
        "groups": [
            (group, list(inside))
            for group, inside in groupby(offered.values(), key=lambda each: each.event.group)
        ],
        "needs": offering.needs(request.account_id, template) if template else [],
        "known_skills": offering.skills(request.account_id, offered[event_id])
        if events.EVENT_TYPES[event_id].takes_skills
        else [],
        "source": template.source if template else EMPTY_SOURCE,
        "payload": template.payload if template else events.sample(event_id),
        "expected": template.expected if template else None,
        "run": _answer(request.account_id, event_id, template),
        "no_room": sum(len(each.holders) for each in offered.values()) >= services.MAX_FUNCTIONS,
        "most_functions": services.MAX_FUNCTIONS,
        "most_name": services.MAX_NAME,
        "most_description": services.MAX_DESCRIPTION,
        "may_administrate": ADMIN in request.roles,
    }
    return render(request, f"{PAGE}#choice" if request.htmx else PAGE, context, status=status)


def _answer(account_id: str, event_id: str, template: gallery.Template | None) -> drawing.Run:
    """What would come of the template's own sample: a test holds each to what it says here."""
    function = Function(account_id=account_id, event_type=event_id)
    value = template.expected if template else None
    payload = template.payload if template else events.sample(event_id)
    result = runtime.Result(outcome=runtime.Outcome.SUCCEEDED, value=value)
    return drawing.draw_test(function, result, payload)


def _suggestions(
    offered: Mapping[str, Offer], event_id: str, template: gallery.Template | None
) -> dict[str, str]:
    taken = {function.name for each in offered.values() for function in each.holders}
    event = events.EVENT_TYPES[event_id]
    wish = template.slug if template else f"my {event.short_name.lower()}"
    if event_id == events.NO_EVENT and template is None:
        wish = "my_function"
    about = template.summary if template else ""
    return {
        "name": offering.free_name(wish, taken),
        "description": about[: services.MAX_DESCRIPTION],
    }


def _names(account_id: str) -> set[str]:
    found = Function.objects.filter(account_id=account_id)
    return set(found.values_list("name", flat=True))
