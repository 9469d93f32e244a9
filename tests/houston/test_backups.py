"""A backup is made while the product writes, and what is put back decrypts and serves."""

import contextlib
import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from standardwebhooks import Webhook

from houston import backups
from tests import factories
from tests.invoker import senders
from tests.stack import services
from tests.stack.conftest import ROOT, Houston

pytestmark = pytest.mark.timeout(600)

SERVES = """
import json
from django.test import Client
from houston.management.commands import demo
from houston.models import Account, User
from invoker.models import Notification
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.get(username=demo.MEMBER))
here = f"/a/{Account.objects.get().pk}"
pages = ["/accounts/", f"{here}/conversations/", f"{here}/activity/"]
print(json.dumps([[client.get(page, follow=True).status_code for page in pages],
                  Notification.objects.count()]))
"""


def manage(data_dir: Path, *arguments: str, fails: bool = False, **environment: str) -> str:
    """Run a command on a data folder of its own; what it printed, or said of its failure."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "HOUSTON_DATA_DIR": str(data_dir), **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def secrets(told: str) -> list[str]:
    return signing(json.loads(told)["connections"])


def signing(doors: list[dict[str, Any]]) -> list[str]:
    return sorted(one["signing_secret"] for one in doors if "signing_secret" in one)


def serves(data_dir: Path, **environment: str) -> tuple[list[int], int]:
    statuses, count = json.loads(
        # Nothing is collected in this folder, so pages name static files as they are.
        manage(data_dir, "shell", "-v", "0", "-c", SERVES, HOUSTON_DEBUG="1", **environment)
    )
    return statuses, count


class Writing(threading.Thread):
    """Sends notifications to the product until it is told to stop."""

    def __init__(self, houston: Houston, door: dict[str, Any]) -> None:
        super().__init__()
        self._houston, self._door = houston, door
        self._enough = threading.Event()
        self.accepted = 0

    def run(self) -> None:
        address = self._houston.url + urlsplit(self._door["webhook_url"]).path
        while not self._enough.is_set():
            body = json.dumps(senders.updated(f"c-{self.accepted % 20}"))
            at = dt.datetime.now(dt.UTC)
            headers = {
                "content-type": "application/cloudevents+json",
                "webhook-id": "1",
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(self._door["signing_secret"]).sign("1", at, body),
            }
            answer = httpx.post(address, content=body, headers=headers, timeout=30)
            self.accepted += answer.status_code == 202

    def stop(self) -> None:
        self._enough.set()
        self.join()


@pytest.mark.stack
def test_backup_of_a_product_that_writes_comes_back(houston: Houston, tmp_path: Path) -> None:
    doors = houston.demo()["connections"]
    writing = Writing(houston, next(one for one in doors if one["platform"] == "generic"))
    writing.start()
    try:
        while writing.accepted < 5:
            assert writing.is_alive()
        before = writing.accepted
        said = houston.manage("backup", str(tmp_path / "one.backup"), "--with-keys")
        after = writing.accepted
    finally:
        writing.stop()

    other = manage(tmp_path / "other", "restore", str(tmp_path / "one.backup"))
    manage(tmp_path / "new", "restore", str(tmp_path / "one.backup"), "--with-keys")

    assert "stored secrets cannot be read with the present ones" in other
    assert "The keys are in it" in said
    assert (tmp_path / "one.backup").stat().st_mode & 0o077 == 0
    statuses, count = serves(tmp_path / "new")
    assert statuses == [200, 200, 200]
    assert before <= count <= after + 1
    assert secrets(manage(tmp_path / "new", "demo", "--json")) == signing(doors)


@pytest.fixture
def made(db: None, tmp_path: Path) -> Path:
    path = tmp_path / "one.backup"
    backups.make(path, with_keys=False)
    return path


def test_backup_holds_no_keys_unless_asked(made: Path) -> None:
    with tarfile.open(made) as archive:
        assert archive.getnames() == ["manifest.json", "database"]
    assert backups.keys_of(made) == {}

    backups.make(made, with_keys=True)

    assert backups.keys_of(made) == {
        "secret.key": f"{settings.SECRET_KEY}\n",
        "encryption.key": "\n".join(settings.ENCRYPTION_KEYS) + "\n",
    }


@pytest.mark.parametrize("left", [None, "", "CREATE TABLE django_migrations_of_others (id)"])
def test_database_that_is_none_of_houstons_is_not_backed_up(
    tmp_path: Path, left: str | None
) -> None:
    database = tmp_path / "houston.sqlite3"
    if left is not None:
        with contextlib.closing(sqlite3.connect(database)) as opened:
            opened.execute(left)

    said = manage(tmp_path, "backup", str(tmp_path / "one.backup"), fails=True)

    assert (
        f"Cannot back up SQLite in {database}: nothing of Houston is in it, set HOUSTON_DATA_DIR "
        "or DATABASE_URL as Houston itself has it"
    ) in said
    assert not (tmp_path / "one.backup").exists()
    assert database.exists() == (left is not None)


def test_backup_says_which_database_it_was(made: Path) -> None:
    out = StringIO()

    call_command("backup", str(made), stdout=out)

    assert out.getvalue().startswith(f"Backed up {backups.name_of_database()} into {made}, ")


def test_database_is_named_without_how_to_get_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"NAME": "houston", "HOST": "db.example", "USER": "u", "PASSWORD": "sesame"}
    server = SimpleNamespace(vendor="postgresql", display_name="PostgreSQL", settings_dict=told)
    monkeypatch.setattr(backups, "connection", server)

    assert backups.name_of_database() == 'PostgreSQL "houston" at db.example'


def test_backup_into_no_folder_is_refused(made: Path) -> None:
    nowhere = made.parent / "nowhere"

    with pytest.raises(backups.BackupError, match=f'there is no folder "{nowhere}", make it first'):
        backups.make(nowhere / "one.backup", with_keys=False)


def test_database_that_is_used_is_not_replaced_unless_told(made: Path) -> None:
    factories.UserFactory()

    with pytest.raises(backups.BackupError, match="holds accounts or people already"):
        backups.put_back(made, replace=False)


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_database_that_houston_runs_on_is_not_replaced_unless_told(made: Path, name: str) -> None:
    factories.HeartbeatFactory(name=name)

    with pytest.raises(CommandError, match=f"{name} gave a sign of life .* wait 20 s, or add --wh"):
        call_command("restore", str(made), "--replace")


def test_database_that_a_web_server_uses_is_not_replaced_unless_told(made: Path) -> None:
    factories.HeartbeatFactory(seen_at=timezone.now() - dt.timedelta(seconds=60))
    factories.HeartbeatFactory(name="web")

    with pytest.raises(CommandError, match=r"a web server gave .* ago\. Stop all web servers, w"):
        call_command("restore", str(made), "--replace")


def test_database_that_notifications_come_to_is_not_replaced_unless_told(made: Path) -> None:
    now = timezone.now()
    factories.HeartbeatFactory(seen_at=now - dt.timedelta(seconds=60))
    for age_s in (90, 3):
        factories.NotificationFactory(received_at=now - dt.timedelta(seconds=age_s))

    with pytest.raises(CommandError, match=r"a notification came \d s ago\. Stop all web servers"):
        call_command("restore", str(made), "--replace")


@pytest.mark.parametrize(("age_s", "told"), [(0, ["--while-running"]), (21, [])])
def test_database_is_replaced_when_houston_is_silent_or_when_told(
    made: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, told: list[str]
) -> None:
    then = timezone.now() - dt.timedelta(seconds=age_s)
    for name in ("worker", "beat", "web"):
        factories.HeartbeatFactory(name=name, seen_at=then)
    factories.NotificationFactory(received_at=then)
    put_back = Mock(return_value=backups.Manifest("sqlite", "then", [], {}))
    monkeypatch.setattr(backups, "put_back", put_back)

    call_command("restore", str(made), "--replace", *told, stdout=StringIO())

    put_back.assert_called_once_with(made, replace=True)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _nothing(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [_cut, _nothing])
def test_damaged_backup_is_refused(made: Path, damage: Callable[[bytes], bytes]) -> None:
    made.write_bytes(damage(made.read_bytes()))

    with pytest.raises(backups.BackupError, match="is no backup of Houston, or a part of one"):
        backups.put_back(made, replace=True)


def _change(made: Path, **told: Any) -> None:
    """Make the archive claim something else about what is in it."""
    with tarfile.open(made) as old:
        old.extractall(made.parent, filter="data")
    manifest = made.parent / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | told))
    with tarfile.open(made, "w:gz") as new:
        new.add(manifest, "manifest.json")
        new.add(made.parent / "database", "database")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"sha256": {"database": "0" * 64}}, "is not what was backed up"),
        ({"migrations": ["invoker.9999_later"]}, "is of a newer Houston"),
        ({"vendor": "oracle"}, "is a backup of oracle, and DATABASE_URL is"),
        ({"names": ["database", "../evil"]}, "is no backup of Houston"),
        ({"format": 2}, "is no backup of Houston"),
    ],
)
def test_backup_is_refused_when(made: Path, told: dict[str, Any], said: str) -> None:
    _change(made, **told)

    with pytest.raises(backups.BackupError, match=said):
        backups.put_back(made, replace=True)


@pytest.mark.stack
def test_postgres_is_backed_up_and_comes_back(tmp_path: Path) -> None:
    with services.postgres() as url:
        old, new = {"DATABASE_URL": url}, {"DATABASE_URL": f"{url.rpartition('/')[0]}/restored"}
        where = urlsplit(url)
        manage(tmp_path, "migrate", "--verbosity", "0", **old)
        told = manage(tmp_path, "demo", "--json", **old)
        manage(tmp_path, "backup", str(tmp_path / "pg.backup"), **old)
        [createdb] = sorted(Path("/usr/lib/postgresql").glob("*/bin/createdb"))[-1:]
        subprocess.run(
            [createdb, "-h", "127.0.0.1", "-p", str(where.port), "-U", "houston", "restored"],
            check=True,
        )

        said = manage(tmp_path, "restore", str(tmp_path / "pg.backup"), **new)
        refused = manage(tmp_path, "restore", str(tmp_path / "pg.backup"), fails=True, **new)
        manage(tmp_path, "restore", str(tmp_path / "pg.backup"), "--replace", **new)

        assert "cannot be read" not in said
        assert "holds accounts or people already" in refused
        assert secrets(manage(tmp_path, "demo", "--json", **new)) == secrets(told)
        assert serves(tmp_path, **new)[0] == [200, 200, 200]
