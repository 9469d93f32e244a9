"""One trace from a platform's request to the command, with OpenTelemetry's own SDK."""

import json
import logging
import subprocess
import sys

import pytest
from django.conf import settings as conf
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from houston import logs
from invoker import dispatch
from invoker.models import Conversation, Event
from invoker.telemetry import traces
from tests import factories
from tests.invoker import senders

pytestmark = [pytest.mark.runtime, pytest.mark.django_db(transaction=True)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
COMES_WITH = f"00-{TRACE}-00f067aa0ba902b7-01"
SAYS = "function lambda(input, callback) { callback(null, {type: 'systemMessage', text: 'hi'}); }"


@pytest.fixture
def connection(account, callback_server):
    factories.DeploymentFactory(code=SAYS, event_type="controllerbot_messaging_new_conversation")
    return factories.ConnectionFactory(callback_url=callback_server.url)


@pytest.fixture
def spans(settings, monkeypatch):
    """What the SDK has exported."""
    settings.OTEL_ENABLED = True
    exporter = InMemorySpanExporter()
    tracer = traces.make_tracer(exporter)
    monkeypatch.setattr(traces, "tracer", lambda: tracer)
    return exporter


def chain(exporter):
    """Every span with the name of the one above it, in the order of their beginnings."""
    finished = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time)
    names = {span.context.span_id: span.name for span in finished}
    return [
        (span.name, names.get(span.parent.span_id, "outside") if span.parent else "")
        for span in finished
    ]


def handle(connection, **headers):
    assert senders.post(connection, senders.updated(), **headers).status_code == 202
    dispatch.drain(Conversation.objects.get().pk)


def test_one_trace_leads_from_the_request_to_the_command(connection, spans, callback_server):
    handle(connection, traceparent=COMES_WITH)

    assert chain(spans) == [
        ("accept", "outside"),
        ("derive", "accept"),
        ("handle", "derive"),
        ("invoke", "handle"),
        ("deliver", "handle"),
    ]
    finished = {span.name: span for span in spans.get_finished_spans()}
    assert {f"{span.context.trace_id:032x}" for span in finished.values()} == {TRACE}
    event, deliver = Event.objects.get(), finished["deliver"]
    assert finished["handle"].attributes == {"houston.event_id": str(event.pk)}
    assert finished["invoke"].attributes == {
        "houston.invocation_id": str(event.invocations.get().pk),
        "houston.outcome": "SUCCEEDED",
    }
    sent = callback_server.requests[0].headers["traceparent"]
    assert sent == f"00-{TRACE}-{deliver.context.span_id:016x}-01"


@pytest.mark.parametrize("given", [{}, {"traceparent": "00-nonsense"}])
def test_trace_begins_here_where_none_came(connection, spans, callback_server, given):
    handle(connection, **given)

    assert chain(spans)[0] == ("accept", "")
    (trace_id,) = {span.context.trace_id for span in spans.get_finished_spans()}
    assert f"{trace_id:032x}" in callback_server.requests[0].headers["traceparent"]


def test_refusal_is_an_error_without_its_words(connection, spans):
    senders.post(connection, b"{", traceparent=COMES_WITH)

    (accept,) = spans.get_finished_spans()
    assert (accept.status.status_code, accept.status.description, accept.events) == (
        StatusCode.ERROR,
        "RejectedError",
        (),
    )


def test_what_came_is_passed_on_where_nobody_takes_spans(connection, callback_server):
    handle(connection, traceparent=COMES_WITH)

    assert callback_server.requests[0].headers["traceparent"] == COMES_WITH


def test_nothing_is_made_up_where_nobody_takes_spans(connection, callback_server):
    handle(connection, traceparent="00-nonsense")

    assert "traceparent" not in callback_server.requests[0].headers


def test_lines_of_a_drain_have_the_ids_of_what_is_done(connection, caplog):
    caplog.handler.setFormatter(logs.json_formatter())
    with caplog.at_level(logging.DEBUG, logger="invoker"):
        handle(connection)

    lines = [json.loads(line) for line in caplog.text.splitlines()]
    event = Event.objects.get()
    invocation, command = event.invocations.get(), event.commands.get()
    shared = {"account_id": connection.account_id, "conversation_pk": event.conversation_id}
    found = {
        line["message"]: {key: line[key] for key in line if key.endswith(("_id", "_pk"))}
        for line in lines
    }
    handled = shared | {"event_id": str(event.pk)}
    assert found["function ran"] == handled | {"invocation_id": str(invocation.pk)}
    assert found["command settled"] == handled | {"command_id": str(command.pk)}
    assert found["event done"] == handled
    assert list(lines[0])[:4] == ["time", "level", "logger", "message"]


def test_start_says_what_is_missing(tmp_path):
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("")

    process = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=conf.BASE_DIR,
        env={
            "HOUSTON_DATA_DIR": str(tmp_path / "data"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "PYTHONPATH": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode != 0
    assert "Cannot send traces to OTEL_EXPORTER_OTLP_ENDPOINT: opentelemetry." in process.stderr
