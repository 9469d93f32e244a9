"""What people type to play a conversation. Forms check the shape, the simulator the rest."""

import math
from typing import Any

import msgspec
from django import forms

from invoker import outlook
from invoker.models import Conversation
from invoker.simulator import acts
from invoker.simulator.acts import ActError

LONGEST_FILTER = 200
LONGEST_NAME = 40
CODE_LIKE = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
NOTHING_DUE = "Cannot go there: nothing of the kind is due any more"


class ConversationFilterForm(forms.Form):
    """What the list shows. `connection` is the id of one, or `simulated`."""

    q = forms.CharField(required=False, max_length=LONGEST_FILTER)
    connection = forms.CharField(required=False, max_length=LONGEST_FILTER)
    state = forms.ChoiceField(
        choices=[("", "Any state"), ("open", "Open"), ("closed", "Closed")],
        required=False,
        widget=forms.Select({"aria-label": "State", "data-submits": True}),
    )


class StartForm(forms.Form):
    """How a conversation begins."""

    use_required_attribute = False

    consumer = forms.CharField(
        label="Consumer",
        max_length=LONGEST_NAME,
        initial=acts.DEFAULT_CONSUMER,
        help_text="A name. Who is signed in comes back as the same one",
        error_messages={"required": "Cannot start: the consumer has no name"},
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    first_time = forms.TypedChoiceField(
        label="Has written before",
        choices=[("yes", "No, writes for the first time"), ("no", "Yes, comes back")],
        coerce=lambda value: value == "yes",
        initial="yes",
        widget=forms.RadioSelect,
    )
    authenticated = forms.BooleanField(label="Signed in", required=False)
    text = forms.CharField(
        label="First line",
        max_length=acts.LONGEST_TEXT,
        initial="Hello",
        error_messages={"required": "Cannot start: the consumer says nothing"},
        widget=forms.Textarea({"rows": 2}),
    )
    skill = forms.CharField(
        label="Skill",
        max_length=LONGEST_NAME,
        required=False,
        help_text="Where it comes in; empty for none",
        widget=forms.TextInput({**CODE_LIKE, "class": "mono", "list": "skills"}),
    )
    language = forms.CharField(
        label="Language",
        max_length=20,
        initial="en-US",
        widget=forms.TextInput({**CODE_LIKE, "list": "languages"}),
    )
    campaign = forms.CharField(
        label="Campaign",
        max_length=LONGEST_NAME,
        required=False,
        widget=forms.TextInput({**CODE_LIKE, "class": "mono"}),
    )
    engagement = forms.CharField(
        label="Engagement",
        max_length=LONGEST_NAME,
        required=False,
        widget=forms.TextInput({**CODE_LIKE, "class": "mono"}),
    )
    starts_at = forms.DateTimeField(
        label="Its clock begins at, UTC",
        required=False,
        help_text="Empty: now",
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={
            "invalid": "Cannot read it: write a date and a time, as in 2026-03-10 14:30"
        },
    )

    MORE = ("campaign", "engagement", "starts_at")

    languages = ("de-DE", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT", "ja-JP", "nl-NL", "pt-BR")

    @property
    def more(self) -> list[forms.BoundField]:
        """What few need."""
        return [self[name] for name in self.MORE]

    @property
    def more_open(self) -> bool:
        return any(self[name].value() or self[name].errors for name in self.MORE)

    def read(self) -> acts.Start:
        """The act that was typed.

        Raises:
            ActError: something in it cannot be.
        """
        known = {
            name: value
            for name, value in self.cleaned_data.items()
            if name != "starts_at" and value not in ("", None)
        }
        act = acts.read({"act": "start", **known})
        assert isinstance(act, acts.Start)
        return act


class ActForm(forms.Form):
    """Any act in a conversation that runs; of its fields each act takes its own."""

    act = forms.ChoiceField(
        choices=[(word, word) for word in acts.ACTS if word != "start"],
        error_messages={"invalid_choice": 'Cannot do "%(value)s": nobody knows such an act'},
    )
    text = forms.CharField(required=False, strip=False, max_length=acts.LONGEST_TEXT)
    agent = forms.CharField(required=False, max_length=LONGEST_NAME)
    who = forms.CharField(required=False, max_length=LONGEST_NAME)
    role = forms.CharField(required=False, max_length=LONGEST_NAME)
    skill = forms.CharField(required=False, max_length=LONGEST_NAME)
    state = forms.CharField(required=False, max_length=LONGEST_NAME)
    by = forms.CharField(required=False, max_length=LONGEST_NAME)
    on = forms.BooleanField(required=False)
    private = forms.BooleanField(required=False)
    survey = forms.BooleanField(required=False)
    minutes = forms.IntegerField(required=False, min_value=1, max_value=acts.LONGEST_WAIT_S // 60)
    seconds = forms.IntegerField(required=False, min_value=1, max_value=acts.LONGEST_WAIT_S)
    to = forms.CharField(required=False, max_length=LONGEST_NAME)

    EMPTY = {
        "text": "Cannot send it: the line is empty",
        "agent": "Cannot do this: the agent has no name",
        "who": "Cannot do this: it takes a name",
        "skill": "Cannot transfer it: the skill is empty",
        "minutes": "Cannot set it: it takes a number of minutes",
        "seconds": "Cannot let time pass: it takes a number of minutes",
    }

    def clean_text(self) -> str:
        # Browsers send every line break of a text area as two characters.
        return str(self.cleaned_data["text"]).replace("\r\n", "\n").strip()

    def read(self, conversation: Conversation) -> acts.Act:
        """The act that was sent; how long to wait is asked of the conversation's clock.

        Raises:
            ActError: something is missing, or cannot be.
        """
        sent = self.cleaned_data
        word = sent["act"]
        if word == "wait":
            seconds = _seconds(conversation, sent)
            sent = {"seconds": seconds}
        fields: dict[str, Any] = {"act": word}
        for field in msgspec.structs.fields(acts.ACTS[word]):
            value = sent.get(field.name)
            if value not in ("", None):
                fields[field.name] = value
            elif field.required or (field.name in self.data and field.name in self.EMPTY):
                raise ActError("bad-act", self.EMPTY[field.name])
        return acts.read(fields)


def _seconds(conversation: Conversation, sent: dict[str, Any]) -> int | None:
    """Until what is due, for so many minutes, or for so many seconds."""
    if not sent["to"]:
        minutes: int | None = sent["minutes"]
        seconds: int | None = sent["seconds"]
        return minutes * 60 if minutes else seconds
    ahead = outlook.look_ahead(conversation)
    due = {each.subtype: each.due_ms for each in ahead.silences} if ahead else {}
    if ahead:
        due["office"] = ahead.shift.until_ms
    due_ms = due.get(sent["to"])
    if ahead is None or due_ms is None:
        raise ActError("nothing-due", NOTHING_DUE)
    return max(1, math.ceil(due_ms / 1000 - ahead.now.timestamp()))
