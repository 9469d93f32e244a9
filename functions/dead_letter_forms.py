"""What people choose and type on the pages of dead letters."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django import forms

from invoker.models import LONGEST_NOTE, Connection, LetterKind, LetterState

WAITING = ""
LARGEST_COUNT = 2**31 - 1
STATES = (
    (WAITING, "Waiting"),
    (LetterState.DISCARDED.value, "Discarded"),
    (LetterState.DONE.value, "Went through"),
)


def _select(label: str) -> forms.Select:
    return forms.Select({"aria-label": label, "data-submits": True})


class LetterFilterForm(forms.Form):
    state = forms.ChoiceField(choices=STATES, required=False, widget=_select("State"))
    kind = forms.ChoiceField(
        choices=[("", "Any kind"), *LetterKind.choices], required=False, widget=_select("Kind")
    )
    reason = forms.CharField(required=False, max_length=60)
    connection = forms.ChoiceField(required=False, widget=_select("Connection"))

    def __init__(self, connections: Iterable[Connection], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["connection"]
        assert isinstance(field, forms.ChoiceField)
        names = [(str(each.pk), each.name) for each in connections]
        field.choices = [("", "Any connection"), *names]


class NoteForm(forms.Form):
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=LONGEST_NOTE,
        help_text="Why nothing has to be done; kept with it",
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class StepForm(forms.Form):
    """What a step through many carries along: when the first began, how many there are."""

    begun = forms.CharField(required=False)
    total = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_COUNT)
    done = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_COUNT)

    def clean_begun(self) -> dt.datetime | None:
        """None for what was not written here."""
        try:
            moment = dt.datetime.fromisoformat(self.cleaned_data["begun"])
            return moment.astimezone(dt.UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):
            return None


class InsistForm(forms.Form):
    """Whether a guard is to be passed over; it only asks where there is one that may be."""

    insists = forms.BooleanField(required=False, label="Send it all the same")
