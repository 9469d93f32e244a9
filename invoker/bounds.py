"""How much JSON from outside may hold, beside its bytes and its depth."""

import re
from typing import Final

MAX_NAMES: Final = 50_000
"""Names in all objects of one body together. A body of 1 MiB has room for three times as many,
each of which takes a hundred bytes of memory."""
_NAME: Final = re.compile(rb'"\s*:')


def has_too_many_names(body: bytes) -> bool:
    """Whether a body of JSON holds more names than anybody needs; a quick look at its bytes.

    Where a text holds a quotation mark before a colon, that counts as a name.
    """
    if body.count(b":") <= MAX_NAMES:
        return False
    return sum(1 for _ in _NAME.finditer(body)) > MAX_NAMES
