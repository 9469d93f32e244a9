"""What people type into the pages of accounts. Forms check shape, `services` checks rules."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from houston import services
from houston.models import Role
from invoker import allow_list, vault
from invoker.models import Connection, MessageDelivery, Platform, SecretType

CODE_LIKE = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
CALLBACK_URL_HELP = (
    "Where commands go: messages, transfers, closes. May stay empty and be added later"
)


class Form(forms.Form):
    """Labels without a colon, and errors of `services` beside the field they are about."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    def explain(
        self, error: services.AccountError | allow_list.DomainError | vault.SecretError
    ) -> None:
        self.add_error(error.field if error.field in self.fields else None, str(error))


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "Cannot sign you in: user name and password do not fit, check both",
        "inactive": "Cannot sign you in: this user is switched off, ask the account team",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["username"].label = "User name"
        self.fields["username"].widget.attrs.update({"spellcheck": "false"})


class PasswordForm(PasswordChangeForm):
    error_messages = {
        **PasswordChangeForm.error_messages,
        "password_incorrect": "Cannot change the password: this is not the present one",
        "password_mismatch": "Cannot change the password: the two new ones differ",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["old_password"].label = "Present password"
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""


class AccountForm(Form):
    account_id = forms.CharField(
        label="Account id",
        max_length=services.MAX_ACCOUNT_ID,
        help_text="The messaging platform's own id of the account: letters and digits",
        widget=forms.TextInput({**CODE_LIKE, "pattern": "[A-Za-z0-9]+"}),
    )
    name = forms.CharField(
        max_length=services.MAX_ACCOUNT_NAME, help_text="What people call it, such as the brand"
    )


class NewConnectionForm(Form):
    """For every platform that makes no further demands."""

    platform = forms.ChoiceField(choices=Platform.choices, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=services.MAX_CONNECTION_NAME, help_text="Such as “Production”"
    )
    callback_url = forms.CharField(
        label="Callback URL",
        required=False,
        max_length=services.MAX_CALLBACK_URL,
        help_text=CALLBACK_URL_HELP,
        widget=forms.TextInput(
            {**CODE_LIKE, "inputmode": "url", "placeholder": "https://host/path"}
        ),
    )

    def read(self) -> services.NewConnection:
        return services.NewConnection(**self.cleaned_data)


class NewLivePersonConnectionForm(NewConnectionForm):
    client_id = forms.CharField(
        label="Client id",
        max_length=services.MAX_CLIENT_ID,
        help_text="Of the app that was registered at LivePerson for the webhook",
        widget=forms.TextInput(CODE_LIKE),
    )
    client_secret = forms.CharField(
        label="Client secret",
        max_length=services.MAX_CLIENT_SECRET,
        help_text="Of the same app. LivePerson signs its notifications with it",
        widget=forms.PasswordInput({**CODE_LIKE, "autocomplete": "new-password"}),
    )
    field_order = ["platform", "name", "client_id", "client_secret", "callback_url"]


class ConnectionForm(Form):
    name = forms.CharField(max_length=services.MAX_CONNECTION_NAME)
    callback_url = forms.CharField(
        label="Callback URL",
        required=False,
        max_length=services.MAX_CALLBACK_URL,
        help_text=CALLBACK_URL_HELP,
        widget=forms.TextInput(
            {**CODE_LIKE, "inputmode": "url", "placeholder": "https://host/path"}
        ),
    )
    message_delivery = forms.ChoiceField(
        label="A message whose delivery a crash left open",
        choices=MessageDelivery.choices,
        help_text="Transfers and closes are always sent again: twice does no harm",
        widget=forms.RadioSelect,
    )

    @staticmethod
    def values(connection: Connection) -> dict[str, str]:
        return {
            "name": connection.name,
            "callback_url": connection.callback_url,
            "message_delivery": connection.message_delivery,
            "client_id": connection.client_id,
        }


class LivePersonConnectionForm(ConnectionForm):
    client_id = forms.CharField(
        label="Client id",
        max_length=services.MAX_CLIENT_ID,
        widget=forms.TextInput(CODE_LIKE),
    )
    client_secret = forms.CharField(
        label="New client secret",
        required=False,
        max_length=services.MAX_CLIENT_SECRET,
        help_text="Empty keeps the present one, which is not shown",
        widget=forms.PasswordInput({**CODE_LIKE, "autocomplete": "new-password"}),
    )
    field_order = ["name", "client_id", "client_secret", "callback_url", "message_delivery"]


class RolesForm(Form):
    roles = forms.MultipleChoiceField(
        choices=Role.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Developers change functions; admins change settings and members",
        error_messages={"required": "Cannot save the roles: choose admin, developer or both"},
    )


class MemberForm(RolesForm):
    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="A new user gets a password, which is shown to you once",
        widget=forms.TextInput(CODE_LIKE),
    )
    field_order = ["username", "roles"]


class DomainForm(Form):
    domain = forms.CharField(
        label="Domain",
        # More than a domain may have: `allow_list` says what is wrong with a longer one.
        max_length=2 * allow_list.LONGEST,
        help_text="A host, such as api.example.com, or *.example.com for every host below it",
        widget=forms.TextInput({**CODE_LIKE, "inputmode": "url", "placeholder": "api.example.com"}),
    )


class UnshownTextarea(forms.Textarea):
    """Takes a secret and never gives it back, also not beside an error."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002
        return ""


class SecretValueForm(Form):
    type = forms.ChoiceField(
        choices=SecretType.choices,
        initial=SecretType.STRING,
        help_text="What functions get: the text itself, a number, or the object that the JSON says",
        widget=forms.RadioSelect,
        error_messages={"required": "Cannot keep the secret: choose text, number or JSON"},
    )
    value = forms.CharField(
        # Whether it is too long is for `vault` to say, which counts what it keeps.
        strip=False,
        help_text=f"At most {vault.MAX_VALUE:,} characters. It is encrypted and never shown again",
        widget=UnshownTextarea({**CODE_LIKE, "rows": 4, "class": "mono"}),
        error_messages={"required": "Cannot keep the secret: enter a value"},
    )

    def clean_value(self) -> str:
        """What was typed: browsers send line breaks in a way that keys and certificates lack."""
        value: str = self.cleaned_data["value"]
        return value.replace("\r\n", "\n")


class SecretForm(SecretValueForm):
    key = forms.CharField(
        # More than a key may have: `vault` says what is wrong with a longer one.
        max_length=2 * vault.MAX_KEY,
        help_text="What functions ask for: letters, digits, underscores and hyphens",
        widget=forms.TextInput(CODE_LIKE),
    )
    field_order = ["key", "type", "value"]


NEW_CONNECTION_FORMS: dict[str, type[NewConnectionForm]] = {
    Platform.GENERIC: NewConnectionForm,
    Platform.LIVEPERSON: NewLivePersonConnectionForm,
}
CONNECTION_FORMS: dict[str, type[ConnectionForm]] = {
    Platform.GENERIC: ConnectionForm,
    Platform.LIVEPERSON: LivePersonConnectionForm,
}
