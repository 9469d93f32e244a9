"""A document that people hand in: as a file, or as text."""

from typing import Any

from django import forms

from houston.account_forms import CODE_LIKE, Form

MAX_DOCUMENT = 1_000_000


class DocumentForm(Form):
    """`document` is the text of either; what it says is for those who import it."""

    file = forms.FileField(
        required=False,
        label="File",
        widget=forms.FileInput({"accept": "application/json,.json"}),
    )
    document = forms.CharField(
        required=False,
        strip=False,
        label="Or the list itself",
        max_length=2 * MAX_DOCUMENT,
        widget=forms.Textarea({**CODE_LIKE, "rows": 8, "class": "code-input"}),
    )

    def clean(self) -> dict[str, Any]:
        """Put what the file holds in `document`."""
        values: dict[str, Any] = super().clean() or {}
        file = values.get("file")
        if file is not None:
            try:
                values["document"] = file.read(4 * MAX_DOCUMENT).decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error(
                    "file", "Cannot import the file: save it as UTF-8 and choose it again"
                )
        elif not values.get("document", "").strip() and not self.errors:
            self.add_error("document", "Cannot import nothing: choose a file or paste a list")
        return values
