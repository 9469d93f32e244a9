"""The first page of settings: what each of them holds right now, in a line."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from houston import invitations
from houston.middleware import AccountRequest
from houston.models import ApiClient, Role
from houston.templatetags.ui import FOR_ADMINS, SETTINGS, relative
from houston.views.access import may_administrate
from invoker import audit, hours, retention
from invoker.automatic_messages import timers
from invoker.automatic_messages.defaults import IDLE_DEFAULTS, SUBTYPES
from invoker.models import (
    Alert,
    AlertState,
    AllowedDomain,
    AutomaticMessage,
    AutomaticText,
    Connection,
    ControllerBot,
    OfficeHours,
    Secret,
)

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
IDLE_NAMES: Final = {
    "AGENT_NON_RESPONSIVE": "agent",
    "CONSUMER_NON_RESPONSIVE": "consumer",
    "CONV_AWAITING_IN_QUEUE": "queue",
}


@dataclass(frozen=True, slots=True)
class State:
    """How a setting stands, in a line. `warns` when something is missing or away."""

    text: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    about: str
    url: str
    state: State


@require_GET
def settings_overview(request: AccountRequest, account_id: str) -> HttpResponse:
    lines = [
        Line(label, _TOLD[name][0], reverse(name, args=[account_id]), _TOLD[name][1](request))
        for name, label in SETTINGS
        if name in _TOLD and (may_administrate(request) or name not in FOR_ADMINS)
    ]
    return render(request, "accounts/settings.html", {"lines": lines})


def _connections(request: AccountRequest) -> State:
    active = Count("pk", filter=Q(active=True))
    found = Connection.objects.filter(account_id=request.account_id)
    counts = found.aggregate(all=Count("pk"), active=active)
    if not counts["all"]:
        return State("None, so no event can come in", warns=True)
    away = counts["all"] - counts["active"]
    names = found.order_by("name").values_list("name", flat=True)
    text = _listed(list(names[:4]), counts["all"])
    return State(f"{text}; {away} switched off" if away else text, warns=not counts["active"])


def _domains(request: AccountRequest) -> State:
    found = AllowedDomain.objects.filter(account_id=request.account_id)
    counts = found.aggregate(all=Count("pk"), own=Count("pk", filter=~Q(created_by="")))
    if not counts["all"]:
        return State("No domain: functions reach nothing outside")
    return State(f"{_count(counts['all'], 'allowed domain')}, {counts['own'] or 'none'} added here")


def _secrets(request: AccountRequest) -> State:
    found = Secret.objects.filter(account_id=request.account_id).order_by("key")
    keys = list(found.values_list("key", flat=True))
    return State(_listed(keys[:4], len(keys)) if keys else "No secret")


def _messages(request: AccountRequest) -> State:
    texts = AutomaticText.objects.filter(message=OuterRef("pk")).exclude(text="")
    counts = AutomaticMessage.objects.filter(
        account_id=request.account_id, subtype__in=SUBTYPES
    ).aggregate(
        on=Count("pk", filter=Q(Exists(texts), skill_id="", enabled=True)),
        skills=Count("skill_id", distinct=True, filter=Q(Exists(texts)) & ~Q(skill_id="")),
    )
    text = f"{counts['on']} of {len(SUBTYPES)} go out"
    if counts["skills"]:
        text += f", {_count(counts['skills'], 'skill')} with texts of their own"
    return State(text)


def _hours(request: AccountRequest) -> State:
    found = OfficeHours.objects.filter(account_id=request.account_id)
    rows = list(found.order_by("-is_default", "name"))
    if not rows:
        return State("None, so the account is always open")
    text = _now(rows[0])
    more = len(rows) - 1
    return State(f"{text}; {more} more for skills" if more else text)


def _now(row: OfficeHours) -> str:
    """What a profile says at this moment."""
    now_ms = (timezone.now() - _EPOCH) // dt.timedelta(milliseconds=1)
    shift = hours.calendar_of(row).shift(now_ms)
    word = "open" if shift.open else "closed"
    if shift.until_ms is None:
        return f"Always {word}"
    until = _EPOCH + dt.timedelta(milliseconds=shift.until_ms)
    wall = until.astimezone(ZoneInfo(row.time_zone))
    return f"{word.capitalize()} until {wall:%a %Y-%m-%d %H:%M} {row.time_zone}"


def _idle_times(request: AccountRequest) -> State:
    own = AutomaticMessage.objects.filter(account_id=request.account_id, subtype__in=IDLE_DEFAULTS)
    set_here = dict(own.filter(skill_id="").values_list("subtype", "timer_s"))
    told = []
    for subtype, usual in IDLE_DEFAULTS.items():
        timer_s = set_here.get(subtype)
        told.append(
            f"{IDLE_NAMES[subtype]} {timers.spell(usual.seconds if timer_s is None else timer_s)}"
        )
    return State(", ".join(told).capitalize())


def _bot(request: AccountRequest) -> State:
    bot = ControllerBot.objects.filter(pk=request.account_id).first()
    if bot is None:
        return State("Not set up: the account team can do it", warns=True)
    if bot.functions_enabled_at is None:
        return State("Set up, but functions are not enabled", warns=True)
    retries = bot.function_retries
    again = f"tries a failed function {_count(retries, 'time')} again" if retries else (
        "never tries a failed function again"
    )  # fmt: skip
    return State(f"Set up by {bot.set_up_by}, {again}")


def _retention(request: AccountRequest) -> State:
    days = retention.of_account(request.account_id)
    told = [
        f"{name} {_count(count, 'day') if count else 'for ever'}"
        for name, count in (
            ("events", days.events_days),
            ("logs", days.logs_days),
            ("bodies", days.bodies_days),
        )
    ]
    return State(", ".join(told).capitalize())


def _api_clients(request: AccountRequest) -> State:
    found = ApiClient.objects.filter(account=request.account, revoked_at=None)
    counts = found.aggregate(all=Count("pk"), used=Max("last_used_at"))
    if not counts["all"]:
        return State("No API client")
    used = f"last used {relative(counts['used'])}" if counts["used"] else "never used"
    return State(f"{_count(counts['all'], 'API client')}, {used}")


def _members(request: AccountRequest) -> State:
    counts = request.account.memberships.aggregate(
        people=Count("user", distinct=True), admins=Count("pk", filter=Q(role=Role.ADMIN))
    )
    if not counts["people"]:
        people = "Nobody yet"
    else:
        people = f"{_count(counts['people'], 'member')}, {_count(counts['admins'], 'admin')}"
    waiting = invitations.waiting(request.account).filter(expires_at__gt=timezone.now())
    if invited := waiting.count():
        people += f", {invited:,} invited"
    return State(people, warns=not counts["admins"])


def _alerts(request: AccountRequest) -> State:
    counts = Alert.objects.filter(account_id=request.account_id).aggregate(
        all=Count("pk"), firing=Count("pk", filter=Q(enabled=True, state=AlertState.FIRING))
    )
    if not counts["all"]:
        return State("No alert: nobody is told when something goes wrong")
    firing = counts["firing"]
    text = _count(counts["all"], "alert")
    return State(f"{text}, {firing} firing" if firing else f"{text}, none firing", warns=firing > 0)


def _audit(request: AccountRequest) -> State:
    newest = audit.stream(request.account_id, functions_only=not may_administrate(request), count=1)
    if not newest:
        return State("No change yet")
    entry = newest[0]
    return State(f"{entry.by} {entry.words}, {relative(entry.at)}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _listed(names: list[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


_TOLD: Final[Mapping[str, tuple[str, Callable[[AccountRequest], State]]]] = {
    "connections": ("The messaging platforms whose events come in", _connections),
    "domains": ("The hosts that functions may connect to", _domains),
    "secrets": ("Passwords and keys that functions read", _secrets),
    "automatic-messages": ("What goes out when no function answers", _messages),
    "hours": ("When the account and its skills are open", _hours),
    "idle-times": ("After how long a silent conversation is an event", _idle_times),
    "controller-bot": ("How often it tries again, what it calls agents", _bot),
    "retention": ("How long events, logs and bodies are kept", _retention),
    "api-clients": ("The machines that call the API of this account", _api_clients),
    "members": ("The people of this account and what they may do", _members),
    "alerts": ("Who is told when functions fail, slow down or fall silent", _alerts),
    "audit-log": ("Who changed what, when and from where", _audit),
}
"""What each page of settings is about, and how it stands."""
