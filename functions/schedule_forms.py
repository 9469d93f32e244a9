"""What people type about a schedule. The form checks the shape, `invoker.schedules` the rules."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from functions.forms import LARGEST_NUMBER, read_json
from invoker import schedules
from invoker.models.schedules import MAX_CRON, MAX_DESCRIPTION, MAX_ZONE

CODE_LIKE = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
EMPTY_BODY: Mapping[str, Any] = {"headers": [], "payload": {}}
# Indentation does not count, and the rules say how long it is without.
LONGEST_BODY = 8 * schedules.MAX_PAYLOAD


class TimesForm(forms.Form):
    """When, as far as it is typed."""

    cron_expression = forms.CharField(
        label="Cron expression",
        max_length=10 * MAX_CRON,
        widget=forms.TextInput({**CODE_LIKE, "class": "mono", "placeholder": "*/5 * * * *"}),
        error_messages={"required": "Cannot save the schedule: the cron expression is empty"},
    )
    time_zone = forms.CharField(
        label="Time zone",
        max_length=10 * MAX_ZONE,
        initial=schedules.UTC_ZONE,
        help_text="An IANA name such as Europe/Berlin: type a part of it to find it",
        widget=forms.TextInput({**CODE_LIKE, "list": "time-zones"}),
        error_messages={"required": "Cannot save the schedule: the time zone is empty"},
    )


class ScheduleForm(TimesForm):
    """A schedule that exists. The function stays; whether it is paused is no part of this."""

    use_required_attribute = False

    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, widget=forms.HiddenInput)
    description = forms.CharField(
        required=False,
        max_length=10 * MAX_DESCRIPTION,
        help_text="What it is for, for those who come after you",
    )
    body = forms.CharField(
        label="Input",
        strip=False,
        max_length=LONGEST_BODY,
        help_text=f"What the function gets, as JSON: headers, each with a key and a value, and the "
        f"payload, any value of at most {schedules.MAX_PAYLOAD:,} characters. The due time comes "
        "as timestamp",
        widget=forms.Textarea({"rows": 8, "class": "code-input", "spellcheck": "false"}),
        error_messages={"required": "Cannot save the schedule: the input is empty"},
    )

    field_order = ["function", "cron_expression", "time_zone", "description", "body"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})

    @staticmethod
    def initial_of(plan: schedules.Plan) -> dict[str, Any]:
        return {
            "cron_expression": plan.cron_expression,
            "time_zone": plan.time_zone,
            "description": plan.description,
            "body": as_text({"headers": plan.headers, "payload": plan.payload}),
        }

    def clean_body(self) -> Mapping[str, Any]:
        value = read_json(self.cleaned_data["body"], "Cannot save the schedule: the input")
        if not isinstance(value, dict) or not value.keys() <= EMPTY_BODY.keys():
            raise ValidationError(
                'Cannot save the schedule: the input must be an object with "headers" and '
                '"payload", and nothing else'
            )
        return {**EMPTY_BODY, **value}

    def read(self, *, active: bool) -> schedules.Plan:
        values = self.cleaned_data
        return schedules.Plan(
            cron_expression=values["cron_expression"],
            time_zone=values["time_zone"],
            active=active,
            description=values["description"],
            headers=values["body"]["headers"],
            payload=values["body"]["payload"],
        )

    def explain(self, error: schedules.ScheduleError) -> None:
        """Put an error of the rules beside the field that it is about."""
        field = "body" if error.field in EMPTY_BODY else error.field
        self.add_error(field if field in self.fields else None, str(error))


class NewScheduleForm(ScheduleForm):
    """A new one, for one of the functions that serve."""

    function = forms.ChoiceField(
        error_messages={
            "required": "Cannot create the schedule: choose a function",
            "invalid_choice": "Cannot create the schedule: this function is not deployed",
        },
    )

    def __init__(self, functions: Mapping[uuid.UUID, str], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["version"]
        field = self.fields["function"]
        assert isinstance(field, forms.ChoiceField)
        choices = [(str(pk), name) for pk, name in functions.items()]
        # Nobody should schedule the first one by not having looked.
        field.choices = choices if len(choices) == 1 else [("", "Choose a function"), *choices]


def as_text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
