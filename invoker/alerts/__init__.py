"""Alerts: rules that are looked at every minute, and messages when one begins or ends to be true.

AlertError                       has a stable `code`; the message says what to do
├── InvalidError                 a value breaks a rule; `field` says which
└── LimitError                   the account may not have more
"""

from invoker.alerts.changes import (
    MAX_ALERTS,
    WINDOWS_MIN,
    AlertError,
    InvalidError,
    LimitError,
    Rule,
    create,
    delete,
    edit,
    rotate_secret,
    switch,
)
from invoker.alerts.telling import TooSoonError, due, tell, test
from invoker.alerts.watching import watch

__all__ = [
    "MAX_ALERTS",
    "WINDOWS_MIN",
    "AlertError",
    "InvalidError",
    "LimitError",
    "Rule",
    "TooSoonError",
    "create",
    "delete",
    "due",
    "edit",
    "rotate_secret",
    "switch",
    "tell",
    "test",
    "watch",
]
