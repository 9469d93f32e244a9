"""The one entry point of the command line: runserver, migrate, demo, sweep."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError
from environs import EnvError


def main() -> None:
    """Run a command. What somebody outside of the code has to mend is told in one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "houston.settings")
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ImproperlyConfigured, EnvError) as error:
        # Settings may be what failed, so not by what they say.
        if os.environ.get("HOUSTON_LOG_LEVEL") == "DEBUG" or "--traceback" in sys.argv:
            raise
        sys.exit(_line(error))


def _line(error: Exception) -> str:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    if not isinstance(error, OperationalError):
        return said
    if said.startswith("no such table"):
        return f"Cannot use the database ({said}): run manage.py migrate first"
    return f"Cannot use the database ({said}): start it, or correct DATABASE_URL"


if __name__ == "__main__":
    main()
