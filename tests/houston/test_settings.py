"""README's table of settings cannot rot, and what cannot be used stops the start."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from houston.settings import _check_database_url
from tests.stack import services

ROOT = Path(__file__).parents[2]


def test_every_environment_variable_is_explained_in_the_readme():
    source = (ROOT / "houston" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))

    explained = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert sorted(read) == sorted(explained)


def start(data_dir, command="check", **environment):
    """How `manage.py` begins with these variables and no others of Houston's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }
    return subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env={**kept, "HOUSTON_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("name", ["HOUSTON_SECRET_KEY", "HOUSTON_ENCRYPTION_KEYS"])
def test_key_that_is_there_and_empty_stops_the_start(tmp_path, name, value):
    keys = {
        "HOUSTON_SECRET_KEY": "x" * 50,
        "HOUSTON_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }

    stopped = start(tmp_path, **(keys | {name: value}))

    assert stopped.returncode == 1
    assert f"Cannot start with an empty {name}: give it a value" in stopped.stderr
    assert [*tmp_path.glob("*.key")] == []


@pytest.mark.parametrize("content", [None, "\n"])
def test_file_of_a_key_that_is_empty_or_not_named_stops_the_start(tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    stopped = start(tmp_path, HOUSTON_SECRET_KEY_FILE="" if content is None else str(path))

    assert stopped.returncode == 1
    assert "Cannot start with an empty HOUSTON_SECRET_KEY" in stopped.stderr


def test_encryption_key_that_is_none_stops_the_start_and_is_not_told(tmp_path):
    right = Fernet.generate_key().decode()

    stopped = start(tmp_path, HOUSTON_ENCRYPTION_KEYS=f"{right},no-key")
    (tmp_path / "encryption.key").write_text("no-key\n")
    of_file = start(tmp_path)

    assert (stopped.returncode, of_file.returncode) == (1, 1)
    assert 'Cannot use "HOUSTON_ENCRYPTION_KEYS": key 2 is not 32 bytes' in stopped.stderr
    assert 'encryption.key": key 1 is not 32 bytes' in of_file.stderr
    assert "no-key" not in stopped.stderr + of_file.stderr


def test_encryption_keys_of_a_file_may_end_with_a_line(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"{Fernet.generate_key().decode()},{Fernet.generate_key().decode()}\n")

    assert start(tmp_path, HOUSTON_ENCRYPTION_KEYS_FILE=str(path)).returncode == 0


def test_last_line_of_a_file_may_end(tmp_path):
    path = tmp_path / "token"
    path.write_text("open sesame\n")

    shown = start(tmp_path, "diffsettings", HOUSTON_METRICS_TOKEN_FILE=str(path)).stdout

    assert "METRICS_TOKEN = 'open sesame'" in shown


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "mysql://u:sesame@h/db", "PostgreSQL and SQLite are supported"),
        ("DATABASE_URL", "", "PostgreSQL and SQLite are supported"),
        ("DATABASE_URL", "postgres://u:sesame#x@h/db", "write # as %23"),
        ("DATABASE_URL", "postgres://u:12#sesame@h/db", "write # as %23"),
        ("DATABASE_URL", "postgres://u:sesame/x@h/db", "/ as %2F"),
        ("DATABASE_URL", "postgres://u:x@sesame/x@h/db", "@ as %40"),
        ("DATABASE_URL", "postgres://u:sesame@h", "the name of the database is missing"),
        ("HOUSTON_URL", "houston.example.com", "begin it with http:// or https://"),
        ("HOUSTON_URL", "ftp://houston.example.com", "begin it with http:// or https://"),
        ("HOUSTON_LOG_LEVEL", "LOUD", "HOUSTON_LOG_LEVEL"),
    ],
)
def test_value_that_cannot_be_used_stops_the_start_with_one_line(tmp_path, name, value, said):
    stopped = start(tmp_path, **{name: value})

    [line] = stopped.stderr.splitlines()
    assert (stopped.returncode, said in line, name in line) == (1, True, True)
    assert "sesame" not in line


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p%23%40%2F@h:5432/db?sslmode=require",
        "postgresql://%2Frun%2Fpostgresql/db",
        "postgres:///?service=houston",
        "sqlite:////tmp/a%23b.sqlite3",
    ],
)
def test_address_of_a_database_is_taken(url):
    _check_database_url(url)


@pytest.mark.parametrize("command", ["migrate", "sweep", "rotate-keys"])
def test_database_that_is_away_is_told_in_one_line(tmp_path, command):
    nobody = f"postgres://u:sesame@127.0.0.1:{services.free_port()}/db"

    stopped = start(tmp_path, command, DATABASE_URL=nobody)

    [line] = [each for each in stopped.stderr.splitlines() if each]
    assert stopped.returncode == 1
    assert line.startswith("Cannot use the database (connection failed: ")
    assert line.endswith("Connection refused): start it, or correct DATABASE_URL")
    assert "sesame" not in stopped.stdout


def test_database_without_tables_is_told_in_one_line(tmp_path):
    stopped = start(tmp_path, "rotate-keys")

    assert (stopped.returncode, stopped.stderr.count("\n")) == (1, 1)
    assert "run manage.py migrate first" in stopped.stderr


def test_traceback_is_there_for_who_looks_for_it(tmp_path):
    assert "Traceback" in start(tmp_path, "sweep", HOUSTON_LOG_LEVEL="DEBUG").stderr
