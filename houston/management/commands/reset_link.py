"""`manage.py reset_link`: the operator's way in for somebody whom nobody else can help."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from houston import people
from houston.models import User


class Command(BaseCommand):
    help = "Print a link that sets a new password of a user, once and within a day"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--remove-factors", action="store_true", help="Also remove app, passkeys and codes"
        )

    def handle(self, *_: Any, username: str, remove_factors: bool, **__: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(
                f'Cannot make a link for "{username}": nobody has this user name, '
                "`createsuperuser` makes a new member of the account team"
            )
        if remove_factors:
            people.reset_factors(user, by="operator")
        self.stdout.write(people.reset_link(user, by="operator"))
