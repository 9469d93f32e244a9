"""What people type into the pages of accounts. Forms check shape, `services` checks rules."""

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.utils.html import format_html

from houston import account_errors, api_clients, connecting, services
from houston.models import LONGEST_EMAIL, Role, Scope
from invoker import allow_list, vault
from invoker.models import CloseMode, Connection, MessageDelivery, Platform, SecretType

CODE_LIKE = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
CALLBACK_URL_HELP = (
    "Where commands go: messages, transfers, closes. May stay empty and be added later"
)


class Form(forms.Form):
    """Labels without a colon, and errors of `services` beside the field they are about."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    def explain(
        self, error: account_errors.AccountError | allow_list.DomainError | vault.SecretError
    ) -> None:
        self.add_error(error.field if error.field in self.fields else None, str(error))


class SignInForm(LoginForm):  # type: ignore[misc]
    """User name and password. Both are asked for under the names that browsers know."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["login"].label = "User name"
        self.fields["login"].widget.attrs.update(
            {"spellcheck": "false", "autocapitalize": "none", "autofocus": True}
        )
        self.fields["login"].widget.attrs.pop("placeholder", None)
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""

    def add_prefix(self, field_name: str) -> str:
        return str(super().add_prefix("username" if field_name == "login" else field_name))


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
        widget=forms.TextInput(
            {
                **CODE_LIKE,
                "pattern": "[A-Za-z0-9]+",
                "title": "Letters and digits, no spaces",
                "autofocus": True,
            }
        ),
    )
    name = forms.CharField(
        max_length=services.MAX_ACCOUNT_NAME, help_text="What people call it, such as the brand"
    )


def _secret(label: str, help_text: str = "", *, needed: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=needed,
        max_length=connecting.MAX_CLIENT_SECRET,
        help_text=help_text,
        widget=forms.PasswordInput({**CODE_LIKE, "autocomplete": "new-password"}),
    )


def _callback_url(help_text: str = CALLBACK_URL_HELP) -> forms.CharField:
    return forms.CharField(
        label="Callback URL",
        required=False,
        max_length=connecting.MAX_CALLBACK_URL,
        help_text=help_text,
        widget=forms.TextInput(
            {**CODE_LIKE, "inputmode": "url", "placeholder": "https://host/path"}
        ),
    )


KEEPS = "Empty keeps the present one, which is not shown"
LOGIN_FIELDS = ["bot_user", "app_key", "app_secret", "access_token", "access_token_secret"]


class AgentLoginFields(Form):
    """The API keys of a bot's user at LivePerson, all five or none."""

    bot_user = forms.CharField(
        label="User of the bot",
        required=False,
        max_length=connecting.MAX_CONNECTION_NAME,
        help_text="An agent manager with an API key. With it the bot reads and writes by the agent "
        "socket, and the webhook becomes optional; empty: by webhook and callback URL",
        widget=forms.TextInput(CODE_LIKE),
    )
    app_key = _secret("App key", needed=False)
    app_secret = _secret("App secret", needed=False)
    access_token = _secret("Access token", needed=False)
    access_token_secret = _secret(
        "Access token secret", "Of the user's API key, all four together", needed=False
    )
    close_mode = forms.ChoiceField(
        label="A close of the bot by the agent socket ends",
        required=False,
        choices=CloseMode.choices,
        initial=CloseMode.CONVERSATION,
        widget=forms.RadioSelect,
    )

    def clean_close_mode(self) -> str:
        return self.cleaned_data["close_mode"] or CloseMode.CONVERSATION.value


class ChatwootFields(Form):
    api_url = forms.CharField(
        label="Address of Chatwoot",
        max_length=connecting.MAX_CALLBACK_URL,
        widget=forms.TextInput(
            {**CODE_LIKE, "inputmode": "url", "placeholder": "https://app.chatwoot.com"}
        ),
    )
    api_account = forms.CharField(
        label="Account number",
        max_length=12,
        help_text="The number in its address, as in /app/accounts/1",
        widget=forms.TextInput({**CODE_LIKE, "inputmode": "numeric"}),
    )
    own_id = forms.CharField(
        label="Id of the bot's user",
        required=False,
        max_length=12,
        help_text="Only where the token is that of a person's user: what this user writes is the "
        "bot's then",
        widget=forms.TextInput({**CODE_LIKE, "inputmode": "numeric"}),
    )


class NewConnectionForm(Form):
    """For every platform that makes no further demands."""

    platform = forms.ChoiceField(choices=Platform.choices, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=connecting.MAX_CONNECTION_NAME, help_text="Such as “Production”"
    )
    callback_url = _callback_url()

    def read(self) -> connecting.NewConnection:
        return connecting.NewConnection(**self.cleaned_data)


class NewSimulatorForm(NewConnectionForm):
    """One press is enough."""

    callback_url = None  # type: ignore[assignment]
    name = forms.CharField(max_length=connecting.MAX_CONNECTION_NAME, initial="Simulator")


class NewLivePersonConnectionForm(AgentLoginFields, NewConnectionForm):
    client_id = forms.CharField(
        label="Client id",
        required=False,
        max_length=connecting.MAX_CLIENT_ID,
        help_text="Of the app that was registered at LivePerson for the webhook. May stay empty "
        "where the bot has a user",
        widget=forms.TextInput(CODE_LIKE),
    )
    client_secret = _secret(
        "Client secret", "Of the same app. LivePerson signs its notifications with it", needed=False
    )
    field_order = [
        "platform", "name", "client_id", "client_secret", "callback_url", *LOGIN_FIELDS,
        "close_mode",
    ]  # fmt: skip


