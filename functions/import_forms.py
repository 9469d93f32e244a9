"""What people hand in to import functions, and what they choose of it."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from functions import exchange

VERSION = re.compile(r"[0-9]{1,9}")


class ArchiveForm(forms.Form):
    """A zip file. `archive` is cleaned to the folders that were found in it."""

    use_required_attribute = False

    archive = forms.FileField(
        label="Zip file",
        allow_empty_file=True,
        help_text=f"At most {exchange.MAX_ARCHIVE // 1024**2} MiB and {exchange.MAX_FOLDERS} "
        "functions",
        error_messages={"required": "Cannot import nothing: choose a zip file"},
        widget=forms.FileInput({"accept": ".zip,application/zip"}),
    )

    def clean_archive(self) -> list[exchange.Folder | exchange.Refused]:
        # One byte more than may come tells that there is more.
        packed: bytes = self.cleaned_data["archive"].read(exchange.MAX_ARCHIVE + 1)
        try:
            return exchange.read_archive(packed)
        except exchange.ArchiveError as error:
            raise ValidationError(str(error), code=error.code) from error


class DecisionForm(forms.Form):
    """What was chosen of a preview, which carries the folders themselves."""

    carried = forms.CharField(strip=False)
    # A name of a function holds no colon; what stands behind it is the version that was seen.
    chosen = forms.MultipleChoiceField(required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        # Any name may be chosen: those that are not in the archive come to nothing.
        self.fields["chosen"].choices = [  # type: ignore[attr-defined]
            (each, each) for each in data.getlist("chosen")
        ]

    def clean_carried(self) -> list[exchange.Folder | exchange.Refused]:
        try:
            return exchange.from_form(self.cleaned_data["carried"])
        except exchange.ArchiveError as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean_chosen(self) -> dict[str, int]:
        chosen: dict[str, int] = {}
        for each in self.cleaned_data["chosen"]:
            name, _, version = each.rpartition(":")
            if not VERSION.fullmatch(version):
                raise ValidationError("Cannot import: what was chosen is damaged, look again")
            chosen[name] = int(version)
        if not chosen:
            raise ValidationError("Cannot import nothing: choose at least one function")
        return chosen
