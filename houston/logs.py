"""How a log line looks: time, level, logger, message, then the ids that came as `extra`."""

import logging

_KNOWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """One line per record, so that a grep for an id finds everything that touched it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        ids = {key: value for key, value in vars(record).items() if key not in _KNOWN}
        if not ids or record.name.startswith(("celery", "kombu", "django")):
            return line
        head, newline, traceback = line.partition("\n")
        words = " ".join(f"{key}={value}" for key, value in ids.items())
        return f"{head} [{words}]{newline}{traceback}"


class NotReadiness(logging.Filter):
    """Leaves out that `/readyz` said no: whoever asked knows, and asks again every second."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/readyz" not in record.getMessage()
