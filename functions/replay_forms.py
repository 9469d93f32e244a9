"""What somebody asks a replay for, as it stands in an address."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from functions import replays
from functions.replays import Against, Beside, Progress

COUNTS = (5, 20, 100, 1000)
USUAL_COUNT = 100
OF = ("last", "conversation", "event", "activity")
LONGEST_ID = 200


class ReplayForm(forms.Form):
    """Which events, against what, compared with what.

    Of the filter of Activity, whose fields stand beside these, the view knows more. `cursor` is
    where the slice before ended, `stop` says that nobody wants the next one.
    """

    use_required_attribute = False

    of = forms.ChoiceField(choices=[(each, each) for each in OF], required=False)
    event_id = forms.UUIDField(
        required=False,
        label="Event id",
        error_messages={"invalid": "Cannot replay: this is no event's id, take it from its trace"},
        widget=forms.TextInput({"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    conversation = forms.CharField(
        required=False,
        max_length=LONGEST_ID,
        label="Conversation id",
        widget=forms.TextInput({"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    function = forms.CharField(required=False, max_length=50)
    last = forms.TypedChoiceField(
        choices=[(each, f"{each:,}") for each in COUNTS],
        coerce=int,
        required=False,
        label="Last events",
    )
    against = forms.CharField(required=False, max_length=40)
    beside = forms.ChoiceField(
        choices=[
            (Beside.HAPPENED.value, "What really happened"),
            (Beside.DEPLOYED.value, "The deployed version"),
        ],
        required=False,
        label="Compared with",
    )
    network = forms.BooleanField(required=False, label="Allow the network")
    cursor = forms.CharField(required=False, max_length=300)
    stop = forms.CharField(required=False, max_length=3)

    def clean_of(self) -> str:
        return self.cleaned_data["of"] or OF[0]

    def clean_last(self) -> int:
        return self.cleaned_data["last"] or USUAL_COUNT

    def clean_beside(self) -> Beside:
        return Beside(self.cleaned_data["beside"] or Beside.HAPPENED)

    def clean_against(self) -> Against:
        try:
            return Against.read(self.cleaned_data["against"] or "draft")
        except replays.InvalidChoiceError as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean_cursor(self) -> Progress:
        try:
            return Progress.read(self.cleaned_data["cursor"])
        except replays.InvalidChoiceError as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        match cleaned.get("of"):
            case "event" if "event_id" not in self.errors and not cleaned.get("event_id"):
                self.add_error("event_id", "Cannot replay: say which event")
            case "conversation" if not cleaned.get("conversation"):
                self.add_error("conversation", "Cannot replay: say which conversation")
            case "last" if not cleaned.get("function"):
                self.add_error("function", "Cannot replay: choose a function")
        return cleaned

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence; "" where nothing is."""
        return next((str(each[0]) for each in self.errors.values() if each), "")

    @property
    def said(self) -> dict[str, str]:
        """What was asked for, by the names in the address, without what is usual or empty."""
        cleaned = self.cleaned_data
        said = {
            "of": cleaned["of"],
            "event_id": str(cleaned["event_id"] or "") if cleaned["of"] == "event" else "",
            "conversation": cleaned["conversation"],
            "function": cleaned["function"],
            "last": str(cleaned["last"]) if cleaned["of"] == "last" else "",
            "against": str(cleaned["against"]),
            "beside": "" if cleaned["beside"] == Beside.HAPPENED else str(cleaned["beside"]),
            "network": "on" if cleaned["network"] else "",
        }
        return {name: value for name, value in said.items() if value}
