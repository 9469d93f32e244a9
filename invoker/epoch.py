"""Moments as platforms count them: whole milliseconds since 1970."""

import datetime as dt
from typing import Final

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def millis(at: dt.datetime) -> int:
    """A moment in epoch milliseconds, without what is less than one."""
    return (at - EPOCH) // dt.timedelta(milliseconds=1)


def moment(ms: int) -> dt.datetime:
    """The moment of epoch milliseconds, in UTC."""
    return EPOCH + dt.timedelta(milliseconds=ms)
