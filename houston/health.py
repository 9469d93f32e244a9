"""Whether this process lives, and whether everything that an event needs is there."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe
from kombu.exceptions import OperationalError

from houston import __version__, key_rotation, layers
from houston.views.access import for_team
from houston.views.sockets import CONNECTED, Socket, held
from invoker import dead_letters, retention, runtime
from invoker.backlog import waiting
from invoker.models import Connection, Heartbeat
from invoker.platforms import liveperson
from invoker.tasks import BEAT, LONGEST_SILENCE_S, WORKER

CHECK_TIMEOUT_S = 2
# For a write that is only tried. Others write for a millisecond at a time.
WRITE_WITHIN_S = 1
SANDBOX_FRESH_S = 10.0
# A quarter of an hour of traffic is a few hundred MB with its logs.
DISK_LOW_BYTES = 1024 * 1024 * 1024
DISK_FULL_BYTES = 100 * 1024 * 1024
CHECK_TITLES = {
    "database": "Database",
    "broker": "Broker",
    "worker": "Worker",
    "beat": "Beat",
    "migrations": "Migrations",
    "keys": "Encryption keys",
    "disk": "Disk",
    "sandbox": "Sandbox",
    "layers": "Layers of the sandbox",
    "sockets": "Agent sockets",
}
# A sign of life is a row.
NO_WRITES = "Not known while the database takes no writes"
SHORT_COMMIT = 10
SAMPLE = runtime.Program(source="function lambda(input, callback) { callback(null, input + 1); }")


def _commit() -> str:
    """Which commit a checkout is at, "" for what is none."""
    git = settings.BASE_DIR / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (git / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return ""
    return head[:SHORT_COMMIT]


# Now, as what is checked out later is not what runs.
COMMIT = _commit()


class Finding(NamedTuple):
    """Whether all is well, and in a few words what was found.

    `warning`: events are handled, but somebody should look into it.
    """

    ok: bool
    detail: str
    warning: bool = False


Probe = Callable[[], Finding]


class Signs(NamedTuple):
    """How many seconds old the last signs of life are, None where there was none yet.

    `refused`: with which error the database refuses a newer one, "" when nothing stands against it.
    """

    worker_s: float | None
    beat_s: float | None
    refused: str


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. `detail` is for people and holds no secret and no address."""

    ok: bool
    detail: str
    ms: float
    warning: bool = False


@dataclass(frozen=True, slots=True)
class CheckRow:
    title: str
    check: Check


@dataclass(frozen=True, slots=True)
class LayerRow:
    layer: layers.Layer
    holds: bool


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """200 when an event that arrived now would be handled, 503 with the reason otherwise."""
    checks = check_all()
    ready = all(check.ok for check in checks.values())
    return JsonResponse(
        {
            "status": "ready" if ready else "not ready",
            "checks": {name: asdict(check) for name, check in checks.items()},
        },
        status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@for_team
@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """What `readyz` finds, and what the sandbox of this host consists of, for the account team."""
    checks = check_all()
    report = _report()
    context = {
        "checks": [CheckRow(CHECK_TITLES[name], check) for name, check in checks.items()],
        "ready": all(check.ok for check in checks.values()),
        "warning": any(check.warning for check in checks.values()),
        "version": __version__,
        "commit": COMMIT,
        "waiting": waiting(),
        "report": report,
        "layers": [
            LayerRow(layer, holds=report.layers.get(layer.name, False)) for layer in layers.LAYERS
        ]
        if report
        else [],
        "sockets": _agent_sockets(),
        "letters": dead_letters.by_account(),
        "removed": retention.recently(),
        "worker_seen_at": Heartbeat.objects.filter(name=WORKER)
        .values_list("seen_at", flat=True)
        .first(),
        "beat_seen_at": Heartbeat.objects.filter(name=BEAT)
        .values_list("seen_at", flat=True)
        .first(),
    }
    template = "accounts/health.html"
    if request.htmx:  # type: ignore[attr-defined]
        template = f"{template}#found"
    return render(request, template, context)


def _report() -> runtime.Report | None:
    """None when the sandbox does not answer in the time of a check."""
    try:
        return _threads().submit(runtime.report).result(timeout=CHECK_TIMEOUT_S)
    except (runtime.UnavailableError, FutureTimeoutError):
        return None


def check_all() -> dict[str, Check]:
    # Before the checks that wait for it: who comes first gets a thread first.
    signs = _threads().submit(_signs)
    probes: dict[str, Probe] = {
        "database": partial(_writable_database, signs),
        "broker": _broker,
        "worker": partial(_worker, signs),
        "beat": partial(_beat, signs),
        "migrations": _migrations,
        "keys": _keys,
        "disk": _disk,
        "sandbox": _sandbox.check,
        "layers": _layers,
        "sockets": _sockets,
    }
    return run(probes, timeout_s=CHECK_TIMEOUT_S)


def run(probes: Mapping[str, Probe], *, timeout_s: float) -> dict[str, Check]:
    """Run probes beside each other. Takes `timeout_s` at most, and never raises."""
    ends_at = time.monotonic() + timeout_s
    running = {name: _threads().submit(_measured, probe) for name, probe in probes.items()}
    found = {}
    for name, future in running.items():
        try:
            found[name] = future.result(timeout=max(0.0, ends_at - time.monotonic()))
        except FutureTimeoutError:
            future.cancel()
            found[name] = Check(False, f"No answer within {timeout_s:g} s", timeout_s * 1000)
    return found


@cache
def _threads() -> ThreadPoolExecutor:
    """Few threads for all requests: a check that hangs delays other checks, nothing else."""
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")


def _measured(probe: Probe) -> Check:
    begun = time.perf_counter()
    try:
        found = probe()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        # Not its text: drivers put addresses and user names into that.
        found = Finding(False, f"Failed with {type(error).__name__}")
    ms = round((time.perf_counter() - begun) * 1000, 1)
    return Check(found.ok, found.detail, ms, found.warning)


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        return Finding(True, f"{connection.display_name} answers")
    except DatabaseError as error:
        # Not its text: drivers put addresses and user names into that.
        said = type(error).__name__
        return Finding(False, f"Does not answer ({said}): start it, or correct DATABASE_URL")
    finally:
        connection.close()


def _broker() -> Finding:
    with current_app.connection_for_write() as broker:
        away: tuple[type[BaseException], ...] = (OperationalError, *broker.connection_errors)
        try:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=CHECK_TIMEOUT_S)
        except away as error:
            said = f"Does not answer ({type(error).__name__})"
            return Finding(False, f"{said}: start it, or correct HOUSTON_BROKER_URL")
        return Finding(True, f"{broker.transport.driver_name} answers")


