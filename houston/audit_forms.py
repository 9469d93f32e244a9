"""What people type to find changes in the audit log."""

import datetime as dt

from django import forms
from django.db.models import QuerySet

from houston.account_forms import CODE_LIKE, Form
from invoker import audit
from invoker.models import AuditEntry


class DateField(forms.DateField):
    default_error_messages = {"invalid": "Cannot filter: enter a day such as 2026-01-31"}

    def __init__(self, label: str) -> None:
        widget = forms.DateInput({"type": "date", "data-submits": True, "aria-label": label})
        super().__init__(required=False, label=label, widget=widget)


class AuditFilterForm(Form):
    """Days are those of UTC, as all times of the console."""

    by = forms.CharField(
        required=False,
        max_length=150,
        label="Person",
        widget=forms.TextInput(
            {**CODE_LIKE, "type": "search", "placeholder": "Person", "aria-label": "Person",
             "list": "people"}
        ),
    )  # fmt: skip
    kind = forms.ChoiceField(
        required=False, widget=forms.Select({"data-submits": True, "aria-label": "Part"})
    )
    subject = forms.CharField(
        required=False,
        max_length=200,
        label="Name",
        widget=forms.TextInput(
            {**CODE_LIKE, "type": "search", "placeholder": "Name of what changed",
             "aria-label": "Name of what changed"}
        ),
    )  # fmt: skip
    since = DateField("From")
    until = DateField("To")

    def __init__(self, *args: object, functions_only: bool = False) -> None:
        super().__init__(*args)
        kinds = audit.KINDS
        if functions_only:
            kinds = {kind: audit.KINDS[kind] for kind in audit.OF_FUNCTIONS}
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Everything"), *kinds.items()]

    @property
    def wishes(self) -> dict[str, str]:
        """What was asked for and can be used, as parts of an address."""
        return {name: str(value) for name, value in self.cleaned_data.items() if value}

    def narrow(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        values = self.cleaned_data
        if by := values.get("by"):
            entries = entries.filter(by__iexact=by)
        if kind := values.get("kind"):
            entries = entries.filter(subject_kind=kind)
        if subject := values.get("subject"):
            entries = entries.filter(subject__icontains=subject)
        if since := values.get("since"):
            entries = entries.filter(at__gte=_midnight(since))
        if until := values.get("until"):
            entries = entries.filter(at__lt=_midnight(until) + dt.timedelta(days=1))
        return entries


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
