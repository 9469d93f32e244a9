"""The account's own texts and timers: what goes out when a function returned no message."""

from invoker.automatic_messages.choosing import (
    Chosen,
    Facts,
    choose,
    idle_times,
    text_for,
)
from invoker.automatic_messages.defaults import DEFAULT_LANGUAGE, DEFAULT_TEXTS, create_defaults

__all__ = [
    "DEFAULT_LANGUAGE",
    "DEFAULT_TEXTS",
    "Chosen",
    "Facts",
    "choose",
    "create_defaults",
    "idle_times",
    "text_for",
]