def _signs() -> Signs:
    """Whether it can be written is asked only when a sign of life is missing."""
    try:
        worker_s, beat_s = Heartbeat.age_s(WORKER), Heartbeat.age_s(BEAT)
        missing = _is_silent(worker_s) or _is_silent(beat_s)
        return Signs(worker_s, beat_s, _refused_write() if missing else "")
    finally:
        connection.close()


def _is_silent(age_s: float | None) -> bool:
    return age_s is None or age_s >= LONGEST_SILENCE_S


def _refused_write() -> str:
    """Try a sign of life without giving one: the name of the error, "" when it could be written.

    Takes `WRITE_WITHIN_S`, and changes how long this connection waits: to be closed after it.
    """
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                connection.waits_s = WRITE_WITHIN_S  # type: ignore[attr-defined] # houston.sqlite
            with transaction.atomic():
                if connection.vendor == "postgresql":
                    cursor.execute(f"SET LOCAL statement_timeout = '{WRITE_WITHIN_S}s'")
                Heartbeat.objects.filter(name__in=(WORKER, BEAT)).update(seen_at=F("seen_at"))
                transaction.set_rollback(True)
    except DatabaseError as error:
        # The driver's own error says more, but not its text.
        return type(error.__cause__ or error).__name__
    return ""


def _writable_database(signs: Future[Signs]) -> Finding:
    found = _database()
    if not found.ok:
        return found
    try:
        refused = signs.result().refused
    except DatabaseError:
        # It answers, and has no tables yet.
        return found
    if not refused:
        return found
    ways_out = "end the process that holds its write lock, or make its file and disk writable"
    if connection.vendor == "postgresql":
        ways_out = (
            "have DATABASE_URL name the server that takes them and no replica, or end the "
            "transaction that holds the table invoker_heartbeat"
        )
    tried = f"an UPDATE was tried for {WRITE_WITHIN_S} s and failed with {refused}"
    return Finding(False, f"Answers, but takes no writes ({tried}): {ways_out}")


def _worker(signs: Future[Signs]) -> Finding:
    age_s, _, refused = signs.result()
    if _is_silent(age_s) and refused:
        return Finding(True, NO_WRITES, warning=True)
    if age_s is None:
        return Finding(False, "No worker has given a sign of life yet: start one")
    if age_s >= LONGEST_SILENCE_S:
        return Finding(False, f"The last sign of life is {age_s:.0f} s old: start a worker again")
    return Finding(True, f"Gave a sign of life {age_s:.0f} s ago")


