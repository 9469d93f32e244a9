"""`manage.py rotate-keys`: put every stored secret under the first encryption key."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from houston import key_rotation
from invoker import encryption

MOST_NAMED = 20


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the first of the encryption keys. Safe while Houston "
        "runs: processes take over a new key of the data folder's file by themselves. Where the "
        "keys are in HOUSTON_ENCRYPTION_KEYS every process has to be restarted with the new key "
        "first. Can be broken off and run again. Ends with 1 when a secret could not be read"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument(
            "--check", action="store_true", help="Only say which keys are still in use"
        )
        ways.add_argument(
            "--new-key",
            action="store_true",
            help="Only make a new key and put it first in the data folder's file",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["new_key"]:
            self._add_key()
            return
        # Not only as of when this process began: it may have been there before --new-key.
        encryption.look_again()
        if not options["check"] and settings.ENCRYPTION_KEY_FILE is None:
            self.stdout.write(
                "HOUSTON_ENCRYPTION_KEYS is set: a process that was started without the first of "
                "these keys cannot read what is written now, restart it with them"
            )
        columns = key_rotation.columns()
        for column in columns:
            key_rotation.work_through(column, change=not options["check"])
            self.stdout.write(_line(column, check=options["check"]))
        unreadable = [column for column in columns if column.unreadable]
        for column in unreadable:
            named = ", ".join(str(pk) for pk in column.unreadable[:MOST_NAMED])
            more = len(column.unreadable) - MOST_NAMED
            self.stderr.write(
                f"{column.label} cannot be read in {named}{f' and {more} more' if more > 0 else ''}"
            )
        if options["check"]:
            self._tell_use(columns)
        elif any(column.changed_meanwhile for column in columns):
            self.stdout.write("Some were changed at the same moment: run it once more")
        if unreadable:
            raise CommandError(
                "Cannot read some secrets: none of the keys fits, put the key they were written "
                "with back into HOUSTON_ENCRYPTION_KEYS, or enter these secrets anew"
            )

    def _tell_use(self, columns: list[key_rotation.Column]) -> None:
        used: Counter[int] = sum((column.by_key for column in columns), Counter())
        for place in range(len(settings.ENCRYPTION_KEYS)):
            what = "the one that encrypts" if place == 0 else "an older one"
            free = ", can be removed" if place and not used[place] else ""
            self.stdout.write(f"Key {place + 1}, {what}: {used[place]} secrets{free}")

    def _add_key(self) -> None:
        path = settings.ENCRYPTION_KEY_FILE
        if path is None:
            raise CommandError(
                "Cannot add a key: HOUSTON_ENCRYPTION_KEYS is set. Add this one at the end of its "
                "list and restart every process, then put it first and restart every process "
                f"again, then run rotate-keys: {Fernet.generate_key().decode()}"
            )
        old = path.read_text().strip()
        # Whole or not at all: without this file nothing can be read.
        beside = path.with_suffix(".new")
        beside.write_text(f"{Fernet.generate_key().decode()}\n{old}\n")
        beside.replace(path)
        self.stdout.write(
            f"A new key is the first line of {path}. What runs on this data folder takes it over "
            "by itself; a host with a copy of the file needs the new one first. Then run "
            "rotate-keys, then rotate-keys --check; a key that it says can be removed is a line "
            "that you may delete"
        )


def _line(column: key_rotation.Column, *, check: bool) -> str:
    newest = column.by_key[0]
    older = sum(column.by_key.values()) - newest
    words = [
        f"{older} under older keys" if check else f"{column.renewed} re-encrypted",
        f"{newest} under the first key" if check else f"{column.unchanged} were already",
        f"{len(column.unreadable)} could not be read",
    ]
    if column.changed_meanwhile:
        words.append(f"{column.changed_meanwhile} changed meanwhile")
    return f"{column.label}: {', '.join(words)}"
