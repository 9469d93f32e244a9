"""What people type into the console. Forms check the shape, services check the rules."""

import json
import re
from collections.abc import Collection, Mapping
from itertools import zip_longest
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from functions import payloads, services
from functions.models import State
from invoker import events
from invoker.models import SKILL_ID_LENGTH, Verdict

IN_PROGRESS = "in-progress"
LONGEST_NOTE = 200
# All skills a function can have, with what people may put between them.
LONGEST_FILTER = 100
LONGEST_SKILLS = services.MAX_SKILLS * (SKILL_ID_LENGTH + 10)
# What a version number can be in every database.
LARGEST_NUMBER = 2**31 - 1

Pairs = list[tuple[str, str]]


class VariablesWidget(forms.Widget):
    """Rows of a name and a value, sent as two lists of equal length."""

    template_name = "functions/variables.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Pairs:  # noqa: ARG002
        lists = data if isinstance(data, MultiValueDict) else MultiValueDict()
        names, values = lists.getlist("variable_name"), lists.getlist("variable_value")
        return list(zip_longest(names, values, fillvalue=""))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:  # noqa: ARG002
        return "variable_name" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        context["pairs"] = list(value.items()) if isinstance(value, Mapping) else value or []
        context["reserved"] = " ".join(sorted(services.RESERVED_VARIABLES))
        context["longest_name"] = services.MAX_VARIABLE_NAME
        context["longest_value"] = services.MAX_VARIABLE_VALUE
        return context


class VariablesField(forms.Field):
    """Environment variables as a mapping; rows that were left empty do not count."""

    widget = VariablesWidget

    def clean(self, value: Pairs) -> dict[str, str]:
        variables: dict[str, str] = {}
        for typed, content in value:
            name = typed.strip()
            if not name and not content:
                continue
            if not name:
                raise ValidationError(
                    f'Cannot use the value "{content[:40]}": its variable has no name'
                )
            if name in variables:
                raise ValidationError(f'Cannot use the variable "{name[:60]}": it is there twice')
            if "\0" in content:
                raise ValidationError(
                    f'Cannot use the variable "{name[:60]}": its value contains a NUL character'
                )
            variables[name] = content
        return variables

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.clean(data) != (initial or {}))


class SkillsWidget(forms.TextInput):
    """A text field; a script shows the ids as chips."""

    template_name = "functions/skills.html"


