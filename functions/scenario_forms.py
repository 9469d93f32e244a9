"""What people type about scenarios: their files, who plays in them, and which are shown."""

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from functions import kept_scenarios, scenarios
from functions.forms import LARGEST_NUMBER, LONGEST_FILTER
from functions.models import Function, Scenario
from functions.scenario_runs import Wish
from functions.scenarios.documents import LONGEST_FILE
from invoker import events

DEPLOYED, DRAFTS, VERSION = "deployed", "drafts", "version"
PASSED, DIFFERS, NEVER = "passed", "differs", "never"
LONGEST_DESCRIPTION = 500
# A character may be four bytes.
MOST_BYTES = 4 * LONGEST_FILE


class FileForm(forms.Form):
    """A scenario's file, typed or handed in. What is wrong in it, `scenarios` says."""

    use_required_attribute = False

    version = forms.IntegerField(
        min_value=1, max_value=LARGEST_NUMBER, required=False, widget=forms.HiddenInput
    )
    text = forms.CharField(
        label="File",
        required=False,
        strip=False,
        max_length=2 * LONGEST_FILE,
        widget=forms.Textarea({"rows": 28, "class": "code-input", "spellcheck": "false"}),
    )
    upload = forms.FileField(
        label="Or hand in a file",
        required=False,
        allow_empty_file=True,
        help_text="YAML or JSON. It takes the place of what stands above",
        widget=forms.FileInput({"accept": ".yaml,.yml,.json"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})

    def clean_upload(self) -> str:
        file = self.cleaned_data["upload"]
        if not file:
            return ""
        packed: bytes = file.read(MOST_BYTES + 1)
        try:
            return packed.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ValidationError(
                f'Cannot read "{file.name[:60]}": it is not UTF-8, save it as UTF-8',
                code="not-text",
            ) from error

    @property
    def handed_in(self) -> str:
        """The text that counts: that of the file, where there is one."""
        typed: str = self.cleaned_data["text"].replace("\r\n", "\n")
        return self.cleaned_data.get("upload") or typed


class NewScenarioForm(FileForm):
    """A file with its name and description beside it, which count more than what is in it."""

    name = forms.CharField(
        max_length=kept_scenarios.LONGEST_NAME, widget=forms.TextInput({"autocomplete": "off"})
    )
    description = forms.CharField(required=False, max_length=LONGEST_DESCRIPTION)

    field_order = ["name", "description", "text"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["upload"]

    def named(self) -> str:
        """The text of the file under the name that was typed.

        Raises:
            ScenarioError: it cannot be read.
        """
        document = scenarios.read(self.cleaned_data["text"].replace("\r\n", "\n"))
        about = {each: self.cleaned_data[each] for each in ("name", "description")}
        return scenarios.write(msgspec.structs.replace(document, **about))


class NameForm(forms.Form):
    """The name and description of a scenario that is there."""

    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=kept_scenarios.LONGEST_NAME, widget=forms.TextInput({"autocomplete": "off"})
    )
    description = forms.CharField(required=False, max_length=LONGEST_DESCRIPTION)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})


class AcceptForm(forms.Form):
    """Which version, and which of its runs, somebody has seen who takes over what came."""

    version = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER)
    run_at = forms.CharField(max_length=40)


