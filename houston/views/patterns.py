"""Every component of the console in every state, on one page for whoever changes its styles."""

import datetime as dt

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from functions.forms import SkillsField
from functions.models import State
from functions.views.drawing import Drawn
from invoker.models import CommandState, InvocationState, Verdict

ICONS = (
    "mark", "home", "function", "activity", "logs", "metrics", "settings", "accounts", "health",
    "person", "help", "search", "down", "check", "close", "plus", "more", "info", "warning", "play",
    "rocket", "panel", "message", "transfer", "end", "external", "clock",
)  # fmt: skip
STATES = (
    ("Functions", [(each.value, each.label) for each in State]),
    ("Runs", [(each.value, each.label) for each in InvocationState]),
    ("Commands", [(each.value, each.label) for each in CommandState]),
    ("Events", [(each.value or "pending", each.label) for each in Verdict]),
    ("Anything", [("ok", "Fine"), ("warn", "Worth a look"), ("bad", "Broken"), ("", "Neutral")]),
)
WHY = "Only the first command of each type is carried out"
COMMANDS = (
    Drawn("message", text="Ahoy, and welcome aboard.\nSomebody is with you in two minutes."),
    Drawn("message", text="Thank you for waiting", automatic=True),
    Drawn("transfer", label="Transfer to skill 2041"),
    Drawn("close", label="Close the conversation"),
    Drawn("message", text="And once more", dropped=True, why=WHY),
    Drawn("unknown", label="callTaxi", dropped=True, why="Known types are systemMessage, transfer"),
    Drawn("silence", label="No message", why="The function asked for no message"),
)
LOGS = (
    {"level": "Debug", "message": "GET https://api.example.com/v2/bookings/2291 200 in 84 ms"},
    {"level": "Info", "message": "Booking found", "extras": [{"sailing": "14:30", "people": 4}]},
    {"level": "Warn", "message": "No language of the visitor is known, taking en-US"},
    {"level": "Error", "message": "Cannot read the loyalty number:\n  the answer is no JSON"},
)
LONG = "remind_and_close_idle_conversations_after_a_while"


class SampleForm(forms.Form):
    name = forms.CharField(help_text="Letters, digits and underscores")
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    platform = forms.ChoiceField(choices=[("generic", "Generic"), ("liveperson", "LivePerson")])
    skills = SkillsField()
    at = forms.DateTimeField(
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), required=False
    )
    enabled = forms.BooleanField(help_text="Stops the text, never the function", required=False)
    roles = forms.MultipleChoiceField(
        choices=[("admin", "Admin"), ("developer", "Developer")],
        widget=forms.CheckboxSelectMultiple,
    )


@require_GET
def patterns(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404
    filled = {
        "name": "greet",
        "platform": "generic",
        "skills": ["2041", "2042"],
        "roles": ["admin"],
    }
    now = timezone.now()
    context = {
        "icons": ICONS,
        "states": STATES,
        "commands": COMMANDS,
        "logs": LOGS,
        "form": SampleForm(initial=filled, prefix="fine"),
        "refused": SampleForm({}, prefix="refused"),
        "levels": ("success", "info", "warning", "error"),
        "times": [now - dt.timedelta(seconds=age) for age in (2, 90, 7_200, 260_000, 9_000_000)],
        "long": LONG,
        "tones": ("ok", "warn", "bad", "accent", "accent-wash", "warn-wash", "line"),
    }
    return render(request, "ui/patterns.html", context)
