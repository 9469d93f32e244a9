"""The account's own texts and timers: what goes out when a function returned no message."""

from invoker.automatic_messages.choosing import (
    NO_TEXT,
    AccountTexts,
    Chosen,
    Facts,
    FixedTexts,
    Texts,
    choose,
    idle_times,
)
from invoker.automatic_messages.defaults import (
    DEFAULT_LANGUAGE,
    DEFAULT_TEXTS,
    SUBTYPES,
    create_defaults,
)

__all__ = [
    "DEFAULT_LANGUAGE",
    "DEFAULT_TEXTS",
    "NO_TEXT",
    "SUBTYPES",
    "AccountTexts",
    "Chosen",
    "Facts",
    "FixedTexts",
    "Texts",
    "choose",
    "create_defaults",
    "idle_times",
]
