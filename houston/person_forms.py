"""What people type about themselves."""

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ReauthenticateForm, ResetPasswordForm, ResetPasswordKeyForm
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ConfirmByCodeForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest

from houston.account_forms import CODE_LIKE, Form
from houston.models import LONGEST_EMAIL, User


class ConfirmForm(ReauthenticateForm):  # type: ignore[misc]
    """The password once more. Who has forgotten it signs out and asks for a link there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["password"].help_text = ""
        _typed_next(self.fields["password"])


class CodeForm(AuthenticateForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        _typed_next(self.fields["code"])


class ConfirmCodeForm(ConfirmByCodeForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        _typed_next(self.fields["code"])


class AddAppForm(ActivateTOTPForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        _typed_next(self.fields["code"])


def _typed_next(field: forms.Field) -> None:
    """The one field of its page: it has the cursor, and no label twice."""
    field.widget.attrs.pop("placeholder", None)
    field.widget.attrs["autofocus"] = True


if TYPE_CHECKING:
    PersonForm = forms.ModelForm[User]
else:
    PersonForm = forms.ModelForm


class ProfileForm(PersonForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class EmailForm(Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=LONGEST_EMAIL,
        required=False,
        widget=forms.EmailInput({"autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        return email.lower()


class ForgottenForm(ResetPasswordForm):  # type: ignore[misc]
    """The address that gets the link. Every address gets an e-mail, so that waiting tells nothing.

    An address that somebody asked for and never confirmed is not theirs.
    """

    users: list[User]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["email"].label = "Your e-mail address"
        self.fields["email"].widget.attrs.pop("placeholder", None)

    def clean_email(self) -> str:
        email = str(super().clean_email())
        found = User.objects.filter(email__iexact=email, is_active=True)
        # Databases take more letters for equal than mail servers do, and the link goes to the
        # address that was typed.
        self.users = [each for each in found if each.email.lower() == email.lower()]
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        # Who comes in by single sign-on alone gets no second way in by asking for it.
        self.users = [each for each in self.users if each.has_usable_password()]
        if self.users:
            return str(super().save(request, **kwargs))
        get_adapter().send_mail("account/email/unknown_account", email, {})
        return email


class NewPasswordForm(ResetPasswordKeyForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        for name, label in (("password1", "New password"), ("password2", "New password again")):
            self.fields[name].label = label
            self.fields[name].widget.attrs.pop("placeholder", None)


class NewPersonForm(Form):
    """Who accepts an invitation and is new."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="Letters, digits and @ . + - _",
        widget=forms.TextInput({**CODE_LIKE, "autocomplete": "username"}),
    )
    password1 = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 8 characters, not only digits, and none that many people use",
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        one, two = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if one and two and one != two:
            self.add_error("password2", "Cannot use the password: the two differ")
        elif one:
            person = User(username=self.cleaned_data.get("username", ""))
            try:
                validate_password(one, person)
            except forms.ValidationError as error:
                self.add_error("password1", error)
        return self.cleaned_data
