"""`manage.py` for command after command: each in a process of its own, but all is loaded once."""

import gc
import json
import os
import sys

import django
from django.core.management import execute_from_command_line
from django.urls import get_resolver


def main() -> None:
    """Read one command a line, and say how each ended; its output goes where the line says."""
    django.setup()
    # What most commands need, so that none of them loads it again.
    get_resolver().url_patterns  # noqa: B018
    gc.freeze()
    for line in sys.stdin:
        wanted = json.loads(line)
        if os.fork() == 0:
            for number, name in enumerate((os.devnull, wanted["stdout"], wanted["stderr"])):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
            execute_from_command_line(["manage.py", *wanted["arguments"]])
            return
        _, status = os.wait()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
