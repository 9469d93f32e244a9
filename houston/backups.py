"""One file that holds the database, and putting it back.

A tar archive: `manifest.json` says what it holds and its checksums, `database` is a copy of the
SQLite file or a dump of PostgreSQL in its custom format. Keys are in it only where asked for.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from houston.signs_of_life import WEB
from invoker.models import Heartbeat, Notification
from invoker.tasks import BEAT, LONGEST_SILENCE_S, WORKER

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database"
KEYS: Final = ("secret.key", "encryption.key")
WAITS_S: Final = 60
SIGNS: Final = {WORKER: "worker", BEAT: "beat", WEB: "a web server"}


class BackupError(Exception):
    """A backup was not made or not put back; the message says why and the way out."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds. `migrations` are those that had been applied, `app.name` each."""

    vendor: str
    made_at: str
    migrations: list[str]
    sha256: dict[str, str]
    format: int = FORMAT
    names: list[str] = field(default_factory=list)


def make(path: Path, *, with_keys: bool) -> Manifest:
    """Write an archive, whole or not at all. Houston may run meanwhile.

    Raises:
        BackupError: a program is missing, the database cannot be read or is none of Houston's, or
            the folder of the file does not exist.
    """
    folder_of_file = path.resolve().parent
    if not folder_of_file.is_dir():
        raise BackupError(
            f'Cannot back up into "{path}": there is no folder "{folder_of_file}", make it first'
        )
    if connection.vendor == "sqlite" and not Path(_sqlite_file()).exists():
        # Opening it would make one, with nothing in it.
        raise _nothing_there()
    applied = _applied()
    if not any(app == "houston" for app, _ in applied):
        raise _nothing_there()
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder_of_file) as folder:
        copy = Path(folder) / DATABASE
        if connection.vendor == "sqlite":
            _copy_sqlite(copy)
        else:
            _dump_postgres(copy)
        files = {DATABASE: copy}
        if with_keys:
            for name, text in zip(
                KEYS, (settings.SECRET_KEY, "\n".join(settings.ENCRYPTION_KEYS)), strict=True
            ):
                files[name] = Path(folder) / name
                files[name].write_text(f"{text}\n")
        manifest = Manifest(
            vendor=connection.vendor,
            made_at=timezone.now().isoformat(timespec="seconds"),
            migrations=sorted(f"{app}.{name}" for app, name in applied),
            sha256={name: _sha256(each) for name, each in files.items()},
            names=sorted(files),
        )
        whole = Path(folder) / "whole"
        with tarfile.open(whole, "w:gz", compresslevel=1) as archive:
            _add(archive, MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
            for name, each in files.items():
                archive.add(each, name)
        whole.replace(path)
    return manifest


def name_of_database() -> str:
    """Which database it is, without how to get into it."""
    if connection.vendor == "sqlite":
        return f"SQLite in {_sqlite_file()}"
    told = connection.settings_dict
    at = f" at {told['HOST']}" if told["HOST"] else ""
    return f'{connection.display_name} "{told["NAME"]}"{at}'


def _nothing_there() -> BackupError:
    return BackupError(
        f"Cannot back up {name_of_database()}: nothing of Houston is in it, set HOUSTON_DATA_DIR "
        "or DATABASE_URL as Houston itself has it"
    )


def put_back(path: Path, *, replace: bool) -> Manifest:
    """Make the database what an archive holds, whole or not at all.

    Raises:
        BackupError: the archive is damaged, of another kind of database or of a newer Houston, or
            the database holds accounts or people already and `replace` is False.
    """
    with tempfile.TemporaryDirectory(prefix="houston-restore-") as folder:
        manifest = _unpack(path, Path(folder))
        if manifest.vendor != connection.vendor:
            raise BackupError(
                f"Cannot restore {path}: it is a backup of {manifest.vendor}, and DATABASE_URL is "
                f"{connection.vendor}"
            )
        if unknown := sorted(set(manifest.migrations) - _known()):
            raise BackupError(
                f"Cannot restore {path}: it is of a newer Houston, which had {unknown[0]}; install "
                "that version first"
            )
        if not replace and _is_used():
            raise BackupError(
                "Cannot restore: the database holds accounts or people already. Take an empty one, "
                "or add --replace, and all that is in it now is gone"
            )
        copy = Path(folder) / DATABASE
        if connection.vendor == "sqlite":
            _put_back_sqlite(copy)
        else:
            _put_back_postgres(copy)
    return manifest


def check_stopped() -> None:
    """Hold on while Houston runs: what it is at would go on with another database under it.

    Raises:
        BackupError: a web server, a worker or beat gave a sign of life a moment ago, or a
            notification came.
    """
    tables = set(connection.introspection.table_names())
    if not {"invoker_heartbeat", "invoker_notification"} <= tables:
        return
    ages = {f"{who} gave a sign of life": Heartbeat.age_s(name) for name, who in SIGNS.items()}
    # Whatever took it: web servers of other makes and agent sockets give no sign of life.
    ages["a notification came"] = _last_notification_s()
    fresh = {what: age for what, age in ages.items() if age is not None and age < LONGEST_SILENCE_S}
    if fresh:
        what, age_s = min(fresh.items(), key=lambda each: each[1])
        raise BackupError(
            f"Cannot restore {name_of_database()}: Houston runs on it, {what} {max(0, age_s):.0f} "
            "s ago. Stop all web servers, workers, beat and agent sockets and wait "
            f"{LONGEST_SILENCE_S:.0f} s, or add --while-running"
        )


def _last_notification_s() -> float | None:
    """How many seconds ago it came, None when none ever did."""
    latest = Notification.objects.order_by("-pk").values_list("received_at", flat=True).first()
    return (timezone.now() - latest).total_seconds() if latest else None


def keys_of(path: Path) -> dict[str, str]:
    """The keys in an archive, by the name of their file; none where it was made without."""
    with tempfile.TemporaryDirectory(prefix="houston-restore-") as folder:
        manifest = _unpack(path, Path(folder))
        found = [name for name in KEYS if name in manifest.names]
        return {name: (Path(folder) / name).read_text() for name in found}


def is_current(manifest: Manifest) -> bool:
    """Whether the backup has every migration of this version."""
    return _known() <= set(manifest.migrations)


# Archives -----------------------------------------------------------------------------------------


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    told = tarfile.TarInfo(name)
    told.size = len(content)
    told.mode = 0o600
    archive.addfile(told, io.BytesIO(content))


def _unpack(path: Path, folder: Path) -> Manifest:
    """Take an archive apart and hold its files against their checksums."""
    try:
        with tarfile.open(path) as archive:
            said = archive.extractfile(MANIFEST)
            assert said is not None
            manifest = _read(said)
            for name in manifest.names:
                found = archive.extractfile(name)
                assert found is not None
                with (folder / name).open("wb") as target:
                    shutil.copyfileobj(found, target)
    except FileNotFoundError as error:
        raise BackupError(f"Cannot restore {path}: there is no such file") from error
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError, TypeError,
            AssertionError) as error:  # fmt: skip
        raise BackupError(
            f"Cannot restore {path}: it is no backup of Houston, or a part of one ({error})"
        ) from error
    for name in manifest.names:
        if _sha256(folder / name) != manifest.sha256.get(name):
            raise BackupError(
                f'Cannot restore {path}: "{name}" in it is not what was backed up, take another one'
            )
    return manifest