class CastForm(forms.Form):
    """Who plays. An address that only names drafts, or a function's version, means these."""

    who = forms.ChoiceField(
        label="Who plays",
        required=False,
        choices=[
            (DEPLOYED, "What is deployed"),
            (DRAFTS, "What is deployed, but the drafts of"),
            (VERSION, "What is deployed, but a version of"),
        ],
        widget=forms.RadioSelect,
    )
    draft = forms.MultipleChoiceField(
        label="Functions",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": 'Cannot run: the account has no function "%(value)s"',
        },
    )
    function = forms.ChoiceField(
        required=False,
        widget=forms.Select({"aria-label": "Function of which an older version plays"}),
        error_messages={"invalid_choice": 'Cannot run: the account has no function "%(value)s"'},
    )
    number = forms.IntegerField(
        label="Version", min_value=1, max_value=LARGEST_NUMBER, required=False
    )
    network = forms.BooleanField(
        label="Let requests leave, to the hosts of the allow-list", required=False
    )

    def __init__(self, functions: Iterable[Function], data: QueryDict) -> None:
        super().__init__(data, label_suffix="", auto_id="cast_%s")
        self._sent = data
        self.functions = {each.name: each for each in functions}
        names = [(name, name) for name in self.functions]
        self.fields["draft"].choices = names  # type: ignore[attr-defined]
        self.fields["function"].choices = [("", "Choose a function"), *names]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not given.get("who"):
            given["who"] = (
                DRAFTS if given.get("draft") else VERSION if given.get("function") else DEPLOYED
            )
        if given["who"] == DRAFTS and not given.get("draft") and "draft" not in self.errors:
            self.add_error("draft", "Cannot run: choose a function whose draft plays")
        if given["who"] == VERSION and not self.errors:
            if not given.get("function"):
                self.add_error("function", "Cannot run: choose a function")
            elif not given.get("number"):
                self.add_error("number", "Cannot run: say which version of it plays")
        return given

    @property
    def problem(self) -> str:
        """What is wrong with it, in one line; "" for nothing."""
        return " ".join(str(each) for errors in self.errors.values() for each in errors)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What was sent, for a form that goes on with it."""
        return [(name, each) for name in self.fields for each in self._sent.getlist(name)]

    @property
    def chosen_who(self) -> str:
        return self.cleaned_data["who"] if self.is_valid() else self.data.get("who") or DEPLOYED

    @property
    def words(self) -> str:
        """Who plays, to be read after "played by"."""
        if not self.is_valid():
            return "what is deployed"
        return self.wish.words(self.functions[name] for name in self._chosen())

    def _chosen(self) -> list[str]:
        given = self.cleaned_data
        if given["who"] == DRAFTS:
            return list(given["draft"])
        return [given["function"]] if given["who"] == VERSION else []

    @property
    def wish(self) -> Wish:
        given = self.cleaned_data
        drafts: frozenset[uuid.UUID] = frozenset()
        versions: dict[uuid.UUID, int] = {}
        if given["who"] == DRAFTS:
            drafts = frozenset(self.functions[name].pk for name in given["draft"])
        if given["who"] == VERSION:
            versions = {self.functions[given["function"]].pk: given["number"]}
        return Wish(drafts=drafts, versions=versions, network=given["network"])


class ScenarioFilterForm(forms.Form):
    """Which scenarios are shown, and run together."""

    q = forms.CharField(required=False, max_length=LONGEST_FILTER)
    event = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any event"),
            *((each.id, each.name) for each in events.EVENT_TYPES.values() if each.runs_commands),
        ],
        widget=forms.Select({"aria-label": "Event"}),
    )
    result = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any result"),
            (PASSED, "Passed"),
            (DIFFERS, "Differs"),
            (NEVER, "Not run yet"),
        ],
        widget=forms.Select({"aria-label": "Result"}),
    )

    def wishes(self) -> dict[str, str]:
        """What is asked for; what cannot be chosen asks for nothing."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class BatchForm(forms.Form):
    """How far a run of several scenarios has come: what one slice tells the next."""

    after = forms.CharField(required=False, strip=False, max_length=kept_scenarios.LONGEST_NAME)
    count = forms.IntegerField(min_value=0, max_value=kept_scenarios.MAX_SCENARIOS, required=False)
    passed = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER, required=False)
    differ = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER, required=False)
    # Those of `differ` that differ with what is deployed, too.
    anyway = forms.IntegerField(min_value=0, max_value=LARGEST_NUMBER, required=False)
    # The function that is about to be deployed, where that is why they run, and the version of it
    # that was seen.
    deploys = forms.SlugField(required=False)
    seen = forms.IntegerField(min_value=1, max_value=LARGEST_NUMBER, required=False)
    stop = forms.BooleanField(required=False)


def matches(scenario: Scenario, wishes: dict[str, str]) -> bool:
    """Whether a scenario is one of those that a filter shows."""
    text = wishes.get("q", "").casefold()
    if text and text not in f"{scenario.name}\n{scenario.description}".casefold():
        return False
    if "event" in wishes and wishes["event"] not in scenario.event_types:
        return False
    states = {PASSED: True, DIFFERS: False, NEVER: None}
    return "result" not in wishes or scenario.last_passed is states[wishes["result"]]


def example(name: str) -> str:
    """What a new file begins with: the shortest scenario that there is."""
    return scenarios.write(
        scenarios.read(
            f"scenario: 1\nname: {name}\nsteps:\n  - at: 0s\n    act: start\n    text: Hello\n"
        )
    )
