"""One trace from a platform's request to the command: spans where somebody takes them, ids always.

OpenTelemetry is an extra: without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing of it is loaded, and the
`traceparent` that a platform sent is passed on as it came. Source: W3C Trace Context.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

TRACEPARENT_LENGTH = 55
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# What is passed on where nobody takes spans.
_carried: ContextVar[str] = ContextVar("traceparent", default="")


def check() -> None:
    """Say at the start what is missing.

    Raises:
        ImproperlyConfigured: spans are to be sent somewhere, and what sends them is not installed.
    """
    if not settings.OTEL_ENABLED:
        return
    try:
        tracer()
    except ImportError as error:
        raise ImproperlyConfigured(
            f"Cannot send traces to OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is missing, install "
            "what README's Settings name for it, or unset the variable"
        ) from error


@contextmanager
def span(name: str, parent: str | None, ids: dict[str, Any]) -> Iterator[None]:
    """A span below `parent`, a traceparent; "" begins a trace, None goes on below the current span.

    Of an error it keeps the name alone: its text may quote what somebody sent.
    """
    given = parent if parent and _TRACEPARENT.fullmatch(parent) else ""
    if not settings.OTEL_ENABLED:
        before = _carried.set(_carried.get() if parent is None else given)
        try:
            yield
        finally:
            _carried.reset(before)
        return
    from opentelemetry import context, trace  # noqa: PLC0415 -- an extra
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    above = None if parent is None else context.Context()
    if given:
        above = TraceContextTextMapPropagator().extract({"traceparent": given}, context.Context())
    with tracer().start_as_current_span(
        name,
        context=above,
        attributes={f"houston.{key}": str(value) for key, value in ids.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
            raise


def note(**facts: str) -> None:
    """Add to the current span."""
    if settings.OTEL_ENABLED:
        from opentelemetry import trace  # noqa: PLC0415 -- an extra

        current = trace.get_current_span()
        current.set_attributes({f"houston.{key}": value for key, value in facts.items()})


def traceparent() -> str:
    """What names the current span to whoever goes on with its work, "" without any."""
    if not settings.OTEL_ENABLED:
        return _carried.get()
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 -- an extra
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


@cache
def tracer() -> "Tracer":
    """Made at the first span. Where and how it sends is set by OpenTelemetry's own variables."""
    return make_tracer(None)


def make_tracer(exporter: "SpanExporter | None") -> "Tracer":
    """A tracer that sends to `exporter`, at once; without one in batches, to the collector."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SimpleSpanProcessor,
    )

    provider = TracerProvider(resource=Resource.create({"service.name": "houston"}))
    provider.add_span_processor(
        SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(OTLPSpanExporter())
    )
    return provider.get_tracer("houston")