def _read(said: IO[bytes]) -> Manifest:
    manifest = Manifest(**json.load(said))
    if manifest.format != FORMAT:
        raise ValueError(f"format {manifest.format}")
    if not {DATABASE} <= set(manifest.names) <= {DATABASE, *KEYS}:
        raise ValueError("unknown files")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


# What the database holds --------------------------------------------------------------------------


def _applied() -> set[tuple[str, str]]:
    return set(MigrationLoader(connection).applied_migrations)


def _known() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations or ()}


def _is_used() -> bool:
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table in tables & {"houston_account", "houston_user"}:
            cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608  # nosec B608 -- our own names
            if cursor.fetchone():
                return True
    return False


# SQLite -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=WAITS_S)) as opened:
        yield opened


def _copy_sqlite(copy: Path) -> None:
    """By the online backup: a copy of one moment, while others go on writing."""
    with _opened(_sqlite_file()) as source, _opened(copy) as target:
        source.backup(target)
        _check_sqlite(target)


def _put_back_sqlite(copy: Path) -> None:
    """In one transaction, so that the database is the old one or the new one at any moment."""
    with _opened(copy) as source:
        _check_sqlite(source)
        connection.close()
        with _opened(_sqlite_file()) as target:
            source.backup(target)


def _check_sqlite(opened: sqlite3.Connection) -> None:
    [said] = opened.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise BackupError(f"Cannot take the copy of the database: SQLite finds it damaged ({said})")


def _sqlite_file() -> str:
    return str(connection.settings_dict["NAME"])


# PostgreSQL ---------------------------------------------------------------------------------------


def _dump_postgres(copy: Path) -> None:
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}")


def _put_back_postgres(copy: Path) -> None:
    """In one transaction, tables that the backup does not know taken away first."""
    script = copy.with_suffix(".sql")
    with script.open("wb") as told:
        told.write(b"DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;\n")
        told.flush()
        _run("pg_restore", "--no-owner", "--no-privileges", "--file=-", str(copy), output=told,
             connects=False)  # fmt: skip
    connection.close()
    _run("psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1",
         f"--file={script}")  # fmt: skip


def _run(
    program: str, *arguments: str, output: IO[bytes] | None = None, connects: bool = True
) -> None:
    asked = [_program(program), *arguments]
    if connects:
        asked.append(f"--dbname={connection.settings_dict['NAME']}")
    done = subprocess.run(  # noqa: S603 -- programs of PostgreSQL, no shell
        asked,
        env=_environment(),
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise BackupError(f"Cannot go on: {program} ended with {done.returncode}: {said}")


def _environment() -> dict[str, str]:
    """How the programs connect; the password is on no command line."""
    told: dict[str, Any] = connection.settings_dict
    named = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
    found = {name: str(told[key]) for key, name in named.items() if told.get(key)}
    options = told.get("OPTIONS", {})
    for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile"):
        if options.get(key):
            found[f"PG{key.upper()}"] = str(options[key])
    return {**os.environ, **found}


def _program(name: str) -> str:
    """From the path, else the newest that the system's packages have installed."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[-3]
    )
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    if found is None:
        raise BackupError(
            f'Cannot find "{name}": install the client programs of PostgreSQL, of the server\'s '
            "version or a newer one"
        )
    return found
