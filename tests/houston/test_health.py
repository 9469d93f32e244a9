"""Whether the process lives, and whether an event would be handled."""

import contextlib
import datetime as dt
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import psycopg
import pytest
from celery import current_app
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse
from django.utils import timezone

from houston import __version__, health
from invoker.models import AgentSession, Heartbeat
from tests import factories
from tests.stack.conftest import ROOT
from tests.stack.services import embedded_broker, postgres

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

LATE = """
import datetime as dt
from django.utils import timezone
from invoker.models import Heartbeat
Heartbeat.objects.create(name="worker", seen_at=timezone.now() - dt.timedelta(seconds=30))
"""
CHECKS = """
import json
from houston import health
found = health.check_all()
print(json.dumps({name: [found[name].ok, found[name].detail] for name in ("database", "worker")}))
"""


def manage(*arguments, url):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.fixture(scope="module")
def postgres_url():
    """A PostgreSQL that a worker wrote to, a while ago."""
    with postgres() as url:
        manage("migrate", "--verbosity", "0", url=url)
        manage("shell", "-v", "0", "-c", LATE, url=url)
        yield url


@pytest.fixture
def broker():
    """A real broker where the settings say it is, unless one is given from outside."""
    if not settings.BROKER_EMBEDDED:
        yield
        return
    with embedded_broker(Path(settings.BROKER_SOCKET)):
        yield


def test_healthz_says_that_the_process_lives(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_is_ready_when_everything_is_there(client, broker):
    factories.HeartbeatFactory()
    factories.HeartbeatFactory(name="beat")

    response = client.get("/readyz")

    checks = response.json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True, "broker": True, "worker": True, "sandbox": True, "layers": True,
        "sockets": True, "beat": True, "migrations": True, "disk": True,
        "keys": True,
    }  # fmt: skip
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert all(check["detail"] and check["ms"] >= 0 for check in checks.values())


def test_readyz_says_so_when_there_is_no_broker_and_no_worker(client, monkeypatch):
    nowhere = f"redis+socket://{settings.SOCKET_DIR / 'nobody.sock'}?virtual_host=0"
    monkeypatch.setattr(current_app.conf, "broker_write_url", nowhere)

    response = client.get("/readyz")

    checks = response.json()["checks"]
    assert (response.status_code, response.json()["status"]) == (503, "not ready")
    assert {name: check["ok"] for name, check in checks.items() if not check["ok"]} == {
        "broker": False, "worker": False,
    }  # fmt: skip
    assert checks["worker"]["detail"] == ("No worker has given a sign of life yet: start one")
    assert checks["broker"]["detail"] == (
        "Does not answer (OperationalError): start it, or correct HOUSTON_BROKER_URL"
    )
    # What nobody can tell is not what is ill.
    assert (checks["beat"]["ok"], checks["beat"]["warning"]) == (True, True)


def test_readyz_tells_a_stranger_no_address(client, settings):
    response = client.get("/readyz")

    page = response.content.decode()
    assert "broker.sock" not in page
    assert str(settings.DATA_DIR) not in page


@pytest.mark.parametrize(("age_s", "ok"), [(3, True), (19, True), (21, False), (3600, False)])
def test_worker_counts_as_there_for_a_while(age_s, ok):
    factories.HeartbeatFactory(seen_at=timezone.now() - dt.timedelta(seconds=age_s))

    assert health.check_all()["worker"].ok is ok


def test_beat_that_is_silent_is_told_apart_from_the_worker():
    now = timezone.now()
    factories.HeartbeatFactory(seen_at=now)
    never = health.check_all()
    factories.HeartbeatFactory(name="beat", seen_at=now - dt.timedelta(seconds=60))
    silent = health.check_all()

    assert (never["worker"].ok, never["beat"].ok) == (True, False)
    assert never["beat"].detail == "Has not knocked yet: start beat"
    assert (silent["worker"].ok, silent["beat"].ok) == (True, False)
    assert silent["beat"].detail.startswith("Knocked 6")


@pytest.fixture
def locked():
    """Another connection writes, and does not end."""
    with contextlib.closing(
        sqlite3.connect(connections["default"].settings_dict["NAME"], isolation_level=None)
    ) as other:
        yield other


