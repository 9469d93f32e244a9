"""What people type into the page on retention."""

from typing import Any

from django import forms
from django.conf import settings

from houston import account_forms
from invoker.models import Retention
from invoker.retention import FIELDS, LEAST_DAYS, MOST_DAYS

ABOUT = {
    "events_days": "With their invocations, commands and closed dead letters; notifications too, "
    "once their events are gone",
    "logs_days": "What functions log. A line goes with its event at the latest",
    "bodies_days": "What platforms sent, word for word. That it came stays known as long as events "
    "are kept",
}
USUAL = {
    "events_days": "KEEP_EVENTS_DAYS",
    "logs_days": "KEEP_LOGS_DAYS",
    "bodies_days": "KEEP_BODIES_DAYS",
}


class RetentionForm(account_forms.Form):
    events_days = forms.IntegerField(label=FIELDS["events_days"], required=False)
    logs_days = forms.IntegerField(label=FIELDS["logs_days"], required=False)
    bodies_days = forms.IntegerField(label=FIELDS["bodies_days"], required=False)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        for name, about in ABOUT.items():
            usual = getattr(settings, USUAL[name])
            said = f"{usual} days" if usual else "for ever"
            field = self.fields[name]
            field.help_text = (
                f"{about}. {LEAST_DAYS[name]} to {MOST_DAYS:,}, 0 for ever; empty takes what the "
                f"installation has, which is {said}"
            )
            field.widget.attrs |= {"min": 0, "max": MOST_DAYS, "placeholder": usual or "for ever"}

    @staticmethod
    def values(row: Retention) -> dict[str, int | None]:
        return {name: getattr(row, name) for name in FIELDS}
