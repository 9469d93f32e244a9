"""What came too late of functions, by how much, and what took the time."""

from functions.lateness.recent import (
    LOOKED_AT,
    Handled,
    Late,
    Lateness,
    counts,
    of_function,
    of_functions,
)
from functions.lateness.ways import Part, Way, way_to
from functions.lateness.words import (
    WHY,
    describe,
    explain,
    in_short,
    length,
    say_where,
    say_why,
)

__all__ = [
    "LOOKED_AT",
    "WHY",
    "Handled",
    "Late",
    "Lateness",
    "Part",
    "Way",
    "counts",
    "describe",
    "explain",
    "in_short",
    "length",
    "of_function",
    "of_functions",
    "say_where",
    "say_why",
    "way_to",
]
