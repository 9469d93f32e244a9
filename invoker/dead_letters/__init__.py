"""What people do about dead letters: find them, have them tried again, discard them.

DeadLetterError      has a stable `code`; the message says what to do
├── NotWaitingError  somebody else was quicker, or there is nothing to try again
├── NoteError        the note does not fit
└── PlaceError       the place to go on after was not given out here
"""

from invoker.dead_letters.changing import discard, put_back, redeliver, retry
from invoker.dead_letters.errors import DeadLetterError, NoteError, NotWaitingError, PlaceError
from invoker.dead_letters.finding import (
    MOST_COUNTED,
    Counted,
    Wanted,
    by_account,
    count_waiting,
    counts,
    is_begun,
    is_redeliverable,
    obstacle,
    progress,
    redeliverable,
    title,
)
from invoker.dead_letters.many import MOST_AT_ONCE, Batch, discard_some, retry_some

__all__ = [
    "MOST_AT_ONCE",
    "MOST_COUNTED",
    "Batch",
    "Counted",
    "DeadLetterError",
    "NotWaitingError",
    "NoteError",
    "PlaceError",
    "Wanted",
    "by_account",
    "count_waiting",
    "counts",
    "discard",
    "discard_some",
    "is_begun",
    "is_redeliverable",
    "obstacle",
    "progress",
    "put_back",
    "redeliver",
    "redeliverable",
    "retry",
    "retry_some",
    "title",
]
