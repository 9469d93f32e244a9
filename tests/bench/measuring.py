"""Asks for every page of a filled database, and says how long each took: see `tests.bench.pages`.

The database is the one that the environment names, and has to be empty. Pages below `VARIANTS` are
asked for with those filters besides. Prints milliseconds, the number of statements, and how the
database finds the rows of its large tables.

CPU is what this process worked, which other work on the machine hardly changes; with PostgreSQL its
server works besides. `first` is the very first request of the page, which for the review of a
deployment has the sandbox check the code. Of a file that is sent while it is written, p50 and p95
are of its first rows; the whole of it is told below the table.
"""

import argparse
import logging
import math
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import get_resolver, reverse

django.setup()

from houston.warming import warm_up  # noqa: E402
from invoker import metrics  # noqa: E402
from tests.bench import filling  # noqa: E402

BAR_MS = 100.0
WARM_UP = 2
SLOWEST_SHOWN = 3
# Pages with filters: a name for the table, the name of the address, what comes behind the "?".
VARIANTS: tuple[tuple[str, str, str], ...] = (
    ("Activity of a function", "functions:activity", "function={name}"),
    ("Activity of a conversation", "functions:activity", "conversation={conversation}"),
    ("Activity that failed", "functions:activity", "verdict=failed"),
    ("Activity of a function that failed", "functions:activity", "function={name}&verdict=failed"),
    ("Activity of an event", "functions:activity", "event={type}"),
    ("Activity of an hour", "functions:activity", "window=1h"),
    ("Logs of a function", "functions:logs", "function={name}&window=7d"),
    ("Logs of 7 days, errors", "functions:logs", "level=Error&window=7d"),
    ("Logs of 7 days, line by line", "functions:logs", "flat=on&window=7d"),
    ("Logs with a text", "functions:logs", "q=customer&window=7d"),
    ("Logs with a text that is nowhere", "functions:logs", "q=nowhere+at+all&window=7d"),
    *(
        (f"Metrics {window}", "functions:metrics", f"window={window}")
        for window in ("1h", "6h", "24h", "7d", "30d")
    ),
    ("Metrics 30d of a function", "functions:metrics", "window=30d&function={name}"),
    ("Conversations that are open", "functions:conversations", "state=open"),
    ("Conversations that are closed", "functions:conversations", "state=closed"),
    ("Conversations of a platform", "functions:conversations", "connection={connection_id}"),
    (
        "Conversations, open, of a platform",
        "functions:conversations",
        "state=open&connection={connection_id}",
    ),
    ("Conversations of nobody", "functions:conversations", "q=zeppelin"),
    ("Conversations of a consumer", "functions:conversations", "q=consumer-1"),
    ("Activity in progress", "functions:activity", "verdict=in-progress"),
)
# Not pages, or pages that only ask back.
LEFT_OUT = frozenset({"sign-out"})
# What grows without end: how its rows are found is printed.
LARGE = re.compile(
    r"\b(invoker_(?:event|invocation|command|logline|notification|conversation|auditentry|metricbucket))\b"
)


