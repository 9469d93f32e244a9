"""Signs of life of processes: rows that say when each kind was last seen at work.

Web servers give them so that nobody puts another database under one that serves.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from django.db import Error, connection

from invoker.models import Heartbeat

WEB: Final = "web"
EVERY_S: Final = 5

logger = logging.getLogger(__name__)


def begin() -> None:
    """Give one of a web server now and then, for as long as this process lives."""
    threading.Thread(target=_run, name="signs-of-life", daemon=True).start()


def _run() -> None:
    while True:
        give(partial(Heartbeat.beat, WEB))
        time.sleep(EVERY_S)


def give(sign: Callable[[], None]) -> None:
    """Give one, or say in the log that the database does not take it. Closes the connection."""
    try:
        sign()
    except Error as error:
        logger.warning("no sign of life", extra={"reason": type(error).__name__})
    finally:
        connection.close()
