"""Signs of life of web processes, so that nobody puts another database under one that serves."""

import logging
import threading
from typing import Final

from django.db import Error, connection

from invoker.models import Heartbeat

WEB: Final = "web"
EVERY_S: Final = 5

logger = logging.getLogger(__name__)


def begin() -> None:
    """Give one now and then, for as long as this process lives."""
    threading.Thread(target=_run, name="signs-of-life", daemon=True).start()


def _run() -> None:
    forever = threading.Event()
    while True:
        give()
        forever.wait(EVERY_S)


def give() -> None:
    """Give one, or say in the log that the database does not take it."""
    try:
        Heartbeat.beat(WEB)
    except Error as error:
        logger.warning("no sign of life", extra={"reason": type(error).__name__})
    finally:
        connection.close()
