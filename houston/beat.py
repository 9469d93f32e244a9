"""What beat knocks with: that nobody hears it is one line, and no fault of its own."""

import logging
from typing import Any

from celery.beat import PersistentScheduler, SchedulingError

from invoker import tasks

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    def apply_async(self, entry: Any, *args: Any, **options: Any) -> Any:
        """Knock.

        Raises:
            SchedulingError: for another reason than that the broker is away.
        """
        try:
            return super().apply_async(entry, *args, **options)
        except SchedulingError as error:
            reason = error.__context__
            if not isinstance(reason, tasks.AWAY):
                raise
            logger.warning(
                "nobody to knock at", extra={"task": entry.task, "reason": type(reason).__name__}
            )
            return None
