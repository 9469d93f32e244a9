"""What browsers send of passkeys, which may be anything: it does not fit then, and is no error."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms

# What the parts that read a credential raise where a piece is missing or of another kind.
_UNREADABLE: Final = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
    struct.error,
)


@contextmanager
def _reading() -> Iterator[None]:
    """Read what a browser sent.

    Raises:
        ValidationError: it is no credential.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise get_adapter().validation_error("incorrect_code") from error


class CredentialField(forms.JSONField):
    def to_python(self, value: Any) -> Any:
        with _reading():
            return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> None:
        """Nothing of it goes back into the page: it counts once."""


class SignInByPasskeyForm(LoginWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=forms.HiddenInput)

    def clean_credential(self) -> Authenticator:
        with _reading():
            return super().clean_credential()


class ConfirmByPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=forms.HiddenInput)

    def clean_credential(self) -> Authenticator:
        with _reading():
            return super().clean_credential()


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["name"].initial = self.initial["name"] = "My passkey"
        self.fields["name"].max_length = 100
        self.fields["name"].help_text = "Such as the device it is on"
        self.fields["passwordless"].label = "Sign in with it alone, without the password"
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].help_text = "Otherwise it is a second factor after the password"

    def clean(self) -> dict[str, Any]:
        with _reading():
            found: dict[str, Any] = super().clean()
        return found