@pytest.mark.skipif(connections["default"].vendor != "sqlite", reason="it is about SQLite's lock")
def test_database_that_takes_no_writes_is_what_is_ill_and_not_the_worker(client, locked):
    then = timezone.now() - dt.timedelta(seconds=30)
    factories.HeartbeatFactory(seen_at=then)
    factories.HeartbeatFactory(name="beat", seen_at=then)

    locked.execute("BEGIN IMMEDIATE")
    response = client.get("/readyz")
    locked.execute("ROLLBACK")
    after = health.check_all()

    checks = response.json()["checks"]
    assert response.status_code == 503
    assert checks["database"]["detail"] == (
        "Answers, but takes no writes (an UPDATE was tried for 1 s and failed with "
        "OperationalError): end the process that holds its write lock, or make its file and disk "
        "writable"
    )
    assert {(checks[name]["ok"], checks[name]["warning"], checks[name]["detail"])
            for name in ("worker", "beat")} == {
        (True, True, "Not known while the database takes no writes"),
    }  # fmt: skip
    assert not checks["database"]["ok"]
    assert after["database"].ok
    assert after["worker"].detail.endswith("s old: start a worker again")
    # That it was tried is no sign of life.
    assert set(Heartbeat.objects.values_list("seen_at", flat=True)) == {then}


@pytest.mark.skipif(connections["default"].vendor != "sqlite", reason="it is about SQLite's lock")
def test_nothing_is_written_to_find_out_while_all_give_signs_of_life(locked):
    factories.HeartbeatFactory()
    factories.HeartbeatFactory(name="beat")

    locked.execute("BEGIN IMMEDIATE")
    found = health.check_all()

    assert [found[name].ok for name in ("database", "worker", "beat")] == [True, True, True]
    assert not any(found[name].warning for name in ("database", "worker", "beat"))


def test_database_without_tables_answers_all_the_same(monkeypatch):
    def refuse(_):
        raise OperationalError("no such table: invoker_heartbeat")

    monkeypatch.setattr(Heartbeat, "age_s", refuse)

    found = health.check_all()

    assert (found["database"].ok, found["worker"].ok) == (True, False)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("read_only", "error"), [(True, "ReadOnlySqlTransaction"), (False, "QueryCanceled")]
)
def test_postgres_that_takes_no_writes_says_so(postgres_url, read_only, error):
    options = f"?options={quote('-c default_transaction_read_only=on')}" if read_only else ""
    with psycopg.connect(postgres_url) as other:
        if not read_only:
            other.execute("SELECT * FROM invoker_heartbeat FOR UPDATE")
        found = json.loads(manage("shell", "-v", "0", "-c", CHECKS, url=postgres_url + options))

    assert found["database"] == [
        False,
        f"Answers, but takes no writes (an UPDATE was tried for 1 s and failed with {error}): have "
        "DATABASE_URL name the server that takes them and no replica, or end the transaction that "
        "holds the table invoker_heartbeat",
    ]
    assert found["worker"] == [True, "Not known while the database takes no writes"]


def test_migration_that_is_not_applied_is_named_with_what_to_do():
    last = MigrationRecorder.Migration.objects.filter(app="invoker").order_by("name").last()
    last.delete()
    try:
        found = health.check_all()["migrations"]
    finally:
        call_command("migrate", "--fake", verbosity=0)

    assert (found.ok, found.detail) == (False, "1 are not applied: run manage.py migrate")


