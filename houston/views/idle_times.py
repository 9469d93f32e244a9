"""Idle times: after how long a conversation counts as idle, for the account and for skills."""

from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from houston import message_forms
from houston.middleware import AccountRequest
from houston.views.access import for_admins, may_administrate
from houston.views.answers import confirm, status_of
from invoker import digesting
from invoker.automatic_messages import changes, timers
from invoker.automatic_messages.defaults import IDLE_DEFAULTS
from invoker.automatic_messages.errors import MessageError
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.conversations.circumstances import SHORTEST_IDLE_S
from invoker.models import AutomaticMessage

# Source: `controller-bot.md` §5.3.
EXPLAINED: Final = {
    "AGENT_NON_RESPONSIVE": (
        "Starts when an agent takes the conversation, or with the first line of the consumer that "
        "waits for an answer, whichever is later. A line of an agent or manager stops it, so does "
        "a transfer. It rests in off-hours"
    ),
    "CONSUMER_NON_RESPONSIVE": (
        "Starts with every line of an agent or manager. A line of the consumer stops it. It goes "
        "on through transfers and off-hours"
    ),
    "CONV_AWAITING_IN_QUEUE": (
        "Starts when the conversation comes into a queue: new, transferred or returned. An agent "
        "who takes it stops it. It rests in off-hours"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill with an idle time of its own."""

    message_id: int
    skill_id: str
    time: str
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One idle event: the account's time, and skills with their own."""

    subtype: str
    name: str
    explained: str
    time: str
    repeats: int
    usual: str
    form: message_forms.TimerForm
    skills: list[Skill]


@require_GET
def idle_times(request: AccountRequest, account_id: str) -> HttpResponse:  # noqa: ARG001
    return _page(request)


@for_admins
@require_POST
def idle_time_save(request: AccountRequest, account_id: str, subtype: str) -> HttpResponse:
    if subtype not in IDLE_DEFAULTS:
        raise Http404
    form = message_forms.TimerForm(request.POST, auto_id=f"id_{subtype}_%s")
    if form.is_valid():
        try:
            changes.save_timer(
                account_id,
                subtype,
                skill_id="",
                timer_s=form.timer_s,
                repeats=form.cleaned_data["repeats"],
                by=request.user.username,
            )
        except MessageError as error:
            form.explain_message(error)
        else:
            return _done(request, f"{SUBTYPE_NAMES[subtype]}: {timers.spell(form.timer_s)}")
    return _page(request, refused=(subtype, form))


@for_admins
@require_POST
def idle_time_skill(request: AccountRequest, account_id: str) -> HttpResponse:
    """Set the idle time of a skill, be it new or there already."""
    form = message_forms.SkillTimerForm(request.POST, subtypes=list(IDLE_DEFAULTS))
    if form.is_valid():
        subtype, skill = form.cleaned_data["subtype"], form.cleaned_data["skill"]
        try:
            changes.save_timer(
                account_id,
                subtype,
                skill_id=skill,
                timer_s=form.timer_s,
                repeats=form.cleaned_data["repeats"],
                by=request.user.username,
            )
        except MessageError as error:
            form.explain_message(error)
        else:
            told = f"{SUBTYPE_NAMES[subtype]}: {timers.spell(form.timer_s)} for skill {skill}"
            return _done(request, told)
    return _page(request, new_skill=form)


@for_admins
@require_http_methods(["GET", "POST"])
def idle_time_delete(request: AccountRequest, account_id: str, message_id: int) -> HttpResponse:
    mine = AutomaticMessage.objects.filter(account_id=account_id, subtype__in=IDLE_DEFAULTS)
    message = get_object_or_404(mine.exclude(skill_id=""), pk=message_id)
    name = SUBTYPE_NAMES[message.subtype]
    if request.method == "GET":
        return confirm(
            request,
            title=f"Delete the idle time of skill {message.skill_id}",
            effect=f"{name}: skill {message.skill_id} follows the account's time from now on",
            button=f"Delete the idle time of skill {message.skill_id}",
            back=reverse("idle-times", args=[account_id]),
        )
    changes.save_timer(
        account_id,
        message.subtype,
        skill_id=message.skill_id,
        timer_s=None,
        repeats=None,
        by=request.user.username,
    )
    return _done(request, f"{name}: skill {message.skill_id} follows the account's time")


def _done(request: AccountRequest, sentence: str) -> HttpResponse:
    # Conversations that are open now count by the new time.
    digesting.look_again(request.account_id)
    messages.success(request, sentence)
    return redirect("idle-times", account_id=request.account_id)


def _page(
    request: AccountRequest,
    *,
    refused: tuple[str, message_forms.TimerForm] | None = None,
    new_skill: message_forms.SkillTimerForm | None = None,
) -> HttpResponse:
    found: dict[str, list[AutomaticMessage]] = {subtype: [] for subtype in IDLE_DEFAULTS}
    mine = AutomaticMessage.objects.filter(account_id=request.account_id, subtype__in=IDLE_DEFAULTS)
    for message in mine.order_by("skill_id"):
        found[message.subtype].append(message)
    rows = [_timer(subtype, messages_of, refused) for subtype, messages_of in found.items()]
    form = new_skill or message_forms.SkillTimerForm(
        initial={"happens": True, "unit": "minutes", "repeats": 1}, subtypes=list(IDLE_DEFAULTS)
    )
    context = {
        "timers": rows,
        "new_skill": form,
        "may_administrate": may_administrate(request),
        "shortest": SHORTEST_IDLE_S,
    }
    shown = new_skill if new_skill is not None else refused[1] if refused else None
    status = status_of(shown) if shown is not None else None
    return render(request, "accounts/idle_times.html", context, status=status)


def _timer(
    subtype: str,
    found: list[AutomaticMessage],
    refused: tuple[str, message_forms.TimerForm] | None,
) -> Timer:
    usual = IDLE_DEFAULTS[subtype]
    own = next((each for each in found if not each.skill_id), None)
    timer_s = usual.seconds if own is None or own.timer_s is None else own.timer_s
    repeats = usual.repeats if own is None or own.repeats is None else own.repeats
    form = message_forms.TimerForm(
        initial=message_forms.TimerForm.values(timer_s, repeats), auto_id=f"id_{subtype}_%s"
    )
    return Timer(
        subtype=subtype,
        name=SUBTYPE_NAMES[subtype],
        explained=EXPLAINED[subtype],
        time=timers.spell(timer_s),
        repeats=repeats,
        usual=timers.spell(usual.seconds),
        form=refused[1] if refused and refused[0] == subtype else form,
        skills=[
            Skill(
                message_id=each.pk,
                skill_id=each.skill_id,
                time=timers.spell(timer_s if each.timer_s is None else each.timer_s),
                repeats=repeats if each.repeats is None else each.repeats,
            )
            for each in found
            if each.skill_id and (each.timer_s is not None or each.repeats is not None)
        ],
    )
