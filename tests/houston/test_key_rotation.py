"""Secrets come under the first key, whatever happens meanwhile, and none is lost."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.test import Client

from houston import key_rotation
from houston.models import Account, Scope, User
from invoker import encryption
from invoker.models import AgentSession, Alert, Connection, Secret
from tests import api, factories

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def rotate(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate-keys", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def stored(settings: Any, account: Account) -> User:
    """A secret in every column that holds some, written with the old key."""
    settings.ENCRYPTION_KEYS = [OLD]
    connection = factories.ConnectionFactory(
        signing_secret="S-signing", previous_signing_secret="S-previous",
        callback_secret="S-callback", previous_callback_secret="S-old", agent_login="S-login",
        api_token="S-token",
    )  # fmt: skip
    AgentSession.objects.create(connection=connection, key="S-key")
    factories.AlertFactory(secret="S-alert")
    factories.SecretFactory(value="S-value")
    user = User.objects.create_user("mia")
    encrypt = get_adapter().encrypt
    Authenticator.objects.create(user=user, type="totp", data={"secret": encrypt("S-totp")})
    Authenticator.objects.create(
        user=user,
        type="recovery_codes",
        data={"used_mask": 1, "migrated_codes": [encrypt("S-one"), encrypt("S-two")]},
    )
    Authenticator.objects.create(user=user, type="webauthn", data={"name": "Key"})
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    return user


def test_everything_comes_under_the_first_key(settings: Any, stored: User) -> None:
    said = rotate()

    settings.ENCRYPTION_KEYS = [NEW]
    connection = Connection.objects.get()
    totp, codes = Authenticator.objects.exclude(type="webauthn").order_by("pk")
    decrypt = get_adapter().decrypt
    assert connection.signing_secrets[0] == "S-signing"
    assert (connection.previous_signing_secret, connection.api_token) == ("S-previous", "S-token")
    assert connection.agent_session.key == "S-key"
    assert (Alert.objects.get().secret, Secret.objects.get().value) == ("S-alert", "S-value")
    assert decrypt(totp.data["secret"]) == "S-totp"
    assert [decrypt(each) for each in codes.data["migrated_codes"]] == ["S-one", "S-two"]
    assert codes.data["used_mask"] == 1
    assert "mfa.Authenticator.data: 3 re-encrypted, 0 were already, 0 could not be read" in said
    assert "invoker.Connection.signing_secret: 1 re-encrypted" in said
    assert "0 re-encrypted, 1 were already" in rotate()


def test_no_column_with_secrets_is_left_out(stored: User) -> None:
    assert [each.label for each in key_rotation.columns() if not any(each.values())] == []


def test_check_says_which_keys_are_in_use_and_changes_nothing(stored: User) -> None:
    before = rotate("--check")
    again = rotate("--check")
    rotate()
    after = rotate("--check")

    assert before == again
    assert "Key 1, the one that encrypts: 0 secrets\n" in before
    assert "Key 2, an older one: 12 secrets\n" in before
    assert "Key 1, the one that encrypts: 12 secrets\n" in after
    assert "Key 2, an older one: 0 secrets, can be removed" in after


def test_secret_that_no_key_opens_is_named_and_the_rest_is_done(
    settings: Any, stored: User
) -> None:
    settings.ENCRYPTION_KEYS = [OTHER]
    lost = factories.SecretFactory(key="lost", value="S-lost")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    out = StringIO()

    with pytest.raises(CommandError, match="put the key they were written with back"):
        call_command("rotate-keys", stdout=out, stderr=out)

    said = out.getvalue()
    assert f"{Secret._meta.label}.value cannot be read in {lost.pk}\n" in said
    assert f"{Secret._meta.label}.value: 1 re-encrypted" in said


def test_change_of_the_same_moment_stays(stored: User, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = key_rotation.Column.replace

    def slow(column: key_rotation.Column, pk: Any, old: str, new: str) -> bool:
        Secret.objects.update(value="S-newer")
        return replace(column, pk, old, new)

    monkeypatch.setattr(key_rotation.Column, "replace", slow)
    Connection.objects.all().delete()
    Alert.objects.all().delete()

    said = rotate()

    assert Secret.objects.get().value == "S-newer"
    assert "1 changed meanwhile" in said


def test_rows_are_read_in_batches(
    settings: Any, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    settings.ENCRYPTION_KEYS = [OLD]
    for number in range(5):
        factories.SecretFactory(key=f"key-{number}", value=f"S-{number}")
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert f"{Secret._meta.label}.value: 5 re-encrypted" in rotate()

    settings.ENCRYPTION_KEYS = [NEW]
    values = Secret.objects.order_by("key").values_list("value", flat=True)
    assert list(values) == [f"S-{number}" for number in range(5)]


def test_new_key_goes_in_front_of_the_data_folders_file(settings: Any, tmp_path: Path) -> None:
    settings.ENCRYPTION_KEY_FILE = tmp_path / "encryption.key"
    settings.ENCRYPTION_KEY_FILE.write_text(f"{OLD}\n")

    said = rotate("--new-key")

    new, old = settings.ENCRYPTION_KEY_FILE.read_text().split()
    assert (old, len(Fernet(new)._signing_key)) == (OLD, 16)
    assert "takes it over by itself" in said
    assert [each.name for each in tmp_path.iterdir()] == ["encryption.key"]


def test_key_of_the_environment_is_not_written_anywhere(settings: Any) -> None:
    settings.ENCRYPTION_KEY_FILE = None

    with pytest.raises(CommandError, match="at the end of its list and restart"):
        rotate("--new-key")
    assert "a process that was started without the first of these keys" in rotate()


@pytest.fixture
def key_file(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder's file as a process knows it that has run for a while."""
    path: Path = tmp_path / "encryption.key"
    path.write_text(f"{OLD}\n")
    settings.ENCRYPTION_KEY_FILE = path
    settings.ENCRYPTION_KEYS = [OLD]
    monkeypatch.setattr(encryption, "_key_file", encryption.KeyFile())
    return path