@pytest.mark.parametrize(
    ("free", "ok", "warning"), [(50, False, False), (500, True, True), (5000, True, False)]
)
def test_disk_that_is_nearly_full_is_named(monkeypatch, free, ok, warning):
    usage = SimpleNamespace(free=free * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    found = health.check_all()["disk"]

    assert (found.ok, found.warning) == (ok, warning)


def test_keys_that_open_no_secret_are_named_with_what_to_do(client, settings):
    factories.ControllerBotFactory()
    factories.ConnectionFactory.create_batch(2)
    factories.SecretFactory(value="S-value")
    right = health.check_all()["keys"]
    looked_at = re.search(r"all of (\d+)", right.detail)[1]

    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    wrong = health.check_all()["keys"]
    settings.ENCRYPTION_KEY_FILE = None
    of_environment = health.check_all()["keys"]

    assert (right.ok, right.warning, looked_at != "0") == (True, False, True)
    assert (wrong.ok, wrong.detail) == (
        False,
        f"Do not open {looked_at} of {looked_at} secrets that were looked at: put the key they "
        "were written with back into encryption.key of the data folder, or enter them anew",
    )
    assert "back into HOUSTON_ENCRYPTION_KEYS and restart, or" in of_environment.detail


def test_keys_that_open_some_secrets_are_a_warning_unless_all_doors_are_closed(settings):
    lost, kept = (Fernet.generate_key().decode() for _ in range(2))
    factories.ControllerBotFactory()
    settings.ENCRYPTION_KEYS = [lost]
    factories.ConnectionFactory()
    settings.ENCRYPTION_KEYS = [kept]
    factories.SecretFactory(value="S-value")

    closed = health.check_all()["keys"]
    factories.ConnectionFactory()
    one_open = health.check_all()["keys"]

    assert (closed.ok, one_open.ok, one_open.warning) == (False, True, True)


def test_keys_are_tried_at_both_ends_and_not_at_everything(settings):
    lost, kept = (Fernet.generate_key().decode() for _ in range(2))
    settings.ENCRYPTION_KEYS = [kept]
    factories.SecretFactory.create_batch(25)
    settings.ENCRYPTION_KEYS = [lost]
    factories.SecretFactory()
    settings.ENCRYPTION_KEYS = [kept]

    assert "1 of 20" in health.check_all()["keys"].detail


def test_database_that_is_away_is_named_with_what_to_do(monkeypatch):
    def refuse(*_, **__):
        raise OperationalError("connection to 10.0.0.9 failed")

    monkeypatch.setattr(connections["default"], "cursor", refuse)

    found = health._database()

    assert (found.ok, found.detail) == (
        False, "Does not answer (OperationalError): start it, or correct DATABASE_URL",
    )  # fmt: skip


def test_agent_socket_that_is_away_is_a_warning_and_its_name_is_for_the_team(client, team_client):
    factories.ControllerBotFactory()
    away = factories.ConnectionFactory(
        platform="liveperson", agent_login='{"user": "houston"}', name="Away bot"
    )
    held = factories.ConnectionFactory(
        platform="liveperson", agent_login='{"user": "houston"}', name="Held bot"
    )
    AgentSession.objects.create(
        connection=held,
        state="connected",
        lease_until=timezone.now() + dt.timedelta(seconds=10),
    )

    check = health.check_all()["sockets"]
    assert (check.ok, check.warning, check.detail) == (True, True, "1 of 2 not connected")
    assert away.name not in client.get("/readyz").content.decode()
    page = team_client.get(reverse("health")).content.decode()
    assert page.index("Away bot") < page.index("Nobody holds it") < page.index("Held bot")

    AgentSession.objects.create(
        connection=away,
        state="connected",
        lease_until=timezone.now() + dt.timedelta(seconds=10),
    )

    check = health.check_all()["sockets"]
    assert (check.ok, check.warning, check.detail) == (True, False, "2 connected")


def test_team_sees_how_many_dead_letters_each_account_has(team_client):
    none = team_client.get(reverse("health")).content.decode()
    factories.DeadLetterFactory.create_batch(2)
    factories.DeadLetterFactory(state="discarded", closed_at=timezone.now())

    page = team_client.get(reverse("health")).content.decode()

    there = reverse("functions:dead-letters", args=[factories.ACCOUNT_ID])
    assert "No account has any" in none
    row = page[page.index(there) : page.index("</tr>", page.index(there))]
    assert ">2</td>" in row


def test_team_sees_the_version_and_what_waits(team_client, monkeypatch):
    monkeypatch.setattr(health, "COMMIT", "0123456789")
    none = team_client.get(reverse("health")).content.decode()
    now = timezone.now()
    for minutes in (4, 3):
        factories.NotificationFactory(received_at=now - dt.timedelta(minutes=minutes))
    factories.NotificationFactory(received_at=now - dt.timedelta(hours=1), state="done")

    page = team_client.get(reverse("health")).content.decode()

    assert f"<dd>{__version__}, commit <code>0123456789</code></dd>" in none
    assert "None waits to be read" in none
    assert re.search(r"2 wait to be read, the oldest came <time[^>]*>4 min ago</time>", page)


def test_commit_is_told_of_a_checkout_only(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    none = health._commit()
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "refs" / "main").write_text("0123456789abcdef\n")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/main\n")
    named = health._commit()
    (tmp_path / ".git" / "HEAD").write_text("fedcba9876543210\n")

    assert (none, named, health._commit()) == ("", "0123456789", "fedcba9876")


def test_check_that_hangs_is_given_up_and_others_are_not():
    over = threading.Event()

    def slow():
        over.wait(60)
        return health.Finding(True, "late")

    found = health.run({"slow": slow, "quick": lambda: health.Finding(True, "here")}, timeout_s=0.2)
    over.set()

    assert found["slow"] == health.Check(False, "No answer within 0.2 s", 200.0)
    assert (found["quick"].ok, found["quick"].detail) == (True, "here")


def test_check_that_fails_says_how_and_not_with_which_address():
    def fail():
        raise ConnectionError("redis://user:secret@broker:6379/0")

    found = health.run({"broker": fail}, timeout_s=1)

    assert (found["broker"].ok, found["broker"].detail) == (False, "Failed with ConnectionError")


def test_doors_of_health_are_open_and_only_for_reading(client):
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405
    assert client.head("/healthz").status_code == 200
