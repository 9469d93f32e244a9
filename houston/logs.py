"""How a log line looks: words for people, or one JSON document for programs that collect them.

Both hold time, level, logger and message, then the ids that came as `extra` and those of the work
that is done right now, see `invoker.telemetry`. What libraries attach to their lines is left out:
it may be a request with everything in it.
"""

import datetime as dt
import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from gunicorn.glogging import Logger
from structlog.contextvars import get_contextvars

_KNOWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TOKEN = re.compile(r"(/events/[^/\s]+/)[^/\s]+")
_STRANGERS = ("celery", "kombu", "django", "gunicorn")


def _ids(record: logging.LogRecord) -> dict[str, Any]:
    found = {key: value for key, value in get_contextvars().items() if value != ""}
    if not record.name.startswith(_STRANGERS):
        found |= {key: value for key, value in vars(record).items() if key not in _KNOWN}
    return found


class LineFormatter(logging.Formatter):
    """One line per record, so that a grep for an id finds everything that touched it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        ids = _ids(record)
        if not ids:
            return line
        head, newline, traceback = line.partition("\n")
        words = " ".join(f"{key}={value}" for key, value in ids.items())
        return f"{head} [{words}]{newline}{traceback}"


def json_formatter() -> logging.Formatter:
    """One JSON document per record: `time`, `level`, `logger`, `message`, ids, `exception`."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            _begin,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    )


def _begin(_: Any, __: str, found: MutableMapping[str, Any]) -> dict[str, Any]:
    record: logging.LogRecord = found["_record"]
    line = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
        "level": record.levelname,
        "logger": record.name,
        "message": found["event"],
    }
    raised = {"exc_info": found["exc_info"]} if "exc_info" in found else {}
    return line | _ids(record) | raised


FORMATTERS = {"line": LineFormatter, "json": json_formatter}


class ServerLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's own lines, in the same form as all others."""

    def setup(self, cfg: Any) -> None:
        from django.conf import settings  # noqa: PLC0415 -- this module is named in them

        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(FORMATTERS[settings.LOG_FORMAT]())


class NotReadiness(logging.Filter):
    """Leaves out that `/readyz` said no: whoever asked knows, and asks again every second."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/readyz" not in record.getMessage()


class WithoutTokens(logging.Filter):
    """Masks the secret in a door's address: where a platform does not sign, it proves the sender.

    Django names the address of every request that it could not answer.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _TOKEN.sub(r"\1…", each) if isinstance(each, str) else each for each in record.args
            )
        return True
