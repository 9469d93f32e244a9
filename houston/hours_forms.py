"""What people type into the pages of office hours. Forms check shape, `hours.changes` the rules."""

import datetime as dt
import json
import re
from itertools import zip_longest
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from houston.account_forms import CODE_LIKE, Form
from houston.document_forms import DocumentForm
from invoker import hours
from invoker.hours import changes
from invoker.hours.reading import MAX_NAME, WEEKDAY_NAMES

DAYS = WEEKDAY_NAMES
MOST_ROWS = 100
ZONES = sorted(name for name in available_timezones() if "/" in name or name == "UTC")


class LongSelect(forms.Select):
    """A menu with hundreds of entries: Django's own renders a template for each of them."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,  # noqa: ARG002 -- Django hands it in
    ) -> SafeString:
        chosen = self.format_value(value)
        options = format_html_join(
            "\n",
            '<option value="{}"{}>{}</option>',
            ((key, " selected" if key in chosen else "", label) for key, label in self.choices),
        )
        return format_html(
            '<select name="{}"{}>\n{}\n</select>',
            name,
            flatatt(self.build_attrs(self.attrs, attrs)),
            options,
        )


class HoursForm(Form):
    """Puts errors of `hours` beside the field they are about."""

    def explain_hours(self, error: hours.HoursError) -> None:
        self.add_error(error.place if error.place in self.fields else None, str(error))


class NewHoursForm(HoursForm):
    name = forms.CharField(
        max_length=MAX_NAME, help_text="Such as “Berlin office” or “Weekend team”"
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(name, name.replace("_", " ")) for name in ZONES],
        widget=LongSelect,
    )


class ProfileForm(NewHoursForm):
    description = forms.CharField(required=False, max_length=changes.MAX_DESCRIPTION)
    skills = forms.CharField(
        required=False,
        help_text="Ids of the skills that have these hours instead of the account's, with commas "
        "or spaces between them",
        widget=forms.TextInput(CODE_LIKE),
    )
    is_default = forms.BooleanField(
        label="The account's hours",
        required=False,
        help_text="For every skill that has no hours of its own",
    )
    field_order = ["name", "description", "time_zone", "skills", "is_default"]

    def clean_skills(self) -> list[str]:
        return [each for each in re.split(r"[\s,;]+", self.cleaned_data["skills"]) if each]


class WeekForm(forms.Form):
    """The week as rows of a day, from and to, sent as three lists of equal length."""

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.rows = [
            tuple(row)
            for row in zip_longest(
                data.getlist("day"), data.getlist("start"), data.getlist("end"), fillvalue=""
            )
        ]

    def clean(self) -> dict[str, Any]:
        if len(self.rows) > MOST_ROWS:
            raise ValidationError(f"Cannot save the week: at most {MOST_ROWS} windows fit")
        # A row without times was taken out.
        windows = [self._read(*row) for row in self.rows if row[1] or row[2]]
        return {"windows": windows}

    def _read(self, day: str, start: str, end: str) -> tuple[int, dt.time, dt.time]:
        if day not in {"0", "1", "2", "3", "4", "5", "6"}:
            raise ValidationError(f'Cannot save the week: "{day[:20]}" is no day, choose one')
        name = DAYS[int(day)]
        return int(day), self._time(name, "from", start), self._time(name, "to", end)

    def _time(self, day: str, which: str, value: str) -> dt.time:
        # The end of a day is what people call 24:00 and clocks 00:00.
        text = "00:00" if value in ("24:00", "24:00:00") else value
        try:
            return dt.time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
        except ValueError as error:
            raise ValidationError(
                f'Cannot save the week: "{value[:20]}" is no time for {day}, {which}, write it '
                "like 09:30"
            ) from error


def _moment(value: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=value,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": f"Cannot use “{value}”: write it like 2026-12-24 14:00"},
    )


class LocalForm(HoursForm):
    """Moments by the wall clock of the profile: read as they stand, in no zone at all."""

    def _naive(self, name: str) -> dt.datetime:
        moment: dt.datetime = self.cleaned_data[name]
        return moment.replace(tzinfo=None)


class OccasionForm(LocalForm):
    name = forms.CharField(max_length=MAX_NAME, help_text="Such as “Christmas” or “Late opening”")
    working = forms.ChoiceField(
        label="Then the office is",
        choices=[("no", "Closed"), ("yes", "Open")],
        initial="no",
        widget=forms.RadioSelect,
    )
    start = _moment("From")
    end = _moment("To")

    def clean_start(self) -> dt.datetime:
        return self._naive("start")

    def clean_end(self) -> dt.datetime:
        return self._naive("end")

    def clean_working(self) -> bool:
        return bool(self.cleaned_data["working"] == "yes")


class OffForm(LocalForm):
    until = _moment("Until")

    def clean_until(self) -> dt.datetime:
        return self._naive("until")


class ImportForm(DocumentForm, HoursForm):
    kind = forms.ChoiceField(
        label="The document holds",
        choices=[("workdays", "Working hours"), ("occasions", "Special occasions")],
        initial="workdays",
        widget=forms.RadioSelect,
    )
    field_order = ["kind", "file", "document"]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if self.errors:
            return values
        try:
            values["documents"] = json.loads(values["document"])
        except json.JSONDecodeError as error:
            raise ValidationError(
                f"Cannot import: this is no JSON, {error.msg} in line {error.lineno}, column "
                f"{error.colno}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"Cannot import: this cannot be read, {error}") from error
        return values