class NewChatwootConnectionForm(ChatwootFields, NewConnectionForm):
    callback_url = None  # type: ignore[assignment]
    api_token = _secret("API access token", "Of an agent bot, or of a user's profile")
    webhook_secret = _secret(
        "Secret of the webhook",
        "Chatwoot shows it with the webhook. Empty where it shows none: then the webhook's address "
        "holds a secret of ours",
        needed=False,
    )
    field_order = [
        "platform", "name", "api_url", "api_account", "api_token", "webhook_secret", "own_id",
    ]  # fmt: skip


class ConnectionForm(Form):
    name = forms.CharField(max_length=connecting.MAX_CONNECTION_NAME)
    callback_url = _callback_url()
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
            "close_mode": connection.close_mode,
            "bot_user": connecting.bot_user(connection),
            "api_url": connection.api_url,
            "api_account": connection.api_account,
            "own_id": next(iter(connection.own_ids), ""),
            "keep": connecting.Keep.DAY.value,
        }


class KeepField(Form):
    """For a secret that somebody else made and that is entered here in place of another."""

    keep = forms.ChoiceField(
        label="A secret that is replaced holds",
        required=False,
        choices=connecting.Keep.choices,
        initial=connecting.Keep.DAY,
        help_text="Until then notifications are taken that are signed with either",
        widget=forms.RadioSelect,
    )

    def clean_keep(self) -> str:
        return self.cleaned_data["keep"] or connecting.Keep.DAY.value


class RotateForm(KeepField):
    """How long the secret holds that is about to be replaced."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["keep"].label = "The present one holds"
        self.fields["keep"].help_text = ""


class SimulatorForm(ConnectionForm):
    callback_url = None  # type: ignore[assignment]
    message_delivery = None  # type: ignore[assignment]


class LivePersonConnectionForm(KeepField, AgentLoginFields, ConnectionForm):
    client_id = forms.CharField(
        label="Client id",
        required=False,
        max_length=connecting.MAX_CLIENT_ID,
        widget=forms.TextInput(CODE_LIKE),
    )
    client_secret = _secret("New client secret", KEEPS, needed=False)
    access_token_secret = _secret(
        "Access token secret",
        "Of the user's API key, all four together. Empty keeps the present ones, which are not "
        "shown",
        needed=False,
    )
    field_order = [
        "name", "client_id", "client_secret", "keep", "callback_url", *LOGIN_FIELDS, "close_mode",
        "message_delivery",
    ]  # fmt: skip


class ChatwootConnectionForm(KeepField, ChatwootFields, ConnectionForm):
    callback_url = None  # type: ignore[assignment]
    api_token = _secret("New API access token", KEEPS, needed=False)
    webhook_secret = _secret("New secret of the webhook", KEEPS, needed=False)
    field_order = [
        "name", "api_url", "api_account", "api_token", "webhook_secret", "keep", "own_id",
        "message_delivery",
    ]  # fmt: skip


SCOPES_ABOUT = {
    Scope.INVOCATION: "Runs deployed functions by id or by event, asks whether an event has one, "
    "and reads the list of functions",
    Scope.DEVELOPER: "Creates, changes, tests, deploys, runs and deletes functions, makes "
    "schedules, and reads logs and reports: what lpf does",
    Scope.ADMIN: "Changes secrets, the allow-list and schedules, and reads functions, logs and "
    "reports. Runs no function",
}


class ApiClientForm(Form):
    name = forms.CharField(
        max_length=api_clients.MAX_NAME,
        help_text="Which machine this is, such as “Build server” or “CRM in production”",
        widget=forms.TextInput({**CODE_LIKE, "autofocus": True}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[
            (
                scope.value,
                format_html(
                    '<span class="two"><span>{} <code>{}</code></span><span class="soft small">{}'
                    "</span></span>",
                    scope.label,
                    scope.value,
                    SCOPES_ABOUT[scope],
                ),
            )
            for scope in Scope
        ],
        initial=[Scope.INVOCATION],
        widget=forms.CheckboxSelectMultiple,
        help_text="Cannot be changed later: revoke the client and create another one",
        error_messages={"required": "Cannot create it: choose what the client may do"},
    )


class RolesForm(Form):
    roles = forms.MultipleChoiceField(
        choices=Role.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Developers change functions; admins change settings and members",
        error_messages={"required": "Cannot save the roles: choose admin, developer or both"},
    )


class InviteForm(RolesForm):
    email = forms.EmailField(
        label="E-mail",
        max_length=LONGEST_EMAIL,
        help_text="They choose their own user name, or join with the one they have",
        widget=forms.EmailInput({"autocomplete": "off"}),
    )
    field_order = ["email", "roles"]


class FirstAdminForm(Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=LONGEST_EMAIL,
        help_text="They become admin of the account and can invite the others",
        widget=forms.EmailInput({"autocomplete": "off"}),
    )


class MemberForm(RolesForm):
    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="Of somebody who signs in to Houston already",
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
    Platform.SIMULATOR: NewSimulatorForm,
    Platform.GENERIC: NewConnectionForm,
    Platform.LIVEPERSON: NewLivePersonConnectionForm,
    Platform.CHATWOOT: NewChatwootConnectionForm,
}
CONNECTION_FORMS: dict[str, type[ConnectionForm]] = {
    Platform.SIMULATOR: SimulatorForm,
    Platform.GENERIC: ConnectionForm,
    Platform.LIVEPERSON: LivePersonConnectionForm,
    Platform.CHATWOOT: ChatwootConnectionForm,
}
