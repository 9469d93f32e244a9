"""`GET /metrics`: what Prometheus reads, and who may.

Counters come from all processes of this host, gauges from the database when they are asked for.
"""

import errno
import ipaddress
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, ThreadingWSGIServer
from prometheus_client.registry import Collector

from houston import __version__
from invoker import runtime
from invoker.models import (
    Conversation,
    DeadLetter,
    Heartbeat,
    Notification,
    NotificationState,
    nobody_holds,
)
from invoker.telemetry import instruments

logger = logging.getLogger(__name__)

PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP")


class NotAllowedError(Exception):
    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Every metric of this host, and those of the installation that are in the database."""
    return _respond(request, Counted(), Sandboxes(), FromDatabase())


def _respond(request: HttpRequest, *collectors: Collector) -> HttpResponse:
    try:
        _check(request)
    except NotAllowedError as error:
        response = JsonResponse({"code": error.code, "message": error.message}, status=error.status)
        if error.status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return HttpResponse(exposed(*collectors), content_type=CONTENT_TYPE_LATEST)


def _check(request: HttpRequest) -> None:
    """Let in who has the token; without any, who asks on this machine and through nobody.

    Raises:
        NotAllowedError: neither.
    """
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if token:
        if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise NotAllowedError(
                HTTPStatus.UNAUTHORIZED,
                "metrics-token",
                "Cannot show metrics: send HOUSTON_METRICS_TOKEN as a bearer token",
            )
        return
    through_proxy = any(name in request.headers for name in PROXY_HEADERS)
    if through_proxy or not _is_local(request.META.get("REMOTE_ADDR", "")):
        raise NotAllowedError(
            HTTPStatus.FORBIDDEN,
            "metrics-local",
            "Cannot show metrics to other machines or through a proxy: set HOUSTON_METRICS_TOKEN, "
            "then send it as a bearer token",
        )


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def exposed(*collectors: Collector) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


class Counted(Collector):
    """What the processes of this host have counted."""

    def collect(self) -> Iterable[Metric]:
        return instruments.counted()

    def describe(self) -> Iterable[Metric]:
        return ()


class FromDatabase(Collector):
    """What the rows say right now. One short query each, all by an index."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "houston_build", "The version that runs", value={"version": __version__}
        )
        for name, help_text, read in GAUGES:
            try:
                value = read()
            except DatabaseError as error:
                # Those that do not need it are worth having then.
                logger.warning("no metric", extra={"metric": name, "reason": type(error).__name__})
                connection.close()
                return
            if value is not None:
                yield GaugeMetricFamily(name, help_text, value=value)

    def describe(self) -> Iterable[Metric]:
        return ()


def _queue_age_s() -> float:
    now = timezone.now()
    free = Conversation.objects.filter(nobody_holds(now), due_at__lte=now)
    due_at = free.order_by("due_at").values_list("due_at", flat=True).first()
    return (now - due_at).total_seconds() if due_at else 0.0


def _pending() -> float:
    return Notification.objects.filter(state=NotificationState.PENDING).count()


def _dead_letters() -> float:
    return DeadLetter.objects.filter(closed_at=None).count()


GAUGES: tuple[tuple[str, str, Callable[[], float | None]], ...] = (
    (
        "houston_queue_oldest_age_seconds",
        "How long the conversation waits that has waited longest for a worker",
        _queue_age_s,
    ),
    ("houston_notifications_pending", "Notifications that nobody has read yet", _pending),
    (
        "houston_dead_letters_open",
        "Dead letters that wait for a decision, or are being tried again",
        _dead_letters,
    ),
    (
        "houston_worker_heartbeat_age_seconds",
        "Since when no worker has given a sign of life",
        lambda: Heartbeat.age_s("worker"),
    ),
    (
        "houston_beat_heartbeat_age_seconds",
        "Since when beat has not knocked",
        lambda: Heartbeat.age_s("beat"),
    ),
)


class Sandboxes(Collector):
    """The sandboxes of this host, by what they do."""

    def collect(self) -> Iterator[Metric]:
        try:
            report = runtime.report()
        except runtime.UnavailableError:
            return
        found = GaugeMetricFamily("houston_sandboxes", "Sandboxes of this host", labels=["state"])
        found.add_metric(["running"], report.instances - report.idle)
        found.add_metric(["idle"], report.idle)
        found.add_metric(["booted"], report.stems)
        yield found
        yield GaugeMetricFamily(
            "houston_sandboxes_limit", "Sandboxes of this host at most", value=report.most
        )

    def describe(self) -> Iterable[Metric]:
        return ()


# Where a host has no web server -------------------------------------------------------------------


def serve() -> int | None:
    """Answer `/metrics` from this process, where HOUSTON_METRICS_PORT says so; the port.

    Only what this host counts: the rest comes from a web server, and would be there twice. None
    where nothing is to be answered, or another worker of this host does it for both.
    """
    if not settings.METRICS_PORT:
        return None
    try:
        server = make_server(
            settings.METRICS_HOST, settings.METRICS_PORT, _answer, ThreadingWSGIServer, _Silent
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        logger.info(
            "another worker of this host answers /metrics", extra={"port": settings.METRICS_PORT}
        )
        return None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server.server_port


def _answer(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
    if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] != "GET":
        start("404 Not Found", [])
        return []
    response = _respond(WSGIRequest(environ), Counted(), Sandboxes())
    start(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- so it is named there
        """Being asked every few seconds is nothing to tell."""