class SkillsField(forms.CharField):
    """Ids of skills, separated by commas, spaces or lines. Empty means every skill."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            max_length=LONGEST_SKILLS,
            help_text="Ids, separated by commas. It runs only while the conversation has one of "
            "these skills; empty means every skill",
            widget=SkillsWidget(
                attrs={
                    "autocomplete": "off",
                    "spellcheck": "false",
                    "class": "mono",
                    "placeholder": "All skills",
                }
            ),
        )

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [skill_id for skill_id in re.split(r"[\s,]+", super().clean(value)) if skill_id]


class SkillsForm(forms.Form):
    """The skills of a function that exists. Its field stands inside the form of the draft."""

    skills = SkillsField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["skills"].widget.attrs["form"] = "skills-form"


class CheckForm(forms.Form):
    """The code of a draft as it stands in the editor."""

    use_required_attribute = False

    code = forms.CharField(required=False, strip=False)

    def clean_code(self) -> str:
        # Browsers send every line break of a text area as two characters.
        return str(self.cleaned_data["code"]).replace("\r\n", "\n")


class CodeForm(CheckForm):
    """The parts of a draft that a run depends on."""

    environment = VariablesField(label="Environment variables", required=False)


class DraftForm(CodeForm):
    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, widget=forms.HiddenInput)
    description = forms.CharField(
        max_length=services.MAX_DESCRIPTION,
        error_messages={"required": "Cannot save: the description is empty"},
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    field_order = ["version", "code", "description", "environment"]


def read_json(text: str, subject: str) -> Any:
    """What a JSON text says; `subject` begins what is said where it says nothing.

    Raises:
        ValidationError: it is no JSON, in which line and column, or nothing that a function takes.
    """
    try:
        value = json.loads(text, parse_constant=_reject_constant)
        # What the sandbox takes is narrower than what this reads: numbers end, text is text.
        msgspec.json.encode(value)
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"{subject} is not JSON, {error.msg} in line {error.lineno}, column {error.colno}"
        ) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValidationError(f"{subject} cannot be sent, {error}") from error
    return value


class InputForm(forms.Form):
    """The JSON text in the payload editor; the cleaned value is what it says."""

    use_required_attribute = False

    payload = forms.CharField(
        strip=False, error_messages={"required": "Cannot run the test: the payload is empty"}
    )

    def clean_payload(self) -> Any:
        return read_json(self.cleaned_data["payload"], "Cannot run the test: the payload")


class TestForm(InputForm, CodeForm):
    """A draft as it stands in the editor, and what to run it with."""

    __test__ = False


class PayloadForm(InputForm):
    """What stands in the payload editor, and the name to keep it under."""

    payload_name = forms.CharField(
        label="Name",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": payloads.MAX_NAME}),
    )


class PayloadNameForm(forms.Form):
    """Another name of a saved payload."""

    name = forms.CharField(
        label="Name",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": payloads.MAX_NAME}),
    )


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class DeployForm(forms.Form):
    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, widget=forms.HiddenInput)
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "placeholder": "What changed and why (optional)"}
        ),
    )
    # How many scenarios were seen to differ, and whether it is deployed all the same.
    differing = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, required=False)
    although = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if (count := given.get("differing")) and not given.get("although"):
            raise ValidationError(
                f"Cannot deploy: {count} scenario{'s differ' if count > 1 else ' differs'}, tick "
                "that you deploy although, or change the function",
                code="scenarios-differ",
            )
        return given


class VersionForm(forms.Form):
    """Which version of the draft somebody saw when they acted."""

    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER)


class VersionsForm(forms.Form):
    """Two versions to compare, and where the page of the list begins."""

    left = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, required=False)
    right = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, required=False)
    before = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, required=False)


class ChooseForm(forms.Form):
    """What a new function starts from, and what was typed for it already.

    A template decides the event; "empty" is none. Nothing here is refused: what makes no sense is
    left out, and shown as if it had not been asked for.
    """

    event = forms.ChoiceField(
        choices=[(each.id, each.name) for each in events.EVENT_TYPES.values()], required=False
    )
    template = forms.CharField(required=False)
    q = forms.CharField(required=False, max_length=LONGEST_FILTER)
    name = forms.CharField(required=False, max_length=services.MAX_NAME)
    description = forms.CharField(required=False, max_length=services.MAX_DESCRIPTION)
    skills = forms.CharField(required=False, max_length=LONGEST_SKILLS)


class NewFunctionForm(forms.Form):
    event_type = forms.ChoiceField(
        choices=[(each.id, each.name) for each in events.EVENT_TYPES.values()],
        required=False,
        widget=forms.HiddenInput,
    )
    template = forms.CharField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=services.MAX_NAME,
        help_text="Letters, digits, underscores. It cannot be changed later",
        widget=forms.TextInput(
            attrs={
                "pattern": "[A-Za-z0-9_]+",
                "title": "Letters, digits and underscores",
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "class": "mono",
                "aria-describedby": "name-said id_name_helptext",
            }
        ),
    )
    description = forms.CharField(
        max_length=services.MAX_DESCRIPTION,
        help_text="What it is for: the list of functions shows it",
        widget=forms.Textarea(
            attrs={"rows": 2, "aria-describedby": "description-said id_description_helptext"}
        ),
    )
    skills = SkillsField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        described = {"aria-describedby": "skills-said id_skills_helptext"}
        self.fields["skills"].widget.attrs |= described


class ListFilterForm(forms.Form):
    """What the list of functions shows, and in which order. A wish that cannot be is none."""

    NO_EVENT = "none"
    """Stands for no event in an address, where an empty value stands for any."""

    q = forms.CharField(required=False)
    state = forms.ChoiceField(
        choices=[("", "Any state"), *State.choices],
        required=False,
        widget=forms.Select(attrs={"aria-label": "State"}),
    )
    event = forms.ChoiceField(required=False, widget=forms.Select(attrs={"aria-label": "Event"}))
    sort = forms.CharField(required=False)

    def __init__(self, data: Any, *, used: Collection[str] = frozenset(events.EVENT_TYPES)) -> None:
        """`used` are the event types that the account has functions of."""
        super().__init__(data)
        asked = {self.NO_EVENT: events.NO_EVENT}.get(data.get("event"), data.get("event"))
        self.fields["event"].choices = [  # type: ignore[attr-defined]
            ("", "Any event"),
            *(
                (each.id or self.NO_EVENT, each.name)
                for each in events.EVENT_TYPES.values()
                if each.id in {*used, asked}
            ),
        ]

    @property
    def wishes(self) -> dict[str, str]:
        """What was asked for by the name in the address, without what is empty or not possible."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class TypedNameForm(forms.Form):
    """The name of what is about to be lost, typed to show that it is meant."""

    name = forms.CharField(required=False)

    def __init__(self, data: Any, *, expected: str) -> None:
        super().__init__(data, label_suffix="")
        self.expected = expected
        self.fields["name"].label = f"Type {expected} to go on"
        self.fields["name"].widget.attrs.update(
            {
                "pattern": re.escape(expected),
                "title": expected,
                "required": True,
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "class": "mono",
            }
        )

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if typed != self.expected:
            raise ValidationError(f'"{typed[:60]}" is not its name: type {self.expected}')
        return typed


class DeploymentFilterForm(forms.Form):
    function = forms.CharField(required=False)
    serving = forms.BooleanField(required=False, label="Serving now")


def _event_choices() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Every type that can happen, under its heading."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in events.EVENT_TYPES.values():
        if each.id != events.NO_EVENT:
            groups.setdefault(each.group.value, []).append((each.id, each.name))
    return [("", "Any event"), *groups.items()]


class ActivityFilterForm(forms.Form):
    function = forms.CharField(required=False)
    event = forms.ChoiceField(
        choices=_event_choices,
        required=False,
        widget=forms.Select({"aria-label": "Event", "data-submits": True}),
    )
    conversation = forms.CharField(required=False)
    verdict = forms.ChoiceField(
        choices=[
            ("", "Any result"),
            (IN_PROGRESS, Verdict.NONE.label),
            *((each.value, each.label) for each in Verdict if each != Verdict.NONE),
        ],
        required=False,
    )