def written_with(key: str, text: str) -> str:
    return Fernet(key).encrypt(text.encode()).decode()


def test_process_that_runs_takes_a_new_key_over(settings: Any, key_file: Path) -> None:
    """What rotate-keys wrote is read, and what this process writes needs the old key no more."""
    everybodys_list = settings.ENCRYPTION_KEYS
    rotate("--new-key")
    new, old = key_file.read_text().split()

    assert encryption.decrypt(written_with(old, "S-before")) == "S-before"
    assert everybodys_list == [old]
    assert get_adapter().decrypt(written_with(new, "S-after")) == "S-after"
    assert (settings.ENCRYPTION_KEYS, everybodys_list) == ([new, old], [new, old])


def test_process_writes_with_a_new_key_from_the_start(key_file: Path) -> None:
    rotate("--new-key")
    new, _ = key_file.read_text().split()

    token = encryption.encrypt("S-text")

    assert Fernet(new).decrypt(token.encode()) == b"S-text"


def test_rotation_goes_by_the_file_and_not_by_when_its_process_began(
    account: Account, key_file: Path
) -> None:
    factories.SecretFactory(value="S-text")
    rotate("--new-key")

    said = rotate()

    assert f"{Secret._meta.label}.value: 1 re-encrypted" in said
    assert "Key 2, an older one: 0 secrets, can be removed" in rotate("--check")


@pytest.mark.parametrize("text", ["", "half-a-key\n", None])
def test_file_that_makes_no_sense_leaves_the_keys_as_they_are(
    settings: Any, key_file: Path, text: str | None
) -> None:
    if text is None:
        key_file.unlink()
    else:
        key_file.write_text(text)

    assert encryption.decrypt(encryption.encrypt("S-text")) == "S-text"
    with pytest.raises(encryption.UnreadableSecretError):
        encryption.decrypt(written_with(NEW, "S-text"))
    assert settings.ENCRYPTION_KEYS == [OLD]


def test_older_secret_key_keeps_sessions_and_tokens_valid(
    settings: Any, account: Account, admin_client: Client, admin: User
) -> None:
    tokens = [api.of_client(account, Scope.DEVELOPER), api.of_person(account, admin)]
    old, page = settings.SECRET_KEY, f"/a/{account.pk}/"

    def answers() -> list[int]:
        asked = [each.get("/lambdas").status_code for each in tokens]
        return [admin_client.get(page).status_code, *asked]

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, [old]
    kept = answers()
    settings.SECRET_KEY_FALLBACKS = []

    assert kept == [200, 200, 200]
    assert answers()[1:] == [401, 401]
