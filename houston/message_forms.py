"""What people type into the pages of automatic messages, idle times and the controller bot."""

from typing import Any

from django import forms

from houston import account_forms
from invoker.automatic_messages import timers
from invoker.automatic_messages.changes import MAX_NICKNAME
from invoker.automatic_messages.errors import MessageError
from invoker.automatic_messages.names import SUBTYPE_NAMES
from invoker.models import AutomaticMessage, ControllerBot
from invoker.models.accounts import MOST_RETRIES, SKILL_ID_LENGTH

LANGUAGE_HELP = "A tag such as de or en-US"
PLACEHOLDER_HELP = (
    "{expectedResponseTime} and {agentNickname} are filled in when the message goes out"
)
MOST_TIME = 10_000_000
"""More than any idle time may have: what is too long is for `timers` to say."""


class Form(account_forms.Form):
    def explain_message(self, error: MessageError) -> None:
        self.add_error(error.field if error.field in self.fields else None, str(error))


class TextArea(forms.Textarea):
    def __init__(self, **attrs: object) -> None:
        super().__init__({"rows": 3, "dir": "auto", **attrs})


class FilterForm(Form):
    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", "All"),
            ("on", "Switched on"),
            ("off", "Switched off"),
            ("skills", "With skills of their own"),
        ],
        widget=forms.Select({"aria-label": "State"}),
    )


class TextsForm(Form):
    """The texts of one message: a field for each language, and which one is the default."""

    def __init__(self, message: AutomaticMessage, data: Any = None) -> None:
        self.texts = sorted(
            message.texts.all(), key=lambda each: (not each.is_default, each.language)
        )
        usual = next((each.language for each in self.texts if each.is_default), "")
        super().__init__(data, auto_id=f"id_{message.pk}_%s", initial={"default": usual})
        for each in self.texts:
            self.fields[f"text-{each.language}"] = forms.CharField(
                required=False, strip=False, initial=each.text, label="", widget=TextArea()
            )
        self.fields["default"] = forms.ChoiceField(
            choices=[(each.language, each.language) for each in self.texts],
            required=bool(self.texts),
            error_messages={
                "required": "Cannot save the texts: choose the default language",
                "invalid_choice": "Cannot save the texts: choose one of them as the default",
            },
        )

    @property
    def chosen_default(self) -> str:
        return str(self["default"].value() or "")

    def read(self) -> dict[str, str]:
        """Text by language."""
        return {each.language: self.cleaned_data[f"text-{each.language}"] for each in self.texts}


class NewTextForm(Form):
    language = forms.CharField(
        max_length=100,
        help_text=LANGUAGE_HELP,
        widget=forms.TextInput({**account_forms.CODE_LIKE, "list": "languages"}),
    )
    text = forms.CharField(strip=False, help_text=PLACEHOLDER_HELP, widget=TextArea())


class NewSkillForm(Form):
    skill = forms.CharField(
        label="Skill id",
        max_length=4 * SKILL_ID_LENGTH,
        help_text="As the messaging platform calls it; -1 for conversations without a skill",
        widget=forms.TextInput(account_forms.CODE_LIKE),
    )
    language = forms.CharField(
        max_length=100,
        initial="en-US",
        help_text=LANGUAGE_HELP,
        widget=forms.TextInput({**account_forms.CODE_LIKE, "list": "languages"}),
    )
    text = forms.CharField(
        required=False,
        strip=False,
        help_text="Empty shares the account's text and only gives the skill a switch of its own",
        widget=TextArea(),
    )


class TimerForm(Form):
    """One idle time. For a skill, an empty time takes the account's."""

    happens = forms.BooleanField(required=False, label="The event happens")
    count = forms.IntegerField(
        required=False,
        label="After",
        min_value=0,
        max_value=MOST_TIME,
        widget=forms.NumberInput({"inputmode": "numeric", "min": 1}),
    )
    unit = forms.ChoiceField(
        label="Unit",
        required=False,
        choices=[(unit, unit) for unit in reversed(timers.UNITS)],
    )
    repeats = forms.IntegerField(
        label="Times in all",
        min_value=1,
        max_value=timers.MOST_REPEATS,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"Cannot set the idle time: enter a number from 1 to {timers.MOST_REPEATS} times",
        ),
        widget=forms.NumberInput({"inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("happens") and not values.get("count") and "count" not in self.errors:
            self.add_error("count", "Cannot set the idle time: enter a number, or switch it off")
        if values.get("happens") and not values.get("unit") and "unit" not in self.errors:
            self.add_error("unit", "Cannot set the idle time: choose a unit")
        return values

    @property
    def timer_s(self) -> int:
        if not self.cleaned_data["happens"]:
            return 0
        return int(self.cleaned_data["count"]) * timers.UNITS[self.cleaned_data["unit"]]

    @staticmethod
    def values(timer_s: int, repeats: int) -> dict[str, Any]:
        count, unit = timers.split(timer_s) if timer_s else ("", "minutes")
        return {"happens": timer_s > 0, "count": count, "unit": unit, "repeats": repeats}

    def explain_message(self, error: MessageError) -> None:
        field = "count" if error.field == "timer" else error.field
        self.add_error(field if field in self.fields else None, str(error))


class SkillTimerForm(TimerForm):
    """The idle time of one more skill."""

    subtype = forms.ChoiceField(label="Idle time")
    skill = forms.CharField(
        label="Skill id",
        max_length=4 * SKILL_ID_LENGTH,
        widget=forms.TextInput(account_forms.CODE_LIKE),
    )
    field_order = ["subtype", "skill", "happens", "count", "unit", "repeats"]

    def __init__(self, *args: Any, subtypes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(subtype, SUBTYPE_NAMES[subtype]) for subtype in subtypes]
        self.fields["subtype"].choices = choices  # type: ignore[attr-defined]


class ControllerBotForm(Form):
    platform_retries = forms.TypedChoiceField(
        coerce=int,
        label="When Houston could not run the function",
        choices=[(count, str(count)) for count in range(MOST_RETRIES + 1)],
        help_text="How many times it is tried again, before the automatic message goes out",
    )
    function_retries = forms.TypedChoiceField(
        coerce=int,
        label="When the function failed or ran out of time",
        choices=[(count, str(count)) for count in range(MOST_RETRIES + 1)],
        help_text="How many times it is tried again. An error in the code mostly stays",
    )
    agent_nickname = forms.CharField(
        label="Agents without a nickname",
        max_length=4 * MAX_NICKNAME,
        help_text="What {agentNickname} becomes where the platform does not say who the agent is",
    )
    welcomes_after_auto_close = forms.BooleanField(
        required=False,
        label="Welcome consumers after an automatic close",
        help_text="Who comes back within 48 hours after the system closed their conversation only "
        "goes on with it, as on LivePerson. With this, it is a new conversation",
    )

    @staticmethod
    def values(bot: ControllerBot) -> dict[str, Any]:
        return {
            "platform_retries": bot.platform_retries,
            "function_retries": bot.function_retries,
            "agent_nickname": bot.agent_nickname,
            "welcomes_after_auto_close": bot.welcomes_after_auto_close,
        }