@dataclass(slots=True)
class Measured:
    """One page. Milliseconds of each request, and what it asked the database."""

    name: str
    path: str
    first_ms: float = 0.0
    took_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    size: int = 0
    asked: list[tuple[float, str, Any]] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)
    rows: int = 0

    def quantile(self, share: float) -> float:
        return quantile(self.took_ms, share)


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-pages")
    parser.add_argument("--invocations", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--lines", type=int, default=500_000, help="lines that functions logged")
    parser.add_argument("--requests", type=int, default=20, help="measured requests of each page")
    parser.add_argument(
        "--pages", default="", help="only pages with one of these, between commas, in name or path"
    )
    arguments = parser.parse_args()
    # Nothing is collected, so there are no hashed names to look up.
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    # Everything is loaded before it takes its time.
    assert get_resolver().url_patterns
    call_command("migrate", verbosity=0)
    began = time.monotonic()
    filled = filling.fill(filling.Sizes(arguments.invocations, arguments.events, arguments.lines))
    written = ", ".join(f"{count:,} {name}" for name, count in filled.written.items())
    print(f"\n{version()}: {written}; filled in {time.monotonic() - began:.0f} s", flush=True)
    # As the web server does when everything is loaded: what was written here is not its garbage.
    warm_up()
    # Requests that are refused are no news here: many addresses only take forms.
    logging.disable(logging.ERROR)
    client = Client(headers={"host": "localhost"})
    client.force_login(filled.user)
    wanted = arguments.pages.lower().split(",")
    pages = [
        page
        for name, path in addresses(filled.arguments)
        if any(each in f"{name} {path}".lower() for each in wanted)
        and (page := measure(client, name, path, arguments.requests))
    ]
    print_table(pages)
    print_plans(pages)
    slow = [page for page in pages if page.quantile(0.95) > BAR_MS]
    for page in slow:
        print(
            f"  FAILS: {page.name} has a p95 of {page.quantile(0.95):.0f} ms, of CPU "
            f"{quantile(page.cpu_ms, 0.95):.0f} ms"
        )
    return int(bool(slow))


def version() -> str:
    sql = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return f"{connection.display_name} {cursor.fetchone()[0]}"


def addresses(arguments: Mapping[str, object]) -> list[tuple[str, str]]:
    """Every address whose arguments are known, and those of `VARIANTS`, by name."""
    found = [
        (name, reverse(name, kwargs={key: arguments[key] for key in names}))
        for name, names in sorted(patterns(get_resolver().url_patterns))
        if names <= set(arguments) and name not in LEFT_OUT
    ]
    for shown, name, query in VARIANTS:
        path = reverse(name, kwargs={"account_id": arguments["account_id"]})
        found.append((shown, f"{path}?{query.format(**arguments)}"))
    return found


def patterns(
    found: Sequence[Any], prefix: str = "", above: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """Names of addresses with the arguments they take."""
    for pattern in found:
        names = above | set(pattern.pattern.regex.groupindex)
        if hasattr(pattern, "url_patterns"):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from patterns(pattern.url_patterns, inner, names)
        elif pattern.name:
            yield prefix + pattern.name, names


def measure(client: Any, name: str, path: str, requests: int) -> Measured | None:
    """Ask for a page again and again. None for what is no page: a redirect, a door, a form."""
    page = Measured(name, path)
    # As the worker does every minute.
    metrics.roll_up()
    began = time.perf_counter()
    first = client.get(path)
    if first.status_code != HTTPStatus.OK:
        return None
    first_piece = next(iter(first), b"")
    page.first_ms = (time.perf_counter() - began) * 1000
    first.close()

    def listen(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            page.asked.append(((time.perf_counter() - began) * 1000, sql, params))

    with connection.execute_wrapper(listen):
        body = b"".join(client.get(path))
    page.size = len(body)
    streamed = first.streaming and len(first_piece) < page.size
    page.rows = body.count(b"\n") - 1 if streamed else 0
    for number in range(WARM_UP + requests):
        began, cpu = time.perf_counter(), time.process_time()
        answer = client.get(path)
        pieces = iter(answer)
        if streamed:
            # The header alone would say little: the first rows come with the second piece.
            next(pieces)
            next(pieces)
        else:
            b"".join(pieces)
        took_ms, cpu_ms = (time.perf_counter() - began) * 1000, time.process_time() - cpu
        b"".join(pieces)
        if number >= WARM_UP:
            page.took_ms.append(took_ms)
            page.cpu_ms.append(cpu_ms * 1000)
            page.whole_ms.append((time.perf_counter() - began) * 1000)
    return page


def print_table(pages: list[Measured]) -> None:
    heads = ("p50 ms", "p95 ms", "CPU p50", "CPU p95", "first")
    print(f"\n  {'page':<44}{''.join(f'{each:>8}' for each in heads)}{'queries':>9}{'kB':>7}")
    for page in sorted(pages, key=lambda page: -page.quantile(0.95)):
        print(
            f"  {page.name:<44}{page.quantile(0.5):8.1f}{page.quantile(0.95):8.1f}"
            f"{statistics.median(page.cpu_ms):8.1f}{quantile(page.cpu_ms, 0.95):8.1f}"
            f"{page.first_ms:8.0f}{len(page.asked):9}{page.size / 1000:7.0f}"
        )
    for page in pages:
        if page.rows:
            whole_ms = statistics.median(page.whole_ms)
            print(
                f"  {page.name}: first rows after {page.quantile(0.5):.0f} ms, all {page.rows:,} "
                f"after {whole_ms:.0f} ms, {1000 * page.rows / whole_ms:,.0f} rows a second"
            )
    print(f"  Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


def print_plans(pages: list[Measured]) -> None:
    """How rows of large tables are found, once for every different statement."""
    seen: set[str] = set()
    print("\n  How rows are found")
    for page in pages:
        large = [one for one in page.asked if LARGE.search(one[1]) and one[1] not in seen]
        large.sort(key=lambda one: -one[0])
        for took_ms, sql, params in large[:SLOWEST_SHOWN]:
            seen.add(sql)
            print(
                f"  {page.name}, {took_ms:.1f} ms: {', '.join(dict.fromkeys(LARGE.findall(sql)))}"
            )
            for line in plan(sql, params):
                print(f"      {line}")


def plan(sql: str, params: Any) -> list[str]:
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN (COSTS OFF)"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        found = cursor.fetchall()
    if connection.vendor == "sqlite":
        return [row[3] for row in found]
    return [row[0] for row in found if "->" in row[0] or "Cond" in row[0]]


if __name__ == "__main__":
    sys.exit(main())
