"""What people type into the page of an alert. The form checks shape, `invoker.alerts` the rules."""

import uuid
from typing import Any, Final

from django import forms
from django.conf import settings

from functions.models import Function
from houston.account_forms import CODE_LIKE, Form
from invoker import alerts
from invoker.alerts.changes import MAX_COUNT, MAX_REPEAT_H, MAX_TARGET, SILENCES_MIN, WINDOWS_MIN
from invoker.models import Alert, AlertChannel, AlertKind
from invoker.models.alerts import spell_minutes

# What the threshold of each kind is called, and what it starts with.
THRESHOLDS: Final = {
    AlertKind.ERRORS: ("Percent of runs that fail", 5),
    AlertKind.LATENCY: ("Milliseconds that p95 may take", 1000),
    AlertKind.DELIVERIES: ("Deliveries that fail", 1),
    AlertKind.LETTERS: ("Dead letters that wait", 1),
}
REPEATS: Final = ((0, "Do not"), (1, "Every hour"), (4, "Every 4 hours"), (24, "Every day"))


class AlertForm(Form):
    """One kind of alert; a kind has the fields it needs."""

    function = forms.ChoiceField(required=False, label="Watches")
    threshold = forms.IntegerField(min_value=1)
    window_min = forms.TypedChoiceField(coerce=int, label="Within")
    min_count = forms.IntegerField(
        label="Runs at least",
        min_value=1,
        max_value=MAX_COUNT,
        initial=20,
        help_text="With fewer nothing is told: one failure of two is no trend",
    )
    channel = forms.ChoiceField(
        choices=AlertChannel.choices, widget=forms.RadioSelect, label="Tell by"
    )
    target = forms.CharField(
        label="To",
        max_length=MAX_TARGET,
        widget=forms.TextInput(CODE_LIKE),
        help_text="E-mail addresses with commas between them, or the address of the webhook",
    )
    repeat_h = forms.TypedChoiceField(
        coerce=int, choices=REPEATS, initial=0, label="Tell again while it is firing"
    )

    def __init__(self, kind: str, account_id: str, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.kind = kind
        found = Function.objects.filter(account_id=account_id).order_by("name")
        self._names = {str(pk): name for pk, name in found.values_list("pk", "name")}
        whole = "Events of the account" if kind == AlertKind.SILENCE else "All functions"
        self._functions = [("", whole), *self._names.items()]
        self._choices("function", self._functions)
        windows = SILENCES_MIN if kind == AlertKind.SILENCE else WINDOWS_MIN
        self._choices("window_min", [(each, spell_minutes(each)) for each in windows])
        self.fields["window_min"].initial = windows[1]
        if kind == AlertKind.SILENCE:
            self.fields["window_min"].label = "Silent for"
            del self.fields["threshold"]
        else:
            self.fields["threshold"].label, self.fields["threshold"].initial = THRESHOLDS[
                AlertKind(kind)
            ]
        if kind not in {AlertKind.ERRORS, AlertKind.LATENCY}:
            del self.fields["min_count"]
        if kind == AlertKind.LETTERS:
            # They are of the whole account, and wait or do not, whenever they came.
            del self.fields["function"], self.fields["window_min"]
        if not settings.EMAIL_CONFIGURED:
            self.fields["channel"].initial = AlertChannel.WEBHOOK
            self.fields[
                "channel"
            ].help_text = (
                "This installation sends no e-mail: whoever runs it can set HOUSTON_EMAIL_HOST"
            )
        else:
            self.fields["channel"].initial = AlertChannel.EMAIL

    def _choices(self, name: str, choices: list[tuple[Any, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @classmethod
    def of(cls, alert: Alert, data: Any = None) -> "AlertForm":
        """The form of an alert that exists. Its function stays to be chosen, though deleted."""
        initial = {
            "function": str(alert.function_id or ""),
            "threshold": alert.threshold,
            "window_min": alert.window_min,
            "min_count": alert.min_count,
            "channel": alert.channel,
            "target": alert.target,
            "repeat_h": alert.repeat_h,
        }
        form = cls(alert.kind, alert.account_id, data, initial=initial)
        key = str(alert.function_id or "")
        if key and key not in form._names:
            form._names[key] = alert.function_name
            gone = (key, f"{alert.function_name} (deleted)")
            form._choices("function", [*form._functions, gone])
        repeats = dict(REPEATS)
        if alert.repeat_h not in repeats and alert.repeat_h <= MAX_REPEAT_H:
            form._choices("repeat_h", [*REPEATS, (alert.repeat_h, f"Every {alert.repeat_h} hours")])
        return form

    def read(self) -> alerts.Rule:
        values = self.cleaned_data
        key = values.get("function", "")
        return alerts.Rule(
            kind=self.kind,
            function_id=uuid.UUID(key) if key else None,
            function_name=self._names.get(key, ""),
            threshold=values.get("threshold", 0),
            window_min=values.get("window_min", WINDOWS_MIN[0]),
            min_count=values.get("min_count", 1),
            repeat_h=values["repeat_h"],
            channel=values["channel"],
            target=values["target"],
        )

    def explain_alert(self, error: alerts.AlertError) -> None:
        self.add_error(error.field if error.field in self.fields else None, str(error))
