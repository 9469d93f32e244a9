"""What can be wrong with a schedule. The tree is in the package."""

from invoker.models import Schedule


class ScheduleError(Exception):
    """Nothing was changed."""

    code = "schedule-error"
    field = ""


class InvalidError(ScheduleError):
    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CronError(InvalidError):
    code = "invalid-cron-expression"

    def __init__(self, message: str) -> None:
        super().__init__("cron_expression", message)


class ZoneError(InvalidError):
    code = "unknown-time-zone"

    def __init__(self, message: str) -> None:
        super().__init__("time_zone", message)


class PayloadTooLongError(InvalidError):
    code = "payload-too-long"


class NotDeployedError(ScheduleError):
    code = "function-not-deployed"
    field = "function"


class LimitError(ScheduleError):
    code = "limit-reached"


class UnchangedError(ScheduleError):
    code = "unchanged"


class ConflictError(ScheduleError):
    code = "conflict"

    def __init__(self, message: str, newest: Schedule) -> None:
        super().__init__(message)
        self.newest = newest


class NotFoundError(ScheduleError):
    code = "not-found"
