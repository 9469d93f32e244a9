"""`manage.py backup FILE`: everything that is stored, in one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from houston import backups


class Command(BaseCommand):
    help = "Back the database up into one file, also while Houston runs"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="Put the secret key and the encryption keys in too: whoever has the file can read "
            "every secret then",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            manifest = backups.make(options["file"], with_keys=options["with_keys"])
        except (backups.BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        size = options["file"].stat().st_size
        self.stdout.write(
            f"Backed up {backups.name_of_database()} into {options['file']}, {size:,} bytes, "
            f"{len(manifest.migrations)} migrations"
        )
        if options["with_keys"]:
            self.stdout.write("The keys are in it: keep it as safe as they are")
        else:
            self.stdout.write(
                "The keys are not in it. Keep HOUSTON_SECRET_KEY and HOUSTON_ENCRYPTION_KEYS, or "
                "secret.key and encryption.key of the data folder, elsewhere: without the "
                "encryption keys the secrets in the backup cannot be read"
            )
