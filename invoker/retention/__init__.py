"""How long an account keeps what happened, and removing what is older.

RetentionError    has a stable `code`; the message says what to do, `field` where
"""

from invoker.retention.periods import (
    FIELDS,
    LEAST_DAYS,
    MOST_DAYS,
    Periods,
    RetentionError,
    of_account,
    save,
)
from invoker.retention.removing import recently, remove

__all__ = [
    "FIELDS",
    "LEAST_DAYS",
    "MOST_DAYS",
    "Periods",
    "RetentionError",
    "of_account",
    "recently",
    "remove",
    "save",
]