def _beat(signs: Future[Signs]) -> Finding:
    worker_age_s, age_s, refused = signs.result()
    if _is_silent(age_s) and refused:
        return Finding(True, NO_WRITES, warning=True)
    if _is_silent(worker_age_s):
        # A worker has to hear what beat says.
        return Finding(True, "Not known while there is no worker", warning=True)
    if age_s is None:
        return Finding(False, "Has not knocked yet: start beat")
    if age_s >= LONGEST_SILENCE_S:
        return Finding(False, f"Knocked {age_s:.0f} s ago for the last time: start beat again")
    return Finding(True, f"Knocked {age_s:.0f} s ago")


def _migrations() -> Finding:
    try:
        left = _shipped() - MigrationRecorder(connection).applied_migrations().keys()
    finally:
        connection.close()
    if left:
        return Finding(False, f"{len(left)} are not applied: run manage.py migrate")
    return Finding(True, "All are applied")


@cache
def _shipped() -> set[tuple[str, str]]:
    """The migrations that this process came with. Only looked at, so read without their order."""
    return {
        (app.label, path.stem)
        for app in apps.get_app_configs()
        for path in (Path(app.path) / "migrations").glob("[0-9]*.py")
    }


def _keys() -> Finding:
    try:
        found = key_rotation.look()
    finally:
        connection.close()
    if not found.looked_at:
        return Finding(True, "No secret is stored yet")
    if not found.unreadable:
        return Finding(True, f"Open all of {found.looked_at} secrets that were looked at")
    place = "HOUSTON_ENCRYPTION_KEYS and restart"
    if settings.ENCRYPTION_KEY_FILE is not None:
        # Processes look there by themselves.
        place = f"{settings.ENCRYPTION_KEY_FILE.name} of the data folder"
    said = (
        f"Do not open {found.unreadable} of {found.looked_at} secrets that were looked at: put the "
        f"key they were written with back into {place}, or enter them anew"
    )
    # As long as a door can check who sends, what comes by that one is handled.
    all_lost = found.unreadable == found.looked_at
    return Finding(not (found.doors_closed or all_lost), said, warning=True)


def _disk() -> Finding:
    found = shutil.disk_usage(settings.DATA_DIR)
    free = f"{found.free / 2**30:.1f} GiB of the data folder's disk are free"
    if found.free < DISK_FULL_BYTES:
        return Finding(False, f"{free}: make room, the doors turn notifications away soon")
    if found.free < DISK_LOW_BYTES:
        return Finding(True, f"{free}: make room soon", warning=True)
    return Finding(True, free)


def _layers() -> Finding:
    try:
        report = runtime.report()
    except runtime.UnavailableError:
        return Finding(False, "Not known: the sandbox does not answer")
    why_not = layers.why_not_several(report)
    try:
        if why_not and layers.has_several_accounts():
            return Finding(False, f"Functions of several accounts do not run: {why_not}")
    finally:
        connection.close()
    lacks = layers.missing(report)
    if not lacks:
        return Finding(True, f"All {len(layers.LAYERS)} hold")
    weaker = "; ".join(f"{layer.title} is missing: {layer.way_out}" for layer in lacks)
    return Finding(True, weaker, warning=True)


def _sockets() -> Finding:
    try:
        sockets = _agent_sockets()
    finally:
        connection.close()
    if not sockets:
        return Finding(True, "No connection has one")
    away = sum(socket.word != CONNECTED for _, socket in sockets)
    if not away:
        return Finding(True, f"{len(sockets)} connected")
    # Only a warning: what comes by other connections is handled.
    return Finding(True, f"{away} of {len(sockets)} not connected", warning=True)


def _agent_sockets() -> list[tuple[Connection, Socket]]:
    found = liveperson.wanted().select_related("agent_session").order_by("account_id", "name")
    return [(each, held(each)) for each in found]


class SandboxCheck:
    """Starts a sandbox and runs a function; what was found holds for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._found = Finding(False, "")

    def check(self) -> Finding:
        with self._lock:
            if time.monotonic() - self._checked_at > SANDBOX_FRESH_S:
                self._found = self._run()
                self._checked_at = time.monotonic()
            return self._found

    def _run(self) -> Finding:
        result = runtime.run(SAMPLE, 1, timeout_s=CHECK_TIMEOUT_S)
        if result.outcome is runtime.Outcome.SUCCEEDED and result.value == 2:  # noqa: PLR2004
            return Finding(True, f"Ran a function in {result.duration_ms:.1f} ms")
        code = result.failure.code if result.failure else result.outcome
        return Finding(False, f"Cannot run a function: {code}, see the log of the web server")


_sandbox = SandboxCheck()
