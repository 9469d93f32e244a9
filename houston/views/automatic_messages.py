"""Automatic messages: the list, each one's texts by skill and language, export and import."""

import json
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import document_forms, message_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, status_of
from invoker import digesting, events
from invoker.automatic_messages import changes, exchange, wording
from invoker.automatic_messages.defaults import DEFAULT_TEXTS, IDLE_DEFAULTS, SUBTYPES
from invoker.automatic_messages.errors import MessageError
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import AutomaticMessage

# The source document's own example of a response time: 1 d 20 h 40 min.
SAMPLE_RESPONSE_TIME_S: Final = 160_800
SAMPLE_NICKNAME: Final = "Kim"
LANGUAGES: Final = (
    "ar", "cs", "da", "de-AT", "de-CH", "de-DE", "el", "en-AU", "en-GB", "en-US", "es-ES", "es-MX",
    "fi", "fr-CA", "fr-FR", "he", "hi", "hu", "id", "it-IT", "ja-JP", "ko-KR", "nb", "nl-NL",
    "pl-PL", "pt-BR", "pt-PT", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh-Hans-CN", "zh-Hant-TW",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sub-type in the list. `message` is the account's own, None where it has none yet."""

    subtype: str
    name: str
    message: AutomaticMessage | None
    text: str
    languages: list[str]
    skills: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One language of a message, with what a consumer would read."""

    language: str
    name: str
    text: str
    preview: str
    warnings: list[str]
    is_default: bool
    field: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The account's message, or a skill's own."""

    message: AutomaticMessage
    form: message_forms.TextsForm
    texts: list[Text]
    adding: message_forms.NewTextForm


# The list -----------------------------------------------------------------------------------------


@require_GET
def message_list(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    form = message_forms.FilterForm(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    rows = [row for row in _rows(request) if _fits(row, **wanted)]
    groups = [
        (event_type.name.removeprefix("Messaging "), event_type.summary, mine)
        for event_type in events.EVENT_TYPES.values()
        if (mine := [row for row in rows if row.subtype in event_type.subtypes])
    ]
    context = {
        "form": form,
        "groups": groups,
        "may_administrate": may_administrate(request),
        "total": len(SUBTYPES),
        "count": len(rows),
    }
    page = "accounts/automatic_messages.html"
    # A filter swaps the rows under the same address, and the browser's history wants the page.
    swaps = request.headers.get("HX-Target") == "rows"
    response = render(request, f"{page}#rows" if swaps else page, context)
    patch_vary_headers(response, ["HX-Target"])
    return response


def _rows(request: AccountRequest, subtypes: tuple[str, ...] = SUBTYPES) -> list[Row]:
    found: dict[str, list[AutomaticMessage]] = {subtype: [] for subtype in subtypes}
    for message in _messages(request).filter(subtype__in=subtypes).order_by("skill_id"):
        found[message.subtype].append(message)
    return [_row(subtype, variants) for subtype, variants in found.items()]


def _row(subtype: str, variants: list[AutomaticMessage]) -> Row:
    own = next((each for each in variants if not each.skill_id), None)
    texts = list(own.texts.all()) if own else []
    usual = [each.text for each in texts if each.is_default]
    return Row(
        subtype=subtype,
        name=SUBTYPE_NAMES[subtype],
        message=own,
        text=usual[0] if usual else "",
        languages=sorted(each.language for each in texts if each.text),
        skills=[each.skill_id for each in variants if each.skill_id and _is_shown(each)],
    )


def _is_shown(message: AutomaticMessage) -> bool:
    """Whether a row is about texts. One of a skill may only set an idle time."""
    return not message.skill_id or not message.enabled or len(message.texts.all()) > 0


def _fits(row: Row, *, q: str = "", state: str = "") -> bool:
    enabled = row.message is not None and row.message.enabled
    if state and not {"on": enabled, "off": not enabled, "skills": bool(row.skills)}[state]:
        return False
    words = f"{row.subtype} {row.name} {row.text} {' '.join(row.skills)}".casefold()
    return q.casefold() in words


@for_admins
@require_POST
def message_switch(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    message = get_object_or_404(_messages(request), pk=message_id)
    changes.switch(message, enabled=request.POST.get("enabled") == "yes", by=request.user.username)
    whose = f" for skill {message.skill_id}" if message.skill_id else ""
    state = "on" if message.enabled else "off"
    messages.success(request, f"{SUBTYPE_NAMES[message.subtype]}: switched {state}{whose}")
    if request.headers.get("HX-Request"):
        context = {"each": message, "name": SUBTYPE_NAMES[message.subtype]}
        return render(request, "accounts/automatic_message_switch.html", context)
    if request.POST.get("from") == "list":
        return redirect(f"{reverse('automatic-messages', args=[account_id])}#{message.subtype}")
    return _to_message(account_id, message)


# One message --------------------------------------------------------------------------------------


@require_GET
def message_page(request: AccountRequest, account_id: str, subtype: str) -> HttpResponse:  # noqa: ARG001
    return _message_page(request, subtype)


@for_admins
@require_POST
def message_save(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    message = get_object_or_404(_messages(request), pk=message_id)
    form = message_forms.TextsForm(message, request.POST)
    if form.is_valid():
        try:
            changes.save_texts(
                message, form.read(), default=form.cleaned_data["default"], by=request.user.username
            )
        except MessageError as error:
            form.explain_message(error)
        else:
            messages.success(request, f"Saved the texts of {_whose(message)}")
            return _to_message(account_id, message)
    return _message_page(request, message.subtype, form=form, message=message)


@for_admins
@require_POST
def message_preview(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    language = request.POST.get("language", "")
    text = request.POST.get(f"text-{language}", "")[: wording.MAX_TEXT]
    is_default = request.POST.get("default") == language
    context = {"one": _draw(language, text.strip(), is_default=is_default)}
    return render(request, "accounts/automatic_message_preview.html", context)


@for_admins
@require_POST
def text_add(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    message = get_object_or_404(_messages(request), pk=message_id)
    form = message_forms.NewTextForm(request.POST, auto_id=f"id_{message.pk}_new_%s")
    if form.is_valid():
        try:
            added = changes.add_text(message, **form.cleaned_data, by=request.user.username)
        except MessageError as error:
            form.explain_message(error)
        else:
            messages.success(request, f"Added the text in {added.language} of {_whose(message)}")
            return _to_message(account_id, message)
    return _message_page(request, message.subtype, adding=form, message=message)


@for_admins
@require_http_methods(["GET", "POST"])
def text_delete(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    message = get_object_or_404(_messages(request), pk=message_id)
    language = request.GET.get("language", "")
    text = next((each for each in message.texts.all() if each.language == language), None)
    if text is None:
        raise Http404
    if request.method == "GET":
        return confirm(
            request,
            action=request.get_full_path(),
            title=f"Delete the text in {language}",
            effect=f"{SUBTYPE_NAMES[message.subtype]}: whoever writes in {language} gets the "
            "default text from the next event on",
            button=f"Delete the text in {language}",
            back=reverse("automatic-message", args=[account_id, message.subtype]),
        )
    try:
        changes.delete_text(message, language, by=request.user.username)
    except MessageError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Deleted the text in {language} of {_whose(message)}")
    return _to_message(account_id, message)


@for_admins
@require_POST
def skill_add(request: AccountRequest, account_id: str, subtype: str) -> HttpResponse:
    _check_subtype(subtype)
    form = message_forms.NewSkillForm(request.POST, auto_id="id_skill_%s")
    if form.is_valid():
        values = form.cleaned_data
        try:
            message = changes.add_skill(
                account_id,
                subtype,
                skill_id=values["skill"],
                language=values["language"],
                text=values["text"],
                by=request.user.username,
            )
        except MessageError as error:
            form.explain_message(error)
        else:
            messages.success(request, f"Added {_whose(message)}")
            return _to_message(account_id, message)
    return _message_page(request, subtype, new_skill=form)


@for_admins
@require_http_methods(["GET", "POST"])
def skill_delete(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    message = get_object_or_404(_messages(request).exclude(skill_id=""), pk=message_id)
    if request.method == "GET":
        return confirm(
            request,
            title=f"Delete the message of skill {message.skill_id}",
            effect=f"{SUBTYPE_NAMES[message.subtype]}: skill {message.skill_id} shares the "
            "account's texts and switch from the next event on. An idle time of its own stays",
            button=f"Delete the message of skill {message.skill_id}",
            back=reverse("automatic-message", args=[account_id, message.subtype]),
        )
    changes.delete_skill(message, by=request.user.username)
    messages.success(request, f"Deleted {_whose(message)}")
    return _to_message(account_id, message)


@for_admins
@require_http_methods(["GET", "POST"])
def message_reset(request: AccountRequest, account_id: str, subtype: str) -> HttpResponse:
    _check_subtype(subtype)
    if request.method == "GET":
        return confirm(
            request,
            title="Reset to Houston's text",
            effect=f"{SUBTYPE_NAMES[subtype]}: the account's texts in all languages are replaced "
            f"by “{DEFAULT_TEXTS[subtype]}”. Skills with a message of their own keep it",
            button="Reset to Houston's text",
            back=reverse("automatic-message", args=[account_id, subtype]),
        )
    message = changes.message_of(account_id, subtype)
    changes.reset(message, by=request.user.username)
    messages.success(request, f"{SUBTYPE_NAMES[subtype]}: reset to Houston's text")
    return _to_message(account_id, message)


def _message_page(
    request: AccountRequest,
    subtype: str,
    *,
    message: AutomaticMessage | None = None,
    form: message_forms.TextsForm | None = None,
    adding: message_forms.NewTextForm | None = None,
    new_skill: message_forms.NewSkillForm | None = None,
) -> HttpResponse:
    """Draw one sub-type; `form` and `adding` are what came back refused for `message`."""
    _check_subtype(subtype)
    found = [
        each
        for each in _messages(request).filter(subtype=subtype).order_by("skill_id")
        if _is_shown(each)
    ]
    variants = [
        _variant(
            each,
            form=form if each == message else None,
            adding=adding if each == message else None,
        )
        for each in found
    ]
    event_type = next(each for each in events.EVENT_TYPES.values() if subtype in each.subtypes)
    context = {
        "subtype": subtype,
        "name": SUBTYPE_NAMES[subtype],
        "event": event_type,
        "own": next((each for each in variants if not each.message.skill_id), None),
        "skills": [each for each in variants if each.message.skill_id],
        "new_skill": new_skill or message_forms.NewSkillForm(auto_id="id_skill_%s"),
        "may_administrate": may_administrate(request),
        "is_idle": subtype in IDLE_DEFAULTS,
        "languages": [(tag, wording.name_language(tag)) for tag in LANGUAGES],
        "sample_nickname": SAMPLE_NICKNAME,
    }
    refused = next((each for each in (form, adding, new_skill) if each is not None), None)
    status = status_of(refused) if refused is not None else None
    return render(request, "accounts/automatic_message.html", context, status=status)


def _variant(
    message: AutomaticMessage,
    *,
    form: message_forms.TextsForm | None,
    adding: message_forms.NewTextForm | None,
) -> Variant:
    form = form or message_forms.TextsForm(message)
    return Variant(
        message=message,
        form=form,
        texts=[
            _draw(
                each.language,
                str(form[f"text-{each.language}"].value() or ""),
                is_default=each.is_default,
                field=form[f"text-{each.language}"],
            )
            for each in form.texts
        ],
        adding=adding or message_forms.NewTextForm(auto_id=f"id_{message.pk}_new_%s"),
    )


def _draw(
    language: str,
    text: str,
    *,
    is_default: bool = False,
    field: object = None,
) -> Text:
    return Text(
        language=language,
        name=wording.name_language(language),
        text=text,
        preview=wording.fill(
            text,
            language=language,
            response_time_s=SAMPLE_RESPONSE_TIME_S,
            agent_nickname=SAMPLE_NICKNAME,
        ),
        warnings=wording.warn(text),
        is_default=is_default,
        field=field,
    )


# Export and import --------------------------------------------------------------------------------


@require_GET
def message_export(request: AccountRequest, account_id: str) -> HttpResponse:
    unified = request.GET.get("shape") == "unified"
    document = exchange.write(account_id, unified=unified)
    body = json.dumps(document, indent=2, ensure_ascii=False)
    shape = "unified-auto-messages" if unified else "auto-messages"
    return HttpResponse(
        body + "\n",
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{shape}-{account_id}.json"'},
    )


@for_admins
@require_http_methods(["GET", "POST"])
def message_import(request: AccountRequest, account_id: str) -> HttpResponse:
    """Show first what would change; the document comes again with the decision to do it."""
    sent = request.method == "POST"
    form = document_forms.DocumentForm(*((request.POST, request.FILES) if sent else ()))
    context: dict[str, object] = {"form": form, "names": SUBTYPE_NAMES}
    if sent and form.is_valid():
        try:
            settings = exchange.read(form.cleaned_data["document"])
            if request.POST.get("decided") == "yes":
                found = exchange.carry_out(account_id, settings, by=request.user.username)
                # Timers are among what is imported.
                digesting.look_again(account_id)
                messages.success(request, f"Imported {_count(len(found), 'change')}")
                return redirect("automatic-messages", account_id=account_id)
            context["found"] = [
                (SUBTYPE_NAMES[each.setting.subtype], each)
                for each in exchange.compare(account_id, settings)
            ]
            context["items"] = len(settings)
            context["document"] = form.cleaned_data["document"]
        except MessageError as error:
            form.add_error("document", str(error))
    page = "accounts/automatic_messages_import.html"
    return render(request, page, context, status=status_of(form))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# Shared -------------------------------------------------------------------------------------------


def _messages(request: AccountRequest) -> QuerySet[AutomaticMessage]:
    mine = AutomaticMessage.objects.filter(account_id=request.account_id, subtype__in=SUBTYPES)
    return mine.prefetch_related("texts")


def _check_subtype(subtype: str) -> None:
    if subtype not in SUBTYPES:
        raise Http404


def _whose(message: AutomaticMessage) -> str:
    return f"skill {message.skill_id}" if message.skill_id else "the account"


def _to_message(account_id: str, message: AutomaticMessage) -> HttpResponse:
    return redirect("automatic-message", account_id=account_id, subtype=message.subtype)
