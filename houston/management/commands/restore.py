"""`manage.py restore FILE`: make the database what a backup holds."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from houston import backups, key_rotation


class Command(BaseCommand):
    help = "Put a backup back into an empty database. Stop Houston first"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="Also where the database holds accounts or people, which are gone then",
        )
        parser.add_argument(
            "--while-running",
            action="store_true",
            help="Also where a web server, worker or beat gave a sign of life a moment ago, or a "
            "notification came",
        )
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="Put the keys of the backup into the data folder, the present ones beside them",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        path = options["file"]
        try:
            keys = backups.keys_of(path) if options["with_keys"] else {}
            if options["with_keys"]:
                _check_keys(keys)
            if not options["while_running"]:
                backups.check_stopped()
            manifest = backups.put_back(path, replace=options["replace"])
        except (backups.BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        for name, text in keys.items():
            _put_key(settings.DATA_DIR / name, text)
        self.stdout.write(f"Restored what was backed up at {manifest.made_at}. Next:")
        steps = ["Start web server, workers, beat and agent sockets", "Look at GET /readyz"]
        if keys:
            steps.insert(0, "The backup's keys are in the data folder now")
        elif backups.is_current(manifest) and (unreadable := _unreadable()):
            steps.insert(
                0,
                f"Put the keys of the backup in place: {unreadable} stored secrets cannot be read "
                "with the present ones",
            )
        if not (settings.STATIC_ROOT / "staticfiles.json").exists():
            steps.insert(0, "Run manage.py collectstatic --noinput")
        if not backups.is_current(manifest):
            steps.insert(0, "Run manage.py migrate: the backup is of an older version")
        for number, step in enumerate(steps, 1):
            self.stdout.write(f"{number}. {step}")


def _check_keys(keys: dict[str, str]) -> None:
    if not keys:
        raise backups.BackupError("Cannot restore the keys: the backup was made without them")
    if settings.ENCRYPTION_KEY_FILE is None:
        raise backups.BackupError(
            "Cannot restore the keys: HOUSTON_ENCRYPTION_KEYS is set and would count instead, take "
            "it away, or restore without --with-keys"
        )


def _put_key(path: Path, text: str) -> None:
    if path.exists() and path.read_text() != text:
        path.replace(path.with_suffix(f"{path.suffix}.before-restore"))
    path.touch(mode=0o600)
    path.write_text(text)


def _unreadable() -> int:
    found = key_rotation.columns()
    for column in found:
        key_rotation.work_through(column, change=False)
    return sum(len(column.unreadable) for column in found)
