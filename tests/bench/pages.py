"""How long the server takes for every page of an account that has worked for a month.

    make bench-pages ARGS="--requests 30 --only sqlite --pages activity"

Fills an SQLite file and a PostgreSQL cluster of its own with a million invocations and half a
million events, most of them of one account, and asks for every page of that account through all of
Django: see `tests.bench.measuring`. Ends with 1 when the p95 of a page is over the bar.
"""

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.stack import services

DATABASES = ("sqlite", "postgresql")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=DATABASES, help="one database instead of both")
    arguments, rest = parser.parse_known_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    statuses = []
    for name in [arguments.only] if arguments.only else DATABASES:
        with database(name) as environment:
            command = [sys.executable, "-m", "tests.bench.measuring", *rest]
            statuses.append(subprocess.run(command, env=environment, check=False).returncode)
    return max(statuses)


@contextlib.contextmanager
def database(name: str) -> Iterator[dict[str, str]]:
    """An empty database of that kind; yields the environment of a process that uses it."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HOUSTON_", "DATABASE_URL", "DJANGO_"))
    }
    with tempfile.TemporaryDirectory(prefix="houston-bench-") as folder:
        environment = {
            **kept,
            "HOUSTON_DATA_DIR": folder,
            "HOUSTON_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "houston.settings",
        }
        if name == "sqlite":
            yield environment
        else:
            with services.postgres() as url:
                yield {**environment, "DATABASE_URL": url}


if __name__ == "__main__":
    sys.exit(main())
