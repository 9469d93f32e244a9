"""Schedules: deployed functions of an account that run by the clock.

Every due time is run once, or shown as missed: the row of the schedule decides who has it, and a
run is never repeated. A worker that dies leaves a run that is shown as interrupted.

ScheduleError                    has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
│   ├── CronError                the cron expression cannot be read, or is never due
│   ├── ZoneError                there is no such time zone
│   └── PayloadTooLongError      payload or headers are longer than they may be
├── NotDeployedError             the account has no deployed function of this id
├── LimitError                   the account may not have more
├── UnchangedError               there was nothing to save
├── ConflictError                somebody has changed it meanwhile; `newest` is it
└── NotFoundError                it was deleted meanwhile
"""

from invoker.schedules.changes import (
    MAX_PAYLOAD,
    MAX_SCHEDULES,
    Plan,
    change,
    create,
    delete,
    delete_of,
    of_account,
    preview,
    switch,
)
from invoker.schedules.cron import FIELDS, UTC_ZONE, in_words, zones
from invoker.schedules.cron import zone as read_zone
from invoker.schedules.errors import (
    ConflictError,
    CronError,
    InvalidError,
    LimitError,
    NotDeployedError,
    NotFoundError,
    PayloadTooLongError,
    ScheduleError,
    UnchangedError,
    ZoneError,
)
from invoker.schedules.firing import GRACE, LANES, fire

__all__ = [
    "FIELDS",
    "GRACE",
    "LANES",
    "MAX_PAYLOAD",
    "MAX_SCHEDULES",
    "UTC_ZONE",
    "ConflictError",
    "CronError",
    "InvalidError",
    "LimitError",
    "NotDeployedError",
    "NotFoundError",
    "PayloadTooLongError",
    "Plan",
    "ScheduleError",
    "UnchangedError",
    "ZoneError",
    "change",
    "create",
    "delete",
    "delete_of",
    "fire",
    "in_words",
    "of_account",
    "preview",
    "read_zone",
    "switch",
    "zones",
]
